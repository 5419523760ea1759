package instance

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"strings"

	"postern/crypto"
	"postern/intake/onion"
)

// Transfer reads the identity that opens what holders hand in.
func (i *Instance) Transfer() (*crypto.Identity, error) {
	seed, err := readSeed(i.transferPath())
	if err != nil {
		return nil, err
	}
	return crypto.IdentityFromSeed(seed), nil
}

// Signing reads the key that signs batches and backups (SECURITY.md S-19). The
// directory carries its public half.
func (i *Instance) Signing() (ed25519.PrivateKey, error) {
	seed, err := readSeed(i.signingPath())
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

// newSeed is the text of a new key.
func newSeed() []byte {
	k := crypto.NewKey()
	return fmt.Appendf(nil, "%x\n", k[:])
}

func readSeed(path string) (seed crypto.Key, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return seed, fmt.Errorf("reading a key: %w", err)
	}
	if !unhex(seed[:], strings.TrimSpace(string(b)), "") {
		return seed, WithHint(fmt.Errorf("the key %s is damaged", path), "restore it from an identity backup")
	}
	return seed, nil
}

// serverKey is what desks verify batches by.
func (i *Instance) serverKey() (ed25519.PublicKey, error) {
	key, err := i.Signing()
	if err != nil {
		return nil, err
	}
	return key.Public().(ed25519.PublicKey), nil //nolint:forcetypeassert // always that type
}

// transferRecipient is what holders seal bundles to.
func (i *Instance) transferRecipient() (*crypto.Recipient, error) {
	id, err := i.Transfer()
	if err != nil {
		return nil, err
	}
	return id.Recipient(), nil
}

// readOnionKey reads the key of an onion service.
func readOnionKey(path string) (onion.Key, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return onion.Key{}, fmt.Errorf("reading an onion key: %w", err)
	}
	k, err := onion.ParseKey(b)
	if err != nil {
		return onion.Key{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return k, nil
}

// OnionKey is the key of the public address.
func (i *Instance) OnionKey() (onion.Key, error) { return readOnionKey(i.onionPath()) }
