package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"postern/crypto"
	"postern/reviewer/plain"
	"postern/reviewer/vault"
)

// ErrNoDirectory says that the vault accepted none yet.
var ErrNoDirectory = errors.New("this vault knows no directory yet: accept the operator's signed directory first")

// ErrNoRoot says that the vault trusts no root key, and none was named.
var ErrNoRoot = errors.New("this vault trusts no root key yet: name it, as its keeper gave it to you")

// Directory is the directory in force, or nil.
func (desk *Desk) Directory() *crypto.Directory { return desk.dirs }

// Roots are the root keys this vault trusts; none before the first directory.
func (desk *Desk) Roots() []string { return slices.Clone(desk.state.Roots) }

// CheckDirectory verifies a signed directory as [Desk.AcceptDirectory] does, and keeps nothing.
func (desk *Desk) CheckDirectory(signed []byte, roots []string, today crypto.Day) (*crypto.Directory, error) {
	d, err := desk.checkDirectory(signed, roots, today)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	return d, nil
}

func (desk *Desk) checkDirectory(signed []byte, roots []string, today crypto.Day) (*crypto.Directory, error) {
	known := desk.state.Roots
	if len(known) == 0 {
		known = roots
	}
	if len(known) == 0 {
		return nil, ErrNoRoot
	}
	d, err := crypto.OpenDirectory(signed, known, desk.dirs, today)
	if err != nil {
		return nil, err
	}
	if err := desk.ownMonths(d); err != nil {
		return nil, err
	}
	// A change of roots is signed by the old and by the new ones.
	if len(roots) != 0 {
		if _, err := crypto.OpenDirectory(signed, roots, desk.dirs, today); err != nil {
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
func (desk *Desk) ownMonths(d *crypto.Directory) error {
	h := desk.listed(d)
	if h == nil {
		return nil
	}
	for _, e := range h.Epochs {
		if s, err := desk.keys.seed(e.Month); err == nil && s.Identity().Recipient().String() != e.Recipient.String() {
			return fmt.Errorf("%w (%s)", ErrForeignMonths, e.Month)
		}
	}
	return nil
}

// listed finds this vault's holder with this vault's key, if active.
func (desk *Desk) listed(d *crypto.Directory) *crypto.Holder {
	b, ok := d.Body(desk.keys.Body)
	if !ok {
		return nil
	}
	key := desk.keys.signing().Public().(ed25519.PublicKey) //nolint:forcetypeassert // always that type
	for i := range b.Holders {
		if h := &b.Holders[i]; h.ID == desk.keys.Holder && h.Status == crypto.StatusActive && h.Signing.Equal(key) {
			return h
		}
	}
	return nil
}

// AcceptDirectory verifies a signed directory and makes it the one in force.
// roots are the root keys (vkeys) to trust: required the first time, later only
// to change them, by a directory that the old and the new roots signed. An older version, a changed
// salt or one that is not issued yet is refused; an expired one is accepted.
func (desk *Desk) AcceptDirectory(signed []byte, roots []string, today crypto.Day) error {
	d, err := desk.CheckDirectory(signed, roots, today)
	if err != nil {
		return err
	}
	next := desk.state.next()
	if len(roots) != 0 {
		next.Roots = slices.Clone(roots)
	}
	next.Directory = slices.Clone(signed)
	hash := d.Hash()
	if !slices.ContainsFunc(next.History, func(h dirVersion) bool { return bytes.Equal(h.Hash, hash[:]) }) {
		next.History = append(next.History, dirVersion{Version: d.Version, Hash: hash[:], Server: d.Server})
	}
	if err := desk.commit(next, new(vault.Change)); err != nil {
		return err
	}
	desk.dirs = d
	desk.index = desk.newIndex(desk.state) // who signed what may be another matter now
	return nil
}

// loadDirectory opens the directory in force. It was verified against its day when it was accepted.
func (desk *Desk) loadDirectory() (err error) {
	if desk.state.Directory == nil {
		return nil
	}
	desk.dirs, err = crypto.OpenDirectory(desk.state.Directory, desk.state.Roots, nil, crypto.Day(math.MaxInt32))
	return err
}

// Enrolled says whether a directory lists this vault's holder with this
// vault's signing key, and how many of its months this vault can open.
func (desk *Desk) Enrolled(d *crypto.Directory) (listed bool, months int) {
	h := desk.listed(d)
	if h == nil {
		return false, 0
	}
	for _, e := range h.Epochs {
		if s, err := desk.keys.seed(e.Month); err == nil && s.Identity().Recipient().String() == e.Recipient.String() {
			months++
		}
	}
	return true, months
}

// Replaced says that a directory lists this vault's holder with another key than
// the vault's: after a loss that is the holder's new vault, and at any other time somebody else. words
// are the six of that key.
func (desk *Desk) Replaced(d *crypto.Directory) (words []string) {
	b, ok := d.Body(desk.keys.Body)
	if !ok || desk.listed(d) != nil {
		return nil
	}
	for _, h := range b.Holders {
		if h.ID == desk.keys.Holder && h.Status == crypto.StatusActive {
			return crypto.SigningWords(h.Signing)
		}
	}
	return nil
}

// versionOf is the version of a directory this vault accepted, by its hash.
func (desk *Desk) versionOf(hash []byte) (uint64, bool) {
	for _, h := range desk.state.History {
		if bytes.Equal(h.Hash, hash) {
			return h.Version, true
		}
	}
	return 0, false
}

// bodyName is a body's name in the directory in force, safe to show, or its id.
func (desk *Desk) bodyName(id string) string {
	if desk.dirs != nil {
		if b, ok := desk.dirs.Body(id); ok {
			return strings.TrimSpace(plain.SafeLine(plain.AnyName(b.Names)))
		}
	}
	return plain.SafeLine(id)
}

// ReaderName is the name of a body that a source chose, safe to show. One that is
// not what it was then goes by its id: its name may be somebody else's by now.
func (desk *Desk) ReaderName(r crypto.Reader) string {
	if desk.dirs == nil {
		return plain.SafeLine(r.ID)
	}
	if _, ok := desk.dirs.BodyOf(r); ok {
		return desk.bodyName(r.ID)
	}
	if b, ok := desk.dirs.Body(r.ID); ok {
		return fmt.Sprintf("%s (another body since directory version %d)", plain.SafeLine(r.ID), b.Since)
	}
	return plain.SafeLine(r.ID)
}

func (desk *Desk) readerNames(list []crypto.Reader) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = desk.ReaderName(r)
	}
	return out
}
