package pages

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"unicode"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/window"
)

func readFile(path string) ([]byte, error) { return os.ReadFile(path) }

func TestInbox(t *testing.T) {
	w := newWorld(t).open("en")
	w.get("/").has("There are no cases yet.").status(200)
	w.office()
	w.pages.cases = nil
	p := w.get("/").has("5 cases of 5", "NEW DANGER", "RETALIATION", "Withdrawn", "Code changed", "Consent: yes to audit", "Overdue 2026-11-27", "1 answer to export", "Not imported yet")
	// Danger first, then what is due.
	first := strings.Index(p.text, "NEW DANGER")
	if due, no := strings.Index(p.text, "Overdue 2"), strings.Index(p.text, "Withdrawn"); first > due || due > no && w.pages.list.sort == sortUrgent {
		t.Errorf("danger at %d, due at %d, withdrawn at %d", first, due, no)
	}
	for _, c := range []struct {
		show string
		want string
	}{
		{"danger", "1 case of 5"}, {"due", "4 cases of 5"}, {"withdrawn", "1 case of 5"}, {"consent", "1 case of 5"}, {"waiting", "1 case of 5"},
		{"unanswered", "2 cases of 5"}, {"unread", "5 cases of 5"}, {"all", "5 cases of 5"}, {"nonsense", "5 cases of 5"},
	} {
		w.post("/list", "show", c.show).has(c.want)
	}
}

func TestUnread(t *testing.T) {
	w := newWorld(t).open("en").office()
	path := w.caseOf("The purchase")
	w.get(path).has("The purchase of boots was paid twice.")
	w.post("/list", "show", "unread").has("4 cases of 5")
	for range 4 {
		w.get(w.pages.Answer(window.Request{Method: window.Key, Path: "/", Key: "n"}).Location)
		w.get(w.pages.Answer(window.Request{Method: window.Get, Path: "/next"}).Location)
	}
	w.get("/").has("No case is like that.")
	if r := w.pages.Answer(window.Request{Method: window.Get, Path: "/next"}); r.Location != "/" {
		t.Errorf("the next case is at %q", r.Location)
	}
	w.get("/").has("Nothing is unread.")
	w.get("/").hasNot("Nothing is unread.")
}

func TestCase(t *testing.T) {
	w := newWorld(t).open("en").office()
	p := w.get(w.caseOf("تعرّض")).has("The report", "report-7.pdf", "Torture or ill-treatment", "Someone is in danger now", "SHA-256", "gnp.exe", "5000",
		"from Body ngo (holder cleo)", "We have read it", "from you", "Waits to be exported", "RETALIATION against", "The source chose as readers: The ombuds office Body ngo", "Timeline")
	if strings.Index(p.text, "تعرّض") > strings.Index(p.text, "Topics") {
		t.Error("the narrative does not come first")
	}
	if strings.Contains(p.title(), "تعرّض") {
		t.Errorf("the title is %q", p.title())
	}
	w.get(w.caseOf("The purchase")).has("Stage told to the source: Under inquiry (The ombuds office", "The source was promised to hear more by 27 November 2026", "The source says yes: this case may be shown to Body audit", "The source has read it.")
	w.get(w.caseOf("Командир")).has("The source changed the code on 29 November 2026.")
	w.get("/case/nonsense").status(404).has("There is no such case here")
	w.get("/case/" + strings.Repeat("a", 100)).status(404)
	w.get("/nowhere").status(404)
	w.get("/list").status(405)
}

// What others wrote is shown, harmless, on every page (SECURITY.md S-15).
func TestHostileTexts(t *testing.T) {
	w := newWorld(t).open("en").office()
	paths := []string{"/", "/help", w.caseOf(hostile[0]), w.caseOf("تعرّض")}
	for _, path := range paths {
		p := w.get(path).status(200)
		for _, r := range string(p.r.Body) {
			if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
				t.Errorf("%s: %U stands on the page", path, r)
			}
		}
		for n := range p.doc.Descendants() {
			switch n.Data {
			case "script", "img", "iframe", "object", "link":
				t.Errorf("%s: there is a %s", path, n.Data)
			case "h1":
				if textOf(n) == "Postern desk " {
					t.Errorf("%s: the source wrote a heading", path)
				}
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "javascript:") || a.Key == "style" {
					t.Errorf("%s: %s has %s=%q", path, n.Data, a.Key, a.Val)
				}
			}
		}
	}
	w.get(paths[2]).has("<script>alert(1)</script>", "⟨U+202E⟩gnp.exe", "⟨U+001B⟩[31mred", "{{.Path}}", "javascript:alert(1)", "&lt;b&gt;")
}

func TestToken(t *testing.T) {
	w := newWorld(t).open("en").office()
	for _, r := range w.pages.routes {
		if r.method != window.Post {
			continue
		}
		path := strings.ReplaceAll(r.pattern, "{case}", strings.TrimPrefix(w.caseOf("The purchase"), "/case/"))
		for _, token := range []string{"", "x", w.pages.token[1:], strings.ToUpper(w.pages.token)} {
			if token == w.pages.token {
				continue
			}
			if a := w.send(path, "token", token, "show", "danger"); a.Status != statusForbidden {
				t.Errorf("%s with the token %q: status %d", path, token, a.Status)
			}
		}
	}
	if w.pages.list.show != "" {
		t.Error("the list was arranged")
	}
	if New(Options{Desk: w.anna}).token == w.pages.token {
		t.Error("two windows have one token")
	}
}

// Addresses that no page of ours has, and fields that are too long, are refused or do nothing.
func FuzzRequests(f *testing.F) {
	t := &testing.T{}
	_ = t
	for _, path := range []string{"/", "/case/abcd", "/case//answer", "/next", "/list", "/language", "/help", "/case/x/answer", "/due", "/new", "/settings", "/bulk", "/today", "/case/x/act"} {
		f.Add("GET", path, "page=2&show=unread", "token=x&show=due", "n")
		f.Add("POST", path, "", "token=TOKEN&show=due&sort=newest&language=fr&text=x&do=label&case=abcd&label=x&channel=phone&received=2026-01-01&classes=1+a&back=/due", "")
		f.Add("KEY", path, "", "", "n")
	}
	dir := f.TempDir() + "/vault"
	v, err := reviewer.Create(dir, "ombuds", "anna", []byte(testPass), reviewer.Options{ScryptLogN: 2})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(v.Close)
	p := New(Options{Desk: v})
	f.Fuzz(func(t *testing.T, method, path, query, fields, key string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		form, err := url.ParseQuery(strings.ReplaceAll(fields, "TOKEN", p.token))
		if err != nil {
			return
		}
		r := p.Answer(window.Request{Method: method, Path: path, Query: q, Form: form, Key: key})
		if r.Status == statusFault {
			t.Errorf("%s %s: %s", method, path, r.Body)
		}
		if r.Location != "" && !strings.HasPrefix(r.Location, "/") {
			t.Errorf("it leads to %q", r.Location)
		}
	})
}

func TestFields(t *testing.T) {
	a := &ask{Request: window.Request{Form: url.Values{"x": {strings.Repeat("a", maxID)}, "y": {strings.Repeat("a", maxID+1)}}}}
	if a.field("x", maxID) == "" || a.field("y", maxID) != "" {
		t.Error("fields are not bounded")
	}
}

func TestLanguageOf(t *testing.T) {
	for text, want := range map[string]string{
		arabic: "ar", "فرمانده گفت که گزارش را پاک کنید؛ می\u200cخواهم گمنام بمانم.": "fa", "Командир сказал удалить отчёт № 17.": "ru",
		"Начальник знищив документи, і він це знає.": "uk", "Командант је уништио извештај и њих двоје.": "sr", "The boots were paid twice.": "", "12 34": "", "": "",
		"Müdür raporu yok etti, şimdi bütün dosyalar kayıp.": "tr",
	} {
		if got := languageOf(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestDaysAndNames(t *testing.T) {
	w := newWords("ar", "")
	if w.Dir != "rtl" || newWords("xx", "").Lang != "en" {
		t.Error("wrong language")
	}
	if d := w.date(crypto.Day(20000)); !strings.Contains(d, "2024") {
		t.Errorf("a day is %q", d)
	}
	if got := nameIn(map[string]string{"en": "A\u202eb"}, "fr"); got != "A⟨U+202E⟩b" {
		t.Errorf("a name is %q", got)
	}
}
