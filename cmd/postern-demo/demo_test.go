package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/cmd/scantest"
	"postern/reviewer/window/windowtest"
)

// programs is where the four programs lie.
var programs string

func TestMain(m *testing.M) {
	scantest.Main()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "pd") // short: sockets lie below
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir+"/", "postern/cmd/postern", "postern/cmd/postern-desk", "postern/cmd/postern-window", "postern/cmd/postern-demo")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building the programs:", err)
			return 1
		}
		programs = dir
		return m.Run()
	}())
}

// demo is the demonstration, run as a person runs it.
type demo struct {
	t     *testing.T
	dir   string
	cmd   *exec.Cmd
	out   windowtest.Output
	ended chan struct{}
}

func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	parent, err := os.MkdirTemp("", "pd")
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{t: t, dir: filepath.Join(parent, "d"), ended: make(chan struct{})}
	d.cmd = exec.Command(filepath.Join(programs, "postern-demo"), append(args, "--dir", d.dir)...)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.cmd.Wait(); close(d.ended) }()
	t.Cleanup(func() {
		d.interrupt()
		_ = os.RemoveAll(parent)
		if t.Failed() {
			t.Logf("the demonstration said:\n%s", d.out.String())
		}
	})
	return d
}

// says waits until the program printed a text.
func (d *demo) says(text string) {
	d.t.Helper()
	for !strings.Contains(d.out.String(), text) {
		select {
		case <-d.ended:
			if !strings.Contains(d.out.String(), text) {
				d.t.Fatalf("it ended without saying %q: %v", text, d.cmd.ProcessState)
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// interrupt is ^C; it returns when the program has ended.
func (d *demo) interrupt() {
	_ = d.cmd.Process.Signal(os.Interrupt) // it may have ended
	<-d.ended
}

// processes are those whose command line names the demonstration's folder.
func (d *demo) processes() (list []string) {
	d.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		d.t.Fatal(err)
	}
	for _, p := range all {
		b, err := os.ReadFile(p)
		if err == nil && strings.Contains(string(b), d.dir) { // an error: it has ended
			list = append(list, filepath.Base(filepath.Dir(p))+" "+strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return list
}

// nothingLeft fails when a process or a file of the demonstration outlived it.
func (d *demo) nothingLeft(run string) {
	d.t.Helper()
	if left := d.processes(); len(left) > 0 {
		d.t.Errorf("left running:\n%s", strings.Join(left, "\n"))
	}
	for _, dir := range []string{d.dir, run} {
		if _, err := os.Lstat(dir); !os.IsNotExist(err) {
			d.t.Errorf("%s is still there: %v", dir, err)
		}
	}
}

// sockets is the server's folder in memory, as its configuration says.
func (d *demo) sockets() string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, "server", "postern.conf"))
	if err != nil {
		d.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^run = "(.+)"$`).FindSubmatch(b)
	if m == nil {
		d.t.Fatal("the configuration names no folder for sockets")
	}
	return string(m[1])
}

// server finds the process ids of the demonstration's server and of its tor.
func (d *demo) server() (postern, tor int) {
	d.t.Helper()
	for _, p := range d.processes() {
		pid, err := strconv.Atoi(p[:strings.IndexByte(p, ' ')])
		if err != nil {
			d.t.Fatal(err)
		}
		switch {
		case strings.Contains(p, "postern serve"):
			postern = pid
		case strings.Contains(p, filepath.Join(d.dir, "server")):
			tor = pid
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", tor))
	if err != nil || !strings.Contains(string(stat), fmt.Sprintf("(tor) S %d ", postern)) && !strings.Contains(string(stat), fmt.Sprintf("(tor) R %d ", postern)) {
		d.t.Fatalf("no server %d with its tor %d: %s %v", postern, tor, stat, err)
	}
	return postern, tor
}

// TestDemo runs the demonstration to its end, keeps what it built, and goes
// on there: a real browser reports, reads and erases; then memory, disk and
// logs are searched for what was sent. One Tor network serves all of it.
func TestDemo(t *testing.T) {
	d := startDemo(t, "--keep")
	d.says("Everything keeps running")
	for _, line := range []string{"ngo     was left out", "none found", "erased: the inbox is empty again", "All of it held"} {
		if !strings.Contains(d.out.String(), line) {
			t.Errorf("it did not say %q", line)
		}
	}
	run := d.sockets()
	if n := len(d.processes()); n < 14 { // itself, 8 relays, 4 clients, the server and its tor
		t.Errorf("only %d processes found: the search for what is left could not fail", n)
	}
	play := newPlay(t, d)
	if !t.Run("Browser", play.browser) {
		return // nothing to search for
	}
	// What was sent is given its time to be forgotten; meanwhile:
	settled := time.After(time.Minute)
	t.Run("Interrupted", interrupted)
	t.Run("TooLarge", tooLarge)
	<-settled
	t.Run("Traces", play.traces)

	d.interrupt()
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	d.nothingLeft(run)
}

// Where no window can be, the demonstration says so before it begins.
func TestDeskNeedsDisplay(t *testing.T) {
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	d := startDemo(t, "--desk")
	<-d.ended
	if code := d.cmd.ProcessState.ExitCode(); code != 1 || !strings.HasPrefix(d.out.String(), "postern-demo: --desk: ") {
		t.Errorf("exit status %d, and it said:\n%s", code, d.out.String())
	}
}

// interrupted stops the demonstration where it has most running.
func interrupted(t *testing.T) {
	d := startDemo(t)
	d.says("3. The server publishes")
	for !strings.Contains(strings.Join(d.processes(), "\n"), "postern serve") {
		select {
		case <-d.ended:
			t.Fatal("it ended by itself")
		case <-time.After(20 * time.Millisecond):
		}
	}
	run := d.sockets()
	d.interrupt()
	if code := d.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(d.out.String(), "stopped before the end") {
		t.Errorf("exit status %d, and it said:\n%s", code, d.out.String())
	}
	d.nothingLeft(run)
}
