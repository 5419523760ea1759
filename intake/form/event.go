package form

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxNote bounds the note of a case event, in bytes.
const MaxNote = 8 << 10

// ErrEvent is wrapped by every refusal of a case event.
var ErrEvent = errors.New("malformed case event")

// CaseEvent is one step of a case, told between reviewers only. The day and
// the case stand in the message's meta frame, who says it in its signature.
type CaseEvent struct {
	Stage string // id of one of [Stages]
	Note  string // clean text: reasons, outcome, action; may be empty
}

// Encode gives the data of one event frame:
//
//	version 1 (1) ‖ stage length (1) ‖ stage ‖ note length (2, BE) ‖ note
func (e CaseEvent) Encode() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("encoding a case event: %w", err)
	}
	b := append([]byte{1, byte(len(e.Stage))}, e.Stage...)    //nolint:gosec // ids are short
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.Note))) //nolint:gosec // at most MaxNote
	return append(b, e.Note...), nil
}

// DecodeCaseEvent reads what Encode wrote and refuses everything else.
func DecodeCaseEvent(b []byte) (CaseEvent, error) {
	r := reader{b, true}
	version := r.byte()
	e := CaseEvent{Stage: r.take(int(r.byte()))}
	e.Note = r.take(int(r.uint16()))
	if version != 1 || !r.ok || len(r.rest) > 0 {
		return CaseEvent{}, fmt.Errorf("decoding a case event: %w", ErrEvent)
	}
	if err := e.check(); err != nil {
		return CaseEvent{}, fmt.Errorf("decoding a case event: %w", err)
	}
	return e, nil
}

func (e CaseEvent) check() error {
	switch {
	case Label(stages, e.Stage) == "":
		return fmt.Errorf("%w: no such stage", ErrEvent)
	case len(e.Note) > MaxNote:
		return fmt.Errorf("%w: note longer than %d bytes", ErrEvent, MaxNote)
	case !IsClean(e.Note):
		return fmt.Errorf("%w: note is not a clean text", ErrEvent)
	}
	return nil
}
