package crypto

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"

	"filippo.io/age"
)

// Policy is how many stanzas every age file has and how many bodies must act
// together to open one.
//
// Quorum 1 is built: each stanza wraps the file key itself. The place for
// k > 1 is [Seal], which gets its recipients by body: there each stanza would wrap its body's
// Shamir share of the file key. Until then [Policy.Valid] refuses it.
type Policy struct {
	Slots  int // 8, 16 or 32
	Quorum int // bodies
}

// Valid says what is wrong with the policy, or nil.
func (p Policy) Valid() error {
	if p.Slots != 8 && p.Slots != 16 && p.Slots != 32 {
		return fmt.Errorf("%d slots: must be 8, 16 or 32", p.Slots)
	}
	if p.Quorum != 1 {
		return fmt.Errorf("quorum %d: this version can only do 1", p.Quorum)
	}
	return nil
}

// ErrNotForUs says that no stanza is for an identity. It is the normal answer for
// covers and for messages to others.
var ErrNotForUs = errors.New("no key here opens this message")

// Seal starts one age file with exactly p.Slots hybrid stanzas in random
// order: the recipients of every chosen body (one slice per body: its
// holders), extra recipients (of the copy for a source: R), and throw-away keys for the
// rest (SECURITY.md S-3). Close the writer to finish the file. With no bodies
// and no extra it makes a cover that nobody can open.
//
// It refuses more recipients than p.Slots, and the same recipient twice.
func Seal(dst io.Writer, p Policy, bodies [][]*Recipient, extra ...*Recipient) (io.WriteCloser, error) {
	if err := p.Valid(); err != nil {
		return nil, err
	}
	var to []age.Recipient
	var raw [][]byte
	for _, body := range append(bodies[:len(bodies):len(bodies)], extra) {
		for _, r := range body {
			for _, b := range raw {
				if bytes.Equal(b, r.raw) {
					return nil, errors.New("sealing: the same recipient twice")
				}
			}
			raw = append(raw, r.raw)
			to = append(to, r)
		}
	}
	if len(to) > p.Slots {
		return nil, fmt.Errorf("sealing: %d recipients for %d slots", len(to), p.Slots)
	}
	for len(to) < p.Slots {
		// A real key that nobody keeps: ML-KEM ciphertext is not uniform bytes,
		// so noise in its place could be told apart.
		to = append(to, NewIdentity().Recipient())
	}
	for i := len(to) - 1; i > 0; i-- {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(i+1)))
		if err != nil {
			return nil, fmt.Errorf("sealing: %w", err)
		}
		j := int(n.Int64())
		to[i], to[j] = to[j], to[i]
	}
	w, err := age.Encrypt(dst, to...)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return w, nil
}

// Open opens an age file with any of the identities, or returns [ErrNotForUs].
// It refuses a file whose stanza count is not 8, 16 or 32 or that has a stanza
// of another type or length. What is wrong with the bytes, here or while reading
// the result, is [ErrFormat]; an error of src comes through as it is.
//
// A stanza for us whose file key is not this file's is stepped over; when no
// other one is right, the file is [ErrFormat] and never [ErrNotForUs]: whoever
// sealed it cannot make it vanish at one reader alone and leave no trace.
func Open(src io.Reader, ids ...*Identity) (io.Reader, error) {
	o := &openReader{src: src}
	r, err := o.open(ids)
	if errors.Is(err, ErrNotForUs) {
		return nil, ErrNotForUs
	}
	if err != nil {
		return nil, fmt.Errorf("opening a sealed file: %w", o.blame(err))
	}
	o.plain = r
	return o, nil
}

// ErrDamaged is the [ErrFormat] of a file that is sealed to a key here and does
// not open with it; other malformed bytes need not be for us.
var ErrDamaged = fmt.Errorf("%w: sealed to a key here, which does not open it", ErrFormat)

func (o *openReader) open(ids []*Identity) (io.Reader, error) {
	// age reads ahead, of a header 2 MiB at most: what it took is kept and read again.
	var taken bytes.Buffer
	header, err := age.ExtractHeader(io.TeeReader(readerFunc(o.readSource), &taken))
	if err != nil {
		return nil, err
	}
	key, err := age.DecryptHeader(header, &keyring{ids: ids, header: header})
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrNotForUs
	}
	if err != nil {
		return nil, err
	}
	return age.Decrypt(io.MultiReader(&taken, readerFunc(o.readSource)), age.NewInjectedFileKeyIdentity(key))
}

// keyring is an [age.Identity] that refuses headers whose stanzas are not a
// policy's, and tries every identity on every stanza until a file key fits.
type keyring struct {
	ids    []*Identity
	header []byte
}

func (k *keyring) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if (Policy{Slots: len(stanzas), Quorum: 1}).Valid() != nil {
		return nil, malformed("%d stanzas", len(stanzas))
	}
	shares := make([][]byte, len(stanzas))
	for i, s := range stanzas {
		var err error
		if shares[i], err = stanzaShare(s); err != nil {
			return nil, err
		}
	}
	ours := false
	for i, s := range stanzas {
		for _, id := range k.ids {
			key, ok := id.unwrap(shares[i], s.Body)
			if !ok {
				continue
			}
			ours = true
			if _, err := age.DecryptHeader(k.header, age.NewInjectedFileKeyIdentity(key)); err == nil {
				return key, nil
			}
		}
	}
	if ours {
		return nil, ErrDamaged
	}
	return nil, age.ErrIncorrectIdentity
}

// openReader tells bytes that are wrong from a source that fails: only the
// first is the sender's fault.
type openReader struct {
	src, plain io.Reader
	failed     bool
}

func (o *openReader) readSource(p []byte) (int, error) {
	n, err := o.src.Read(p)
	o.failed = o.failed || err != nil && !errors.Is(err, io.EOF)
	return n, err
}

func (o *openReader) Read(p []byte) (int, error) {
	n, err := o.plain.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // only the bare end is the end
		err = o.blame(err)
	}
	return n, err
}

func (o *openReader) blame(err error) error {
	if o.failed || errors.Is(err, ErrFormat) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// The parts of an age file (C2SP age specification): first line, per stanza
// "-> type enc\n" and its body in one line, "--- " MAC "\n", nonce, and chunks
// of 64 KiB with a tag of 16 bytes each, the last one possibly short.
const (
	ageFirst  = len("age-encryption.org/v1\n")
	ageStanza = len("-> "+stanzaType+" \n") + (encSize*8+5)/6 + (fileKeySize+16)*8/6 + 1 + 1
	ageFooter = len("--- \n") + 43
	ageNonce  = 16
	ageChunk  = 64 << 10
	ageTag    = 16
)

// SealedSize is the exact length in bytes of an age file of slots stanzas
// around n bytes of plaintext.
func SealedSize(slots int, n int64) int64 {
	chunks := max(1, (n+ageChunk-1)/ageChunk)
	return int64(ageFirst+slots*ageStanza+ageFooter+ageNonce) + n + chunks*ageTag
}

// ClassSize is the container length of a size class: 64 KiB · 2^class.
func ClassSize(class int) int64 { return 64 << 10 << class }

// ClassOf is the smallest class whose container holds n bytes.
func ClassOf(n int64) (class int) {
	for ClassSize(class) < n {
		class++
	}
	return class
}
