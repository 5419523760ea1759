package reviewer

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"postern/crypto"
	"postern/reviewer/vault"
	"postern/store/durable"
)

// keptDays is how long a server keeps a batch, in days.
const keptDays = 60

// ErrNothing says that neither a reply nor an event for others waits.
var ErrNothing = errors.New("no reply waits to be exported, and nothing for other readers")

// Bundle is a file that was written for hand-in.
type Bundle struct {
	ID      string
	Path    string
	Replies int
	Events  int // messages to other readers
}

func bundleName(id []byte) string { return hex.EncodeToString(id) }

// bundleFile is the name of a bundle on the way to the server. It says no more
// than that it is one.
func bundleFile(id []byte) string { return bundlePrefix + bundleName(id) + ".age" }

const bundlePrefix = "postern-bundle-"

// Export writes all waiting replies, and what other readers may read of casework, as bundles into
// dir, each a new file that only the server opens; more than 4 make more than one. Bundles of few
// and of many look alike. Replies and events count as sent when all files are on the disk.
func (desk *Desk) Export(dir string) ([]Bundle, error) {
	next := desk.state.next()
	var change vault.Change
	waiting := desk.replies(func(o *own) bool { return o.Wire != nil && len(o.Bundle) == 0 })
	events, sent, err := desk.sealEvents(&change)
	if err != nil {
		change.Abandon()
		return nil, fmt.Errorf("exporting: %w", err)
	}
	if waiting = append(waiting, events...); len(waiting) == 0 {
		return nil, ErrNothing
	}
	out, err := desk.export(dir, next, waiting, &change)
	if err == nil {
		err = desk.commit(next, &change)
	}
	if err != nil {
		change.Abandon()
		for _, b := range out { // what is in it still waits: it goes out in another one
			_ = os.Remove(b.Path)
		}
		return nil, fmt.Errorf("exporting: %w", err)
	}
	sent()
	return out, nil
}

// replies are the own replies of which something is true, in the order of their ids.
func (desk *Desk) replies(of func(*own) bool) (list []*entry) {
	for _, e := range desk.state.messages.all() {
		if e.Own != nil && of(e.Own) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *entry) int { return bytes.Compare(a.ID, b.ID) })
	return list
}

func (desk *Desk) export(dir string, next *state, waiting []*entry, change *vault.Change) (out []Bundle, err error) {
	for part := range slices.Chunk(waiting, crypto.BundleEntries) {
		var id crypto.BundleID
		_, _ = rand.Read(id[:])
		dummies, err := desk.newDummies(crypto.BundleEntries-len(part), change)
		if err != nil {
			return out, err
		}
		b, err := desk.writeBundle(dir, id, part, dummies)
		if err != nil {
			return out, err
		}
		out = append(out, *b)
		for _, e := range part {
			o := *e.Own
			o.Bundle, o.Sent, o.Instance = id[:], desk.Clock().Today(), next.instance(desk.newest(next))
			next.own(e, o)
		}
		if len(dummies) > 0 {
			next.bundles.set(string(id[:]), &bundle{ID: id[:], Dummies: dummies})
		}
	}
	return out, durable.SyncDir(dir)
}

// newDummies makes what fills a bundle up, and keeps it in a pack.
func (desk *Desk) newDummies(n int, change *vault.Change) (out []parcel, err error) {
	if desk.dirs == nil {
		return nil, ErrNoDirectory
	}
	if n == 0 {
		return nil, nil
	}
	p, err := desk.vault.NewPack()
	if err != nil {
		return nil, err
	}
	change.Pack(p)
	for range n {
		drop, source, readers, err := crypto.NewDummy(desk.dirs.Policy)
		if err != nil {
			return nil, err
		}
		d := parcel{Drop: drop[:], Size: int64(len(source))}
		for _, c := range []struct {
			file []byte
			to   *vault.Blob
		}{{source, &d.Source}, {readers, &d.Readers}} {
			sealed, key, err := vault.SealBlob(c.file)
			if err != nil {
				return nil, err
			}
			if *c.to, err = p.Add(sealed, key); err != nil {
				return nil, err
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// own changes what is known of an own reply or event.
func (s *state) own(e *entry, o own) {
	changed := *e
	changed.Own = &o
	s.messages.set(string(e.ID), &changed)
}

// dropBundles forgets the dummies of bundles of which no reply is kept any more.
func (s *state) dropBundles() {
	if s.bundles.len() == 0 {
		return
	}
	kept := make(map[string]bool)
	for _, e := range s.messages.all() {
		if o := e.Own; o != nil && o.Wire != nil {
			kept[string(o.Bundle)] = true
		}
	}
	for id := range s.bundles.all() {
		if !kept[id] {
			s.bundles.remove(id)
		}
	}
}

// ExportAgain writes a bundle once more, under the same id: for a lost stick,
// or a server that was restored. It has the same entries, dummies too; only its head, which
// names the batches imported, is of today. Handing one in twice changes nothing.
func (desk *Desk) ExportAgain(dir, id string) (*Bundle, error) {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != len(crypto.BundleID{}) {
		return nil, errors.New("exporting: this is no bundle id: show gives it beside each reply")
	}
	part := desk.replies(func(o *own) bool { return o.Wire != nil && bytes.Equal(o.Bundle, raw) })
	if len(part) == 0 {
		return nil, fmt.Errorf("exporting: no reply of this bundle is kept: %d days after their release replies are kept in their case only", handInDays)
	}
	var dummies []parcel
	if b, ok := desk.state.bundles.get(string(raw)); ok {
		dummies = b.Dummies
	}
	b, err := desk.writeBundle(dir, crypto.BundleID(raw), part, dummies)
	if err == nil {
		err = errors.Join(durable.SyncDir(dir), desk.exportedAgain(part))
	}
	if err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	return b, nil
}

// exportedAgain notes to which life of the server replies went last.
func (desk *Desk) exportedAgain(part []*entry) error {
	next := desk.state.next()
	instance := next.instance(desk.newest(next))
	for _, e := range part {
		if o := *e.Own; !bytes.Equal(o.Instance, instance) {
			o.Instance = instance
			next.own(e, o)
		}
	}
	return desk.commit(next, new(vault.Change))
}

// HandIn names the bundles to hand in again: the server was restored from a backup
// after they were exported and may have lost them. Where the days do not say which of
// two lives of the server came first, they may have been: handing in twice changes nothing.
func (desk *Desk) HandIn() []string {
	newest := desk.newest(desk.state)
	lives := desk.state.lives(newest)
	ids := make(map[string]bool)
	for _, e := range desk.state.messages.all() {
		o := e.Own
		if o == nil || o.Wire == nil || len(o.Bundle) == 0 || o.Sent+handInDays < newest {
			continue
		}
		mine := lives[string(o.Instance)]
		for _, l := range lives {
			if l != mine && (mine == nil || mine.compare(l) <= 0) {
				ids[bundleName(o.Bundle)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// writeBundle writes replies, events and dummies. What an
// erased case leaves empty is filled up with new dummies.
func (desk *Desk) writeBundle(dir string, id crypto.BundleID, part []*entry, dummies []parcel) (*Bundle, error) {
	if desk.dirs == nil {
		return nil, ErrNoDirectory
	}
	var entries []crypto.BundleEntry
	var open []io.Closer
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	file := func(b vault.Blob, size int64) (crypto.BundleFile, error) {
		r, closer, err := desk.vault.OpenBlob(b)
		if err == nil {
			open = append(open, closer)
		}
		return crypto.BundleFile{Size: size, Data: r}, err
	}
	parcels := slices.Clone(dummies)
	for _, e := range part {
		parcels = append(parcels, *e.Own.Wire)
	}
	for _, p := range parcels {
		e := crypto.BundleEntry{Drop: crypto.Drop(p.Drop)}
		var err error
		if e.Source, err = file(p.Source, p.Size); err == nil {
			e.Readers, err = file(p.Readers, p.Size)
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	path := filepath.Join(dir, bundleFile(id[:]))
	head := crypto.Bundle{ID: id, Batches: desk.imported()}
	err := durable.Create(path, func(w io.Writer) error {
		return crypto.WriteBundle(w, desk.dirs.Policy, desk.dirs.Transfer, head, entries)
	})
	if err != nil {
		return nil, err
	}
	b := &Bundle{ID: bundleName(id[:]), Path: path}
	for _, e := range part {
		b.Events += btoi(e.Kind == crypto.KindEvent)
	}
	b.Replies = len(part) - b.Events
	return b, nil
}

// imported names the batches that are here in full and that the server still
// keeps, the newest first, as many as a bundle can name.
func (desk *Desk) imported() []crypto.BatchRef {
	var out []crypto.BatchRef
	newest := desk.newest(desk.state)
	batches := slices.SortedFunc(slices.Values(desk.state.batches), func(a, b batch) int {
		return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(b.Ordinal, a.Ordinal))
	})
	for _, b := range batches {
		if len(out) == crypto.MaxBatchRefs {
			break
		}
		if len(b.Have) == b.Volumes && b.Day+keptDays >= newest {
			out = append(out, crypto.BatchRef{Instance: crypto.InstanceID(b.Instance), Batch: b.Ordinal})
		}
	}
	return out
}
