package tor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// StopWait is how long [Process.Stop] waits after SIGTERM before it sends SIGKILL.
const StopWait = 10 * time.Second

// wipeFreed makes the C library overwrite what tor frees: what sources send
// passes through its buffers in clear (SECURITY.md S-12). The small chunks of a
// thread's own cache would be left out, so there is none. Another C library
// than Debian's ignores it.
const wipeFreed = "GLIBC_TUNABLES=glibc.malloc.perturb=165:glibc.malloc.tcache_count=0"

// Process is a running tor.
type Process struct {
	cmd   *exec.Cmd
	done  chan struct{}
	mu    sync.Mutex
	words []string // the last two warnings: why it ended
}

// Look finds the program: a path, or a name in PATH; "" is "tor".
func Look(exe string) (string, error) {
	if exe == "" {
		exe = "tor"
	}
	p, err := exec.LookPath(exe)
	if err != nil {
		return "", fmt.Errorf("tor is not installed (on Debian: apt-get install tor): %w", err)
	}
	return p, nil
}

// Quote writes a path so that a torrc takes it whole, whatever letters it has.
func Quote(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(path) {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// socketMax is the longest path of a unix socket on Linux, in bytes.
const socketMax = 107

// CheckSocket refuses the path of a socket that the kernel would cut, or that
// the control protocol cannot say: ADD_ONION knows no quotes there.
func CheckSocket(p string) error {
	if !filepath.IsAbs(p) || filepath.Clean(p) != p {
		return fmt.Errorf("socket %q: give a clean absolute path", p)
	}
	for _, c := range []byte(p) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\'' || c == '\\' || c == ',' {
			return fmt.Errorf("socket %q: tor takes letters of ASCII there, without blanks, quotes, commas and backslashes", p)
		}
	}
	if len(p) > socketMax {
		return fmt.Errorf("socket %q: %d bytes, and the system takes %d", p, len(p), socketMax)
	}
	return nil
}

// Launch starts tor with a data directory (made 0700 when missing) and the
// text of a torrc. line is called with each line of its log, in order.
func Launch(exe, dir, torrc string, line func(string)) (*Process, error) {
	exe, err := Look(exe)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("data directory of tor %q: give an absolute path", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory of tor: %w", err)
	}
	torrc = fmt.Sprintf(`DataDirectory %s
RunAsDaemon 0
Log notice stdout
AvoidDiskWrites 1
__ReloadTorrcOnSIGHUP 0
__OwningControllerProcess %d
%s
`, Quote(dir), os.Getpid(), torrc)
	none := filepath.Join(dir, "none")
	// #nosec G204 -- the operator's configuration names the program.
	cmd := exec.Command(exe, "-f", "-", "--defaults-torrc", none, "--ignore-missing-torrc", "--hush")
	cmd.Stdin = strings.NewReader(torrc)
	// Not our environment: with NOTIFY_SOCKET tor would speak to systemd in our name.
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "TZ=UTC", wipeFreed}
	cmd.SysProcAttr = attributes()
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started, read := make(chan error), make(chan struct{})
	go func() {
		// The kernel signals the child when the *thread* that made it ends:
		// so this one stays for the child's whole life.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = w.Close()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			<-read // the last words say why
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("starting tor: %w", err)
	}
	go func() {
		defer close(read)
		p.read(out, line)
	}()
	return p, nil
}

// read passes the log on and keeps the last warnings.
func (p *Process) read(r io.ReadCloser, line func(string)) {
	defer r.Close()
	in := bufio.NewScanner(r)
	for in.Scan() {
		l := in.Text()
		if w := Warning(l); w != "" {
			p.mu.Lock()
			p.words = append(p.words[max(0, len(p.words)-1):], w)
			p.mu.Unlock()
		}
		if line != nil {
			line(l)
		}
	}
	// A line beyond the scanner's 64 KiB ends it: the pipe must not fill up and block tor.
	_, _ = io.Copy(io.Discard, r)
}

// Warning is the text of a log line that is a warning or an error, without the time; else empty.
func Warning(line string) string {
	for _, level := range []string{"[warn] ", "[err] "} {
		if _, text, ok := strings.Cut(line, level); ok {
			return text
		}
	}
	return ""
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how it ended; nil while it runs. A tor that ended by itself has said why.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cmd.ProcessState.Exited() || len(p.words) == 0 {
		return fmt.Errorf("tor ended: %v", p.cmd.ProcessState)
	}
	return fmt.Errorf("tor ended: %v: %s", p.cmd.ProcessState, strings.Join(p.words, "; "))
}

// Stop ends the process: SIGTERM, and SIGKILL after [StopWait]. It returns when it is gone.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(StopWait):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Connect dials the process's control socket as soon as it answers.
func (p *Process) Connect(ctx context.Context, socket string) (*Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.done:
			cancel(p.Err())
		case <-ctx.Done():
		}
	}()
	var last error
	for {
		c, err := Dial(socket)
		if err == nil {
			return c, nil
		}
		last = err
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
