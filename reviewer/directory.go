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
	// A change of roots is signed by the old and by the new ones.
	if len(roots) != 0 {
		if _, err := crypto.OpenDirectory(signed, roots, v.dirs, today); err != nil {
			return nil, err
		}
	}
	return d, nil
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
		next.History = append(next.History, dirVersion{Version: d.Version, Hash: hash[:]})
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
	b, ok := d.Body(v.keys.Body)
	if !ok {
		return false, 0
	}
	key := v.keys.signing().Public().(ed25519.PublicKey)
	for _, h := range b.Holders {
		if h.ID != v.keys.Holder || h.Status != crypto.StatusActive || !h.Signing.Equal(key) {
			continue
		}
		for _, e := range h.Epochs {
			if s, err := v.keys.seed(e.Month); err == nil && s.Identity().Recipient().String() == e.Recipient.String() {
				months++
			}
		}
		return true, months
	}
	return false, 0
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
// Lines that are a change begin with "+", "-" or "!"; the others with a space.
func DescribeDirectory(old, d *crypto.Directory) []string {
	var out []string
	say := func(mark byte, format string, a ...any) {
		out = append(out, string(mark)+" "+SafeLine(fmt.Sprintf(format, a...)))
	}
	changed := func(differs bool) byte {
		if old != nil && differs {
			return '!'
		}
		return ' '
	}
	was := old
	if was == nil {
		was = d
	}
	say(' ', "%s, version %d, issued %s, expires %s", d.Origin, d.Version, d.Issued, d.Expires)
	say(changed(d.Policy != was.Policy), "every message has %d places; %d bodies must act together to open one", d.Policy.Slots, d.Policy.Quorum)
	say(changed(d.Roots != was.Roots), "root signatures needed: %d", d.Roots)
	if old != nil {
		if d.Transfer.String() != was.Transfer.String() {
			say('!', "the server's key for replies is another one")
		}
		if d.KDF != was.KDF {
			say('!', "the key derivation of codes is another one: codes given out before stop working")
		}
		if d.Salt != was.Salt {
			say('!', "the instance salt is another one: codes given out before stop working")
		}
		if d.Origin != was.Origin {
			say('!', "the directory was called %s before", was.Origin)
		}
	}
	for i := range d.Bodies {
		b := &d.Bodies[i]
		var before *crypto.Body
		if old != nil {
			before, _ = old.Body(b.ID)
		}
		describeBody(say, old != nil, before, b)
	}
	if old != nil {
		for _, b := range old.Bodies {
			if _, ok := d.Body(b.ID); !ok {
				say('-', "body %s is no longer listed: it reads nothing new, and nothing it signed can be verified", b.ID)
			}
		}
	}
	return out
}

// describeBody describes one body. compare says whether there is an older
// directory; was is the body there, or nil.
func describeBody(say func(byte, string, ...any), compare bool, was, b *crypto.Body) {
	mark := byte(' ')
	if compare && was == nil {
		mark = '+'
	}
	stand := "independent of the institution"
	if !b.Independent {
		stand = "NOT independent of the institution"
	}
	if was != nil && (was.Independent != b.Independent || was.Kind != b.Kind || !maps.Equal(was.Names, b.Names) || !maps.Equal(was.Mandates, b.Mandates)) {
		mark = '!'
	}
	say(mark, "body %s: %s, %s, %s", b.ID, anyName(b.Names), b.Kind, stand)
	for _, h := range b.Holders {
		var before *crypto.Holder
		if was != nil {
			for i := range was.Holders {
				if was.Holders[i].ID == h.ID {
					before = &was.Holders[i]
				}
			}
		}
		mark, note := byte(' '), ""
		switch {
		case !compare:
		case before == nil:
			mark, note = '+', " (new)"
		case !before.Signing.Equal(h.Signing):
			mark, note = '!', " (ANOTHER SIGNING KEY)"
		case before.Status != h.Status:
			mark, note = '!', fmt.Sprintf(" (was %s)", before.Status)
		case epochsDiffer(before.Epochs, h.Epochs):
			mark, note = '!', " (OTHER KEYS FOR THE SAME MONTHS)"
		}
		months := "reads nothing new"
		if n := len(h.Epochs); n > 0 {
			months = fmt.Sprintf("reads %s to %s", h.Epochs[0].Month, h.Epochs[n-1].Month)
		}
		say(mark, "  holder %s: %s, %s%s", h.ID, h.Status, months, note)
	}
	if was != nil {
		for _, h := range was.Holders {
			if !slices.ContainsFunc(b.Holders, func(n crypto.Holder) bool { return n.ID == h.ID }) {
				say('-', "  holder %s is no longer listed", h.ID)
			}
		}
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
