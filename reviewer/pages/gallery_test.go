package pages

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/reviewer/reviewertest"
	"postern/web/browsertest"
)

// screenshots is the ignored folder at the top of the tree.
const screenshots = "../../screenshots/desk"

// scene is a page in one state, as the window gets it.
type scene struct {
	name string
	body []byte
}

// gallery is every page of the window in one language, in its states. What must hold for all
// pages is judged on it.
func gallery(t *testing.T, lang string) (scenes []scene) {
	keep := func(name string, p *shown) {
		t.Helper()
		scenes = append(scenes, scene{name, p.r.Body})
	}
	w := newWorld(t).open(lang)
	keep("empty", w.get("/"))
	w.office().open(lang)
	keep("inbox", w.get("/"))
	keep("nothing", w.post("/list", "show", "withdrawn", "sort", "newest"))
	keep("case", w.get(w.caseOf("تعرّض")))
	keep("case-answered", w.get(w.caseOf("The purchase")))
	keep("case-hostile", w.get(w.caseOf(hostile[0])))
	w.check(os.WriteFile(filepath.Join(w.stick, "far.batch"), must(w.server.Release(w.today()+30, 4))(w), 0o600))
	w.check(os.WriteFile(filepath.Join(w.stick, "broken.batch"), []byte("x"), 0o600))
	s := w.server.NewSource()
	w.check(os.WriteFile(filepath.Join(w.stick, "new.batch"), w.batch(must(s.Say(reviewertest.NewForm(), w.today(), "new", nil, "ombuds"))(w)), 0o600))
	w.pages.step = 0
	keep("importing", w.post("/import", "folder", w.stick))
	w.post("/import/end")
	w.pages.step = time.Hour
	keep("import", w.get("/import"))
	keep("imported", w.post("/import", "folder", w.stick))
	scenes = append(scenes, between(w, lang)...)
	path := w.caseOf("تعرّض")
	keep("answer-refused", w.post(path+"/answer", "do", "preview"))
	w.post(path+"/answer", "do", "save", "text", "نقرأ ما تكتبه.\n\nابقَ في مكان آمن.", "stage", "inquiry", "by", "+30", "ask", "audit")
	keep("answer", w.get(path+"/answer"))
	keep("preview", w.get(path+"/preview"))
	keep("sealed", w.post(path+"/seal"))
	keep("export", w.get("/export"))
	keep("exported", w.post("/export", "folder", w.stick))
	keep("card", w.post("/card", "folder", w.stick))
	w.server.Directory.Version++
	b, _ := w.server.Directory.Body("ngo")
	b.Names = map[string]string{"en": "Another name"}
	w.check(os.WriteFile(filepath.Join(w.stick, "directory.signed"), must(w.root.Sign(must(w.server.Proposal())(w), w.signed, w.today()))(w), 0o600))
	keep("keys", w.post("/directory", "file", filepath.Join(w.stick, "directory.signed"), "roots", w.root.Key()))
	outgoing(w, keep)
	keep("ask", w.shown(Question(lang, w.pages.words.Word("ask.backup"), true)))
	for _, s := range w.worked(path) {
		keep(s.name, s.page)
	}
	enrolScenes(t, lang, keep)
	keep("help", w.get("/help"))
	keep("missing", w.get("/nowhere"))
	return scenes
}

// between are the pages on which cases go to other desks, and come from them.
func between(w *world, lang string) (scenes []scene) {
	keep := func(name string, p *shown) { scenes = append(scenes, scene{name, p.r.Body}) }
	path := w.caseOf("The purchase")
	keep("refer-none", w.get(w.caseOf("Командир")+"/refer"))
	keep("refer", w.get(path+"/refer"))
	keep("refer-look", w.post(path+"/refer", "to", "audit", "numbering", numbering(w.theCase(path)), "message-1", maskShow, "texts", "boots", "words", "It is with the audit office now."))
	keep("refer-done", w.post(path+"/refer/write", "folder", w.stick))
	referral := w.onStick()[0]
	w.openOf(w.eve, lang)
	keep("takeover-referral", w.post("/takeover", "file", referral))
	w.post("/takeover/take")
	keep("inbox-referred", w.get("/"))
	keep("referred", w.get("/referred?of="+w.eve.Referrals()[0].ID()))
	keep("receipt", w.post("/referred/receipt", "of", w.eve.Referrals()[0].ID(), "folder", w.stick))
	w.openOf(w.anna, lang)
	ben := w.join("ombuds", "ben", "ombuds")
	keep("handover", w.post("/handover", "to", "ben", "which", "all"))
	before := w.onStick()
	w.post("/handover/write", "folder", w.stick)
	for _, f := range w.onStick() {
		if !slices.Contains(before, f) {
			w.openOf(ben, lang)
			keep("takeover-looked", w.post("/takeover", "file", f))
			keep("takeover-taken", w.post("/takeover/take"))
		}
	}
	w.openOf(w.anna, lang)
	return scenes
}

// goesOn is what makes the page of an import go on by itself: in a gallery it would be gone before it is looked at.
var goesOn = regexp.MustCompile(`<meta http-equiv="refresh"[^>]*>`)

// hang serves scenes to a browser.
func hang(t *testing.T, scenes []scene) string {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		for _, s := range scenes {
			if r.URL.Path == "/"+s.name {
				rw.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = rw.Write(goesOn.ReplaceAll(s.body, nil))
				return
			}
		}
		rw.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// looks are how each page is looked at: a small laptop, a large screen, and a window at
// a zoom of 400 %, in which nothing may scroll sideways (WCAG 1.4.10).
var looks = []struct {
	name          string
	width, height int
	dots          float64
	scheme        string
}{
	{"laptop", 1366, 768, 1, "light"},
	{"dark", 1366, 768, 1, "dark"},
	{"4k", 3840, 2160, 1, "light"},
	{"zoom", 342, 192, 4, "dark"},
}

// Every page in every language is valid HTML.
func TestValidHTML(t *testing.T) {
	for _, lang := range Languages() {
		t.Run(lang, func(t *testing.T) {
			dir := t.TempDir()
			for _, s := range gallery(t, lang) {
				if err := os.WriteFile(filepath.Join(dir, s.name+".html"), s.body, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			found, err := browsertest.ValidHTML(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Error(f)
			}
		})
	}
}

// On every page in every language axe finds nothing against WCAG 2.2 A and AA, and none scrolls sideways.
func TestGallery(t *testing.T) {
	c := browsertest.OpenChromium(t)
	for _, lang := range Languages() {
		t.Run(lang, func(t *testing.T) { look(t, c, lang, gallery(t, lang)) })
	}
}

func look(t *testing.T, c *browsertest.Chromium, lang string, scenes []scene) {
	url := hang(t, scenes)
	tab, err := c.Tab()
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	unsure := map[string]int{}
	for _, l := range looks {
		if err := tab.Size(l.width, l.height, l.dots); err != nil {
			t.Fatal(err)
		}
		if err := tab.Media(map[string]string{"prefers-color-scheme": l.scheme}); err != nil {
			t.Fatal(err)
		}
		for _, s := range scenes {
			if err := tab.Go(url + "/" + s.name); err != nil {
				t.Fatal(err)
			}
			if l.name == "laptop" || lang == "en" { // where another language has other places, the laptop shows it
				// From right to left Chromium shifts what it takes beyond the window.
				png, err := tab.Screenshot(l.name == "laptop" && (lang != "ar" || strings.HasPrefix(s.name, "case")))
				if err == nil {
					err = os.MkdirAll(filepath.Join(screenshots, lang), 0o755)
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(screenshots, lang, s.name+"-"+l.name+".png"), png, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			var width int
			if err := tab.Eval("document.scrollingElement.scrollWidth", &width); err != nil || width > l.width {
				t.Errorf("%s, %s: %d pixels wide, %v", s.name, l.name, width, err)
			}
			if l.name == "4k" || l.name == "zoom" || l.name == "dark" && lang != "en" {
				continue // what axe judges is the same as on a laptop, and colours are in every language
			}
			found, doubts, err := tab.Axe()
			if err != nil {
				t.Fatalf("%s, %s: %v", s.name, l.name, err)
			}
			for _, f := range found {
				t.Errorf("%s, %s: %s", s.name, l.name, f)
			}
			for _, d := range doubts {
				unsure[d]++
			}
		}
	}
	t.Logf("for people to judge: %s", strings.Join(keysOf(unsure), "\n"))
}

func keysOf(m map[string]int) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}
