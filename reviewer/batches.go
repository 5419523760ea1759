package reviewer

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"fmt"
	"math"
	"slices"

	"postern/crypto"
)

// batch is what was imported of one batch. Two that the server signed under one number
// and that differ are two.
type batch struct {
	Instance  []byte      `json:"instance"`
	Ordinal   uint64      `json:"ordinal"`
	Lane      crypto.Lane `json:"lane"`
	Day       crypto.Day  `json:"day"`
	Directory uint64      `json:"directory"` // version in force
	Before    []byte      `json:"before"`    // hash of the release of the batch before
	Released  []byte      `json:"released"`  // and of this one
	Volumes   int         `json:"volumes"`
	Have      []int       `json:"have,omitempty"` // volumes, from 1
	Revision  uint32      `json:"revision"`       // the newest of which something was imported
}

func newBatch(h *crypto.BatchHead) batch {
	released := h.Released
	if h.Revision == 1 {
		released = h.Hash()
	}
	return batch{
		Instance: h.Instance[:], Ordinal: h.Ordinal, Lane: h.Lane, Day: h.Day, Directory: h.DirVersion,
		Before: h.Before[:], Released: released[:], Volumes: len(h.Volumes), Revision: h.Revision,
	}
}

// compare orders batches as they were released; revisions of one are equal.
func (b *batch) compare(o *batch) int {
	return cmp.Or(cmp.Compare(b.Day, o.Day), cmp.Compare(b.Ordinal, o.Ordinal), bytes.Compare(b.Instance, o.Instance),
		bytes.Compare(b.Released, o.Released), bytes.Compare(b.Before, o.Before), cmp.Compare(b.Lane, o.Lane),
		cmp.Compare(b.Directory, o.Directory), cmp.Compare(b.Volumes, o.Volumes))
}

func (b *batch) release() release {
	return release{Day: b.Day, Ordinal: b.Ordinal, Instance: b.Instance, Directory: b.Directory}
}

// note records that a volume of a batch was read, and whether all of it was sound. It
// returns whether that is news, and whether the volume was here before in this revision or a later one.
func (s *state) note(b batch, volume int, sound bool) (news, before bool) {
	i, ok := slices.BinarySearchFunc(s.batches, b, func(a, b batch) int { return a.compare(&b) })
	if !ok {
		s.batches = slices.Insert(s.batches, i, b)
		news = true
	}
	have := &s.batches[i]
	before = ok && slices.Contains(have.Have, volume) && b.Revision <= have.Revision
	if have.Revision < b.Revision {
		have.Revision, news = b.Revision, true
	}
	if sound && !slices.Contains(have.Have, volume) {
		have.Have = append(slices.Clone(have.Have), volume)
		slices.Sort(have.Have)
		news = true
	}
	return news, before
}

// serverKeys are those of all directories that this vault accepted.
func (desk *Desk) serverKeys() (keys []ed25519.PublicKey) {
	for _, h := range desk.state.History {
		keys = append(keys, h.Server)
	}
	return keys
}

// instance is the newest life of the server's database: its last batch is the newest,
// or of two that released on that day the one that began later.
func (s *state) instance(newest crypto.Day) []byte {
	var best *life
	for _, l := range s.lives(newest) {
		if best == nil || cmp.Or(best.compare(l), bytes.Compare(best.id, l.id)) < 0 {
			best = l
		}
	}
	if best == nil {
		return nil
	}
	return best.id
}

// life is the days of one life of the server, as far as its batches are here.
type life struct {
	id          []byte
	first, last crypto.Day
}

// compare says which of two lives is the later one, as far as days tell.
func (l *life) compare(m *life) int {
	return cmp.Or(cmp.Compare(l.last, m.last), cmp.Compare(l.first, m.first))
}

func (s *state) lives(newest crypto.Day) map[string]*life {
	lives := make(map[string]*life)
	for i := range s.batches {
		b := &s.batches[i]
		if b.Day > newest {
			continue // not believed
		}
		l := lives[string(b.Instance)]
		if l == nil {
			l = &life{b.Instance, b.Day, b.Day}
			lives[string(b.Instance)] = l
		}
		l.first, l.last = min(l.first, b.Day), max(l.last, b.Day)
	}
	return lives
}

// Broken says what does not fit together of what the server signed: each head names the one
// before it, so a server that told holders different things, or told one of them less, is
// found out as soon as one desk holds both (SECURITY.md S-24).
func (desk *Desk) Broken() (out []string) {
	type number struct {
		instance string
		ordinal  uint64
	}
	by := make(map[number][]*batch)
	for i := range desk.state.batches {
		b := &desk.state.batches[i]
		n := number{string(b.Instance), b.Ordinal}
		by[n] = append(by[n], b)
	}
	for i := range desk.state.batches {
		b := &desk.state.batches[i]
		n := number{string(b.Instance), b.Ordinal}
		if list := by[n]; len(list) > 1 && list[0] == b {
			out = append(out, fmt.Sprintf("batch %d of %s was signed in %d versions that contradict each other", b.Ordinal, b.Day, len(list)))
		}
		n.ordinal--
		if list := by[n]; len(list) > 0 && !slices.ContainsFunc(list, func(p *batch) bool { return bytes.Equal(p.Released, b.Before) }) {
			out = append(out, fmt.Sprintf("batch %d of %s does not follow the batch %d that is here", b.Ordinal, b.Day, n.ordinal))
		}
	}
	return out
}

// current are the batches of the newest life of the server, by number, the number below the first that
// counts, and the newest day.
func (desk *Desk) current() (batches []batch, below uint64, newest crypto.Day) {
	newest = desk.newest(desk.state)
	instance := desk.state.instance(newest)
	batches = slices.DeleteFunc(slices.Clone(desk.state.batches), func(b batch) bool {
		return !bytes.Equal(b.Instance, instance)
	})
	slices.SortFunc(batches, func(a, b batch) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	if i := anchor(batches, newest); i >= 0 {
		below = batches[i].Ordinal
	}
	return batches, below, newest
}

// Missing names what was not imported of the current instance, below its newest
// batch and as far as the server may still have it: volumes of batches that were
// begun, and batches by number. It counts from the newest batch imported that the server no
// longer keeps, so that an absence of any length leaves nothing unnamed; without one, from the first.
// Runs are one line, whatever numbers a volume claims.
func (desk *Desk) Missing() []string {
	batches, below, newest := desk.current()
	var volumes, whole []string
	for _, b := range batches {
		if b.Ordinal <= below || b.expired(newest) {
			continue
		}
		volumes = append(volumes, b.missing()...)
		if b.Ordinal > below {
			whole = appendRun(whole, "batch", "batches", below+1, b.Ordinal-1)
		}
		below = b.Ordinal
	}
	return append(volumes, whole...)
}

// AskAfter is the number after which to ask the exchange for everything: up to it nothing is missing here
// that the server may still have. It counts like [Desk.Missing], in the newest life of the server, and depends on
// what was imported alone. A gap just above what no server keeps any more is none: what would fill it has ended.
func (desk *Desk) AskAfter() uint64 {
	batches, after, newest := desk.current()
	for _, b := range batches {
		switch {
		case b.Ordinal <= after || b.expired(newest):
		case len(b.Have) < b.Volumes, b.Ordinal > after+1 && b.Day+keptDays > newest+1:
			return after
		default:
			after = b.Ordinal
		}
	}
	return after
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
		out = appendRun(out, volume, volumes, below+1, uint64(n)-1) //nolint:gosec // not negative
		below = uint64(n)                                           //nolint:gosec // not negative
	}
	return appendRun(out, volume, volumes, below+1, uint64(b.Volumes)) //nolint:gosec // not negative
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
