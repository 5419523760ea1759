package pages

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"postern/crypto"
	"postern/intake/form"
	"postern/locale"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// draft is an answer that is being written.
type draft struct {
	Text     string `json:"text"`
	Stage    string `json:"stage,omitempty"`
	By       string `json:"by,omitempty"` // as typed
	Ask      string `json:"ask,omitempty"`
	Language string `json:"language,omitempty"` // in which the source is shown the rest

	Files   []draftFile `json:"files,omitempty"`
	Instead string      `json:"instead,omitempty"` // id of an answer that waits until this one is sealed
}

func (d draft) equal(o draft) bool { return reflect.DeepEqual(d, o) }

// none says whether nothing is being written.
func (d draft) none() bool { return d.equal(draft{}) }

// templates are texts to begin an answer with, in the languages of the source's pages.
var templates = []string{"acknowledge", "more", "safety", "scope"}

// writeView is the page on which an answer is written.
type writeView struct {
	Path, Short string
	Lines       []line
	Readers     string
	Unable      string
	Narrowed    bool
	Draft       draft
	Used, Most  int // bytes of the text
	Stages      []choice
	Asks        []choice
	Languages   []choice
	Templates   []choice
	Waiting     int // answers of this case that wait
	Last        []paragraph
	Today       crypto.Day
	Attached    []attachView
	Offered     []attachView
	MostFiles   int64
}

// previewView is an answer as its source will see it.
type previewView struct {
	Path, Short string
	Lines       []line
	Readers     string
	Unable      string
	Narrowed    bool
	Clock       string // what to confirm about today's date; "" when nothing
	Page        sourcePage
	Attached    []attachView
	Instead     string
}

// sourcePage is what the source's own page will say, in its language.
type sourcePage struct {
	Lang, Dir string
	Heading   string
	From      string
	Day       string
	Stage     string
	By        string
	Words     []paragraph
	Ask       string
}

func (p *Pages) answerRoutes() []route {
	return []route{
		{window.Get, "/case/{case}/answer", p.write},
		{window.Post, "/case/{case}/answer", p.keep},
		{window.Get, "/case/{case}/preview", p.preview},
		{window.Post, "/case/{case}/seal", p.seal},
		{window.Post, "/case/{case}/discard", p.discard},
	}
}

// plan is who would read an answer; false when none can be sealed: the case's page says why.
func (p *Pages) plan(c *reviewer.Case) (*reviewer.Plan, bool) {
	plan, err := p.desk.PlanReply(c, p.desk.Clock().Today())
	if err != nil {
		p.refuse(err)
		return nil, false
	}
	return plan, true
}

func (p *Pages) write(a *ask) window.Reply {
	c := a.c
	plan, ok := p.plan(c)
	if !ok {
		return to(casePath(c, ""))
	}
	d := p.draft(c)
	if p.settle(c, &d) {
		p.say("answer.instead.gone")
		if err := p.keepDraft(c, d); err != nil {
			p.refuse(err)
		}
	}
	lines, _ := p.situation(c)
	v := writeView{
		Attached: attached(d), Offered: p.attachable(d), MostFiles: reviewer.MaxReplyFiles,
		Path: casePath(c, ""), Short: c.Short, Lines: lines, Draft: d, Used: len(form.Clean(d.Text)), Most: crypto.MaxText,
		Readers: p.names(plan.Bodies), Unable: p.names(plan.Unable), Narrowed: plan.Narrowed, Waiting: c.Waiting, Today: p.desk.Clock().Today(),
	}
	v.Stages = []choice{{"", p.words.Word("answer.stage.none"), d.Stage == ""}}
	for _, s := range form.Stages() {
		v.Stages = append(v.Stages, choice{s.ID, p.words.stage(s.ID), s.ID == d.Stage})
	}
	v.Asks = []choice{{"", p.words.Word("answer.ask.none"), d.Ask == ""}}
	for _, r := range p.desk.Askable(plan) {
		v.Asks = append(v.Asks, choice{r.ID, p.reader(r), r.ID == d.Ask})
	}
	lang := p.sourceLanguage(c, d)
	for _, l := range locale.SourceLanguages() {
		v.Languages = append(v.Languages, choice{l, locale.Endonym(l), l == lang})
	}
	for _, t := range templates {
		v.Templates = append(v.Templates, choice{ID: t, Label: p.words.Word("template." + t)})
	}
	for i := len(c.Messages) - 1; i >= 0; i-- {
		if m := &c.Messages[i]; m.Source && m.Text > 0 && m.Mark != reviewer.MarkAgain {
			if l, err := p.desk.Read(c, m); err == nil {
				v.Last = paragraphs(l.Words)
			}
			break
		}
	}
	return p.page("answer", "cases", p.words.Word("title.answer", c.Short), v)
}

// sourceLanguage is the one chosen, else the one that the source's own words tell, else the window's.
func (p *Pages) sourceLanguage(c *reviewer.Case, d draft) string {
	if slices.Contains(locale.SourceLanguages(), d.Language) {
		return d.Language
	}
	for i := len(c.Messages) - 1; i >= 0; i-- {
		m := &c.Messages[i]
		if !m.Source || m.Text == 0 || m.Mark == reviewer.MarkAgain {
			continue
		}
		if l, err := p.desk.Read(c, m); err == nil {
			if lang := languageOf(plain.SafeText(l.Words)); lang != "" {
				return lang
			}
		}
	}
	return p.words.Lang
}

// keep takes a draft from its form, and does with it what the button said.
func (p *Pages) keep(a *ask) window.Reply {
	c := a.c
	d := draft{
		Text: a.field("text", maxTyped), Stage: a.field("stage", maxID), By: a.field("by", maxID), Ask: a.field("ask", maxID), Language: a.field("language", maxID),
	}
	if len(a.Form.Get("text")) > maxTyped {
		p.refuse(errTooLong)
		return to(casePath(c, "/answer"))
	}
	was := p.draft(c)
	d.Instead = was.Instead
	files, ferr := p.withFiles(a, was)
	d.Files = files
	if t := a.field("template", maxID); a.field("do", maxID) == "template" && slices.Contains(templates, t) {
		if d.Text = form.Clean(d.Text); d.Text != "" {
			d.Text += "\n\n"
		}
		d.Text += templateText(p.sourceLanguage(c, d), t)
	}
	if err := p.keepDraft(c, d); err != nil {
		p.refuse(err)
		return to(casePath(c, "/answer"))
	}
	if ferr != nil {
		p.refuse(ferr)
		return to(casePath(c, "/answer"))
	}
	if a.field("do", maxID) != "preview" {
		return to(casePath(c, "/answer"))
	}
	if _, _, err := p.checked(c, d); err != nil {
		p.refuse(err)
		return to(casePath(c, "/answer"))
	}
	return to(casePath(c, "/preview"))
}

// checked is a draft as it would be sealed, and why it cannot be.
func (p *Pages) checked(c *reviewer.Case, d draft) (*reviewer.Plan, reviewer.Draft, error) {
	today := p.desk.Clock().Today()
	out := reviewer.Draft{Text: form.Clean(d.Text)}
	plan, err := p.desk.PlanReply(c, today)
	if err != nil {
		return nil, out, err
	}
	if d.Stage != "" || d.By != "" || d.Ask != "" {
		out.Notice = &form.Notice{Stage: d.Stage, Ask: d.Ask}
		if d.By != "" {
			by, err := reviewer.ParseBy(d.By, today)
			if err != nil {
				return nil, out, err
			}
			out.Notice.Until = uint32(by)
		}
	}
	switch {
	case out.Text == "" && out.Notice == nil && len(d.Files) == 0:
		return nil, out, errEmpty
	case len(out.Text) > crypto.MaxText:
		return nil, out, errTooLong
	}
	if out.Files, err = p.attachments(c, d); err != nil {
		return nil, out, err
	}
	if d.Instead != "" {
		out.Instead = p.waitingAnswer(c, d.Instead)
	}
	return plan, out, p.desk.CheckNotice(plan, out.Notice)
}

func (p *Pages) preview(a *ask) window.Reply {
	c := a.c
	d := p.draft(c)
	plan, out, err := p.checked(c, d)
	if err == nil {
		err = p.lookAtFiles(c, &d)
	}
	if err != nil {
		p.refuse(err)
		return to(casePath(c, "/answer"))
	}
	lines, _ := p.situation(c)
	v := previewView{
		Attached: attached(d), Instead: d.Instead,
		Path: casePath(c, ""), Short: c.Short, Lines: lines, Readers: p.names(plan.Bodies), Unable: p.names(plan.Unable), Narrowed: plan.Narrowed,
		Page: p.asSource(p.sourceLanguage(c, d), out),
	}
	if k := p.desk.Clock(); k.Doubtful() {
		v.Clock = p.words.Word("clock.right", p.words.date(k.Today()))
	}
	return p.page("preview", "cases", p.words.Word("title.preview", c.Short), v)
}

// asSource is an answer in the words of the source's own page.
func (p *Pages) asSource(lang string, d reviewer.Draft) sourcePage {
	l, err := locale.Source(lang)
	if err != nil {
		panic(err) // one of SourceLanguages
	}
	name := func(id string) string {
		if b, ok := p.desk.Directory().Body(id); ok {
			return nameIn(b.Names, lang)
		}
		return id
	}
	v := sourcePage{
		Lang: l.Lang, Dir: l.Dir, Heading: l.Word("reply.heading"), From: l.Word("reply.from") + " " + name(p.desk.Body()),
		Day: l.Word("reply.day", l.Date(p.desk.Clock().Today())), Words: paragraphs(d.Text),
	}
	if n := d.Notice; n != nil {
		if n.Stage != "" {
			v.Stage = l.Word("reply.stage") + " " + l.Word("stage."+n.Stage)
		}
		if n.Until != 0 {
			v.By = l.Word("reply.by", l.Date(crypto.Day(n.Until)))
		}
		if n.Ask != "" {
			v.Ask = l.Word("reply.ask.question", name(n.Ask))
		}
	}
	return v
}

// seal seals the draft as it was previewed.
func (p *Pages) seal(a *ask) window.Reply {
	c := a.c
	plan, out, err := p.checked(c, p.draft(c))
	if err == nil && p.desk.Clock().Doubtful() && a.field("clock", maxID) != "yes" {
		err = errClock
	}
	if err != nil {
		p.refuse(err)
		return to(casePath(c, "/answer"))
	}
	if _, err := p.desk.Reply(plan, out); err != nil {
		p.refuse(err)
		if errors.Is(err, errAttached) {
			return to(casePath(c, "/preview"))
		}
		return to(casePath(c, "/answer"))
	}
	if err := p.forgetDraft(c); err != nil {
		p.refuse(err)
	}
	p.say("answer.sealed", cmp.Or(p.names(plan.Bodies), p.desk.Body()))
	return to(casePath(c, ""))
}

func (p *Pages) discard(a *ask) window.Reply {
	if err := p.forgetDraft(a.c); err != nil {
		p.refuse(err)
	}
	return to(casePath(a.c, ""))
}

// templateText is a text to begin with, in a language of the source's pages.
func templateText(lang, name string) string {
	l, err := locale.Read(assets, "answers", lang)
	if err != nil {
		panic(fmt.Sprintf("answers in language %q: %v", lang, err)) // embedded
	}
	return l.Word("answer." + name)
}
