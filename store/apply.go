package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"

	"postern/store/engine"
)

// list is the operations of one Apply on their way to a commit.
type list struct {
	ops   []Op
	added map[ItemID]item // by AddItem and AddSpare; their cells are durable
	done  chan error
}

// Apply does all ops or none; when it returns nil they are durable (fsync
// done). Concurrent calls share a commit. Ops are checked in order against the state before
// the list, then done in order. More than 100 of them, or 1 MiB of values: [ErrTooLarge].
//
// A context that ends while the list waits for its commit ends nothing: the
// list may be done already.
func (s *Store) Apply(ctx context.Context, ops ...Op) error {
	for _, op := range ops {
		if op.Kind < KindCreate || op.Kind > KindForget {
			return fmt.Errorf("there is no operation %d", op.Kind)
		}
	}
	return s.apply(ctx, ops)
}

func (s *Store) apply(ctx context.Context, ops []Op) error {
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
			s.alloc.free(it.class, it.runs)
		}
	}
	return err
}

// validate refuses what no state allows.
func (s *Store) validate(ops []Op) error {
	items, size := make(map[ItemID]bool), 0
	for _, op := range ops {
		id := op.Item
		switch op.Kind {
		case KindAddItem, KindAddSpare:
			if len(op.Data) > s.small {
				return fmt.Errorf("adding an item of %d bytes where a small cell holds %d: use an upload", len(op.Data), s.small)
			}
			size += itemBucket.sealedSize()
		case KindAdopt:
			if op.Upload.gone {
				return errAborted
			}
			if !op.Upload.done {
				return errUnfinished
			}
			id = op.Upload.id
			size += itemBucket.sealedSize()
		case KindForget, kindPart, kindUnpart:
			continue
		default:
			b, ok := s.buckets[op.Bucket]
			if !ok || op.Bucket[0] == '.' {
				return fmt.Errorf("no bucket %q: name it in Options", op.Bucket)
			}
			if len(op.Key) > b.MaxKey || len(op.Value) > b.MaxValue {
				return fmt.Errorf("a record of bucket %q has a key of %d and a value of %d bytes: at most %d and %d", b.Name, len(op.Key), len(op.Value), b.MaxKey, b.MaxValue)
			}
			if op.Kind == KindCreate || op.Kind == KindPut || op.Kind == KindSwap || op.Kind == KindTouch {
				size += b.sealedSize()
			}
			continue
		}
		if items[id] {
			return fmt.Errorf("adding an item twice: %w", ErrExists)
		}
		items[id] = true
	}
	if len(ops) > engine.MaxOps || size > engine.MaxBytes {
		return ErrTooLarge
	}
	return nil
}

// writeItems writes the small items' cells and waits until they are durable.
func (s *Store) writeItems(l *list) error {
	var written [classes]bool
	for _, op := range l.ops {
		t := forSmall
		switch op.Kind {
		case KindAddItem:
		case KindAddSpare:
			t = forSpare
		default:
			continue
		}
		r, c, err := s.take(t, small, 1)
		if err != nil {
			return err
		}
		it := item{class: c, length: int64(len(op.Data)), runs: []run{r}}
		_, _ = rand.Read(it.seed[:])
		l.added[op.Item] = it
		plain := make([]byte, s.payload(c), s.payload(c)+cellTag)
		copy(plain, op.Data)
		if err := s.cells[c].Put(r.start, cellAEAD(it.seed[:]).Seal(plain[:0], cellNonce(0), plain, nil)); err != nil {
			return s.fail(fmt.Errorf("writing cells: %w", err))
		}
		written[c] = true
	}
	for c, w := range written {
		if w {
			if err := s.syncCells(class(c)); err != nil { //nolint:gosec // a class
				return err
			}
		}
	}
	return nil
}

func (s *Store) syncCells(c class) error {
	if err := s.cells[c].Sync(); err != nil {
		return s.fail(fmt.Errorf("writing cells: %w", err))
	}
	return s.usable()
}

// writeLists is the only writer of records while the database serves. A commit takes
// the lists that came during the last one: no timer is needed, and a lone writer
// waits for nobody.
func (s *Store) writeLists() {
	defer s.writer.Done()
	for l := range s.listQueue {
		lists := []*list{l}
	more:
		for len(lists) < engine.MaxOps {
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

// change is what a record becomes, and what it was in the file, if that was looked at.
type change struct {
	bucket     Bucket
	key, value []byte
	kind       engine.Kind // Put, Delete, or 0: as it was
	was        []byte      // sealed; nil: there was none
}

// changes of a commit, by bucket ‖ name in the file. A list's own lie above those of the
// lists before it, so that one that fails leaves nothing.
type changes struct {
	below *changes
	s     *Store
	set   map[string]change
	freed []item    // by Forget
	left  [][]byte  // parts of their records
	given []*Upload // by Adopt
	count map[string]int
	cost  int64
	plain bool // a record without Bucket.Spare is new
}

func newChanges(s *Store, below *changes) *changes {
	return &changes{below: below, s: s, set: make(map[string]change), count: make(map[string]int)}
}

// look at a record as the changes leave it.
func (c *changes) look(b Bucket, key []byte) (string, change, error) {
	file := c.s.keys.fileKey(b.Name, key)
	name := b.Name + "\x00" + string(file)
	if ch, ok := c.known(name); ok {
		return name, ch, nil
	}
	v, err := c.s.eng.Get(b.Name, file)
	if errors.Is(err, ErrNotFound) {
		v, err = nil, nil
	}
	if err != nil {
		return name, change{}, c.s.judge(err)
	}
	ch := change{bucket: b, key: key, was: v}
	c.set[name] = ch
	return name, ch, nil
}

func (ch change) there() bool { return ch.kind == engine.Put || ch.kind == 0 && ch.was != nil }

// get reads a record as the changes leave it.
func (c *changes) get(b Bucket, key []byte) ([]byte, error) {
	name, ch, err := c.look(b, key)
	switch {
	case err != nil:
		return nil, err
	case !ch.there():
		return nil, ErrNotFound
	case ch.kind == engine.Put:
		return ch.value, nil
	}
	r, err := c.s.keys.openRecord(b, []byte(name[len(b.Name)+1:]), ch.was)
	return r.Value, err
}

// put or delete a record.
func (c *changes) put(b Bucket, key, value []byte, kind engine.Kind) error {
	name, ch, err := c.look(b, key)
	if err != nil {
		return err
	}
	there, will := ch.there(), kind == engine.Put
	switch {
	case there && !will:
		c.count[b.Name]--
		c.cost -= b.cost()
	case !there && will:
		c.count[b.Name]++
		c.cost += b.cost()
		c.plain = c.plain || !b.Spare
	case !there:
		return nil
	}
	c.set[name] = change{b, key, value, kind, ch.was}
	return nil
}

// ops of the commit, conditions first.
func (c *changes) ops() (conditions, ops []engine.Op) {
	for name, ch := range c.set {
		file := []byte(name[len(ch.bucket.Name)+1:])
		if ch.was != nil {
			conditions = append(conditions, engine.Op{Kind: engine.Require, Bucket: ch.bucket.Name, Name: file, Value: ch.was})
		} else {
			conditions = append(conditions, engine.Op{Kind: engine.Absent, Bucket: ch.bucket.Name, Name: file})
		}
		switch ch.kind {
		case engine.Put:
			ops = append(ops, engine.Op{Kind: engine.Put, Bucket: ch.bucket.Name, Name: file, Value: c.s.keys.sealRecord(ch.bucket, file, ch.key, ch.value)})
		case engine.Delete:
			ops = append(ops, engine.Op{Kind: engine.Delete, Bucket: ch.bucket.Name, Name: file})
		}
	}
	return conditions, ops
}

// fits says whether a commit can take these and more.
func (c *changes) fits(more *changes) bool {
	n, size := 0, 0
	for _, set := range []map[string]change{c.set, more.set} {
		for _, ch := range set {
			n++
			if ch.kind == engine.Put {
				size += ch.bucket.sealedSize()
			}
		}
	}
	return n <= engine.MaxOps && size <= engine.MaxBytes
}

func (c *changes) merge(from *changes) {
	for k, v := range from.set {
		c.set[k] = v
	}
	for k, n := range from.count {
		c.count[k] += n
	}
	c.cost += from.cost
	c.freed = append(c.freed, from.freed...)
	c.left = append(c.left, from.left...)
	c.given = append(c.given, from.given...)
}

// commitLists answers each list.
func (s *Store) commitLists(lists []*list) {
	s.commit.Lock()
	defer s.commit.Unlock()
	for len(lists) > 0 {
		all := newChanges(s, nil)
		var good []*list
		for len(lists) > 0 {
			own := newChanges(s, all)
			err := s.usable()
			if err == nil {
				err = own.do(lists[0])
			}
			if err == nil && len(good) > 0 && !all.fits(own) {
				break // first of the next commit
			}
			if err != nil {
				lists[0].done <- err
			} else {
				all.merge(own)
				good = append(good, lists[0])
			}
			lists = lists[1:]
		}
		err := s.write(all)
		for _, l := range good {
			l.done <- err
		}
	}
}

// write a commit and take note of what it did.
func (s *Store) write(all *changes) error {
	conditions, ops := all.ops()
	if len(ops) == 0 {
		return nil
	}
	switch err := s.eng.Commit(append(conditions, ops...)); {
	case errors.Is(err, engine.ErrFull):
		return ErrFull
	case errors.Is(err, ErrChanged), errors.Is(err, ErrTooLarge):
		return err
	case err != nil:
		return s.fail(fmt.Errorf("writing records: %w", err))
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
	s.alloc.addRecords(all.cost)
	if s.dirty != nil {
		for _, ch := range all.set {
			if ch.kind != 0 {
				s.dirty[dirtyKey{ch.bucket.Name, string(ch.key)}] = struct{}{}
			}
		}
	}
	// These say nothing any more: a failure is for whoever comes next.
	_ = s.deleteParts(all.left)
	return nil
}

// deleteParts of records that are gone.
func (s *Store) deleteParts(keys [][]byte) error {
	for some := range slices.Chunk(keys, engine.MaxOps) {
		c := newChanges(s, nil)
		for _, key := range some {
			if err := c.put(itemBucket, key, nil, engine.Delete); err != nil {
				return err
			}
		}
		if err := s.write(c); err != nil {
			return err
		}
	}
	return nil
}

// do checks a list against the state before it, then does it.
func (c *changes) do(l *list) error {
	for _, op := range l.ops {
		if err := c.check(op); err != nil {
			return err
		}
	}
	for _, op := range l.ops {
		b := c.s.buckets[op.Bucket]
		var err error
		switch op.Kind {
		case KindCreate, KindPut, KindSwap:
			err = c.put(b, op.Key, op.Value, engine.Put)
		case KindDelete:
			err = c.put(b, op.Key, nil, engine.Delete)
		case KindTouch:
			err = c.touch(b, op.Key)
		case KindAddItem, KindAddSpare:
			it := l.added[op.Item]
			err = c.put(itemBucket, it.key(op.Item, 0), it.encode()[0], engine.Put)
		case KindAdopt:
			u := op.Upload
			c.given = append(c.given, u)
			err = c.put(itemBucket, u.item.key(u.id, 0), u.item.encode()[0], engine.Put)
		case KindForget:
			err = c.forget(op.Item)
		case kindPart:
			err = c.put(itemBucket, op.Key, op.Value, engine.Put)
		case kindUnpart:
			err = c.put(itemBucket, op.Key, nil, engine.Delete)
		}
		if err != nil {
			return err
		}
	}
	t := forSpare
	if c.plain {
		t = forSmall
	}
	if c.cost > 0 && !c.s.alloc.hasRoom(t, c.below.cost+c.cost) {
		return ErrFull
	}
	return nil
}

// check an operation against the state below.
func (c *changes) check(op Op) error {
	b, key := c.s.buckets[op.Bucket], op.Key
	switch op.Kind {
	case KindAddItem, KindAddSpare:
		b, key = itemBucket, item{}.key(op.Item, 0)
	case KindAdopt:
		b, key = itemBucket, item{}.key(op.Upload.id, 0)
	case KindCreate, KindSwap, KindRequire, KindRequireAbsent:
	default:
		return nil
	}
	have, err := c.get(b, key)
	there := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	want := op.Value
	switch op.Kind {
	case KindCreate, KindAddItem, KindAddSpare, KindAdopt:
		if there {
			return ErrExists
		}
		return nil
	case KindRequireAbsent:
		if there {
			return ErrChanged
		}
		return nil
	case KindSwap:
		want = op.Old
	}
	if !there || !bytes.Equal(have, want) {
		return ErrChanged
	}
	return nil
}

// forget deletes an item's record, and with it its blob seed (SECURITY.md S-5).
func (c *changes) forget(id ItemID) error {
	it, err := readItem(id, func(key []byte) ([]byte, error) { return c.get(itemBucket, key) })
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for n := 1; n < parts(len(it.runs)); n++ {
		c.left = append(c.left, it.key(id, n))
	}
	c.freed = append(c.freed, it)
	return c.put(itemBucket, it.key(id, 0), nil, engine.Delete)
}

// touchSkip: of a random name, the next record in the file is more likely one after
// a wide gap, which who has the file can see; the one some places further on is not.
const touchSkip = 64

// touch puts a record that key alone decides, as it is, but never key's own.
func (c *changes) touch(b Bucket, key []byte) error {
	own := c.s.keys.fileKey(b.Name, key)
	skip := int(own[len(own)-1]) % touchSkip
	after, others := own, 0
	for wraps := 0; ; {
		list, err := c.s.eng.Page(b.Name, after, pageBytes)
		if err != nil {
			return c.s.judge(err)
		}
		if len(list) == 0 {
			if after = nil; wraps > 0 && others == 0 {
				return nil // no other record
			}
			wraps++
			continue
		}
		for _, e := range list {
			ch, ok := c.known(b.Name + "\x00" + string(e.Name))
			if bytes.Equal(e.Name, own) || ok && !ch.there() { // deleted in this commit
				continue
			}
			if others++; others <= skip {
				continue
			}
			r, err := c.s.keys.openRecord(b, e.Name, e.Value)
			if err != nil {
				return err
			}
			value, err := c.get(b, r.Key)
			if err != nil {
				return err
			}
			return c.put(b, r.Key, value, engine.Put)
		}
		after = list[len(list)-1].Name
	}
}

// known is what the changes make of a record.
func (c *changes) known(name string) (change, bool) {
	for l := c; l != nil; l = l.below {
		if ch, ok := l.set[name]; ok {
			return ch, true
		}
	}
	return change{}, false
}

// get reads a record.
func (s *Store) get(b Bucket, key []byte) ([]byte, error) {
	s.files.RLock()
	defer s.files.RUnlock()
	name := s.keys.fileKey(b.Name, key)
	v, err := s.eng.Get(b.Name, name)
	if err != nil {
		return nil, s.judge(err)
	}
	r, err := s.keys.openRecord(b, name, v)
	return r.Value, err
}

// bucket of the caller's.
func (s *Store) bucket(name string) (Bucket, error) {
	b, ok := s.buckets[name]
	if !ok || name[0] == '.' {
		return b, fmt.Errorf("no bucket %q: name it in Options", name)
	}
	return b, nil
}

// Get returns a copy of a record's value, or [ErrNotFound].
func (s *Store) Get(bucket string, key []byte) ([]byte, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	b, err := s.bucket(bucket)
	if err != nil {
		return nil, err
	}
	return s.get(b, key)
}

// Record is a key and its value.
type Record struct{ Key, Value []byte }

// All yields a bucket's records (copies) in no meaningful order. Nothing is locked
// while the caller's loop body runs; a record written or deleted meanwhile may or may
// not be seen. After an error it ends.
func (s *Store) All(bucket string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		b, err := s.bucket(bucket)
		if err != nil {
			yield(Record{}, err)
			return
		}
		w := walk{s: s, bucket: b}
		for !w.ended {
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
		}
	}
}

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
	s.files.RLock()
	k := s.keys
	if len(w.seen) == 0 || w.seen[len(w.seen)-1].keys != k {
		w.seen = append(w.seen, seen{keys: k})
	}
	at := &w.seen[len(w.seen)-1]
	list, err := s.eng.Page(w.bucket.Name, at.last, pageBytes)
	s.files.RUnlock()
	if err != nil {
		return nil, s.judge(err)
	}
	w.ended = len(list) == 0
	var out []Record
	for _, e := range list {
		r, err := k.openRecord(w.bucket, e.Name, e.Value)
		if err != nil {
			return out, err
		}
		if !w.before(r.Key) {
			out = append(out, r)
		}
		at.last = e.Name
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
