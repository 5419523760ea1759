package browsertest

import (
	"bytes"
	"fmt"
	"image/png"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func openTab(t *testing.T, c *Chromium) *Tab {
	t.Helper()
	tab, err := c.Tab()
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestChromium(t *testing.T) {
	s, _ := server(t, "127.0.0.1")
	c := OpenChromium(t)
	for _, scripts := range []bool{true, false} {
		f := openTab(t, c)
		must(t, f.Scripts(scripts), f.Go(s.URL+"/"))
		got(t, "title", "Form")(f.Title())
		got(t, "heading", "Report")(f.Text("#h"))
		if n, err := f.Count("#js"); err != nil || (n == 1) != scripts {
			t.Errorf("scripts %v: %d elements of a script, %v", scripts, n, err)
		}
		dir := profile(t)
		a, b := filepath.Join(dir, "a b.pdf"), filepath.Join(dir, "b")
		must(t, os.WriteFile(a, make([]byte, 3<<20), 0o600), os.WriteFile(b, []byte("x"), 0o600))
		must(t, f.Keys("#text", "line one\n"), f.Keys("#text", "line two"), f.Click("#box"))
		got(t, "field", "line one\nline two")(f.Value("#text"))
		must(t, f.Keys("#file", a+"\n"+b), f.Click("#go"))
		got(t, "answer", "text=line one line two;file=3145728 bytes;file=1 bytes;")(f.Text("#done"))
		if !slices.Contains(f.Asked(), s.URL+"/post") {
			t.Errorf("asked for %q", f.Asked())
		}
	}
}

// With the keyboard alone, in both browsers.
func TestKeyboard(t *testing.T) {
	s, _ := server(t, "127.0.0.1")
	tab := openTab(t, OpenChromium(t))
	must(t, tab.Scripts(false))
	for name, f := range map[string]interface {
		Go(string) error
		Press(Key) error
		Type(string) error
		Focus() (Focus, error)
		Text(string) (string, error)
	}{"Firefox": OpenFirefox(t, Options{}), "Chromium": tab} {
		t.Run(name, func(t *testing.T) {
			must(t, f.Go(s.URL+"/"), f.Press(TabKey), f.Press(TabKey), f.Press(Back))
			if on, err := f.Focus(); err != nil || on.ID != "text" || !on.Outline {
				t.Errorf("focus on %+v, %v", on, err)
			}
			must(t, f.Type("typed"), f.Press(TabKey), f.Press(Space))
			if on, err := f.Focus(); err != nil || on.Name != "box" || on.Type != "checkbox" {
				t.Errorf("focus on %+v, %v", on, err)
			}
			must(t, f.Press(TabKey), f.Press(TabKey), f.Press(Enter))
			got(t, "answer", "text=typed;file=;")(f.Text("#done"))
		})
	}
}

func TestChooser(t *testing.T) {
	s, _ := server(t, "127.0.0.1")
	f := openTab(t, OpenChromium(t))
	a := filepath.Join(profile(t), "a.pdf")
	must(t, os.WriteFile(a, []byte("four"), 0o600), f.Go(s.URL+"/"), f.Choose(a))
	for range 3 {
		must(t, f.Press(TabKey))
	}
	must(t, f.Press(Enter))
	for v := ""; v == ""; {
		var err error
		v, err = f.Value("#file")
		must(t, err)
	}
	must(t, f.Press(TabKey), f.Press(Enter))
	if said, err := f.Text("#done"); err != nil || !strings.HasSuffix(said, "file=4 bytes;") {
		t.Errorf("%q, %v", said, err)
	}
}

func TestSizeAndColours(t *testing.T) {
	s, _ := server(t, "127.0.0.1")
	f := openTab(t, OpenChromium(t))
	must(t, f.Size(320, 256, 4), f.Media(map[string]string{"prefers-color-scheme": "dark"}), f.Go(s.URL+"/"))
	var said string
	must(t, f.Eval(`[innerWidth, innerHeight, devicePixelRatio, matchMedia("(prefers-color-scheme: dark)").matches].join()`, &said))
	if said != "320,256,4,true" {
		t.Error(said)
	}
	shot, err := f.Screenshot(false)
	must(t, err)
	img, err := png.Decode(bytes.NewReader(shot))
	must(t, err)
	if b := img.Bounds(); b.Dx() != 1280 || b.Dy() != 1024 {
		t.Errorf("a picture of %v", b)
	}
}

// What Chromium says about a page is heard: a policy that is broken, a script
// that fails, a request to elsewhere, which never leaves.
func TestChromiumNotices(t *testing.T) {
	s, _ := server(t, "127.0.0.1")
	other, hits := server(t, "127.0.0.2")
	_, port, _ := net.SplitHostPort(other.Listener.Addr().String())
	broken := serveText(t, "default-src 'none'", `<!doctype html><title>x</title><p style="color:red">x</p>`)
	far := serveText(t, "", `<!doctype html><title>x</title><img src="http://127.0.0.2:`+port+`/a"><script>undefinedName()</script>`)
	c := OpenChromium(t)
	for url, want := range map[string]string{broken: "ContentSecurityPolicyIssue", far: "undefinedName"} {
		f := openTab(t, c)
		must(t, f.Go(url), f.Go(s.URL+"/"))
		if !slices.ContainsFunc(f.Complaints(), func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no %s among %q", want, f.Complaints())
		}
		if url == far && !slices.Contains(f.Asked(), "http://127.0.0.2:"+port+"/a") {
			t.Errorf("asked for %q", f.Asked())
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests left", n)
	}
	f := openTab(t, c)
	must(t, f.Go("data:text/html,<!doctype html><title>clean</title>"))
	if said := f.Complaints(); len(said) > 0 {
		t.Errorf("about a clean page: %q", said)
	}
}

func serveText(t *testing.T, policy, page string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, page)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String() + "/"
}
