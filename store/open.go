package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"postern/store/durable"
)

const (
	recordsName  = "records.db"
	nextName     = "records.db.next"     // a database being made, or re-keyed
	snapshotName = "records.db.snapshot" // what Export reads
	cellsName    = "cells.db"
)

// Store is an open database. Safe for concurrent use.
type Store struct {
	dir     string
	key     KeyWrapper
	buckets map[string]Bucket // of the caller, of the store, and of the file
	quota   int64
	small   int // bytes in a small cell
	step    func(string)

	life   sync.RWMutex // read-held while an operation runs
	closed bool
	broken atomic.Pointer[error]

	files sync.RWMutex // read-held by each read of records, which a vacuum replaces
	rec   *recordFile
	cells *bbolt.DB
	alloc *allocator

	commit sync.Mutex // held while records are changed
	dirty  map[dirtyKey]struct{}
	counts map[string]int

	writers   sync.WaitGroup
	listQueue chan *list
	cellQueue chan *cellJob
	window    chan struct{} // one for each cell of an upload that waits to be written
	buffers   sync.Pool     // of *[]byte, a large cell each

	maintenance sync.Mutex // one vacuum or check at a time
	exporting   sync.Mutex // one export at a time: its snapshot has one name
}

// recordFile is records.db with the keys it is sealed under.
type recordFile struct {
	db   *bbolt.DB
	keys *keys
}

// Open opens or creates the database, finishing or undoing an interrupted
// vacuum. Only one process may have it open ([ErrLocked]).
func Open(o Options) (*Store, error) { return open(o, false) }

// open with partial leaves the database marked as unfinished, which [Import]
// takes off at its end.
func open(o Options, partial bool) (_ *Store, err error) {
	s := &Store{
		dir: o.Dir, key: o.Key, quota: o.Quota, small: o.SmallCell, step: o.step,
		buckets:   map[string]Bucket{metaName: metaBucket, itemName: itemBucket},
		counts:    make(map[string]int),
		listQueue: make(chan *list, 64), cellQueue: make(chan *cellJob, 64), window: make(chan struct{}, 32),
	}
	if s.step == nil {
		s.step = func(string) {}
	}
	s.buffers.New = func() any { b := make([]byte, 0, largeStored); return &b }
	if o.SmallCell < 1 || o.SmallCell > 1<<24 || o.Quota < 1 || o.ReserveSmall < 0 || o.Spare < 0 || float64(o.Spare) >= float64(o.Quota)*(1-o.ReserveSmall) {
		return nil, errors.New("opening the database: small cell, quota or reserve is out of range")
	}
	for _, b := range o.Buckets {
		if err := b.valid(); err != nil {
			return nil, fmt.Errorf("opening the database: %w", err)
		}
		s.buckets[b.Name] = b
	}
	if !o.Create {
		if _, err := os.Stat(s.path(recordsName)); err != nil {
			return nil, fmt.Errorf("opening the database: there is none in this directory: %w", err)
		}
	}
	defer func() {
		if err != nil {
			_ = s.release() // err says what went wrong first
		}
	}()
	// cells.db is never replaced: its lock is the database's.
	if s.cells, err = openFile(s.path(cellsName), o.Quota+o.Quota/4+256<<20, false); err != nil {
		return nil, fmt.Errorf("opening the cells: %w", err)
	}
	if _, err := os.Stat(s.path(recordsName)); errors.Is(err, os.ErrNotExist) {
		if err := s.create(partial); err != nil {
			return nil, fmt.Errorf("creating the database: %w", err)
		}
	}
	if err := s.openRecords(partial); err != nil {
		return nil, fmt.Errorf("opening the records: %w", err)
	}
	if partial {
		o.ReserveSmall, o.Spare = 0, 0 // what a copy holds was within them, in another order
	}
	s.alloc = newAllocator(o.Quota, o.ReserveSmall, o.Spare, s.small)
	if err := s.alloc.load(s.cells); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.writers.Add(2)
	go s.writeCells()
	go s.writeLists()
	return s, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// openFile opens one bbolt file, of at most size bytes. All of it is mapped at
// once (addresses cost nothing), so that a growing file never waits for its
// readers.
//
// Where values are deleted by the thousand the list of free pages is not written
// with each commit but found on opening; cells are hardly ever deleted.
func openFile(path string, size int64, deletes bool) (db *bbolt.DB, err error) {
	defer func() {
		if p := recover(); p != nil { // bbolt's answer to a damaged file
			err = fmt.Errorf("%s is damaged: restore a full backup", filepath.Base(path))
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: 200 * time.Millisecond, FreelistType: bbolt.FreelistMapType, NoFreelistSync: deletes,
		InitialMmapSize: int(size), MaxSize: int(size), PageSize: pageSize, NoStatistics: true,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return db, nil
}

func (s *Store) openRecordFile(name string) (*bbolt.DB, error) {
	return openFile(s.path(name), s.quota+1<<30, true)
}

// create makes the files of a new database. It ends with the rename of
// records.db: until then a start begins anew.
func (s *Store) create(partial bool) error {
	err := s.cells.Update(func(tx *bbolt.Tx) error {
		for _, name := range append(classNames[:], holesBucket) {
			b, err := tx.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			if k, _ := b.Cursor().First(); k != nil {
				return errors.New("there are cells, but no records.db: put it back from a copy, or restore a full backup into an empty directory")
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	key := newStorageKey()
	if err := writeKeys(s.dir, s.key, key); err != nil {
		return err
	}
	f, err := s.newRecordFile(key, s.buckets, partial)
	if err != nil {
		return err
	}
	if err := f.db.Sync(); err != nil {
		return errors.Join(err, f.db.Close())
	}
	if err := f.db.Close(); err != nil {
		return err
	}
	if err := os.Rename(s.path(nextName), s.path(recordsName)); err != nil {
		return err
	}
	return durable.SyncDir(s.dir)
}

// newRecordFile makes an empty file of records, not yet synced, under the name
// of the next one.
func (s *Store) newRecordFile(key storageKey, buckets map[string]Bucket, partial bool) (*recordFile, error) {
	if err := remove(s.path(nextName)); err != nil {
		return nil, err
	}
	db, err := s.openRecordFile(nextName)
	if err != nil {
		return nil, err
	}
	db.NoSync, db.NoGrowSync = true, true // nothing refers to it before it was synced whole
	f := &recordFile{db, key.derive()}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket([]byte(metaName))
		if err != nil {
			return err
		}
		if err := meta.Put(clearVersion, binary.BigEndian.AppendUint32(nil, formatVersion)); err != nil {
			return err
		}
		if err := meta.Put(clearKey, f.keys.id[:]); err != nil {
			return err
		}
		if partial {
			if err := meta.Put(clearPartial, nil); err != nil {
				return err
			}
		}
		if err := f.keys.put(meta, metaBucket, metaSmallCell, binary.BigEndian.AppendUint32(nil, uint32(s.small))); err != nil { //nolint:gosec // limited by open
			return err
		}
		for _, b := range buckets {
			if b.Name != metaName {
				if err := f.addBucket(tx, b); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

func (f *recordFile) addBucket(tx *bbolt.Tx, b Bucket) error {
	if _, err := tx.CreateBucket([]byte(b.Name)); err != nil {
		return err
	}
	return f.keys.put(tx.Bucket([]byte(metaName)), metaBucket, metaLimits(b.Name), b.limits())
}

// put seals a record into a bucket of a transaction.
func (k *keys) put(in *bbolt.Bucket, b Bucket, key, value []byte) error {
	name := k.fileKey(b.Name, key)
	return in.Put(name, k.sealRecord(b, name, key, value))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// openRecords opens records.db, having finished or undone what a process that
// ended left half done.
func (s *Store) openRecords(partial bool) error {
	if err := remove(s.path(snapshotName)); err != nil {
		return err
	}
	db, err := s.openRecordFile(recordsName)
	if err != nil {
		return err
	}
	s.rec = &recordFile{db: db}
	var id keyID
	err = db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaName))
		if meta == nil {
			return errRecord
		}
		version := meta.Get(clearVersion)
		if len(version) != 4 {
			return errRecord
		}
		if v := binary.BigEndian.Uint32(version); v != formatVersion {
			return fmt.Errorf("%w: format %d, this one knows %d: use that version of the program", ErrNewer, v, formatVersion)
		}
		if b := meta.Get(clearKey); len(b) == len(id) {
			copy(id[:], b)
		}
		if meta.Get(clearPartial) != nil && !partial {
			return errors.New("a restore into this directory did not end: empty it and restore again")
		}
		return nil
	})
	if err != nil {
		return err
	}
	key, err := s.settleKeys(id)
	if err != nil {
		return err
	}
	s.rec.keys = key.derive()
	return s.readLimits()
}

// settleKeys returns the key of a database and ends an interrupted vacuum: before its
// rename it is undone, after it finished.
func (s *Store) settleKeys(id keyID) (storageKey, error) {
	list, err := readKeys(s.dir, s.key)
	if err != nil {
		return storageKey{}, err
	}
	for _, k := range list {
		if k.id != id {
			continue
		}
		if err := remove(s.path(nextName)); err != nil {
			return k, err
		}
		// A rename that a power cut can still undo must not cost the old key.
		if err := durable.SyncDir(s.dir); err != nil {
			return k, err
		}
		if len(list) == 1 {
			return k, nil
		}
		return k, writeKeys(s.dir, s.key, k)
	}
	return storageKey{}, errors.New("the storage key is not this database's: put back the " + keyName + " that belongs to it")
}

// readLimits compares the file's buckets with the caller's and adds new ones.
func (s *Store) readLimits() error {
	k, known := s.rec.keys, map[string]bool{metaName: true}
	err := s.rec.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(metaName)).ForEach(func(name, v []byte) error {
			if len(name) != 32 {
				return nil // in clear
			}
			r, err := k.openRecord(metaBucket, name, v)
			if err != nil {
				return err
			}
			if bytes.Equal(r.Key, metaSmallCell) && len(r.Value) == 4 {
				s.small = int(binary.BigEndian.Uint32(r.Value))
				return nil
			}
			bucket, ok := bytes.CutPrefix(r.Key, []byte("bucket "))
			if !ok || len(r.Value) != 8 || tx.Bucket(bucket) == nil {
				return errRecord
			}
			b := Bucket{string(bucket), int(binary.BigEndian.Uint32(r.Value)), int(binary.BigEndian.Uint32(r.Value[4:]))}
			if want, ok := s.buckets[b.Name]; ok && b != want {
				return fmt.Errorf("bucket %q was made for keys of %d and values of %d bytes: use the version of the program that wrote it", b.Name, b.MaxKey, b.MaxValue)
			}
			s.buckets[b.Name], known[b.Name] = b, true
			return nil
		})
	})
	if err != nil || len(known) == len(s.buckets) {
		return err
	}
	return s.rec.db.Update(func(tx *bbolt.Tx) error {
		for _, b := range s.buckets {
			if !known[b.Name] {
				if err := s.rec.addBucket(tx, b); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// load counts the records and finds the cells in use. What does not fit together
// can be read and checked, but no longer changed.
func (s *Store) load() error {
	var damage error
	err := s.rec.db.View(func(tx *bbolt.Tx) error {
		for name := range s.buckets {
			if name != metaName && name != itemName {
				c := tx.Bucket([]byte(name)).Cursor()
				for k, _ := c.First(); k != nil; k, _ = c.Next() {
					s.counts[name]++
				}
			}
		}
		_, damage = s.rec.eachPart(context.Background(), tx, func(p itemPart) error {
			s.counts[itemName]++
			if !s.alloc.claim(p.class, p.runs) {
				return errors.New("two items share a cell")
			}
			return nil
		})
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the records: %w", err)
	}
	if damage != nil {
		_ = s.fail(damage)
	}
	return nil
}

// fail stops the store: after a failed write or fsync nobody knows what the
// kernel holds (SECURITY.md S-6).
func (s *Store) fail(cause error) error {
	err := fmt.Errorf("%w: stop the server and run 'postern check': %w", ErrBroken, cause)
	s.broken.CompareAndSwap(nil, &err)
	return err
}

func (s *Store) usable() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}

var errClosed = errors.New("the database is closed")

// begin an operation; end it with s.life.RUnlock when there was no error.
func (s *Store) begin() error {
	s.life.RLock()
	err := s.usable()
	if s.closed {
		err = errClosed
	}
	if err != nil {
		s.life.RUnlock()
	}
	return err
}

// Close waits for running operations and releases the files.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.listQueue)
	close(s.cellQueue)
	s.writers.Wait()
	return s.release()
}

func (s *Store) release() error {
	var errs []error
	if s.rec != nil {
		errs = append(errs, s.rec.db.Close())
	}
	if s.cells != nil {
		errs = append(errs, s.cells.Close())
	}
	return errors.Join(errs...)
}

// SmallCell is how many bytes a small cell of this database holds.
func (s *Store) SmallCell() int { return s.small }

// Usage is how full the store is, in bytes.
type Usage struct {
	Quota     int64
	Used      int64 // by live items and uploads
	FileSize  int64 // of both files
	FreeSmall bool  // a small item still fits, without Options.Spare
	FreeLarge int64 // bytes that large items may still take
	Records   map[string]int
}

// Usage counts.
func (s *Store) Usage() (Usage, error) {
	if err := s.begin(); err != nil {
		return Usage{}, err
	}
	defer s.life.RUnlock()
	u := Usage{Quota: s.quota, Records: make(map[string]int), FreeSmall: s.alloc.fits(forSmall)}
	s.commit.Lock()
	for name := range s.buckets {
		if name[0] != '.' {
			u.Records[name] = s.counts[name]
		}
	}
	s.commit.Unlock()
	a := s.alloc
	a.mu.Lock()
	u.Used = a.given
	u.FreeLarge = max(0, (a.limit[forLarge]-a.given)/a.cost[large]*largeCell)
	a.mu.Unlock()
	for _, name := range []string{recordsName, cellsName} {
		st, err := os.Stat(s.path(name))
		if err != nil {
			return Usage{}, fmt.Errorf("measuring the database: %w", err)
		}
		u.FileSize += st.Size()
	}
	return u, nil
}
