package web

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/crypto"
	"postern/intake"
	"postern/intake/form"
	"postern/intake/intaketest"
)

// world is one instance on a real store behind the real handlers.
type world struct {
	t       testing.TB
	in      *intaketest.World
	service *intake.Service
	dir     *crypto.Directory
	tickets *Tickets
	source  http.Handler
	url     string
	exch    string

	mu   sync.Mutex
	logs []string
}

func (w *world) now() time.Time { return w.in.Now() }

func (w *world) advance(d time.Duration) { w.in.Advance(d) }

func (w *world) log(s string) { w.mu.Lock(); w.logs = append(w.logs, s); w.mu.Unlock() }

// settings change a world before it starts.
type settings struct {
	options intake.Options
	source  SourceOptions
	bodies  []crypto.Body // without holders; nil: four
	slots   int
	quota   int64
	kdf     crypto.KDFParams
}

func body(id, kind string, independent bool) crypto.Body {
	return intaketest.Body(id, kind, independent)
}

func newWorld(t testing.TB, change ...func(*settings)) *world {
	t.Helper()
	w := &world{t: t}
	c := settings{}
	w.in = intaketest.New(t, func(in *intaketest.Settings) {
		c = settings{
			slots: 8, quota: 4 << 30, kdf: in.KDF, options: in.Options,
			bodies: []crypto.Body{
				body("ministry", "government", false), body("ombuds", "ombuds", true),
				body("audit", "audit", true), body("press", "media", true),
			},
		}
		c.source = SourceOptions{Quantum: NoQuantum, Now: w.now, Log: w.log}
		for _, f := range change {
			f(&c)
		}
		in.At, in.Slots, in.Quota, in.KDF, in.Options, in.Bodies = noon, c.slots, c.quota, c.kdf, c.options, c.bodies
	})
	w.service, w.dir = w.in.Service, w.in.Dir
	var err error
	if w.tickets, err = NewTickets(TicketOptions{Host: "test.onion", Now: w.now}); err != nil {
		t.Fatal(err)
	}
	c.source.Service, c.source.Tickets = w.service, w.tickets
	w.source = Source(c.source)
	w.url = serve(t, w.source)
	w.exch = serve(t, Exchange(ExchangeOptions{Service: w.service, Directory: func() ([]byte, error) { return []byte("signed"), nil }, Holder: "The audit office, first desk", Log: w.log}))
	t.Cleanup(func() {
		for _, l := range w.logs {
			t.Errorf("logged: %s", l)
		}
	})
	return w
}

// serve runs a handler in the server that the program uses.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(h)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(Limit(l)) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return "http://" + l.Addr().String()
}

// shown is a page as a browser has it.
type shown struct {
	w      *world
	status int
	head   http.Header
	body   string
	doc    *html.Node
}

// get fetches a page of the source.
func (w *world) get(path string) *shown {
	w.t.Helper()
	r, err := http.Get(w.url + path)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.show(r)
}

// show checks what holds for every page of a source, and parses it.
func (w *world) show(r *http.Response) *shown {
	w.t.Helper()
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &shown{w: w, status: r.StatusCode, head: r.Header, body: string(b)}
	if len(b) != PageSize {
		w.t.Errorf("page of %d bytes: %.60s", len(b), b)
	}
	if p.doc, err = html.Parse(bytes.NewReader(b)); err != nil {
		w.t.Fatal(err)
	}
	checkStructure(w.t, p.doc)
	return p
}

// title is the page's heading.
func (p *shown) title() string { return textOf(find(p.doc, "h1")[0]) }

func (p *shown) want(status int, title string) *shown {
	p.w.t.Helper()
	if p.status != status || p.title() != title {
		p.w.t.Fatalf("page %q with status %d, want %q with %d", p.title(), p.status, title, status)
	}
	return p
}

func (p *shown) has(text string) *shown {
	p.w.t.Helper()
	if !strings.Contains(textOf(p.doc), text) {
		p.w.t.Errorf("page %q does not say %q", p.title(), text)
	}
	return p
}

func (p *shown) hasNot(text string) *shown {
	p.w.t.Helper()
	if strings.Contains(p.body, text) {
		p.w.t.Errorf("page %q says %q", p.title(), text)
	}
	return p
}

// file is a file chosen in a form.
type file struct {
	name string
	data io.Reader
}

// fill is a form of a page, filled in.
type fill struct {
	p      *shown
	action string
	names  []string // of fields, in the order of the page
	values map[string][]string
	files  []file
	hasF   bool
}

// form finds the n-th form with an action.
func (p *shown) form(action string, n ...int) *fill {
	p.w.t.Helper()
	skip := 0
	if len(n) > 0 {
		skip = n[0]
	}
	for _, f := range find(p.doc, "form") {
		if attr(f, "action") != action {
			continue
		}
		if skip--; skip >= 0 {
			continue
		}
		x := &fill{p: p, action: action, values: map[string][]string{}}
		x.collect(f)
		return x
	}
	p.w.t.Fatalf("page %q has no form for %s", p.title(), action)
	return nil
}

// collect reads a form's fields with their present values, as a browser would send them.
func (f *fill) collect(n *html.Node) {
	if n.Type == html.ElementNode {
		name := attr(n, "name")
		add := func(v string, send bool) {
			if !slices.Contains(f.names, name) {
				f.names = append(f.names, name)
			}
			if send {
				f.values[name] = append(f.values[name], v)
			}
		}
		switch n.Data {
		case "textarea":
			add(textOf(n), true)
		case "select":
			v := ""
			for _, o := range find(n, "option") {
				if hasAttr(o, "selected") {
					v = attr(o, "value")
				}
			}
			add(v, true)
		case "input":
			switch attr(n, "type") {
			case "checkbox":
				add(attr(n, "value"), hasAttr(n, "checked"))
			case "file":
				f.hasF = true
			default:
				add(attr(n, "value"), true)
			}
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		f.collect(c)
	}
}

// set fills a field, which must be on the form.
func (f *fill) set(name string, values ...string) *fill {
	f.p.w.t.Helper()
	if !slices.Contains(f.names, name) {
		f.p.w.t.Fatalf("form %s has no field %q", f.action, name)
	}
	f.values[name] = values
	return f
}

func (f *fill) file(name string, data io.Reader) *fill {
	f.p.w.t.Helper()
	if !f.hasF {
		f.p.w.t.Fatalf("form %s takes no files", f.action)
	}
	f.files = append(f.files, file{name, data})
	return f
}

// encode writes the form as browsers do: fields in order, line breaks as
// CRLF, then the files, or one empty part where none was chosen.
func (f *fill) encode(w io.Writer) (*multipart.Writer, error) {
	m := multipart.NewWriter(w)
	return m, f.encodeTo(m)
}

func (f *fill) encodeTo(m *multipart.Writer) error {
	for _, n := range f.names {
		for _, v := range f.values[n] {
			if err := m.WriteField(n, strings.ReplaceAll(v, "\n", "\r\n")); err != nil {
				return err
			}
		}
	}
	if f.hasF && len(f.files) == 0 {
		if _, err := m.CreatePart(fileHeader("", "application/octet-stream")); err != nil {
			return err
		}
	}
	for _, x := range f.files {
		p, err := m.CreatePart(fileHeader(x.name, "text/plain"))
		if err != nil {
			return err
		}
		if _, err := io.Copy(p, x.data); err != nil {
			return err
		}
	}
	return m.Close()
}

func fileHeader(name, mediaType string) textproto.MIMEHeader {
	return textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename="%s"`, name)},
		"Content-Type":        {mediaType},
	}
}

// send submits the form, streaming.
func (f *fill) send() *shown {
	f.p.w.t.Helper()
	return f.p.w.show(f.do(f.p.w.url))
}

func (f *fill) do(base string) *http.Response {
	f.p.w.t.Helper()
	pr, pw := io.Pipe()
	m := multipart.NewWriter(pw)
	go func() { pw.CloseWithError(f.encodeTo(m)) }()
	req, err := http.NewRequest(http.MethodPost, base+f.action, pr)
	if err != nil {
		f.p.w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", m.FormDataContentType())
	req.Header.Set("Origin", base)
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		f.p.w.t.Fatal(err)
	}
	return r
}

// code reads the code from the page that shows it.
func (p *shown) code() string {
	p.w.t.Helper()
	for _, l := range find(p.doc, "ol") {
		if attr(l, "class") == "code" {
			var words []string
			for _, li := range find(l, "li") {
				words = append(words, textOf(li))
			}
			return strings.Join(words, " ")
		}
	}
	p.w.t.Fatalf("page %q shows no code", p.title())
	return ""
}

// report sends a report with the defaults and returns the page with the code.
func (w *world) report(text string) *shown {
	w.t.Helper()
	return w.get("/report").form("/report").set("text", text).send().want(200, "Received")
}

// enter opens an inbox.
func (w *world) enter(code string) *shown {
	w.t.Helper()
	return w.get("/inbox").form("/inbox").set("code", code).send().want(200, "Your inbox")
}

// opened is a message that a body could open, with its files' bytes.
type opened struct {
	*crypto.Read
	data [][]byte
}

// fetch releases a lane and opens the batch as a body's desk would, through the exchange.
func (w *world) fetch(l crypto.Lane, body string) []opened {
	w.t.Helper()
	n, err := w.service.Release(context.Background(), l)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.open(n, body)
}

// fetchAll is fetch until nothing waits.
func (w *world) fetchAll(body string) (list []opened) {
	w.t.Helper()
	for list = w.fetch(crypto.LaneRegular, body); w.in.Waiting(crypto.LaneRegular) > 0; {
		list = append(list, w.fetch(crypto.LaneRegular, body)...)
	}
	return list
}

func (w *world) open(batch uint64, body string) []opened {
	w.t.Helper()
	infos, err := w.service.Batches()
	if err != nil {
		w.t.Fatal(err)
	}
	id := w.in.Holders[body].Identity(crypto.MonthOf(w.now()))
	var list []opened
	for _, b := range infos {
		if b.Number != batch {
			continue
		}
		for _, v := range b.Volumes {
			r, err := http.Get(fmt.Sprintf("%s/volumes/%d/%d/%s", w.exch, batch, v.Number, v.Name))
			if err != nil {
				w.t.Fatal(err)
			}
			err = crypto.ReadVolume(r.Body, []ed25519.PublicKey{w.dir.Server}, func(*crypto.BatchHead, int, []byte) error { return nil }, func(_ int, _ crypto.EntryRef, r io.Reader) error {
				plain, err := crypto.Open(r, id)
				if err != nil {
					return nil // cover, or not for this body
				}
				var o opened
				o.Read, err = crypto.ReadMessage(plain, func(_ crypto.File, r io.Reader) error {
					d, err := io.ReadAll(r)
					o.data = append(o.data, d)
					return err
				})
				list = append(list, o)
				return err
			})
			r.Body.Close()
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return list
}

// reply hands in a reply of a body to a message.
func (w *world) reply(body string, to *crypto.Read, text string, files map[string]string, notice ...form.Notice) {
	w.t.Helper()
	w.in.Dir = w.dir
	w.handIn(w.bundle(w.in.ReplyWith(body, to, func(m *crypto.Message) {
		m.Text = text
		for _, n := range notice {
			said, err := n.Encode()
			if err != nil {
				w.t.Fatal(err)
			}
			m.Notice = said
		}
	}, files)))
}

func (w *world) bundle(entries ...crypto.BundleEntry) []byte {
	w.t.Helper()
	return w.in.Bundle(entries...)
}

// handIn hands a bundle in through the exchange and returns the page.
func (w *world) handIn(bundle []byte) string {
	w.t.Helper()
	r := postFile(w.t, w.exch+"/bundle", w.exch, "bundle.postern", bytes.NewReader(bundle))
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		w.t.Fatalf("handing in: %d %s", r.StatusCode, b)
	}
	return string(b)
}

func postFile(t testing.TB, url, origin, name string, data io.Reader) *http.Response {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	p, err := m.CreatePart(fileHeader(name, "application/octet-stream"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(p, data); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, url, &b)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", m.FormDataContentType())
	req.Header.Set("Origin", origin)
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// record runs one request against the handler itself.
func (w *world) record(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.source.ServeHTTP(rec, r)
	return rec
}

// first is the handler of the first language.
func (w *world) first() *source {
	w.t.Helper()
	l, ok := w.source.(*languages[*source])
	if !ok {
		w.t.Fatal("not our handler")
	}
	return l.list[0].pages()
}

// exchange is the handler of an exchange's pages in a language.
func (w *world) exchange(lang string) *exchange {
	w.t.Helper()
	l, ok := Exchange(ExchangeOptions{Service: w.service, Log: w.log}).(*languages[*exchange])
	if !ok {
		w.t.Fatal("not our handler")
	}
	i := slices.Index(exchangeLanguages(), lang)
	return l.list[i].pages()
}

// others are all languages but one.
func others(lang string) []string {
	return slices.DeleteFunc(Locales(), func(l string) bool { return l == lang })
}

// ids of the bodies that a message names.
func ids(readers []crypto.Reader) (list []string) {
	for _, r := range readers {
		list = append(list, r.ID)
	}
	return list
}
