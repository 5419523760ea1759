package main_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/store/durable/disktest"
)

// The disk fills up below the server, quota or not. Whatever it says then, what
// it said was received stays; it ends rather than go on with a database of
// which it knows too little (SECURITY.md S-6); and with room again it starts,
// is sound, and takes reports.
//
// The disk is a small file system in a mount namespace, which a normal user
// gets along with a user namespace.
func TestDiskFull(t *testing.T) {
	if !disktest.Alone(t) {
		return
	}
	disk := shortDir(t)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=100m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })

	s := newSite(t, disk)
	s.boot()
	s.fill()
	texts, files := s.acknowledged()
	if texts < 2 || files < 2 {
		t.Fatalf("only %d texts and %d files fitted", texts, files)
	}
	// It was up when it met the end of the disk; its clock looks every few seconds.
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		t.Fatalf("the server goes on: %s", s.stderr.String())
	}
	said := s.stderr.String()
	if code := s.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said, "no space left on device") || !strings.Contains(said, "postern check") || strings.Contains(said, "goroutine") {
		t.Errorf("exit status %d, and it says: %s", code, said)
	}
	s.cmd = nil
	t.Logf("%d texts and %d files were acknowledged; then: %s", texts, files, said)

	s.sound() // on the full disk too
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=256m"); err != nil {
		t.Fatal(err)
	}
	s.sound()
	s.boot()
	paths, hashes := s.files("after", 1, 1_000_000)
	if r, err := s.report(s.public(), "there is room again", paths, hashes); err != nil || !r.received || len(r.kept) != 1 {
		t.Errorf("no report is taken: %v", err)
	}
	s.collect()
	s.finish()
	s.sound()
	nt, nf := s.reconcile()
	t.Logf("%d texts and %d files can be read", nt, nf)
}

// fill sends reports until one is not received whole, and then one more.
func (s *site) fill() {
	s.t.Helper()
	random := rand.New(rand.NewPCG(s.seed, 0))
	for i := range 200 {
		id := fmt.Sprintf("full%d", i)
		paths, hashes := s.files(id, 1, 3_000_000)
		v := s.public()
		r, err := s.report(v, longText(random, id), paths, hashes)
		switch {
		case err != nil:
			s.t.Logf("report %d: the line broke: %v", i, err)
			return
		case r.received && len(r.kept) == 1:
			continue
		}
		_, said, _ := strings.Cut(v.Text(), "Something")
		s.t.Logf("report %d: status %d, text received %v, files %d: %.120s", i, v.Status, r.received, len(r.kept), said)
		id += "again"
		_, err = s.report(s.public(), id, nil, nil)
		if r := s.sent[id]; r != nil && r.received {
			s.t.Logf("a text still fitted")
		}
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
			s.t.Logf("one more: %v", err)
		}
		return
	}
	s.t.Fatalf("200 reports fitted into %s", filepath.Base(s.dir))
}
