package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Lane is why a batch exists.
type Lane byte

// The lanes: the fixed hours, the hourly urgent one, and larger items.
const (
	LaneRegular Lane = 0
	LaneUrgent  Lane = 1
	LaneFiles   Lane = 2
)

// InstanceID names one life of a server's database; a restore makes a new one.
type InstanceID [16]byte

// BatchHead is everything there is to say of a batch, signed by the server's key
// in the directory: nobody but the server makes, cuts, swaps or repeats a batch
// unnoticed, and the server none in secret from one desk, since each head holds
// the hash of the one before (SECURITY.md S-24).
type BatchHead struct {
	Instance   InstanceID
	Ordinal    uint64 // counts the batches of all lanes, from 1
	Lane       Lane
	Day        Day    // of release: a desk's lower bound for today
	DirVersion uint64 // of the directory in force
	Slots      uint16
	Revision   uint32       // 1 is the release; each nightly exchange of entries is the next
	Before     [32]byte     // Hash of revision 1 of the batch before; zero in the first one
	Released   [32]byte     // Hash of this batch's revision 1; zero there
	Volumes    [][]EntryRef // the entries by volume
}

// EntryRef is one entry of a batch.
type EntryRef struct {
	Size int64
	Hash [32]byte // SHA-256
}

// Errors of batches, for errors.Is.
var (
	ErrForged = errors.New("batch is not signed by the server")
	ErrEntry  = errors.New("an entry differs from what the batch's head says: fetch the file again")
)

var volumeMagic = []byte("PSB1")

const (
	batchHeadFixed = 16 + 8 + 1 + 4 + 8 + 2 + 4 + 32 + 32 + 4
	entryRefSize   = 8 + sha256.Size
	maxBatchHead   = 16 << 20 // bytes, signed: over 400,000 entries
	batchContext   = "postern/v1 batch\x00"

	frameBatchHead    = 1
	frameEntryBegin   = 2
	frameEntryData    = 3
	frameVolumePad    = 4
	frameVolumeNumber = 6
)

func (h *BatchHead) encode() []byte {
	b := append(make([]byte, 0, h.size()), h.Instance[:]...)
	b = binary.BigEndian.AppendUint64(b, h.Ordinal)
	b = append(b, byte(h.Lane))
	b = binary.BigEndian.AppendUint32(b, uint32(h.Day))
	b = binary.BigEndian.AppendUint64(b, h.DirVersion)
	b = binary.BigEndian.AppendUint16(b, h.Slots)
	b = binary.BigEndian.AppendUint32(b, h.Revision)
	b = append(append(b, h.Before[:]...), h.Released[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(h.Volumes))) //nolint:gosec // few
	for _, v := range h.Volumes {
		b = binary.BigEndian.AppendUint32(b, uint32(len(v))) //nolint:gosec // bounded by maxBatchHead
		for _, e := range v {
			b = append(binary.BigEndian.AppendUint64(b, uint64(e.Size)), e.Hash[:]...) //nolint:gosec // check refuses negative ones
		}
	}
	return b
}

// size is the length of the encoded head, without its signature.
func (h *BatchHead) size() int {
	n := batchHeadFixed
	for _, v := range h.Volumes {
		n += 4 + len(v)*entryRefSize
	}
	return n
}

func decodeBatchHead(b []byte) (*BatchHead, error) {
	if len(b) < batchHeadFixed {
		return nil, malformed("batch head of %d bytes", len(b))
	}
	h := new(BatchHead)
	b = b[copy(h.Instance[:], b):]
	h.Ordinal = binary.BigEndian.Uint64(b)
	h.Lane = Lane(b[8])
	h.Day = Day(binary.BigEndian.Uint32(b[9:]))
	h.DirVersion = binary.BigEndian.Uint64(b[13:])
	h.Slots = binary.BigEndian.Uint16(b[21:])
	h.Revision = binary.BigEndian.Uint32(b[23:])
	b = b[27:]
	b = b[copy(h.Before[:], b):]
	b = b[copy(h.Released[:], b):]
	volumes := binary.BigEndian.Uint32(b)
	b = b[4:]
	for range volumes {
		if len(b) < 4 || int64(binary.BigEndian.Uint32(b))*entryRefSize > int64(len(b)-4) {
			return nil, malformed("batch head is cut")
		}
		v := make([]EntryRef, binary.BigEndian.Uint32(b))
		b = b[4:]
		for i := range v {
			v[i].Size = int64(binary.BigEndian.Uint64(b)) //nolint:gosec // check refuses negative ones
			b = b[8+copy(v[i].Hash[:], b[8:]):]
		}
		h.Volumes = append(h.Volumes, v)
	}
	if len(b) > 0 {
		return nil, malformed("batch head goes on after its end")
	}
	return h, h.check()
}

func (h *BatchHead) check() error {
	zero := [32]byte{}
	switch {
	case h.Lane > LaneFiles:
		return malformed("lane %d", h.Lane)
	case h.Ordinal == 0 || h.Revision == 0:
		return malformed("batch %d, revision %d", h.Ordinal, h.Revision)
	case (h.Ordinal == 1) != (h.Before == zero):
		return malformed("batch %d: the hash of the batch before is missing or out of place", h.Ordinal)
	case (h.Revision == 1) != (h.Released == zero):
		return malformed("revision %d: the hash of the release is missing or out of place", h.Revision)
	case Policy{Slots: int(h.Slots), Quorum: 1}.Valid() != nil:
		return malformed("%d slots", h.Slots)
	case len(h.Volumes) == 0 || h.size()+ed25519.SignatureSize > maxBatchHead:
		return malformed("a batch without volumes or with too many entries")
	}
	left := int64(maxEntry)
	for _, v := range h.Volumes {
		for _, e := range v {
			if e.Size < 0 || e.Size > left {
				return malformed("entry of %d bytes", e.Size)
			}
			left -= e.Size
		}
	}
	return nil
}

// Hash names the head; the next batch's holds it.
func (h *BatchHead) Hash() [32]byte { return sha256.Sum256(h.encode()) }

// SignBatchHead gives the head's bytes and the server's signature. What makes no
// head is refused where it is opened or written.
func SignBatchHead(h *BatchHead, server ed25519.PrivateKey) []byte {
	b := h.encode()
	return append(b, ed25519.Sign(server, append([]byte(batchContext), b...))...)
}

// openBatchHead reads what [SignBatchHead] wrote, or returns [ErrForged].
func openBatchHead(signed []byte, server ed25519.PublicKey) (*BatchHead, error) {
	n := len(signed) - ed25519.SignatureSize
	if n < 0 {
		return nil, fmt.Errorf("opening a batch head: %w", malformed("%d bytes", len(signed)))
	}
	if !Verify(server, append([]byte(batchContext), signed[:n]...), signed[n:]) {
		return nil, fmt.Errorf("opening a batch head: %w", ErrForged)
	}
	h, err := decodeBatchHead(signed[:n])
	if err != nil {
		return nil, fmt.Errorf("opening a batch head: %w", err)
	}
	return h, nil
}

// VolumeName is the file name a volume (1-based) is offered under: numbered, with
// the head's hash; letters, digits, dots and hyphens only.
func (h *BatchHead) VolumeName(volume int) string {
	sum := h.Hash()
	return fmt.Sprintf("postern-%s-%06d-%dof%d-%s.batch",
		hex.EncodeToString(h.Instance[:4]), h.Ordinal, volume, len(h.Volumes), hex.EncodeToString(sum[:4]))
}

// VolumeSize is the exact length of a volume (1-based) without padding. It can be
// padded to any length that is at least 5 bytes more.
func (h *BatchHead) VolumeSize(volume int) int64 {
	head := int64(h.size() + ed25519.SignatureSize)
	n := int64(len(volumeMagic)) + framesSize(head) + frameHead + 4 + frameHead
	for _, e := range h.Volumes[volume-1] {
		n += EntrySize(e.Size)
	}
	return n
}

// EntrySize is the length of an entry of n bytes in a volume or bundle.
func EntrySize(n int64) int64 { return frameHead + 8 + framesSize(n) }

// framesSize is the length of n bytes in frames that are full but the last.
func framesSize(n int64) int64 { return n + (n+maxFrame-1)/maxFrame*frameHead }

// maxEntry bounds the length in bytes that an entry of a volume or bundle can claim.
const maxEntry = 1 << 50

// VolumeWriter writes a batch volume: head, number, entries, padding.
type VolumeWriter struct {
	f    *frameWriter
	left []EntryRef
	size int64
	buf  []byte
}

// NewVolumeWriter writes the head, as [SignBatchHead] gave it, of a volume
// (1-based). size is the total length in bytes that Close pads to (0: no
// padding); see [BatchHead.VolumeSize].
func NewVolumeWriter(dst io.Writer, signed []byte, volume int, size int64) (*VolumeWriter, error) {
	h, err := decodeBatchHead(signed[:max(0, len(signed)-ed25519.SignatureSize)])
	if err != nil {
		return nil, fmt.Errorf("writing a volume: %w", err)
	}
	if volume < 1 || volume > len(h.Volumes) {
		return nil, fmt.Errorf("writing a volume: there is no volume %d of %d", volume, len(h.Volumes))
	}
	w := &VolumeWriter{f: &frameWriter{w: dst}, left: h.Volumes[volume-1], size: size, buf: make([]byte, maxFrame)}
	w.f.write(volumeMagic)
	for len(signed) > 0 {
		n := min(len(signed), maxFrame)
		w.f.frame(frameBatchHead, signed[:n])
		signed = signed[n:]
	}
	w.f.frame(frameVolumeNumber, binary.BigEndian.AppendUint32(nil, uint32(volume))) //nolint:gosec // bounded above
	return w, w.f.err
}

// Entry copies the next entry, of the length that the head says, from r. Whether
// its hash is the head's is for the reader to see.
func (w *VolumeWriter) Entry(r io.Reader) error {
	if len(w.left) == 0 {
		return errors.New("writing a volume: more entries than its head says")
	}
	n := w.left[0].Size
	w.left = w.left[1:]
	return w.f.copy(n, r, w.buf)
}

// copy writes an entry of n bytes: a begin frame and data frames, all full but the last.
func (f *frameWriter) copy(n int64, r io.Reader, buf []byte) error {
	if n < 0 || n > maxEntry {
		return fmt.Errorf("an entry of %d bytes", n)
	}
	f.frame(frameEntryBegin, binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // not negative
	for n > 0 && f.err == nil {
		b := buf[:min(n, int64(len(buf)))]
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("reading an entry: %w", err)
		}
		f.frame(frameEntryData, b)
		n -= int64(len(b))
	}
	return f.err
}

// Close pads with frames of zeros to size and writes the end frame.
func (w *VolumeWriter) Close() error {
	if len(w.left) > 0 {
		return errors.New("writing a volume: fewer entries than its head says")
	}
	if w.size > 0 {
		if err := w.f.pad(w.size, w.buf); err != nil {
			return fmt.Errorf("writing a volume: %w", err)
		}
	}
	w.f.end()
	return w.f.err
}

// pad writes frames of zeros, so that with the end frame the file has size bytes.
func (f *frameWriter) pad(size int64, buf []byte) error {
	pad := size - f.n - frameHead
	if pad < 0 || pad > 0 && pad < frameHead {
		return fmt.Errorf("cannot pad to %d bytes", size)
	}
	clear(buf)
	for pad > 0 && f.err == nil {
		// What is left after this frame must be nothing or room for another.
		n := min(pad-frameHead, maxFrame)
		if rest := pad - frameHead - n; rest > 0 && rest < frameHead {
			n -= frameHead
		}
		f.frame(frameVolumePad, buf[:n])
		pad -= frameHead + n
	}
	return f.err
}

// entryFile reads the frames of a volume, bundle or desk file.
type entryFile struct {
	f   frameReader
	sum hash.Hash // of a bundle, over every byte before its hash frame; else nil
	typ byte      // the frame looked at
	b   []byte    // valid until next
}

// magic reads the magic and moves to the first frame.
func (e *entryFile) magic(want []byte) error {
	got := make([]byte, len(want))
	if err := e.f.full(got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return malformed("not a file of this kind")
	}
	if e.sum != nil {
		e.sum.Write(got)
	}
	return e.next()
}

func (e *entryFile) next() (err error) {
	e.typ, e.b, err = e.f.next()
	if err == nil && e.sum != nil && e.typ != frameBundleHash && e.typ != frameEnd {
		var head [frameHead]byte
		head[0] = e.typ
		binary.BigEndian.PutUint32(head[1:], uint32(len(e.b))) //nolint:gosec // at most maxFrame
		e.sum.Write(head[:])
		e.sum.Write(e.b)
	}
	return err
}

// end says whether the frame looked at is the end frame, and the last thing.
func (e *entryFile) end() error {
	if e.typ != frameEnd {
		return malformed("frame %d out of place", e.typ)
	}
	var one [1]byte
	switch n, err := io.ReadFull(e.f.r, one[:]); {
	case n > 0:
		return malformed("bytes after the end")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// entry begins the entry whose begin frame is looked at.
func (e *entryFile) entry() (*entryData, error) {
	if e.typ != frameEntryBegin || len(e.b) != 8 {
		return nil, malformed("frame %d where an entry begins", e.typ)
	}
	n := binary.BigEndian.Uint64(e.b)
	if n > maxEntry {
		return nil, malformed("entry of %d bytes", n)
	}
	return &entryData{file: e, size: int64(n), left: int64(n), sum: sha256.New()}, nil //nolint:gosec // bounded above
}

// entryData reads the data frames of one entry.
type entryData struct {
	file *entryFile
	size int64
	left int64 // in frames not read yet
	rest []byte
	sum  hash.Hash
	want *[32]byte // nil: any
	err  error
}

func (d *entryData) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		if d.left == 0 {
			d.err = io.EOF
			if d.want != nil && [32]byte(d.sum.Sum(nil)) != *d.want {
				d.err = ErrEntry
			}
			continue
		}
		if d.err = d.file.next(); d.err != nil {
			continue
		}
		if d.file.typ != frameEntryData || int64(len(d.file.b)) != min(d.left, maxFrame) {
			d.err = malformed("frame %d of %d bytes in an entry", d.file.typ, len(d.file.b))
			continue
		}
		d.left -= int64(len(d.file.b))
		d.rest = d.file.b
		d.sum.Write(d.rest)
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// drain reads what the caller left, and moves on.
func (d *entryData) drain() error {
	if _, err := io.Copy(io.Discard, d); err != nil && !errors.Is(err, ErrEntry) {
		return err
	}
	return d.file.next()
}

// ReadVolume reads a volume whose head one of the server keys signed, else it
// returns [ErrForged]. onHead gets the head, the number of the volume (from 1) and
// the head's signed bytes; it may stop with an error. onEntry is called for each
// entry, whose reader ends with [ErrEntry] when the bytes are not those the head
// says: what it kept is to be thrown away, and the next entry may be sound. When
// onEntry returns nil the rest of the entry is drained; what it returns else stops.
func ReadVolume(src io.Reader, servers []ed25519.PublicKey, onHead func(h *BatchHead, volume int, signed []byte) error, onEntry func(i int, e EntryRef, r io.Reader) error) error {
	if err := readVolume(&entryFile{f: frameReader{r: src}}, servers, onHead, onEntry); err != nil {
		return fmt.Errorf("reading a batch volume: %w", err)
	}
	return nil
}

func readVolume(f *entryFile, servers []ed25519.PublicKey, onHead func(*BatchHead, int, []byte) error, onEntry func(int, EntryRef, io.Reader) error) error {
	if err := f.magic(volumeMagic); err != nil {
		return err
	}
	signed, err := f.batchHead()
	if err != nil {
		return err
	}
	h, err := openByAny(signed, servers)
	if err != nil {
		return err
	}
	if f.typ != frameVolumeNumber || len(f.b) != 4 {
		return malformed("no volume number")
	}
	volume := binary.BigEndian.Uint32(f.b)
	if volume == 0 || int64(volume) > int64(len(h.Volumes)) {
		return malformed("volume %d of %d", volume, len(h.Volumes))
	}
	if err := onHead(h, int(volume), signed); err != nil {
		return err
	}
	if err := f.next(); err != nil {
		return err
	}
	for i, ref := range h.Volumes[volume-1] {
		d, err := f.entry()
		if err != nil {
			return err
		}
		if d.size != ref.Size {
			return malformed("entry of %d bytes, the head says %d", d.size, ref.Size)
		}
		d.want = &ref.Hash
		if err := onEntry(i, ref, d); err != nil {
			return err
		}
		if err := d.drain(); err != nil {
			return err
		}
	}
	if err := f.padding(); err != nil {
		return err
	}
	return f.end()
}

// batchHead reads the head's frames, full but the last.
func (e *entryFile) batchHead() (signed []byte, err error) {
	for before := maxFrame; e.typ == frameBatchHead; {
		if before != maxFrame || len(e.b) == 0 {
			return nil, malformed("a piece of %d bytes of a head after one of %d", len(e.b), before)
		}
		before = len(e.b)
		if signed = append(signed, e.b...); len(signed) > maxBatchHead {
			return nil, malformed("a batch head longer than any")
		}
		if err := e.next(); err != nil {
			return nil, err
		}
	}
	return signed, nil
}

func openByAny(signed []byte, servers []ed25519.PublicKey) (h *BatchHead, err error) {
	err = ErrForged
	for _, key := range servers {
		if h, err = openBatchHead(signed, key); !errors.Is(err, ErrForged) {
			break
		}
	}
	return h, err
}

var noughts [maxFrame]byte

// padding reads the padding frames, which for a given length are cut in one
// way only: full ones, and then one shorter one, or one that left 5 bytes for
// the head of a last one of 1 to 4.
func (e *entryFile) padding() error {
	for before := maxFrame; e.typ == frameVolumePad; {
		n := len(e.b)
		if before != maxFrame && (before != maxFrame-frameHead || n == 0 || n >= frameHead) {
			return malformed("padding frame of %d bytes after one of %d", n, before)
		}
		if !bytes.Equal(e.b, noughts[:n]) {
			return malformed("padding is not zero")
		}
		before = n
		if err := e.next(); err != nil {
			return err
		}
	}
	return nil
}
