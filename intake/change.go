package intake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"postern/crypto"
	"postern/store"
)

// ChangeCode moves everything of this session's code to c, a fresh code that its
// owner wrote down, and returns c's session. Durable when nil: then the code before
// opens an empty inbox, which looks as if it was never used, and c opens what was
// there: replies, those that are still on their way, the bodies last ticked, and the
// means to erase what was sent. Readers are told in the same step, or, where the directory
// has expired or none of the chosen bodies reads, with the next message they can be sent.
//
// A second Argon2id, in the queue of logins: [ErrBusy] changes nothing. So does c being in
// use: then c's session comes back as it is, which makes the same form sent twice harmless.
// x is reloaded; close both.
//
// A code that is not in use takes the same path, with the same writes (SECURITY.md S-4):
// afterwards both codes are empty inboxes.
func (x *Session) ChangeCode(ctx context.Context, c crypto.Code) (*Session, error) {
	y, err := x.s.Enter(ctx, c, WorkLogin)
	if err != nil {
		return nil, err
	}
	before := x.src.MailboxName()
	err = y.write(ctx, x, func() ([]store.Op, bool) {
		box, state := x.bequeath(y.src)
		if y.raw == nil {
			y.box, y.state = box, state
		}
		for i := range y.keys {
			y.derive(i)
		}
		if y.raw != nil && x.raw != nil {
			return nil, true // a replay, and somebody wrote with the earlier code since: neither is ours to end
		}
		return []store.Op{store.Delete(bucketMailbox, before[:])}, x.raw != nil || y.raw != nil
	})
	if err == nil {
		err = errors.Join(x.reload(), y.reload())
	}
	if err != nil {
		y.Close()
		return nil, fmt.Errorf("changing a code: %w", err)
	}
	return y, nil
}

// bequeath makes the mailbox and state that another code gets from x's (SECURITY.md S-21).
//
// Replies may wait in the slots, or be on their way to keys that readers know, so every
// slot keeps its key. But its share is forgotten, and the seed that share and code
// gave lies in the state, under the new code's key: from the next vacuum on the earlier code opens
// nothing, with whatever else of the server's. Nobody who reads was told of the new code yet.
func (x *Session) bequeath(to *crypto.Source) (*mailbox, *state) {
	box, st := *x.box, *x.state
	st.choice = slices.Clone(st.choice)
	st.succeeds = x.src.Succeed(to, crypto.DayOf(x.s.now()))
	for i := range box.slots {
		st.kept[i] = x.slotSeed(i)
		_, _ = rand.Read(box.slots[i].share[:])
	}
	box.announced = 0
	return &box, &st
}
