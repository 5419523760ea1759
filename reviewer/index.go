package reviewer

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"postern/crypto"
	"postern/reviewer/casework"
)

// index is all messages by case, and the views that were made of cases. A change makes
// a new one of the one before: only families that it touches are grouped anew.
type index struct {
	fam       *families
	codes     map[string][]*entry // by the code's case as messages name it
	cases     map[string][]*entry // by the first code's case, in reading order
	strangers map[string]int      // messages that belong to no case, by the first code's case
	names     *caseNames          // of the cases
	views     map[string]*Case    // that were asked for
	order     []*Case             // all of them, newest first; nil: not asked for yet
	settings  casework.Settings   // of the body, by which views were made
}

// caseNames are the names of codes' cases on the holder's own screen.
type caseNames struct {
	short map[string]string // by the full id
	full  []string          // sorted
	first map[string]string // full id → case of the first code
}

// newIndex sorts messages into cases (SECURITY.md S-30). Only a message of a source
// makes one, or a holder of this body who opened a case that came without a code. A reply or event joins the case it names when its signer's body is
// one that the source named in it; all else is a stranger's.
func (desk *Desk) newIndex(s *state) *index {
	x := &index{
		codes: make(map[string][]*entry), cases: make(map[string][]*entry), strangers: make(map[string]int), views: make(map[string]*Case),
		settings: desk.Settings(),
	}
	var claims []*entry
	for _, e := range s.messages.all() {
		x.codes[string(e.Case)] = append(x.codes[string(e.Case)], e)
		if e.Succeeds != nil {
			claims = append(claims, e)
		}
	}
	x.fam = familiesOf(claims)
	for code := range x.codes {
		if first := x.fam.first(code); first == code || x.codes[first] == nil {
			desk.group(x, first)
		}
	}
	for code := range desk.added[kindEvent] { // cases that came without one
		if id := string(code[:]); x.codes[id] == nil && x.fam.first(id) == id {
			desk.group(x, id)
		}
	}
	x.names = x.newNames()
	return x
}

// group makes the case of one source anew, or none.
func (desk *Desk) group(x *index, first string) {
	var mine, others []*entry
	var named []crypto.Reader
	for _, code := range x.fam.chain(first) {
		for _, e := range x.codes[code] {
			switch {
			case !e.fromSource():
				others = append(others, e)
			default:
				mine = append(mine, e)
				if x.fam.late(e) != LateAfter {
					named = append(named, e.Readers...)
				}
			}
		}
	}
	delete(x.cases, first)
	delete(x.strangers, first)
	strangers := len(others)
	if len(mine) > 0 || desk.opens(x, first) {
		for _, e := range others {
			if e.Own != nil || desk.namedSigner(e, named) || desk.fellowEvent(e) {
				mine = append(mine, e)
				strangers--
			}
		}
		slices.SortFunc(mine, func(a, b *entry) int { return a.reading(b) })
		x.cases[first] = append([]*entry{}, mine...)
	}
	if strangers > 0 {
		x.strangers[first] = strangers
	}
}

// lonely are the messages that belong to no case.
func (x *index) lonely() (list []*entry) {
	for first := range x.strangers {
		in := make(map[*entry]bool)
		for _, e := range x.cases[first] {
			in[e] = true
		}
		for _, code := range x.fam.chain(first) {
			for _, e := range x.codes[code] {
				if !in[e] {
					list = append(list, e)
				}
			}
		}
	}
	return list
}

// with is the index once next, of which x is the index before, is the desk's state.
func (desk *Desk) with(x *index, next *state) *index {
	touched := make(map[string]bool) // codes
	for id, e := range next.messages.put {
		touched[string(e.Case)] = true
		old := next.messages.base[id]
		if e.Succeeds != nil || old != nil && old.Succeeds != nil {
			return desk.newIndex(next) // who follows whom may be another matter now
		}
	}
	for id := range next.messages.gone {
		e := next.messages.base[id]
		touched[string(e.Case)] = true
		if e.Succeeds != nil {
			return desk.newIndex(next)
		}
	}
	if len(touched) == 0 {
		return x
	}
	n := &index{
		fam: x.fam, codes: maps.Clone(x.codes), cases: maps.Clone(x.cases), strangers: maps.Clone(x.strangers), names: x.names, views: maps.Clone(x.views),
		settings: x.settings,
	}
	same := true // the cases, if not what is in them
	firsts := make(map[string]bool)
	for code := range touched {
		n.codes[code] = slices.DeleteFunc(slices.Clone(n.codes[code]), func(e *entry) bool {
			_, put := next.messages.put[string(e.ID)]
			return put || next.messages.gone[string(e.ID)]
		})
		firsts[n.fam.first(code)] = true
	}
	for _, e := range next.messages.put {
		n.codes[string(e.Case)] = append(n.codes[string(e.Case)], e)
	}
	for code := range touched {
		if len(n.codes[code]) == 0 {
			delete(n.codes, code)
		}
	}
	for first := range firsts {
		desk.group(n, first)
		delete(n.views, first)
		same = same && (n.cases[first] == nil) == (x.cases[first] == nil)
	}
	if !same {
		n.names = n.newNames()
		if !n.names.agree(x.names) {
			clear(n.views)
		}
	}
	return n
}

// newNames finds the shortest names that differ, of eight characters or more.
func (x *index) newNames() *caseNames {
	n := &caseNames{short: make(map[string]string, len(x.cases)), first: make(map[string]string, len(x.cases))}
	for first := range x.cases {
		for _, id := range x.fam.chain(first) {
			full := FullID(crypto.CaseID([]byte(id)))
			n.full = append(n.full, full)
			n.first[full] = first
		}
	}
	slices.Sort(n.full)
	common := func(a, b string) (n int) {
		for n < len(a) && a[n] == b[n] {
			n++
		}
		return n
	}
	for i, s := range n.full {
		size := 8
		if i > 0 {
			size = max(size, common(s, n.full[i-1])+1)
		}
		if i+1 < len(n.full) {
			size = max(size, common(s, n.full[i+1])+1)
		}
		size = min((size+3)/4*4, len(s))
		parts := slices.Collect(slices.Chunk([]byte(s[:size]), 4))
		n.short[s] = string(bytes.Join(parts, []byte("-")))
	}
	return n
}

// agree says whether cases that both know have one name in both.
func (n *caseNames) agree(o *caseNames) bool {
	for full, short := range n.short {
		if was, ok := o.short[full]; ok && was != short {
			return false
		}
	}
	return true
}

// name is the short name of a case.
func (x *index) name(first string) string {
	return x.names.short[FullID(crypto.CaseID([]byte(first)))]
}

// find gives the first codes' cases of those whose id, of any code, begins like this.
func (x *index) find(prefix string) (firsts []string) {
	at, _ := slices.BinarySearch(x.names.full, prefix)
	for _, full := range x.names.full[at:] {
		if !strings.HasPrefix(full, prefix) {
			break
		}
		if first := x.names.first[full]; !slices.Contains(firsts, first) {
			firsts = append(firsts, first)
		}
	}
	return firsts
}

// forget drops the view of a case: what was done to it changed.
func (x *index) forget(first string) {
	delete(x.views, first)
	x.order = nil
}

// view is a case as it is shown. It is kept: nothing in it may be changed.
func (desk *Desk) view(x *index, first string) *Case {
	if c, ok := x.views[first]; ok {
		return c
	}
	c := desk.newCase(x, first)
	x.views[first] = &c
	return &c
}

// fill makes the views that were not asked for yet, on all cores: the first list after opening
// waits for all of them.
func (desk *Desk) fill(x *index) {
	var firsts []string
	for first := range x.cases {
		if x.views[first] == nil {
			firsts = append(firsts, first)
		}
	}
	made := make([]Case, len(firsts))
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(firsts)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(firsts); i = int(next.Add(1)) - 1 {
				made[i] = desk.newCase(x, firsts[i])
			}
		})
	}
	all.Wait()
	for i, first := range firsts {
		x.views[first] = &made[i]
	}
}

// order is all cases, the one with the newest message first. They are the desk's.
func (desk *Desk) order() []*Case {
	x := desk.index
	if x.order == nil {
		desk.fill(x)
		x.order = make([]*Case, 0, len(x.cases))
		for first := range x.cases {
			x.order = append(x.order, desk.view(x, first))
		}
		slices.SortFunc(x.order, func(a, b *Case) int {
			return cmp.Or(cmp.Compare(b.Last, a.Last), bytes.Compare(a.ID[:], b.ID[:]))
		})
	}
	return x.order
}

// Cases are all cases, the one with the newest message first. What they point to is the desk's:
// do not change it.
func (desk *Desk) Cases() []Case {
	list := desk.order()
	out := make([]Case, len(list))
	for i, c := range list {
		out[i] = *c
	}
	return out
}

// Strangers is how many messages are kept that belong to no case: no message of
// their case's source is here, or it did not choose whoever signed them.
func (desk *Desk) Strangers() (n int) {
	for _, m := range desk.index.strangers {
		n += m
	}
	return n
}

// Case finds a case by its short id or a longer or shorter beginning of it,
// at least four characters. The id of each code of a source will do.
func (desk *Desk) Case(name string) (*Case, error) {
	want := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "-", ""))
	if len(want) < 4 {
		return nil, fmt.Errorf("%w: give at least four characters of its id, as list shows it", ErrNoCase)
	}
	switch found := desk.index.find(want); len(found) {
	case 0:
		if len(desk.FindReferrals(want)) > 0 {
			return nil, ErrReferred
		}
		return nil, fmt.Errorf("%w: list shows the ids", ErrNoCase)
	case 1:
		c := *desk.view(desk.index, found[0])
		return &c, nil
	default:
		return nil, fmt.Errorf("%w: %d begin like that: give more characters, as list shows them", ErrNoCase, len(found))
	}
}
