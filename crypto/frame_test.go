package crypto

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type frame struct {
			typ  byte
			data []byte
		}
		var list []frame
		var b bytes.Buffer
		w := &frameWriter{w: &b}
		for range rapid.IntRange(0, 5).Draw(t, "frames") {
			f := frame{rapid.ByteRange(1, 255).Draw(t, "type"), bytes.Repeat(
				rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "data"), rapid.SampledFrom([]int{0, 1, 100, maxFrame / 8}).Draw(t, "times"))}
			list = append(list, f)
			half := len(f.data) / 2
			w.frame(f.typ, f.data[:half], f.data[half:]) // parts are one frame
		}
		w.end()
		if w.err != nil || w.n != int64(b.Len()) {
			t.Fatalf("%d bytes counted, %d written, %v", w.n, b.Len(), w.err)
		}
		all := bytes.Clone(b.Bytes())
		r := &frameReader{r: iotest.HalfReader(&b)}
		for i, f := range list {
			typ, data, err := r.next()
			if err != nil || typ != f.typ || !bytes.Equal(data, f.data) {
				t.Fatalf("frame %d: type %d, %d bytes, %v", i, typ, len(data), err)
			}
		}
		if typ, data, err := r.next(); typ != frameEnd || len(data) > 0 || err != nil {
			t.Fatalf("no end: %d, %v", typ, err)
		}
		if r.n != int64(len(all)) {
			t.Fatalf("%d bytes read of %d", r.n, len(all))
		}
		// Every cut is noticed.
		cut := &frameReader{r: bytes.NewReader(all[:rapid.IntRange(0, len(all)-1).Draw(t, "cut")])}
		for {
			typ, _, err := cut.next()
			if err != nil {
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("a cut file: %v", err)
				}
				break
			}
			if typ == frameEnd {
				t.Fatal("a cut file has an end")
			}
		}
	})
}

func TestFrameReaderRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"one byte more than a frame holds": {1, 0, 1, 0, 1},
		"4 GiB":                            {12, 0xff, 0xff, 0xff, 0xff},
		"an end with data":                 {0, 0, 0, 0, 1, 7},
	} {
		r := &frameReader{r: bytes.NewReader(b)}
		if _, _, err := r.next(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		if cap(r.buf) > maxFrame {
			t.Errorf("%s: a buffer of %d bytes", name, cap(r.buf))
		}
	}
}

func TestFrameWriterKeepsItsError(t *testing.T) {
	var b bytes.Buffer
	w := &frameWriter{w: &b}
	w.frame(1, make([]byte, maxFrame+1))
	first := w.err
	refused(t, first, "at most 65536")
	w.frame(2, nil)
	w.frame(3, make([]byte, maxFrame+2))
	if !errors.Is(w.err, first) || b.Len() > 0 {
		t.Errorf("after an error: %v, %d bytes", w.err, b.Len())
	}
}
