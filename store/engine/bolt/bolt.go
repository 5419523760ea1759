// Package bolt is an engine for one machine: records in a bbolt file, cells in
// plain files beside it.
//
//	records.db            the records, a bbolt bucket for each bucket
//	records.db.next       a set that is to replace them
//	records.db.snapshot   a copy that is being read
//	NAME.cells            cells of a class, at multiples of their size
//	lock                  held by the process that has the database
//
// bbolt panics on most damage, some of it in goroutines of its own, where nobody
// can recover. So a file is read through first, page by page, before bbolt gets it
// (check.go), and each use of bbolt afterwards turns a panic, or a fault of the
// mapped memory, into [engine.ErrDamaged].
package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"postern/store/durable"
	"postern/store/engine"
)

const (
	recordsName  = "records.db"
	nextName     = "records.db.next"
	snapshotName = "records.db.snapshot"
	lockName     = "lock"
	cellsSuffix  = ".cells"
)

// Engine is an open database in a directory.
type Engine struct {
	dir  string
	max  int64 // bytes of records.db
	lock *os.File

	mu    sync.RWMutex // read-held by each use of the records, which Replace exchanges
	rec   *records     // nil: none yet
	cells map[string]*cells
}

var _ engine.Engine = (*Engine)(nil)

// Open opens a database; create takes a directory in which there is none. maxRecords
// bounds the file of records, in bytes. What an interrupted Next or Snapshot left is removed.
func Open(dir string, maxRecords int64, create bool) (_ *Engine, err error) {
	if _, err := os.Stat(filepath.Join(dir, recordsName)); err != nil && !create {
		return nil, fmt.Errorf("there is no database in this directory: %w", err)
	}
	e := &Engine{dir: dir, max: maxRecords, cells: make(map[string]*cells)}
	if e.lock, err = os.OpenFile(e.path(lockName), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = e.Close() // err says what went wrong first
		}
	}()
	if err := syscall.Flock(int(e.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a descriptor fits
		return nil, engine.ErrLocked
	}
	if err := errors.Join(remove(e.path(snapshotName)), remove(e.path(nextName))); err != nil {
		return nil, err
	}
	// A rename that a power cut can still undo must not cost the old keys.
	if err := durable.SyncDir(dir); err != nil {
		return nil, err
	}
	if _, err := os.Stat(e.path(recordsName)); errors.Is(err, os.ErrNotExist) {
		return e, nil
	}
	e.rec, err = open(e.path(recordsName), e.max, false)
	return e, err
}

func (e *Engine) path(name string) string { return filepath.Join(e.dir, name) }

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Close releases the files.
func (e *Engine) Close() error {
	var errs []error
	for _, c := range e.cells {
		errs = append(errs, c.f.Close())
	}
	if e.rec != nil {
		errs = append(errs, e.rec.close())
	}
	return errors.Join(append(errs, e.lock.Close())...)
}

// Empty implements [engine.Engine].
func (e *Engine) Empty() bool { return e.rec == nil }

// Size of all files.
func (e *Engine) Size() (sum int64, err error) {
	names, err := filepath.Glob(e.path("*" + cellsSuffix))
	if !e.Empty() {
		names = append(names, e.path(recordsName))
	}
	for _, name := range names {
		st, serr := os.Stat(name)
		if serr != nil {
			return 0, serr
		}
		sum += st.Size()
	}
	return sum, err
}

// Get implements [engine.Reader].
func (e *Engine) Get(bucket string, name []byte) ([]byte, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.rec.Get(bucket, name)
}

// Page implements [engine.Reader].
func (e *Engine) Page(bucket string, after []byte, size int) ([]engine.Record, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.rec.Page(bucket, after, size)
}

// Commit implements [engine.Engine].
func (e *Engine) Commit(list []engine.Op) error {
	if err := engine.Bound(list); err != nil {
		return err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.rec.commit(list)
}

// Check reads the file of records whole.
func (e *Engine) Check() error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return checkFile(e.path(recordsName))
}

// Snapshot implements [engine.Engine], as a copy of the file.
func (e *Engine) Snapshot() (engine.Snapshot, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	path := e.path(snapshotName)
	if err := remove(path); err != nil {
		return nil, err
	}
	if err := e.rec.view(func(tx *bbolt.Tx) error { return tx.CopyFile(path, 0o600) }); err != nil {
		return nil, err
	}
	rec, err := open(path, e.max, true)
	if err != nil {
		return nil, errors.Join(err, remove(path))
	}
	return snapshot{rec, path}, nil
}

type snapshot struct {
	*records
	path string
}

func (s snapshot) Close() error { return errors.Join(s.close(), remove(s.path)) }

// Next implements [engine.Engine], as a file beside this one.
func (e *Engine) Next() (engine.Next, error) {
	path := e.path(nextName)
	if err := remove(path); err != nil {
		return nil, err
	}
	rec, err := open(path, e.max, false)
	if err != nil {
		return nil, err
	}
	rec.db.NoSync, rec.db.NoGrowSync = true, true // nothing refers to it before it was synced whole
	return &next{e, rec}, nil
}

type next struct {
	e   *Engine
	rec *records // nil: ended
}

func (n *next) Commit(list []engine.Op) error { return n.rec.commit(list) }

func (n *next) Sync() error { return n.rec.db.Sync() }

func (n *next) Replace() error {
	e := n.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := n.rec.db.Sync(); err != nil {
		return err
	}
	if err := os.Rename(e.path(nextName), e.path(recordsName)); err != nil {
		return err
	}
	old := e.rec
	e.rec, n.rec = n.rec, nil
	e.rec.name = recordsName
	e.rec.db.NoSync, e.rec.db.NoGrowSync = false, false
	if err := durable.SyncDir(e.dir); err != nil || old == nil {
		return err
	}
	return old.close()
}

func (n *next) Drop() error {
	if n.rec == nil {
		return nil
	}
	err := errors.Join(n.rec.close(), remove(n.e.path(nextName)))
	n.rec = nil
	return err
}

// records is one bbolt file.
type records struct {
	db   *bbolt.DB
	name string
	dead atomic.Bool // bbolt panicked
	one  sync.Mutex  // commit at a time: between what it asks and what it changes
}

// open opens a file, or makes one. All of it is mapped at once (addresses cost
// nothing), so that a growing file never waits for its readers. Records are
// deleted by the thousand, so the list of free pages is not written with each
// commit but found on opening.
func open(path string, size int64, readOnly bool) (*records, error) {
	r := &records{name: filepath.Base(path)}
	if _, err := os.Stat(path); err == nil {
		if err := checkFile(path); err != nil {
			return nil, err
		}
	}
	err := r.guard(func() (err error) {
		r.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			ReadOnly: readOnly, Timeout: 200 * time.Millisecond, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true,
			InitialMmapSize: int(size), MaxSize: int(size), PageSize: pageSize, NoStatistics: true,
		})
		return err
	})
	if err != nil && !errors.Is(err, engine.ErrDamaged) {
		err = fmt.Errorf("%s: %w", r.name, err)
	}
	return r, err
}

func damaged(file string) error { return fmt.Errorf("%s %w", file, engine.ErrDamaged) }

// guard turns what bbolt does on a damaged file into an error. A panic leaves
// bbolt's locks as they are: nobody may use the file after one.
func (r *records) guard(f func() error) (err error) {
	if r.dead.Load() {
		return damaged(r.name)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			r.dead.Store(true)
			err = damaged(r.name)
		}
	}()
	return f()
}

func (r *records) view(f func(*bbolt.Tx) error) error {
	return r.guard(func() error { return r.db.View(f) })
}

// update is bbolt's Update, but for a panic: to roll back then, bbolt would read the
// damaged file in a goroutine of its own.
func (r *records) update(f func(*bbolt.Tx) error) error {
	err := r.guard(func() error {
		tx, err := r.db.Begin(true)
		if err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	})
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		return engine.ErrFull
	}
	return err
}

func (r *records) close() error {
	if r.db == nil || r.dead.Load() {
		return nil
	}
	return r.db.Close()
}

// Get implements [engine.Reader].
func (r *records) Get(bucket string, name []byte) (value []byte, err error) {
	err = r.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return engine.ErrNotFound
		}
		v := b.Get(name)
		if v == nil {
			return engine.ErrNotFound
		}
		value = bytes.Clone(v)
		return nil
	})
	return value, err
}

// Page implements [engine.Reader].
func (r *records) Page(bucket string, after []byte, size int) (list []engine.Record, err error) {
	err = r.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		c := b.Cursor()
		k, v := c.Seek(after)
		if after != nil && bytes.Equal(k, after) {
			k, v = c.Next()
		}
		for n := 0; k != nil && n < size; k, v = c.Next() {
			list = append(list, engine.Record{Name: bytes.Clone(k), Value: bytes.Clone(v)})
			n += len(k) + len(v)
		}
		return nil
	})
	return list, err
}

// commit judges before a writing transaction begins: rolling one back would mean to
// look for the free pages in the whole file.
func (r *records) commit(list []engine.Op) error {
	r.one.Lock()
	defer r.one.Unlock()
	changes := 0
	err := r.view(func(tx *bbolt.Tx) error {
		for _, op := range list {
			if op.Kind == engine.Put || op.Kind == engine.Delete {
				changes++
				continue
			}
			var have []byte
			if b := tx.Bucket([]byte(op.Bucket)); b != nil {
				have = b.Get(op.Name)
			}
			if (have == nil) != (op.Kind == engine.Absent) || have != nil && !bytes.Equal(have, op.Value) {
				return engine.ErrChanged
			}
		}
		return nil
	})
	if err != nil || changes == 0 {
		return err
	}
	return r.update(func(tx *bbolt.Tx) error {
		for _, op := range list {
			if op.Kind != engine.Put && op.Kind != engine.Delete {
				continue
			}
			b, err := tx.CreateBucketIfNotExists([]byte(op.Bucket))
			if err != nil {
				return err
			}
			if op.Kind == engine.Put {
				err = b.Put(op.Name, op.Value)
			} else {
				err = b.Delete(op.Name)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
