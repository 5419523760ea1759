package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// DeskFileKind is what one desk gives another one.
type DeskFileKind byte

// The kinds of desk files.
const (
	DeskHandOver DeskFileKind = 1 // cases, to a holder of the same body
	DeskReferral DeskFileKind = 2 // a minimised copy of a case, to a body that the source agreed to
	DeskReceipt  DeskFileKind = 3 // of a referral
)

// DeskFileID names one desk file. It is random.
type DeskFileID [16]byte

// DeskItem is one of the things in a desk file. Types and what is said about an
// item are opaque here: FORMAT.md section 13 gives them their meaning.
type DeskItem struct {
	Type  byte
	Size  int64    // bytes
	Hash  [32]byte // SHA-256
	About []byte   // at most MaxDeskAbout
}

// DeskFile is the head of a file from one desk to another: who gives what to
// whom. It lists every item by its hash and is signed as a whole, so a reader
// knows whose it is before it has read any item.
type DeskFile struct {
	Kind    DeskFileKind
	ID      DeskFileID
	Day     Day
	DirHash [32]byte          // of the directory that the writer used
	From    Reader            // body of the signer
	To      Reader            // body that gets it
	Holder  ed25519.PublicKey // signing key of the holder that gets it; nil: every holder of the body
	Items   []DeskItem
	Signer  ed25519.PublicKey // set by the reader once the signature was verified
}

// Limits of a desk file, in bytes.
const (
	MaxDeskAbout = 1 << 10
	maxDeskHead  = 16 << 20 // signed: some 200,000 messages
)

const (
	deskFileContext = "postern/v1 desk file\x00"
	deskHeadTail    = ed25519.PublicKeySize + ed25519.SignatureSize
)

var deskFileMagic = []byte("PSD1")

// Hash names what a desk file holds: SHA-256 of its head. A receipt repeats it.
func (f *DeskFile) Hash() [32]byte { return sha256.Sum256(f.encode()) }

func (f *DeskFile) encode() []byte {
	b := append([]byte{byte(f.Kind)}, f.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(f.Day))
	b = append(b, f.DirHash[:]...)
	b = append(b, encodeReaders([]Reader{f.From})...)
	b = append(b, encodeReaders([]Reader{f.To})...)
	holder := make([]byte, ed25519.PublicKeySize)
	copy(holder, f.Holder)
	b = append(b, holder...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.Items))) //nolint:gosec // bounded by maxDeskHead
	for _, i := range f.Items {
		b = binary.BigEndian.AppendUint64(append(b, i.Type), uint64(i.Size)) //nolint:gosec // check refuses negative ones
		b = append(b, i.Hash[:]...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(i.About))) //nolint:gosec // check refuses longer ones
		b = append(b, i.About...)
	}
	return b
}

func (f *DeskFile) check() error {
	switch {
	case f.Kind < DeskHandOver || f.Kind > DeskReceipt:
		return malformed("desk file of kind %d", f.Kind)
	case !ValidID(f.From.ID) || f.From.Since == 0 || !ValidID(f.To.ID) || f.To.Since == 0:
		return malformed("desk file from or to no body")
	case len(f.Holder) > 0 && !validSigning(f.Holder):
		return malformed("desk file to a holder whose key is none")
	case len(f.Items) == 0:
		return malformed("desk file without items")
	}
	left := int64(maxEntry)
	for _, i := range f.Items {
		if i.Size < 0 || i.Size > left {
			return malformed("item of %d bytes", i.Size)
		}
		if i.Type == 0 || len(i.About) > MaxDeskAbout {
			return malformed("item of type %d with %d bytes about it", i.Type, len(i.About))
		}
		left -= i.Size
	}
	return nil
}

// deskReader takes a head apart.
type deskReader struct {
	b   []byte
	bad bool
}

func (r *deskReader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, n)
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *deskReader) reader() (out Reader) {
	one := r.take(1)[0]
	n := int(r.take(1)[0])
	out = Reader{ID: string(r.take(n)), Since: binary.BigEndian.Uint64(r.take(8))}
	r.bad = r.bad || one != 1
	return out
}

func decodeDeskHead(b []byte) (*DeskFile, error) {
	const itemFixed = 1 + 8 + sha256.Size + 2
	r := &deskReader{b: b}
	f := &DeskFile{Kind: DeskFileKind(r.take(1)[0]), ID: DeskFileID(r.take(len(DeskFileID{})))}
	f.Day = Day(binary.BigEndian.Uint32(r.take(4)))
	copy(f.DirHash[:], r.take(sha256.Size))
	f.From, f.To = r.reader(), r.reader()
	if h := r.take(ed25519.PublicKeySize); !bytes.Equal(h, make([]byte, len(h))) {
		f.Holder = bytes.Clone(h)
	}
	n := int64(binary.BigEndian.Uint32(r.take(4)))
	if r.bad || n*itemFixed > int64(len(r.b)) {
		return nil, malformed("head of a desk file is cut")
	}
	f.Items = make([]DeskItem, 0, n)
	for range n {
		i := DeskItem{Type: r.take(1)[0], Size: int64(binary.BigEndian.Uint64(r.take(8)))} //nolint:gosec // check refuses negative ones
		copy(i.Hash[:], r.take(sha256.Size))
		if about := r.take(int(binary.BigEndian.Uint16(r.take(2)))); len(about) > 0 {
			i.About = bytes.Clone(about)
		}
		f.Items = append(f.Items, i)
	}
	if r.bad || len(r.b) > 0 {
		return nil, malformed("head of a desk file is cut, or goes on after its end")
	}
	return f, f.check()
}

// sign gives the head's bytes, the signer and the signature.
func (f *DeskFile) sign(key ed25519.PrivateKey) ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	b := append(f.encode(), key.Public().(ed25519.PublicKey)...) //nolint:forcetypeassert // always that type
	b = append(b, ed25519.Sign(key, append([]byte(deskFileContext), b...))...)
	if len(b) > maxDeskHead {
		return nil, fmt.Errorf("%d items in one file: write several", len(f.Items))
	}
	return b, nil
}

// OpenDeskHead reads the signed head of a desk file, as [ReadDeskFile] gave it, and verifies it
// under the key that it names. Whether that key may sign is the caller's to decide.
func OpenDeskHead(signed []byte) (*DeskFile, error) {
	f, err := openDeskHead(signed)
	if err != nil {
		return nil, fmt.Errorf("opening the head of a desk file: %w", err)
	}
	return f, nil
}

func openDeskHead(signed []byte) (*DeskFile, error) {
	n := len(signed) - deskHeadTail
	if n < 0 {
		return nil, malformed("head of a desk file of %d bytes", len(signed))
	}
	end := len(signed) - ed25519.SignatureSize
	signer := ed25519.PublicKey(bytes.Clone(signed[n:end]))
	if !Verify(signer, append([]byte(deskFileContext), signed[:end]...), signed[end:]) {
		return nil, malformed("the signature is wrong")
	}
	f, err := decodeDeskHead(signed[:n])
	if err != nil {
		return nil, err
	}
	f.Signer = signer
	return f, nil
}

// deskFileSize is the length to which a file of n bytes is padded: with the first
// four bits that it needs, and at least 64 KiB, so that a length tells little.
func deskFileSize(n int64) int64 {
	step := int64(1) << max(16, bits.Len64(uint64(n))-4) //nolint:gosec // not negative
	return (n + step - 1) / step * step
}

// WriteDeskFile writes a desk file: dst is the writer that [Seal] returned; the
// caller closes it. open gives the bytes of an item. One that is not what the head says
// is [ErrItem], and what was written is to be thrown away.
func WriteDeskFile(dst io.Writer, f *DeskFile, key ed25519.PrivateKey, open func(i int) (io.ReadCloser, error)) error {
	if err := writeDeskFile(&frameWriter{w: dst}, f, key, open); err != nil {
		return fmt.Errorf("writing a desk file: %w", err)
	}
	return nil
}

func writeDeskFile(w *frameWriter, f *DeskFile, key ed25519.PrivateKey, open func(i int) (io.ReadCloser, error)) error {
	signed, err := f.sign(key)
	if err != nil {
		return err
	}
	return writeSignedDeskFile(w, f, signed, open)
}

// CopyDeskFile writes a desk file once more that another desk signed: its signed head, as [ReadDeskFile]
// gave it, and its items.
func CopyDeskFile(dst io.Writer, signed []byte, open func(i int) (io.ReadCloser, error)) error {
	f, err := openDeskHead(signed)
	if err == nil {
		err = writeSignedDeskFile(&frameWriter{w: dst}, f, signed, open)
	}
	if err != nil {
		return fmt.Errorf("copying a desk file: %w", err)
	}
	return nil
}

func writeSignedDeskFile(w *frameWriter, f *DeskFile, signed []byte, open func(i int) (io.ReadCloser, error)) error {
	w.write(deskFileMagic)
	for len(signed) > 0 {
		n := min(len(signed), maxFrame)
		w.frame(frameBatchHead, signed[:n])
		signed = signed[n:]
	}
	buf := make([]byte, maxFrame)
	defer clear(buf)
	for i, item := range f.Items {
		r, err := open(i)
		if err != nil {
			return err
		}
		h := sha256.New()
		err = w.copy(item.Size, io.TeeReader(r, h), buf)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		if [32]byte(h.Sum(nil)) != item.Hash {
			return fmt.Errorf("item %d: %w", i+1, ErrItem)
		}
	}
	size := deskFileSize(w.n + 2*frameHead) // at least one frame of padding, and the end frame
	if err := w.pad(size, buf); err != nil {
		return err
	}
	w.end()
	return w.err
}

// ErrItem says that an item's bytes are not those that the head of a desk file to be written lists.
var ErrItem = errors.New("it is not what was to be written")

// ReadDeskFile reads a desk file to its last byte and refuses any deviation from
// the format. onHead gets the head and its signed bytes, once the signature under the key that it names was
// verified: whether that key may sign, and whether the file is for this desk, is for it to
// say, with an error, before any item is read. onItem is called for each item, whose reader
// ends with [ErrEntry] when the bytes are not those that were signed: what it kept is to be thrown
// away. What onItem leaves is drained.
func ReadDeskFile(src io.Reader, onHead func(f *DeskFile, signed []byte) error, onItem func(i int, item DeskItem, r io.Reader) error) error {
	if err := readDeskFile(&entryFile{f: frameReader{r: src}}, onHead, onItem); err != nil {
		return fmt.Errorf("reading a desk file: %w", err)
	}
	return nil
}

func readDeskFile(e *entryFile, onHead func(f *DeskFile, signed []byte) error, onItem func(int, DeskItem, io.Reader) error) error {
	if err := e.magic(deskFileMagic); err != nil {
		return err
	}
	signed, err := e.batchHead()
	if err != nil {
		return err
	}
	f, err := openDeskHead(signed)
	if err != nil {
		return err
	}
	if err := onHead(f, signed); err != nil {
		return err
	}
	for i, item := range f.Items {
		d, err := e.entry()
		if err != nil {
			return err
		}
		if d.size != item.Size {
			return malformed("item of %d bytes, the head says %d", d.size, item.Size)
		}
		d.want = &item.Hash
		if err := onItem(i, item, d); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, d); err != nil {
			return err
		}
		if err := e.next(); err != nil {
			return err
		}
	}
	size := deskFileSize(e.f.n - int64(len(e.b)) + frameHead) // of what is before the frame looked at
	if err := e.padding(); err != nil {
		return err
	}
	if e.f.n != size {
		return malformed("%d bytes with padding", e.f.n)
	}
	return e.end()
}
