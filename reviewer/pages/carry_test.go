package pages

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/reviewer"
	"postern/reviewer/dossier"
	"postern/reviewer/reviewertest"
	"postern/reviewer/window"
)

// value is that of a field on the page.
func (s *shown) value(name string) string {
	s.w.Helper()
	for n := range s.doc.Descendants() {
		if attr(n, "name") == name && n.Data == "input" {
			return attr(n, "value")
		}
	}
	s.w.Fatalf("the page has no field %s", name)
	return ""
}

// onStick are the files on the stick that another desk may have written.
func (w *world) onStick() []string {
	w.Helper()
	return must(filepath.Glob(filepath.Join(w.stick, "postern-desk-*.age")))(w)
}

// An import of much goes on by itself, page by page, can be ended, and loses nothing.
func TestImportInSteps(t *testing.T) {
	w := newWorld(t).open("en")
	w.pages.step = 0 // one volume for each request
	const volumes = 40
	for i := range volumes {
		s := w.server.NewSource()
		w.check(os.WriteFile(filepath.Join(w.stick, fmt.Sprintf("%02d.batch", i)), w.batch(must(s.Say(reviewertest.NewForm(), w.today(), "one", nil, "ombuds"))(w)), 0o600))
	}
	follow := func(p *shown) string {
		t.Helper()
		for n := range p.doc.Descendants() {
			if attr(n, "http-equiv") == "refresh" {
				path, ok := strings.CutPrefix(attr(n, "content"), "0;url=")
				if !ok {
					t.Fatalf("the page goes on to %q", attr(n, "content"))
				}
				return path
			}
		}
		return ""
	}
	p := w.post("/import", "folder", w.stick).has("Volumes read 1", "Files left 39", "End here")
	next := follow(p)
	// The page loaded once more, or gone back to, imports nothing; its next page does.
	if again := follow(w.get("/importing").has("Volumes read 1")); again != next {
		t.Errorf("it goes on to %q, not %q", again, next)
	}
	w.get(next).has("Volumes read 2")
	w.get(next).has("Volumes read 2")
	w.get("/import").has("An import was begun and is not through")
	if n := len(w.anna.Cases()); n != 2 {
		t.Errorf("%d cases are in the vault", n)
	}
	// Ended, and once more to its end.
	w.post("/import/end").has("You ended the import before it was through", "2 new messages", "The number to ask your exchange for next time 2")
	w.get(w.pages.Answer(window.Request{Method: window.Get, Path: "/importing"}).Location).has("What was imported")
	p = w.post("/import", "folder", w.stick)
	for range volumes {
		r := w.pages.Answer(window.Request{Method: window.Get, Path: "/importing", Query: map[string][]string{"after": {strings.TrimPrefix(follow(p), "/importing?after=")}}})
		if r.Location != "" {
			p = w.get(r.Location)
			break
		}
		p = w.shown(r)
	}
	p.has("38 new messages", "2 more volumes were for others, or were here already", "next time 40")
	if n := len(w.anna.Cases()); n != volumes {
		t.Errorf("%d cases are in the vault", n)
	}
	if f := follow(p); f != "" {
		t.Errorf("a page that is not of an import goes on to %q", f)
	}
	w.get("/import").has("next time 40")
	// Another window knows of no import, and has all that was imported.
	w.post("/import", "folder", w.stick)
	if r := w.open("en").pages.Answer(window.Request{Method: window.Get, Path: "/importing"}); r.Location != "/imported" {
		t.Errorf("a new window goes to %q", r.Location)
	}
}

// Cases go to a fellow holder, who looks before taking them in.
func TestHandOverPages(t *testing.T) {
	w := newWorld(t).open("en")
	w.get("/handover").has("lists no other active holder")
	w.office()
	ben := w.join("ombuds", "ben", "ombuds")
	w.open("en")
	path := w.caseOf("The purchase")
	id := strings.TrimPrefix(path, "/case/")
	w.get(path) // and it is noted that anna has read it
	w.get("/handover?case="+id).has("ben", "All cases").value("case")
	w.post("/handover", "to", "ben", "which", "these").has("There is no message to hand over")
	w.post("/handover", "to", "cleo", "which", "all").has("No such fellow holder is active")
	w.post("/handover", "to", "ben", "which", "these", "typed-cases", "nonsense").has("There is no such case here")
	if v := w.get("/handover").value("typed-cases"); v != "nonsense" {
		t.Errorf("what was typed is %q", v)
	}
	w.post("/handover", "to", "ben", "which", "these", "case", id).has("For holder ben", "Messages 3", "Notes on who opened")
	w.why = ""
	w.post("/handover/write", "folder", "/nowhere").has("There is no such folder", "For holder ben")
	w.post("/handover/write", "folder", w.stick).has("For holder ben: the file is").hasNot("Messages 3")
	if w.why != "" {
		t.Errorf("asked for the passphrase %q", w.why)
	}
	w.post("/handover", "to", "ben", "which", "all").has("Cases 5", "the passphrase is asked for once more", "Left out: answers that wait")
	w.pass = "wrong"
	w.post("/handover/write", "folder", w.stick).has("This is not the passphrase.", "Cases 5")
	w.pass = testPass
	w.post("/handover/write", "folder", w.stick).has("For holder ben: the file is")
	if w.why != "To hand all cases over to ben" {
		t.Errorf("asked for the passphrase %q", w.why)
	}
	files := w.onStick()
	if len(files) != 2 {
		t.Fatalf("on the stick: %q", files)
	}
	w.post("/takeover", "file", files[0]).has("No key of this vault opens this file")

	// At ben's desk.
	w.openOf(ben, "en")
	small, large := files[0], files[1]
	if a, b := must(os.Stat(small))(w), must(os.Stat(large))(w); a.Size() > b.Size() {
		small, large = large, small
	}
	w.get("/takeover").has(small, large)
	w.post("/takeover", "file", "/etc/passwd").has("There is no such folder here")
	w.post("/takeover", "typed", "/etc/hostname").has("not one that a desk wrote for another")
	w.post("/takeover", "file", small).has("In this file", "Cases handed over, from The ombuds office (holder anna)", "New messages 3")
	if len(ben.Cases()) != 0 {
		t.Error("looking took something in")
	}
	w.post("/takeover/take").has("Taken in", "New messages 3", "New cases 1", "Notes of their desk")
	w.post("/takeover/take").has("Taken in") // nothing is looked at: nothing is done
	w.post("/takeover", "file", small).has("Here already 3")
	w.post("/takeover", "file", large).has("Here already 3", "New messages")
	w.post("/takeover/take").has("Taken in", "New cases 4")
	c := must(ben.Case(id))(w)
	if list := must(ben.Custody(c))(w); len(list) == 0 || list[0].Who != "ombuds/anna" {
		t.Errorf("who has seen it: %+v", list)
	}
	w.get("/case/" + id).has("The purchase of boots")
	w.post("/case/"+id+"/erase", "reasons", "a test").has("is erased here")
	w.post("/takeover", "file", small).has("3 were erased here, and stay erased unless you ask for them", "Also take back")
	w.post("/takeover/take").has("Taken in", "3 were erased here")
	if _, err := ben.Case(id); err == nil {
		t.Error("what was erased is back")
	}
	w.post("/takeover", "file", small)
	w.post("/takeover/take", "again", "yes").has("Erased here before, and back 3")
	must(ben.Case(id))(w)
}

// Part of a case goes to a body that its source agreed to, and a receipt comes back.
func TestReferPages(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("Командир")
	w.get(path+"/refer").has("The source has not agreed that this case is shown to another body", "Ask the source about Body audit")
	w.post(path+"/refer", "to", "audit", "numbering", numbering(w.theCase(path)), "message-1", "show").has("The source has not agreed")
	w.post(path+"/refer/ask", "ask", "audit").has("Answer in case")
	if d := w.pages.draft(w.theCase(path)); d.Ask != "audit" {
		t.Errorf("the draft asks about %q", d.Ask)
	}

	path = w.caseOf("The purchase")
	p := w.get(path+"/refer").has("The source says yes: this case may be shown to Body audit", "does not go", "Mask its lines", "I have seen both invoices.")
	n := p.value("numbering")
	post := func(fields ...string) *shown {
		t.Helper()
		return w.post(path+"/refer", append([]string{"to", "audit", "numbering", n}, fields...)...)
	}
	post().has("Choose at least one message")
	post("message-1", "show", "lines-1", "first").has("Give the lines to mask by their numbers")
	post("message-1", "show", "lines-1", "3-2").has("Give the lines to mask by their numbers")
	post("message-1", "show", "texts", "x").has("needs two letters or digits")
	w.post(path+"/refer", "to", "audit", "numbering", "other", "message-1", "show").has("the numbers have moved")
	w.post(path+"/refer", "to", "ngo", "numbering", n, "message-1", "show").has("The source has not agreed")
	p = post("message-1", "show", "lines-1", "3", "texts", "Boots\r\n", "words", "It is with the audit office.")
	p.has("Body audit will read this and nothing else", "The purchase of █████ was paid twice.", "Parts are masked", "It is with the audit office.").hasNot("invoices", "boots")
	if len(w.onStick()) != 0 {
		t.Error("looking wrote a file")
	}
	w.get(path+"/refer").has("Boots", "It is with the audit office.")
	w.post(path+"/refer/write", "folder", "/nowhere").has("There is no such folder", "█████")
	w.post(path+"/refer/write", "folder", w.stick).has("For Body audit alone: the file is", "waits to be exported", "Referred to Body audit on", "No receipt yet", "It is with the audit office.")
	w.post(path+"/refer/write", "folder", w.stick).has("the numbers have moved") // what was chosen is done

	// At eve's desk.
	file := w.onStick()[0]
	w.openOf(w.eve, "en")
	w.post("/takeover", "file", file).has("A referral, from The ombuds office (holder anna)")
	w.post("/takeover/take").has("Taken in", "Messages 1")
	short := w.eve.Referrals()[0].Short
	w.get("/").has("Referred to you", short, "The ombuds office", "Parts masked")
	of := w.eve.Referrals()[0].ID()
	w.get("/referred?of="+of).has("The purchase of █████ was paid twice.", "The source agreed on", "No answer can be sealed to the source").hasNot("invoices")
	w.get("/referred?of=nonsense").status(404)
	w.post("/referred/receipt", "of", of, "folder", w.stick).has("The receipt for The ombuds office is")
	receipt := ""
	for _, f := range w.onStick() {
		if f != file {
			receipt = f
		}
	}
	w.post("/takeover", "file", file).has("It is here already.")

	// The receipt comes back.
	w.openOf(w.anna, "en")
	w.post("/takeover", "file", receipt).has("A receipt, from Body audit (holder eve)")
	w.post("/takeover/take").has("Received there by holder eve")
	w.get(path).has("Received there by holder eve")

	// What was referred is erased, with the passphrase.
	w.openOf(w.eve, "en")
	w.pass = "wrong"
	w.post("/referred/erase", "of", of).has("This is not the passphrase.")
	w.pass = testPass
	w.post("/referred/erase", "of", of).has("is erased here")
	w.post("/takeover", "file", file).has("1 was erased here, and stays erased unless you ask for it")
}

// theCase is the case of a path.
func (w *world) theCase(path string) *reviewer.Case {
	w.Helper()
	return must(w.pages.desk.Case(strings.TrimPrefix(path, "/case/")))(w)
}

// What is chosen in the form of masks masks that, and nothing of what is not shown.
func TestMasking(t *testing.T) {
	w := newWorld(t).open("en").office()
	c := w.theCase(w.caseOf("تعرّض"))
	form := map[string][]string{
		"numbering": {numbering(c)}, "texts": {"Depot 7\r\n\r\n  harbour  "}, "message-1": {maskShow}, "message-2": {maskWhole}, "message-3": {"nonsense"}, "message-x": {maskShow},
		"lines-1": {"2، 4-5"}, "lines-3": {"1"}, "file-1": {maskInclude}, "file-2": {maskHide},
	}
	m := maskingOf(&ask{Request: window.Request{Form: form}})
	shown := func(no int) bool { return m.Messages[no] != "" }
	masks := must(m.masks(c, shown))(w)
	text := func(io.Writer) error { return nil }
	got := must(masks.Masked(&dossier.Case{Messages: []dossier.Message{
		{No: 1, Words: "depot-7\ntwo\nthree\nfour\nfive\nsix"}, {No: 2, Words: "all of it"}, {No: 3, Words: "first"}, {No: 4, Files: []dossier.File{{No: 1, Name: "HARBOUR.txt", MediaType: "text/plain", Open: text}, {No: 2, Name: "b"}}},
	}}))(w).Messages
	const sign = "█████"
	if got[0].Words != sign+"\n"+sign+"\nthree\n"+sign+"\n"+sign+"\nsix" || got[1].Words != sign || got[2].Words != "first" {
		t.Errorf("%q, %q, %q", got[0].Words, got[1].Words, got[2].Words)
	}
	if f := got[3].Files; len(f) != 2 || f[0].Name != sign+".txt" || f[0].Left || !f[1].Left || f[1].Name != "" {
		t.Errorf("%+v", f)
	}
	m.Numbering = "other"
	if _, err := m.masks(c, shown); !errors.Is(err, errMoved) {
		t.Errorf("other numbers: %v", err)
	}
}

// Files go along with an answer: only as they were looked at, and also when it is changed while it waits.
func TestAnswerFiles(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("Des recrues")
	one, two := filepath.Join(w.stick, "form.pdf"), filepath.Join(w.TempDir(), "list.txt")
	w.check(os.WriteFile(one, []byte("the form"), 0o600))
	w.check(os.WriteFile(two, []byte("the list"), 0o600))
	w.check(os.WriteFile(filepath.Join(w.stick, "x.batch"), nil, 0o600))
	save := func(fields ...string) *shown {
		return w.post(path+"/answer", append([]string{"do", "save"}, fields...)...)
	}
	w.get(path+"/answer").has("At most 536 MB together", "form.pdf").hasNot("x.batch")
	save("attach", "/etc/passwd").hasNot("/etc/passwd", "passwd ·")
	save("attach-typed", "list.txt", "text", "Voici.").has("There is no such folder here", "Voici.")
	save("attach", one, "text", "Voici.").has("form.pdf · 1 KB")
	save("attached", "0", "attach-typed", two, "text", "Voici.").has("form.pdf", "list.txt · 1 KB")
	w.open("en") // the draft and its files outlive the window
	preview := func(fields ...string) *shown {
		return w.post(path+"/answer", append([]string{"do", "preview", "text", "Voici."}, fields...)...)
	}
	sum := func(b string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(b))) }
	preview("attached", "0").has("With these files", "form.pdf", sum("the form")).hasNot("list.txt")
	w.check(os.WriteFile(one, []byte("another"), 0o600))
	w.post(path+"/seal").has("A file is not what it was when you looked", sum("another"))
	w.check(os.Remove(one))
	r := w.send(path+"/seal", "token", w.pages.token)
	w.get(r.Location).has("A file of the answer is not there any more")
	w.check(os.WriteFile(one, []byte("another"), 0o600))
	preview("attached", "0").has(sum("another"))
	w.post(path+"/seal").has("The answer is sealed", "form.pdf")
	waiting := func() *reviewer.Message {
		t.Helper()
		c := w.theCase(path)
		m := &c.Messages[len(c.Messages)-1]
		if c.Waiting != 1 || m.State != stateWaiting {
			t.Fatalf("%d answers wait", c.Waiting)
		}
		return m
	}
	// Changed while it waits: it waits as it is until the new one is sealed, with the same file and one more.
	old := waiting().ID
	w.post(path+"/waiting", "id", old, "do", "change").has("instead of an answer that waits", "form.pdf", "Voici.")
	waiting()
	preview("text", "Voici tout.", "attached", "0", "attach-typed", two).has("form.pdf", sum("another"), "list.txt", sum("the list"))
	w.post(path+"/seal").has("The answer is sealed", "form.pdf", "list.txt", "Voici tout.")
	m := waiting()
	if m.ID == old {
		t.Error("the old answer waits")
	}
	dir := w.TempDir()
	for i, want := range []string{"another", "the list"} {
		x := must(w.anna.Extract(w.theCase(path), m.Files[i].No, dir))(w)
		if got := read(w, x.Path); string(got) != want {
			t.Errorf("file %d is %q", i, got)
		}
	}
	// One that was exported meanwhile is not replaced; the words stay.
	w.post(path+"/waiting", "id", m.ID, "do", "change")
	w.post("/export", "folder", w.stick)
	w.get(path+"/answer").has("waits no longer", "Voici tout.")
	if d := w.pages.draft(w.theCase(path)); len(d.Files) != 0 || d.Instead != "" {
		t.Errorf("the draft keeps %+v", d)
	}
	w.post(path + "/discard").hasNot("Go on with the answer")
	// One with files is withdrawn like any other.
	preview("attach", one)
	w.post(path + "/seal")
	w.post(path+"/waiting", "id", waiting().ID, "do", "withdraw").has("The answer was withdrawn")
}
