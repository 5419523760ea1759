package instance

import (
	"errors"
	"fmt"
)

// hint is an error that knows what its reader should do next.
type hint struct {
	err error
	do  string
}

func (h *hint) Error() string { return h.err.Error() }

func (h *hint) Unwrap() error { return h.err }

// WithHint says what to do about an error; of nil it makes nil.
func WithHint(err error, format string, a ...any) error {
	if err == nil {
		return nil
	}
	return &hint{err, fmt.Sprintf(format, a...)}
}

// HintOf is what to do about an error; "" when nobody said.
func HintOf(err error) string {
	var h *hint
	if errors.As(err, &h) {
		return h.do
	}
	return ""
}
