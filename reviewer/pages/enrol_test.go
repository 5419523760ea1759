package pages

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/reviewertest"
	"postern/reviewer/window"
)

// begins is a window without a vault, on the machine of a holder of the audit office.
func (w *world) begins(lang string) *world {
	w.Helper()
	w.stick = w.TempDir()
	w.vault = filepath.Join(w.TempDir(), "vault")
	keep := func(v *reviewer.Desk, err error) (*reviewer.Desk, error) {
		if err == nil {
			w.anna = v
			w.Cleanup(v.Close)
		}
		return v, err
	}
	w.pages = New(Options{
		Language: lang, Sticks: func() []string { return []string{w.stick} },
		Passphrase:    func(why string) ([]byte, error) { w.why = why; return []byte(w.pass), nil },
		NewPassphrase: func() ([]byte, error) { return []byte(w.pass), nil },
		Begin: &Begin{
			Now: func() time.Time { return w.now },
			Create: func(body, holder string) (*reviewer.Desk, error) {
				if w.pass == "" {
					return nil, window.ErrClosed
				}
				return keep(reviewer.Create(w.vault, body, holder, []byte(w.pass), w.options()))
			},
			Restore: func(path string) (*reviewer.Desk, error) {
				f, err := os.Open(path)
				if err != nil {
					return nil, err
				}
				defer f.Close()
				return keep(reviewer.Restore(f, w.vault, []byte(w.pass), w.options()))
			},
		},
	})
	return w
}

// put writes a file on the stick.
func (w *world) put(name string, b []byte) string {
	w.Helper()
	path := filepath.Join(w.stick, name)
	w.check(os.WriteFile(path, b, 0o600))
	return path
}

// signsAgain is a directory with the holder whose card is on the stick.
func (w *world) signsAgain(card, kind string) {
	w.Helper()
	w.server.Directory.Version++
	w.check(w.server.Enrol(read(w, filepath.Join(w.stick, card)), kind))
	w.signed = must(w.root.Sign(must(w.server.Proposal())(w), w.signed, w.today()))(w)
	w.put("directory.signed", w.signed)
}

// Somebody enrols from nothing to the list of cases, leaving and coming back in between.
func TestEnrolment(t *testing.T) {
	w := newWorld(t).begins("en")
	today := w.today().String()
	w.get("/").has("There is no vault on this machine yet", "This machine’s clock says 24 November 2026", "Make a new vault", "Restore a backup").hasNot("Keys and backup")
	w.post("/language", "language", "fr").has("Faire un nouveau coffre")
	w.post("/language", "language", "en")
	w.get("/keys").status(404)
	if r := w.pages.Answer(window.Request{Method: window.Key, Path: "/", Key: "k"}); r.Status != statusNothing {
		t.Errorf("a letter leads to %q", r.Location)
	}
	// Nobody makes a vault without a look at the calendar, with ids that are none, or without a passphrase.
	w.post("/new", "body", "board", "holder", "dan").has("Confirm today’s date first.")
	w.post("/new", "body", "board", "holder", "dan", "clock", "2026-11-23").has("Confirm today’s date first.")
	w.post("/new", "body", "The Board", "holder", "dan", "clock", today).has("An id has 1 to 16")
	w.pass = ""
	p := w.post("/new", "body", "board", "holder", "dan", "clock", today).has("The window was closed without an answer.")
	for _, kept := range []string{`value="board"`, `value="dan"`} {
		if !strings.Contains(string(p.r.Body), kept) {
			t.Errorf("what was typed is lost: no %s", kept)
		}
	}
	w.pass = testPass
	w.post("/new", "body", "board", "holder", "dan", "clock", today).has("The vault is made.", "2. Card for the operator", "carry it to the operator").hasNot("Enrolment is not finished")
	w.get("/").has("There are no cases yet.", "Enrolment is not finished. It goes on with: Card for the operator.")
	if got := w.pages.First(); got != "/enrol" {
		t.Errorf("the window begins with %s", got)
	}
	w.post("/card", "from", "enrol", "folder", "").has("There is no such folder here", "2. Card for the operator")
	words := strings.Join(w.anna.SigningWords(), " ")
	w.get("/enrol").hasNot(words)
	w.post("/card", "from", "enrol", "folder", w.stick).has("Read these words to the operator", words, w.stick+"/dan.card", "Go on with the next step", "Now the operator proposes")
	// Days later, in a later window, it goes on where it was.
	w.later(3)
	w.open("en")
	if got := w.pages.First(); got != "/enrol" {
		t.Errorf("the window begins with %s", got)
	}
	w.get("/enrol").has("3. Directory", "To accept a new one, plug in the stick")
	w.signsAgain("dan.card", "audit")
	w.put("root.pub", []byte(w.root.Key()+"\r\n"))
	w.put("notes.txt", []byte("the operator said hello"))
	w.put("proposal-of-others.txt", []byte("postern dir"))
	w.get("/enrol").has("directory.signed", "root.pub").hasNot("notes.txt", "proposal-of-others", "dan.card")
	signed := filepath.Join(w.stick, "directory.signed")
	w.post("/directory", "from", "enrol", "file", signed).has("This vault trusts no root key yet.", "3. Directory")
	w.post("/directory", "from", "enrol", "file", signed, "roots", "harbour+nonsense").has("This is no root key.", "harbour+nonsense")
	phrase := strings.Join(must(crypto.RootPhrase(w.root.Key()))(w), " ")
	w.post("/directory", "from", "enrol", "file", signed, "rootfile", filepath.Join(w.stick, "root.pub")).has("Words of the root key", phrase, "holder dan: active", words, "These are the keeper’s words")
	w.post("/directory/accept", "from", "enrol", "do", "leave").has("3. Directory").hasNot(phrase)
	w.post("/directory", "from", "enrol", "file", signed, "rootfile", filepath.Join(w.stick, "root.pub"))
	w.post("/directory/accept", "from", "enrol", "do", "accept").has("Version 2 of the directory is in force.", "4. Key file for Tor Browser")
	// The address comes from the stick, or is typed; the one before is kept when it is refused.
	p = w.post("/access", "from", "enrol", "folder", w.stick, "onion", "nowhere.onion").has("not an onion address", "4. Key file")
	if !strings.Contains(string(p.r.Body), "nowhere.onion") {
		t.Error("what was typed is lost")
	}
	address := w.put("address.txt", []byte("http://"+testOnion+"/\n"))
	w.get("/enrol").has("Address of your exchange, on a stick", "address.txt")
	w.post("/access", "from", "enrol", "folder", w.stick, "file", address, "onion", "").has("exchange.auth_private", "5. First backup")
	if got := string(read(w, filepath.Join(w.stick, "exchange.auth_private"))); !strings.HasPrefix(got, strings.TrimSuffix(testOnion, ".onion")+":descriptor:x25519:") {
		t.Errorf("the key file is %q", got)
	}
	// A step that is done is still there.
	w.get("/enrol?step=card").has(words, "Go on with the next step")
	w.get("/enrol?step=nonsense").has("5. First backup")
	w.pass = "wrong"
	w.post("/backup", "from", "enrol", "folder", w.stick).has("This is not the passphrase.", "5. First backup")
	w.pass = testPass
	w.post("/backup", "from", "enrol", "folder", w.stick).has("Enrolment is done.", "There are no cases yet.").hasNot("Enrolment is not finished")
	if got := w.pages.First(); got != "/" {
		t.Errorf("the window begins with %s", got)
	}
	w.get("/enrol").has("All steps are done.", "Open the cases")
}

// A backup comes back whole, or nothing changes; then the desk says what to import.
func TestRestoring(t *testing.T) {
	w := newWorld(t).open("en").office()
	w.post("/backup", "folder", w.stick)
	w.post("/language", "language", "ar")
	backup := read(w, must(filepath.Glob(w.stick + "/*.backup.age"))(w)[0])
	w.begins("en")
	today := w.today().String()
	w.get("/restore").has("No stick with a backup is plugged in.")
	path := w.put("anna.age", backup)
	w.put("cut.age", backup[:len(backup)/2])
	w.put("empty.age", nil)
	w.put("holiday.jpg", []byte("x"))
	w.get("/restore").has("anna.age", "cut.age").hasNot("empty.age", "holiday.jpg")
	w.post("/restore", "file", path).has("Confirm today’s date first.")
	w.post("/restore", "clock", today, "file", w.stick).has("There is no such folder here")
	w.post("/restore", "clock", today, "file", filepath.Join(w.stick, "cut.age")).has("This is no whole backup of a vault.")
	w.pass = "wrong"
	w.post("/restore", "clock", today, "typed", path).has("This is not the passphrase.")
	w.pass = testPass
	w.post("/restore", "clock", today, "typed", path).has("The vault of holder anna is restored.", "ask for everything after number 1,")
	w.get("/").has("5 cases of 5")
}

// Seven words are proposed once and typed back, or somebody chooses; the passphrase so far comes first.
func TestNewPassphrase(t *testing.T) {
	w := newWorld(t)
	var n *NewPassphrase
	give := func(fields ...string) (*shown, bool) {
		f := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			f.Set(fields[i], fields[i+1])
		}
		r, done := n.Take(f)
		return w.shown(r), done
	}
	got := func(want string) {
		t.Helper()
		if pass, err := n.Passphrase(); string(pass) != want || err != nil {
			t.Errorf("the passphrase is %q, %v", pass, err)
		}
	}
	n = AskNewPassphrase("en", nil)
	proposed := n.words
	w.shown(n.Page()).has("Write these seven words on paper", strings.ReplaceAll(proposed, " ", "  "))
	p, done := give("do", "back")
	p.has("Type the seven words").hasNot(strings.Fields(proposed)[0] + "  ")
	if done {
		t.Error("nothing was typed yet")
	}
	p, done = give("do", "give", "passphrase", strings.ToUpper(proposed))
	p.has("These are not the seven words.")
	if _, more := give("do", "give", "passphrase", strings.TrimSuffix(proposed, proposed[len(proposed)-1:])); done || more {
		t.Error("other words are taken")
	}
	if _, done = give("do", "give", "passphrase", proposed); !done {
		t.Error("the words are not taken")
	}
	got(proposed)
	// Words that were left never come back.
	n = AskNewPassphrase("en", nil)
	first := n.words
	give("do", "back")
	give("do", "other")
	if n.words == first || n.stage != stageWords {
		t.Errorf("the same words again")
	}
	p, _ = give("do", "own")
	p.has("16 characters or more").hasNot(strings.Fields(first)[0] + " ")
	for said, pass := range map[string][2]string{
		"too short": {"short", "short"}, "The two differ": {"seven random words", "seven random word"}, "begins or ends with a blank": {" seven random words", " seven random words"},
	} {
		p, done = give("do", "give", "passphrase", pass[0], "again", pass[1])
		if p.has(said); done {
			t.Errorf("%q is taken", pass)
		}
	}
	if _, done = give("do", "give", "passphrase", "my own long passphrase", "again", "my own long passphrase"); !done {
		t.Error("it is not taken")
	}
	got("my own long passphrase")
	// The passphrase so far.
	n = AskNewPassphrase("en", w.anna.CheckPassphrase)
	p, done = give("passphrase", "wrong", "do", "own")
	p.has("First the passphrase so far.", "That is not the passphrase of this vault.")
	if done || n.words != "" {
		t.Error("a wrong passphrase leads on")
	}
	give("passphrase", testPass)
	if n.stage != stageWords {
		t.Error("the right one does not")
	}
	broken := errors.New("no disk")
	n = AskNewPassphrase("en", func([]byte) error { return broken })
	if _, done = give("passphrase", testPass); !done {
		t.Error("it asks on where nothing can be checked")
	}
	if _, err := n.Passphrase(); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	for _, lang := range Languages() {
		n = AskNewPassphrase(lang, w.anna.CheckPassphrase)
		w.shown(n.Page())
		give("passphrase", testPass)
		give("do", "back")
		give("do", "own")
	}
}

// The passphrase is changed once both were asked for, and old backups are told of.
func TestChangePassphrase(t *testing.T) {
	w := newWorld(t).open("en")
	w.post("/passphrase").has("The passphrase cannot be asked for here.")
	w.pages.o.NewPassphrase = func() ([]byte, error) { return nil, window.ErrClosed }
	w.post("/passphrase").has("The window was closed without an answer.")
	w.check(w.anna.CheckPassphrase([]byte(testPass)))
	w.pages.o.NewPassphrase = func() ([]byte, error) { return []byte("another long passphrase"), nil }
	w.post("/passphrase").has("The passphrase is changed.", "Since the last backup something was destroyed")
	if w.anna.CheckPassphrase([]byte(testPass)) == nil || w.anna.CheckPassphrase([]byte("another long passphrase")) != nil {
		t.Error("the passphrase is not changed")
	}
}

// Each month: destroy keys, back up, destroy the old backups; the line over the pages leads there.
func TestMonth(t *testing.T) {
	w := newWorld(t).open("en")
	w.get("/month").has("All three are done.", "No month’s key can be destroyed yet", "This vault knows of no older backup.")
	w.get("/").hasNot("The last backup is", "can be destroyed")
	for range 5 {
		w.later(20)
		w.imports(w.anna, w.batch())
	}
	w.open("en")
	w.get("/").has("The last backup is 100 days old.", "and 1 more thing")
	w.get("/month").has("The keys before 2027-01 can be destroyed", "First destroy the keys, or the backup keeps them.").hasNot("and 1 more thing")
	w.pass = "wrong"
	w.post("/advance").has("This is not the passphrase.", "The keys before 2027-01 can be destroyed")
	w.pass = testPass
	w.post("/advance").has("The keys of this vault begin with 2027-01 now.", "No month’s key can be destroyed yet", "Since the last backup something was destroyed")
	if !strings.HasPrefix(w.why, "To destroy the keys of all months before 2027-01") {
		t.Errorf("asked for the passphrase %q", w.why)
	}
	w.post("/backup", "from", "month", "folder", w.stick).has("The vault is backed up in", "They still hold what was destroyed here", "first.age").hasNot("Since the last backup")
	w.get("/").has("1 older backup is to be destroyed.")
	w.post("/destroyed").has("All three are done.", "Noted: the newest backup is the only one.")
	w.get("/").hasNot("older backup")
	w.post("/advance").has("No month’s key can be destroyed yet.")
}

// Sixty, thirty and seven days before the end the line gets louder, and leads to what solves it.
func TestWarningsOnEveryPage(t *testing.T) {
	w := newWorld(t).open("en")
	end := w.anna.Directory().Expires
	for _, c := range []struct {
		left int
		want string
	}{{61, ""}, {60, "info"}, {30, "warn"}, {7, "danger"}, {1, "danger"}, {0, "danger"}} {
		w.now = (end + 1 - crypto.Day(c.left)).Time().Add(9 * time.Hour)
		w.check(w.anna.BackupFile(filepath.Join(w.TempDir(), "x"), []byte(testPass)))
		w.check(w.anna.BackupsDestroyed())
		for _, path := range []string{"/", "/import", "/help", "/nowhere", "/month"} {
			p := w.get(path)
			class, to := "", ""
			for n := range p.doc.Descendants() {
				if strings.HasPrefix(attr(n, "class"), "wish ") {
					class, to = strings.TrimPrefix(attr(n, "class"), "wish screen "), attr(n.FirstChild, "href")
				}
			}
			if class != c.want || class != "" && !strings.HasPrefix(to, "/keys#") {
				t.Errorf("%d days before the end %s says %q, and leads to %q: %s", c.left, path, class, to, p.text[:200])
			}
		}
	}
	w.get("/").has("EXPIRED")
	w.get("/keys").has("The directory has EXPIRED")
}

// A damaged vault is named, with what to do; it lets go only behind the passphrase.
func TestCheckInWindow(t *testing.T) {
	w := newWorld(t).open("en").office()
	w.get("/check").has("Reads every change").hasNot("sound")
	w.post("/check").has("The vault is sound.").hasNot("What to do")
	w.post("/mend").has("The vault is sound.")
	packs := must(filepath.Glob(w.vault + "/packs/*"))(w)
	for _, p := range packs {
		b := read(w, p)
		b[len(b)-9] ^= 1
		w.check(os.WriteFile(p, b, 0o600))
	}
	w.open("en").post("/check").has("Something is damaged or missing", "is damaged.", "batch 1 of 2026-11-24", "Let go of what cannot be read")
	w.pass = "wrong"
	w.post("/mend").has("This is not the passphrase.", "Something is damaged")
	w.pass = testPass
	w.post("/mend").has("What could not be read is let go.", "Import again: batch 1 of 2026-11-24.")
	w.post("/check").has("The vault is sound.")
}

// enrolScenes are the pages of enrolment, of restoring, and of what is done every month.
func enrolScenes(t *testing.T, lang string, keep func(string, *shown)) {
	w := newWorld(t).begins(lang)
	today := w.today().String()
	keep("begin", w.get("/"))
	w.put("anna-2026-10-30.backup.age", []byte("x"))
	keep("restore", w.get("/restore"))
	keep("new-refused", w.post("/new", "body", "The Board", "holder", "dan", "clock", today))
	keep("enrol-card", w.post("/new", "body", "board", "holder", "dan", "clock", today))
	keep("enrol-card-done", w.post("/card", "from", "enrol", "folder", w.stick))
	keep("enrol-directory-none", w.get("/enrol"))
	w.signsAgain("dan.card", "audit")
	key := w.put("root.pub", []byte(w.root.Key()))
	keep("enrol-directory", w.get("/enrol"))
	keep("enrol-proposed", w.post("/directory", "from", "enrol", "file", filepath.Join(w.stick, "directory.signed"), "rootfile", key))
	w.post("/directory/accept", "from", "enrol", "do", "accept")
	keep("enrol-access", w.get("/enrol"))
	w.put("address.txt", []byte(testOnion))
	keep("enrol-access-file", w.get("/enrol"))
	keep("enrol-backup", w.post("/access", "from", "enrol", "folder", w.stick, "onion", testOnion))
	keep("enrol-waits", w.get("/"))
	keep("enrol-done", w.post("/backup", "from", "enrol", "folder", w.stick))
	keep("enrol-all", w.get("/enrol"))
	keep("month-none", w.get("/month"))
	for range 5 {
		w.later(20)
		w.imports(w.anna, w.batch())
	}
	w.server.Batch++
	w.imports(w.anna, w.batch())
	w.open(lang)
	keep("wish", w.get("/"))
	keep("month", w.get("/month"))
	w.post("/backup", "from", "month", "folder", w.stick)
	keep("month-advanced", w.post("/advance"))
	s := w.server.NewSource()
	w.imports(w.anna, w.batch(must(s.Say(reviewertest.NewForm(), w.today(), "new", nil, "board"))(w)))
	keep("check", w.get("/check"))
	keep("check-sound", w.post("/check"))
	for _, p := range must(filepath.Glob(w.vault + "/packs/*"))(w) {
		b := read(w, p)
		b[len(b)-9] ^= 1
		w.check(os.WriteFile(p, b, 0o600))
	}
	keep("check-damaged", w.open(lang).post("/check"))
	w.now = (w.anna.Directory().Expires - 5).Time()
	w.open(lang)
	keep("wish-loud", w.get("/help"))
	n := AskNewPassphrase(lang, w.anna.CheckPassphrase)
	keep("newpass-old", w.shown(n.Page()))
	n.Take(url.Values{Passphrase: {testPass}})
	keep("newpass-words", w.shown(n.Page()))
	n.Take(url.Values{"do": {"back"}})
	n.Take(url.Values{"do": {"give"}, Passphrase: {"x"}})
	keep("newpass-back", w.shown(n.Page()))
	n.Take(url.Values{"do": {"own"}})
	keep("newpass-own", w.shown(n.Page()))
}
