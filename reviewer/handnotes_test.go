package reviewer

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"postern/crypto"
	"postern/reviewer/dossier"
)

// A hand-over brings who had opened and copied what, and to whom a case was referred, as a set that only
// grows (SECURITY.md S-34).
func TestHandOverNotes(t *testing.T) {
	a := newAgreed(t)
	a.says(true, "inspect")
	a.refer(Selection{})
	anna, ben := a.desks["anna"], a.desks["ben"]
	check(t, anna.LogCustody(a.only("anna"), dossier.ActOpen, 1, 2))
	must(anna.Extract(a.only("anna"), a.fileNo("marker-narrow.txt"), t.TempDir()))(t)
	first := a.handOver("anna", "ben")
	plan := must(anna.PlanHandOver(casesOf(anna), nil, "ben", a.today()))(t)
	if plan.Notes != 4 {
		t.Fatalf("%d notes go along", plan.Notes)
	}
	if got := a.takes("ben", first, TakeoverOptions{}); got.Notes != 4 || got.Refused != 0 {
		t.Fatalf("%+v", got)
	}
	same := func(when string) {
		t.Helper()
		ben = a.reopen("ben")
		x, y := a.only("anna"), a.only("ben")
		if p, q := must(anna.Custody(x))(t), must(ben.Custody(y))(t); len(p) < 3 || !slices.Equal(p, q) {
			t.Errorf("%s: anna has %+v, ben %+v", when, p, q)
		}
		if p, q := anna.ReferredTo(x), ben.ReferredTo(y); len(p) != 1 || !slices.Equal(p, q) {
			t.Errorf("%s: anna has %+v, ben %+v", when, p, q)
		}
	}
	same("taken over")
	before := snapshot(t, ben.vault.Dir())
	if got := a.takes("ben", first, TakeoverOptions{}); got.Notes != 0 || snapshot(t, ben.vault.Dir()) != before {
		t.Errorf("twice: %+v", got)
	}
	// A receipt that one of both took in is news for the other, and no older word takes it back.
	hash := sha256.Sum256(nil)
	for id := range must(Records[ReferredTo](anna, kindReferredTo, a.only("anna")))(t) {
		hash = [32]byte([]byte(id))
	}
	f := a.desks["dora"].deskFile(crypto.DeskReceipt, a.today(), a.server.Readers("ombuds")[0])
	r := Referral{file: f}
	r.add(itemReceipt, hash[:], nil)
	a.takes("anna", a.writes("dora", "anna", &r), TakeoverOptions{})
	if got := a.takes("ben", a.handOver("anna", "ben"), TakeoverOptions{}); got.Notes != 1 {
		t.Errorf("a receipt: %+v", got)
	}
	same("with the receipt")
	if got := a.takes("ben", first, TakeoverOptions{}); got.Notes != 0 {
		t.Errorf("the first file: %+v", got)
	}
	same("after the first file")
	// What was erased here is not brought back by its notes.
	check(t, ben.Erase(a.only("ben"), []byte(testPass), "a test"))
	if got := a.takes("ben", first, TakeoverOptions{}); got.Notes != 0 || len(ben.added[kindCustody])+len(ben.added[kindReferredTo]) != 0 {
		t.Errorf("erased: %+v", got)
	}
	if got := a.takes("ben", first, TakeoverOptions{Again: true}); got.Notes != 4 {
		t.Errorf("again: %+v", got)
	}
}

// writes writes a desk file of a holder for another one.
func (w *world) writes(from, to string, r *Referral) []byte {
	w.t.Helper()
	var b bytes.Buffer
	check(w.t, w.desks[from].writeDeskFile(&b, &r.file, [][]*crypto.Recipient{{w.key(to).Recipient()}}, r.open))
	return b.Bytes()
}

// Notes that make no sense are refused alone, and those on a case that is not here are left.
func TestHandOverNotesRefused(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	of := src.Case
	good := noted{of: of, kind: kindCustody, by: custody{Day: 20_000, Holder: "anna", Act: dossier.ActOpen}}
	item := func(number byte, change func(*noted)) []byte {
		n := good
		change(&n)
		return n.encode(slices.Concat([]byte{number}, n.of[:]))
	}
	keep := func(*noted) {}
	referred := func(n *noted) {
		n.kind, n.id = kindReferredTo, string(make([]byte, 32))
		n.to = ReferredTo{To: crypto.Reader{ID: "inspect", Since: 1}, Day: 20_000}
	}
	for name, b := range map[string][]byte{
		"nothing": item(2, keep)[:17], "no kind": {}, "another kind": item(3, keep), "cut": item(2, keep)[:25], "longer": append(item(2, keep), 0), "kinds mixed up": item(1, keep),
		"another act": item(2, func(n *noted) { n.by.Act = "burn" }), "no holder": item(2, func(n *noted) { n.by.Holder = "" }),
		"no message": item(2, func(n *noted) { n.by.Message = "../../etc/passwd" }), "a file of none": item(2, func(n *noted) { n.by.File = 1 }),
		"no body":             item(1, func(n *noted) { referred(n); n.to.To.ID = "" }),
		"received by nobody":  item(1, func(n *noted) { referred(n); n.to.Received = 20_001 }),
		"received on no day":  item(1, func(n *noted) { referred(n); n.to.By = "dora" }),
		"received by a stray": item(1, func(n *noted) { referred(n); n.to.Received, n.to.By = 1, "<b>" }),
	} {
		if list, err := decodeNotes(b); err == nil {
			t.Errorf("%s: %+v", name, list)
		}
	}
	r := Referral{file: w.desks["anna"].deskFile(crypto.DeskHandOver, w.today(), w.server.Readers("ombuds")[0])}
	r.file.Holder = w.desks["ben"].signingKey()
	r.add(itemNotes, item(2, keep), nil)
	r.add(itemNotes, item(1, referred), nil)
	r.add(itemNotes, item(2, func(n *noted) { n.by.Act = "burn" }), nil)
	before := snapshot(t, w.desks["ben"].vault.Dir())
	if got := w.takes("ben", w.writes("anna", "ben", &r), TakeoverOptions{}); got.Notes != 0 || got.Refused != 1 {
		t.Errorf("%+v", got)
	}
	if snapshot(t, w.desks["ben"].vault.Dir()) != before {
		t.Error("the vault's files changed")
	}
}

// Look tells what taking in then does, and changes nothing.
func TestLook(t *testing.T) {
	o := newOffice(t)
	file := o.handOver("anna", "ben")
	ben := o.desks["ben"]
	look := func(file []byte, again bool) *Takeover {
		t.Helper()
		before := snapshot(t, ben.vault.Dir())
		got := must(ben.Look(bytes.NewReader(file), TakeoverOptions{Again: again}))(t)
		if snapshot(t, ben.vault.Dir()) != before {
			t.Error("looking changed the vault's files")
		}
		return got
	}
	agree := func(when string, again bool) {
		t.Helper()
		saw := look(file, again)
		got := o.takes("ben", file, TakeoverOptions{Again: again})
		if saw.New != got.New || saw.Known != got.Known || saw.Erased != got.Erased || saw.Back != got.Back || saw.Mended != got.Mended || saw.Holder != "anna" || saw.Kind != crypto.DeskHandOver {
			t.Errorf("%s: looked like %+v, was %+v", when, saw, got)
		}
	}
	agree("new", false)
	agree("twice", false)
	packs := filepath.Join(ben.vault.Dir(), "packs")
	for _, p := range must(os.ReadDir(packs))(t) {
		check(t, os.Remove(filepath.Join(packs, p.Name())))
	}
	ben = o.reopen("ben")
	agree("lost", false)
	check(t, ben.Erase(o.only("ben"), []byte(testPass), "a test"))
	agree("erased", false)
	agree("again", true)
	if _, err := ben.Look(bytes.NewReader(file[:len(file)/3]), TakeoverOptions{}); err != nil {
		t.Errorf("a file that breaks off behind its head: %v", err)
	}
	for name, f := range map[string][]byte{"noise": []byte("noise"), "cut": file[:100]} {
		if got, err := ben.Look(bytes.NewReader(f), TakeoverOptions{}); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
