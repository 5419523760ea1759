package browsertest

import (
	"bytes"
	"fmt"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

const page = `<!doctype html><html lang=en><title>Form</title><h1 id=h>Report</h1>
<noscript><p id=ns>no script</p></noscript>
<script>document.body.insertAdjacentHTML("beforeend","<p id=js>script ran</p>")</script>
<form method=post enctype=multipart/form-data action=/post>
<label for=text>What happened</label><textarea id=text name=text></textarea>
<input type=checkbox id=box name=box checked aria-label="The ombudsman">
<input type=file id=file name=file multiple>
<button id=go>Send it</button></form>
<a id=save href=/file download>Save</a></html>`

// server answers on 127.0.0.1 and counts what comes.
func server(t *testing.T, addr string) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	var hits atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) })
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/zip")
		w.Header().Set("Content-Disposition", `attachment; filename="reply.zip"`)
		fmt.Fprint(w, "zip")
	})
	mux.HandleFunc("POST /post", func(w http.ResponseWriter, r *http.Request) {
		m, err := r.MultipartReader()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		said := ""
		for {
			p, err := m.NextPart()
			if err != nil {
				break
			}
			b, _ := io.ReadAll(p)
			if p.FileName() != "" {
				b = fmt.Appendf(nil, "%d bytes", len(b))
			}
			said += fmt.Sprintf("%s=%s;", p.FormName(), b)
		}
		fmt.Fprintf(w, "<!doctype html><title>Done</title><p id=done>%s</p>", said)
	})
	l, err := net.Listen("tcp", addr+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		mux.ServeHTTP(w, r)
	})}}
	s.Start()
	t.Cleanup(s.Close)
	return s, &hits
}

// profile is a directory; t.TempDir would fail when a dying Firefox still writes in it.
func profile(t *testing.T) string {
	t.Helper()
	d, err := os.MkdirTemp("", "ff")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// got fails unless a text is the one wanted.
func got(t *testing.T, what, want string) func(string, error) {
	return func(s string, err error) {
		t.Helper()
		if err != nil || s != want {
			t.Errorf("%s: %q, %v; want %q", what, s, err, want)
		}
	}
}

func TestSafest(t *testing.T) {
	s, _ := server(t, "127.0.0.1")
	down := profile(t)
	f := OpenFirefox(t, Options{Downloads: down})
	must(t, f.Go(s.URL+"/"))
	got(t, "title", "Form")(f.Title())
	got(t, "heading", "Report")(f.Text("#h"))
	got(t, "noscript", "no script")(f.Text("#ns"))
	if all, err := f.FindAll("#js"); err != nil || len(all) != 0 {
		t.Errorf("a script ran: %v, %v", all, err)
	}
	for css, want := range map[string][2]string{
		"#text": {"What happened", "textbox"}, "#box": {"The ombudsman", "checkbox"}, "#go": {"Send it", "button"},
	} {
		e, err := f.Find(css)
		must(t, err)
		got(t, css+" label", want[0])(e.Label())
		got(t, css+" role", want[1])(e.Role())
	}
	box, err := f.Find("#box")
	must(t, err)
	if on, err := box.Selected(); err != nil || !on {
		t.Errorf("checkbox: %v, %v", on, err)
	}
	must(t, box.Click())
	if on, err := box.Selected(); err != nil || on {
		t.Errorf("checkbox after a click: %v, %v", on, err)
	}
	got(t, "attribute", "box")(box.Attr("name"))

	text, err := f.Find("#text")
	must(t, err, text.Keys("wrong"), text.Clear(), text.Keys("line one\nline two"))
	got(t, "field", "line one\nline two")(text.Value())
	dir := profile(t)
	a, b := filepath.Join(dir, "a b.pdf"), filepath.Join(dir, "b")
	must(t, os.WriteFile(a, make([]byte, 3<<20), 0o600), os.WriteFile(b, []byte("x"), 0o600))
	must(t, f.Keys("#file", a+"\n"+b), f.Click("#go"))
	got(t, "answer", "text=line one line two;file=3145728 bytes;file=1 bytes;")(f.Text("#done"))
	got(t, "address", s.URL+"/post")(f.URL())
	if html, err := f.HTML(); err != nil || !strings.Contains(html, `<p id="done">`) {
		t.Errorf("%q, %v", html, err)
	}
	must(t, f.Back())
	got(t, "heading after back", "Report")(f.Text("#h"))

	must(t, f.Click("#save"))
	for {
		b, err := os.ReadFile(filepath.Join(down, "reply.zip"))
		if err == nil && string(b) == "zip" {
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("no download")
		}
	}
}

// At Standard scripts run: what Safest does not show is no accident.
func TestStandard(t *testing.T) {
	s, _ := server(t, "127.0.0.1")
	f := OpenFirefox(t, Options{Level: Standard, Width: 1000, Height: 800})
	must(t, f.Go(s.URL+"/"))
	got(t, "script", "script ran")(f.Text("#js"))
	size(t, f, 1000, 800)
}

// A page as narrow as a telephone's.
func TestNarrow(t *testing.T) {
	s, _ := server(t, "127.0.0.1")
	f := OpenFirefox(t, Options{Width: 360, Height: 700})
	must(t, f.Go(s.URL+"/"))
	size(t, f, 360, 700)
}

func size(t *testing.T, f *Firefox, width, height int) {
	t.Helper()
	shot, err := f.Screenshot(false)
	must(t, err)
	img, err := png.Decode(bytes.NewReader(shot))
	must(t, err)
	if b := img.Bounds(); b.Dx() != width || b.Dy() != height {
		t.Errorf("page of %v, want %d × %d", b, width, height)
	}
}

// Without a proxy only 127.0.0.1 can be reached, not even its neighbour.
func TestNothingElse(t *testing.T) {
	s, _ := server(t, "127.0.0.1")
	other, hits := server(t, "127.0.0.2")
	f := OpenFirefox(t, Options{})
	must(t, f.Go(s.URL+"/"))
	_, port, _ := net.SplitHostPort(other.Listener.Addr().String())
	for _, host := range []string{"127.0.0.2", "localhost", "example.org", "[::1]"} {
		if err := f.Go("http://" + host + ":" + port + "/"); err == nil {
			t.Errorf("%s is reached", host)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests left", n)
	}
}

func TestPrefs(t *testing.T) {
	js, err := userJS(Options{SOCKS: "127.0.0.1:9050", Prefs: map[string]any{"svg.disabled": false, "x.y": "a\"b", "x.n": 3}})
	must(t, err)
	for _, want := range []string{
		`user_pref("network.proxy.socks", "127.0.0.1");`, `user_pref("network.proxy.socks_port", 9050);`,
		`user_pref("network.proxy.no_proxies_on", "");`, `user_pref("javascript.enabled", false);`,
		`user_pref("svg.disabled", false);`, `user_pref("x.y", "a\"b");`, `user_pref("x.n", 3);`,
	} {
		if strings.Count(js, want) != 1 {
			t.Errorf("%s is there %d times", want, strings.Count(js, want))
		}
	}
	for _, o := range []Options{{SOCKS: "nowhere"}, {Prefs: map[string]any{"a": 1.5}}} {
		if _, err := userJS(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
