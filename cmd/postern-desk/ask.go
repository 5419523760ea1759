package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"postern/crypto/passphrase"
	"postern/reviewer"
	"postern/reviewer/vault"
)

// terminal says whether a person can be asked.
func (d *desk) terminal() bool { return term.IsTerminal(int(d.stdin.Fd())) } //nolint:gosec // a descriptor fits

// passphrase reads the passphrase that opens something.
func (d *desk) passphrase(what string) ([]byte, error) { return d.secret(d.passFile, what) }

func (d *desk) secret(file, what string) ([]byte, error) {
	if file == "" {
		return d.prompt("Passphrase of " + what + ": ")
	}
	var r io.Reader = d.stdin
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // named by the holder
		if err != nil {
			return nil, fmt.Errorf("reading the passphrase: %w", err)
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	return passphrase.Read(r)
}

// prompt asks for a passphrase without showing it.
func (d *desk) prompt(question string) ([]byte, error) {
	if !d.terminal() {
		return nil, errors.New("no terminal to ask for the passphrase: use --passphrase-file")
	}
	defer echoAfterSignal(int(d.stdin.Fd()))() //nolint:gosec // a descriptor fits
	_, _ = io.WriteString(d.stderr, question)
	p, err := term.ReadPassword(int(d.stdin.Fd())) //nolint:gosec // a descriptor fits
	_, _ = io.WriteString(d.stderr, "\n")
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	return p, nil
}

// exitSignal is the exit status after a signal that ended a prompt, as shells count it for Ctrl-C.
const exitSignal = 130

// echoAfterSignal makes a signal that ends the program give the terminal its
// echo back first; what is typed next would stay unseen otherwise. Call the result when nothing is hidden any more.
func echoAfterSignal(fd int) func() {
	state, err := term.GetState(fd)
	if err != nil {
		return func() {}
	}
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	go func() {
		select {
		case <-signals:
			_ = term.Restore(fd, state)
			os.Exit(exitSignal)
		case <-done:
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

// newPassphrase reads a passphrase that will protect something, twice when a person types it.
func (d *desk) newPassphrase(file, what string) ([]byte, error) {
	if file != "" {
		p, err := d.secret(file, what)
		if err != nil {
			return nil, err
		}
		return p, passphrase.Good(p, p)
	}
	p, err := d.prompt("New passphrase of " + what + ": ")
	if err != nil {
		return nil, err
	}
	again, err := d.prompt("Once more: ")
	if err != nil {
		return nil, err
	}
	return p, passphrase.Good(p, again)
}

// confirm asks a yes-or-no question; --yes answers it.
func (d *desk) confirm(question string) error {
	if d.yes {
		return nil
	}
	return d.ask(question, "--yes")
}

func (d *desk) ask(question, flag string) error {
	if !d.terminal() {
		return fmt.Errorf("this needs an answer: %s Run it on a terminal, or add %s", question, flag)
	}
	_, _ = fmt.Fprintf(d.stderr, "%s Type yes to go on: ", question)
	if strings.TrimSpace(strings.ToLower(d.line())) != "yes" {
		return errors.New("not confirmed: nothing was changed")
	}
	return nil
}

// line reads a line byte by byte, so that nothing meant for a later prompt is swallowed.
func (d *desk) line() string {
	var b []byte
	one := make([]byte, 1)
	for len(b) < 1<<10 {
		n, err := d.stdin.Read(one)
		if n == 0 || err != nil || one[0] == '\n' {
			break
		}
		b = append(b, one[0])
	}
	return string(b)
}

// open opens the vault. Close it.
func (d *desk) open() (*reviewer.Desk, error) {
	v, _, err := d.openKeeping()
	return v, err
}

// openCase opens the vault and finds a case in it, when it is certain what day it is.
func (d *desk) openCase(name string) (*reviewer.Desk, *reviewer.Case, error) {
	v, err := d.open()
	if err != nil {
		return nil, nil, err
	}
	err = d.checkClock(v.Clock())
	if err == nil {
		var c *reviewer.Case
		if c, err = v.Case(name); err == nil {
			return v, c, nil
		}
	}
	v.Close()
	return nil, nil, err
}

func (d *desk) now() time.Time {
	if d.options.Now != nil {
		return d.options.Now()
	}
	return time.Now()
}

// openKeeping also returns the passphrase, for commands that seal with it.
func (d *desk) openKeeping() (*reviewer.Desk, []byte, error) {
	// Without a vault nobody should be asked for its passphrase.
	if err := vault.Exists(d.vaultDir); err != nil {
		return nil, nil, err
	}
	p, err := d.passphrase("the vault")
	if err != nil {
		return nil, nil, err
	}
	v, err := reviewer.Open(d.vaultDir, p, d.options)
	d.vault = v
	return v, p, err
}

// checkClock asks whether today's date is right when machine and newest
// batch differ by more than two days.
func (d *desk) checkClock(c reviewer.Clock) error {
	if !c.Doubtful() || d.clockOK {
		return nil
	}
	if c.Leap {
		return d.ask(fmt.Sprintf("This batch is of %s, more than three weeks after all that is here; this machine's clock says %s. Look at a calendar. Is the batch's day right?",
			c.Batch, c.Machine), "--clock-ok")
	}
	return d.ask(fmt.Sprintf("This machine's clock says %s, and the newest batch is of %s. Going by %s. Is that about today's date?",
		c.Machine, c.Batch, c.Today()), "--clock-ok")
}
