package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"postern/store"
)

// stretchMost bounds the length of a stretch in bytes: a file on a stick (FAT32)
// has less than 4 GiB.
const stretchMost = 3 << 30

// Stretch is a run of batches as one file: all their volumes, one behind the other,
// in the order of their numbers. Its numbers are ordinals of one life of the server, the one of
// the newest batch. Like a batch it is the same for every holder, and for one [Stretch.Tag] the same bytes each time.
type Stretch struct {
	After, Last uint64 // what was asked for, and the newest number in it
	Name        string // of the file: the numbers in it, and nothing that came from outside
	Tag         string // names the bytes: of every batch in it, as it is now
	Size        int64  // bytes

	first uint64 // number in it
	parts []stretchPart
}

type stretchPart struct {
	batch  uint64 // number in this database
	volume int
	size   int64
}

// NothingAfter is the refusal of a stretch: no batch has a number above the one asked for.
type NothingAfter struct {
	Newest uint64 // number that there is; 0: no batch at all
}

func (n *NothingAfter) Error() string {
	return fmt.Sprintf("no batch has a number above that: the newest is %d", n.Newest)
}

// Stretch finds the batches with numbers above after, up to last or, when last is 0, as
// many as fit in 3 GiB, but one at least; else [NothingAfter]. What the server no
// longer keeps is not in it: who has the numbers sees which are missing.
func (s *Service) Stretch(after, last uint64) (*Stretch, error) {
	numbers, err := s.batchNumbers()
	if err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		return nil, &NothingAfter{}
	}
	newest, err := s.loadBatch(numbers[len(numbers)-1])
	if err != nil {
		return nil, err
	}
	if after >= newest.ordinal {
		return nil, &NothingAfter{newest.ordinal}
	}
	most := s.stretch
	if last != 0 {
		most = -1
	} else {
		last = newest.ordinal
	}
	st := &Stretch{After: after}
	tag := sha256.New()
	first, _ := slices.BinarySearch(numbers, newest.number-newest.ordinal+after+1)
	for _, n := range numbers[first:] {
		b, err := s.loadBatch(n)
		if errors.Is(err, store.ErrNotFound) {
			continue // ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		if b.ordinal > last || b.instance != newest.instance {
			break
		}
		if !st.add(b, most) {
			break
		}
		sum := b.head().Hash()
		tag.Write(sum[:])
	}
	if len(st.parts) == 0 {
		return nil, &NothingAfter{newest.ordinal}
	}
	st.Tag = hex.EncodeToString(tag.Sum(nil)[:16])
	st.Name = fmt.Sprintf("postern-%s-%06d-to-%06d.batches", hex.EncodeToString(newest.instance[:4]), st.first, st.Last)
	return st, nil
}

// add takes one more batch, unless the file would be longer than most then (-1: any length).
func (st *Stretch) add(b *batch, most int64) bool {
	h := b.head()
	size, parts := st.Size, st.parts
	for v := range b.volumes {
		p := stretchPart{b.number, v + 1, padded(h, v+1)}
		size += p.size
		parts = append(parts, p)
	}
	if most >= 0 && size > most && len(st.parts) > 0 {
		return false
	}
	if len(st.parts) == 0 {
		st.first = b.ordinal
	}
	st.Size, st.parts, st.Last = size, parts, b.ordinal
	return true
}

// WriteStretch writes a stretch's bytes from offset to its end. An exchange of entries that comes
// meanwhile gives what is not yet written another tag; each volume is whole all the same.
func (s *Service) WriteStretch(ctx context.Context, w io.Writer, st *Stretch, offset int64) error {
	for _, p := range st.parts {
		if offset >= p.size {
			offset -= p.size
			continue
		}
		if err := s.WriteVolume(ctx, w, p.batch, p.volume, offset); err != nil {
			return err
		}
		offset = 0
	}
	return nil
}
