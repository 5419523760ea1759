package reviewer

import (
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
)

// A second root joins, then two signatures are needed: at every step the
// server, which knows the old root and is told the new one, and the desks accept what was signed.
func TestChangeOfRoot(t *testing.T) {
	w := newWorld(t)
	second := w.newRoot("quay")
	vkey := second.Key()
	d := w.server.Directory
	first, prev := w.signed, must(crypto.OpenDirectory(w.signed, []string{w.vkey}, nil, w.today()))(t)

	d.Version++
	byOld := must(w.root.Sign(must(w.server.Proposal())(t), first, w.today()))(t)
	if _, err := second.Sign(byOld, first, w.today()); err == nil {
		t.Error("a new root signed after a directory that no root it was told of signed")
	}
	if _, err := second.Sign(byOld, first, w.today(), vkey); err == nil {
		t.Error("a new root took itself for the root before")
	}
	if _, err := second.Sign(byOld, first, w.today(), "nonsense"); err == nil {
		t.Error("nonsense was taken for a root")
	}
	both := must(second.Sign(byOld, first, w.today(), w.vkey))(t)
	// The server's rule: a root it knows signed, and every new one did (postern directory install --root).
	next := must(crypto.OpenDirectory(both, []string{w.vkey}, prev, w.today()))(t)
	verifier := must(note.NewVerifier(vkey))(t)
	if _, err := note.Open(both, note.VerifierList(verifier)); err != nil {
		t.Errorf("the new root's signature: %v", err)
	}
	v := w.desks["anna"]
	check(t, v.AcceptDirectory(both, []string{w.vkey, vkey}, w.today()))

	d.Version++
	d.Roots = 2
	one := must(second.Sign(must(w.server.Proposal())(t), both, w.today()))(t)
	known := []string{w.vkey, vkey}
	if _, err := crypto.OpenDirectory(one, known, next, w.today()); !errors.Is(err, crypto.ErrUnsigned) {
		t.Errorf("one signature of two: %v", err)
	}
	two := must(w.root.Sign(one, both, w.today()))(t)
	must(crypto.OpenDirectory(two, known, next, w.today()))(t)
	check(t, v.AcceptDirectory(two, nil, w.today()))
	if v.Directory().Version != 3 || v.Directory().Roots != 2 {
		t.Errorf("directory %+v", v.Directory())
	}
}

// What every code depends on cannot change by a signature.
func TestRootKeepsCodes(t *testing.T) {
	w := newWorld(t)
	d := w.server.Directory
	d.Version++
	for name, change := range map[string]func(){
		"key derivation": func() { d.KDF.Time++ },
		"origin":         func() { d.Origin += " 2" },
		"salt":           func() { d.Salt[0]++ },
	} {
		kept := *d
		change()
		if _, err := w.root.Sign(must(w.server.Proposal())(t), w.signed, w.today()); err == nil {
			t.Errorf("another %s was signed", name)
		}
		*d = kept
	}
	must(w.root.Sign(must(w.server.Proposal())(t), w.signed, w.today()))(t)
}
