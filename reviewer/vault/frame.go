package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"postern/crypto"
)

// A frame is one sealed change in the log:
//
//	mark    8 bytes, the same in all frames of a log: finds the next one behind damage
//	length  4 bytes, big-endian: of the box
//	tag     16 bytes: HMAC of the frame's number and length, so that a length which
//	        was damaged is told from a frame that was not written to its end
//	box     the change, padded, sealed for this log and number
const (
	markSize = 8
	tagSize  = 16
	headSize = markSize + 4 + tagSize
)

// Bounds of frames, in bytes.
const (
	maxFrame  = 1 << 30
	frameStep = 256 // changes are padded to a multiple: how long an id is shows in no length
)

// frames seals and opens the frames of one log.
type frames struct {
	aad  []byte // the log's name
	mark [markSize]byte
	head []byte
	box  crypto.Key
}

func newFrames(name string, key []byte) *frames {
	f := &frames{aad: []byte("postern-desk log " + name), head: crypto.KDF(key, nil, "vault frame head", 32)}
	copy(f.mark[:], crypto.KDF(key, nil, "vault frame mark", markSize))
	copy(f.box[:], crypto.KDF(key, nil, "vault frame", len(f.box)))
	return f
}

func (f *frames) wipe() {
	clear(f.head)
	f.box.Wipe()
}

func (f *frames) tag(n uint64, length uint32) []byte {
	m := hmac.New(sha256.New, f.head)
	m.Write(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, n), length))
	return m.Sum(nil)[:tagSize]
}

// aadOf binds a frame to its log and number.
func (f *frames) aadOf(n uint64) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(f.aad), n)
}

var errTooLarge = errors.New("the change is too large for one step")

// seal makes frame number n of a change.
func (f *frames) seal(n uint64, change []byte) ([]byte, error) {
	padded := make([]byte, (len(change)/frameStep+1)*frameStep)
	copy(padded, change)
	defer clear(padded)
	box := crypto.SealBox(f.box, padded, f.aadOf(n))
	if len(box) > maxFrame {
		return nil, errTooLarge
	}
	out := make([]byte, 0, headSize+len(box))
	out = append(out, f.mark[:]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(box))) //nolint:gosec // bounded
	out = append(out, f.tag(n, uint32(len(box)))...)           //nolint:gosec // bounded
	return append(out, box...), nil
}

// Why a frame was not read.
var (
	errTorn  = errors.New("the frame ends before its end")
	errFrame = errors.New("the frame is damaged")
)

// open reads frame number n at the beginning of b, and says how many bytes it takes: with
// errFrame 0 when even that is not known. The change comes with its padding.
func (f *frames) open(b []byte, n uint64) (change []byte, size int, err error) {
	if len(b) < headSize {
		return nil, 0, errTorn
	}
	length := binary.BigEndian.Uint32(b[markSize:])
	if !bytes.Equal(b[:markSize], f.mark[:]) || !hmac.Equal(b[markSize+4:headSize], f.tag(n, length)) {
		return nil, 0, errFrame
	}
	if uint64(length) > uint64(len(b)-headSize) { //nolint:gosec // the head was read
		return nil, 0, errTorn
	}
	size = headSize + int(length)
	if change, err = crypto.OpenBox(f.box, b[headSize:size], f.aadOf(n)); err != nil {
		return nil, size, errFrame
	}
	return change, size, nil
}

// maxSkip is how many frames may be damaged in a row before what follows is not found.
const maxSkip = 1 << 14

// next finds the first frame in b whose number is n or one of those after, behind damage.
func (f *frames) next(b []byte, n uint64) (at int, number uint64, ok bool) {
	for from := 0; ; from = at + 1 {
		i := bytes.Index(b[from:], f.mark[:])
		if i < 0 {
			return 0, 0, false
		}
		at = from + i
		for m := n; m < n+maxSkip; m++ {
			if _, _, err := f.open(b[at:], m); err == nil {
				return at, m, true
			}
		}
	}
}
