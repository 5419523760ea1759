package casework

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"

	"postern/crypto"
)

// Book is what the events of one case come to. It does not depend on the order in
// which they came.
type Book struct {
	Log    []Entry // all events, each once, in the book's order
	Breaks []Break // where chains do not hold
	bodies map[string]*State
}

// Entry is an event in the book.
type Entry struct {
	Signed
	Hash Hash
	Err  error // it was not allowed where it stands, and changed nothing; nil: it counts

	day crypto.Day // by which it is ordered
}

// Break is a place at which a chain does not hold: an entry was deleted, changed or
// reordered, or has not come here yet, or a desk was restored from an old backup.
type Break struct {
	Author Author
	Scope  Scope
	Number uint32
	What   Fault
}

// Fault is what is wrong at a break.
type Fault string

// The faults of chains.
const (
	Missing Fault = "missing" // no entry of this number is here, or of some before it
	Changed Fault = "changed" // the entry names another one before it than is here
	Twice   Fault = "twice"   // two entries have this number
)

// String says it in a sentence.
func (b Break) String() string {
	say := map[Fault]string{
		Missing: "entry %d of %s (%s) and perhaps some before it are not here: they were deleted or kept back, or have not arrived",
		Changed: "entry %d of %s (%s) does not follow the one before it that is here: one of the two was changed or exchanged",
		Twice:   "there are two entries %d of %s (%s): one was exchanged, or written after an old backup was restored",
	}[b.What]
	return fmt.Sprintf(say, b.Number, b.Author.Name(), b.Scope)
}

// chain names the events that are numbered together.
type chain struct {
	key   [32]byte
	of    crypto.CaseID
	scope Scope
}

func (e *Event) chain() chain { return chain{e.Author.Key, e.Case, e.Scope} }

// Fold makes the book of a case. The events' signatures, and that a key is its holder's,
// were checked before; of these events it believes everything else.
func Fold(events []Signed) *Book {
	b := &Book{bodies: make(map[string]*State)}
	seen := make(map[Hash]bool, len(events))
	for i := range events {
		if h := events[i].Hash(); !seen[h] {
			seen[h] = true
			b.Log = append(b.Log, Entry{Signed: events[i], Hash: h})
		}
	}
	b.order()
	b.follow()
	b.apply()
	return b
}

// order sorts the log by day, and on one day by place. An author's event is never before one that its
// author wrote earlier, whatever the clock said.
func (b *Book) order() {
	slices.SortFunc(b.Log, func(x, y Entry) int {
		return cmp.Or(bytes.Compare(x.Author.Key[:], y.Author.Key[:]), bytes.Compare(x.Case[:], y.Case[:]),
			slices.Compare(x.Place[:], y.Place[:]), cmp.Compare(x.Number, y.Number), bytes.Compare(x.Hash[:], y.Hash[:]))
	})
	for i := range b.Log {
		e := &b.Log[i]
		e.day = e.Day
		if i > 0 && b.Log[i-1].Author.Key == e.Author.Key && b.Log[i-1].Case == e.Case {
			e.day = max(e.day, b.Log[i-1].day)
		}
	}
	slices.SortStableFunc(b.Log, func(x, y Entry) int {
		return cmp.Or(cmp.Compare(x.day, y.day), slices.Compare(x.Place[:], y.Place[:]),
			cmp.Compare(x.Number, y.Number), bytes.Compare(x.Hash[:], y.Hash[:]))
	})
}

// follow looks for breaks.
func (b *Book) follow() {
	chains := make(map[chain][]*Entry)
	for i := range b.Log {
		c := b.Log[i].chain()
		chains[c] = append(chains[c], &b.Log[i])
	}
	for _, list := range chains {
		slices.SortFunc(list, func(x, y *Entry) int {
			return cmp.Or(cmp.Compare(x.Number, y.Number), bytes.Compare(x.Hash[:], y.Hash[:]))
		})
		last := uint32(0)
		for i, e := range list {
			n := e.Number
			report := func(n uint32, f Fault) { b.Breaks = append(b.Breaks, Break{e.Author, e.Scope, n, f}) }
			switch {
			case n == last:
				if i < 2 || list[i-2].Number != n {
					report(n, Twice)
				}
			case n != last+1:
				report(n-1, Missing)
			case n > 1 && !slices.ContainsFunc(list[:i], func(o *Entry) bool { return o.Number == n-1 && o.Hash == e.Before }):
				report(n, Changed)
			}
			last = n
		}
	}
	slices.SortFunc(b.Breaks, func(x, y Break) int {
		return cmp.Or(cmp.Compare(x.Author.Name(), y.Author.Name()), bytes.Compare(x.Author.Key[:], y.Author.Key[:]),
			cmp.Compare(x.Scope, y.Scope), cmp.Compare(x.Number, y.Number), cmp.Compare(x.What, y.What))
	})
}

// apply goes through the log. What refers to another event is looked at after all those.
func (b *Book) apply() {
	refers := func(kind string) bool { return kind == KindFate || kind == KindStrike || kind == KindMayErase }
	for i := range b.Log {
		switch e := &b.Log[i]; {
		case refers(e.Kind):
		case e.Kind == KindStage:
			e.Err = b.state(e.Author.Body).step(e)
		default:
			e.Err = b.state(e.Author.Body).take(e)
		}
	}
	for i := range b.Log {
		if e := &b.Log[i]; refers(e.Kind) {
			e.Err = b.state(e.Author.Body).refer(e)
		}
	}
}

// state is a body's, made on first use.
func (b *Book) state(body string) *State {
	s := b.bodies[body]
	if s == nil {
		s = newState(body)
		b.bodies[body] = s
	}
	return s
}

// State is how the case stands with a body. It is not to be changed.
func (b *Book) State(body string) *State {
	if s := b.bodies[body]; s != nil {
		return s
	}
	return newState(body)
}

// Bodies that wrote in the book, by id.
func (b *Book) Bodies() (ids []string) {
	for id := range b.bodies {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Find an entry by its ref. Where two have one, the first in the book's order is found.
func (b *Book) Find(r Ref) (*Entry, bool) {
	i := slices.IndexFunc(b.Log, func(e Entry) bool { return e.Hash.Ref() == r })
	if i < 0 {
		return nil, false
	}
	return &b.Log[i], true
}

// Write makes the author's next event in the book. It refuses what the case does not allow now,
// with an error that says what to do. The book stays as it is: sign the event, keep it, and fold again.
func (b *Book) Write(a Author, id crypto.CaseID, today crypto.Day, scope Scope, act Act) (Event, error) {
	e := Event{Case: id, Author: a, Day: today, Scope: scope, Act: act}
	if err := act.Check(); err != nil {
		return Event{}, err
	}
	if _, err := ScopeOf(scope.String()); err != nil {
		return Event{}, err
	}
	if slices.Contains(b.State(a.Body).Recused, a.Holder) && act.Kind != KindRecuse {
		return Event{}, fmt.Errorf("%w: it is you; leave it to a fellow holder, or end the recusal first", ErrRecused)
	}
	b.follows(&e)
	if err := e.Check(); err != nil {
		return Event{}, err
	}
	next := make([]Signed, 0, len(b.Log)+1)
	for i := range b.Log {
		next = append(next, b.Log[i].Signed)
	}
	after := Fold(append(next, Signed{Event: e}))
	h := e.Hash()
	for i := range after.Log {
		if x := &after.Log[i]; x.Hash == h {
			return e, x.Err
		}
	}
	return e, nil
}

// slack is by how many days the clocks of two desks may differ: so much later an event is dated than
// its author's clock, that it does not stand before what it follows.
const slack = 3

// far is how much higher than all that is known another body's clock may be to count: events of
// one's own never run out of places.
const far = 1 << 12

// follows gives an event its number, its place and the one before it, after all in the book that
// its audience may know of.
func (b *Book) follows(e *Event) {
	known := uint32(0)
	for i := range b.Log {
		if b.Log[i].Scope == All {
			known++
		}
	}
	e.Number = 1
	latest := e.Day + slack
	for i := range b.Log {
		o := &b.Log[i]
		own := o.Author.Body == e.Author.Body
		for scope := All; scope <= e.Scope && scope <= o.Scope; scope++ {
			if n := o.Place[scope-1]; own || scope == All && n <= known+far {
				e.Place[scope-1] = max(e.Place[scope-1], n)
			}
		}
		if o.Scope <= e.Scope && o.Day <= latest {
			e.Day = max(e.Day, o.Day)
		}
		if o.chain() == e.chain() && o.Number >= e.Number {
			e.Number, e.Before = o.Number+1, o.Hash
		}
	}
	if e.Place[e.Scope-1] < math.MaxUint32 {
		e.Place[e.Scope-1]++
	}
}
