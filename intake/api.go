package intake

import (
	"context"
	"errors"
	"io"
	"time"

	"postern/crypto"
	"postern/intake/form"
	"postern/store"
)

// Errors a page must explain, for errors.Is. Anything else is "internal".
var (
	ErrBusy         = errors.New("too many at once: try again in a minute")
	ErrQuorum       = errors.New("too few bodies are ticked")
	ErrUnknownBody  = errors.New("a body that is not in the directory")
	ErrTextTooLong  = errors.New("the text is longer than 32 KiB")
	ErrFileTooLarge = errors.New("the file is larger than the limit")
	ErrTooManyFiles = errors.New("too many files at once")
	ErrEmpty        = errors.New("neither text nor answers nor a file")
	ErrFull         = errors.New("storage is full")
	ErrFilesFull    = errors.New("storage takes text only for now")
	ErrPending      = errors.New("too many messages wait for the next release")
	ErrClosed       = errors.New("the directory has expired: no new reports")
	ErrNoReply      = errors.New("no such reply")
)

// Limits of one source. The zero value takes the defaults.
type Limits struct {
	FileSize int64 // bytes of one file: 512 MiB
	Files    int   // files of one form: 10
	Pending  int   // unreleased messages of one code: 64
}

// Options of [New].
type Options struct {
	Store      *store.Store
	Directory  *crypto.Directory // verified by the caller
	Transfer   *crypto.Identity  // opens bundles
	Instance   crypto.InstanceID
	Limits     Limits
	BatchHours []int            // UTC hours of the regular lane: 6, 18
	BatchSize  int              // entries of a regular batch: 32
	UrgentSize int              // entries of an hourly urgent batch: 2
	Now        func() time.Time // for tests; time.Now
}

// Service is the intake of one instance. Safe for concurrent use.
type Service struct{}

// Work says which Argon2 slot [Service.Enter] may take.
type Work int

// Reports have a slot that logins cannot take.
const (
	WorkLogin Work = iota
	WorkReport
)

// Enter derives a code's keys (Argon2id, once) and reads its mailbox. Known
// and unknown codes are one path. [ErrBusy] when the queue is full. Close the session.
func (s *Service) Enter(ctx context.Context, c crypto.Code, w Work) (*Session, error) {
	panic("unbuilt")
}

// Directory in force.
func (s *Service) Directory() *crypto.Directory { panic("unbuilt") }

// Accepting says whether new reports are taken (not expired), and the days to warn about (60, 30, 7 or 0).
func (s *Service) Accepting() (ok bool, warnDays int) { panic("unbuilt") }

// NextRelease is when the next regular batch goes out: "read at the earliest on …".
func (s *Service) NextRelease() time.Time { panic("unbuilt") }

// Limits in force.
func (s *Service) Limits() Limits { panic("unbuilt") }

// Session is one request of a source. Not safe for concurrent use.
type Session struct{}

// Fields is what a form says. Bodies is the positive list of ticked bodies, in directory order.
type Fields struct {
	Form    crypto.FormID
	Text    string
	Answers form.Answers
	Bodies  []string
	Urgent  bool
}

// Submit seals and commits the fields as one message of the smallest class;
// durable when nil. With neither text nor answers it only sets who reads the files
// that AddFile brings. Submitting the same form again is accepted: desks tell repeats.
func (x *Session) Submit(ctx context.Context, f Fields) error { panic("unbuilt") }

// AddFile seals and commits one file as a message of its own; durable when
// nil. Only after Submit. On error the file is lost and nothing else.
func (x *Session) AddFile(ctx context.Context, name, mediaType string, r io.Reader) error {
	panic("unbuilt")
}

// Greeting is the two words of the code.
func (x *Session) Greeting() [2]string { panic("unbuilt") }

// Marker is two words that change only when something was sent or erased.
func (x *Session) Marker() [2]string { panic("unbuilt") }

// Choice is the bodies the source last ticked, or the defaults (independent kinds).
func (x *Session) Choice() []string { panic("unbuilt") }

// ReplySummary is one line of the inbox.
type ReplySummary struct {
	Slot int
	Size int64 // of the sealed item
}

// Inbox lists waiting replies, oldest slot first, and makes the visit's one durable write
// (refilled slots, or the same bytes elsewhere).
func (x *Session) Inbox(ctx context.Context) ([]ReplySummary, error) { panic("unbuilt") }

// Standing of a reply's signature.
type Standing = crypto.SignerStanding

// Reply is one reply, opened and verified.
type Reply struct {
	Slot     int
	Body     string // body id of the signer; "" when unknown
	Standing Standing
	Day      crypto.Day // of writing, as the reviewer says
	Text     string
	Files    []crypto.File
}

// Reply opens one reply with one durable write of the visit's shape. [ErrNoReply].
func (x *Session) Reply(ctx context.Context, slot int) (*Reply, error) { panic("unbuilt") }

// WriteFiles writes the reply's files as one ZIP padded to 64 KiB · 2^k.
func (x *Session) WriteFiles(ctx context.Context, slot int, w io.Writer) error { panic("unbuilt") }

// FilesSize is the exact length WriteFiles will write.
func (x *Session) FilesSize(r *Reply) int64 { panic("unbuilt") }

// Erase forgets one reply: its share and its item.
func (x *Session) Erase(ctx context.Context, slot int) error { panic("unbuilt") }

// EraseAll forgets slots, state and the source's own unreleased messages.
func (x *Session) EraseAll(ctx context.Context) error { panic("unbuilt") }

// Close wipes the session's secrets.
func (x *Session) Close() { panic("unbuilt") }

// BatchInfo is one batch as a holder's page lists it.
type BatchInfo struct {
	Ordinal uint64
	Lane    crypto.Lane
	Day     crypto.Day
	Volumes []VolumeInfo
}

// VolumeInfo is one downloadable file of a batch.
type VolumeInfo struct {
	Number int // 1-based
	Name   string
	Size   int64
}

// Batches lists the batches kept, newest first.
func (s *Service) Batches() ([]BatchInfo, error) { panic("unbuilt") }

// WriteVolume writes a volume's bytes from offset to its end.
func (s *Service) WriteVolume(ctx context.Context, w io.Writer, batch uint64, volume int, offset int64) error {
	panic("unbuilt")
}

// Deliver takes a bundle. The same bundle twice changes nothing.
func (s *Service) Deliver(ctx context.Context, r io.Reader) (crypto.BundleID, error) {
	panic("unbuilt")
}
