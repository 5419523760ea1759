package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"postern/crypto"
	"postern/intake"
	"postern/intake/form"
)

// partSize is how much of a reply's text one page shows, in bytes as escaped.
// Only a text full of angle brackets needs a second page.
const partSize = 64 << 10

// enterView is the page that asks for a code.
type enterView struct {
	Problem string
	Code    string // as typed, so that it can be corrected
}

// codeField is where a code is typed: large enough to show all of it on a phone.
type codeField struct {
	Value   string
	New     bool // one that is not in force yet
	Problem bool // the page says what is wrong with it
}

func (v enterView) trouble() bool { return v.Problem != "" }

// Field is where the code goes.
func (v enterView) Field() codeField { return codeField{Value: v.Code, Problem: v.Problem != ""} }

func (s *source) enterAgain(problem string) answer {
	return enterPage(enterView{Problem: s.words.Word("problem." + problem)})
}

func enterPage(v enterView) answer {
	return answer{name: "enter", wait: true, view: v, choice: &choice{Form: writeForm, Action: "again/inbox"}}
}

// enterInLanguage shows the page that asks for a code in another language, with
// what was typed.
func (s *source) enterInLanguage(v *visit) answer {
	f, readErr, ok := s.form(v)
	if !ok || readErr != nil {
		return s.fixedPage(v, http.StatusBadRequest, "form")
	}
	return enterPage(enterView{Code: f.code})
}

// enter opens a session for a form with a ticket of action a, as every page
// behind the code does. done is true when the answer is already known.
func (s *source) enter(v *visit, a action) (x *intake.Session, k ticket, ans answer, done bool) {
	f, readErr, ok := s.form(v)
	switch {
	case f != nil && !f.has(fieldTicket) && !f.has(fieldCode):
		return nil, k, s.nothing(v), true
	case !ok || readErr != nil:
		return nil, k, s.fixedPage(v, http.StatusBadRequest, "form"), true
	}
	var err error
	if a == actInbox && f.ticket == "" {
		list, err := crypto.ParseCode(f.code)
		if err != nil {
			return nil, k, enterPage(enterView{s.codeProblem(err), f.code}), true
		}
		if !list[0].Typed() {
			return nil, k, s.confirmPage(list), true
		}
		k = s.tickets.visit(list[0].Code)
	} else if k, err = s.tickets.open(a, f.ticket, v.up.arrived); err != nil {
		return nil, k, s.enterAgain(probExpired), true
	}
	k = s.tickets.slide(k)
	if a == actErase || a == actChange { // asks only: no keys are needed
		return nil, k, answer{}, false
	}
	x, err = s.service.Enter(v.r.Context(), k.code, intake.WorkLogin)
	switch {
	case err == nil:
		return x, k, answer{}, false
	case errors.Is(err, intake.ErrBusy) && f.code != "" && f.ticket == "": // to be sent once more, not to be typed
		ans = enterPage(enterView{s.words.Word("notice.busy.text"), f.code})
		ans.status = http.StatusServiceUnavailable
		return nil, k, ans, true
	}
	return nil, k, s.failed(v, "entering", err), true
}

// inboxView is what waits for a code.
type inboxView struct {
	Problem  string
	Greeting [2]string
	Marker   [2]string
	Replies  []replyLine
	More     int    // further replies, which came before these
	Older    string // ticket of the page that shows them
	Open     bool   // messages are taken
	Message  formView
	Change   string
	Erase    string
}

func (v inboxView) shortened(c cutText) any { v.Message.Cut = &c; return v }

type replyLine struct {
	Number string
	New    bool
	Body   string // "" when not known yet
	Day    string // "" when it does not open
	Size   string // "" when it is the smallest: words only
	Ticket string
}

func (s *source) inbox(v *visit) answer {
	x, k, ans, done := s.enter(v, actInbox)
	if done {
		return ans
	}
	defer x.Close()
	list, more, err := x.Inbox(v.r.Context(), int(k.part))
	if err != nil {
		return s.failed(v, "listing replies", err)
	}
	return s.inboxPage(x, k, list, inboxState{more: more})
}

// inboxState is what an inbox page shows besides what is in the mailbox.
type inboxState struct {
	problem string
	more    int     // replies that the list leaves out
	typed   *fields // in the form of a message; nil: nothing yet
	files   bool    // that were chosen and must be chosen again
}

func (s *source) inboxPage(x *intake.Session, k ticket, list []intake.ReplySummary, st inboxState) answer {
	d := s.service.Directory()
	open, _ := s.service.Accepting()
	typed := st.typed
	if typed == nil {
		typed = &fields{bodies: x.Choice()}
	}
	k.shows(d, typed)
	page := int(k.part)
	all, older := k, k
	all.number = everything
	older.part++
	k.part = 0
	view := inboxView{
		Problem: st.problem, Greeting: x.Greeting(), Marker: x.Marker(), Open: open,
		Change: s.tickets.seal(actChange, k), Erase: s.tickets.seal(actErase, all), More: st.more,
	}
	if st.more > 0 && older.part > 0 {
		view.Older = s.tickets.seal(actInbox, older)
	}
	small := crypto.SealedSize(d.Policy.Slots, crypto.ClassSize(0))
	for i, r := range list {
		one := k
		one.number, one.part, one.reply = r.Number, 0, r.ID
		line := replyLine{Number: strconv.Itoa(page*intake.PageReplies + i + 1), New: r.New, Ticket: s.tickets.seal(actReply, one)}
		if b, ok := d.Body(r.Body); ok {
			line.Body = s.bodyName(b)
		}
		if r.Day > 0 {
			line.Day = s.words.Date(r.Day)
		}
		if r.Size > small {
			line.Size = s.words.Size(r.Size)
		}
		view.Replies = append(view.Replies, line)
	}
	message := s.tickets.seal(actMessage, k)
	again := &choice{Form: writeForm, Files: true, Action: "again/message"}
	if !open {
		again = &choice{Action: "inbox", Ticket: s.tickets.seal(actInbox, k)}
	}
	return answer{name: "inbox", text: typed.text, gone: typed.beyond(), choice: again, wait: true, build: func(most int) any {
		view.Message = s.formView(d, typed, most, messageGroups)
		view.Message.Ticket, view.Message.Again, view.Message.Bodies.Later = message, st.files, true
		return view
	}}
}

// gone shows the inbox to somebody whose ticket is for a reply that was erased meanwhile.
func (s *source) gone(v *visit, x *intake.Session, k ticket) answer {
	k.part = 0
	list, more, err := x.Inbox(v.r.Context(), 0)
	if err != nil {
		return s.failed(v, "listing replies", err)
	}
	return s.inboxPage(x, k, list, inboxState{problem: s.words.Word("inbox.gone"), more: more})
}

// messageAgain shows the form of a message alone, with what was typed. ask: the
// visit has ended, and the code is asked for in the same form.
func (s *source) messageAgain(d *crypto.Directory, k ticket, f *fields, problem string, about *blamed, ask, files bool) answer {
	sealed := ""
	k.shows(d, f)
	if !ask {
		sealed = s.tickets.seal(actMessage, s.tickets.slide(k))
	}
	again := &choice{Form: writeForm, Files: true, Action: "again/message"}
	return answer{name: "message", wait: true, text: f.text, gone: f.beyond(), choice: again, build: func(most int) any {
		view := s.formView(d, f, most, messageGroups)
		view.Ticket, view.AskCode, view.Problem, view.Blamed, view.Again, view.Bodies.Later = sealed, ask, problem, about, files, true
		if ask {
			view.Code = f.code
		}
		return view
	}}
}

// messageInLanguage shows the inbox in another language, with what was typed;
// or the message's form alone, when it asks for the code.
func (s *source) messageInLanguage(v *visit) answer {
	f, _, _ := s.form(v)
	d := s.service.Directory()
	switch {
	case f == nil:
		return s.fixedPage(v, http.StatusBadRequest, "form")
	case !f.has(fieldText):
		return s.nothing(v)
	case d == nil:
		return s.fixedPage(v, http.StatusServiceUnavailable, "closed")
	case f.ticket == "":
		return s.messageAgain(d, ticket{}, f, "", nil, true, v.up.hasFile())
	}
	k, err := s.tickets.open(actMessage, f.ticket, v.up.arrived)
	if err != nil {
		return s.messageAgain(d, k, f, s.words.Word("problem."+probExpired), nil, true, v.up.hasFile())
	}
	if ok, _ := s.service.Accepting(); !ok { // the inbox has no form
		return s.messageAgain(d, k, f, s.words.Word("problem."+probClosed), nil, false, v.up.hasFile())
	}
	// What was typed is worth more than the list of replies: where that cannot be
	// shown now, the form stands alone.
	alone := func(err error) answer {
		if !errors.Is(err, intake.ErrBusy) {
			_ = s.logged("listing replies", err)
		}
		return s.messageAgain(d, k, f, "", nil, false, v.up.hasFile())
	}
	x, err := s.service.Enter(v.r.Context(), k.code, intake.WorkLogin)
	if err != nil {
		return alone(err)
	}
	defer x.Close()
	k = s.tickets.slide(k)
	list, more, err := x.Inbox(v.r.Context(), 0)
	if err != nil {
		return alone(err)
	}
	return s.inboxPage(x, k, list, inboxState{more: more, typed: f, files: v.up.hasFile()})
}

// message takes a later message with its files. When the visit has expired the
// text comes back and the code is asked for in the same form.
func (s *source) message(v *visit) answer {
	f, readErr, ok := s.form(v)
	d := s.service.Directory()
	var k ticket
	again := func(problem string) answer { return s.messageAgain(d, k, f, problem, nil, true, v.up.hasFile()) }
	switch {
	case f == nil:
		return s.fixedPage(v, http.StatusBadRequest, "form")
	case !f.has(fieldText):
		return s.nothing(v)
	case !ok:
		return again(s.words.Word("problem." + probForm))
	case d == nil:
		return again(s.words.Word("problem." + probClosed))
	}
	var err error
	if f.ticket == "" {
		list, err := crypto.ParseCode(f.code)
		if err != nil {
			return again(s.codeProblem(err))
		}
		if !list[0].Typed() {
			var problem string
			problem, f.code = s.repaired(list, f.code)
			return again(problem)
		}
		k = s.tickets.visit(list[0].Code)
	} else if k, err = s.tickets.open(actMessage, f.ticket, v.up.arrived); err != nil {
		return again(s.words.Word("problem." + probExpired))
	}
	back := func(problem string) answer {
		return s.messageAgain(d, k, f, s.says(problem, f), s.blame(problem, "message.text", f), false, v.up.hasFile())
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
		return back(s.logged("taking a message", err))
	}
	defer x.Close()
	res, err := s.store(v, x, fs, f.guard(k.code))
	if err != nil {
		return back(s.logged("taking a message", err))
	}
	more := k
	more.issued, more.expires = s.now(), s.now().Add(slideLife)
	return answer{name: "sent", wait: true, view: sentView{
		Text: fs.Text != "" || len(fs.Answers) > 0, Files: res, More: s.filesView(d, actFiles, more, fs.Bodies, res),
		Inbox: s.tickets.seal(actInbox, s.tickets.slide(k)),
	}}
}

// replyView is one reply.
type replyView struct {
	Greeting   [2]string
	Problem    string // why it is not shown; "" when it is
	Withdrawn  bool
	Body, Kind string
	Day        string
	Stage      string // of the case, as the body says
	By         string // day until which the source will hear more
	Ask        *askView
	Text       bool // it has words
	Part       int  // 1-based
	Parts      int
	Next       string // ticket of the next part
	Files      []fileLine
	More       int
	Archive    string // its size
	Download   string
	Erase      string
	Inbox      string
}

type fileLine struct{ Name, Size string }

func (v replyView) trouble() bool { return v.Problem != "" || v.Withdrawn }

// askView asks whether a body that was not chosen may see the case.
type askView struct {
	bodyView
	Chain   bool // one that the source may be reporting
	Ticket  string
	Bodies  []string // ids of those who read the answer
	Readers []string // their names
}

func (s *source) reply(v *visit) answer {
	x, k, ans, done := s.enter(v, actReply)
	if done {
		return ans
	}
	defer x.Close()
	return s.replyPage(v, x, k)
}

// notice adds what a reply says besides words.
func (s *source) noticeOf(r *intake.Reply, x *intake.Session, k ticket, view *replyView) {
	n := r.Notice
	if n == nil {
		return
	}
	if n.Stage != "" {
		view.Stage = s.words.Word("stage." + n.Stage)
	}
	if n.Until != 0 {
		view.By = s.words.Date(crypto.Day(n.Until))
	}
	if b := s.asked(r, x); b != nil {
		to := x.Chosen()
		view.Ask = &askView{bodyView: s.body(b), Chain: !outside(b), Ticket: s.tickets.seal(actConsent, k), Bodies: to, Readers: s.names(s.service.Directory(), to)}
	}
}

// asked is the body that a reply asks about: nil when it asks nothing, or
// nothing that can be answered. Who reads the answer is whom the source ticked last,
// and nobody in their place.
func (s *source) asked(r *intake.Reply, x *intake.Session) *crypto.Body {
	if r.Notice == nil || r.Standing != crypto.SignerGood {
		return nil
	}
	d := s.service.Directory()
	b, ok := d.Body(r.Notice.Ask)
	if to := x.Chosen(); !ok || !b.Active() || len(to) < max(1, d.Policy.Quorum) || slices.Contains(to, b.ID) {
		return nil
	}
	return b
}

func (s *source) replyPage(v *visit, x *intake.Session, k ticket) answer {
	k.listed = s.service.Directory().Version
	view := replyView{
		Greeting: x.Greeting(), Inbox: s.tickets.seal(actInbox, k), Erase: s.tickets.seal(actErase, k),
	}
	again := &choice{Action: "reply", Ticket: s.tickets.seal(actReply, k)}
	r, err := x.Reply(v.r.Context(), k.number)
	switch {
	case errors.Is(err, intake.ErrNoReply), err == nil && r.ID != k.reply:
		return s.gone(v, x, k)
	case err != nil:
		return s.failed(v, "opening a reply", err)
	case r.Standing == crypto.SignerUnknown:
		view.Problem = s.words.Word("reply.unsigned")
		return answer{name: "reply", view: view, choice: again, wait: true}
	}
	view.Withdrawn = r.Standing == crypto.SignerWithdrawn
	view.Body, view.Day = r.Body, s.words.Date(r.Day)
	if b, ok := s.service.Directory().Body(r.Body); ok {
		view.Body, view.Kind = s.bodyName(b), s.kindName(b.Kind)
	}
	s.noticeOf(r, x, k, &view)
	var text string
	view.Text = r.Text != ""
	text, view.Part, view.Parts = partOf(form.Clean(r.Text), int(k.part))
	if view.Part < view.Parts {
		next := k
		next.part = uint8(view.Part) //nolint:gosec // few
		view.Next = s.tickets.seal(actReply, next)
	}
	for i, f := range r.Files {
		if i == maxNamed {
			view.More = len(r.Files) - i
			break
		}
		view.Files = append(view.Files, fileLine{shownName(baseName(f.Name)), s.words.Size(f.Size)})
	}
	if len(r.Files) > 0 {
		view.Archive, view.Download = s.words.Size(r.FilesSize()), s.tickets.seal(actDownload, k)
	}
	return answer{name: "reply", view: view, text: text, choice: again, wait: true}
}

// partOf cuts a text into parts of at most partSize and returns one of them,
// its 1-based number and how many there are.
func partOf(text string, want int) (part string, number, parts int) {
	for rest := text; ; {
		var head string
		head, rest = cutEscaped(rest, partSize)
		if parts == want || parts == 0 {
			part, number = head, parts+1
		}
		if parts++; rest == "" {
			return part, number, parts
		}
	}
}

// consent takes the answer to a reply's question: a signed yes or no for the
// body that the reply asks about. It goes to the bodies that stood beside it.
func (s *source) consent(v *visit) answer {
	f, k, d, ans, done := s.opened(v, actConsent)
	switch {
	case done:
		return ans
	case f.yesNo != "yes" && f.yesNo != "no":
		return s.fixedPage(v, http.StatusBadRequest, "form")
	}
	x, err := s.service.Enter(v.lasting(), k.code, intake.WorkReport)
	if err != nil {
		return s.failed(v, "answering a question", err)
	}
	defer x.Close()
	r, err := x.Reply(v.lasting(), k.number)
	switch {
	case errors.Is(err, intake.ErrNoReply), err == nil && r.ID != k.reply:
		return s.gone(v, x, s.tickets.slide(k))
	case err != nil:
		return s.failed(v, "answering a question", err)
	case s.asked(r, x) == nil, !slices.Equal(f.bodies, x.Chosen()): // not what the page said
		return s.replyPage(v, x, s.tickets.slide(k))
	}
	fs := intake.Fields{Form: k.form, Bodies: f.bodies, Listed: k.listed, Consents: []intake.Consent{{Body: r.Notice.Ask, Yes: f.yesNo == "yes"}}}
	res, err := s.store(v, x, fs, crypto.Code{})
	switch {
	case errors.Is(err, intake.ErrQuorum), errors.Is(err, intake.ErrUnknownBody): // the list has changed
		return s.replyPage(v, x, s.tickets.slide(k))
	case err != nil:
		return s.failed(v, "answering a question", err)
	}
	next := s.tickets.slide(k)
	return answer{name: "sent", wait: true, view: sentView{
		Consent: true, Files: res, More: s.filesView(d, actFiles, next, f.bodies, res), Inbox: s.tickets.seal(actInbox, next),
	}}
}

// download sends the files of a reply as one padded archive.
func (s *source) download(v *visit) answer {
	x, k, ans, done := s.enter(v, actDownload)
	if done {
		return ans
	}
	defer x.Close()
	r, err := x.Reply(v.r.Context(), k.number)
	if err != nil || r.ID != k.reply || len(r.Files) == 0 {
		return s.replyPage(v, x, k) // says why
	}
	s.wait(v.r.Context(), v.arrival)
	h := v.w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="files.zip"`)
	h.Set("Content-Length", strconv.FormatInt(r.FilesSize(), 10))
	w := &pacedWriter{w: v.w, rc: http.NewResponseController(v.w)}
	if err := x.WriteFiles(v.r.Context(), r, w); err != nil {
		if w.err == nil && v.r.Context().Err() == nil { // else the source left, and no log says when
			s.log(fmt.Sprintf("sending a reply's files: %v", err))
		}
		panic(http.ErrAbortHandler) // a cut connection is the only way to say "incomplete" now
	}
	return answer{sent: true}
}

// eraseView asks before erasing.
type eraseView struct {
	All    bool
	Ticket string
	Inbox  string
}

func (s *source) erase(v *visit) answer {
	_, k, ans, done := s.enter(v, actErase)
	if done {
		return ans
	}
	again := &choice{Action: "erase", Ticket: s.tickets.seal(actErase, k)}
	return answer{name: "erase", wait: true, choice: again, view: eraseView{
		k.number == everything, s.tickets.seal(actErased, k), s.tickets.seal(actInbox, k),
	}}
}

func (s *source) erased(v *visit) answer {
	x, k, ans, done := s.enter(v, actErased)
	if done {
		return ans
	}
	defer x.Close()
	var err error
	if k.number == everything {
		err = x.EraseAll(v.lasting())
	} else {
		err = x.Erase(v.lasting(), k.number, k.reply)
	}
	switch {
	case errors.Is(err, intake.ErrNoReply):
		return s.gone(v, x, k)
	case err != nil:
		return s.failed(v, "erasing", err)
	}
	return answer{name: "erased", wait: true, view: eraseView{All: k.number == everything, Inbox: s.tickets.seal(actInbox, k)}}
}
