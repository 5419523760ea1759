package crypto

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/crypto/chacha20poly1305"
)

// Key is 32 secret bytes. It never prints: every verb, slog and JSON give a
// placeholder or an error (SECURITY.md S-12).
type Key [32]byte

const redacted = "[secret]"

// NewKey returns 32 fresh random bytes.
func NewKey() (k Key) {
	_, _ = rand.Read(k[:]) // crypto/rand.Read never fails: it ends the program instead
	return k
}

// Format implements [fmt.Formatter].
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer].
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses, so that no encoder writes a key by accident.
func (Key) MarshalText() ([]byte, error) {
	return nil, errors.New("a secret key is not written as text")
}

// Wipe overwrites the key. Copies that Go made elsewhere stay until they are
// reused: this shortens a secret's life and promises nothing.
func (k *Key) Wipe() { clear(k[:]) }

// KDF is HKDF-SHA256 (RFC 5869) with info "postern/v1 " + label.
// n is at most 8160 bytes.
func KDF(ikm, salt []byte, label string, n int) []byte {
	out, err := hkdf.Key(sha256.New, ikm, salt, "postern/v1 "+label, n)
	if err != nil {
		panic("crypto: KDF: " + err.Error()) // only for n > 255*32: a fault of ours
	}
	return out
}

// kdfKey is KDF for 32 bytes.
func kdfKey(ikm, salt []byte, label string) (k Key) {
	copy(k[:], KDF(ikm, salt, label, len(k)))
	return k
}

// BoxOverhead is what [SealBox] adds to a plaintext, in bytes.
const BoxOverhead = chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

// errBox is returned by [OpenBox]: a wrong key, other associated data, or
// changed bytes. Which of them cannot be told.
var errBox = errors.New("sealed box does not open")

// SealBox seals plaintext with XChaCha20-Poly1305 under a random 24-byte
// nonce, which stands in front.
func SealBox(key Key, plaintext, aad []byte) []byte {
	a, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		panic("crypto: SealBox: " + err.Error()) // only for a key of another length
	}
	out := make([]byte, a.NonceSize(), len(plaintext)+BoxOverhead)
	_, _ = rand.Read(out)
	return a.Seal(out, out, plaintext, aad)
}

// OpenBox opens what [SealBox] sealed, or returns [errBox].
func OpenBox(key Key, box, aad []byte) ([]byte, error) {
	a, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		panic("crypto: OpenBox: " + err.Error())
	}
	if len(box) < BoxOverhead {
		return nil, errBox
	}
	out, err := a.Open(nil, box[:a.NonceSize()], box[a.NonceSize():], aad)
	if err != nil {
		return nil, errBox
	}
	return out, nil
}
