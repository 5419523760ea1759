package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"postern/store/engine"
	"postern/store/engine/bolt"
)

// Store is an open database. Safe for concurrent use.
type Store struct {
	dir     string
	key     KeyWrapper
	buckets map[string]Bucket // of the caller, of the store, and of the file
	small   int               // bytes in a small cell
	step    func(string)

	life   sync.RWMutex // read-held while an operation runs
	closed bool
	broken atomic.Pointer[error]

	files   sync.RWMutex // read-held by each read of records, which a vacuum replaces
	eng     engine.Engine
	keys    *keys // what its records are sealed under
	cells   [classes]engine.Cells
	alloc   *allocator
	growing sync.Mutex      // held while cells are made
	filled  [classes]uint32 // cells below were written once

	commit sync.Mutex // held while records are changed
	dirty  map[dirtyKey]struct{}
	counts map[string]int

	writer    sync.WaitGroup
	listQueue chan *list
	buffers   sync.Pool // of []byte, a large cell each

	maintenance sync.Mutex // one vacuum or check at a time
	exporting   sync.Mutex // one export at a time
}

// Open opens or creates the database, finishing or undoing an interrupted
// vacuum. Only one process may have it open ([ErrLocked]).
func Open(o Options) (*Store, error) { return open(o, false) }

// open with partial leaves the database marked as unfinished, which [Import]
// takes off at its end.
func open(o Options, partial bool) (_ *Store, err error) {
	s := &Store{
		dir: o.Dir, key: o.Key, small: o.SmallCell, step: o.step,
		buckets:   map[string]Bucket{metaName: metaBucket, itemName: itemBucket},
		counts:    make(map[string]int),
		listQueue: make(chan *list, 64),
	}
	s.buffers.New = func() any { return make([]byte, 0, largeSize) }
	if s.step == nil {
		s.step = func(string) {}
	}
	if o.SmallCell < 1 || o.SmallCell > 1<<24 || o.Quota < 1 || o.ReserveSmall < 0 || o.Spare < 0 || o.Fill < 0 || float64(o.Spare) >= float64(o.Quota)*(1-o.ReserveSmall) {
		return nil, errors.New("opening the database: small cell, quota or reserve is out of range")
	}
	for _, b := range o.Buckets {
		if err := b.valid(); err != nil {
			return nil, fmt.Errorf("opening the database: %w", err)
		}
		s.buckets[b.Name] = b
	}
	e, err := bolt.Open(o.Dir, o.Quota+1<<30, o.Create)
	if err != nil {
		return nil, err
	}
	s.eng = e
	defer func() {
		if err != nil {
			_ = s.eng.Close() // err says what went wrong first
		}
	}()
	if s.eng.Empty() {
		if err := s.create(partial); err != nil {
			return nil, fmt.Errorf("creating the database: %w", err)
		}
	}
	if err := s.readMeta(partial); err != nil {
		return nil, fmt.Errorf("opening the records: %w", err)
	}
	if err := s.openCells(o, partial); err != nil {
		return nil, fmt.Errorf("opening the cells: %w", err)
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("reading the records: %w", err)
	}
	s.writer.Add(1)
	go s.writeLists()
	return s, nil
}

// create makes the records of a new database. It ends when they are there: until
// then a start begins anew.
func (s *Store) create(partial bool) error {
	if n, err := s.eng.Size(); err != nil || n > 0 {
		return cmp.Or(err, errors.New("there are cells, but no records.db: put it back from a copy, or restore a full backup into an empty directory"))
	}
	key := newStorageKey()
	if err := writeKeys(s.dir, s.key, key); err != nil {
		return err
	}
	s.small = smallSize(s.small) - cellTag
	n, _, err := s.newRecords(key)
	if err != nil {
		return err
	}
	if partial {
		err = n.Commit([]engine.Op{{Kind: engine.Put, Bucket: metaName, Name: clearPartial}})
	}
	if err == nil {
		err = n.Replace()
	}
	return errors.Join(err, n.Drop())
}

// newRecords begins a set of records under another key.
func (s *Store) newRecords(key storageKey) (engine.Next, *keys, error) {
	k := key.derive()
	n, err := s.eng.Next()
	if err != nil {
		return nil, nil, err
	}
	ops := []engine.Op{
		{Kind: engine.Put, Bucket: metaName, Name: clearVersion, Value: binary.BigEndian.AppendUint32(nil, formatVersion)},
		{Kind: engine.Put, Bucket: metaName, Name: clearKey, Value: k.id[:]},
		k.put(metaBucket, metaSmallCell, binary.BigEndian.AppendUint32(nil, uint32(s.small))), //nolint:gosec // limited by open
	}
	for _, b := range s.buckets {
		if b.Name != metaName {
			ops = append(ops, k.put(metaBucket, metaLimits(b.Name), b.limits()))
		}
	}
	if err := n.Commit(ops); err != nil {
		return nil, nil, errors.Join(err, n.Drop())
	}
	return n, k, nil
}

// readMeta reads what the records are, having finished or undone what a process
// that ended left half done.
func (s *Store) readMeta(partial bool) error {
	version, err := s.eng.Get(metaName, clearVersion)
	if errors.Is(err, ErrNotFound) || err == nil && len(version) != 4 {
		return errRecord
	}
	if err != nil {
		return err
	}
	if v := binary.BigEndian.Uint32(version); v != formatVersion {
		return fmt.Errorf("%w: format %d, this one knows %d: use that version of the program", ErrNewer, v, formatVersion)
	}
	if _, err := s.eng.Get(metaName, clearPartial); err == nil && !partial {
		return errors.New("a restore into this directory did not end: empty it and restore again")
	}
	id, err := s.eng.Get(metaName, clearKey)
	if err != nil {
		return err
	}
	key, err := s.settleKeys(keyID(append(id, make([]byte, 16)...)))
	if err != nil {
		return err
	}
	s.keys = key.derive()
	return s.readLimits()
}

// settleKeys returns the key of a database and ends an interrupted vacuum.
func (s *Store) settleKeys(id keyID) (storageKey, error) {
	list, err := readKeys(s.dir, s.key)
	if err != nil {
		return storageKey{}, err
	}
	for _, k := range list {
		switch {
		case k.id != id:
		case len(list) == 1:
			return k, nil
		default:
			return k, writeKeys(s.dir, s.key, k)
		}
	}
	return storageKey{}, errors.New("the storage key is not this database's: put back the " + keyName + " that belongs to it")
}

// readLimits compares the file's buckets with the caller's and adds new ones.
func (s *Store) readLimits() error {
	known := map[string]bool{metaName: true}
	for r, err := range pages(context.Background(), s.eng, s.keys, metaBucket) {
		if err != nil {
			return err
		}
		if bytes.Equal(r.Key, metaSmallCell) && len(r.Value) == 4 {
			s.small = int(binary.BigEndian.Uint32(r.Value))
			continue
		}
		name, ok := bytes.CutPrefix(r.Key, []byte("bucket "))
		if !ok || len(r.Value) != 8 {
			return errRecord
		}
		b := Bucket{Name: string(name), MaxKey: int(binary.BigEndian.Uint32(r.Value)), MaxValue: int(binary.BigEndian.Uint32(r.Value[4:]))}
		if want, ok := s.buckets[b.Name]; !ok {
			s.buckets[b.Name] = b
		} else if b.MaxKey != want.MaxKey || b.MaxValue != want.MaxValue {
			return fmt.Errorf("bucket %q was made for keys of %d and values of %d bytes: use the version of the program that wrote it", b.Name, b.MaxKey, b.MaxValue)
		}
		known[b.Name] = true
	}
	var ops []engine.Op
	for _, b := range s.buckets {
		if !known[b.Name] {
			ops = append(ops, s.keys.put(metaBucket, metaLimits(b.Name), b.limits()))
		}
	}
	return s.eng.Commit(ops)
}

func (s *Store) openCells(o Options, partial bool) (err error) {
	if partial {
		o.ReserveSmall, o.Spare, o.Fill = 0, 0, 0 // what a copy holds was within them, in another order
	}
	s.alloc = newAllocator(o, s.small+cellTag)
	s.alloc.exact = partial
	for c := range classes {
		k := &s.alloc.class[c]
		if s.cells[c], err = s.eng.Cells(classNames[c], int(k.cost)); err != nil {
			return err
		}
		k.count = s.cells[c].Count()
	}
	k := &s.alloc.class[small]
	if n := uint32(min(o.Fill, o.Quota) / k.cost); k.count < n { //nolint:gosec // not negative
		return s.makeCells(small, n-k.count)
	}
	return nil
}

// load counts the records and finds the cells in use. What does not fit together
// can be read and checked, but no longer changed.
func (s *Store) load() error {
	for name, b := range s.buckets {
		for after := []byte(nil); name != metaName; {
			list, err := s.eng.Page(name, after, pageBytes)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				break
			}
			s.counts[name] += len(list)
			after = list[len(list)-1].Name
		}
		s.alloc.addRecords(int64(s.counts[name]) * b.cost())
	}
	left, bad := eachItem(context.Background(), s.eng, s.keys, func(_ ItemID, it item) error { return s.alloc.claim(it.class, it.runs) })
	if len(bad) > 0 {
		_ = s.fail(bad[0])
		return nil
	}
	return s.deleteParts(left)
}

// fail stops the store: after a failed write or fsync nobody knows what the
// kernel holds (SECURITY.md S-6).
func (s *Store) fail(cause error) error {
	err := fmt.Errorf("%w: %w", ErrBroken, cause)
	s.broken.CompareAndSwap(nil, &err)
	return err
}

// judge an error of the engine's records: what it says of a whole file ends everything.
func (s *Store) judge(err error) error {
	if errors.Is(err, ErrDamaged) {
		return s.fail(err)
	}
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
	s.writer.Wait()
	return s.eng.Close()
}

// SmallCell is how many bytes a small cell of this database holds.
func (s *Store) SmallCell() int { return s.small }

// Usage is how full the store is, in bytes.
type Usage struct {
	Quota    int64
	Used     int64 // of it: by records, live items and uploads
	FileSize int64 // of all files
	// Used is the sum of these.
	UsedRecords, UsedSmall, UsedLarge int64
	// What can still be put in: by items of at most SmallCell bytes and by records, by
	// large items, by what may use Options.Spare. They overlap.
	FreeSmall bool
	FreeLarge int64
	FreeSpare int64
	Records   map[string]int
}

// Usage counts.
func (s *Store) Usage() (u Usage, err error) {
	if err := s.begin(); err != nil {
		return u, err
	}
	defer s.life.RUnlock()
	u.Records = make(map[string]int)
	s.commit.Lock()
	for name := range s.buckets {
		if name[0] != '.' {
			u.Records[name] = s.counts[name]
		}
	}
	s.commit.Unlock()
	a := s.alloc
	a.mu.Lock()
	u.Quota, u.Used, u.UsedRecords = a.quota, a.given, a.records
	u.UsedSmall, u.UsedLarge = int64(a.class[small].taken)*a.class[small].cost, int64(a.class[large].taken)*a.class[large].cost
	u.FreeSmall = a.room(forSmall, small)+a.room(forSmall, large) > 0
	u.FreeLarge = a.room(forLarge, large) * largeCell
	u.FreeSpare = max(a.room(forSpare, small)*a.class[small].cost, a.room(forSpare, large)*largeSize)
	a.mu.Unlock()
	if u.FileSize, err = s.eng.Size(); err != nil {
		return u, fmt.Errorf("measuring the database: %w", err)
	}
	return u, nil
}
