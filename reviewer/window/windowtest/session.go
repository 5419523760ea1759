// Package windowtest drives the desk's window as a person does who uses a screen
// reader and a keyboard: nothing in the window is made for tests.
//
// [Start] gives a session of its own: an X server without a screen, a session bus
// and the accessibility bus, all ended with the test. [Session.Start] runs a program
// in it, [Session.Wait] finds what a reader would be told of, [Node.Press] and
// [Session.Type] act, [Session.Screenshot] shows it.
//
// The window is not opened for root, so that tests that run as root (in a
// container) run the session's programs as the user games, which every Debian has.
package windowtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// Patience is how long anything may take, on a slow machine that does much else.
const Patience = time.Minute

// layouts are the keyboard's, as a reviewer's who writes these languages. What stands on none of
// them xdotool would have to put there while it types, and some of that is lost on a slow machine.
var layouts = []string{"us", "fr", "ara", "ru"}

// Session is a desktop of its own.
type Session struct {
	testing.TB
	// Dir belongs to the session's user: bin/ for programs, home/, and what tests put there.
	Dir string

	env     []string
	sticks  []string            // arguments of bubblewrap
	last    *Process            // that a test started
	owner   *syscall.Credential // nil: the user who runs the test
	bus     *dbus.Conn          // for accessibility
	session string              // address of the session's bus
	wayland bool
	width   int
	height  int
}

// Start begins a session with a screen of so many pixels, of an X server; it ends with the test.
func Start(t testing.TB, width, height int) *Session {
	t.Helper()
	s := begin(t, width, height)
	s.env = append(s.env, "DISPLAY=:"+s.background("Xvfb", "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", width, height),
		"-fbdir", filepath.Join(s.Dir, "screen"), "-nolisten", "tcp", "-noreset"))
	s.Run("setxkbmap", "-layout", strings.Join(layouts, ","))
	s.buses()
	return s
}

// StartWayland begins one under Wayland, where a dot of the pages is scale pixels wide.
func StartWayland(t testing.TB, width, height, scale int) *Session {
	t.Helper()
	s := begin(t, width, height)
	s.wayland = true
	config := filepath.Join(s.Dir, "sway.conf")
	text := fmt.Sprintf("output HEADLESS-1 resolution %dx%d scale %d\ndefault_border none\nxwayland disable\nexec echo $WAYLAND_DISPLAY >&3\n", width, height, scale)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil { //nolint:gosec // for the session's user
		t.Fatal(err)
	}
	s.Set("WLR_BACKENDS", "headless")
	s.Set("WLR_RENDERER", "pixman") // without a graphics card
	s.Set("WLR_LIBINPUT_NO_DEVICES", "1")
	s.Set("WAYLAND_DISPLAY", s.background("sway", "-c", config))
	keyboard := s.Command("wtype", "-s", "86400000") // a seat without a keyboard has no focus, and others come and go
	s.Start(keyboard)
	s.buses()
	return s
}

// begin makes the session's folder and what its programs find around them.
func begin(t testing.TB, width, height int) *Session {
	t.Helper()
	s := &Session{TB: t, width: width, height: height}
	if os.Geteuid() == 0 {
		s.owner = games(t)
	}
	dir, err := os.MkdirTemp("/tmp", "pw") // a short path: sockets lie below
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.Dir = dir
	s.Own(dir)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // its files are the test's
		t.Fatal(err)
	}
	for _, d := range []string{"bin", "home", "run", "screen"} {
		s.Mkdir(d)
	}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home"), "XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"),
		"LANG=C.UTF-8", "XDG_DATA_DIRS=/usr/local/share:/usr/share", "NO_AT_BRIDGE=0",
	}
	return s
}

// buses starts the session's bus and that of screen readers.
func (s *Session) buses() {
	s.Helper()
	config := filepath.Join(s.Dir, "bus.conf") // what session.conf says, and that whoever runs the test may come in
	text := `<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><standard_session_servicedirs/>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil { //nolint:gosec // for the session's user
		s.Fatal(err)
	}
	s.session = s.background("dbus-daemon", "--config-file="+config, "--nofork", "--print-address=3")
	s.Set("DBUS_SESSION_BUS_ADDRESS", s.session)
	s.accessibility()
}

// Portal makes the session's desktop say what its user has set, by namespace and name with a blank between.
func (s *Session) Portal(settings map[string]any) {
	s.Helper()
	conn, err := dbus.Connect(s.session)
	if err == nil {
		s.Cleanup(func() { _ = conn.Close() })
		err = conn.Export(portal(settings), "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Settings")
	}
	if err == nil {
		_, err = conn.RequestName("org.freedesktop.portal.Desktop", dbus.NameFlagDoNotQueue)
	}
	if err != nil {
		s.Fatalf("being the desktop's portal: %v", err)
	}
}

type portal map[string]any

// Read is called over the bus.
func (p portal) Read(namespace, name string) (dbus.Variant, *dbus.Error) {
	v, ok := p[namespace+" "+name]
	if !ok {
		return dbus.Variant{}, dbus.NewError("org.freedesktop.portal.Error.NotFound", nil)
	}
	return dbus.MakeVariant(dbus.MakeVariant(v)), nil
}

// games is the user of a session of root's.
func games(t testing.TB) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("games")
	if err != nil {
		t.Fatalf("tests of the window that run as root need the user games: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// Own gives a file or folder to the session's user.
func (s *Session) Own(path string) {
	s.Helper()
	if s.owner == nil {
		return
	}
	if err := os.Chown(path, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
		s.Fatal(err)
	}
}

// OwnAll gives a folder and all in it to the session's user.
func (s *Session) OwnAll(dir string) {
	s.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		s.Own(path)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
}

// Set puts a variable into the environment of what is started from now on.
func (s *Session) Set(name, value string) { s.env = append(s.env, name+"="+value) }

// Stick makes a folder that commands of [Session.WithSticks] find where a desktop shows a stick of that name.
func (s *Session) Stick(name string) string {
	s.Helper()
	dir := s.Mkdir("stick-" + name)
	s.sticks = append(s.sticks, "--bind", dir, filepath.Join(media, name))
	return dir
}

// media is where the session's sticks are.
const media = "/media/office"

// WithSticks makes a command run where the session's sticks are plugged in, and nobody else's.
func (s *Session) WithSticks(cmd *exec.Cmd) *exec.Cmd {
	args := slices.Concat([]string{"--dev-bind", "/", "/", "--tmpfs", "/media"}, s.sticks, []string{"--"}, cmd.Args)
	plugged := s.Command("bwrap", args...)
	plugged.Env = cmd.Env
	return plugged
}

// Mkdir makes a folder in the session's own and gives its path.
func (s *Session) Mkdir(name string) string {
	s.Helper()
	p := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(p, 0o700); err != nil {
		s.Fatal(err)
	}
	s.Own(p)
	return p
}

// Build builds programs into the session's bin/.
func (s *Session) Build(packages ...string) {
	s.Helper()
	cmd := exec.Command("go", append([]string{"build", "-o", filepath.Join(s.Dir, "bin") + "/"}, packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("building %s: %v\n%s", strings.Join(packages, " "), err, out)
	}
	s.shareBin()
}

// Install copies a program into bin/, under a name.
func (s *Session) Install(program, name string) {
	s.Helper()
	b, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.Dir, "bin", name), b, 0o755) //nolint:gosec // a program
	}
	if err != nil {
		s.Fatal(err)
	}
	s.shareBin()
}

func (s *Session) shareBin() {
	if err := os.Chmod(filepath.Join(s.Dir, "bin"), 0o755); err != nil { //nolint:gosec // programs
		s.Fatal(err)
	}
}

// Command is a program of bin/ or of the system, as the session's user.
func (s *Session) Command(name string, args ...string) *exec.Cmd {
	if own := filepath.Join(s.Dir, "bin", name); !strings.Contains(name, "/") {
		if _, err := os.Stat(own); err == nil {
			name = own
		}
	}
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = append([]string{}, s.env...), s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Setpgid: true}
	return cmd
}

// Run runs a program to its end and gives what it printed.
func (s *Session) Run(name string, args ...string) string {
	s.Helper()
	cmd := s.Command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		s.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), errs.Bytes())
	}
	return out.String()
}

// Process is a program that runs.
type Process struct {
	*exec.Cmd
	out   *Output
	ended chan struct{}
	err   error
}

// Output is what a program prints, readable while it does.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Said is all that the process said so far.
func (p *Process) Said() string { return p.out.String() }

// Ended waits for the end of the process, and says how it ended.
func (p *Process) Ended() (ended bool, err error) {
	select {
	case <-p.ended:
		return true, p.err
	case <-time.After(Patience):
		return false, nil
	}
}

// Running says whether it has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Start starts a program; with the test it is killed, and what it said is logged if the test failed.
func (s *Session) Start(cmd *exec.Cmd) *Process {
	s.Helper()
	p := &Process{Cmd: cmd, out: &Output{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		s.Fatalf("starting %s: %v", cmd.Path, err)
	}
	go func() { p.err = cmd.Wait(); close(p.ended) }()
	s.last = p
	s.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		<-p.ended
		if s.Failed() {
			s.Logf("%s said:\n%s", filepath.Base(cmd.Path), p.Said())
		}
	})
	return p
}

// background starts a part of the session, which writes a line to descriptor 3 when it is ready.
func (s *Session) background(name string, args ...string) string {
	s.Helper()
	if _, err := exec.LookPath(name); err != nil {
		s.Fatalf("%s is not here: make test installs it", name)
	}
	r, w, err := os.Pipe()
	if err != nil {
		s.Fatal(err)
	}
	defer r.Close()
	cmd := s.Command(name, args...)
	cmd.ExtraFiles = []*os.File{w}
	p := s.Start(cmd)
	_ = w.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) || line == "" {
		s.Fatalf("%s did not start: %v\n%s", name, err, p.Said())
	}
	return strings.TrimSpace(line)
}

// Below gives the processes that a process has started, and those that they did, with what they are called.
func (p *Process) Below() map[int]string {
	parents, names := map[int]int{}, map[int]string{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		head, rest, _ := strings.Cut(string(b), ") ")
		number, name, _ := strings.Cut(head, " (")
		fields := strings.Fields(rest)
		pid, _ := strconv.Atoi(number)
		parent, _ := strconv.Atoi(fields[1])
		if fields[0] != "Z" {
			parents[pid], names[pid] = parent, name
		}
	}
	below := map[int]string{}
	for pid := range parents {
		for up := parents[pid]; up > 1; up = parents[up] {
			if up == p.Process.Pid {
				below[pid] = names[pid]
			}
		}
	}
	return below
}

// PSS is the memory of a process and all that it started, in bytes: what they share counts once. What
// cannot be looked at, as another user's, counts nothing.
func (p *Process) PSS() (n int64) {
	pids := []int{p.Process.Pid}
	for pid := range p.Below() {
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			var kb int64
			if _, err := fmt.Sscanf(line, "Pss: %d kB", &kb); err == nil {
				n += kb << 10
			}
		}
	}
	return n
}
