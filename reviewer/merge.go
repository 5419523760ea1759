package reviewer

import (
	"bytes"
	"maps"
	"slices"

	"postern/crypto"
	"postern/reviewer/vault"
)

// merge adds what a volume held to what is known. Nothing in the result says which came
// first. gained: it refers to the packs of this import; changed: it differs otherwise.
func (im *importer) merge(found []opened) (next *state, gained, changed bool) {
	desk, r := im.desk, &im.report
	next = desk.state.clone()
	b := newBatch(r.Head)
	rel := b.release()
	changed, r.Before = next.note(b, r.Volume, r.Differs == 0)
	if im.yes {
		next.believe(r.Head.Day)
		changed = true
	}
	at := make(map[string]int, len(next.Messages))
	for i := range next.Messages {
		at[string(next.Messages[i].ID)] = i
	}
	im.added = make(map[string]bool)
	for _, m := range found {
		i, here := at[string(m.id[:])]
		switch {
		case m.bad:
			r.Damaged++
		case m.stranger:
			r.Strangers++
		case here:
			r.Known++
			e := next.Messages[i]
			if m.read != nil && !desk.vault.HasPack(e.Blob.Pack) { // its pack was lost: this is it again
				e.Blob, gained = m.blob, true
				r.Mended++
			}
			if n := rel.compare(e.Release); n < 0 || n == 0 && m.month < e.Opened {
				e.Release, e.Opened, changed = &rel, m.month, true
			}
			next.Messages[i] = e
		case m.read == nil: // it was erased here
			r.Known++
		default:
			e := newEntry(m.id, m.read, m.blob)
			e.Release, e.Opened = &rel, m.month
			at[string(e.ID)] = len(next.Messages)
			next.Messages = append(next.Messages, e)
			im.added[string(e.ID)] = true
			gained = true
		}
	}
	next.sort()
	return next, gained, changed
}

// sort puts messages in the order of their ids.
func (s *state) sort() {
	slices.SortFunc(s.Messages, func(a, b entry) int { return bytes.Compare(a.ID, b.ID) })
}

// compare reports what an import changed in what a desk shows.
func (im *importer) compare(before, after *groups) {
	r := &im.report
	known := make(map[string]bool)
	for _, entries := range before.cases {
		for i := range entries {
			known[string(entries[i].ID)] = true
		}
	}
	cases := make(map[string]bool)
	joined := 0 // of those that came with this volume
	for first, entries := range after.cases {
		old, news := false, false
		marks := marksOf(entries)
		for i := range entries {
			e := &entries[i]
			if known[string(e.ID)] {
				old = true
				continue
			}
			news = true
			joined += btoi(im.added[string(e.ID)])
			r.New++
			r.Again += btoi(marks[i] == MarkAgain)
			r.Changed += btoi(marks[i] == MarkChanged)
			r.Late += btoi(after.fam.late(e) != "")
		}
		if news {
			cases[after.name(first)] = true
			r.NewCases += btoi(!old)
		}
	}
	r.Strangers += len(im.added) - joined
	r.Cases = slices.Sorted(maps.Keys(cases))
	for _, first := range after.fam.changed(before.fam) {
		r.CodeChanged = append(r.CodeChanged, after.name(first))
	}
	slices.Sort(r.CodeChanged)
}

// handInDays is how long a bundle that was handed in may have to be handed in
// again after the server was restored: as long as a full backup lives there.
const handInDays = 60

// prune drops what no longer serves: the sealed copies of replies that were
// released so long ago that no restored server can want them again, strangers' messages
// whose case did not turn up, and batches so old that no server keeps them. It returns the blobs to
// forget. While machine and batches disagree about today it drops nothing: what is dropped does not
// come back when a wrong yes is taken back.
func (desk *Desk) prune(next *state) (old []vault.Blob) {
	newest := desk.newest(next)
	if (Clock{Machine: desk.Clock().Machine, Batch: newest}).Doubtful() {
		return nil
	}
	wanted := make(map[string]bool) // bundles of which a reply may be wanted again: they stay whole
	for i := range next.Messages {
		e := &next.Messages[i]
		if o := e.Own; o != nil && (e.Release == nil || o.Sent+handInDays >= newest) {
			wanted[string(o.Bundle)] = true
		}
	}
	for i := range next.Messages {
		e := &next.Messages[i]
		if o := e.Own; o != nil && o.Wire != nil && !wanted[string(o.Bundle)] {
			old = append(old, o.Wire.blobs()...)
			kept := *o
			kept.Wire = nil
			e.Own = &kept
		}
	}
	old = append(old, next.dropBundles()...)
	gone := make(map[string]bool)
	for _, e := range desk.group(next.Messages).strangers {
		if e.Release != nil && e.Release.Day+2*keptDays < newest {
			gone[string(e.ID)] = true
			old = append(old, e.Blob)
		}
	}
	next.Messages = slices.DeleteFunc(next.Messages, func(e entry) bool { return gone[string(e.ID)] })
	instance := next.instance(newest)
	var anchored []batch // see Missing: one stays, to count from
	current := slices.DeleteFunc(slices.Clone(next.Batches), func(b batch) bool { return !bytes.Equal(b.Instance, instance) })
	if i := anchor(current, newest); i >= 0 {
		anchored = current[i : i+1]
	}
	next.Batches = slices.DeleteFunc(next.Batches, func(b batch) bool {
		kept := len(anchored) > 0 && b.compare(&anchored[0]) == 0
		return b.Day+2*keptDays < newest && !kept
	})
	return old
}

func newEntry(id [32]byte, r *crypto.Read, b vault.Blob) entry {
	e := entry{
		ID:   id[:],
		Case: r.Meta.Case[:], Kind: r.Meta.Kind, Day: r.Meta.Day, Counter: r.Meta.Counter,
		Form: r.Meta.Form[:], DirHash: r.Meta.DirHash[:], Content: r.Content[:],
		Readers: r.Readers, Source: r.Source, Signer: r.Signer,
		Text: len(r.Text), Answers: len(r.Answers), Files: r.Files, Blob: b, Aside: newAside(r),
	}
	if r.Source != nil {
		e.Life = r.Life[:]
	}
	for _, x := range r.Receipts {
		e.Receipts = append(e.Receipts, x[:]...)
	}
	if s := r.Succeeds; s != nil {
		id := s.Case()
		e.Succeeds = &succession{Case: id[:], Day: s.Day}
	}
	if r.Drop != nil {
		e.Drop = r.Drop[:]
	}
	return e
}
