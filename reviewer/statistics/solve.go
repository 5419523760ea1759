package statistics

import "math"

// A problem asks for whole numbers, none below zero, that satisfy equations.
type problem struct {
	vars      int
	equations []equation
}

// An equation says that some variables, each added or taken away, make a sum.
type equation struct {
	terms []term
	sum   int
}

type term struct {
	v    int
	less bool // taken away
}

func (t term) sign() int {
	if t.less {
		return -1
	}
	return 1
}

// holds says whether a solution satisfies the equation.
func (e *equation) holds(x []int) bool {
	sum := 0
	for _, t := range e.terms {
		sum += t.sign() * x[t.v]
	}
	return sum == e.sum
}

// answer is what was found out about a problem.
type answer int

const (
	unsure answer = iota // no solution in whole numbers was found
	no                   // there is none
	yes
)

// solve gives one solution. It finds it in floating point, and says yes only when its whole
// numbers satisfy every equation exactly. So yes is certain, and to take unsure for no
// makes a table leave out more than it had to, never less.
func (p *problem) solve() ([]int, answer) {
	x, open, ok := p.settle()
	if !ok {
		return nil, no
	}
	if len(open) > 0 {
		values, found := p.simplex(x, open)
		if found != yes {
			return nil, found
		}
		for i, v := range open {
			r := math.Round(values[i])
			if r < 0 || math.Abs(values[i]-r) > 1e-6 {
				return nil, unsure
			}
			x[v] = int(r)
		}
	}
	for i := range p.equations {
		if !p.equations[i].holds(x) {
			return nil, unsure
		}
	}
	return x, yes
}

// settle works out what follows for single variables, and gives those that are still open;
// they are -1 in x. It says no when some equation cannot hold.
func (p *problem) settle() (x, open []int, ok bool) {
	x = make([]int, p.vars)
	for i := range x {
		x[i] = -1
	}
	for changed := true; changed; {
		changed = false
		for i := range p.equations {
			e := &p.equations[i]
			rest, left, last := e.sum, 0, term{}
			for _, t := range e.terms {
				if x[t.v] < 0 {
					left, last = left+1, t
				} else {
					rest -= t.sign() * x[t.v]
				}
			}
			switch {
			case left == 0 && rest != 0:
				return nil, nil, false
			case left == 1:
				if x[last.v] = rest * last.sign(); x[last.v] < 0 {
					return nil, nil, false
				}
				changed = true
			}
		}
	}
	for v := range x {
		if x[v] < 0 {
			open = append(open, v)
		}
	}
	return x, open, true
}

// simplex is the first phase of the simplex method over the open variables: from nothing,
// by steps that lower what the equations still miss, to a corner where they miss nothing.
func (p *problem) simplex(x, open []int) ([]float64, answer) {
	const tiny = 1e-9
	column := make(map[int]int, len(open))
	for i, v := range open {
		column[v] = i
	}
	n := len(open)
	var rows [][]float64 // coefficients, and last the sum
	for i := range p.equations {
		e := &p.equations[i]
		row := make([]float64, n+1)
		row[n] = float64(e.sum)
		used := false
		for _, t := range e.terms {
			if x[t.v] >= 0 {
				row[n] -= float64(t.sign() * x[t.v])
				continue
			}
			used = true
			row[column[t.v]] += float64(t.sign())
		}
		if !used {
			continue
		}
		if row[n] < 0 {
			for j := range row {
				row[j] = -row[j]
			}
		}
		rows = append(rows, row)
	}
	missing := make([]float64, n+1) // what all rows together miss
	for _, row := range rows {
		for j, c := range row {
			missing[j] += c
		}
	}
	basis := make([]int, len(rows))
	for i := range basis {
		basis[i] = -1 // nothing yet
	}
	for step := 0; missing[n] > tiny; step++ {
		if step > 50*(n+len(rows)) {
			return nil, unsure
		}
		enter := -1
		for j := range n {
			if missing[j] > tiny && (enter < 0 || step < 10*(n+len(rows)) && missing[j] > missing[enter]) {
				enter = j // the steepest; later the first, which cannot go in circles
			}
		}
		if enter < 0 {
			if missing[n] < 1e-6 {
				break
			}
			return nil, no
		}
		leave, least := -1, 0.0
		for i, row := range rows {
			if row[enter] <= tiny {
				continue
			}
			if ratio := row[n] / row[enter]; leave < 0 || ratio < least-tiny || ratio < least+tiny && basis[i] < basis[leave] {
				leave, least = i, ratio
			}
		}
		if leave < 0 {
			return nil, unsure
		}
		pivot(rows, missing, leave, enter)
		basis[leave] = enter
	}
	values := make([]float64, n)
	for i, v := range basis {
		if v >= 0 {
			values[v] = rows[i][n]
		}
	}
	return values, yes
}

func pivot(rows [][]float64, missing []float64, leave, enter int) {
	r := rows[leave]
	scale := 1 / r[enter]
	for j := range r {
		r[j] *= scale
	}
	drop := func(row []float64) {
		if f := row[enter]; f != 0 {
			for j, c := range r {
				if c != 0 {
					row[j] -= f * c
				}
			}
			row[enter] = 0
		}
	}
	for i, row := range rows {
		if i != leave {
			drop(row)
		}
	}
	drop(missing)
}
