package reviewer

import (
	"fmt"
	"slices"

	"postern/crypto"
	"postern/reviewer/vault"
)

const (
	// maxSkew is how many days the machine's clock and the newest batch may
	// differ before the holder is asked.
	maxSkew = 2
	// maxLeap is how many days a batch may be ahead of all that is known without
	// a yes of the holder: longer than any pause between batches.
	maxLeap = 21
)

// Clock is what is known of today. Nobody sets the clock of an offline
// machine, and the day decides which month's keys a reply is sealed to and
// whether a directory is in force.
type Clock struct {
	Machine crypto.Day // what the machine says
	Batch   crypto.Day // release day of the newest batch imported; 0: none yet
	Leap    bool       // that day is far ahead of all that was known before it, or was taken back once
}

// Clock reads the machine's clock and the newest batch's day.
func (desk *Desk) Clock() Clock {
	return Clock{Machine: crypto.DayOf(desk.o.now()), Batch: desk.newest(desk.state)}
}

// Today is the day to go by: the machine's, and never before the newest batch.
func (c Clock) Today() crypto.Day { return max(c.Machine, c.Batch) }

// Doubtful says that the two differ by more than 2 days, or that the batch leaps
// ahead: ask the holder whether Today is right before anything depends on it.
func (c Clock) Doubtful() bool {
	if c.Batch == 0 {
		return false
	}
	return c.Leap || max(c.Machine, c.Batch)-min(c.Machine, c.Batch) > maxSkew
}

// newest is the latest day any batch was released that this desk believes: a
// lower bound for today, 0 before the first. Days are believed from the directory's
// on, each at most [maxLeap] days after one before it, or because the holder said
// yes. So one wrong date moves nothing, and what a desk believes does not depend
// on the order in which batches came.
func (desk *Desk) newest(s *state) (newest crypto.Day) {
	var known crypto.Day
	if desk.dirs != nil {
		known = desk.dirs.Issued
	}
	days := make([]crypto.Day, 0, len(s.batches))
	for i := range s.batches {
		days = append(days, s.batches[i].Day)
	}
	slices.Sort(days)
	for _, d := range days {
		if d <= known+maxLeap && !slices.Contains(s.Doubted, d) || slices.Contains(s.Believed, d) {
			newest, known = d, max(known, d)
		}
	}
	return newest
}

// leaps says whether a batch of this day would move the clock only with a yes.
func (desk *Desk) leaps(d crypto.Day) bool {
	s := desk.state.next()
	s.batches = append(s.batches, batch{Day: d})
	s.Believed = append(s.Believed, d)
	with := desk.newest(s)
	s.Believed = desk.state.Believed
	return desk.newest(s) < with
}

// believe notes the holder's yes to a day.
func (s *state) believe(d crypto.Day) {
	s.Doubted = slices.DeleteFunc(s.Doubted, func(o crypto.Day) bool { return o == d })
	if !slices.Contains(s.Believed, d) {
		s.Believed = append(s.Believed, d)
		slices.Sort(s.Believed)
	}
}

// Disbelieve takes back every yes to a batch of a later day than last, and
// believes no such batch that is here: the clock goes by what is left. It returns the clock.
func (desk *Desk) Disbelieve(last crypto.Day) (Clock, error) {
	next := desk.state.next()
	next.Believed = slices.DeleteFunc(next.Believed, func(d crypto.Day) bool { return d > last })
	for i := range next.batches {
		if d := next.batches[i].Day; d > last && !slices.Contains(next.Doubted, d) {
			next.Doubted = append(next.Doubted, d)
		}
	}
	slices.Sort(next.Doubted)
	if err := desk.commit(next, new(vault.Change)); err != nil {
		return Clock{}, fmt.Errorf("setting the clock back: %w", err)
	}
	return desk.Clock(), nil
}
