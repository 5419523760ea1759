package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/crypto"
	"postern/reviewer/keeper"
	"postern/reviewer/reviewertest"
	"postern/reviewer/window/windowtest"
)

// write types into a field by its label.
func write(s *windowtest.Session, role, label, text string) {
	s.Helper()
	s.Wait(role, label).Focus()
	s.Type(text)
}

// carries writes a file to the stick as another person would.
func carries(s *windowtest.Session, path string, b []byte) {
	s.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		s.Fatal(err)
	}
	s.Own(path)
}

// proposed are the words of the passphrase that the window proposes.
func proposed(s *windowtest.Session) string {
	s.Helper()
	var words []string
	s.Wait("push button", "I have written them down")
	all := s.Windows()
	for _, n := range all[len(all)-1].All() {
		if n.Role == "list item" {
			words = append(words, regexp.MustCompile(`[a-z]+`).FindString(n.Words()))
		}
	}
	if len(words) != 7 {
		s.Fatalf("%d words are proposed: %q", len(words), words)
	}
	return strings.Join(words, " ")
}

// Somebody who has nothing but the program enrols in its window, and comes to the list of cases.
func TestEnrolInWindow(t *testing.T) {
	s := windowtest.Start(t, 1366, 768)
	s.Build("postern/cmd/postern-desk", "postern/cmd/postern-window")
	stick := s.Stick("POSTERN")
	desk := s.Start(s.WithSticks(s.Command("postern-desk")))
	s.Wait("heading", "Welcome to the desk")
	s.Fill()
	s.Screenshot("enrol-1-begin")
	s.Key("Return")
	s.Wait("heading", "A new vault")
	s.Until("the day is asked for", func() bool { return strings.Contains(s.Page(), "I looked at a calendar") })
	today := s.Find("check box", "I looked at a calendar: it is "+time.Now().UTC().Format("2 January 2006")+" today.")
	if today == nil {
		t.Fatalf("the window asks for another day:\n%s", s.Page())
	}
	today.Press()
	write(s, "entry", "Your body’s id", "ombuds")
	write(s, "entry", "Your own id", "anna")
	s.Screenshot("enrol-2-new")
	s.Press("push button", "Go on to the passphrase")
	pass := proposed(s)
	s.Screenshot("enrol-3-words")
	asking := desk.Below()
	s.Press("push button", "I have written them down")
	s.Wait("heading", "Type the seven words")
	if strings.Contains(s.Page(), pass[:strings.Index(pass, " ")]+"\n") {
		t.Error("the words are still shown")
	}
	write(s, "password text", "The seven words", pass)
	s.Screenshot("enrol-4-back")
	s.Key("Return")
	s.Wait("heading", "2. Card for the operator")
	if left := len(desk.Below()); left >= len(asking) {
		t.Errorf("of %d processes %d are left: the window that asked has not ended", len(asking), left)
	}
	s.Press("push button", "Write the card")
	s.Until("the words are shown", func() bool { return strings.Contains(s.Page(), "Read these words to the operator") })
	s.Screenshot("enrol-5-card")
	s.Key("ctrl+q")
	if ended, err := desk.Ended(); !ended || err != nil {
		t.Fatalf("%v %v", ended, err)
	}

	// Days pass: the operator proposes, the keeper signs.
	day := crypto.DayOf(time.Now())
	server := reviewertest.NewServer(day)
	card, err := os.ReadFile(filepath.Join(stick, "anna.card"))
	if err == nil {
		err = server.Enrol(card, "ombuds")
	}
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "root.age")
	vkey, err := keeper.NewRoot(key, "harbour", []byte(windowPass), 2)
	if err != nil {
		t.Fatal(err)
	}
	root, err := keeper.OpenRoot(key, []byte(windowPass), 2)
	if err != nil {
		t.Fatal(err)
	}
	proposal, err := server.Proposal()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := root.Sign(proposal, nil, day)
	if err != nil {
		t.Fatal(err)
	}
	phrase, err := root.Phrase()
	if err != nil {
		t.Fatal(err)
	}
	carries(s, filepath.Join(stick, "directory.signed"), signed)
	carries(s, filepath.Join(stick, "root.pub"), []byte(vkey+"\n"))
	carries(s, filepath.Join(stick, "exchange.txt"), []byte("2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion\n"))

	desk = s.Start(s.WithSticks(s.Command("postern-desk")))
	s.Wait("heading", "Passphrase")
	answer(s, pass)
	s.Wait("heading", "3. Directory")
	s.Fill()
	s.Screenshot("enrol-6-directory")
	s.Press("push button", "See what it would change")
	s.Wait("push button", "These are the keeper’s words: accept it")
	if !strings.Contains(s.Page(), strings.Join(phrase, " ")) {
		t.Errorf("the page does not show the words of the root:\n%s", s.Page())
	}
	s.Screenshot("enrol-7-words")
	s.Press("push button", "These are the keeper’s words: accept it")
	s.Wait("heading", "4. Key file for Tor Browser")
	s.Screenshot("enrol-8-access")
	s.Press("push button", "Write the key file")
	s.Wait("heading", "5. First backup")
	s.Press("push button", "Back up")
	answer(s, pass)
	s.Wait("heading", "Cases")
	s.Screenshot("enrol-9-cases")
	if page := s.Page(); !strings.Contains(page, "Enrolment is done.") || strings.Contains(page, "Enrolment is not finished") {
		t.Errorf("the page says:\n%s", page)
	}
	for _, pattern := range []string{"exchange.auth_private", "anna-*.backup.age"} {
		if got, _ := filepath.Glob(filepath.Join(stick, pattern)); len(got) != 1 {
			t.Errorf("%s is not on the stick", pattern)
		}
	}
	s.Key("ctrl+q")
	if ended, err := desk.Ended(); !ended || err != nil {
		t.Errorf("%v %v\n%s", ended, err, desk.Said())
	}
}

// A backup is restored in the window of a machine that has nothing, and the desk says what to import.
func TestRestoreInWindow(t *testing.T) {
	s := desktop(t)
	stick := s.Stick("POSTERN")
	pass := filepath.Join(s.Dir, "safe/pass")
	backup := filepath.Join(stick, "anna.backup.age")
	s.Run("postern-desk", "vault", "backup", backup, "--passphrase-file", pass)
	desk := s.Start(s.WithSticks(s.Command("postern-desk", "--vault", filepath.Join(s.Dir, "home/other"))))
	s.Wait("heading", "Welcome to the desk")
	s.Fill()
	s.Press("link", "Restore a backup")
	s.Wait("heading", "Restore a backup")
	s.Press("check box", "I looked at a calendar: it is "+time.Now().UTC().Format("2 January 2006")+" today.")
	s.Screenshot("restore-1")
	s.Press("push button", "Go on to the passphrase")
	answer(s, "not this one, anna")
	s.Until("it says that this was wrong", func() bool { return strings.Contains(s.Page(), "not the passphrase of this vault") })
	answer(s, windowPass)
	s.Wait("heading", "Import")
	s.Until("it says what to do", func() bool { return strings.Contains(s.Page(), "ask for everything after number 0") })
	s.Screenshot("restore-2")
	s.Key("ctrl+q")
	if ended, err := desk.Ended(); !ended || err != nil {
		t.Errorf("%v %v\n%s", ended, err, desk.Said())
	}
	if out := s.Run("postern-desk", "--vault", filepath.Join(s.Dir, "home/other"), "vault", "status", "--passphrase-file", pass); !strings.Contains(out, "holder anna of body ombuds") {
		t.Errorf("the restored vault says:\n%s", out)
	}
}
