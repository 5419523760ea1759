package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/cmd/scantest"
	"postern/reviewer/window/windowtest"
)

const windowPass = "seven random words 4471 are good"

// desktop is one with the programs, and a new vault in its user's home.
func desktop(t *testing.T) *windowtest.Session {
	t.Helper()
	s := windowtest.Start(t, 1366, 768)
	s.Build("postern/cmd/postern-desk", "postern/cmd/postern-window")
	pass := filepath.Join(s.Mkdir("safe"), "pass")
	if err := os.WriteFile(pass, []byte(windowPass+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Own(pass)
	s.Run("postern-desk", "init", "--body", "ombuds", "--holder", "anna", "--passphrase-file", pass)
	return s
}

// answer types a passphrase into the window that asks for it.
func answer(s *windowtest.Session, pass string) {
	s.Helper()
	s.Wait("password text", "Passphrase of the vault")
	s.Type(pass)
	s.Key("Return")
}

// Without a command the desk asks for the passphrase in a window that ends, and opens another one on the cases.
func TestWindowOpens(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("postern-desk"))
	s.Wait("heading", "Passphrase")
	s.Fill()
	s.Screenshot("passphrase")
	asking := desk.Below()
	answer(s, "not this one, anna")
	s.Until("it says that this was wrong", func() bool { return strings.Contains(s.Page(), "not the passphrase of this vault") })
	answer(s, windowPass)
	s.Wait("heading", "Enrolment")
	s.Fill()
	s.Screenshot("desk")
	now := desk.Below()
	for pid, name := range asking {
		if _, there := now[pid]; there {
			t.Errorf("the window that asked left %s", name)
		}
	}
	markers := []scantest.Marker{scantest.Bytes("passphrase", windowPass[6:])}
	for pid := range now {
		found, _ := scantest.Memory(t, pid, markers)
		for _, f := range found {
			t.Error(f)
		}
	}
	if out, err := s.Command("postern-desk", "list", "--passphrase-file", filepath.Join(s.Dir, "safe/pass")).CombinedOutput(); err == nil || !strings.Contains(string(out), "another desk has this vault open") {
		t.Errorf("a second desk opens the vault meanwhile: %v: %s", err, out)
	}
	s.Key("ctrl+q")
	if ended, err := desk.Ended(); !ended || err != nil || desk.Said() != "" {
		t.Errorf("%v %v\n%s", ended, err, desk.Said())
	}
	s.Run("postern-desk", "list", "--passphrase-file", filepath.Join(s.Dir, "safe/pass")) // the vault is closed
}

// Ctrl+P hands the desk a PDF of the page, which goes where the reviewer says and nowhere else.
func TestWindowPrints(t *testing.T) {
	s := desktop(t)
	pass, stick := filepath.Join(s.Dir, "safe/pass"), s.Mkdir("stick")
	said := strings.Fields(s.Run("postern-desk", "new", "phone", "--passphrase-file", pass))
	desk := s.Start(s.Command("postern-desk", "--passphrase-file", pass))
	s.Press("link", said[1])
	s.Wait("link", "Dossier, working copy")
	s.Key("ctrl+p")
	s.Wait("heading", "Where the PDF goes")
	s.Screenshot("print")
	s.Wait("entry", "Another folder").Focus()
	s.Type(stick)
	s.Press("push button", "Write it")
	s.Until("the desk says where it is", func() bool { return strings.Contains(s.Page(), "The PDF is in "+stick) })
	list, err := filepath.Glob(stick + "/case-" + said[1] + "-*.pdf")
	if err != nil || len(list) != 1 {
		t.Fatalf("written: %q, %v", list, err)
	}
	if b, err := os.ReadFile(list[0]); err != nil || !strings.HasPrefix(string(b), "%PDF-") {
		t.Errorf("%.20q, %v", b, err)
	}
	s.Key("ctrl+q")
	if ended, err := desk.Ended(); !ended || err != nil {
		t.Errorf("%v %v\n%s", ended, err, desk.Said())
	}
}

// A window that ends by itself is followed by another one, unless it ends at once; a signal closes desk and vault.
func TestWindowFollows(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("postern-desk", "--passphrase-file", filepath.Join(s.Dir, "safe/pass")))
	kill := func() {
		s.Wait("heading", "Enrolment")
		for pid, name := range desk.Below() {
			if strings.HasPrefix(name, "postern-window") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		s.Until("the window is gone", func() bool { return len(s.Windows()) == 0 || !desk.Running() })
	}
	s.Wait("heading", "Enrolment")
	time.Sleep(steady)
	kill()
	s.Until("the desk says so", func() bool { return strings.Contains(desk.Said(), "opening another one") })
	s.Wait("heading", "Enrolment")
	if err := desk.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if ended, err := desk.Ended(); !ended || err != nil {
		t.Errorf("after a signal: %v %v\n%s", ended, err, desk.Said())
	}
	s.Run("postern-desk", "list", "--passphrase-file", filepath.Join(s.Dir, "safe/pass"))
}

// Where there is a display and no window can be, the desk says why and what to install.
func TestWindowRefuses(t *testing.T) {
	s := desktop(t)
	cmd := s.Command("postern-desk")
	cmd.Env = append(cmd.Env, "PATH="+s.Mkdir("empty"))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "apt install bubblewrap") || !strings.Contains(string(out), "without a window the commands do all of it") {
		t.Errorf("%v: %s", err, out)
	}
	cmd = s.Command("postern-desk")
	cmd.Env = append(cmd.Env, "DISPLAY=")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "no command given") {
		t.Errorf("%v: %s", err, out)
	}
}
