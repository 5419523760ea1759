package window_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postern/cmd/scantest"
	"postern/reviewer/window"
	"postern/reviewer/window/windowtest"
)

// mark is what a probe writes wherever it can.
const mark = "postern-probe-51c3"

// deaf is the first page of a window that does nothing, not even end with its desk.
const deaf = "/deaf"

// probe stands in the window's place and tells, over the link, what it finds.
func probe() error {
	if os.Args[1] == deaf {
		time.Sleep(time.Hour)
	}
	var found []string
	report := func(format string, a ...any) { found = append(found, fmt.Sprintf(format, a...)) }
	for _, look := range []func(report func(string, ...any)){probeSockets, probeCalls, probeFiles, probeSelf, probeWrites} {
		look(report)
	}
	form := url.Values{"found": found}.Encode()
	const method, uri, kind = window.Post, window.Origin + "/", "application/x-www-form-urlencoded"
	var b []byte
	for _, n := range []int{1, len(method), len(uri), len(kind), len(form)} {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	link := os.NewFile(3, "link")
	if _, err := link.WriteString(string(b) + method + uri + kind + form); err != nil {
		return err
	}
	_, err := link.Read(make([]byte, 1)) // the desk has it
	os.Exit(map[bool]int{true: 0, false: 1}[err == nil])
	return nil
}

func probeSockets(report func(string, ...any)) {
	for family := range 64 {
		for _, protocol := range []int{0, unix.NETLINK_KOBJECT_UEVENT} {
			if family == unix.AF_UNIX || family == unix.AF_NETLINK && protocol == unix.NETLINK_ROUTE {
				continue
			}
			for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW} {
				if _, err := unix.Socket(family, kind, protocol); !errors.Is(err, unix.EAFNOSUPPORT) {
					report("socket of family %d, protocol %d: %v", family, protocol, err)
				}
			}
		}
	}
	links, _ := os.ReadFile("/proc/net/dev")
	for line := range strings.Lines(string(links)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name != "lo" {
			report("network interface %s", name)
		}
	}
	open, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(open)) {
		if strings.Contains(line, "@") {
			report("an abstract socket: %s", line)
		}
	}
}

func probeCalls(report func(string, ...any)) {
	for name, call := range map[string]uintptr{
		"io_uring_setup": unix.SYS_IO_URING_SETUP, "keyctl": unix.SYS_KEYCTL, "add_key": unix.SYS_ADD_KEY, "request_key": unix.SYS_REQUEST_KEY,
		"bpf": unix.SYS_BPF, "perf_event_open": unix.SYS_PERF_EVENT_OPEN, "userfaultfd": unix.SYS_USERFAULTFD, "socket of x32": 0x40000000 + unix.SYS_SOCKET,
	} {
		if _, _, err := unix.Syscall(call, 0, 0, 0); err != unix.EPERM {
			report("%s: %v", name, err)
		}
	}
}

// There is nothing but what the box puts there.
func probeFiles(report func(string, ...any)) {
	for dir, known := range map[string]string{
		"/": "bin dev etc home lib lib64 proc run sbin sys tmp usr var", "/run": program + " user xauthority", "/run/user": "accessibility wayland",
		"/home": "", "/etc": "alternatives fonts ld.so.cache", "/var": "cache", "/var/cache": "fontconfig", "/tmp": ".X11-unix",
		"/sys": "block bus class dev devices", "/sys/class": "", "/sys/block": "", "/sys/devices": "", "/sys/bus": "", "/sys/dev": "",
		"/dev": "console core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero", "/dev/shm": "", "/dev/pts": "ptmx",
	} {
		list, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			report("%s: %v", dir, err)
		}
		for _, e := range list {
			if !slices.Contains(strings.Fields(known), e.Name()) {
				report("%s in %s", e.Name(), dir)
			}
		}
	}
	if sockets, _ := os.ReadDir("/tmp/.X11-unix"); len(sockets) > 1 {
		report("%d displays", len(sockets))
	}
	if _, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		report("a terminal")
	}
	others, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range others {
		if b, _ := os.ReadFile(p + "/cmdline"); !strings.Contains(string(b), program) {
			report("process %s: %q", p, b)
		}
	}
}

const program = "postern-window"

func probeSelf(report func(string, ...any)) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !slices.Contains(strings.Fields(`HOME PATH PWD LANG DISPLAY XAUTHORITY GDK_BACKEND XDG_RUNTIME_DIR AT_SPI_BUS_ADDRESS DBUS_SESSION_BUS_ADDRESS
			GSETTINGS_BACKEND GIO_USE_VFS GTK_USE_PORTAL WEBKIT_DISABLE_DMABUF_RENDERER WEBKIT_DISABLE_COMPOSITING_MODE GOTRACEBACK`), name) {
			report("environment: %s", v)
		}
	}
	if bus := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); bus != "disabled:" {
		report("session bus: %s", bus)
	}
	descriptors, _ := os.ReadDir("/proc/self/fd")
	for _, d := range descriptors {
		to, err := os.Readlink("/proc/self/fd/" + d.Name())
		given := map[string]string{"0": "/dev/null", "1": "/dev/null", "2": "pipe:", "3": "socket:"}[d.Name()]
		ours := to == "/proc/self/fd" || strings.HasSuffix(to, "/fd") || strings.HasPrefix(to, "anon_inode:[event")
		if err == nil && (given == "" && !ours || given != "" && !strings.HasPrefix(to, given)) {
			report("descriptor %s: %s", d.Name(), to)
		}
	}
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range []string{"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(status), "\n"+line+"\n") {
			report("not %s", line)
		}
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core != (unix.Rlimit{Cur: 1, Max: 1}) {
		report("core files: %v %v", core, err)
	}
}

// probeWrites tries everywhere; what could be written is looked for outside afterwards.
func probeWrites(report func(string, ...any)) {
	for _, dir := range strings.Fields("/ /usr /usr/share/fonts /etc /etc/fonts /var /var/cache/fontconfig /var/tmp /run /run/user /home /tmp /tmp/.X11-unix /dev /dev/shm /sys /proc/sys/kernel /proc/self") {
		_ = os.WriteFile(filepath.Join(dir, mark), []byte(mark), 0o600)
	}
	for _, file := range []string{"/run/" + program, "/etc/ld.so.cache", "/proc/sys/kernel/core_pattern", "/usr/bin/env"} {
		if f, err := os.OpenFile(file, os.O_WRONLY, 0); err == nil {
			report("%s can be written", file)
			f.Close()
		}
	}
	if os.Chmod("/run/"+program, 0o755) == nil {
		report("the window's own program can be changed")
	}
	if os.WriteFile("/tmp/"+mark, nil, 0o600) != nil {
		report("nothing can be written at all: this probe proves nothing")
	}
}

// A program in the window's place finds a display, a way to screen readers, fonts, libraries, the link, and nothing else.
func TestBoxHoldsNothing(t *testing.T) {
	s := windowtest.Start(t, 640, 480)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.Install(self, program)
	s.Own(filepath.Join(s.Dir, "bin", program))
	s.Install(self, "probedesk")
	stick, home := s.Mkdir("stick"), filepath.Join(s.Dir, "home")
	for _, dir := range []string{stick, home} {
		if err := os.WriteFile(filepath.Join(dir, "report.txt"), []byte("secret"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := s.Command("probedesk")
	cmd.Env = append(cmd.Env, "POSTERN_SECRET=leaked", "LD_PRELOAD_NOT=1")
	open, err := os.Open(filepath.Join(stick, "report.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	cmd.ExtraFiles = []*os.File{open} // left to the desk by whoever started it
	desk := s.Start(cmd)
	if ended, err := desk.Ended(); !ended || err != nil {
		t.Fatalf("%v %v\n%s", ended, err, desk.Said())
	}
	if !strings.HasPrefix(desk.Said(), "probed\n") {
		t.Fatalf("the probe did not report:\n%s", desk.Said())
	}
	for line := range strings.Lines(desk.Said()) {
		if what, ok := strings.CutPrefix(line, "found "); ok {
			t.Errorf("in the box: %s", strings.TrimSpace(what))
		}
	}
	for _, dir := range []string{s.Dir, "/run/user", "/tmp/.X11-unix"} {
		found, _ := scantest.Files(t, []scantest.Marker{scantest.Bytes("what the probe wrote", mark)}, exceptPrograms(t, dir)...)
		for _, f := range found {
			t.Error(f)
		}
	}
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", "/run", "/usr", "/etc", "/"} {
		if _, err := os.Lstat(filepath.Join(dir, mark)); err == nil {
			t.Errorf("the probe's file is in %s", dir)
		}
	}
}

// exceptPrograms lists what lies in a folder, without the programs, which name the mark.
func exceptPrograms(t *testing.T, dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "bin" {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	return list
}

func probeDesk() error {
	return run(window.HandlerFunc(func(r window.Request) window.Reply {
		fmt.Println("probed")
		for _, f := range r.Form["found"] {
			fmt.Println("found", f)
		}
		return window.Reply{}
	}))
}
