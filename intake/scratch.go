package intake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"postern/crypto"
	"postern/store"
)

// A visit writes the same records for every code (SECURITY.md S-4). What a
// code that is not in use would leave behind, and a message that has nothing
// to tell, go to the scratch records, which the next visit overwrites.

// scratchName names the scratch mailbox: no code derives it.
var scratchName = [32]byte{31: 1}

// scratchOut is the key in the queue that no release takes.
var scratchOut = store.ItemID{31: 1}

var metaScratch = []byte("scratch") // → the scratch item, for the next start

// place is where one visit's write goes.
type place struct {
	mailbox [32]byte
	drops   [crypto.ReplySlots]crypto.Drop
	item    store.ItemID
	out     store.ItemID // the item's key in the queue
	scratch store.ItemID
	spent   []store.ItemID // scratch items of visits before, to forget
}

// scratch knows the scratch items that no visit has overwritten yet.
type scratch struct {
	mu  sync.Mutex
	ids []store.ItemID
}

// take reserves the scratch place of one visit.
func (s *scratch) take() *place {
	p := &place{mailbox: scratchName, out: scratchOut}
	for i := range p.drops {
		p.drops[i] = crypto.Drop{14: 1, 15: byte(i)}
	}
	_, _ = rand.Read(p.scratch[:])
	p.item = p.scratch
	s.mu.Lock()
	p.spent, s.ids = s.ids, nil
	s.mu.Unlock()
	return p
}

// done tells whether the visit's write was committed.
func (s *scratch) done(p *place, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok {
		s.ids = append(s.ids, p.scratch)
	} else {
		s.ids = append(s.ids, p.spent...)
	}
}

// ops overwrite the scratch item and remember which one it is.
func (p *place) ops() []store.Op {
	ops := []store.Op{store.Put(bucketMeta, metaScratch, p.scratch[:])}
	for _, id := range p.spent {
		ops = append(ops, store.Forget(id))
	}
	return ops
}

// clearScratch forgets the scratch item of an earlier life.
func (s *Service) clearScratch() error {
	b, err := s.store.Get(bucketMeta, metaScratch)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading counters: %w", err)
	}
	var id store.ItemID
	copy(id[:], b)
	return s.store.Apply(context.Background(), store.Forget(id))
}
