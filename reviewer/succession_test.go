package reviewer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/reviewertest"
)

func (w *world) say(s *reviewertest.Source, text string, bodies ...string) []byte {
	w.t.Helper()
	return must(s.Say(reviewertest.NewForm(), w.today(), text, nil, bodies...))(w.t)
}

// change changes a source's code and says so to the bodies.
func (w *world) change(s *reviewertest.Source, bodies ...string) (next *reviewertest.Source, announced []byte) {
	w.t.Helper()
	next = s.ChangeCode(w.today())
	return next, must(next.Announce(w.today(), bodies...))(w.t)
}

func (w *world) tomorrow() { w.now = w.now.AddDate(0, 0, 1) }

func (w *world) printed(holder string, c *Case) string {
	w.t.Helper()
	var text bytes.Buffer
	check(w.t, w.desks[holder].WriteCase(&text, c))
	return text.String()
}

// hands gives a desk's waiting replies to a source and returns what it reads, and the cases these name.
func (w *world) hands(holder string, to *reviewertest.Source, not ...*reviewertest.Source) (texts []string, cases []crypto.CaseID) {
	w.t.Helper()
	for _, e := range w.delivered(w.export(holder)) {
		m, _, err := to.Receive(e)
		check(w.t, err)
		if m != nil {
			texts, cases = append(texts, m.Text), append(cases, m.Meta.Case)
		}
		for _, other := range not {
			if m, _, err := other.Receive(e); m != nil || err != nil {
				w.t.Errorf("another code opens a reply: %v", err)
			}
		}
	}
	return texts, cases
}

// A source changes the code: both cases are one, what is answered reaches the new
// code, and who still has the earlier one chooses nothing and is shown for what they may be (SECURITY.md S-21).
func TestCodeChanged(t *testing.T) {
	w := newWorld(t)
	first := w.server.NewSource()
	w.imports("anna", w.release(2, w.say(first, "They sell the fuel.", "ombuds", "ngo")))
	before := w.only("anna")
	w.reply("anna", before, "on its way")
	w.tomorrow()
	second, told := w.change(first, "ombuds", "ngo")
	r := w.imports("anna", w.release(2, told))
	if r.NewCases != 0 || !slices.Equal(r.Cases, []string{before.Short}) || !slices.Equal(r.CodeChanged, []string{before.Short}) || r.Late != 0 {
		t.Errorf("%+v", r)
	}
	if texts, cases := w.hands("anna", second, first); !slices.Equal(texts, []string{"on its way"}) || cases[0] != first.Case {
		t.Errorf("the new code reads %q", texts)
	}
	w.tomorrow()
	thief := first // the earlier code, with an empty mailbox
	said := w.say(second, "They know.", "ombuds", "inspect")
	w.tomorrow()
	r = w.imports("anna", w.release(4, said, w.say(thief, "Trust ngo only.", "ombuds", "ngo")))
	if r.Late != 1 || r.NewCases != 0 {
		t.Errorf("%+v", r)
	}

	v := w.reopen("anna")
	c := w.only("anna")
	if c.ID != first.Case || c.Short != before.Short || len(c.Messages) != 5 || c.Files != 0 || !slices.Equal(c.Changed, []crypto.Day{w.today() - 2}) || len(c.Rivals) != 0 {
		t.Fatalf("%+v", c)
	}
	if !slices.Equal(c.Readers, w.server.Readers("ombuds", "inspect")) {
		t.Errorf("the source chose %v", c.Readers)
	}
	for i, m := range c.Messages[:len(before.Messages)] {
		if m.No != before.Messages[i].No {
			t.Error("numbers changed")
		}
	}
	for _, id := range []crypto.CaseID{first.Case, second.Case} {
		if got, err := v.Case(FullID(id)); err != nil || got.ID != first.Case || len(got.Messages) != 5 {
			t.Errorf("by %s: %v", FullID(id), err)
		}
	}
	if _, err := v.Case("zzzz"); !errors.Is(err, ErrNoCase) {
		t.Errorf("%v", err)
	}
	late := map[string]string{}
	for i := range c.Messages {
		if l := must(v.Read(c, &c.Messages[i]))(t); l.Words != "" {
			late[l.Words] = l.Late
		}
	}
	if want := map[string]string{"They sell the fuel.": "", "on its way": "", "They know.": "", "Trust ngo only.": LateAfter}; fmt.Sprint(late) != fmt.Sprint(want) {
		t.Errorf("flagged: %v", late)
	}
	text := w.printed("anna", c)
	for _, want := range []string{
		"Case " + before.Short, fmt.Sprintf("The source changed the code on %s.", w.today()-2),
		"    ! WRITTEN WITH THE EARLIER CODE after the source changed it: perhaps somebody else.", "The source chose: Body ombuds, Body inspect.",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%d times %q in\n%s", strings.Count(text, want), want, text)
		}
	}

	// An answer goes to whom the new code chose, and to the new code.
	p := w.reply("anna", c, "only for you")
	if !slices.Equal(p.Bodies, w.server.Readers("ombuds", "inspect")) {
		t.Errorf("answered to %v", p.Bodies)
	}
	if c := w.only("anna"); c.Waiting != 1 || c.Sent != 1 {
		t.Errorf("%+v", c)
	}
	if texts, cases := w.hands("anna", second, thief); !slices.Equal(texts, []string{"only for you"}) || cases[0] != second.Case {
		t.Errorf("the source reads %q", texts)
	}

	// The whole case is taken out, and forgotten, as one.
	dir := t.TempDir()
	must(v.Dossier(w.only("anna"), dir, "en"))(t)
	if b := must(os.ReadFile(dir + "/case.html"))(t); !bytes.Contains(b, []byte("WRITTEN WITH THE EARLIER CODE")) || !bytes.Contains(b, []byte("They sell")) {
		t.Errorf("case.txt:\n%s", b)
	}
	check(t, v.Erase(w.only("anna"), []byte(testPass), "a test"))
	if n := len(w.reopen("anna").Cases()); n != 0 {
		t.Errorf("%d cases after erasing", n)
	}
	if r := w.imports("anna", w.release(2, told)); r.New != 0 || r.Known != 1 {
		t.Errorf("an erased message came back: %+v", r)
	}
	w.imports("anna", w.release(2, w.say(second, "later", "ombuds")))
	if c := w.only("anna"); c.Short != before.Short || len(c.Messages) != 1 {
		t.Errorf("%+v", c)
	}
}

// Whatever order batches come in, and whichever were lost, it is one case, and what the
// earlier code wrote since is flagged.
func TestCodeChangedInAnyOrder(t *testing.T) {
	w := newWorld(t)
	first := w.server.NewSource()
	report := w.release(2, w.say(first, "report", "ombuds"))
	w.tomorrow()
	day := w.today()
	second, told := w.change(first, "ombuds")
	announced := w.release(2, told)
	w.tomorrow()
	stolen := w.release(2, w.say(first, "stolen", "ombuds"))
	w.tomorrow()
	later := w.release(2, w.say(second, "later", "ombuds"))
	w.tomorrow()
	third, toldAgain := w.change(second, "ombuds")
	w.tomorrow()
	last := w.release(3, toldAgain, w.say(third, "last", "ombuds"), must(third.Attach(reviewertest.NewForm(), w.today(), "f", []byte("x"), "ombuds"))(t))
	for name, volumes := range map[string][][]byte{
		"in order": {report, announced, stolen, later, last}, "backwards": {last, later, stolen, announced, report},
		"announcement lost": {report, stolen, later, last}, "announcement late": {stolen, report, last, later, announced},
	} {
		dir := t.TempDir() + "/vault"
		check(t, os.CopyFS(dir, os.DirFS(w.desks["anna"].vault.Dir())))
		v := must(Open(dir, []byte(testPass), w.options()))(t)
		for _, volume := range volumes {
			must(v.Import(bytes.NewReader(volume), ImportOptions{ClockOK: func(Clock) bool { return true }}))(t)
		}
		cs := v.Cases()
		if len(cs) != 1 || cs[0].ID != first.Case || !slices.Equal(cs[0].Changed, []crypto.Day{day, day + 3}) || cs[0].Files != 1 {
			t.Errorf("%s: %+v", name, cs)
		}
		c := &cs[0]
		for i := range c.Messages {
			l := must(v.Read(c, &c.Messages[i]))(t)
			if (l.Words == "stolen") != (l.Late == LateAfter) || l.Late == LateSameDay {
				t.Errorf("%s: %q is %q", name, l.Words, l.Late)
			}
		}
		if view, ok := c.newest(); !ok || c.tip != string(third.Case[:]) || !bytes.Equal(c.entries[view.at].Case, third.Case[:]) {
			t.Errorf("%s: places of another code", name)
		}
		v.Close()
	}
	// Without the batches in between it is two cases, until one that says more comes.
	v := w.desks["anna"]
	late := ImportOptions{ClockOK: func(Clock) bool { return true }}
	must(v.Import(bytes.NewReader(report), late))(t)
	must(v.Import(bytes.NewReader(last), late))(t)
	if n := len(v.Cases()); n != 2 {
		t.Errorf("%d cases", n)
	}
	if r := must(v.Import(bytes.NewReader(later), late))(t); r.NewCases != 0 || !slices.Equal(r.CodeChanged, []string{w.short("anna", first)}) {
		t.Errorf("%+v", r)
	}
	w.only("anna")
}

// What the earlier code wrote on the day of the change may be from before it.
func TestCodeChangedOnTheDay(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	report := w.say(src, "this morning", "ombuds")
	next, told := w.change(src, "ombuds")
	f := reviewertest.NewForm()
	text := must(next.Say(f, w.today(), "twice", nil, "ombuds"))(t)
	r := w.imports("anna", w.release(4, report, told, text))
	if r.Late != 1 || len(r.Cases) != 1 || r.NewCases != 1 {
		t.Errorf("%+v", r)
	}
	if s := w.printed("anna", w.only("anna")); !strings.Contains(s, "! Written with the earlier code on the day on which the source changed it.") || strings.Contains(s, "WRITTEN WITH") {
		t.Errorf("shown:\n%s", s)
	}
	// The same form, sent again with the next code, is known for what it is.
	w.tomorrow()
	third := next.ChangeCode(w.today())
	r = w.imports("anna", w.release(2, must(third.Say(f, w.today(), "twice", nil, "ombuds"))(t)))
	if r.Again != 1 || w.only("anna").Again != 1 {
		t.Errorf("%+v", r)
	}
}

// A body that only the earlier code named, after the change, is not one that the source chose.
func TestEarlierCodeChoosesNobody(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, w.say(src, "report", "ombuds")))
	w.tomorrow()
	_, told := w.change(src, "ombuds")
	w.tomorrow()
	m := &crypto.Message{
		Meta:    crypto.Meta{Kind: crypto.KindReply, Case: src.Case, Form: reviewertest.NewForm(), DirHash: w.server.Directory.Hash(), Day: w.today()},
		Readers: w.server.Readers("ombuds"), Text: "let us help", Drop: new(crypto.Drop),
	}
	reply := must(w.server.Seal(m, w.desks["dora"].keys.signing(), nil))(t)
	r := w.imports("anna", w.release(4, told, w.say(src, "ask them", "ombuds", "inspect"), reply))
	if r.Strangers != 1 || r.New != 2 {
		t.Errorf("%+v", r)
	}
	for _, m := range w.only("anna").Messages {
		if m.Kind == crypto.KindReply {
			t.Error("it stands in the case")
		}
	}
}

// Two who have one code both change it: the first is followed, the other stays apart, and both are marked.
func TestCodeChangedByTwo(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, w.say(src, "report", "ombuds")))
	w.tomorrow()
	second, told := w.change(src, "ombuds")
	w.tomorrow()
	w.say(src, "lost", "ombuds") // the thief makes the earlier code one in use
	rival, toldToo := w.change(src, "ombuds")
	one, two := w.release(2, told), w.release(2, toldToo, w.say(rival, "I am the source", "ombuds"))
	for _, h := range []string{"anna", "ben"} {
		if h == "anna" {
			w.imports(h, one)
			w.imports(h, two)
		} else { // a desk that fetched them the other way round says the same
			w.imports(h, two)
			w.imports(h, one)
		}
		v := w.reopen(h)
		a, b := must(v.Case(FullID(second.Case)))(t), must(v.Case(FullID(rival.Case)))(t)
		if a.ID != src.Case || b.ID != rival.Case || !slices.Equal(a.Rivals, []string{b.Short}) || !slices.Equal(b.Rivals, []string{a.Short}) {
			t.Fatalf("%s: %+v\n%+v", h, a, b)
		}
		for c, other := range map[*Case]string{a: b.Short, b: a.Short} {
			if s := w.printed(h, c); !strings.Contains(s, "! CASE "+other+" CLAIMS TO FOLLOW THE SAME EARLIER CODE.") {
				t.Errorf("%s: not marked:\n%s", h, s)
			}
		}
		if len(v.Cases()) != 2 {
			t.Errorf("%s: %d cases", h, len(v.Cases()))
		}
	}
	p := w.reply("anna", must(w.desks["anna"].Case(FullID(src.Case)))(t), "to the first")
	if p.Narrowed {
		t.Error("another's choice counts")
	}
	if texts, _ := w.hands("anna", second); len(texts) != 1 {
		t.Errorf("the code that changed first reads %q", texts)
	}
}

// Property: whatever messages claim, every case is in one chain, both ends agree on it, and it ends.
func TestFamilies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := func(label string) []byte { return []byte{byte('a' + rapid.IntRange(0, 6).Draw(t, label))} }
		var entries, claims []*entry
		for i := range rapid.IntRange(0, 20).Draw(t, "claims") {
			e := &entry{ID: []byte{byte(i)}, Case: id("case"), Kind: crypto.KindChange, Day: 9}
			if rapid.Bool().Draw(t, "claims") {
				e.Succeeds = &succession{Case: id("of"), Day: crypto.Day(rapid.IntRange(1, 3).Draw(t, "day"))}
			}
			if rapid.Bool().Draw(t, "released") {
				e.Release = &release{Ordinal: rapid.Uint64Range(0, 3).Draw(t, "batch")}
			}
			entries = append(entries, e)
			if e.Succeeds != nil {
				claims = append(claims, e)
			}
		}
		f := familiesOf(claims)
		linked := 0
		for i := range entries {
			id := string(entries[i].Case)
			chain := f.chain(f.first(id))
			if !slices.Contains(chain, id) {
				t.Fatalf("%s is not in its chain %v", id, chain)
			}
			slices.Sort(chain)
			if len(slices.Compact(chain)) != len(f.chain(f.first(id))) {
				t.Fatalf("a case stands twice in %v", chain)
			}
			if s := entries[i].Succeeds; s != nil && string(s.Case) != id && f.before[id] == string(s.Case) {
				linked++
			}
		}
		if len(f.before) != len(f.after) {
			t.Fatalf("%d before, %d after", len(f.before), len(f.after))
		}
		for to, from := range f.before {
			if string(f.after[from].Case) != to {
				t.Fatalf("%s follows %s, which %s follows", to, from, f.after[from].Case)
			}
		}
		if linked < len(f.before) {
			t.Fatal("a link that no message claims")
		}
		for id, others := range f.rivals {
			for _, o := range others {
				if !slices.Contains(f.rivals[o], id) || o == id {
					t.Fatalf("%s is a rival of %s alone", o, id)
				}
			}
		}
	})
}

// The earlier code, after the change, neither consents nor withdraws; an alarm
// is heard from whomever, and a no harms nobody.
func TestEarlierCodeDecidesNothing(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, w.say(src, "report", "ombuds")))
	w.tell("anna", "", form.Notice{Ask: "inspect"})
	w.tomorrow()
	next, told := w.change(src, "ombuds")
	w.tomorrow()
	yes := must(src.Agree(reviewertest.NewForm(), w.today(), "inspect", true, "ombuds"))(t)
	wish := must(src.Say(reviewertest.NewForm(), w.today(), "", form.Answers{
		{ID: form.QSince, Values: []string{form.SinceDanger}}, {ID: form.QWish, Values: []string{form.WishWithdraw}},
	}, "ombuds"))(t)
	w.imports("anna", w.release(4, told, yes, wish))
	if n := w.only("anna").Now; len(n.Consents) != 0 || len(n.Asked) != 1 || n.Withdrawn != 0 || n.Danger != w.today() {
		t.Errorf("the earlier code decides: %+v", n)
	}
	w.imports("anna", w.release(2, must(next.Agree(reviewertest.NewForm(), w.today(), "inspect", true, "ombuds"))(t)))
	if n := w.only("anna").Now; len(n.Consents) != 1 || !n.Consents[0].Yes || len(n.Asked) != 0 {
		t.Errorf("the source's yes is not heard: %+v", n)
	}
}
