package window

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// box is what a window runs in (SECURITY.md S-32).
type box struct {
	args []string
	end  func() // what stays open as long as the window
}

// What the box holds of the machine: its libraries and fonts. What WebKit's own
// sandbox needs besides is made anew, in memory.
var (
	shownAlways  = []string{"/usr"}
	emptied      = []string{"/sys/block", "/sys/bus", "/sys/class", "/sys/dev", "/sys/devices"} // WebKit's sandbox wants them to be there
	shownIfThere = []string{"/etc/fonts", "/var/cache/fontconfig", "/etc/ld.so.cache", "/etc/alternatives"}
	languages    = []string{"LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"}
)

// Inside, sockets have names of their own: those of the session name its user.
const (
	insideRun     = "/run/user"
	insideWindow  = "/run/" + program
	insideWayland = insideRun + "/wayland"
	insideReader  = insideRun + "/accessibility"
	insideCookie  = "/run/xauthority"
)

// newBox prepares the box for a program. note is told what the window will lack.
func newBox(ctx context.Context, window string, d display, note func(string)) *box {
	b := &box{end: func() {}}
	b.add("--unshare-all", "--unshare-user", "--new-session", "--die-with-parent", "--cap-drop", "ALL", "--clearenv",
		"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "--perms", "0700", "--dir", insideRun, "--dir", "/home", "--chdir", "/",
		"--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin")
	for _, p := range shownAlways {
		b.show(p, p)
	}
	for _, p := range emptied {
		b.add("--dir", p)
	}
	for _, p := range shownIfThere {
		b.add("--ro-bind-try", p, p)
	}
	b.show(window, insideWindow)
	b.environment()
	looks := make(chan [][2]string, 1)
	go func() { looks <- look(ctx, d) }() // meanwhile
	switch {
	case d.wayland != "":
		b.show(d.wayland, insideWayland)
		b.set("WAYLAND_DISPLAY", "wayland")
		b.set("GDK_BACKEND", "wayland")
	default:
		b.show(d.x11, d.x11)
		b.set("DISPLAY", d.number)
		b.set("GDK_BACKEND", "x11")
		if d.cookie != "" {
			b.show(d.cookie, insideCookie)
			b.set("XAUTHORITY", insideCookie)
		}
	}
	if socket, end, err := screenReaders(ctx); err != nil {
		note(fmt.Sprintf("screen readers cannot read the window: %v", err))
		b.set("NO_AT_BRIDGE", "1")
	} else {
		b.end = end
		b.show(socket, insideReader)
		b.set("AT_SPI_BUS_ADDRESS", "unix:path="+insideReader)
	}
	for _, v := range <-looks {
		b.set(v[0], v[1])
	}
	return b
}

func (b *box) add(args ...string)       { b.args = append(b.args, args...) }
func (b *box) show(path, inside string) { b.add("--ro-bind", path, inside) }
func (b *box) set(name, value string)   { b.add("--setenv", name, value) }

func (b *box) environment() {
	for _, name := range languages {
		if v := os.Getenv(name); v != "" {
			b.set(name, v)
		}
	}
	for _, v := range [][2]string{
		{"HOME", "/home"}, {"PATH", "/usr/bin"}, {"XDG_RUNTIME_DIR", insideRun},
		{"DBUS_SESSION_BUS_ADDRESS", "disabled:"}, // or GLib starts a bus of its own
		{"GSETTINGS_BACKEND", "memory"}, {"GIO_USE_VFS", "local"}, {"GTK_USE_PORTAL", "0"},
		{"WEBKIT_DISABLE_DMABUF_RENDERER", "1"}, {"WEBKIT_DISABLE_COMPOSITING_MODE", "1"}, // no graphics driver is needed
		{"GOTRACEBACK", "none"}, // when WebKit ends the window, its own words say why
	} {
		b.set(v[0], v[1])
	}
}

// command starts the window with its end of the link, which becomes descriptor 3.
func (b *box) command(link *os.File, first string) (*exec.Cmd, error) {
	bwrap, err := findTool("bwrap", "bubblewrap")
	if err != nil {
		return nil, err
	}
	rules, err := seccomp()
	if err != nil {
		return nil, err
	}
	filter, err := pipe(rules)
	if err != nil {
		return nil, fmt.Errorf("handing the window its filter: %w", err)
	}
	cmd := exec.Command(bwrap, append(b.args, "--seccomp", "4", "--", insideWindow, first)...)
	cmd.ExtraFiles = []*os.File{link, filter}
	cmd.Env = []string{} // bubblewrap needs none
	return cmd, nil
}

// pipe gives a file that reads as data, which must fit a pipe.
func pipe(data []byte) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = w.Write(data)
	return r, errors.Join(err, w.Close())
}

// pair makes the link: our end and the window's.
func pair() (ours, theirs *os.File, err error) {
	fd, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making the window's link: %w", err)
	}
	return os.NewFile(uintptr(fd[0]), "window"), os.NewFile(uintptr(fd[1]), "desk"), nil //nolint:gosec // descriptors
}
