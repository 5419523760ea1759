package pages

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// handing is a hand-over that is being chosen.
type handing struct {
	To    string
	All   bool
	Cases map[string]bool // full ids of those that were ticked
	Typed string          // names of further ones
	seen  *reviewer.HandOver
}

// errChanged says that what was looked at is not what would be done by now.
var errChanged = errors.New("what would go has changed since it was looked at")

func (p *Pages) handOverRoutes() []route {
	return []route{
		{window.Get, "/handover", p.handOver},
		{window.Post, "/handover", p.lookHandOver},
		{window.Post, "/handover/write", p.writeHandOver},
	}
}

// handOverView is the page on which cases are given to a fellow holder.
type handOverView struct {
	Fellows []choice
	All     bool
	Rows    []handRow
	More    string // how many cases are not listed; "": none
	Typed   string
	Seen    *handSeen
	Folders []folder
	Clock   string
}

// Choice is where the file is written.
func (v handOverView) Choice() folderChoice { return folderChoice{"where", v.Folders} }

type handRow struct {
	caseRow
	ID string
	On bool
}

// handSeen is what would go.
type handSeen struct {
	Holder  string
	Facts   []fact
	Waiting []string
	Lost    []string
	All     bool // the passphrase is asked for
}

// fact is a number with what it is.
type fact struct{ Label, Value string }

// facts are numbers that are not 0, each behind the word for it.
func (p *Pages) facts(pairs ...any) (out []fact) {
	for pair := range slices.Chunk(pairs, 2) {
		if n, _ := pair[1].(int); n != 0 {
			out = append(out, fact{p.words.Word(pair[0].(string)), strconv.Itoa(n)}) //nolint:forcetypeassert // a key and a number each
		}
	}
	return out
}

func (p *Pages) handOver(a *ask) window.Reply {
	h := p.handing
	v := handOverView{All: h.All, Typed: h.Typed, Folders: p.folders(), Clock: p.clockAsked()}
	one := a.Query.Get("case") // the case from whose page this was asked for
	for _, id := range p.desk.Fellows() {
		v.Fellows = append(v.Fellows, choice{id, plain.SafeLine(id), id == h.To})
	}
	rows := p.rows(showAll)
	for i := range rows {
		id := reviewer.FullID(rows[i].id)
		r := handRow{rows[i], id, h.Cases[id] || id == one}
		if r.On || len(v.Rows) < perPage {
			v.Rows = append(v.Rows, r)
		}
	}
	if n := len(rows) - len(v.Rows); n > 0 {
		v.More = strconv.Itoa(n)
	}
	slices.SortStableFunc(v.Rows, func(a, b handRow) int { return first(a.On, b.On) })
	if s := h.seen; s != nil {
		v.Seen = &handSeen{Holder: plain.SafeLine(s.Holder), Waiting: s.Waiting, Lost: s.Lost, All: p.handsAll(s)}
		v.Seen.Facts = p.facts("handover.cases", len(s.Cases), "handover.messages", s.Messages, "handover.events", s.Events, "handover.notes", s.Notes, "handover.referred", s.Referred)
	}
	return p.page("handover", "export", p.words.Word("title.handover"), v)
}

// handsAll says whether a hand-over gives everything away that is here.
func (p *Pages) handsAll(h *reviewer.HandOver) bool {
	return len(h.Cases) > 1 && len(h.Cases) == len(p.all())
}

// lookHandOver shows what would go.
func (p *Pages) lookHandOver(a *ask) window.Reply {
	h := handing{To: a.field("to", maxID), All: a.field("which", maxID) == "all", Typed: a.field("typed-cases", maxLine), Cases: make(map[string]bool)}
	for _, id := range a.Form["case"] {
		h.Cases[id] = len(id) <= maxID
	}
	p.handing = h
	plan, err := p.planHandOver(h)
	if err != nil {
		p.refuse(err)
		return to("/handover")
	}
	p.handing.seen = plan
	return to("/handover#seen")
}

func (p *Pages) planHandOver(h handing) (*reviewer.HandOver, error) {
	var list []*reviewer.Case
	var referred []reviewer.Referred
	if h.All {
		for i := range p.all() {
			list = append(list, &p.cases[i])
		}
		referred = p.desk.Referrals()
	}
	names := strings.Fields(strings.NewReplacer(",", " ", "،", " ", ";", " ").Replace(h.Typed))
	for id, on := range h.Cases {
		if on {
			names = append(names, id)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if h.All {
			break
		}
		more, also, err := p.desk.CasesNamed(name)
		if err != nil {
			return nil, err
		}
		for _, c := range more {
			if !slices.ContainsFunc(list, func(o *reviewer.Case) bool { return o.ID == c.ID }) {
				list = append(list, c)
			}
		}
		referred = append(referred, also...)
	}
	return p.desk.PlanHandOver(list, referred, h.To, p.desk.Clock().Today())
}

// writeHandOver writes what was looked at.
func (p *Pages) writeHandOver(a *ask) window.Reply {
	seen := p.handing.seen
	if seen == nil {
		return to("/handover")
	}
	dir, err := p.named(a)
	if err == nil {
		err = p.clockYes(a)
	}
	var plan *reviewer.HandOver
	if err == nil {
		plan, err = p.planHandOver(p.handing)
	}
	if err == nil && (plan.Messages != seen.Messages || plan.Events != seen.Events || plan.Referred != seen.Referred || len(plan.Cases) != len(seen.Cases)) {
		p.handing.seen, err = plan, errChanged
	}
	if err == nil && p.handsAll(plan) {
		var pass []byte
		if pass, err = p.passphrase(p.words.Word("ask.handover", plan.Holder)); err == nil {
			err = p.desk.CheckPassphrase(pass)
		}
	}
	path := filepath.Join(dir, reviewer.NewDeskFileName())
	if err == nil {
		err = p.desk.HandOver(plan, path)
	}
	if err != nil {
		p.refuse(err)
		return to("/handover#seen")
	}
	p.handing = handing{}
	p.say("handover.done", plan.Holder, plain.SafeLine(path))
	return to("/handover")
}

// clockAsked is a question about today's date, where the machine's clock is in doubt; "": it is not.
func (p *Pages) clockAsked() string {
	if k := p.desk.Clock(); k.Doubtful() {
		return p.words.Word("clock.right", p.words.date(k.Today()))
	}
	return ""
}

// clockYes says whether that question, if there is one, was answered with yes.
func (p *Pages) clockYes(a *ask) error {
	if p.desk.Clock().Doubtful() && a.field("clock", maxID) != "yes" {
		return errClock
	}
	return nil
}
