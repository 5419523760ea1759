package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

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
)

var problems = []string{
	probText, probAnswer, probEmpty, probQuorum, probBody, probClosed, probFull, probLine, probInternal, probExpired,
	probWords, probUnknown, probOrder, probOther, probRepair, probEither, probNoFile,
}

// formView is a form in which a source writes: a report or a message.
type formView struct {
	Ticket   string
	AskCode  bool // the ticket is gone: the code is asked for again
	Code     string
	Problem  string // finished sentence; "" when there is none
	Blamed   *blamed
	Again    bool // files must be chosen again
	Bodies   bodiesView
	Groups   map[string]groupView
	Files    int
	FileSize string
	NextDay  string // when a body can read it at the earliest
	NextHour string
}

func (v formView) trouble() bool { return v.Problem != "" }

// Field is where the code goes when it is asked for.
func (v formView) Field() codeField { return codeField{Value: v.Code, Problem: v.Problem != ""} }

// reportGroups are the groups on a report's form, messageGroups those on a later one's.
var (
	reportGroups  = form.Groups()
	messageGroups = form.LaterGroups()
)

func (s *source) formView(d *crypto.Directory, f *fields, most int, groups []form.Group) formView {
	limits := s.service.Limits()
	v := formView{Groups: map[string]groupView{}, Files: limits.Files, FileSize: s.words.sizeText(limits.FileSize)}
	v.NextDay, v.NextHour = s.handover(s.service.NextRelease())
	if d != nil {
		v.Bodies = s.bodies(d, f.bodies)
	}
	for _, g := range s.groups(f.answers, most, groups...) {
		v.Groups[string(g.ID)] = g
	}
	return v
}

// blamed is the part of a long form that a problem is about.
type blamed struct{ ID, Label string }

// blame finds it; nil when the problem is about none.
func (s *source) blame(problem, text string, f *fields) *blamed {
	switch problem {
	case probText, probEmpty:
		return &blamed{fieldText, s.words.word(text)}
	case probQuorum, probBody:
		return &blamed{"bodies", s.words.word("bodies")}
	case probAnswer:
		if _, long := answersOf(f.answers); long != "" {
			return &blamed{fieldAnswer + long, s.words.word("q." + long)}
		}
	}
	return nil
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
	sealed := s.tickets.seal(actReport, k)
	return answer{name: "report", text: f.text, choice: &choice{Form: writeForm, Files: true, Action: "again/report"}, build: func(most int) any {
		v := s.formView(d, f, most, reportGroups)
		v.Ticket, v.Again = sealed, files
		if problem != "" {
			v.Problem, v.Blamed = s.words.word("problem."+problem), s.blame(problem, "report.text", f)
		}
		return v
	}}
}

// form reads a form's fields. ok is false when it is none of ours.
func (s *source) form(v *visit) (f *fields, err error, ok bool) { //nolint:revive // err belongs to f
	if v.up, err = newUpload(v.r, v.body, s.now); err != nil {
		return nil, err, false
	}
	f, err = v.up.fields(s.now)
	return f, err, !errors.Is(err, errForm)
}

// opened reads a form that must come whole, with a ticket of one action. done:
// the answer is already known.
func (s *source) opened(v *visit, a action) (f *fields, k ticket, d *crypto.Directory, ans answer, done bool) {
	f, readErr, ok := s.form(v)
	if !ok || readErr != nil {
		return f, k, d, s.fixedPage(v, http.StatusBadRequest, "form"), true
	}
	k, err := s.tickets.open(a, f.ticket, v.up.arrived)
	if d = s.service.Directory(); err != nil || d == nil {
		return f, k, d, s.enterAgain(probExpired), true
	}
	return f, k, d, answer{}, false
}

// fileResults says what became of the files of a form.
type fileResults struct {
	Kept []string
	Lost []lostFile
	More int // further files, not named
}

func (r fileResults) trouble() bool { return len(r.Lost) > 0 }

type lostFile struct{ Name, Why string }

// maxNamed bounds the file names on a page.
const maxNamed = 20

// check judges a form before its code costs anything.
func (s *source) check(d *crypto.Directory, f *fields, hasFile bool) (fs intake.Fields, problem string) {
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
	case f.cut || escapedLen(f.text) > crypto.MaxText:
		return fs, probText
	case long != "":
		return fs, probAnswer
	case known < max(1, d.Policy.Quorum):
		return fs, probQuorum
	case f.text == "" && len(fs.Answers) == 0 && !hasFile:
		return fs, probEmpty
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
	return probInternal
}

// store submits the fields, then the files of the form one by one. After a
// nil error everything named Kept is durable.
func (s *source) store(v *visit, x *intake.Session, fs intake.Fields) (fileResults, error) {
	ctx := v.lasting()
	if err := x.Submit(ctx, fs); err != nil {
		return fileResults{}, err
	}
	var res fileResults
	named := func() bool { return len(res.Kept)+len(res.Lost) < maxNamed }
	err := v.up.files(func(name, mediaType string, r io.Reader) {
		src := &failing{r: r}
		err := x.AddFile(ctx, name, mediaType, src)
		switch {
		case !named():
			res.More++
		case err == nil:
			res.Kept = append(res.Kept, shownName(name))
		default:
			why := "internal"
			switch {
			case src.err != nil:
				why = "line"
			case errors.Is(err, intake.ErrFileTooLarge):
				why = "large"
			case errors.Is(err, intake.ErrTooManyFiles):
				why = "many"
			case errors.Is(err, intake.ErrFull):
				why = "full"
			case errors.Is(err, intake.ErrClosed), errors.Is(err, intake.ErrGone):
				why = "gone"
			default:
				s.log(fmt.Sprintf("storing a file: %v", err))
			}
			res.Lost = append(res.Lost, lostFile{shownName(name), s.words.word("lost." + why)})
		}
	})
	if err != nil && named() && !slices.ContainsFunc(res.Lost, func(l lostFile) bool { return l.Why == s.words.word("lost.line") }) {
		res.Lost = append(res.Lost, lostFile{"", s.words.word("lost.line")})
	}
	return res, nil
}

// lostReasons are why a file was not kept. Each has words "lost.<id>".
var lostReasons = []string{"internal", "line", "large", "many", "full", "gone"}

// reportInLanguage shows a form with what was typed in another language. Its
// files are read to their end in vain: a browser sends them along.
func (s *source) reportInLanguage(v *visit) answer {
	f, _, ok := s.form(v)
	d := s.service.Directory()
	switch {
	case !ok:
		return s.fixedPage(v, http.StatusBadRequest, "form")
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
	if !ok {
		return s.fixedPage(v, http.StatusBadRequest, "form")
	}
	k, err := s.tickets.open(actReport, f.ticket, v.up.arrived)
	if err != nil {
		k = s.tickets.start()
	}
	d := s.service.Directory()
	if d == nil {
		return s.fixedPage(v, http.StatusServiceUnavailable, "closed")
	}
	back := func(problem string) answer {
		a := s.reportAgain(d, k, f, problem, v.up.hasFile())
		a.wait = true
		return a
	}
	if readErr != nil {
		return back(probLine)
	}
	fs, problem := s.check(d, f, v.up.hasFile())
	if problem != "" {
		return back(problem)
	}
	fs.Form = k.form
	x, err := s.service.Enter(v.lasting(), k.code, intake.WorkReport)
	if err != nil {
		return back(s.logged("taking a report", err))
	}
	defer x.Close()
	res, err := s.store(v, x, fs)
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
	Bodies   []string // ids
	Readers  []string // their names
	Files    int
	FileSize string
}

func (s *source) filesView(d *crypto.Directory, a action, k ticket, bodies []string) filesView {
	l := s.service.Limits()
	return filesView{
		Ticket: s.tickets.seal(a, k), Bodies: bodies, Readers: s.names(d, bodies),
		Files: l.Files, FileSize: s.words.sizeText(l.FileSize),
	}
}

// codePage shows the code. Its tickets end when k does, however often a wrong
// code is typed back: they hold the right one.
func (s *source) codePage(d *crypto.Directory, k ticket, x *intake.Session, bodies []string, res fileResults, problem string) answer {
	back := s.tickets.seal(actCode, k)
	return answer{name: "code", wait: true, choice: &choice{Action: "again/code", Ticket: back}, view: codeView{
		Words: k.code.Words(), Greeting: x.Greeting(), Readers: s.names(d, bodies), Files: res, Problem: problem,
		Ticket: back, More: s.filesView(d, actEarly, k, bodies),
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
	return s.keptPage(s.filesView(d, actFiles, k, f.bodies))
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
		return s.keptPage(s.filesView(d, actFiles, k, x.Chosen()))
	}
	if s.typed.has(k.form, s.now()) {
		return answer{name: "again", view: fileResults{}, wait: true}
	}
	problem := s.words.word("problem." + probOther)
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
	return !v.Text && !v.Consent && len(v.Files.Kept) == 0 && len(v.Files.Lost) > 0
}

// addFiles takes files for the form just sent.
func (s *source) addFiles(v *visit) answer {
	f, readErr, ok := s.form(v)
	if !ok {
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
			problem = s.words.word("problem." + problem)
		}
		return answer{name: "sent", wait: true, view: sentView{Files: res, Problem: problem, Code: code, More: s.filesView(d, from, k, bodies)}}
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
	res, err := s.store(v, x, intake.Fields{Form: k.form, Bodies: bodies})
	if err != nil {
		return back(fileResults{}, s.logged("taking files", err))
	}
	return back(res, "")
}
