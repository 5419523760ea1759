package store

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A cell in the file, in the bucket of its class:
//
//	be64(number) → AES-256-GCM(KDF(blob seed, "", "cell key"), nonce = be96(ordinal in the item), data ‖ zeros)
//
// A blob seed is used for one item, an ordinal once in it. AES-256-GCM seals
// 4.7 GB/s where ChaCha20-Poly1305 seals 2.5 on the processors this runs on.
type class uint8

const (
	small class = iota
	large
	classes
)

var classNames = [classes][]byte{[]byte("small"), []byte("large")}

// holesBucket lists numbers below the last cell that hold none: class ‖ be64(number).
var holesBucket = []byte("holes")

const (
	cellTag = 16
	// largeStored bytes make bbolt's leaves of 1 to 4 large cells fill whole
	// pages: 16 for the page, 16 and the key of 8 for each cell.
	largeStored = 256<<10 - 16 - 16 - 8
	largeCell   = largeStored - cellTag

	pageSize = 4096
)

func cellKey(n uint32) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func cellNonce(ordinal uint32) []byte {
	var n [12]byte
	binary.BigEndian.PutUint32(n[8:], ordinal)
	return n[:]
}

// cellAEAD seals the cells of one item.
func cellAEAD(seed []byte) cipher.AEAD {
	block, err := aes.NewCipher(kdf(seed, "cell key"))
	if err != nil {
		panic(err) // only for a key of another length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for a cipher of another block size
	}
	return aead
}

// run is a sequence of neighbouring cells.
type run struct{ start, count uint32 }

// allocator knows which cells are in use. It lives in memory: on opening it is
// built anew from the items' records, so that a cell nobody refers to is free,
// whatever was going on when the process ended.
type allocator struct {
	mu      sync.Mutex
	quota   int64
	limit   [tiers]int64    // bytes up to which cells are given
	cost    [classes]int64  // bytes of the file for one cell
	used    [classes]bitset // by an item, or given to one being written
	present [classes]bitset // in the file
	low     [classes]uint32 // no free number is lower
	given   int64           // cost of all used cells
	file    int64           // cost of all present cells
}

// tier is who a cell is for: the quota fills in this order.
type tier uint8

const (
	forLarge tier = iota // uploads
	forSmall             // AddItem
	forSpare             // AddSpare
	tiers
)

func (t tier) class() class {
	if t == forLarge {
		return large
	}
	return small
}

func newAllocator(quota int64, reserve float64, spare int64, smallCell int) *allocator {
	a := &allocator{quota: quota}
	a.limit = [tiers]int64{forLarge: quota - int64(float64(quota)*reserve) - spare, forSmall: quota - spare, forSpare: quota}
	stored := int64(smallCell + cellTag)
	a.cost[small] = (16 + 16 + 8 + stored + pageSize - 1) / pageSize * pageSize
	a.cost[large] = 256 << 10
	return a
}

// take gives the lowest free cells, at least 1 and at most n of them, neighbours. [ErrFull].
func (a *allocator) take(t tier, n uint32) (run, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := t.class()
	if room := (a.limit[t] - a.given) / a.cost[c]; room < int64(n) {
		if room <= 0 {
			return run{}, ErrFull
		}
		n = uint32(room) //nolint:gosec // lower than n
	}
	r := run{start: a.used[c].firstClear(a.low[c])}
	for r.count < n && !a.used[c].has(r.start+r.count) {
		a.used[c].set(r.start + r.count)
		r.count++
	}
	a.low[c] = r.start + r.count
	a.given += int64(r.count) * a.cost[c]
	return r, nil
}

// fits says whether a cell could be taken.
func (a *allocator) fits(t tier) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.given+a.cost[t.class()] <= a.limit[t]
}

// claim marks the cells of an item that is being loaded; false when one of
// them is used already.
func (a *allocator) claim(c class, runs []run) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	ok := true
	for _, r := range runs {
		for n := r.start; n < r.start+r.count; n++ {
			if a.used[c].has(n) {
				ok = false
				continue
			}
			a.used[c].set(n)
			a.given += a.cost[c]
		}
	}
	return ok
}

// free gives cells back; their old content stays until they are used again,
// noise since its seed is forgotten.
func (a *allocator) free(c class, runs []run) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range runs {
		for n := r.start; n < r.start+r.count; n++ {
			a.used[c].clear(n)
		}
		a.low[c] = min(a.low[c], r.start)
		a.given -= int64(r.count) * a.cost[c]
	}
}

// cellRef names a cell.
type cellRef struct {
	class  class
	number uint32
}

// enter notes that these cells will be in the file. When that makes it longer than the
// quota, as many free cells, of either class, are named to be deleted.
func (a *allocator) enter(jobs []*cellJob) (added, remove []cellRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, j := range jobs {
		if !a.present[j.class].has(j.number) {
			a.present[j.class].set(j.number)
			a.file += a.cost[j.class]
			added = append(added, j.cellRef)
		}
	}
	for a.file > a.quota {
		v, ok := a.victim()
		if !ok {
			break
		}
		a.present[v.class].clear(v.number)
		a.file -= a.cost[v.class]
		remove = append(remove, v)
	}
	return added, remove
}

// victim is the last free cell in the file.
func (a *allocator) victim() (cellRef, bool) {
	for _, c := range []class{large, small} {
		if n, ok := a.present[c].lastWithout(a.used[c]); ok {
			return cellRef{c, n}, true
		}
	}
	return cellRef{}, false
}

// undo takes back what enter noted.
func (a *allocator) undo(added, removed []cellRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range added {
		a.present[r.class].clear(r.number)
		a.file -= a.cost[r.class]
	}
	for _, r := range removed {
		a.present[r.class].set(r.number)
		a.file += a.cost[r.class]
	}
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

// firstClear from a number on.
func (b bitset) firstClear(from uint32) uint32 {
	for n := from; ; {
		if int(n/64) >= len(b) {
			return n
		}
		if w := ^b[n/64] >> (n % 64); w != 0 {
			return n + uint32(bits.TrailingZeros64(w)) //nolint:gosec // at most 63
		}
		n = n/64*64 + 64
	}
}

// lastWithout is the highest number that b has and other has not.
func (b bitset) lastWithout(other bitset) (uint32, bool) {
	for i := len(b) - 1; i >= 0; i-- {
		w := b[i]
		if i < len(other) {
			w &^= other[i]
		}
		if w != 0 {
			return uint32(i*64 + 63 - bits.LeadingZeros64(w)), true //nolint:gosec // numbers have 32 bits
		}
	}
	return 0, false
}

// load reads which cells the file holds: all up to the last, without the holes.
// A number that was given and never written counts as present after that,
// until it is written or chosen for deletion; the quota errs on the safe side.
func (a *allocator) load(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		for c := range classes {
			b := tx.Bucket(classNames[c])
			if b == nil {
				return errCells
			}
			k, _ := b.Cursor().Last()
			if k == nil {
				continue
			}
			if len(k) != 8 || binary.BigEndian.Uint64(k) > maxCell {
				return errCells
			}
			for n := range binary.BigEndian.Uint64(k) + 1 {
				a.present[c].set(uint32(n)) //nolint:gosec // at most maxCell
			}
		}
		holes := tx.Bucket(holesBucket)
		if holes == nil {
			return errCells
		}
		err := holes.ForEach(func(k, _ []byte) error {
			if len(k) != 9 || class(k[0]) >= classes || binary.BigEndian.Uint64(k[1:]) > maxCell {
				return errCells
			}
			a.present[k[0]].clear(uint32(binary.BigEndian.Uint64(k[1:]))) //nolint:gosec // at most maxCell
			return nil
		})
		for c := range classes {
			for _, w := range a.present[c] {
				a.file += int64(bits.OnesCount64(w)) * a.cost[c]
			}
		}
		return err
	})
}

const maxCell = 1 << 31

var errCells = errors.New("cells.db is damaged: restore a full backup")

func holeKey(r cellRef) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(r.class)}, uint64(r.number))
}

// cellJob is one sealed cell on its way into the file.
type cellJob struct {
	cellRef
	data []byte
	done func(error) // called once: the cell is durable, or is not there
}

// A transaction takes what waited while the last one was being synced, up to
// cellBatch bytes: no timer is needed, and a lone writer waits for nobody.
const cellBatch = 4 << 20

// writeCells is the only writer of cells.db.
func (s *Store) writeCells() {
	defer s.writers.Done()
	for j := range s.cellQueue {
		jobs, n := []*cellJob{j}, len(j.data)
	more:
		for n < cellBatch {
			select {
			case j, ok := <-s.cellQueue:
				if !ok {
					break more
				}
				jobs, n = append(jobs, j), n+len(j.data)
			default:
				break more
			}
		}
		err := s.commitCells(jobs)
		for _, j := range jobs {
			j.done(err)
		}
	}
}

func (s *Store) commitCells(jobs []*cellJob) error {
	if err := s.usable(); err != nil {
		return err
	}
	// In the order of the file, which bbolt then writes at the disk's speed.
	slices.SortFunc(jobs, func(x, y *cellJob) int {
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare(x.number, y.number))
	})
	added, remove := s.alloc.enter(jobs)
	err := s.cells.Update(func(tx *bbolt.Tx) error {
		holes := tx.Bucket(holesBucket)
		for _, r := range added {
			if err := holes.Delete(holeKey(r)); err != nil {
				return err
			}
		}
		for _, r := range remove {
			if err := tx.Bucket(classNames[r.class]).Delete(cellKey(r.number)); err != nil {
				return err
			}
			if err := holes.Put(holeKey(r), nil); err != nil {
				return err
			}
		}
		for _, j := range jobs {
			if err := tx.Bucket(classNames[j.class]).Put(cellKey(j.number), j.data); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, berrors.ErrMaxSizeReached):
		s.alloc.undo(added, remove)
		return ErrFull
	default:
		return s.fail(fmt.Errorf("writing cells: %w", err))
	}
}
