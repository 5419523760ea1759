package reviewer

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"postern/crypto"
	"postern/reviewer/casework"
	"postern/reviewer/vault"
)

// A hand-over also gives the events of casework that were written at this desk, or were handed to it:
// a case without a code is nothing else. What others sent is in their messages. Events for this desk
// alone stay here: that is what was said when they were written.

// addEvents lists the events of a case in a hand-over.
func (desk *Desk) addEvents(h *HandOver, c *Case) {
	var list []casework.Signed
	for _, o := range desk.events(c) {
		if o.signed.Scope != casework.Desk {
			list = append(list, o.signed)
		}
	}
	slices.SortFunc(list, func(a, b casework.Signed) int {
		x, y := a.Hash(), b.Hash()
		return bytes.Compare(x[:], y[:])
	})
	for i := range list {
		b, err := list[i].Encode()
		if err != nil {
			continue // it could not have been kept
		}
		h.items = append(h.items, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
		h.Events++
		h.file.Items = append(h.file.Items, crypto.DeskItem{Type: itemEvent, Size: int64(len(b)), Hash: sha256.Sum256(b)})
	}
}

// takeEvent takes one event of a hand-over: signed by a holder of this body whom the directory knows.
// Of a case that was erased here it takes none, unless asked to.
func (t *taker) takeEvent(item crypto.DeskItem, r io.Reader) error {
	if item.Size > casework.MaxEvent || len(item.About) > 0 {
		return fmt.Errorf("%w: an event of %d bytes", crypto.ErrFormat, item.Size)
	}
	b := make([]byte, item.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if sha256.Sum256(b) != item.Hash {
		return crypto.ErrEntry
	}
	s, err := casework.DecodeSigned(b)
	if err != nil || s.Scope == casework.Desk || !t.fellow(s.Author) {
		t.out.Refused++
		return nil //nolint:nilerr // counted as refused
	}
	h := s.Hash()
	mark := casework.Mark(t.desk.keys.Tombs, s.Case)
	_, gone := t.desk.added[kindGrave][crypto.CaseID{}][string(mark[:])]
	_, here := t.desk.added[kindEvent][s.Case][string(h[:])]
	if here || gone && !t.o.Again {
		return nil
	}
	t.event = append(t.event, s)
	t.out.Events++
	t.news = true
	return nil
}

// fellow says whether an author is a holder of this body, under the name and key that the directory knows,
// by the same rule as whoever signed the file.
func (t *taker) fellow(a casework.Author) bool {
	b, h, standing := t.desk.dirs.Signer(a.Key[:], t.by.Directory)
	return standing == crypto.SignerGood && b.ID == t.desk.keys.Body && a.Body == b.ID && a.Holder == h.ID
}

// keepEvents puts the events into a change; kept is to be called when it is committed.
func (t *taker) keepEvents(c *vault.Change) (kept func(), err error) {
	var marks []func()
	for i := range t.event {
		s := &t.event[i]
		b, err := s.Encode()
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(ownEvent{Signed: b, Sent: true})
		if err != nil {
			return nil, err
		}
		h, of := s.Hash(), s.Case
		c.Put(kindEvent, recordKey(of, string(h[:])), text)
		marks = append(marks, func() { t.desk.keep(kindEvent, of, string(h[:]), text) })
	}
	return func() {
		for _, do := range marks {
			do()
		}
		if len(marks) > 0 {
			t.desk.index = t.desk.newIndex(t.desk.state)
		}
	}, nil
}
