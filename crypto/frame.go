package crypto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds the data of one frame in bytes; longer content is several frames.
const maxFrame = 64 << 10

// frameHead is type (1) ‖ length (4, big endian).
const frameHead = 5

// frameEnd ends the frames of a file: type 0, length 0.
const frameEnd = 0

// ErrFormat is wrapped by every refusal of malformed container, batch or bundle bytes.
var ErrFormat = errors.New("malformed")

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, a...))
}

// frameWriter writes frames. It keeps the first error and the number of bytes written.
type frameWriter struct {
	w   io.Writer
	n   int64
	err error
}

func (f *frameWriter) write(p []byte) {
	if f.err != nil {
		return
	}
	n, err := f.w.Write(p)
	f.n += int64(n)
	f.err = err
}

// frame writes one frame; a caller that exceeds maxFrame is at fault.
func (f *frameWriter) frame(typ byte, data ...[]byte) {
	n := 0
	for _, d := range data {
		n += len(d)
	}
	if n > maxFrame {
		if f.err == nil {
			f.err = fmt.Errorf("frame %d of %d bytes: at most %d", typ, n, maxFrame)
		}
		return
	}
	var h [frameHead]byte
	h[0] = typ
	binary.BigEndian.PutUint32(h[1:], uint32(n)) //nolint:gosec // bounded above
	f.write(h[:])
	for _, d := range data {
		f.write(d)
	}
}

func (f *frameWriter) end() { f.frame(frameEnd) }

// frameReader reads frames into one buffer: data is valid until the next call.
type frameReader struct {
	r   io.Reader
	n   int64 // bytes read
	buf []byte
}

// next returns the next frame; the end frame comes as type frameEnd. A
// truncated file gives io.ErrUnexpectedEOF.
func (f *frameReader) next() (typ byte, data []byte, err error) {
	var h [frameHead]byte
	if err := f.full(h[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(h[1:])
	switch {
	case n > maxFrame:
		return 0, nil, malformed("frame %d of %d bytes: at most %d", h[0], n, maxFrame)
	case h[0] == frameEnd && n != 0:
		return 0, nil, malformed("end frame of %d bytes", n)
	}
	if f.buf == nil {
		f.buf = make([]byte, maxFrame)
	}
	data = f.buf[:n]
	return h[0], data, f.full(data)
}

// full fills p; the end of the stream is never expected here.
func (f *frameReader) full(p []byte) error {
	n, err := io.ReadFull(f.r, p)
	f.n += int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
