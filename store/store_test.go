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

// TestManyRuns: an item in more pieces than its record holds is there whole or not
// at all: through a vacuum, a restart and an erasure. Of one that was never adopted,
// or of which a crash left parts behind, nothing stays.
func TestManyRuns(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Quota = 200*largeSize*10/9 + 100 // no more are made
	s := openTest(t, o)
	if err := s.makeCells(large, 200); err != nil {
		t.Fatal(err)
	}
	for n := uint32(0); n < s.alloc.class[large].count; n += 2 {
		s.alloc.hold(large, n)
	}
	stored := func() int {
		left, bad := eachItem(t.Context(), s.eng, s.keys, func(ItemID, item) error { return nil })
		if len(bad) > 0 {
			t.Fatal(bad)
		}
		return s.counts[itemName] + 1000*len(left)
	}
	id, data := randomID(), random(40*largeCell-9)
	u := upload(t, s, id, data)
	if n := len(u.item.runs); n < 40 || len(u.parts) < 2 {
		t.Fatalf("%d runs in %d parts: the test shows nothing", n, len(u.parts))
	}
	if n := stored(); n != 1001*len(u.parts) {
		t.Fatal("the parts are not there before the record:", n)
	}
	apply(t, s, Adopt(u))
	check := func() {
		t.Helper()
		if !bytes.Equal(readAll(t, s, id), data) || stored() != 1+len(u.parts) {
			t.Fatal("an item changed", stored())
		}
	}
	check()
	var copied bytes.Buffer
	if err := errors.Join(s.Vacuum(t.Context()), s.Export(t.Context(), &copied)); err != nil {
		t.Fatal(err)
	}
	check()
	v := upload(t, s, randomID(), data[:20*largeCell])
	if n := stored(); len(v.parts) == 0 || n <= 1000 {
		t.Fatal("no parts wait for their record", n)
	}
	if err := s.Close(); err != nil { // as after a crash: v is not adopted
		t.Fatal(err)
	}
	s = openTest(t, o)
	check()
	if w := upload(t, s, randomID(), data[:30*largeCell]); w.Size() > 0 {
		w.Abort()
	}
	check()
	apply(t, s, Forget(id))
	if n := stored(); n != 0 {
		t.Errorf("%d records are left of an erased item", n)
	}
	if u, err := s.Usage(); err != nil || u.UsedLarge != 0 {
		t.Error(u, err)
	}
	into := testOptions(t.TempDir())
	if err := Import(t.Context(), into, &copied); err != nil {
		t.Fatal(err)
	}
	if s = openTest(t, into); !bytes.Equal(readAll(t, s, id), data) {
		t.Error("a copy's item changed")
	}
}

// TestTooLarge: a list that one commit cannot take is refused before anything is written.
func TestTooLarge(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	var ops []Op
	for range 100 {
		ops = append(ops, AddItem(randomID(), nil))
	}
	apply(t, s, ops...)
	for i := range ops {
		ops[i] = AddItem(randomID(), nil)
	}
	before, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), append(ops, Put("out", nil, nil))...); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if after, err := s.Usage(); err != nil || after.Used != before.Used {
		t.Error(after, err)
	}
}

// TestRecordsCount: every record counts, and when the room for all is used up only
// what has Spare goes in; what replaces, shrinks or erases always does.
func TestRecordsCount(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Quota, o.Spare, o.Buckets = 2<<20, 1<<20, []Bucket{{Name: "mailbox", MaxKey: 32, MaxValue: 4000}, {Name: "out", MaxKey: 32, MaxValue: 16, Spare: true}}
	s := openTest(t, o)
	n := 0
	for ; ; n++ {
		err := s.Apply(t.Context(), Put("mailbox", []byte{byte(n >> 8), byte(n)}, nil))
		if errors.Is(err, ErrFull) {
			break
		}
		if err != nil || n > 1000 {
			t.Fatal(n, err)
		}
	}
	if n < 100 {
		t.Fatalf("only %d records fitted", n)
	}
	apply(t, s, Put("mailbox", []byte{0, 0}, []byte("again")), Put("out", []byte("spare"), nil))
	apply(t, s, Delete("mailbox", []byte{0, 0}), Put("mailbox", []byte("another"), nil))
	u, err := s.Usage()
	if err != nil || u.FreeSmall || u.UsedRecords < 900<<10 || u.FreeSpare == 0 {
		t.Errorf("%+v, %v", u, err)
	}
}
