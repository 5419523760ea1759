package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"postern/crypto"
	"postern/intake"
	"postern/locale"
)

// ExchangeOptions of [Exchange].
type ExchangeOptions struct {
	Service *intake.Service
	// Directory reads the signed directory in force, for desks; nil offers none.
	Directory func() ([]byte, error)
	// Holder is shown on the page, so that people see whose exchange it is.
	Holder string
	// Preview puts a banner on every page.
	Preview bool
	// Log takes faults of ours; nil drops them.
	Log func(string)
}

// exchange is the handler of one holder's pages in one language.
type exchange struct {
	service   *intake.Service
	directory func() ([]byte, error)
	holder    string
	preview   bool
	words     *locale.Locale
	units     *locale.Locale // of the source's pages: days and sizes are said alike
	others    []langView
	log       func(string)
	csp       string
	templates map[string]*template.Template
	cross     *http.CrossOriginProtection
	router    *mux.Router
}

// The exchange's words and templates have folders of their own.
const (
	exchangeWords     = "locales/exchange"
	exchangeTemplates = "templates/exchange"
)

// exchangeLanguages are those of the desk's window, English first: it is for whom none fits.
func exchangeLanguages() []string {
	list := []string{"en"}
	for _, lang := range locale.Languages(assets, exchangeWords) {
		if lang != "en" {
			list = append(list, lang)
		}
	}
	return list
}

var exchangePages = []string{"batches", "delivered", "refused"}

// Exchange serves one holder's batches and takes bundles. It knows of nobody
// else and authenticates nobody: it must be reachable through the holder's own
// onion address only (SECURITY.md S-13). Its pages are in the languages of the desk; as on the
// source's pages, /fr/ is the one in French, and an address without a language follows the browser.
func Exchange(o ExchangeOptions) http.Handler {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	var all []*locale.Locale
	for _, lang := range exchangeLanguages() {
		l, err := locale.Read(assets, exchangeWords, lang)
		if err != nil {
			panic(err) // embedded
		}
		all = append(all, l)
	}
	return newLanguages(all, func(l *locale.Locale) *exchange { return newExchange(o, l, all) })
}

func newExchange(o ExchangeOptions, words *locale.Locale, all []*locale.Locale) *exchange {
	units, err := locale.Source(words.Lang)
	if err != nil {
		panic(err) // embedded
	}
	e := &exchange{
		service: o.Service, directory: o.Directory, holder: o.Holder, preview: o.Preview, words: words, units: units, log: o.Log,
		cross: http.NewCrossOriginProtection(),
	}
	for _, l := range all {
		if l != words {
			e.others = append(e.others, langView{l.Lang, locale.Endonym(l.Lang)})
		}
	}
	e.templates, e.csp = parseTemplates(words, "", exchangeTemplates, exchangePages, exchangeTemplates+"/frame.html")
	get := []string{http.MethodGet, http.MethodHead}
	e.router = mux.NewRouter().SkipClean(true)
	e.router.NotFoundHandler = e.refuse(http.StatusNotFound, "missing")
	e.router.MethodNotAllowedHandler = e.refuse(http.StatusMethodNotAllowed, "missing")
	e.router.HandleFunc("/", e.batches).Methods(get...)
	e.router.HandleFunc("/after", e.after).Methods(get...)
	e.router.HandleFunc("/after/{after:[0-9]{1,19}}/{last:[0-9]{1,19}}/{tag}/{name}", e.stretch).Methods(get...)
	e.router.HandleFunc("/volumes/{batch:[0-9]{1,19}}/{volume:[0-9]{1,6}}/{name}", e.volume).Methods(get...)
	if e.directory != nil {
		e.router.HandleFunc("/directory.note", e.note).Methods(get...)
	}
	e.router.HandleFunc("/bundle", e.bundle).Methods(http.MethodPost)
	return e
}

func (e *exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	commonHeaders(w.Header(), e.csp)
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			e.log("internal error at " + where())
			e.refused(w, r, http.StatusInternalServerError, "internal")
		}
	}()
	if err := e.cross.Check(r); err != nil {
		e.refused(w, r, http.StatusForbidden, "cross")
		return
	}
	e.router.ServeHTTP(w, r)
}

// refusals are why something was refused. Each has words "refused.<id>".
var refusals = []string{
	"missing", "number", "nothing", "beyond", "exchanged", "cross", "internal", "nofile", "many", "bundle", "full", "busy", "later", "closed", "line",
}

// refusedView is one of refusals. Newest is the newest batch's number, where the words name it.
type refusedView struct {
	Why    string
	Newest uint64
}

func (v refusedView) trouble() bool { return true }

func (e *exchange) refuse(status int, why string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { e.refused(w, r, status, why) }
}

func (e *exchange) refused(w http.ResponseWriter, r *http.Request, status int, why string) {
	e.show(w, r, status, "refused", refusedView{Why: why})
}

// internal logs a fault of ours and says that there is one.
func (e *exchange) internal(w http.ResponseWriter, r *http.Request, doing string, err error) {
	e.log(fmt.Sprintf("%s: %v", doing, err))
	e.refused(w, r, http.StatusInternalServerError, "internal")
}

func (e *exchange) show(w http.ResponseWriter, r *http.Request, status int, name string, view any) {
	var b bytes.Buffer
	f := frame{Title: e.words.Word("title." + name), Preview: e.preview, View: view}
	if v, ok := view.(interface{ trouble() bool }); ok && v.trouble() {
		f.Alert = e.words.Word("problem")
	}
	if name == "batches" { // the same page in every language
		f.Choice = &choice{Languages: e.others, Path: "/"}
	}
	if err := e.templates[name].ExecuteTemplate(&b, "layout", f); err != nil {
		e.log(fmt.Sprintf("making page %s: %v", name, cleanTemplateError(err)))
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	page := bytes.ReplaceAll(b.Bytes(), here, []byte(`="`+prefixOf(r)+`/`))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	w.WriteHeader(status)
	_, _ = w.Write(page) // an error is a lost connection
}

// batchesView lists what can be fetched.
type batchesView struct {
	Holder  string
	Version uint64 // of the directory that is offered; 0: none
	Days    []dayView
	Oldest  uint64
	Newest  uint64
	All     string // size of all that is listed
	Missing string // numbers between Oldest and Newest that are not kept
	Next    nextView
}

// nextView is when the next regular batch is made.
type nextView struct{ Day, Hour string }

type dayView struct {
	Day     string
	Open    bool // the newest day
	Batches []batchLine
}

type batchLine struct {
	Ordinal uint64
	Lane    string
	Volumes []volumeLine
}

type volumeLine struct {
	Number     int
	Name, Path string
	Size       string
	Bytes      int64
}

func (e *exchange) next() nextView {
	t := e.service.NextRelease().UTC()
	return nextView{e.units.Date(crypto.DayOf(t)), t.Format("15:04")}
}

func (e *exchange) batches(w http.ResponseWriter, r *http.Request) {
	list, err := e.service.Batches()
	if err != nil {
		e.internal(w, r, "listing batches", err)
		return
	}
	e.show(w, r, http.StatusOK, "batches", e.batchesView(list))
}

func (e *exchange) batchesView(list []intake.BatchInfo) batchesView {
	v := batchesView{Holder: e.holder, Version: e.version(), Next: e.next()}
	var gaps []string
	var all int64
	var before uint64        // batches of this database before the present life of the server
	for _, b := range list { // newest first
		if v.Newest == 0 {
			v.Newest, v.Oldest, before = b.Ordinal, b.Ordinal, b.Number-b.Ordinal
		}
		if b.Number-b.Ordinal == before { // a restored server counts anew: what its backup held has numbers of its own
			if v.Oldest > b.Ordinal+1 {
				gaps = append(gaps, e.span(b.Ordinal+1, v.Oldest-1))
			}
			v.Oldest = b.Ordinal
		}
		day := e.units.Date(b.Day)
		if n := len(v.Days); n == 0 || v.Days[n-1].Day != day {
			v.Days = append(v.Days, dayView{Day: day, Open: n == 0})
		}
		line := batchLine{Ordinal: b.Ordinal, Lane: e.words.Word("lane." + laneName(b.Lane))}
		for _, vol := range b.Volumes {
			all += vol.Size
			line.Volumes = append(line.Volumes, volumeLine{
				Number: vol.Number, Name: vol.Name, Size: e.units.Size(vol.Size), Bytes: vol.Size,
				Path: fmt.Sprintf("volumes/%d/%d/%s", b.Number, vol.Number, vol.Name),
			})
		}
		d := &v.Days[len(v.Days)-1]
		d.Batches = append(d.Batches, line)
	}
	v.All, v.Missing = e.units.Size(all), strings.Join(gaps, e.words.Word("exchange.comma")+" ")
	return v
}

// span names the numbers from a to b.
func (e *exchange) span(a, b uint64) string {
	if a == b {
		return strconv.FormatUint(a, 10)
	}
	return e.words.Word("exchange.span", a, b)
}

// lanes have words "lane.<name>".
var lanes = []string{"regular", "urgent"}

func laneName(l crypto.Lane) string {
	if l == crypto.LaneUrgent {
		return "urgent"
	}
	return "regular"
}

// version of the directory that is offered; 0: none.
func (e *exchange) version() uint64 {
	if d := e.service.Directory(); e.directory != nil && d != nil {
		return d.Version
	}
	return 0
}

// note gives the signed directory as it is: what it is worth, the desk verifies.
func (e *exchange) note(w http.ResponseWriter, r *http.Request) {
	b, err := e.directory()
	if err != nil {
		e.internal(w, r, "reading the directory", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="directory.note"`)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b) // an error is a lost connection
	}
}

// after leads from the number that a desk names to the one file with everything after it.
func (e *exchange) after(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseUint(digits(r.URL.Query().Get("n")), 10, 64)
	if err != nil {
		e.refused(w, r, http.StatusBadRequest, "number")
		return
	}
	var none *intake.NothingAfter
	st, err := e.service.Stretch(n, 0)
	switch {
	case errors.As(err, &none) && n > none.Newest:
		e.show(w, r, http.StatusNotFound, "refused", refusedView{"beyond", none.Newest})
		return
	case errors.As(err, &none):
		e.show(w, r, http.StatusNotFound, "refused", refusedView{"nothing", none.Newest})
		return
	case err != nil:
		e.internal(w, r, "finding batches", err)
		return
	}
	w.Header().Set("Location", fmt.Sprintf("%s/after/%d/%d/%s/%s", prefixOf(r), n, st.Last, st.Tag, st.Name))
	w.WriteHeader(http.StatusSeeOther)
}

// digits makes one form of a number, whichever digits a keyboard has; what is no number stays as it is.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		for _, zero := range []rune{'٠', '۰'} { // Arabic-Indic, and the Persian ones
			if r >= zero && r <= zero+9 {
				return '0' + r - zero
			}
		}
		return r
	}, strings.TrimSpace(s))
}
