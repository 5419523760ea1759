package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"postern/crypto/seedtest"
)

// The fault layer. A process is traced while it works; from its system calls
// the disk is built as it may look after a power cut at any moment: what was
// synced is there, of what was not each page is there or not as chance has it,
// and of changes of the directory those up to some one.

// disk is what the traced process did to its directory so far.
type disk struct {
	dir     string
	fds     map[int]*file
	at      map[int]int64    // offsets of those that are written without one
	names   map[string]*file // as the process sees them
	durable map[string]*file // as the last sync of the directory left them
	changes []map[string]*file
	isDir   file
	acks    *promises
	n       int
	rand    *rand.Rand
}

type file struct {
	disk []byte  // what is on the disk for sure
	wait []write // in order
}

// write of data at an offset, or of a length (data nil).
type write struct {
	off  int64
	data []byte
	n    int // when
}

func (f *file) apply(w write) {
	end := w.off + int64(len(w.data))
	if w.data == nil {
		if w.off < int64(len(f.disk)) {
			f.disk = f.disk[:w.off:w.off]
		}
	}
	if end > int64(len(f.disk)) {
		f.disk = append(f.disk, make([]byte, end-int64(len(f.disk)))...)
	}
	copy(f.disk[w.off:], w.data)
}

func (f *file) synced(before int) {
	for len(f.wait) > 0 && f.wait[0].n < before {
		f.apply(f.wait[0])
		f.wait = f.wait[1:]
	}
}

// cut is the disk after a power cut, in a new directory; keep is the chance of each
// page and change that was not synced.
func (d *disk) cut(t *testing.T, keep float64) string {
	t.Helper()
	dir := t.TempDir()
	names := d.durable
	for _, n := range d.changes {
		if d.rand.Float64() >= keep {
			break
		}
		names = n
	}
	made := make(map[*file]string)
	for name, f := range names {
		if other, ok := made[f]; ok {
			if err := os.Link(other, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		made[f] = filepath.Join(dir, name)
		c := file{disk: slices.Clone(f.disk)}
		for _, w := range f.wait {
			for _, page := range pagesOf(w) {
				if d.rand.Float64() < keep {
					c.apply(page)
				}
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := writeSparse(filepath.Join(dir, name), c.disk); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pagesOf(w write) []write {
	if w.data == nil {
		return []write{w}
	}
	var out []write
	for off, data := w.off, w.data; len(data) > 0; {
		n := min(int64(len(data)), pageSize-off%pageSize)
		out = append(out, write{off, data[:n], w.n})
		off, data = off+n, data[n:]
	}
	return out
}

func writeSparse(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // a test's
	if err := f.Truncate(int64(len(b))); err != nil {
		return err
	}
	zeros := make([]byte, 64<<10)
	for off := 0; off < len(b); off += len(zeros) {
		p := b[off:min(len(b), off+len(zeros))]
		if string(p) != string(zeros[:len(p)]) {
			if _, err := f.WriteAt(p, int64(off)); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	resultPart  = regexp.MustCompile(`\) += (-?\d+)`)
	quoted      = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)
)

// call is one system call: its begin and its end are two events.
type call struct {
	name, args string
	result     int
	began      int
}

// event is a call that begins, or ends.
type event struct {
	c   *call
	end bool
}

func parseTrace(t *testing.T, text string) []event {
	t.Helper()
	var out []event
	running := make(map[string]*call)
	finish := func(c *call, rest string) {
		m := resultPart.FindStringSubmatch(rest)
		if m == nil {
			return // killed, or "?"
		}
		c.result, _ = strconv.Atoi(m[1])
		out = append(out, event{c, true})
	}
	for l := range strings.Lines(text) {
		l = strings.TrimSuffix(l, "\n")
		if m := resumedLine.FindStringSubmatch(l); m != nil {
			c := running[m[1]]
			if c == nil || c.name != m[2] {
				t.Fatalf("trace: %s resumes nothing", m[2])
			}
			c.args += m[3]
			finish(c, m[3])
			continue
		}
		m := callLine.FindStringSubmatch(l)
		if m == nil {
			continue // signals and exits
		}
		c := &call{name: m[2], args: m[3], began: len(out)}
		running[m[1]] = c
		out = append(out, event{c, false})
		if !strings.HasSuffix(l, "<unfinished ...>") {
			finish(c, m[3])
		}
	}
	return out
}

func unhex(s string) []byte {
	b := make([]byte, 0, len(s)/4)
	for i := 2; i < len(s); i += 4 {
		v, _ := strconv.ParseUint(s[i:i+2], 16, 8)
		b = append(b, byte(v))
	}
	return b
}

func (c *call) fd() int {
	n, err := strconv.Atoi(c.args[:strings.IndexAny(c.args, ",) ")])
	if err != nil {
		return -1
	}
	return n
}

// string i of the arguments.
func (c *call) string(i int) []byte {
	if m := quoted.FindAllStringSubmatch(c.args, -1); i < len(m) {
		return unhex(m[i][1])
	}
	return nil
}

// last number of the arguments.
func (c *call) last() int64 {
	args := c.args
	if i := strings.LastIndex(args, ") "); i >= 0 {
		args = args[:i]
	}
	args = strings.TrimSuffix(strings.TrimSpace(args), "<unfinished ...>")
	f := strings.FieldsFunc(args, func(r rune) bool { return r == ',' || r == ' ' || r == ')' })
	n, _ := strconv.ParseInt(f[len(f)-1], 10, 64)
	return n
}

func (d *disk) name(path []byte) (string, bool) {
	return strings.CutPrefix(string(path), d.dir+"/")
}

func (d *disk) rename(change func()) {
	change()
	d.changes = append(d.changes, maps.Clone(d.names))
}

// do one event. It says whether something was acknowledged.
func (d *disk) do(e event) (ack bool) {
	d.n++
	c := e.c
	switch {
	case c.name == "pwrite64" && !e.end:
		if f := d.fds[c.fd()]; f != nil {
			f.wait = append(f.wait, write{c.last(), c.string(0), d.n})
		}
	case c.name == "ftruncate" && !e.end:
		if f := d.fds[c.fd()]; f != nil {
			f.wait = append(f.wait, write{c.last(), nil, d.n})
		}
	case c.name == "write" && !e.end && c.fd() == 1:
		d.acks.line(strings.TrimSuffix(string(c.string(0)), "\n"))
		return true
	case c.name == "write" && !e.end:
		if f := d.fds[c.fd()]; f != nil {
			f.wait = append(f.wait, write{d.at[c.fd()], c.string(0), d.n})
			d.at[c.fd()] += int64(len(c.string(0)))
		}
	case !e.end:
	case c.result < 0:
	case c.name == "openat":
		if string(c.string(0)) == d.dir {
			d.fds[c.result] = &d.isDir
			break
		}
		name, ok := d.name(c.string(0))
		if !ok {
			delete(d.fds, c.result)
			break
		}
		if d.names[name] == nil {
			d.rename(func() { d.names[name] = new(file) })
		}
		d.fds[c.result], d.at[c.result] = d.names[name], 0
	case c.name == "close":
		delete(d.fds, c.fd())
	case c.name == "fsync" || c.name == "fdatasync":
		switch f := d.fds[c.fd()]; f {
		case nil:
		case &d.isDir:
			// All changes of before: the directory is changed by one goroutine at a time.
			d.durable, d.changes = maps.Clone(d.names), nil
		default:
			f.synced(c.began + 2)
		}
	case c.name == "renameat" || c.name == "renameat2" || c.name == "rename":
		from, ok1 := d.name(c.string(0))
		to, ok2 := d.name(c.string(1))
		if ok1 && ok2 {
			d.rename(func() { d.names[to] = d.names[from]; delete(d.names, from) })
		}
	case c.name == "linkat" || c.name == "link":
		from, ok1 := d.name(c.string(0))
		to, ok2 := d.name(c.string(1))
		if ok1 && ok2 {
			d.rename(func() { d.names[to] = d.names[from] })
		}
	case c.name == "unlinkat" || c.name == "unlink":
		if name, ok := d.name(c.string(0)); ok && d.names[name] != nil {
			d.rename(func() { delete(d.names, name) })
		}
	}
	return false
}

// TestPowerCut cuts the power after each acknowledgement and at random moments,
// with nothing, something and everything kept of what was not synced: what was
// acknowledged is there, nothing is half there.
func TestPowerCut(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	c := exec.Command("strace", "-f", "-qq", "-xx", "-s", "4000000", "-o", trace,
		"-e", "trace=openat,close,pwrite64,write,fsync,fdatasync,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat", exe)
	c.Env = append(os.Environ(), childEnv+"=trace", childDir+"="+dir)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("tracing (is strace installed?): %v: %.500s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	events := parseTrace(t, string(text))
	d := &disk{dir: dir, fds: make(map[int]*file), at: make(map[int]int64), names: make(map[string]*file), durable: make(map[string]*file), acks: newPromises(), rand: seedtest.Rand(t)}
	chance := 150 / float64(len(events))
	cuts, acks := 0, 0
	for i, e := range events {
		ack := d.do(e)
		if ack {
			acks++
		}
		if d.durable["records.db"] == nil || !ack && d.rand.Float64() > chance {
			continue
		}
		keep := []float64{0, 0.5, 1}[d.rand.IntN(3)]
		if ack {
			keep = 0
		}
		cuts++
		if !t.Run(fmt.Sprintf("event%d", i), func(t *testing.T) { d.acks.clone().hold(t, d.cut(t, keep)) }) {
			return
		}
	}
	if cuts < 100 || acks < 27 || len(d.acks.there) != 21 {
		t.Fatalf("%d cuts, %d acknowledgements, %d reports: the test shows too little", cuts, acks, len(d.acks.there))
	}
	t.Logf("%d events, %d cuts, %d acknowledgements", len(events), cuts, acks)
	// What the process left on the real disk is what the events say.
	for name, f := range d.names {
		f.synced(d.n + 1)
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(have) != string(f.disk) {
			t.Errorf("%s was not followed: %v", name, err)
		}
	}
}
