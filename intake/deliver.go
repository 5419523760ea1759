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

var errSeen = errors.New("bundle handed in before")

// delivery is one entry of a bundle, stored but not committed.
type delivery struct {
	drop   crypto.Drop
	queued *itemWriter // for the next batch
	reply  *itemWriter // for the drop's slot; nil when the drop is not known
}

// Deliver takes a bundle apart: every entry enters the next batch, and one
// whose drop is known waits in that slot too, as an item of its own. Unknown
// drops are silent, and nothing is stored of who handed it in. The same
// bundle twice changes nothing. Durable when nil.
func (s *Service) Deliver(ctx context.Context, r io.Reader) (crypto.BundleID, error) {
	d := s.directory.Load()
	if d == nil {
		return crypto.BundleID{}, ErrClosed
	}
	var (
		head crypto.Bundle
		list []*delivery
	)
	defer func() {
		for _, e := range list {
			e.queued.abort()
			if e.reply != nil {
				e.reply.abort()
			}
		}
	}()
	err := crypto.ReadBundle(r, s.transfer, func(b crypto.Bundle) error {
		head = b
		switch _, err := s.store.Get(bucketBundle, b.ID[:]); {
		case err == nil:
			return errSeen
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		return nil
	}, func(_ int, e crypto.BundleEntry) error {
		n, err := s.receive(d, e)
		if n != nil {
			list = append(list, n)
		}
		return err
	})
	switch {
	case errors.Is(err, errSeen):
		return head.ID, nil
	case errors.Is(err, crypto.ErrFormat), errors.Is(err, crypto.ErrNotForUs), errors.Is(err, io.ErrUnexpectedEOF):
		return crypto.BundleID{}, fmt.Errorf("%w: %w", ErrBundle, err)
	case err != nil:
		return crypto.BundleID{}, full(err)
	}
	return head.ID, s.commitBundle(ctx, d, head, list)
}

// receive stores one entry, once or twice.
func (s *Service) receive(d *inForce, e crypto.BundleEntry) (*delivery, error) {
	most := sealedMost(d.Policy.Slots, s.limits.FileSize)
	k := 0
	for crypto.SealedSize(d.Policy.Slots, crypto.ClassSize(k)) < e.Size && e.Size <= most {
		k++
	}
	if crypto.SealedSize(d.Policy.Slots, crypto.ClassSize(k)) != e.Size {
		return nil, fmt.Errorf("%w: an entry of %d bytes", ErrBundle, e.Size)
	}
	n := &delivery{drop: e.Drop, queued: s.newItemWriter(randomItem(), d.Policy.Slots)}
	w := io.Writer(n.queued)
	switch _, err := s.store.Get(bucketDrop, e.Drop[:]); {
	case err == nil:
		n.reply = s.newItemWriter(randomItem(), d.Policy.Slots)
		w = io.MultiWriter(w, n.reply)
	case !errors.Is(err, store.ErrNotFound):
		return n, err
	}
	_, err := io.Copy(w, e.Data)
	return n, err
}

func randomItem() (id store.ItemID) { _, _ = rand.Read(id[:]); return id }

// commitBundle makes the whole bundle visible at once.
func (s *Service) commitBundle(ctx context.Context, d *inForce, head crypto.Bundle, list []*delivery) error {
	adds := make([]store.Op, 0, len(list))
	replies := make([]store.Op, len(list))
	for i, e := range list {
		add, lane, err := e.queued.finish()
		if err != nil {
			return full(err)
		}
		adds = append(adds, add,
			store.Create(bucketOut, e.queued.id[:], out{lane: lane, size: e.queued.size, week: week(s.now())}.encode()))
		if e.reply != nil {
			if replies[i], _, err = e.reply.finish(); err != nil {
				return full(err)
			}
		}
	}
	s.release.RLock()
	defer s.release.RUnlock()
	for try := 0; ; try++ {
		ops := append(adds[:len(adds):len(adds)],
			store.Create(bucketBundle, head.ID[:], binary.BigEndian.AppendUint32(nil, week(s.now()))))
		more, err := s.fillSlots(d, list, replies)
		if err != nil {
			return err
		}
		switch err := s.store.Apply(ctx, append(ops, more...)...); {
		case err == nil, errors.Is(err, store.ErrExists): // the latter: handed in twice at once
			return nil
		case !errors.Is(err, store.ErrChanged) || try == maxTries:
			return full(err)
		}
	}
}

// fillSlots puts replies into the slots of their drops. A filled slot takes
// no second item, but slot 0, the last resort of every body: there the newest wins.
func (s *Service) fillSlots(d *inForce, list []*delivery, replies []store.Op) ([]store.Op, error) {
	type change struct {
		raw []byte
		box *mailbox
	}
	boxes := map[[32]byte]*change{}
	var ops []store.Op
	for i, e := range list {
		if e.reply == nil {
			continue
		}
		b, err := s.store.Get(bucketDrop, e.drop[:])
		if errors.Is(err, store.ErrNotFound) {
			continue // erased meanwhile
		}
		if err != nil {
			return nil, err
		}
		name, slot, err := decodeDrop(b)
		if err != nil {
			return nil, err
		}
		c := boxes[name]
		if c == nil {
			raw, err := s.store.Get(bucketMailbox, name[:])
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			box, err := decodeMailbox(raw)
			if err != nil {
				return nil, err
			}
			c = &change{raw, box}
			boxes[name] = c
		}
		sl := &c.box.slots[slot]
		if sl.drop != e.drop || sl.filled() && slot != 0 {
			continue
		}
		if sl.filled() {
			ops = append(ops, store.Forget(sl.item))
		}
		sl.item, sl.version = e.reply.id, d.Version
		ops = append(ops, replies[i])
	}
	for name, c := range boxes {
		c.box.week = week(s.now())
		ops = append(ops, store.Swap(bucketMailbox, name[:], c.raw, c.box.encode()))
	}
	return ops, nil
}
