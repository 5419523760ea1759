package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"postern/store"
)

// model is the engine as two maps.
type model struct {
	records map[string]string
	items   map[store.ItemID][]byte
}

func (m model) copy() model { return model{maps.Clone(m.records), maps.Clone(m.items)} }

// step is one operation, for the engine and for the model.
type step struct {
	op    store.Op
	check func(before model) error
	do    func(m model)
	adds  *store.ItemID
}

func genStep(t *rapid.T) step {
	k := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key")
	v := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value")
	old := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "old")
	id := store.ItemID{rapid.ByteRange(0, 5).Draw(t, "item")}
	data := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "data")
	nothing := func(model) error { return nil }
	same := func(want string) func(model) error {
		return func(m model) error {
			if have, ok := m.records[k]; !ok || have != want {
				return store.ErrChanged
			}
			return nil
		}
	}
	set := func(m model) { m.records[k] = v }
	keep := func(model) {}
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0:
		return step{op: create(k, v), check: func(m model) error {
			if _, ok := m.records[k]; ok {
				return store.ErrExists
			}
			return nil
		}, do: set}
	case 1:
		return step{op: put(k, v), check: nothing, do: set}
	case 2:
		return step{op: swap(k, old, v), check: same(old), do: set}
	case 3:
		return step{op: del(k), check: nothing, do: func(m model) { delete(m.records, k) }}
	case 4:
		return step{op: require(k, v), check: same(v), do: keep}
	case 5:
		return step{op: absent(k), check: func(m model) error {
			if _, ok := m.records[k]; ok {
				return store.ErrChanged
			}
			return nil
		}, do: keep}
	case 6:
		add := rapid.SampledFrom([]func(store.ItemID, []byte) store.Op{store.AddItem, store.AddSpare}).Draw(t, "add")
		return step{op: add(id, data), adds: &id, check: func(m model) error {
			if _, ok := m.items[id]; ok {
				return store.ErrExists
			}
			return nil
		}, do: func(m model) { m.items[id] = data }}
	default:
		return step{op: store.Forget(id), check: nothing, do: func(m model) { delete(m.items, id) }}
	}
}

// testModel: the engine does what two maps do, whatever the lists, and a re-key
// between them changes nothing.
func testModel(t *testing.T, e Engine) {
	rapid.Check(t, func(rt *rapid.T) {
		m := model{make(map[string]string), make(map[store.ItemID][]byte)}
		for _, k := range []string{"a", "b", "c", "d"} {
			apply(t, e, del(k))
		}
		for i := range byte(6) {
			apply(t, e, store.Forget(store.ItemID{i}))
		}
		for range rapid.IntRange(1, 12).Draw(rt, "lists") {
			if rapid.IntRange(0, 29).Draw(rt, "vacuum") == 0 {
				if err := e.Vacuum(ctx); err != nil {
					rt.Fatal(err)
				}
			}
			steps := rapid.SliceOfN(rapid.Custom(genStep), 0, 5).Draw(rt, "list")
			want, wantErr := run(m, steps)
			var ops []store.Op
			for _, s := range steps {
				ops = append(ops, s.op)
			}
			if err := e.Apply(ctx, ops...); !errors.Is(err, wantErr) {
				rt.Fatalf("got %v, want %v", err, wantErr)
			}
			m = want
			if err := equal(t, e, m); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func run(before model, steps []step) (model, error) {
	// No list can add an item twice; that is refused before the state is looked at.
	added := make(map[store.ItemID]bool)
	for _, s := range steps {
		if s.adds != nil && added[*s.adds] {
			return before, store.ErrExists
		}
		if s.adds != nil {
			added[*s.adds] = true
		}
	}
	for _, s := range steps {
		if err := s.check(before); err != nil {
			return before, err
		}
	}
	after := before.copy()
	for _, s := range steps {
		s.do(after)
	}
	return after, nil
}

func equal(t testing.TB, e Engine, m model) error {
	if got := collect(t, e, nil); !maps.Equal(got, m.records) {
		return fmt.Errorf("records are %q, want %q", got, m.records)
	}
	for i := range byte(6) {
		id := store.ItemID{i}
		data, ok := m.items[id]
		_, err := e.OpenItem(id)
		if ok != (err == nil) {
			return fmt.Errorf("item %d: %w", i, err)
		}
		if ok && !bytes.Equal(read(t, e, id), data) {
			return fmt.Errorf("item %d is wrong", i)
		}
	}
	return nil
}
