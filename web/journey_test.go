package web

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake/form"
	"postern/locale"
	"postern/web/browsertest"
	"postern/web/visitor"
)

// browser is what a journey needs of one: Firefox and Chromium both have it.
type browser interface {
	Go(url string) error
	Shown() (title string, err error) // "" while it loads
	Text(css string) (string, error)
	Value(css string) (string, error)
	Count(css string) (int, error)
	Keys(css, text string) error
	Click(css string) error
	Press(k browsertest.Key) error
	Type(text string) error
	Focus() (browsertest.Focus, error)
	Focused(css string) (bool, error)
	Screenshot(full bool) ([]byte, error)
}

// hand is how a source uses a page.
type hand interface {
	fill(css, text string)
	press(css string) // a link, a button, a box, a summary
	attach(css string, paths ...string)
	arrived() // on a new page
}

// journey is one source's whole way, in a language, with a browser.
type journey struct {
	*testing.T
	w     *world
	b     browser
	hand  hand
	words *locale.Locale
	name  string // of the screenshots' folder
	url   string
	down  string // where downloads go
	step  int
}

func (j *journey) must(errs ...error) {
	j.Helper()
	for _, err := range errs {
		if err != nil {
			j.Fatal(err)
		}
	}
}

func (j *journey) at(path string) string { return at(j.words.Lang, path) }

// form is the selector of the button of the form with an action.
func (j *journey) form(action string) string { return "form[action='" + j.at(action) + "'] button" }

// page waits for a page of a template, and keeps its picture.
func (j *journey) page(template string) {
	j.Helper()
	j.arrive(template, titleOf(j.words, template))
}

// alert waits for a page of a template on which an alert stands.
func (j *journey) alert(template string) {
	j.Helper()
	j.arrive(template, alertOn(j.words, titleOf(j.words, template)))
	j.count("[role=alert]", 1)
}

func (j *journey) arrive(template, want string) {
	j.Helper()
	j.step++
	got := ""
	if comes(func() (there bool) {
		var err error
		got, err = j.b.Shown()
		return err == nil && got == want
	}) {
		picture(j.T, filepath.Join(j.name, fmt.Sprintf("%02d-%s", j.step, template)), j.b.Screenshot)
		j.hand.arrived()
		return
	}
	text, _ := j.b.Text("main")
	j.Fatalf("step %d: no page %q but %q:\n%s", j.step, want, got, text)
}

// text is what the page's main part says.
func (j *journey) text() string {
	j.Helper()
	s, err := j.b.Text("main")
	j.must(err)
	return s
}

func (j *journey) count(css string, want int) {
	j.Helper()
	if n, err := j.b.Count(css); err != nil || n != want {
		j.Errorf("step %d: %d of %q, want %d, %v", j.step, n, css, want, err)
	}
}

// journeyLimit is the size of files in journeys.
const journeyLimit = 1 << 20

// walk goes the whole way: a report with a file, its code, more files, a reply
// with a file, a slip of the pen, erasing, writing again, erasing everything.
func (j *journey) walk() {
	dir := j.TempDir()
	small, big := filepath.Join(dir, "secret plan.txt"), filepath.Join(dir, "film.bin")
	j.must(os.WriteFile(small, []byte("the plan"), 0o600), os.WriteFile(big, nil, 0o600), os.Truncate(big, journeyLimit+20<<20))
	const text = "Line one & <two>\nÜmläute, متن, “quotes”"

	j.must(j.b.Go(j.url + j.at("/")))
	j.page("start")
	j.hand.press("main a[href='" + j.at("/report") + "']")
	j.page("report")
	j.hand.fill("#text", text)
	j.hand.press("#body-press") // unticks
	j.hand.press("details:has(#q-topics-crime) > summary")
	j.hand.press("#q-topics-crime")
	j.hand.attach("#file", small)
	j.hand.press(j.form("/report"))
	j.page("code")
	shown, err := j.b.Text("ol.code")
	j.must(err)
	code := strings.Fields(shown)
	if len(code) != 9 {
		j.Fatalf("a code of %d words", len(code))
	}
	j.hand.fill("#code", strings.Join(code, " "))
	j.hand.press(j.form("/code"))
	j.page("kept")
	j.hand.attach("#file", small, big)
	j.hand.press(j.form("/files"))
	j.alert("sent")
	if got := j.text(); !strings.Contains(got, filepath.Base(small)) || !strings.Contains(got, filepath.Base(big)) {
		j.Errorf("after a file over the limit:\n%s", got)
	}

	// The reviewers' side.
	var first *crypto.Read
	files := 0
	for _, m := range j.w.fetch(crypto.LaneRegular, "audit") {
		files += len(m.Files)
		if m.Meta.Kind == crypto.KindReport {
			first = m.Read
		}
	}
	if first == nil || first.Text != text || !slices.Equal(ids(first.Readers), []string{"ombuds", "audit"}) || files != 2 {
		j.Fatalf("what arrived: %+v, %d files", first, files)
	}
	if told, err := form.DecodeAnswers(first.Answers); err != nil || !slices.Equal(told.Get(form.QTopics), []string{"crime"}) {
		j.Errorf("answers %v, %v", told, err)
	}
	const reply = "Thank you.\n\nPlease tell us more. شكرا"
	j.w.reply("audit", first, reply, map[string]string{"form.txt": "x"})

	j.must(j.b.Go(j.url + j.at("/inbox")))
	j.page("enter")
	j.hand.fill("#code", visitor.Slipped(strings.Join(code, " ")))
	j.hand.press("main " + j.form("/inbox"))
	j.page("confirm")
	j.hand.press(j.form("/inbox"))
	j.page("inbox")
	j.hand.press(j.form("/reply"))
	j.page("reply")
	if got, err := j.b.Text(".letter"); err != nil || got != reply {
		j.Errorf("the reply reads %q, %v", got, err)
	}
	j.hand.press(j.form("/download"))
	if !comes(func() bool { // nobody says when a download is whole
		got, err := os.ReadFile(filepath.Join(j.down, "files.zip"))
		return err == nil && len(got) == 64<<10
	}) {
		j.Fatal("the reply's files did not come")
	}
	j.hand.press(j.form("/erase"))
	j.page("erase")
	j.hand.press(j.form("/erased"))
	j.page("erased")
	j.hand.press(j.form("/inbox"))
	j.page("inbox")
	j.count("form[action='"+j.at("/reply")+"']", 0)

	// A refused form whose file is far over the limit still shows its page, with what was typed.
	j.hand.fill("#text", "typed and kept")
	j.hand.press("#body-ombuds")
	j.hand.press("#body-audit")
	j.hand.attach("#file", big)
	j.hand.press(j.form("/message"))
	j.alert("message")
	if got, err := j.b.Value("#text"); err != nil || got != "typed and kept" {
		j.Errorf("the text came back as %q, %v", got, err)
	}
	j.hand.press("#body-press")
	j.hand.press(j.form("/message"))
	j.page("sent")
	if got := j.w.fetch(crypto.LaneRegular, "press"); len(got) != 1 || got[0].Text != "typed and kept" {
		j.Errorf("%d messages", len(got))
	}
	j.hand.press(j.form("/inbox"))
	j.page("inbox")
	j.hand.press(j.form("/erase"))
	j.page("erase")
	j.hand.press(j.form("/erased"))
	j.page("erased")
	j.must(j.b.Go(j.url + j.at("/nowhere")))
	j.page("notice")
}

// mouse clicks and types.
type mouse struct{ j *journey }

func (m mouse) fill(css, text string) { m.j.Helper(); m.j.must(m.j.b.Keys(css, text)) }

func (m mouse) press(css string) { m.j.Helper(); m.j.must(m.j.b.Click(css)) }

func (m mouse) attach(css string, paths ...string) {
	m.j.Helper()
	m.j.must(m.j.b.Keys(css, strings.Join(paths, "\n")))
}

func (m mouse) arrived() {}

// keyboard has no mouse: it goes from one element to the next, each of which
// must show that it has the focus.
type keyboard struct {
	j     *journey
	fresh bool // no key was pressed on this page
	stops int
}

func (k *keyboard) arrived() { k.fresh = true }

// to presses Tab until an element has the focus, forwards and never back.
func (k *keyboard) to(css string) browsertest.Focus {
	k.j.Helper()
	var way []string
	for range 300 {
		k.j.must(k.j.b.Press(browsertest.TabKey))
		on, err := k.j.b.Focus()
		for try := 0; err == nil && !on.InSight && try < 100; try++ { // a browser with much to do scrolls to it late
			time.Sleep(20 * time.Millisecond)
			on, err = k.j.b.Focus()
		}
		k.j.must(err)
		if k.fresh {
			k.fresh = false
			if skip, err := k.j.b.Focused(".skip"); err != nil || !skip {
				k.j.Errorf("step %d: the first stop is %s, not the way past the head of the page", k.j.step, on)
			}
		}
		if on.Tag == "body" || on.Tag == "html" {
			continue // around the browser's own parts
		}
		k.stops++
		if !on.Outline || !on.InSight {
			k.j.Errorf("step %d: nobody sees that %s has the focus: outline %v, in sight %v", k.j.step, on, on.Outline, on.InSight)
		}
		here, err := k.j.b.Focused(css)
		k.j.must(err)
		if here {
			return on
		}
		way = append(way, on.String())
	}
	k.j.Fatalf("step %d: the keyboard does not come to %q, but to\n%s", k.j.step, css, strings.Join(way, "\n"))
	return browsertest.Focus{}
}

func (k *keyboard) fill(css, text string) {
	k.j.Helper()
	k.to(css)
	k.j.must(k.j.b.Type(text))
}

func (k *keyboard) press(css string) {
	k.j.Helper()
	key := browsertest.Enter
	if k.to(css).Type == "checkbox" {
		key = browsertest.Space
	}
	k.j.must(k.j.b.Press(key))
}

// attach chooses files: in Chromium through the dialog that Enter opens. No
// other program drives Firefox's, so there the input gets them as it has the focus.
func (k *keyboard) attach(css string, paths ...string) {
	k.j.Helper()
	k.to(css)
	if b, ok := k.j.b.(interface{ Choose(...string) error }); ok {
		k.j.must(b.Choose(paths...), k.j.b.Press(browsertest.Enter))
		if !comes(func() bool { v, err := k.j.b.Value(css); return err == nil && v != "" }) {
			k.j.Fatal("no files were chosen")
		}
		return
	}
	k.j.must(k.j.b.Keys(css, strings.Join(paths, "\n")))
}
