package pages

import (
	"path/filepath"
	"strconv"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
	"postern/reviewer/window"
	"postern/store/durable"
)

// dueView is the list of what is due.
type dueView struct {
	Dues  []dueLine
	Mine  bool // only of cases that are assigned to this holder
	Total int
	listPages
	Choice folderChoice
}

func (p *Pages) dueRoutes() []route {
	return []route{
		{window.Get, "/due", p.dueList},
		{window.Post, "/due", p.whoseDue},
		{window.Post, "/calendar", p.calendar},
	}
}

// pressing is how much is overdue or due today.
func (p *Pages) pressing() (n int) {
	s, today := p.desk.Settings(), p.desk.Clock().Today()
	count := func(d *casework.Due) {
		if d.When(today, &s) <= casework.Today {
			n++
		}
	}
	for i := range p.all() {
		for j := range p.cases[i].Dues {
			count(&p.cases[i].Dues[j])
		}
	}
	if d, ok := s.Procedure(); ok {
		count(&d)
	}
	return n
}

// dueList is what cases want, the earliest first.
func (p *Pages) dueList(a *ask) window.Reply {
	s, today := p.desk.Settings(), p.desk.Clock().Today()
	cases := make(map[crypto.CaseID]*reviewer.Case)
	for i := range p.all() {
		cases[p.cases[i].ID] = &p.cases[i]
	}
	var list []casework.Due
	for _, d := range p.desk.Dues() {
		if c := cases[d.Case]; !p.list.mineDue || c != nil && c.Work.Assignee == p.desk.Holder() {
			list = append(list, d)
		}
	}
	v := dueView{Mine: p.list.mineDue, Total: len(list), listPages: pagesOf(len(list), perPage, a), Choice: folderChoice{"where", p.folders()}}
	for i := v.from(); i < v.until(len(list)); i++ {
		l := p.due(&list[i], &s, today)
		if c := cases[list[i].Case]; c != nil && list[i].Clock != casework.ClockProcedure {
			l.Path, l.Name = casePath(c, ""), c.Short
			if c.Work.Title != "" {
				l.Name = p.words.Word("due.about", c.Short, plain.SafeLine(c.Work.Title))
			}
			if c.Work.Assignee != "" {
				l.Who = p.holder(c.Work.Assignee)
			}
		}
		v.Dues = append(v.Dues, l)
	}
	return p.page("due", "due", p.words.Word("title.due"), v)
}

// whoseDue chooses between all cases and one's own.
func (p *Pages) whoseDue(a *ask) window.Reply {
	p.list.mineDue = a.field("whose", maxID) == showMine
	return to("/due")
}

// calendar writes a calendar file that says on which days to look at the desk, and not why.
func (p *Pages) calendar(a *ask) window.Reply {
	dir, err := p.named(a)
	path := filepath.Join(dir, "desk-"+p.desk.Clock().Today().String()+".ics")
	if err == nil {
		err = durable.CreateFile(path, p.desk.Calendar(p.words.Word("due.look")))
	}
	if err != nil {
		p.refuse(err)
		return to("/due")
	}
	p.say("due.written", plain.SafeLine(path))
	return to("/due")
}

// listPages says which part of a long list a page shows.
type listPages struct{ Page, Pages, size int }

// pagesOf finds the page of so many rows that a request asks for.
func pagesOf(rows, size int, a *ask) listPages {
	v := listPages{Pages: max(1, (rows+size-1)/size), size: size}
	v.Page, _ = strconv.Atoi(a.Query.Get("page")) // what is no number is the first page
	v.Page = min(max(v.Page, 1), v.Pages)
	return v
}

func (v listPages) from() int { return (v.Page - 1) * v.size }

func (v listPages) until(rows int) int { return min(rows, v.Page*v.size) }

// Before and After are the pages beside this one; 0: none.
func (v listPages) Before() int { return v.Page - 1 }

// After is the page behind this one.
func (v listPages) After() int {
	if v.Page == v.Pages {
		return 0
	}
	return v.Page + 1
}
