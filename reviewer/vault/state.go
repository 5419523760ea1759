package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"postern/crypto"
	"postern/store/durable"
)

const (
	stateName = "state"
	stateAAD  = "postern-desk state"
)

// State is what was committed last. Do not change it.
func (v *Vault) State() []byte { return v.state }

// Commit makes next the state of the vault and forgets the blobs that only the
// state before referred to; live are the packs that next refers to, which must be finished.
// On error the vault is as before. Once the new state is in place nothing is an error
// any more: what fails then leaves a warning, and everything both states refer to.
func (v *Vault) Commit(next []byte, live map[string]bool, gone ...Blob) error {
	if err := durable.SyncDir(filepath.Join(v.dir, packDir)); err != nil {
		return fmt.Errorf("writing the vault: %w", err)
	}
	stays, err := v.replace(stateName, crypto.SealBox(v.keys.stateKey(), next, []byte(stateAAD)))
	if err != nil {
		return fmt.Errorf("writing the vault: %w", err)
	}
	v.state = next
	if stays && len(gone) > 0 {
		if err := v.forget(live, gone); err != nil {
			v.warn(fmt.Errorf("keys were forgotten, but not all of their ciphertext was overwritten: %w", err))
		}
	}
	return nil
}

// replace a file of the vault and overwrite what it replaced: it held keys that were just
// forgotten. Once the new one is in place nothing is an error any more; when it might not
// stay, nothing that either of the two refers to may be removed or overwritten.
func (v *Vault) replace(name string, data []byte) (stays bool, err error) {
	err = durable.ReplaceSecret(filepath.Join(v.dir, name), data)
	stays = !errors.Is(err, durable.ErrNotSynced)
	if !stays || errors.Is(err, durable.ErrNotScrubbed) {
		v.warn(err)
		err = nil
	}
	return stays, err
}

func (v *Vault) loadState() error {
	box, err := os.ReadFile(filepath.Join(v.dir, stateName))
	if err != nil {
		return fmt.Errorf("reading the vault: %w", err)
	}
	if v.state, err = crypto.OpenBox(v.keys.stateKey(), box, []byte(stateAAD)); err != nil {
		return errors.New("the vault's state is damaged: restore a backup")
	}
	return nil
}
