package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"postern/crypto"
	"postern/crypto/passphrase"
)

// keyFile is what vault.age holds. All of it is secret.
type keyFile struct {
	Version int    `json:"version"`
	Log     string `json:"log"`    // name of the log
	Key     []byte `json:"key"`    // of the log
	Secret  []byte `json:"secret"` // the owner's
}

const keyFileVersion = 1

var errKeyFile = errors.New("the key file is damaged: restore a backup")

func (k *keyFile) valid() error {
	if k.Version != keyFileVersion {
		return fmt.Errorf("the vault is of version %d; this desk reads version %d: use a newer desk", k.Version, keyFileVersion)
	}
	if len(k.Key) != len(crypto.Key{}) || len(k.Secret) == 0 || !isLog(k.Log) {
		return errKeyFile
	}
	return nil
}

// isLog says whether a file's name is a log's.
func isLog(name string) bool {
	raw, err := packNames.DecodeString(strings.TrimPrefix(name, logPrefix))
	return strings.HasPrefix(name, logPrefix) && err == nil && len(raw) == packNameSize
}

// ErrPassphrase is returned when a passphrase does not open a file.
var ErrPassphrase = passphrase.ErrWrong

func (k *keyFile) seal(pass []byte, logN int) ([]byte, error) {
	text, err := json.Marshal(k) //nolint:gosec // it is sealed below
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
		return nil, errKeyFile
	}
	defer clear(text)
	var k keyFile
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, errKeyFile
	}
	return &k, k.valid()
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
