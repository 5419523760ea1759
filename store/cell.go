package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"
)

// A cell:
//
//	AES-256-GCM(KDF(blob seed, "", "cell key"), nonce = be96(ordinal in the item), data ‖ zeros)
//
// A blob seed is used for one item, an ordinal once in it. AES-256-GCM seals
// 4.7 GB/s where ChaCha20-Poly1305 seals 2.5 on the processors this runs on. A cell in
// which there is nothing holds random bytes, and a new item gets any of the free ones
// with the same chance, so that its place says nothing of when it came.
type class uint8

const (
	small class = iota
	large
	classes
)

var classNames = [classes]string{"small", "large"}

const (
	cellTag   = 16
	pageSize  = 4096
	largeSize = 256 << 10
	largeCell = largeSize - cellTag

	maxCell = 1 << 31
)

// smallSize is the size of a cell that holds n bytes: whole pages, so that no
// write reaches into a neighbour's.
func smallSize(n int) int { return (n + cellTag + pageSize - 1) / pageSize * pageSize }

func cellNonce(ordinal uint32) []byte {
	var n [12]byte
	binary.BigEndian.PutUint32(n[8:], ordinal)
	return n[:]
}

// cellAEAD seals the cells of one item.
func cellAEAD(seed []byte) cipher.AEAD {
	aead, err := cipher.NewGCM(cellBlock(kdf(seed, "cell key")))
	if err != nil {
		panic(err) // only for a cipher of another block size
	}
	return aead
}

func cellBlock(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a key of another length
	}
	return block
}

// run is a sequence of neighbouring cells.
type run struct{ start, count uint32 }

// allocator knows which cells are in use, and how much of the quota. It lives in
// memory: on opening it is built anew from the records, so that a cell nobody
// refers to is free, whatever was going on when the process ended.
type allocator struct {
	mu      sync.Mutex
	quota   int64
	limit   [tiers]int64 // bytes up to which there is room
	exact   bool         // nothing is made in advance
	given   int64        // cost of all used cells and of records
	records int64        // cost of records
	class   [classes]struct {
		cost  int64
		count uint32 // there are that many
		taken uint32
		used  bitset
	}
}

// tier is who something is for: the quota fills in this order.
type tier uint8

const (
	forLarge tier = iota // uploads
	forSmall             // AddItem, records
	forSpare             // AddSpare, records of buckets with Spare
	tiers
)

func newAllocator(o Options, smallSize int) *allocator {
	a := &allocator{quota: o.Quota}
	a.limit = [tiers]int64{forLarge: o.Quota - int64(float64(o.Quota)*o.ReserveSmall) - o.Spare, forSmall: o.Quota - o.Spare, forSpare: o.Quota}
	a.class[small].cost, a.class[large].cost = int64(smallSize), largeSize
	return a
}

// room of a tier in a class, in cells: there now, or still to be made.
func (a *allocator) room(t tier, c class) int64 {
	k := &a.class[c]
	cells := int64(k.count-k.taken) + a.growable(c)
	if t == forSmall && c == small {
		cells -= (a.limit[forSpare] - a.limit[forSmall]) / k.cost
	}
	return max(0, min(cells, (a.limit[t]-a.given)/k.cost))
}

// growable is how many cells can still be made. Large ones leave what is reserved.
func (a *allocator) growable(c class) int64 {
	free := a.quota - a.records
	for i := range a.class {
		free -= int64(a.class[i].count) * a.class[i].cost
	}
	if c == large {
		free = min(free, a.limit[forLarge]-int64(a.class[c].count)*a.class[c].cost)
	}
	if free < 0 {
		return 0
	}
	return free / a.class[c].cost
}

// Cells are made long before the free ones run low: a quarter is free, so that few
// places say that they are new.
var leastExtent = [classes]int64{4 << 20, 16 << 20}

const mostExtent = 64 << 20

// extent is how many cells should be made now, when none is free or in advance.
func (a *allocator) extent(c class, need bool) uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := &a.class[c]
	switch free := k.count - k.taken; {
	case need && free > 0, !need && (a.exact || free > k.count/4):
		return 0
	case a.exact:
		return 1
	}
	n := min(max(int64(k.count/4)*k.cost, leastExtent[c]), mostExtent) / k.cost
	return uint32(min(max(n, 1), a.growable(c), maxCell-int64(k.count))) //nolint:gosec // not negative
}

// take gives a random free cell and those after it, as far as they are free, at most n.
// No cells: some must be made first.
func (a *allocator) take(t tier, c class, n uint32) (run, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	room := a.room(t, c)
	if room == 0 {
		return run{}, ErrFull
	}
	k := &a.class[c]
	if k.taken == k.count {
		return run{}, nil
	}
	r := run{start: k.used.nthClear(below(uint64(k.count-k.taken)), k.count)}
	for r.count < n && int64(r.count) < room && r.start+r.count < k.count && !k.used.has(r.start+r.count) {
		k.used.set(r.start + r.count)
		r.count++
	}
	k.taken += r.count
	a.given += int64(r.count) * k.cost
	return r, nil
}

// below gives a random number below n.
func below(n uint64) uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	hi, _ := bits.Mul64(binary.NativeEndian.Uint64(b[:]), n)
	return hi
}

// claim marks the cells of an item that is being loaded.
func (a *allocator) claim(c class, runs []run) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := &a.class[c]
	for _, r := range runs {
		if uint64(r.start)+uint64(r.count) > uint64(k.count) {
			return fmt.Errorf("%s.cells %w", classNames[c], ErrDamaged)
		}
		for n := r.start; n < r.start+r.count; n++ {
			if k.used.has(n) {
				return fmt.Errorf("two items share a cell: %w", errRecord)
			}
			k.used.set(n)
			k.taken++
			a.given += k.cost
		}
	}
	return nil
}

// free gives cells back; their old content stays until they are used again,
// noise since its seed is forgotten.
func (a *allocator) free(c class, runs []run) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := &a.class[c]
	for _, r := range runs {
		for n := r.start; n < r.start+r.count; n++ {
			k.used.clear(n)
		}
		k.taken -= r.count
		a.given -= int64(r.count) * k.cost
	}
}

// addRecords of a cost, if there is room for what is new.
func (a *allocator) addRecords(cost int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records += cost
	a.given += cost
}

// hasRoom for so many bytes of records.
func (a *allocator) hasRoom(t tier, cost int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.given+cost <= a.limit[t]
}

func (a *allocator) inUse(c class, n uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.class[c].used.has(n)
}

// take cells of a class for a tier, making new ones if need be. When the small ones
// are used up, a small item may lie in a large one.
func (s *Store) take(t tier, c class, n uint32) (run, class, error) {
	for {
		r, err := s.alloc.take(t, c, n)
		switch {
		case err != nil && c == small:
			c = large
		case err != nil:
			return r, c, err
		case r.count > 0:
			s.growAhead(c)
			return r, c, nil
		default:
			if err := s.grow(c); err != nil {
				return r, c, err
			}
		}
	}
}

// grow makes cells when there is no free one.
func (s *Store) grow(c class) error {
	s.growing.Lock()
	defer s.growing.Unlock()
	return s.makeCells(c, s.alloc.extent(c, true))
}

// growAhead makes cells before they are needed, for whom nobody waits.
func (s *Store) growAhead(c class) {
	if s.alloc.extent(c, false) == 0 || !s.growing.TryLock() {
		return
	}
	go func() {
		defer s.growing.Unlock()
		if s.begin() == nil {
			defer s.life.RUnlock()
			_ = s.makeCells(c, s.alloc.extent(c, false)) // what fails breaks the store
		}
	}()
}

// makeCells adds n cells. One at a time.
func (s *Store) makeCells(c class, n uint32) error {
	if n == 0 {
		return nil
	}
	from := s.cells[c].Count()
	err := s.cells[c].Grow(from + n)
	if c == small { // large ones follow at the next vacuum: to write each of them twice would halve the rate of an upload
		write := s.noise(c)
		for i := from; i < from+n && err == nil; i++ {
			err = write(i)
		}
		if err == nil && !s.alloc.exact { // or the next text would wait for all of them
			err = s.cells[c].Sync()
		}
	}
	if err != nil {
		return s.fail(fmt.Errorf("making cells: %w", err))
	}
	s.alloc.mu.Lock()
	defer s.alloc.mu.Unlock()
	s.alloc.class[c].count += n
	return nil
}

// noise gives a function that makes cells look like sealed ones.
func (s *Store) noise(c class) func(n uint32) error {
	key := make([]byte, 32+aes.BlockSize)
	_, _ = rand.Read(key)
	stream := cipher.NewCTR(cellBlock(key[:32]), key[32:])
	buf := make([]byte, s.alloc.class[c].cost)
	return func(n uint32) error {
		stream.XORKeyStream(buf, buf)
		return s.cells[c].Put(n, buf)
	}
}

// fill puts noise into free cells that were never written. One at a time.
func (s *Store) fill() error {
	for c := range classes {
		k, write, head := &s.alloc.class[c], s.noise(c), make([]byte, cellTag)
		s.alloc.mu.Lock()
		count := k.count
		s.alloc.mu.Unlock()
		for n := s.filled[c]; n < count; n++ {
			if s.alloc.inUse(c, n) {
				continue
			}
			if err := s.cells[c].Get(n, head); err != nil {
				return s.fail(fmt.Errorf("filling cells: %w", err))
			}
			if [cellTag]byte(head) != [cellTag]byte{} || !s.alloc.hold(c, n) {
				continue
			}
			err := write(n)
			s.alloc.free(c, []run{{n, 1}})
			if err != nil {
				return s.fail(fmt.Errorf("filling cells: %w", err))
			}
		}
		if err := s.cells[c].Sync(); err != nil {
			return s.fail(fmt.Errorf("filling cells: %w", err))
		}
		s.filled[c] = count
	}
	return nil
}

// hold a cell if it is free.
func (a *allocator) hold(c class, n uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := &a.class[c]
	if k.used.has(n) {
		return false
	}
	k.used.set(n)
	k.taken++
	a.given += k.cost
	return true
}

// bitset grows as needed.
type bitset []uint64

func (b bitset) has(n uint32) bool { return int(n/64) < len(b) && b[n/64]&(1<<(n%64)) != 0 }

func (b *bitset) set(n uint32) {
	for int(n/64) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b bitset) clear(n uint32) {
	if int(n/64) < len(b) {
		b[n/64] &^= 1 << (n % 64)
	}
}

// nthClear is the k-th number, from 0, below count that is not in b. There is one.
func (b bitset) nthClear(k uint64, count uint32) uint32 {
	for n := uint32(0); ; n += 64 {
		w := ^uint64(0)
		if int(n/64) < len(b) {
			w = ^b[n/64]
		}
		if c := uint64(bits.OnesCount64(w)); k >= c && n+64 < count { //nolint:gosec // at most 64
			k -= c
			continue
		}
		for ; k > 0; k-- {
			w &= w - 1
		}
		return n + uint32(bits.TrailingZeros64(w)) //nolint:gosec // at most 63
	}
}
