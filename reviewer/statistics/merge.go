package statistics

import (
	"cmp"
	"slices"

	"postern/intake/form"
)

// Merge joins the rows of several desks and bodies: rows that share a mark, also through
// a third, are one case. Nothing depends on their order, and merging again changes nothing.
//
// Where they differ: the earliest month of receipt; all topics; what is known before what
// is not, and then what stands first in the vocabulary; the first acknowledgement and the
// first feedback of any; open as long as one of them has it open, else the last closing and
// the outcome that goes furthest; recommendations of all, each with its latest fate; of
// money the larger sum.
func Merge(rows []Row) []Row {
	// Each row's group, by a mark of it.
	parent := make(map[Mark]Mark)
	root := func(m Mark) Mark {
		for parent[m] != m {
			parent[m] = parent[parent[m]]
			m = parent[m]
		}
		return m
	}
	for i := range rows {
		for _, m := range rows[i].Marks {
			if _, ok := parent[m]; !ok {
				parent[m] = m
			}
			parent[root(m)] = root(rows[i].Marks[0])
		}
	}
	at := make(map[Mark]int) // in out
	var out []Row
	for i := range rows {
		r := root(rows[i].Marks[0])
		if j, ok := at[r]; ok {
			out[j] = join(&out[j], &rows[i])
			continue
		}
		at[r] = len(out)
		out = append(out, join(&rows[i], &rows[i]))
	}
	slices.SortFunc(out, func(a, b Row) int { return slices.CompareFunc(a.Marks, b.Marks, compareMarks) })
	return out
}

// join is what two rows of one case say together. It is associative, commutative, and a
// row joined with itself is that row.
func join(a, b *Row) Row {
	r := Row{
		Marks:       union(a.Marks, b.Marks, compareMarks, maxMarks),
		Bodies:      union(a.Bodies, b.Bodies, cmp.Compare[string], maxBodies),
		Received:    min(a.Received, b.Received),
		Institution: first(institutions, a.Institution, b.Institution),
		Unit:        first(units, a.Unit, b.Unit),
		Rank:        first(ranks, a.Rank, b.Rank),
		Topics:      union(a.Topics, b.Topics, byPlace(topics()), len(topics())),
		Reporter:    first(reporters(), a.Reporter, b.Reporter),
		Scope:       first(scopes, a.Scope, b.Scope),
		Referred:    a.Referred || b.Referred,

		Acknowledged: earlier(a.Acknowledged, b.Acknowledged),
		Feedback:     earlier(a.Feedback, b.Feedback),
		Action:       a.Action || b.Action,

		Recommendations: recommended(a.Recommendations, b.Recommendations),
		Money:           money(a.Money, b.Money),
	}
	if a.Closed != 0 && b.Closed != 0 {
		r.Closed = max(a.Closed, b.Closed)
		r.ToClose = DaysOf(max(a.ToClose.n, b.ToClose.n))
		r.Outcome = first(outcomes, a.Outcome, b.Outcome)
	}
	return r
}

// union of two ascending lists, the lowest of it when it is too long.
func union[T any](a, b []T, compare func(a, b T) int, most int) []T {
	u := slices.Concat(a, b)
	slices.SortFunc(u, compare)
	u = slices.CompactFunc(u, func(x, y T) bool { return compare(x, y) == 0 })
	return u[:min(len(u), most)]
}

// first is the id that stands first in a vocabulary, and any before none.
func first(list []form.Option, a, b string) string {
	switch {
	case a == "":
		return b
	case b == "" || place(list, a) <= place(list, b):
		return a
	}
	return b
}

// earlier is the smaller number of days, and any before none.
func earlier(a, b Days) Days {
	if !a.set || b.set && b.n < a.n {
		return b
	}
	return a
}

// recommended are the recommendations of both: of those of one body, aim and month as
// many as the longer list has, each with the latest fate.
func recommended(a, b []Recommendation) []Recommendation {
	type key struct {
		body, aim string
		issued    Month
	}
	count := func(list []Recommendation) map[key][]string { // fates, the latest first: compare sorts them so
		m := make(map[key][]string)
		for _, x := range list {
			k := key{x.Body, x.Aim, x.Issued}
			m[k] = append(m[k], x.Fate)
		}
		return m
	}
	x, y := count(a), count(b)
	for k, theirs := range y {
		mine := x[k]
		for i, f := range theirs {
			switch {
			case i >= len(mine):
				mine = append(mine, f)
			case place(fates, f) > place(fates, mine[i]):
				mine[i] = f
			}
		}
		x[k] = mine
	}
	var out []Recommendation
	for k, list := range x {
		for _, f := range list {
			out = append(out, Recommendation{k.body, k.aim, k.issued, f})
		}
	}
	slices.SortFunc(out, Recommendation.compare)
	return out[:min(len(out), maxRecommendations)]
}

func money(a, b []Money) []Money {
	u := slices.Concat(a, b)
	slices.SortFunc(u, func(x, y Money) int { return cmp.Compare(x.Currency, y.Currency) })
	var out []Money
	for _, m := range u {
		if n := len(out); n > 0 && out[n-1].Currency == m.Currency {
			out[n-1].Lost, out[n-1].Recovered = max(out[n-1].Lost, m.Lost), max(out[n-1].Recovered, m.Recovered)
			continue
		}
		out = append(out, m)
	}
	return out[:min(len(out), maxMoney)]
}
