package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"postern/store/engine"
)

// dirtyKey names a record that was changed while a vacuum copies.
type dirtyKey struct{ bucket, key string }

const (
	vacuumRounds = 8  // of copying what was changed during the round before
	vacuumRest   = 64 // records that may be left for when writers wait
)

// Vacuum re-keys the records under a new storage key while serving, and
// overwrites the old key. It returns when the old records and key are gone.
//
// Ended by ctx or by an error before the new records took the old ones' place, it
// leaves everything as it was.
func (s *Store) Vacuum(ctx context.Context) error {
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	if err := s.begin(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	if err := s.fill(); err != nil {
		return err
	}
	if err := s.vacuum(ctx); err != nil {
		return fmt.Errorf("re-keying the records: %w", err)
	}
	return nil
}

func (s *Store) vacuum(ctx context.Context) error {
	s.step("begin")
	list, err := readKeys(s.dir, s.key)
	if err != nil {
		return err
	}
	if len(list) != 1 || list[0].id != s.keys.id {
		return errKeyFile
	}
	old, next := list[0], newStorageKey()
	if err := writeKeys(s.dir, s.key, old, next); err != nil {
		return s.fail(err) // which of the two is there, the next start finds out
	}
	s.step("key file names both")
	to, k, err := s.newRecords(next)
	if err == nil {
		s.step("next records made")
		if err = s.copyRecords(ctx, to, k); err == nil {
			err = to.Sync()
		}
	}
	if err != nil {
		return s.undoVacuum(err, to, old)
	}
	s.step("next records synced")
	// Writers wait from here on.
	s.commit.Lock()
	defer s.commit.Unlock()
	err = s.usable()
	if err == nil {
		err = s.copyChanged(to, k, s.dirty)
	}
	s.dirty = nil
	if err != nil {
		return s.undoVacuum(err, to, old)
	}
	s.step("changes copied")
	s.files.Lock()
	if err = to.Replace(); err == nil {
		s.keys = k
	}
	s.files.Unlock()
	if err != nil {
		return s.fail(err)
	}
	s.step("records replaced")
	if err := writeKeys(s.dir, s.key, next); err != nil {
		return s.fail(err)
	}
	s.step("key file names the next")
	return nil
}

// undoVacuum takes away what was made; the old records were not touched.
func (s *Store) undoVacuum(cause error, to engine.Next, old storageKey) error {
	var err error
	if to != nil {
		err = to.Drop()
	}
	if err = errors.Join(err, writeKeys(s.dir, s.key, old)); err != nil {
		return s.fail(errors.Join(cause, err))
	}
	return cause
}

// copyRecords copies all records, then those that were changed while it did, until few are left.
// From its begin on s.dirty holds what is changed.
func (s *Store) copyRecords(ctx context.Context, to engine.Next, k *keys) (err error) {
	s.commit.Lock()
	s.dirty = make(map[dirtyKey]struct{})
	s.commit.Unlock()
	defer func() {
		if err != nil {
			s.commit.Lock()
			s.dirty = nil
			s.commit.Unlock()
		}
	}()
	for name, b := range s.buckets {
		if name == metaName {
			continue // newRecords wrote it
		}
		w := walk{s: s, bucket: b}
		for !w.ended {
			if err := ctx.Err(); err != nil {
				return err
			}
			list, err := w.nextLocked()
			if err != nil {
				return err
			}
			var ops []engine.Op
			for _, r := range list {
				ops = append(ops, k.put(b, r.Key, r.Value))
			}
			if err := to.Commit(ops); err != nil {
				return err
			}
		}
	}
	s.step("records copied")
	for range vacuumRounds {
		s.commit.Lock()
		if len(s.dirty) <= vacuumRest {
			s.commit.Unlock()
			return nil
		}
		changed := s.dirty
		s.dirty = make(map[dirtyKey]struct{})
		s.commit.Unlock()
		if err := s.copyChanged(to, k, changed); err != nil {
			return err
		}
	}
	return nil
}

// copyChanged brings records of the next set up to date.
func (s *Store) copyChanged(to engine.Next, k *keys, changed map[dirtyKey]struct{}) error {
	var ops []engine.Op
	for d := range changed {
		b, key := s.buckets[d.bucket], []byte(d.key)
		v, err := s.get(b, key)
		switch {
		case err == nil:
			ops = append(ops, k.put(b, key, v))
		case errors.Is(err, ErrNotFound):
			ops = append(ops, engine.Op{Kind: engine.Delete, Bucket: b.Name, Name: k.fileKey(b.Name, key)})
		default:
			return err
		}
	}
	for some := range slices.Chunk(ops, 1000) {
		if err := to.Commit(some); err != nil {
			return err
		}
	}
	return nil
}
