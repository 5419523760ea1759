package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"postern/store"
)

// Run is the suite. open gives an engine with the suite's bucket that holds
// nothing; the engine closes itself when the test ends.
func Run(t *testing.T, open func(t *testing.T) Engine) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, e Engine)
	}{
		{"Records", testRecords},
		{"AllOrNothing", testAllOrNothing},
		{"Touch", testTouch},
		{"OneWinner", testOneWinner},
		{"All", testAll},
		{"AllAcrossVacuum", testAllAcrossVacuum},
		{"Items", testItems},
		{"Uploads", testUploads},
		{"EraseWhileRead", testEraseWhileRead},
		{"Quota", testQuota},
		{"VacuumWithWriters", testVacuumWithWriters},
		{"Model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := open(t)
			c.test(t, e)
			Check(t, e)
		})
	}
}

var ctx = context.Background()

func apply(t testing.TB, e Engine, ops ...store.Op) {
	t.Helper()
	if err := e.Apply(ctx, ops...); err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, e Engine, want error, ops ...store.Op) {
	t.Helper()
	if err := e.Apply(ctx, ops...); !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func has(t testing.TB, e Engine, key, value string) {
	t.Helper()
	if v, err := e.Get(Bucket, []byte(key)); err != nil || string(v) != value {
		t.Fatalf("%q is %q, %v; want %q", key, v, err, value)
	}
}

func hasNot(t testing.TB, e Engine, key string) {
	t.Helper()
	if v, err := e.Get(Bucket, []byte(key)); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("%q is %q, %v; want none", key, v, err)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func newID() store.ItemID { return store.ItemID(random(32)) }

func create(k, v string) store.Op { return store.Create(Bucket, []byte(k), []byte(v)) }
func put(k, v string) store.Op    { return store.Put(Bucket, []byte(k), []byte(v)) }
func del(k string) store.Op       { return store.Delete(Bucket, []byte(k)) }
func require(k, v string) store.Op {
	return store.Require(Bucket, []byte(k), []byte(v))
}
func swap(k, old, v string) store.Op {
	return store.Swap(Bucket, []byte(k), []byte(old), []byte(v))
}
func absent(k string) store.Op { return store.RequireAbsent(Bucket, []byte(k)) }

func testRecords(t *testing.T, e Engine) {
	hasNot(t, e, "a")
	apply(t, e)
	apply(t, e, create("a", "1"))
	has(t, e, "a", "1")
	refused(t, e, store.ErrExists, create("a", "2"))
	apply(t, e, put("a", ""), put("b", "b"))
	has(t, e, "a", "")
	refused(t, e, store.ErrChanged, swap("a", "1", "2"))
	refused(t, e, store.ErrChanged, swap("none", "", "2"))
	apply(t, e, swap("a", "", "3"))
	has(t, e, "a", "3")
	refused(t, e, store.ErrChanged, require("a", "4"))
	refused(t, e, store.ErrChanged, require("none", ""))
	refused(t, e, store.ErrChanged, absent("a"))
	apply(t, e, require("a", "3"), absent("none"))
	apply(t, e, del("a"), del("none"))
	hasNot(t, e, "a")
	// In order, after all was checked against the state before.
	apply(t, e, create("c", "1"), put("c", "2"), require("b", "b"), put("b", "later"))
	has(t, e, "c", "2")
	apply(t, e, put("d", "1"), del("d"))
	hasNot(t, e, "d")
	long := string(bytes.Repeat([]byte("v"), MaxValue))
	longKey := string(bytes.Repeat([]byte("k"), MaxKey))
	apply(t, e, put(longKey, long))
	has(t, e, longKey, long)
	for _, op := range []store.Op{put(longKey+"k", ""), put("k", long+"v"), store.Put("nowhere", []byte("k"), nil)} {
		if e.Apply(ctx, op) == nil {
			t.Error("a record over the limits was taken")
		}
	}
	// Values are copies.
	v, err := e.Get(Bucket, []byte("b"))
	if err != nil {
		t.Fatal(err)
	}
	v[0] = 'X'
	has(t, e, "b", "later")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := e.Apply(ended, put("b", "never")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	has(t, e, "b", "later")
}

func testAllOrNothing(t *testing.T, e Engine) {
	id := newID()
	apply(t, e, put("a", "1"), store.AddItem(id, []byte("item")))
	other := newID()
	for _, last := range []store.Op{create("a", "x"), swap("a", "x", "y"), require("a", "x"), absent("a"), store.AddItem(id, nil)} {
		if e.Apply(ctx, put("new", "1"), del("a"), store.Forget(id), store.AddItem(other, []byte("x")), last) == nil {
			t.Fatal("a list that cannot be done was done")
		}
		has(t, e, "a", "1")
		hasNot(t, e, "new")
		if _, err := e.OpenItem(id); err != nil {
			t.Fatal(err)
		}
		if _, err := e.OpenItem(other); !errors.Is(err, store.ErrNotFound) {
			t.Fatal("half of a list was done")
		}
	}
	// Lists that share a commit do not spoil each other.
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			err := e.Apply(ctx, create(fmt.Sprint("r", i), "1"), require("a", fmt.Sprint(1+i%2)))
			if i%2 == 0 && err != nil || i%2 == 1 && !errors.Is(err, store.ErrChanged) {
				t.Errorf("list %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i := range 64 {
		if i%2 == 0 {
			has(t, e, fmt.Sprint("r", i), "1")
		} else {
			hasNot(t, e, fmt.Sprint("r", i))
		}
	}
}

// testTouch: whatever is touched, and in whatever company, nothing changes.
func testTouch(t *testing.T, e Engine) {
	apply(t, e, store.Touch(Bucket, []byte("none")))
	apply(t, e, put("a", "1"))
	apply(t, e, store.Touch(Bucket, []byte("a")), store.Touch(Bucket, []byte("none")))
	has(t, e, "a", "1")
	apply(t, e, del("a"), store.Touch(Bucket, []byte("none")))
	hasNot(t, e, "a")
	fill(t, e, 100)
	for i := range 50 {
		n := fmt.Sprint("key", i)
		apply(t, e, put(n, "new"), del(fmt.Sprint("key", 99-i)), store.Touch(Bucket, []byte(n)), store.Touch(Bucket, []byte("none")))
	}
	refused(t, e, store.ErrChanged, absent("key0"), store.Touch(Bucket, []byte("none")))
	got := collect(t, e, nil)
	if len(got) != 50 {
		t.Errorf("%d records, want 50", len(got))
	}
	for k, v := range got {
		if v != "new" {
			t.Errorf("%s is %q", k, v)
		}
	}
}

// testOneWinner: of many who change the same thing at once, each time one does.
func testOneWinner(t *testing.T, e Engine) {
	apply(t, e, put("n", "0"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for done := 0; done < 10; {
				v, err := e.Get(Bucket, []byte("n"))
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				_, _ = fmt.Sscan(string(v), &n)
				switch err := e.Apply(ctx, swap("n", string(v), fmt.Sprint(n+1))); {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrChanged):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	has(t, e, "n", "80")
}

func collect(t testing.TB, e Engine, during func(n int)) map[string]string {
	t.Helper()
	got := make(map[string]string)
	for r, err := range e.All(Bucket) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := got[string(r.Key)]; twice {
			t.Fatalf("%q was seen twice", r.Key)
		}
		got[string(r.Key)] = string(r.Value)
		if during != nil {
			during(len(got))
		}
	}
	return got
}

func fill(t testing.TB, e Engine, n int) {
	t.Helper()
	var ops []store.Op
	for i := range n {
		if ops = append(ops, put(fmt.Sprint("key", i), fmt.Sprint("value", i))); len(ops) == 100 || i == n-1 {
			apply(t, e, ops...)
			ops = nil
		}
	}
}

func testAll(t *testing.T, e Engine) {
	if got := collect(t, e, nil); len(got) != 0 {
		t.Fatal(got)
	}
	fill(t, e, 3000)
	// The loop's body may use the engine.
	got := collect(t, e, func(n int) {
		if n%500 == 0 {
			apply(t, e, put("during", fmt.Sprint(n)))
		}
	})
	delete(got, "during")
	if len(got) != 3000 {
		t.Fatalf("%d records", len(got))
	}
	for i := range 3000 {
		if got[fmt.Sprint("key", i)] != fmt.Sprint("value", i) {
			t.Fatalf("record %d is wrong", i)
		}
	}
	for _, err := range e.All(Bucket) { // a loop may end early
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	for _, err := range e.All("nowhere") {
		if err == nil {
			t.Error("a bucket that is not there has a record")
		}
	}
}

func testAllAcrossVacuum(t *testing.T, e Engine) {
	fill(t, e, 5000)
	got := collect(t, e, func(n int) {
		if n%1500 == 0 {
			if err := e.Vacuum(ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
	if len(got) != 5000 {
		t.Fatalf("%d records of 5000", len(got))
	}
}

func read(t testing.TB, e Engine, id store.ItemID) []byte {
	t.Helper()
	i, err := e.OpenItem(id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(i, 0, i.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testItems(t *testing.T, e Engine) {
	full := random(e.SmallCell())
	for _, data := range [][]byte{nil, {1}, full} {
		id := newID()
		if _, err := e.OpenItem(id); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		apply(t, e, store.AddItem(id, data))
		if !bytes.Equal(read(t, e, id), data) {
			t.Fatal("an item changed")
		}
		refused(t, e, store.ErrExists, store.AddItem(id, data))
		refused(t, e, store.ErrExists, store.Forget(id), store.AddItem(id, data))
		apply(t, e, store.Forget(id), store.Forget(id))
		if _, err := e.OpenItem(id); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if e.Apply(ctx, store.AddItem(newID(), append(full, 0))) == nil {
		t.Fatal("an item that does not fit was taken")
	}
	id := newID()
	refused(t, e, store.ErrExists, store.AddItem(id, nil), store.AddItem(id, nil))
	apply(t, e, store.AddItem(id, nil), store.Forget(id))
	if _, err := e.OpenItem(id); !errors.Is(err, store.ErrNotFound) {
		t.Fatal("an item forgotten in its own list is there")
	}
}

func upload(t testing.TB, e Engine, id store.ItemID, data []byte) *store.Upload {
	t.Helper()
	u, err := e.NewUpload(id)
	if err != nil {
		t.Fatal(err)
	}
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 100_000)
		if _, err := u.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	return u
}

func testUploads(t *testing.T, e Engine) {
	before := used(t, e)
	cell := 256<<10 - 16
	var ids []store.ItemID
	for _, n := range []int{0, 1, cell - 1, cell, cell + 1, 20*cell + 7} {
		id, data := newID(), random(n)
		u := upload(t, e, id, data)
		if e.Apply(ctx, store.Adopt(u)) == nil {
			t.Fatal("an unfinished upload became an item")
		}
		if err := u.Finish(); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Write([]byte{1}); err == nil {
			t.Fatal("a finished upload was written to")
		}
		if _, err := e.OpenItem(id); !errors.Is(err, store.ErrNotFound) {
			t.Fatal("an upload is an item before it was adopted")
		}
		if refused(t, e, store.ErrChanged, require("none", ""), store.Adopt(u)); u.Size() != int64(n) {
			t.Fatal(u.Size())
		}
		apply(t, e, store.Adopt(u))
		u.Abort()
		if !bytes.Equal(read(t, e, id), data) {
			t.Fatalf("an item of %d bytes changed", n)
		}
		i, err := e.OpenItem(id)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 10)
		m, err := i.ReadAt(part, int64(n)-5)
		if n >= 5 && (m != 5 || !errors.Is(err, io.EOF) || !bytes.Equal(part[:5], data[n-5:])) {
			t.Fatal(m, err)
		}
		ids = append(ids, id)
	}
	// Several at once.
	var wg sync.WaitGroup
	for range 4 {
		id, data := newID(), random(5*cell+99)
		ids = append(ids, id)
		wg.Go(func() {
			u, err := e.NewUpload(id)
			if err != nil {
				t.Error(err)
				return
			}
			for rest := data; len(rest) > 0 && err == nil; rest = rest[min(len(rest), 50_000):] {
				_, err = u.Write(rest[:min(len(rest), 50_000)])
			}
			if err = errors.Join(err, u.Finish()); err == nil {
				err = e.Apply(ctx, store.Adopt(u))
			}
			if err != nil {
				t.Error(err)
				return
			}
			i, err := e.OpenItem(id)
			if err != nil {
				t.Error(err)
				return
			}
			got := make([]byte, len(data))
			if _, err := i.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
				t.Error("an item changed", err)
			}
		})
	}
	wg.Wait()
	u := upload(t, e, newID(), random(3*cell))
	u.Abort()
	u.Abort()
	if _, err := u.Write([]byte{1}); err == nil {
		t.Error("an aborted upload was written to")
	}
	for _, id := range ids {
		apply(t, e, store.Forget(id))
	}
	if now := used(t, e); now != before {
		t.Errorf("%d bytes in use at the end, %d before", now, before)
	}
}

func used(t testing.TB, e Engine) int64 {
	t.Helper()
	u, err := e.Usage()
	if err != nil {
		t.Fatal(err)
	}
	return u.Used
}

func testEraseWhileRead(t *testing.T, e Engine) {
	id := newID()
	data := random(600_000)
	u := upload(t, e, id, data)
	if err := u.Finish(); err != nil {
		t.Fatal(err)
	}
	apply(t, e, store.Adopt(u))
	i, err := e.OpenItem(id)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1000)
	if _, err := i.ReadAt(buf, 0); err != nil {
		t.Fatal(err)
	}
	apply(t, e, store.Forget(id))
	for _, off := range []int64{0, 500_000} {
		if n, err := i.ReadAt(buf, off); !errors.Is(err, store.ErrNotFound) || n != 0 {
			t.Fatal(n, err)
		}
	}
	// Its cells are another's now, under the same name even.
	v := upload(t, e, id, random(600_000))
	if err := v.Finish(); err != nil {
		t.Fatal(err)
	}
	apply(t, e, store.Adopt(v))
	if n, err := i.ReadAt(buf, 500_000); !errors.Is(err, store.ErrNotFound) || n != 0 {
		t.Fatal(n, err)
	}
}

func testQuota(t *testing.T, e Engine) {
	var list []*store.Upload
	chunk := random(1 << 20)
	var full bool
	for !full {
		u, err := e.NewUpload(newID())
		if errors.Is(err, store.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, u)
		for range 16 {
			if _, err := u.Write(chunk); err != nil {
				if !errors.Is(err, store.ErrFull) {
					t.Fatal(err)
				}
				full = true
				break
			}
		}
	}
	usage, err := e.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if usage.FreeLarge != 0 || !usage.FreeSmall || usage.Used > usage.Quota*85/100 {
		t.Fatalf("%+v", usage)
	}
	// Text gets in, up to what is spare; then what is spare, up to the quota.
	small := fillUp(t, e, store.AddItem)
	if got := int64(len(small)) * int64(e.SmallCell()); got < usage.Quota/20 {
		t.Fatalf("only %d bytes of text got in", got)
	}
	if usage, err = e.Usage(); err != nil || usage.FreeSmall || usage.Used > usage.Quota*95/100 {
		t.Fatalf("%+v %v", usage, err)
	}
	spare := fillUp(t, e, store.AddSpare)
	if got := int64(len(spare)) * int64(e.SmallCell()); got < usage.Quota/25 {
		t.Fatalf("only %d bytes got into what is spare", got)
	}
	if usage, err = e.Usage(); err != nil || usage.Used > usage.Quota {
		t.Fatalf("%+v %v", usage, err)
	}
	refused(t, e, store.ErrFull, store.AddItem(newID(), nil))
	for _, u := range list {
		u.Abort()
	}
	// What files had can be text's, and the files do not grow beyond the quota.
	for range 2 {
		var ops []store.Op
		for range 100 {
			ops = append(ops, store.AddItem(newID(), []byte("text")))
		}
		apply(t, e, ops...)
	}
	for _, id := range small[:10] {
		if string(read(t, e, id)) != "text" {
			t.Fatal("an item changed")
		}
	}
	if usage, err = e.Usage(); err != nil || usage.FileSize > usage.Quota+32<<20 {
		t.Fatalf("%+v %v", usage, err)
	}
}

// fillUp adds small items until the store says that it is full.
func fillUp(t *testing.T, e Engine, add func(store.ItemID, []byte) store.Op) (ids []store.ItemID) {
	t.Helper()
	for n := 100; n > 0; {
		var ops []store.Op
		var more []store.ItemID
		for range n {
			more = append(more, newID())
			ops = append(ops, add(more[len(more)-1], []byte("text")))
		}
		switch err := e.Apply(ctx, ops...); {
		case errors.Is(err, store.ErrFull):
			n /= 2
		case err != nil:
			t.Fatal(err)
		default:
			ids = append(ids, more...)
		}
	}
	return ids
}

func testVacuumWithWriters(t *testing.T, e Engine) {
	fill(t, e, 2000)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	last := make([]int, 4)
	for w := range last {
		wg.Go(func() {
			var id store.ItemID
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				next := newID()
				if err := e.Apply(ctx, put(fmt.Sprint("writer", w), fmt.Sprint(n)), del(fmt.Sprint("key", w*100+n%100)),
					store.AddItem(next, []byte{byte(n)}), store.Forget(id)); err != nil {
					t.Error(err)
					return
				}
				id, last[w] = next, n
			}
		})
	}
	for range 5 {
		if err := e.Vacuum(ctx); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	for w, n := range last {
		if n == 0 {
			t.Errorf("writer %d did not write", w)
		}
		has(t, e, fmt.Sprint("writer", w), fmt.Sprint(n))
	}
	for i := 400; i < 2000; i++ {
		has(t, e, fmt.Sprint("key", i), fmt.Sprint("value", i))
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := e.Vacuum(ended); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	has(t, e, "key500", "value500")
	apply(t, e, put("key500", "after"))
	has(t, e, "key500", "after")
}
