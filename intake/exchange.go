package intake

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"postern/crypto"
	"postern/store"
)

// What a batch serves is a function of its release alone, but for one exchange a night
// (SECURITY.md S-26): entries that a source erased become cover, and with them so many covers that
// the number is the same every night. A batch of which entries were exchanged has a new revision of its head.
// Whoever fetches the same batch again and again sees that some entries are others, each at most once, and not whether anything was erased.

// nightly is how many entries a night exchanges, at least.
const nightly = 16

// inPool says of a cover whether nights may exchange it: of one in eight. If all could be, the mark that the others need
// would tell who has the whole disk how much was cover.
func inPool() bool {
	var b [1]byte
	_, _ = rand.Read(b[:])
	return b[0] < 32
}

// place is where an entry stands.
type place struct {
	number uint64
	at     int
}

func (s *Service) exchange(ctx context.Context) error {
	erased := map[store.ItemID]bool{}
	for r, err := range s.store.All(bucketExchange) {
		if err != nil {
			return fmt.Errorf("reading what was erased: %w", err)
		}
		erased[store.ItemID(r.Key)] = true
	}
	numbers, err := s.batchNumbers()
	if err != nil {
		return err
	}
	var tonight, pool []place
	small := 0 // of tonight's: large ones are seen anyway
	for _, n := range numbers {
		b, err := s.loadBatch(n)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for i, e := range b.entries() {
			switch {
			case erased[e.id]:
				delete(erased, e.id)
				tonight = append(tonight, place{n, i})
				if b.small(e) {
					small++
				}
			case e.kind == entryPool:
				pool = append(pool, place{n, i})
			}
		}
	}
	pool = shuffled(pool)
	tonight = append(tonight, pool[:min(len(pool), max(0, nightly-small))]...)
	in := map[uint64][]int{}
	var order []uint64
	for _, p := range shuffled(tonight) {
		if in[p.number] == nil {
			order = append(order, p.number)
		}
		in[p.number] = append(in[p.number], p.at)
	}
	for _, n := range order {
		for group := range slices.Chunk(in[n], coverGroup) {
			if err := s.exchangeIn(ctx, n, group); err != nil {
				return fmt.Errorf("exchanging entries: %w", err)
			}
		}
	}
	for id := range erased { // its batch ended meanwhile
		if err := s.apply(ctx, store.Forget(id), store.Delete(bucketExchange, id[:])); err != nil {
			return fmt.Errorf("erasing: %w", err)
		}
	}
	return nil
}

// exchangeIn exchanges entries of one batch, in one commit.
func (s *Service) exchangeIn(ctx context.Context, number uint64, places []int) error {
	b, err := s.loadBatch(number)
	if err != nil {
		return err
	}
	if b.revision == 1 {
		b.released = b.head().Hash()
	}
	b.revision++
	var ops []store.Op
	changed := map[int]bool{}
	for _, at := range places {
		e := b.entry(at)
		old := e.id
		ops = append(ops, store.Forget(old), store.Delete(bucketExchange, old[:]))
		fresh := entry{id: randomItem(), size: e.size}
		if b.small(*e) {
			c, err := crypto.NewCover(crypto.Policy{Slots: int(b.slots), Quorum: 1})
			if err != nil {
				return err
			}
			fresh.hash = sha256.Sum256(c)
			ops = append(ops, store.AddSpare(fresh.id, c))
		} else {
			fresh.kind = entryNoise
			sum := sha256.New()
			_, _ = io.Copy(sum, noise(fresh.id, fresh.size)) // neither can fail
			sum.Sum(fresh.hash[:0])
		}
		*e = fresh
		changed[at/chunkEntries+1] = true
	}
	ops = append(ops, store.Put(bucketBatch, batchKey(number, 0), b.headRecord()))
	for i := range changed {
		ops = append(ops, store.Put(bucketBatch, batchKey(number, i), b.chunkRecord(i)))
	}
	return s.apply(ctx, ops...)
}

// small says whether an entry has the size of cover.
func (b *batch) small(e entry) bool {
	return e.size == int64(SmallCell(int(b.slots)))
}

// entry number at of all volumes.
func (b *batch) entry(at int) *entry {
	for _, v := range b.volumes {
		if at < len(v) {
			return &v[at]
		}
		at -= len(v)
	}
	panic("intake: no such entry") // of a place that exchange found
}
