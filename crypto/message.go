package crypto

import (
	"crypto/ed25519"
	"io"
	"time"
)

// Kind is what a message is.
type Kind byte

// The kinds. FORMAT.md fixes for each which frames come in which order.
const (
	KindReport   Kind = 1 // fields of a source's first form on a page; the desk decides whether a case is new
	KindFollowUp Kind = 2 // fields of a later form
	KindFile     Kind = 3 // one file of a report or follow-up, bound to it by the form id
	KindReply    Kind = 4 // reviewer to source and fellow readers
	KindEvent    Kind = 5 // between reviewers only
	KindCover    Kind = 6 // nothing: dropped silently
	KindPrekeys  Kind = 7 // a visit refilled reply slots; no words
)

// Limits of a container, in bytes. They hold on forms and desks alike, and
// make the fields of any form fit the smallest class.
const (
	MaxText      = 32 << 10 // text frame, UTF-8
	MaxAnswers   = 10 << 10 // all answers frames of one message together
	MaxFileName  = 255
	MaxMediaType = 127
	MaxReaders   = 31 // bodies in frame 3
	MaxBodyID    = 16 // bytes of [a-z0-9-]
)

// Day is a UTC day: days since 1970-01-01. The finest time in any message.
type Day uint32

// DayOf is the UTC day of t.
func DayOf(t time.Time) Day { return Day(t.UTC().Unix() / 86400) } //nolint:gosec // not before 1970

// Time is midnight UTC of the day.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// FormID names one form a source was given; its messages belong together.
type FormID [16]byte

// Meta is frame 1.
type Meta struct {
	Kind    Kind
	Case    CaseID
	Counter uint64 // the writer's own, rising
	Form    FormID
	DirHash [32]byte // H(text) of the directory the writer used
	Day     Day
}

// Prekey is frame 20: where one reply can be handed in.
type Prekey struct {
	Slot      byte
	Recipient *Recipient
}

// DropRef is frame 30: the drop and slot that a reply is meant for.
type DropRef struct {
	Drop Drop
	Slot byte
}

// Message is everything in a container but the bytes of its files.
type Message struct {
	Meta    Meta
	Readers []string          // body ids in the order shown, frame 3
	Quorum  byte              // frame 3
	Source  ed25519.PublicKey // V_src, frame 4; kinds of a source
	Text    string            // frame 10; absent when empty
	Prekeys []Prekey          // frame 20
	Inner   *Recipient        // frame 21, reserved for the source's own tool
	Drop    *DropRef          // frame 30; reply
	Answers [][]byte          // frames 40, opaque here: intake/form encodes them
	Event   []byte            // frame 41
	Signer  ed25519.PublicKey // frame 98; set by the writer and by the reader after it verified 99
}

// File is a file's begin frame and, once read, its end frame.
type File struct {
	Name      string // as the sender's machine called it; never a path, never trusted
	MediaType string
	Size      int64
	SHA256    [32]byte
}

// MessageWriter writes one container.
type MessageWriter struct{}

// NewMessageWriter checks m against the grammar of its kind and writes every
// frame before files. dst is the writer that [Seal] returned; the caller
// closes it after Close. key signs; for a source's kinds m.Source must be its public half.
// Covers are unsigned: key nil.
func NewMessageWriter(dst io.Writer, m *Message, key ed25519.PrivateKey) (*MessageWriter, error) {
	panic("unbuilt")
}

// File begins a file; what is written to the result until the next File or
// Close are its bytes.
func (w *MessageWriter) File(name, mediaType string) (io.Writer, error) { panic("unbuilt") }

// Close ends the last file, signs, writes the end frame and pads to the next class.
func (w *MessageWriter) Close() error { panic("unbuilt") }

// Read is one message read and verified.
type Read struct {
	Message
	Files   []File
	Content [32]byte // hash of the content frames only: a repeat has the same
}

// ReadMessage reads one container to its last byte, refuses any deviation
// from the grammar, and verifies the signature under the key the message names (for
// a source's kinds: V_src). Whether that key may sign is the caller's to
// decide. onFile is called for each file as it streams by, before the
// signature is known: what it keeps is to be thrown away on error. nil drains.
func ReadMessage(src io.Reader, onFile func(f File, r io.Reader) error) (*Read, error) {
	panic("unbuilt")
}
