package windowtest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"postern/cmd/scantest"
)

// traceFile is where strace writes what a command of [Session.Trace] does.
func (s *Session) traceFile() string { return filepath.Join(s.Dir, "home", "strace") }

// Trace makes a command run under strace, which lists the sockets that it and all that it starts open.
func (s *Session) Trace(cmd *exec.Cmd) *exec.Cmd {
	traced := s.Command("strace", append([]string{"-f", "-qq", "--seccomp-bpf", "-e", "trace=socket,io_uring_setup", "-o", s.traceFile()}, cmd.Args...)...)
	traced.Env = cmd.Env
	return traced
}

var socketCall = regexp.MustCompile(`\b(?:socket|io_uring_setup)\(([^)]*)\) = (\S+)`)

// OnlyUnixSockets fails the test if a traced command, which has ended, opened any socket that could
// leave the machine, or if one was tried in the box that the box does not refuse.
func (s *Session) OnlyUnixSockets() {
	s.Helper()
	b, err := os.ReadFile(s.traceFile())
	if err != nil {
		s.Fatal(err)
	}
	calls := socketCall.FindAllStringSubmatch(string(b), -1)
	if len(calls) < 5 {
		s.Fatalf("strace shows %d sockets:\n%s", len(calls), b)
	}
	for _, c := range calls {
		netlink := strings.HasPrefix(c[1], "AF_NETLINK, ") && strings.HasSuffix(c[1], ", NETLINK_ROUTE")
		if !strings.HasPrefix(c[1], "AF_UNIX, ") && !netlink && c[2] != "-1" {
			s.Errorf("a socket was opened: %s", c[0])
		}
	}
	if err := os.Remove(s.traceFile()); err != nil {
		s.Fatal(err)
	}
}

// NothingLeft looks at the disk after a window was used since a time: nothing new lies in home/ and
// run/ but what allowed names, relative to the session's folder, and none of the texts, by what they
// are, stands in any file written since, in that folder or wherever else programs leave things. The
// folder out, if not "", is where the test let something be written in clear.
func (s *Session) NothingLeft(began time.Time, texts map[string]string, out string, allowed ...string) {
	s.Helper()
	allowed = append(allowed, "run/at-spi/", "run/dbus-1/", "run/dconf/") // the session's own
	for _, dir := range []string{"home", "run"} {
		for _, f := range s.written(filepath.Join(s.Dir, dir), time.Time{}) {
			rel, _ := filepath.Rel(s.Dir, f)
			if !hasPrefix(rel, allowed) {
				s.Errorf("a new file: %s", rel)
			}
		}
	}
	var markers []scantest.Marker
	control, all := filepath.Join(s.Dir, "control"), ""
	for what, text := range texts {
		markers, all = append(markers, scantest.Bytes(what, text)), all+text+"\n"
	}
	if err := os.WriteFile(control, []byte(all), 0o600); err != nil {
		s.Fatal(err)
	}
	planted := 0
	for _, dir := range []string{"/tmp", "/var/tmp", "/run", "/dev/shm"} {
		for _, f := range s.written(dir, began) {
			if out != "" && strings.HasPrefix(f, out+"/") || isProgram(f) || strings.HasSuffix(f, ".go") || strings.Contains(f, "/go-build") {
				continue // the texts of tests stand in tests, and in what Go makes of them
			}
			found, _ := scantest.Files(s, markers, f)
			if f == control {
				planted = len(found)
				continue
			}
			for _, hit := range found {
				s.Error(hit)
			}
		}
	}
	if planted != len(markers) {
		s.Errorf("of %d texts that lie on the disk the search finds %d: it proves nothing", len(markers), planted)
	}
	_ = os.Remove(control)
}

// isProgram says whether a file is one that can be run; a core cannot.
func isProgram(path string) bool {
	st, err := os.Stat(path)
	if err != nil || st.Mode()&0o111 == 0 {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4)
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "\x7fELF"
}

func hasPrefix(path string, list []string) bool {
	for _, p := range list {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// written lists the files below a folder that were written since a time, as far as they can be read.
func (s *Session) written(dir string, since time.Time) (list []string) {
	s.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		if i, err := d.Info(); err == nil && i.ModTime().After(since) {
			list = append(list, path)
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	return list
}
