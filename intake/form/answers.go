package form

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"postern/crypto"
)

// Errors of the codec, for errors.Is. They name the question, never what was answered.
var (
	ErrQuestion = errors.New("no such question, or not in the order of the questions")
	ErrOption   = errors.New("no such option, or not in the order of the options")
	ErrText     = errors.New("not a clean text")
	ErrTooLong  = errors.New("longer than the question allows")
	ErrFrame    = errors.New("malformed answer frame")
)

// Answer is the answer to one question: option ids for choices (one for a
// [Choice], in the order of the options for [Choices]), one clean text
// otherwise. A question that was not answered has no Answer.
type Answer struct {
	ID     string
	Values []string
}

// Answers in the order of the questions, each at most once.
type Answers []Answer

// Get returns the values of one answer, nil when there is none.
func (a Answers) Get(id string) []string {
	for _, x := range a {
		if x.ID == id {
			return x.Values
		}
	}
	return nil
}

// Check says what is wrong with the answers, or nil.
func (a Answers) Check() error {
	next := 0
	for _, x := range a {
		i := slices.IndexFunc(questions[next:], func(q Question) bool { return q.ID == x.ID })
		if i < 0 {
			return ErrQuestion // the id may be hostile: it is not repeated
		}
		next += i + 1
		if err := questions[next-1].check(x.Values); err != nil {
			return fmt.Errorf("answer %s: %w", x.ID, err)
		}
	}
	return nil
}

func (q *Question) check(values []string) error {
	switch q.Kind {
	case Text:
		switch {
		case len(values) != 1 || values[0] == "" || !IsClean(values[0]):
			return ErrText
		case len(values[0]) > q.MaxBytes:
			return ErrTooLong
		}
		return nil
	case Choice:
		if len(values) != 1 {
			return ErrOption
		}
	case Choices:
		if len(values) == 0 {
			return ErrOption
		}
	}
	next := 0
	for _, v := range values {
		i := slices.IndexFunc(q.Options[next:], func(o Option) bool { return o.ID == v })
		if i < 0 {
			return ErrOption
		}
		next += i + 1
	}
	return nil
}

// Encode gives one frame's data per answer:
//
//	id length (1) ‖ id ‖ number of values (1) ‖ values, each length (2, BE) ‖ bytes
//
// It refuses what Check refuses.
func (a Answers) Encode() ([][]byte, error) {
	if err := a.Check(); err != nil {
		return nil, fmt.Errorf("encoding answers: %w", err)
	}
	var frames [][]byte
	for _, x := range a {
		f := append([]byte{byte(len(x.ID))}, x.ID...) //nolint:gosec // ids are short
		f = append(f, byte(len(x.Values)))            //nolint:gosec // at most one for each option
		for _, v := range x.Values {
			f = binary.BigEndian.AppendUint16(f, uint16(len(v))) //nolint:gosec // at most MaxBytes
			f = append(f, v...)
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// DecodeAnswers reads what Encode wrote and refuses everything else: unknown
// ids and options, another order, repeats, trailing bytes, unclean text.
func DecodeAnswers(frames [][]byte) (Answers, error) {
	var a Answers
	total := 0
	for _, f := range frames {
		if total += len(f); total > crypto.MaxAnswers || len(a) >= len(questions) {
			return nil, fmt.Errorf("decoding answers: %w", ErrFrame)
		}
		r := reader{f, true}
		x := Answer{ID: r.take(int(r.byte()))}
		for n := int(r.byte()); n > 0 && r.ok; n-- {
			x.Values = append(x.Values, r.take(int(r.uint16())))
		}
		if !r.ok || len(r.rest) > 0 {
			return nil, fmt.Errorf("decoding answers: %w", ErrFrame)
		}
		a = append(a, x)
	}
	if err := a.Check(); err != nil {
		return nil, fmt.Errorf("decoding answers: %w", err)
	}
	return a, nil
}

// reader takes a frame apart; ok falls when it is too short.
type reader struct {
	rest []byte
	ok   bool
}

func (r *reader) take(n int) string {
	if n > len(r.rest) {
		r.ok, r.rest = false, nil
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *reader) byte() byte {
	if s := r.take(1); r.ok {
		return s[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if s := r.take(2); r.ok {
		return uint16(s[0])<<8 | uint16(s[1])
	}
	return 0
}
