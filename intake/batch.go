package intake

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	mrand "math/rand/v2"
	"slices"
	"time"

	"golang.org/x/crypto/chacha20"

	"postern/crypto"
	"postern/store"
)

// A batch is the same for every holder and tells its size only: exactly N
// entries of the smallest class in random order, cover filling up
// (SECURITY.md S-16). Larger items follow in volumes of their own. What a
// source erased afterwards is served as cover, or as noise of its length when it is large.

const (
	// volumeMax bounds a file volume in bytes.
	volumeMax = 1 << 30
	// A backlog of more than growAt batches doubles N for one batch, up to
	// growMax times: a flood of reports must not delay one of them by weeks, and
	// those who flood know that they do.
	growAt, growMax = 4, 16
	// keepDays is how long a batch can be fetched.
	keepDays = 60
)

type entry struct {
	id   store.ItemID
	size int64
	week uint32 // of arrival; known until it is released
}

type batch struct {
	ordinal uint64
	lane    crypto.Lane
	day     crypto.Day
	version uint64   // of the directory
	slots   uint16   // of every entry
	noise   [32]byte // what erased entries are replaced from
	volumes [][]entry
}

const (
	entrySize      = 32 + 8
	batchKeySize   = 8 + 2
	batchChunkSize = 2048
	chunkEntries   = batchChunkSize / entrySize
	batchHeadSize  = 1 + 4 + 8 + 2 + 32 + 2
	maxVolumes     = (batchChunkSize - batchHeadSize) / 4
)

func batchKey(ordinal uint64, chunk int) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(nil, ordinal), uint16(chunk)) //nolint:gosec // few
}

func (b *batch) entries() []entry { return slices.Concat(b.volumes...) }

// records are the batch's head (chunk 0) and its entries (chunks 1…).
func (b *batch) records() [][2][]byte {
	h := []byte{byte(b.lane)}
	h = binary.BigEndian.AppendUint32(h, uint32(b.day))
	h = binary.BigEndian.AppendUint64(h, b.version)
	h = binary.BigEndian.AppendUint16(h, b.slots)
	h = append(h, b.noise[:]...)
	h = binary.BigEndian.AppendUint16(h, uint16(len(b.volumes))) //nolint:gosec // at most maxVolumes
	for _, v := range b.volumes {
		h = binary.BigEndian.AppendUint32(h, uint32(len(v))) //nolint:gosec // few
	}
	out := [][2][]byte{{batchKey(b.ordinal, 0), h}}
	for i, part := range slices.Collect(slices.Chunk(b.entries(), chunkEntries)) {
		var c []byte
		for _, e := range part {
			c = append(c, e.id[:]...)
			c = binary.BigEndian.AppendUint64(c, uint64(e.size)) //nolint:gosec // not negative
		}
		out = append(out, [2][]byte{batchKey(b.ordinal, i+1), c})
	}
	return out
}

// loadBatch reads one batch, or [store.ErrNotFound].
func (s *Service) loadBatch(ordinal uint64) (*batch, error) {
	h, err := s.store.Get(bucketBatch, batchKey(ordinal, 0))
	if err != nil {
		return nil, err
	}
	b, counts, err := decodeBatchHead(ordinal, h)
	if err != nil {
		return nil, err
	}
	var list []entry
	total := 0
	for _, n := range counts {
		total += n
	}
	for i := 1; len(list) < total; i++ {
		c, err := s.store.Get(bucketBatch, batchKey(ordinal, i))
		if err != nil {
			return nil, fmt.Errorf("reading batch %d: %w", ordinal, err)
		}
		if len(c) == 0 || len(c)%entrySize != 0 {
			return nil, errRecord
		}
		for ; len(c) > 0; c = c[entrySize:] {
			var e entry
			copy(e.id[:], c)
			e.size = int64(binary.BigEndian.Uint64(c[32:])) //nolint:gosec // written by records
			list = append(list, e)
		}
	}
	if len(list) != total {
		return nil, errRecord
	}
	for _, n := range counts {
		b.volumes = append(b.volumes, list[:n:n])
		list = list[n:]
	}
	return b, nil
}

func decodeBatchHead(ordinal uint64, h []byte) (*batch, []int, error) {
	if len(h) < batchHeadSize {
		return nil, nil, errRecord
	}
	b := &batch{
		ordinal: ordinal, lane: crypto.Lane(h[0]), day: crypto.Day(binary.BigEndian.Uint32(h[1:])),
		version: binary.BigEndian.Uint64(h[5:]), slots: binary.BigEndian.Uint16(h[13:]),
	}
	copy(b.noise[:], h[15:])
	n := int(binary.BigEndian.Uint16(h[47:]))
	h = h[batchHeadSize:]
	if len(h) != 4*n {
		return nil, nil, errRecord
	}
	counts := make([]int, n)
	for i := range counts {
		counts[i] = int(binary.BigEndian.Uint32(h[4*i:]))
	}
	return b, counts, nil
}

var metaOrdinal = []byte("ordinal") // → of the next batch

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

// lastSlot is the newest hour at or before t at which the lane goes out.
func (s *Service) lastSlot(l crypto.Lane, t time.Time) uint64 {
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
	slot := s.lastSlot(l, s.now())
	last, found, err := s.counter(metaDue(l))
	switch {
	case err != nil:
		return err
	case !found, last > slot: // new, or released by a clock that was ahead: it must not hold up what follows
		return s.store.Apply(ctx, putCounter(metaDue(l), slot))
	case slot > last:
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
		var e entry
		copy(e.id[:], r.Key)
		if e.id == scratchOut {
			continue
		}
		o, err := decodeOut(r.Value)
		if err != nil {
			return nil, err
		}
		e.size, e.week = o.size, o.week
		w[o.lane] = append(w[o.lane], e)
	}
	return w, nil
}

// Waiting counts messages that no batch has taken yet, by lane.
func (s *Service) Waiting() (map[crypto.Lane]int, error) {
	w, err := s.waiting()
	n := map[crypto.Lane]int{}
	for l, list := range maps.All(w) {
		n[l] = len(list)
	}
	return n, err
}

// Release makes one batch of a lane now and returns its ordinal. A regular
// batch carries the larger items too.
func (s *Service) Release(ctx context.Context, l crypto.Lane) (uint64, error) {
	d := s.directory.Load()
	n, ok := s.sizes[l]
	if d == nil || !ok {
		return 0, errors.New("releasing a batch: no directory is installed, or no such lane")
	}
	queue, err := s.waiting()
	if err != nil {
		return 0, err
	}
	for most := growMax * n; n < most && len(queue[l]) > growAt*n; {
		n *= 2
	}
	now := s.now()
	covers := make([][]byte, max(0, n-len(queue[l])))
	for i := range covers {
		if covers[i], err = cover(d, crypto.DayOf(now)); err != nil {
			return 0, err
		}
	}

	s.release.Lock() // nothing is queued or erased between reading the queue and the commit
	defer s.release.Unlock()
	if queue, err = s.waiting(); err != nil {
		return 0, err
	}
	b := &batch{lane: l, day: crypto.DayOf(now), version: d.Version, slots: uint16(d.Policy.Slots)} //nolint:gosec // 8, 16 or 32
	_, _ = rand.Read(b.noise[:])
	ordinal, found, err := s.counter(metaOrdinal)
	if err != nil {
		return 0, err
	}
	if !found {
		ordinal = 1
	}
	b.ordinal = ordinal

	taken := oldest(queue[l], n)
	if l == crypto.LaneRegular { // what the urgent lane could not carry takes the place of cover
		taken = append(taken, oldest(queue[crypto.LaneUrgent], n-len(taken))...)
	}
	for len(covers) < n-len(taken) { // something was erased just now
		c, err := cover(d, crypto.DayOf(now))
		if err != nil {
			return 0, err
		}
		covers = append(covers, c)
	}
	var ops []store.Op
	for _, e := range taken {
		ops = append(ops, store.Delete(bucketOut, e.id[:]))
	}
	small := taken
	for _, c := range covers[:n-len(taken)] {
		e := entry{size: int64(len(c))}
		_, _ = rand.Read(e.id[:])
		ops = append(ops, store.AddSpare(e.id, c))
		small = append(small, e)
	}
	b.volumes = [][]entry{shuffled(small)}
	if l == crypto.LaneRegular {
		for _, e := range oldest(queue[crypto.LaneFiles], len(queue[crypto.LaneFiles])) {
			if b.pack(e) {
				ops = append(ops, store.Delete(bucketOut, e.id[:]))
			}
		}
	}
	for _, r := range b.records() {
		ops = append(ops, store.Create(bucketBatch, r[0], r[1]))
	}
	ops = append(ops, putCounter(metaOrdinal, ordinal+1), putCounter(metaDue(l), s.lastSlot(l, now)))
	if err := s.store.Apply(ctx, ops...); err != nil {
		return 0, fmt.Errorf("releasing a batch: %w", err)
	}
	return ordinal, nil
}

// pack puts a large item into the first file volume with room; false when it
// waits for the next batch.
func (b *batch) pack(e entry) bool {
	for i := 1; i < len(b.volumes); i++ {
		if crypto.VolumeSize(sizes(slices.Concat(b.volumes[i], []entry{e}))) <= volumeMax {
			b.volumes[i] = append(b.volumes[i], e)
			return true
		}
	}
	if len(b.volumes) == maxVolumes || crypto.VolumeSize([]int64{e.size}) > volumeMax {
		return false
	}
	b.volumes = append(b.volumes, []entry{e})
	return true
}

func sizes(list []entry) []int64 {
	n := make([]int64, len(list))
	for i := range list {
		n[i] = list[i].size
	}
	return n
}

// oldest takes up to n entries by week of arrival, in random order within a week.
func oldest(list []entry, n int) []entry {
	list = shuffled(list)
	slices.SortStableFunc(list, func(a, b entry) int { return cmp.Compare(a.week, b.week) })
	return list[:min(n, len(list))]
}

// shuffled is a copy in an order that nothing predicts.
func shuffled(list []entry) []entry {
	list = slices.Clone(list)
	var seed [32]byte
	_, _ = rand.Read(seed[:])
	mrand.New(mrand.NewChaCha8(seed)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] }) //nolint:gosec // seeded above
	return list
}

// BatchInfo is one batch as a holder's page lists it.
type BatchInfo struct {
	Ordinal uint64
	Lane    crypto.Lane
	Day     crypto.Day
	Volumes []VolumeInfo
}

// VolumeInfo is one downloadable file of a batch.
type VolumeInfo struct {
	Number int // 1-based
	Name   string
	Size   int64 // bytes
}

func (b *batch) info(instance crypto.InstanceID) BatchInfo {
	bi := BatchInfo{Ordinal: b.ordinal, Lane: b.lane, Day: b.day}
	for i, v := range b.volumes {
		h := b.header(instance, i)
		bi.Volumes = append(bi.Volumes, VolumeInfo{Number: i + 1, Name: h.Name(sizes(v)), Size: b.size(i)})
	}
	return bi
}

func (b *batch) header(instance crypto.InstanceID, i int) *crypto.VolumeHeader {
	lane := b.lane
	if i > 0 {
		lane = crypto.LaneFiles
	}
	return &crypto.VolumeHeader{
		Instance: instance, Batch: b.ordinal, Lane: lane, Day: b.day, Slots: b.slots, DirVersion: b.version,
		Volume: uint32(i + 1), Volumes: uint32(len(b.volumes)), Entries: uint32(len(b.volumes[i])), //nolint:gosec // few
	}
}

// size of volume i in bytes: file volumes are rounded up to a power of two, so
// that their length tells little of the files in them.
func (b *batch) size(i int) int64 {
	n := crypto.VolumeSize(sizes(b.volumes[i]))
	if i == 0 {
		return n
	}
	if size := crypto.ClassSize(crypto.ClassOf(n)); size == n {
		return size
	}
	return crypto.ClassSize(crypto.ClassOf(n + 5)) // padding takes 5 bytes at least
}

// Batches lists the batches kept, newest first.
func (s *Service) Batches() ([]BatchInfo, error) {
	ordinals, err := s.ordinals()
	if err != nil {
		return nil, err
	}
	var list []BatchInfo
	for _, o := range slices.Backward(ordinals) {
		b, err := s.loadBatch(o)
		if errors.Is(err, store.ErrNotFound) {
			continue // ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, b.info(s.instance))
	}
	return list, nil
}

func (s *Service) ordinals() ([]uint64, error) {
	var list []uint64
	for r, err := range s.store.All(bucketBatch) {
		if err != nil {
			return nil, fmt.Errorf("listing batches: %w", err)
		}
		if len(r.Key) == batchKeySize && r.Key[8] == 0 && r.Key[9] == 0 {
			list = append(list, binary.BigEndian.Uint64(r.Key))
		}
	}
	slices.Sort(list)
	return list, nil
}

// ErrNoVolume means that the batch ended or never was.
var ErrNoVolume = errors.New("no such batch or volume: batches are kept for 60 days")

// Volume describes one volume, or [ErrNoVolume].
func (s *Service) Volume(ordinal uint64, volume int) (VolumeInfo, error) {
	b, err := s.loadBatch(ordinal)
	if errors.Is(err, store.ErrNotFound) || err == nil && (volume < 1 || volume > len(b.volumes)) {
		return VolumeInfo{}, ErrNoVolume
	}
	if err != nil {
		return VolumeInfo{}, err
	}
	return b.info(s.instance).Volumes[volume-1], nil
}

// WriteVolume writes a volume's bytes from offset to its end. The bytes are
// the same each time, but for entries erased in between: then the hash at the
// end tells a resumed download, and the desk asks for a new one.
func (s *Service) WriteVolume(ctx context.Context, w io.Writer, ordinal uint64, volume int, offset int64) error {
	b, err := s.loadBatch(ordinal)
	if errors.Is(err, store.ErrNotFound) || err == nil && (volume < 1 || volume > len(b.volumes)) {
		return ErrNoVolume
	}
	if err != nil {
		return err
	}
	i := volume - 1
	vw, err := crypto.NewVolumeWriter(&skipWriter{w: w, skip: offset}, *b.header(s.instance, i), b.size(i))
	if err != nil {
		return err
	}
	for k, e := range b.volumes[i] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := vw.Entry(e.size, &entryReader{s: s, e: e, noise: b.noiseFor(i, k)}); err != nil {
			return fmt.Errorf("writing batch %d: %w", ordinal, err)
		}
	}
	return vw.Close()
}

// noiseFor is the stream of noise that replaces entry k of volume i.
func (b *batch) noiseFor(i, k int) *chacha20.Cipher {
	key := crypto.KDF(b.noise[:], binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(i)), uint32(k)), "erased entry", chacha20.KeySize) //nolint:gosec // small
	c, err := chacha20.NewUnauthenticatedCipher(key, make([]byte, chacha20.NonceSize))
	if err != nil {
		panic("intake: " + err.Error()) // only for a key of another length
	}
	return c
}

// entryReader reads an item, or noise of its length once it was erased.
type entryReader struct {
	s     *Service
	e     entry
	off   int64
	item  *store.Item
	noise *chacha20.Cipher
	gone  bool
}

func (r *entryReader) Read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), r.e.size-r.off)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	if r.item == nil && !r.gone {
		it, err := r.s.store.OpenItem(r.e.id)
		if errors.Is(err, store.ErrNotFound) {
			it, err = r.s.store.OpenItem(stand(r.e.id))
		}
		switch {
		case errors.Is(err, store.ErrNotFound):
			r.gone = true
		case err != nil:
			return 0, err
		default:
			r.item = it
		}
	}
	if !r.gone {
		n, err := r.item.ReadAt(p, r.off)
		r.off += int64(n)
		if n > 0 {
			return n, nil
		}
		if !errors.Is(err, store.ErrNotFound) { // damaged: the batch's other entries must get through
			r.s.damaged.Add(1)
		}
		r.gone = true // erased while it was read: the reader will find the hash wrong and fetch again
	}
	clear(p)
	r.noise.XORKeyStream(p, p)
	r.off += int64(len(p))
	return len(p), nil
}

// skipWriter drops the first skip bytes.
type skipWriter struct {
	w    io.Writer
	skip int64
}

func (s *skipWriter) Write(p []byte) (int, error) {
	n := len(p)
	if s.skip > 0 {
		k := min(s.skip, int64(n))
		s.skip -= k
		p = p[k:]
	}
	if len(p) == 0 {
		return n, nil
	}
	if _, err := s.w.Write(p); err != nil {
		return 0, err
	}
	return n, nil
}
