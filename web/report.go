package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/intake/form"
)

// problems are why a form comes back. Each has words "problem.<id>".
const (
	probText     = "text"
	probAnswer   = "answer"
	probEmpty    = "empty"
	probQuorum   = "quorum"
	probBody     = "body"
	probClosed   = "closed"
	probFull     = "full"
	probHour     = "hour" // so much came that it must wait, so long
	probDay      = "day"
	probLine     = "line"
	probInternal = "internal"
	probExpired  = "expired"
	probWords    = "words"
	probUnknown  = "unknown"
	probOrder    = "order"
	probOther    = "other"
	probRepair   = "repair"
	probEither   = "either"
	probNoFile   = "nofile"
	probNothing  = "nothing"
	probForm     = "form"
	probCross    = "cross"
	probCode     = "code"
)

var problems = []string{
	probText, probAnswer, probEmpty, probQuorum, probBody, probClosed, probFull, probHour, probDay, probLine, probInternal, probExpired,
	probWords, probUnknown, probOrder, probOther, probRepair, probEither, probNoFile,
	probNothing, probForm, probCross, probCode,
}

// formView is a form in which a source writes: a report or a message.
type formView struct {
	Ticket   string
	AskCode  bool // the ticket is gone: the code is asked for again
	Code     string
	Problem  string // finished sentence; "" when there is none
	Blamed   *blamed
	Again    bool // files must be chosen again
	Sure     bool // the choice to send a code all the same is offered
	Cut      *cutText
	Letters  string // that fit into the text, in the page's own alphabet
	Fewest   string // in others
	Bodies   bodiesView
	Groups   map[string]groupView
	Files    int
	FileSize string
	NextDay  string // when a body can read it at the earliest
	NextHour string
}

func (v formView) trouble() bool { return v.Problem != "" || v.Cut != nil }

func (v formView) shortened(c cutText) any { v.Cut = &c; return v }

// Field is where the code goes when it is asked for.
func (v formView) Field() codeField { return codeField{Value: v.Code, Problem: v.Problem != ""} }

// reportGroups are the groups on a report's form, messageGroups those on a later one's.
var (
	reportGroups  = form.Groups()
	messageGroups = form.LaterGroups()
)

func (s *source) formView(d *crypto.Directory, f *fields, most int, groups []form.Group) formView {
	limits := s.service.Limits()
	v := formView{Groups: map[string]groupView{}, Files: limits.Files, FileSize: s.words.Size(limits.FileSize)}
	v.Letters, v.Fewest = letters(s.words, crypto.MaxText), roughly(crypto.MaxText/3)
	v.Sure = f.warned || f.sure
	v.NextDay, v.NextHour = s.handover(s.service.NextRelease())
	if d != nil {
		v.Bodies = s.bodies(d, f.bodies)
	}
	for _, g := range s.groups(f, most, groups...) {
		v.Groups[string(g.ID)] = g
	}
	return v
}

// blamed is the part of a long form that a problem is about.
type blamed struct{ ID, Label string }

// blame finds it; nil when the problem is about none.
func (s *source) blame(problem, text string, f *fields) *blamed {
	switch problem {
	case probText, probEmpty, probCode:
		return &blamed{fieldText, s.words.Word(text)}
	case probQuorum, probBody:
		return &blamed{"bodies", s.words.Word("bodies")}
	case probAnswer:
		if _, long := answersOf(f.answers); long != "" {
			return &blamed{fieldAnswer + long, s.words.Word("q." + long)}
		}
	}
	return nil
}

// says is the sentence for a problem with a form.
func (s *source) says(problem string, f *fields) string {
	if problem == probText {
		return s.words.Word("problem."+problem, number(f.letters[fieldText]), number(lettersWithin(f.text, crypto.MaxText)))
	}
	return s.words.Word("problem." + problem)
}

// reportForm shows an empty report with a fresh code inside its ticket.
func (s *source) reportForm(v *visit) answer {
	d := s.service.Directory()
	if ok, _ := s.service.Accepting(); !ok || d == nil {
		return s.fixedPage(v, http.StatusServiceUnavailable, "closed")
	}
	return s.reportAgain(d, s.tickets.start(), &fields{bodies: intake.Defaults(d)}, "", false)
}

// writeForm is the id of the form in which a source writes.
const writeForm = "write"

// reportAgain shows the form with what was typed. Its ticket lives no longer for it.
func (s *source) reportAgain(d *crypto.Directory, k ticket, f *fields, problem string, files bool) answer {
	k.shows(d, f)
	sealed := s.tickets.seal(actReport, k)
	return answer{name: "report", text: f.text, gone: f.beyond(), choice: &choice{Form: writeForm, Files: true, Action: "again/report"}, build: func(most int) any {
		v := s.formView(d, f, most, reportGroups)
		v.Ticket, v.Again = sealed, files
		if problem != "" {
			v.Problem, v.Blamed = s.says(problem, f), s.blame(problem, "report.text", f)
		}
		return v
	}}
}

// form reads a form's fields. ok is false when it is none of ours; f is nil when
// it is no form at all.
func (s *source) form(v *visit) (f *fields, err error, ok bool) { //nolint:revive // err belongs to f
	if v.up, err = newUpload(v.r, v.body, s.now); err != nil {
		return nil, err, false
	}
	f, err = v.up.fields(s.now)
	return f, err, !errors.Is(err, errForm)
}

// nothing answers a form whose body is empty, or ends before its fields: Firefox
// sends that when a chosen file has vanished. Only a report begins anew; other
// forms cannot, since what they belong to has not arrived either.
func (s *source) nothing(v *visit) answer {
	d := s.service.Directory()
	if p := v.r.URL.Path; d == nil || p != "/report" && p != "/again/report" {
		return s.fixedPage(v, http.StatusBadRequest, "nothing")
	}
	return s.reportAgain(d, s.tickets.start(), &fields{bodies: intake.Defaults(d)}, probNothing, false)
}

// opaque says whether a browser hides where a form comes from, and nothing else
// tells: then a ticket decides, or a code.
func opaque(r *http.Request) bool {
	return r.Header.Get("Origin") == "null" && r.Header.Get("Sec-Fetch-Site") == ""
}

// crossed answers a form that seems to come from another site. What was typed
// comes back, to be looked at and sent from here; no ticket, no tick and no choice,
// which that site could have set. f is nil when the form is not read yet.
func (s *source) crossed(v *visit, f *fields) answer {
	if f == nil && v.r.Method == http.MethodPost {
		f, _, _ = s.form(v)
	}
	a := s.fixedPage(v, http.StatusForbidden, "cross")
	d := s.service.Directory()
	if f == nil || d == nil {
		return a
	}
	typed := &fields{text: f.text, letters: f.letters, code: f.code, bodies: intake.Defaults(d), answers: map[string][]string{}}
	for id, v := range f.answers {
		if q, _ := form.QuestionOf(id); q.Kind == form.Text {
			typed.answers[id] = v
		}
	}
	switch path := strings.TrimPrefix(v.r.URL.Path, "/again"); {
	case path == "/report" && f.has(fieldText):
		a = s.reportAgain(d, s.tickets.start(), typed, probCross, v.up.hasFile())
	case path == "/message" && f.has(fieldText):
		a = s.messageAgain(d, ticket{}, typed, s.words.Word("problem."+probCross), nil, true, v.up.hasFile())
	case path == "/inbox" && f.code != "":
		a = enterPage(enterView{s.words.Word("problem." + probCross), f.code})
	}
	a.status = http.StatusForbidden
	return a
}

// opened reads a form that must come whole, with a ticket of one action. done:
// the answer is already known.
func (s *source) opened(v *visit, a action) (f *fields, k ticket, d *crypto.Directory, ans answer, done bool) {
	f, readErr, ok := s.form(v)
	switch {
	case f != nil && !f.has(fieldTicket):
		return f, k, d, s.nothing(v), true
	case !ok || readErr != nil:
		return f, k, d, s.fixedPage(v, http.StatusBadRequest, "form"), true
	}
	k, err := s.tickets.open(a, f.ticket, v.up.arrived)
	if d = s.service.Directory(); err != nil || d == nil {
		return f, k, d, s.enterAgain(probExpired), true
	}
	return f, k, d, answer{}, false
}

// check judges a form before the code it belongs to costs anything. file is the name
// of the first one.
func (s *source) check(d *crypto.Directory, own crypto.Code, f *fields, hasFile bool, file string) (fs intake.Fields, problem string) {
	fs.Text, fs.Bodies = f.text, f.bodies
	var long string
	fs.Answers, long = answersOf(f.answers)
	fs.Urgent = fs.Answers.Get(form.QUrgency) != nil || fs.Answers.Get(form.QSince) != nil
	known := 0
	for i := range d.Bodies {
		if slices.Contains(f.bodies, d.Bodies[i].ID) {
			known++
		}
	}
	switch {
	case f.cut || len(f.text) > crypto.MaxText:
		return fs, probText
	case long != "":
		return fs, probAnswer
	case known < max(1, d.Policy.Quorum):
		return fs, probQuorum
	case f.text == "" && len(fs.Answers) == 0 && !hasFile:
		return fs, probEmpty
	case !f.sure && f.holds(own, file):
		f.warned = true
		return fs, probCode
	}
	return fs, ""
}

// problemOf is the sentence for an error of intake, or probInternal.
func problemOf(err error) string {
	for _, p := range []struct {
		err     error
		problem string
	}{
		{intake.ErrQuorum, probQuorum},
		{intake.ErrUnknownBody, probBody},
		{intake.ErrTextTooLong, probText},
		{intake.ErrAnswers, probAnswer},
		{intake.ErrClosed, probClosed},
		{intake.ErrFull, probFull},
	} {
		if errors.Is(err, p.err) {
			return p.problem
		}
	}
	var later *intake.Later
	switch {
	case !errors.As(err, &later):
		return probInternal
	case later.After <= time.Hour:
		return probHour
	}
	return probDay
}

// store submits the fields, then the files of the form one by one. After a
// nil error everything named Kept is durable. own: unless it is the empty code,
// files that have it in their name are left out.
func (s *source) store(v *visit, x *intake.Session, fs intake.Fields, own crypto.Code) (fileResults, error) {
	ctx := v.lasting()
	if err := x.Submit(ctx, fs); err != nil {
		return fileResults{}, err
	}
	var res fileResults
	lost := func(name, why string) { res.add(name, s.words.Word("lost."+why)) }
	broken := false
	err := v.up.files(func(name, mediaType string, r io.Reader) {
		if own != (crypto.Code{}) && crypto.HoldsCode(name, own) {
			lost(name, "code")
			res.Code = true
			return
		}
		src := &failing{r: r}
		err := x.AddFile(ctx, name, mediaType, src)
		switch {
		case err == nil:
			res.add(name, "")
		case src.err != nil:
			broken = true
			lost(name, "line")
		case errors.Is(err, intake.ErrFileTooLarge):
			lost(name, "large")
		case errors.Is(err, intake.ErrTooManyFiles):
			lost(name, "many")
		case errors.Is(err, intake.ErrFull):
			lost(name, "full")
		case errors.As(err, new(*intake.Later)):
			lost(name, "later")
		case errors.Is(err, intake.ErrClosed), errors.Is(err, intake.ErrGone):
			lost(name, "gone")
		default:
			s.log(fmt.Sprintf("storing a file: %v", err))
			lost(name, "internal")
		}
	})
	if err != nil && !broken { // between two files
		res.Lost.Spans = append(res.Lost.Spans, fileSpan{Why: s.words.Word("lost.line")})
	}
	return res, nil
}

// lostReasons are why a file was not kept. Each has words "lost.<id>".
var lostReasons = []string{"internal", "line", "large", "many", "full", "later", "gone", "code"}

// reportInLanguage shows a form with what was typed in another language. Its
// files are read to their end in vain: a browser sends them along.
func (s *source) reportInLanguage(v *visit) answer {
	f, _, _ := s.form(v)
	d := s.service.Directory()
	switch {
	case f == nil:
		return s.fixedPage(v, http.StatusBadRequest, "form")
	case !f.has(fieldText):
		return s.nothing(v)
	case d == nil:
		return s.fixedPage(v, http.StatusServiceUnavailable, "closed")
	}
	k, err := s.tickets.open(actReport, f.ticket, v.up.arrived)
	if err != nil {
		k = s.tickets.start()
	}
	return s.reportAgain(d, k, f, "", v.up.hasFile())
}

// report takes a report. It is never refused for its ticket.
func (s *source) report(v *visit) answer {
	f, readErr, ok := s.form(v)
	if f == nil {
		return s.fixedPage(v, http.StatusBadRequest, "form")
	}
	d := s.service.Directory()
	k, err := s.tickets.open(actReport, f.ticket, v.up.arrived)
	switch {
	case !f.has(fieldText):
		return s.nothing(v)
	case err != nil && !errors.Is(err, errExpired) && opaque(v.r):
		return s.crossed(v, f)
	case err != nil:
		k = s.tickets.start()
	}
	back := func(problem string) answer {
		a := s.reportAgain(d, k, f, problem, v.up.hasFile())
		a.wait = true
		return a
	}
	if !ok {
		return back(probForm)
	}
	if d == nil {
		return back(probClosed)
	}
	if readErr != nil {
		return back(probLine)
	}
	fs, problem := s.check(d, k.code, f, v.up.hasFile(), v.up.name)
	if problem != "" {
		return back(problem)
	}
	fs.Form, fs.Listed = k.form, k.listed
	x, err := s.service.Enter(v.lasting(), k.code, intake.WorkReport)
	if err != nil {
		return back(s.logged("taking a report", err))
	}
	defer x.Close()
	res, err := s.store(v, x, fs, f.guard(k.code))
	if err != nil {
		return back(s.logged("taking a report", err))
	}
	if s.typed.has(k.form, s.now()) {
		return answer{name: "again", view: res, wait: true}
	}
	if soon := s.now().Add(slideLife); k.expires.Before(soon) {
		k.expires = soon // the upload may have taken all day
	}
	return s.codePage(d, k, x, fs.Bodies, res, "")
}

// logged is problemOf with a line in the log when it is our fault.
func (s *source) logged(doing string, err error) string {
	p := problemOf(err)
	if p == probInternal {
		s.fault(doing, err)
	}
	return p
}

// codeView is the page that shows a code.
type codeView struct {
	Words    []string
	Greeting [2]string
	Readers  []string
	Files    fileResults
	Problem  string
	Ticket   string // to type the code back
	More     filesView
}

func (v codeView) trouble() bool { return v.Problem != "" || v.Files.trouble() }

// Field is where the code is typed back; it never shows what was.
func (v codeView) Field() codeField { return codeField{Problem: v.Problem != ""} }

// filesView is the form that adds files to what was just sent.
type filesView struct {
	Ticket   string
	Sure     bool     // the choice to send files with a code in their names is offered
	Bodies   []string // ids
	Readers  []string // their names
	Files    int
	FileSize string
}

func (s *source) filesView(d *crypto.Directory, a action, k ticket, bodies []string, res fileResults) filesView {
	l := s.service.Limits()
	return filesView{
		Ticket: s.tickets.seal(a, k), Sure: res.Code, Bodies: bodies, Readers: s.names(d, bodies),
		Files: l.Files, FileSize: s.words.Size(l.FileSize),
	}
}

// codePage shows the code. Its tickets end when k does, however often a wrong
// code is typed back: they hold the right one.
func (s *source) codePage(d *crypto.Directory, k ticket, x *intake.Session, bodies []string, res fileResults, problem string) answer {
	back := s.tickets.seal(actCode, k)
	return answer{name: "code", wait: true, choice: &choice{Action: "again/code", Ticket: back}, view: codeView{
		Words: k.code.Words(), Greeting: x.Greeting(), Readers: s.names(d, bodies), Files: res, Problem: problem,
		Ticket: back, More: s.filesView(d, actEarly, k, bodies, res),
	}}
}

// codeInLanguage shows the page with the code in another language, as long as
// the code was not typed back. What became of files is not said again.
func (s *source) codeInLanguage(v *visit) answer {
	_, k, d, ans, done := s.opened(v, actCode)
	if done {
		return ans
	}
	if s.typed.has(k.form, s.now()) {
		return answer{name: "again", view: fileResults{}, wait: true}
	}
	x, err := s.service.Enter(v.lasting(), k.code, intake.WorkReport)
	if err != nil {
		return s.failed(v, "showing a code", err)
	}
	defer x.Close()
	return s.codePage(d, k, x, x.Chosen(), fileResults{}, "")
}

// keptView is the page after the code was typed back.
type keptView struct{ More filesView }

func (s *source) keptPage(more filesView) answer {
	return answer{name: "kept", wait: true, view: keptView{more}, choice: &choice{Action: "again/files", Ticket: more.Ticket, Bodies: more.Bodies}}
}

// filesInLanguage shows the page that takes further files in another language.
func (s *source) filesInLanguage(v *visit) answer {
	f, k, d, ans, done := s.opened(v, actFiles)
	if done {
		return ans
	}
	return s.keptPage(s.filesView(d, actFiles, k, f.bodies, fileResults{}))
}

// typeBack compares what was typed with the ticket's code.
func (s *source) typeBack(v *visit) answer {
	f, k, d, ans, done := s.opened(v, actCode)
	if done {
		return ans
	}
	x, err := s.service.Enter(v.lasting(), k.code, intake.WorkReport)
	if err != nil {
		return s.failed(v, "typing a code back", err)
	}
	defer x.Close()
	typed, err := crypto.ParseCode(f.code)
	if means(typed, k.code) {
		s.typed.add(k.form, s.now())
		return s.keptPage(s.filesView(d, actFiles, k, x.Chosen(), fileResults{}))
	}
	if s.typed.has(k.form, s.now()) {
		return answer{name: "again", view: fileResults{}, wait: true}
	}
	problem := s.words.Word("problem." + probOther)
	if err != nil {
		problem = s.codeProblem(err)
	}
	return s.codePage(d, k, x, x.Chosen(), fileResults{}, problem)
}

// sentView is the page after files or a message were sent.
type sentView struct {
	Text    bool // words were sent, not files alone
	Consent bool // or the answer to a question
	Files   fileResults
	Problem string
	More    filesView
	Inbox   string // ticket, when the visit began in the inbox
	Code    string // ticket, when the code is still to be noted
}

func (v sentView) trouble() bool { return v.Problem != "" || v.Files.trouble() }

// Nothing says whether nothing of what was sent has arrived.
func (v sentView) Nothing() bool {
	return !v.Text && !v.Consent && v.Files.Kept.Count == 0 && v.Files.trouble()
}

// addFiles takes files for the form just sent.
func (s *source) addFiles(v *visit) answer {
	f, readErr, ok := s.form(v)
	switch {
	case f != nil && !f.has(fieldTicket):
		return s.nothing(v)
	case !ok:
		return s.fixedPage(v, http.StatusBadRequest, "form")
	}
	from := actFiles
	k, err := s.tickets.open(from, f.ticket, v.up.arrived)
	if err != nil {
		from = actEarly
		k, err = s.tickets.open(from, f.ticket, v.up.arrived)
	}
	d := s.service.Directory()
	if err != nil || d == nil {
		return s.enterAgain(probExpired)
	}
	code := "" // the way back to it
	if from == actEarly && !s.typed.has(k.form, s.now()) {
		code = s.tickets.seal(actCode, k)
	}
	bodies := f.bodies
	back := func(res fileResults, problem string) answer {
		if problem != "" {
			problem = s.words.Word("problem." + problem)
		}
		return answer{name: "sent", wait: true, view: sentView{Files: res, Problem: problem, Code: code, More: s.filesView(d, from, k, bodies, res)}}
	}
	if readErr != nil {
		return back(fileResults{}, probLine)
	}
	if !v.up.hasFile() {
		return back(fileResults{}, probNoFile)
	}
	x, err := s.service.Enter(v.lasting(), k.code, intake.WorkReport)
	if err != nil {
		return back(fileResults{}, s.logged("taking files", err))
	}
	defer x.Close()
	res, err := s.store(v, x, intake.Fields{Form: k.form, Bodies: bodies, Listed: k.listed}, f.guard(k.code))
	if err != nil {
		return back(fileResults{}, s.logged("taking files", err))
	}
	return back(res, "")
}
