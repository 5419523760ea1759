package store

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"

	"postern/store/durable"
)

// The key file holds the storage key P, and during a vacuum the next one too.
// Each change is durable and overwrites the file before it (SECURITY.md S-5, S-19).
//
//	"PSK1" ‖ number of keys (1 or 2) ‖ 2 × (id 16 ‖ key 32), zeros for none ‖ SHA-256 of all that
const (
	keyName  = "storage.key"
	keyMagic = "PSK1"
	keySize  = len(keyMagic) + 1 + 2*(16+32) + sha256.Size
)

type keyID [16]byte

// storageKey is P: everything in records.db is sealed under keys derived from it.
type storageKey struct {
	id     keyID
	secret [32]byte
}

func newStorageKey() storageKey {
	var k storageKey
	_, _ = rand.Read(k.id[:])
	_, _ = rand.Read(k.secret[:])
	return k
}

// keys are what P is used for.
type keys struct {
	id    keyID
	index []byte // HMAC key of the names in the file
	seal  cipher.AEAD
}

func (k storageKey) derive() *keys {
	seal, err := chacha20poly1305.NewX(kdf(k.secret[:], "storage seal"))
	if err != nil {
		panic(err) // only for a key of another length
	}
	return &keys{k.id, kdf(k.secret[:], "storage index"), seal}
}

// kdf is KDF(secret, "", label, 32) of the protocol.
func kdf(secret []byte, label string) []byte {
	b, err := hkdf.Key(sha256.New, secret, nil, "postern/v1 "+label, 32)
	if err != nil {
		panic(err) // only for more bytes than HKDF gives
	}
	return b
}

// fileKey names a record in the file: without the index key nobody can tell
// whether a guessed logical key is there.
func (k *keys) fileKey(bucket string, key []byte) []byte {
	m := hmac.New(sha256.New, k.index)
	m.Write([]byte(bucket))
	m.Write([]byte{0})
	m.Write(key)
	return m.Sum(nil)
}

// encodeKeys takes one key, or the current and the next.
func encodeKeys(list ...storageKey) []byte {
	b := make([]byte, 0, keySize)
	b = append(b, keyMagic...)
	b = append(b, byte(len(list))) //nolint:gosec // 1 or 2
	for i := range 2 {
		var k storageKey
		if i < len(list) {
			k = list[i]
		}
		b = append(b, k.id[:]...)
		b = append(b, k.secret[:]...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errKeyFile = errors.New("the storage key file is damaged: put back " + keyName + " from a copy, or restore a full backup")

func decodeKeys(b []byte) ([]storageKey, error) {
	if len(b) != keySize || string(b[:len(keyMagic)]) != keyMagic {
		return nil, errKeyFile
	}
	body, sum := b[:keySize-sha256.Size], b[keySize-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) {
		return nil, errKeyFile
	}
	n := int(b[len(keyMagic)])
	if n != 1 && n != 2 {
		return nil, errKeyFile
	}
	list := make([]storageKey, 2)
	rest := body[len(keyMagic)+1:]
	for i := range list {
		copy(list[i].id[:], rest)
		copy(list[i].secret[:], rest[16:])
		rest = rest[48:]
	}
	if n == 1 && list[1] != (storageKey{}) {
		return nil, errKeyFile
	}
	return list[:n], nil
}

func readKeys(dir string, w KeyWrapper) ([]storageKey, error) {
	path := filepath.Join(dir, keyName)
	if err := durable.Settle(path); err != nil {
		return nil, fmt.Errorf("settling the storage key: %w", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the storage key: %w", err)
	}
	if w != nil {
		if b, err = w.Unwrap(b); err != nil {
			return nil, fmt.Errorf("unwrapping the storage key: %w", err)
		}
	}
	return decodeKeys(b)
}

// writeKeys replaces the key file; when it returns nil the new one is durable and
// the old one was overwritten.
func writeKeys(dir string, w KeyWrapper, list ...storageKey) error {
	b := encodeKeys(list...)
	if w != nil {
		var err error
		if b, err = w.Wrap(b); err != nil {
			return fmt.Errorf("wrapping the storage key: %w", err)
		}
	}
	if err := durable.ReplaceSecret(filepath.Join(dir, keyName), b); err != nil {
		return fmt.Errorf("writing the storage key: %w", err)
	}
	return nil
}
