package crypto

import (
	"errors"
	"io"
)

// Policy is how many stanzas every age file has and how many bodies must act
// together to open one. Quorum 1 is built; k > 1 (Shamir shares per body) is
// refused until it is.
type Policy struct {
	Slots  int // 8, 16 or 32
	Quorum int // bodies
}

// Valid says what is wrong with the policy, or nil.
func (p Policy) Valid() error { panic("unbuilt") }

// ErrNotForUs: no identity opens any stanza. It is the normal answer for
// covers and for messages to others.
var ErrNotForUs = errors.New("no key here opens this message")

// Seal starts one age file with exactly p.Slots hybrid stanzas in random
// order: the recipients of every chosen body (one slice per body: its
// holders), extra recipients (in a reply R_i and the sender's own), and
// throw-away keys for the rest. Close the writer to finish the file. With no
// bodies and no extra it makes a cover that nobody can open.
//
// It refuses more recipients than p.Slots, and the same recipient twice.
func Seal(dst io.Writer, p Policy, bodies [][]*Recipient, extra ...*Recipient) (io.WriteCloser, error) {
	panic("unbuilt")
}

// Open opens an age file with any of the identities, or returns [ErrNotForUs].
// It refuses a file whose stanza count is not 8, 16 or 32 or that has a stanza of
// another type.
func Open(src io.Reader, ids ...*Identity) (io.Reader, error) { panic("unbuilt") }

// SealedSize is the exact length in bytes of an age file of slots stanzas
// around n bytes of plaintext.
func SealedSize(slots int, n int64) int64 { panic("unbuilt") }

// ClassSize is the container length of a size class: 64 KiB · 2^class.
func ClassSize(class int) int64 { return 64 << 10 << class }

// ClassOf is the smallest class whose container holds n bytes of plaintext.
func ClassOf(n int64) int { panic("unbuilt") }
