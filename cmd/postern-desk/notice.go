package main

import (
	"flag"
	"io"
	"strings"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
)

// noticeFlags are the flags of what a reply tells the source besides words.
type noticeFlags struct{ stage, by, ask string }

func (n *noticeFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&n.stage, "stage", "", "tell the source how far the case is, by a `STAGE` of these: "+strings.Join(stageIDs(), ", "))
	fs.StringVar(&n.by, "by", "", "promise that the source hears more by this `DAY`: YYYY-MM-DD, or +DAYS from today")
	fs.StringVar(&n.ask, "ask", "", "ask the source whether this case may be shown to a `BODY` of the directory")
}

func (n *noticeFlags) given() bool { return *n != noticeFlags{} }

func stageIDs() (ids []string) {
	for _, s := range form.Stages() {
		ids = append(ids, s.ID)
	}
	return ids
}

// notice reads the flags; whether the case's source can be told this is for
// [reviewer.Desk.CheckNotice] to say. It is nil when none was given.
func (n *noticeFlags) notice(today crypto.Day) (*form.Notice, error) {
	if !n.given() {
		return nil, nil
	}
	if n.stage != "" && form.Label(form.Stages(), n.stage) == "" {
		return nil, usagef("reply: --stage: %v", reviewer.ErrStage)
	}
	out := &form.Notice{Stage: n.stage, Ask: n.ask}
	if n.by == "" {
		return out, nil
	}
	d, err := reviewer.ParseBy(n.by, today)
	if err != nil {
		return nil, usagef("reply: --by %s: %v", n.by, err)
	}
	out.Until = uint32(d)
	return out, nil
}

// showNotice says in a plan what the source will be told, and what it answered before.
func showNotice(w io.Writer, v *reviewer.Desk, p *reviewer.Plan, n *form.Notice) {
	if n == nil {
		return
	}
	for _, line := range v.NoticeLines(n) {
		_, _ = io.WriteString(w, line+"\n")
	}
	for _, c := range p.Case.Now.Consents {
		if c.Body == n.Ask {
			_, _ = io.WriteString(w, "! It was asked before. "+v.ConsentLine(c)+"\n")
		}
	}
}

// remarks is what a list shows of a case besides numbers.
func remarks(c *reviewer.Case, today crypto.Day) string {
	marks := c.Marks()
	if c.Now.Overdue(today) {
		marks = append(marks, "PROMISE OVERDUE")
	}
	parts := []string{}
	if len(marks) > 0 {
		parts = append(parts, strings.Join(marks, ", "))
	}
	stage := c.Work.Stage
	if p := c.Now.Stage; p != nil && len(c.Work.Steps) == 0 {
		stage = p.Stage
	}
	if stage != casework.StageReceived {
		parts = append(parts, form.Label(form.Stages(), stage))
	}
	if len(c.Dues) > 0 {
		say := "due "
		if c.Dues[0].Day < today {
			say = "OVERDUE "
		}
		parts = append(parts, say+c.Dues[0].Day.String())
	}
	if c.Work.Assignee != "" {
		parts = append(parts, "with "+plain.SafeLine(c.Work.Assignee))
	}
	for _, l := range c.Work.Labels {
		parts = append(parts, plain.SafeLine(l))
	}
	if c.Work.Title != "" {
		parts = append(parts, plain.SafeLine(c.Work.Title))
	}
	return strings.Join(parts, "; ")
}

type noticeJSON struct {
	Stage string `json:"stage,omitempty"`
	By    string `json:"by,omitempty"`
	Ask   string `json:"ask,omitempty"`
}

func newNoticeJSON(n *form.Notice) *noticeJSON {
	if n == nil {
		return nil
	}
	out := &noticeJSON{Stage: n.Stage, Ask: n.Ask}
	if n.Until != 0 {
		out.By = crypto.Day(n.Until).String()
	}
	return out
}

type consentJSON struct {
	Body   string `json:"body"`
	Since  uint64 `json:"since"`  // directory version since which the body was what it was
	Answer string `json:"answer"` // yes or no
	Day    string `json:"day"`    // of the answer, signed by the source
}

func newConsentsJSON(list []reviewer.Consent) (out []consentJSON) {
	for _, c := range list {
		answer := "no"
		if c.Yes {
			answer = "yes"
		}
		out = append(out, consentJSON{c.Body, c.Since, answer, c.Day.String()})
	}
	return out
}

// publishedJSON is one part of a notice, and who published it when.
type publishedJSON struct {
	noticeJSON
	Body string `json:"body"`
	Day  string `json:"day"`
}

// situationJSON is what a case's messages have said besides words.
type situationJSON struct {
	Stage       *publishedJSON  `json:"stage,omitempty"`
	Promise     *publishedJSON  `json:"promise,omitempty"`
	Asked       []publishedJSON `json:"asked,omitempty"` // and not answered yet
	Consents    []consentJSON   `json:"consents,omitempty"`
	Retaliation string          `json:"retaliation,omitempty"` // the day on which the source said so
	Danger      string          `json:"danger,omitempty"`
	Withdrawn   string          `json:"withdrawn,omitempty"`
}

func newSituationJSON(s *reviewer.Situation) (out situationJSON) {
	part := func(p *reviewer.Published, n form.Notice) publishedJSON {
		return publishedJSON{*newNoticeJSON(&n), p.Body, p.Day.String()}
	}
	if p := s.Stage; p != nil {
		x := part(p, form.Notice{Stage: p.Stage})
		out.Stage = &x
	}
	if p := s.Promise; p != nil {
		x := part(p, form.Notice{Until: p.Until})
		out.Promise = &x
	}
	for i := range s.Asked {
		out.Asked = append(out.Asked, part(&s.Asked[i], form.Notice{Ask: s.Asked[i].Ask}))
	}
	out.Consents = newConsentsJSON(s.Consents)
	for _, x := range []struct {
		to  *string
		day crypto.Day
	}{{&out.Retaliation, s.Retaliation}, {&out.Danger, s.Danger}, {&out.Withdrawn, s.Withdrawn}} {
		if x.day != 0 {
			*x.to = x.day.String()
		}
	}
	return out
}
