package pages

import (
	"encoding/hex"
	"slices"
	"strings"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// caseView is one case.
type caseView struct {
	Path     string
	ID       string
	Short    string
	Title    string  // the body's own
	Alarms   []alarm // flags that are up
	Lines    []line  // what else must not be overlooked
	Dues     []dueLine
	Work     []standing // what people made of it
	Facts    []line     // what was told, asked, agreed
	Readers  []string
	Report   *letterView // the first message of the source: the narrative
	Talk     []talkItem  // all others, in reading order, and what was done between them
	Files    []fileView
	Timeline []event
	CanReply string // why no answer can be sealed; "" when one can
	Draft    bool   // an answer is being written
	Choice   folderChoice
	Custody  []custodyLine
	First    crypto.Day
	Last     crypto.Day
	Messages int
	Referred []link // what other bodies referred to this one of it
}

// line is a sentence at the head of a case.
type line struct{ Kind, Text string }

// event is one step of a case's life.
type event struct {
	Day  crypto.Day
	Text string
	To   string // anchor of the message or step, or ""
}

// letterView is one message.
type letterView struct {
	ID     string // the same on every desk
	No     int
	From   string
	Class  string // source, own, other, nobody
	Kind   string
	Day    crypto.Day
	Notes  []line
	Words  []paragraph
	Groups []answerGroup
	Facts  []line // notice, consents
	Files  []fileView
	Lost   bool

	Waiting bool   // it can be withdrawn
	Path    string // of the case
}

// answerGroup is the answers to one group of questions.
type answerGroup struct {
	Label   string
	Answers []answerView
}

type answerView struct {
	Label   string
	Options []string    // chosen
	Words   []paragraph // typed
}

// fileView is one file.
type fileView struct {
	No     int
	Name   string
	Type   string
	Bytes  int64
	SHA256 string
	Letter int // number of the message it came with
}

func (p *Pages) caseRoutes() []route {
	return []route{
		{window.Get, "/case/{case}", p.show},
		{window.Post, "/case/{case}/waiting", p.waits},
	}
}

func (p *Pages) show(a *ask) window.Reply {
	c := a.c
	v := caseView{Path: casePath(c, ""), ID: reviewer.FullID(c.ID), Short: c.Short, First: c.First, Last: c.Last, Messages: worded(c)}
	v.Title, v.Dues, v.Work = plain.SafeLine(c.Work.Title), p.dues(c), p.standing(c)
	var dealt []line
	v.Alarms, dealt = p.alarms(c)
	v.Lines, v.Facts = p.told(c)
	v.Facts = append(v.Facts, dealt...)
	for _, r := range c.Readers {
		v.Readers = append(v.Readers, p.reader(r))
	}
	var ids []string
	var numbers []int
	var talk []letterView
	for i := range c.Messages {
		m := &c.Messages[i]
		ids, numbers = append(ids, m.ID), append(numbers, m.No)
		if m.Kind == crypto.KindEvent && p.desk.InBook(c, m) {
			continue // its events stand among the steps
		}
		l := p.letter(c, m)
		v.Files = append(v.Files, l.Files...)
		if m.Mark != reviewer.MarkAgain {
			v.Timeline = append(v.Timeline, event{m.Day, l.Kind + " · " + l.From, "m-" + l.ID})
		}
		if v.Report == nil && m.Source && m.Kind == crypto.KindReport && m.Mark != reviewer.MarkAgain {
			v.Report = &l
		} else {
			talk = append(talk, l)
		}
	}
	v.Talk = p.talk(c, talk)
	for _, t := range v.Talk {
		if s := t.Step; s != nil {
			v.Timeline = append(v.Timeline, event{s.Day, s.Kind + " · " + s.By, "e-" + s.Ref})
		}
	}
	if err := p.see(seen{c, ids}); err != nil {
		p.refuse(err)
	}
	if err := p.desk.LogCustody(c, dossier.ActOpen, numbers...); err != nil { // it is shown all the same: somebody may be in danger
		p.refuse(err)
	}
	for _, r := range p.desk.ReferredFrom(c) {
		v.Referred = append(v.Referred, link{referredPath(&r, ""), p.words.Word("referral.from.short", p.body(r.Body), p.words.date(r.Taken))})
	}
	v.Custody = p.custody(c)
	v.Draft, v.Choice = !p.draft(c).none(), folderChoice{"where", p.folders()}
	for _, d := range c.Changed {
		v.Timeline = append(v.Timeline, event{Day: d, Text: p.words.Word("event.changed")})
	}
	slices.SortStableFunc(v.Timeline, func(a, b event) int { return int(a.Day) - int(b.Day) })
	if _, err := p.desk.PlanReply(c, p.desk.Clock().Today()); err != nil {
		v.CanReply, _ = p.words.refusal(err)
	}
	return p.page("case", "cases", p.words.Word("title.case", c.Short), v)
}

// stateWaiting is Message.State of an answer that was not exported yet.
const stateWaiting = "waiting"

// waits withdraws an answer that waits, or makes it a draft again.
func (p *Pages) waits(a *ask) window.Reply {
	c, id := a.c, a.field("id", maxID)
	do := a.field("do", maxID)
	i := slices.IndexFunc(c.Messages, func(m reviewer.Message) bool { return m.ID == id && m.State == stateWaiting })
	if i < 0 || do != "change" && do != "withdraw" {
		p.refuse(reviewer.ErrNotWaiting)
		return to(casePath(c, ""))
	}
	m := &c.Messages[i]
	back := casePath(c, "")
	if do == "change" {
		l, err := p.desk.Read(c, m)
		if err == nil {
			d := draft{Text: l.Words}
			if n := l.Notice; n != nil {
				d.Stage, d.Ask = n.Stage, n.Ask
				if n.Until != 0 {
					d.By = crypto.Day(n.Until).String()
				}
			}
			for j, f := range l.Files { // they are in the vault alone: the answer waits until the new one is sealed
				d.Instead = m.ID
				d.Files = append(d.Files, draftFile{At: j, Name: f.Name, Size: f.Size, SHA256: hex.EncodeToString(f.SHA256[:])})
			}
			err = p.keepDraft(c, d)
		}
		if err != nil {
			p.refuse(err)
			return to(back)
		}
		back = casePath(c, "/answer")
		if len(m.Files) > 0 {
			return to(back)
		}
	}
	switch err := p.desk.Withdraw(c, m); {
	case err != nil:
		p.refuse(err)
	case back == casePath(c, ""):
		p.say("letter.withdrawn")
	default:
		p.say("letter.taken")
	}
	return to(back)
}

// situation is the head of a case: lines that warn, and what was told and agreed.
func (p *Pages) situation(c *reviewer.Case) (lines, facts []line) {
	up, dealt := p.alarms(c)
	for _, a := range up {
		lines = append(lines, line{a.Kind, a.Text})
	}
	more, facts := p.told(c)
	return append(lines, more...), append(facts, dealt...)
}

// told is the head of a case without its flags.
func (p *Pages) told(c *reviewer.Case) (lines, facts []line) {
	s, w := &c.Now, p.words
	warn := func(kind, key string, values ...any) { lines = append(lines, line{kind, w.Word(key, values...)}) }
	fact := func(key string, values ...any) { facts = append(facts, line{kindInfo, w.Word(key, values...)}) }
	lines = p.record(c)
	for _, r := range c.Rivals {
		warn(kindWarn, "case.rival", r)
	}
	for _, d := range c.Changed {
		fact("case.changed", w.date(d))
	}
	if x := s.Stage; x != nil {
		fact("case.stage", w.stage(x.Stage), p.body(x.Body), w.date(x.Day))
	}
	if x := s.Promise; x != nil {
		if s.Overdue(p.desk.Clock().Today()) {
			warn(kindWarn, "case.overdue", w.date(crypto.Day(x.Until)), p.body(x.Body))
		} else {
			fact("case.promise", w.date(crypto.Day(x.Until)), p.body(x.Body), w.date(x.Day))
		}
	}
	for _, x := range s.Asked {
		fact("case.asked", p.body(x.Ask), p.body(x.Body), w.date(x.Day))
	}
	for _, x := range s.Consents {
		facts = append(facts, p.consent(x))
	}
	for _, x := range p.desk.ReferredTo(c) {
		facts = append(facts, line{kindInfo, p.referredTo(x)})
	}
	return lines, facts
}

// names are the names of bodies in one line.
func (p *Pages) names(list []crypto.Reader) (all string) {
	for i, r := range list {
		if i == 0 {
			all = p.reader(r)
		} else {
			all = p.words.Word("list.and", all, p.reader(r))
		}
	}
	return all
}

// consent is what the source answered about a body.
func (p *Pages) consent(x reviewer.Consent) line {
	name := p.reader(crypto.Reader{ID: x.Body, Since: x.Since})
	if x.Yes {
		return line{kindInfo, p.words.Word("case.yes", name, p.words.date(x.Day))}
	}
	return line{kindInfo, p.words.Word("case.no", name, p.words.date(x.Day))}
}

// body is a body's name in the directory in force, in the language of the window where it has
// one, safe to show.
func (p *Pages) body(id string) string {
	if d := p.desk.Directory(); d != nil {
		if b, ok := d.Body(id); ok {
			if name := nameIn(b.Names, p.words.Lang); name != "" {
				return name
			}
		}
	}
	return plain.SafeLine(id)
}

// reader is the name of a body that a source chose, as body gives it; one that is not
// what it was then goes by its id.
func (p *Pages) reader(r crypto.Reader) string {
	if d := p.desk.Directory(); d != nil {
		if _, ok := d.BodyOf(r); !ok {
			return p.desk.ReaderName(r)
		}
	}
	return p.body(r.ID)
}

// letter is one message with its words.
func (p *Pages) letter(c *reviewer.Case, m *reviewer.Message) letterView {
	w := p.words
	v := letterView{ID: m.ID, No: m.No, Day: m.Day, Kind: w.Word("kind." + reviewer.KindName(m.Kind))}
	v.From, v.Class = p.writer(m)
	v.Waiting, v.Path = m.Own && m.State == stateWaiting, casePath(c, "")
	v.Notes = p.notes(m)
	l, err := p.desk.Read(c, m)
	if err != nil {
		v.Lost = true
		l = &reviewer.Letter{Message: *m} // sizes and hashes of its files are known
	}
	for _, f := range l.Files {
		v.Files = append(v.Files, fileView{f.No, plain.SafeLine(f.Name), plain.SafeLine(f.MediaType), f.Size, hex.EncodeToString(f.SHA256[:]), m.No})
	}
	if err != nil || m.Mark == reviewer.MarkAgain {
		return v
	}
	if l.Unclear {
		v.Notes = append(v.Notes, line{kindWarn, w.Word("note.unclear")})
	}
	v.Words, v.Groups = paragraphs(l.Words), p.answers(l.Told)
	for i := range l.Events {
		e := &l.Events[i]
		switch e.Kind {
		case casework.KindStage:
			v.Facts = append(v.Facts, line{kindInfo, w.Word("event.stage", w.stage(e.Get("to")))})
			v.Words = append(v.Words, paragraphs(e.Get("reasons"))...)
		case casework.KindNote:
			v.Words = append(v.Words, paragraphs(e.Get("text"))...)
		}
	}
	if l.Notice != nil {
		v.Facts = append(v.Facts, p.notice(l.Notice)...)
	}
	for _, x := range l.Agreed {
		v.Facts = append(v.Facts, p.consent(x))
	}
	return v
}

// notice is what a notice tells the source.
func (p *Pages) notice(n *form.Notice) (out []line) {
	w := p.words
	if n.Stage != "" {
		out = append(out, line{kindInfo, w.Word("told.stage", w.stage(n.Stage))})
	}
	if n.Until != 0 {
		out = append(out, line{kindInfo, w.Word("told.promise", w.date(crypto.Day(n.Until)))})
	}
	if n.Ask != "" {
		out = append(out, line{kindInfo, w.Word("told.ask", p.body(n.Ask))})
	}
	return out
}

// writer says who wrote a message, and of which kind that is.
func (p *Pages) writer(m *reviewer.Message) (from, class string) {
	w := p.words
	switch {
	case m.Source:
		return w.Word("from.source"), "source"
	case m.Own:
		return w.Word("from.you"), "own"
	case m.Standing == crypto.SignerGood && m.Body == p.desk.Body():
		return w.Word("from.fellow", plain.SafeLine(m.Holder)), "own"
	case m.Standing == crypto.SignerGood:
		return w.Word("from.body", p.body(m.Body), plain.SafeLine(m.Holder)), "other"
	case m.Standing == crypto.SignerWithdrawn:
		return w.Word("from.withdrawn", p.body(m.Body), plain.SafeLine(m.Holder)), "nobody"
	}
	return w.Word("from.nobody"), "nobody"
}

// notes are what a reader must know before the words of a message.
func (p *Pages) notes(m *reviewer.Message) (out []line) {
	w := p.words
	say := func(kind, key string, values ...any) { out = append(out, line{kind, w.Word(key, values...)}) }
	switch m.Mark {
	case reviewer.MarkAgain:
		say(kindInfo, "note.again")
	case reviewer.MarkChanged:
		say(kindWarn, "note.changed")
	}
	switch m.Late {
	case reviewer.LateAfter:
		say(kindDanger, "note.late")
	case reviewer.LateSameDay:
		say(kindWarn, "note.sameday")
	}
	if !m.Source && !m.Own && m.Standing == crypto.SignerWithdrawn {
		say(kindDanger, "note.withdrawn")
	}
	if m.Version == 0 && p.desk.Directory() != nil {
		say(kindInfo, "note.directory")
	}
	if m.Own {
		switch {
		case m.Opened:
			say(kindInfo, "note.read")
		case m.State == stateWaiting:
			say(kindWarn, "note.waiting")
		case m.State == "sent":
			say(kindInfo, "note.sent", m.Bundle)
		case m.State == "released":
			say(kindInfo, "note.released")
		}
	}
	if !m.Source && len(m.Readers) > 0 {
		say(kindInfo, "note.readers", p.names(m.Readers))
	}
	return out
}

// answers are the answers to questions, group by group.
func (p *Pages) answers(told form.Answers) (out []answerGroup) {
	for _, g := range slices.Concat(form.Groups(), form.LaterGroups()[1:]) {
		group := answerGroup{Label: p.words.Word("group." + string(g))}
		for _, a := range told {
			if q, ok := form.QuestionOf(a.ID); ok && q.Group == g {
				group.Answers = append(group.Answers, p.answer(q, a))
			}
		}
		if len(group.Answers) > 0 {
			out = append(out, group)
		}
	}
	var unknown answerGroup
	for _, a := range told {
		if _, ok := form.QuestionOf(a.ID); !ok {
			unknown.Answers = append(unknown.Answers, answerView{Label: plain.SafeLine(a.ID), Words: paragraphs(strings.Join(a.Values, "\n\n"))})
		}
	}
	if len(unknown.Answers) > 0 {
		unknown.Label = p.words.Word("group.unknown")
		out = append(out, unknown)
	}
	return out
}

func (p *Pages) answer(q form.Question, a form.Answer) answerView {
	v := answerView{Label: p.words.source.Word("q." + q.ID)}
	for _, x := range a.Values {
		switch {
		case q.Kind == form.Text:
			v.Words = append(v.Words, paragraphs(x)...)
		case form.Label(q.Options, x) == "":
			v.Options = append(v.Options, plain.SafeLine(x))
		default:
			v.Options = append(v.Options, p.words.source.Word("q."+q.ID+"."+x))
		}
	}
	return v
}
