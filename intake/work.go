package intake

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"postern/store"
)

// What takes more operations than one commit may have is done in steps: a first commit says
// all that is to be done, in one record, and each step notes in it how far it came. So whatever step
// a crash comes at, the next start, release or upkeep goes on from there.
type work struct {
	kind        byte
	seed        [32]byte // items next to count of it
	next, count uint64
	box         [16]byte // replies first to last of it
	first, last uint32
	number      uint64 // chunks chunk to chunks of this batch
	chunk, end  uint16
}

// The kinds: what becomes of items and of a batch's entries.
const (
	workErase  = iota + 1 // a source's own items: forgotten, or exchanged tonight when a batch carries them; replies
	workUndo              // covers of a batch that did not come about: forgotten
	workSettle            // a batch: its entries wait no longer
	workEnd               // a batch that lived long enough: everything of it is forgotten
)

const (
	workSize  = 1 + 32 + 8 + 8 + 16 + 4 + 4 + 8 + 2 + 2
	stepItems = 40 // of two operations each, at most
)

func (w *work) encode() []byte {
	b := append(append(make([]byte, 0, workSize), w.kind), w.seed[:]...)
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, w.next), w.count)
	b = append(b, w.box[:]...)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, w.first), w.last)
	b = binary.BigEndian.AppendUint64(b, w.number)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, w.chunk), w.end)
}

func decodeWork(b []byte) (w work, err error) {
	if len(b) != workSize || b[0] < workErase || b[0] > workEnd {
		return w, errRecord
	}
	w.kind, b = b[0], b[1:]
	b = b[copy(w.seed[:], b):]
	w.next, w.count, b = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), b[16:]
	b = b[copy(w.box[:], b):]
	w.first, w.last, b = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), b[8:]
	w.number, w.chunk, w.end = binary.BigEndian.Uint64(b), binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
	return w, nil
}

// finish does what earlier requests, or an earlier life, left to be done.
func (s *Service) finish(ctx context.Context) error {
	var keys [][]byte
	for r, err := range s.store.All(bucketWork) {
		if err != nil {
			return fmt.Errorf("reading what is to be erased: %w", err)
		}
		keys = append(keys, r.Key)
	}
	for _, k := range keys {
		for done := false; !done; {
			var err error
			if done, err = s.step(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// work does at most so many steps of one record. No release comes between.
func (s *Service) work(ctx context.Context, key []byte, most int) error {
	s.release.RLock()
	defer s.release.RUnlock()
	for range most {
		if done, err := s.step(ctx, key); done || err != nil {
			return err
		}
	}
	return nil
}

// step does one. No release comes between, by the caller.
func (s *Service) step(ctx context.Context, key []byte) (done bool, err error) {
	s.working.Lock()
	defer s.working.Unlock()
	b, err := s.store.Get(bucketWork, key)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading what is to be erased: %w", err)
	}
	w, err := decodeWork(b)
	if err != nil {
		return false, err
	}
	ops, err := s.advance(&w)
	if err != nil {
		return false, fmt.Errorf("erasing: %w", err)
	}
	done = w.next == w.count && w.first == w.last && w.chunk == w.end
	if done {
		ops = append(ops, store.Delete(bucketWork, key))
	} else {
		ops = append(ops, store.Put(bucketWork, key, w.encode()))
	}
	if err := s.apply(ctx, ops...); err != nil {
		return false, fmt.Errorf("erasing: %w", err)
	}
	return done, nil
}

// advance returns the operations of the next step and moves w behind it.
func (s *Service) advance(w *work) (ops []store.Op, err error) {
	for range stepItems {
		switch {
		case w.next < w.count:
			more, err := s.forgetItem(ownItem(w.seed, w.next), w.kind == workErase)
			if err != nil {
				return nil, err
			}
			ops = append(ops, more...)
			w.next++
		case w.first < w.last:
			r, err := s.waitingAt(w.box, w.first)
			if err == nil {
				ops = append(ops, store.Forget(r.item), store.Delete(bucketReply, replyKey(w.box, w.first)))
			} else if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			w.first++
		}
	}
	for len(ops) == 0 && w.chunk < w.end {
		list, err := s.chunk(w.number, int(w.chunk))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		for _, e := range list {
			if w.kind == workSettle {
				ops = append(ops, store.Delete(bucketOut, e.id[:]))
			} else {
				ops = append(ops, store.Forget(e.id), store.Delete(bucketExchange, e.id[:]))
			}
		}
		if w.kind == workEnd {
			ops = append(ops, store.Delete(bucketBatch, batchKey(w.number, int(w.chunk))))
		}
		w.chunk++
	}
	return ops, nil
}

// forgetItem forgets an item. One that a batch carries is served as it was until the
// next exchange of entries: else everybody who fetches could see that, and when, it was erased (SECURITY.md S-26).
func (s *Service) forgetItem(id store.ItemID, exchange bool) ([]store.Op, error) {
	if exchange {
		_, err := s.store.Get(bucketOut, id[:])
		released := errors.Is(err, store.ErrNotFound)
		if err != nil && !released {
			return nil, err
		}
		if released {
			if _, err := s.store.OpenItem(id); err == nil {
				return []store.Op{store.Put(bucketExchange, id[:], nil)}, nil
			} else if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
		}
	}
	return []store.Op{store.Forget(id), store.Delete(bucketOut, id[:])}, nil
}
