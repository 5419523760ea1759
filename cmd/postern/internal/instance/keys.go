package instance

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"postern/crypto"
	"postern/intake/onion"
)

// Transfer reads the identity that opens what holders hand in.
func (i *Instance) Transfer() (*crypto.Identity, error) {
	b, err := os.ReadFile(i.transferPath())
	if err != nil {
		return nil, fmt.Errorf("reading the transfer key: %w", err)
	}
	var seed crypto.Key
	if !unhex(seed[:], strings.TrimSpace(string(b)), "") {
		return nil, WithHint(errors.New("the transfer key is damaged"), "restore keys/transfer.key from an identity backup")
	}
	return crypto.IdentityFromSeed(seed), nil
}

// newTransfer is the text of a new transfer key.
func newTransfer() []byte {
	k := crypto.NewKey()
	return fmt.Appendf(nil, "%x\n", k[:])
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
