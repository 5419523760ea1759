package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Chromium is a running browser whose tabs are independent of each other. It is
// driven over two pipes, so that nothing listens anywhere.
type Chromium struct {
	process
	in   *os.File // to the browser
	once sync.Once

	mu      sync.Mutex
	id      int
	waiting map[int]chan answer
	tabs    map[string]*Tab // by session
	failed  error           // why no answer will come any more
}

// answer to a command.
type answer struct {
	result json.RawMessage
	err    error
}

// message is what Chromium writes: an answer, or an event of a tab.
type message struct {
	ID      int             `json:"id"`
	Session string          `json:"sessionId"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// StartChromium starts a browser with a profile in dir. It ends with ctx, with
// [Chromium.Close], or with this process. It reaches 127.0.0.1 only.
func StartChromium(ctx context.Context, dir string) (*Chromium, error) {
	exe, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("the second browser for tests is not installed (on Debian: apt-get install chromium): %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	fontconfig, err := fonts(dir)
	if err != nil {
		return nil, fmt.Errorf("starting chromium: %w", err)
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	c := &Chromium{in: in, waiting: map[int]chan answer{}, tabs: map[string]*Tab{}}
	// The sandbox does not run as root nor in most containers; what is opened here are our own pages.
	// Through a proxy where nobody listens nothing leaves the machine.
	c.cmd = exec.Command(exe, "--headless", "--remote-debugging-pipe", "--user-data-dir="+dir, "--no-sandbox", // #nosec G204 -- a fixed program
		"--proxy-server=socks5://127.0.0.1:1", "--proxy-bypass-list=<-loopback>;127.0.0.1", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
		"--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
		"--disable-default-apps", "--disable-extensions", "--disable-sync", "--disable-features=Translate,OptimizationHints,MediaRouter",
		"--password-store=basic", "--use-mock-keychain", "about:blank")
	c.cmd.Env = append(os.Environ(), fontconfig, "HOME="+dir, "TMPDIR="+dir, "TZ=UTC", "LANG=C.UTF-8")
	c.cmd.ExtraFiles = []*os.File{theirIn, theirOut} // descriptors 3 and 4, where Chromium looks
	err = c.start(filepath.Join(dir, "chromium.log"))
	_ = theirIn.Close()
	_ = theirOut.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting chromium: %w", err), in.Close(), out.Close())
	}
	context.AfterFunc(ctx, c.kill)
	go c.listen(out)
	if err := c.do("", "Browser.getVersion", nil, nil); err != nil {
		c.Close()
		log, _ := os.ReadFile(filepath.Join(dir, "chromium.log"))
		return nil, fmt.Errorf("chromium does not answer: %w\n%s", err, log)
	}
	return c, nil
}

// listen takes what the browser writes until it is gone.
func (c *Chromium) listen(out *os.File) {
	defer out.Close()
	r := bufio.NewReaderSize(out, 1<<20)
	for {
		b, err := r.ReadBytes(0)
		if err != nil {
			c.mu.Lock()
			c.failed = fmt.Errorf("chromium is gone: %w", err)
			for _, w := range c.waiting {
				w <- answer{err: c.failed}
			}
			clear(c.waiting)
			c.mu.Unlock()
			return
		}
		var m message
		if err := json.Unmarshal(b[:len(b)-1], &m); err != nil {
			continue // no message of its protocol
		}
		c.mu.Lock()
		w, tab := c.waiting[m.ID], c.tabs[m.Session]
		delete(c.waiting, m.ID)
		c.mu.Unlock()
		switch {
		case m.ID != 0 && w != nil && m.Error != nil:
			w <- answer{err: errors.New(m.Error.Message)}
		case m.ID != 0 && w != nil:
			w <- answer{result: m.Result}
		case m.Method != "" && tab != nil:
			tab.event(m.Method, m.Params)
		}
	}
}

// send writes a command and returns where its answer comes.
func (c *Chromium) send(session, method string, params any) (chan answer, error) {
	if params == nil {
		params = struct{}{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return nil, c.failed
	}
	c.id++
	b, err := json.Marshal(struct {
		ID      int    `json:"id"`
		Session string `json:"sessionId,omitempty"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{c.id, session, method, params})
	if err != nil {
		return nil, err
	}
	w := make(chan answer, 1)
	c.waiting[c.id] = w
	_, err = c.in.Write(append(b, 0))
	return w, err
}

// do sends one command; its result goes into out, when not nil.
func (c *Chromium) do(session, method string, params, out any) error {
	w, err := c.send(session, method, params)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a := <-w:
		if a.err != nil {
			return fmt.Errorf("%s: %w", method, a.err)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(a.result, out)
	case <-time.After(commandWait):
		return fmt.Errorf("%s: chromium does not answer", method)
	}
}

// Close ends the browser; it returns when it is gone.
func (c *Chromium) Close() {
	c.once.Do(func() {
		_, _ = c.send("", "Browser.close", nil) // may never be answered
		c.await()
		_ = c.in.Close()
	})
}

// Tab opens a tab of its own: a window of 1280 × 1024, light, with scripts.
func (c *Chromium) Tab() (*Tab, error) {
	var target struct {
		ID string `json:"targetId"`
	}
	// A context of its own shares nothing with other tabs, as a private window.
	var private struct {
		ID string `json:"browserContextId"`
	}
	if err := c.do("", "Target.createBrowserContext", nil, &private); err != nil {
		return nil, err
	}
	if err := c.do("", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": private.ID}, &target); err != nil {
		return nil, err
	}
	var session struct {
		ID string `json:"sessionId"`
	}
	if err := c.do("", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &session); err != nil {
		return nil, err
	}
	t := &Tab{c: c, session: session.ID, context: private.ID, loaded: map[string]bool{}}
	c.mu.Lock()
	c.tabs[session.ID] = t
	c.mu.Unlock()
	for _, domain := range []string{"Page", "Network", "Log", "Runtime", "Audits"} {
		if err := t.Do(domain+".enable", nil, nil); err != nil {
			return nil, err
		}
	}
	if err := t.Do("Page.setLifecycleEventsEnabled", map[string]any{"enabled": true}, nil); err != nil {
		return nil, err
	}
	return t, t.Size(1280, 1024, 1)
}
