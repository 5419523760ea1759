package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"

	"postern/crypto"
	"postern/store"
)

// out is what waits for the next release.
type out struct {
	lane crypto.Lane
	size int64    // bytes of the item
	week uint32   // of its arrival: the oldest go first
	hash [32]byte // of its bytes, for the batch's head
}

const outSize = 1 + 8 + 4 + 32

func (o out) encode() []byte {
	b := binary.BigEndian.AppendUint64([]byte{byte(o.lane)}, uint64(o.size)) //nolint:gosec // sizes are not negative
	return append(binary.BigEndian.AppendUint32(b, o.week), o.hash[:]...)
}

func decodeOut(b []byte) (out, error) {
	if len(b) != outSize {
		return out{}, errRecord
	}
	return out{
		lane: crypto.Lane(b[0]), size: int64(binary.BigEndian.Uint64(b[1:])), week: binary.BigEndian.Uint32(b[9:]), hash: [32]byte(b[13:]), //nolint:gosec // written by encode
	}, nil
}

// enqueue stores one message of the smallest class and puts it into the queue.
func (s *Service) enqueue(lane crypto.Lane, id store.ItemID, sealed []byte) []store.Op {
	o := out{lane: lane, size: int64(len(sealed)), week: week(s.now()), hash: sha256.Sum256(sealed)}
	return []store.Op{store.AddItem(id, sealed), store.Create(bucketOut, id[:], o.encode())}
}

// itemWriter takes one sealed message: in memory while it is no longer than
// the smallest class, as an upload from there on.
type itemWriter struct {
	s     *Service
	id    store.ItemID
	small int64
	large *tokens // for bytes beyond the smallest class
	size  int64
	sum   hash.Hash
	buf   bytes.Buffer
	up    *store.Upload
	paid  float64
	kept  bool
}

func (s *Service) newItemWriter(id store.ItemID, slots int, large *tokens) *itemWriter {
	return &itemWriter{s: s, id: id, small: int64(SmallCell(slots)), large: large, sum: sha256.New()}
}

func (w *itemWriter) Write(p []byte) (int, error) {
	w.size += int64(len(p))
	w.sum.Write(p)
	if w.up == nil && w.size <= w.small {
		return w.buf.Write(p)
	}
	if err := w.large.take(float64(len(p)), w.s.now()); err != nil {
		return 0, err
	}
	w.paid += float64(len(p))
	if w.up == nil {
		up, err := w.s.store.NewUpload(w.id)
		if err != nil {
			return 0, err
		}
		w.up = up
		if _, err := up.Write(w.buf.Bytes()); err != nil {
			return 0, err
		}
		w.buf = bytes.Buffer{}
	}
	return w.up.Write(p)
}

// finish makes what was written durable.
func (w *itemWriter) finish() error {
	switch {
	case w.up != nil:
		return w.up.Finish()
	case w.size != w.small:
		return fmt.Errorf("a message of %d bytes where the smallest has %d", w.size, w.small)
	}
	return nil
}

// item makes what was written an item.
func (w *itemWriter) item() store.Op {
	if w.up != nil {
		return store.Adopt(w.up)
	}
	return store.AddItem(w.id, w.buf.Bytes())
}

// enqueue makes it one that waits for the next release.
func (w *itemWriter) enqueue(lane crypto.Lane) []store.Op {
	if w.up != nil {
		lane = crypto.LaneFiles
	}
	o := out{lane: lane, size: w.size, week: week(w.s.now()), hash: [32]byte(w.sum.Sum(nil))}
	return []store.Op{w.item(), store.Create(bucketOut, w.id[:], o.encode())}
}

// abort gives the cells back; harmless once the item was committed.
func (w *itemWriter) abort() {
	if w.up != nil {
		w.up.Abort()
	}
	if !w.kept && w.paid > 0 {
		w.large.give(w.paid)
	}
}

// numbers are those of own items that are being written, by seed: one request must not
// take what another is using.
type numbers struct {
	mu   sync.Mutex
	busy map[[32]byte]*struct{ next, users uint64 }
}

func newNumbers() numbers {
	return numbers{busy: map[[32]byte]*struct{ next, users uint64 }{}}
}

// take the next number, from the state's next on; give ends its use.
func (k *numbers) take(seed [32]byte, next uint64) (n uint64, give func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.busy[seed]
	if b == nil {
		b = new(struct{ next, users uint64 })
		k.busy[seed] = b
	}
	n = max(next, b.next)
	b.next = n + 1
	b.users++
	return n, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if b.users--; b.users == 0 {
			delete(k.busy, seed)
		}
	}
}
