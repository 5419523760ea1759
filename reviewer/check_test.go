package reviewer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/reviewer/reviewertest"
)

// A damaged message is named with the batch that brings it back; mended and imported again it is there.
func TestVaultCheck(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	first := w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "the first", nil, "ombuds"))(t))
	w.imports("anna", first)
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "the second", nil, "ombuds"))(t)))
	w.reply("anna", w.only("anna"), "an answer")
	v := w.desks["anna"]
	if h := must(v.Check(nil))(t); !h.Sound() || h.Vault.Blobs != 5 {
		t.Fatalf("%+v", h.Vault)
	}
	entries := w.only("anna").entries
	damage := func(pack string) {
		path := filepath.Join(v.vault.Dir(), "packs", pack)
		b := must(os.ReadFile(path))(t)
		b[len(b)-9] ^= 1
		check(t, os.WriteFile(path, b, 0o600))
	}
	damage(entries[0].Blob.Pack)
	damage(entries[2].Own.Wire.Source.Pack)
	check(t, os.Remove(filepath.Join(v.vault.Dir(), "packs", entries[1].Blob.Pack)))
	v = w.reopen("anna")
	short := w.only("anna").Short
	h := must(v.Check(nil))(t)
	slices.SortFunc(h.Unreadable, func(a, b Unreadable) int { return a.No - b.No })
	want := []Unreadable{{short, 1, false, "batch 1 of 2026-11-24"}, {short, 2, true, "batch 2 of 2026-11-24"}}
	if !slices.Equal(h.Unreadable, want) || !slices.Equal(h.Unsendable, []Unreadable{{Case: short, No: 3}}) ||
		!slices.Equal(h.Import, []string{"batch 1 of 2026-11-24", "batch 2 of 2026-11-24"}) {
		t.Errorf("%+v", h)
	}
	if r := w.imports("anna", first); r.Mended != 0 {
		t.Error("it was let go before anybody said so")
	}
	check(t, v.Mend([]byte(testPass), h))
	var text bytes.Buffer
	check(t, v.WriteCase(&text, w.only("anna")))
	if n := strings.Count(text.String(), "unreadable"); n != 2 {
		t.Errorf("%d messages are unreadable:\n%s", n, text.String())
	}
	if r := w.imports("anna", first); r.Mended != 1 {
		t.Errorf("%+v", r)
	}
	v = w.reopen("anna")
	text.Reset()
	check(t, v.WriteCase(&text, w.only("anna")))
	if !strings.Contains(text.String(), "│ the first") || strings.Contains(text.String(), "│ the second") {
		t.Errorf("after the batch was imported again:\n%s", text.String())
	}
}

// Records of casework are kept with their case, under whichever of its source's codes, and leave with it.
func TestCasework(t *testing.T) {
	const kind = KindCasework + 200
	type note struct{ Text string }
	w := newWorld(t)
	src, other := w.server.NewSource(), w.server.NewSource()
	v := w.desks["anna"]
	w.imports("anna", w.release(2, w.say(other, "other", "ombuds")))
	changed := src.ChangeCode(w.today())
	w.imports("anna", w.release(1, w.say(changed, "with the second code", "ombuds")))
	of := func(s *reviewertest.Source) *Case { return must(v.Case(FullID(s.Case)))(t) }
	var c Change
	c.Put(kind, of(changed), "one", note{"kept under the second code"})
	c.Put(kind, of(other), "one", note{"of another case"})
	c.Put(kind, nil, "one", note{"of no case"})
	check(t, v.Commit(&c))
	// The first code's report turns up: the case has another id now.
	w.imports("anna", w.release(1, w.say(src, "with the first code", "ombuds")))
	if of(changed).ID != of(src).ID {
		t.Fatal("the change of code is not followed")
	}
	c = Change{}
	c.Put(kind, of(src), "two", note{"kept under the first"})
	check(t, v.Commit(&c))
	v = w.reopen("anna")
	got := must(Records[note](v, kind, of(src)))(t)
	if len(got) != 2 || got["one"].Text != "kept under the second code" || got["two"].Text != "kept under the first" {
		t.Errorf("%v", got)
	}
	c = Change{}
	c.Delete(kind, of(src), "two")
	check(t, v.Commit(&c))
	if got = must(Records[note](v, kind, of(changed)))(t); len(got) != 1 {
		t.Errorf("%v", got)
	}
	c = Change{}
	c.Put(1, nil, "one", note{})
	if err := v.Commit(&c); err == nil {
		t.Error("a record of the desk's own was replaced")
	}
	check(t, v.Erase(of(src), []byte(testPass), "a test"))
	for range 2 {
		if n := len(v.added[kind]); n != 2 {
			t.Errorf("records of %d cases are left", n)
		}
		if got := must(Records[note](v, kind, nil))(t); got["one"].Text != "of no case" {
			t.Errorf("%v", got)
		}
		v = w.reopen("anna")
	}
	if got := must(Records[note](v, kind, of(other)))(t); got["one"].Text != "of another case" {
		t.Errorf("%v", got)
	}
}
