package reviewer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/reviewer/keeper"
	"postern/reviewer/reviewertest"
)

// world is three bodies (the first with two holders), a root and a server.
type world struct {
	t      testing.TB
	now    time.Time
	server *reviewertest.Server
	desks  map[string]*Desk // by holder id
	vkey   string
	root   *keeper.Root
	signed []byte
	files  map[*keeper.Root]string // of keys
}

const testPass = "seven random words are good enough here"

func (w *world) options() Options {
	return Options{ScryptLogN: 2, Now: func() time.Time { return w.now }}
}

func (w *world) today() crypto.Day { return crypto.DayOf(w.now) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var testHolders = []struct{ body, holder, kind string }{
	{"ombuds", "anna", "ombuds"}, {"ombuds", "ben", "ombuds"}, {"ngo", "cleo", "civil-society"}, {"inspect", "dora", "inspectorate"},
}

func newWorld(t *testing.T) *world {
	t.Helper()
	seedtest.Set(t)
	return newWorldOf(t)
}

// newWorldOf is newWorld with the system's randomness, for benchmarks.
func newWorldOf(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), desks: make(map[string]*Desk), files: make(map[*keeper.Root]string)}
	w.server = reviewertest.NewServer(w.today())
	for _, h := range testHolders {
		v := must(Create(filepath.Join(t.TempDir(), "vault"), h.body, h.holder, []byte(testPass), w.options()))(t)
		t.Cleanup(func() { w.desks[h.holder].Close() })
		w.desks[h.holder] = v
		card, words, err := v.Card()
		check(t, err)
		if len(words) != 6 {
			t.Fatalf("a card has %d words, want 6", len(words))
		}
		check(t, w.server.Enrol(card, h.kind))
	}
	w.root = w.newRoot("test")
	w.vkey = w.root.Key()
	vkey := w.vkey
	w.sign(nil)
	for _, v := range w.desks {
		check(t, v.AcceptDirectory(w.signed, []string{vkey}, w.today()))
		if listed, months := v.Enrolled(v.Directory()); !listed || months != crypto.EpochCount {
			t.Fatalf("enrolled %v with %d months", listed, months)
		}
	}
	return w
}

// newRoot makes a root key in a file of its own.
func (w *world) newRoot(name string) *keeper.Root {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "root.age")
	must(keeper.NewRoot(path, name, []byte(testPass), w.options().ScryptLogN))(w.t)
	r := must(keeper.OpenRoot(path, []byte(testPass), w.options().ScryptLogN))(w.t)
	w.files[r] = path
	return r
}

// must takes a call's results as they are; what it returns stops the test on an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T { t.Helper(); check(t, err); return v }
}

// sign signs the server's directory as it is.
func (w *world) sign(previous []byte) {
	w.t.Helper()
	proposal := must(w.server.Proposal())(w.t)
	w.signed = must(w.root.Sign(proposal, previous, w.today()))(w.t)
}

// next signs the directory as the next version, once change has changed it, and gives it to every desk.
func (w *world) next(change ...func(d *crypto.Directory)) {
	w.t.Helper()
	previous := w.signed
	w.server.Directory.Version++
	for _, f := range change {
		f(w.server.Directory)
	}
	w.sign(previous)
	for _, v := range w.desks {
		check(w.t, v.AcceptDirectory(w.signed, nil, w.today()))
	}
}

func (w *world) release(n int, entries ...[]byte) []byte {
	w.t.Helper()
	return must(w.server.Release(w.today(), n, entries...))(w.t)
}

// delivered is what a server makes of bundles: entries, the dummies among them.
func (w *world) delivered(bundles [][]byte) (entries []reviewertest.Entry) {
	w.t.Helper()
	for _, b := range bundles {
		_, list, err := w.server.Deliver(b)
		check(w.t, err)
		entries = append(entries, list...)
	}
	return entries
}

// forBatch is what of a desk's waiting replies goes into the next batch.
func (w *world) forBatch(holder string) (sealed [][]byte) {
	w.t.Helper()
	for _, e := range w.delivered(w.export(holder)) {
		sealed = append(sealed, e.Readers)
	}
	return sealed
}

// short is the name of a source's case at a desk.
func (w *world) short(holder string, s *reviewertest.Source) string {
	w.t.Helper()
	return must(w.desks[holder].Case(FullID(s.Case)))(w.t).Short
}

// key is a holder's key of this month.
func (w *world) key(holder string) *crypto.Identity {
	w.t.Helper()
	return must(w.desks[holder].keys.seed(crypto.MonthOf(w.now)))(w.t).Identity()
}

func (w *world) imports(holder string, volume []byte) *Report {
	w.t.Helper()
	r, err := w.desks[holder].Import(bytes.NewReader(volume), ImportOptions{})
	check(w.t, err)
	return r
}

// only is the one case of a desk.
func (w *world) only(holder string) *Case {
	w.t.Helper()
	cs := w.desks[holder].Cases()
	if len(cs) != 1 {
		w.t.Fatalf("%s has %d cases, want 1", holder, len(cs))
	}
	return &cs[0]
}

// reopen closes a vault and opens it from the disk.
func (w *world) reopen(holder string) *Desk {
	w.t.Helper()
	v := w.desks[holder]
	v.Close()
	w.desks[holder] = must(Open(v.vault.Dir(), []byte(testPass), w.options()))(w.t)
	return w.desks[holder]
}

func (w *world) reply(holder string, c *Case, text string, files ...Attachment) *Plan {
	w.t.Helper()
	v := w.desks[holder]
	p := must(v.PlanReply(c, w.today()))(w.t)
	must(v.Reply(p, Draft{Text: text, Files: files}))(w.t)
	return p
}

// export writes the waiting replies of a desk and reads the bundles back.
func (w *world) export(holder string) [][]byte {
	w.t.Helper()
	var out [][]byte
	for _, b := range must(w.desks[holder].Export(w.t.TempDir()))(w.t) {
		out = append(out, must(os.ReadFile(b.Path))(w.t))
	}
	return out
}

// snapshot is every byte of a vault's files.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b bytes.Buffer
	check(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		fmt.Fprintf(&b, "%s %d\n%x\n", p, len(data), data)
		return err
	}))
	return b.String()
}
