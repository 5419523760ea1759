package store

import (
	"context"
	"errors"
	"fmt"
)

// Check opens everything that is stored: every record's seal and length, every
// item's cells and their seals, no cell used twice. It reports problems without
// any content. It works on a store that refuses everything else, and beside a
// running server: writers wait only while the items' records are read, some
// microseconds each. A vacuum waits for its end.
func (s *Store) Check(ctx context.Context, problem func(string)) error {
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return errClosed
	}
	for name, b := range s.buckets {
		if name == metaName {
			continue // read on opening
		}
		bad, err := 0, error(nil)
		for _, e := range pages(ctx, s.eng, s.keys, b) {
			if e != nil {
				bad, err = bad+1, e
			}
		}
		if bad > 0 && !errors.Is(err, errRecord) {
			return fmt.Errorf("checking the records: %w", err)
		}
		if bad > 0 {
			problem(fmt.Sprintf("bucket %q: %d records cannot be opened", b.Name, bad))
		}
	}
	ids, err := s.checkItems(ctx, problem)
	if err != nil {
		return fmt.Errorf("checking the items: %w", err)
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.checkCells(id); err != nil {
			problem("an item cannot be read: " + err.Error())
		}
	}
	return nil
}

// CheckFiles looks at what [Store.Check] cannot see beside writers: how the engine
// laid out the records. Writers wait until it has read all of them.
func (s *Store) CheckFiles(problem func(string)) error {
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return errClosed
	}
	s.commit.Lock()
	defer s.commit.Unlock()
	err := s.eng.Check()
	if errors.Is(err, ErrDamaged) {
		problem(err.Error())
		return nil
	}
	return err
}

// checkItems sees all items' records at one moment and returns the items.
func (s *Store) checkItems(ctx context.Context, problem func(string)) (ids []ItemID, err error) {
	var problems []string
	var cells [classes]bitset
	s.commit.Lock() // what the allocator knows is then what the records say
	left, bad := eachItem(ctx, s.eng, s.keys, func(id ItemID, it item) error {
		ids = append(ids, id)
		for _, n := range it.cells() {
			if cells[it.class].has(n) {
				problems = append(problems, "a cell is used twice")
			}
			cells[it.class].set(n)
			if !s.alloc.inUse(it.class, n) {
				problems = append(problems, "a cell in use may be given away")
			}
		}
		return nil
	})
	s.commit.Unlock()
	_ = left // of uploads that are under way, or of a crash: gone after the next start
	if len(bad) > 0 {
		problems = append(problems, fmt.Sprintf("%d items' records cannot be read: %v", len(bad), bad[0]))
	}
	for _, p := range problems {
		problem(p)
	}
	return ids, ctx.Err()
}

// checkCells opens every cell of an item; one erased meanwhile is fine.
func (s *Store) checkCells(id ItemID) error {
	it, err := s.item(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	i, err := s.newItem(id, it)
	if err != nil {
		return err
	}
	for n := range i.cells {
		if _, err := i.cell(n); err != nil {
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			return err
		}
	}
	return nil
}
