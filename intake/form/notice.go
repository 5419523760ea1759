package form

import (
	"encoding/binary"
	"errors"
	"fmt"

	"postern/crypto"
)

// ErrNotice is wrapped by every refusal of a notice.
var ErrNotice = errors.New("malformed notice")

// Notice is what a reply tells the source besides words, as far as the
// reviewers publish it. Each part may be missing, but not all of them.
type Notice struct {
	Stage string // id of one of [Stages]: how far the case is; "" for none
	Until uint32 // day, counted from 1970-01-01, until which the source will hear more; 0 for none
	Ask   string // id of a body: "may your case be shown to it?"; "" for none
}

const maxUntil = 2932896 // 9999-12-31

// Encode gives the data of one notice frame:
//
//	version 1 (1) ‖ stage length (1) ‖ stage ‖ day (4, BE) ‖ body id length (1) ‖ body id
func (n Notice) Encode() ([]byte, error) {
	if err := n.check(); err != nil {
		return nil, fmt.Errorf("encoding a notice: %w", err)
	}
	b := append([]byte{1, byte(len(n.Stage))}, n.Stage...) //nolint:gosec // ids are short
	b = binary.BigEndian.AppendUint32(b, n.Until)
	return append(append(b, byte(len(n.Ask))), n.Ask...), nil //nolint:gosec // ids are short
}

// DecodeNotice reads what Encode wrote and refuses everything else.
func DecodeNotice(b []byte) (Notice, error) {
	r := reader{b, true}
	version := r.byte()
	n := Notice{Stage: r.take(int(r.byte()))}
	n.Until = uint32(r.uint16())<<16 | uint32(r.uint16())
	n.Ask = r.take(int(r.byte()))
	if version != 1 || !r.ok || len(r.rest) > 0 {
		return Notice{}, fmt.Errorf("decoding a notice: %w", ErrNotice)
	}
	if err := n.check(); err != nil {
		return Notice{}, fmt.Errorf("decoding a notice: %w", err)
	}
	return n, nil
}

func (n Notice) check() error {
	switch {
	case n == Notice{}:
		return fmt.Errorf("%w: it says nothing", ErrNotice)
	case n.Stage != "" && Label(stages, n.Stage) == "":
		return fmt.Errorf("%w: no such stage", ErrNotice)
	case n.Until > maxUntil:
		return fmt.Errorf("%w: a day after the year 9999", ErrNotice)
	case n.Ask != "" && !crypto.ValidID(n.Ask):
		return fmt.Errorf("%w: no id of a body", ErrNotice)
	}
	return nil
}
