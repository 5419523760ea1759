package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func exported(t testing.TB, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Export(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExportImport(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	data := map[ItemID][]byte{}
	for _, n := range []int{0, 1, testSmall} {
		id := randomID()
		data[id] = random(n)
		apply(t, s, AddItem(id, data[id]), Create("mailbox", id[:], []byte{byte(n)}))
	}
	for _, n := range []int{0, 2 * largeCell, largeCell + 3} {
		id := randomID()
		data[id] = random(n)
		apply(t, s, Adopt(upload(t, s, id, data[id])), Create("out", id[:], []byte("large")))
	}
	stream := exported(t, s)
	if err := s.Vacuum(context.Background()); err != nil {
		t.Fatal(err)
	}
	o := testOptions(t.TempDir())
	o.SmallCell = testSmall + 1000 // made for more slots
	if err := Import(context.Background(), o, bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	o.Create = false
	r := openTest(t, o)
	for id, want := range data {
		if !bytes.Equal(readAll(t, r, id), want) {
			t.Fatal("an item changed")
		}
	}
	a, _ := s.Usage()
	b, _ := r.Usage()
	if a.Records["mailbox"] != 3 || b.Records["mailbox"] != 3 || b.Records["out"] != 3 {
		t.Fatal(a, b)
	}
	if r.keys.id == s.keys.id {
		t.Fatal("the copy has the original's key")
	}
	if err := Import(context.Background(), o, bytes.NewReader(stream)); err == nil {
		t.Fatal("a restore into a directory that is not empty")
	}
	if readAll(t, r, randomKey(data)) == nil {
		t.Fatal("the refused restore touched the database")
	}
}

// TestImportFull: a copy of a database that is full to its last byte is taken,
// whatever the order in which items of all tiers come.
func TestImportFull(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Quota, o.ReserveSmall, o.Spare = 8<<20, 0.4, 8<<20/10*3
	s := openTest(t, o)
	n := 0
	for ; ; n++ {
		u, err := s.NewUpload(randomID())
		if errors.Is(err, ErrFull) {
			break
		}
		if _, err := u.Write(random(largeCell)); err != nil {
			t.Fatal(err)
		}
		if err := u.Finish(); err != nil {
			t.Fatal(err)
		}
		apply(t, s, Adopt(u))
	}
	for _, add := range []func(ItemID, []byte) Op{AddItem, AddSpare} {
		for ; ; n++ {
			if err := s.Apply(t.Context(), add(randomID(), []byte("x"))); errors.Is(err, ErrFull) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	stream := exported(t, s)
	into := o
	into.Dir = t.TempDir()
	if err := Import(t.Context(), into, bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	r := openTest(t, into)
	if got, want := itemsOf(t, r), itemsOf(t, s); got != n || want != n {
		t.Fatalf("%d items of %d", got, want)
	}
	if err := r.Apply(t.Context(), AddItem(randomID(), nil)); !errors.Is(err, ErrFull) {
		t.Fatal("what is spare was given away after a restore:", err)
	}
}

func itemsOf(t *testing.T, s *Store) int {
	t.Helper()
	ids, err := s.checkItems(t.Context(), func(p string) { t.Error(p) })
	if err != nil {
		t.Fatal(err)
	}
	return len(ids)
}

func randomKey(m map[ItemID][]byte) ItemID {
	for id, d := range m {
		if len(d) > 0 {
			return id
		}
	}
	return ItemID{}
}

// TestImportDamaged: a copy with any byte changed, cut anywhere or followed by
// anything is refused and leaves nothing.
func TestImportDamaged(t *testing.T) {
	o := crashOptions(t.TempDir())
	s := openTest(t, o)
	id := randomID()
	apply(t, s, AddItem(id, []byte("item")), Create("mailbox", []byte("key"), []byte("value")))
	good := exported(t, s)
	dir := t.TempDir()
	try := func(b []byte) {
		t.Helper()
		if err := Import(context.Background(), crashOptions(dir), bytes.NewReader(b)); err == nil {
			t.Fatal("a damaged copy was restored")
		}
		if have, err := os.ReadDir(dir); err != nil || len(have) > 0 {
			t.Fatal("a failed restore left files", have, err)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		try(bad)
	}
	for i := 0; i < len(good); i += 3 {
		try(good[:i])
	}
	try(append(bytes.Clone(good), 0))
}

// TestExportErasedMeanwhile: an item erased while it is copied is not in the copy.
func TestExportErasedMeanwhile(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	id := randomID()
	apply(t, s, Adopt(upload(t, s, id, random(4*largeCell))), Create("out", id[:], nil))
	var b bytes.Buffer
	w := writerFunc(func(p []byte) (int, error) {
		if b.Len() > 2*largeCell {
			apply(t, s, Forget(id))
		}
		return b.Write(p)
	})
	if err := s.Export(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	o := testOptions(t.TempDir())
	if err := Import(context.Background(), o, &b); err != nil {
		t.Fatal(err)
	}
	r := openTest(t, o)
	if _, err := r.OpenItem(id); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

// TestExportStopsNobody: whoever takes a copy slowly does not put off a vacuum.
// What the copy then reads of records lies on the disk under a key that is only
// in memory, and a second copy is refused.
func TestExportStopsNobody(t *testing.T) {
	o := testOptions(t.TempDir())
	s := openTest(t, o)
	for range 3 {
		id := randomID()
		apply(t, s, Adopt(upload(t, s, id, random(2*largeCell))), Create("out", id[:], nil))
	}
	before := s.keys.id
	var b bytes.Buffer
	once := false
	w := writerFunc(func(p []byte) (int, error) {
		if !once {
			once = true
			if err := s.Export(t.Context(), new(bytes.Buffer)); !errors.Is(err, ErrExporting) {
				t.Error("a second copy at once:", err)
			}
			if err := s.Vacuum(t.Context()); err != nil {
				t.Error(err)
			}
			if list, err := readKeys(o.Dir, nil); err != nil || len(list) != 1 || list[0].id == before {
				t.Error("the key of the copied records is on the disk:", err)
			}
			apply(t, s, AddItem(randomID(), []byte("x")))
		}
		return b.Write(p)
	})
	if err := s.Export(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "records.db.snapshot")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the copied records are still there:", err)
	}
	into := testOptions(t.TempDir())
	if err := Import(t.Context(), into, &b); err != nil {
		t.Fatal(err)
	}
	if n := itemsOf(t, openTest(t, into)); n != 3 {
		t.Fatalf("%d items of 3", n)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestImportCutShort: a restore that a crash ended cannot be mistaken for a database.
func TestImportCutShort(t *testing.T) {
	o := testOptions(t.TempDir())
	s, err := open(o, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(o); err == nil {
		_ = s.Close()
		t.Fatal("it was opened")
	}
}

func FuzzImport(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(crashOptions(dir))
	if err != nil {
		f.Fatal(err)
	}
	apply(f, s, AddItem(ItemID{1}, []byte("item")), Create("mailbox", []byte("key"), []byte("value")))
	f.Add(exported(f, s))
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o := crashOptions(t.TempDir())
		if err := Import(context.Background(), o, bytes.NewReader(b)); err != nil {
			return
		}
		s := openTest(t, o)
		if again := exported(t, s); len(again) > len(b) {
			t.Fatal("more came out than was put in")
		}
	})
}
