package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"postern/crypto/seedtest"
	"postern/store/engine"
)

func positionOptions(dir string) Options {
	o := crashOptions(dir)
	o.SmallCell, o.Fill = 4000, 4<<20
	return o
}

// TestPlacesCarryNoOrder: who has the disk and the storage key learns nothing of
// when an item came from where its cell lies, neither in a new database nor after
// others were erased: the ranks of time and of place do not go together.
func TestPlacesCarryNoOrder(t *testing.T) {
	seedtest.Set(t)
	s := openTest(t, positionOptions(t.TempDir()))
	var ids []ItemID
	add := func(n int) {
		for range n / 50 {
			var ops []Op
			for range 50 {
				ids = append(ids, randomID())
				ops = append(ops, AddItem(ids[len(ids)-1], nil))
			}
			apply(t, s, ops...)
		}
	}
	judge := func(what string) {
		t.Helper()
		places := make([]int, len(ids)) // by time
		for i, id := range ids {
			it, err := s.item(id)
			if err != nil {
				t.Fatal(err)
			}
			places[i] = int(it.runs[0].start)
		}
		// Spearman's coefficient; times the root of n-1 it is nearly a normal variable.
		rank, n := make([]int, len(places)), float64(len(places))
		order := make([]int, len(places))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(places[a], places[b]) })
		sum := 0.0
		for r, i := range order {
			rank[i] = r
			sum += float64((r - i) * (r - i))
		}
		z := (1 - 6*sum/(n*(n*n-1))) * math.Sqrt(n-1)
		t.Logf("%s: %d items, z = %.2f", what, len(ids), z)
		if math.Abs(z) > 5 {
			t.Errorf("%s: time and place go together: z = %.2f", what, z)
		}
	}
	add(500)
	judge("new")
	var ops []Op
	for i, id := range ids {
		if i%2 == 0 {
			ops = append(ops, Forget(id))
		}
	}
	for some := range slices.Chunk(ops, engine.MaxOps) {
		apply(t, s, some...)
	}
	ids = slices.DeleteFunc(ids, func(id ItemID) bool { _, err := s.item(id); return err != nil })
	add(250)
	judge("half erased, and filled again")
}

// TestFreeAndUsedLookAlike: no cell that is free looks as if it had never been used,
// small ones at any time, large ones from the next vacuum on.
func TestFreeAndUsedLookAlike(t *testing.T) {
	o := positionOptions(t.TempDir())
	s := openTest(t, o)
	for range 12 { // past what was made at first
		var ops []Op
		for range 100 {
			ops = append(ops, AddItem(randomID(), nil))
		}
		apply(t, s, ops...)
	}
	u := upload(t, s, randomID(), make([]byte, 5*largeCell/2))
	apply(t, s, Adopt(u))
	unused := func(c class) (n int) {
		size := int(s.alloc.class[c].cost)
		b, err := os.ReadFile(filepath.Join(o.Dir, classNames[c]+".cells"))
		if err != nil || len(b) < 4*size {
			t.Fatal(len(b), err)
		}
		for cell := range slices.Chunk(b, size) {
			for part := range slices.Chunk(cell, 64) {
				if bytes.Count(part, []byte{0}) > 16 {
					n++
					break
				}
			}
		}
		return n
	}
	s.growing.Lock() // what is being made is made
	n := unused(small)
	s.growing.Unlock()
	if n > 0 {
		t.Errorf("%d small cells were never used", n)
	}
	if unused(large) == 0 {
		t.Error("no large cell is empty: the test shows nothing")
	}
	if err := s.Vacuum(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := unused(large); n > 0 {
		t.Errorf("%d large cells were never used", n)
	}
}

// TestVisitsLookAlike: what a thief of the records sees at a login, without the
// key, is the same for a code that is used and for one that is not. A used one
// writes its own record; an unused one touches another's: one record either way,
// always the same one, and none that its place in the file tells from the others.
func TestVisitsLookAlike(t *testing.T) {
	r := seedtest.Set(t)
	s := openTest(t, testOptions(t.TempDir()))
	const records = 400
	for i := range records / 100 {
		var ops []Op
		for n := range 100 {
			ops = append(ops, Put("mailbox", fmt.Appendf(nil, "used %d", i*100+n), []byte("box")))
		}
		apply(t, s, ops...)
	}
	file := func() map[string]string {
		m := make(map[string]string)
		for after := []byte(nil); ; {
			list, err := s.eng.Page("mailbox", after, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				return m
			}
			for _, e := range list {
				m[string(e.Name)], after = string(e.Value), e.Name
			}
		}
	}
	visit := func(op Op) (changed []string) {
		before := file()
		apply(t, s, op)
		after := file()
		if len(before) != len(after) {
			t.Fatal("a visit left a record")
		}
		for k, v := range after {
			if before[k] != v {
				changed = append(changed, k)
			}
		}
		return changed
	}
	for i := range 5 {
		for what, op := range map[string]Op{
			"used":   Put("mailbox", fmt.Appendf(nil, "used %d", i), []byte("box")),
			"unused": Touch("mailbox", fmt.Appendf(nil, "unused %d", i)),
		} {
			first, again := visit(op), visit(op)
			if len(first) != 1 || !slices.Equal(first, again) {
				t.Errorf("a visit with a code that is %s changes %d records, and the next one %d", what, len(first), len(again))
			}
		}
	}
	// Names are random numbers: is the gap before the changed record as wide as before any?
	names := make([]string, 0, records)
	for k := range file() {
		names = append(names, k)
	}
	slices.Sort(names)
	at := func(name string) float64 { return float64(binary.BigEndian.Uint64([]byte(name))) / (1 << 63) / 2 }
	gap := make(map[string]float64)
	for i, name := range names {
		before := at(names[(i+records-1)%records])
		if i == 0 {
			before--
		}
		gap[name] = (at(name) - before) * records
	}
	const visits = 3000
	sum, touched := 0.0, make(map[string]int)
	for range visits {
		c := newChanges(s, nil)
		if err := c.touch(s.buckets["mailbox"], fmt.Appendf(nil, "nobody's %d", r.Uint64())); err != nil {
			t.Fatal(err)
		}
		for name, ch := range c.set {
			if ch.kind == engine.Put {
				name = name[len("mailbox")+1:]
				sum += gap[name]
				touched[name]++
			}
		}
	}
	t.Logf("%d visits touch %d of %d records; the gap before is %.3f times the usual", visits, len(touched), records, sum/visits)
	if mean := sum / visits; mean < 0.8 || mean > 1.2 {
		t.Errorf("the gap before a touched record is %.2f times the usual", mean)
	}
	if len(touched) < records*9/10 {
		t.Errorf("only %d of %d records are ever touched", len(touched), records)
	}
}
