package reviewer

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"

	"postern/crypto"
)

// keySet is what the vault keeps under the passphrase itself. All of it is secret.
type keySet struct {
	Version int          `json:"version"`
	Body    string       `json:"body"`
	Holder  string       `json:"holder"`
	Month   crypto.Month `json:"month"`   // of Seed; earlier months are gone
	Seed    []byte       `json:"seed"`    // s_e
	Signing []byte       `json:"signing"` // Ed25519 seed
	Access  []byte       `json:"access"`  // x25519 private key for the exchange onion
	Tombs   []byte       `json:"tombs"`   // key of tombstones
}

const keySetVersion = 1

func newKeySet(body, holder string, month crypto.Month) keySet {
	fresh := func() []byte { k := crypto.NewKey(); return k[:] }
	return keySet{
		Version: keySetVersion, Body: body, Holder: holder, Month: month,
		Seed: fresh(), Signing: fresh(), Access: fresh(), Tombs: fresh(),
	}
}

func (k *keySet) valid() error {
	if k.Version != keySetVersion {
		return fmt.Errorf("the vault is of version %d; this desk reads version %d: use a newer desk", k.Version, keySetVersion)
	}
	for _, b := range [][]byte{k.Seed, k.Signing, k.Access, k.Tombs} {
		if len(b) != 32 {
			return errors.New("the vault's keys are damaged: restore a backup")
		}
	}
	return nil
}

func (k *keySet) signing() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(k.Signing) }

func (k *keySet) access() (*ecdh.PrivateKey, error) { return ecdh.X25519().NewPrivateKey(k.Access) }

// seed is s_e of month m, or an error when m is before the oldest kept month.
func (k *keySet) seed(m crypto.Month) (crypto.EpochSeed, error) {
	s := crypto.EpochSeed{Month: k.Month}
	copy(s.Seed[:], k.Seed)
	return s.At(m)
}

func (k *keySet) encode() ([]byte, error) { return json.Marshal(k) }

func decodeKeySet(text []byte) (*keySet, error) {
	var k keySet
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, errors.New("the vault's keys are damaged: restore a backup")
	}
	return &k, k.valid()
}
