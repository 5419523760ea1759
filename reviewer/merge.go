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
	next = desk.state.next()
	b := newBatch(r.Head)
	rel := b.release()
	changed, r.Before = next.note(b, r.Volume, r.Differs == 0)
	if im.yes {
		next.believe(r.Head.Day)
		changed = true
	}
	im.added = make(map[string]bool)
	for _, m := range found {
		id := string(m.id[:])
		known, here := next.messages.get(id)
		switch {
		case m.bad:
			r.Damaged++
		case m.stranger:
			r.Strangers++
		case here:
			r.Known++
			e, news := *known, false
			if m.read != nil && !desk.vault.HasPack(e.Blob.Pack) && !im.added[id] { // its pack was lost: this is it again
				e.Blob, gained, news = m.blob, true, true
				r.Mended++
			}
			// What a server signed goes before what a fellow holder said (SECURITY.md S-34).
			if n := rel.compare(e.Release); n < 0 || n == 0 && m.month < e.Opened || e.Handed != nil {
				e.Release, e.Opened, e.Handed, changed, news = &rel, m.month, nil, true, true
			}
			if news {
				next.messages.set(id, &e)
			}
		case m.read == nil: // it was erased here
			r.Known++
		default:
			e := newEntry(m.id, m.read, m.blob)
			e.Release, e.Opened = &rel, m.month
			next.messages.set(id, &e)
			im.added[id] = true
			gained = true
		}
	}
	return next, gained, changed
}

// compare reports what an import changed in what a desk shows.
func (im *importer) compare(before, after *index) {
	r := &im.report
	known := make(map[string]bool) // messages in cases that may differ
	var differ []string
	for first, entries := range after.cases {
		if was := before.cases[first]; len(was) != len(entries) || len(was) > 0 && &was[0] != &entries[0] {
			differ = append(differ, first)
		}
	}
	for first, entries := range before.cases {
		if is := after.cases[first]; len(is) != len(entries) || len(is) > 0 && &is[0] != &entries[0] {
			for _, e := range entries {
				known[string(e.ID)] = true
			}
		}
	}
	cases := make(map[string]bool)
	joined := 0 // of those that came with this volume
	for _, first := range differ {
		old, news := false, false
		entries := after.cases[first]
		marks := marksOf(entries)
		for i, e := range entries {
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
// whose case did not turn up, and batches so old that no server keeps them. While machine and batches disagree about today it drops nothing: what is dropped does not
// come back when a wrong yes is taken back.
func (desk *Desk) prune(next *state) {
	newest := desk.newest(next)
	if (Clock{Machine: desk.Clock().Machine, Batch: newest}).Doubtful() {
		return
	}
	wanted := make(map[string]bool) // bundles of which a reply may be wanted again: they stay whole
	var sent []*entry
	for _, e := range next.messages.all() {
		if o := e.Own; o != nil {
			if o.Wire != nil {
				sent = append(sent, e)
			}
			if e.Release == nil || o.Sent+handInDays >= newest {
				wanted[string(o.Bundle)] = true
			}
		}
	}
	for _, e := range sent {
		if !wanted[string(e.Own.Bundle)] {
			o := *e.Own
			o.Wire = nil
			next.own(e, o)
		}
	}
	next.dropBundles()
	for _, e := range desk.with(desk.index, next).lonely() {
		if e.Release != nil && e.Release.Day+2*keptDays < newest {
			next.messages.remove(string(e.ID))
		}
	}
	instance := next.instance(newest)
	var anchored []batch // see Missing: one stays, to count from
	current := slices.DeleteFunc(slices.Clone(next.batches), func(b batch) bool { return !bytes.Equal(b.Instance, instance) })
	if i := anchor(current, newest); i >= 0 {
		anchored = current[i : i+1]
	}
	next.batches = slices.DeleteFunc(next.batches, func(b batch) bool {
		kept := len(anchored) > 0 && b.compare(&anchored[0]) == 0
		return b.Day+2*keptDays < newest && !kept
	})
}

func newEntry(id [32]byte, r *crypto.Read, b vault.Blob) entry {
	e := entry{
		ID:   id[:],
		Case: r.Meta.Case[:], Kind: r.Meta.Kind, Day: r.Meta.Day, Counter: r.Meta.Counter,
		Form: r.Meta.Form[:], DirHash: r.Meta.DirHash[:], Content: r.Content[:],
		Readers: r.Readers, Source: r.Source, Signer: r.Signer,
		Text: len(r.Text), Answers: len(r.Answers), Blob: b, Aside: newAside(r),
	}
	for _, f := range r.Files {
		e.Files = append(e.Files, fileEntry{Size: f.Size, SHA256: f.SHA256[:]})
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
	if r.Event != nil {
		e.takeEvents(r)
	}
	return e
}
