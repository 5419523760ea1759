package reviewer

import "iter"

// table is records of one kind by their keys. A step works on the next of it, which
// leaves the table itself as it is: what it changes lies above.
type table[T any] struct {
	base map[string]T
	put  map[string]T
	gone map[string]bool
}

func newTable[T any]() table[T] { return table[T]{base: make(map[string]T)} }

// next is a table in which changes can be made without touching t.
func (t *table[T]) next() table[T] {
	return table[T]{base: t.base, put: make(map[string]T), gone: make(map[string]bool)}
}

func (t *table[T]) get(key string) (T, bool) {
	if v, ok := t.put[key]; ok {
		return v, true
	}
	if t.gone[key] {
		var none T
		return none, false
	}
	v, ok := t.base[key]
	return v, ok
}

func (t *table[T]) has(key string) bool {
	_, ok := t.get(key)
	return ok
}

func (t *table[T]) set(key string, v T) {
	delete(t.gone, key)
	t.put[key] = v
}

func (t *table[T]) remove(key string) {
	delete(t.put, key)
	if _, ok := t.base[key]; ok {
		t.gone[key] = true
	}
}

func (t *table[T]) len() int {
	n := len(t.base) - len(t.gone)
	for key := range t.put {
		if _, ok := t.base[key]; !ok {
			n++
		}
	}
	return n
}

// all gives what is in the table, in no order. It may be changed meanwhile where next made it.
func (t *table[T]) all() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for key, v := range t.put {
			if !yield(key, v) {
				return
			}
		}
		for key, v := range t.base {
			if _, ok := t.put[key]; ok || t.gone[key] {
				continue
			}
			if !yield(key, v) {
				return
			}
		}
	}
}

// settle makes the changes those of the table that this is the next of.
func (t *table[T]) settle() {
	for key := range t.gone {
		delete(t.base, key)
	}
	for key, v := range t.put {
		t.base[key] = v
	}
	t.put, t.gone = nil, nil
}
