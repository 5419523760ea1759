package pages

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/keeper"
	"postern/reviewer/reviewertest"
	"postern/reviewer/window"
)

const (
	testPass  = "seven random words are good enough here"
	testOnion = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
)

// world is a desk of the ombuds office, one of an organisation, and a server.
type world struct {
	testing.TB
	now    time.Time
	server *reviewertest.Server
	anna   *reviewer.Desk
	cleo   *reviewer.Desk
	eve    *reviewer.Desk // of a body that a source can agree to
	pages  *Pages
	root   *keeper.Root
	signed []byte // directory
	vault  string // anna's folder
	stick  string // a folder in its place
	pass   string // what is typed when the passphrase is asked for
	why    string // what it was asked for last
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// must takes a call's results as they are; what it returns stops the test on an error.
func must[T any](v T, err error) func(*world) T {
	return func(w *world) T { w.Helper(); w.check(err); return v }
}

func (w *world) options() reviewer.Options {
	return reviewer.Options{ScryptLogN: 2, Now: func() time.Time { return w.now }}
}

func (w *world) today() crypto.Day { return crypto.DayOf(w.now) }

func newWorld(t *testing.T) *world {
	t.Helper()
	seedtest.Set(t)
	w := &world{TB: t, pass: testPass, now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	w.server = reviewertest.NewServer(w.today())
	w.anna, w.cleo = w.enrol("ombuds", "anna", "ombuds"), w.enrol("ngo", "cleo", "civil-society")
	w.eve = w.enrol("audit", "eve", "audit")
	path := filepath.Join(w.TempDir(), "root.age")
	must(keeper.NewRoot(path, "harbour", []byte(testPass), 2))(w)
	w.root = must(keeper.OpenRoot(path, []byte(testPass), 2))(w)
	b, _ := w.server.Directory.Body("ombuds")
	b.Names = map[string]string{"en": "The ombuds office", "fr": "Le médiateur", "ar": "مكتب أمين المظالم"}
	w.signed = must(w.root.Sign(must(w.server.Proposal())(w), nil, w.today()))(w)
	for _, d := range []*reviewer.Desk{w.anna, w.cleo, w.eve} {
		w.check(d.AcceptDirectory(w.signed, []string{w.root.Key()}, w.today()))
	}
	w.enrolled(w.anna)
	return w
}

func (w *world) enrol(body, holder, kind string) *reviewer.Desk {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "vault")
	if holder == "anna" {
		w.vault = dir
	}
	v := must(reviewer.Create(dir, body, holder, []byte(testPass), w.options()))(w)
	w.Cleanup(v.Close)
	card, _, err := v.Card()
	w.check(err)
	w.check(w.server.Enrol(card, kind))
	return v
}

// join enrols one more holder, in a new directory that all desks accept.
func (w *world) join(body, holder, kind string) *reviewer.Desk {
	w.Helper()
	w.server.Directory.Version++
	v := w.enrol(body, holder, kind)
	w.signed = must(w.root.Sign(must(w.server.Proposal())(w), w.signed, w.today()))(w)
	for _, d := range []*reviewer.Desk{w.anna, w.cleo, w.eve, v} {
		w.check(d.AcceptDirectory(w.signed, []string{w.root.Key()}, w.today()))
	}
	return v
}

// enrolled does the other steps of enrolment.
func (w *world) enrolled(d *reviewer.Desk) {
	w.Helper()
	dir := w.TempDir()
	must(d.WriteCard(filepath.Join(dir, "card")))(w)
	w.check(d.WriteAccess(testOnion, filepath.Join(dir, "exchange.auth_private")))
	w.check(d.BackupFile(filepath.Join(dir, "first.age"), []byte(testPass)))
}

// open makes the window's pages in a language.
func (w *world) open(lang string) *world {
	if w.stick == "" {
		w.stick = w.TempDir()
	}
	return w.openOf(w.anna, lang)
}

// openOf makes the pages of a window on somebody's desk.
func (w *world) openOf(desk *reviewer.Desk, lang string) *world {
	w.pages = New(Options{Desk: desk, Language: lang, Sticks: func() []string { return []string{w.stick} }, Passphrase: func(why string) ([]byte, error) {
		w.why = why
		return []byte(w.pass), nil
	}})
	w.pages.step = time.Hour // an import is one page, however slow the machine is
	return w
}

// batch is a volume with these entries.
func (w *world) batch(entries ...[]byte) []byte {
	w.Helper()
	return must(w.server.Release(w.today(), 4, entries...))(w)
}

func (w *world) imports(v *reviewer.Desk, volume []byte) {
	w.Helper()
	must(v.Import(bytes.NewReader(volume), reviewer.ImportOptions{}))(w)
}

// deliver takes what a desk exports through the server: the source's copies and those of the next batch.
func (w *world) deliver(v *reviewer.Desk) (source []reviewertest.Entry, readers [][]byte) {
	w.Helper()
	for _, b := range must(v.Export(w.TempDir()))(w) {
		_, list, err := w.server.Deliver(read(w, b.Path))
		w.check(err)
		for _, e := range list {
			source, readers = append(source, e), append(readers, e.Readers)
		}
	}
	return source, readers
}

func (w *world) later(days int) { w.now = w.now.AddDate(0, 0, days) }

// text of a report in Arabic, with a name in Latin letters inside.
const arabic = "تعرّض المحتجزون للضرب يوم ١٢ مايو في مركز «النور»، وقال الضابط إنّ الملف report-7.pdf قد أُتلف.\n\nأخشى أن يُعرف مكاني."

// hostile is what a source may write to harm its reader.
var hostile = []string{
	"<script>alert(1)</script><img src=x onerror=alert(2)>", "</p></blockquote><h1>Postern desk</h1>", "\x1b[31mred\x1b[0m", "\u202egnp.exe",
	"a\u0085\u009bb", "{{.Path}}", "\u2067\u2068\u202a", strings.Repeat("\u0301", 40) + "a", "javascript:alert(1)", "&lt;b&gt;", "\u200b\u200b\u200b\ufeff", "\U000e0041\U000e0042",
}

// office fills the desk with a little of everything.
func (w *world) office() *world {
	w.Helper()
	day := w.today()
	s := func() *reviewertest.Source { return w.server.NewSource() }
	say := func(x *reviewertest.Source, text string, a form.Answers, bodies ...string) []byte {
		w.Helper()
		return must(x.Say(reviewertest.NewForm(), w.today(), text, a, bodies...))(w)
	}
	one, two, three, four, five := s(), s(), s(), s(), s()
	var entries [][]byte
	report := reviewertest.NewForm()
	entries = append(entries,
		must(one.Say(report, day, arabic, form.Answers{
			{ID: "urgency", Values: []string{"danger"}}, {ID: "topics", Values: []string{"ill-treatment", "force"}},
			{ID: "place", Values: []string{"مركز «النور»، الكتيبة 12"}}, {ID: "known", Values: []string{"saw"}}, {ID: "consent", Values: []string{"investigate-only"}},
		}, "ombuds", "ngo"))(w),
		must(one.Attach(report, day, "صورة \u202egnp.exe", bytes.Repeat([]byte("x"), 5000), "ombuds", "ngo"))(w),
		say(two, "The purchase of boots was paid twice.\n\nI have seen both invoices.", form.Answers{{ID: "topics", Values: []string{"corruption", "funds"}}}, "ombuds"),
		say(three, "Командир сказал удалить отчёт № 17.", nil, "ombuds", "ngo"),
		say(four, strings.Join(hostile, "\n\n"), form.Answers{{ID: "place", Values: []string{hostile[0] + hostile[3]}}}, "ombuds"),
		say(five, "Des recrues sont frappées à la caserne. Tout le monde le sait, et personne n’écrit rien.", nil, "ombuds"),
	)
	w.imports(w.anna, w.batch(entries...))
	w.imports(w.cleo, must(w.server.Release(day, 4, entries[:1]...))(w))
	// cleo and anna answer the first; the second is promised to hear more.
	c := w.cleo.Cases()[0]
	must(w.cleo.Reply(must(w.cleo.PlanReply(&c, day))(w), reviewer.Draft{Text: "We have read it, and look into it with the ombuds office."}))(w)
	_, readers := w.deliver(w.cleo)
	w.imports(w.anna, w.batch(readers...))
	for _, x := range []struct {
		s *reviewertest.Source
		d reviewer.Draft
	}{
		{two, reviewer.Draft{Text: "Thank you. We ask the audit office.", Notice: &form.Notice{Stage: "inquiry", Until: uint32(day) + 3, Ask: "audit"}}},
		{three, reviewer.Draft{Text: "Спасибо. Мы прочитали ваше сообщение."}},
	} {
		c := must(w.anna.Case(reviewer.FullID(x.s.Case)))(w)
		must(w.anna.Reply(must(w.anna.PlanReply(c, day))(w), x.d))(w)
	}
	source, readers := w.deliver(w.anna)
	for _, e := range source {
		_, _, err := two.Receive(e)
		w.check(err)
	}
	w.later(5)
	next := three.ChangeCode(w.today())
	entries = append(readers,
		must(two.Agree(reviewertest.NewForm(), w.today(), "audit", true, "ombuds"))(w),
		say(next, "Я сменил код.", nil, "ombuds", "ngo"),
		say(one, "هددوني بعد البلاغ.", form.Answers{{ID: form.QSince, Values: []string{form.SinceRetaliation, form.SinceDanger}}}, "ombuds", "ngo"),
		say(five, "Je retire tout.", form.Answers{{ID: form.QWish, Values: []string{form.WishWithdraw}}}, "ombuds"),
	)
	w.server.Batch++ // one batch is missing
	w.imports(w.anna, w.batch(entries...))
	c2 := must(w.anna.Case(reviewer.FullID(one.Case)))(w)
	must(w.anna.Reply(must(w.anna.PlanReply(c2, w.today()))(w), reviewer.Draft{Text: "نحن نقرأ رسائلك. ابقَ في مكان آمن."}))(w)
	if w.pages != nil {
		w.pages.cases = nil
	}
	return w
}

func read(w *world, path string) []byte {
	w.Helper()
	return must(readFile(path))(w)
}

// get asks for a page.
func (w *world) get(path string) *shown {
	w.Helper()
	u := must(url.Parse(path))(w)
	return w.shown(w.pages.Answer(window.Request{Method: window.Get, Path: u.Path, Query: u.Query(), Form: url.Values{}}))
}

// post sends a form with the window's token, and goes where the answer points.
func (w *world) post(path string, fields ...string) *shown {
	w.Helper()
	r := w.send(path, append(fields, "token", w.pages.token)...)
	if r.Location == "" {
		return w.shown(r)
	}
	return w.get(r.Location)
}

// send sends a form as it is.
func (w *world) send(path string, fields ...string) window.Reply {
	w.Helper()
	return w.sendAll(path, nil, fields...)
}

// sendAll is send with fields that stand in the form several times.
func (w *world) sendAll(path string, many map[string][]string, fields ...string) window.Reply {
	w.Helper()
	f := url.Values{}
	maps.Copy(f, many)
	for i := 0; i < len(fields); i += 2 {
		f.Set(fields[i], fields[i+1])
	}
	return w.pages.Answer(window.Request{Method: window.Post, Path: path, Query: url.Values{}, Form: f})
}

// shown is a page that came back.
type shown struct {
	w    *world
	r    window.Reply
	doc  *html.Node
	text string
}

func (w *world) shown(r window.Reply) *shown {
	w.Helper()
	s := &shown{w: w, r: r}
	if r.Location != "" || r.Status == statusNothing {
		return s
	}
	if !strings.HasPrefix(r.CSP, "default-src 'none'; style-src 'sha256-") || !strings.HasPrefix(r.Type, "text/html") {
		w.Fatalf("a page of type %q with the policy %q: %s", r.Type, r.CSP, r.Body)
	}
	s.doc = must(html.Parse(bytes.NewReader(r.Body)))(w)
	s.text = strings.Join(strings.Fields(textOf(s.doc)), " ")
	return s
}

// has checks that the page says something.
func (s *shown) has(texts ...string) *shown {
	s.w.Helper()
	for _, t := range texts {
		if !strings.Contains(s.text, strings.Join(strings.Fields(t), " ")) {
			s.w.Fatalf("the page does not say %q:\n%s", t, s.text)
		}
	}
	return s
}

func (s *shown) hasNot(texts ...string) *shown {
	s.w.Helper()
	for _, t := range texts {
		if strings.Contains(s.text, t) {
			s.w.Fatalf("the page says %q:\n%s", t, s.text)
		}
	}
	return s
}

func (s *shown) status(want int) *shown {
	s.w.Helper()
	if s.r.Status != want {
		s.w.Fatalf("status %d, want %d:\n%s", s.r.Status, want, s.text)
	}
	return s
}

// title of the page.
func (s *shown) title() string {
	for n := range s.doc.Descendants() {
		if n.Data == "title" {
			return textOf(n)
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	if n.Type == html.ElementNode && n.Data == "style" {
		return ""
	}
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := range n.ChildNodes() {
		b.WriteString(textOf(c) + " ")
	}
	return b.String()
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// serve puts the pages behind net/http, as browsers want them. The program never does.
func (w *world) serve(each func(path string, body []byte)) string {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		a := w.pages.Answer(window.Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Form: r.PostForm})
		if a.Location != "" {
			http.Redirect(rw, r, a.Location, a.Status)
			return
		}
		if each != nil {
			each(r.URL.Path, a.Body)
		}
		rw.Header().Set("Content-Type", a.Type)
		rw.Header().Set("Content-Security-Policy", strings.ReplaceAll(a.CSP, "desk:", "'self'"))
		rw.WriteHeader(a.Status)
		_, _ = rw.Write(a.Body)
	}))
	w.Cleanup(s.Close)
	return s.URL
}

// caseOf is the path of the case that begins with a text.
func (w *world) caseOf(text string) string {
	w.Helper()
	for _, c := range w.anna.Cases() {
		for i := range c.Messages {
			if l := must(w.anna.Read(&c, &c.Messages[i]))(w); strings.HasPrefix(l.Words, text) {
				return casePath(&c, "")
			}
		}
	}
	w.Fatalf("no case begins with %q", text)
	return ""
}
