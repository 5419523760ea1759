package statistics

import (
	"slices"

	"postern/intake/form"
)

// A block is what a table counts one of: cases received, cases closed, recommendations.
type block int

const (
	received block = iota
	closed
	recommendations
	blocks // how many there are
)

// blockIDs are the ids of the blocks' totals.
var blockIDs = [blocks]string{"received", "closed", "recommended"}

// openID is the cell of cases that are open at the period's end. It is no block: it
// follows from those open at its beginning, received and closed in it.
const openID = "open"

// unknown is the part of a group for what is not known.
const unknown = "unknown"

// A group divides the things of a block into parts: each thing is in exactly one. What
// several topics can be said of is a group for each, of those it is said of and the
// others, who are counted for what could be subtracted and never shown.
type group struct {
	block block
	id    string   // of what it divides by
	parts []string // ids of cells; "" is never shown
}

// groups are all of them in the order of the table.
var groups = makeGroups()

func makeGroups() []group {
	divide := func(b block, id string, list []form.Option, rest string) group {
		g := group{block: b, id: id}
		for _, o := range list {
			g.parts = append(g.parts, blockIDs[b]+"/"+id+"/"+o.ID)
		}
		if rest != "" {
			g.parts = append(g.parts, blockIDs[b]+"/"+id+"/"+rest)
		}
		return g
	}
	yes := func(b block, id string) group {
		return group{b, id, []string{blockIDs[b] + "/" + id, ""}}
	}
	list := []group{
		divide(received, "institution", institutions, unknown),
		divide(received, "unit", units, unknown),
		divide(received, "rank", ranks, unknown),
		divide(received, "reporter", reporters(), unknown),
	}
	for _, t := range topics() {
		list = append(list, yes(received, "topic/"+t.ID))
	}
	return append(list,
		divide(received, "scope", scopes, "undecided"),
		yes(received, "referred"),
		divide(closed, "outcome", outcomes, ""),
		yes(closed, "action"),
		divide(recommendations, "aim", aims, ""),
		divide(recommendations, "fate", fates, ""),
	)
}

// A thing is counted once in its block's total and once in each of its block's groups.
type thing struct {
	block block
	month Month
	row   *Row
	parts []int // by index of groups; -1 for those of other blocks
}

// things of one row.
func (r *Row) things() (list []thing) {
	add := func(b block, m Month, part func(g group) string) {
		t := thing{block: b, month: m, row: r, parts: make([]int, len(groups))}
		for i, g := range groups {
			t.parts[i] = -1
			if g.block != b {
				continue
			}
			id := part(g)
			if id == "" && g.parts[len(g.parts)-1] == "" {
				t.parts[i] = len(g.parts) - 1
				continue
			}
			t.parts[i] = slices.Index(g.parts, blockIDs[b]+"/"+id)
		}
		list = append(list, t)
	}
	or := func(s, rest string) string {
		if s == "" {
			return rest
		}
		return s
	}
	said := func(yes bool, id string) string {
		if yes {
			return id
		}
		return ""
	}
	add(received, r.Received, func(g group) string {
		switch g.id {
		case "institution":
			return g.id + "/" + or(r.Institution, unknown)
		case "unit":
			return g.id + "/" + or(r.Unit, unknown)
		case "rank":
			return g.id + "/" + or(r.Rank, unknown)
		case "reporter":
			return g.id + "/" + or(r.Reporter, unknown)
		case "scope":
			return g.id + "/" + or(r.Scope, "undecided")
		case "referred":
			return said(r.Referred, g.id)
		}
		return said(slices.ContainsFunc(r.Topics, func(t string) bool { return g.id == "topic/"+t }), g.id)
	})
	if r.Closed != 0 {
		add(closed, r.Closed, func(g group) string {
			if g.id == "outcome" {
				return "outcome/" + r.Outcome
			}
			return said(r.Action, g.id)
		})
	}
	for _, x := range r.Recommendations {
		add(recommendations, x.Issued, func(g group) string {
			if g.id == "aim" {
				return "aim/" + x.Aim
			}
			return "fate/" + x.Fate
		})
	}
	return list
}

// Scope is what a table is about: cases that any of the bodies knows, in these months.
type Scope struct {
	Bodies   []string `json:"bodies"` // ascending
	From, To Month    // both in it
}

// knows says whether a row is of one of the bodies.
func (s *Scope) knows(r *Row) bool {
	return slices.ContainsFunc(r.Bodies, func(b string) bool { return slices.Contains(s.Bodies, b) })
}

// holds says whether something of a row in a month is counted.
func (s *Scope) holds(r *Row, m Month) bool { return s.From <= m && m <= s.To && s.knows(r) }

// openAt is how many cases were open before a month began.
func (s *Scope) openAt(rows []Row, m Month) (n int) {
	for i := range rows {
		r := &rows[i]
		if s.knows(r) && r.Received < m && (r.Closed == 0 || r.Closed >= m) {
			n++
		}
	}
	return n
}

// cells are the ids of all counts of a table, in its order.
func cells() (list []string) {
	for b := range blocks {
		list = append(list, blockIDs[b])
		if b == closed {
			list = append(list, openID)
		}
		for _, g := range groups {
			if g.block != b {
				continue
			}
			for _, p := range g.parts {
				if p != "" {
					list = append(list, p)
				}
			}
		}
	}
	return list
}

// count gives every cell of a scope, before anything is left out.
func count(rows []Row, s Scope) map[string]int {
	n := make(map[string]int)
	for i := range rows {
		for _, t := range rows[i].things() {
			if !s.holds(t.row, t.month) {
				continue
			}
			n[blockIDs[t.block]]++
			for g, part := range t.parts {
				if part >= 0 && groups[g].parts[part] != "" {
					n[groups[g].parts[part]]++
				}
			}
		}
	}
	n[openID] = s.openAt(rows, s.To+1)
	return n
}
