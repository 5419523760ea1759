package crypto

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
)

// BundleEntries is how many entries every bundle has, dummies included.
const BundleEntries = 8

// MaxBatchRefs is how many imported batches a bundle can name.
const MaxBatchRefs = 1024

// BundleID names a bundle; handing in the same one twice changes nothing.
type BundleID [16]byte

// BatchRef names a batch that a desk imported.
type BatchRef struct {
	Instance InstanceID
	Batch    uint64
}

// BundleEntry is a reply or event on its way to the server: an age file and
// the drop it is for (random for events and dummies).
type BundleEntry struct {
	Drop Drop
	Size int64
	Data io.Reader
}

// Bundle is the head of a bundle.
type Bundle struct {
	ID      BundleID
	Batches []BatchRef
}

var bundleMagic = []byte("PSR1")

const (
	frameBundleHead = 1 // id ‖ batches
	frameBundleDrop = 6 // before each entry
	frameBundleHash = 5
	batchRefSize    = 16 + 8
)

// WriteBundle seals head and entries to the server's transfer recipient, in
// random order with dummies ([NewDummy]) that fill up to BundleEntries. The
// server, which opens bundles, looks every drop up: it sees which replies live.
// It cannot tell a dummy from an event, or from a reply of the smallest class
// whose drop is gone.
//
// It adds nothing to BundleEntries entries. A desk that may export a bundle
// twice makes its dummies itself and keeps them with the replies: dummies that
// change between two files of one bundle would be known by that.
func WriteBundle(dst io.Writer, p Policy, transfer *Recipient, b Bundle, entries []BundleEntry) error {
	if err := writeBundle(dst, p, transfer, b, entries); err != nil {
		return fmt.Errorf("writing a bundle: %w", err)
	}
	return nil
}

func writeBundle(dst io.Writer, p Policy, transfer *Recipient, b Bundle, entries []BundleEntry) error {
	if len(entries) > BundleEntries || len(b.Batches) > MaxBatchRefs {
		return fmt.Errorf("%d entries and %d batches: at most %d and %d", len(entries), len(b.Batches), BundleEntries, MaxBatchRefs)
	}
	all := append([]BundleEntry(nil), entries...)
	for len(all) < BundleEntries {
		drop, file, err := NewDummy(p)
		if err != nil {
			return err
		}
		all = append(all, BundleEntry{Drop: drop, Size: int64(len(file)), Data: bytes.NewReader(file)})
	}
	for i := len(all) - 1; i > 0; i-- {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(i+1)))
		if err != nil {
			return err
		}
		j := n.Int64()
		all[i], all[j] = all[j], all[i]
	}
	w, err := Seal(dst, p, [][]*Recipient{{transfer}})
	if err != nil {
		return err
	}
	if err := writeBundleFrames(w, b, all); err != nil {
		return err
	}
	return w.Close()
}

// writeBundleFrames writes the plaintext of a bundle.
func writeBundleFrames(w io.Writer, b Bundle, all []BundleEntry) error {
	f, sum := hashedFrames(w)
	f.write(bundleMagic)
	head := append([]byte(nil), b.ID[:]...)
	for _, r := range b.Batches {
		head = append(head, r.Instance[:]...)
		head = binary.BigEndian.AppendUint64(head, r.Batch)
	}
	f.frame(frameBundleHead, head)
	buf := make([]byte, maxFrame)
	for _, e := range all {
		f.frame(frameBundleDrop, e.Drop[:])
		if err := f.copy(e.Size, e.Data, buf); err != nil {
			return err
		}
	}
	f.frame(frameBundleHash, sum.Sum(nil))
	f.end()
	return f.err
}

// NewDummy makes one dummy entry of a bundle: a random drop and a real cover
// of the smallest class under p, SealedSize(p.Slots, ClassSize(0)) bytes.
// Nobody can open it, so its meta is all zero.
func NewDummy(p Policy) (drop Drop, file []byte, err error) {
	_, _ = rand.Read(drop[:])
	var b bytes.Buffer
	w, err := Seal(&b, p, nil)
	if err != nil {
		return drop, nil, err
	}
	m, err := NewMessageWriter(w, &Message{Meta: Meta{Kind: KindCover}}, nil)
	if err != nil {
		return drop, nil, err
	}
	if err := m.Close(); err != nil {
		return drop, nil, err
	}
	err = w.Close()
	return drop, b.Bytes(), err
}

// ReadBundle opens a bundle. onHead may stop it with an error; onEntry is
// called for each entry. What onEntry stored is to be committed only when
// ReadBundle returned nil.
func ReadBundle(src io.Reader, id *Identity, onHead func(Bundle) error, onEntry func(i int, e BundleEntry) error) error {
	plain, err := Open(src, id)
	if err == nil {
		err = readBundle(newHashedReader(plain), onHead, onEntry)
	}
	if err != nil {
		return fmt.Errorf("reading a bundle: %w", err)
	}
	return nil
}

func readBundle(h *hashedReader, onHead func(Bundle) error, onEntry func(i int, e BundleEntry) error) error {
	if err := h.magic(bundleMagic); err != nil {
		return err
	}
	if err := h.next(frameBundleHash); err != nil {
		return err
	}
	n := len(h.b) - len(BundleID{})
	if h.typ != frameBundleHead || n < 0 || n%batchRefSize != 0 || n/batchRefSize > MaxBatchRefs {
		return malformed("no bundle head")
	}
	var b Bundle
	rest := h.b[copy(b.ID[:], h.b):]
	for ; len(rest) > 0; rest = rest[batchRefSize:] {
		var r BatchRef
		copy(r.Instance[:], rest)
		r.Batch = binary.BigEndian.Uint64(rest[16:])
		b.Batches = append(b.Batches, r)
	}
	if err := onHead(b); err != nil {
		return err
	}
	if err := h.next(frameBundleHash); err != nil {
		return err
	}
	for i := range BundleEntries {
		if h.typ != frameBundleDrop || len(h.b) != len(Drop{}) {
			return malformed("frame %d where an entry begins", h.typ)
		}
		drop := Drop(h.b)
		if err := h.next(frameBundleHash); err != nil {
			return err
		}
		if err := h.entry(frameBundleHash, func(n int64, r io.Reader) error {
			return onEntry(i, BundleEntry{Drop: drop, Size: n, Data: r})
		}); err != nil {
			return err
		}
	}
	return h.tail(frameBundleHash)
}
