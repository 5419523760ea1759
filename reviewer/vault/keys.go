package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"postern/crypto"
	"postern/crypto/passphrase"
)

// keyFile is what vault.age holds. All of it is secret.
type keyFile struct {
	Version int    `json:"version"`
	Data    []byte `json:"data"`   // key of the state
	Secret  []byte `json:"secret"` // the owner's
}

const keyFileVersion = 1

func (k *keyFile) valid() error {
	if k.Version != keyFileVersion {
		return fmt.Errorf("the vault is of version %d; this desk reads version %d: use a newer desk", k.Version, keyFileVersion)
	}
	if len(k.Data) != len(crypto.Key{}) {
		return errors.New("the key file is damaged: restore a backup")
	}
	return nil
}

// stateKey seals the state.
func (k *keyFile) stateKey() (key crypto.Key) {
	copy(key[:], crypto.KDF(k.Data, nil, "desk state", len(key)))
	return key
}

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

func (v *Vault) writeKeys(pass []byte) error {
	sealed, err := v.keys.seal(pass, v.o.ScryptLogN)
	if err != nil {
		return err
	}
	_, err = v.replace(keyName, sealed)
	return err
}

// Secret is what the owner keeps under the passphrase itself. It is the vault's
// until Close wipes it: do not change it.
func (v *Vault) Secret() []byte { return v.keys.Secret }

// CheckPassphrase says whether pass is the vault's: nil, or [ErrPassphrase].
func (v *Vault) CheckPassphrase(pass []byte) error {
	sealed, err := os.ReadFile(filepath.Join(v.dir, keyName))
	if err != nil {
		return err
	}
	_, err = openKeyFile(sealed, pass)
	return err
}

// SetPassphrase seals the vault under another passphrase. Copies and
// backups made before keep the old one.
func (v *Vault) SetPassphrase(pass []byte) error {
	if err := v.writeKeys(pass); err != nil {
		return fmt.Errorf("changing the passphrase: %w", err)
	}
	return nil
}

// SetSecret replaces the owner's secret. pass must be the vault's.
func (v *Vault) SetSecret(pass, secret []byte) error {
	if err := v.CheckPassphrase(pass); err != nil {
		return err
	}
	old := *v.keys
	k := old
	k.Secret = secret
	v.keys = &k
	if err := v.writeKeys(pass); err != nil {
		v.keys = &old
		return err
	}
	clear(old.Secret)
	return nil
}
