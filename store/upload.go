package store

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"postern/store/engine"
)

const (
	// reserveCells are taken at once by an upload, so that the cells of several at
	// the same time lie in sequences and their records stay short.
	reserveCells = 16
	// syncCells are written before they are synced, and as many while they are: what
	// one upload leaves to the kernel holds up a sync of others'.
	syncCells = 64
)

// Upload is an item being written. Its cells are in use from the moment they are
// taken, so that nobody else is given them. It holds one cell in memory. Not safe
// for concurrent use.
type Upload struct {
	s     *Store
	id    ItemID
	item  item
	aead  cipher.AEAD
	buf   []byte
	next  uint32 // ordinal of the next cell
	left  run    // reserved, not written yet
	gone  bool   // aborted, or its cells are an item's
	done  bool   // finished
	parts [][]byte
	sync  chan error // of cells, under way; nil: none
	err   error      // the first
}

// NewUpload registers an upload of a large item. It cannot use what is reserved for
// small ones or spare. Errors: [ErrFull].
func (s *Store) NewUpload(id ItemID) (*Upload, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	s.alloc.mu.Lock()
	defer s.alloc.mu.Unlock()
	if s.alloc.room(forLarge, large) == 0 {
		return nil, ErrFull
	}
	u := &Upload{s: s, id: id, item: item{class: large}}
	_, _ = rand.Read(u.item.seed[:])
	u.aead = cellAEAD(u.item.seed[:])
	return u, nil
}

var (
	errFinished   = errors.New("the upload is finished already")
	errAborted    = errors.New("the upload was aborted, or is an item already")
	errUnfinished = errors.New("adopting an upload that is not finished")
)

// Write seals and writes cells as they fill. [ErrFull] when the quota is used up.
func (u *Upload) Write(p []byte) (int, error) {
	if err := u.writable(); err != nil {
		return 0, err
	}
	n := 0
	for n < len(p) {
		if u.buf == nil {
			u.buf = u.s.buffers.Get().([]byte)[:0]
		}
		m := min(largeCell-len(u.buf), len(p)-n)
		u.buf = append(u.buf, p[n:n+m]...)
		n += m
		u.item.length += int64(m)
		if len(u.buf) == largeCell {
			if u.err = u.flush(); u.err != nil {
				return n, u.err
			}
		}
	}
	return n, nil
}

func (u *Upload) writable() error {
	switch {
	case u.gone:
		return errAborted
	case u.done:
		return errFinished
	}
	return u.err
}

// flush seals and writes the buffered cell.
func (u *Upload) flush() error {
	if err := u.s.begin(); err != nil {
		return err
	}
	defer u.s.life.RUnlock()
	number, err := u.take()
	if err != nil {
		return err
	}
	clear(u.buf[len(u.buf):largeCell]) // the last cell is padded
	u.buf = u.aead.Seal(u.buf[:0], cellNonce(u.next), u.buf[:largeCell], nil)
	err = u.s.cells[large].Put(number, u.buf)
	u.buf = u.buf[:0]
	if err != nil {
		return u.s.fail(fmt.Errorf("writing cells: %w", err))
	}
	if u.next++; u.next%syncCells > 0 {
		return nil
	}
	err = u.synced()
	done := make(chan error, 1)
	u.sync = done
	go func() { done <- u.s.syncOpen(large) }()
	return err
}

// synced waits for the sync that is under way.
func (u *Upload) synced() error {
	if u.sync == nil {
		return nil
	}
	err := <-u.sync
	u.sync = nil
	return err
}

// syncOpen is syncCells as an operation of its own.
func (s *Store) syncOpen(c class) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	return s.syncCells(c)
}

// take gives the number of the next cell.
func (u *Upload) take() (uint32, error) {
	if u.left.count == 0 {
		if len(u.item.runs) == maxRuns {
			return 0, ErrFull
		}
		n := uint32(reserveCells)
		if u.s.alloc.exact {
			n = 1
		}
		r, _, err := u.s.take(forLarge, large, n)
		if err != nil {
			return 0, err
		}
		u.left = r
	}
	n := u.left.start
	u.left = run{n + 1, u.left.count - 1}
	if runs := u.item.runs; len(runs) > 0 && runs[len(runs)-1].start+runs[len(runs)-1].count == n {
		runs[len(runs)-1].count++
	} else {
		u.item.runs = append(runs, run{n, 1})
	}
	return n, nil
}

// Finish pads and writes the last cell and makes all cells durable. Apply(Adopt(u), …) makes it an item.
func (u *Upload) Finish() error {
	if err := u.writable(); err != nil {
		return err
	}
	if u.err = u.finish(); u.err != nil {
		return u.err
	}
	u.giveBack()
	u.done = true
	return nil
}

func (u *Upload) finish() error {
	if len(u.buf) > 0 {
		if err := u.flush(); err != nil {
			return err
		}
	}
	if err := errors.Join(u.synced(), u.s.syncOpen(large)); err != nil {
		return err
	}
	var ops []Op
	for n, v := range u.item.encode() {
		if n > 0 {
			u.parts = append(u.parts, u.item.key(u.id, n))
			ops = append(ops, Op{Kind: kindPart, Key: u.parts[n-1], Value: v})
		}
	}
	return u.s.applyParts(ops)
}

// applyParts of a record, in as many commits as it takes.
func (s *Store) applyParts(ops []Op) error {
	for some := range slices.Chunk(ops, engine.MaxOps) {
		if err := s.apply(context.Background(), some); err != nil {
			return err
		}
	}
	return nil
}

// giveBack frees what was reserved and not used.
func (u *Upload) giveBack() {
	if u.left.count > 0 {
		u.s.alloc.free(large, []run{u.left})
		u.left = run{}
	}
	if u.buf != nil {
		u.s.buffers.Put(u.buf[:0]) //nolint:staticcheck // a slice's head is all that this costs
		u.buf = nil
	}
}

// Abort forgets the upload; its cells become free. Harmless after Adopt.
func (u *Upload) Abort() {
	if u.gone {
		return
	}
	u.gone = true
	_ = u.synced() // nobody needs them
	u.giveBack()
	var ops []Op
	for _, key := range u.parts {
		ops = append(ops, Op{Kind: kindUnpart, Key: key})
	}
	_ = u.s.applyParts(ops) // what stays of them goes when the database is opened again
	u.s.alloc.free(large, u.item.runs)
}

// Size is the number of bytes written so far.
func (u *Upload) Size() int64 { return u.item.length }
