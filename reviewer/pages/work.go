package pages

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// actGroups are the kinds of events that a reviewer writes, in the order of the page: what is done
// every day comes first. A kind that stands in no group comes last.
var actGroups = []struct {
	id    string
	kinds []string
}{
	{"daily", []string{casework.KindNote, casework.KindStage, casework.KindAssign, casework.KindLabel, casework.KindDealt}},
	{"source", []string{casework.KindRisk, casework.KindTold, casework.KindDate, casework.KindExtend, casework.KindPriority}},
	{"order", []string{casework.KindTitle, casework.KindLink, casework.KindTake, casework.KindRecuse, casework.KindStrike}},
	{"results", []string{casework.KindRecommend, casework.KindFate, casework.KindClassify}},
	{"end", []string{casework.KindRetain, casework.KindHold, casework.KindAskErase, casework.KindMayErase}},
}

// actKinds are the kinds of events that can be written about a case that is here.
func actKinds() (ids []string) {
	for _, k := range casework.Kinds() {
		if k.ID != casework.KindOpened {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// typed is a form that was refused, as it was typed, by the path of its page. It stays until it is
// sent once more, or the window ends.
type typed struct {
	values map[string]string
	wrong  string // the field that is to be mended
	error  string
}

// workView is the page on which something is done to a case.
type workView struct {
	Path, Short, Title string
	Lines              []line
	Facts              []standing
	Groups             []actGroup
	Form               *formView
}

// actGroup is a part of the list of all that can be done.
type actGroup struct {
	Label string
	Acts  []actLink
}

type actLink struct {
	Path, Label string
	On          bool
}

// formView is the form of one kind of event.
type formView struct {
	Kind    string
	Label   string
	Hint    string
	Action  string
	None    string // why there is nothing to do; "": there is
	Moves   []moveView
	Fields  []inputView
	Scopes  []choice
	Again   bool     // it was refused
	Buttons []choice // of the field "on"; empty: one button
	Back    string
	Today   *todayView
	Labels  []labelView
}

// scopeView is the choice of who may read an event.
type scopeView struct {
	ID      string
	Options []choice
}

// Scope is that choice in one of the forms of a page.
func (f *formView) Scope(form string) scopeView { return scopeView{"for-" + form, f.Scopes} }

// moveView is a step to a stage that the case may go to.
type moveView struct {
	To, Label string
	Fields    []inputView
	Open      bool
}

// labelView is a label in use: on this case, or on others.
type labelView struct {
	Name string
	On   bool
}

// inputView is one field of a form.
type inputView struct {
	ID, Name, Label string
	Type            string // text, line, choice, date, number, case
	Value           string
	Options         []choice
	Required        bool
	Rows, Most      int
	Error           string
	Focus           bool
}

func (p *Pages) workRoutes() []route {
	list := []route{
		{window.Get, "/case/{case}/act", func(a *ask) window.Reply { return p.work(a, casework.KindNote) }},
		{window.Post, "/today", p.confirm},
		{window.Get, "/case/{case}/erase", p.ending},
		{window.Post, "/case/{case}/erase", p.erase},
	}
	for _, kind := range actKinds() {
		list = append(list,
			route{window.Get, "/case/{case}/act/" + kind, func(a *ask) window.Reply { return p.work(a, kind) }},
			route{window.Post, "/case/{case}/act/" + kind, func(a *ask) window.Reply { return p.act(a, kind) }})
	}
	return list
}

// work is the page with the form of one kind of event.
func (p *Pages) work(a *ask, kind string) window.Reply {
	c := a.c
	v := workView{Path: casePath(c, ""), Short: c.Short, Title: plain.SafeLine(c.Work.Title), Facts: p.standing(c), Groups: p.groups(c, kind)}
	v.Lines, _ = p.situation(c)
	v.Form = p.form(a, kind)
	return p.page("work", "cases", p.words.Word("title.work", c.Short), v)
}

// groups are the list of all that can be done to a case.
func (p *Pages) groups(c *reviewer.Case, on string) (out []actGroup) {
	left := actKinds()
	add := func(id string, kinds []string) {
		g := actGroup{Label: p.words.Word("acts." + id)}
		for _, k := range kinds {
			g.Acts = append(g.Acts, actLink{casePath(c, "/act/"+k), p.words.Word("act." + k), k == on})
			left = slices.DeleteFunc(left, func(o string) bool { return o == k })
		}
		if id == "end" {
			g.Acts = append(g.Acts, actLink{casePath(c, "/erase"), p.words.Word("act.erase"), on == "erase"})
		}
		out = append(out, g)
	}
	for _, g := range actGroups {
		add(g.id, g.kinds)
	}
	if len(left) > 0 {
		add("other", left)
	}
	return out
}

// form is the form of one kind, made from its rules.
func (p *Pages) form(a *ask, kind string) *formView {
	c := a.c
	k, _ := casework.KindOf(kind)
	path := casePath(c, "/act/"+kind)
	f := &formView{Kind: kind, Label: p.words.Word("act." + kind), Hint: p.words.Word("act." + kind + ".hint"), Action: path, Back: casePath(c, ""), Today: p.today(a)}
	was, again := p.typed[path]
	if f.Again = again; !again {
		was.values = p.present(c, kind)
		for _, name := range []string{"of", "flag"} {
			if v := a.Query.Get(name); v != "" && k.Rule(name) != nil {
				was.values[name] = v // a choice that is not offered chooses nothing
			}
		}
	}
	scope := was.values["for"]
	if scope == "" {
		scope = k.Scope.String()
	}
	for _, s := range []casework.Scope{casework.Desk, casework.Body, casework.All} {
		f.Scopes = append(f.Scopes, choice{s.String(), p.words.Word("scope." + s.String()), s.String() == scope})
	}
	if kind == casework.KindStage {
		f.Moves = p.moves(c, k, was)
		return f
	}
	for _, r := range k.Rules {
		if reviewer.Filled(kind, r.Name) {
			continue
		}
		if r.Name == "on" {
			f.Buttons = p.buttons(c, kind)
			continue
		}
		i := p.input(c, kind, &r, was)
		if i.Type == "choice" && r.Required && len(i.Options) == 0 {
			f.None = p.words.Word("act." + kind + ".none")
		}
		i.Focus = len(f.Fields) == 0 && was.wrong == "" || was.wrong == r.Name
		f.Fields = append(f.Fields, i)
	}
	if kind == casework.KindLabel {
		f.Labels = p.labels(c)
	}
	return f
}

// present is what a form begins with: as it is now, where a new event takes the place of the whole.
func (p *Pages) present(c *reviewer.Case, kind string) map[string]string {
	values := make(map[string]string)
	switch s := c.Work; kind {
	case casework.KindTitle:
		values["text"] = plain.SafeLine(s.Title)
	case casework.KindAssign:
		values["holder"] = s.Assignee
	case casework.KindRetain:
		values["class"] = s.Class
	case casework.KindPriority:
		if s.Priority != nil {
			values["likelihood"], values["impact"], values["reasons"] = strconv.Itoa(s.Priority.Likelihood), strconv.Itoa(s.Priority.Impact), plain.SafeText(s.Priority.Reasons)
		}
	case casework.KindClassify:
		for _, f := range s.Classified.Fields {
			values[f.Name] = plain.SafeLine(f.Value)
		}
	}
	return values
}

// buttons are what can be said of the field "on".
func (p *Pages) buttons(c *reviewer.Case, kind string) []choice {
	ids := []string{casework.Yes, casework.No}
	switch {
	case kind == casework.KindTake && c.Work.Taken, kind == casework.KindHold && c.Work.Hold != nil:
		ids = ids[1:]
	case kind == casework.KindTake, kind == casework.KindHold, kind == casework.KindRecuse && len(c.Work.Recused) == 0:
		ids = ids[:1]
	case kind == casework.KindLabel:
		ids = ids[:1] // those that are on have a button of their own
	}
	return p.choices("option."+kind+".on.", "", ids...)
}

// labels are those of a case, and those that other cases have.
func (p *Pages) labels(c *reviewer.Case) (out []labelView) {
	for _, l := range c.Work.Labels {
		out = append(out, labelView{plain.SafeLine(l), true})
	}
	for _, l := range p.allLabels() {
		if !slices.Contains(c.Work.Labels, l) {
			out = append(out, labelView{plain.SafeLine(l), false})
		}
	}
	return out
}

// labelOf is the label that a page shows like this; else what was typed is one.
func (p *Pages) labelOf(shown string) string {
	for _, l := range p.allLabels() {
		if plain.SafeLine(l) == shown {
			return l
		}
	}
	return shown
}

// allLabels are the labels of all cases, sorted.
func (p *Pages) allLabels() (all []string) {
	for i := range p.all() {
		all = append(all, p.cases[i].Work.Labels...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// moves are the stages to which a case may go, each with the fields that it has.
func (p *Pages) moves(c *reviewer.Case, k *casework.Kind, was typed) (out []moveView) {
	for _, to := range casework.Next(c.Work.Stage) {
		m := moveView{To: to, Label: p.words.stage(to), Open: was.values["to"] == to}
		needed, may := casework.Wants(to)
		for _, name := range slices.Concat(needed, may) {
			rule := *k.Rule(name)
			rule.Required = slices.Contains(needed, name)
			now := typed{}
			if m.Open {
				now = was
			}
			i := p.input(c, k.ID, &rule, now)
			i.ID += "-" + to
			i.Focus = m.Open && was.wrong == name
			m.Fields = append(m.Fields, i)
		}
		out = append(out, m)
	}
	return out
}

// Sizes of fields in forms.
const (
	longText, shortText = 12, 4 // rows
	noteBytes           = 4 << 10
	fewNumbers          = 10 // so many are a list to choose from
)

// input is one field, made from its rule.
func (p *Pages) input(c *reviewer.Case, kind string, r *casework.Rule, was typed) inputView {
	w := p.words
	i := inputView{
		ID: "f-" + r.Name, Name: r.Name, Label: w.Word("field." + kind + "." + r.Name), Type: "line", Value: was.values[r.Name], Required: r.Required, Most: r.Max,
	}
	if was.wrong == r.Name {
		i.Error = was.error
	}
	options := func(list []choice) {
		i.Type, i.Options = "choice", list
		on := slices.ContainsFunc(list, func(o choice) bool { return o.On })
		switch {
		case !r.Required:
			i.Options = append([]choice{{"", w.Word("field.none"), !on}}, list...)
		case len(list) == 1:
			list[0].On = true
		case !on && len(list) > 1: // nothing is said by not looking
			i.Options = append([]choice{{"", w.Word("field.choose"), true}}, list...)
		}
	}
	switch r.Type {
	case casework.Text:
		i.Type, i.Rows = "text", shortText
		if r.Max > noteBytes {
			i.Rows = longText
		}
	case casework.Line:
		if kind == casework.KindRetain {
			options(p.classes(i.Value))
		}
	case casework.Choice:
		options(p.offered(c, kind, r, i.Value))
	case casework.Date:
		i.Type = "date"
	case casework.Number:
		i.Type = "number"
		if r.Max-r.Min < fewNumbers {
			var list []choice
			for n := r.Min; n <= r.Max; n++ {
				list = append(list, choice{strconv.Itoa(n), strconv.Itoa(n), strconv.Itoa(n) == i.Value})
			}
			options(list)
		}
	case casework.EventOf:
		options(p.entries(c, kind, i.Value))
	case casework.Holder:
		var list []choice
		for _, h := range append([]string{p.desk.Holder()}, p.desk.Fellows()...) {
			list = append(list, choice{h, p.holder(h), h == i.Value})
		}
		options(list)
	case casework.CaseOf:
		i.Type = "case"
	case casework.Texts: // the desk fills them in
	}
	return i
}

// offered are the options of a choice that the case allows.
func (p *Pages) offered(c *reviewer.Case, kind string, r *casework.Rule, now string) (out []choice) {
	for _, o := range r.Options {
		if kind == casework.KindDealt && r.Name == "flag" && len(c.Raised[o.ID]) == 0 {
			continue
		}
		out = append(out, choice{o.ID, p.option(kind, r.Name, o.ID), o.ID == now})
	}
	return out
}

// classes are the classes of retention.
func (p *Pages) classes(now string) (out []choice) {
	s := p.desk.Settings()
	for _, c := range s.Classes {
		out = append(out, choice{c.ID, p.words.Word("settings.class", c.Days, plain.SafeLine(c.ID)), c.ID == now})
	}
	return out
}

// shownOf is how much of an entry's words stands in a list to choose from, in characters.
const shownOf = 60

// entries are those of this body that an event of a kind may name, the newest first.
func (p *Pages) entries(c *reviewer.Case, kind, now string) (out []choice) {
	for i := len(c.Book.Log) - 1; i >= 0; i-- {
		e := &c.Book.Log[i]
		ref := e.Hash.Ref()
		if e.Author.Body != p.desk.Body() || e.Err != nil {
			continue
		}
		_, struck := c.StruckBy(ref)
		fits := false
		switch kind {
		case casework.KindStrike:
			fits = casework.Strikable(e.Kind) && !struck
		case casework.KindFate:
			fits = slices.ContainsFunc(c.Work.Recommendations, func(r casework.Recommendation) bool {
				return r.Ref == ref && r.Fate != casework.FateImplemented
			})
		case casework.KindMayErase:
			fits = c.Work.EraseAsked != nil && c.Work.EraseAsked.Ref == ref
		}
		if !fits {
			continue
		}
		text := p.words.Word("step.of", p.words.Word("act."+e.Kind), p.words.date(e.Day))
		for _, name := range []string{"text", "reasons"} {
			if words := strings.Join(strings.Fields(plain.SafeText(e.Get(name))), " "); words != "" {
				text = p.words.Word("due.about", text, begin(words, shownOf))
				break
			}
		}
		out = append(out, choice{string(ref), text, string(ref) == now})
	}
	return out
}

// begin is the beginning of a text.
func begin(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + " …"
	}
	return s
}

// todayView asks whether today's date is right, before anything is dated.
type todayView struct{ Question, Back string }

// today is that question; nil when there is none. What was confirmed in this window is not asked
// again on that day.
func (p *Pages) today(a *ask) *todayView {
	if p.sureOfDay() == nil {
		return nil
	}
	return &todayView{p.words.Word("clock.right", p.words.date(p.desk.Clock().Today())), a.Path}
}

// sureOfDay says whether today's date is beyond doubt, or was confirmed.
func (p *Pages) sureOfDay() error {
	if k := p.desk.Clock(); k.Doubtful() && p.confirmed != k.Today() {
		return errClock
	}
	return nil
}

// confirm takes the answer.
func (p *Pages) confirm(a *ask) window.Reply {
	p.confirmed = p.desk.Clock().Today()
	back := a.field("back", maxLine)
	if !slices.ContainsFunc(p.routes, func(r route) bool { _, ok := match(r.pattern, back); return ok && r.method == window.Get }) {
		back = "/"
	}
	return to(back)
}

// act writes an event. What is refused keeps what was typed.
func (p *Pages) act(a *ask, kind string) window.Reply {
	c := a.c
	k, _ := casework.KindOf(kind)
	path := casePath(c, "/act/"+kind)
	values := make(map[string]string)
	for _, r := range k.Rules {
		if !reviewer.Filled(kind, r.Name) {
			values[r.Name] = a.field(r.Name, maxForm)
		}
	}
	if kind == casework.KindLabel {
		values["name"] = p.labelOf(values["name"])
	}
	err := p.sureOfDay()
	var scope casework.Scope
	if err == nil {
		scope = k.Scope
		if s := a.field("for", maxID); s != "" {
			scope, err = casework.ScopeOf(s)
		}
	}
	var made casework.Act
	if err == nil {
		made, err = p.desk.Compose(c, kind, values)
	}
	if err == nil {
		_, err = p.desk.Act(c, scope, made)
	}
	if err != nil {
		values["for"] = a.field("for", maxID)
		p.keepTyped(path, values, err)
		return to(path)
	}
	delete(p.typed, path)
	p.say("work.done", p.words.Word("act."+kind))
	return to(casePath(c, ""))
}

// keepTyped keeps a refused form, and says what is wrong with it.
func (p *Pages) keepTyped(path string, values map[string]string, err error) {
	if p.typed == nil {
		p.typed = make(map[string]typed)
	}
	t := typed{values: values}
	var f *casework.FieldError
	if errors.As(err, &f) {
		t.wrong, t.error = f.Field, p.wrong(f)
		p.said = append(p.said, notice{p.words.Word("work.wrong", p.words.Word("field."+f.Kind+"."+f.Field)), "", true})
	} else {
		p.refuse(err)
	}
	p.typed[path] = t
}

// wrong says what to do about a field.
func (p *Pages) wrong(f *casework.FieldError) string {
	w := p.words
	k, ok := casework.KindOf(f.Kind)
	if f.Why == nil || !ok || k.Rule(f.Field) == nil {
		return w.Word("wrong.missing")
	}
	switch r := k.Rule(f.Field); r.Type {
	case casework.Text, casework.Line:
		if f.Kind == casework.KindRetain {
			return w.Word("wrong.choice")
		}
		return w.Word("wrong.text", r.Max)
	case casework.Date:
		return w.Word("refused.by")
	case casework.Number:
		return w.Word("wrong.number", r.Min, r.Max)
	case casework.CaseOf:
		return w.Word("wrong.case")
	case casework.Choice, casework.EventOf, casework.Holder, casework.Texts:
		return w.Word("wrong.choice")
	}
	return w.Word("wrong.missing")
}

// endingView is the page on which a case is erased.
type endingView struct {
	Path, Short, Title string
	Lines              []line
	Groups             []actGroup
	Against            []line // what stands against it
	Final              bool   // and no reason sets it aside
	Reasons            bool   // they are needed
	Two                bool   // the settings ask for two holders
	MayAsk, MayAgree   bool
	Waiting            int // answers that will never be sent
	Typed              string
	Today              *todayView
}

// ending says what stands against erasing a case, and what to do about it.
func (p *Pages) ending(a *ask) window.Reply {
	c, w := a.c, p.words
	s := p.desk.Settings()
	v := endingView{
		Path: casePath(c, ""), Short: c.Short, Title: plain.SafeLine(c.Work.Title), Groups: p.groups(c, "erase"), Two: s.TwoHolders, Waiting: c.Waiting, Today: p.today(a),
		Typed: p.typed[casePath(c, "/erase")].values["reasons"],
	}
	v.Lines, _ = p.situation(c)
	err := p.desk.MayErase(c)
	v.Final, v.Reasons = casework.Final(err), err != nil
	for _, x := range []struct {
		err error
		key string
	}{
		{casework.ErrHeld, "erase.against.held"}, {casework.ErrApprove, "erase.against.approve"}, {casework.ErrGrace, "erase.against.grace"},
		{casework.ErrOpen, "erase.against.open"}, {casework.ErrKept, "erase.against.kept"},
	} {
		if errors.Is(err, x.err) {
			v.Against = append(v.Against, line{kindWarn, w.Word(x.key)})
		}
	}
	if asked := c.Work.EraseAsked; s.TwoHolders && c.Work.Hold == nil {
		v.MayAsk = asked == nil || asked.Day < c.Facts.Wrote
		v.MayAgree = asked != nil && asked.By.Holder != p.desk.Holder() && c.Work.EraseAgreed == nil
	}
	return p.page("erase", "cases", w.Word("title.erase", c.Short), v)
}

// erase forgets a case; the passphrase is asked for once more.
func (p *Pages) erase(a *ask) window.Reply {
	path := casePath(a.c, "/erase")
	reasons := a.field("reasons", maxForm)
	var pass []byte
	err := p.sureOfDay()
	if against := p.desk.MayErase(a.c); err == nil && (casework.Final(against) || strings.TrimSpace(reasons) == "") {
		err = against // before anybody is asked for a passphrase
	}
	if err == nil {
		pass, err = p.passphrase(p.words.Word("ask.erase", a.c.Short))
	}
	if err == nil {
		err = p.desk.Erase(a.c, pass, reasons)
	}
	if err != nil {
		p.keepTyped(path, map[string]string{"reasons": reasons}, err)
		return to(path)
	}
	for at := range p.typed {
		if strings.HasPrefix(at, casePath(a.c, "/")) {
			delete(p.typed, at)
		}
	}
	p.say("erase.done", a.c.Short)
	return to("/")
}
