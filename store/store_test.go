package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"testing"
)

const testSmall = 70000

var testBuckets = []Bucket{{Name: "mailbox", MaxKey: 32, MaxValue: 2000}, {Name: "out", MaxKey: 32, MaxValue: 16}}

func testOptions(dir string) Options {
	return Options{Dir: dir, Buckets: testBuckets, SmallCell: testSmall, Quota: 64 << 20, ReserveSmall: 0.1, Create: true}
}

func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := checkAll(s, func(p string) { t.Error(p) }); err != nil && !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func randomID() ItemID { return ItemID(random(32)) }

func apply(t testing.TB, s *Store, ops ...Op) {
	t.Helper()
	if err := s.Apply(context.Background(), ops...); err != nil {
		t.Fatal(err)
	}
}

func upload(t testing.TB, s *Store, id ItemID, data []byte) *Upload {
	t.Helper()
	u, err := s.NewUpload(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := u.Finish(); err != nil {
		t.Fatal(err)
	}
	return u
}

func readAll(t testing.TB, s *Store, id ItemID) []byte {
	t.Helper()
	i, err := s.OpenItem(id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(i, 0, i.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, testOptions(dir))
	id, big := randomID(), randomID()
	smallData, bigData := random(testSmall), random(3*largeCell+5)
	apply(t, s, AddItem(id, smallData), Create("mailbox", []byte("k"), []byte("v")))
	apply(t, s, Adopt(upload(t, s, big, bigData)))
	check := func() {
		t.Helper()
		if v, err := s.Get("mailbox", []byte("k")); err != nil || string(v) != "v" {
			t.Fatal(v, err)
		}
		if !bytes.Equal(readAll(t, s, id), smallData) || !bytes.Equal(readAll(t, s, big), bigData) {
			t.Fatal("an item changed")
		}
	}
	check()
	if err := s.Vacuum(context.Background()); err != nil {
		t.Fatal(err)
	}
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o := testOptions(dir)
	o.Create = false
	s = openTest(t, o)
	check()
	if _, err := Open(o); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
}

// checkAll is what `postern check` does when no server runs.
func checkAll(s *Store, problem func(string)) error {
	return errors.Join(s.CheckFiles(problem), s.Check(context.Background(), problem))
}
