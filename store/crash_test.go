package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/sha3"

	"postern/crypto/seedtest"
)

// The test binary is its own victim: with childEnv set it works on the database in
// childDir, tells on its standard output what was acknowledged, and is killed.
const (
	childEnv = "POSTERN_STORE_CHILD" // "work", "work STEP" or "trace"
	childDir = "POSTERN_STORE_DIR"

	crashRounds = 100
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		child(mode, os.Getenv(childDir))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func crashOptions(dir string) Options {
	return Options{Dir: dir, Buckets: testBuckets, SmallCell: 500, Quota: 64 << 20, ReserveSmall: 0.1, Create: true}
}

// content of an item follows from its id, and so does a record's value.
func content(id ItemID) []byte {
	n := 400
	if id[0]&1 == 1 {
		n = 300_000 + int(id[1])*1000
	}
	b := make([]byte, n)
	h := sha3.NewShake128()
	_, _ = h.Write(id[:])
	_, _ = h.Read(b)
	return b
}

func value(id ItemID) []byte { v := sha256.Sum256(id[:]); return v[:] }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// add a report: a record and an item, together or not at all.
func add(s *Store, id ItemID) {
	data := content(id)
	op := AddItem(id, data)
	if len(data) > s.SmallCell() {
		u, err := s.NewUpload(id)
		must(err)
		_, err = u.Write(data)
		must(err)
		must(u.Finish())
		op = Adopt(u)
	}
	must(s.Apply(context.Background(), op, Create("mailbox", id[:], value(id))))
	acknowledge("+", id)
}

func erase(s *Store, id ItemID) {
	acknowledge("?", id) // from now on it may be gone
	must(s.Apply(context.Background(), Forget(id), Delete("mailbox", id[:])))
	acknowledge("-", id)
}

func acknowledge(what string, id ItemID) {
	_, err := os.Stdout.WriteString(what + hex.EncodeToString(id[:]) + "\n")
	must(err)
}

func child(mode, dir string) {
	o := crashOptions(dir)
	kind, at, _ := strings.Cut(mode, " ")
	var once sync.Once
	o.step = func(name string) {
		if name == at {
			once.Do(func() {
				must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
				select {}
			})
		}
	}
	s, err := Open(o)
	must(err)
	if kind == "trace" {
		traced(s)
		must(s.Close())
		return
	}
	for w := range 3 {
		go func() {
			var before []ItemID
			for {
				id := randomID()
				if id[0] &^= 1; w == 0 {
					id[0] |= 1
				}
				add(s, id)
				if before = append(before, id); len(before) > 1 {
					erase(s, before[0])
					before = before[1:]
				}
			}
		}()
	}
	time.Sleep(5 * time.Millisecond)
	for {
		must(s.Vacuum(context.Background()))
	}
}

// promises are what a child acknowledged.
type promises struct {
	there, gone, open map[ItemID]bool

	small, large, erased int // acknowledged by children
}

func newPromises() *promises {
	return &promises{there: make(map[ItemID]bool), gone: make(map[ItemID]bool), open: make(map[ItemID]bool)}
}

func (p *promises) clone() *promises {
	return &promises{there: maps.Clone(p.there), gone: maps.Clone(p.gone), open: maps.Clone(p.open)}
}

func (p *promises) line(l string) {
	b, err := hex.DecodeString(l[1:])
	if err != nil || len(b) != 32 {
		return // cut off by the kill
	}
	id := ItemID(b)
	switch l[0] {
	case '+':
		p.there[id] = true
		if id[0]&1 == 1 {
			p.large++
		} else {
			p.small++
		}
	case '?':
		delete(p.there, id)
		p.open[id] = true
	case '-':
		delete(p.open, id)
		p.gone[id] = true
		p.erased++
	}
}

// hold the database to them: everything promised is there and opens, nothing erased is,
// nothing is half there, and the check is clean.
// Then all but a few are erased, so that the next round finds room.
func (p *promises) hold(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(crashOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := checkAll(s, func(x string) { t.Error(x) }); err != nil {
		t.Fatal(err)
	}
	for id := range p.there {
		if v, err := s.Get("mailbox", id[:]); err != nil || !bytes.Equal(v, value(id)) {
			t.Fatalf("an acknowledged record: %v", err)
		}
	}
	n := 0
	var ops []Op
	for r, err := range s.All("mailbox") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		id := ItemID(r.Key)
		if p.gone[id] {
			t.Fatal("an erased record is there")
		}
		if !bytes.Equal(readAll(t, s, id), content(id)) {
			t.Fatal("an item is not what was written")
		}
		if n > 4 {
			ops = append(ops, Forget(id), Delete("mailbox", r.Key))
			delete(p.there, id)
			p.gone[id] = true
		}
	}
	items := 0
	left, bad := eachItem(t.Context(), s.eng, s.keys, func(ItemID, item) error { items++; return nil })
	if len(left) > 0 || len(bad) > 0 || items != n {
		t.Fatalf("%d items for %d records, %d parts are left: %v", items, n, len(left), bad)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 5 {
		t.Errorf("something was left behind: %v %v", files, err)
	}
	if list, err := readKeys(dir, nil); err != nil || len(list) != 1 {
		t.Errorf("%d keys, %v", len(list), err)
	}
	apply(t, s, ops...)
}

// runChild until it is killed: by itself, or by us a little after so many words.
func runChild(t *testing.T, p *promises, mode, dir string, words int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Env = append(os.Environ(), childEnv+"="+mode, childDir+"="+dir)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewReader(out); ; {
		l, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		p.line(strings.TrimSuffix(l, "\n"))
		if words--; words == 0 {
			time.AfterFunc(rand.N(5*time.Millisecond), func() { _ = c.Process.Kill() })
		}
	}
	_ = c.Wait()
	if st, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || st.Signal() != syscall.SIGKILL {
		t.Fatalf("%v: %s", c.ProcessState, stderr.String())
	}
}

// TestKill kills a process at random moments while it reports, uploads, erases and
// re-keys, and holds what it left to what it had acknowledged.
func TestKill(t *testing.T) {
	dir, p, r := t.TempDir(), newPromises(), seedtest.Rand(t)
	for range crashRounds {
		runChild(t, p, "work", dir, 1+r.IntN(16))
		if p.hold(t, dir); t.Failed() {
			return
		}
	}
	t.Logf("acknowledged: %d small, %d uploads, %d erased", p.small, p.large, p.erased)
	if min(p.small, p.large, p.erased) < crashRounds/2 {
		t.Fatal("too little was acknowledged: the test shows nothing")
	}
}

// steps of a vacuum that a process can die at.
var steps = []string{
	"begin", "key file names both", "next records made", "records copied", "next records synced", "changes copied",
	"records replaced", "key file names the next",
}

// TestKillVacuum kills a process between every two steps of a vacuum, with
// writers running.
func TestKillVacuum(t *testing.T) {
	dir, p := t.TempDir(), newPromises()
	for i := range crashRounds {
		step := steps[i%len(steps)]
		// Another name of the key file shows what a laboratory may find of it later.
		key, lab := filepath.Join(dir, keyName), filepath.Join(t.TempDir(), "lab")
		if err := os.Link(key, lab); err != nil && i > 0 {
			t.Fatal(err)
		}
		runChild(t, p, "work "+step, dir, 0)
		if p.hold(t, dir); t.Failed() {
			t.Fatalf("after a kill at %q", step)
		}
		was, err := os.Stat(lab)
		is, ierr := os.Stat(key)
		if i == 0 || err == nil && ierr == nil && os.SameFile(was, is) {
			continue
		}
		b, err := os.ReadFile(lab)
		if _, derr := decodeKeys(b); err != nil || derr == nil {
			t.Fatalf("after a kill at %q the replaced key is still on the disk", step)
		}
	}
}

// traced is a life short enough to be written down system call by system call.
func traced(s *Store) {
	var ids []ItemID
	for i := range 24 {
		id := randomID()
		if id[0] &^= 1; i == 5 {
			id[0], id[1] = id[0]|1, 0
		}
		ids = append(ids, id)
	}
	var wg sync.WaitGroup
	for i, id := range ids {
		switch {
		case i < 12:
			add(s, id)
		default:
			wg.Go(func() { add(s, id) })
		}
		if i == 8 || i == 20 {
			wg.Go(func() { must(s.Vacuum(context.Background())) })
		}
		if i%4 == 3 && i < 12 {
			erase(s, ids[i-2])
		}
	}
	wg.Wait()
}
