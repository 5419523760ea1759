package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/crypto/argon2"
)

// KDFParams are the Argon2id parameters of an instance (RFC 9106), carried in
// the directory so that a source's own tool derives the same keys.
type KDFParams struct {
	Time      uint32 // passes
	MemoryKiB uint32
	Threads   uint8
}

// DefaultKDF is t=2, m=19 MiB, p=1: the second choice of the OWASP password
// storage cheat sheet. A code has 103 bits of its own; this is for the case
// that some of its words are known.
var DefaultKDF = KDFParams{Time: 2, MemoryKiB: 19 << 10, Threads: 1}

// CaseID groups the messages of one code. It is known to the source and,
// inside ciphertext only, to the readers.
type CaseID [16]byte

// CaseOf is the case of a source: H("postern/v1 case\0" ‖ V_src)[:16]. A case
// certifies itself: [ReadMessage] refuses a source's message under another
// case than its key's, so nobody who learned a case id can claim it at a desk
// that has not met the source yet.
func CaseOf(source ed25519.PublicKey) (c CaseID) {
	sum := sha256.Sum256(append([]byte("postern/v1 case\x00"), source...))
	copy(c[:], sum[:])
	return c
}

// Source is what a code derives at one instance. All of it is secret. It
// lives for one request; call Wipe.
type Source struct {
	locator  [32]byte // H(locator) names the mailbox
	Case     CaseID
	Greeting [2]string          // "are these yours?"
	Signing  ed25519.PrivateKey // V_src

	replyRoot, state, marker Key
}

// DeriveSource runs Argon2id once (about 21 ms and p.MemoryKiB of memory) and
// derives everything from its output.
func DeriveSource(c Code, salt [32]byte, p KDFParams) *Source {
	canon := c.Canonical()
	root := argon2.IDKey(canon, salt[:], p.Time, p.MemoryKiB, p.Threads, 32)
	clear(canon)
	defer clear(root)
	s := &Source{
		locator:   kdfKey(root, salt[:], "source locator"),
		replyRoot: kdfKey(root, salt[:], "source reply root"),
		state:     kdfKey(root, salt[:], "source state"),
		marker:    kdfKey(root, salt[:], "source marker key"),
	}
	seed := KDF(root, salt[:], "source signing", ed25519.SeedSize)
	s.Signing = ed25519.NewKeyFromSeed(seed)
	clear(seed)
	s.Case = CaseOf(s.public())
	s.Greeting = twoWords(KDF(root, salt[:], "greeting", 16))
	return s
}

func (s *Source) public() ed25519.PublicKey {
	return s.Signing.Public().(ed25519.PublicKey) //nolint:forcetypeassert // always that type
}

func twoWords(b []byte) [2]string { return [2]string{wordFrom(b), wordFrom(b[8:])} }

// MailboxName is H(locator): what the server may store, sealed.
func (s *Source) MailboxName() [32]byte { return sha256.Sum256(s.locator[:]) }

// ReplyIdentity is the identity that opens the replies of one life of the
// mailbox, whose share the server keeps. Without the share nobody can derive it
// again.
func (s *Source) ReplyIdentity(share [32]byte) *Identity {
	return IdentityFromSeed(kdfKey(s.replyRoot[:], share[:], "source reply key"))
}

// Marker is a two-word mark of the write counter: it changes only when
// something was sent or erased. secret is the instance's: who has the code
// alone must not learn from a marker that was seen how much was written
// (SECURITY.md S-2).
func (s *Source) Marker(secret Key, n uint64) [2]string {
	return twoWords(KDF(binary.BigEndian.AppendUint64(bytes.Clone(s.marker[:]), n), secret[:], "source marker", 16))
}

var stateAAD = []byte("postern/v1 source state")

// SealState seals what only the code's owner may read again. The output is
// len(plaintext)+BoxOverhead bytes.
func (s *Source) SealState(plaintext []byte) []byte { return SealBox(s.state, plaintext, stateAAD) }

// OpenState opens what SealState sealed, or returns [errBox].
func (s *Source) OpenState(box []byte) ([]byte, error) { return OpenBox(s.state, box, stateAAD) }

// Format implements [fmt.Formatter] with a placeholder (SECURITY.md S-12).
func (Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer] with a placeholder.
func (Source) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses, so that no encoder writes a source's keys by accident.
func (Source) MarshalText() ([]byte, error) {
	return nil, errors.New("a source's keys are not written as text")
}

// Wipe overwrites the secrets, as far as Go allows.
func (s *Source) Wipe() {
	clear(s.locator[:])
	clear(s.Case[:])
	clear(s.Signing)
	s.Greeting = [2]string{}
	s.replyRoot.Wipe()
	s.state.Wipe()
	s.marker.Wipe()
}

// Drop is where replies to one recipient R are handed in: H("postern/v1 drop\0" ‖ R)[:16].
type Drop [16]byte

// DropOf names the drop of a reply recipient.
func DropOf(r *Recipient) (d Drop) {
	sum := sha256.Sum256(append([]byte("postern/v1 drop\x00"), r.Bytes()...))
	copy(d[:], sum[:])
	return d
}
