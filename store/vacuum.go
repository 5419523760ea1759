package store

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"postern/store/durable"
)

// dirtyKey names a record that was changed while a vacuum copies.
type dirtyKey struct{ bucket, key string }

const (
	vacuumRounds = 8  // of copying what was changed during the round before
	vacuumRest   = 64 // records that may be left for when writers wait
)

// Vacuum re-keys records.db under a new storage key while serving, and
// overwrites the old key. It returns when the old file and key are gone.
//
// Ended by ctx or by an error before the new file took the old one's place, it
// leaves everything as it was.
func (s *Store) Vacuum(ctx context.Context) error {
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	if err := s.begin(); err != nil {
		return err
	}
	defer s.life.RUnlock()
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
	if len(list) != 1 || list[0].id != s.rec.keys.id {
		return errKeyFile
	}
	old, next := list[0], newStorageKey()
	if err := writeKeys(s.dir, s.key, old, next); err != nil {
		return s.fail(err) // which of the two is there, the next start finds out
	}
	s.step("key file names both")
	to, err := s.newRecordFile(next, s.buckets, false)
	if err == nil {
		s.step("next file made")
		err = s.copyRecords(ctx, to)
	}
	if err != nil {
		return s.undoVacuum(err, to, old)
	}
	// Writers wait from here on.
	s.commit.Lock()
	defer s.commit.Unlock()
	err = s.usable()
	if err == nil {
		err = s.copyChanged(to, s.dirty)
	}
	s.dirty = nil
	s.step("changes copied")
	if err == nil {
		err = to.db.Sync()
	}
	if err == nil {
		err = durable.SyncDir(s.dir)
	}
	if err != nil {
		return s.undoVacuum(err, to, old)
	}
	s.step("next file synced")
	if err := os.Rename(s.path(nextName), s.path(recordsName)); err != nil {
		return s.fail(err)
	}
	s.step("renamed")
	if err := durable.SyncDir(s.dir); err != nil {
		return s.fail(err)
	}
	s.step("rename synced")
	to.db.NoSync, to.db.NoGrowSync = false, false
	s.files.Lock()
	from := s.rec
	s.rec = to
	s.files.Unlock()
	if err := from.db.Close(); err != nil {
		return s.fail(err)
	}
	s.step("records replaced")
	if err := writeKeys(s.dir, s.key, next); err != nil {
		return s.fail(err)
	}
	s.step("key file names the next")
	return nil
}

// undoVacuum takes away what was made; the old file was not touched.
func (s *Store) undoVacuum(cause error, to *recordFile, old storageKey) error {
	if to != nil {
		cause = errors.Join(cause, to.db.Close())
	}
	if err := errors.Join(remove(s.path(nextName)), writeKeys(s.dir, s.key, old)); err != nil {
		return s.fail(errors.Join(cause, err))
	}
	return cause
}

// copyRecords copies all records, then those that were changed while it did, until few are left.
// From its begin on s.dirty holds what is changed.
func (s *Store) copyRecords(ctx context.Context, to *recordFile) (err error) {
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
			continue // newRecordFile wrote it
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
			if err := to.add(b, list); err != nil {
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
		if err := s.copyChanged(to, changed); err != nil {
			return err
		}
	}
	return nil
}

func (f *recordFile) add(b Bucket, list []Record) error {
	return f.db.Update(func(tx *bbolt.Tx) error {
		in := tx.Bucket([]byte(b.Name))
		for _, r := range list {
			if err := f.keys.put(in, b, r.Key, r.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// copyChanged brings records of the next file up to date.
func (s *Store) copyChanged(to *recordFile, changed map[dirtyKey]struct{}) error {
	if len(changed) == 0 {
		return nil
	}
	return s.rec.db.View(func(from *bbolt.Tx) error {
		return to.db.Update(func(tx *bbolt.Tx) error {
			for d := range changed {
				b, key := s.buckets[d.bucket], []byte(d.key)
				v, err := s.rec.get(from, b, key)
				switch {
				case errors.Is(err, ErrNotFound):
					err = tx.Bucket([]byte(b.Name)).Delete(to.keys.fileKey(b.Name, key))
				case err == nil:
					err = to.keys.put(tx.Bucket([]byte(b.Name)), b, key, v)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}
