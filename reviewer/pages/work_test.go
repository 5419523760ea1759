package pages

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
	"postern/reviewer/reviewertest"
)

// fellow enrols ben, a second holder of the ombuds office, with all that anna has.
func (w *world) fellow() *reviewer.Desk {
	w.Helper()
	w.server.Directory.Version++
	ben := w.enrol("ombuds", "ben", "ombuds")
	w.signed = must(w.root.Sign(must(w.server.Proposal())(w), w.signed, w.today()))(w)
	for _, d := range []*reviewer.Desk{w.anna, ben} {
		w.check(d.AcceptDirectory(w.signed, []string{w.root.Key()}, w.today()))
	}
	return ben
}

// at is the case of a path, as it is now.
func (w *world) at(path string) *reviewer.Case {
	w.Helper()
	return must(w.anna.Case(strings.TrimPrefix(path, "/case/")))(w)
}

// newest is the entry of a case's record that was not there when it was asked for the last time.
func (w *world) newest(path string, known map[casework.Ref]bool) (newest *casework.Entry) {
	w.Helper()
	log := w.at(path).Book.Log
	for i := range log {
		if ref := log[i].Hash.Ref(); !known[ref] {
			known[ref], newest = true, &log[i]
		}
	}
	if newest == nil {
		w.Fatal("nothing was recorded")
	}
	return newest
}

// fields are the names of the fields of a page's form that goes to an address.
func (s *shown) fields(action string) (names []string) {
	s.w.Helper()
	for n := range s.doc.Descendants() {
		if n.Data != "form" || attr(n, "action") != action {
			continue
		}
		for x := range n.Descendants() {
			if x.Type == html.ElementNode && attr(x, "name") != "" && attr(x, "name") != "token" {
				names = append(names, attr(x, "name"))
			}
		}
	}
	return names
}

// value is what stands in a field.
func (s *shown) typedIn(name string) string {
	for n := range s.doc.Descendants() {
		if attr(n, "name") != name {
			continue
		}
		switch n.Data {
		case "textarea":
			return strings.TrimPrefix(strings.TrimSpace(textOf(n)), "\n")
		case "select":
			for o := range n.Descendants() {
				if slices.ContainsFunc(o.Attr, func(a html.Attribute) bool { return a.Key == "selected" }) {
					return attr(o, "value")
				}
			}
		case "input":
			return attr(n, "value")
		}
	}
	return ""
}

// Every kind of event goes through its form, is at the case, and is what the command line writes.
func TestEveryKind(t *testing.T) {
	w := newWorld(t).open("en").office()
	w.fellow()
	path, other := w.caseOf("تعرّض"), w.caseOf("Des recrues")
	of := func(kind string) string {
		for _, e := range w.at(path).Book.Log {
			if e.Kind == kind {
				return string(e.Hash.Ref())
			}
		}
		return ""
	}
	type one struct {
		kind   string
		typed  map[string]string
		record map[string]string // besides what was typed
		shows  []string
	}
	day := (w.today() + 30).String()
	list := []one{
		{casework.KindNote, map[string]string{"text": "We rang the hospital.\n\nNobody knew."}, nil, []string{"We rang the hospital.", "Nobody knew.", "you (anna)", "your body"}},
		{casework.KindStage, map[string]string{"to": "acknowledged"}, map[string]string{"from": "received"}, []string{"Acknowledged, since 29 November 2026"}},
		{casework.KindAssign, map[string]string{"holder": "ben"}, nil, []string{"Assigned to ben"}},
		{casework.KindLabel, map[string]string{"name": "Camp «North»", "on": "yes"}, nil, []string{"Labels Camp «North»"}},
		{casework.KindDealt, map[string]string{"flag": "retaliation", "reasons": "They moved."}, nil, []string{"It was dealt with.", "They moved."}},
		{casework.KindRisk, map[string]string{"level": "critical", "reasons": "He was named.", "again": "+30"}, map[string]string{"again": day}, []string{"Critical (29 November 2026)"}},
		{casework.KindTold, map[string]string{"what": "feedback", "how": "By phone."}, nil, []string{"What is done about it, and why (29 November 2026)"}},
		{casework.KindDate, map[string]string{"what": "bar", "day": "+30", "text": "Appeal"}, map[string]string{"day": day}, []string{day + " Later: Time bar: Appeal"}},
		{casework.KindExtend, map[string]string{"reasons": "Forensics."}, nil, []string{"More time since 29 November 2026"}},
		{casework.KindPriority, map[string]string{"likelihood": "4", "impact": "5", "reasons": "Many."}, nil, []string{"20 (likelihood 4 × impact 5)"}},
		{casework.KindTitle, map[string]string{"text": "Beatings at the centre"}, nil, []string{"Beatings at the centre"}},
		{casework.KindLink, map[string]string{"case": w.at(other).Short, "by": "pattern"}, map[string]string{"case": casework.CaseText(w.at(other).ID)}, []string{"Belongs with " + w.at(other).Short + " (Same pattern)"}},
		{casework.KindTake, map[string]string{"on": "yes"}, nil, []string{"Your body takes it"}},
		{casework.KindRecuse, map[string]string{"holder": "ben", "on": "yes", "reasons": "A cousin."}, nil, []string{"Keeping away ben", "Assigned to nobody"}},
		{casework.KindRecommend, map[string]string{"aim": "law", "text": "Amend article 3.", "to": "The ministry", "due": day}, nil, []string{"To amend a law, to The ministry: issued"}},
		{casework.KindFate, map[string]string{"fate": "accepted"}, map[string]string{"of": "recommend"}, []string{"To amend a law, to The ministry: Accepted"}},
		{casework.KindClassify, map[string]string{"institution": "prisons", "lost": "5000", "currency": "EUR"}, nil, []string{"Prisons", "5000", "EUR"}},
		{casework.KindRetain, map[string]string{"class": "long"}, nil, []string{"Retention long"}},
		{casework.KindHold, map[string]string{"on": "yes", "reasons": "A court."}, nil, []string{"Legal hold since 29 November 2026"}},
		{casework.KindAskErase, map[string]string{"reasons": "All is told."}, nil, []string{"you (anna) asked on 29 November 2026 to erase this case."}},
		{casework.KindStrike, map[string]string{"reasons": "It was another one."}, map[string]string{"of": "note"}, []string{"Struck out by you (anna) on 29 November 2026: It was another one."}},
	}
	var done []string
	known := make(map[casework.Ref]bool)
	for _, x := range list {
		form := path + "/act/" + x.kind
		page := w.get(form)
		names := page.fields(form)
		want := maps.Clone(x.typed)
		for name, v := range x.record {
			if name == "of" {
				v = of(v)
				x.typed["of"] = v
			}
			want[name] = v
		}
		var send []string
		for name, v := range x.typed {
			send = append(send, name, v)
			if !slices.Contains(names, name) {
				t.Errorf("%s: its form has no field %s: %q", x.kind, name, names)
			}
		}
		if x.kind == casework.KindDealt {
			made := must(w.at(path).Deal("retaliation", "They moved."))(w)
			want["messages"] = made.Get("messages")
		}
		p := w.post(form, send...).has(append(x.shows, "On record: ")...)
		e := w.newest(path, known)
		if act := must(casework.NewAct(x.kind, want))(w); e.Kind != x.kind || !slices.Equal(e.Fields, act.Fields) || e.Scope != scopeOf(x.kind) {
			t.Errorf("%s: recorded %v for %s, not %v", x.kind, e.Act, e.Scope, act)
		}
		if !strings.Contains(string(p.r.Body), `id="e-`+string(e.Hash.Ref())+`"`) || !strings.Contains(string(p.r.Body), `href="#e-`+string(e.Hash.Ref())+`"`) {
			t.Errorf("%s: it is not in the conversation and the timeline", x.kind)
		}
		done = append(done, x.kind)
	}
	for _, kind := range actKinds() {
		if !slices.Contains(done, kind) && kind != casework.KindMayErase { // another holder's: TestTwoHoldersErase
			t.Errorf("%s has no form that was tried", kind)
		}
	}
	// A scope that was chosen is kept.
	w.post(path+"/act/note", "text", "Mine alone.", "for", "desk").has("this desk alone")
	if e := w.newest(path, known); e.Scope != casework.Desk {
		t.Errorf("it goes to %s", e.Scope)
	}
}

func scopeOf(kind string) casework.Scope {
	k, _ := casework.KindOf(kind)
	return k.Scope
}

// From each stage the page offers what the machine allows, with the fields that it needs, and
// nothing else is done whatever is sent.
func TestStagesDoNotJump(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("The purchase")
	form := path + "/act/stage"
	offered := func() (to []string) {
		for n := range w.get(form).doc.Descendants() {
			if n.Data == "input" && attr(n, "name") == "to" {
				to = append(to, attr(n, "value"))
			}
		}
		return to
	}
	full := map[string]string{"outcome": "sustained", "reasons": "Both invoices are paid.", "approver": "the director", "action": "Repaid.", "corrective": "yes"}
	for _, to := range []string{"assessed", "inquiry", "concluded", "closed", "reopened", "withdrawn", "closed"} {
		now := w.at(path).Work.Stage
		if !slices.Equal(offered(), casework.Next(now)) {
			t.Fatalf("from %s: %q", now, offered())
		}
		for _, jump := range []string{"received", "acknowledged", "assessed", "inquiry", "concluded", "closed", "referred", "reopened", "nonsense", ""} {
			if slices.Contains(casework.Next(now), jump) {
				continue
			}
			w.post(form, "to", jump, "reasons", "x", "outcome", "sustained", "approver", "x", "action", "x").hasNot("On record")
			if s := w.at(path).Work.Stage; s != now {
				t.Fatalf("from %s to %s", now, s)
			}
		}
		needed, may := casework.Wants(to)
		var send []string
		for _, name := range append(needed, may...) {
			send = append(send, name, full[name])
		}
		for i, name := range needed { // without one of those it does not go, and what was typed is there
			less := slices.Delete(slices.Clone(send), 2*i, 2*i+2)
			p := w.post(form, append(less, "to", to)...).hasNot("On record")
			for j := 0; j < len(less); j += 2 {
				if got := p.valueIn("f-" + less[j] + "-" + to); got != less[j+1] {
					t.Errorf("to %s without %s: %s was %q, and is %q", to, name, less[j], less[j+1], got)
				}
			}
		}
		w.post(form, append(send, "to", to)...).has("On record: Stage.")
		if s := w.at(path).Work.Stage; s != to {
			t.Fatalf("it is %s, not %s", s, to)
		}
	}
}

// valueIn is what stands in the field of an id.
func (s *shown) valueIn(id string) string {
	for n := range s.doc.Descendants() {
		if attr(n, "id") == id {
			one := &shown{w: s.w, doc: n.Parent}
			return one.typedIn(attr(n, "name"))
		}
	}
	return ""
}

// What is refused keeps what was typed, on its own page, until it is sent.
func TestRefusedFormsKeepText(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("The purchase")
	form := path + "/act/recommend"
	long := strings.Repeat("Ä long text. ", 200)
	p := w.post(form, "aim", "policy", "text", long, "to", "The <b>ministry</b>", "due", "+30").has("Not on record yet.", "“Text”", "At most 2048 bytes")
	if p.typedIn("text") != strings.TrimSpace(long) || p.typedIn("to") != "The <b>ministry</b>" || p.typedIn("due") != "+30" || p.typedIn("aim") != "policy" {
		t.Errorf("%q %q %q %q", p.typedIn("text"), p.typedIn("to"), p.typedIn("due"), p.typedIn("aim"))
	}
	w.get(path)
	p = w.get(form)
	if p.typedIn("to") != "The <b>ministry</b>" {
		t.Error("another page forgot it")
	}
	w.post(form, "aim", "policy", "text", "Short.", "to", "The ministry", "due", "soon").has("“Answer expected by”", "Give a day like 2026-12-31")
	w.post(form, "aim", "policy", "text", "", "to", "The ministry").has("“Text”", "This is needed.")
	w.post(form, "aim", "policy", "text", "Short.", "to", "The ministry", "due", "+30").has("On record: Recommendation.")
	if p = w.get(form); p.typedIn("text") != "" || p.typedIn("to") != "" {
		t.Error("it is there still")
	}
	w.post(path+"/act/priority", "likelihood", "9", "impact", "1").has("“Likelihood”")
	w.post(path+"/act/link", "case", "zzzz-zzzz", "by", "unit").has("No such case here.")
	w.post(path+"/act/assign", "holder", "nobody").has("Choose one of these.")
	w.post(path+"/act/retain", "class", "for ever").has("Choose one of these.")
	w.post(path+"/act/strike", "of", "0123456789abcdef", "reasons", "x").has("There is nothing that this refers to")
	w.post(path+"/act/note", "text", strings.Repeat("x", 9<<10), "for", "nobody").hasNot("On record")
	// Whoever keeps away writes nothing, and reads why.
	w.post(path+"/act/recuse", "holder", "anna", "on", "yes", "reasons", "A cousin.")
	p = w.post(path+"/act/note", "text", "A note.").has("This holder keeps away from the case.")
	if p.typedIn("text") != "A note." {
		t.Error("the note is lost")
	}
}

// A machine whose clock is wrong is asked about before anything is dated.
func TestDayIsConfirmedOnce(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("The purchase")
	w.get(path + "/act").hasNot("Look at a calendar")
	w.later(-30)
	p := w.post(path+"/act/note", "text", "A note.").has("Confirm today’s date first.", "Look at a calendar", "29 November 2026")
	if p.typedIn("text") != "A note." {
		t.Error("the note is lost")
	}
	w.post("/new", "channel", "phone", "received", "2026-11-24").has("Confirm today’s date first.")
	w.post("/bulk", "case", reviewer.FullID(w.at(path).ID), "do", "assign", "holder", "anna").has("Confirm today’s date first.")
	w.post(path+"/erase", "reasons", "x").has("Confirm today’s date first.")
	w.post("/today", "back", path+"/act/note").hasNot("Look at a calendar").has("A note.")
	w.post(path+"/act/note", "text", "A note.").has("On record: Note.")
	for _, back := range []string{"//evil", "https://evil", "/nowhere", "", "/case/" + strings.Repeat("a", 100)} {
		if r := w.send("/today", "token", w.pages.token, "back", back); r.Location != "/" {
			t.Errorf("%q leads to %q", back, r.Location)
		}
	}
}

// Where the body wants two holders one asks and another one agrees; a hold stands against both.
func TestTwoHoldersErase(t *testing.T) {
	w := newWorld(t).open("en").office()
	ben := w.fellow()
	s := w.anna.Settings()
	s.TwoHolders = true
	w.check(w.anna.SetSettings(s))
	w.check(ben.SetSettings(s))
	src := w.server.NewSource()
	report := w.batch(must(src.Say(reviewertest.NewForm(), w.today(), "For two.", nil, "ombuds"))(w))
	w.imports(w.anna, report)
	w.imports(ben, report)
	w.pages.cases = nil
	path := w.caseOf("For two.")
	w.get(path+"/erase").has("Your body wants two holders", "Ask to erase", "No reason sets this aside.").hasNot("Agree to erase Your")
	w.post(path+"/erase", "reasons", "It is empty.").has("A second holder has to agree")
	w.post(path+"/act/erase-request", "reasons", "It is empty.").has("you (anna) asked on")
	w.post(path+"/act/erase-approval", "of", string(w.at(path).Work.EraseAsked.Ref)).has("A second holder has to agree") // not the one who asked
	_, readers := w.deliver(w.anna)
	w.imports(ben, w.batch(readers...))
	benPages := &world{TB: t, server: w.server, anna: ben, pass: testPass, now: w.now, stick: w.stick}
	benPages.open("en")
	benPages.get(path + "/erase").has("Agree to erase")
	benPages.post(path+"/act/erase-approval", "of", string(w.at(path).Work.EraseAsked.Ref)).has("On record: Agree to erase.")
	_, readers = w.deliver(ben)
	w.imports(w.anna, w.batch(readers...))
	w.post(path+"/act/hold", "on", "yes", "reasons", "A court.").has("Legal hold")
	w.get(path + "/erase").has("It is under legal hold.").hasNot("Why it is erased")
	w.post(path+"/erase", "reasons", "x").has("The case is under legal hold.")
	w.post(path+"/act/hold", "on", "no", "reasons", "Over.")
	p := w.get(path+"/erase").has("The case is not closed.", "Why it is erased")
	if p.typedIn("reasons") != "x" {
		t.Error("the reasons are lost")
	}
	w.why = ""
	w.post(path + "/erase").has("The case is not closed.")
	if w.why != "" {
		t.Error("the passphrase was asked for in vain")
	}
	w.post(path+"/erase", "reasons", "It is empty.").has("is erased here")
	if len(w.pages.typed) != 0 {
		t.Errorf("%d forms are left", len(w.pages.typed))
	}
	w.get(path).status(404)
}

// What is only for other readers goes out without an answer, too.
func TestStepsAreExported(t *testing.T) {
	w := newWorld(t).open("en")
	w.fellow()
	src := w.server.NewSource()
	w.imports(w.anna, w.batch(must(src.Say(reviewertest.NewForm(), w.today(), "For two.", nil, "ombuds"))(w)))
	w.pages.cases = nil
	w.get("/export").has("No answer waits.")
	w.post(w.caseOf("For two.")+"/act/note", "text", "Look at this.").has("1 step goes to other readers")
	w.get("/export").has("1 step goes to other readers with your next export.").hasNot("No answer waits.")
	w.post("/export", "folder", w.stick).has("A bundle with", "No answer waits.")
	if c := w.at(w.caseOf("For two.")); c.Unsent != 0 {
		t.Errorf("%d steps wait", c.Unsent)
	}
}

// The due list counts what presses, shows one's own when asked, and gives a calendar without content.
func TestDue(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("The purchase")
	p := w.get("/due").has("Overdue", "Promised to the source", w.at(path).Short, "A person answers (ISO 37002)")
	n := 0
	for _, d := range w.anna.Dues() {
		s := w.anna.Settings()
		if d.When(w.today(), &s) <= casework.Today {
			n++
		}
	}
	if n == 0 || p.count("/due") != n {
		t.Errorf("the header counts %d, it is %d", p.count("/due"), n)
	}
	w.post("/due", "whose", "mine").has("Nothing is due.", "Only cases that are assigned to you")
	w.post(path+"/act/assign", "holder", "anna")
	w.get("/due").has(w.at(path).Short, "you (anna)").hasNot("A person answers at the latest")
	w.post("/due", "whose", "all").has("A person answers at the latest")
	w.post("/calendar", "folder", w.stick).has("The calendar is in")
	names := must(filepath.Glob(w.stick + "/*.ics"))(w)
	if len(names) != 1 {
		t.Fatalf("%q", names)
	}
	if text := string(read(w, names[0])); !strings.Contains(text, "SUMMARY:Look at the desk") || strings.Contains(text, w.at(path).Short) {
		t.Errorf("the calendar says:\n%s", text)
	}
	w.post("/calendar", "folder", w.stick).has("A file of that name is there already.")
	w.post(path+"/act/date", "what", "review", "day", w.today().String(), "text", "\u202eevil <b>")
	w.get("/due").has("Look at the case again: ⟨U+202E⟩evil <b>")
}

// count is the number that a link of the header shows.
func (s *shown) count(href string) int {
	for n := range s.doc.Descendants() {
		if n.Data == "a" && attr(n, "href") == href && n.Parent.Parent.Parent.Data == "nav" {
			return number(strings.TrimSpace(strings.Trim(textOf(n), " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\n")))
		}
	}
	return -1
}

// A case that came by phone has a note, stages and clocks, and no answer.
func TestOpenedCase(t *testing.T) {
	w := newWorld(t).open("en").office()
	w.get("/new").has("By phone", "What was said")
	p := w.post("/new", "channel", "paper", "received", "yesterday", "text", "A letter.").has("Write the day like 2026-12-31.")
	if p.typedIn("text") != "A letter." || p.typedIn("channel") != "paper" {
		t.Error("what was typed is lost")
	}
	w.post("/new", "channel", "paper", "received", (w.today() + 1).String(), "text", "A letter.").has("This day is after today.")
	w.post("/new", "channel", "pigeon", "received", w.today().String(), "text", "A letter.").hasNot("is open.")
	w.post("/new", "channel", "paper", "received", w.today().String(), "text", strings.Repeat("x", 9<<10)).hasNot("is open.")
	if n := len(w.anna.Cases()); n != 5 {
		t.Fatalf("%d cases", n)
	}
	w.post("/new", "channel", "paper", "received", (w.today()-1).String(), "text", "A letter.").has(
		"is open.", "Without a code On paper (28 November 2026)", "A letter.", "This case came without a code").hasNot("Answer Note")
	w.get("/").has("6 cases of 6")
	if p := w.get("/new"); p.typedIn("text") != "" {
		t.Error("the next one begins with the letter")
	}
}

// What the body decided is put in force as typed, and goes from desk to desk.
func TestSettings(t *testing.T) {
	w := newWorld(t).open("en").office()
	p := w.get("/settings").has("Saturday", "730 standard")
	send := []string{
		"weekend", "friday", "holidays", "2026-12-25\n2027-01-01", "reviewed", "2026-01-01", "two", "yes", "classes", "730 standard\n10 very short\n",
		"acknowledge_working_days", "3", "acknowledge_days", "7", "feedback_months", "3", "feedback_months_extended", "6", "risk_days", "30", "retaliation_days", "3",
		"review_years", "3", "soon_days", "7", "grace_days", "30",
	}
	for _, n := range numbersOf(new(casework.Settings)) {
		if !slices.Contains(p.fields("/settings"), n.Name) {
			t.Errorf("no field %s", n.Name)
		}
	}
	bad := append(slices.Clone(send), "soon_days", "many")
	if p = w.post("/settings", bad...).has("Write a whole number."); p.typedIn("classes") != "730 standard\n10 very short" || p.typedIn("soon_days") != "many" {
		t.Errorf("%q %q", p.typedIn("classes"), p.typedIn("soon_days"))
	}
	w.post("/settings", append(slices.Clone(send), "classes", "long")...).has("Write days, a blank, and a name on each line")
	w.post("/settings", append(slices.Clone(send), "feedback_months", "9")...).has("These settings cannot be used.", "feedback_months_extended")
	if w.anna.Settings().TwoHolders {
		t.Fatal("refused settings are in force")
	}
	w.post("/settings", send...).has("The settings are in force.")
	s := w.anna.Settings()
	if !s.TwoHolders || len(s.Holidays) != 2 || !slices.Equal(s.Weekend, []string{"friday"}) || s.Classes[1] != (casework.Class{ID: "very short", Days: 10}) {
		t.Errorf("%+v", s)
	}
	w.post("/settings/write", "folder", w.stick).has("The settings are in")
	first := read(w, filepath.Join(w.stick, settingsName))
	if want := must(s.Encode())(w); string(first) != string(want) {
		t.Errorf("written:\n%s", first)
	}
	changed := strings.Replace(string(first), `"soon_days": 7`, `"soon_days": 14`, 1)
	w.check(os.WriteFile(filepath.Join(w.stick, "other.json"), []byte(changed), 0o600))
	if p = w.post("/settings/read", "file", filepath.Join(w.stick, "other.json")).has("not in force yet"); p.typedIn("soon_days") != "14" || w.anna.Settings().SoonDays != 7 {
		t.Errorf("the form says %q, in force is %d", p.typedIn("soon_days"), w.anna.Settings().SoonDays)
	}
	w.check(os.WriteFile(filepath.Join(w.stick, "bad.json"), []byte(`{"weekends": []}`), 0o600))
	w.post("/settings/read", "file", filepath.Join(w.stick, "bad.json")).has("These settings cannot be used.")
	w.post("/settings/read", "file", "/etc/passwd").has("There is no such folder")
}

// Several cases at once: in all of them or in none.
func TestBulk(t *testing.T) {
	w := newWorld(t).open("en").office()
	one, two := w.caseOf("The purchase"), w.caseOf("Des recrues")
	ids := []string{reviewer.FullID(w.at(one).ID), reviewer.FullID(w.at(two).ID)}
	bulk := func(fields ...string) *shown {
		t.Helper()
		return w.postAll("/bulk", map[string][]string{"case": ids}, fields...)
	}
	bulk("do", "label", "label", "boots").has("Done in 2 cases.", "boots")
	bulk("do", "assign", "holder", "anna").has("Done in 2 cases.")
	for _, path := range []string{one, two} {
		if c := w.at(path); !slices.Equal(c.Work.Labels, []string{"boots"}) || c.Work.Assignee != "anna" {
			t.Errorf("%v with %q", c.Work.Labels, c.Work.Assignee)
		}
	}
	w.post("/list", "show", "mine").has("2 cases of 5")
	w.post("/list", "show", "unassigned").has("3 cases of 5")
	w.post("/list", "show", "all", "label", "boots").has("2 cases of 5")
	w.post("/list", "show", "all", "label", "nonsense").has("5 cases of 5")
	w.post("/list", "show", "unread").has("5 cases of 5")
	bulk("do", "read").has("3 cases of 5")
	w.open("en")
	w.post("/list", "show", "unread").has("3 cases of 5")
	w.post("/list", "show", "all")
	bulk("do", "unlabel", "label", "boots").has("Done in 2 cases.")
	// In one of them anna keeps away: none is changed, and what was chosen stays chosen.
	w.post(two+"/act/recuse", "holder", "anna", "on", "yes", "reasons", "x")
	p := bulk("do", "label", "label", "shoes").has("This holder keeps away", w.at(two).Short)
	if len(w.at(one).Work.Labels) != 0 || p.typedIn("label") != "shoes" {
		t.Errorf("%q, %q", w.at(one).Work.Labels, p.typedIn("label"))
	}
	checked := 0
	for n := range p.doc.Descendants() {
		if attr(n, "name") == "case" && slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
			checked++
		}
	}
	if checked != 2 {
		t.Errorf("%d are ticked", checked)
	}
	w.post("/bulk", "do", "label", "label", "x").has("Tick the cases first.")
	w.post("/bulk", "do", "label", "label", "x", "case", "nonsense").has("There is no such case here.")
	bulk("do", "label", "label", "").hasNot("Done in")
}

// Flags come down when they are dealt with, and go up again when the source says so again.
func TestFlagsAreDealtWith(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("تعرّض")
	w.get(path).has("RETALIATION against", "NEW DANGER to somebody")
	w.get(path + "/act/dealt?flag=retaliation").has("Retaliation")
	if p := w.get(path + "/act/dealt?flag=retaliation"); p.typedIn("flag") != "retaliation" {
		t.Errorf("it offers %q first", p.typedIn("flag"))
	}
	w.post(path+"/act/dealt", "flag", "retaliation")
	w.post(path+"/act/dealt", "flag", "danger")
	w.post(path+"/act/dealt", "flag", "urgent")
	w.post(path+"/act/dealt", "flag", "urgent").has("No flag is up.")
	w.get("/").hasNot("RETALIATION", "NEW DANGER")
	p := w.get(path).has("RETALIATION against the source or others since the report, the source says (29 November 2026). It was dealt with.")
	for n := range p.doc.Descendants() {
		if n.Data == "li" && attr(n, "class") == kindDanger && strings.Contains(textOf(n), "RETALIATION") {
			t.Error("it stands there as if nobody had seen to it")
		}
	}
}

// A missing entry of somebody's chain is named at the head of the case and in the list.
func TestBrokenRecordIsNamed(t *testing.T) {
	w := newWorld(t).open("en").office()
	ben := w.fellow()
	src := w.server.NewSource()
	report := w.batch(must(src.Say(reviewertest.NewForm(), w.today(), "Chained.", nil, "ombuds"))(w))
	w.imports(w.anna, report)
	w.imports(ben, report)
	c := ben.Cases()[0]
	note := func(text string) [][]byte {
		t.Helper()
		must(ben.Act(&c, casework.Body, must(casework.NewAct(casework.KindNote, map[string]string{"text": text}))(w)))(w)
		_, readers := w.deliver(ben)
		return readers
	}
	_, second := note("first"), note("second")
	w.imports(w.anna, w.batch(second...))
	w.pages.cases = nil
	path := w.caseOf("Chained.")
	w.get(path).has("THE RECORD DOES NOT HOLD: entry 1 of ben (your body)", "second")
	w.get("/").has("THE RECORD DOES NOT HOLD")
	w.get(path + "/act").has("THE RECORD DOES NOT HOLD")
}

// Words of holders are as hostile as those of sources: a fellow's desk may have been taken over.
func TestHostileRecord(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("The purchase")
	bad := "\u202e<script>alert(1)</script>"
	for _, x := range [][]string{
		{"note", "text", bad}, {"title", "text", bad}, {"label", "name", bad[:20], "on", "yes"}, {"date", "what", "bar", "day", "+1", "text", bad},
		{"recommend", "aim", "law", "text", bad, "to", bad},
	} {
		c := w.at(path)
		values := make(map[string]string)
		for i := 1; i < len(x); i += 2 {
			values[x[i]] = x[i+1]
		}
		act := must(w.anna.Compose(c, x[0], values))(w)
		must(w.anna.Act(c, casework.Body, act))(w)
	}
	w.pages.cases = nil
	for _, at := range []string{"/", path, path + "/act", path + "/act/strike", path + "/act/fate", path + "/act/label", "/due"} {
		p := w.get(at).status(200)
		if strings.ContainsRune(string(p.r.Body), '\u202e') || strings.Contains(string(p.r.Body), "<script") {
			t.Errorf("%s: it stands there as it was written", at)
		}
		if strings.Contains(p.title(), "script") {
			t.Errorf("%s: the title is %q", at, p.title())
		}
	}
	w.get(path).has("⟨U+202E⟩<script>alert(1)</script>")
	// What a page shows of a label names it.
	shows := plain.SafeLine(bad[:20])
	w.post("/list", "label", shows).has("1 case of 5")
	w.post(path+"/act/label", "name", shows, "on", "no")
	if left := w.at(path).Work.Labels; len(left) != 0 {
		t.Errorf("%q is there still", left)
	}
}

// postAll is post with fields that stand there several times.
func (w *world) postAll(path string, many map[string][]string, fields ...string) *shown {
	w.Helper()
	r := w.sendAll(path, many, append(fields, "token", w.pages.token)...)
	if r.Location == "" {
		return w.shown(r)
	}
	return w.get(r.Location)
}

// workScene is a page of a case that was worked on.
type workScene struct {
	name string
	page *shown
}

// worked does a little of everything to a case, and keeps the pages.
func (w *world) worked(path string) (scenes []workScene) {
	w.Helper()
	keep := func(name string, p *shown) { scenes = append(scenes, workScene{name, p}) }
	do := func(kind string, fields ...string) *shown {
		w.Helper()
		return w.post(path+"/act/"+kind, fields...)
	}
	keep("due", w.get("/due"))
	do("note", "text", "اتصلنا بالمستشفى.\n\nNobody there knows of report-7.pdf.")
	do("title", "text", "مركز النور — the beatings of May")
	do("label", "name", "detention", "on", "yes")
	do("label", "name", "النور", "on", "yes")
	w.post(w.caseOf("The purchase")+"/act/label", "name", "procurement", "on", "yes")
	do("assign", "holder", "anna")
	do("stage", "to", "acknowledged")
	do("stage", "to", "assessed", "reasons", "It is ours to look into.")
	do("risk", "level", "high", "reasons", "The officer knows who was in the room.", "again", "+10")
	do("priority", "likelihood", "4", "impact", "5")
	do("date", "what", "bar", "day", "+200", "text", "Complaint to the court")
	do("recommend", "aim", "policy", "text", "Cameras in every corridor.", "to", "وزارة الداخلية", "due", "+90")
	do("link", "case", w.at(w.caseOf("Des recrues")).Short, "by", "pattern")
	do("hold", "on", "yes", "reasons", "The court asks.")
	do("take", "on", "yes")
	for _, e := range w.at(path).Book.Log {
		if e.Kind == "note" {
			do("strike", "of", string(e.Hash.Ref()), "reasons", "It was another hospital.")
		}
	}
	do("dealt", "flag", "retaliation", "reasons", "They moved to another town.")
	keep("work", w.get(path+"/act"))
	keep("work-label", w.get(path+"/act/label"))
	keep("work-refused", do("recommend", "aim", "law", "text", "", "to", "The ministry", "due", "soon"))
	keep("work-stage", do("stage", "to", "concluded", "reasons", "It is proven."))
	keep("work-nothing", w.get(path+"/act/erase-approval"))
	keep("work-classify", w.get(path+"/act/classify"))
	keep("case-worked", w.get(path))
	keep("erase", w.get(path+"/erase"))
	keep("erase-early", w.get(w.caseOf("The purchase")+"/erase"))
	keep("open", w.post("/new", "channel", "paper", "received", "x", "text", "A letter."))
	keep("settings", w.get("/settings"))
	w.post("/list", "show", "all", "sort", "urgent")
	keep("inbox-worked", w.post("/bulk", "do", "label", "label", "detention"))
	return scenes
}
