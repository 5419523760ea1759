package window_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"postern/cmd/scantest"
	"postern/reviewer/window/windowtest"
)

// A hostile page runs nothing, loads nothing and leads nowhere else; WebKit asks the desk for nothing on its behalf.
func TestHostilePage(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("desk"))
	s.Press("link", "K-0001")
	s.Press("link", "Hostile")
	s.Wait("heading", "Hostile")
	for _, link := range []string{"Out", "New window", "File"} {
		s.Press("link", link)
	}
	s.Wait("heading", "Hostile") // still there
	if got := s.Title(); got != "Hostile" {
		t.Errorf("the title is %q", got)
	}
	s.Screenshot("hostile")
	s.Press("link", "On")
	s.Wait("heading", "Cases")
	if n := len(s.Windows()); n != 1 {
		t.Errorf("%d windows are open", n)
	}
	for line := range strings.Lines(desk.Said()) {
		if path := strings.Fields(line)[1]; path != "/list" && path != "/case/1" && path != "/hostile" {
			t.Errorf("the hostile page made the window ask: %s", line)
		}
	}
	if strings.Contains(desk.Said(), "rows=1 ") {
		t.Error("a link opened a second window")
	}
	s.Key("ctrl+w")
	closed(t, desk)
}

// Going back to what a form brought, or loading it anew, sends nothing a second time.
func TestFormsOnce(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("desk"))
	s.Press("link", "K-0001")
	s.Wait("entry", "Text").Focus()
	s.Type("stay")
	s.Press("push button", "Answer")
	s.Wait("heading", "Stayed") // the page is the form's own answer
	s.Key("F5")
	s.Key("alt+Home")
	s.Wait("heading", "Case /")
	s.Key("alt+Left", "F5")
	s.Key("alt+Home")
	s.Wait("heading", "Case /")
	if n := strings.Count(desk.Said(), "POST"); n != 1 {
		t.Errorf("the form was sent %d times:\n%s", n, desk.Said())
	}
	s.Key("ctrl+q")
	closed(t, desk)
}

// pid finds the first process below the desk that is called so; the kernel keeps 15 bytes of a name.
func pid(t *testing.T, p *windowtest.Process, name string) int {
	t.Helper()
	below := p.Below()
	for _, pid := range slices.Sorted(maps.Keys(below)) {
		if strings.HasPrefix(below[pid], name) {
			return pid
		}
	}
	t.Fatalf("the desk started no %s: %v", name, below)
	return 0
}

// A page that ends its process costs the page; the desk is told, and shows another.
func TestPageCrash(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("desk"))
	s.Press("link", "K-0001")
	s.Wait("heading", "Case 1")
	if err := syscall.Kill(pid(t, desk, "WebKitWebProces"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.Wait("heading", "Case /")
	if !strings.Contains(desk.Said(), "LOST /case/1") {
		t.Errorf("the desk was not told:\n%s", desk.Said())
	}
	s.Key("ctrl+q")
	closed(t, desk)
}

// A window that ends by itself, or is killed, is an error of its own kind; nothing of it is left.
func TestWindowCrash(t *testing.T) {
	for _, name := range []string{"postern-window", "bwrap"} {
		t.Run(name, func(t *testing.T) {
			s := desktop(t)
			desk := s.Start(s.Command("desk"))
			s.Wait("heading", "Cases")
			below := desk.Below()
			if err := syscall.Kill(pid(t, desk, name), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if ended, err := desk.Ended(); !ended || err == nil || !strings.Contains(desk.Said(), "error: the window ended without being closed") {
				t.Fatalf("%v %v\n%s", ended, err, desk.Said())
			}
			nobodyLeft(t, below, 5)
			sockets(t, s)
		})
	}
}

// With the desk its window ends, also when the desk is killed.
func TestDeskKilled(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("desk"))
	s.Wait("heading", "Cases")
	below := desk.Below()
	if err := desk.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	nobodyLeft(t, below, 5)
}

// A window that was taken over and does not end with its desk is ended.
func TestDeafWindow(t *testing.T) {
	s := windowtest.Start(t, 640, 480)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.Install(self, program)
	s.Install(self, "deafdesk")
	desk := s.Start(s.Command("deafdesk"))
	running := func() bool {
		for _, name := range desk.Below() {
			if strings.HasPrefix(name, "postern-window") {
				return true
			}
		}
		return false
	}
	s.Until("the window runs", running)
	below := desk.Below()
	if err := desk.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	nobodyLeft(t, below, 3)
}

func nobodyLeft(t *testing.T, below map[int]string, least int) {
	t.Helper()
	if len(below) < least {
		t.Errorf("the window consisted of %d processes only: %v", len(below), below)
	}
	for end := time.Now().Add(windowtest.Patience); ; time.Sleep(20 * time.Millisecond) {
		for pid := range below {
			if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(stat), ") Z ") {
				delete(below, pid)
			}
		}
		if len(below) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left running: %v", below)
		}
	}
}

// sockets says when the way to screen readers outlived its window.
func sockets(t *testing.T, s *windowtest.Session) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(s.Dir, "run", "postern-desk-*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Where the window cannot be boxed it is not opened, and the desk says what is missing.
func TestRefuses(t *testing.T) {
	s := desktop(t)
	path := os.Getenv("PATH")
	empty, failing := s.Mkdir("empty"), s.Mkdir("failing")
	script := "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n"
	for _, link := range []string{"dbus-send", "xdg-dbus-proxy"} {
		there, err := exec.LookPath(link)
		if err == nil {
			err = os.Symlink(there, filepath.Join(empty, link))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(failing, "bwrap"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	s.Own(filepath.Join(failing, "bwrap"))
	for _, c := range []struct{ name, env, says string }{
		{"no bubblewrap", "PATH=" + empty, "bwrap (on Debian: apt install bubblewrap)"},
		{"no namespaces", "PATH=" + failing + ":" + path, "the window did not open: bwrap: No permissions to create a new namespace"},
		{"no display", "DISPLAY=", "there is no display of this machine"},
		{"a display far away", "DISPLAY=localhost:10.0", "there is no display of this machine"},
		{"a display that is not there", "DISPLAY=:9999", "there is no display of this machine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := s.Command("desk")
			cmd.Env = append(cmd.Env, c.env)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.says) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	if os.Geteuid() == 0 {
		cmd := s.Command("desk")
		cmd.SysProcAttr = nil
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "not opened for root") {
			t.Errorf("root: %v: %s", err, out)
		}
	}
	if err := os.Remove(filepath.Join(s.Dir, "bin", "postern-window")); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Command("desk").CombinedOutput(); err == nil || !strings.Contains(string(out), "postern-window, which belongs beside postern-desk") {
		t.Errorf("%v: %s", err, out)
	}
	sockets(t, s)
}

// Without an accessibility bus the window opens all the same, and the desk says what it lacks.
func TestWithoutReaders(t *testing.T) {
	s := desktop(t)
	cmd := s.Command("desk")
	cmd.Env = append(cmd.Env, "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere")
	desk := s.Start(cmd)
	s.Until("the page is asked for", func() bool { return strings.Contains(desk.Said(), "GET /list") || !desk.Running() })
	if !strings.Contains(desk.Said(), "note: screen readers cannot read the window: this session has no accessibility bus") {
		t.Errorf("it said:\n%s", desk.Said())
	}
	if got := s.Title(); got != "Cases" && got != "postern-desk" {
		t.Errorf("the title is %q", got)
	}
	s.Until("the page is there", func() bool { return s.Title() == "Cases" })
	s.Key("ctrl+q")
	closed(t, desk)
}

const passphrase = "correct horse 7261 battery staple"

// What was typed into the window that asks is in no process that shows pages.
func TestAskForgets(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("askdesk"))
	s.Wait("password text", "Words")
	s.Type("wrong")
	s.Key("Return")
	s.Wait("heading", "Once more")
	s.Type(passphrase)
	wide := ""
	for _, u := range utf16.Encode([]rune(passphrase[8:])) {
		wide += string([]byte{byte(u), byte(u >> 8)})
	}
	markers := []scantest.Marker{scantest.Bytes("passphrase", passphrase[8:]), scantest.Bytes("passphrase in two bytes a letter", wide)}
	if found := inMemory(t, desk.Below(), markers); len(found) == 0 {
		t.Error("the passphrase is not even in the window into which it was typed: the search finds nothing")
	}
	asking := desk.Below()
	s.Key("Return")
	s.Wait("heading", "Cases")
	s.Until("the window that asked is gone", func() bool {
		now := desk.Below()
		for pid := range asking {
			if _, there := now[pid]; there {
				return false
			}
		}
		return true
	})
	if !strings.Contains(desk.Said(), fmt.Sprintf("asked: %d\n", len(passphrase))) {
		t.Errorf("the desk did not get it:\n%s", desk.Said())
	}
	if n := len(desk.Below()); n < 5 {
		t.Errorf("only %d processes were looked at", n)
	}
	for _, f := range inMemory(t, desk.Below(), markers) {
		t.Error(f)
	}
	s.Key("ctrl+q")
	closed(t, desk)
}

func inMemory(t *testing.T, processes map[int]string, markers []scantest.Marker) (found []scantest.Finding) {
	t.Helper()
	for pid := range processes {
		got, _ := scantest.Memory(t, pid, markers)
		found = append(found, got...)
	}
	return found
}

// A window that asks and is closed gives no answer, and does nothing.
func TestAskClosed(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("askdesk"))
	s.Wait("password text", "Words")
	s.Key("ctrl+q")
	if ended, err := desk.Ended(); !ended || err == nil || !strings.Contains(desk.Said(), "error: the window was closed without an answer") {
		t.Errorf("%v %v\n%s", ended, err, desk.Said())
	}
}

// While a window is used, no process of it, nor the desk, opens any socket that could leave the machine.
func TestOnlyUnixSockets(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Trace(s.Command("desk")))
	s.Press("link", "K-0001")
	s.Press("link", "Hostile")
	s.Wait("heading", "Hostile")
	s.Key("ctrl+p")
	s.Wait("heading", "Case /printed")
	s.Key("ctrl+q")
	closed(t, desk)
	s.OnlyUnixSockets()
}

// After a day in the window the disk holds nothing of it.
func TestNothingOnDisk(t *testing.T) {
	s := desktop(t)
	began := time.Now()
	desk := s.Start(s.Command("desk"))
	s.Press("link", "K-0001")
	s.Wait("entry", "Text").Focus()
	s.Type("typed 93b1e7")
	s.Key("Tab", "Return")
	s.Wait("heading", "Said")
	s.Key("ctrl+a", "ctrl+c", "ctrl+p")
	s.Wait("heading", "Case /printed")
	s.Key("ctrl+q")
	closed(t, desk)
	s.NothingLeft(began, map[string]string{"what was typed": "typed 93b1e7", "what was shown": "отчёт № 17."}, "")
}
