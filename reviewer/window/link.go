package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// On the link numbers are of 32 bits, big endian.
//
//	window → desk: id, lengths of method, uri, type, body; then these
//	desk → window: id, status, lengths of type, location, csp, body; then these
//
// An id comes back with the reply. The reply to what no page asked for (Print,
// Key, Lost) counts by its location alone.
// cmd/postern-window keeps the other end and imports nothing of ours.

// frame is a request as it came over the link.
type frame struct {
	id                uint32
	method, uri, kind string
	body              []byte
}

var errLink = errors.New("the window sent what a window never sends")

// readFrame reads one request. It allocates no more than its limits, whatever a length says.
func readFrame(r io.Reader) (f frame, err error) {
	var head [5 * 4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return f, err // io.EOF: the window is gone
	}
	f.id = binary.BigEndian.Uint32(head[:])
	var text [3]string
	for i, most := range []uint32{maxMethod, maxURI, maxType} {
		b, err := part(r, binary.BigEndian.Uint32(head[4+4*i:]), most)
		if err != nil {
			return f, err
		}
		text[i] = string(b)
	}
	f.method, f.uri, f.kind = text[0], text[1], text[2]
	most := uint32(maxForm)
	if f.method == Print {
		most = maxPDF
	}
	f.body, err = part(r, binary.BigEndian.Uint32(head[16:]), most)
	return f, err
}

func part(r io.Reader, n, most uint32) ([]byte, error) {
	if n > most {
		return nil, errLink
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("reading a request of the window: %w", errors.Join(errLink, err))
	}
	return b, nil
}

// append writes the request as the window does.
func (f frame) append(b []byte) []byte {
	for _, n := range []uint32{f.id, uint32(len(f.method)), uint32(len(f.uri)), uint32(len(f.kind)), uint32(len(f.body))} { //nolint:gosec // bounded
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return append(append(b, f.method+f.uri+f.kind...), f.body...)
}

// append writes the reply to request id.
func (a Reply) append(b []byte, id uint32) []byte {
	if a.Status == 0 {
		a.Status = 200
	}
	if a.Type == "" {
		a.Type = "text/html; charset=utf-8"
	}
	if a.CSP == "" {
		a.CSP = Policy
	}
	for _, n := range []uint32{id, uint32(a.Status), uint32(len(a.Type)), uint32(len(a.Location)), uint32(len(a.CSP)), uint32(len(a.Body))} { //nolint:gosec // our own pages
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return append(append(b, a.Type+a.Location+a.CSP...), a.Body...)
}

// serve answers requests until the window is gone.
func serve(link io.ReadWriter, h Handler) error {
	for {
		f, err := readFrame(link)
		if errors.Is(err, io.EOF) && !errors.Is(err, errLink) {
			return nil
		}
		if err != nil {
			return err
		}
		a := f.reply(h)
		if _, err := link.Write(a.append(nil, f.id)); err != nil {
			return fmt.Errorf("answering the window: %w", err)
		}
	}
}

func (f frame) reply(h Handler) Reply {
	r, err := f.request()
	if err != nil {
		return refusal(err)
	}
	a := h.Answer(r)
	if a.Location != "" && (!strings.HasPrefix(a.Location, "/") || strings.HasPrefix(a.Location, "//")) {
		return refusal(errAddress)
	}
	return a
}
