package intake

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postern/crypto"
	"postern/store"
)

// Errors a page must explain, for errors.Is. Anything else is "internal".
var (
	ErrBusy         = errors.New("too many at once: try again in a minute")
	ErrQuorum       = errors.New("too few bodies are ticked")
	ErrUnknownBody  = errors.New("a body that is not in the directory")
	ErrTextTooLong  = errors.New("the text is longer than 32 KiB")
	ErrAnswers      = errors.New("the answers are too long or not of this form")
	ErrFileTooLarge = errors.New("the file is larger than the limit")
	ErrTooManyFiles = errors.New("too many files at once")
	ErrFull         = errors.New("storage is full")
	ErrClosed       = errors.New("the directory is missing or has expired: no new reports")
	ErrNoReply      = errors.New("no such reply")
	ErrGone         = errors.New("everything of this code was erased meanwhile, or the code was changed")
)

// Limits of one form. The zero value takes the defaults.
type Limits struct {
	FileSize int64 // bytes of one file: 500 MB, which fills a container of 512 MiB
	Files    int   // files of one form: 10
}

// MaxFileSize bounds Limits.FileSize: its container fills 512 MiB, the largest
// that fits a batch's volume.
const MaxFileSize = 511 << 20

// sealedMost is the longest message in bytes that a file of n bytes can make.
func sealedMost(slots int, n int64) int64 {
	return crypto.SealedSize(slots, crypto.ClassSize(crypto.ClassOf(n+1<<20)))
}

// Defaults of [Options] and [Limits].
const (
	DefaultFileSize   = 500_000_000
	DefaultFiles      = 10
	DefaultBatchSize  = 64
	DefaultUrgentSize = 2
)

// Options of [New].
type Options struct {
	Store      *store.Store
	Directory  *crypto.Directory  // verified by the caller; nil until one is installed
	Transfer   *crypto.Identity   // opens bundles
	Signing    ed25519.PrivateKey // signs batches: the directory's server key
	Instance   crypto.InstanceID
	Limits     Limits
	BatchHours []int // UTC hours of the regular lane, 0 to 23: 6 and 18
	BatchSize  int   // entries of a regular batch
	UrgentSize int   // entries of an hourly urgent batch
	Now        func() time.Time
}

// Service is the intake of one instance. Safe for concurrent use.
type Service struct {
	store     *store.Store
	transfer  *crypto.Identity
	signing   ed25519.PrivateKey
	instance  crypto.InstanceID
	secret    crypto.Key // of this instance: what pages derive from a code and its state is keyed with it
	limits    Limits
	hours     []int
	sizes     map[crypto.Lane]int
	now       func() time.Time
	directory atomic.Pointer[inForce]
	turns     *turns
	admission *admission
	numbers   numbers
	release   sync.RWMutex // held for writing while outs move into a batch
	working   sync.Mutex   // one step at a time of what takes several
	damaged   atomic.Int64
	stretch   int64          // length that a stretch has at most, in bytes
	locks     [64]sync.Mutex // by mailbox: requests with one code wait for each other

	apply func(context.Context, ...store.Op) error // the store's
}

// inForce is the directory with what is asked of it at every message.
type inForce struct {
	*crypto.Directory
	hash [32]byte
}

// New checks the options and does what an earlier life left to be done.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Transfer == nil {
		return nil, errors.New("intake: a store and a transfer identity are needed")
	}
	s := &Service{
		store: o.Store, apply: o.Store.Apply, transfer: o.Transfer, signing: o.Signing, instance: o.Instance, limits: o.Limits,
		hours: o.BatchHours, now: o.Now, turns: newTurns(), numbers: newNumbers(), stretch: stretchMost,
		sizes: map[crypto.Lane]int{crypto.LaneRegular: o.BatchSize, crypto.LaneUrgent: o.UrgentSize},
	}
	if s.limits.Files == 0 {
		s.limits.Files = DefaultFiles
	}
	if s.limits.FileSize == 0 {
		s.limits.FileSize = DefaultFileSize
	}
	if s.sizes[crypto.LaneRegular] == 0 {
		s.sizes[crypto.LaneRegular] = DefaultBatchSize
	}
	if s.sizes[crypto.LaneUrgent] == 0 {
		s.sizes[crypto.LaneUrgent] = DefaultUrgentSize
	}
	if s.limits.FileSize > MaxFileSize {
		return nil, fmt.Errorf("intake: files of %d bytes: at most %d fit a batch's volume", s.limits.FileSize, MaxFileSize)
	}
	if len(s.hours) == 0 {
		s.hours = []int{6, 18}
	}
	for _, h := range s.hours {
		if h < 0 || h > 23 {
			return nil, fmt.Errorf("intake: batch hour %d: must be 0 to 23 (UTC)", h)
		}
	}
	if s.now == nil {
		s.now = time.Now
	}
	usage, err := s.store.Usage()
	if err != nil {
		return nil, fmt.Errorf("intake: %w", err)
	}
	s.admission = s.newAdmission(usage.Quota)
	ctx := context.Background()
	if err := errors.Join(s.openSecret(ctx), s.finish(ctx)); err != nil {
		return nil, err
	}
	if o.Directory != nil {
		return s, s.SetDirectory(o.Directory)
	}
	return s, nil
}

var metaSecret = []byte("secret")

// openSecret reads the instance's secret, or makes it in a new database, with the mailboxes
// that no code derives.
func (s *Service) openSecret(ctx context.Context) error {
	b, err := s.store.Get(bucketMeta, metaSecret)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.secret = crypto.NewKey()
		ops := []store.Op{store.Create(bucketMeta, metaSecret, s.secret[:])}
		for range neighbours {
			ops = append(ops, neighbour())
		}
		return s.apply(ctx, ops...)
	case err != nil:
		return fmt.Errorf("intake: reading the instance's secret: %w", err)
	case len(b) != len(s.secret):
		return errRecord
	}
	copy(s.secret[:], b)
	return nil
}

// SetDirectory puts a newly installed directory in force. The salt cannot
// change: every code would lose its mailbox. Nor can the slots, which replies on
// their way have, nor the server's key while this process has another.
func (s *Service) SetDirectory(d *crypto.Directory) error {
	hash := d.Hash()
	if old := s.directory.Load(); old != nil && (old.Salt != d.Salt || old.Policy.Slots != d.Policy.Slots) {
		return crypto.ErrSalt
	}
	if len(s.signing) != ed25519.PrivateKeySize || !d.Server.Equal(s.signing.Public()) {
		return errors.New("the directory names another server key than this server has: its batches would count as forged; propose and sign one with this server's key")
	}
	if want := SmallCell(d.Policy.Slots); s.store.SmallCell() < want {
		return fmt.Errorf("directory with %d slots: this database was made for fewer; "+
			"back up, then restore into a database made for %d slots", d.Policy.Slots, d.Policy.Slots)
	}
	s.directory.Store(&inForce{d, hash})
	return nil
}

// Directory in force, or nil.
func (s *Service) Directory() *crypto.Directory {
	if d := s.directory.Load(); d != nil {
		return d.Directory
	}
	return nil
}

// Accepting says whether new reports are taken, and the days (60, 30, 7 or 0)
// left to warn about. Reading and erasing go on after expiry.
func (s *Service) Accepting() (ok bool, warnDays int) {
	d := s.directory.Load()
	if d == nil {
		return false, 0
	}
	now := s.now()
	return !d.Expired(now), d.WarnDays(now)
}

// Limits in force.
func (s *Service) Limits() Limits { return s.limits }

// Damaged counts stored entries that did not open while a batch was written.
func (s *Service) Damaged() int64 { return s.damaged.Load() }

// Usage of the store.
func (s *Service) Usage() (store.Usage, error) { return s.store.Usage() }

// Enter derives a code's keys (Argon2id, once a request) and reads its
// mailbox. Known and unknown codes are one path (SECURITY.md S-4). [ErrBusy]
// when too many logins wait. Close the session.
func (s *Service) Enter(ctx context.Context, c crypto.Code, w Work) (*Session, error) {
	d := s.directory.Load()
	if d == nil {
		return nil, ErrClosed
	}
	leave, err := s.turns.enter(ctx, w)
	if err != nil {
		return nil, err
	}
	src := crypto.DeriveSource(c, d.Salt, d.KDF)
	leave()
	x := &Session{s: s, d: d, src: src}
	if err := x.reload(); err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

// seal makes one message of the smallest class, in memory.
func seal(d *inForce, m *crypto.Message, key ed25519.PrivateKey, bodies [][]*crypto.Recipient) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(SmallCell(d.Policy.Slots))
	w, err := crypto.Seal(&b, d.Policy, bodies)
	if err != nil {
		return nil, err
	}
	mw, err := crypto.NewMessageWriter(w, m, key)
	if err != nil {
		return nil, err
	}
	if err := mw.Close(); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() != SmallCell(d.Policy.Slots) {
		return nil, fmt.Errorf("a message of %d bytes where all have %d: a fault of ours", b.Len(), SmallCell(d.Policy.Slots))
	}
	return b.Bytes(), nil
}

// maxTries bounds how often a change is tried again on a mailbox that another
// request changed in between. Requests with one code exclude each other by
// lock; what can still come between is a delivery.
const maxTries = 32

// lock excludes other requests with the same codes, and returns what ends that.
// Two that lock the same names never wait for each other in a circle.
func (s *Service) lock(names ...[32]byte) (unlock func()) {
	var at []int
	for _, name := range names {
		at = append(at, int(name[0]%64))
	}
	slices.Sort(at)
	at = slices.Compact(at)
	for _, i := range at {
		s.locks[i].Lock()
	}
	return func() {
		for _, i := range at {
			s.locks[i].Unlock()
		}
	}
}

// full maps the store's refusal to the one a page explains.
func full(err error) error {
	if errors.Is(err, store.ErrFull) {
		return ErrFull
	}
	return err
}
