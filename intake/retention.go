package intake

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"postern/crypto"
	"postern/store"
)

// How long things live, in weeks after the week they are dated to: bundle ids
// as long as any batch that holds their entries; mailboxes and unread replies
// at least 12 months after the last write or delivery.
const (
	keepBundleWeeks  = keepDays/7 + 2
	keepMailboxWeeks = 53
)

// Maintain ends what has lived long enough; call it daily, before the vacuum
// that makes it unreadable (SECURITY.md S-5).
func (s *Service) Maintain(ctx context.Context) error {
	today, now := crypto.DayOf(s.now()), week(s.now())
	ordinals, err := s.ordinals()
	if err != nil {
		return err
	}
	for _, o := range ordinals {
		b, err := s.loadBatch(o)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if b.day+keepDays >= today {
			continue
		}
		var ops []store.Op
		for _, e := range b.entries() {
			ops = append(ops, store.Forget(e.id))
		}
		for _, r := range b.records() {
			ops = append(ops, store.Delete(bucketBatch, r[0]))
		}
		if err := s.store.Apply(ctx, ops...); err != nil {
			return fmt.Errorf("ending batch %d: %w", o, err)
		}
	}
	for r, err := range s.store.All(bucketBundle) {
		if err != nil {
			return err
		}
		if len(r.Value) != 4 || binary.BigEndian.Uint32(r.Value)+keepBundleWeeks < now {
			if err := s.store.Apply(ctx, store.Delete(bucketBundle, r.Key)); err != nil {
				return err
			}
		}
	}
	return s.endMailboxes(ctx, now)
}

func (s *Service) endMailboxes(ctx context.Context, now uint32) error {
	for r, err := range s.store.All(bucketMailbox) {
		if err != nil {
			return err
		}
		m, err := decodeMailbox(r.Value)
		if err != nil {
			return err
		}
		if m.week+keepMailboxWeeks >= now || [32]byte(r.Key) == scratchName {
			continue
		}
		ops := []store.Op{store.Require(bucketMailbox, r.Key, r.Value), store.Delete(bucketMailbox, r.Key)}
		for i := range m.slots {
			ops = append(ops, store.Forget(m.slots[i].item), store.Delete(bucketDrop, m.slots[i].drop[:]))
		}
		err = s.store.Apply(ctx, ops...)
		if err != nil && !errors.Is(err, store.ErrChanged) { // changed: somebody came back just now
			return fmt.Errorf("ending a mailbox: %w", err)
		}
	}
	return nil
}
