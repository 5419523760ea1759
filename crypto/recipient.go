package crypto

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/hpke"
	"github.com/decred/dcrd/bech32"
	"golang.org/x/crypto/chacha20poly1305"
)

// recipientSize is the length of a raw hybrid recipient in bytes.
const recipientSize = 1216

const (
	recipientHRP = "age1pq"
	identityHRP  = "age-secret-key-pq-"
	stanzaType   = "mlkem768x25519"
	stanzaLabel  = "age-encryption.org/mlkem768x25519" // HPKE info, C2SP age spec
	encSize      = 1120                                // ML-KEM-768 ciphertext ‖ X25519 share
	fileKeySize  = 16
)

var stanzaBase64 = base64.RawStdEncoding.Strict()

// Recipient is an age hybrid post-quantum recipient (age1pq1…, ML-KEM-768 +
// X25519, C2SP age specification). It writes the stanzas age writes, from
// raw keys: age itself takes only their text. Classic recipients are never used.
type Recipient struct {
	raw  []byte
	pk   func() (hpke.PublicKey, error) // once: most keys that are read never seal
	text func() string                  // once: it is slow, and a directory is hashed often
}

func newRecipient(raw []byte, pk func() (hpke.PublicKey, error)) *Recipient {
	return &Recipient{raw: raw, pk: pk, text: sync.OnceValue(func() string { return encodeBech32(recipientHRP, raw) })}
}

// ParseRecipient reads "age1pq1…".
func ParseRecipient(s string) (*Recipient, error) {
	if strings.HasPrefix(strings.ToUpper(s), "AGE-SECRET-KEY-") {
		return nil, errors.New("this is a secret key, not a recipient: give the age1pq1… that belongs to it")
	}
	hrp, b, err := decodeBech32(s)
	if err != nil {
		return nil, fmt.Errorf("recipient %.20q…: %w", s, err)
	}
	if hrp != recipientHRP {
		return nil, fmt.Errorf("recipient %.20q…: not post-quantum: must begin with age1pq1, in lower case", s)
	}
	return recipientFromBytes(b)
}

// recipientFromBytes reads a raw recipient of recipientSize bytes.
func recipientFromBytes(b []byte) (*Recipient, error) {
	if len(b) != recipientSize {
		return nil, fmt.Errorf("recipient of %d bytes: must have %d", len(b), recipientSize)
	}
	if !validHybrid(b) {
		return nil, errors.New("recipient is no valid hybrid public key")
	}
	raw := append([]byte(nil), b...)
	return newRecipient(raw, sync.OnceValues(func() (hpke.PublicKey, error) { return hpke.MLKEM768X25519().NewPublicKey(raw) })), nil
}

// validHybrid is what parsing checks, at a small part of its cost: the modulus
// check of FIPS 203, section 7.2, on the ML-KEM half, whose last 32 bytes are a
// seed. In the other half every 32 bytes parse as an X25519 key, but to the
// points of small order nothing can be sealed: one of them in a directory
// would stop every report to its body.
func validHybrid(b []byte) bool {
	const q, polynomials = 3329, 3 * 384
	for c := range slices.Chunk(b[:polynomials], 3) { // two coefficients of twelve bits, little endian
		d := uint32(c[0]) | uint32(c[1])<<8 | uint32(c[2])<<16
		if d&0xfff >= q || d>>12 >= q {
			return false
		}
	}
	u := [32]byte(b[len(b)-32:])
	u[31] &= 0x7f // X25519 ignores the highest bit: RFC 7748, section 5
	return !slices.Contains(smallOrderX25519, hex.EncodeToString(u[:]))
}

// smallOrderX25519 are the u-coordinates of the points of small order on the
// curve and its twist: 0, 1, two of order 8, p-1, p and p+1.
var smallOrderX25519 = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// Bytes is the raw form. The caller must not change it.
func (r *Recipient) Bytes() []byte { return r.raw }

// String is the age1pq1… form: public.
func (r *Recipient) String() string { return r.text() }

// Wrap implements [age.Recipient]: the same stanza age itself writes.
func (r *Recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	pk, err := r.pk()
	if err != nil {
		return nil, fmt.Errorf("sealing to a recipient: %w", err)
	}
	enc, s, err := hpke.NewSender(pk, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(stanzaLabel))
	if err != nil {
		return nil, fmt.Errorf("sealing to a recipient: %w", err)
	}
	ct, err := s.Seal(nil, fileKey)
	if err != nil {
		return nil, fmt.Errorf("sealing to a recipient: %w", err)
	}
	return []*age.Stanza{{Type: stanzaType, Args: []string{stanzaBase64.EncodeToString(enc)}, Body: ct}}, nil
}

// WrapWithLabels implements [age.RecipientWithLabels]: age refuses to mix
// these with recipients that are not post-quantum.
func (r *Recipient) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	s, err := r.Wrap(fileKey)
	return s, []string{"postquantum"}, err
}

// Identity is the secret half. It never prints; see AgeString.
type Identity struct {
	sk   hpke.PrivateKey
	seed Key
	pub  *Recipient
}

// IdentityFromSeed is PQID(seed): the age hybrid identity of these 32 bytes.
func IdentityFromSeed(seed Key) *Identity {
	sk, err := hpke.MLKEM768X25519().NewPrivateKey(seed[:])
	if err != nil {
		panic("crypto: IdentityFromSeed: " + err.Error()) // only for another length
	}
	pk := sk.PublicKey()
	return &Identity{sk: sk, seed: seed, pub: newRecipient(pk.Bytes(), func() (hpke.PublicKey, error) { return pk, nil })}
}

// NewIdentity has a random seed.
func NewIdentity() *Identity { return IdentityFromSeed(NewKey()) }

// Seed is the 32 bytes the identity was made from. Secret.
func (i *Identity) Seed() Key { return i.seed }

// Recipient is the public half.
func (i *Identity) Recipient() *Recipient { return i.pub }

// AgeString is the AGE-SECRET-KEY-PQ-1… form for stock age. Secret; on purpose
// not named String.
func (i *Identity) AgeString() string {
	return strings.ToUpper(encodeBech32(identityHRP, i.seed[:]))
}

// Format implements [fmt.Formatter] with a placeholder, for values and pointers.
func (Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer] with a placeholder.
func (Identity) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses, so that no encoder writes an identity by accident.
func (Identity) MarshalText() ([]byte, error) {
	return nil, errors.New("an identity is not written as text")
}

// stanzaShare is the encapsulated key of a stanza that is one of ours by type and lengths.
func stanzaShare(s *age.Stanza) ([]byte, error) {
	if s.Type != stanzaType {
		return nil, malformed("a stanza of another type")
	}
	if len(s.Args) != 1 || len(s.Body) != fileKeySize+chacha20poly1305.Overhead {
		return nil, malformed("a stanza of the wrong size")
	}
	enc, err := stanzaBase64.DecodeString(s.Args[0])
	if err != nil || len(enc) != encSize {
		return nil, malformed("a stanza of the wrong size")
	}
	return enc, nil
}

// unwrap gives the file key of a stanza that is for i.
func (i *Identity) unwrap(enc, body []byte) (key []byte, ok bool) {
	r, err := hpke.NewRecipient(enc, i.sk, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(stanzaLabel))
	if err != nil {
		return nil, false // X25519 refuses low-order points: such a stanza is for nobody
	}
	key, err = r.Open(nil, body) // ML-KEM rejects implicitly: another's stanza is noticed here
	return key, err == nil
}

func encodeBech32(hrp string, b []byte) string {
	s, err := bech32.EncodeFromBase256(hrp, b)
	if err != nil {
		panic("crypto: bech32: " + err.Error()) // only for a bad prefix of ours
	}
	return s
}

// decodeBech32 returns the prefix in the case it was written in, as age does:
// what parses has one form.
func decodeBech32(s string) (hrp string, b []byte, err error) {
	hrp, five, err := bech32.DecodeNoLimit(s)
	if err != nil {
		return "", nil, errors.New("not bech32: was it cut or mistyped?")
	}
	b, err = bech32.ConvertBits(five, 5, 8, false)
	if err != nil {
		return "", nil, errors.New("not bech32: was it cut or mistyped?")
	}
	return s[:len(hrp)], b, nil
}
