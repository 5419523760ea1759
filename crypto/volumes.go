package crypto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Volumes reads a file that holds one volume behind the other: a download of many
// batches. Each volume is read on its own, and one that is not as it should be
// spoils none but itself, as long as its frames can be followed.
//
//	for v := NewVolumes(f); v.Next(); {
//		err := ReadVolume(v, …)
//	}
//	err := v.Err()
type Volumes struct {
	r    io.Reader
	head [frameHead]byte
	have []byte // of head: read and not yet given
	left int    // data of the frame that is being read
	end  bool   // the volume's end frame was read
	err  error  // of r or of the form; the next volume cannot be found
}

// NewVolumes reads from src, which it reads behind no volume that was not asked for.
func NewVolumes(src io.Reader) *Volumes { return &Volumes{r: src, end: true} }

// Next goes to the beginning of the next volume, over what was not read of this
// one. It says false at the end of the file, and where no further volume can be found: see [Volumes.Err].
func (v *Volumes) Next() bool {
	if _, err := io.Copy(io.Discard, v); err != nil {
		return false
	}
	switch n, err := io.ReadFull(v.r, v.head[:len(volumeMagic)]); {
	case errors.Is(err, io.EOF):
		return false
	case errors.Is(err, io.ErrUnexpectedEOF):
		v.err = err
	case err != nil:
		v.err = err
	case string(v.head[:n]) != string(volumeMagic):
		v.err = malformed("no volume begins here")
	default:
		v.have, v.end = v.head[:n], false
	}
	return v.err == nil
}

// Err is why no further volume was found, nil when the file ended behind one.
func (v *Volumes) Err() error {
	if v.err == nil {
		return nil
	}
	return fmt.Errorf("reading volumes: %w", v.err)
}

// Read reads the volume to its end frame, and no further.
func (v *Volumes) Read(p []byte) (int, error) {
	switch {
	case v.err != nil:
		return 0, v.err
	case len(p) == 0:
		return 0, nil
	case len(v.have) > 0:
		n := copy(p, v.have)
		v.have = v.have[n:]
		return n, nil
	case v.left > 0:
		n, err := v.r.Read(p[:min(len(p), v.left)])
		v.left -= n
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if n > 0 {
			err = nil // it comes again
		}
		v.err = err
		return n, err
	case v.end:
		return 0, io.EOF
	}
	if err := v.frame(); err != nil {
		v.err = err
		return 0, err
	}
	return v.Read(p)
}

// frame reads the head of the next frame.
func (v *Volumes) frame() error {
	if _, err := io.ReadFull(v.r, v.head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	n := binary.BigEndian.Uint32(v.head[1:])
	if n > maxFrame || v.head[0] == frameEnd && n > 0 {
		return malformed("frame %d of %d bytes", v.head[0], n)
	}
	v.have, v.left, v.end = v.head[:], int(n), v.head[0] == frameEnd
	return nil
}
