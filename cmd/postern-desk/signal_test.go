package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postern/reviewer"
)

// terminal opens a pseudo-terminal: the keyboard's side and the program's.
func terminal(t *testing.T) (keyboard, program *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return keyboard, program
}

func echo(t *testing.T, f *os.File) bool {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return s.Lflag&unix.ECHO != 0
}

// Ctrl-C at a passphrase leaves a terminal that shows what is typed.
func TestEchoComesBack(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() + "/vault"
	v, err := reviewer.Create(dir, "a", "b", []byte("correct horse battery staple"), reviewer.Options{ScryptLogN: 2})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	_, tty := terminal(t)
	if !echo(t, tty) {
		t.Fatal("a new terminal has no echo")
	}
	cmd := exec.Command(self, "--vault", dir, "list")
	cmd.Args[0] = "postern-desk" // TestMain runs the program under this name
	cmd.Stdin = tty
	asked, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	question := make([]byte, 0, 1<<10)
	for !strings.HasSuffix(string(question), ": ") {
		b := make([]byte, 1)
		if _, err := asked.Read(b); err != nil {
			t.Fatalf("%q: %v", question, err)
		}
		question = append(question, b[0])
	}
	for echo(t, tty) { // the question comes just before
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitSignal {
		t.Errorf("ended with %v", err)
	}
	if !echo(t, tty) {
		t.Error("the terminal has no echo")
	}
}
