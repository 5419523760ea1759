package statistics

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Least is the smallest count that is shown.
const Least = 5

// withhold decides which counts of a table are shown (SECURITY.md S-33). rows are today's,
// scope is the new table's, earlier are tables that were published before.
//
// Not shown is every count under 5, zero too. Then it plays the reader who knows all tables,
// the program and what adds up to what, and wants to know a count under 5: of the new table or an
// earlier one, of what two of them have or have not in common, or of any piece that the tables
// cut the cases into. For each it looks for two other worlds, in whole numbers, in which everything
// that is shown is the same: one in which the count is 0, and one in which it is 5. As long
// as one of them is not found it leaves out one more count, and ends at the latest with an
// empty table. Leaving out more never makes a world impossible, so what was safe stays safe.
//
// What earlier tables gave away by themselves no choice can take back, and is let be.
func withhold(rows []Row, scope Scope, earlier []*Table) (shown map[string]bool) {
	w := newWithholder(rows, scope, earlier)
	for _, q := range w.sensitive() {
		w.protect(q)
	}
	return w.tables[0].shown
}

// published is a table as a reader has it.
type published struct {
	scope Scope
	shown map[string]bool
}

// A withholder knows today's cases in the pieces that the tables cut them into.
type withholder struct {
	rows   []Row
	tables []published     // the new one first
	pieces []uint64        // of each, the set of tables that count it
	total  [blocks][]int   // by piece
	parts  [][][]int       // by group, part, piece
	truth  map[string]int  // cells of the new table
	open   map[opening]int // how many were open, at the ends of the tables
	told   map[opening]bool
	moved  []quantity // counts that an earlier table of the same scope showed otherwise

	worlds [][][][]int // found, by group: part, piece
}

// An opening is a moment at which cases are open: before a month begins.
type opening struct {
	bodies string
	month  Month
}

func newWithholder(rows []Row, scope Scope, earlier []*Table) *withholder {
	w := &withholder{rows: rows, truth: count(rows, scope), open: make(map[opening]int), told: make(map[opening]bool), worlds: make([][][][]int, len(groups))}
	first := published{scope, make(map[string]bool)}
	for _, id := range cells() {
		first.shown[id] = w.truth[id] >= Least
	}
	w.tables = []published{first}
	for _, t := range earlier {
		w.add(t)
	}
	w.cut()
	for _, t := range w.tables {
		for _, o := range t.scope.openings() {
			w.open[o] = t.scope.openAt(rows, o.month)
		}
	}
	return w
}

// openings are the moments of a table: its beginning and its end.
func (s *Scope) openings() [2]opening {
	b := fmt.Sprint(s.Bodies)
	return [2]opening{{b, s.From}, {b, s.To + 1}}
}

func (s *Scope) same(o *Scope) bool {
	return s.From == o.From && s.To == o.To && slices.Equal(s.Bodies, o.Bodies)
}

// add takes an earlier table as what it would say of today's cases: who knows it does not know
// how they changed since, and is given that. Of the same months and bodies both tables can be
// laid side by side: there a count that changed is no longer known, but how it changed must
// not be told where the change is small.
func (w *withholder) add(t *Table) {
	p := published{t.Scope, make(map[string]bool)}
	for id, n := range t.shown() {
		p.shown[id] = true
		if !t.Scope.same(&w.tables[0].scope) || n == w.truth[id] {
			continue
		}
		p.shown[id] = false
		if d := w.truth[id] - n; -Least < d && d < Least {
			far := n + Least
			if d < 0 {
				far = n - Least
			}
			w.moved = append(w.moved, w.cell(id, n, far))
		}
	}
	if p.shown[openID] {
		w.told[t.Scope.openings()[1]] = true
	}
	w.tables = append(w.tables, p)
}

// cut counts today's cases by piece: those that are in the same tables. Tables that have
// nothing to do with the new one, also through others, are left out of it.
func (w *withholder) cut() {
	near := uint64(1)
	type counted struct {
		thing
		in uint64
	}
	var all []counted
	masks := w.possible()
	for i := range w.rows {
		for _, t := range w.rows[i].things() {
			all = append(all, counted{t, w.in(t.row, t.month)})
		}
	}
	for links := w.adjoining(); ; {
		grown := near
		for _, m := range slices.Concat(masks, links) {
			if m&grown != 0 {
				grown |= m
			}
		}
		if grown == near {
			break
		}
		near = grown
	}
	at := make(map[uint64]int)
	for _, m := range masks {
		if m&near != 0 {
			at[m] = len(w.pieces)
			w.pieces = append(w.pieces, m)
		}
	}
	for b := range blocks {
		w.total[b] = make([]int, len(w.pieces))
	}
	w.parts = make([][][]int, len(groups))
	for g := range groups {
		for range groups[g].parts {
			w.parts[g] = append(w.parts[g], make([]int, len(w.pieces)))
		}
	}
	for _, c := range all {
		a, ok := at[c.in]
		if !ok {
			continue
		}
		w.total[c.block][a]++
		for g, part := range c.parts {
			if part >= 0 {
				w.parts[g][part][a]++
			}
		}
	}
}

// adjoining are pairs of tables that begin or end where another of the same bodies does: what is
// open goes over from one to the other.
func (w *withholder) adjoining() (pairs []uint64) {
	for i := range w.tables {
		for j := range i {
			a, b := w.tables[i].scope.openings(), w.tables[j].scope.openings()
			if slices.Contains(b[:], a[0]) || slices.Contains(b[:], a[1]) {
				pairs = append(pairs, 1<<i|1<<j)
			}
		}
	}
	return pairs
}

// in is the set of tables that count something of a row in a month.
func (w *withholder) in(r *Row, m Month) (set uint64) {
	for i := range w.tables {
		if w.tables[i].scope.holds(r, m) {
			set |= 1 << i
		}
	}
	return set
}

// possible are the sets of tables that some case could be in, whether or not there is one:
// by month, and by which of the tables' bodies know it.
func (w *withholder) possible() []uint64 {
	var cuts []Month
	var bodies []string
	for _, t := range w.tables {
		cuts = append(cuts, t.scope.From, t.scope.To+1)
		bodies = append(bodies, t.scope.Bodies...)
	}
	slices.Sort(cuts)
	slices.Sort(bodies)
	bodies = slices.Compact(bodies)
	// Bodies that are in the same tables are one; a case of several of them is in the tables of each.
	alone := make(map[uint64]bool)
	for _, b := range bodies {
		set := uint64(0)
		for i, t := range w.tables {
			if slices.Contains(t.scope.Bodies, b) {
				set |= 1 << i
			}
		}
		alone[set] = true
	}
	known := maps.Clone(alone)
	for changed := true; changed; {
		changed = false
		for _, a := range slices.Sorted(maps.Keys(known)) {
			for b := range alone {
				if len(known) < maxPieces && !known[a|b] {
					known[a|b], changed = true, true
				}
			}
		}
	}
	found := make(map[uint64]bool)
	for _, m := range slices.Compact(cuts) {
		during := uint64(0)
		for i, t := range w.tables {
			if t.scope.From <= m && m <= t.scope.To {
				during |= 1 << i
			}
		}
		for k := range known {
			if k&during != 0 {
				found[k&during] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// maxPieces bounds what combinations of bodies are told apart.
const maxPieces = 256

// A quantity is a count that must not be known: a part of a group, or a block's total, or
// open cases, in some of the pieces. low and high are what it could as well be.
type quantity struct {
	group, part int   // group -1: the total of block
	block       block // blocks: of what is open
	pieces      []int
	when        opening
	low, high   int
}

// cell is a count of the new table as a quantity.
func (w *withholder) cell(id string, low, high int) quantity {
	q := quantity{group: -1, block: blocks, low: low, high: high}
	if id == openID {
		q.when = w.tables[0].scope.openings()[1]
		return q
	}
	if b := slices.Index(blockIDs[:], id); b >= 0 {
		q.block = block(b)
		return q
	}
	for g := range groups {
		if p := slices.Index(groups[g].parts, id); p >= 0 {
			q.group, q.part, q.block = g, p, groups[g].block
		}
	}
	return q
}

// sensitive are all quantities under 5, and what changed by less than 5.
func (w *withholder) sensitive() (list []quantity) {
	sets := w.sets()
	small := func(q quantity, of []int) {
		for _, s := range sets {
			n := 0
			for _, a := range s {
				n += of[a]
			}
			if n < Least {
				q.pieces, q.low, q.high = s, 0, Least
				list = append(list, q)
			}
		}
	}
	for b := range blocks { // totals first: what they leave open protects parts as well
		small(quantity{group: -1, block: b}, w.total[b])
	}
	for t := range w.tables {
		if len(w.of(t)) == 0 {
			continue
		}
		for _, o := range w.tables[t].scope.openings() {
			if w.open[o] < Least {
				list = append(list, quantity{group: -1, block: blocks, when: o, low: 0, high: Least})
			}
		}
	}
	for _, q := range w.moved {
		q.pieces = w.of(0)
		list = append(list, q)
	}
	for g := range groups {
		for p := range groups[g].parts {
			small(quantity{group: g, part: p, block: groups[g].block}, w.parts[g][p])
		}
	}
	return list
}

// of are the pieces of a table.
func (w *withholder) of(table int) (list []int) {
	for a, m := range w.pieces {
		if m&(1<<table) != 0 {
			list = append(list, a)
		}
	}
	return list
}

// sets are what a reader may want to know the cases of: each table, each piece, and what two
// tables have and have not in common. Earlier tables are asked for like the new one: what is open
// at its end can tell what an earlier one that ends then left out.
func (w *withholder) sets() (list [][]int) {
	add := func(s []int) {
		if len(s) > 0 && !slices.ContainsFunc(list, func(o []int) bool { return slices.Equal(o, s) }) {
			list = append(list, s)
		}
	}
	of := func(t, other int, too bool) (s []int) {
		for _, a := range w.of(t) {
			if (w.pieces[a]&(1<<other) != 0) == too {
				s = append(s, a)
			}
		}
		return s
	}
	for t := range w.tables {
		add(w.of(t))
	}
	for a := range w.pieces {
		add([]int{a})
	}
	for t := range w.tables {
		for other := range t {
			add(of(t, other, false))
			add(of(other, t, false))
			add(of(t, other, true))
		}
	}
	return list
}

// protect leaves out counts of the new table until the quantity could be both of what it could
// be. What earlier tables alone tell of one of them, nothing that is left out now takes back.
func (w *withholder) protect(q quantity) {
	for _, n := range []int{q.low, q.high} {
		for first := true; !w.could(q, n); first = false {
			if first && w.givenAway(q, n) {
				break
			}
			id := w.next(q)
			if id == "" {
				break // nothing of the new table is left that could tell it
			}
			w.tables[0].shown[id] = false
		}
	}
}

// givenAway says whether earlier tables alone tell that the quantity is not n.
func (w *withholder) givenAway(q quantity, n int) bool {
	shown := w.tables[0].shown
	defer func() { w.tables[0].shown = shown }()
	w.tables[0].shown = make(map[string]bool)
	return w.anyWorld(q, n) == no
}

// next is the count to leave out next, the one that protects most for the least: "" when
// nothing is shown any more.
func (w *withholder) next(q quantity) string {
	shown := w.tables[0].shown
	smallest := func(is func(g group, id string) bool) string {
		var found []string
		for _, g := range groups {
			for _, id := range g.parts {
				if id != "" && shown[id] && is(g, id) {
					found = append(found, id)
				}
			}
		}
		if len(found) == 0 {
			return ""
		}
		return slices.MinFunc(found, func(a, b string) int { return cmp.Compare(w.truth[a], w.truth[b]) })
	}
	whole := func(g group) bool { // its parts tell the total
		return !slices.ContainsFunc(g.parts, func(id string) bool { return !shown[id] })
	}
	if q.group >= 0 {
		mine := groups[q.group]
		if id := mine.parts[q.part]; id != "" && shown[id] {
			return id
		}
		if id := smallest(func(g group, _ string) bool { return g.id == mine.id && g.block == mine.block }); id != "" {
			return id
		}
	}
	if q.block == blocks && shown[openID] {
		return openID
	}
	for _, b := range []block{q.block, closed, received, recommendations} {
		if b == blocks || q.block == recommendations && b != q.block {
			continue
		}
		if shown[blockIDs[b]] {
			return blockIDs[b]
		}
		if id := smallest(func(g group, _ string) bool { return g.block == b && whole(g) }); id != "" {
			return id
		}
		if b == q.block && b != recommendations && shown[openID] {
			return openID
		}
		if id := smallest(func(g group, _ string) bool { return g.block == b }); id != "" {
			return id
		}
	}
	if shown[openID] {
		return openID
	}
	return ""
}

// could says whether there is a world, like this one in all that is shown, in which the
// quantity is n.
func (w *withholder) could(q quantity, n int) bool {
	if q.group < 0 {
		return w.anyWorld(q, n) == yes
	}
	for _, world := range w.worlds[q.group] {
		if sum(world[q.part], q.pieces) == n {
			return true
		}
	}
	if w.groupWorld(q, n) {
		return true
	}
	// While the total is shown it leaves the group little that the search above does not see.
	return !w.tables[0].shown[blockIDs[q.block]] && w.anyWorld(q, n) == yes
}

func sum(of, at []int) (n int) {
	for _, a := range at {
		n += of[a]
	}
	return n
}

// groupWorld looks for a world in which one group alone is otherwise.
func (w *withholder) groupWorld(q quantity, n int) bool {
	g, m := groups[q.group], len(w.pieces)
	p := problem{vars: len(g.parts) * m}
	at := func(part, piece int) term { return term{v: part*m + piece} }
	for a := range m {
		e := equation{sum: w.total[g.block][a]}
		for part := range g.parts {
			e.terms = append(e.terms, at(part, a))
		}
		p.equations = append(p.equations, e)
	}
	for part := range g.parts {
		w.told1(&p, g.parts[part], w.parts[q.group][part], func(a int) term { return at(part, a) })
	}
	wanted := equation{sum: n}
	for _, a := range q.pieces {
		wanted.terms = append(wanted.terms, at(q.part, a))
	}
	p.equations = append(p.equations, wanted)
	x, found := p.solve()
	if found != yes {
		return false
	}
	world := make([][]int, len(g.parts))
	for part := range world {
		world[part] = x[part*m : part*m+m]
	}
	w.worlds[q.group] = append(w.worlds[q.group], world)
	return true
}

// told1 adds what the tables tell of one cell.
func (w *withholder) told1(p *problem, id string, truth []int, at func(piece int) term) {
	for t := range w.tables {
		pieces := w.of(t)
		if len(pieces) == 0 || id == "" || !w.tables[t].shown[id] {
			continue
		}
		e := equation{sum: sum(truth, pieces)}
		for _, a := range pieces {
			e.terms = append(e.terms, at(a))
		}
		p.equations = append(p.equations, e)
	}
}

// anyWorld looks for a world in which anything may be otherwise. Recommendations have
// nothing to do with how many cases there are.
func (w *withholder) anyWorld(q quantity, n int) answer {
	m := len(w.pieces)
	var p problem
	fresh := func(n int) (at int) { at = p.vars; p.vars += n; return at }
	var totals [blocks]int
	near := func(b block) bool { return (b == recommendations) == (q.block == recommendations) }
	for b := range blocks {
		if !near(b) {
			continue
		}
		totals[b] = fresh(m)
		w.told1(&p, blockIDs[b], w.total[b], func(a int) term { return term{v: totals[b] + a} })
	}
	wanted := equation{sum: n}
	for g := range groups {
		if !near(groups[g].block) {
			continue
		}
		at := fresh(len(groups[g].parts) * m)
		for a := range m {
			e := equation{terms: []term{{v: totals[groups[g].block] + a, less: true}}}
			for part := range groups[g].parts {
				e.terms = append(e.terms, term{v: at + part*m + a})
			}
			p.equations = append(p.equations, e)
		}
		for part, id := range groups[g].parts {
			w.told1(&p, id, w.parts[g][part], func(a int) term { return term{v: at + part*m + a} })
		}
		if g == q.group {
			for _, a := range q.pieces {
				wanted.terms = append(wanted.terms, term{v: at + q.part*m + a})
			}
		}
	}
	if q.group < 0 && q.block < blocks {
		for _, a := range q.pieces {
			wanted.terms = append(wanted.terms, term{v: totals[q.block] + a})
		}
	}
	if near(received) {
		w.flow(&p, totals, fresh, func(o opening, v int) {
			if q.block == blocks && q.when == o {
				wanted.terms = append(wanted.terms, term{v: v})
			}
		})
	}
	p.equations = append(p.equations, wanted)
	_, found := p.solve()
	return found
}

// flow adds that who is open at a table's end was open at its beginning or was received, and
// was not closed.
func (w *withholder) flow(p *problem, totals [blocks]int, fresh func(int) int, each func(opening, int)) {
	vars := make(map[opening]int)
	of := func(o opening) int {
		v, ok := vars[o]
		if !ok {
			v = fresh(1)
			vars[o] = v
			each(o, v)
			if w.told[o] || o == w.tables[0].scope.openings()[1] && w.tables[0].shown[openID] {
				p.equations = append(p.equations, equation{terms: []term{{v: v}}, sum: w.open[o]})
			}
		}
		return v
	}
	for t := range w.tables {
		pieces := w.of(t)
		if len(pieces) == 0 {
			continue
		}
		o := w.tables[t].scope.openings()
		e := equation{terms: []term{{v: of(o[1])}, {v: of(o[0]), less: true}}}
		for _, a := range pieces {
			e.terms = append(e.terms, term{v: totals[received] + a, less: true}, term{v: totals[closed] + a})
		}
		p.equations = append(p.equations, e)
	}
}
