package window

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// What the window may say on the accessibility bus: that it is there, what it
// shows and which key is pressed in it. It hears who listens, and reaches no other program.
const (
	registry = "org.a11y.atspi.Registry"
	keys     = "org.a11y.atspi.DeviceEventController"
	atRoot   = "@/org/a11y/atspi/accessible/root"
	at       = "@/org/a11y/atspi/registry"
	atKeys   = "@/org/a11y/atspi/registry/deviceeventcontroller"
)

var readerRules = []string{
	"--filter", "--sloppy-names",
	"--own=org.webkit.*", // WebKit's process for pages, whose tree the window embeds
	"--call=" + registry + "=org.a11y.atspi.Socket.Embed" + atRoot,
	"--call=" + registry + "=org.a11y.atspi.Socket.Unembed" + atRoot,
	"--call=" + registry + "=" + registry + ".GetRegisteredEvents" + at,
	"--broadcast=" + registry + "=" + registry + ".EventListenerRegistered" + at, // a reader that is started later
	"--broadcast=" + registry + "=" + registry + ".EventListenerDeregistered" + at,
	"--call=" + registry + "=" + keys + ".GetKeystrokeListeners" + atKeys,
	"--call=" + registry + "=" + keys + ".GetDeviceEventListeners" + atKeys,
	"--call=" + registry + "=" + keys + ".NotifyListenersSync" + atKeys,
	"--call=" + registry + "=" + keys + ".NotifyListenersAsync" + atKeys,
}

var sockets atomic.Int32

// screenReaders opens a filtered way to the bus that screen readers listen on:
// xdg-dbus-proxy, as for programs in Flatpak. It gives a socket, and how to end it.
func screenReaders(ctx context.Context) (socket string, end func(), err error) {
	address, err := readerBus(ctx)
	if err != nil {
		return "", nil, err
	}
	proxy, err := findTool("xdg-dbus-proxy", "xdg-dbus-proxy")
	if err != nil {
		return "", nil, err
	}
	run := os.Getenv("XDG_RUNTIME_DIR")
	if run == "" {
		return "", nil, errors.New("XDG_RUNTIME_DIR is not set")
	}
	socket = filepath.Join(run, fmt.Sprintf("postern-desk-%d-%d", os.Getpid(), sockets.Add(1)))
	r, w, err := os.Pipe()
	if err != nil {
		return "", nil, fmt.Errorf("starting the proxy for screen readers: %w", err)
	}
	cmd := exec.Command(proxy, append([]string{"--fd=3", address, socket}, readerRules...)...) //nolint:gosec // programs of the system, called without a shell
	cmd.ExtraFiles = []*os.File{w}
	cmd.Env = []string{}
	err = cmd.Start()
	_ = w.Close()
	if err == nil {
		end = func() { // it ends when the pipe is closed, also by a desk that was killed
			_ = r.Close()
			_ = cmd.Wait()
			_ = os.Remove(socket)
		}
		if _, err = r.Read(make([]byte, 1)); err != nil { // it writes a byte when it is ready
			end()
		}
	}
	if err != nil {
		_ = r.Close()
		return "", nil, fmt.Errorf("the proxy for screen readers did not start: %w", err)
	}
	return socket, end, nil
}

// readerBus asks the session for the address of the accessibility bus.
func readerBus(ctx context.Context) (string, error) {
	if a := os.Getenv("AT_SPI_BUS_ADDRESS"); a != "" {
		return a, nil
	}
	send, err := findTool("dbus-send", "dbus")
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	cmd := exec.CommandContext(ctx, send, "--bus="+sessionBus(), "--print-reply=literal", "--dest=org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus.GetAddress") //nolint:gosec // as above
	out, err := cmd.Output()
	address := strings.TrimSpace(string(out))
	if err != nil || address == "" {
		return "", errors.New("this session has no accessibility bus (on Debian: apt install at-spi2-core)")
	}
	return address, nil
}

// sessionBus is the address of the session's bus; never one that dbus-send would start.
func sessionBus() string {
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a
	}
	return "unix:path=" + filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "bus")
}
