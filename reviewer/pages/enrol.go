package pages

import (
	"postern/reviewer"
	"postern/reviewer/window"
)

// enrolView is one step behind making the vault: what to do, why, and how.
type enrolView struct {
	keyForms
	Steps []enrolStep
	Step  reviewer.Step // that is shown
	No    int
	Done  bool   // this one
	Next  string // the page of the next that is open; "": none is
	Cases bool   // nothing is open
}

// enrolStep is a line of the list of steps.
type enrolStep struct {
	No         int
	Path, Name string
	Done, Now  bool
}

func (p *Pages) enrolRoutes() []route {
	return []route{{window.Get, "/enrol", p.enrol}}
}

// First is the page that a window begins with: enrolment while it is not done and there is no case.
func (p *Pages) First() string {
	if p.desk != nil && p.openStep() != "" && len(p.all()) == 0 {
		return "/enrol"
	}
	return "/"
}

// openStep is the first step that is not done; "" when all are.
func (p *Pages) openStep() reviewer.Step {
	all, done := p.desk.Steps()
	for _, s := range all {
		if !done[s] {
			return s
		}
	}
	return ""
}

// stepName is what a step is called.
func (p *Pages) stepName(s reviewer.Step) string { return p.words.Word("step." + string(s)) }

func (p *Pages) enrol(a *ask) window.Reply {
	all, done := p.desk.Steps()
	open := p.openStep()
	v := enrolView{keyForms: p.keyForms("enrol"), Step: open, Cases: open == ""}
	for _, s := range all {
		if a.Query.Get("step") == string(s) {
			v.Step = s
		}
	}
	v.Steps = append(v.Steps, enrolStep{No: 1, Name: p.words.Word("step.vault"), Done: true})
	for i, s := range all {
		now := s == v.Step
		v.Steps = append(v.Steps, enrolStep{No: i + 2, Path: enrolPath(s), Name: p.stepName(s), Done: done[s], Now: now})
		if now {
			v.No = i + 2
		}
	}
	v.Done = done[v.Step]
	if open != "" && open != v.Step {
		v.Next = enrolPath(open)
	}
	return p.page("enrol", "enrol", p.words.Word("title.enrol"), v)
}

func enrolPath(s reviewer.Step) string { return "/enrol?step=" + string(s) }
