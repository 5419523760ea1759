package reviewer

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"postern/crypto"
	"postern/reviewer/vault"
)

// smallEntry bounds what is opened in memory, in bytes; larger entries are
// streamed through the disk, sealed, one at a time.
const smallEntry = 1 << 20

// maxMonthsAhead bounds how far a batch may be ahead of the vault's oldest
// seed: every month is a step of the key schedule.
const maxMonthsAhead = 600

// Errors of [Desk.Import], for errors.Is.
var (
	// ErrVolume says that a volume is not whole. Nothing of it was kept.
	ErrVolume = errors.New("this file is not a whole volume: fetch it again and compare its size with the page it came from")
	// ErrForged says that the server did not make a volume. Nothing of it was kept.
	ErrForged = errors.New("THIS FILE IS NOT FROM THE SERVER: no key that a directory here names has signed it. If there is a newer directory, accept it and import again; if not, somebody made or changed the file on its way: fetch the volume again, and tell the operator")
)

// ImportOptions of [Desk.Import].
type ImportOptions struct {
	// ClockOK is asked when the volume's day leaps ahead of what is known, or when it
	// is the newest and the machine's clock differs by more than 2 days; false stops the
	// import. nil always stops.
	ClockOK func(Clock) bool
}

// Report is what an import found. How many entries were for others, or cover, it does not say.
type Report struct {
	Head      *crypto.BatchHead
	Volume    int        // of the batch, from 1
	Before    bool       // the volume was imported before, in this state or a later one
	New       int        // messages of cases that were not there before
	Cases     []string   // short ids of the cases they belong to, sorted
	NewCases  int        // of these, cases not known before
	Known     int        // messages that were here already
	Mended    int        // of Known: their words were lost from the vault, and are back
	Again     int        // of New: sent again, unchanged
	Changed   int        // of New: sent again, changed
	Strangers int        // messages from strangers that were not here before: see [Desk.Strangers]
	Damaged   int        // for us, but not of the format; not kept
	Differs   int        // entries that are not those the server signed; not read, and the volume counts as missing
	Missing   []string   // batches and volumes not imported, below the newest
	Broken    []string   // what does not fit together of what the server signed
	HandIn    []string   // bundles to hand in again: the server was restored from a backup
	OldKeys   bool       // the batch is of a month whose seed was erased or never was
	Directory uint64     // a newer directory than the one in force exists; else 0
	Day       crypto.Day // newest batch's day, after this import

	CodeChanged []string // short ids of cases whose source changed their code, as is known now
	Late        int      // of New: written with a code that the source had given up, see Message.Late
}

// opened is one entry that a key here opened.
type opened struct {
	id       [32]byte
	month    crypto.Month // of the key
	read     *crypto.Read // nil: known
	sealed   []byte       // a small one: sealed under key, not yet in a pack
	key      crypto.Key
	blob     vault.Blob
	bad      bool // not of the format
	stranger bool // does not name this vault's body: another than its writer sealed it to us
}

// Import reads one volume and keeps what is for this holder. Volumes can come in any
// order, each alone; the same one twice changes nothing. It is one durable step: on any error,
// or a power cut, the vault is as before. [ErrVolume] when the file is not whole, [ErrForged]
// when the server did not sign it. What was imported is a set to which this adds: all that a desk
// shows follows from the set.
func (desk *Desk) Import(src io.Reader, o ImportOptions) (*Report, error) {
	if desk.dirs == nil {
		return nil, fmt.Errorf("importing: %w", ErrNoDirectory)
	}
	im := &importer{desk: desk, o: o}
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
	desk   *Desk
	o      ImportOptions
	keys   []monthKey
	packs  []*vault.Pack   // of what was found; part of the change once something is kept
	added  map[string]bool // ids of messages that were not here
	yes    bool            // the holder said yes to a day that leaps ahead
	report Report
}

// monthKey is a key to try.
type monthKey struct {
	month crypto.Month
	id    *crypto.Identity
}

func (im *importer) abandon() {
	for _, p := range im.packs {
		p.Abandon()
	}
}

// read opens what can be opened, on all cores.
func (im *importer) read(src io.Reader) ([]opened, error) {
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
	jobs := make(chan []byte, 4*runtime.GOMAXPROCS(0))
	keep := func(m *opened, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil && m != nil && m.sealed != nil {
			m.blob, err = small.Add(m.sealed, m.key)
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
			for entry := range jobs {
				keep(im.openSmall(entry, scratch))
			}
		})
	}
	err = crypto.ReadVolume(src, im.desk.serverKeys(), im.head, func(_ int, e crypto.EntryRef, r io.Reader) error {
		if e.Size > smallEntry {
			m, err := im.openLarge(r)
			if err == nil {
				err = im.whole(r)
			}
			if errors.Is(err, crypto.ErrEntry) {
				if m != nil && m.blob.Pack != "" {
					im.dropNamed(m.blob.Pack)
				}
				im.report.Differs++
				return nil
			}
			if err == nil {
				keep(m, nil)
			}
			return err
		}
		buf := make([]byte, e.Size)
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		if err := im.whole(r); err != nil {
			if errors.Is(err, crypto.ErrEntry) {
				im.report.Differs++
				return nil
			}
			return err
		}
		jobs <- buf
		return nil
	})
	close(jobs)
	wg.Wait()
	switch {
	case failed != nil:
		return nil, failed
	case errors.Is(err, crypto.ErrForged):
		return nil, ErrForged
	case errors.Is(err, crypto.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, ErrVolume
	}
	return found, err
}

// whole reads an entry to its end: there it is seen whether it is the one the server signed.
func (im *importer) whole(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (im *importer) newPack() (*vault.Pack, error) {
	p, err := im.desk.vault.NewPack()
	if err == nil {
		im.packs = append(im.packs, p)
	}
	return p, err
}

// head checks the day and derives the keys to try, as far as the vault
// still has them: of the batch's month and its neighbours, then of all earlier months, then
// of later ones. A server that was off, or flooded, releases what was sealed long
// before, and a fellow whose clock is ahead seals to keys of months to come. Keys are tried
// in this order, so only entries that the first three do not open cost more: 0.7 ms for
// each further month and entry.
func (im *importer) head(h *crypto.BatchHead, volume int, _ []byte) error {
	c := im.desk.Clock()
	leap := im.desk.leaps(h.Day)
	if h.Day >= c.Batch {
		c.Batch, c.Leap = h.Day, leap
		if c.Doubtful() && (im.o.ClockOK == nil || !im.o.ClockOK(c)) {
			return fmt.Errorf("this machine's clock says %s and the batch is of %s: set the clock, or confirm the day", c.Machine, h.Day)
		}
	}
	im.yes = leap
	im.report.Head, im.report.Volume = h, volume
	m := crypto.MonthOf(h.Day.Time())
	if m > im.desk.keys.Month+maxMonthsAhead {
		return fmt.Errorf("the batch says it is of %s: that cannot be", h.Day)
	}
	last := min(max(m+1, im.desk.lastMonth()), im.desk.keys.Month+maxMonthsAhead)
	s, err := im.desk.keys.seed(im.desk.keys.Month)
	if err != nil {
		return err
	}
	for ; s.Month <= last; s = s.Next() {
		im.keys = append(im.keys, monthKey{s.Month, s.Identity()})
	}
	far := func(k monthKey) int { // how late to try it
		switch {
		case k.month == m:
			return 0
		case k.month == m+1:
			return 1
		case k.month < m:
			return 1 + int(m-k.month)
		}
		return maxMonthsAhead + int(k.month-m)
	}
	slices.SortFunc(im.keys, func(a, b monthKey) int { return cmp.Compare(far(a), far(b)) })
	im.report.OldKeys = m < im.desk.keys.Month
	return nil
}

// lastMonth is the last one of which the directory lists a key of this vault's holder.
func (desk *Desk) lastMonth() (last crypto.Month) {
	if b, ok := desk.dirs.Body(desk.keys.Body); ok {
		for _, h := range b.Holders {
			if n := len(h.Epochs); n > 0 && h.ID == desk.keys.Holder {
				last = max(last, h.Epochs[n-1].Month)
			}
		}
	}
	return last
}

// open opens an age file with the first key that does. begin gives it from its beginning,
// once for each key. nil: not for us, or noise in place of an erased entry, which are silent by design.
func (im *importer) open(begin func() io.Reader) (r io.Reader, month crypto.Month, err error) {
	for _, k := range im.keys {
		r, oerr := crypto.Open(begin(), k.id)
		switch {
		case oerr == nil:
			return r, k.month, nil
		case errors.Is(oerr, crypto.ErrDamaged):
			err = oerr
		case !errors.Is(oerr, crypto.ErrNotForUs): // noise: no key will do
			return nil, 0, nil
		}
	}
	return nil, 0, err
}

// openSmall opens one entry in memory. nil: not for us, or cover.
// scratch is the caller's to reuse.
func (im *importer) openSmall(entry []byte, scratch *bytes.Buffer) (*opened, error) {
	r, month, err := im.open(func() io.Reader { return bytes.NewReader(entry) })
	if err != nil {
		return &opened{bad: true}, nil //nolint:nilerr // reported as damaged
	}
	if r == nil {
		return nil, nil
	}
	scratch.Reset()
	if _, err := scratch.ReadFrom(r); err != nil {
		return &opened{bad: true}, nil //nolint:nilerr // reported as damaged
	}
	box := scratch.Bytes()
	defer clear(box)
	m := &opened{id: sha256.Sum256(box), month: month}
	if im.seen(m.id) {
		return m, nil
	}
	m.read, err = crypto.ReadMessage(bytes.NewReader(box), nil)
	switch {
	case err != nil:
		return &opened{bad: true}, nil //nolint:nilerr // reported as damaged
	case m.read.Meta.Kind == crypto.KindCover:
		return nil, nil
	case !names(m.read.Readers, im.desk.keys.Body):
		return &opened{stranger: true}, nil
	}
	m.sealed, m.key, err = vault.SealBlob(box)
	return m, err
}

// openLarge streams one entry into a pack of its own, sealed.
func (im *importer) openLarge(entry io.Reader) (*opened, error) {
	b := bufio.NewReaderSize(entry, 64<<10)
	start, err := b.Peek(64 << 10) // longer than any header
	if err != nil {
		return nil, err
	}
	r, month, err := im.open(func() io.Reader { return bytes.NewReader(start) })
	if err != nil {
		return &opened{bad: true}, nil //nolint:nilerr // reported as damaged
	}
	if r == nil {
		return nil, nil
	}
	for _, k := range im.keys {
		if k.month == month {
			r, err = crypto.Open(b, k.id)
		}
	}
	if err != nil {
		return &opened{bad: true}, nil //nolint:nilerr // reported as damaged
	}
	p, err := im.newPack()
	if err != nil {
		return nil, err
	}
	w, done, err := p.Seal()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	disk := &stickyWriter{w: w}
	read, err := crypto.ReadMessage(io.TeeReader(r, io.MultiWriter(h, disk)), nil)
	if disk.err != nil {
		return nil, fmt.Errorf("writing a pack: %w", disk.err)
	}
	m := &opened{id: [32]byte(h.Sum(nil)), month: month, read: read}
	switch {
	case errors.Is(err, crypto.ErrEntry):
		im.drop(p)
		return nil, crypto.ErrEntry
	case err != nil:
		im.drop(p)
		return &opened{bad: true}, nil
	case read.Meta.Kind == crypto.KindCover:
		im.drop(p)
		return nil, nil
	case im.seen(m.id):
		im.drop(p)
		m.read = nil
		return m, nil
	case !names(read.Readers, im.desk.keys.Body):
		im.drop(p)
		return &opened{stranger: true}, nil
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("writing a pack: %w", err)
	}
	m.blob = done()
	return m, nil
}

// drop removes a pack that turned out not to be needed.
func (im *importer) drop(p *vault.Pack) { im.dropNamed(p.Name()) }

func (im *importer) dropNamed(name string) {
	im.packs = slices.DeleteFunc(im.packs, func(q *vault.Pack) bool {
		if q.Name() != name {
			return false
		}
		q.Abandon()
		return true
	})
}

// seen says whether a message is known or was erased here. One whose pack was lost is not known: its batch
// brings it back. Workers ask at once; nothing changes meanwhile.
func (im *importer) seen(id [32]byte) bool {
	s := im.desk.state
	if e, ok := s.messages.get(string(id[:])); ok {
		return im.desk.vault.HasPack(e.Blob.Pack)
	}
	return s.erased.len() > 0 && s.erased.has(string(im.desk.tombstone(id[:])))
}

// store commits what was found: a pure merge of what is known and what was found, then one step.
func (im *importer) store(found []opened) error {
	desk := im.desk
	next, gained, changed := im.merge(found)
	var change vault.Change
	if gained {
		for _, p := range im.packs {
			change.Pack(p)
		}
		im.packs = nil // the change's now
	} else {
		im.abandon()
	}
	before := desk.index
	if gained || changed {
		desk.prune(next)
		if err := desk.commit(next, &change); err != nil {
			return err
		}
	}
	im.compare(before, desk.index)
	r := &im.report
	r.Missing, r.Broken, r.HandIn, r.Day = desk.Missing(), desk.Broken(), desk.HandIn(), desk.newest(desk.state)
	if desk.dirs.Version < r.Head.DirVersion {
		r.Directory = r.Head.DirVersion
	}
	return nil
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
