package intake

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"postern/crypto"
	"postern/store"
)

// ErrBundle means that what was handed in is no bundle for this server.
var ErrBundle = errors.New("this is no complete bundle for this server: export it again on the desk and hand in the new file")

// delivery is one entry of a bundle, stored but not committed.
type delivery struct {
	drop   crypto.Drop
	copies [2]*itemWriter // by crypto.Copy: for the drop's mailbox, and for the next batch
}

// Deliver takes a bundle apart: each readers' copy enters the next batch, and each source's
// copy whose drop is known waits for the source. Unknown drops are silent, and nothing is stored of who handed
// it in. The same content twice changes nothing. Durable when nil. from names the exchange, which has a budget
// of its own: [Later] when it is used up, [ErrBusy] when it hands in too many at once.
func (s *Service) Deliver(ctx context.Context, from string, r io.Reader) (id crypto.BundleID, err error) {
	d := s.directory.Load()
	if d == nil {
		return id, ErrClosed
	}
	door := s.admission.door(from, d.Directory)
	select {
	case door.places <- struct{}{}:
		defer func() { <-door.places }()
	default:
		return id, ErrBusy
	}
	if err := door.bundles.take(1, s.now()); err != nil {
		return id, err
	}
	list := make([]delivery, crypto.BundleEntries)
	defer func() {
		for _, e := range list {
			for _, w := range e.copies {
				if w != nil {
					w.abort()
				}
			}
		}
		if err != nil {
			door.bundles.give(1)
		}
	}()
	b, err := crypto.ReadBundle(r, s.transfer, func(crypto.Bundle) error { return nil },
		func(i int, drop crypto.Drop, c crypto.Copy, f crypto.BundleFile) error {
			list[i].drop = drop
			return s.receive(d, door, &list[i].copies[c], f)
		})
	switch {
	case errors.Is(err, crypto.ErrFormat), errors.Is(err, crypto.ErrNotForUs), errors.Is(err, io.ErrUnexpectedEOF):
		return id, fmt.Errorf("%w: %w", ErrBundle, err)
	case err != nil:
		return id, full(err)
	}
	return b.ID, s.commitBundle(ctx, d, b, list)
}

// receive stores one file, whether its drop is known or not: how long that takes must not tell.
func (s *Service) receive(d *inForce, door *door, w **itemWriter, f crypto.BundleFile) error {
	most := sealedMost(d.Policy.Slots, s.limits.FileSize)
	k := 0
	for crypto.SealedSize(d.Policy.Slots, crypto.ClassSize(k)) < f.Size && f.Size <= most {
		k++
	}
	if crypto.SealedSize(d.Policy.Slots, crypto.ClassSize(k)) != f.Size {
		return fmt.Errorf("%w: an entry of %d bytes", ErrBundle, f.Size)
	}
	*w = s.newItemWriter(randomItem(), d.Policy.Slots, door.bytes)
	if _, err := io.Copy(*w, f.Data); err != nil {
		return err
	}
	return (*w).finish()
}

func randomItem() (id store.ItemID) { _, _ = rand.Read(id[:]); return id }

// commitBundle makes the whole bundle visible at once.
func (s *Service) commitBundle(ctx context.Context, d *inForce, b crypto.Bundle, list []delivery) error {
	s.release.RLock()
	defer s.release.RUnlock()
	for try := 0; ; try++ {
		// What was handed in before stands first, then what the mailboxes must be.
		ops := []store.Op{store.Create(bucketBundle, b.Content[:], binary.BigEndian.AppendUint32(nil, week(s.now())))}
		must, replies, err := s.replies(d, list)
		if err != nil {
			return err
		}
		ops = append(append(ops, must...), replies...)
		for _, e := range list {
			ops = append(ops, e.copies[crypto.ReadersCopy].enqueue(crypto.LaneRegular)...)
		}
		switch err := s.apply(ctx, ops...); {
		case err == nil:
			for _, e := range list {
				for _, w := range e.copies {
					w.kept = true
				}
			}
			return nil
		case errors.Is(err, store.ErrExists): // handed in before
			return nil
		case !errors.Is(err, store.ErrChanged) || try == maxTries:
			return full(err)
		}
	}
}

// sameAmong is among how many of the newest replies the same bytes are looked for.
const sameAmong = 256

// replies puts source's copies into the mailboxes of their drops, behind what waits there.
func (s *Service) replies(d *inForce, list []delivery) (must, ops []store.Op, err error) {
	type change struct {
		raw  []byte
		box  *mailbox
		have map[[32]byte]bool // bytes that wait
	}
	boxes := map[[32]byte]*change{}
	for _, e := range list {
		b, err := s.store.Get(bucketDrop, e.drop[:])
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil || len(b) != 32 {
			return nil, nil, errors.Join(errRecord, err)
		}
		name := [32]byte(b)
		must = append(must, store.Require(bucketDrop, e.drop[:], b)) // a change of code moves it
		c := boxes[name]
		if c == nil {
			raw, err := s.store.Get(bucketMailbox, name[:])
			if errors.Is(err, store.ErrNotFound) {
				continue // erased
			}
			if err != nil {
				return nil, nil, err
			}
			c = &change{raw: raw, have: map[[32]byte]bool{}}
			if c.box, err = decodeMailbox(raw); err != nil {
				return nil, nil, err
			}
			for n := c.box.next; n > c.box.first && len(c.have) < sameAmong; {
				n--
				if w, err := s.waitingAt(c.box.box, n); err == nil {
					c.have[w.hash] = true
				}
			}
			boxes[name] = c
		}
		copied := e.copies[crypto.SourceCopy]
		w := waiting{item: copied.id, hash: [32]byte(copied.sum.Sum(nil)), drop: e.drop, version: d.Version}
		if c.have[w.hash] {
			continue
		}
		c.have[w.hash] = true
		ops = append(ops, copied.item(), store.Create(bucketReply, replyKey(c.box.box, c.box.next), w.encode()))
		c.box.next++
		c.box.waiting++
	}
	for name, c := range boxes {
		c.box.week = week(s.now())
		must = append(must, store.Swap(bucketMailbox, name[:], c.raw, c.box.encode()))
	}
	return must, ops, nil
}
