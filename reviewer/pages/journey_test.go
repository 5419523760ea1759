package pages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/intake/form"
	"postern/reviewer/reviewertest"
	"postern/reviewer/window"
	"postern/web/browsertest"
)

// stickWith is a stick with one urgent report on it.
func (w *world) stickWith() {
	w.Helper()
	s := w.server.NewSource()
	e := must(s.Say(reviewertest.NewForm(), w.today(), arabic, form.Answers{{ID: form.QUrgency, Values: []string{urgentDanger}}}, "ombuds", "ngo"))(w)
	w.check(os.WriteFile(filepath.Join(w.stick, "postern.batch"), w.batch(e), 0o600))
}

// keyboard is a person at the window's keyboard, who counts what they press.
type keyboard struct {
	w       *world
	path    string
	page    *shown
	pressed int
}

func (k *keyboard) open(r window.Reply) {
	k.w.Helper()
	if r.Location == "" {
		k.w.Fatalf("status %d at %s: %s", r.Status, k.path, r.Body)
	}
	for r.Location != "" {
		k.path, _, _ = strings.Cut(r.Location, "#")
		k.page = k.w.get(k.path)
		r = k.page.r
	}
}

// letter presses a key that no field takes.
func (k *keyboard) letter(key string) {
	k.w.Helper()
	k.pressed++
	k.open(k.w.pages.Answer(window.Request{Method: window.Key, Path: k.path, Key: key}))
}

// enter presses Enter where a page has put the focus.
func (k *keyboard) enter() {
	k.w.Helper()
	k.pressed++
	for n := range k.page.doc.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "autofocus" {
				k.use(n, nil)
				return
			}
		}
	}
	k.w.Fatalf("nothing has the focus at %s", k.path)
}

// alt presses an access key, with what was typed into a field.
func (k *keyboard) alt(key string, typed ...string) {
	k.w.Helper()
	k.pressed += 2
	for n := range k.page.doc.Descendants() {
		if attr(n, "accesskey") == key {
			k.use(n, typed)
			return
		}
	}
	k.w.Fatalf("no access key %q at %s", key, k.path)
}

// use follows a link, or sends the form of a button.
func (k *keyboard) use(n *html.Node, typed []string) {
	k.w.Helper()
	if n.Data == "a" {
		k.open(window.Reply{Location: attr(n, "href")})
		return
	}
	fields := append([]string{attr(n, "name"), attr(n, "value")}, typed...)
	f := n.Parent
	for f.Data != "form" {
		f = f.Parent
	}
	for x := range f.Descendants() {
		if x.Data == "input" && attr(x, "type") == "hidden" {
			fields = append(fields, attr(x, "name"), attr(x, "value"))
		}
	}
	k.open(k.w.send(attr(f, "action"), fields...))
}

// The daily round, one report in and one answer out, takes few keys besides the answer's own words.
func TestDailyRound(t *testing.T) {
	w := newWorld(t).open("en")
	w.stickWith()
	k := &keyboard{w: w, path: "/", page: w.get("/")}
	k.letter("i")
	k.enter() // import from the first stick
	k.page.has("1 new message")
	k.enter() // read the most urgent
	k.page.has("SOMEONE IS IN DANGER", "report-7.pdf")
	k.letter("a")
	k.alt("p", "text", "ابقَ في مكان آمن.")
	k.page.has("Before sealing", "The ombuds office, Body ngo")
	k.enter() // seal
	k.page.has("The answer is sealed")
	k.letter("x")
	k.enter() // export to the first stick
	k.page.has("A bundle with 1 answer")
	t.Logf("%d keys", k.pressed)
	if k.pressed > 12 {
		t.Errorf("the daily round takes %d keys", k.pressed)
	}
}

// browser is what a Firefox and a tab of Chromium have in common.
type browser interface {
	Go(url string) error
	Press(key browsertest.Key) error
	Type(text string) error
	Focus() (browsertest.Focus, error)
	Focused(css string) (bool, error)
	Shown() (string, error)
	Text(css string) (string, error)
	Eval(script string, out any) error
}

// walk is the daily round in a browser, with Tab, Enter and letters alone. What has the focus
// must be seen.
func walk(t *testing.T, b browser) {
	w := newWorld(t).open("en")
	w.stickWith()
	url := w.serve(nil)
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	arrive := func(title string) {
		t.Helper()
		got := ""
		for range 400 {
			got, _ = b.Shown() // a page that goes away has no title
			if strings.HasPrefix(got, title) {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		t.Fatalf("the page is %q, not %q", got, title)
	}
	tab := func(css string) {
		t.Helper()
		for range 60 {
			on, err := b.Focused(css)
			must(err)
			if on {
				f, err := b.Focus()
				must(err)
				if !f.Outline || !f.InSight {
					t.Errorf("nobody sees that %s has the focus: %+v", css, f)
				}
				return
			}
			must(b.Press(browsertest.TabKey))
		}
		t.Fatalf("the keyboard does not come to %s", css)
	}
	enter := func(css, title string) {
		t.Helper()
		tab(css)
		must(b.Press(browsertest.Enter))
		arrive(title)
	}
	must(b.Go(url + "/"))
	arrive("Cases")
	enter("header a[href='/import']", "Import")
	enter("main .list button", "What was imported")
	enter("a[href='/next']", "Case ")
	enter("a[href$='/answer']", "Answer in case")
	tab("#text")
	must(b.Type("ابقَ في مكان آمن."))
	enter("button[value=preview]", "Before sealing")
	enter("form[action$='/seal'] button", "Case ")
	text, err := b.Text("main")
	must(err)
	if !strings.Contains(text, "The answer is sealed") || !strings.Contains(text, "ابقَ في مكان آمن.") {
		t.Errorf("the page says:\n%s", text)
	}
	enter("header a[href='/export']", "Export")
	tab("main .list button")
	must(b.Press(browsertest.Enter))
	for range 400 {
		if text, _ = b.Text("main"); strings.Contains(text, "A bundle with 1 answer") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Errorf("the page says:\n%s", text)
}

func TestChromiumByKeyboard(t *testing.T) {
	tab, err := browsertest.OpenChromium(t).Tab()
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	walk(t, tab)
	for _, c := range tab.Complaints() {
		t.Error(c)
	}
}

func TestFirefoxByKeyboard(t *testing.T) {
	walk(t, browsertest.OpenFirefox(t, browsertest.Options{}))
}
