package web

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/intake"
	"postern/web/browsertest"
)

// The whole way of a source in real browsers, in a language of each direction.
// A language has an address of its own, so that one browser walks them all.

// depart makes a journey on a world of its own; what the browser asked for is
// compared with what it may ask for when the test ends.
func depart(t *testing.T, name, lang string, change ...func(*settings)) *journey {
	t.Helper()
	j := &journey{T: t, words: wordsOf(t, lang), name: name + "-" + lang, down: t.TempDir()}
	j.w = newWorld(t, append([]func(*settings){func(c *settings) {
		c.options.Limits = intake.Limits{FileSize: journeyLimit, Files: 3}
		c.options.BatchSize = 32 // every visit leaves something to send: one batch must take it all
		c.source.Languages = append([]string{"en"}, others("en")...)
	}}, change...)...)
	var mu sync.Mutex
	var asked []string
	j.url = serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.String())
		mu.Unlock()
		j.w.source.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, a := range asked {
			method, path, _ := strings.Cut(a, " ")
			known := map[string][]string{
				"GET":  {"/", "/report", "/inbox", "/nowhere"},
				"POST": {"/report", "/code", "/files", "/inbox", "/reply", "/download", "/erase", "/erased", "/message"},
			}[method]
			if !slices.ContainsFunc(known, func(p string) bool { return at(lang, p) == path }) {
				t.Errorf("the browser asked for %s", a)
			}
		}
	})
	return j
}

// TestFirefoxAtSafest walks without scripts, on a phone's narrow page, and waits
// as long as the real server lets everybody wait.
func TestFirefoxAtSafest(t *testing.T) {
	for _, lang := range directions(t) {
		t.Run(lang, func(t *testing.T) {
			j := depart(t, "firefox-safest", lang, func(c *settings) { c.source.Quantum = Quantum })
			j.b = browsertest.OpenFirefox(t, browsertest.Options{Width: 360, Height: 740, Downloads: j.down})
			j.hand = mouse{j}
			j.walk()
		})
	}
}

// TestFirefoxByKeyboard walks without a mouse and without scripts.
func TestFirefoxByKeyboard(t *testing.T) {
	for _, lang := range directions(t) {
		t.Run(lang, func(t *testing.T) {
			j := depart(t, "firefox-keyboard", lang)
			j.b = browsertest.OpenFirefox(t, browsertest.Options{Downloads: j.down})
			k := &keyboard{j: j}
			j.hand = k
			j.walk()
			t.Logf("%d stops", k.stops)
		})
	}
}

// TestFirefoxWithScripts walks at the level "Standard": no page breaks its own
// Content-Security-Policy, and nothing is asked of anybody else.
func TestFirefoxWithScripts(t *testing.T) {
	for _, lang := range directions(t) {
		t.Run(lang, func(t *testing.T) {
			j := depart(t, "firefox-scripts", lang)
			way := &onlyWay{to: strings.TrimPrefix(j.url, "http://")}
			f := browsertest.OpenFirefox(t, browsertest.Options{Level: browsertest.Standard, Downloads: j.down, SOCKS: way.listen(t)})
			j.b, j.hand = f, mouse{j}
			j.walk()
			said, err := f.Console()
			j.must(err)
			for _, s := range said {
				t.Errorf("the browser complains: %s", s)
			}
			asked := way.asked()
			if len(asked) == 0 || slices.ContainsFunc(asked, func(a string) bool { return a != way.to }) {
				t.Errorf("the browser asked for %q, not for us alone", asked)
			}
		})
	}
}

// TestChromium walks with scripts disabled, with scripts, and by keyboard alone.
// No page breaks its own Content-Security-Policy, and nothing is asked of
// anybody else.
func TestChromium(t *testing.T) {
	c := browsertest.OpenChromium(t)
	for _, way := range []struct {
		name          string
		scripts, keys bool
	}{{"chromium", false, false}, {"chromium-scripts", true, false}, {"chromium-keyboard", false, true}} {
		for _, lang := range directions(t) {
			t.Run(way.name+"-"+lang, func(t *testing.T) {
				j := depart(t, way.name, lang)
				tab, err := c.Tab()
				j.must(err)
				defer tab.Close()
				j.must(tab.Scripts(way.scripts), tab.Downloads(j.down))
				j.b, j.hand = tab, mouse{j}
				if way.keys {
					j.hand = &keyboard{j: j}
				}
				j.walk()
				for _, s := range tab.Complaints() {
					if strings.HasPrefix(s, "network, error: ") && strings.HasSuffix(s, j.at("/nowhere")) {
						continue // the page that is not there
					}
					t.Errorf("the browser complains: %s", s)
				}
				for _, a := range tab.Asked() {
					if !strings.HasPrefix(a, j.url+"/") {
						t.Errorf("the browser asked for %s", a)
					}
				}
			})
		}
	}
}

// TestEnterSends: the Enter key in a form sends it, and does not press a button
// that turns the page into another language.
func TestEnterSends(t *testing.T) {
	c := browsertest.OpenChromium(t)
	for name, start := range map[string]func(*testing.T, *journey) browser{
		"chromium": func(t *testing.T, j *journey) browser {
			tab, err := c.Tab()
			j.must(err)
			t.Cleanup(tab.Close)
			j.must(tab.Scripts(false))
			return tab
		},
		"firefox": func(t *testing.T, _ *journey) browser { return browsertest.OpenFirefox(t, browsertest.Options{}) },
	} {
		t.Run(name, func(t *testing.T) {
			j := depart(t, "enter-"+name, "en")
			j.b = start(t, j)
			k := &keyboard{j: j}
			j.hand = k
			j.must(j.b.Go(j.url + j.at("/report")))
			j.page("report")
			k.fill("#text", "What happened.")
			k.to("#body-press")
			j.must(j.b.Press(browsertest.Enter))
			j.page("code")
		})
	}
}

// TestFirefoxKeepsOtherSitesOut posts a form from another origin.
func TestFirefoxKeepsOtherSitesOut(t *testing.T) {
	w, words := newWorld(t), wordsOf(t, "en")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	other := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte(`<form method=post enctype=multipart/form-data action="http://127.0.0.1:` + port +
			`/inbox"><input name=code value=x><button>Go</button></form>`))
	}))
	f := browsertest.OpenFirefox(t, browsertest.Options{})
	if err := f.Go(other); err != nil {
		t.Fatal(err)
	}
	if err := f.Click("button"); err != nil {
		t.Fatal(err)
	}
	says, _, _ := strings.Cut(words.Word("problem.cross"), "{")
	got := ""
	if !comes(func() bool { got, err = f.Text("main"); return err == nil && strings.Contains(got, says) }) {
		t.Errorf("a form from another site was taken: %s", got)
	}
}

// comes waits for what a browser does when it gets to it. Nobody measures how
// long: five minutes are for what will never come.
func comes(done func() bool) bool {
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}
