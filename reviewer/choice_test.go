package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/reviewer/reviewertest"
)

// resealed is what a reader does who opens a message and seals it to bodies that the source left out.
func (w *world) resealed(src *reviewertest.Source, text string, chosen string, to ...string) []byte {
	w.t.Helper()
	m := src.Head(crypto.KindReport, reviewertest.NewForm(), w.today(), chosen)
	m.Text, m.Prekeys = text, src.Prekeys()
	bodies := must(w.server.Directory.ReadersFor(to, crypto.MonthOf(w.now)))(w.t)
	var b bytes.Buffer
	sw := must(crypto.Seal(&b, w.server.Directory.Policy, bodies))(w.t)
	mw := must(crypto.NewMessageWriter(sw, m, src.Signing))(w.t)
	check(w.t, mw.Close())
	check(w.t, sw.Close())
	return b.Bytes()
}

// What the source did not seal to this body is marked everywhere, and nobody answers it.
func TestForwarded(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	r := w.imports("dora", w.release(2, w.resealed(src, "only for ombuds", "ombuds", "inspect")))
	if r.New != 1 || r.Forwarded != 1 {
		t.Errorf("%+v", r)
	}
	v, c := w.desks["dora"], w.only("dora")
	if !c.Messages[0].Forwarded {
		t.Error("the message is not marked")
	}
	var text bytes.Buffer
	check(t, v.WriteCase(&text, c))
	for _, want := range []string{"! NOT FOR YOUR BODY", "! YOUR BODY IS NOT AMONG THEM"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("not shown: %q in\n%s", want, text.String())
		}
	}
	if _, err := v.PlanReply(c, w.today()); !errors.Is(err, ErrNotChosen) {
		t.Errorf("an answer is planned: %v", err)
	}
	// What is for this body is not marked, whoever else reads it.
	other := w.server.NewSource()
	r = w.imports("anna", w.release(2, must(other.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t)))
	if r.Forwarded != 0 || w.only("anna").Messages[0].Forwarded {
		t.Errorf("%+v", r)
	}
}

// Two lives of a mailbox on one day: only who is chosen in both reads, whichever messages of them are here.
func TestTwoLivesOnOneDay(t *testing.T) {
	at := func(n uint64) *crypto.BatchRef { return &crypto.BatchRef{Batch: n} }
	both, one := []string{"a", "b"}, []string{"b"}
	for name, c := range map[string]struct {
		entries []entry
		drop    string
		narrow  bool
	}{
		"the old report is not here": {[]entry{
			{Kind: crypto.KindFollowUp, Day: 100, Counter: 11, Readers: both, Batch: at(1), Prekeys: []prekey{{Slot: 1, Drop: []byte("old")}}},
			{Kind: crypto.KindReport, Day: 100, Readers: one, Arrival: 1, Batch: at(2), Prekeys: []prekey{{Slot: 1, Drop: []byte("new")}}},
		}, "new", false},
		"the old life is of another day": {[]entry{
			{Kind: crypto.KindFollowUp, Day: 99, Counter: 11, Readers: both, Batch: at(1), Prekeys: []prekey{{Slot: 1, Drop: []byte("old")}}},
			{Kind: crypto.KindReport, Day: 100, Readers: one, Arrival: 1, Batch: at(2), Prekeys: []prekey{{Slot: 1, Drop: []byte("new")}}},
		}, "new", false},
		"of the new life only a file is here": {[]entry{
			{Kind: crypto.KindReport, Day: 100, Readers: both, Batch: at(1), Prekeys: []prekey{{Slot: 1, Drop: []byte("old")}}},
			{Kind: crypto.KindFollowUp, Day: 100, Counter: 11, Readers: both, Arrival: 1, Batch: at(1)},
			{Kind: crypto.KindFile, Day: 100, Counter: 1, Readers: one, Arrival: 2, Batch: at(2)},
		}, "old", true},
		"one life, in order": {[]entry{
			{Kind: crypto.KindReport, Day: 100, Readers: both, Batch: at(1), Prekeys: []prekey{{Slot: 1, Drop: []byte("old")}}},
			{Kind: crypto.KindFile, Day: 100, Counter: 1, Readers: both, Arrival: 2, Batch: at(1)},
			{Kind: crypto.KindFollowUp, Day: 100, Counter: 11, Readers: one, Arrival: 1, Batch: at(2), Prekeys: []prekey{{Slot: 1, Drop: []byte("new")}}},
		}, "new", false},
	} {
		v, ok := latest(c.entries)
		if !ok || !slices.Equal(v.readers, one) || string(v.prekeys[0].Drop) != c.drop || v.narrowed != c.narrow {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// Whoever is not of this body uses none of its places.
func TestStrangersUseNoPlaces(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t)))
	plan := func() *Plan { return must(w.desks["anna"].PlanReply(w.only("anna"), w.today()))(t) }
	before := plan()
	_, nobody, err := ed25519.GenerateKey(nil)
	check(t, err)
	fill := func(key ed25519.PrivateKey) {
		var all [][]byte
		for _, k := range src.Prekeys() {
			m := &crypto.Message{
				Meta:    crypto.Meta{Kind: crypto.KindReply, Case: src.Case, Day: w.today(), Form: reviewertest.NewForm()},
				Readers: []string{"ombuds"}, Quorum: 1, Text: "-", Drop: &crypto.DropRef{Drop: crypto.DropOf(k.Recipient), Slot: k.Slot},
			}
			all = append(all, must(w.server.Seal(m, key, nil))(t))
		}
		w.imports("anna", w.release(2, all...))
	}
	fill(nobody)
	if p := plan(); p.Slot != before.Slot || p.Left != before.Left {
		t.Errorf("after replies of nobody: slot %d, %d left", p.Slot, p.Left)
	}
	fill(w.desks["cleo"].keys.signing())
	if p := plan(); p.Slot != before.Slot || p.Left != before.Left {
		t.Errorf("after replies of another body: slot %d, %d left", p.Slot, p.Left)
	}
	fill(w.desks["ben"].keys.signing())
	if p := plan(); !p.Shared || !p.Replaces {
		t.Errorf("after replies of a colleague: %+v", p)
	}
}

// A holder whose share is used up is told that the next place is a colleague's.
func TestBorrowedPlace(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t)))
	var borrowed []bool
	for range 8 {
		borrowed = append(borrowed, w.reply("anna", w.only("anna"), "hello").Borrowed)
	}
	if !slices.Equal(borrowed, []bool{false, false, false, true, true, true, true, false}) { // the last is shared
		t.Errorf("borrowed: %v", borrowed)
	}
}

// A reply names as readers who can read it, and nobody else; when nobody can, there is none.
func TestReplyNamesItsReaders(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t)))
	ngo, _ := w.server.Directory.Body("ngo")
	ngo.Holders[0].Status, ngo.Holders[0].Since, ngo.Holders[0].Epochs = crypto.StatusRetired, w.server.Directory.Version+1, nil
	w.next()
	v := w.desks["anna"]
	w.reply("anna", w.only("anna"), "hello")
	reply := w.only("anna").Messages[1]
	if !slices.Equal(reply.Readers, []string{"ombuds"}) {
		t.Errorf("the reply says it is read by %v", reply.Readers)
	}
	// Every key of the body is of other months: the own signing key is listed all the same.
	w.now = w.now.AddDate(2, 0, 0)
	if _, err := v.PlanReply(w.only("anna"), w.today()); !errors.Is(err, ErrNobody) {
		t.Errorf("nobody can read: %v", err)
	}
}

// A vault that is open elsewhere is not even looked into.
func TestLockComesFirst(t *testing.T) {
	w := newWorld(t)
	dir := w.desks["dora"].dir
	if _, err := Open(dir, []byte("wrong"), w.options()); !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	check(t, os.Rename(filepath.Join(dir, keyName), filepath.Join(dir, "kept")))
	check(t, os.Mkdir(filepath.Join(dir, keyName), 0o700)) // reading it fails
	if _, err := Open(dir, []byte(testPass), w.options()); !errors.Is(err, ErrInUse) {
		t.Errorf("the key file was read before the lock: %v", err)
	}
	check(t, os.Remove(filepath.Join(dir, keyName)))
	check(t, os.Rename(filepath.Join(dir, "kept"), filepath.Join(dir, keyName)))
}
