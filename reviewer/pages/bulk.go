package pages

import (
	"slices"

	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/window"
)

// bulk is what was chosen in the list to be done to several cases, as long as it was refused.
type bulk struct {
	Cases  []string // whole ids
	Label  string
	Holder string
}

// What can be done to several cases at once.
const (
	bulkLabel   = "label"
	bulkUnlabel = "unlabel"
	bulkAssign  = "assign"
	bulkRead    = "read"
)

func (p *Pages) bulkRoutes() []route {
	return []route{{window.Post, "/bulk", p.doBulk}}
}

// doBulk does one thing to all cases that were chosen, in one step: to all of them or to none.
func (p *Pages) doBulk(a *ask) window.Reply {
	b := bulk{a.Form["case"], a.field("label", maxLine), a.field("holder", maxID)}
	back := to("/")
	if page := number(a.field("page", maxID)); page > 1 {
		back = to(listPage(page))
	}
	err := p.doAll(a, &b)
	if err != nil {
		p.bulk = b
		p.refuse(err)
		return back
	}
	p.bulk = bulk{}
	p.say("bulk.done", len(b.Cases))
	return back
}

func (p *Pages) doAll(a *ask, b *bulk) error {
	var cases []*reviewer.Case
	for _, id := range b.Cases {
		c, err := p.desk.Case(id)
		if err != nil {
			return err
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		return errNoneChosen
	}
	switch do := a.field("do", maxID); do {
	case bulkLabel:
		return p.actAll(cases, casework.KindLabel, map[string]string{"name": p.labelOf(b.Label), "on": casework.Yes})
	case bulkUnlabel:
		return p.actAll(cases, casework.KindLabel, map[string]string{"name": p.labelOf(b.Label), "on": casework.No})
	case bulkAssign:
		return p.actAll(cases, casework.KindAssign, map[string]string{"holder": b.Holder})
	default: // bulkRead
		return p.seeAll(cases)
	}
}

// actAll writes one event into each case.
func (p *Pages) actAll(cases []*reviewer.Case, kind string, values map[string]string) error {
	if err := p.sureOfDay(); err != nil {
		return err
	}
	act, err := p.desk.Compose(cases[0], kind, values)
	if err != nil {
		return err
	}
	_, err = p.desk.ActAll(cases, casework.Body, act)
	return err
}

// seeAll notes that all messages of cases were read, elsewhere perhaps.
func (p *Pages) seeAll(cases []*reviewer.Case) error {
	seen := make([]seen, len(cases))
	for i, c := range cases {
		seen[i].c = c
		for j := range c.Messages {
			seen[i].ids = append(seen[i].ids, c.Messages[j].ID)
		}
	}
	return p.see(seen...)
}

// chosen says whether a case was chosen when the last step was refused.
func (b *bulk) chosen(id string) bool { return slices.Contains(b.Cases, id) }
