package window

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Why there is no window. The command line does everything that the window does.
var (
	// ErrNoDisplay: this session has none, or one of another machine.
	ErrNoDisplay = errors.New("there is no display of this machine for a window: use the command line, which does all of it (postern-desk help)")
	// ErrRoot: a box made by root keeps less out.
	ErrRoot = errors.New("the window is not opened for root: log in as an ordinary user")
	// ErrMissing: a program of the system or of ours; its text says what to install.
	ErrMissing = errors.New("the window needs what is not installed")
	// ErrNotOpened: it ended before it showed a page; its text holds what it said.
	ErrNotOpened = errors.New("the window did not open")
	// ErrEnded: it ended by itself; its text holds what it said. Another one can be opened.
	ErrEnded = errors.New("the window ended without being closed")
)

// Display says whether this session has a display that a window could open on.
func Display() bool {
	_, err := findDisplay()
	return err == nil
}

// display is where the window is shown.
type display struct {
	wayland string // its socket, or
	x11     string // its socket,
	number  string // its name in DISPLAY,
	cookie  string // and the file that lets one in; "" when there is none
}

// findDisplay prefers Wayland: X11 lets each window read the keys and the screens of all.
func findDisplay() (display, error) {
	if w := os.Getenv("WAYLAND_DISPLAY"); w != "" {
		if !filepath.IsAbs(w) {
			w = filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), w)
		}
		if socket(w) {
			return display{wayland: w}, nil
		}
	}
	host, number, _ := strings.Cut(os.Getenv("DISPLAY"), ":")
	number, _, _ = strings.Cut(number, ".")
	x := "/tmp/.X11-unix/X" + number
	if host != "" && host != "unix" || number == "" || strings.Trim(number, "0123456789") != "" || !socket(x) {
		return display{}, ErrNoDisplay
	}
	d := display{x11: x, number: ":" + number, cookie: os.Getenv("XAUTHORITY")}
	if home, err := os.UserHomeDir(); d.cookie == "" && err == nil {
		d.cookie = filepath.Join(home, ".Xauthority")
	}
	if _, err := os.Stat(d.cookie); err != nil {
		d.cookie = ""
	}
	return d, nil
}

func socket(path string) bool {
	i, err := os.Stat(path)
	return err == nil && i.Mode().Type() == os.ModeSocket
}

// program is the name of the window's program.
const program = "postern-window"

// findProgram looks beside the desk, then where packages put programs that no
// person starts, then in PATH.
func findProgram() (string, error) {
	if self, err := os.Executable(); err == nil {
		dir := filepath.Dir(self)
		for _, p := range []string{filepath.Join(dir, program), filepath.Join(dir, "..", "libexec", "postern", program)} {
			if i, err := os.Stat(p); err == nil && i.Mode().IsRegular() {
				return filepath.Clean(p), nil
			}
		}
	}
	p, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%w: %s, which belongs beside postern-desk", ErrMissing, program)
	}
	return filepath.Abs(p)
}

// findTool looks for a program of the system.
func findTool(name, debian string) (string, error) {
	p, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w: %s (on Debian: apt install %s)", ErrMissing, name, debian)
	}
	return filepath.Abs(p)
}
