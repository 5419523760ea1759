package reviewer

import (
	"fmt"
	"slices"

	"postern/reviewer/vault"
)

// Erase forgets a case: the keys of its messages leave the vault for ever, their ciphertext is
// overwritten, replies that wait are dropped, and its batches, imported again, do not
// bring it back. Files extracted before, backups, and the copies of other bodies
// stay where they are. What the source writes later is a new case. That the source
// changed the code is forgotten with the messages that said so.
func (desk *Desk) Erase(c *Case) error {
	next := desk.state.clone()
	var gone []vault.Blob
	ids := make(map[string]bool) // of all codes of the source
	for i := range c.entries {
		ids[string(c.entries[i].Case)] = true
	}
	next.Messages = slices.DeleteFunc(next.Messages, func(e entry) bool {
		if !ids[string(e.Case)] {
			return false
		}
		gone = append(gone, e.blobs()...)
		next.Erased = append(next.Erased, desk.tombstone(e.ID))
		return true
	})
	gone = append(gone, next.dropBundles()...)
	if err := desk.commit(next, gone...); err != nil {
		return fmt.Errorf("erasing: %w", err)
	}
	return nil
}
