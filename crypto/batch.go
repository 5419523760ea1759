package crypto

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Lane is why a volume exists.
type Lane byte

// The lanes: the fixed hours, the hourly urgent one, and larger items.
const (
	LaneRegular Lane = 0
	LaneUrgent  Lane = 1
	LaneFiles   Lane = 2
)

// InstanceID names one life of a server's database; a restore makes a new one.
type InstanceID [16]byte

// VolumeHeader is the first frame of a batch volume.
type VolumeHeader struct {
	Instance   InstanceID
	Batch      uint64 // ordinal, rising
	Lane       Lane
	Volume     uint32 // 1-based
	Volumes    uint32 // of this batch
	Day        Day    // of release: a desk's lower bound for today
	Slots      uint16
	DirVersion uint64 // of the directory in force
	Entries    uint32
}

var volumeMagic = []byte("PSB1")

const (
	volumeHeaderSize = 16 + 8 + 1 + 4 + 4 + 4 + 2 + 8 + 4

	frameVolumeHeader = 1
	frameEntryBegin   = 2
	frameEntryData    = 3
	frameVolumePad    = 4
	frameVolumeHash   = 5
)

func (h *VolumeHeader) encode() []byte {
	b := append(make([]byte, 0, volumeHeaderSize), h.Instance[:]...)
	b = binary.BigEndian.AppendUint64(b, h.Batch)
	b = append(b, byte(h.Lane))
	b = binary.BigEndian.AppendUint32(b, h.Volume)
	b = binary.BigEndian.AppendUint32(b, h.Volumes)
	b = binary.BigEndian.AppendUint32(b, uint32(h.Day))
	b = binary.BigEndian.AppendUint16(b, h.Slots)
	b = binary.BigEndian.AppendUint64(b, h.DirVersion)
	return binary.BigEndian.AppendUint32(b, h.Entries)
}

func decodeVolumeHeader(b []byte) (h VolumeHeader, err error) {
	if len(b) != volumeHeaderSize {
		return h, malformed("volume header of %d bytes", len(b))
	}
	b = b[copy(h.Instance[:], b):]
	h.Batch = binary.BigEndian.Uint64(b)
	h.Lane = Lane(b[8])
	h.Volume = binary.BigEndian.Uint32(b[9:])
	h.Volumes = binary.BigEndian.Uint32(b[13:])
	h.Day = Day(binary.BigEndian.Uint32(b[17:]))
	h.Slots = binary.BigEndian.Uint16(b[21:])
	h.DirVersion = binary.BigEndian.Uint64(b[23:])
	h.Entries = binary.BigEndian.Uint32(b[31:])
	return h, h.check()
}

func (h *VolumeHeader) check() error {
	switch {
	case h.Lane > LaneFiles:
		return malformed("lane %d", h.Lane)
	case h.Volume == 0 || h.Volume > h.Volumes:
		return malformed("volume %d of %d", h.Volume, h.Volumes)
	case Policy{Slots: int(h.Slots), Quorum: 1}.Valid() != nil:
		return malformed("%d slots", h.Slots)
	}
	return nil
}

// Name is the file name a volume is offered under: numbered, with the hash of
// header and entry lengths; letters, digits, dots and hyphens only.
func (h *VolumeHeader) Name(entries []int64) string {
	sum := sha256.New()
	sum.Write(h.encode())
	for _, n := range entries {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // not negative
	}
	return fmt.Sprintf("postern-%s-%06d-%dof%d-%s.batch",
		hex.EncodeToString(h.Instance[:4]), h.Batch, h.Volume, h.Volumes, hex.EncodeToString(sum.Sum(nil)[:4]))
}

// hashedFrames is a frameWriter whose bytes are hashed on their way.
func hashedFrames(dst io.Writer) (*frameWriter, hash.Hash) {
	h := sha256.New()
	return &frameWriter{w: io.MultiWriter(dst, h)}, h
}

// maxEntry bounds the length in bytes that an entry of a volume or bundle can claim.
const maxEntry = 1 << 50

// volumeTail is the hash frame and the end frame.
const volumeTail = frameHead + sha256.Size + frameHead

// VolumeWriter writes a batch volume: header, entries, padding, hash.
type VolumeWriter struct {
	f    *frameWriter
	h    hash.Hash
	left uint32
	size int64
	buf  []byte
}

// NewVolumeWriter writes the header. size is the total length in bytes that
// Close pads to (0: no padding); see [VolumeSize].
func NewVolumeWriter(dst io.Writer, h VolumeHeader, size int64) (*VolumeWriter, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	w := &VolumeWriter{left: h.Entries, size: size, buf: make([]byte, maxFrame)}
	w.f, w.h = hashedFrames(dst)
	w.f.write(volumeMagic)
	w.f.frame(frameVolumeHeader, h.encode())
	return w, w.f.err
}

// Entry copies exactly n bytes from r as one entry.
func (w *VolumeWriter) Entry(n int64, r io.Reader) error {
	if w.left == 0 {
		return errors.New("writing a volume: more entries than its header says")
	}
	w.left--
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

// Close pads with frames of zeros to size and writes the SHA-256 of
// everything before it and the end frame.
func (w *VolumeWriter) Close() error {
	if w.left > 0 {
		return errors.New("writing a volume: fewer entries than its header says")
	}
	if w.size > 0 {
		pad := w.size - w.f.n - volumeTail
		if pad < 0 || pad > 0 && pad < frameHead {
			return fmt.Errorf("writing a volume: cannot pad to %d bytes", w.size)
		}
		clear(w.buf)
		for pad > 0 && w.f.err == nil {
			// What is left after this frame must be nothing or room for another.
			n := min(pad-frameHead, maxFrame)
			if rest := pad - frameHead - n; rest > 0 && rest < frameHead {
				n -= frameHead
			}
			w.f.frame(frameVolumePad, w.buf[:n])
			pad -= frameHead + n
		}
	}
	w.f.frame(frameVolumeHash, w.h.Sum(nil))
	w.f.end()
	return w.f.err
}

// entryFrames is the length of an entry of n bytes in a volume or bundle.
func entryFrames(n int64) int64 {
	return frameHead + 8 + n + (n+maxFrame-1)/maxFrame*frameHead
}

// VolumeSize is the exact length of an unpadded volume of entries of these
// lengths. A volume can be padded to any length that is at least 5 bytes more.
func VolumeSize(entries []int64) int64 {
	n := int64(len(volumeMagic) + frameHead + volumeHeaderSize + volumeTail)
	for _, e := range entries {
		n += entryFrames(e)
	}
	return n
}

// hashedReader reads frames and hashes every byte up to the hash frame.
type hashedReader struct {
	f   frameReader
	sum hash.Hash
	typ byte
	b   []byte
}

func newHashedReader(src io.Reader) *hashedReader {
	h := &hashedReader{sum: sha256.New()}
	h.f.r = src
	return h
}

func (h *hashedReader) magic(want []byte) error {
	got := make([]byte, len(want))
	if err := h.f.full(got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return malformed("not a file of this kind")
	}
	h.sum.Write(got)
	return nil
}

// next moves to the next frame; hashFrame is not part of the hash.
func (h *hashedReader) next(hashFrame byte) (err error) {
	h.typ, h.b, err = h.f.next()
	if err == nil && h.typ != hashFrame && h.typ != frameEnd {
		var head [frameHead]byte
		head[0] = h.typ
		binary.BigEndian.PutUint32(head[1:], uint32(len(h.b))) //nolint:gosec // at most maxFrame
		h.sum.Write(head[:])
		h.sum.Write(h.b)
	}
	return err
}

// tail reads hash, end frame and the end of the stream; the frame looked at is the hash.
func (h *hashedReader) tail(hashFrame byte) error {
	if h.typ != hashFrame || len(h.b) != sha256.Size {
		return malformed("frame %d out of place", h.typ)
	}
	if !bytes.Equal(h.b, h.sum.Sum(nil)) {
		return malformed("the hash at the end differs: fetch the file again")
	}
	if err := h.next(hashFrame); err != nil {
		return err
	}
	if h.typ != frameEnd {
		return malformed("frame %d after the hash", h.typ)
	}
	var one [1]byte
	switch n, err := io.ReadFull(h.f.r, one[:]); {
	case n > 0:
		return malformed("bytes after the end")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// entry calls onEntry with the entry whose begin frame is looked at, drains it, and moves on.
func (h *hashedReader) entry(hashFrame byte, onEntry func(n int64, r io.Reader) error) error {
	if h.typ != frameEntryBegin || len(h.b) != 8 {
		return malformed("frame %d where an entry begins", h.typ)
	}
	n := binary.BigEndian.Uint64(h.b)
	if n > maxEntry {
		return malformed("entry of %d bytes", n)
	}
	r := &entryData{h: h, hashFrame: hashFrame, left: int64(n)} //nolint:gosec // bounded above
	if err := onEntry(r.left, r); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	return h.next(hashFrame)
}

// entryData reads the data frames of one entry.
type entryData struct {
	h         *hashedReader
	hashFrame byte
	left      int64 // in frames not read yet
	rest      []byte
	err       error
}

func (d *entryData) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		if d.left == 0 {
			return 0, io.EOF
		}
		if d.err = d.h.next(d.hashFrame); d.err != nil {
			continue
		}
		if d.h.typ != frameEntryData || int64(len(d.h.b)) != min(d.left, maxFrame) {
			d.err = malformed("frame %d of %d bytes in an entry", d.h.typ, len(d.h.b))
			continue
		}
		d.left -= int64(len(d.h.b))
		d.rest = d.h.b
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// ReadVolume reads a volume, calling onEntry for each entry (which reads r or
// leaves it: the rest is drained). The hash is known only at the end: on error
// the caller tells its user to fetch the volume again.
func ReadVolume(src io.Reader, onHeader func(VolumeHeader) error, onEntry func(i int, n int64, r io.Reader) error) error {
	if err := readVolume(newHashedReader(src), onHeader, onEntry); err != nil {
		return fmt.Errorf("reading a batch volume: %w", err)
	}
	return nil
}

func readVolume(h *hashedReader, onHeader func(VolumeHeader) error, onEntry func(i int, n int64, r io.Reader) error) error {
	if err := h.magic(volumeMagic); err != nil {
		return err
	}
	if err := h.next(frameVolumeHash); err != nil {
		return err
	}
	if h.typ != frameVolumeHeader {
		return malformed("no volume header")
	}
	head, err := decodeVolumeHeader(h.b)
	if err != nil {
		return err
	}
	if onHeader != nil {
		if err := onHeader(head); err != nil {
			return err
		}
	}
	if err := h.next(frameVolumeHash); err != nil {
		return err
	}
	for i := range int(head.Entries) {
		if err := h.entry(frameVolumeHash, func(n int64, r io.Reader) error { return onEntry(i, n, r) }); err != nil {
			return err
		}
	}
	if err := h.padding(); err != nil {
		return err
	}
	return h.tail(frameVolumeHash)
}

var noughts [maxFrame]byte

// padding reads the padding frames, which for a given length are cut in one
// way only: full ones, and then one shorter one, or one that left 5 bytes for
// the head of a last one of 1 to 4.
func (h *hashedReader) padding() error {
	for before := maxFrame; h.typ == frameVolumePad; {
		n := len(h.b)
		if before != maxFrame && (before != maxFrame-frameHead || n == 0 || n >= frameHead) {
			return malformed("padding frame of %d bytes after one of %d", n, before)
		}
		if !bytes.Equal(h.b, noughts[:n]) {
			return malformed("padding is not zero")
		}
		before = n
		if err := h.next(frameVolumeHash); err != nil {
			return err
		}
	}
	return nil
}
