package reviewer

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"postern/crypto"
	"postern/reviewer/casework"
	"postern/reviewer/vault"
)

// Events travel as messages of their own between readers (crypto/FORMAT.md, kind 5). In a
// bundle such a message stands beside a cover for a mailbox that does not exist, as
// a dummy's does: the server cannot tell it from one, and no source ever gets it.

// sealEvents makes messages of the events that wait and that somebody else may read. Their packs, and that
// the events were sent, are part of the change; sent is to be called when it is committed.
func (desk *Desk) sealEvents(change *vault.Change) (list []*entry, sent func(), err error) {
	var after []func()
	sent = func() {
		for _, do := range after {
			do()
		}
	}
	if desk.dirs == nil {
		return nil, sent, nil
	}
	if listed, _ := desk.Enrolled(desk.dirs); !listed {
		return nil, sent, nil
	}
	for _, c := range desk.Cases() {
		if c.Unsent == 0 {
			continue
		}
		for _, scope := range []casework.Scope{casework.All, casework.Body} {
			more, do, err := desk.sealScope(&c, scope, change)
			if err != nil {
				return nil, nil, fmt.Errorf("case %s: %w", c.Short, err)
			}
			list, after = append(list, more...), append(after, do)
		}
	}
	return list, sent, nil
}

// sealScope seals the events of one case and audience.
func (desk *Desk) sealScope(c *Case, scope casework.Scope, change *vault.Change) (list []*entry, sent func(), err error) {
	readers, bodies := desk.audience(c.Readers, scope)
	var marks []func()
	by := make(map[crypto.CaseID][]casework.Signed)
	if len(readers) > 0 {
		for id, o := range desk.events(c) {
			if o.Sent || o.signed.Scope != scope {
				continue
			}
			by[o.signed.Case] = append(by[o.signed.Case], o.signed)
			o.Sent = true
			text, err := json.Marshal(o)
			if err != nil {
				return nil, nil, err
			}
			of := o.signed.Case
			change.Put(kindEvent, recordKey(of, id), text)
			marks = append(marks, func() { desk.keep(kindEvent, of, id, text) })
		}
	}
	for id, signed := range by {
		slices.SortFunc(signed, func(a, b casework.Signed) int { return cmp.Compare(a.Number, b.Number) })
		data, err := casework.EncodePacks(signed)
		if err != nil {
			return nil, nil, err
		}
		for _, d := range data {
			e, err := desk.sealEvent(id, d, readers, bodies, change)
			if err != nil {
				return nil, nil, err
			}
			list = append(list, e)
		}
	}
	first := string(c.ID[:])
	return list, func() {
		for _, do := range marks {
			do()
		}
		desk.index.forget(first)
	}, nil
}

// audience are the bodies to which events of a scope go, with their keys: none if nobody but
// this desk would read them. A case without a code has no readers but the body's own.
func (desk *Desk) audience(chosen []crypto.Reader, scope casework.Scope) (readers []crypto.Reader, bodies [][]*crypto.Recipient) {
	month := crypto.MonthOf(desk.Clock().Today().Time())
	others := len(desk.Fellows()) > 0
	add := func(b *crypto.Body) {
		if to := b.Recipients(month); len(to) > 0 {
			readers, bodies = append(readers, b.Reader()), append(bodies, to)
		}
	}
	if desk.dirs == nil {
		return nil, nil
	}
	if b, ok := desk.dirs.Body(desk.keys.Body); ok {
		add(b)
	}
	if scope == casework.All && names(chosen, desk.keys.Body) {
		for _, r := range chosen {
			if b, ok := desk.dirs.BodyOf(r); ok && r.ID != desk.keys.Body && len(b.Recipients(month)) > 0 {
				others = true
				add(b)
			}
		}
	}
	if !others {
		return nil, nil
	}
	return readers, bodies
}

// alone says whether nobody else reads what goes to all, and to the body.
func (desk *Desk) alone(chosen []crypto.Reader) (all, body bool) {
	wide, _ := desk.audience(chosen, casework.All)
	narrow, _ := desk.audience(chosen, casework.Body)
	return len(wide) == 0, len(narrow) == 0
}

// sealEvent seals one event message: for its readers, and as a container under a vault key.
func (desk *Desk) sealEvent(id crypto.CaseID, data []byte, readers []crypto.Reader, bodies [][]*crypto.Recipient, change *vault.Change) (*entry, error) {
	list, err := casework.DecodePack(data)
	if err != nil {
		return nil, err
	}
	m := &crypto.Message{
		Meta: crypto.Meta{
			Kind: crypto.KindEvent, Case: id, Counter: uint64(list[0].Number), // of this audience alone (SECURITY.md S-29)
			DirHash: desk.dirs.Hash(), Day: list[len(list)-1].Day,
		},
		Readers: readers, Event: data,
	}
	_, _ = rand.Read(m.Meta.Form[:])
	var box, sealed bytes.Buffer
	mw, err := crypto.NewMessageWriter(&box, m, desk.keys.signing())
	if err != nil {
		return nil, err
	}
	if err := mw.Close(); err != nil {
		return nil, err
	}
	w, err := crypto.Seal(&sealed, desk.dirs.Policy, bodies)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(box.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	// Read back what was written: an event that its readers would refuse must not leave.
	read, err := crypto.ReadMessage(bytes.NewReader(box.Bytes()), nil)
	if err != nil {
		return nil, fmt.Errorf("checking what was written: %w", err)
	}
	drop, source, dummy, err := crypto.NewDummy(desk.dirs.Policy)
	if err != nil {
		return nil, err
	}
	if len(dummy) != sealed.Len() {
		return nil, errors.New("an event is longer than a dummy: this is a fault of the program")
	}
	p, err := desk.vault.NewPack()
	if err != nil {
		return nil, err
	}
	change.Pack(p)
	var blobs [3]vault.Blob
	for i, file := range [][]byte{box.Bytes(), source, sealed.Bytes()} {
		s, key, err := vault.SealBlob(file)
		if err != nil {
			return nil, err
		}
		if blobs[i], err = p.Add(s, key); err != nil {
			return nil, err
		}
	}
	e := newEntry(sha256.Sum256(box.Bytes()), read, blobs[0])
	e.Own = &own{Wire: &parcel{Drop: drop[:], Size: int64(sealed.Len()), Source: blobs[1], Readers: blobs[2]}}
	return &e, nil
}

// takeEvents keeps what an event message says, if it is what it should be: each event signed by the
// message's own signer and about the case that the message names.
func (e *entry) takeEvents(r *crypto.Read) {
	list, err := casework.DecodePack(r.Event)
	if err != nil {
		return
	}
	if s := &list[0]; s.Author.Key != [ed25519.PublicKeySize]byte(r.Signer) || s.Case != r.Meta.Case {
		return // all have one author and case
	}
	e.Events = r.Event
}
