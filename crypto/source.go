package crypto

import "crypto/ed25519"

// KDFParams are the Argon2id parameters of an instance (RFC 9106), carried in
// the directory so that a source's own tool derives the same keys.
type KDFParams struct {
	Time      uint32 // passes: 2
	MemoryKiB uint32 // 19 MiB = 19456
	Threads   uint8  // 1
}

// DefaultKDF is t=2, m=19 MiB, p=1.
var DefaultKDF = KDFParams{Time: 2, MemoryKiB: 19 << 10, Threads: 1}

// ReplySlots is how many replies a mailbox holds at once; slot 0 is the last
// resort of every body.
const ReplySlots = 16

// CaseID groups the messages of one code. It is known to the source and,
// inside ciphertext only, to the readers.
type CaseID [16]byte

// Source is what a code derives at one instance. All of it is secret. It
// lives for one request; call Wipe.
type Source struct {
	Locator  [32]byte // H(Locator) names the mailbox
	Case     CaseID
	Greeting [2]string          // "are these yours?"
	Signing  ed25519.PrivateKey // V_src
	// unexported: reply root, state key, marker key
	replyRoot, state, marker Key
}

// DeriveSource runs Argon2id once (about 21 ms and p.MemoryKiB of memory) and
// derives everything from its output.
func DeriveSource(c Code, salt [32]byte, p KDFParams) *Source { panic("unbuilt") }

// MailboxName is H(Locator): what the server may store, sealed.
func (s *Source) MailboxName() [32]byte { panic("unbuilt") }

// ReplyIdentity is id_i, the identity that opens replies sealed to the slot
// whose share the server keeps. Without the share nobody can derive it again.
func (s *Source) ReplyIdentity(share [32]byte) *Identity { panic("unbuilt") }

// Marker is a two-word mark of the write counter: it changes only when
// something was sent or erased.
func (s *Source) Marker(counter uint64) [2]string { panic("unbuilt") }

// SealState seals what only the code's owner may read again. The output is
// len(plaintext)+BoxOverhead bytes.
func (s *Source) SealState(plaintext []byte) []byte { panic("unbuilt") }

// OpenState opens what SealState sealed, or returns [ErrBox].
func (s *Source) OpenState(box []byte) ([]byte, error) { panic("unbuilt") }

// Wipe overwrites the secrets, as far as Go allows.
func (s *Source) Wipe() { panic("unbuilt") }

// Drop is where a reply for one slot is handed in: H("postern/v1 drop\0" ‖ R_i)[:16].
type Drop [16]byte

// DropOf names the drop of a reply recipient.
func DropOf(r *Recipient) Drop { panic("unbuilt") }
