package reviewer

import (
	"fmt"
	"slices"
	"strings"

	"postern/intake/form"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
)

// Marks are what nobody should overlook in a case, in a few words each: flags that are up, until
// somebody says that they were dealt with.
func (c *Case) Marks() (out []string) {
	for _, m := range []struct{ flag, say string }{
		{casework.FlagRetaliation, "RETALIATION"}, {casework.FlagDanger, "DANGER"}, {casework.FlagWithdrawal, "WITHDRAWN"},
	} {
		if len(c.Raised[m.flag]) == 0 {
			continue
		}
		if m.flag == casework.FlagDanger && c.Now.Danger != 0 {
			m.say = "NEW DANGER"
		}
		out = append(out, m.say)
	}
	return out
}

// Clocks in words, for the command line.
var clockWords = map[string]string{
	casework.ClockAcknowledgeSoon: "a person answers (ISO 37002)",
	casework.ClockAcknowledge:     "a person answers (EU 2019/1937, art. 9.1.b)",
	casework.ClockFeedback:        "feedback to the source (art. 9.1.f)",
	casework.ClockPromise:         "promised to the source",
	casework.ClockBar:             "time bar",
	casework.ClockReview:          "review",
	casework.ClockRisk:            "assess the risk to the source",
	casework.ClockRecommendation:  "answer to a recommendation",
	casework.ClockErase:           "retention is over: the case may be erased",
	casework.ClockProcedure:       "review of the procedure (art. 14)",
}

// DueLine says in words what is due. It may hold words of people: show it safely.
func DueLine(d *casework.Due) string {
	say := clockWords[d.Clock]
	if d.Text != "" {
		say += ": " + strings.Join(strings.Fields(d.Text), " ")
	}
	return d.Day.String() + " " + say
}

// workLines are the head of a case: what people made of it.
func (desk *Desk) workLines(p *plain.Printer, c *Case) {
	w := c.Work
	if c.Erased != 0 {
		p.Line("! This source is known here: a case of theirs was erased on %s.", c.Erased)
	}
	if w.Title != "" {
		p.Name("Title: ", w.Title)
	}
	since := ""
	if w.Since != 0 {
		since = fmt.Sprintf(", since %s", w.Since)
	}
	p.Line("Stage with your body: %s%s.", form.Label(form.Stages(), w.Stage), since)
	if o := w.Outcome; o != nil && o.Finding != "" {
		p.Line("Outcome: %s (%s).", form.Label(casework.Outcomes(), o.Finding), o.Day)
	}
	if l := c.Local; l != nil {
		p.Line("It came without a code (%s), on %s.", l.Channel, l.Received)
	}
	if w.Assignee != "" {
		p.Line("Assigned to %s.", plain.SafeLine(w.Assignee))
	}
	if len(w.Recused) > 0 {
		p.Line("! Keeping away from this case: %s.", plain.SafeLine(strings.Join(w.Recused, ", ")))
	}
	if len(w.Labels) > 0 {
		p.Name("Labels: ", strings.Join(w.Labels, ", "))
	}
	if n := len(w.Risks); n > 0 {
		p.Line("Risk to the source: %s (%s).", w.Risks[n-1].Level, w.Risks[n-1].Day)
	}
	if x := w.Priority; x != nil {
		p.Line("Priority: %d (likelihood %d × impact %d).", x.Score(), x.Likelihood, x.Impact)
	}
	if w.Hold != nil {
		p.Line("! LEGAL HOLD since %s: it cannot be erased.", w.Hold.Day)
	}
	if w.EraseAsked != nil && w.EraseAgreed == nil {
		p.Line("! %s asked on %s to erase this case.", plain.SafeLine(w.EraseAsked.By.Holder), w.EraseAsked.Day)
	}
	for _, id := range c.Book.Bodies() {
		if o := c.Book.State(id); id != desk.keys.Body && (o.Taken || len(o.Steps) > 0) {
			taken := ""
			if o.Taken {
				taken = ", and has taken it"
			}
			p.Line("With %s: %s%s.", desk.bodyName(id), form.Label(form.Stages(), o.Stage), taken)
		}
	}
	s, today := desk.Settings(), desk.Clock().Today()
	for i := range c.Dues {
		switch d := &c.Dues[i]; d.When(today, &s) {
		case casework.Overdue:
			p.Name("! OVERDUE: ", DueLine(d))
		case casework.Today:
			p.Name("! Due today: ", DueLine(d))
		default:
			p.Name("Due: ", DueLine(d))
		}
	}
	for _, b := range c.Book.Breaks {
		p.Line("! THE RECORD DOES NOT HOLD: %s.", b)
	}
}

// logLines are all events of a case, in the book's order.
func (desk *Desk) logLines(p *plain.Printer, c *Case) {
	if len(c.Book.Log) == 0 {
		return
	}
	p.Line("")
	p.Line("What was done:")
	for i := range c.Book.Log {
		e := &c.Book.Log[i]
		p.Line("%s  %s  %s, %s (%s)", e.Hash.Ref(), e.Day, eventWord(&e.Event), e.Author.Name(), scopeWord(e.Scope))
		if e.Err != nil {
			p.Line("    ! It does not count: %s.", e.Err)
		}
		if _, yes := c.StruckBy(e.Hash.Ref()); yes {
			p.Line("    Struck out later:")
		}
		writeFields(p, e.Act)
	}
}

func eventWord(e *casework.Event) string {
	if k, ok := casework.KindOf(e.Kind); ok {
		return k.Label
	}
	return e.Kind
}

func scopeWord(s casework.Scope) string {
	return map[casework.Scope]string{casework.All: "for all readers", casework.Body: "for your body", casework.Desk: "for this desk"}[s]
}

// writeFields shows what an act says; its words are somebody's and stand behind a bar.
func writeFields(p *plain.Printer, a casework.Act) {
	k, ok := casework.KindOf(a.Kind)
	if !ok {
		return
	}
	for _, r := range k.Rules {
		v := a.Get(r.Name)
		switch {
		case v == "":
		case r.Type == casework.Text:
			p.Line("    %s:", r.Label)
			p.Quote(v)
		case r.Type == casework.Choice:
			p.Line("    %s: %s", r.Label, form.Label(r.Options, v))
		default:
			p.Name("    "+r.Label+": ", v)
		}
	}
}

// StruckBy is the entry that struck out an event.
func (c *Case) StruckBy(r casework.Ref) (*casework.Entry, bool) {
	i := slices.IndexFunc(c.Book.Log, func(e casework.Entry) bool {
		return e.Kind == casework.KindStrike && e.Err == nil && e.Get("of") == string(r)
	})
	if i < 0 {
		return nil, false
	}
	return &c.Book.Log[i], true
}
