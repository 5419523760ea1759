package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/crypto"
	"postern/intake"
	"postern/intake/form"
	"postern/locale"
	"postern/web/browsertest"
	"postern/web/visitor"
)

// The gallery is every page of a source in every state, as it went over the
// line. What must hold for all pages is judged on it: one size and the same
// headers, valid HTML, accessibility, nothing that scrolls sideways. A page is
// known here by its template, whose title no other has, never by a sentence.
//
// A new page, state or problem gets its scene in hang; what lists know (pages,
// notices, problems) is missed when it has none.

// scene is one page in one state.
type scene struct {
	name     string
	template string
	request  string // its first line
	status   int
	head     string // header lines as sent
	body     []byte
}

// at is the path of a page in a language, and of the action of its forms.
func at(lang, path string) string { return "/" + lang + path }

// titleOf is the title of the pages that a template makes.
func titleOf(l *locale.Locale, template string) string {
	if slices.Contains(bare, template) {
		return l.Word("title." + template)
	}
	return l.Word("title."+template) + " · " + l.Word("brand")
}

// alertOn is the title of a page on which an alert stands: who listens hears it first.
func alertOn(l *locale.Locale, title string) string { return l.Word("problem") + " " + title }

// directions are languages enough for what depends on structure and direction
// alone: the first of each.
func directions(t *testing.T) (langs []string) {
	seen := map[string]bool{}
	for _, lang := range append([]string{"en"}, Locales()...) {
		if l := wordsOf(t, lang); !seen[l.Dir] {
			seen[l.Dir] = true
			langs = append(langs, lang)
		}
	}
	return langs
}

func wordsOf(t testing.TB, lang string) *locale.Locale {
	t.Helper()
	l, err := locale.Source(lang)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// gallery is a language's.
type gallery struct {
	t      *testing.T
	words  *locale.Locale
	tape   tape
	scenes []scene
	shown  map[string]bool // pages, notices and problems
	staged int
}

// hang makes the gallery of a language.
func hang(t *testing.T, lang string) *gallery {
	g := &gallery{t: t, words: wordsOf(t, lang), shown: map[string]bool{}}
	g.notices()
	g.writing()
	g.problems()
	g.visits()
	g.changes()
	g.replies()
	g.asked()
	g.directories()
	g.public()
	g.worst()
	var want []string
	for prefix, ids := range map[string][]string{"page ": sourcePages, "notice ": notices, "problem ": problems} {
		for _, id := range ids {
			want = append(want, prefix+id)
		}
	}
	for _, w := range want {
		if !g.shown[w] {
			t.Errorf("no scene shows %s", w)
		}
	}
	return g
}

// world is one whose answers are kept as they go over the line.
func (g *gallery) world(change ...func(*settings)) *world {
	w := newWorld(g.t, append([]func(*settings){func(c *settings) { c.source.Languages = append([]string{g.words.Lang}, others(g.words.Lang)...) }}, change...)...)
	w.url = g.tape.serve(g.t, w.source)
	return w
}

func (g *gallery) source(w *world) *source {
	return w.first()
}

// keep hangs the page that came last.
func (g *gallery) keep(name, template string, status int, p *shown) *shown {
	g.t.Helper()
	return g.hang(name, template, titleOf(g.words, template), status, p)
}

// hang is keep for a page whose title is not its template's.
func (g *gallery) hang(name, template, title string, status int, p *shown) *shown {
	g.t.Helper()
	if title == "" {
		title = textOf(find(p.doc, "title")[0])
	}
	if strings.Contains(p.body, `role="alert"`) {
		title = alertOn(g.words, title)
	}
	r := g.tape.last()
	if got := textOf(find(p.doc, "title")[0]); p.status != status || got != title {
		g.t.Fatalf("%s is page %q with status %d, not %s with %d:\n%s", name, got, p.status, template, status, textOf(find(p.doc, "main")[0]))
	}
	if string(r.body) != p.body || r.status != status {
		g.t.Fatalf("%s: the tape holds another page", name)
	}
	if slices.ContainsFunc(g.scenes, func(s scene) bool { return s.name == name }) {
		g.t.Fatalf("two scenes are called %s", name)
	}
	r.name, r.template = name, template
	g.scenes = append(g.scenes, r)
	g.shown["page "+template] = true
	return p
}

// problem is keep for a page that names a problem.
func (g *gallery) problem(name, template, problem string, p *shown) *shown {
	g.t.Helper()
	says, _, _ := strings.Cut(g.words.Word("problem."+problem), "{")
	if !strings.Contains(textOf(p.doc), says) {
		g.t.Fatalf("%s does not name the problem %q:\n%s", name, problem, textOf(find(p.doc, "main")[0]))
	}
	g.shown["problem "+problem] = true
	return g.keep(name, template, http.StatusOK, p)
}

// notice is keep for a page that says one thing.
func (g *gallery) notice(notice string, status int, p *shown) {
	g.t.Helper()
	if !strings.Contains(textOf(p.doc), g.words.Word("notice."+notice+".text")) {
		g.t.Fatalf("not the notice %s:\n%s", notice, textOf(find(p.doc, "main")[0]))
	}
	g.shown["notice "+notice] = true
	g.keep("notice-"+notice, "notice", status, p)
}

// stage shows an answer that only a fault or a crowd would bring about.
func (g *gallery) stage(w *world, a func(*source, *visit) answer) *shown {
	g.staged++
	url := fmt.Sprintf("/staged/%d", g.staged)
	s := g.source(w)
	s.router.HandleFunc(url, s.serve(func(v *visit) answer { return a(s, v) }))
	return w.get(url)
}

func (g *gallery) form(p *shown, action string, n ...int) *fill {
	g.t.Helper()
	return p.form(at(g.words.Lang, action), n...)
}

func (g *gallery) get(w *world, path string) *shown { return w.get(at(g.words.Lang, path)) }

func (g *gallery) report(w *world) *fill {
	return g.form(g.get(w, "/report"), "/report").set("text", "What happened, in a few words.")
}

func (g *gallery) enter(w *world, code string) *shown {
	return g.form(g.get(w, "/inbox"), "/inbox").set("code", code).send()
}

func (g *gallery) notices() {
	w := g.world()
	g.notice("missing", http.StatusNotFound, g.get(w, "/nowhere"))
	g.notice("method", http.StatusMethodNotAllowed, g.get(w, "/erased"))
	g.notice("cross", http.StatusForbidden, g.raw(w, "/inbox", "multipart/form-data; boundary=x", "--x--\r\n", "http://elsewhere.onion"))
	g.notice("gateway", http.StatusForbidden, g.through(w, "X-Tor2web"))
	g.notice("nothing", http.StatusBadRequest, g.raw(w, "/message", "multipart/form-data; boundary=x", "", w.url))
	g.notice("form", http.StatusBadRequest, g.raw(w, "/inbox", "text/plain", "x", w.url))
	for name, err := range map[string]error{"busy": intake.ErrBusy, "full": intake.ErrFull} {
		g.notice(name, http.StatusServiceUnavailable, g.stage(w, func(s *source, v *visit) answer { return s.failed(v, "visiting", err) }))
	}
	g.notice("internal", http.StatusInternalServerError, g.stage(w, func(s *source, v *visit) answer { return s.failed(v, "visiting", errors.New("staged")) }))
	w.logs = nil // of that one
}

// through asks for a page as a gateway does.
func (g *gallery) through(w *world, header string) *shown {
	g.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.url+at(g.words.Lang, "/report"), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set(header, "1")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	return w.show(a)
}

// raw posts what no form of ours would send.
func (g *gallery) raw(w *world, path, mediaType, body, origin string) *shown {
	g.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.url+at(g.words.Lang, path), strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", mediaType)
	r.Header.Set("Origin", origin)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	return w.show(a)
}

// answered fills every question of a form.
func answered(f *fill) *fill {
	for _, q := range form.Questions() {
		name := fieldAnswer + q.ID
		if !slices.Contains(f.names, name) {
			continue
		}
		switch q.Kind {
		case form.Text:
			f.set(name, "In May, near the bridge.")
		case form.Choice:
			f.set(name, q.Options[0].ID)
		case form.Choices:
			f.set(name, q.Options[0].ID, q.Options[1].ID)
		}
	}
	return f
}

// writing is the first visit: a report, its code, files.
func (g *gallery) writing() {
	w := g.world(func(c *settings) { c.options.Limits = intake.Limits{FileSize: 1 << 20, Files: 3} })
	g.keep("start", "start", 200, g.get(w, "/"))
	g.keep("report", "report", 200, g.get(w, "/report"))
	g.keep("enter", "enter", 200, g.get(w, "/inbox"))
	g.keep("report-answered", "report", 200, answered(g.report(w)).set("body").send())

	g.keep("code", "code", 200, g.report(w).send())
	g.keep("code-one-reader", "code", 200, g.report(w).set("body", "audit").send())
	f := answered(g.report(w)).file("list.txt", strings.NewReader("x")).file("film.mp4", io.LimitReader(noise{}, 2<<20))
	for i := range 3 {
		f.file(fmt.Sprintf("photo %d.jpg", i), strings.NewReader("x"))
	}
	p := g.keep("code-files", "code", 200, f.send())
	code := strings.Fields(p.code())
	back := func(typed ...string) *shown { return g.form(p, "/code").set("code", strings.Join(typed, " ")).send() }
	g.problem("code-words", "code", probWords, back(code[:8]...))
	g.problem("code-unknown", "code", probUnknown, back(slices.Concat(code[:8], []string{"qqqqqqqq"})...))
	g.problem("code-order", "code", probOrder, back(visitor.Mixed(strings.Join(code, " "))))
	g.problem("code-other", "code", probOther, back(crypto.NewCode().Words()...))
	g.keep("sent-early", "sent", 200, g.form(p, "/files").file("late.txt", strings.NewReader("x")).send())
	kept := g.keep("kept", "kept", 200, back(code...))
	g.keep("again", "again", 200, back("wrong"))
	f.files = []file{{"list.txt", strings.NewReader("x")}, {"film.mp4", io.LimitReader(noise{}, 2<<20)}}
	g.keep("again-files", "again", 200, f.send())

	g.problem("sent-nofile", "sent", probNoFile, g.form(kept, "/files").send())
	g.keep("sent-files", "sent", 200, g.form(kept, "/files").file("late.txt", strings.NewReader("x")).send())
	g.keep("sent-lost", "sent", 200, g.form(kept, "/files").file("film.mp4", io.LimitReader(noise{}, 2<<20)).send())

	p = g.report(w).send()
	code = strings.Fields(p.code())
	g.form(g.form(g.enter(w, strings.Join(code, " ")), "/erase").send(), "/erased").send()
	g.problem("code-erased", "code", probWords, back(code[:8]...))
	g.keep("kept-erased", "kept", 200, back(code...))
	w.advance(25 * time.Hour)
	g.problem("enter-expired", "enter", probExpired, g.form(kept, "/files").file("late.txt", strings.NewReader("x")).send())
}

// problems are forms that come back.
func (g *gallery) problems() {
	w := g.world()
	for problem, change := range map[string]func(*fill) *fill{
		probText:   func(f *fill) *fill { return f.set("text", strings.Repeat("long ", 20<<10)) },
		probAnswer: func(f *fill) *fill { return f.set("q-period", strings.Repeat("y", 350)) },
		probEmpty:  func(f *fill) *fill { return f.set("text", "") },
		probQuorum: func(f *fill) *fill { return f.set("body") },
		probBody:   func(f *fill) *fill { return f.set("body", "audit", "nobody") },
		probCode:   func(f *fill) *fill { return f.set("text", strings.Join(crypto.NewCode().Words(), " ")) },
	} {
		g.problem("report-"+problem, "report", problem, change(g.report(w)).send())
	}
	g.keep("report-cut", "report", 200, g.report(w).set("text", strings.Repeat("long & <longer> ", 8<<10)).set("q-period", strings.Repeat("y", 5000)).send())
	g.problem("report-nothing", "report", probNothing, g.raw(w, "/report", "multipart/form-data; boundary=b", "", w.url))
	typing := textPart("text", "What happened.")
	g.problem("report-form", "report", probForm, g.raw(w, "/report", "multipart/form-data; boundary=b", typing+typing, w.url))
	for _, name := range []string{"report", "message"} {
		p := g.raw(w, "/"+name, "multipart/form-data; boundary=b", typing+lastPart, "http://other.example")
		g.hang(name+"-cross", name, titleOf(g.words, name), http.StatusForbidden, p)
		g.shown["problem "+probCross] = true
	}
	g.problem("report-files-again", "report", probQuorum, g.report(w).set("body").file("list.txt", strings.NewReader("x")).send())
	d := w.service.Directory()
	typed := &fields{text: "What happened.", bodies: []string{"audit"}}
	for _, problem := range []string{probClosed, probFull, probHour, probDay, probLine, probInternal} {
		says := g.words.Word("problem." + problem)
		g.problem("report-"+problem, "report", problem, g.stage(w, func(s *source, _ *visit) answer {
			return s.reportAgain(d, s.tickets.start(), typed, problem, true)
		}))
		g.problem("message-"+problem, "message", problem, g.stage(w, func(s *source, _ *visit) answer {
			return answer{name: "message", text: typed.text, build: func(most int) any {
				v := s.formView(d, typed, most, messageGroups)
				v.Ticket, v.Problem, v.Again = s.tickets.seal(actMessage, s.tickets.start()), says, true
				return v
			}}
		}))
		g.problem("sent-"+problem, "sent", problem, g.stage(w, func(s *source, _ *visit) answer {
			return answer{name: "sent", view: sentView{Problem: says, More: s.filesView(d, actFiles, s.tickets.start(), typed.bodies, fileResults{})}}
		}))
	}
}

// visits are what a code opens.
func (g *gallery) visits() {
	w := g.world(func(c *settings) { c.options.Limits = intake.Limits{FileSize: 1 << 20, Files: 3} })
	code := strings.Fields(g.report(w).send().code())
	ask := func(words ...string) *shown { return g.enter(w, strings.Join(words, " ")) }
	typed := strings.Join(code, " ")
	swapped, slip, mixed := visitor.Swapped(typed), visitor.Slipped(typed), visitor.Mixed(typed)
	bad := slices.Clone(code)
	bad[2], bad[6] = "qqqqqqqqqq", "zzzzzzzzzz"
	g.problem("enter-words", "enter", probWords, ask(code[:8]...))
	g.problem("enter-unknown", "enter", probUnknown, ask(bad...))
	g.problem("enter-order", "enter", probOrder, ask(mixed))
	g.keep("confirm-word", "confirm", 200, ask(slip))
	g.keep("confirm-swap", "confirm", 200, ask(swapped))
	g.keep("confirm-several", "confirm", 200, ask(ambiguous))
	inbox := g.keep("inbox-empty", "inbox", 200, ask(code...))

	write := func() *fill { return g.form(inbox, "/message").set("text", "Something new.") }
	for problem, f := range map[string]*fill{
		probText:   write().set("text", strings.Repeat("long ", 20<<10)),
		probEmpty:  write().set("text", ""),
		probQuorum: write().set("body"),
		probBody:   write().set("body", "audit", "nobody"),
	} {
		g.problem("message-"+problem, "message", problem, f.send())
	}
	g.keep("sent-message", "sent", 200, answered(write()).send())
	g.keep("sent-message-files", "sent", 200, write().file("list.txt", strings.NewReader("x")).file("film.mp4", io.LimitReader(noise{}, 2<<20)).send())

	one := g.form(inbox, "/erase")
	sure := g.keep("erase-all", "erase", 200, one.send())
	g.keep("erased-all", "erased", 200, g.form(sure, "/erased").send())
	w.advance(31 * time.Minute)
	late := g.problem("message-expired", "message", probExpired, write().file("list.txt", strings.NewReader("x")).send())
	with := func(words ...string) *shown {
		return g.form(late, "/message").set("code", strings.Join(words, " ")).send()
	}
	g.problem("message-words", "message", probWords, with(code[:8]...))
	g.problem("message-unknown", "message", probUnknown, with(bad...))
	g.problem("message-order", "message", probOrder, with(mixed))
	g.problem("message-repair", "message", probRepair, with(slip))
	g.problem("message-either", "message", probEither, with(ambiguous))
}

// changes are of a code.
func (g *gallery) changes() {
	w := g.world()
	code := g.report(w).send().code()
	inbox := g.enter(w, code)
	p := g.keep("change", "change", 200, g.form(inbox, "/change").send())
	next := strings.Fields(p.code())
	back := func(typed ...string) *shown {
		return g.form(p, "/changed").set("code", strings.Join(typed, " ")).send()
	}
	g.problem("change-words", "change", probWords, back(next[:8]...))
	g.problem("change-other", "change", probOther, back(strings.Fields(code)...))
	g.keep("changed", "changed", 200, back(next...))
	g.keep("inbox-old-code", "inbox", 200, g.enter(w, code))
	g.keep("inbox-new-code", "inbox", 200, g.enter(w, strings.Join(next, " ")))
}

// asked are replies that say how a case stands, and ask.
func (g *gallery) asked() {
	w := g.world()
	p := g.report(w).set("body", "audit").send()
	first := w.fetch(crypto.LaneRegular, "audit")[0].Read
	until := uint32(crypto.DayOf(w.now()) + 30)
	w.reply("audit", first, "", nil, form.Notice{Stage: "acknowledged"})
	w.reply("audit", first, "We would like to show your case to the press.", nil, form.Notice{Stage: "inquiry", Until: until, Ask: "press"})
	inbox := g.enter(w, p.code())
	g.keep("reply-stage", "reply", 200, g.form(inbox, "/reply").send())
	ask := g.keep("reply-asks", "reply", 200, g.form(inbox, "/reply", 1).send())
	g.keep("sent-consent", "sent", 200, g.form(ask, "/consent").send())
	g.keep("sent-refusal", "sent", 200, g.form(ask, "/consent", 1).send())
	w.reply("audit", first, "We would like to show your case to the ministry.", nil, form.Notice{Ask: "ministry"})
	g.keep("reply-asks-chain", "reply", 200, g.form(g.enter(w, p.code()), "/reply", 2).send())
}

// replies are what reviewers wrote.
func (g *gallery) replies() {
	w := g.world()
	code := g.report(w).send().code()
	first := w.fetch(crypto.LaneRegular, "audit")[0].Read
	foreign := *first
	foreign.Meta.Case[0]++ // signed for another case
	many := map[string]string{}
	for i := range maxNamed + 5 {
		many[fmt.Sprintf("%02d %s.pdf", i, strings.Repeat("a long name ", 12))] = "x"
	}
	w.reply("audit", first, "Thank you.\n\nPlease tell us more: when did it begin?", nil)
	w.reply("ombuds", first, "A form is attached. النموذج مرفق.", map[string]string{"form.txt": strings.Repeat("x", 300<<10)})
	w.reply("press", first, strings.Repeat("&<", 16<<10), nil)
	w.reply("audit", first, strings.Repeat("oneveryveryverylongword", 40), many)
	w.reply("audit", &foreign, "not for this case", nil)
	inbox := g.keep("inbox-replies", "inbox", 200, g.enter(w, code))
	read := func(n int) *shown { return g.form(inbox, "/reply", n).send() }
	plain := g.keep("reply", "reply", 200, read(0))
	g.keep("reply-files", "reply", 200, read(1))
	part := g.keep("reply-part-1", "reply", 200, read(2))
	for i := 2; i <= 3; i++ {
		part = g.keep(fmt.Sprintf("reply-part-%d", i), "reply", 200, g.form(part, "/reply").send())
	}
	g.keep("reply-many-files", "reply", 200, read(3))
	g.keep("reply-unsigned", "reply", 200, read(4))
	sure := g.keep("erase-one", "erase", 200, g.form(plain, "/erase").send())
	g.keep("erased-one", "erased", 200, g.form(sure, "/erased").send())
	g.keep("inbox-gone", "inbox", 200, read(0))
	g.directory(w, func(d *crypto.Directory) {
		for i := range d.Bodies {
			if d.Bodies[i].ID == "ombuds" {
				h := d.Bodies[i].Holders[0]
				h.Status, h.Since, h.Epochs, h.EpochsSignature = crypto.StatusRevoked, 2, nil, nil
				d.Bodies[i].Holders = []crypto.Holder{h}
			}
		}
	})
	g.keep("reply-withdrawn", "reply", 200, read(1))
}

// directory puts a changed one in force.
func (g *gallery) directory(w *world, change func(*crypto.Directory)) {
	g.t.Helper()
	d := *w.dir
	d.Bodies = slices.Clone(d.Bodies)
	d.Version++
	change(&d)
	if err := w.service.SetDirectory(&d); err != nil {
		g.t.Fatal(err)
	}
	w.dir = &d
}

// public are the pages that anybody may open for any reason.
func (g *gallery) public() {
	w := g.world()
	g.keep("about-none", "about", 200, g.get(w, "/about"))
	g.keep("verify-none", "verify", 200, g.get(w, "/about/directory"))
	w = g.world(withPages(examplePages, someDirectory(g.t, 1000)))
	g.keep("start-about", "start", 200, g.get(w, "/"))
	g.keep("about", "about", 200, g.get(w, "/about"))
	g.keep("verify", "verify", 200, g.get(w, "/about/directory"))
	g.hang("about-mandate", "about", "", 200, g.get(w, "/about/mandate"))
}

// directories change what a first visit shows.
func (g *gallery) directories() {
	w := g.world(func(c *settings) { c.source.Preview = true })
	g.keep("preview-start", "start", 200, g.get(w, "/"))
	g.keep("preview-code", "code", 200, g.report(w).send())
	g.keep("preview-missing", "notice", 404, g.get(w, "/nowhere"))

	w = g.world(func(c *settings) { c.bodies = []crypto.Body{body("ombuds", "ombuds", true)} })
	g.keep("start-one-body", "start", 200, g.get(w, "/"))
	g.keep("report-one-body", "report", 200, g.get(w, "/report"))

	// No directory of version 1 can ask for two bodies; the pages can.
	w = g.world()
	d := w.service.Directory()
	g.keep("report-quorum-2", "report", 200, g.stage(w, func(s *source, _ *visit) answer {
		return answer{name: "report", build: func(most int) any {
			v := s.formView(d, &fields{bodies: intake.Defaults(d)}, most, reportGroups)
			v.Ticket, v.Bodies.Quorum = s.tickets.seal(actReport, s.tickets.start()), 2
			return v
		}}
	}))

	w = g.world()
	code := g.report(w).send().code()
	w.advance((300 - 20) * 24 * time.Hour)
	g.keep("start-warning", "start", 200, g.get(w, "/"))
	w.advance(30 * 24 * time.Hour)
	g.keep("start-closed", "start", 200, g.get(w, "/"))
	g.notice("closed", http.StatusServiceUnavailable, g.get(w, "/report"))
	g.keep("inbox-closed", "inbox", 200, g.enter(w, code))
}

// worst are the longest pages that a directory and a source can bring about.
func (g *gallery) worst() {
	var bodies []crypto.Body
	long := "a" + strings.Repeat(`"&'<+>`, 300)
	for i := range 31 {
		b := body(fmt.Sprintf("body-number-%d", i), "detention-monitor", i%2 == 0)
		b.Names["en"], b.Mandates["en"] = long, long
		b.Languages = []string{"ar", "de", "en", "es", "fa", "fr", "pt", "ru", "sq", "sr", "tr", "uk"}
		bodies = append(bodies, b)
	}
	w := g.world(func(c *settings) { c.bodies, c.slots, c.source.Preview = bodies, 32, true })
	g.keep("worst-start", "start", 200, g.get(w, "/"))
	f := g.form(g.keep("worst-report", "report", 200, g.get(w, "/report")), "/report")
	f.set("text", strings.Repeat("<", 8<<10))
	for _, q := range form.Questions() {
		if n := fieldAnswer + q.ID; q.Kind == form.Text && slices.Contains(f.names, n) {
			f.set(n, strings.Repeat(`"`, q.MaxBytes))
		}
	}
	g.keep("worst-report-back", "report", 200, f.set("body").send())
	f.set("body", "body-number-0")
	for i := range maxNamed + 5 {
		f.file(strings.Repeat("&", 200)+fmt.Sprint(i), strings.NewReader("x"))
	}
	code := g.keep("worst-code", "code", 200, f.send()).code()
	inbox := g.keep("worst-inbox", "inbox", 200, g.enter(w, code))
	g.keep("worst-message", "message", 200, g.form(inbox, "/message").set("text", strings.Repeat("<", 8<<10)).set("body").send())
}

// tape keeps what a server writes, answer by answer. One request at a time.
type tape struct {
	mu      sync.Mutex
	answers []*taped
}

type taped struct {
	request bytes.Buffer // as far as its first line
	answer  bytes.Buffer
}

// serve runs a handler in the server that the program uses, and records.
func (t *tape) serve(tb testing.TB, h http.Handler) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := NewServer(h)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(&tapedListener{Limit(l), t}) }()
	tb.Cleanup(func() { _ = s.Close(); <-done })
	return "http://" + l.Addr().String()
}

type tapedListener struct {
	net.Listener
	tape *tape
}

func (l *tapedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tapedConn{Conn: c, tape: l.tape}, nil
}

type tapedConn struct {
	net.Conn
	tape *tape
	now  *taped
}

// Read begins a new answer with the first byte after the one before.
func (c *tapedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tape.mu.Lock()
	defer c.tape.mu.Unlock()
	if n > 0 && (c.now == nil || c.now.answer.Len() > 0) {
		c.now = &taped{}
		c.tape.answers = append(c.tape.answers, c.now)
	}
	if n > 0 && !bytes.Contains(c.now.request.Bytes(), []byte("\n")) {
		c.now.request.Write(b[:n])
	}
	return n, err
}

func (c *tapedConn) Write(b []byte) (int, error) {
	c.tape.mu.Lock()
	c.now.answer.Write(b)
	c.tape.mu.Unlock()
	return c.Conn.Write(b)
}

// CloseWrite is what net/http looks for.
func (c *tapedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (t *tape) last() scene {
	all := t.all()
	return all[len(all)-1]
}

// all are the answers on the tape, taken apart.
func (t *tape) all() (list []scene) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.answers {
		var s scene
		s.request, _, _ = strings.Cut(x.request.String(), "\r\n")
		head, body, _ := bytes.Cut(x.answer.Bytes(), []byte("\r\n\r\n"))
		line, lines, _ := strings.Cut(string(head), "\r\n")
		_, _ = fmt.Sscanf(line, "HTTP/1.1 %d", &s.status)
		s.head, s.body = lines, slices.Clone(body)
		list = append(list, s)
	}
	return list
}

// hangings serves scenes again, each with the headers it had, for browsers.
// A scene's address ends in its name.
func hangings(t *testing.T, scenes []scene) (url string) {
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(scenes, func(s scene) bool { return s.name == path.Base(r.URL.Path) })
		if i < 0 {
			http.NotFound(w, r)
			return
		}
		w.Header()["Date"] = nil
		for line := range strings.SplitSeq(scenes[i].head, "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(scenes[i].status)
		_, _ = w.Write(scenes[i].body)
	}))
}

// TestGallery judges every page in every state in every language. What depends
// on structure and direction alone is judged in one language of each direction;
// of the others one page of each template is.
func TestGallery(t *testing.T) {
	head := "" // the same in all languages
	browser := browsertest.OpenChromium(t)
	for _, lang := range Locales() {
		t.Run(lang, func(t *testing.T) {
			g := hang(t, lang)
			t.Logf("%d scenes, %d answers", len(g.scenes), len(g.tape.all()))
			if head == "" {
				head = g.scenes[0].head
			}
			t.Run("OneSizeSameHeaders", func(t *testing.T) { g.oneSize(t, head) })
			scenes, first := g.scenes, slices.Contains(directions(t), lang)
			if !first {
				scenes = g.plain()
			}
			t.Run("Narrow", func(t *testing.T) { g.narrow(t, browser, first) })
			t.Run("ValidHTML", func(t *testing.T) { g.validHTML(t, scenes) })
			t.Run("Accessible", func(t *testing.T) { g.accessible(t, browser, scenes) })
		})
	}
}

// hangExchange makes the gallery of a holder's pages in a language of the desk.
func hangExchange(t *testing.T, lang string) *gallery {
	g := &gallery{t: t, words: wordsOf(t, lang), shown: map[string]bool{}}
	w := newWorld(t)
	words := w.exchange(lang).words
	w.exch = g.tape.serve(t, Exchange(ExchangeOptions{
		Service: w.service, Directory: func() ([]byte, error) { return []byte("signed"), nil }, Holder: "The audit office, first desk", Preview: true, Log: w.log,
	}))
	address := w.exch + "/" + lang
	keep := func(name, template string, status int, a *http.Response, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		title := words.Word("title."+template) + " · " + words.Word("brand")
		if template == "refused" || strings.Contains(name, "not") {
			title = words.Word("problem") + " " + title
		}
		_, err = io.Copy(io.Discard, a.Body)
		a.Body.Close()
		s := g.tape.last()
		doc, broken := html.Parse(bytes.NewReader(s.body))
		if err != nil || broken != nil {
			t.Fatalf("%s: %v, %v", name, err, broken)
		}
		checkStructure(t, doc)
		if got := textOf(find(doc, "title")[0]); got != title || s.status != status {
			t.Fatalf("%s is page %q with status %d, not %q with %d", name, got, s.status, title, status)
		}
		s.name, s.template = "exchange-"+name, template
		g.scenes = append(g.scenes, s)
		g.shown[template] = true
	}
	page := func(name, template string, status int, path string) {
		t.Helper()
		a, err := http.Get(address + path)
		keep(name, template, status, a, err)
	}
	handIn := func(name, template string, status int, body string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, address+"/bundle", strings.NewReader(body+lastPart))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		r.Header.Set("Origin", w.exch)
		a, err := http.DefaultClient.Do(r)
		keep(name, template, status, a, err)
	}
	page("empty", "batches", 200, "/")
	w.batchWithFile()
	w.advance(24 * time.Hour)
	w.release(crypto.LaneUrgent, crypto.LaneRegular)
	page("batches", "batches", 200, "/")
	one, two := filePart("ombuds.bundle", string(w.bundle())), filePart("ombuds-2.bundle", string(w.bundle()))
	handIn("delivered", "delivered", 200, one)
	handIn("delivered-two", "delivered", 200, one+two)
	handIn("delivered-not-all", "delivered", 400, one+filePart("holiday "+strings.Repeat("photo ", 20)+".jpg", "x")+two)
	handIn("delivered-not-one", "delivered", 400, filePart("holiday.jpg", "x"))
	handIn("delivered-not-so-many", "delivered", 400, strings.Repeat(filePart("x", "x"), bundlesInOne+1))
	handIn("nofile", "refused", 400, "")
	page("missing", "refused", 404, "/nowhere")
	page("number", "refused", 400, "/after?n=x")
	page("nothing", "refused", 404, "/after?n=4")
	page("beyond", "refused", 404, "/after?n=5")
	page("exchanged", "refused", 404, "/after/0/2/x/y")
	return g
}

// TestExchangeGallery judges the exchange's pages like a source's, but for their size.
func TestExchangeGallery(t *testing.T) {
	browser := browsertest.OpenChromium(t)
	for _, lang := range exchangeLanguages() {
		t.Run(lang, func(t *testing.T) {
			g := hangExchange(t, lang)
			t.Run("Narrow", func(t *testing.T) { g.narrow(t, browser, true) })
			t.Run("ValidHTML", func(t *testing.T) { g.validHTML(t, g.scenes) })
			t.Run("Accessible", func(t *testing.T) { g.accessible(t, browser, g.scenes) })
		})
	}
}

// plain are the first scenes of each template.
func (g *gallery) plain() (scenes []scene) {
	seen := map[string]bool{}
	for _, s := range g.scenes {
		if !seen[s.template] {
			seen[s.template] = true
			scenes = append(scenes, s)
		}
	}
	return scenes
}

// oneSize: every answer has the same length and the same headers in the same
// order (SECURITY.md S-9); also those that are no scene.
func (g *gallery) oneSize(t *testing.T, head string) {
	for i, s := range g.tape.all() {
		if len(s.body) != PageSize || s.head != head {
			t.Errorf("answer %d, to %s: status %d, %d bytes, headers\n%s", i, s.request, s.status, len(s.body), s.head)
		}
	}
}
