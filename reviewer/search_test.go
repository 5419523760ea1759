package reviewer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postern/intake/form"
	"postern/reviewer/dossier"
	"postern/reviewer/reviewertest"
)

// What is in a case is found, wherever it stands, and what was erased is not.
func TestSearch(t *testing.T) {
	const kind = KindCasework + 200
	w := newWorld(t)
	src, other := w.server.NewSource(), w.server.NewSource()
	topics, _ := form.QuestionOf(form.QTopics)
	answers := form.Answers{{ID: form.QTopics, Values: []string{topics.Options[0].ID}}}
	f := reviewertest.NewForm()
	w.imports("anna", w.release(4,
		must(src.Say(f, w.today(), "The Colonel sold fuel.\nتم بيع الوقود من المستشفى", answers, "ombuds"))(t),
		must(src.Attach(f, w.today(), "Invoice-Überweisung.pdf", []byte("bytes of a file"), "ombuds"))(t),
		must(other.Say(reviewertest.NewForm(), w.today(), "Fuel again, elsewhere", nil, "ombuds"))(t)))
	v := w.desks["anna"]
	of := func(s *reviewertest.Source) *Case { return must(v.Case(FullID(s.Case)))(t) }
	var c Change
	c.Put(kind, of(src), "x", map[string]any{"text": "Call the prosecutor", "list": []string{"unit seven"}})
	check(t, v.Commit(&c))
	w.reply("anna", of(src), "We need the licence plate")
	v = w.reopen("anna")
	find := func(q string) (got []string) {
		t.Helper()
		v.AwaitSearch()
		r := v.Search(q)
		if !r.Complete() || r.Left != 0 {
			t.Errorf("%q: %+v", q, r)
		}
		for _, h := range r.Hits {
			who := "other"
			if h.Case == src.Case {
				who = "src"
			}
			got = append(got, fmt.Sprintf("%s %d", who, h.No))
		}
		slices.Sort(got)
		return got
	}
	label := topics.Options[0].Label
	for q, want := range map[string][]string{
		"COLONEL fuel": {"src 1"}, "fuel": {"other 1", "src 1"}, "الوقود مستشفي": {"src 1"}, "uberweisung": {"src 2"},
		label: {"src 1"}, "licence": {"src 3"}, "prosecutor": {"src 0"}, "UNIT seven": {"src 0"}, "bytes of a file": nil, "text": nil, "": nil,
		of(src).Short: {"src 0"}, FullID(src.Case)[:9]: {"src 0"},
	} {
		got := find(q)
		if q == label { // its words may stand elsewhere too
			if !slices.Contains(got, "src 1") {
				t.Errorf("%q finds %v", q, got)
			}
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", q, got, want)
		}
	}
	for q, want := range map[string]string{
		"colonel": "The Colonel sold fuel.", "prosecutor": "Call the prosecutor", "uberweisung": "Invoice-Überweisung.pdf", FullID(src.Case)[:9]: "",
	} {
		r := v.Search(q)
		if len(r.Hits) != 1 || v.Excerpt(&r.Hits[0], q, 60) != want {
			t.Errorf("%q: %q", q, v.Excerpt(&r.Hits[0], q, 60))
		}
	}
	// Who has read it is not what it says.
	check(t, v.LogCustody(of(src), dossier.ActOpen))
	for _, q := range []string{"anna", "open"} {
		if got := find(q); got != nil {
			t.Errorf("%q finds %v", q, got)
		}
	}
	// What comes later is found, and what was erased is nowhere in the index.
	w.imports("anna", w.release(1, must(other.Say(reviewertest.NewForm(), w.today(), "the colonel once more", nil, "ombuds"))(t)))
	if got := find("colonel"); !slices.Equal(got, []string{"other 2", "src 1"}) {
		t.Errorf("after an import: %v", got)
	}
	check(t, v.Erase(of(src), []byte(testPass), "a test"))
	if got := find("colonel"); !slices.Equal(got, []string{"other 2"}) {
		t.Errorf("after an erasure: %v", got)
	}
	for _, word := range []string{"prosecutor", "licence", "uberweisung"} {
		if got := find(word); got != nil {
			t.Errorf("%q finds %v", word, got)
		}
	}
	if n := v.search.notes.Size(); n != 0 {
		t.Errorf("%d bytes of notes are left", n)
	}
	// What cannot be kept is counted.
	v = w.reopen("anna")
	v.startSearch()
	v.search.mu.Lock()
	v.search.most = -1
	v.search.mu.Unlock()
	v.AwaitSearch()
	if r := v.Search(strings.Repeat("x", 9)); !r.Complete() || r.Left+r.Read != 2 {
		t.Errorf("%+v", r)
	}
}
