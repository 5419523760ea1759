package reviewer

import (
	"bytes"
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

// familiesOf reads the chains out of all messages that say something of an earlier code. A code has one before it and one
// after it. When two claim the same earlier code, both were made by somebody who had
// it: the one that the server released first is followed, so that nobody can put
// themselves in a source's place afterwards, and all desks that hold the same batches say the
// same, in whatever order they imported them. Among those of one batch the earlier day counts.
func familiesOf(claims []*entry) *families {
	f := &families{before: make(map[string]string), after: make(map[string]succession), rivals: make(map[string][]string)}
	slices.SortFunc(claims, func(a, b *entry) int {
		return cmp.Or(a.Release.compare(b.Release), cmp.Compare(a.Succeeds.Day, b.Succeeds.Day), bytes.Compare(a.ID, b.ID))
	})
	for _, c := range claims {
		from, to := string(c.Succeeds.Case), string(c.Case)
		next, taken := f.after[from]
		_, follows := f.before[to]
		switch {
		case taken && string(next.Case) != to:
			f.rival(string(next.Case), to)
			f.rival(to, string(next.Case))
		case taken, follows, f.first(from) == f.first(to): // known; or a source plays with keys that are all their own
		default:
			f.before[to], f.after[from] = from, succession{Case: []byte(to), Day: c.Succeeds.Day}
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

// changed lists the firsts of the cases of which f knows a change of code that old does not.
func (f *families) changed(old *families) (out []string) {
	for id, s := range f.after {
		if string(old.after[id].Case) != string(s.Case) {
			out = append(out, f.first(id))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// newest is what the source wants now, as the newest code says: whoever has an earlier
// one chooses no readers and gets no answer.
func (c *Case) newest() (sourceView, bool) {
	var own []*entry
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
