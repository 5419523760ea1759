package browsertest

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Level is Tor Browser's security level. The zero value is what sources are asked to use.
type Level int

// Safest has no scripts, Standard all of them.
const (
	Safest Level = iota
	Standard
)

// Options of [Start].
type Options struct {
	// Dir is the profile's directory, made when missing. Its name must be that of no other browser's.
	Dir string
	// SOCKS is tor's port, "127.0.0.1:9050". Empty: no proxy, 127.0.0.1 only.
	SOCKS string
	Level Level
	// Width and Height of the page in pixels, both or none. None: Firefox's own
	// size, with Tor Browser's letterboxing.
	Width, Height int
	// Downloads is a directory where files are saved without a question. Empty: Firefox asks (nobody).
	Downloads string
	// Prefs are further preferences (bool, int or string); they win.
	Prefs map[string]any
}

const (
	findWait    = 30 * time.Second  // for an element to be there
	pageWait    = 180 * time.Second // for a page to load; onions can be slow
	scriptWait  = 60 * time.Second  // for a script of ours in it
	commandWait = pageWait + 30*time.Second
)

// Firefox is a running browser with one window. Not safe for concurrent use.
type Firefox struct {
	process
	conn net.Conn
	r    *bufio.Reader
	id   int
	once sync.Once
}

// Start starts a browser. It ends with ctx, with [Firefox.Close], or with this process.
func Start(ctx context.Context, o Options) (*Firefox, error) {
	exe, err := exec.LookPath("firefox-esr")
	if err != nil {
		return nil, fmt.Errorf("the browser for tests is not installed (on Debian: apt-get install firefox-esr): %w", err)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	js, err := userJS(o)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(js), 0o600); err != nil {
		return nil, err
	}
	f := &Firefox{}
	if err := f.launch(exe, dir); err != nil {
		return nil, fmt.Errorf("starting firefox-esr: %w", err)
	}
	context.AfterFunc(ctx, f.kill)
	if err := f.open(ctx, dir, o); err != nil {
		f.Close()
		log, _ := os.ReadFile(filepath.Join(dir, "firefox.log"))
		return nil, fmt.Errorf("firefox-esr does not answer: %w\n%s", err, log)
	}
	return f, nil
}

func (f *Firefox) launch(exe, dir string) error {
	if err := os.Remove(filepath.Join(dir, "MarionetteActivePort")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fontconfig, err := fonts(dir)
	if err != nil {
		return err
	}
	// #nosec G204 -- the program is fixed, the profile is the test's own.
	f.cmd = exec.Command(exe, "--headless", "--no-remote", "--profile", dir, "--marionette", "--remote-allow-system-access", "about:blank")
	f.cmd.Env = append(os.Environ(), fontconfig, "HOME="+dir, "TMPDIR="+dir, "TZ=UTC", "LANG=C.UTF-8", "MOZ_CRASHREPORTER_DISABLE=1",
		"MOZ_REMOTE_SETTINGS_DEVTOOLS=1") // without it the preference for the settings server is not heard
	return f.start(filepath.Join(dir, "firefox.log"))
}

// open connects and begins the session.
func (f *Firefox) open(ctx context.Context, dir string, o Options) error {
	for f.conn == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.exited:
			return fmt.Errorf("it ended: %v", f.cmd.ProcessState)
		case <-time.After(50 * time.Millisecond):
		}
		b, err := os.ReadFile(filepath.Join(dir, "MarionetteActivePort"))
		port := strings.TrimSpace(string(b))
		if err != nil || port == "" {
			continue
		}
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			f.conn = c
		}
	}
	f.r = bufio.NewReader(f.conn)
	_ = f.conn.SetDeadline(time.Now().Add(commandWait))
	if _, err := f.frame(); err != nil { // its greeting
		return err
	}
	if err := f.Do("WebDriver:NewSession", map[string]any{
		"pageLoadStrategy": "normal",
		"timeouts":         map[string]any{"pageLoad": pageWait.Milliseconds(), "implicit": 0, "script": scriptWait.Milliseconds()},
	}, nil); err != nil {
		return err
	}
	if o.Width > 0 && o.Height > 0 {
		return f.resize(o.Width, o.Height)
	}
	return nil
}

func (f *Firefox) frame() ([]byte, error) {
	s, err := f.r.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(s, ":"))
	if err != nil || n < 0 {
		return nil, fmt.Errorf("a frame of length %q", s)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(f.r, b)
	return b, err
}

// Error is Firefox's refusal of a command.
type Error struct {
	Command string `json:"-"`
	Code    string `json:"error"` // such as "no such element"
	Message string `json:"message"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %s", e.Command, e.Code, e.Message) }

// Do sends one Marionette command; its result goes into out, when not nil.
// For what has no method here.
func (f *Firefox) Do(command string, params map[string]any, out any) error {
	f.id++
	if params == nil {
		params = map[string]any{}
	}
	b, err := json.Marshal([]any{0, f.id, command, params})
	if err != nil {
		return err
	}
	_ = f.conn.SetDeadline(time.Now().Add(commandWait))
	if _, err := fmt.Fprintf(f.conn, "%d:%s", len(b), b); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if b, err = f.frame(); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	var answer [4]json.RawMessage // type, id, error, result
	if err := json.Unmarshal(b, &answer); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if string(answer[2]) != "null" {
		e := &Error{Command: command}
		if err := json.Unmarshal(answer[2], e); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		return e
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer[3], out)
}

// text is Do for a command that answers with a text.
func (f *Firefox) text(command string, params map[string]any) (string, error) {
	var r struct{ Value *string }
	if err := f.Do(command, params, &r); err != nil || r.Value == nil {
		return "", err
	}
	return *r.Value, nil
}

// Go opens an address and waits until the page has loaded.
func (f *Firefox) Go(url string) error {
	return f.Do("WebDriver:Navigate", map[string]any{"url": url}, nil)
}

// Back is the button of that name.
func (f *Firefox) Back() error { return f.Do("WebDriver:Back", nil, nil) }

// URL of the page.
func (f *Firefox) URL() (string, error) { return f.text("WebDriver:GetCurrentURL", nil) }

// Title of the page.
func (f *Firefox) Title() (string, error) { return f.text("WebDriver:GetTitle", nil) }

// HTML is the page as Firefox understood it.
func (f *Firefox) HTML() (string, error) { return f.text("WebDriver:GetPageSource", nil) }

// Screenshot is a PNG of the window, or of the full page.
func (f *Firefox) Screenshot(full bool) ([]byte, error) {
	s, err := f.text("WebDriver:TakeScreenshot", map[string]any{"full": full})
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(s)
}

// Keys types into the first element that matches, as [Element.Keys].
func (f *Firefox) Keys(css, text string) error {
	e, err := f.Find(css)
	if err != nil {
		return err
	}
	return e.Keys(text)
}

// Click clicks the first element that matches, as [Element.Click].
func (f *Firefox) Click(css string) error {
	e, err := f.Find(css)
	if err != nil {
		return err
	}
	return e.Click()
}

// Text is what the first element that matches shows.
func (f *Firefox) Text(css string) (string, error) {
	e, err := f.Find(css)
	if err != nil {
		return "", err
	}
	return e.Text()
}

// Close ends the browser; it returns when it is gone.
func (f *Firefox) Close() {
	f.once.Do(func() {
		if f.conn != nil {
			_ = f.conn.SetDeadline(time.Now().Add(10 * time.Second))
			_ = f.quit()
			_ = f.conn.Close()
		}
		f.await()
	})
}

// quit asks the browser to end.
func (f *Firefox) quit() error {
	return f.Do("Marionette:Quit", map[string]any{"flags": []string{"eForceQuit"}}, nil)
}

// resize gives the page its size. A window has edges, and is never narrower than
// 500 pixels: the page gets the size within it, as in the browser's own design mode.
func (f *Firefox) resize(width, height int) error {
	if err := f.Do("WebDriver:SetWindowRect", map[string]any{"width": width + 200, "height": height + 200}, nil); err != nil {
		return err
	}
	return f.chrome(`const s = gBrowser.selectedBrowser.style;
for (const [side, n] of [["width", arguments[0]], ["height", arguments[1]]])
  for (const p of [side, "min-" + side, "max-" + side]) s.setProperty(p, n + "px");`, nil, width, height)
}
