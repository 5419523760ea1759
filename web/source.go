package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"postern/crypto"
	"postern/intake"
	"postern/locale"
)

// Quantum is the step in time at which pages that depend on a code answer
// (SECURITY.md S-9).
const Quantum = 400 * time.Millisecond

// NoQuantum turns the waiting off. For benchmarks only.
const NoQuantum = time.Duration(-1)

// SourceOptions of [Source].
type SourceOptions struct {
	Service *intake.Service
	Tickets *Tickets
	// Preview puts "do not report here" on every page.
	Preview bool
	// Languages the pages are offered in, of [Locales]; none is English alone. The
	// first one answers where a browser prefers none of them.
	Languages []string
	// Pages are the operator's own; nil, or what it gives, may be none.
	Pages func() *Pages
	// Directory is the signed directory to download; nil, or what it gives, may be none.
	Directory func() *SignedDirectory
	// Quantum: 0 is [Quantum], negative none.
	Quantum time.Duration
	// Now is the clock that tickets and pages are judged by; nil is time.Now.
	Now func() time.Time
	// Log takes faults of ours, without anything a source sent; nil drops them.
	Log func(string)
}

// source is the handler of the source's pages in one language.
type source struct {
	service   *intake.Service
	tickets   *Tickets
	preview   bool
	words     *locale.Locale
	others    []langView // languages that a page is offered in besides
	operators string     // the first language: their own pages are in it at least
	quantum   time.Duration
	now       func() time.Time
	log       func(string)

	pages     func() *Pages
	directory func() *SignedDirectory

	csp       string
	mark      string
	templates map[string]*template.Template
	cross     *http.CrossOriginProtection
	router    *mux.Router
	typed     *typedBack // of all languages
	fixed     atomic.Pointer[fixedPages]
}

// Source serves the pages of a source under the rules in the package comment.
// It panics when one of o.Languages is not one of [Locales], or stands there twice.
func Source(o SourceOptions) http.Handler {
	if o.Quantum == 0 {
		o.Quantum = Quantum
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	locales, err := openLocales(o.Languages)
	if err != nil {
		panic(err)
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	common := source{
		service: o.Service, tickets: o.Tickets, preview: o.Preview, typed: new(typedBack),
		quantum: o.Quantum, now: o.Now, log: o.Log, cross: http.NewCrossOriginProtection(),
		mark: "text" + hex.EncodeToString(random), pages: o.Pages, directory: o.Directory,
	}
	return newLanguages(locales, func(l *locale.Locale) *source { return common.in(l, locales) })
}

// in is the handler for one of the languages.
func (s *source) in(words *locale.Locale, all []*locale.Locale) *source {
	n := &source{
		service: s.service, tickets: s.tickets, preview: s.preview, typed: s.typed, quantum: s.quantum,
		now: s.now, log: s.log, cross: s.cross, mark: s.mark, pages: s.pages, directory: s.directory,
		words: words, operators: all[0].Lang,
	}
	for _, l := range all {
		if l != words {
			n.others = append(n.others, langView{l.Lang, locale.Endonym(l.Lang)})
		}
	}
	n.templates, n.csp = parseTemplates(words, s.mark, "templates", sourcePages)
	n.routes()
	return n
}

func (s *source) routes() {
	get, post := []string{http.MethodGet, http.MethodHead}, []string{http.MethodPost}
	s.router = mux.NewRouter().SkipClean(true) // cleaning answers with a redirect of another size
	s.router.NotFoundHandler = s.serve(s.notice(http.StatusNotFound, "missing"))
	s.router.MethodNotAllowedHandler = s.serve(s.notice(http.StatusMethodNotAllowed, "method"))
	for _, r := range []struct {
		path    string
		methods []string
		handler func(*visit) answer
	}{
		{"/", get, s.start},
		{"/report", get, s.reportForm},
		{"/report", post, s.report},
		{"/code", post, s.typeBack},
		{"/files", post, s.addFiles},
		{"/inbox", get, s.enterForm},
		{"/inbox", post, s.inbox},
		{"/message", post, s.message},
		{"/reply", post, s.reply},
		{"/download", post, s.download},
		{"/erase", post, s.erase},
		{"/erased", post, s.erased},
		{"/consent", post, s.consent},
		{"/change", post, s.change},
		{"/changed", post, s.changed},
		// The same page once more, in the language that the address names.
		{"/again/report", post, s.reportInLanguage},
		{"/again/message", post, s.messageInLanguage},
		{"/again/change", post, s.changeInLanguage},
		{"/again/inbox", post, s.enterInLanguage},
		{"/again/code", post, s.codeInLanguage},
		{"/again/files", post, s.filesInLanguage},
	} {
		s.router.HandleFunc(r.path, s.serve(r.handler)).Methods(r.methods...)
	}
	s.publicRoutes()
}

// sourcePages are the templates of the source's pages.
var sourcePages = []string{
	"start", "report", "code", "kept", "again", "sent", "enter", "confirm", "inbox", "message", "change", "changed", "reply", "erase", "erased", "notice",
	"about", "verify",
}

// notices are pages that say one thing.
var notices = []string{"missing", "method", "cross", "gateway", "form", "nothing", "busy", "closed", "full", "internal"}

// parseTemplates parses each page of a folder together with the layout and
// computes the policy for its style sheet.
func parseTemplates(l *locale.Locale, mark, folder string, names []string, parts ...string) (map[string]*template.Template, string) {
	style, err := assets.ReadFile("static/style.css")
	if err != nil {
		panic(err) // embedded
	}
	funcs := templateFuncs(l, mark, style)
	base := template.Must(template.New("").Funcs(funcs).Option("missingkey=error").
		ParseFS(assets, append([]string{"templates/layout.html", "templates/parts.html"}, parts...)...))
	m := map[string]*template.Template{}
	for _, n := range names {
		m[n] = template.Must(template.Must(base.Clone()).ParseFS(assets, folder+"/"+n+".html"))
	}
	return m, policy(style)
}

// templateFuncs are what templates can call.
func templateFuncs(l *locale.Locale, mark string, style []byte) template.FuncMap {
	return template.FuncMap{
		"t":          l.T,
		"endonym":    func() string { return locale.Endonym(l.Lang) },
		"unreviewed": func() bool { return l.Reviewed == "" },
		"lang":       func() string { return l.Lang },
		"dir":        func() string { return l.Dir },
		"style":      func() template.HTML { return template.HTML("<style>" + string(style) + "</style>") }, //nolint:gosec // embedded
		"text":       func() string { return mark },
		"refused":    func(why string, newest uint64) (string, error) { return l.T("refused."+why, newest) },
		"notice":     func(name, part string) (string, error) { return l.T("notice." + name + "." + part) },
	}
}

// ServeHTTP is the shell around the router: same headers on every answer, no
// panic's trace, no form from another site.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	commonHeaders(w.Header(), s.csp)
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			s.log("internal error at " + where()) // not the value: it may hold what a source wrote
			s.send(w, r, answer{status: http.StatusInternalServerError, name: "notice", view: "internal"})
		}
	}()
	if throughGateway(r) {
		s.serve(s.notice(http.StatusForbidden, "gateway"))(w, r)
		return
	}
	if err := s.cross.Check(r); err != nil && !opaque(r) {
		s.serve(func(v *visit) answer { return s.crossed(v, nil) })(w, r)
		return
	}
	s.router.ServeHTTP(w, r)
}

// gateways (SECURITY.md S-23) are headers that proxies between the web and onion services add,
// and that neither a browser nor tor ever sends.
var gateways = []string{"X-Tor2web", "Tor2web", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via"}

// throughGateway says whether somebody between us and the browser reads along.
func throughGateway(r *http.Request) bool {
	return slices.ContainsFunc(gateways, func(h string) bool { return r.Header.Get(h) != "" })
}

// visit is one request.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	arrival time.Time
	body    *pacedBody
	up      *upload
}

// lasting is the request's context without its end: what a source sent whole
// is stored, and what they asked to erase is erased, also when their line
// breaks before the answer.
func (v *visit) lasting() context.Context { return context.WithoutCancel(v.r.Context()) }

// answer is what a handler wants shown.
type answer struct {
	status int                // 0: 200
	name   string             // of the template
	view   any                // of the template
	build  func(most int) any // instead of view, for forms that come back: bounds each answer's text
	text   string             // goes where the template calls text
	gone   int                // letters behind text that were sent and not kept
	fixed  []byte             // a page made before instead, without its padding
	choice *choice            // of languages; nil: none on this page
	wait   bool               // answer at the next quantum
	sent   bool               // the handler answered itself
}

// drainMost is how much of a body beyond all limits is read, so that the
// browser shows our answer.
const drainMost = 4 << 30

func (s *source) serve(h func(*visit) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		limits := s.service.Limits()
		v := &visit{w: w, r: r, arrival: time.Now()}
		v.body = newPacedBody(w, r, int64(limits.Files)*limits.FileSize+drainMost)
		a := h(v)
		defer func() { v.up.wipe() }()
		if r.Body != http.NoBody {
			_, _ = io.Copy(io.Discard, v.body) // what comes in vain: see the package comment
		}
		if a.sent {
			return
		}
		if a.wait {
			s.wait(r.Context(), v.arrival)
		}
		s.send(w, r, a)
	}
}

// wait sleeps until the next multiple of the quantum after arrival.
func (s *source) wait(ctx context.Context, arrival time.Time) {
	if s.quantum <= 0 {
		return
	}
	rest := s.quantum - time.Since(arrival)%s.quantum
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// send writes an answer. A page that cannot be made becomes the notice of an
// internal error, which a test knows can be made.
func (s *source) send(w http.ResponseWriter, r *http.Request, a answer) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	p := newPage(s.mark, prefixOf(r))
	defer p.free()
	if a.fixed != nil {
		p.n = copy(p.buf, a.fixed)
		s.written(writePage(w, a.status, p.bytes()))
		return
	}
	if err := s.render(p, a); err != nil {
		s.log(fmt.Sprintf("making page %s: %v", a.name, err))
		a = answer{status: http.StatusInternalServerError, name: "notice", view: "internal"}
		p.n, p.at = 0, -1
		if err := s.render(p, a); err != nil {
			panic(err)
		}
	}
	s.written(writePage(w, a.status, p.bytes()))
}

// written drops the errors of lost connections, which say when a source left.
func (s *source) written(error) {}

// frame is what the layout gets.
type frame struct {
	Title   string
	Alert   string // begins the title when an alert stands on the page: screen readers begin with the title
	Bare    bool   // the title is all that stands in the window's name, and no link leads away before the code is noted
	Preview bool
	Choice  *choice
	View    any
}

// bare are pages that may be printed: nothing on the paper names the service.
var bare = []string{"code", "change"}

func (s *source) frame(a answer, view any) frame {
	alert := ""
	if v, ok := view.(interface{ trouble() bool }); ok && v.trouble() {
		alert = s.words.Word("problem")
	}
	return frame{s.titleOf(a), alert, slices.Contains(bare, a.name), s.preview, s.offer(a.choice), view}
}

// echo bounds the text of each answer that comes back on a form, in bytes:
// first all of it, then less, so that the narrative comes back whole.
var echo = []int{maxAnswerRead, 800, 64, 16}

func (s *source) render(p *page, a answer) error {
	if a.build == nil {
		if err := s.templates[a.name].ExecuteTemplate(p, "layout", s.frame(a, a.view)); err != nil {
			return cleanTemplateError(err)
		}
		return p.splice(a.text)
	}
	var view any
	for _, most := range echo {
		view = a.build(most)
		p.n, p.at = 0, -1
		err := s.templates[a.name].ExecuteTemplate(p, "layout", s.frame(a, view))
		if err == nil && a.gone == 0 && p.room() >= escapedLen(a.text) {
			return p.splice(a.text)
		}
		if err != nil && most == echo[len(echo)-1] {
			return cleanTemplateError(err)
		}
	}
	// Not all of it can be given back: say how much is missing, and where.
	head, rest := cutEscaped(a.text, max(0, p.room()-cutNotice))
	if v, ok := view.(interface{ shortened(c cutText) any }); ok {
		view = v.shortened(cutText{number(utf8.RuneCountInString(rest) + a.gone), lastWords(head)})
	}
	p.n, p.at = 0, -1
	if err := s.templates[a.name].ExecuteTemplate(p, "layout", s.frame(a, view)); err != nil {
		return cleanTemplateError(err)
	}
	return p.splice(head)
}

// cutText says that a text came back without its end.
type cutText struct {
	Missing string // letters
	End     string // the last words that are there
}

// cutNotice is room for the sentence that says so.
const cutNotice = 2 << 10

// lastWords are the last words of a text, a line at most.
func lastWords(s string) string {
	const most = 60 // letters
	s = strings.Join(strings.Fields(s[max(0, len(s)-8*most):]), " ")
	r := []rune(strings.ToValidUTF8(s, ""))
	if len(r) <= most {
		return string(r)
	}
	r = r[len(r)-most:]
	if i := slices.Index(r, ' '); i >= 0 && i < most/2 {
		r = r[i+1:]
	}
	return string(r)
}

// cleanTemplateError keeps a template's place and drops its data.
func cleanTemplateError(err error) error {
	var e *template.Error
	switch {
	case errors.Is(err, errPageFull):
		return errPageFull
	case errors.As(err, &e):
		return fmt.Errorf("template %s line %d", e.Name, e.Line)
	}
	return errors.New("template failed")
}

// fixedPages are pages that are the same for everybody as long as the
// directory, its standing and the next handover are. Each is made when it is first
// asked for, once for each kind of address, and kept without its padding.
type fixedPages struct {
	directory *crypto.Directory
	ok        bool
	warn      int
	next      time.Time
	about     bool // the operator has pages

	mu    sync.Mutex
	pages map[string][]byte
}

// fixedPage answers with a page made once.
func (s *source) fixedPage(v *visit, status int, key string) answer {
	d := s.service.Directory()
	ok, warn := s.service.Accepting()
	next := s.service.NextRelease()
	about := s.operatorPages().any()
	f := s.fixed.Load()
	if f == nil || f.directory != d || f.ok != ok || f.warn != warn || f.about != about || !f.next.Equal(next) {
		f = &fixedPages{directory: d, ok: ok, warn: warn, next: next, about: about, pages: map[string][]byte{}}
		s.fixed.Store(f)
	}
	prefix := prefixOf(v.r)
	f.mu.Lock()
	defer f.mu.Unlock()
	made := f.pages[prefix+" "+key]
	if made == nil {
		p := newPage(s.mark, prefix)
		defer p.free()
		if err := s.render(p, s.fixedAnswer(f, key)); err != nil {
			s.log(fmt.Sprintf("making page %s: %v", key, err))
			return answer{status: http.StatusInternalServerError, name: "notice", view: "internal"}
		}
		made = slices.Clone(p.buf[:p.n])
		f.pages[prefix+" "+key] = made
	}
	return answer{status: status, fixed: made}
}

// fixedAnswer is what such a page is made of.
func (s *source) fixedAnswer(f *fixedPages, key string) answer {
	switch key {
	case "start":
		v := startView{Open: f.ok, Warn: f.warn, About: f.about}
		v.NextDay, v.NextHour = s.handover(f.next)
		if f.directory != nil {
			v.Bodies = s.bodies(f.directory, nil)
		}
		return answer{name: "start", view: v, choice: &choice{Path: "/"}}
	case "enter":
		return enterPage(enterView{})
	}
	return answer{name: "notice", view: key, choice: &choice{Path: "/"}}
}

// handover is when bodies can fetch what is sent now: a day and an hour, UTC.
func (s *source) handover(t time.Time) (day, hour string) {
	return s.words.Date(crypto.DayOf(t)), t.UTC().Format("15:04")
}

// startView is the first page.
type startView struct {
	Bodies   bodiesView
	Open     bool // new reports are taken
	Warn     int  // days left to warn about, or 0
	About    bool // the operator has pages
	NextDay  string
	NextHour string
}

func (s *source) start(v *visit) answer { return s.fixedPage(v, 0, "start") }

func (s *source) enterForm(v *visit) answer { return s.fixedPage(v, 0, "enter") }

func (s *source) notice(status int, name string) func(*visit) answer {
	return func(v *visit) answer { return s.fixedPage(v, status, name) }
}

// failed answers for an error of intake on a page that has nothing typed to
// give back.
func (s *source) failed(v *visit, doing string, err error) answer {
	for _, n := range []struct {
		err    error
		notice string
	}{{intake.ErrBusy, "busy"}, {intake.ErrClosed, "closed"}, {intake.ErrFull, "full"}} {
		if errors.Is(err, n.err) || errors.Is(n.err, intake.ErrFull) && errors.As(err, new(*intake.Later)) {
			a := s.fixedPage(v, http.StatusServiceUnavailable, n.notice)
			a.wait = true
			return a
		}
	}
	return s.internal(v, doing, err)
}

// internal logs a fault and answers for it.
func (s *source) internal(v *visit, doing string, err error) answer {
	s.fault(doing, err)
	a := s.fixedPage(v, http.StatusInternalServerError, "internal")
	a.wait = true
	return a
}

// fault logs what went wrong on our side, but not that a source left.
func (s *source) fault(doing string, err error) {
	if !errors.Is(err, context.Canceled) {
		s.log(fmt.Sprintf("%s: %v", doing, err))
	}
}
