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
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"

	"postern/crypto"
	"postern/intake"
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
	// Locale is the language of the pages, one of [Locales]; "" is "en".
	Locale string
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

// source is the handler of the source's pages.
type source struct {
	service *intake.Service
	tickets *Tickets
	preview bool
	words   *locale
	quantum time.Duration
	now     func() time.Time
	log     func(string)

	pages     func() *Pages
	directory func() *SignedDirectory

	csp       string
	mark      string
	templates map[string]*template.Template
	cross     *http.CrossOriginProtection
	router    *mux.Router
	typed     typedBack
	fixed     atomic.Pointer[fixedPages]
}

// Locales are the languages there are words for.
func Locales() []string {
	var l []string
	entries, _ := assets.ReadDir("locales") // embedded: cannot fail
	for _, e := range entries {
		l = append(l, strings.TrimSuffix(e.Name(), ".json"))
	}
	return l
}

// Source serves the pages of a source under the rules in the package comment.
// It panics when o.Locale is not one of [Locales].
func Source(o SourceOptions) http.Handler {
	if o.Locale == "" {
		o.Locale = "en"
	}
	if o.Quantum == 0 {
		o.Quantum = Quantum
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	words, err := loadLocale(o.Locale)
	if err != nil {
		panic(err)
	}
	s := &source{
		service: o.Service, tickets: o.Tickets, preview: o.Preview, words: words,
		quantum: o.Quantum, now: o.Now, log: o.Log, cross: http.NewCrossOriginProtection(),
		pages: o.Pages, directory: o.Directory,
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	s.mark = "text" + hex.EncodeToString(random)
	s.templates, s.csp = parseTemplates(words, s.mark, sourcePages)

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
	} {
		s.router.HandleFunc(r.path, s.serve(r.handler)).Methods(r.methods...)
	}
	s.publicRoutes()
	return s
}

// sourcePages are the templates of the source's pages.
var sourcePages = []string{
	"start", "report", "code", "kept", "again", "sent", "enter", "confirm", "inbox", "message", "reply", "erase", "erased", "notice",
	"about", "verify",
}

// notices are pages that say one thing.
var notices = []string{"missing", "method", "cross", "form", "busy", "closed", "full", "internal"}

// parseTemplates parses each page together with the layout and computes the
// policy for its style sheet.
func parseTemplates(l *locale, mark string, names []string, parts ...string) (map[string]*template.Template, string) {
	style, err := assets.ReadFile("static/style.css")
	if err != nil {
		panic(err) // embedded
	}
	funcs := template.FuncMap{
		"t":       l.t,
		"lang":    func() string { return l.Lang },
		"dir":     func() string { return l.Dir },
		"style":   func() template.HTML { return template.HTML("<style>" + string(style) + "</style>") }, //nolint:gosec // embedded
		"text":    func() string { return mark },
		"refused": func(why string) (string, error) { return l.t("refused." + why) },
		"notice":  func(name, part string) (string, error) { return l.t("notice." + name + "." + part) },
	}
	base := template.Must(template.New("").Funcs(funcs).Option("missingkey=error").
		ParseFS(assets, append([]string{"templates/layout.html", "templates/parts.html"}, parts...)...))
	m := map[string]*template.Template{}
	for _, n := range names {
		m[n] = template.Must(template.Must(base.Clone()).ParseFS(assets, "templates/"+n+".html"))
	}
	return m, policy(style)
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
			s.send(w, answer{status: http.StatusInternalServerError, name: "notice", view: "internal"})
		}
	}()
	if err := s.cross.Check(r); err != nil {
		s.serve(s.notice(http.StatusForbidden, "cross"))(w, r)
		return
	}
	s.router.ServeHTTP(w, r)
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
	fixed  []byte             // a finished page instead
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
		if r.Body != http.NoBody {
			_, _ = io.Copy(io.Discard, v.body) // what comes in vain: see the package comment
		}
		if a.sent {
			return
		}
		if a.wait {
			s.wait(r.Context(), v.arrival)
		}
		s.send(w, a)
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
func (s *source) send(w http.ResponseWriter, a answer) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	if a.fixed != nil {
		s.written(writePage(w, a.status, a.fixed))
		return
	}
	p := newPage(s.mark)
	defer p.free()
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
	Preview bool
	View    any
}

// echo bounds the text of each answer that comes back on a form, in bytes:
// first all of it, then less, so that the narrative comes back whole.
var echo = []int{maxAnswerRead, 800, 64}

func (s *source) render(p *page, a answer) error {
	if a.build == nil {
		if err := s.templates[a.name].ExecuteTemplate(p, "layout", frame{s.titleOf(a), s.preview, a.view}); err != nil {
			return cleanTemplateError(err)
		}
		return p.splice(a.text)
	}
	var err error
	for _, most := range echo {
		p.n, p.at = 0, -1
		err = s.templates[a.name].ExecuteTemplate(p, "layout", frame{s.words.word("title." + a.name), s.preview, a.build(most)})
		if err == nil && p.room() >= escapedLen(a.text) {
			break
		}
	}
	if err != nil {
		return cleanTemplateError(err)
	}
	text, _ := cutEscaped(a.text, p.room())
	return p.splice(text)
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
// directory and its standing are.
type fixedPages struct {
	directory *crypto.Directory
	ok        bool
	warn      int
	pages     map[string][]byte
}

// fixedPage returns a page rendered once.
func (s *source) fixedPage(key string) []byte {
	d := s.service.Directory()
	ok, warn := s.service.Accepting()
	if f := s.fixed.Load(); f != nil && f.directory == d && f.ok == ok && f.warn == warn {
		return f.pages[key]
	}
	f := &fixedPages{d, ok, warn, map[string][]byte{}}
	add := func(key string, a answer) {
		p := newPage(s.mark)
		defer p.free()
		if err := s.render(p, a); err != nil {
			s.log(fmt.Sprintf("making page %s: %v", key, err))
			return
		}
		f.pages[key] = slices.Clone(p.bytes())
	}
	v := startView{Open: ok, Warn: warn}
	if d != nil {
		v.Bodies = s.bodies(d, nil)
	}
	add("start", answer{name: "start", view: v})
	add("enter", answer{name: "enter", view: enterView{}})
	for _, n := range notices {
		add(n, answer{name: "notice", view: n})
	}
	s.fixed.Store(f)
	return f.pages[key]
}

// startView is the first page.
type startView struct {
	Bodies bodiesView
	Open   bool // new reports are taken
	Warn   int  // days left to warn about, or 0
}

func (s *source) start(*visit) answer { return s.fixedAnswer(0, "start") }

func (s *source) enterForm(*visit) answer { return s.fixedAnswer(0, "enter") }

func (s *source) notice(status int, name string) func(*visit) answer {
	return func(*visit) answer { return s.fixedAnswer(status, name) }
}

func (s *source) fixedAnswer(status int, key string) answer {
	if b := s.fixedPage(key); b != nil {
		return answer{status: status, fixed: b}
	}
	return answer{status: http.StatusInternalServerError, name: "notice", view: "internal"}
}

// failed answers for an error of intake on a page that has nothing typed to
// give back.
func (s *source) failed(doing string, err error) answer {
	for _, n := range []struct {
		err    error
		notice string
	}{{intake.ErrBusy, "busy"}, {intake.ErrClosed, "closed"}, {intake.ErrFull, "full"}} {
		if errors.Is(err, n.err) {
			a := s.fixedAnswer(http.StatusServiceUnavailable, n.notice)
			a.wait = true
			return a
		}
	}
	return s.internal(doing, err)
}

// internal logs a fault and answers for it.
func (s *source) internal(doing string, err error) answer {
	s.fault(doing, err)
	a := s.fixedAnswer(http.StatusInternalServerError, "internal")
	a.wait = true
	return a
}

// fault logs what went wrong on our side, but not that a source left.
func (s *source) fault(doing string, err error) {
	if !errors.Is(err, context.Canceled) {
		s.log(fmt.Sprintf("%s: %v", doing, err))
	}
}
