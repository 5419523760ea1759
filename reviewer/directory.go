package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"postern/crypto"
)

// ErrNoDirectory says that the vault accepted none yet.
var ErrNoDirectory = errors.New("this vault knows no directory yet: accept the operator's signed directory first")

// ErrNoRoot says that the vault trusts no root key, and none was named.
var ErrNoRoot = errors.New("this vault trusts no root key yet: name it, as its keeper gave it to you")

// Directory is the directory in force, or nil.
func (v *Vault) Directory() *crypto.Directory { return v.dirs }

// Roots are the root keys this vault trusts; none before the first directory.
func (v *Vault) Roots() []string { return slices.Clone(v.state.Roots) }

// CheckDirectory verifies a signed directory as [Vault.AcceptDirectory] does, and keeps nothing.
func (v *Vault) CheckDirectory(signed []byte, roots []string, today crypto.Day) (*crypto.Directory, error) {
	d, err := v.checkDirectory(signed, roots, today)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	return d, nil
}

func (v *Vault) checkDirectory(signed []byte, roots []string, today crypto.Day) (*crypto.Directory, error) {
	known := v.state.Roots
	if len(known) == 0 {
		known = roots
	}
	if len(known) == 0 {
		return nil, ErrNoRoot
	}
	d, err := crypto.OpenDirectory(signed, known, v.dirs, today)
	if err != nil {
		return nil, err
	}
	if err := v.ownMonths(d); err != nil {
		return nil, err
	}
	// A change of roots is signed by the old and by the new ones.
	if len(roots) != 0 {
		if _, err := crypto.OpenDirectory(signed, roots, v.dirs, today); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// ErrForeignMonths says that somebody made months' keys in this holder's name.
var ErrForeignMonths = errors.New("it lists months' keys under your name that this vault did not make: somebody else would read what is sealed to you. Do not accept it; tell the keeper of the root key and the operator by voice")

// ownMonths says whether all months listed for this vault's key are the vault's own. Those
// whose seeds were destroyed cannot be compared: they carry the vault's signature, which every
// directory needs to be read at all.
func (v *Vault) ownMonths(d *crypto.Directory) error {
	h := v.listed(d)
	if h == nil {
		return nil
	}
	for _, e := range h.Epochs {
		if s, err := v.keys.seed(e.Month); err == nil && s.Identity().Recipient().String() != e.Recipient.String() {
			return fmt.Errorf("%w (%s)", ErrForeignMonths, e.Month)
		}
	}
	return nil
}

// listed finds this vault's holder with this vault's key, if active.
func (v *Vault) listed(d *crypto.Directory) *crypto.Holder {
	b, ok := d.Body(v.keys.Body)
	if !ok {
		return nil
	}
	key := v.keys.signing().Public().(ed25519.PublicKey) //nolint:forcetypeassert // always that type
	for i := range b.Holders {
		if h := &b.Holders[i]; h.ID == v.keys.Holder && h.Status == crypto.StatusActive && h.Signing.Equal(key) {
			return h
		}
	}
	return nil
}

// AcceptDirectory verifies a signed directory and makes it the one in force.
// roots are the root keys (vkeys) to trust: required the first time, later only
// to change them, by a directory that the old and the new roots signed. An older version, a changed
// salt or one that is not issued yet is refused; an expired one is accepted.
func (v *Vault) AcceptDirectory(signed []byte, roots []string, today crypto.Day) error {
	d, err := v.CheckDirectory(signed, roots, today)
	if err != nil {
		return err
	}
	next := v.state.clone()
	if len(roots) != 0 {
		next.Roots = slices.Clone(roots)
	}
	next.Directory = slices.Clone(signed)
	hash := d.Hash()
	if !slices.ContainsFunc(next.History, func(h dirVersion) bool { return bytes.Equal(h.Hash, hash[:]) }) {
		next.History = append(next.History, dirVersion{Version: d.Version, Hash: hash[:], Server: d.Server})
	}
	if err := v.commit(next); err != nil {
		return err
	}
	v.dirs = d
	return nil
}

// loadDirectory opens the directory in force. It was verified against its day when it was accepted.
func (v *Vault) loadDirectory() (err error) {
	if v.state.Directory == nil {
		return nil
	}
	v.dirs, err = crypto.OpenDirectory(v.state.Directory, v.state.Roots, nil, crypto.Day(math.MaxInt32))
	return err
}

// Enrolled says whether a directory lists this vault's holder with this
// vault's signing key, and how many of its months this vault can open.
func (v *Vault) Enrolled(d *crypto.Directory) (listed bool, months int) {
	h := v.listed(d)
	if h == nil {
		return false, 0
	}
	for _, e := range h.Epochs {
		if s, err := v.keys.seed(e.Month); err == nil && s.Identity().Recipient().String() == e.Recipient.String() {
			months++
		}
	}
	return true, months
}

// Replaced says that a directory lists this vault's holder with another key than
// the vault's: after a loss that is the holder's new vault, and at any other time somebody else. words
// are the six of that key.
func (v *Vault) Replaced(d *crypto.Directory) (words []string) {
	b, ok := d.Body(v.keys.Body)
	if !ok || v.listed(d) != nil {
		return nil
	}
	for _, h := range b.Holders {
		if h.ID == v.keys.Holder && h.Status == crypto.StatusActive {
			return crypto.SigningWords(h.Signing)
		}
	}
	return nil
}

// versionOf is the version of a directory this vault accepted, by its hash.
func (v *Vault) versionOf(hash []byte) (uint64, bool) {
	for _, h := range v.state.History {
		if bytes.Equal(h.Hash, hash) {
			return h.Version, true
		}
	}
	return 0, false
}

// DescribeDirectory says in plain lines who would read under d and what
// differs from old, which may be nil: what a person must see before signing or accepting.
// Every signing key stands there as the six words that its holder's card showed.
// Lines that are a change begin with "+", "-" or "!"; the others with a space.
func DescribeDirectory(old, d *crypto.Directory) []string {
	p := &describer{old: old}
	was := old
	if was == nil {
		was = d
	}
	p.say(' ', "%s, version %d, issued %s, expires %s", d.Origin, d.Version, d.Issued, d.Expires)
	p.say(' ', "every message has %d places; %d body must act to open one", d.Policy.Slots, d.Policy.Quorum)
	p.change(d.Policy != was.Policy, "it was %d places and %d before", was.Policy.Slots, was.Policy.Quorum)
	p.say(' ', "root signatures needed: %d", d.Roots)
	p.change(d.Roots != was.Roots, "it was %d before", was.Roots)
	p.say(' ', "the server signs batches with: %s", signingWords(d.Server))
	p.change(!d.Server.Equal(was.Server), "ANOTHER KEY OF THE SERVER; before it was: %s", signingWords(was.Server))
	p.change(d.Transfer.String() != was.Transfer.String(), "the server's key for replies is another one")
	p.change(d.KDF != was.KDF, "the key derivation of codes is another one: codes given out before stop working")
	p.change(d.Salt != was.Salt, "the instance salt is another one: codes given out before stop working")
	p.change(d.Origin != was.Origin, "the directory was called %s before", was.Origin)
	for i := range d.Bodies {
		p.body(&d.Bodies[i])
	}
	for i := range was.Bodies {
		if _, ok := d.Body(was.Bodies[i].ID); !ok {
			p.say('-', "body %s is no longer listed: it reads nothing new, and nothing it signed can be verified", was.Bodies[i].ID)
		}
	}
	return p.out
}

func signingWords(key ed25519.PublicKey) string { return strings.Join(crypto.SigningWords(key), " ") }

// describer compares a directory with the one before, if there is one.
type describer struct {
	old *crypto.Directory
	out []string
}

func (p *describer) say(mark byte, format string, a ...any) {
	p.out = append(p.out, string(mark)+" "+SafeLine(fmt.Sprintf(format, a...)))
}

// change is a line about something that differs.
func (p *describer) change(differs bool, format string, a ...any) {
	if differs {
		p.say('!', format, a...)
	}
}

func stand(b *crypto.Body) string {
	if b.Independent {
		return "independent of the institution"
	}
	return "NOT independent of the institution"
}

func (p *describer) body(b *crypto.Body) {
	was, mark := b, byte(' ')
	if p.old != nil {
		if o, ok := p.old.Body(b.ID); ok {
			was = o
		} else {
			was, mark = nil, '+'
		}
	}
	p.say(mark, "body %s: %s, %s, %s", b.ID, anyName(b.Names), b.Kind, stand(b))
	if was == nil {
		was = &crypto.Body{Kind: b.Kind, Independent: b.Independent, Names: b.Names, Mandates: b.Mandates, Since: b.Since}
	}
	p.change(was.Kind != b.Kind || was.Independent != b.Independent, "  it was %s, %s, before", was.Kind, stand(was))
	p.texts("name", was.Names, b.Names)
	p.texts("mandate", was.Mandates, b.Mandates)
	p.change(was.Since != b.Since, "  it is another body since version %d: sources who chose it have to choose it anew", b.Since)
	for i := range b.Holders {
		p.holder(was, &b.Holders[i])
	}
	for _, h := range was.Holders {
		if holderOf(b, h.Signing) == nil {
			p.say('-', "  the key of holder %s is no longer listed: %s", h.ID, signingWords(h.Signing))
		}
	}
}

// texts compares names or mandates by language.
func (p *describer) texts(what string, was, now map[string]string) {
	tags := slices.Sorted(maps.Keys(was))
	for t := range now {
		if _, ok := was[t]; !ok {
			tags = append(tags, t)
		}
	}
	for _, t := range tags {
		p.change(was[t] != now[t], "  its %s (%s) was %q and is now %q", what, t, was[t], now[t])
	}
}

// holderOf finds a key of a body.
func holderOf(b *crypto.Body, key ed25519.PublicKey) *crypto.Holder {
	for i := range b.Holders {
		if b.Holders[i].Signing.Equal(key) {
			return &b.Holders[i]
		}
	}
	return nil
}

func (p *describer) holder(body *crypto.Body, h *crypto.Holder) {
	months := "reads nothing new"
	if n := len(h.Epochs); n > 0 {
		months = fmt.Sprintf("reads %s to %s", h.Epochs[0].Month, h.Epochs[n-1].Month)
	}
	line := func(mark byte, note string) {
		p.say(mark, "  holder %s: %s, %s%s", h.ID, h.Status, months, note)
		p.say(mark, "    key: %s", signingWords(h.Signing))
	}
	was := holderOf(body, h.Signing)
	switch {
	case p.old == nil:
		line(' ', "")
	case was == nil && slices.ContainsFunc(body.Holders, func(o crypto.Holder) bool { return o.ID == h.ID }):
		line('!', " (ANOTHER SIGNING KEY)")
	case was == nil:
		line('+', " (new)")
	case was.Status != h.Status:
		line('!', fmt.Sprintf(" (was %s)", was.Status))
	case was.ID != h.ID:
		line('!', fmt.Sprintf(" (was called %s)", was.ID))
	case epochsDiffer(was.Epochs, h.Epochs):
		line('!', " (OTHER KEYS FOR THE SAME MONTHS)")
	default:
		line(' ', "")
	}
}

// epochsDiffer says whether a month has another recipient than before.
func epochsDiffer(a, b []crypto.Epoch) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Month == y.Month && x.Recipient.String() != y.Recipient.String() {
				return true
			}
		}
	}
	return false
}

// anyName is the English name, or the first by language tag.
func anyName(names map[string]string) string {
	if n := names["en"]; n != "" {
		return n
	}
	for _, k := range slices.Sorted(maps.Keys(names)) {
		return names[k]
	}
	return "(no name)"
}

// bodyName is a body's name in the directory in force, safe to show, or its id.
func (v *Vault) bodyName(id string) string {
	if v.dirs != nil {
		if b, ok := v.dirs.Body(id); ok {
			return strings.TrimSpace(SafeLine(anyName(b.Names)))
		}
	}
	return SafeLine(id)
}

// ReaderName is the name of a body that a source chose, safe to show. One that is
// not what it was then goes by its id: its name may be somebody else's by now.
func (v *Vault) ReaderName(r crypto.Reader) string {
	if v.dirs == nil {
		return SafeLine(r.ID)
	}
	if _, ok := v.dirs.BodyOf(r); ok {
		return v.bodyName(r.ID)
	}
	if b, ok := v.dirs.Body(r.ID); ok {
		return fmt.Sprintf("%s (another body since directory version %d)", SafeLine(r.ID), b.Since)
	}
	return SafeLine(r.ID)
}

func (v *Vault) readerNames(list []crypto.Reader) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = v.ReaderName(r)
	}
	return out
}
