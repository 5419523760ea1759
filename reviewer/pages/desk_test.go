package pages

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/reviewertest"
	"postern/reviewer/window"
)

// An answer is written, kept, looked at as its source will see it, sealed, taken back and
// written anew, and carried out.
func TestAnswer(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("تعرّض")
	w.get(path+"/answer").has("It will be read by the source and by: The ombuds office, Body ngo", "RETALIATION", "1 answer of this case waits", "هددوني")
	w.post(path+"/answer", "do", "preview").has("The answer is empty")
	w.post(path+"/answer", "do", "preview", "text", "x", "by", "soon").has("Give a day like 2026-12-31")
	w.post(path+"/answer", "do", "preview", "text", "x", "by", "2026-01-01").has("that day is past")
	w.post(path+"/answer", "do", "preview", "text", "x", "ask", "ngo").has("reads this case already")
	w.post(path+"/answer", "do", "preview", "text", strings.Repeat("ب", crypto.MaxText)).has("longer than an answer holds")
	w.post(path+"/answer", "do", "save", "text", strings.Repeat("b", maxTyped+1)).has("longer than an answer holds")
	// The draft outlives the window.
	w.post(path+"/answer", "do", "save", "text", "سنكتب", "stage", "inquiry", "by", "+30", "ask", "audit")
	w.open("en")
	w.get(path).has("Go on with the answer")
	w.get(path+"/answer").has("سنكتب", "10 of 32768 bytes")
	p := w.post(path+"/answer", "do", "template", "template", "safety", "text", "سنكتب", "stage", "inquiry", "by", "+30", "ask", "audit").has("سنكتب", "لا تفعل شيئًا قد يدل عليك")
	if strings.Contains(p.title(), "سنكتب") {
		t.Errorf("the title is %q", p.title())
	}
	p = w.post(path+"/answer", "do", "preview", "text", "سنكتب\n\n<b>قريبًا</b>", "stage", "inquiry", "by", "+30", "ask", "audit").has(
		"Before sealing", "مكتب أمين المظالم", "<b>قريبًا</b>", "هل يجوز أن يُعرض بلاغك", "Body audit")
	p.has("29 ديسمبر 2026")
	w.post(path+"/seal").has("The answer is sealed, for the source and The ombuds office, Body ngo", "Stage told to the source: Under inquiry", "Waits to be exported")
	if !w.pages.draft(must(w.anna.Case(strings.TrimPrefix(path, "/case/")))(w)).none() {
		t.Error("the draft is still there")
	}
	// It is taken back, changed, sealed again; the other one is withdrawn.
	ids := func() (list []string) {
		c := must(w.anna.Case(strings.TrimPrefix(path, "/case/")))(w)
		for _, m := range c.Messages {
			if m.State == "waiting" {
				list = append(list, m.ID)
			}
		}
		return list
	}
	before := ids()
	w.get(path).has("Change this answer", "Withdraw it")
	w.post(path+"/waiting", "id", before[1], "do", "change").has("The answer is a draft again", "<b>قريبًا</b>", "Under inquiry")
	w.post(path+"/answer", "do", "preview", "text", "كلمات أخرى")
	w.post(path + "/seal").has("كلمات أخرى").hasNot("<b>قريبًا</b>")
	w.post(path+"/waiting", "id", before[0], "do", "withdraw").has("The answer was withdrawn").hasNot("ابقَ في مكان آمن")
	w.post(path+"/waiting", "id", before[0], "do", "withdraw").has("It is not waiting any more")
	w.post(path+"/waiting", "id", ids()[0], "do", "nonsense").has("It is not waiting any more")
	if len(ids()) != 1 {
		t.Errorf("%d answers wait", len(ids()))
	}
	w.get("/export").has("1 answer waits.")
	w.post("/export", "folder", w.stick).has("A bundle with 1 answer:", "compare the id", "No answer waits.")
	if left := must(filepath.Glob(w.stick + "/*.age"))(w); len(left) != 1 {
		t.Errorf("on the stick: %q", left)
	}
	w.post("/export", "folder", w.stick).has("No answer waits to be exported.")
	w.post(path+"/answer", "do", "save", "text", "x")
	w.post(path + "/discard").hasNot("Go on with the answer")
}

// A machine whose clock is wrong is asked about before anything is sealed.
func TestDoubtfulClock(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("Des recrues")
	w.later(40)
	w.post(path+"/answer", "do", "preview", "text", "x").has("Look at a calendar: is it about 8 January 2027 today?")
	w.post(path + "/seal").has("Confirm today’s date first.")
	w.post(path+"/seal", "clock", "yes").has("The answer is sealed")
}

func TestImport(t *testing.T) {
	w := newWorld(t).open("en")
	s := w.server.NewSource()
	one := w.batch(must(s.Say(reviewertest.NewForm(), w.today(), "one", nil, "ombuds"))(w))
	two := w.batch(must(s.Say(reviewertest.NewForm(), w.today(), "two", nil, "ombuds"))(w))
	w.server.Batch++
	far := must(w.server.Release(w.today()+30, 4))(w)
	w.get("/import").has("0 volumes")
	w.post("/import", "folder", w.stick).has("There is no volume in this folder.")
	w.post("/import", "folder", "/nowhere").has("There is no such folder")
	w.post("/import", "typed", "relative").has("There is no such folder")
	for name, data := range map[string][]byte{"2.batch": two, "1.batch": one, "broken.batch": one[:500], "far.batch": far, "\x1b[31m.batch": one} {
		w.check(os.WriteFile(filepath.Join(w.stick, name), data, 0o600))
	}
	w.get("/import").has("5 volumes")
	p := w.post("/import", "folder", w.stick).has("2 new messages", "1 new case", "not a whole volume", "Read the most urgent", "Look at a calendar: is it about 24 December 2026 today?", "⟨U+001B⟩[31m.batch")
	p.hasNot("Not imported yet")
	w.get(w.pages.Answer(window.Request{Method: window.Get, Path: "/next"}).Location).has("one", "two")
	w.post("/import", "folder", w.stick, "clock", "2026-12-24").has("0 new messages", "Not imported yet").hasNot("Look at a calendar")
	// A folder that was typed is offered again, by a later window too.
	other := w.TempDir()
	w.post("/import", "typed", other).has("There is no volume in this folder.")
	w.open("en").get("/import").has(other)
	if New(Options{Desk: w.anna, Sticks: func() []string { return nil }}).imported != nil {
		t.Error("a new window knows of an import")
	}
}

func TestTakeOut(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("تعرّض")
	w.post(path+"/take", "file", "1", "folder", w.stick).has("1 file was written to " + w.stick + ", in clear.")
	w.post(path+"/take", "file", "7", "folder", w.stick).has("This was not done.", "no file 7")
	w.post(path+"/take", "file", "all", "typed", w.stick).has("files were written to")
	if got := must(filepath.Glob(w.stick + "/case-*/SHA256SUMS"))(w); len(got) != 1 {
		t.Errorf("lists: %q", got)
	}
}

func TestKeys(t *testing.T) {
	w := newWorld(t).open("en").office()
	w.get("/keys").has("Vault of holder anna of body ombuds.", "Version 1 is in force", "The last backup is 5 days old", "29 November 2026")
	w.post("/card", "folder", w.stick).has("Read these words to the operator", w.stick+"/anna.card")
	w.post("/card", "folder", w.stick).has("A file of that name is there already.")
	w.post("/access", "folder", w.stick, "onion", "x").has("This was not done.", "not an onion address")
	w.pass = "wrong"
	w.post("/backup", "folder", w.stick).has("This is not the passphrase.")
	w.pass = testPass
	w.post("/backup", "folder", w.stick).has("The vault is backed up in", "The last backup is 0 days old")
	if !strings.HasPrefix(w.why, "To write a backup") {
		t.Errorf("asked for the passphrase %q", w.why)
	}
	w.later(3)
	w.open("en").get("/keys").has("The last backup is 3 days old")
	w.post("/advance").has("No month’s key can be destroyed yet.")
	// A directory is looked at before it is accepted.
	w.server.Directory.Version++
	b, _ := w.server.Directory.Body("ngo")
	b.Names = map[string]string{"en": "Another name"}
	w.check(os.WriteFile(filepath.Join(w.stick, "directory.signed"), must(w.root.Sign(must(w.server.Proposal())(w), w.signed, w.today()))(w), 0o600))
	w.get("/keys").has("directory.signed")
	w.post("/directory", "file", filepath.Join(w.stick, "directory.signed")).has("A directory to accept", `its name (en) was "Body ngo" and is now "Another name`)
	w.post("/directory/accept", "do", "leave").hasNot("A directory to accept").has("Version 1 is in force")
	w.post("/directory/accept", "do", "accept").has("Version 1 is in force")
	w.post("/directory", "file", filepath.Join(w.stick, "directory.signed"))
	w.post("/directory/accept", "do", "accept").has("Version 2 of the directory is in force.")
	w.post("/directory", "file", "/etc/passwd").has("There is no such folder")
	w.post("/directory", "file", filepath.Join(w.stick, "directory.signed"), "roots", "nonsense").has("This is no root key.")
}

func TestErase(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("The purchase")
	w.pass = "wrong"
	w.post(path+"/erase", "reasons", "two years are over").has("This is not the passphrase.", "two years are over")
	w.pass = testPass
	w.post(path + "/erase").has("The case is not closed.").hasNot("is erased here") // before its time, without a reason
	w.post(path+"/erase", "reasons", "two years are over").has("is erased here", "4 cases of 4")
	w.get(path).status(404)
	w.pages.o.Passphrase = nil
	w.post(w.caseOf("Командир")+"/erase", "reasons", "x").has("The passphrase cannot be asked for here.")
}

// What a window remembers outlives it, and leaves with the case.
func TestMemory(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("The purchase")
	w.get(path)
	w.post("/language", "language", "ar")
	w.open("en").get("/").has("القضايا")
	w.post("/list", "show", "unread")
	if rows := w.pages.rows(showUnread); len(rows) != 4 {
		t.Errorf("%d cases are unread", len(rows))
	}
	c := must(w.anna.Case(strings.TrimPrefix(path, "/case/")))(w)
	w.check(w.anna.Erase(c, []byte(testPass), "a test"))
	if left := must(reviewer.Records[bool](w.anna, reviewer.KindSeen, c))(w); len(left) != 0 {
		t.Errorf("%d records are left", len(left))
	}
}

// Every letter leads to a page that is there, and never does anything.
func TestLetters(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("The purchase")
	for _, page := range []string{"/", "/help", "/nowhere", "/case/nonsense", path, path + "/answer"} {
		var keys []string
		for r := '!'; r < 0x7f; r++ {
			a := w.pages.Answer(window.Request{Method: window.Key, Path: page, Key: string(r)})
			if a.Location == "" {
				if a.Status != statusNothing {
					t.Errorf("%s, key %c: status %d", page, r, a.Status)
				}
				continue
			}
			keys = append(keys, string(r))
			w.get(a.Location)
		}
		if mine := slices.Contains(keys, "a"); mine != strings.HasPrefix(page, path) {
			t.Errorf("%s knows %q", page, keys)
		}
	}
	p := w.get("/help")
	for _, s := range w.pages.shortcuts(nil) {
		p.has(s.Text)
	}
}

func TestQuestion(t *testing.T) {
	w := newWorld(t)
	for _, lang := range Languages() {
		w.shown(Question(lang, "<b>why</b>", true)).has("<b>why</b>.")
	}
	w.shown(Question("en", "", false)).has("Passphrase of the vault").hasNot("not the passphrase")
}
