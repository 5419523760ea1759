package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"postern/store/engine"
	"postern/store/engine/bolt"
)

func TestOpenRefuses(t *testing.T) {
	made := func(t *testing.T) Options {
		o := testOptions(t.TempDir())
		s := openTest(t, o)
		apply(t, s, AddItem(ItemID{1}, []byte("x")), Create("mailbox", []byte("k"), nil))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		o.Create = false
		return o
	}
	edit := func(t *testing.T, o Options, op engine.Op) {
		e, err := bolt.Open(o.Dir, 1<<30, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(e.Commit([]engine.Op{op}), e.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, o *Options)
		want   error
	}{
		"another directory": {func(t *testing.T, o *Options) { o.Dir = t.TempDir() }, os.ErrNotExist},
		"newer": {func(t *testing.T, o *Options) {
			edit(t, *o, engine.Op{Kind: engine.Put, Bucket: metaName, Name: clearVersion, Value: binary.BigEndian.AppendUint32(nil, formatVersion+1)})
		}, ErrNewer},
		"other limits": {func(_ *testing.T, o *Options) { o.Buckets = []Bucket{{Name: "mailbox", MaxKey: 32, MaxValue: 2001}} }, nil},
		"bad bucket":   {func(_ *testing.T, o *Options) { o.Buckets = []Bucket{{Name: ".item", MaxKey: 32, MaxValue: 2001}} }, nil},
		"other key": {func(t *testing.T, o *Options) {
			if err := writeKeys(o.Dir, nil, newStorageKey()); err != nil {
				t.Fatal(err)
			}
		}, nil},
		"no key": {func(t *testing.T, o *Options) {
			if err := os.Remove(filepath.Join(o.Dir, keyName)); err != nil {
				t.Fatal(err)
			}
		}, os.ErrNotExist},
		"lost records": {func(t *testing.T, o *Options) {
			o.Create = true
			if err := os.Remove(filepath.Join(o.Dir, "records.db")); err != nil {
				t.Fatal(err)
			}
		}, nil},
		"wrapped": {func(_ *testing.T, o *Options) { o.Key = xorWrapper(1) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := made(t)
			c.change(t, &o)
			s, err := Open(o)
			if err == nil {
				_ = s.Close()
				t.Fatal("it was opened")
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Fatal(err)
			}
		})
	}
	t.Run("fewer buckets", func(t *testing.T) {
		o := made(t)
		o.Buckets = testBuckets[1:]
		s := openTest(t, o)
		if err := s.Vacuum(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		o.Buckets = testBuckets
		s = openTest(t, o)
		if _, err := s.Get("mailbox", []byte("k")); err != nil {
			t.Fatal("a bucket that was not named lost its records:", err)
		}
	})
	goleak.VerifyNone(t)
}

type xorWrapper byte

func (x xorWrapper) Wrap(b []byte) ([]byte, error) {
	out := []byte{byte(x)}
	for _, c := range b {
		out = append(out, c^byte(x))
	}
	return out, nil
}

func (x xorWrapper) Unwrap(b []byte) ([]byte, error) {
	if len(b) == 0 || b[0] != byte(x) {
		return nil, errors.New("not wrapped by this")
	}
	w, err := x.Wrap(b[1:])
	return w[1:], err
}

func TestWrappedKey(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Key = xorWrapper(0xa5)
	s := openTest(t, o)
	apply(t, s, Put("out", []byte("k"), []byte("v")))
	if err := s.Vacuum(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, o)
	if v, err := s.Get("out", []byte("k")); err != nil || string(v) != "v" {
		t.Fatal(v, err)
	}
}

// TestVacuumForgets: after a vacuum no file holds the old key, its id or a record's name
// under it (SECURITY.md S-5). It sees files, not what a disk keeps beside them.
func TestVacuumForgets(t *testing.T) {
	o := testOptions(t.TempDir())
	s := openTest(t, o)
	key, err := os.ReadFile(filepath.Join(o.Dir, keyName))
	if err != nil {
		t.Fatal(err)
	}
	list, err := decodeKeys(key)
	if err != nil {
		t.Fatal(err)
	}
	old := s.keys
	apply(t, s, Create("mailbox", []byte("k"), []byte("v")))
	if err := s.Vacuum(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(o.Dir)
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(o.Dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, list[0].secret[:]) || bytes.Contains(b, list[0].id[:]) || bytes.Contains(b, old.fileKey("mailbox", []byte("k"))) {
			t.Fatalf("%s holds something of before", f.Name())
		}
	}
}

// TestBroken: after a failed write everything is refused, and only the check goes on.
func TestBroken(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	id := randomID()
	apply(t, s, AddItem(id, []byte("x")))
	i, err := s.OpenItem(id)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.NewUpload(randomID())
	if err != nil {
		t.Fatal(err)
	}
	_ = s.fail(errors.New("the disk said no"))
	for name, err := range map[string]error{
		"apply":  s.Apply(context.Background(), Put("out", nil, nil)),
		"vacuum": s.Vacuum(context.Background()),
		"export": s.Export(context.Background(), new(bytes.Buffer)),
		"get":    second(s.Get("out", nil)),
		"open":   second(s.OpenItem(id)),
		"read":   second(i.ReadAt(make([]byte, 1), 0)),
		"new":    second(s.NewUpload(randomID())),
		"write":  second(u.Write(make([]byte, largeCell))),
		"usage":  second(s.Usage()),
	} {
		if !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range s.All("out") {
		if !errors.Is(err, ErrBroken) {
			t.Error(err)
		}
	}
	if err := checkAll(s, func(p string) { t.Error(p) }); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestCheckFinds: what the check is for.
func TestCheckFinds(t *testing.T) {
	commit := func(s *Store, op engine.Op) error { return s.eng.Commit([]engine.Op{op}) }
	cell := func(s *Store) uint32 {
		it, err := s.item(ItemID{1})
		if err != nil {
			panic(err)
		}
		return it.runs[0].start
	}
	for name, damage := range map[string]func(s *Store) error{
		"a cell":        func(s *Store) error { return s.cells[small].Put(cell(s), random(100)) },
		"too few cells": func(s *Store) error { return os.Truncate(filepath.Join(s.dir, "small.cells"), 0) },
		"a record": func(s *Store) error {
			return commit(s, engine.Op{Kind: engine.Put, Bucket: "out", Name: random(32), Value: random(s.buckets["out"].sealedSize())})
		},
		"an item's record": func(s *Store) error {
			return commit(s, s.keys.put(itemBucket, item{}.key(ItemID{9}, 0), make([]byte, itemValueSize-1)))
		},
		"a part that is not there": func(s *Store) error {
			return commit(s, s.keys.put(itemBucket, item{}.key(ItemID{9}, 0), item{class: large, runs: make([]run, 17)}.encode()[0]))
		},
		"a cell twice": func(s *Store) error {
			it := item{class: small, length: 1, runs: []run{{cell(s), 1}}}
			return commit(s, s.keys.put(itemBucket, it.key(ItemID{9}, 0), it.encode()[0]))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t.TempDir())
			s, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			apply(t, s, AddItem(ItemID{1}, []byte("x")), Put("out", []byte("k"), nil))
			if err := damage(s); err != nil {
				t.Fatal(err)
			}
			found := 0
			if err := s.Check(context.Background(), func(string) { found++ }); err != nil || found == 0 {
				t.Fatal("nothing was found", err)
			}
		})
	}
}

// TestItemRecords: runs of any number come back from their records.
func TestItemRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := item{class: large, length: rapid.Int64Min(0).Draw(t, "length")}
		copy(want.seed[:], random(32))
		for n := range rapid.IntRange(0, 100).Draw(t, "runs") {
			want.runs = append(want.runs, run{uint32(n * 10), rapid.Uint32Range(1, 9).Draw(t, "count")})
		}
		values := make(map[string][]byte)
		for n, v := range want.encode() {
			if len(v) > itemValueSize {
				t.Fatal("a part is too long")
			}
			values[string(want.key(ItemID{1}, n))] = v
		}
		got, err := readItem(ItemID{1}, func(key []byte) ([]byte, error) {
			v, ok := values[string(key)]
			if !ok {
				return nil, ErrNotFound
			}
			return v, nil
		})
		if err != nil || got.length != want.length || got.seed != want.seed || len(got.runs) != len(want.runs) {
			t.Fatal(err)
		}
		for i, r := range got.runs {
			if r != want.runs[i] {
				t.Fatal("another run")
			}
		}
	})
}

// TestAllocator: no cell is given twice, all are given that there are, and the sums are right.
func TestAllocator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newAllocator(Options{Quota: 10 << 20, ReserveSmall: 0.1, Spare: 1 << 19}, 4096)
		held := map[uint32]bool{}
		var runs []run
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(runs) > 0 && rapid.Bool().Draw(t, "free") {
				i := rapid.IntRange(0, len(runs)-1).Draw(t, "which")
				a.free(large, runs[i:i+1])
				for n := range runs[i].count {
					delete(held, runs[i].start+n)
				}
				runs = append(runs[:i], runs[i+1:]...)
				continue
			}
			a.class[large].count += a.extent(large, false)
			r, err := a.take(forLarge, large, 5)
			if err != nil {
				if int64(len(held)+1)<<18 <= a.limit[forLarge] {
					t.Fatal("full too early")
				}
				continue
			}
			if r.count == 0 {
				t.Fatal("nothing was made in advance")
			}
			for n := range r.count {
				if held[r.start+n] || r.start+n >= a.class[large].count {
					t.Fatal("a cell was given twice, or is not there")
				}
				held[r.start+n] = true
			}
			runs = append(runs, r)
			if int64(len(held))<<18 != a.given || a.given > a.limit[forLarge] {
				t.Fatal(a.given)
			}
		}
	})
}

func FuzzDecodeKeys(f *testing.F) {
	f.Add(encodeKeys(newStorageKey()))
	f.Add(encodeKeys(newStorageKey(), newStorageKey()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, err := decodeKeys(b); err == nil && !bytes.Equal(encodeKeys(list...), b) {
			t.Fatal("what parses does not encode to the same bytes")
		}
	})
}

func FuzzDecodePart(f *testing.F) {
	for _, v := range (item{class: small, length: 5, runs: make([]run, 20)}).encode() {
		f.Add(uint16(0), v)
	}
	f.Fuzz(func(t *testing.T, part uint16, v []byte) {
		p, err := decodePart(Record{binary.BigEndian.AppendUint16(make([]byte, 32), part), v})
		if err != nil || p.part != 0 || p.total != len(p.runs) {
			return
		}
		it := item{p.class, p.length, p.seed, p.runs}
		if got := it.encode(); len(got) != 1 || !bytes.Equal(got[0], v) {
			t.Fatal("what parses does not encode to the same bytes")
		}
	})
}
