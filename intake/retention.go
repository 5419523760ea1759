package intake

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"postern/crypto"
	"postern/store"
)

// How long things live, in weeks after the week they are dated to: what bundles held
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

// Maintain exchanges what sources erased, and ends what has lived long enough; call it nightly, before the vacuum
// that makes it unreadable (SECURITY.md S-5). One leap of the clock must not
// end everything: after a long time off, clockOK says that the date is right,
// and that reviewers fetched what they missed. The exchange does not depend on it.
func (s *Service) Maintain(ctx context.Context, clockOK bool) error {
	s.release.RLock()
	err := s.finish(ctx)
	s.release.RUnlock()
	if err = errors.Join(err, s.exchange(ctx)); err != nil {
		return err
	}
	today, now := crypto.DayOf(s.now()), week(s.now())
	last, found, err := s.counter(metaUpkeep)
	if err != nil {
		return err
	}
	if found && uint64(today) > last+maxLeap && !clockOK {
		return ErrClock
	}
	if err := errors.Join(s.endBatches(ctx, today), s.endBundles(ctx, now), s.endMailboxes(ctx, now), s.endDrops(ctx)); err != nil {
		return err
	}
	s.release.RLock()
	defer s.release.RUnlock()
	if err := s.finish(ctx); err != nil {
		return err
	}
	return s.apply(ctx, putCounter(metaUpkeep, uint64(today)))
}

func (s *Service) endBatches(ctx context.Context, today crypto.Day) error {
	numbers, err := s.batchNumbers()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		b, err := s.loadBatch(n)
		if errors.Is(err, store.ErrNotFound) || err == nil && b.day+keepDays >= today {
			continue
		}
		if err != nil {
			return err
		}
		w := work{kind: workEnd, number: n, chunk: 1, end: uint16(b.chunks() + 1)} //nolint:gosec // few
		if err := s.endWith(ctx, w, store.Delete(bucketBatch, batchKey(n, 0))); err != nil {
			return fmt.Errorf("ending batch %d: %w", n, err)
		}
	}
	return nil
}

// endWith ends something whose rest goes step by step.
func (s *Service) endWith(ctx context.Context, w work, ops ...store.Op) error {
	key := crypto.NewKey()
	return s.apply(ctx, append(ops, store.Create(bucketWork, key[:16], w.encode()))...)
}

func (s *Service) endBundles(ctx context.Context, now uint32) error {
	for r, err := range s.store.All(bucketBundle) {
		if err != nil {
			return err
		}
		if len(r.Value) != 4 || binary.BigEndian.Uint32(r.Value)+keepBundleWeeks < now {
			if err := s.apply(ctx, store.Delete(bucketBundle, r.Key)); err != nil {
				return err
			}
		}
	}
	return nil
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
		if m.week == noEnd || m.week+keepMailboxWeeks >= now {
			continue
		}
		err = s.endWith(ctx, work{kind: workErase, box: m.box, first: m.first, last: m.next},
			store.Require(bucketMailbox, r.Key, r.Value), store.Delete(bucketMailbox, r.Key), store.Delete(bucketDrop, m.drop[:]))
		if err != nil && !errors.Is(err, store.ErrChanged) { // changed: somebody came back just now
			return fmt.Errorf("ending a mailbox: %w", err)
		}
	}
	return nil
}

// endDrops ends drops of mailboxes that are not there: what stands for one when a code that is not
// in use is changed, and those of earlier codes of a mailbox that ended.
func (s *Service) endDrops(ctx context.Context) error {
	for r, err := range s.store.All(bucketDrop) {
		if err != nil {
			return err
		}
		if _, err = s.store.Get(bucketMailbox, r.Value); errors.Is(err, store.ErrNotFound) {
			err = s.apply(ctx, store.RequireAbsent(bucketMailbox, r.Value), store.Delete(bucketDrop, r.Key))
		}
		if err != nil && !errors.Is(err, store.ErrChanged) {
			return fmt.Errorf("ending a drop: %w", err)
		}
	}
	return nil
}
