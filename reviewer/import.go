package reviewer

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"postern/crypto"
)

// smallEntry bounds what is opened in memory, in bytes; larger entries are
// streamed through the disk, sealed, one at a time.
const smallEntry = 1 << 20

// maxMonthsAhead bounds how far a batch may be ahead of the vault's oldest
// seed: every month is a step of the key schedule.
const maxMonthsAhead = 600

// maxVolumes bounds the volumes of one batch that a desk keeps count of.
const maxVolumes = 1 << 16

// ErrVolume says that a volume is not whole. Nothing of it was kept.
var ErrVolume = errors.New("this file is not a whole volume: fetch it again and compare its size with the page it came from")

// ImportOptions of [Vault.Import].
type ImportOptions struct {
	// ClockOK is asked when the machine's clock and the volume's day differ by
	// more than 2 days; false stops the import. nil always stops.
	ClockOK func(Clock) bool
}

// Report is what an import found. How many entries were for others, or cover, it does not say.
type Report struct {
	Volume     crypto.VolumeHeader
	New        int        // messages not known before
	Cases      []string   // short ids of the cases they belong to, sorted
	NewCases   int        // of these, cases not known before
	Known      int        // messages that were here already
	Mended     int        // of Known: their words were lost from the vault, and are back
	Again      int        // of New: sent again, unchanged
	Changed    int        // of New: sent again, changed
	Forwarded  int        // of New: do not name this vault's body among their readers
	Damaged    int        // opened, but not of the format; not kept
	Missing    []string   // batches and volumes not imported, below the newest
	HandIn     []string   // bundles to hand in again: the server was restored from a backup
	OldKeys    bool       // the batch is of a month whose seed was erased or never was
	DirVersion uint64     // a newer directory than the one in force exists; else 0
	Day        crypto.Day // newest batch's day, after this import

	CodeChanged []string // short ids of cases whose source changed their code, as is known now
	Late        int      // of New: written with a code that the source had given up, see Message.Late
}

// opened is one entry that a key here opened.
type opened struct {
	i      int // place in the volume
	id     [32]byte
	read   *crypto.Read
	sealed []byte // a small one: sealed under key, not yet in a pack
	key    crypto.Key
	blob   blob
	bad    bool // not of the format
}

// Import reads one volume and keeps what is for this holder. Volumes can come in any
// order, each alone; the same one twice changes nothing. It is one durable step: on any error,
// or a power cut, the vault is as before. [ErrVolume] when the file is not whole.
func (v *Vault) Import(src io.Reader, o ImportOptions) (*Report, error) {
	im := &importer{v: v, o: o, known: make(map[string]bool, len(v.state.Messages))}
	packs, err := v.packNames()
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	for i := range v.state.Messages {
		// A message whose pack was lost is not known: its batch brings it back.
		if e := &v.state.Messages[i]; packs[e.Blob.Pack] {
			im.known[string(e.ID)] = true
		}
	}
	for _, t := range v.state.Erased {
		im.known[string(t)] = true
	}
	found, err := im.read(src)
	if err == nil {
		err = im.store(found)
	}
	if err != nil {
		im.abandon()
		return nil, fmt.Errorf("importing: %w", err)
	}
	return &im.report, nil
}

type importer struct {
	v      *Vault
	o      ImportOptions
	known  map[string]bool // message ids and tombstones; read-only while workers run
	ids    []*crypto.Identity
	packs  []*pack
	report Report
}

func (im *importer) abandon() {
	for _, p := range im.packs {
		p.abandon()
	}
}

// read opens what can be opened, on all cores.
func (im *importer) read(src io.Reader) ([]opened, error) {
	type job struct {
		i   int
		buf []byte
	}
	var (
		found  []opened
		mu     sync.Mutex
		wg     sync.WaitGroup
		failed error // of a worker; nothing but a full disk or a fault of ours
	)
	small, err := im.newPack()
	if err != nil {
		return nil, err
	}
	jobs := make(chan job, 4*runtime.GOMAXPROCS(0))
	keep := func(m *opened, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil && m != nil && m.sealed != nil {
			m.blob, err = small.add(m.sealed, m.key)
			m.sealed = nil
		}
		if err != nil {
			failed = err
			return
		}
		if m != nil {
			found = append(found, *m)
		}
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			scratch := new(bytes.Buffer)
			for j := range jobs {
				keep(im.openSmall(j.i, j.buf, scratch))
			}
		})
	}
	err = crypto.ReadVolume(src, im.header, func(i int, n int64, r io.Reader) error {
		if len(im.ids) == 0 {
			return nil
		}
		if n > smallEntry {
			m, err := im.openLarge(i, r)
			keep(m, err)
			return err
		}
		buf := make([]byte, n)
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		jobs <- job{i, buf}
		return nil
	})
	close(jobs)
	wg.Wait()
	switch {
	case failed != nil:
		return nil, failed
	case errors.Is(err, crypto.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, ErrVolume
	case err != nil:
		return nil, err
	}
	slices.SortFunc(found, inOrder)
	return found, nil
}

// inOrder sorts what a volume held as its writers wrote it: entries come in
// random order, and numbers that a case gives its messages and files should not.
func inOrder(a, b opened) int {
	if a.read == nil || b.read == nil {
		return cmp.Or(cmp.Compare(btoi(a.read == nil), btoi(b.read == nil)), a.i-b.i)
	}
	return cmp.Or(cmp.Compare(a.read.Meta.Day, b.read.Meta.Day), cmp.Compare(a.read.Meta.Counter, b.read.Meta.Counter), a.i-b.i)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (im *importer) newPack() (*pack, error) {
	p, err := im.v.newPack()
	if err == nil {
		im.packs = append(im.packs, p)
	}
	return p, err
}

// header checks the clock and derives the keys to try, as far as the vault
// still has them: of the batch's month and its neighbours, then of all earlier
// months. A server that was off, or flooded, releases what was sealed long
// before. Keys are tried in this order, so only entries that the first three do not
// open cost more: 0.7 ms for each further month and entry.
func (im *importer) header(h crypto.VolumeHeader) error {
	c := im.v.Clock()
	c.Batch = max(c.Batch, h.Day)
	if c.Doubtful() && c.Batch == h.Day && (im.o.ClockOK == nil || !im.o.ClockOK(c)) {
		return fmt.Errorf("this machine's clock says %s and the batch is of %s: set the clock, or confirm the day", c.Machine, h.Day)
	}
	if h.Volumes > maxVolumes || h.Volume == 0 || h.Volume > h.Volumes {
		return ErrVolume
	}
	im.report.Volume = h
	m := crypto.MonthOf(h.Day.Time())
	if m > im.v.keys.Month+maxMonthsAhead {
		return fmt.Errorf("the batch says it is of %s: that cannot be", h.Day)
	}
	if s, err := im.v.keys.seed(im.v.keys.Month); err == nil {
		for ; s.Month <= m+1; s = s.Next() {
			im.ids = append(im.ids, s.Identity())
		}
	}
	if n := len(im.ids); n > 1 { // oldest first until here
		slices.Reverse(im.ids)
		im.ids[0], im.ids[1] = im.ids[1], im.ids[0]
	}
	im.report.OldKeys = m < im.v.keys.Month
	return nil
}

// openSmall opens one entry in memory. nil: not for us, cover, or known.
// scratch is the caller's to reuse.
func (im *importer) openSmall(i int, entry []byte, scratch *bytes.Buffer) (*opened, error) {
	r, err := crypto.Open(bytes.NewReader(entry), im.ids...)
	if err != nil {
		return nil, nil //nolint:nilerr // not for us, or noise in place of an erased entry: silent by design
	}
	scratch.Reset()
	if _, err := scratch.ReadFrom(r); err != nil {
		return &opened{i: i, bad: true}, nil //nolint:nilerr // reported as damaged
	}
	box := scratch.Bytes()
	defer clear(box)
	m := &opened{i: i, id: sha256.Sum256(box)}
	if im.seen(m.id) {
		return m, nil
	}
	m.read, err = crypto.ReadMessage(bytes.NewReader(box), nil)
	if err != nil {
		return &opened{i: i, bad: true}, nil //nolint:nilerr // reported as damaged
	}
	if m.read.Meta.Kind == crypto.KindCover {
		return nil, nil
	}
	m.sealed, m.key, err = sealBlob(box)
	return m, err
}

// openLarge streams one entry into a pack of its own, sealed.
func (im *importer) openLarge(i int, entry io.Reader) (*opened, error) {
	r, err := crypto.Open(entry, im.ids...)
	if err != nil {
		return nil, nil //nolint:nilerr // as in openSmall; a cut volume is noticed at its end
	}
	p, err := im.newPack()
	if err != nil {
		return nil, err
	}
	w, done, err := p.seal()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	disk := &stickyWriter{w: w}
	read, err := crypto.ReadMessage(io.TeeReader(r, io.MultiWriter(h, disk)), nil)
	if disk.err != nil {
		return nil, fmt.Errorf("writing a pack: %w", disk.err)
	}
	if err != nil || read.Meta.Kind == crypto.KindCover {
		im.drop(p)
		if err == nil {
			return nil, nil
		}
		return &opened{i: i, bad: true}, nil
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("writing a pack: %w", err)
	}
	m := &opened{i: i, id: [32]byte(h.Sum(nil)), read: read, blob: done()}
	if im.seen(m.id) {
		im.drop(p)
		return &opened{i: i, id: m.id}, nil
	}
	return m, nil
}

// drop removes a pack that turned out not to be needed.
func (im *importer) drop(p *pack) {
	p.abandon()
	im.packs = slices.DeleteFunc(im.packs, func(q *pack) bool { return q == p })
}

// seen says whether a message is known or was erased here.
func (im *importer) seen(id [32]byte) bool {
	return im.known[string(id[:])] || len(im.v.state.Erased) > 0 && im.known[string(im.v.tombstone(id[:]))]
}

// store commits what was found.
func (im *importer) store(found []opened) error {
	v, h := im.v, im.report.Volume
	next := v.state.clone()
	changed := false
	here := make(map[string]int, len(next.Messages)) // message id → place
	for i := range next.Messages {
		here[string(next.Messages[i].ID)] = i
	}
	known := familiesOf(next.Messages)
	all := slices.Clone(next.Messages)
	for i := range found {
		if found[i].read != nil {
			all = append(all, newEntry(found[i], next.Arrivals+uint64(i), h)) //nolint:gosec // not negative
		}
	}
	fam := familiesOf(all)
	im.report.CodeChanged = fam.changed(known)
	ix := indexCases(next, fam)
	cases := make(map[string]bool)
	for _, m := range found {
		switch {
		case m.bad:
			im.report.Damaged++
			continue
		case m.read == nil:
			im.report.Known++
			if i, ok := here[string(m.id[:])]; ok && released(&next.Messages[i], h) {
				changed = true
			}
			continue
		}
		if i, ok := here[string(m.id[:])]; ok {
			im.report.Known++
			e := &next.Messages[i]
			if !v.whole(e) { // its pack was lost: this is it again
				e.Blob, changed = m.blob, true
				im.report.Mended++
				released(e, h)
			}
			continue // or twice in one volume
		}
		e := newEntry(m, next.Arrivals, h)
		if !ix.known(e.Case) {
			im.report.NewCases++
		}
		ix.place(&e)
		here[string(e.ID)] = len(next.Messages)
		next.Messages = append(next.Messages, e)
		next.Arrivals++
		im.count(&e, fam)
		cases[ShortID(crypto.CaseID([]byte(fam.first(string(e.Case)))))] = true
		changed = true
	}
	im.report.Cases = slices.Sorted(maps.Keys(cases))
	if im.report.New+im.report.Mended > 0 {
		for _, p := range im.packs {
			if err := p.finish(); err != nil {
				return err
			}
		}
	} else {
		im.abandon()
	}
	if im.note(next) || changed {
		if err := v.commit(next, prune(next)...); err != nil {
			return err
		}
	}
	im.report.Missing = v.Missing()
	im.report.Day = v.state.Newest
	if v.dirs == nil || v.dirs.Version < h.DirVersion {
		im.report.DirVersion = h.DirVersion
	}
	return nil
}

// released notes that an own reply came back: the server released it to its
// readers. It returns whether that is news.
func released(e *entry, h crypto.VolumeHeader) bool {
	if e.Batch != nil {
		return false
	}
	e.Batch = &crypto.BatchRef{Instance: h.Instance, Batch: h.Batch}
	e.Released = h.DirVersion
	return true
}

func (im *importer) count(e *entry, fam *families) {
	im.report.New++
	if fam.late(e) != "" {
		im.report.Late++
	}
	if im.v.forwarded(e) {
		im.report.Forwarded++
	}
	switch e.Mark {
	case markAgain:
		im.report.Again++
	case markChanged:
		im.report.Changed++
	case markNone:
	}
}

// note records that the volume was imported. It returns whether that is news.
func (im *importer) note(next *state) bool {
	h := im.report.Volume
	if len(next.Instance) != 0 && !bytes.Equal(next.Instance, h.Instance[:]) && h.Day >= next.Newest {
		im.report.HandIn = restored(next)
	}
	if h.Day >= next.Newest {
		next.Instance = h.Instance[:]
	}
	next.Newest = max(next.Newest, h.Day)
	for i := range next.Batches {
		b := &next.Batches[i]
		if b.Ordinal != h.Batch || !bytes.Equal(b.Instance, h.Instance[:]) {
			continue
		}
		if slices.Contains(b.Have, h.Volume) {
			return false
		}
		b.Have = append(slices.Clone(b.Have), h.Volume)
		slices.Sort(b.Have)
		return true
	}
	next.Batches = append(next.Batches, batch{
		Instance: h.Instance[:], Ordinal: h.Batch, Lane: h.Lane, Day: h.Day,
		Volumes: h.Volumes, Have: []uint32{h.Volume},
	})
	return true
}

// handInDays is how long a bundle that was handed in may have to be handed in
// again after the server was restored: as long as a full backup lives there.
const handInDays = 60

// restored lists the bundles that a restored server may have lost.
func restored(s *state) []string {
	ids := make(map[string]bool)
	for i := range s.Messages {
		if o := s.Messages[i].Own; o != nil && o.Wire != nil && len(o.Bundle) != 0 && o.Sent+handInDays >= s.Newest {
			ids[bundleName(o.Bundle)] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// prune drops what no longer serves: the sealed copies of replies that were
// released so long ago that no restored server can want them again, and batches so old
// that no server keeps them. It returns the blobs to forget.
func prune(next *state) (old []blob) {
	wanted := make(map[string]bool) // bundles of which a reply may be wanted again: they stay whole
	for i := range next.Messages {
		e := &next.Messages[i]
		if o := e.Own; o != nil && (e.Batch == nil || o.Sent+handInDays >= next.Newest) {
			wanted[string(o.Bundle)] = true
		}
	}
	for i := range next.Messages {
		e := &next.Messages[i]
		if o := e.Own; o != nil && o.Wire != nil && !wanted[string(o.Bundle)] {
			old = append(old, *o.Wire)
			kept := *o
			kept.Wire = nil
			e.Own = &kept
		}
	}
	old = append(old, next.dropBundles()...)
	var anchored []batch // see Missing: one stays, to count from
	current := slices.DeleteFunc(slices.Clone(next.Batches), func(b batch) bool { return !bytes.Equal(b.Instance, next.Instance) })
	if i := anchor(current, next.Newest); i >= 0 {
		anchored = current[i : i+1]
	}
	next.Batches = slices.DeleteFunc(next.Batches, func(b batch) bool {
		kept := len(anchored) > 0 && bytes.Equal(b.Instance, next.Instance) && b.Ordinal == anchored[0].Ordinal
		return b.Day+2*keptDays < next.Newest && !kept
	})
	return old
}

// Missing names what was not imported of the current instance, below its newest
// batch and as far as the server may still have it: volumes of batches that were
// begun, and batches by number. It counts from the newest batch imported that the server no
// longer keeps, so that an absence of any length leaves nothing unnamed; without one, from the first.
// Runs are one line, whatever numbers a volume claims.
func (v *Vault) Missing() []string {
	batches := slices.DeleteFunc(slices.Clone(v.state.Batches), func(b batch) bool {
		return !bytes.Equal(b.Instance, v.state.Instance)
	})
	slices.SortFunc(batches, func(a, b batch) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	below := uint64(0) // the number before the first that counts
	if i := anchor(batches, v.state.Newest); i >= 0 {
		below = batches[i].Ordinal
	}
	var volumes, whole []string
	for _, b := range batches {
		if b.Ordinal <= below || b.expired(v.state.Newest) {
			continue
		}
		volumes = append(volumes, b.missing()...)
		whole = appendRun(whole, "batch", "batches", below+1, b.Ordinal-1)
		below = b.Ordinal
	}
	return append(volumes, whole...)
}

// expired says that no server keeps the batch any more.
func (b *batch) expired(newest crypto.Day) bool { return b.Day+keptDays < newest }

// anchor is the place of the newest batch that no server keeps any more, -1 if
// there is none. Numbers rise with days: one beyond a batch that is still kept is no number to count from.
func anchor(batches []batch, newest crypto.Day) int {
	at, kept := -1, uint64(math.MaxUint64)
	for i := range batches {
		if !batches[i].expired(newest) {
			kept = min(kept, batches[i].Ordinal)
		}
	}
	for i := range batches {
		if b := &batches[i]; b.expired(newest) && b.Ordinal < kept && (at < 0 || b.Ordinal > batches[at].Ordinal) {
			at = i
		}
	}
	return at
}

// missing names the volumes of a batch that are not here. Have is sorted.
func (b *batch) missing() (out []string) {
	below := uint64(0)
	volume, volumes := fmt.Sprintf("batch %d volume", b.Ordinal), fmt.Sprintf("batch %d volumes", b.Ordinal)
	for _, n := range b.Have {
		out = appendRun(out, volume, volumes, below+1, uint64(n)-1)
		below = uint64(n)
	}
	return appendRun(out, volume, volumes, below+1, uint64(b.Volumes))
}

// appendRun appends the numbers from one to another as one line, if there are any.
func appendRun(out []string, one, many string, from, to uint64) []string {
	switch {
	case from == to:
		return append(out, fmt.Sprintf("%s %d", one, from))
	case from < to:
		return append(out, fmt.Sprintf("%s %d to %d", many, from, to))
	}
	return out
}

func newEntry(m opened, arrival uint64, h crypto.VolumeHeader) entry {
	r := m.read
	e := entry{
		ID: m.id[:], Arrival: arrival,
		Case: r.Meta.Case[:], Kind: r.Meta.Kind, Day: r.Meta.Day, Counter: r.Meta.Counter,
		Form: r.Meta.Form[:], DirHash: r.Meta.DirHash[:], Content: r.Content[:],
		Readers: r.Readers, Source: r.Source, Signer: r.Signer,
		Text: len(r.Text), Answers: len(r.Answers), Files: r.Files, Blob: m.blob,
		Batch: &crypto.BatchRef{Instance: h.Instance, Batch: h.Batch}, Released: h.DirVersion, Aside: newAside(r),
	}
	for _, p := range r.Prekeys {
		d := crypto.DropOf(p.Recipient)
		e.Prekeys = append(e.Prekeys, prekey{Slot: p.Slot, Drop: d[:]})
	}
	if s := r.Succeeds; s != nil {
		id := s.Case()
		e.Succeeds = &succession{Case: id[:], Day: s.Day}
	}
	if r.Drop != nil {
		e.Drop, e.Slot = r.Drop.Drop[:], r.Drop.Slot
	}
	return e
}

// caseIndex tells repeats, changes and strangers while entries arrive.
type caseIndex struct {
	cases map[string]bool            // that are known
	forms map[string]map[string]bool // case, form, fields or file → contents seen
	fam   *families                  // a case is all of its source's, by their first
}

func indexCases(s *state, fam *families) *caseIndex {
	ix := &caseIndex{fam: fam, cases: make(map[string]bool), forms: make(map[string]map[string]bool)}
	for i := range s.Messages {
		e := s.Messages[i]
		ix.place(&e)
	}
	return ix
}

func (ix *caseIndex) known(id []byte) bool { return ix.cases[ix.fam.first(string(id))] }

// place sets e.Mark. That a source's message is of its case's source need not
// be looked at: the case's id is a hash of the key that signed it.
func (ix *caseIndex) place(e *entry) {
	id := ix.fam.first(string(e.Case))
	ix.cases[id] = true
	if !e.fromSource() {
		return
	}
	e.Mark = markNone
	if e.Kind == crypto.KindPrekeys {
		return
	}
	what := "fields"
	if e.Kind == crypto.KindFile {
		what = "file"
	}
	form := strings.Join([]string{id, string(e.Form), what}, "\x00")
	seen := ix.forms[form]
	switch {
	case seen[string(e.Content)]:
		e.Mark = markAgain
	case len(seen) > 0 && what == "fields": // files of one form differ by nature
		e.Mark = markChanged
	}
	if seen == nil {
		seen = make(map[string]bool)
		ix.forms[form] = seen
	}
	seen[string(e.Content)] = true
}

// stickyWriter remembers the first error of the disk, to tell it from one of the format.
type stickyWriter struct {
	w   io.Writer
	err error
}

func (s *stickyWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil && s.err == nil {
		s.err = err
	}
	return n, err
}
