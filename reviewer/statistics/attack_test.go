package statistics

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"postern/crypto/seedtest"
	"postern/intake/form"
)

// An attacker has nothing but the published tables. It knows what adds up to what, and narrows
// what every number can be until nothing moves any more. It shares no line with
// what decides what is shown.
type attacker struct {
	low, high []int
	names     map[string]int
	sums      []attackSum
}

type attackSum struct {
	of    int // this
	parts []int
}

const unlimited = math.MaxInt32

func (a *attacker) number(name string) int {
	i, ok := a.names[name]
	if !ok {
		i = len(a.low)
		a.names[name] = i
		a.low, a.high = append(a.low, 0), append(a.high, unlimited)
	}
	return i
}

func (a *attacker) adds(of string, parts ...string) {
	s := attackSum{of: a.number(of)}
	for _, p := range parts {
		s.parts = append(s.parts, a.number(p))
	}
	a.sums = append(a.sums, s)
}

func (a *attacker) is(name string, n int) { i := a.number(name); a.low[i], a.high[i] = n, n }

func (a *attacker) narrow() {
	for changed := true; changed; {
		changed = false
		set := func(i, low, high int) {
			if low > a.low[i] {
				a.low[i], changed = low, true
			}
			if high < a.high[i] {
				a.high[i], changed = high, true
			}
		}
		for _, s := range a.sums {
			low, high := 0, 0
			for _, p := range s.parts {
				low, high = low+a.low[p], min(high+a.high[p], unlimited)
			}
			set(s.of, low, high)
			for _, p := range s.parts {
				others := 0 // the most that the others can be
				for _, o := range s.parts {
					if o != p {
						others = min(others+a.high[o], unlimited)
					}
				}
				set(p, a.low[s.of]-others, unlimited)
				if a.high[s.of] < unlimited {
					set(p, 0, a.high[s.of]-(low-a.low[p]))
				}
			}
		}
	}
}

// divisions says what of which block adds up to its total, written anew.
func divisions() map[string][][]string {
	m := map[string][][]string{}
	add := func(block, what string, list []string, rest string) {
		var parts []string
		for _, id := range list {
			parts = append(parts, block+"/"+what+"/"+id)
		}
		if rest != "" {
			parts = append(parts, block+"/"+what+"/"+rest)
		}
		m[block] = append(m[block], parts)
	}
	yes := func(block, what string) {
		m[block] = append(m[block], []string{block + "/" + what, "not " + block + "/" + what})
	}
	add("received", "institution", ids(institutions), "unknown")
	add("received", "unit", ids(units), "unknown")
	add("received", "rank", ids(ranks), "unknown")
	add("received", "reporter", ids(reporters()), "unknown")
	add("received", "scope", ids(scopes), "undecided")
	yes("received", "referred")
	for _, x := range ids(topics()) {
		yes("received", "topic/"+x)
	}
	add("closed", "outcome", ids(outcomes), "")
	yes("closed", "action")
	add("recommended", "aim", ids(aims), "")
	add("recommended", "fate", ids(fates), "")
	return m
}

// piece is cases that the same tables count.
type piece struct {
	name string
	in   []int
	has  func(r *Row, m Month) bool
}

// wanted is what an attacker may want to know: pieces, tables, and what is in one table and not in another.
type wanted struct {
	name string
	of   []piece
}

// lay lays tables beside each other, and narrows what can be known of every table and of every piece
// that their months and bodies cut the cases into, from what the first of them show.
func lay(tables []*Table, first int) (a *attacker, all []wanted) {
	a = &attacker{names: map[string]int{}}
	var pieces []piece
	var bodies []string
	for _, x := range tables {
		bodies = append(bodies, x.Scope.Bodies...)
	}
	slices.Sort(bodies)
	bodies = slices.Compact(bodies)
	byName := map[string]bool{}
	for m := month(2024, 1); m <= month(2027, 12); m++ {
		for set := 1; set < 1<<len(bodies); set++ {
			var mine []string
			for i, b := range bodies {
				if set&(1<<i) != 0 {
					mine = append(mine, b)
				}
			}
			p := piece{}
			for i, x := range tables {
				if x.Scope.From <= m && m <= x.Scope.To && slices.ContainsFunc(mine, func(b string) bool { return slices.Contains(x.Scope.Bodies, b) }) {
					p.in = append(p.in, i)
				}
			}
			if p.name = fmt.Sprint(p.in); len(p.in) == 0 || byName[p.name] {
				continue
			}
			byName[p.name] = true
			p.has = func(r *Row, m Month) bool {
				var in []int
				for i, x := range tables {
					if x.Scope.From <= m && m <= x.Scope.To && slices.ContainsFunc(r.Bodies, func(b string) bool { return slices.Contains(x.Scope.Bodies, b) }) {
						in = append(in, i)
					}
				}
				return slices.Equal(in, p.in)
			}
			pieces = append(pieces, p)
		}
	}
	for _, p := range pieces {
		all = append(all, wanted{p.name, []piece{p}})
	}
	for i := range tables {
		t := wanted{name: fmt.Sprint("table ", i)}
		for _, p := range pieces {
			if slices.Contains(p.in, i) {
				t.of = append(t.of, p)
			}
		}
		all = append(all, t)
		for j := range tables {
			d := wanted{name: fmt.Sprint(i, " without ", j)}
			for _, p := range t.of {
				if !slices.Contains(p.in, j) {
					d.of = append(d.of, p)
				}
			}
			if len(d.of) > 0 && len(d.of) < len(t.of) {
				all = append(all, d)
				both := wanted{name: fmt.Sprint(i, " with ", j)}
				for _, p := range t.of {
					if slices.Contains(p.in, j) {
						both.of = append(both.of, p)
					}
				}
				all = append(all, both)
				if i < j || len(both.of) > 0 {
					for _, c := range append(cellsAnd(), "received", "closed", "recommended") {
						a.adds(t.name+c, d.name+c, both.name+c)
					}
				}
			}
		}
	}
	for _, w := range all {
		for block, lists := range divisions() {
			for _, parts := range lists {
				var of []string
				for _, p := range parts {
					of = append(of, w.name+p)
				}
				a.adds(w.name+block, of...)
			}
		}
		for _, c := range append(cellsAnd(), "received", "closed", "recommended") {
			var of []string
			for _, p := range w.of {
				of = append(of, p.name+c)
			}
			if len(w.of) > 1 || w.of[0].name != w.name {
				a.adds(w.name+c, of...)
			}
		}
	}
	for i, x := range tables {
		at := func(m Month) string { return openAt(x, m) }
		name := fmt.Sprint("table ", i)
		both := name + " open or closed"
		a.adds(both, at(x.Scope.From), name+"received")
		a.adds(both, at(x.Scope.To+1), name+"closed")
		for _, c := range x.Counts {
			switch {
			case c.N < 0, i >= first:
			case c.ID == openID:
				a.is(at(x.Scope.To+1), c.N)
			default:
				a.is(name+c.ID, c.N)
			}
		}
	}
	a.narrow()
	return a, all
}

func openAt(x *Table, m Month) string { return fmt.Sprint("open ", x.Scope.Bodies, m) }

// attack says which counts under 5 the tables tell too much of.
func attack(tables []*Table, rows []Row) (known []string) {
	a, all := lay(tables, len(tables))
	check := func(name string, truth int) {
		i := a.number(name)
		if a.low[i] > truth || a.high[i] < truth {
			known = append(known, fmt.Sprintf("%s: the attacker is wrong: %d to %d, and it is %d", name, a.low[i], a.high[i], truth))
		}
		if truth < 5 && (a.low[i] > 0 || a.high[i] < 5) {
			known = append(known, fmt.Sprintf("%s is %d to %d (it is %d)", name, a.low[i], a.high[i], truth))
		}
	}
	for _, w := range all {
		counted := map[string]int{}
		for i := range rows {
			r := &rows[i]
			for _, x := range []struct {
				scope func(Month) bool
			}{{func(m Month) bool { return slices.ContainsFunc(w.of, func(p piece) bool { return p.has(r, m) }) }}} {
				one := []Row{*r}
				for _, block := range []string{"received", "closed", "recommended"} {
					counted[block] += countIn(one, x.scope, block)
				}
				for _, c := range cellsAnd() {
					counted[c] += countIn(one, x.scope, c)
				}
			}
		}
		for c, n := range counted {
			check(w.name+c, n)
		}
	}
	for _, x := range tables {
		for _, m := range []Month{x.Scope.From, x.Scope.To + 1} {
			if told := toldBefore(tables, x, m); told > 0 && a.low[a.number(openAt(x, m))] == told {
				a.low[a.number(openAt(x, m))] = 0
			}
			s := Scope{x.Scope.Bodies, month(2000, 1), m - 1}
			check(openAt(x, m), byHand(rows, s, "open"))
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// toldBefore is how many are open on a day inside tables, as they alone tell that were published before
// any that begins or ends on it. That somebody is, nothing that comes later can take back
// (SECURITY.md S-33); that they are fewer than 5 is not among it.
func toldBefore(tables []*Table, x *Table, m Month) int {
	first := slices.IndexFunc(tables, func(t *Table) bool {
		return slices.Equal(t.Scope.Bodies, x.Scope.Bodies) && (t.Scope.From == m || t.Scope.To+1 == m)
	})
	a, _ := lay(tables, first)
	return a.low[a.number(openAt(x, m))]
}

var cellsAndCache []string

// cellsAnd are all parts of all divisions, those that are never shown too.
func cellsAnd() []string {
	if cellsAndCache == nil {
		for _, lists := range divisions() {
			for _, parts := range lists {
				cellsAndCache = append(cellsAndCache, parts...)
			}
		}
	}
	return slices.Clone(cellsAndCache)
}

// countIn counts a cell by hand in the months that pass.
func countIn(rows []Row, in func(Month) bool, id string) (n int) {
	not := false
	if len(id) > 4 && id[:4] == "not " {
		not, id = true, id[4:]
	}
	for _, r := range rows {
		months := map[Month]bool{r.Received: true}
		if r.Closed != 0 {
			months[r.Closed] = true
		}
		for _, x := range r.Recommendations {
			months[x.Issued] = true
		}
		for m := range months {
			if !in(m) {
				continue
			}
			s := Scope{r.Bodies, m, m}
			k := byHand([]Row{r}, s, id)
			if not {
				block := "received"
				if id[0] == 'c' {
					block = "closed"
				}
				k = byHand([]Row{r}, s, block) - k
			}
			n += k
		}
	}
	return n
}

// scopes of a service's life: what is published, one after the other.
var lives = map[string][]Scope{
	"one year":          {year(2026, "ombuds")},
	"two years":         {year(2025, "ombuds"), year(2026, "ombuds")},
	"three years":       {{[]string{"ombuds"}, month(2024, 1), month(2024, 12)}, year(2025, "ombuds"), year(2026, "ombuds")},
	"the same twice":    {year(2026, "ombuds"), year(2026, "ombuds")},
	"half, then year":   {{[]string{"ombuds"}, month(2026, 1), month(2026, 6)}, year(2026, "ombuds")},
	"year, then half":   {year(2026, "ombuds"), {[]string{"ombuds"}, month(2026, 7), month(2026, 12)}},
	"growing":           {{[]string{"ombuds"}, month(2026, 1), month(2026, 4)}, {[]string{"ombuds"}, month(2026, 1), month(2026, 8)}, year(2026, "ombuds")},
	"sliding":           {year(2026, "ombuds"), {[]string{"ombuds"}, month(2025, 7), month(2026, 6)}, year(2025, "ombuds")},
	"one, then all":     {year(2026, "ombuds"), year(2026, "audit", "ngo", "ombuds")},
	"each, then all":    {year(2026, "ombuds"), year(2026, "ngo"), year(2026, "ngo", "ombuds")},
	"all, then another": {year(2026, "ngo", "ombuds"), year(2026, "ngo")},
}

func publish(t interface{ Fatal(...any) }, rows []Row, scopes []Scope) (tables []*Table) {
	for _, s := range scopes {
		x, err := Make(rows, testOrigin, s, day(2027, 2, 10), tables)
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, x)
	}
	return tables
}

// randomRows are rows as a service of this size could have: some ids are common, most are rare.
func randomRows(r *rand.Rand, n int) []Row {
	rows := make([]Row, n)
	pick := func(list []form.Option) string {
		all := append(ids(list), "")
		return all[min(r.IntN(len(all)), r.IntN(len(all)), r.IntN(len(all)))]
	}
	often := r.IntN(5) + 2
	bit := func() bool { return r.IntN(often) == 0 }
	from, to := month(2025, 1), month(2026, 12)
	for i := range rows {
		x := Row{
			Marks: []Mark{{byte(i), byte(i >> 8), 1}}, Received: from + Month(r.IntN(int(to-from)+1)), Institution: pick(institutions), Unit: pick(units),
			Rank: pick(ranks), Reporter: pick(reporters()), Scope: pick(scopes), Referred: bit(), Action: bit(),
		}
		for x.Bodies == nil {
			for _, b := range []string{"audit", "ngo", "ombuds"} {
				if r.IntN(2) == 0 {
					x.Bodies = append(x.Bodies, b)
				}
			}
		}
		for k, id := range ids(topics()) {
			if r.IntN(k+2) == 0 {
				x.Topics = append(x.Topics, id)
			}
		}
		if r.IntN(3) > 0 {
			x.Closed = x.Received + Month(r.IntN(10))
			x.ToClose, x.Outcome = DaysOf(r.IntN(300)), pick(outcomes)
			if x.Outcome == "" || x.Closed > to {
				x.Closed, x.ToClose, x.Outcome = 0, Days{}, ""
			}
		}
		for range r.IntN(3) {
			x.Recommendations = append(x.Recommendations, Recommendation{x.Bodies[0], aims[r.IntN(len(aims))].ID, from + Month(r.IntN(24)), fates[r.IntN(len(fates))].ID})
		}
		slices.SortFunc(x.Recommendations, Recommendation.compare)
		rows[i] = x
	}
	return rows
}

// Whoever has all tables that were ever published, and subtracts, knows of no count under 5 that it
// is not 0, nor that it is under 5.
func TestNobodyCanSubtract(t *testing.T) {
	r := seedtest.Set(t)
	for _, name := range slices.Sorted(maps.Keys(lives)) {
		scopes := lives[name]
		t.Run(name, func(t *testing.T) {
			given, all := 0, 0
			for range 3 {
				n := r.IntN(300)
				rows := randomRows(r, n)
				tables := publish(t, rows, scopes)
				if known := attack(tables, rows); len(known) > 0 {
					t.Fatalf("of %d cases an attacker knows: %q", n, known)
				}
				last := tables[len(tables)-1]
				for _, c := range last.Counts {
					if c.N >= 0 {
						given++
					}
					if n := byHand(rows, last.Scope, c.ID); n >= Least {
						all++
					}
				}
			}
			t.Logf("of counts from 5, %d of %d are shown", given, all)
		})
	}
}

// A half that ends with the year does not tell with what is open then that the year closed somebody:
// of 9 received 8 are open, so 1 is closed, though each half alone could have closed nobody.
func TestEndTellsNoEarlierTable(t *testing.T) {
	rows := make([]Row, 9)
	for i := range rows {
		rows[i] = Row{
			Marks: []Mark{{byte(i), 0, 1}}, Bodies: []string{"ombuds"}, Received: month(2026, 1+i), Institution: institutions[i%3].ID,
			Unit: units[i%3].ID, Rank: ranks[i%3].ID, Reporter: reporters()[i%3].ID, Scope: scopes[0].ID,
		}
	}
	rows[8].Closed, rows[8].ToClose, rows[8].Outcome = month(2026, 11), DaysOf(40), outcomes[0].ID
	tables := publish(t, rows, lives["year, then half"])
	if tables[0].shown()["received"] != 9 {
		t.Fatal("the year does not show what the half could be held against")
	}
	if known := attack(tables, rows); len(known) > 0 {
		t.Errorf("an attacker knows: %q", known)
	}
}

// Cases change after a table was published. Made once more, it does not tell what changed for fewer
// than 5, neither in a count that both show nor through what adds up.
func TestMadeAgain(t *testing.T) {
	r := seedtest.Set(t)
	for range 12 {
		rows := randomRows(r, 60+r.IntN(200))
		scope := year(2026, "ombuds")
		before := publish(t, rows, []Scope{scope})
		late := slices.Clone(rows)
		for range r.IntN(8) { // a case is coded otherwise, closed, or comes in late
			i := r.IntN(len(late))
			x := randomRows(r, 1)[0]
			x.Marks, x.Bodies = late[i].Marks, late[i].Bodies
			late[i] = x
		}
		for i := range r.IntN(4) {
			x := randomRows(r, 1)[0]
			x.Marks[0][2] = byte(100 + i)
			late = append(late, x)
		}
		again, err := Make(late, testOrigin, scope, day(2027, 2, 10), before)
		if err != nil {
			t.Fatal(err)
		}
		shown := before[0].shown()
		for id, n := range again.shown() {
			if m, both := shown[id]; both && n != m && n-m < Least && m-n < Least {
				t.Errorf("%s was %d and is %d", id, m, n)
			}
		}
		if known := attack([]*Table{again}, late); len(known) > 0 {
			t.Errorf("an attacker knows: %q", known)
		}
		// What a table still shows adds up with what the first showed to no small change.
		a := &attacker{names: map[string]int{}}
		for block, lists := range divisions() {
			for _, parts := range lists {
				a.adds(block, parts...)
			}
		}
		for id, n := range again.shown() {
			if id != openID {
				a.is(id, n)
			}
		}
		a.narrow()
		for id, m := range shown {
			n := byHand(late, scope, id)
			if i, ok := a.names[id]; ok && n != m && n-m < Least && m-n < Least && (a.low[i] > m || a.high[i] < m) {
				t.Errorf("%s was %d, and now lies in %d to %d (it is %d)", id, m, a.low[i], a.high[i], n)
			}
		}
	}
}

// Medians are of 5 or more, and of two tables never told for fewer than 5 others.
func TestDays(t *testing.T) {
	rows := fewRows(40)
	x := testTable(t)
	if got := x.Times; got[0] != (Time{"acknowledged", 3, 7}) || got[1] != (Time{"feedback", -1, -1}) || got[2] != (Time{"closed", 90, 180}) {
		t.Errorf("%+v", got)
	}
	short := Scope{[]string{"ombuds"}, month(2026, 1), month(2026, 11)} // three cases fewer
	if y, err := Make(rows, testOrigin, short, day(2027, 1, 10), []*Table{x}); err != nil || y.Times[0].Median != -1 {
		t.Errorf("beside a table of three more cases: %+v, %v", y.Times, err)
	}
	if y, err := Make(rows, testOrigin, short, day(2027, 1, 10), nil); err != nil || y.Times[0].Median != 3 {
		t.Errorf("alone: %+v, %v", y.Times, err)
	}
}

// Sums of money are of 5 cases or more, none of which made most of it.
func TestMoney(t *testing.T) {
	rows := fewRows(40)
	if got := testTable(t).Money; !slices.Equal(got, []Money{{"EUR", 14000, 0}}) {
		t.Errorf("%+v", got)
	}
	rows[0].Money = []Money{{"EUR", 1_000_000, 0}, {"USD", 5, 5}}
	x, err := Make(rows, testOrigin, year(2026, "ombuds"), day(2027, 1, 10), nil)
	if err != nil || len(x.Money) != 0 {
		t.Errorf("one case made it all: %+v, %v", x.Money, err)
	}
	rows[0].Money = []Money{{"EUR", 2000, 0}}
	if x, err := Make(rows, testOrigin, year(2026, "ombuds"), day(2027, 1, 10), []*Table{testTable(t)}); err != nil || len(x.Money) != 0 {
		t.Errorf("one case told by a second table: %+v, %v", x.Money, err)
	}
}

func TestMakeRefuses(t *testing.T) {
	rows := fewRows(3)
	for name, c := range map[string]struct {
		rows   []Row
		scope  Scope
		before []*Table
		want   error
	}{
		"turned round":     {rows, Scope{[]string{"ombuds"}, month(2026, 5), month(2026, 4)}, nil, ErrPeriod},
		"not over":         {rows, Scope{[]string{"ombuds"}, month(2026, 1), month(2027, 1)}, nil, ErrPeriod},
		"no bodies":        {rows, Scope{nil, month(2026, 1), month(2026, 4)}, nil, ErrTable},
		"a case twice":     {append(rows, rows[0]), year(2026, "ombuds"), nil, ErrRow},
		"another service":  {rows, year(2026, "ombuds"), []*Table{{Origin: "postern directory other"}}, ErrTable},
		"a row of nothing": {[]Row{{}}, year(2026, "ombuds"), nil, ErrRow},
	} {
		if _, err := Make(c.rows, testOrigin, c.scope, day(2027, 1, 10), c.before); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
