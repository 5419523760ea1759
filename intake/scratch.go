package intake

import (
	"crypto/rand"
	"errors"
	"fmt"

	"postern/crypto"
	"postern/store"
)

// A visit writes the same records for every code (SECURITY.md S-4). What a
// code that is not in use would leave behind, and a message that has nothing
// to tell, go to scratch records, which later visits overwrite. A scratch item
// is cover: whoever gets it learns nothing, with whatever key.

// scratchName names the scratch mailbox: no code derives it.
var scratchName = [32]byte{31: 1}

// scratchOut is the key in the queue that no release takes.
var scratchOut = store.ItemID{31: 1}

// scratchPlaces is how many visits write at once; more wait for each other.
const scratchPlaces = 64

// scratch is one of the places. Its record names its item, so that no crash
// leaves an item that nobody can name.
type scratch struct {
	key  []byte
	item store.ItemID
}

// scratchRing holds the places that no visit is using.
type scratchRing chan *scratch

func (s *Service) openScratch() error {
	s.scratch = make(scratchRing, scratchPlaces)
	for i := range scratchPlaces {
		p := &scratch{key: []byte{'s', byte(i)}}
		b, err := s.store.Get(bucketMeta, p.key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("reading counters: %w", err)
		}
		copy(p.item[:], b)
		s.scratch <- p
	}
	return nil
}

// replace overwrites the place with data as a new item.
func (p *scratch) replace(data []byte) (id store.ItemID, ops []store.Op) {
	_, _ = rand.Read(id[:])
	return id, []store.Op{store.Forget(p.item), store.AddSpare(id, data), store.Put(bucketMeta, p.key, id[:])}
}

// release makes data an item of its own and leaves the place empty: the same
// operations as replace, so that a visit that tells readers something writes what any other does.
func (p *scratch) release(id store.ItemID, data []byte) []store.Op {
	return []store.Op{store.Forget(p.item), store.AddSpare(id, data), store.Put(bucketMeta, p.key, make([]byte, len(id)))}
}

// scratchDrop takes the place of a drop for a code that is not in use.
func scratchDrop(i int) crypto.Drop { return crypto.Drop{14: 1, 15: byte(i)} } //nolint:gosec // below ReplySlots
