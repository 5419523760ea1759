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
// has expired, none of the chosen bodies reads or no room is left, with the next message they can be sent.
//
// A second Argon2id, in the queue of logins: [ErrBusy] changes nothing. So does c being in
// use: then c's session comes back as it is, which makes the same form sent twice harmless.
// x is reloaded; close both.
//
// A code that is not in use takes the same path, with as many writes of each kind (SECURITY.md S-4): what
// stands for a message is cover. Afterwards both codes are empty inboxes.
func (x *Session) ChangeCode(ctx context.Context, c crypto.Code) (*Session, error) {
	y, err := x.s.Enter(ctx, c, WorkLogin)
	if err != nil {
		return nil, err
	}
	quiet := x.s.admission.small.take(1, x.s.now()) != nil // so much came that no message goes out, for no code
	for {
		err = x.s.write(ctx, func() ([]store.Op, error) { return x.moveTo(y, quiet) }, y, x)
		if !errors.Is(err, ErrFull) || quiet {
			break
		}
		quiet = true
	}
	if err == nil {
		err = errors.Join(x.reload(), y.reload())
	}
	if err != nil {
		y.Close()
		return nil, fmt.Errorf("changing a code: %w", err)
	}
	return y, nil
}

// moveTo makes y's mailbox of x's, and returns the operations that go along.
func (x *Session) moveTo(y *Session, quiet bool) ([]store.Op, error) {
	if x.raw != nil && y.raw != nil {
		return nil, nil // a replay, and somebody wrote with the earlier code since: neither is ours to end
	}
	var own, ended crypto.Drop
	_, _ = rand.Read(own[:])
	_, _ = rand.Read(ended[:])
	to := crypto.NewKey()
	moved := x.raw != nil
	if moved {
		own, to = y.box.drop, y.src.MailboxName()
		ended = x.bequeath(y, ended)
		x.used, y.used = false, true
	}
	ops := []store.Op{store.Put(bucketDrop, own[:], to[:]), store.Delete(bucketDrop, ended[:])}
	for i := range maxKept {
		if moved && i < len(y.state.kept) {
			ops = append(ops, store.Put(bucketDrop, y.state.kept[i].drop[:], to[:]))
		} else {
			drop := crypto.NewKey()
			ops = append(ops, store.Touch(bucketDrop, drop[:len(own)]))
		}
	}
	if quiet {
		return ops, nil
	}
	id, sealed, err := y.sealChange(moved)
	if err != nil {
		return nil, err
	}
	return append(ops, x.s.enqueue(crypto.LaneRegular, id, sealed)...), nil
}

// bequeath gives y the mailbox and state of x (SECURITY.md S-21), and returns the drop
// that ends with it, or other.
//
// Replies may wait, or be on their way to the key that readers know, so that key goes along. But
// its share is forgotten, and the seed that share and code gave lies in the state, under the new
// code's key: from the next vacuum on the earlier code opens nothing, with whatever else of the server's.
func (x *Session) bequeath(y *Session, other crypto.Drop) (ended crypto.Drop) {
	box, st := *x.box, *x.state
	box.share, box.drop = y.box.share, y.box.drop
	st.choice = slices.Clone(st.choice)
	st.succeeds = x.src.Succeed(y.src, crypto.DayOf(x.s.now()))
	st.kept = append([]keptKey{{x.key.Seed(), x.box.drop}}, st.kept...)
	if len(st.kept) > maxKept {
		other = st.kept[maxKept].drop
		st.kept = st.kept[:maxKept]
	}
	y.box, y.state = &box, &st
	return other
}

// sealChange tells the chosen readers where replies go from now on. Cover, when there is
// nothing to tell or nobody: nobody reads whom the source did not tick (SECURITY.md S-7).
func (x *Session) sealChange(moved bool) (id store.ItemID, sealed []byte, err error) {
	readers, bodies, err := x.resolve(x.Chosen(), 0)
	if !moved || err != nil || x.d.Expired(x.s.now()) {
		sealed, err = crypto.NewCover(x.d.Policy)
		return randomItem(), sealed, err
	}
	var form crypto.FormID
	_, _ = rand.Read(form[:])
	m := x.message(crypto.KindChange, x.state.counter+step(), form, readers)
	if sealed, err = seal(x.d, m, x.src.Signing, bodies); err != nil {
		return id, nil, fmt.Errorf("sealing a change of code: %w", err)
	}
	n, give := x.s.numbers.take(x.state.seed, x.state.next)
	give()
	x.state.next, x.state.counter = n+1, m.Meta.Counter
	return ownItem(x.state.seed, n), sealed, nil
}
