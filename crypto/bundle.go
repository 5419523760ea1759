package crypto

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"slices"
)

// BundleEntries is how many entries every bundle has, dummies included.
const BundleEntries = 4

// MaxBatchRefs is how many imported batches a bundle can name.
const MaxBatchRefs = 1024

// BundleID is drawn by the desk that writes a bundle. It is the desk's own name
// for it: a server goes by [Bundle.Content].
type BundleID [16]byte

// BatchRef names a batch that a desk imported.
type BatchRef struct {
	Instance InstanceID
	Batch    uint64
}

// BundleFile is one age file in a bundle.
type BundleFile struct {
	Size int64
	Data io.Reader
}

// BundleEntry is a reply or event on its way to the server: one container sealed
// twice, so both files have one size. The source's copy is for R and throw-away
// keys and goes into the mailbox alone; the readers' copy is for the readers and
// goes into the next batch. So nothing a batch serves is ever sealed to a code's
// key, and what the source erases is gone with the mailbox's record of it. An
// event has a cover as the source's copy and a random drop.
type BundleEntry struct {
	Drop            Drop
	Source, Readers BundleFile
}

// Copy says which of an entry's files it is.
type Copy byte

// The copies, in their order.
const (
	SourceCopy Copy = iota
	ReadersCopy
)

// Bundle is the head of a bundle.
type Bundle struct {
	ID      BundleID
	Batches []BatchRef
	Content [32]byte // of what was read: the same for the same drops and files in any order
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
		drop, source, readers, err := NewDummy(p)
		if err != nil {
			return err
		}
		all = append(all, BundleEntry{drop, fileOf(source), fileOf(readers)})
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

func fileOf(b []byte) BundleFile { return BundleFile{int64(len(b)), bytes.NewReader(b)} }

// writeBundleFrames writes the plaintext of a bundle.
func writeBundleFrames(w io.Writer, b Bundle, all []BundleEntry) error {
	sum := sha256.New()
	f := &frameWriter{w: io.MultiWriter(w, sum)}
	f.write(bundleMagic)
	head := append([]byte(nil), b.ID[:]...)
	for _, r := range b.Batches {
		head = append(head, r.Instance[:]...)
		head = binary.BigEndian.AppendUint64(head, r.Batch)
	}
	f.frame(frameBundleHead, head)
	buf := make([]byte, maxFrame)
	for _, e := range all {
		if e.Source.Size != e.Readers.Size {
			return fmt.Errorf("copies of %d and %d bytes: must have one size", e.Source.Size, e.Readers.Size)
		}
		f.frame(frameBundleDrop, e.Drop[:])
		for _, c := range []BundleFile{e.Source, e.Readers} {
			if err := f.copy(c.Size, c.Data, buf); err != nil {
				return err
			}
		}
	}
	f.frame(frameBundleHash, sum.Sum(nil))
	f.end()
	return f.err
}

// NewDummy makes one dummy entry of a bundle: a random drop and two covers.
func NewDummy(p Policy) (drop Drop, source, readers []byte, err error) {
	_, _ = rand.Read(drop[:])
	if source, err = NewCover(p); err == nil {
		readers, err = NewCover(p)
	}
	return drop, source, readers, err
}

// NewCover makes a real cover of the smallest class under p,
// SealedSize(p.Slots, ClassSize(0)) bytes. Nobody can open it, so its meta is all zero.
func NewCover(p Policy) ([]byte, error) {
	var b bytes.Buffer
	w, err := Seal(&b, p, nil)
	if err != nil {
		return nil, err
	}
	m, err := NewMessageWriter(w, &Message{Meta: Meta{Kind: KindCover}}, nil)
	if err != nil {
		return nil, err
	}
	if err := m.Close(); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// ReadBundle opens a bundle. onHead, which gets no Content yet, may stop it with an
// error; onFile is called for each file: entry 0's source's copy, its readers'
// copy, entry 1's. What it leaves unread is drained. What onFile stored is to be
// committed only when ReadBundle returned nil.
func ReadBundle(src io.Reader, id *Identity, onHead func(Bundle) error, onFile func(entry int, drop Drop, c Copy, f BundleFile) error) (Bundle, error) {
	plain, err := Open(src, id)
	var b Bundle
	if err == nil {
		b, err = readBundle(&entryFile{f: frameReader{r: plain}, sum: sha256.New()}, onHead, onFile)
	}
	if err != nil {
		return Bundle{}, fmt.Errorf("reading a bundle: %w", err)
	}
	return b, nil
}

func readBundle(f *entryFile, onHead func(Bundle) error, onFile func(int, Drop, Copy, BundleFile) error) (b Bundle, err error) {
	if err := f.magic(bundleMagic); err != nil {
		return b, err
	}
	n := len(f.b) - len(BundleID{})
	if f.typ != frameBundleHead || n < 0 || n%batchRefSize != 0 || n/batchRefSize > MaxBatchRefs {
		return b, malformed("no bundle head")
	}
	rest := f.b[copy(b.ID[:], f.b):]
	for ; len(rest) > 0; rest = rest[batchRefSize:] {
		var r BatchRef
		copy(r.Instance[:], rest)
		r.Batch = binary.BigEndian.Uint64(rest[16:])
		b.Batches = append(b.Batches, r)
	}
	if err := onHead(b); err != nil {
		return b, err
	}
	if err := f.next(); err != nil {
		return b, err
	}
	var entries [][]byte // their hashes
	for i := range BundleEntries {
		h, err := f.bundleEntry(i, onFile)
		if err != nil {
			return b, err
		}
		entries = append(entries, h)
	}
	if f.typ != frameBundleHash || !bytes.Equal(f.b, f.sum.Sum(nil)) {
		return b, malformed("the hash at the end is missing or differs: copy the file again")
	}
	slices.SortFunc(entries, bytes.Compare)
	b.Content = sha256.Sum256(slices.Concat(entries...))
	if err := f.next(); err != nil {
		return b, err
	}
	return b, f.end()
}

// bundleEntry reads 6 and twice 2 3*, and gives H(drop ‖ H(source's copy) ‖ H(readers' copy)).
func (e *entryFile) bundleEntry(i int, onFile func(int, Drop, Copy, BundleFile) error) ([]byte, error) {
	if e.typ != frameBundleDrop || len(e.b) != len(Drop{}) {
		return nil, malformed("frame %d where an entry begins", e.typ)
	}
	drop := Drop(e.b)
	if err := e.next(); err != nil {
		return nil, err
	}
	sum, size := sha256.New(), int64(0)
	sum.Write(drop[:])
	for _, c := range []Copy{SourceCopy, ReadersCopy} {
		d, err := e.entry()
		if err != nil {
			return nil, err
		}
		if c == ReadersCopy && d.size != size {
			return nil, malformed("copies of %d and %d bytes", size, d.size)
		}
		size = d.size
		if err := onFile(i, drop, c, BundleFile{d.size, d}); err != nil {
			return nil, err
		}
		if err := d.drain(); err != nil {
			return nil, err
		}
		sum.Write(d.sum.Sum(nil))
	}
	return sum.Sum(nil), nil
}
