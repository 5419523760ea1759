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
// at least 12 months after the last visit or delivery.
const (
	keepBundleWeeks  = keepDays/7 + 2
	keepMailboxWeeks = 53
)

// maxLeap is how many days the clock may stand after the last upkeep before
// that is taken for a wrong clock.
const maxLeap = 21

// ErrClock means that the clock stands so long after the last upkeep that
// nothing is ended by age until somebody says that it is right.
var ErrClock = errors.New("the clock stands more than 21 days after the last upkeep")

var metaUpkeep = []byte("upkeep") // → day of the last one

// Maintain ends what has lived long enough; call it daily, before the vacuum
// that makes it unreadable (SECURITY.md S-5). One leap of the clock must not
// end everything: after a long time off, clockOK says that the date is right,
// and that reviewers fetched what they missed.
func (s *Service) Maintain(ctx context.Context, clockOK bool) error {
	today, now := crypto.DayOf(s.now()), week(s.now())
	last, found, err := s.counter(metaUpkeep)
	if err != nil {
		return err
	}
	if found && uint64(today) > last+maxLeap && !clockOK {
		return ErrClock
	}
	if err := s.end(ctx, today, now); err != nil {
		return err
	}
	return s.store.Apply(ctx, putCounter(metaUpkeep, uint64(today)))
}

func (s *Service) end(ctx context.Context, today crypto.Day, now uint32) error {
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
			ops = append(ops, store.Forget(e.id), store.Forget(stand(e.id)))
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

// Restored prepares a database that came out of a backup: its mailboxes may
// have other reply keys than readers were told since, so every source's next
// visit tells them anew.
func Restored(ctx context.Context, st *store.Store) error {
	for r, err := range st.All(bucketMailbox) {
		if err != nil {
			return fmt.Errorf("preparing a restored database: %w", err)
		}
		m, err := decodeMailbox(r.Value)
		if err != nil {
			return err
		}
		m.announced = 0
		if err := st.Apply(ctx, store.Put(bucketMailbox, r.Key, m.encode())); err != nil {
			return fmt.Errorf("preparing a restored database: %w", err)
		}
	}
	return nil
}
