package intake

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"postern/crypto"
	"postern/store"
)

// out is what waits for the next release.
type out struct {
	lane crypto.Lane
	size int64  // bytes of the item
	week uint32 // of its arrival: the oldest go first
}

const outSize = 1 + 8 + 4

func (o out) encode() []byte {
	b := binary.BigEndian.AppendUint64([]byte{byte(o.lane)}, uint64(o.size)) //nolint:gosec // sizes are not negative
	return binary.BigEndian.AppendUint32(b, o.week)
}

func decodeOut(b []byte) (out, error) {
	if len(b) != outSize {
		return out{}, errRecord
	}
	return out{lane: crypto.Lane(b[0]), size: int64(binary.BigEndian.Uint64(b[1:])), week: binary.BigEndian.Uint32(b[9:])}, nil //nolint:gosec // written by encode
}

// itemWriter takes one sealed message: in memory while it is no longer than
// the smallest class, as an upload from there on.
type itemWriter struct {
	s     *Service
	id    store.ItemID
	small int64
	size  int64
	buf   bytes.Buffer
	up    *store.Upload
}

func (s *Service) newItemWriter(id store.ItemID, slots int) *itemWriter {
	return &itemWriter{s: s, id: id, small: int64(SmallCell(slots))}
}

func (w *itemWriter) Write(p []byte) (int, error) {
	w.size += int64(len(p))
	if w.up == nil && w.size <= w.small {
		return w.buf.Write(p)
	}
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

// finish returns the operation that makes what was written an item, and the
// lane for its size.
func (w *itemWriter) finish() (store.Op, crypto.Lane, error) {
	if w.up == nil {
		if w.size != w.small {
			return store.Op{}, 0, fmt.Errorf("a message of %d bytes where the smallest has %d", w.size, w.small)
		}
		return store.AddItem(w.id, w.buf.Bytes()), crypto.LaneRegular, nil
	}
	if err := w.up.Finish(); err != nil {
		return store.Op{}, 0, err
	}
	return store.Adopt(w.up), crypto.LaneFiles, nil
}

// abort gives the cells back; harmless once the item was committed.
func (w *itemWriter) abort() {
	if w.up != nil {
		w.up.Abort()
	}
}
