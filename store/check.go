package store

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
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
		if err := s.checkRecords(ctx, b, problem); err != nil {
			return fmt.Errorf("checking the records: %w", err)
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

// CheckFiles looks at what [Store.Check] cannot see beside writers: the trees of
// both bbolt files and their lists of free pages. Writers wait until it has
// visited every page, which in a large file on a slow disk takes minutes: it is
// for when no server runs.
func (s *Store) CheckFiles(problem func(string)) error {
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return errClosed
	}
	for _, f := range []struct {
		name string
		db   *bbolt.DB
	}{{recordsName, s.rec.db}, {cellsName, s.cells}} {
		if err := checkStructure(f.db, func(p string) { problem(f.name + ": " + p) }); err != nil {
			return fmt.Errorf("checking %s: %w", f.name, err)
		}
	}
	return nil
}

// checkStructure within a writing transaction: in a reading one bbolt reads the
// list of free pages while writers change it.
func checkStructure(db *bbolt.DB, problem func(string)) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	for err := range tx.Check() {
		problem(err.Error())
	}
	return tx.Rollback()
}

// checkRecords opens each record of a bucket.
func (s *Store) checkRecords(ctx context.Context, b Bucket, problem func(string)) error {
	bad := 0
	err := s.rec.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(b.Name)).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := s.rec.keys.openRecord(b, k, v); err != nil {
				bad++
			}
		}
		return nil
	})
	if bad > 0 {
		problem(fmt.Sprintf("bucket %q: %d records cannot be opened", b.Name, bad))
	}
	return err
}

// checkItems sees all items' records at one moment and returns the items.
func (s *Store) checkItems(ctx context.Context, problem func(string)) ([]ItemID, error) {
	var ids []ItemID
	var problems []string
	s.commit.Lock() // what the allocator knows is then what the records say
	err := s.rec.db.View(func(tx *bbolt.Tx) error {
		var cells [classes]bitset
		have, want := make(map[ItemID]int), make(map[ItemID]int)
		bad, _ := s.rec.eachPart(ctx, tx, func(p itemPart) error {
			have[p.id]++
			if p.part == 0 {
				ids, want[p.id] = append(ids, p.id), parts(p.total)
			}
			for _, r := range p.runs {
				for n := r.start; n < r.start+r.count; n++ {
					if cells[p.class].has(n) {
						problems = append(problems, "a cell is used twice")
					}
					cells[p.class].set(n)
					if !s.alloc.inUse(p.class, n) {
						problems = append(problems, "a cell in use may be given away")
					}
				}
			}
			return nil
		})
		if bad > 0 {
			problems = append(problems, fmt.Sprintf("%d items' records cannot be read", bad))
		}
		for id, n := range have {
			if want[id] != n {
				problems = append(problems, "an item's records are not complete")
			}
		}
		return ctx.Err()
	})
	s.commit.Unlock()
	for _, p := range problems {
		problem(p)
	}
	return ids, err
}

func (a *allocator) inUse(c class, n uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used[c].has(n)
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
