package window

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Options of a window.
type Options struct {
	First string       // path of the page it begins with; "" is "/"
	Note  func(string) // is told in a sentence what the window will lack; may be nil
}

// ended is how long a window that was told to end has for it.
const ended = 2 * time.Second

// Run opens a window on the pages of h and returns when the reviewer has closed
// it: nil then, and ctx's error when ctx ended first. A window that cannot be put
// into its box is not opened. After [ErrEnded] another one can be.
func Run(ctx context.Context, h Handler, o Options) error {
	cmd, link, end, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer end()
	var said tail
	cmd.Stderr, cmd.WaitDelay = &said, ended
	gone, err := start(cmd)
	if err != nil {
		return fmt.Errorf("starting the window: %w", err)
	}
	var asked atomic.Bool
	served := make(chan error, 1)
	go func() {
		served <- serve(link, HandlerFunc(func(r Request) Reply { asked.Store(true); return h.Answer(r) }))
		close(served)
	}()
	select {
	case err = <-gone: // closed, or crashed
		_ = link.Close()
		wait(served) // a page that is being made is the last
	case err = <-served:
		if !errors.Is(err, errLink) { // it is ending, maybe with a reply unread: its status says how
			err = nil
		}
		err = errors.Join(err, stop(cmd, link, gone, err == nil))
	case <-ctx.Done():
		_ = stop(cmd, link, gone, true)
		wait(served)
		return ctx.Err()
	}
	switch {
	case err == nil:
		return nil
	case !asked.Load():
		return notOpened(said.words(err), setting)
	default:
		return fmt.Errorf("%w: %s", ErrEnded, said.words(err))
	}
}

// wait waits for the end of what a channel tells.
func wait(c <-chan error) {
	for range c { // nobody asks how any more
	}
}

// Check says why no window could be opened here; nil when what it needs is there.
func Check() error {
	_, _, err := find()
	return err
}

func find() (d display, window string, err error) {
	if os.Geteuid() == 0 {
		return d, "", ErrRoot
	}
	if d, err = findDisplay(); err != nil {
		return d, "", err
	}
	if window, err = findProgram(); err != nil {
		return d, "", err
	}
	_, err = findTool("bwrap", "bubblewrap")
	return d, window, err
}

// prepare finds all that a window needs and gives the command that starts it, and our end of its link.
func prepare(ctx context.Context, o Options) (cmd *exec.Cmd, ours *os.File, end func(), err error) {
	d, window, err := find()
	if err != nil {
		return nil, nil, nil, err
	}
	if o.First == "" {
		o.First = "/"
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	if err := keepOwn(); err != nil {
		return nil, nil, nil, err
	}
	ours, theirs, err := pair()
	if err != nil {
		return nil, nil, nil, err
	}
	b := newBox(ctx, window, d, o.Note)
	cmd, err = b.command(theirs, o.First)
	if err != nil {
		b.end()
		return nil, nil, nil, errors.Join(err, ours.Close(), theirs.Close())
	}
	return cmd, ours, func() { b.end(); _ = ours.Close() }, nil
}

// keepOwn lets no descriptor go to other programs but what they are given:
// whoever started the desk may have left it some, and bubblewrap passes them on.
func keepOwn() error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("keeping open files from the window: %w", err)
	}
	return nil
}

// start starts the window and closes our copies of what it was given. The channel
// gets its end. The kernel ends a box together with the thread that started it, so
// that thread lives as long.
func start(cmd *exec.Cmd) (gone <-chan error, err error) {
	// A crash of the window leaves no core on the disk: 1 byte, since 0 still starts a helper for cores.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1})
	started, over := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		for _, f := range cmd.ExtraFiles {
			_ = f.Close()
		}
		started <- err
		if err == nil {
			over <- cmd.Wait()
		}
	}()
	return over, <-started
}

// stop ends the window: kindly by closing the link, if it keeps the rules.
func stop(cmd *exec.Cmd, link *os.File, gone <-chan error, kindly bool) error {
	_ = link.Close()
	wait := time.Duration(0)
	if kindly {
		wait = ended
	}
	select {
	case err := <-gone:
		return err
	case <-time.After(wait):
	}
	_ = cmd.Process.Kill()
	return <-gone
}

// tail keeps the end of what a window says; it is shown only when that failed.
// Whoever shows it takes out what could act on a terminal (SECURITY.md S-15).
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-8<<10):]
	return len(p), nil
}

// words are its last lines without what GTK and WebKit always say, or err.
func (t *tail) words(err error) string {
	var lines []string
	for l := range strings.Lines(string(t.b)) {
		if strings.HasPrefix(l, "SIG") { // WebKit gave up: what follows are registers
			break
		}
		chatter := strings.Contains(l, " WARNING **: ") || strings.HasPrefix(l, "Overriding existing handler")
		if l = strings.TrimSpace(l); l != "" && !chatter {
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return err.Error()
	}
	return strings.Join(lines[max(0, len(lines)-4):], "\n")
}

// ErrClosed says that the window was closed without an answer.
var ErrClosed = errors.New("the window was closed without an answer: nothing was done")

// Ask opens a window that shows one page with a form, for a secret, and ends it
// when it was taken: its process has then seen that page only, and no process that
// shows other pages has seen the secret. take gets each form that is sent. It
// returns the page to show again, with what was wrong, or true when all is well.
//
// Ask it again wherever a window that a hostile text has taken over must not be
// able to go on alone: before a vault is opened, and before something is erased,
// exported as a whole, or destroyed.
func Ask(ctx context.Context, page Reply, take func(url.Values) (again Reply, done bool), o Options) error {
	ctx, finish := context.WithCancel(ctx)
	defer finish()
	taken := false
	o.First = "/"
	err := Run(ctx, HandlerFunc(func(r Request) Reply {
		if r.Method != Post || taken {
			return page
		}
		page, taken = take(r.Form)
		if taken {
			finish()
			return Reply{Status: 204}
		}
		return Reply{Location: "/"}
	}), o)
	switch {
	case taken:
		return nil
	case err == nil:
		return ErrClosed
	default:
		return err
	}
}
