package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"postern/crypto"
	"postern/intake"
)

// Cases that users of such systems met in the field, as they saw them.

// post sends a body with some headers to a path.
func (w *world) post(path string, body io.Reader, head ...string) *shown {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	r.Header.Set("Origin", w.url)
	for i := 0; i < len(head); i += 2 {
		if head[i+1] == "" {
			r.Header.Del(head[i])
		} else {
			r.Header.Set(head[i], head[i+1])
		}
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.show(a)
}

// body is a form as a browser writes it, with boundary b.
func (f *fill) body() string {
	f.p.w.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	if err := m.SetBoundary("b"); err != nil {
		f.p.w.t.Fatal(err)
	}
	if err := f.encodeTo(m); err != nil {
		f.p.w.t.Fatal(err)
	}
	return b.String()
}

// Firefox sends an empty body when a chosen file has vanished. No form says then
// that text is there, and no page that a code is lost.
func TestNothingArrived(t *testing.T) {
	w := newWorld(t)
	fresh := w.get("/report").form("/report")
	for name, body := range map[string]string{
		"empty": "", "no part": "--b--\r\n", "cut in its first header": "--b\r\nContent-Dis",
		"ticket alone":             textPart("ticket", fresh.values["ticket"][0]) + lastPart,
		"cut in front of the text": textPart("ticket", fresh.values["ticket"][0]) + "--b\r\n",
	} {
		for _, path := range []string{"/report", "/again/report"} {
			p := w.post(path, strings.NewReader(body)).want(200, "Your report").has("empty form").hasNot("is below").hasNot("What you wrote is below")
			if f := p.form("/report"); !slices.Equal(f.values["body"], fresh.values["body"]) || len(f.values["body"]) == 0 {
				t.Errorf("%s, %s: ticked are %q, want %q", name, path, f.values["body"], fresh.values["body"])
			}
		}
		if name == "empty" || name == "no part" {
			for _, path := range []string{
				"/message", "/files", "/code", "/inbox", "/reply", "/download", "/erase", "/erased", "/consent", "/change", "/changed",
				"/again/message", "/again/code", "/again/files", "/again/change",
			} {
				w.post(path, strings.NewReader(body)).want(400, "Nothing has arrived").hasNot("has expired").has("note it first")
			}
		}
	}
	if l := w.fetchAll("audit"); len(l) != 0 {
		t.Errorf("%d messages were made of nothing", len(l))
	}
}

// What arrived of a form that breaks off comes back, also half a text.
func TestHalfAFormComesBack(t *testing.T) {
	w := newWorld(t)
	f := w.get("/report").form("/report").set("text", strings.Repeat("half of a long text ", 500))
	body := f.body()
	i := strings.Index(body, "half of") + 5000
	p := w.post("/report", strings.NewReader(body[:i])).want(200, "Your report").has("broke off")
	if got := p.form("/report").values["text"][0]; len(got) < 4000 || !strings.HasPrefix(f.values["text"][0], got) {
		t.Errorf("%d bytes came back", len(got))
	}
	// A form that is none of ours in some part.
	more := textPart("text", "typed") + strings.Repeat(textPart("body", "audit"), crypto.MaxReaders+1) + lastPart
	p = w.post("/report", strings.NewReader(more)).want(200, "Your report").has("could not be read to its end")
	if got := p.form("/report").values["text"][0]; got != "typed" {
		t.Errorf("%q came back", got)
	}
	p = w.post("/message", strings.NewReader(more)).want(200, "Write again").has("could not be read to its end")
	if got := p.form("/message").values["text"][0]; got != "typed" {
		t.Errorf("%q came back", got)
	}
}

// 07: limits are told before sending and in letters, and what no page can hold is
// said: how much, and where it ends.
func TestLongTexts(t *testing.T) {
	w := newWorld(t)
	form := func() *fill { return w.get("/report").form("/report") }
	w.get("/report").has("About 31\u202f000 letters fit here, in some other alphabets 10\u202f000.").has("About 280 letters fit.")
	thai := strings.Repeat("พลทหารถูกซ้อมทรมาน", 830) // 14,940 letters
	p := form().set("text", thai).send().want(200, "Your report").has("Letters sent: 14\u202f940; letters that fit: 10\u202f922.").hasNot("Letters missing")
	if got := p.form("/report").values["text"][0]; got != thai {
		t.Error("the text came back changed")
	}
	form().set("text", firstLetters(thai, 10_922)).send().want(200, "Received")
	// Letters are counted in what is sent, whatever HTML makes of them.
	form().set("text", strings.Repeat("<row><a>1</a><b>2</b></row>\n", 1100)).send().want(200, "Received")

	for name, text := range map[string]string{
		"Arabic": strings.TrimSpace(strings.Repeat("كلمة وكلمة ", 5700)),
		"Latin":  strings.TrimSpace(strings.Repeat("a word ", 40_000)),
		"marks":  strings.TrimSpace(strings.Repeat("<&> ", 20_000)),
	} {
		p := form().set("text", text).send().want(200, "Your report").has("Letters sent: " + number(utf8.RuneCountInString(text)))
		got := p.form("/report").values["text"][0]
		missing := utf8.RuneCountInString(text) - utf8.RuneCountInString(got)
		if !strings.HasPrefix(text, got) || missing <= 0 {
			t.Fatalf("%s: what came back is no beginning of it", name)
		}
		p.has("Letters missing at its end: " + number(missing) + ".")
		end := lastWords(got)
		if !strings.Contains(got[len(got)-8*60:], end) || len(end) < 20 {
			t.Errorf("%s: the last words are %q", name, end)
		}
		p.has("The last words that are here: " + end)
	}

	// Short answers too.
	long := strings.Repeat("ก", 1000)
	p = form().set("text", "x").set("q-period", long).send().want(200, "Your report").has("Letters sent: 1\u202f000; letters that fit: 100.")
	if got := p.form("/report").values["q-period"][0]; got != long {
		t.Error("the answer came back changed")
	}
	p = form().set("text", "x").set("q-period", strings.Repeat(long, 3)).send().want(200, "Your report").has("Letters sent: 3\u202f000;")
	got := p.form("/report").values["q-period"][0]
	p.has("Missing here at its end, letters: " + number(3000-utf8.RuneCountInString(strings.TrimSuffix(got, "…"))) + ".")
}

func firstLetters(s string, n int) string { return string([]rune(s)[:n]) }

// 15: twenty-five photos with one name are told apart by their places, and all are counted.
func TestManyPhotos(t *testing.T) {
	for _, n := range []int{3, 25, 600} {
		w := newWorld(t, func(c *settings) { c.options.Limits = intake.Limits{Files: 10, FileSize: 1 << 20} })
		f := w.get("/report").has("Choose files (at most 10)").form("/report").set("text", "x")
		for i := range n {
			f.file("image.jpg", strings.NewReader(fmt.Sprint(i)))
		}
		p := f.send().want(200, "Received")
		kept := min(n, 10)
		p.has(fmt.Sprintf("Files received: %d of %d", kept, n))
		var places []string
		for _, l := range find(p.doc, "ol") {
			if s := attr(l, "start"); s != "" {
				places = append(places, fmt.Sprintf("%s+%d", s, len(find(l, "li"))))
			}
		}
		want := []string{fmt.Sprintf("1+%d", kept)}
		if n > 10 {
			p.has(fmt.Sprintf("Files not received: %d", n-10)).has(fmt.Sprintf("From number 11 to %d:", n))
			want = append(want, fmt.Sprintf("11+%d", min(n-10, maxNamed)))
		}
		if !slices.Equal(places, want) {
			t.Errorf("of %d files the page has lists %q, want %q", n, places, want)
		}
	}
}

// Runs of files are told apart by what became of them, however they are mixed.
func TestFileResults(t *testing.T) {
	var r fileResults
	for i := range 1000 {
		why := []string{"", "large", "many"}[i%3]
		r.add("x", why)
	}
	named := 0
	for _, f := range []files{r.Kept, r.Lost} {
		last := 0
		for _, s := range f.Spans {
			if s.First <= last || s.Last < s.First || len(s.Names) > s.Last-s.First+1 {
				t.Fatalf("a span from %d to %d behind %d", s.First, s.Last, last)
			}
			last, named = s.Last, named+len(s.Names)
		}
		if len(f.Spans) > maxSpans {
			t.Errorf("%d spans", len(f.Spans))
		}
	}
	if r.Sent != 1000 || r.Kept.Count != 334 || r.Lost.Count != 666 || named != 2*maxNamed {
		t.Errorf("%d sent, %d kept, %d lost, %d named", r.Sent, r.Kept.Count, r.Lost.Count, named)
	}
}

// 05, 16: names arrive as they are called at home, with their end, and a name that
// no reader of headers takes refuses nothing.
func TestNamesOfFiles(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("Приказ о незаконном удержании ", 5) + ".pdf"
	names := map[string]string{ // as browsers send it: as it is sealed
		"the %22list%22 – final.pdf": `the "list" – final.pdf`,
		"two%0D%0Alines.txt":         "two__lines.txt",
		"bell\x07.txt":               "bell_.txt",
		"\x00":                       "_",
		long:                         fileNameOf(long),
	}
	for sent, want := range names {
		f := w.get("/report").form("/report").set("text", "x").set("body", "audit")
		body := strings.TrimSuffix(f.body(), lastPart)
		body = body[:strings.LastIndex(body, "--b\r\n")] + filePart(sent, "content") + lastPart
		p := w.post("/report", strings.NewReader(body)).want(200, "Received").has("Files received: 1 of 1")
		if sent == long {
			p.has(".pdf")
		}
		found := false
		for _, m := range w.fetchAll("audit") {
			for _, x := range m.Files {
				found = found || x.Name == want
			}
		}
		if !found {
			t.Errorf("%q: no file %q", sent, want)
		}
	}
}

// fileNameOf is a long name as it is sealed: cut in front of its end.
func fileNameOf(s string) string {
	r := []rune(strings.TrimSuffix(s, ".pdf"))
	for len(string(r)) > crypto.MaxFileName-len(".pdf") {
		r = r[:len(r)-1]
	}
	return string(r) + ".pdf"
}

// 17: a browser that hides where a form comes from is believed for its ticket or its
// code, and whatever is refused comes back.
func TestHiddenOrigin(t *testing.T) {
	w := newWorld(t)
	hidden := []string{"Origin", "null"}
	f := w.get("/report").form("/report").set("text", "three hours of typing")
	code := w.post("/report", strings.NewReader(f.body()), hidden...).want(200, "Received").code()
	inbox := w.post("/inbox", strings.NewReader(textPart("code", code)+lastPart), hidden...).want(200, "Your inbox")
	w.post("/message", strings.NewReader(inbox.form("/message").set("text", "more").body()), hidden...).want(200, "Received")

	// Without a ticket of ours it comes back to be sent from here: text, and no choices.
	no := textPart("ticket", "x") + textPart("text", "three hours of typing") + textPart("body", "ministry") +
		textPart("q-period", "in May") + textPart("q-consent", "publish") + lastPart
	for _, head := range [][]string{hidden, {"Origin", "http://other.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "null", "Sec-Fetch-Site", "cross-site"}} {
		p := w.post("/report", strings.NewReader(no), head...).want(403, "Your report").has("came from another site")
		got := p.form("/report")
		if got.values["text"][0] != "three hours of typing" || got.values["q-period"][0] != "in May" || slices.Contains(got.values["body"], "ministry") || got.values["q-consent"] != nil {
			t.Errorf("%q: what came back: %q", head, got.values)
		}
		got.send().want(200, "Received")
	}
	// A ticket that somebody else's page brings along is not used: they know its code.
	planted := w.get("/report").form("/report").set("text", "x")
	p := w.post("/report", strings.NewReader(planted.body()), "Sec-Fetch-Site", "cross-site").want(403, "Your report")
	if p.form("/report").values["ticket"][0] == planted.values["ticket"][0] {
		t.Error("another site's ticket stays in the form")
	}
	cross := []string{"Sec-Fetch-Site", "cross-site"}
	p = w.post("/message", strings.NewReader(inbox.form("/message").set("text", "more & more").body()), cross...).want(403, "Write again").has("came from another site")
	if got := p.form("/message"); got.values["text"][0] != "more & more" || got.values["ticket"] != nil {
		t.Errorf("what came back: %q", got.values)
	}
	p = w.post("/inbox", strings.NewReader(textPart("code", "some words")+lastPart), cross...).want(403, "Read replies")
	if got := p.form("/inbox").values["code"][0]; got != "some words" {
		t.Errorf("the code came back as %q", got)
	}
	w.post("/erased", strings.NewReader(lastPart), cross...).want(403, "This came from another site")
	w.post("/report", strings.NewReader(""), cross...).want(403, "This came from another site")
}

// Words of a code in what is sent are found before it is sealed, and it is sent all
// the same when the source says so.
func TestCodeInAText(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	inbox := w.enter(code)
	number := 0
	count := func() int {
		for _, m := range w.fetchAll("audit") {
			if m.Meta.Kind == crypto.KindFollowUp {
				number++
			}
		}
		return number
	}
	slip := strings.Replace(code, code[:3], strings.ToUpper(code[:3]), 1)
	for field, value := range map[string]string{
		"text": "My code is " + slip + ", please answer.", "q-period": "",
	} {
		if value == "" {
			continue
		}
		p := inbox.form("/message").set(field, value).send().want(200, "Write again").has("words of a code")
		if n := count(); n != 0 {
			t.Fatalf("%s: %d messages were sealed", field, n)
		}
		f := p.form("/message")
		if f.values[field][0] != value || f.values["sure"] != nil {
			t.Errorf("what came back: %q", f.values)
		}
		f.send().want(200, "Write again").has("words of a code")
		f.set("sure", "yes").send().want(200, "Received")
		if n := count(); n != 1 {
			t.Fatalf("%s: %d messages", field, n)
		}
	}
	// Another report's code, in an answer of a new report.
	p := w.get("/report").form("/report").set("text", "x").set("q-place", code).send().want(200, "Your report").has("words of a code")
	p.form("/report").set("q-place", "here").send().want(200, "Received")

	// Names of files: the first one before anything is stored, others are left out.
	name := strings.ReplaceAll(code, " ", "_") + ".txt"
	inbox.form("/message").set("text", "y").file(name, strings.NewReader("z")).send().want(200, "Write again").has("words of a code")
	p = inbox.form("/message").set("text", "y").file("a.txt", strings.NewReader("z")).file(name, strings.NewReader("z")).send().want(200, "Received")
	p.has("Files received: 1 of 2").has("words of a code stand in its name")
	more := p.form("/files").file(name, strings.NewReader("z"))
	more.send().has("Files not received: 1")
	more.set("sure", "yes").file(name, strings.NewReader("z")).send().want(200, "Received").has("Files received")
	found := false
	for _, m := range w.fetchAll("audit") {
		for _, x := range m.Files {
			found = found || strings.HasPrefix(x.Name, strings.ReplaceAll(code, " ", "_"))
		}
	}
	if !found {
		t.Error("the file did not arrive though it was asked for")
	}
}

// brokenLine is a line on which nothing arrives any more.
type brokenLine struct{ http.ResponseWriter }

func (brokenLine) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A download that stalls or breaks off is no fault of ours: no log says when a
// source left (the world fails a test for every line in the log).
func TestABrokenDownloadIsNotLogged(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	first := w.fetch(crypto.LaneRegular, "ombuds")[0].Read
	w.reply("ombuds", first, "see the files", map[string]string{"a.bin": strings.Repeat("a", 1<<20)})
	f := w.enter(code).form("/reply").send().form("/download")
	r := httptest.NewRequest(http.MethodPost, "/download", strings.NewReader(f.body()))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	defer func() {
		if p, ok := recover().(error); !ok || !errors.Is(p, http.ErrAbortHandler) {
			t.Errorf("ended with %v", p)
		}
	}()
	w.source.ServeHTTP(brokenLine{httptest.NewRecorder()}, r)
}

// Preferences of 15 kB cost what 256 bytes do, and the first ones count.
func TestLongPreferences(t *testing.T) {
	if got := firstWishes("fr," + strings.Repeat("en-GB,", 3000)); len(got) > maxWishes || !strings.HasPrefix(got, "fr,") || strings.HasSuffix(got, ",") {
		t.Errorf("%d bytes are read: %q", len(got), got)
	}
	if got := firstWishes(strings.Repeat("x", 5000)); got != "" {
		t.Errorf("half a wish is read: %q", got)
	}
	w := newWorld(t, func(c *settings) { c.source.Languages = []string{"en", "fr", "de"} })
	for wish, lang := range map[string]string{"fr," + strings.Repeat("de,", 5000): "fr", strings.Repeat("xx,", 5000) + "de": "en", "de": "de"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Language", wish)
		if got := w.record(r).Body.String(); !strings.Contains(got, `<html lang="`+lang+`"`) {
			t.Errorf("%.10s… is not answered in %s", wish, lang)
		}
	}
}
