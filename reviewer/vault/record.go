package vault

import (
	"iter"
	"slices"
)

// records are those that are live.
type records struct {
	by    map[Kind]map[string]Record
	refs  map[string]int // live blobs of each pack
	bytes int64          // of keys, values and blobs, as a log holds them
}

func newRecords() *records {
	return &records{by: make(map[Kind]map[string]Record), refs: make(map[string]int)}
}

// opCost is about what an operation takes in a log besides key, value and blobs, in bytes.
const opCost = 6

func (r *Record) cost(key string) int64 {
	return int64(opCost + len(key) + len(r.Value) + blobSize*len(r.Blobs))
}

// apply does what a change says.
func (r *records) apply(ops []op) {
	for i := range ops {
		o := &ops[i]
		if old, ok := r.by[o.kind][o.key]; ok {
			r.bytes -= old.cost(o.key)
			r.count(old.Blobs, -1)
			delete(r.by[o.kind], o.key)
		}
		if !o.put {
			continue
		}
		if r.by[o.kind] == nil {
			r.by[o.kind] = make(map[string]Record)
		}
		r.by[o.kind][o.key] = o.Record
		r.bytes += o.cost(o.key)
		r.count(o.Blobs, 1)
	}
}

func (r *records) count(blobs []Blob, by int) {
	for _, b := range blobs {
		if b.Pack == "" {
			continue
		}
		if r.refs[b.Pack] += by; r.refs[b.Pack] == 0 {
			delete(r.refs, b.Pack)
		}
	}
}

// letGo are the blobs that only records which a change replaces or deletes refer to, and the
// packs of which nothing is left then.
func (r *records) letGo(ops []op) (blobs []Blob, packs []string) {
	left := make(map[string]int) // of the packs that the change touches
	add := func(list []Blob, by int) {
		for _, b := range list {
			if b.Pack == "" {
				continue
			}
			if _, ok := left[b.Pack]; !ok {
				left[b.Pack] = r.refs[b.Pack]
			}
			left[b.Pack] += by
		}
	}
	var gone []Blob
	for _, o := range ops {
		old := r.by[o.kind][o.key]
		add(old.Blobs, -1)
		add(o.Blobs, 1)
		for _, b := range old.Blobs {
			if b.Pack != "" && !slices.Contains(o.Blobs, b) {
				gone = append(gone, b)
			}
		}
	}
	for _, b := range gone {
		switch n := left[b.Pack]; {
		case n > 0:
			blobs = append(blobs, b)
		case n == 0:
			packs = append(packs, b.Pack)
			left[b.Pack] = -1 // once
		}
	}
	return blobs, packs
}

// Get gives the record under a kind and a key.
func (v *Vault) Get(kind Kind, key []byte) (Record, bool) {
	r, ok := v.live.by[kind][string(key)]
	return r, ok
}

// All gives the records of a kind by their keys, in no order. Do not commit meanwhile.
func (v *Vault) All(kind Kind) iter.Seq2[string, Record] {
	return func(yield func(string, Record) bool) {
		for k, r := range v.live.by[kind] {
			if !yield(k, r) {
				return
			}
		}
	}
}

// Len is how many records of a kind there are.
func (v *Vault) Len(kind Kind) int { return len(v.live.by[kind]) }
