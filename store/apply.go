package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"sync"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// list is the operations of one Apply on their way to a commit.
type list struct {
	ops   []Op
	added map[ItemID]item // by AddItem and AddSpare; their cells are durable
	done  chan error
}

// Apply does all ops or none; when it returns nil they are durable (fsync
// done). Concurrent calls share a commit. Ops are checked in order against the state before
// the list, then done in order.
//
// A context that ends while the list waits for its commit ends nothing: the
// list may be done already.
func (s *Store) Apply(ctx context.Context, ops ...Op) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.validate(ops); err != nil {
		return err
	}
	l := &list{ops: ops, added: make(map[ItemID]item), done: make(chan error, 1)}
	err := s.writeItems(l)
	if err == nil {
		if err = ctx.Err(); err == nil {
			s.listQueue <- l
			err = <-l.done
		}
	}
	if err != nil && !errors.Is(err, ErrBroken) {
		// Nobody refers to these cells. When the store is broken, nobody knows.
		for _, it := range l.added {
			s.alloc.free(small, it.runs)
		}
	}
	return err
}

// validate refuses what no state allows.
func (s *Store) validate(ops []Op) error {
	items := make(map[ItemID]bool)
	for _, op := range ops {
		id := op.item
		switch op.kind {
		case opAddItem, opAddSpare:
			if len(op.data) > s.small {
				return fmt.Errorf("adding an item of %d bytes where a small cell holds %d: use an upload", len(op.data), s.small)
			}
		case opAdopt:
			if op.upload.gone {
				return errAborted
			}
			if !op.upload.done {
				return errUnfinished
			}
			id = op.upload.id
		case opForget:
			continue
		default:
			b, ok := s.buckets[op.bucket]
			if !ok || op.bucket[0] == '.' {
				return fmt.Errorf("no bucket %q: name it in Options", op.bucket)
			}
			if len(op.key) > b.MaxKey || len(op.value) > b.MaxValue {
				return fmt.Errorf("a record of bucket %q has a key of %d and a value of %d bytes: at most %d and %d", b.Name, len(op.key), len(op.value), b.MaxKey, b.MaxValue)
			}
			continue
		}
		if items[id] {
			return fmt.Errorf("adding an item twice: %w", ErrExists)
		}
		items[id] = true
	}
	return nil
}

// writeItems writes the small items' cells and waits until they are durable.
func (s *Store) writeItems(l *list) error {
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		all  error
	)
	for _, op := range l.ops {
		var t tier
		switch op.kind {
		case opAddItem:
			t = forSmall
		case opAddSpare:
			t = forSpare
		default:
			continue
		}
		r, err := s.alloc.take(t, 1)
		if err != nil {
			all = err
			break
		}
		it := item{class: small, length: int64(len(op.data)), runs: []run{r}}
		_, _ = rand.Read(it.seed[:])
		l.added[op.item] = it
		plain := make([]byte, s.small, s.small+cellTag)
		copy(plain, op.data)
		wait.Add(1)
		s.cellQueue <- &cellJob{cellRef{small, r.start}, cellAEAD(it.seed[:]).Seal(plain[:0], cellNonce(0), plain, nil), func(err error) {
			if err != nil {
				mu.Lock()
				all = err
				mu.Unlock()
			}
			wait.Done()
		}}
	}
	wait.Wait()
	return all
}

// batchLists bounds how many lists share a commit.
const batchLists = 128

// writeLists is the only writer of records while the database serves. As for cells,
// a commit takes the lists that came during the last one.
func (s *Store) writeLists() {
	defer s.writers.Done()
	for l := range s.listQueue {
		lists := []*list{l}
	more:
		for len(lists) < batchLists {
			select {
			case l, ok := <-s.listQueue:
				if !ok {
					break more
				}
				lists = append(lists, l)
			default:
				break more
			}
		}
		s.commitLists(lists)
	}
}

// change is what a record becomes.
type change struct {
	bucket     Bucket
	key, value []byte
	delete     bool
}

// changes of a batch, by bucket ‖ name in the file. A list's own lie above those of the
// lists before it, so that one that fails leaves nothing.
type changes struct {
	below *changes
	s     *Store
	tx    *bbolt.Tx
	set   map[string]change
	freed []item    // by Forget
	given []*Upload // by Adopt
	count map[string]int
}

func newChanges(s *Store, tx *bbolt.Tx, below *changes) *changes {
	return &changes{below: below, s: s, tx: tx, set: make(map[string]change), count: make(map[string]int)}
}

// get reads a record as the changes leave it.
func (c *changes) get(b Bucket, key []byte) ([]byte, error) {
	name := b.Name + string(c.s.rec.keys.fileKey(b.Name, key))
	for l := c; l != nil; l = l.below {
		if ch, ok := l.set[name]; ok {
			if ch.delete {
				return nil, ErrNotFound
			}
			return ch.value, nil
		}
	}
	return c.s.rec.get(c.tx, b, key)
}

// put or delete a record; one that is there for sure or not there for sure is counted.
func (c *changes) put(b Bucket, key, value []byte, del bool) error {
	_, err := c.get(b, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	switch there := err == nil; {
	case there && del:
		c.count[b.Name]--
	case !there && !del:
		c.count[b.Name]++
	case !there && del:
		return nil
	}
	c.set[b.Name+string(c.s.rec.keys.fileKey(b.Name, key))] = change{b, key, value, del}
	return nil
}

func (c *changes) merge(from *changes) {
	for k, v := range from.set {
		c.set[k] = v
	}
	for k, n := range from.count {
		c.count[k] += n
	}
	c.freed = append(c.freed, from.freed...)
	c.given = append(c.given, from.given...)
}

// get reads a record, a copy, or [ErrNotFound].
func (f *recordFile) get(tx *bbolt.Tx, b Bucket, key []byte) ([]byte, error) {
	name := f.keys.fileKey(b.Name, key)
	v := tx.Bucket([]byte(b.Name)).Get(name)
	if v == nil {
		return nil, ErrNotFound
	}
	r, err := f.keys.openRecord(b, name, v)
	return r.Value, err
}

// commitLists answers each list. All of them are judged before a writing
// transaction begins: rolling one back would mean to look for the free pages in
// the whole file.
func (s *Store) commitLists(lists []*list) {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.usable(); err != nil {
		answer(lists, err)
		return
	}
	var all *changes
	var good []*list
	err := s.rec.db.View(func(tx *bbolt.Tx) error {
		all = newChanges(s, tx, nil)
		for _, l := range lists {
			own := newChanges(s, tx, all)
			if err := own.do(l); err != nil {
				l.done <- err
				continue
			}
			all.merge(own)
			good = append(good, l)
		}
		return nil
	})
	if err == nil && len(all.set) > 0 {
		err = s.rec.db.Update(func(tx *bbolt.Tx) error {
			for _, ch := range all.set {
				in := tx.Bucket([]byte(ch.bucket.Name))
				if ch.delete {
					if err := in.Delete(s.rec.keys.fileKey(ch.bucket.Name, ch.key)); err != nil {
						return err
					}
				} else if err := s.rec.keys.put(in, ch.bucket, ch.key, ch.value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		err = ErrFull
	case err != nil:
		err = s.fail(fmt.Errorf("writing records: %w", err))
	}
	if err != nil {
		answer(good, err)
		return
	}
	for _, it := range all.freed {
		s.alloc.free(it.class, it.runs)
	}
	for _, u := range all.given {
		u.gone = true
	}
	for b, n := range all.count {
		s.counts[b] += n
	}
	if s.dirty != nil {
		for _, ch := range all.set {
			s.dirty[dirtyKey{ch.bucket.Name, string(ch.key)}] = struct{}{}
		}
	}
	answer(good, nil)
}

func answer(lists []*list, err error) {
	for _, l := range lists {
		l.done <- err
	}
}

// do checks a list against the state before it, then does it.
func (c *changes) do(l *list) error {
	for _, op := range l.ops {
		if err := c.below.check(op); err != nil {
			return err
		}
	}
	for _, op := range l.ops {
		b := c.s.buckets[op.bucket]
		var err error
		switch op.kind {
		case opCreate, opPut, opSwap:
			err = c.put(b, op.key, op.value, false)
		case opDelete:
			err = c.put(b, op.key, nil, true)
		case opAddItem, opAddSpare:
			err = c.putItem(op.item, l.added[op.item])
		case opAdopt:
			err = c.putItem(op.upload.id, op.upload.item)
			c.given = append(c.given, op.upload)
		case opForget:
			err = c.forget(op.item)
		case opTouch:
			err = c.touch(b, op.key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check an operation against the state of c.
func (c *changes) check(op Op) error {
	b := c.s.buckets[op.bucket]
	key := op.key
	switch op.kind {
	case opAddItem, opAddSpare:
		b, key = itemBucket, itemKey(op.item, 0)
	case opAdopt:
		b, key = itemBucket, itemKey(op.upload.id, 0)
	case opPut, opDelete, opForget, opTouch:
		return nil
	}
	have, err := c.get(b, key)
	there := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	switch op.kind {
	case opCreate, opAddItem, opAddSpare, opAdopt:
		if there {
			return ErrExists
		}
	case opSwap:
		if !there || !bytes.Equal(have, op.old) {
			return ErrChanged
		}
	case opRequire:
		if !there || !bytes.Equal(have, op.value) {
			return ErrChanged
		}
	case opAbsent:
		if there {
			return ErrChanged
		}
	}
	return nil
}

func (c *changes) putItem(id ItemID, it item) error {
	if len(it.runs) > maxRuns {
		return ErrFull
	}
	for n, v := range it.encode() {
		if err := c.put(itemBucket, itemKey(id, n), v, false); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes an item's records, and with them its blob seed (SECURITY.md S-5).
func (c *changes) forget(id ItemID) error {
	it, err := readItem(id, func(key []byte) ([]byte, error) { return c.get(itemBucket, key) })
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for n := range parts(len(it.runs)) {
		if err := c.put(itemBucket, itemKey(id, n), nil, true); err != nil {
			return err
		}
	}
	c.freed = append(c.freed, it)
	return nil
}

// touchSkip: of a random name, the next record in the file is more likely one after
// a wide gap, which who has the file can see; the one some places further on is not.
const touchSkip = 64

// touch puts a record that key alone decides, as it is, but never key's own.
func (c *changes) touch(b Bucket, key []byte) error {
	own := c.s.rec.keys.fileKey(b.Name, key)
	cur := c.tx.Bucket([]byte(b.Name)).Cursor()
	k, v := cur.Seek(own)
	var others, skip = 0, int(own[len(own)-1]) % touchSkip
	for wraps := 0; wraps < 2 || others > 0; k, v = cur.Next() {
		if k == nil {
			if k, v = cur.First(); k == nil {
				return nil // empty
			}
			wraps++
		}
		if bytes.Equal(k, own) {
			continue
		}
		r, err := c.s.rec.keys.openRecord(b, k, v)
		if err != nil {
			return err
		}
		value, err := c.get(b, r.Key) // as this commit leaves it
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if others++; others > skip {
			return c.put(b, r.Key, value, false)
		}
	}
	return nil
}

// Get returns a copy of a record's value, or [ErrNotFound].
func (s *Store) Get(bucket string, key []byte) (value []byte, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	b, ok := s.buckets[bucket]
	if !ok || bucket[0] == '.' {
		return nil, fmt.Errorf("no bucket %q: name it in Options", bucket)
	}
	s.files.RLock()
	defer s.files.RUnlock()
	err = s.rec.db.View(func(tx *bbolt.Tx) error {
		value, err = s.rec.get(tx, b, key)
		return err
	})
	return value, err
}

// Record is a key and its value.
type Record struct{ Key, Value []byte }

// All yields a bucket's records (copies) in no meaningful order. No
// transaction is open while the caller's loop body runs; a record written or deleted meanwhile may or may
// not be seen. After an error it ends.
func (s *Store) All(bucket string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		b, ok := s.buckets[bucket]
		if !ok || bucket[0] == '.' {
			yield(Record{}, fmt.Errorf("no bucket %q: name it in Options", bucket))
			return
		}
		w := walk{s: s, bucket: b}
		for {
			list, err := w.next()
			for _, r := range list {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			if w.ended {
				return
			}
		}
	}
}

// walkBytes of records are copied out in one transaction.
const walkBytes = 256 << 10

// walk goes through a bucket in the order of the names in the file. A vacuum gives
// all records new names: then it begins anew in the new file and leaves out
// what it has seen under the names before.
type walk struct {
	s      *Store
	bucket Bucket
	ended  bool
	seen   []seen // by file, the current one last
}

// seen: all records whose names under these keys are at most last.
type seen struct {
	keys *keys
	last []byte
}

func (w *walk) next() ([]Record, error) {
	if err := w.s.begin(); err != nil {
		return nil, err
	}
	defer w.s.life.RUnlock()
	return w.nextLocked()
}

// nextLocked is next within an operation of the store.
func (w *walk) nextLocked() ([]Record, error) {
	s := w.s
	var names, values [][]byte
	s.files.RLock()
	f := s.rec
	if len(w.seen) == 0 || w.seen[len(w.seen)-1].keys != f.keys {
		w.seen = append(w.seen, seen{keys: f.keys})
	}
	at := &w.seen[len(w.seen)-1]
	err := f.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(w.bucket.Name)).Cursor()
		k, v := c.Seek(at.last)
		if k != nil && bytes.Equal(k, at.last) {
			k, v = c.Next()
		}
		for size := 0; k != nil && size < walkBytes; k, v = c.Next() {
			names, values = append(names, bytes.Clone(k)), append(values, bytes.Clone(v))
			size += len(v)
		}
		w.ended = k == nil
		return nil
	})
	s.files.RUnlock()
	if err != nil {
		return nil, err
	}
	var out []Record
	for i, name := range names {
		r, err := f.keys.openRecord(w.bucket, name, values[i])
		if err != nil {
			return out, err
		}
		if !w.before(r.Key) {
			out = append(out, r)
		}
		at.last = name
	}
	return out, nil
}

// before says whether a record was seen in an earlier file.
func (w *walk) before(key []byte) bool {
	for _, e := range w.seen[:len(w.seen)-1] {
		if bytes.Compare(e.keys.fileKey(w.bucket.Name, key), e.last) <= 0 {
			return true
		}
	}
	return false
}
