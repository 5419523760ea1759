package main_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/reviewer"
	"postern/web/visitor"
)

// A site is an instance as its people make it, each with their own program:
// the operator's server, and the desk of the one reviewer it reports to. It
// remembers what sources sent and what they were told, and in the end compares
// that with what the reviewer reads.
type site struct {
	*daemon
	desk    *reviewer.Desk
	fetched map[string]bool // volumes, by their link
	seed    uint64          // of what its sources send

	mu   sync.Mutex
	sent map[string]*sent // by text
}

// sent is one report as its source knows it.
type sent struct {
	files    map[string][32]byte // names → hashes; no name is used twice on a site
	received bool                // the page said so
	kept     []string            // the files that the page said were received
}

// newSite makes an instance in dir, which should be short: its sockets lie
// there. Each change replaces a line of its configuration.
func newSite(t testing.TB, dir string, changes ...[2]string) *site {
	t.Helper()
	s := &site{
		daemon:  &daemon{t: t, bin: buildPrograms(t), dir: filepath.Join(dir, "d"), run: filepath.Join(dir, "r")},
		fetched: map[string]bool{}, sent: map[string]*sent{}, seed: seedtest.Rand(t).Uint64(),
	}
	work := t.TempDir()
	file := func(name string) string { return filepath.Join(work, name) }
	pass := []byte("correct horse battery staple")
	if err := os.WriteFile(file("pass"), append(pass, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	program := func(name string, args ...string) string {
		t.Helper()
		var errs bytes.Buffer
		cmd := exec.Command(filepath.Join(s.bin, name), args...)
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", name, args[0], err, errs.String())
		}
		return string(out)
	}
	postern := func(args ...string) string { t.Helper(); return program("postern", append(args, "--dir", s.dir)...) }
	desk := func(args ...string) string {
		t.Helper()
		return program("postern-desk", append([]string{"--vault", file("vault"), "--passphrase-file", file("pass")}, args...)...)
	}

	postern("init", "--name", "example", "--tor", "none", "--slots", "8")
	t.Cleanup(func() {
		s.kill()
		if b, err := os.ReadFile(filepath.Join(s.dir, "instance")); err == nil { // where the ticket key lies
			_ = os.RemoveAll("/dev/shm/postern-" + strings.TrimPrefix(strings.Split(string(b), "\n")[1], "id "))
		}
	})
	conf := filepath.Join(s.dir, "postern.conf")
	b, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, c := range append(changes, [2]string{`run = ""`, fmt.Sprintf("run = %q", s.run)}) {
		if strings.Count(text, c[0]) != 1 {
			t.Fatalf("the configuration holds %q not once", c[0])
		}
		text = strings.Replace(text, c[0], c[1], 1)
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	desk("init", "--body", "ombuds", "--holder", "anna")
	var card struct {
		Phrase []string `json:"phrase"`
	}
	if err := json.Unmarshal([]byte(desk("card", "--out", file("card"), "--json", "--clock-ok")), &card); err != nil {
		t.Fatal(err)
	}
	postern("reviewer", "add", file("card"), "--phrase", strings.Join(card.Phrase, " "), "--kind", "ombuds", "--name", "en=Ombuds institution", "--mandate", "en=Complaints")
	root := regexp.MustCompile(`(?m)^example\+\S+$`).FindString(program("postern-desk", "root", "init", "--name", "example", "--out", file("root.key"), "--passphrase-file", file("pass")))
	program("postern-desk", "root", "sign", filepath.Join(s.dir, "proposal.txt"), "--key", file("root.key"), "--out", file("signed.note"), "--passphrase-file", file("pass"), "--yes")
	postern("directory", "install", file("signed.note"), "--root", root)
	desk("directory", file("signed.note"), "--yes", "--clock-ok", "--root", root)

	if s.desk, err = reviewer.Open(file("vault"), pass, reviewer.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.desk.Close)
	return s
}

// shortDir is a new directory on the disk whose path leaves room for a socket's.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// boot starts the server, as wrapped when that names a program, and waits
// until it takes visitors and commands.
func (s *site) boot(wrapped ...string) {
	s.t.Helper()
	s.stderr.Reset()
	args := append(wrapped, filepath.Join(s.bin, "postern"), "serve", "--dir", s.dir)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stderr = &s.stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { _ = cmd.Wait(); close(ended) }(s.cmd, s.ended)
	for { // the admin socket is the last to open; what a killed server left there refuses
		if c, err := net.Dial("unix", filepath.Join(s.run, "admin.sock")); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-s.ended:
			s.t.Fatalf("the server ended: %s", s.stderr.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// slay ends the server and everything it started, at once: kill -9.
func (s *site) slay() {
	s.t.Helper()
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		s.t.Fatalf("the server ended before it was killed: %s", s.stderr.String())
	}
	<-s.ended
	s.cmd = nil
}

// finish ends the server as systemd does.
func (s *site) finish() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.ended
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Fatalf("exit status %d: %s", code, s.stderr.String())
	}
	s.cmd = nil
}

// sound runs postern check.
func (s *site) sound() {
	s.t.Helper()
	if out, _, err := s.command("check"); err != nil || !strings.Contains(out, "sound") {
		s.t.Fatalf("check: %v %s", err, out)
	}
}

// files makes up to most files of 1 kB to size bytes, as often small as large,
// under names that begin with name.
func (s *site) files(name string, most, size int) (paths []string, hashes map[string][32]byte) {
	s.t.Helper()
	hashes = map[string][32]byte{}
	for i := range most {
		r := rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d %s %d", s.seed, name, i)))
		data := make([]byte, int(1000*math.Pow(float64(size)/1000, rand.New(r).Float64())))
		_, _ = r.Read(data)
		path := filepath.Join(s.t.TempDir(), fmt.Sprintf("%s-%d.bin", name, i))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			s.t.Error(err)
		}
		paths, hashes[filepath.Base(path)] = append(paths, path), sha256.Sum256(data)
	}
	return paths, hashes
}

// report sends a report and notes what the page says was received. An error
// means that the line broke; the page that came otherwise is v's.
func (s *site) report(v *visitor.Visitor, text string, paths []string, files map[string][32]byte) (*sent, error) {
	if err := v.Get("/report"); err != nil {
		return nil, err
	}
	r := &sent{files: files}
	s.mu.Lock()
	s.sent[text] = r
	s.mu.Unlock()
	changes := []string{"text=" + text}
	for _, p := range paths {
		changes = append(changes, "file=@"+p)
	}
	if err := v.Submit("/report", 1, changes...); err != nil {
		return r, err
	}
	s.note(r, v)
	return r, nil
}

// note reads what a page says was received.
func (s *site) note(r *sent, v *visitor.Visitor) {
	if _, err := v.Code(); err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.received = true
	_, said, _ := strings.Cut(v.Text(), "Files received: ") // "1 of 2", and their names
	said, _, _ = strings.Cut(said, "Your code")
	said, _, _ = strings.Cut(said, "Files not received")
	names := strings.Fields(said)
	r.kept = names[min(3, len(names)):]
	for _, name := range r.kept {
		if _, ok := r.files[name]; !ok {
			s.t.Errorf("the page says that %q was received, which was not sent", name)
		}
	}
}

// acknowledged counts what sources were told was received.
func (s *site) acknowledged() (texts, files int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.sent {
		if r.received {
			texts++
		}
		files += len(r.kept)
	}
	return texts, files
}

// collect releases everything that waits, and brings it to the desk. What
// the volumes hold must be whole: each entry an age file, each message that
// opens one that verifies.
func (s *site) collect() {
	s.t.Helper()
	for s.carry() > 0 {
	}
	if missing := s.desk.Missing(); len(missing) > 0 {
		s.t.Fatalf("the desk misses %v", missing)
	}
}

// carry releases a batch, brings it to the desk, and says how many messages were in it.
func (s *site) carry() (n int) {
	s.t.Helper()
	if _, _, err := s.command("release"); err != nil {
		s.t.Fatalf("release: %v", err)
	}
	anna := through(filepath.Join(s.run, "holder-anna.sock"))
	if err := anna.Get("/"); err != nil {
		s.t.Fatal(err)
	}
	stick := s.t.TempDir()
	for _, href := range anna.Links("/volumes/") {
		if s.fetched[href] {
			continue
		}
		s.fetched[href] = true
		path, err := anna.Save(href, stick)
		if err != nil {
			s.t.Fatal(err)
		}
		n += s.imported(path)
		_ = os.Remove(path)
	}
	return n
}

// imported brings a volume to the desk, and says how many messages were in it.
func (s *site) imported(path string) int {
	s.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	stranger := crypto.NewIdentity()
	server := []ed25519.PublicKey{s.desk.Directory().Server}
	if err := crypto.ReadVolume(f, server, func(*crypto.BatchHead, int, []byte) error { return nil }, func(i int, e crypto.EntryRef, r io.Reader) error {
		if _, err := crypto.Open(r, stranger); !errors.Is(err, crypto.ErrNotForUs) {
			return fmt.Errorf("entry %d of %d bytes is no message: %w", i, e.Size, err)
		}
		return nil
	}); err != nil {
		s.t.Fatalf("%s: %v", filepath.Base(path), err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		s.t.Fatal(err)
	}
	r, err := s.desk.Import(f, reviewer.ImportOptions{})
	if err != nil {
		s.t.Fatalf("importing %s: %v", filepath.Base(path), err)
	}
	if r.Damaged+r.Changed+r.Again > 0 {
		s.t.Fatalf("importing %s: %d damaged, %d changed, %d again", filepath.Base(path), r.Damaged, r.Changed, r.Again)
	}
	return r.New
}

// reconcile compares what the reviewer reads with what sources sent: all that
// was received is there, and nothing is there that was not sent, or not as it
// was sent. It returns how many texts and files there are.
func (s *site) reconcile() (texts, files int) {
	s.t.Helper()
	read := map[string]bool{} // texts, and names of files
	out := s.t.TempDir()
	for _, c := range s.desk.Cases() {
		r, text := s.textOf(&c)
		if r != nil {
			texts++
			read[text] = true
		} else {
			s.t.Errorf("case %s has no text: a file was received before it", c.Short)
			continue
		}
		for i := range c.Messages {
			m, err := s.desk.Read(&c, &c.Messages[i]) // files have their names there alone
			if err != nil {
				s.t.Errorf("reading case %s: %v", c.Short, err)
				continue
			}
			for _, f := range m.Files {
				want, ok := r.files[f.Name]
				x, err := s.desk.Extract(&c, f.No, out)
				if err != nil {
					s.t.Errorf("opening %q: %v", f.Name, err)
					continue
				}
				_ = os.Remove(x.Path)
				if !ok || x.SHA256 != want || read[f.Name] {
					s.t.Errorf("%q, %d bytes, is not what was sent, or there twice", f.Name, x.Size)
				}
				read[f.Name] = true
				files++
			}
		}
	}
	for text, r := range s.sent {
		if r.received && !read[text] {
			s.t.Errorf("a report was acknowledged and is lost: %.40q", text)
		}
		for _, name := range r.kept {
			if !read[name] {
				s.t.Errorf("a file was acknowledged and is lost: %q", name)
			}
		}
	}
	return texts, files
}

// textOf finds the report that a case is: one text, exactly as it was sent.
func (s *site) textOf(c *reviewer.Case) (*sent, string) {
	s.t.Helper()
	var found *sent
	var text string
	for i := range c.Messages {
		l, err := s.desk.Read(c, &c.Messages[i])
		if err != nil {
			s.t.Errorf("reading a message: %v", err)
			continue
		}
		if l.Words == "" {
			continue
		}
		r := s.sent[l.Words]
		if r == nil || found != nil {
			s.t.Errorf("case %s: a text that nobody sent, or a second one: %.40q", c.Short, l.Words)
		}
		found, text = r, l.Words
	}
	return found, text
}

// longText is a text of up to 20 kB that begins with id.
func longText(r *rand.Rand, id string) string {
	return id + strings.Repeat(" was sold, как всегда", r.IntN(600))
}
