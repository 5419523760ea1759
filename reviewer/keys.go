package reviewer

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"postern/crypto"
	"postern/crypto/passphrase"
)

// keyFile is what vault.age holds. All of it is secret.
type keyFile struct {
	Version int          `json:"version"`
	Body    string       `json:"body"`
	Holder  string       `json:"holder"`
	Month   crypto.Month `json:"month"`   // of Seed; earlier months are gone
	Seed    []byte       `json:"seed"`    // s_e
	Signing []byte       `json:"signing"` // Ed25519 seed
	Access  []byte       `json:"access"`  // x25519 private key for the exchange onion
	Data    []byte       `json:"data"`    // key of state
}

const keyFileVersion = 1

func newKeyFile(body, holder string, month crypto.Month) keyFile {
	fresh := func() []byte { k := crypto.NewKey(); return k[:] }
	return keyFile{
		Version: keyFileVersion, Body: body, Holder: holder, Month: month,
		Seed: fresh(), Signing: fresh(), Access: fresh(), Data: fresh(),
	}
}

func (k *keyFile) valid() error {
	if k.Version != keyFileVersion {
		return fmt.Errorf("the vault is of version %d; this desk reads version %d: use a newer desk", k.Version, keyFileVersion)
	}
	for _, b := range [][]byte{k.Seed, k.Signing, k.Access, k.Data} {
		if len(b) != 32 {
			return errors.New("the key file is damaged: restore a backup")
		}
	}
	return nil
}

func (k *keyFile) signing() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(k.Signing) }

func (k *keyFile) access() (*ecdh.PrivateKey, error) { return ecdh.X25519().NewPrivateKey(k.Access) }

// seed is s_e of month m, or an error when m is before the oldest kept month.
func (k *keyFile) seed(m crypto.Month) (crypto.EpochSeed, error) {
	s := crypto.EpochSeed{Month: k.Month}
	copy(s.Seed[:], k.Seed)
	return s.At(m)
}

// stateKey seals state.
func (k *keyFile) stateKey() (key crypto.Key) {
	copy(key[:], crypto.KDF(k.Data, nil, "desk state", len(key)))
	return key
}

// tombKey makes tombstones: keyed, so that state tells a thief of the open
// vault only by trial which messages were erased.
func (k *keyFile) tombKey() []byte { return crypto.KDF(k.Data, nil, "desk tombstone", 32) }

// ErrPassphrase is returned when a passphrase does not open a file.
var ErrPassphrase = passphrase.ErrWrong

func (k *keyFile) seal(pass []byte, logN int) ([]byte, error) {
	text, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	var b bytes.Buffer
	w, err := passphrase.Seal(&b, pass, logN)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func openKeyFile(sealed, pass []byte) (*keyFile, error) {
	r, err := passphrase.Open(bytes.NewReader(sealed), pass)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, errors.New("the key file is damaged: restore a backup")
	}
	defer clear(text)
	var k keyFile
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, errors.New("the key file is damaged: restore a backup")
	}
	return &k, k.valid()
}
