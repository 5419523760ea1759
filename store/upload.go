package store

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"sync"
)

// reserveCells are taken at once by an upload, so that the cells of several at
// the same time lie in sequences and their records stay short.
const reserveCells = 16

// Upload is an item being written: registered before its first cell, so that
// nobody else is given its cells. Not safe for concurrent use.
//
// It holds one cell in memory while it is filled. Full cells are written in the
// background, those of all uploads together in one commit; no more than 32 wait.
type Upload struct {
	s    *Store
	id   ItemID
	item item
	aead cipher.AEAD
	buf  *[]byte
	next uint32 // ordinal of the next cell
	left run    // reserved, not written yet
	gone bool   // aborted, or its cells are an item's
	done bool   // finished

	pending sync.WaitGroup
	mu      sync.Mutex
	err     error // the first
}

// NewUpload registers an upload of a large item. It cannot use what is reserved for
// small ones or spare. Errors: [ErrFull].
func (s *Store) NewUpload(id ItemID) (*Upload, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	if !s.alloc.fits(forLarge) {
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
			u.buf = u.s.buffers.Get().(*[]byte)
			*u.buf = (*u.buf)[:0]
		}
		have := len(*u.buf)
		m := min(largeCell-have, len(p)-n)
		*u.buf = append(*u.buf, p[n:n+m]...)
		n += m
		u.item.length += int64(m)
		if have+m == largeCell {
			if err := u.flush(); err != nil {
				return n, err
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
	return u.failure()
}

func (u *Upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

func (u *Upload) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = err
	}
}

// flush seals the buffered cell and hands it to the writer.
func (u *Upload) flush() error {
	if err := u.s.begin(); err != nil {
		u.fail(err)
		return err
	}
	defer u.s.life.RUnlock()
	number, err := u.take()
	if err != nil {
		u.fail(err)
		return err
	}
	buf := u.buf
	u.buf = nil
	clear((*buf)[len(*buf):largeCell]) // the last cell is padded
	sealed := u.aead.Seal((*buf)[:0], cellNonce(u.next), (*buf)[:largeCell], nil)
	u.next++
	u.pending.Add(1)
	u.s.window <- struct{}{}
	u.s.cellQueue <- &cellJob{cellRef{large, number}, sealed, func(err error) {
		if err != nil {
			u.fail(err)
		}
		u.s.buffers.Put(buf)
		<-u.s.window
		u.pending.Done()
	}}
	return u.failure()
}

// take gives the number of the next cell.
func (u *Upload) take() (uint32, error) {
	if u.left.count == 0 {
		r, err := u.s.alloc.take(forLarge, reserveCells)
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
	if u.buf != nil {
		if err := u.flush(); err != nil {
			return err
		}
	}
	u.pending.Wait()
	if err := u.failure(); err != nil {
		return err
	}
	u.giveBack()
	u.done = true
	return nil
}

// giveBack frees what was reserved and not used.
func (u *Upload) giveBack() {
	if u.left.count > 0 {
		u.s.alloc.free(large, []run{u.left})
		u.left = run{}
	}
}

// Abort forgets the upload; its cells become free. Harmless after Adopt.
func (u *Upload) Abort() {
	if u.gone {
		return
	}
	u.gone = true
	u.pending.Wait()
	u.giveBack()
	u.s.alloc.free(large, u.item.runs)
	if u.buf != nil {
		u.s.buffers.Put(u.buf)
		u.buf = nil
	}
}

// Size is the number of bytes written so far.
func (u *Upload) Size() int64 { return u.item.length }
