package crypto

import (
	"fmt"

	"filippo.io/age"
)

// RecipientSize is the length of a raw hybrid recipient in bytes.
const RecipientSize = 1216

// Recipient is an age hybrid post-quantum recipient (age1pq1…, ML-KEM-768 +
// X25519). It is a [age.Recipient] itself. Classic recipients are never used.
type Recipient struct{}

// ParseRecipient reads "age1pq1…".
func ParseRecipient(s string) (*Recipient, error) { panic("unbuilt") }

// RecipientFromBytes reads a raw recipient of RecipientSize bytes.
func RecipientFromBytes(b []byte) (*Recipient, error) { panic("unbuilt") }

// Bytes is the raw form.
func (r *Recipient) Bytes() []byte { panic("unbuilt") }

// String is the age1pq1… form: public.
func (r *Recipient) String() string { panic("unbuilt") }

// Wrap implements [age.Recipient]: the same stanza age itself writes.
func (r *Recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) { panic("unbuilt") }

// Identity is the secret half. It never prints; see AgeString.
type Identity struct{}

// IdentityFromSeed is PQID(seed).
func IdentityFromSeed(seed Key) *Identity { panic("unbuilt") }

// NewIdentity has a random seed.
func NewIdentity() *Identity { return IdentityFromSeed(NewKey()) }

// Seed is the 32 bytes the identity was made from. Secret.
func (i *Identity) Seed() Key { panic("unbuilt") }

// Recipient is the public half.
func (i *Identity) Recipient() *Recipient { panic("unbuilt") }

// AgeString is the AGE-SECRET-KEY-PQ-1… form for stock age. Secret; on purpose
// not named String.
func (i *Identity) AgeString() string { panic("unbuilt") }

// Format implements [fmt.Formatter] with a placeholder.
func (*Identity) Format(f fmt.State, _ rune) { panic("unbuilt") }

// Unwrap implements [age.Identity].
func (i *Identity) Unwrap(stanzas []*age.Stanza) ([]byte, error) { panic("unbuilt") }
