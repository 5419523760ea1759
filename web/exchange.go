package web

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
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

// exchange is the handler of one holder's pages.
type exchange struct {
	service   *intake.Service
	directory func() ([]byte, error)
	holder    string
	preview   bool
	words     *locale.Locale
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

var exchangePages = []string{"batches", "delivered", "refused"}

// Exchange serves one holder's batches and takes bundles. It knows of nobody
// else and authenticates nobody: it must be reachable through the holder's own
// onion address only (SECURITY.md S-13). Its pages are in English: they are for people who run
// a desk, whose words are English too.
func Exchange(o ExchangeOptions) http.Handler {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	words, err := locale.Read(assets, exchangeWords, "en")
	if err != nil {
		panic(err)
	}
	e := &exchange{
		service: o.Service, directory: o.Directory, holder: o.Holder, preview: o.Preview, words: words, log: o.Log,
		cross: http.NewCrossOriginProtection(),
	}
	e.templates, e.csp = parseTemplates(words, "", exchangeTemplates, exchangePages, exchangeTemplates+"/frame.html")
	get := []string{http.MethodGet, http.MethodHead}
	e.router = mux.NewRouter().SkipClean(true)
	e.router.NotFoundHandler = e.refuse(http.StatusNotFound, "missing")
	e.router.MethodNotAllowedHandler = e.refuse(http.StatusMethodNotAllowed, "missing")
	e.router.HandleFunc("/", e.batches).Methods(get...)
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
			e.show(w, http.StatusInternalServerError, "refused", "internal")
		}
	}()
	if err := e.cross.Check(r); err != nil {
		e.show(w, http.StatusForbidden, "refused", "cross")
		return
	}
	e.router.ServeHTTP(w, r)
}

func (e *exchange) refuse(status int, why string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { e.show(w, status, "refused", why) }
}

// refusals are why something was refused. Each has words "refused.<id>".
var refusals = []string{"missing", "cross", "internal", "nofile", "bundle", "full", "busy", "later", "closed", "line"}

func (e *exchange) show(w http.ResponseWriter, status int, name string, view any) {
	var b bytes.Buffer
	f := frame{Title: e.words.Word("title." + name), Preview: e.preview, View: view}
	if err := e.templates[name].ExecuteTemplate(&b, "layout", f); err != nil {
		e.log(fmt.Sprintf("making page %s: %v", name, cleanTemplateError(err)))
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error is a lost connection
}

// batchesView lists what can be fetched.
type batchesView struct {
	Holder  string
	Version uint64 // of the directory that is offered; 0: none
	Days    []dayView
	Oldest  uint64
	Newest  uint64
	Missing string // numbers between Oldest and Newest that are not kept
	Next    string
}

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

func (e *exchange) batches(w http.ResponseWriter, _ *http.Request) {
	list, err := e.service.Batches()
	if err != nil {
		e.log(fmt.Sprintf("listing batches: %v", err))
		e.show(w, http.StatusInternalServerError, "refused", "internal")
		return
	}
	e.show(w, http.StatusOK, "batches", e.batchesView(list))
}

func (e *exchange) batchesView(list []intake.BatchInfo) batchesView {
	v := batchesView{Holder: e.holder, Version: e.version(), Next: e.service.NextRelease().UTC().Format("2006-01-02 15:04")}
	var gaps []string
	var before uint64        // batches of this database before the present life of the server
	for _, b := range list { // newest first
		if v.Newest == 0 {
			v.Newest, v.Oldest, before = b.Ordinal, b.Ordinal, b.Number-b.Ordinal
		}
		if b.Number-b.Ordinal == before { // a restored server counts anew: what its backup held has numbers of its own
			if v.Oldest > b.Ordinal+1 {
				gaps = append(gaps, span(b.Ordinal+1, v.Oldest-1))
			}
			v.Oldest = b.Ordinal
		}
		day := b.Day.String()
		if n := len(v.Days); n == 0 || v.Days[n-1].Day != day {
			v.Days = append(v.Days, dayView{Day: day, Open: n == 0})
		}
		line := batchLine{Ordinal: b.Ordinal, Lane: e.words.Word("lane." + laneName(b.Lane))}
		for _, vol := range b.Volumes {
			line.Volumes = append(line.Volumes, volumeLine{
				Number: vol.Number, Name: vol.Name, Size: e.words.Size(vol.Size), Bytes: vol.Size,
				Path: fmt.Sprintf("/volumes/%d/%d/%s", b.Number, vol.Number, vol.Name),
			})
		}
		d := &v.Days[len(v.Days)-1]
		d.Batches = append(d.Batches, line)
	}
	v.Missing = strings.Join(gaps, ", ")
	return v
}

func span(a, b uint64) string {
	if a == b {
		return strconv.FormatUint(a, 10)
	}
	return fmt.Sprintf("%d–%d", a, b)
}

// lanes have words "lane.<name>".
var lanes = []string{"regular", "urgent"}

func laneName(l crypto.Lane) string {
	if l == crypto.LaneUrgent {
		return "urgent"
	}
	return "regular"
}

// volume sends a volume, or the part of it that Range asks for.
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
		e.log(fmt.Sprintf("reading the directory: %v", err))
		e.show(w, http.StatusInternalServerError, "refused", "internal")
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

func (e *exchange) volume(w http.ResponseWriter, r *http.Request) {
	vars := mux.Vars(r)
	batch, err1 := strconv.ParseUint(vars["batch"], 10, 64)
	number, err2 := strconv.Atoi(vars["volume"])
	info, err := e.service.Volume(batch, number)
	if errors.Is(err, intake.ErrNoVolume) || err1 != nil || err2 != nil || err == nil && info.Name != vars["name"] {
		e.show(w, http.StatusNotFound, "refused", "missing")
		return
	}
	if err != nil {
		e.log(fmt.Sprintf("finding a volume: %v", err))
		e.show(w, http.StatusInternalServerError, "refused", "internal")
		return
	}
	// The name holds the batch, the volume and a hash of the batch's head, and so of every entry: what
	// has this name never changes.
	tag := `"` + info.Name + `"`
	h := w.Header()
	h.Set("Accept-Ranges", "bytes")
	h.Set("ETag", tag)
	asked := r.Header.Get("Range")
	if ir := r.Header.Get("If-Range"); ir != "" && ir != tag {
		asked = ""
	}
	from, to, kind := parseRange(asked, info.Size)
	if kind == rangeBeyond {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", info.Size))
		e.show(w, http.StatusRequestedRangeNotSatisfiable, "refused", "missing")
		return
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+info.Name+`"`)
	h.Set("Content-Length", strconv.FormatInt(to-from, 10))
	status := http.StatusOK
	if kind == rangePart {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, info.Size))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	paced := &pacedWriter{w: w, rc: http.NewResponseController(w)}
	out := &boundedWriter{w: paced, left: to - from}
	err = e.service.WriteVolume(r.Context(), out, batch, number, from)
	if out.left == 0 {
		return // all that was asked for; a range may end before the volume
	}
	if err != nil && paced.err == nil && r.Context().Err() == nil {
		e.log(fmt.Sprintf("sending a volume: %v", err))
	}
	panic(http.ErrAbortHandler) // incomplete: only a cut connection says so
}

// boundedWriter ends a copy after left bytes.
type boundedWriter struct {
	w    io.Writer
	left int64
}

var errRangeDone = errors.New("the range is written")

func (b *boundedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) <= b.left {
		n, err := b.w.Write(p)
		b.left -= int64(n)
		return n, err
	}
	n, err := b.w.Write(p[:b.left])
	if b.left -= int64(n); err == nil {
		err = errRangeDone
	}
	return n, err
}

// What parseRange found.
type rangeKind int

const (
	rangeNone   rangeKind = iota // none, or one we need not understand: all is sent
	rangePart                    // from, to
	rangeBeyond                  // nothing of it exists
)

// parseRange reads a Range header with one range of bytes (RFC 9110, 14.1.2).
// A server may ignore others, and does: several ranges, other units.
func parseRange(s string, size int64) (from, to int64, kind rangeKind) {
	spec, ok := strings.CutPrefix(s, "bytes=")
	a, b, two := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !two || strings.Contains(b, ",") || strings.Contains(a, ",") {
		return 0, size, rangeNone
	}
	number := func(s string) (int64, bool) {
		if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
			return 0, false
		}
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil
	}
	if a == "" { // the last b bytes
		n, ok := number(b)
		switch {
		case !ok:
			return 0, size, rangeNone
		case n == 0 || size == 0:
			return 0, 0, rangeBeyond
		}
		return max(0, size-n), size, rangePart
	}
	from, ok = number(a)
	if !ok {
		return 0, size, rangeNone
	}
	to = size
	if b != "" {
		last, ok := number(b)
		if !ok || last < from {
			return 0, size, rangeNone
		}
		to = min(size, last+1)
	}
	if from >= size {
		return 0, 0, rangeBeyond
	}
	return from, to, rangePart
}

// deliveredView is the receipt of a bundle.
type deliveredView struct {
	ID   string
	Next string
}

// bundle takes a bundle as it streams in.
func (e *exchange) bundle(w http.ResponseWriter, r *http.Request) {
	// The largest bundle is a constant number of entries of the largest class;
	// what is longer is read to its end all the same, so that the page is seen.
	limit := int64(2*crypto.BundleEntries+1)*2*e.service.Limits().FileSize + drainMost
	body := newPacedBody(w, r, limit)
	status, why, id := e.deliver(r, body)
	_, _ = io.Copy(io.Discard, body)
	if why != "" {
		e.show(w, status, "refused", why)
		return
	}
	e.show(w, http.StatusOK, "delivered", deliveredView{
		hex.EncodeToString(id[:]), e.service.NextRelease().UTC().Format("2006-01-02 15:04"),
	})
}

func (e *exchange) deliver(r *http.Request, body *pacedBody) (status int, why string, id crypto.BundleID) {
	up, err := newUpload(r, body, time.Now)
	if err != nil {
		return http.StatusBadRequest, "nofile", id
	}
	if _, err = up.fields(time.Now); err != nil {
		return http.StatusBadRequest, "line", id
	}
	if !up.hasFile() {
		return http.StatusBadRequest, "nofile", id
	}
	src := &failing{r: up.file}
	var later *intake.Later
	id, err = e.service.Deliver(r.Context(), e.holder, src)
	switch {
	case err == nil:
		return http.StatusOK, "", id
	case src.err != nil:
		return http.StatusBadRequest, "line", id
	case errors.Is(err, intake.ErrBundle):
		return http.StatusBadRequest, "bundle", id
	case errors.Is(err, intake.ErrFull):
		return http.StatusInsufficientStorage, "full", id
	case errors.Is(err, intake.ErrBusy):
		return http.StatusServiceUnavailable, "busy", id
	case errors.As(err, &later):
		return http.StatusTooManyRequests, "later", id
	case errors.Is(err, intake.ErrClosed):
		return http.StatusServiceUnavailable, "closed", id
	}
	e.log(fmt.Sprintf("taking a bundle: %v", err))
	return http.StatusInternalServerError, "internal", id
}
