package statistics

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/crypto"
)

// Bounds of tables.
const (
	// MaxTable bounds a table, signed or not, in bytes.
	MaxTable = 1 << 20
	// MaxBefore bounds how many earlier tables one is compared with.
	MaxBefore = 24
	maxMonths = 120
	// ninthLeast is of how many the 90th percentile is not the largest.
	ninthLeast = 10
)

// Errors, for errors.Is.
var (
	ErrTable  = errors.New("not a table of statistics")
	ErrPeriod = errors.New("not a period")
)

// Table is what is published of a period. A count that is not shown has no number.
type Table struct {
	Origin string // of the directory: which service it is about
	Scope  Scope
	Made   crypto.Day
	Counts []Count // every cell, in one order
	Times  []Time  // acknowledged, feedback, closed
	Money  []Money // of closed cases, by currency; 0 is not shown
}

// Count is one cell.
type Count struct {
	ID string
	N  int // -1: not shown
}

// Time is how many days something took in half of the cases, and in nine of ten; -1 is not shown.
type Time struct {
	ID            string
	Median, Ninth int
}

// Get gives a count, and whether it is shown.
func (t *Table) Get(id string) (int, bool) {
	for _, c := range t.Counts {
		if c.ID == id {
			return c.N, c.N >= 0
		}
	}
	return 0, false
}

// shown are the counts that are shown.
func (t *Table) shown() map[string]int {
	m := make(map[string]int)
	for _, c := range t.Counts {
		if c.N >= 0 {
			m[c.ID] = c.N
		}
	}
	return m
}

// Withheld is how many counts are not shown.
func (t *Table) Withheld() int { return len(t.Counts) - len(t.shown()) }

// Make counts the rows of a scope, whose last month must be over on the day on which the table is
// made. before are all tables that were published earlier and can be laid beside it: of the same
// service and an overlapping or adjoining period, of these bodies or of some of them.
// Rows of one case must have been merged ([Merge]). [ErrPeriod], [ErrRow], [ErrTable].
func Make(rows []Row, origin string, scope Scope, made crypto.Day, before []*Table) (*Table, error) {
	if err := scope.check(); err != nil {
		return nil, fmt.Errorf("making a table: %w", err)
	}
	if scope.To >= Month(crypto.MonthOf(made.Time())) {
		return nil, fmt.Errorf("making a table: %w: %v is not over: end with an earlier month", ErrPeriod, scope.To)
	}
	if len(before) > MaxBefore {
		return nil, fmt.Errorf("making a table: more than %d earlier tables: name those of the last years", MaxBefore)
	}
	marks := make(map[Mark]bool)
	for i := range rows {
		if err := rows[i].Check(); err != nil {
			return nil, fmt.Errorf("making a table: %w", err)
		}
		for _, m := range rows[i].Marks {
			if marks[m] {
				return nil, fmt.Errorf("making a table: %w: a case is there twice: merge the rows first", ErrRow)
			}
			marks[m] = true
		}
	}
	for _, b := range before {
		if b.Origin != origin {
			return nil, fmt.Errorf("making a table: %w: an earlier table is of another service (%q, and this is %q): leave it out", ErrTable, b.Origin, origin)
		}
	}
	n, shown := count(rows, scope), withhold(rows, scope, before)
	t := &Table{Origin: origin, Scope: scope, Made: made}
	for _, id := range cells() {
		c := Count{id, -1}
		if shown[id] {
			c.N = n[id]
		}
		t.Counts = append(t.Counts, c)
	}
	t.Times, t.Money = times(rows, scope, shown, before), sums(rows, scope, shown, before)
	return t, nil
}

func (s *Scope) check() error {
	switch {
	case !s.From.plausible() || !s.To.plausible() || s.To < s.From || s.To-s.From >= maxMonths:
		return fmt.Errorf("%w: from %v to %v: give a first and a last month, at most %d", ErrPeriod, s.From, s.To, maxMonths)
	case len(s.Bodies) == 0 || len(s.Bodies) > maxBodies || !ascending(s.Bodies, cmp.Compare[string]) || slices.ContainsFunc(s.Bodies, func(b string) bool { return !crypto.ValidID(b) }):
		return fmt.Errorf("%w: bodies", ErrTable)
	}
	return nil
}

// measure is what days are counted until: id, in which month a row counts, and the days.
type measure struct {
	id    string
	cell  string // that must be shown
	month func(r *Row) Month
	days  func(r *Row) Days
}

var measures = []measure{
	{"acknowledged", "received", func(r *Row) Month { return r.Received }, func(r *Row) Days { return r.Acknowledged }},
	{"feedback", "received", func(r *Row) Month { return r.Received }, func(r *Row) Days { return r.Feedback }},
	{"closed", "closed", func(r *Row) Month { return r.Closed }, func(r *Row) Days { return r.ToClose }},
}

// times are given of 5 cases or more, the 90th percentile of 10 or more, where it is not the
// longest of all. Beside an earlier table they are not given where the cases that only
// one of the two counts are fewer than 5.
func times(rows []Row, s Scope, shown map[string]bool, before []*Table) (list []Time) {
	for i, m := range measures {
		t := Time{m.id, -1, -1}
		in := func(s *Scope, r *Row) bool { _, ok := m.days(r).Count(); return ok && s.holds(r, m.month(r)) }
		var days []int
		for j := range rows {
			if r := &rows[j]; in(&s, r) {
				d, _ := m.days(r).Count()
				days = append(days, d)
			}
		}
		given := func(b *Table) bool { return i < len(b.Times) && b.Times[i].Median >= 0 }
		if len(days) >= Least && shown[m.cell] && apart(rows, s, before, in, given) {
			slices.Sort(days)
			t.Median = days[(len(days)-1)/2]
			if len(days) >= ninthLeast {
				t.Ninth = days[(9*len(days)+9)/10-1] // nearest rank
			}
		}
		list = append(list, t)
	}
	return list
}

// apart says whether each earlier table that gave a figure counts for it the same cases, or 5 others or more.
func apart(rows []Row, s Scope, before []*Table, in func(*Scope, *Row) bool, given func(*Table) bool) bool {
	for _, b := range before {
		if !given(b) {
			continue
		}
		both, mine, theirs := 0, 0, 0
		for i := range rows {
			switch x, y := in(&s, &rows[i]), in(&b.Scope, &rows[i]); {
			case x && y:
				both++
			case x:
				mine++
			case y:
				theirs++
			}
		}
		if both > 0 && (0 < mine && mine < Least || 0 < theirs && theirs < Least) {
			return false
		}
	}
	return true
}

// sums of money are given where 5 cases or more made them and none made more than half; and
// never anew where an earlier table of the same scope gave another.
func sums(rows []Row, s Scope, shown map[string]bool, before []*Table) (list []Money) {
	if !shown[blockIDs[closed]] {
		return nil
	}
	currencies := make(map[string]bool)
	for i := range rows {
		for _, m := range rows[i].Money {
			currencies[m.Currency] = true
		}
	}
	for c := range currencies {
		sum := func(amount func(Money) uint64) uint64 {
			of := func(r *Row) (n uint64) {
				for _, m := range r.Money {
					if m.Currency == c {
						n = amount(m)
					}
				}
				return n
			}
			in := func(s *Scope, r *Row) bool { return r.Closed != 0 && of(r) > 0 && s.holds(r, r.Closed) }
			cases, all, largest := 0, uint64(0), uint64(0)
			for i := range rows {
				if r := &rows[i]; in(&s, r) {
					cases, all, largest = cases+1, all+of(r), max(largest, of(r))
				}
			}
			earlier := func(b *Table) uint64 {
				for _, m := range b.Money {
					if m.Currency == c {
						return amount(m)
					}
				}
				return 0
			}
			if cases < Least || 2*largest > all || all > maxAmount || !apart(rows, s, before, in, func(b *Table) bool { return earlier(b) > 0 }) {
				return 0
			}
			all = Coarse(all)
			for _, b := range before {
				if n := earlier(b); b.Scope.same(&s) && n != all {
					return 0
				}
			}
			return all
		}
		m := Money{c, sum(func(m Money) uint64 { return m.Lost }), sum(func(m Money) uint64 { return m.Recovered })}
		if m.Lost > 0 || m.Recovered > 0 {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b Money) int { return cmp.Compare(a.Currency, b.Currency) })
	return list
}

// tableFile is a table as JSON. What is not shown is null.
type tableFile struct {
	Version int         `json:"version"`
	Origin  string      `json:"origin"`
	Bodies  []string    `json:"bodies"`
	From    Month       `json:"from"`
	To      Month       `json:"to"`
	Made    string      `json:"made"`
	Least   int         `json:"least"` // counts below are not shown
	Counts  []countFile `json:"counts"`
	Days    []timeFile  `json:"days"`
	Money   []Money     `json:"money"`
}

type countFile struct {
	ID    string `json:"id"`
	Count *int   `json:"count"`
}

type timeFile struct {
	Until  string `json:"until"`
	Median *int   `json:"median"`
	Ninth  *int   `json:"ninth_of_ten"`
}

const tableVersion = 1

func shownNumber(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

func numberShown(p *int) int {
	if p == nil {
		return -1
	}
	return *p
}

// Encode writes the table as JSON, a line for each count.
func (t *Table) Encode() ([]byte, error) {
	f := tableFile{
		Version: tableVersion, Origin: t.Origin, Bodies: t.Scope.Bodies, From: t.Scope.From, To: t.Scope.To,
		Made: t.Made.String(), Least: Least, Counts: []countFile{}, Days: []timeFile{}, Money: []Money{},
	}
	for _, c := range t.Counts {
		f.Counts = append(f.Counts, countFile{c.ID, shownNumber(c.N)})
	}
	for _, d := range t.Times {
		f.Days = append(f.Days, timeFile{d.ID, shownNumber(d.Median), shownNumber(d.Ninth)})
	}
	f.Money = append(f.Money, t.Money...)
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("writing a table: %w", err)
	}
	b, err := json.MarshalIndent(&f, "", " ")
	if err != nil {
		return nil, fmt.Errorf("writing a table: %w", err)
	}
	return append(b, '\n'), nil
}

// DecodeTable reads what Encode wrote, byte for byte, and refuses everything else. [ErrTable].
func DecodeTable(text []byte) (*Table, error) {
	t, err := decodeTable(text)
	if err != nil {
		return nil, fmt.Errorf("reading a table: %w", err)
	}
	return t, nil
}

func decodeTable(text []byte) (*Table, error) {
	var f tableFile
	if len(text) > MaxTable {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrTable, MaxTable)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, ErrTable
	}
	if f.Version != tableVersion || f.Least != Least {
		return nil, fmt.Errorf("%w: version %d with counts from %d, and this desk reads version %d from %d: use the desk that made it", ErrTable, f.Version, f.Least, tableVersion, Least)
	}
	made, err := time.Parse(time.DateOnly, f.Made)
	if err != nil || made.Year() < 2000 {
		return nil, fmt.Errorf("%w: day", ErrTable)
	}
	t := &Table{Origin: f.Origin, Scope: Scope{f.Bodies, f.From, f.To}, Made: crypto.DayOf(made), Money: slices.Clip(f.Money)}
	for _, c := range f.Counts {
		t.Counts = append(t.Counts, Count{c.ID, numberShown(c.Count)})
	}
	for _, d := range f.Days {
		t.Times = append(t.Times, Time{d.Until, numberShown(d.Median), numberShown(d.Ninth)})
	}
	if len(t.Money) == 0 {
		t.Money = nil
	}
	again, err := t.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, text) {
		return nil, fmt.Errorf("%w: not written as a desk does", ErrTable)
	}
	return t, nil
}

// check holds the form of a table. A vocabulary that has grown since leaves cells out, never
// strange ones in.
func (t *Table) check() error {
	if err := t.Scope.check(); err != nil {
		return err
	}
	fail := func(what string) error { return fmt.Errorf("%w: %s", ErrTable, what) }
	if len(t.Origin) > 200 || t.Origin == "" {
		return fail("origin")
	}
	next, all := 0, cells()
	for _, c := range t.Counts {
		i := slices.Index(all[next:], c.ID)
		if i < 0 || c.N < -1 || 0 <= c.N && c.N < Least || c.N > MaxRows*maxRecommendations {
			return fail("counts")
		}
		next += i + 1
	}
	if len(t.Times) != len(measures) {
		return fail("days")
	}
	for i, d := range t.Times {
		if d.ID != measures[i].id || d.Median < -1 || d.Ninth < -1 || d.Median > maxDays || d.Ninth > maxDays || d.Ninth >= 0 && d.Ninth < d.Median {
			return fail("days")
		}
	}
	for _, m := range t.Money {
		if !ValidCurrency(m.Currency) || m.Lost > maxAmount || m.Recovered > maxAmount || m.Lost != Coarse(m.Lost) || m.Recovered != Coarse(m.Recovered) {
			return fail("money")
		}
	}
	if !ascending(t.Money, func(a, b Money) int { return cmp.Compare(a.Currency, b.Currency) }) {
		return fail("money")
	}
	return nil
}
