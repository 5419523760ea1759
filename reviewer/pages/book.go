package pages

import (
	"slices"
	"strconv"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
)

// alarm is a flag that the source raised, and that nobody dealt with yet.
type alarm struct{ Flag, Kind, Text string }

// alarms are the flags that are up, the most urgent first, and those that were dealt with.
func (p *Pages) alarms(c *reviewer.Case) (up []alarm, dealt []line) {
	s, w := &c.Now, p.words
	put := func(flag, kind, text string) {
		switch {
		case len(c.Raised[flag]) > 0:
			up = append(up, alarm{flag, kind, text})
		case slices.ContainsFunc(c.Work.Dealt, func(d casework.Dealt) bool { return d.Flag == flag }):
			dealt = append(dealt, line{kindInfo, w.Word("case.dealt", text)})
		}
	}
	if s.Danger != 0 {
		put(casework.FlagDanger, kindDanger, w.Word("case.danger", w.date(s.Danger)))
	} else {
		put(casework.FlagDanger, kindDanger, w.Word("case.indanger"))
	}
	put(casework.FlagRetaliation, kindDanger, w.Word("case.retaliation", w.date(s.Retaliation)))
	put(casework.FlagWithdrawal, kindWarn, w.Word("case.withdrawn", w.date(s.Withdrawn)))
	put(casework.FlagChangedCode, kindWarn, w.Word("case.late"))
	if slices.Contains(s.Urgency, urgentEvidence) {
		put(casework.FlagUrgent, kindWarn, w.Word("case.evidence"))
	} else {
		put(casework.FlagUrgent, kindWarn, w.Word("case.urgent"))
	}
	return up, dealt
}

// standing is one thing that people made of a case. Act is the kind of event that changes it.
type standing struct {
	Label string
	Text  string // the desk's own words, or one line of somebody's
	Items []string
	Links []caseLink
	Act   string
}

// caseLink leads to another case; Path is "" when it is not here.
type caseLink struct{ Path, Text string }

// dueLine is one thing that is due.
type dueLine struct {
	Kind string // of its line: danger, warn, info
	Text string
	Path string // of its case, in lists; "" of the body's procedure
	Name string
	Who  string
	Day  crypto.Day
	When string
}

// due is one thing that is due, in words.
func (p *Pages) due(d *casework.Due, s *casework.Settings, today crypto.Day) dueLine {
	w := p.words
	v := dueLine{Kind: kindInfo, Text: w.Word("due.clock." + d.Clock), Day: d.Day}
	if d.Text != "" {
		v.Text = w.Word("due.about", v.Text, plain.SafeLine(d.Text))
	}
	when := d.When(today, s)
	v.When = w.Word("due.when." + when.String())
	switch when {
	case casework.Overdue:
		v.Kind = kindDanger
	case casework.Today:
		v.Kind = kindWarn
	case casework.Soon, casework.Later:
	}
	return v
}

// dues are what a case wants, the earliest first.
func (p *Pages) dues(c *reviewer.Case) (out []dueLine) {
	s, today := p.desk.Settings(), p.desk.Clock().Today()
	for i := range c.Dues {
		out = append(out, p.due(&c.Dues[i], &s, today))
	}
	return out
}

// holder is how a holder of this body is called here.
func (p *Pages) holder(id string) string {
	if id == p.desk.Holder() {
		return p.words.Word("holder.you", plain.SafeLine(id))
	}
	return plain.SafeLine(id)
}

// author is who wrote an entry.
func (p *Pages) author(a casework.Author) string {
	if a.Body == p.desk.Body() {
		return p.holder(a.Holder)
	}
	return p.words.Word("holder.of", p.body(a.Body), plain.SafeLine(a.Holder))
}

// option is the name of an option of a kind's field.
func (p *Pages) option(kind, field, id string) string {
	k, ok := casework.KindOf(kind)
	if !ok {
		return plain.SafeLine(id)
	}
	r := k.Rule(field)
	if r == nil || !slices.ContainsFunc(r.Options, func(o form.Option) bool { return o.ID == id }) {
		return plain.SafeLine(id)
	}
	if kind == casework.KindStage && (field == "from" || field == "to") {
		return p.words.stage(id)
	}
	return p.words.Word("option." + kind + "." + field + "." + id)
}

// standing is what people made of a case, and with what it is changed.
func (p *Pages) standing(c *reviewer.Case) (out []standing) {
	s, w := c.Work, p.words
	put := func(act, key string, f standing) {
		f.Act, f.Label = act, w.Word(key)
		out = append(out, f)
	}
	stage := w.stage(s.Stage)
	if s.Since != 0 {
		stage = w.Word("fact.since", stage, w.date(s.Since))
	}
	put(casework.KindStage, "fact.stage", standing{Text: stage})
	if o := s.Outcome; o != nil {
		text := w.stage(o.Stage)
		if o.Finding != "" {
			text = p.option(casework.KindStage, "outcome", o.Finding)
		}
		if o.Approver != "" {
			text = w.Word("fact.approved", text, plain.SafeLine(o.Approver))
		}
		put("", "fact.outcome", standing{Text: text})
	}
	assigned := w.Word("holder.nobody")
	if s.Assignee != "" {
		assigned = p.holder(s.Assignee)
	}
	put(casework.KindAssign, "fact.assigned", standing{Text: assigned})
	labels := standing{}
	for _, l := range s.Labels {
		labels.Items = append(labels.Items, plain.SafeLine(l))
	}
	put(casework.KindLabel, "fact.labels", labels)
	risk := w.Word("fact.none")
	if n := len(s.Risks); n > 0 {
		risk = w.Word("fact.on", p.option(casework.KindRisk, "level", s.Risks[n-1].Level), w.date(s.Risks[n-1].Day))
	}
	put(casework.KindRisk, "fact.risk", standing{Text: risk})
	priority := w.Word("fact.none")
	if x := s.Priority; x != nil {
		priority = w.Word("fact.score", x.Score(), x.Likelihood, x.Impact)
	}
	put(casework.KindPriority, "fact.priority", standing{Text: priority})
	p.moreFacts(c, put)
	return out
}

// moreFacts are those that most cases do not have.
func (p *Pages) moreFacts(c *reviewer.Case, put func(act, key string, f standing)) {
	s, w := c.Work, p.words
	if s.Hold != nil {
		put(casework.KindHold, "fact.hold", standing{Text: w.Word("fact.held", w.date(s.Hold.Day))})
	}
	if s.Class != "" {
		put(casework.KindRetain, "fact.class", standing{Text: plain.SafeLine(s.Class)})
	}
	if l := c.Local; l != nil {
		put(casework.KindTold, "fact.channel", standing{Text: w.Word("fact.on", p.option(casework.KindOpened, "channel", l.Channel), w.date(l.Received))})
	}
	var told []string
	for _, what := range []string{casework.ToldAcknowledged, casework.ToldFeedback} {
		if d := s.Told[what]; d != 0 {
			told = append(told, w.Word("fact.on", p.option(casework.KindTold, "what", what), w.date(d)))
		}
	}
	if told != nil {
		put(casework.KindTold, "fact.told", standing{Items: told})
	}
	if s.Extended != nil {
		put("", "fact.extended", standing{Text: w.date(s.Extended.Day)})
	}
	var away []string
	for _, h := range s.Recused {
		away = append(away, p.holder(h))
	}
	if away != nil {
		put(casework.KindRecuse, "fact.recused", standing{Items: away})
	}
	var links []caseLink
	for _, l := range s.Links {
		links = append(links, p.link(l))
	}
	if links != nil {
		put(casework.KindLink, "fact.links", standing{Links: links})
	}
	var asked []string
	for i := range s.Recommendations {
		r := &s.Recommendations[i]
		asked = append(asked, w.Word("fact.recommended", p.option(casework.KindRecommend, "aim", r.Aim), plain.SafeLine(r.To), p.fate(r.Fate)))
	}
	if asked != nil {
		put(casework.KindFate, "fact.recommendations", standing{Items: asked})
	}
	if s.Taken {
		put(casework.KindTake, "fact.taken", standing{Text: w.Word("fact.takes")})
	}
	var with []string
	for _, id := range c.Book.Bodies() {
		o := c.Book.State(id)
		switch {
		case id == p.desk.Body():
		case o.Taken:
			with = append(with, w.Word("fact.with.takes", p.body(id), w.stage(o.Stage)))
		case len(o.Steps) > 0:
			with = append(with, w.Word("fact.with", p.body(id), w.stage(o.Stage)))
		}
	}
	if with != nil {
		put("", "fact.others", standing{Items: with})
	}
}

// fate is what became of a recommendation.
func (p *Pages) fate(id string) string {
	if id == casework.FateIssued {
		return p.words.Word("fact.issued")
	}
	return p.option(casework.KindFate, "fate", id)
}

// link is a case that belongs together with another one.
func (p *Pages) link(l casework.Link) caseLink {
	why := p.option(casework.KindLink, "by", l.Why)
	c, err := p.desk.Case(casework.CaseText(l.Case))
	if err != nil {
		return caseLink{"", p.words.Word("fact.link.gone", why)}
	}
	return caseLink{casePath(c, ""), p.words.Word("fact.link", c.Short, why)}
}

// record says what is to be known of the case's record before anything in it is believed.
func (p *Pages) record(c *reviewer.Case) (out []line) {
	w := p.words
	for _, b := range c.Book.Breaks {
		out = append(out, line{kindDanger, w.Word("break."+string(b.What), b.Number, p.author(b.Author), w.Word("scope."+b.Scope.String()))})
	}
	if c.Erased != 0 {
		out = append(out, line{kindWarn, w.Word("case.erased", w.date(c.Erased))})
	}
	if x := c.Work.EraseAsked; x != nil {
		key := "case.erase.asked"
		if c.Work.EraseAgreed != nil {
			key = "case.erase.agreed"
		}
		out = append(out, line{kindWarn, w.Word(key, p.author(x.By), w.date(x.Day))})
	}
	if c.Unsent > 0 {
		out = append(out, line{kindInfo, w.Word("case.unsent", c.Unsent)})
	}
	return out
}

// stepView is one entry of a case's record.
type stepView struct {
	Ref    string
	Day    crypto.Day
	Kind   string // in words
	By     string
	For    string      // who may read it
	Short  []stepField // on one line
	Long   []stepField // in words
	Void   string      // why it does not count; "": it does
	Detail string      // the same in the program's own words
	Struck string      // by whom it was struck out; ""
	Why    []paragraph
	Strike string // page on which it can be struck out; ""
	Class  string
}

// stepField is one field of an entry.
type stepField struct {
	Label string
	Text  string
	Words []paragraph
	To    string // anchor of the entry that it names
}

// stepOf is one entry of a case's record, as it is shown.
func (p *Pages) stepOf(c *reviewer.Case, e *casework.Entry) *stepView {
	w := p.words
	ref := e.Hash.Ref()
	v := &stepView{
		Ref: string(ref), Day: e.Day, Kind: w.Word("act." + e.Kind), By: p.author(e.Author), For: w.Word("scope." + e.Scope.String()), Class: "own",
	}
	if e.Author.Body != p.desk.Body() {
		v.Class = "other"
	}
	k, _ := casework.KindOf(e.Kind)
	for _, r := range k.Rules {
		switch value := e.Get(r.Name); {
		case value == "" || reviewer.Filled(e.Kind, r.Name):
		case r.Name == "on" && value == casework.Yes: // the kind's name says it
		case r.Name == "on":
			v.Short = append(v.Short, stepField{Text: w.Word("step.ended")})
		default:
			if f := p.stepField(c, e, &r, value); f.Words != nil {
				v.Long = append(v.Long, f)
			} else {
				v.Short = append(v.Short, f)
			}
		}
	}
	if e.Err != nil {
		v.Void, v.Detail = w.refusal(e.Err)
	}
	if by, struck := c.StruckBy(ref); struck {
		v.Struck, v.Why = w.Word("step.struck", p.author(by.Author), w.date(by.Day)), paragraphs(by.Get("reasons"))
	} else if e.Err == nil && casework.Strikable(e.Kind) && e.Author.Body == p.desk.Body() {
		v.Strike = casePath(c, "/act/"+casework.KindStrike+"?of="+string(ref))
	}
	return v
}

func (p *Pages) stepField(c *reviewer.Case, e *casework.Entry, r *casework.Rule, value string) stepField {
	w := p.words
	f := stepField{}
	if e.Kind != casework.KindNote {
		f.Label = w.Word("field." + e.Kind + "." + r.Name)
	}
	switch r.Type {
	case casework.Text:
		f.Words = paragraphs(value)
	case casework.Choice:
		f.Text = p.option(e.Kind, r.Name, value)
	case casework.Holder:
		f.Text = p.holder(value)
	case casework.EventOf:
		f.Text, f.To = plain.SafeLine(value), "e-"+plain.SafeLine(value)
		if of, ok := c.Book.Find(casework.Ref(value)); ok {
			f.Text = w.Word("step.of", w.Word("act."+of.Kind), w.date(of.Day))
		} else {
			f.To = ""
		}
	case casework.CaseOf:
		f.Text = plain.SafeLine(value)
		if other, err := p.desk.Case(value); err == nil {
			f.Text = other.Short
		}
	case casework.Number:
		f.Text = value
		if n, err := strconv.Atoi(value); err == nil {
			f.Text = strconv.Itoa(n)
		}
	default:
		f.Text = plain.SafeLine(value)
	}
	return f
}

// talkItem is a message or a step in the order in which a case went.
type talkItem struct {
	Letter *letterView
	Step   *stepView
}

// talk puts the steps of a case between its messages: by day, and on one day behind them, since a
// message has come when somebody deals with it.
func (p *Pages) talk(c *reviewer.Case, letters []letterView) (out []talkItem) {
	log := c.Book.Log
	for i := range letters {
		for len(log) > 0 && log[0].Day < letters[i].Day {
			out, log = append(out, talkItem{Step: p.stepOf(c, &log[0])}), log[1:]
		}
		out = append(out, talkItem{Letter: &letters[i]})
	}
	for i := range log {
		out = append(out, talkItem{Step: p.stepOf(c, &log[i])})
	}
	return out
}
