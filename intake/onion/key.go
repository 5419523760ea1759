package onion

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cretz/bine/torutil"
	"github.com/cretz/bine/torutil/ed25519"
)

// Key is the private key of an onion service, in tor's expanded form: what
// its file hs_ed25519_secret_key holds after a header of 32 bytes. Who has it
// can be the service. It does not print (SECURITY.md S-12).
type Key [64]byte

// NewKey makes a random key.
func NewKey() Key {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails
	k := Key(sha512.Sum512(seed[:]))
	k[0] &= 248
	k[31] = k[31]&127 | 64
	return k
}

// ParseKey reads the 64 bytes of a key and refuses what is none.
func ParseKey(b []byte) (Key, error) {
	if len(b) != 64 {
		return Key{}, fmt.Errorf("an onion key has 64 bytes, not %d", len(b))
	}
	if b[0]&7 != 0 || b[31]&192 != 64 {
		return Key{}, errors.New("not an onion key: was the file damaged, or is it another key?")
	}
	return Key(b), nil
}

// Address of a service, with ".onion" at the end.
func Address(k Key) string {
	return torutil.OnionServiceIDFromV3PublicKey(ed25519.PrivateKey(k[:]).PublicKey()) + ".onion"
}

// ClientKeyLine is how tor writes the x25519 public key of a client on the
// server's side: 52 letters of base32. (The client's own file is the desk's to write.)
func ClientKeyLine(public [32]byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(public[:])
}

// blob is the key as ADD_ONION takes it.
func (k Key) blob() string { return "ED25519-V3:" + base64.StdEncoding.EncodeToString(k[:]) }

// Format prints a placeholder, for every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(onion key)")) }

// LogValue is a placeholder.
func (Key) LogValue() slog.Value { return slog.StringValue("(onion key)") }

// MarshalText refuses: a key gets into a file only on purpose, as its bytes.
func (Key) MarshalText() ([]byte, error) { return nil, errors.New("an onion key is not for printing") }
