package reviewer

import (
	"fmt"

	"postern/reviewer/vault"
)

// Erase forgets a case: the keys of its messages leave the vault for ever, their ciphertext is
// overwritten, replies that wait are dropped, what its handling added goes, and its batches,
// imported again, do not bring it back. pass is the vault's passphrase: without it nothing can be
// forgotten for good (see [vault.Vault.Forget], which also makes room on a full disk). Files extracted
// before, backups, and the copies of other bodies stay where they are. What the source
// writes later is a new case. That the source changed the code is forgotten with the
// messages that said so.
func (desk *Desk) Erase(c *Case, pass []byte) error {
	next := desk.state.next()
	var change vault.Change
	ids := make(map[string]bool) // of all codes of the source
	for _, e := range c.entries {
		ids[string(e.Case)] = true
	}
	for code := range ids {
		for _, e := range desk.index.codes[code] {
			next.messages.remove(string(e.ID))
			next.erased.set(string(desk.tombstone(e.ID)), struct{}{})
		}
	}
	next.dropBundles()
	forget := desk.eraseCasework(&change, c)
	if err := desk.commit(next, &change, pass); err != nil {
		return fmt.Errorf("erasing: %w", err)
	}
	forget()
	return nil
}
