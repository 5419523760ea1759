package web

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/crypto"
	"postern/locale"
)

// everyLanguage offers all there are, English first.
func everyLanguage(c *settings) { c.source.Languages = append([]string{"en"}, others("en")...) }

// language is what a page says it is written in.
func (p *shown) language() string { return attr(find(p.doc, "html")[0], "lang") }

// offered are the addresses of the same page in other languages: links, or
// buttons of forms.
func (p *shown) offered() (list []string) {
	each(p.doc, func(n *html.Node) {
		switch {
		case n.Data == "a" && hasAttr(n, "hreflang"):
			list = append(list, attr(n, "href"))
		case n.Data == "button" && hasAttr(n, "formaction"):
			list = append(list, attr(n, "formaction"))
		}
	})
	return list
}

// turn asks for the same page in another language, with the form as it is
// filled in; typed changes it before.
func (p *shown) turn(lang string, typed func(*fill)) *shown {
	p.w.t.Helper()
	var form *html.Node
	action := ""
	each(p.doc, func(n *html.Node) {
		switch {
		case n.Data == "a" && hasAttr(n, "hreflang") && attr(n, "lang") == lang:
			action = attr(n, "href")
		case n.Data == "button" && attr(n, "lang") == lang && hasAttr(n, "formaction"):
			action = attr(n, "formaction")
			id := attr(n, "form")
			for _, f := range find(p.doc, "form") {
				inside := slices.Contains(find(f, "button"), n)
				if inside && id == "" || id != "" && attr(f, "id") == id {
					form = f
				}
			}
		}
	})
	switch {
	case action == "":
		p.w.t.Fatalf("page %q offers no %s, only %v", p.title(), lang, p.offered())
	case form == nil:
		return p.w.get(action)
	}
	x := &fill{p: p, action: action, values: map[string][]string{}}
	x.collect(form)
	if typed != nil {
		typed(x)
	}
	return x.send()
}

// TestEveryLanguageAllTheWay walks a report in each language by its address:
// every page is in it, and leads to pages in it.
func TestEveryLanguageAllTheWay(t *testing.T) {
	w := newWorld(t, everyLanguage)
	for _, lang := range Locales() {
		t.Run(lang, func(t *testing.T) {
			l, err := locale.Source(lang)
			if err != nil {
				t.Fatal(err)
			}
			at := "/" + lang
			in := func(p *shown, name, heading string) *shown {
				t.Helper()
				p.want(200, l.Word(heading))
				if p.language() != lang || attr(find(p.doc, "html")[0], "dir") != l.Dir {
					t.Errorf("%s is in %q", name, p.language())
				}
				for _, a := range find(p.doc, "a") {
					if h := attr(a, "href"); strings.HasPrefix(h, "/") && !strings.HasPrefix(h, at+"/") && !hasAttr(a, "hreflang") {
						t.Errorf("%s leads to %s", name, h)
					}
				}
				for _, f := range find(p.doc, "form") {
					if a := attr(f, "action"); !strings.HasPrefix(a, at+"/") {
						t.Errorf("%s sends to %s", name, a)
					}
				}
				return p
			}
			in(w.get(at+"/"), "the start", "start.heading")
			f := in(w.get(at+"/report"), "the form", "report.heading").form(at + "/report")
			in(f.set("text", "").send(), "a form that comes back", "report.heading").has(l.Word("problem.empty"))
			p := in(f.set("text", "words in "+lang).send(), "the code", "code.heading")
			in(p.form(at+"/code").set("code", "x").send(), "a wrong code", "code.heading").has(l.Word("problem.words", 1))
			in(p.form(at+"/code").set("code", p.code()).send(), "the code kept", "kept.heading")
			in(w.get(at+"/inbox"), "the way in", "enter.heading")
			for _, m := range w.fetchAll("audit") {
				if m.Text == "words in "+lang {
					w.reply("audit", m.Read, "an answer", map[string]string{"a.txt": "x"})
				}
			}
			inbox := in(w.get(at+"/inbox").form(at+"/inbox").set("code", p.code()).send(), "the inbox", "inbox.heading")
			reply := in(inbox.form(at+"/reply").send(), "a reply", "reply.heading").has("an answer").has(l.Date(crypto.DayOf(w.now())))
			sure := in(reply.form(at+"/erase").send(), "the question", "erase.one")
			in(sure.form(at+"/erased").send(), "erased", "erased.heading").has(l.Word("erased.when"))
			in(inbox.form(at+"/message").set("text", "more").send(), "sent", "sent.heading")
			if missing := w.get(at + "/nowhere"); missing.status != 404 || missing.language() != lang {
				t.Errorf("status %d in %q", missing.status, missing.language())
			}
			said := strings.Contains(inbox.body, l.Word("language.unreviewed"))
			if said != (l.Reviewed == "") {
				t.Errorf("the page says that nobody reviewed it: %v", said)
			}
		})
	}
}

// TestPreferredLanguage: an address without a language follows the browser.
func TestPreferredLanguage(t *testing.T) {
	w := newWorld(t, func(c *settings) { c.source.Languages = []string{"fr", "en", "ar"} })
	for accept, want := range map[string]string{
		"": "fr", "en-US,en;q=0.5": "en", "ar-EG": "ar", "de": "fr", "de,ar;q=0.3": "ar", "*": "fr", "\x00;;q=x": "fr",
	} {
		r := httptest.NewRequest(http.MethodGet, "/report", nil)
		r.Header.Set("Accept-Language", accept)
		body := w.record(r).Body.String()
		if !strings.Contains(body, `<html lang="`+want+`"`) || !strings.Contains(body, `action="/report"`) {
			t.Errorf("%q: not in %s, or with another kind of address", accept, want)
		}
	}
	if p := w.get("/de/report"); p.status != 404 {
		t.Errorf("a language that is not enabled: status %d", p.status)
	}
	if p := w.get("/en"); p.status != 200 || p.language() != "en" {
		t.Errorf("/en: status %d in %q", p.status, p.language())
	}
	one := newWorld(t)
	if got := one.get("/report").offered(); len(got) > 0 {
		t.Errorf("one language, and others offered: %v", got)
	}
}

// TestTurningKeepsWhatWasTyped turns every page that offers it into another
// language and back: nothing typed, ticked or shown is lost.
func TestTurningKeepsWhatWasTyped(t *testing.T) {
	w := newWorld(t, everyLanguage)
	const text = "typed <first> & \"kept\""
	typed := func(f *fill) {
		f.set("text", text).set("q-place", "Barracks 5").set("q-topics", "crime", "funds").set("body", "audit")
		f.file("big.bin", strings.NewReader(strings.Repeat("x", 1<<20)))
	}
	page := w.get("/report")
	turned := page.turn("fr", typed)
	if turned.language() != "fr" {
		t.Fatalf("turned into %q", turned.language())
	}
	f := turned.form("/fr/report")
	for name, want := range map[string][]string{"text": {text}, "q-place": {"Barracks 5"}, "q-topics": {"crime", "funds"}, "body": {"audit"}} {
		if !slices.Equal(f.values[name], want) {
			t.Errorf("%s came back as %q", name, f.values[name])
		}
	}
	fr, err := locale.Source("fr")
	if err != nil {
		t.Fatal(err)
	}
	turned.has(fr.Word("files.again"))
	shown := f.send().want(200, fr.Word("code.heading"))
	direct := page.form("/report").set("text", text).set("body", "audit").send().code()
	if shown.code() != direct {
		t.Error("the form has another code in another language")
	}
	code := shown.turn("ar", nil)
	if code.language() != "ar" || code.code() != shown.code() {
		t.Errorf("the code turned: in %q", code.language())
	}
	ar, err := locale.Source("ar")
	if err != nil {
		t.Fatal(err)
	}
	kept := code.form("/ar/code").set("code", code.code()).send().want(200, ar.Word("kept.heading"))
	if got := kept.turn("en", nil).want(200, "You have your code").form("/en/files").values["body"]; !slices.Equal(got, []string{"audit"}) {
		t.Errorf("files would go to %v", got)
	}
	code.turn("en", nil).want(200, "Received already").hasNot("<li>" + strings.Fields(direct)[0])

	// A code half typed.
	half := w.get("/inbox").turn("fr", func(f *fill) { f.set("code", "zoom abacus") }).want(200, fr.Word("enter.heading")).form("/fr/inbox")
	if half.values["code"][0] != "zoom abacus" {
		t.Errorf("the code came back as %q", half.values["code"])
	}

	// In the inbox, with a message half written.
	for _, m := range w.fetch(crypto.LaneRegular, "audit") {
		if m.Meta.Kind == crypto.KindReport {
			w.reply("audit", m.Read, "an answer", nil)
		}
	}
	inbox := w.enter(direct).turn("fr", func(f *fill) { f.set("text", text).set("body", "press").set("q-since", "danger") })
	inbox.want(200, fr.Word("inbox.heading"))
	m := inbox.form("/fr/message")
	if m.values["text"][0] != text || !slices.Equal(m.values["body"], []string{"press"}) || !slices.Equal(m.values["q-since"], []string{"danger"}) {
		t.Errorf("the message came back as %v", m.values)
	}
	reply := inbox.form("/fr/reply").send().want(200, fr.Word("reply.heading"))
	reply.turn("en", nil).want(200, "Reply").has("an answer").form("/en/erase").send().turn("ar", nil).want(200, ar.Word("erase.one"))
	change := inbox.form("/fr/change").send().want(200, fr.Word("change.heading"))
	if again := change.turn("en", nil).want(200, "Your new code"); again.code() != change.code() {
		t.Error("another language, another new code")
	}
	m.set("text", "").set("q-since").send().want(200, fr.Word("message.heading"))
}

// TestTurningInATroubledTime: also when no messages are taken any more, and when
// the visit has ended, what was typed comes along.
func TestTurningInATroubledTime(t *testing.T) {
	w := newWorld(t, everyLanguage)
	fr, err := locale.Source("fr")
	if err != nil {
		t.Fatal(err)
	}
	code := w.report("x").code()
	typed := func(f *fill) { f.set("text", "typed before").set("body", "audit") }
	inbox := w.enter(code)
	w.advance(31 * time.Minute)
	late := inbox.turn("fr", typed).want(200, fr.Word("message.heading")).has(fr.Word("problem.expired"))
	again := late.turn("en", nil).want(200, "Write again").form("/en/message")
	if again.values["text"][0] != "typed before" || again.values["ticket"] != nil {
		t.Errorf("what came back: %v", again.values)
	}
	again.set("code", code).send().want(200, "Received")

	w.advance((w.dir.Expires + 1).Time().Sub(w.now()) - 10*time.Minute)
	if ok, _ := w.service.Accepting(); !ok {
		t.Fatal("closed too early")
	}
	inbox = w.enter(code)
	w.advance(20 * time.Minute)
	if ok, _ := w.service.Accepting(); ok {
		t.Fatal("still open")
	}
	if f := inbox.turn("fr", typed).want(200, fr.Word("message.heading")).has(fr.Word("problem.closed")).form("/fr/message"); f.values["text"][0] != "typed before" {
		t.Errorf("what came back: %v", f.values)
	}
}

// TestGateway: who comes through somebody who reads along is told, and can do nothing else.
func TestGateway(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	for _, h := range gateways {
		for _, path := range []string{"/", "/report", "/inbox"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set(h, "1")
			if rec := w.record(r); rec.Code != 403 || rec.Body.Len() != PageSize || !strings.Contains(rec.Body.String(), "not a safe way to come here") {
				t.Errorf("%s with %s: status %d", path, h, rec.Code)
			}
		}
	}
	w.enter(code)
}

// TestTurningABusyInboxKeepsTheWords: who turns a message into another language
// while too many log in, or when reports are no longer taken, gets the words back.
func TestTurningABusyInboxKeepsTheWords(t *testing.T) {
	w := newWorld(t, everyLanguage, func(c *settings) { c.kdf = crypto.KDFParams{Time: 5, MemoryKiB: 19 << 10, Threads: 1} })
	inbox := w.enter(strings.Join(crypto.NewCode().Words(), " "))
	turn := func() *shown { return inbox.turn("fr", func(f *fill) { f.set("text", "half a message") }) }
	const n = 60
	pages := make(chan *shown, n)
	for range n {
		go func() { pages <- turn() }()
	}
	alone := 0
	for range n {
		p := <-pages
		f := p.form("/fr/message")
		if f.values["text"][0] != "half a message" || f.values["ticket"] == nil {
			t.Fatalf("page %q holds %v", p.title(), f.values)
		}
		if len(find(p.doc, "form")) == 1 {
			alone++
		}
	}
	if alone == 0 {
		t.Error("nobody was turned away: nothing was tested")
	}
	d := *w.dir
	d.Version, d.Expires = 2, crypto.DayOf(w.now())-1
	if err := w.service.SetDirectory(&d); err != nil {
		t.Fatal(err)
	}
	if f := turn().form("/fr/message"); f.values["text"][0] != "half a message" {
		t.Errorf("without new reports the form holds %v", f.values)
	}
}
