package web

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/sys/unix"

	"postern/crypto"
	"postern/intake"
	"postern/locale"
)

// w3m is a browser that shows letters alone, at a terminal of its own.
type w3m struct {
	*testing.T
	words  *locale.Locale
	tape   tape // of the pages it was sent
	home   string
	screen *os.File // our end of the terminal

	mu   sync.Mutex
	said bytes.Buffer
}

// startW3M starts it on a page of a world, with an editor that writes what
// [w3m.edit] asks for.
func startW3M(t *testing.T, w *world, lang, path string) *w3m {
	t.Helper()
	exe, err := exec.LookPath("w3m")
	if err != nil {
		t.Fatalf("the text browser for tests is not installed (on Debian: apt-get install w3m): %v", err)
	}
	b := &w3m{T: t, words: wordsOf(t, lang), home: t.TempDir()}
	url := b.tape.serve(t, w.source)
	editor := filepath.Join(b.home, "editor")
	b.must(os.WriteFile(editor, []byte("#!/bin/sh\ncp \"$HOME/typed\" \"$1\"\n"), 0o700))
	screen, theirs, err := terminal()
	b.must(err)
	b.screen = screen
	cmd := exec.Command(exe, "-I", "UTF-8", "-O", "UTF-8", "-no-mouse", "-no-proxy", "-o", "editor="+editor, "-o", "confirm_qq=0", url+at(lang, path))
	cmd.Env = append(os.Environ(), "HOME="+b.home, "TMPDIR="+b.home, "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	b.must(cmd.Start(), theirs.Close())
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		chunk := make([]byte, 4096)
		for {
			n, err := screen.Read(chunk)
			b.mu.Lock()
			b.said.Write(chunk[:n])
			b.mu.Unlock()
			if err != nil { // it has ended
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		<-heard
		_ = screen.Close()
	})
	return b
}

// terminal makes a terminal of 160 × 50 letters: our end and the program's.
func terminal() (ours, theirs *os.File, err error) {
	if ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	raw, err := ours.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	number := 0
	var failed error
	if err := raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed != nil {
			return
		}
		if number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); failed != nil {
			return
		}
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 160})
	}); err != nil || failed != nil {
		return nil, nil, fmt.Errorf("making a terminal: %w", errors.Join(err, failed))
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	return ours, theirs, err
}

func (b *w3m) must(errs ...error) {
	b.Helper()
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// keys types on the terminal, and waits until w3m has said all it has to say.
func (b *w3m) keys(text string) string {
	b.Helper()
	b.mu.Lock()
	b.said.Reset()
	b.mu.Unlock()
	_, err := b.screen.WriteString(text)
	b.must(err)
	for before := -1; ; {
		time.Sleep(100 * time.Millisecond)
		b.mu.Lock()
		now := b.said.Len()
		b.mu.Unlock()
		if now == before {
			break
		}
		before = now
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.String()
}

const redraw = "\x0c"

// page waits for the page of a template: its last line names the title.
func (b *w3m) page(template string) {
	b.Helper()
	said := ""
	for range 300 {
		if said = b.keys(redraw); strings.Contains(said, titleOf(b.words, template)) {
			return
		}
	}
	b.Fatalf("no page %s but:\n%s", template, said)
}

// to brings the cursor to the first thing to use that matches: w3m knows them
// in the order of the page.
func (b *w3m) to(what string, match func(*html.Node) bool) {
	b.Helper()
	doc, err := html.Parse(bytes.NewReader(b.tape.last().body))
	b.must(err)
	n, found := 0, false
	each(doc, func(e *html.Node) {
		usable := slices.Contains([]string{"textarea", "select", "button"}, e.Data) ||
			e.Data == "a" && hasAttr(e, "href") || e.Data == "input" && attr(e, "type") != "hidden"
		if !found && usable {
			n++
			found = match(e)
		}
	})
	if !found {
		b.Fatalf("the page has no %s", what)
	}
	b.keys("[" + strings.Repeat("\t", n-1))
}

// byID brings the cursor to an element.
func (b *w3m) byID(id string) {
	b.Helper()
	b.to(id, func(e *html.Node) bool { return attr(e, "id") == id })
}

// send presses the button of the form with an action.
func (b *w3m) send(action string) {
	b.Helper()
	b.to("button of "+action, func(e *html.Node) bool {
		for p := e; p != nil; p = p.Parent {
			if p.Data == "form" {
				return e.Data == "button" && attr(p, "action") == at(b.words.Lang, action)
			}
		}
		return false
	})
	b.keys("\r")
}

// edit fills the field under the cursor, which opens the editor.
func (b *w3m) edit(text string) {
	b.Helper()
	b.must(os.WriteFile(filepath.Join(b.home, "typed"), []byte(text), 0o600))
	b.keys("\r")
}

// text is the page as w3m shows it.
func (b *w3m) text() string {
	b.Helper()
	path := filepath.Join(b.home, "shown")
	b.must(os.RemoveAll(path))
	b.keys("S" + path + "\r")
	var shown []byte
	if !comes(func() (saved bool) {
		var err error
		shown, err = os.ReadFile(path)
		return err == nil && len(shown) > 0
	}) {
		b.Fatal("the page was not saved")
	}
	return string(shown)
}

var numbered = regexp.MustCompile(`(?m)^\s*\d\.\s+(\S+)\s*$`)

// TestTextBrowser: who sees nothing, or has no other browser, writes a report
// with a file, reads the code, types it back and finds the inbox.
func TestTextBrowser(t *testing.T) {
	for _, lang := range directions(t) {
		t.Run(lang, func(t *testing.T) {
			w := newWorld(t, func(c *settings) {
				c.options.Limits = intake.Limits{FileSize: journeyLimit, Files: 3}
				c.source.Languages = append([]string{"en"}, others("en")...)
			})
			b := startW3M(t, w, lang, "/")
			b.page("start")
			b.to("link to the report", func(e *html.Node) bool { return attr(e, "href") == at(lang, "/report") })
			b.keys("\r")
			b.page("report")
			const text = "Line one & <two>\nÜmläute, متن, “quotes”"
			b.byID("text")
			b.edit(text)
			b.byID("body-press")
			b.keys("\r") // unticks
			plan := filepath.Join(b.home, "secret plan.txt")
			b.must(os.WriteFile(plan, []byte("the plan"), 0o600))
			b.byID("file")
			b.keys("\r" + plan + "\r")
			b.send("/report")
			b.page("code")
			var code []string
			for _, m := range numbered.FindAllStringSubmatch(b.text(), -1) {
				code = append(code, m[1])
			}
			if _, err := crypto.ParseCode(strings.Join(code, " ")); err != nil {
				t.Fatalf("%d words that are no code: %v\n%s", len(code), err, b.text())
			}
			b.byID("code")
			b.edit(strings.Join(code, " "))
			b.send("/code")
			b.page("kept")

			var got *crypto.Read
			var files []string
			for _, m := range w.fetch(crypto.LaneRegular, "audit") {
				if m.Meta.Kind == crypto.KindReport {
					got = m.Read
				}
				for i, f := range m.Files {
					files = append(files, f.Name+"="+string(m.data[i]))
				}
			}
			if got == nil || strings.TrimSpace(got.Text) != text || !slices.Equal(ids(got.Readers), []string{"ombuds", "audit"}) ||
				!slices.Equal(files, []string{"secret plan.txt=the plan"}) {
				t.Fatalf("what arrived: %+v, %q", got, files)
			}
			w.reply("audit", got, "Thank you for writing.", nil)

			b.to("link to the inbox", func(e *html.Node) bool { return attr(e, "href") == at(lang, "/inbox") })
			b.keys("\r")
			b.page("enter")
			b.byID("code")
			b.edit(strings.Join(code, " "))
			b.send("/inbox")
			b.page("inbox")
			b.send("/reply")
			b.page("reply")
			if shown := b.text(); !strings.Contains(shown, "Thank you for writing.") {
				t.Errorf("the reply is shown as\n%s", shown)
			}
		})
	}
}
