package store

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"postern/store/engine"
)

// An item's record, under ItemID ‖ be16(0), and, if its cells do not lie in few
// runs, parts of it under KDF(blob seed, "", "parts") ‖ be16(n), from 1: written
// before the record and deleted after it, so that a commit changes one record
// whatever the item's size. A part to which there is no record is left over from a crash.
//
//	record: class (1) ‖ length (8) ‖ blob seed (32) ‖ runs of the item (4) ‖ 16 runs
//	part:   class (1) ‖ 20 runs
//	run:    first cell (4) ‖ cells (4), zeros for none
const (
	itemKeySize   = 32 + 2
	runsFirst     = 16
	runsMore      = 20
	itemHead      = 1 + 8 + 32 + 4
	itemValueSize = itemHead + runsFirst*8
	maxParts      = 1 << 16
	maxRuns       = runsFirst + (maxParts-1)*runsMore
)

// item is what the store knows of an item.
type item struct {
	class  class
	length int64
	seed   [32]byte
	runs   []run
}

// key of a part of an item's record; part 0 is the record.
func (it item) key(id ItemID, part int) []byte {
	b := id[:len(id):len(id)]
	if part > 0 {
		b = kdf(it.seed[:], "parts")
	}
	return binary.BigEndian.AppendUint16(b, uint16(part)) //nolint:gosec // below maxParts
}

// parts of n runs.
func parts(n int) int { return 1 + (max(0, n-runsFirst)+runsMore-1)/runsMore }

// encode gives the value of each part.
func (it item) encode() [][]byte {
	b := []byte{byte(it.class)}
	b = binary.BigEndian.AppendUint64(b, uint64(it.length)) //nolint:gosec // not negative
	b = append(b, it.seed[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(it.runs))) //nolint:gosec // below maxRuns
	var out [][]byte
	rest, n := it.runs, runsFirst
	for range parts(len(it.runs)) {
		for i := range n {
			var r run
			if i < len(rest) {
				r = rest[i]
			}
			b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, r.start), r.count)
		}
		rest = rest[min(n, len(rest)):]
		out = append(out, b)
		b, n = []byte{byte(it.class)}, runsMore
	}
	return out
}

// itemPart is one decoded record.
type itemPart struct {
	id    ItemID
	part  int
	class class
	runs  []run
	// of part 0:
	length int64
	seed   [32]byte
	total  int
}

func decodePart(r Record) (itemPart, error) {
	var p itemPart
	if len(r.Key) != itemKeySize || len(r.Value) < 1 || r.Value[0] >= byte(classes) {
		return p, errRecord
	}
	copy(p.id[:], r.Key)
	p.part = int(binary.BigEndian.Uint16(r.Key[32:]))
	p.class = class(r.Value[0])
	b := r.Value[1:]
	if p.part == 0 {
		if len(r.Value) != itemValueSize {
			return p, errRecord
		}
		p.length = int64(binary.BigEndian.Uint64(b)) //nolint:gosec // checked below
		copy(p.seed[:], b[8:])
		p.total = int(binary.BigEndian.Uint32(b[40:]))
		b = b[44:]
		if p.length < 0 || p.total > maxRuns {
			return p, errRecord
		}
	} else if len(b) != runsMore*8 {
		return p, errRecord
	}
	for ; len(b) > 0; b = b[8:] {
		r := run{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
		if r.count == 0 {
			break
		}
		if uint64(r.start)+uint64(r.count) > maxCell {
			return p, errRecord
		}
		p.runs = append(p.runs, r)
	}
	if len(bytes.Trim(b, "\x00")) != 0 {
		return p, errRecord
	}
	return p, nil
}

// readItem puts an item's parts together; get gives a record's value or [ErrNotFound].
func readItem(id ItemID, get func(key []byte) ([]byte, error)) (it item, err error) {
	total := 0
	for n := 0; n == 0 || n < parts(total); n++ {
		key := it.key(id, n)
		v, err := get(key)
		if err != nil {
			return it, err
		}
		p, err := decodePart(Record{key, v})
		if err != nil {
			return it, err
		}
		if n == 0 {
			it.class, it.length, it.seed, total = p.class, p.length, p.seed, p.total
		}
		if p.class != it.class {
			return it, errRecord
		}
		it.runs = append(it.runs, p.runs...)
	}
	if len(it.runs) != total {
		return it, errRecord
	}
	return it, nil
}

// eachItem reads all items of a set of records. It returns the keys of parts that
// belong to none, and an error for those that cannot be read.
func eachItem(ctx context.Context, r engine.Reader, k *keys, do func(ItemID, item) error) (left [][]byte, bad []error) {
	type known struct {
		id   ItemID
		item item
		n    int
	}
	var several []known
	more := make(map[string][]byte) // parts by key
	for rec, err := range pages(ctx, r, k, itemBucket) {
		if err != nil {
			bad = append(bad, err)
			continue
		}
		p, err := decodePart(rec)
		switch {
		case err != nil:
		case p.part > 0:
			more[string(rec.Key)] = rec.Value
			continue
		case parts(p.total) > 1:
			several = append(several, known{p.id, item{class: p.class, length: p.length, seed: p.seed, runs: p.runs}, p.total})
			more[string(rec.Key)] = rec.Value
			continue
		case len(p.runs) != p.total:
			err = errRecord
		default:
			err = do(p.id, item{p.class, p.length, p.seed, p.runs})
		}
		if err != nil {
			bad = append(bad, err)
		}
	}
	for _, s := range several {
		it, err := readItem(s.id, func(key []byte) ([]byte, error) {
			v, ok := more[string(key)]
			if !ok {
				return nil, errRecord
			}
			return v, nil
		})
		if err == nil {
			err = do(s.id, it)
		}
		if err != nil {
			bad = append(bad, err)
		}
		for n := range parts(s.n) {
			delete(more, string(s.item.key(s.id, n)))
		}
	}
	for key := range more {
		left = append(left, []byte(key))
	}
	return left, bad
}

// cellsOf are the numbers of an item's cells in their order.
func (it item) cells() []uint32 {
	var out []uint32
	for _, r := range it.runs {
		for n := range r.count {
			out = append(out, r.start+n)
		}
	}
	return out
}

func (s *Store) payload(c class) int {
	if c == small {
		return s.small
	}
	return largeCell
}

// Item is a stored item, read cell by cell; no transaction spans a call.
// Safe for concurrent use.
type Item struct {
	s     *Store
	id    ItemID
	item  item
	cells []uint32
	aead  cipher.AEAD

	mu   sync.Mutex
	buf  []byte // the cell read last, opened in place
	have int    // its ordinal, or -1
}

// OpenItem opens an item, or [ErrNotFound]. An item erased while it is read
// gives [ErrNotFound] from ReadAt.
func (s *Store) OpenItem(id ItemID) (*Item, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	it, err := s.item(id)
	if err != nil {
		return nil, err
	}
	return s.newItem(id, it)
}

func (s *Store) newItem(id ItemID, it item) (*Item, error) {
	i := &Item{s: s, id: id, item: it, cells: it.cells(), aead: cellAEAD(it.seed[:]), have: -1}
	if int64(len(i.cells))*int64(s.payload(it.class)) < it.length {
		return nil, errRecord
	}
	return i, nil
}

// item reads an item's record.
func (s *Store) item(id ItemID) (it item, err error) {
	for range 2 {
		it, err = readItem(id, func(key []byte) ([]byte, error) { return s.get(itemBucket, key) })
		if !errors.Is(err, ErrNotFound) {
			return it, err
		}
		if _, err := s.get(itemBucket, it.key(id, 0)); err != nil {
			return it, err
		}
		// A part was missing: it was erased, and written anew, while it was read.
	}
	return it, errRecord
}

// Size in bytes.
func (i *Item) Size() int64 { return i.item.length }

// ReadAt implements [io.ReaderAt].
func (i *Item) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("reading an item: negative offset")
	}
	if err := i.s.begin(); err != nil {
		return 0, err
	}
	defer i.s.life.RUnlock()
	i.mu.Lock()
	defer i.mu.Unlock()
	n := 0
	size := int64(i.s.payload(i.item.class))
	for n < len(p) && off < i.item.length {
		cell, err := i.cell(int(off / size))
		if err != nil {
			return n, err
		}
		from := off % size
		m := copy(p[n:], cell[from:min(size, from+i.item.length-off)])
		n, off = n+m, off+int64(m)
	}
	// Cells are used again only after the item's record is gone: while it is there, what was read is the item's.
	switch now, err := i.s.item(i.id); {
	case err != nil:
		return 0, err
	case now.seed != i.item.seed:
		return 0, ErrNotFound
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// cell opens one cell, or gives it again.
func (i *Item) cell(ordinal int) ([]byte, error) {
	if i.have == ordinal {
		return i.buf, nil
	}
	i.have = -1
	size := i.s.payload(i.item.class) + cellTag
	i.buf = slices.Grow(i.buf[:0], size)[:size]
	err := i.s.cells[i.item.class].Get(i.cells[ordinal], i.buf)
	if err == nil {
		i.buf, err = i.aead.Open(i.buf[:0], cellNonce(uint32(ordinal)), i.buf, nil) //nolint:gosec // cells are numbered by 32 bits
	}
	if err != nil {
		// Of an item erased meanwhile the cells may be another's.
		if now, gone := i.s.item(i.id); errors.Is(gone, ErrNotFound) || gone == nil && now.seed != i.item.seed {
			return nil, ErrNotFound
		}
		return nil, fmt.Errorf("a cell in %s.cells %w", classNames[i.item.class], ErrDamaged)
	}
	i.have = ordinal
	return i.buf, nil
}
