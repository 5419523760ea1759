package intake

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"time"

	"postern/crypto"
	"postern/store"
)

const (
	// volumeMax bounds a file volume in bytes, without its head.
	volumeMax = 1<<30 - 1<<20
	// A backlog of more than growAt batches doubles N for one batch, up to
	// growMax times: a flood of reports must not delay one of them by weeks, and
	// those who flood know that they do.
	growAt, growMax = 4, 16
	// coverGroup is how many covers one commit stores.
	coverGroup = 8
)

// metaDue holds the hour (Unix time / 3600) of a lane's last release.
func metaDue(l crypto.Lane) []byte { return []byte{'d', 'u', 'e', byte(l)} }

func (s *Service) counter(key []byte) (n uint64, found bool, err error) {
	b, err := s.store.Get(bucketMeta, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil || len(b) != 8 {
		return 0, false, errors.Join(errRecord, err)
	}
	return binary.BigEndian.Uint64(b), true, nil
}

func putCounter(key []byte, n uint64) store.Op {
	return store.Put(bucketMeta, key, binary.BigEndian.AppendUint64(nil, n))
}

// lastHour is the newest hour at or before t at which the lane goes out.
func (s *Service) lastHour(l crypto.Lane, t time.Time) uint64 {
	h := uint64(t.Unix() / 3600) //nolint:gosec // not before 1970
	if l == crypto.LaneUrgent {
		return h
	}
	for !slices.Contains(s.hours, int(h%24)) { //nolint:gosec // below 24
		h--
	}
	return h
}

// NextRelease is when the next regular batch goes out: "read at the earliest …".
func (s *Service) NextRelease() time.Time {
	t := s.now().UTC().Truncate(time.Hour)
	for range 24 {
		if t = t.Add(time.Hour); slices.Contains(s.hours, t.Hour()) {
			break
		}
	}
	return t
}

// ReleaseDue releases each lane whose hour has come since its last release;
// call it every minute. Hours missed while the server was off are made up by one
// batch. A new database starts with the next hour.
func (s *Service) ReleaseDue(ctx context.Context) error {
	if s.directory.Load() == nil {
		return nil
	}
	return errors.Join(s.releaseDue(ctx, crypto.LaneRegular), s.releaseDue(ctx, crypto.LaneUrgent))
}

func (s *Service) releaseDue(ctx context.Context, l crypto.Lane) error {
	hour := s.lastHour(l, s.now())
	last, found, err := s.counter(metaDue(l))
	switch {
	case err != nil:
		return err
	case !found, last > hour: // new, or released by a clock that was ahead: it must not hold up what follows
		return s.apply(ctx, putCounter(metaDue(l), hour))
	case hour > last:
		_, err = s.Release(ctx, l)
	}
	return err
}

// waiting lists the queue by lane.
func (s *Service) waiting() (map[crypto.Lane][]entry, error) {
	w := map[crypto.Lane][]entry{}
	for r, err := range s.store.All(bucketOut) {
		if err != nil {
			return nil, fmt.Errorf("reading the queue: %w", err)
		}
		o, err := decodeOut(r.Value)
		if err != nil {
			return nil, err
		}
		w[o.lane] = append(w[o.lane], entry{id: store.ItemID(r.Key), size: o.size, hash: o.hash, week: o.week})
	}
	return w, nil
}

// chain is where the next batch goes on.
type chain struct {
	number   uint64 // of the next batch
	instance crypto.InstanceID
	ordinal  uint64   // of the last one of this life
	hash     [32]byte // of its first revision's head
}

var metaChain = []byte("chain")

const chainSize = 8 + 16 + 8 + 32

func (s *Service) chain() (c chain, err error) {
	b, err := s.store.Get(bucketMeta, metaChain)
	if errors.Is(err, store.ErrNotFound) {
		return chain{number: 1, instance: s.instance}, nil
	}
	if err != nil || len(b) != chainSize {
		return c, errors.Join(errRecord, err)
	}
	c.number = binary.BigEndian.Uint64(b)
	b = b[8:]
	b = b[copy(c.instance[:], b):]
	c.ordinal = binary.BigEndian.Uint64(b)
	copy(c.hash[:], b[8:])
	if c.instance != s.instance { // restored: another life, which begins with 1
		c = chain{number: c.number, instance: s.instance}
	}
	return c, nil
}

func (c chain) put() store.Op {
	b := binary.BigEndian.AppendUint64(nil, c.number)
	b = binary.BigEndian.AppendUint64(append(b, c.instance[:]...), c.ordinal)
	return store.Put(bucketMeta, metaChain, append(b, c.hash[:]...))
}

// Release makes one batch of a lane now and returns its number. A regular
// batch carries the larger items too.
//
// It takes several commits (work.go): covers first, then the batch, whose head makes all of
// it one, then what it took leaves the queue. A crash between undoes or finishes it.
func (s *Service) Release(ctx context.Context, l crypto.Lane) (uint64, error) {
	number, err := s.releaseNow(ctx, l)
	if err != nil {
		return 0, fmt.Errorf("releasing a batch: %w", err)
	}
	return number, nil
}

func (s *Service) releaseNow(ctx context.Context, l crypto.Lane) (uint64, error) {
	d := s.directory.Load()
	n, ok := s.sizes[l]
	if d == nil || !ok {
		return 0, errors.New("no directory is installed, or no such lane")
	}
	s.release.Lock() // nothing is queued or erased meanwhile
	defer s.release.Unlock()
	if err := s.finish(ctx); err != nil { // what was erased must not go out
		return 0, err
	}
	queue, err := s.waiting()
	if err != nil {
		return 0, err
	}
	for most := growMax * n; n < most && len(queue[l]) > growAt*n; {
		n *= 2
	}
	n = min(n, maxEntries)
	small := oldest(queue[l], n)
	if l == crypto.LaneRegular { // what the urgent lane could not carry takes the place of cover
		small = append(small, oldest(queue[crypto.LaneUrgent], n-len(small))...)
	}
	now := s.now()
	key, undo := crypto.NewKey(), work{kind: workUndo, seed: crypto.NewKey(), count: uint64(n - len(small))} //nolint:gosec // not negative
	covers, err := s.storeCovers(ctx, d, key[:16], undo)
	if err != nil {
		return 0, err
	}
	c, err := s.chain()
	if err != nil {
		return 0, err
	}
	b := &batch{
		number: c.number, instance: s.instance, ordinal: c.ordinal + 1, lane: l, day: crypto.DayOf(now), version: d.Version,
		slots: uint16(d.Policy.Slots), revision: 1, before: c.hash, //nolint:gosec // 8, 16 or 32
		volumes: [][]entry{shuffled(append(small, covers...))},
	}
	if l == crypto.LaneRegular {
		large := queue[crypto.LaneFiles]
		for _, e := range oldest(large, min(len(large), maxEntries-n)) {
			b.pack(e)
		}
	}
	settle := work{kind: workSettle, number: b.number, chunk: 1, end: uint16(b.chunks() + 1)} //nolint:gosec // few
	ops := []store.Op{
		store.Create(bucketBatch, batchKey(b.number, 0), b.headRecord()),
		chain{b.number + 1, b.instance, b.ordinal, b.head().Hash()}.put(),
		putCounter(metaDue(l), s.lastHour(l, now)),
		store.Put(bucketWork, key[:16], settle.encode()),
	}
	for i := range b.chunks() {
		ops = append(ops, store.Create(bucketBatch, batchKey(b.number, i+1), b.chunkRecord(i+1)))
	}
	if err := s.apply(ctx, ops...); err != nil {
		return 0, err
	}
	return b.number, s.finish(ctx)
}

// storeCovers makes and stores so many covers, and before them the record that undoes it.
func (s *Service) storeCovers(ctx context.Context, d *inForce, key []byte, undo work) (list []entry, err error) {
	ops := []store.Op{store.Create(bucketWork, key, undo.encode())}
	for n := range undo.count {
		c, err := crypto.NewCover(d.Policy)
		if err != nil {
			return nil, fmt.Errorf("making cover: %w", err)
		}
		e := entry{id: ownItem(undo.seed, n), size: int64(len(c)), hash: sha256.Sum256(c)}
		if inPool() {
			e.kind = entryPool
		}
		list = append(list, e)
		if ops = append(ops, store.AddSpare(e.id, c)); len(ops) >= coverGroup {
			if err := s.apply(ctx, ops...); err != nil {
				return nil, err
			}
			ops = ops[:0]
		}
	}
	if len(ops) == 0 {
		return list, nil
	}
	return list, s.apply(ctx, ops...)
}

// pack puts a large item into the first file volume with room; one that finds none waits
// for the next batch.
func (b *batch) pack(e entry) {
	for i := 1; i < len(b.volumes); i++ {
		n := crypto.EntrySize(e.size)
		for _, in := range b.volumes[i] {
			n += crypto.EntrySize(in.size)
		}
		if n <= volumeMax {
			b.volumes[i] = append(b.volumes[i], e)
			return
		}
	}
	if len(b.volumes) < maxVolumes && crypto.EntrySize(e.size) <= volumeMax {
		b.volumes = append(b.volumes, []entry{e})
	}
}

// oldest takes up to n entries by week of arrival, in random order within a week.
func oldest(list []entry, n int) []entry {
	list = shuffled(list)
	slices.SortStableFunc(list, func(a, b entry) int { return cmp.Compare(a.week, b.week) })
	return list[:min(n, len(list))]
}

// shuffled is a copy in an order that nothing predicts.
func shuffled[T any](list []T) []T {
	list = slices.Clone(list)
	var seed [32]byte
	_, _ = rand.Read(seed[:])
	mrand.New(mrand.NewChaCha8(seed)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] }) //nolint:gosec // seeded above
	return list
}
