package web

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
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
	"postern/crypto/seedtest"
	"postern/intake"
	"postern/intake/form"
	"postern/store"
)

// world is one instance on a real store behind the real handlers.
type world struct {
	t       testing.TB
	service *intake.Service
	dir     *crypto.Directory
	holders map[string]*holder
	tickets *Tickets
	source  http.Handler
	url     string
	exch    string

	mu   sync.Mutex
	at   time.Time
	logs []string
}

type holder struct {
	seed crypto.EpochSeed
	key  ed25519.PrivateKey
}

func (h *holder) identity(m crypto.Month) *crypto.Identity {
	s, err := h.seed.At(m)
	if err != nil {
		panic(err)
	}
	return s.Identity()
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.at }

func (w *world) advance(d time.Duration) { w.mu.Lock(); w.at = w.at.Add(d); w.mu.Unlock() }

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
	return crypto.Body{
		ID: id, Kind: kind, Independent: independent, Languages: []string{"en", "fr"},
		Names:    map[string]string{"en": "The " + id + " office"},
		Mandates: map[string]string{"en": "Looks into complaints about " + id + "."},
	}
}

func newWorld(t testing.TB, change ...func(*settings)) *world {
	t.Helper()
	seedtest.Set(t)
	w := &world{t: t, holders: map[string]*holder{}, at: noon}
	c := settings{slots: 8, quota: 4 << 30, kdf: crypto.KDFParams{Time: 1, MemoryKiB: 64, Threads: 1}, bodies: []crypto.Body{
		body("ministry", "government", false), body("ombuds", "ombuds", true),
		body("audit", "audit", true), body("press", "media", true),
	}}
	c.options = intake.Options{Instance: crypto.InstanceID{1}, BatchSize: 8, UrgentSize: 2, Now: w.now}
	c.source = SourceOptions{Quantum: NoQuantum, Now: w.now, Log: w.log}
	for _, f := range change {
		f(&c)
	}
	transfer := crypto.NewIdentity()
	month := crypto.MonthOf(w.at)
	w.dir = &crypto.Directory{
		Origin: "postern directory test", Version: 1, Issued: crypto.DayOf(w.at) - 1, Expires: crypto.DayOf(w.at) + 300,
		Salt: crypto.NewKey(), KDF: c.kdf,
		Policy: crypto.Policy{Slots: c.slots, Quorum: 1}, Roots: 1, Transfer: transfer.Recipient(),
	}
	for _, b := range c.bodies {
		h := &holder{seed: crypto.EpochSeed{Month: month, Seed: crypto.NewKey()}}
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		h.key = key
		w.holders[b.ID] = h
		ch := crypto.Holder{ID: b.ID + "-1", Signing: key.Public().(ed25519.PublicKey), Status: crypto.StatusActive, Since: 1}
		for m := month; m < month+crypto.EpochCount; m++ {
			ch.Epochs = append(ch.Epochs, crypto.Epoch{Month: m, Recipient: h.identity(m).Recipient()})
		}
		b.Holders = []crypto.Holder{ch}
		w.dir.Bodies = append(w.dir.Bodies, b)
	}
	st, err := store.Open(store.Options{
		Dir: t.TempDir(), Buckets: intake.Buckets(), SmallCell: intake.SmallCell(c.slots), Quota: c.quota, ReserveSmall: 0.1, Spare: c.quota / 5, Create: true, Unbounded: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	c.options.Store, c.options.Directory, c.options.Transfer = st, w.dir, transfer
	if w.service, err = intake.New(c.options); err != nil {
		t.Fatal(err)
	}
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
	for {
		list = append(list, w.fetch(crypto.LaneRegular, body)...)
		n, err := w.service.Waiting()
		if err != nil {
			w.t.Fatal(err)
		}
		if n[crypto.LaneRegular] == 0 {
			return list
		}
	}
}

func (w *world) open(batch uint64, body string) []opened {
	w.t.Helper()
	infos, err := w.service.Batches()
	if err != nil {
		w.t.Fatal(err)
	}
	id := w.holders[body].identity(crypto.MonthOf(w.now()))
	var list []opened
	for _, b := range infos {
		if b.Ordinal != batch {
			continue
		}
		for _, v := range b.Volumes {
			r, err := http.Get(fmt.Sprintf("%s/volumes/%d/%d/%s", w.exch, batch, v.Number, v.Name))
			if err != nil {
				w.t.Fatal(err)
			}
			err = crypto.ReadVolume(r.Body, func(crypto.VolumeHeader) error { return nil }, func(_ int, _ int64, r io.Reader) error {
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
func (w *world) reply(body string, to *crypto.Read, slot int, text string, files map[string]string, notice ...form.Notice) {
	w.t.Helper()
	i := slices.IndexFunc(to.Prekeys, func(p crypto.Prekey) bool { return int(p.Slot) == slot })
	if i < 0 {
		w.t.Fatalf("no prekey for slot %d", slot)
	}
	rec := to.Prekeys[i].Recipient
	readers, err := w.dir.ReadersFor(to.Readers, crypto.MonthOf(w.now()))
	if err != nil {
		w.t.Fatal(err)
	}
	var b bytes.Buffer
	sw, err := crypto.Seal(&b, w.dir.Policy, readers, rec)
	if err != nil {
		w.t.Fatal(err)
	}
	drop := crypto.DropOf(rec)
	var said []byte
	for _, n := range notice {
		if said, err = n.Encode(); err != nil {
			w.t.Fatal(err)
		}
	}
	mw, err := crypto.NewMessageWriter(sw, &crypto.Message{
		Notice:  said,
		Meta:    crypto.Meta{Kind: crypto.KindReply, Case: to.Meta.Case, Form: newFormID(), DirHash: w.dir.Hash(), Day: crypto.DayOf(w.now())},
		Readers: to.Readers, Quorum: 1, Text: text, Drop: &crypto.DropRef{Drop: drop, Slot: byte(slot)},
	}, w.holders[body].key)
	if err != nil {
		w.t.Fatal(err)
	}
	for name, data := range files {
		fw, err := mw.File(name, "text/plain")
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := io.WriteString(fw, data); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := errors.Join(mw.Close(), sw.Close()); err != nil {
		w.t.Fatal(err)
	}
	w.handIn(w.bundle(crypto.BundleEntry{Drop: drop, Size: int64(b.Len()), Data: &b}))
}

func (w *world) bundle(entries ...crypto.BundleEntry) []byte {
	w.t.Helper()
	var b bytes.Buffer
	if err := crypto.WriteBundle(&b, w.dir.Policy, w.dir.Transfer, crypto.Bundle{ID: crypto.BundleID(newFormID())}, entries); err != nil {
		w.t.Fatal(err)
	}
	return b.Bytes()
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
	l, ok := w.source.(*languages)
	if !ok {
		w.t.Fatal("not our handler")
	}
	return l.list[0].source()
}

// others are all languages but one.
func others(lang string) []string {
	return slices.DeleteFunc(Locales(), func(l string) bool { return l == lang })
}
