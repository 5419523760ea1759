package reviewer

import (
	"cmp"
	"slices"

	"postern/crypto"
)

// A source can change their code. What they write then has another key and case,
// and says in words signed by the earlier key which came before (FORMAT.md, frame 5). The
// cases of one source are shown as one (SECURITY.md S-21).

// succession is what a message says of the code before its own.
type succession struct {
	Case []byte     `json:"case"` // of the earlier code
	Day  crypto.Day `json:"day"`  // of the change
}

// families says which cases belong together: chains of one link for each change of code.
type families struct {
	before map[string]string     // case → the one of the code before
	after  map[string]succession // case → the one of the code that followed, and when
	rivals map[string][]string   // case → others that claim the same earlier code
}

// claim is a succession as a message brought it.
type claim struct {
	from, to string
	day      crypto.Day
	order    [2]uint64 // of its release
	arrival  uint64
}

// familiesOf reads the chains out of all messages. A code has one before it and one
// after it. When two claim the same earlier code, both were made by somebody who had
// it: the one that the server released first is followed, so that nobody can put
// themselves in a source's place afterwards, and all desks that hold the same batches say the
// same. Among those of one batch the earlier day counts.
func familiesOf(entries []entry) *families {
	f := &families{before: make(map[string]string), after: make(map[string]succession), rivals: make(map[string][]string)}
	var claims []claim
	servers := make(map[crypto.InstanceID]uint64) // lives of the server, by what came first
	for i := range entries {
		e := &entries[i]
		if e.Batch == nil {
			continue
		}
		if at, ok := servers[e.Batch.Instance]; !ok || e.Arrival < at {
			servers[e.Batch.Instance] = e.Arrival
		}
	}
	for i := range entries {
		e := &entries[i]
		if e.Succeeds == nil {
			continue
		}
		c := claim{from: string(e.Succeeds.Case), to: string(e.Case), day: e.Succeeds.Day, arrival: e.Arrival}
		if e.Batch != nil {
			c.order = [2]uint64{servers[e.Batch.Instance], e.Batch.Batch}
		}
		claims = append(claims, c)
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(slices.Compare(a.order[:], b.order[:]), cmp.Compare(a.day, b.day), cmp.Compare(a.arrival, b.arrival))
	})
	for _, c := range claims {
		next, taken := f.after[c.from]
		_, follows := f.before[c.to]
		switch {
		case taken && string(next.Case) != c.to:
			f.rival(string(next.Case), c.to)
			f.rival(c.to, string(next.Case))
		case taken, follows, f.first(c.from) == f.first(c.to): // known; or a source plays with keys that are all their own
		default:
			f.before[c.to], f.after[c.from] = c.from, succession{Case: []byte(c.to), Day: c.day}
		}
	}
	return f
}

func (f *families) rival(of, is string) {
	if !slices.Contains(f.rivals[of], is) {
		f.rivals[of] = append(f.rivals[of], is)
	}
}

// first is the case of the first code of a case's source: the one that names them all.
func (f *families) first(id string) string {
	for {
		b, ok := f.before[id]
		if !ok {
			return id
		}
		id = b
	}
}

// chain is all cases of a source, by their first.
func (f *families) chain(first string) []string {
	ids := []string{first}
	for {
		s, ok := f.after[ids[len(ids)-1]]
		if !ok {
			return ids
		}
		ids = append(ids, string(s.Case))
	}
}

// The values of Message.Late: a message of the source written with an earlier code.
const (
	LateAfter   = "after"    // on a day after the change: the source has another code by then
	LateSameDay = "same-day" // on the day of the change: before or after it cannot be told
)

// late says whether somebody wrote with a code that the source had given up.
func (f *families) late(e *entry) string {
	s, ok := f.after[string(e.Case)]
	switch {
	case !ok || !e.fromSource() || e.Day < s.Day:
		return ""
	case e.Day == s.Day:
		return LateSameDay
	}
	return LateAfter
}

// changed lists the cases, by their first's short id, of which f knows a change of code that old does not.
func (f *families) changed(old *families) (out []string) {
	for id, s := range f.after {
		if string(old.after[id].Case) != string(s.Case) {
			out = append(out, ShortID(crypto.CaseID([]byte(f.first(id)))))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// newest is what the source wants now, as the newest code says: whoever has an earlier
// one chooses no readers and gets no answer.
func (c *Case) newest() (sourceView, bool) {
	var own []entry
	var at []int // of own in all
	for i := range c.entries {
		if string(c.entries[i].Case) == c.tip {
			own, at = append(own, c.entries[i]), append(at, i)
		}
	}
	view, ok := latest(own)
	if view.at >= 0 {
		view.at = at[view.at]
	}
	return view, ok
}
