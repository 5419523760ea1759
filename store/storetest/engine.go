package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"postern/store/engine"
)

// RunEngine is the suite for what lies below the store. open gives an engine in a
// directory of the test's: what one that was closed kept, a later one finds.
func RunEngine(t *testing.T, open func(t *testing.T, dir string) engine.Engine) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, e engine.Engine)
	}{
		{"Lists", testLists},
		{"Bounds", testBounds},
		{"Pages", testPages},
		{"Next", testNext},
		{"Snapshot", testSnapshot},
		{"Cells", testCells},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := begun(t, open(t, t.TempDir()))
			c.test(t, e)
			if err := errors.Join(e.Check(), e.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("Reopened", func(t *testing.T) { testReopened(t, open) })
}

// begun gives the engine an empty set of records.
func begun(t testing.TB, e engine.Engine) engine.Engine {
	t.Helper()
	if e.Empty() {
		n, err := e.Next()
		if err == nil {
			err = n.Replace()
		}
		if err != nil || e.Empty() {
			t.Fatal("no set of records was begun:", err)
		}
	}
	return e
}

func ePut(k, v string) engine.Op {
	return engine.Op{Kind: engine.Put, Bucket: Bucket, Name: []byte(k), Value: []byte(v)}
}

func eOp(kind engine.Kind, k, v string) engine.Op {
	return engine.Op{Kind: kind, Bucket: Bucket, Name: []byte(k), Value: []byte(v)}
}

func commit(t testing.TB, e engine.Engine, ops ...engine.Op) {
	t.Helper()
	if err := e.Commit(ops); err != nil {
		t.Fatal(err)
	}
}

func dump(t testing.TB, r engine.Reader) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for after := []byte(nil); ; {
		list, err := r.Page(Bucket, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return all
		}
		for _, x := range list {
			if after != nil && bytes.Compare(x.Name, after) <= 0 {
				t.Fatalf("%q comes after %q", x.Name, after)
			}
			all[string(x.Name)], after = string(x.Value), x.Name
		}
	}
}

// testLists: the engine does what a map does, whatever the lists, and nothing of a
// list whose condition fails.
func testLists(t *testing.T, e engine.Engine) {
	names, values := []string{"a", "b", "c"}, []string{"", "1", "2"}
	rapid.Check(t, func(rt *rapid.T) {
		have := dump(t, e)
		for range rapid.IntRange(1, 8).Draw(rt, "lists") {
			want, ok := maps.Clone(have), true
			var ops []engine.Op
			for range rapid.IntRange(0, 4).Draw(rt, "ops") {
				kind := engine.Kind(rapid.IntRange(int(engine.Put), int(engine.Absent)).Draw(rt, "kind"))
				k, v := rapid.SampledFrom(names).Draw(rt, "name"), rapid.SampledFrom(values).Draw(rt, "value")
				ops = append(ops, eOp(kind, k, v))
				was, there := have[k]
				switch kind {
				case engine.Put:
					want[k] = v
				case engine.Delete:
					delete(want, k)
				case engine.Require:
					ok = ok && there && was == v
				default:
					ok = ok && !there
				}
			}
			err := e.Commit(ops)
			if ok != (err == nil) || !ok && !errors.Is(err, engine.ErrChanged) {
				rt.Fatalf("%v: %v", ops, err)
			}
			if ok {
				have = want
			}
			if got := dump(t, e); !maps.Equal(got, have) {
				rt.Fatalf("records are %q, want %q", got, have)
			}
			for _, k := range names {
				v, err := e.Get(Bucket, []byte(k))
				if want, there := have[k]; there && (err != nil || string(v) != want) || !there && !errors.Is(err, engine.ErrNotFound) {
					rt.Fatal(k, v, err)
				}
			}
		}
	})
	if _, err := e.Get("nowhere", []byte("a")); !errors.Is(err, engine.ErrNotFound) {
		t.Error(err)
	}
	// Many at once: each is done or not, and none is lost.
	commit(t, e, ePut("n", "0"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for done := 0; done < 10; {
				v, err := e.Get(Bucket, []byte("n"))
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				_, _ = fmt.Sscan(string(v), &n)
				if err := e.Commit([]engine.Op{eOp(engine.Require, "n", string(v)), ePut("n", fmt.Sprint(n+1))}); err == nil {
					done++
				} else if !errors.Is(err, engine.ErrChanged) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if v, err := e.Get(Bucket, []byte("n")); err != nil || string(v) != "40" {
		t.Errorf("%s, %v", v, err)
	}
}

// testBounds: what is too large for one commit is refused whole.
func testBounds(t *testing.T, e engine.Engine) {
	var ops []engine.Op
	for i := range engine.MaxOps {
		ops = append(ops, ePut(fmt.Sprint(i), "x"))
	}
	commit(t, e, ops...)
	for _, list := range [][]engine.Op{
		append(slices.Clone(ops), eOp(engine.Delete, "0", "")),
		{ePut("large", string(make([]byte, engine.MaxBytes))), ePut("more", "x")},
	} {
		if err := e.Commit(list); !errors.Is(err, engine.ErrTooLarge) {
			t.Error(err)
		}
	}
	if n := len(dump(t, e)); n != engine.MaxOps {
		t.Errorf("%d records", n)
	}
}

func testPages(t *testing.T, e engine.Engine) {
	want := make(map[string]string)
	for i := range 500 {
		k, v := string(random(32)), string(random(i))
		want[k] = v
		commit(t, e, ePut(k, v))
	}
	if got := dump(t, e); !maps.Equal(got, want) {
		t.Fatalf("%d records", len(got))
	}
	list, err := e.Page(Bucket, nil, 1)
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	list[0].Value = append(list[0].Value[:0], random(len(list[0].Value))...) // a copy
	if got := dump(t, e); !maps.Equal(got, want) {
		t.Fatal("a page is not a copy")
	}
	if list, err := e.Page("nowhere", nil, 1000); err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
}

// testNext: a set that was dropped, or not ended, leaves nothing; one that replaces
// leaves nothing of the one before.
func testNext(t *testing.T, e engine.Engine) {
	next := func(ops ...engine.Op) engine.Next {
		n, err := e.Next()
		if err == nil {
			err = n.Commit(ops)
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	commit(t, e, ePut("old", "1"))
	n := next(ePut("new", "2"))
	commit(t, e, ePut("old", "3"))
	if err := n.Drop(); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, e); !maps.Equal(got, map[string]string{"old": "3"}) {
		t.Fatal(got)
	}
	var many []engine.Op
	for i := range 2 * engine.MaxOps {
		many = append(many, ePut(fmt.Sprint("new", i), "4"))
	}
	n = next(many...)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // a reader sees one set or the other
		for {
			list, err := e.Page(Bucket, nil, 1<<20)
			if err != nil || len(list) != 1 && len(list) != len(many)-1 {
				t.Error(len(list), err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	err := n.Sync()
	if err == nil {
		err = n.Commit([]engine.Op{eOp(engine.Delete, "new0", "")})
	}
	if err == nil {
		err = n.Replace()
	}
	close(stop)
	wg.Wait()
	if err := errors.Join(err, n.Drop()); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, e); len(got) != len(many)-1 || got["new1"] != "4" {
		t.Fatal(got)
	}
	commit(t, e, ePut("after", "5"))
}

func testSnapshot(t *testing.T, e engine.Engine) {
	commit(t, e, ePut("a", "1"))
	s, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	commit(t, e, ePut("a", "2"), ePut("b", "2"))
	n, err := e.Next()
	if err == nil {
		err = n.Replace()
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(t, s); !maps.Equal(got, map[string]string{"a": "1"}) {
		t.Fatal(got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func testCells(t *testing.T, e engine.Engine) {
	const size = 4096
	c, err := e.Cells("small", size)
	if err != nil {
		t.Fatal(err)
	}
	if c.Count() != 0 {
		t.Fatal(c.Count())
	}
	if err := c.Grow(10); err != nil || c.Count() != 10 {
		t.Fatal(c.Count(), err)
	}
	got := make([]byte, size)
	if err := c.Get(9, got); err != nil || !bytes.Equal(got, make([]byte, size)) {
		t.Fatal("a new cell is not zeros", err)
	}
	want := make([][]byte, 10)
	var wg sync.WaitGroup
	for n := range want {
		want[n] = random(size)
		wg.Go(func() {
			if err := errors.Join(c.Put(uint32(n), want[n]), c.Sync()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for n := range want {
		if err := c.Get(uint32(n), got); err != nil || !bytes.Equal(got, want[n]) {
			t.Errorf("cell %d changed: %v", n, err)
		}
	}
	if err := c.Get(3, got[:16]); err != nil || !bytes.Equal(got[:16], want[3][:16]) {
		t.Error("the beginning of a cell is wrong", err)
	}
	if err := c.Get(10, got); err == nil {
		t.Error("a cell that is not there was read")
	}
}

func testReopened(t *testing.T, open func(t *testing.T, dir string) engine.Engine) {
	dir := t.TempDir()
	e := begun(t, open(t, dir))
	commit(t, e, ePut("a", "1"))
	n, err := e.Next() // never ended
	if err == nil {
		err = n.Commit([]engine.Op{ePut("a", "2")})
	}
	c, cerr := e.Cells("large", 8192)
	if err := errors.Join(err, cerr); err != nil {
		t.Fatal(err)
	}
	cell := random(8192)
	if err := errors.Join(c.Grow(3), c.Put(2, cell), c.Sync()); err != nil {
		t.Fatal(err)
	}
	if size, err := e.Size(); err != nil || size < 3*8192 {
		t.Error(size, err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open(t, dir)
	if e.Empty() {
		t.Fatal("the records are gone")
	}
	if got := dump(t, e); !maps.Equal(got, map[string]string{"a": "1"}) {
		t.Error(got)
	}
	got := make([]byte, 8192)
	if c, err = e.Cells("large", 8192); err != nil || c.Count() != 3 {
		t.Fatal(c.Count(), err)
	}
	if err := errors.Join(c.Get(2, got), e.Close()); err != nil || !bytes.Equal(got, cell) {
		t.Error("a cell changed", err)
	}
}
