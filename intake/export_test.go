package intake

import (
	"context"

	"postern/crypto"
	"postern/store"
)

// Nightly is how many entries a night exchanges, at least.
const Nightly = nightly

// Neighbours is how many mailboxes a new database has that no code derives.
const Neighbours = neighbours

// Watch calls f with every list of operations before it is applied; an error of f is a
// crash at that point.
func (s *Service) Watch(f func(ops []store.Op) error) {
	apply := s.store.Apply
	s.apply = func(ctx context.Context, ops ...store.Op) error {
		if err := f(ops); err != nil {
			return err
		}
		return apply(ctx, ops...)
	}
}

// Pool is how many entries of a batch nights may exchange.
func (s *Service) Pool(number uint64) (n int) {
	b, err := s.loadBatch(number)
	if err != nil {
		return 0
	}
	for _, e := range b.entries() {
		if e.kind == entryPool {
			n++
		}
	}
	return n
}

// StateBox is the length of a sealed state.
const StateBox = stateBox

// Drop says where replies to a code go.
func (x *Session) Drop() crypto.Drop { return x.box.drop }

// StretchMost sets how long a stretch may be, in bytes.
func (s *Service) StretchMost(n int64) { s.stretch = n }
