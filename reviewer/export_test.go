package reviewer

import (
	"bytes"
	"os"
	"testing"
	"time"

	"postern/crypto"
	"postern/reviewer/reviewertest"
)

// Two copies of a bundle have the same four entries: what differed would be a dummy.
func TestAgainIsTheSame(t *testing.T) {
	w := newWorld(t)
	src, other := w.server.NewSource(), w.server.NewSource()
	w.imports("anna", w.release(2,
		must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t),
		must(other.Say(reviewertest.NewForm(), w.today(), "y", nil, "ombuds"))(t)))
	v := w.desks["anna"]
	for _, c := range v.Cases() {
		w.reply("anna", &c, "hello")
	}
	quiet := packs(t, v)
	b := must(v.Export(t.TempDir()))(t)[0]
	forBatch := make(map[crypto.Drop][]byte)
	read := func(path string) map[crypto.Drop]string {
		m := make(map[crypto.Drop]string)
		for _, e := range w.delivered([][]byte{must(os.ReadFile(path))(t)}) {
			m[e.Drop] = string(e.Source) + string(e.Readers)
			forBatch[e.Drop] = e.Readers
		}
		return m
	}
	one := read(b.Path)
	v = w.reopen("anna") // which sweeps
	two := read(must(v.ExportAgain(t.TempDir(), b.ID))(t).Path)
	if len(one) != crypto.BundleEntries || len(two) != len(one) {
		t.Fatalf("%d and %d entries", len(one), len(two))
	}
	for drop, data := range one {
		if two[drop] != data {
			t.Error("an entry of the first copy is not in the second")
		}
	}
	// One reply released long ago, one not: the bundle stays whole.
	var released [][]byte
	for _, e := range v.state.messages.all() {
		if e.Own != nil {
			released = append(released, forBatch[crypto.Drop(e.Drop)])
		}
	}
	later := func(d int, entries ...[]byte) {
		t.Helper()
		w.now = w.now.Add(time.Duration(d) * 24 * time.Hour)
		must(v.Import(bytes.NewReader(w.release(2, entries...)), ImportOptions{ClockOK: func(Clock) bool { return true }}))(t)
	}
	later(1, released[0])
	later(handInDays + 1)
	three := read(must(v.ExportAgain(t.TempDir(), b.ID))(t).Path)
	for drop, data := range one {
		if three[drop] != data {
			t.Error("an entry is gone while the bundle may be wanted again")
		}
	}
	// When nobody can want it any more, replies and dummies go.
	later(1, released[1])
	later(1)
	if n := packs(t, v); n != quiet-4 || v.state.bundles.len() != 0 {
		t.Errorf("%d packs and %d bundles are left, want %d and none", n, v.state.bundles.len(), quiet-4)
	}
}

// Erasing a case takes the dummies of its bundles along.
func TestEraseTakesDummies(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	w.reply("anna", w.only("anna"), "hello")
	w.export("anna")
	v := w.desks["anna"]
	check(t, v.Erase(w.only("anna"), []byte(testPass), "a test"))
	if n := packs(t, v); n != 0 || v.state.bundles.len() != 0 {
		t.Errorf("%d packs, %d bundles are left", n, v.state.bundles.len())
	}
}

// An export that fails leaves neither files nor packs, and the replies wait on.
func TestFailedExport(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	w.reply("anna", w.only("anna"), "hello")
	v, dir := w.desks["anna"], t.TempDir()
	before := packs(t, v)
	failSyncs(t, 1) // the stick's is synced, the vault's is not
	if _, err := v.Export(dir); err == nil {
		t.Fatal("the export did not fail")
	}
	if left := must(os.ReadDir(dir))(t); len(left) != 0 || packs(t, v) != before || w.only("anna").Waiting != 1 {
		t.Errorf("left: %v, %d packs", left, packs(t, v))
	}
}
