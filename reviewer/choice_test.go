package reviewer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"postern/crypto"
	"postern/reviewer/reviewertest"
	"postern/reviewer/vault"
)

// What names a body that this vault is not of was sealed to it by another than its
// writer: it is a stranger's, whoever wrote it, and nothing of it is shown (SECURITY.md S-30).
func TestLeftOutBody(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	report := w.say(src, "the minister did it", "ombuds")
	w.imports("anna", w.release(2, report))
	w.reply("anna", w.only("anna"), "we begin")
	reply := w.forBatch("anna")
	// Anna, or anybody with her key, seals both to the body that was left out.
	again := []([]byte){must(w.server.Reseal(report, w.key("anna"), w.key("dora").Recipient()))(t)}
	for _, e := range reply {
		if r, err := w.server.Reseal(e, w.key("anna"), w.key("dora").Recipient()); err == nil {
			again = append(again, r)
		}
	}
	// And a reply that names that body itself.
	m := src.Head(crypto.KindReply, reviewertest.NewForm(), w.today(), "ombuds", "inspect")
	m.Source, m.Life, m.ReplyTo, m.Receipts = nil, crypto.LifeID{}, nil, nil
	m.Text, m.Drop = "the source wrote: the minister did it", src.Drop()
	again = append(again, must(w.server.SealTo(m, w.desks["anna"].keys.signing(), nil, []*crypto.Recipient{w.key("dora").Recipient()}))(t))
	r := w.imports("dora", w.release(2, again...))
	if r.New != 0 || r.Strangers != 3 || len(r.Cases) != 0 {
		t.Errorf("%+v", r)
	}
	v := w.reopen("dora")
	if n := len(v.Cases()); n != 0 || v.Strangers() != 1 {
		t.Errorf("%d cases, %d messages from strangers", n, v.Strangers())
	}
	// The kept one goes when its case does not turn up.
	w.now = w.now.AddDate(0, 0, 2*keptDays+1)
	must(v.Import(bytes.NewReader(w.release(1)), ImportOptions{ClockOK: func(Clock) bool { return true }}))(t)
	if v.Strangers() != 0 || packs(t, v) != 0 {
		t.Errorf("%d messages from strangers in %d packs", v.Strangers(), packs(t, v))
	}
}

// Two lives of a mailbox on one day: only who is chosen in both reads, whichever messages of them are here,
// and the answer goes to the life that was released last (SECURITY.md S-7).
func TestTwoLivesOnOneDay(t *testing.T) {
	at := func(n uint64) *release { return &release{Ordinal: n} }
	a, b := crypto.Reader{ID: "a", Since: 1}, crypto.Reader{ID: "b", Since: 1}
	both, one := []crypto.Reader{a, b}, []crypto.Reader{b}
	old, life := []byte("old"), []byte("new")
	for name, c := range map[string]struct {
		entries []*entry
		at      int
		narrow  bool
	}{
		"the old report is not here": {[]*entry{
			{ID: []byte{1}, Kind: crypto.KindFollowUp, Day: 100, Counter: 11, Readers: both, Life: old, Release: at(1)},
			{ID: []byte{2}, Kind: crypto.KindReport, Day: 100, Readers: one, Life: life, Release: at(2)},
		}, 1, false},
		"the old life is of another day": {[]*entry{
			{ID: []byte{1}, Kind: crypto.KindFollowUp, Day: 99, Counter: 11, Readers: both, Life: old, Release: at(1)},
			{ID: []byte{2}, Kind: crypto.KindReport, Day: 100, Readers: one, Life: life, Release: at(2)},
		}, 1, false},
		"of the new life only a file is here": {[]*entry{
			{ID: []byte{1}, Kind: crypto.KindReport, Day: 100, Readers: both, Life: old, Release: at(1)},
			{ID: []byte{3}, Kind: crypto.KindFile, Day: 100, Counter: 1, Readers: one, Life: life, Release: at(2)},
		}, -1, false},
		"the old life was wider": {[]*entry{
			{ID: []byte{2}, Kind: crypto.KindReport, Day: 100, Readers: both, Life: life, Release: at(2)},
			{ID: []byte{1}, Kind: crypto.KindFollowUp, Day: 100, Counter: 11, Readers: one, Life: old, Release: at(1)},
		}, 0, true},
		"one life, in order": {[]*entry{
			{ID: []byte{2}, Kind: crypto.KindFollowUp, Day: 100, Counter: 11, Readers: one, Life: life, Release: at(1)},
			{ID: []byte{1}, Kind: crypto.KindReport, Day: 100, Readers: both, Life: life, Release: at(2)},
		}, 0, false},
		"a body that has become another": {[]*entry{
			{ID: []byte{1}, Kind: crypto.KindReport, Day: 100, Readers: []crypto.Reader{b, {ID: "a", Since: 1}}, Life: old, Release: at(1)},
			{ID: []byte{2}, Kind: crypto.KindReport, Day: 100, Readers: []crypto.Reader{b, {ID: "a", Since: 2}}, Life: life, Release: at(2)},
		}, 1, true},
	} {
		v, ok := latest(c.entries)
		if !ok || !slices.Equal(v.readers, one) || v.at != c.at || v.narrowed != c.narrow {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// A reply names as readers who can read it, and nobody else; when nobody can, there is none.
func TestReplyNamesItsReaders(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t)))
	w.next(func(d *crypto.Directory) {
		w.server.End("cleo", crypto.StatusRetired)
		b, _ := d.Body("ngo")
		b.Since = d.Version
	})
	v := w.desks["anna"]
	w.reply("anna", w.only("anna"), "hello")
	reply := w.only("anna").Messages[1]
	if !slices.Equal(reply.Readers, w.server.Readers("ombuds")) {
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
	dir := w.desks["dora"].vault.Dir()
	if _, err := Open(dir, []byte("wrong"), w.options()); !errors.Is(err, vault.ErrInUse) {
		t.Errorf("%v", err)
	}
	check(t, os.Rename(filepath.Join(dir, "vault.age"), filepath.Join(dir, "kept")))
	check(t, os.Mkdir(filepath.Join(dir, "vault.age"), 0o700)) // reading it fails
	if _, err := Open(dir, []byte(testPass), w.options()); !errors.Is(err, vault.ErrInUse) {
		t.Errorf("the key file was read before the lock: %v", err)
	}
	check(t, os.Remove(filepath.Join(dir, "vault.age")))
	check(t, os.Rename(filepath.Join(dir, "kept"), filepath.Join(dir, "vault.age")))
}
