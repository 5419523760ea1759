package web

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/web/browsertest"
)

// TestFirefox walks a report, its reply and its end in a real browser without
// scripts, at the width of a small phone and at that of a desk.
func TestFirefox(t *testing.T) {
	const limit = 1 << 20
	w := newWorld(t, func(c *settings) {
		c.options.Limits = intake.Limits{FileSize: limit, Files: 3}
		c.source.Quantum = 0 // the real one
	})
	var mu sync.Mutex
	var asked []string
	url := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.String())
		mu.Unlock()
		w.source.ServeHTTP(rw, r)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	f, err := browsertest.Start(ctx, browsertest.Options{Dir: t.TempDir(), Width: 360, Height: 740})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// heading waits for the page of that heading.
	heading := func(want string) {
		t.Helper()
		for range 300 {
			if got, err := f.Text("h1"); err == nil && got == want {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		got, _ := f.Text("main")
		t.Fatalf("no page %q but:\n%s", want, got)
	}
	shot := func(name string) {
		t.Helper()
		dir := os.Getenv("POSTERN_SCREENSHOTS")
		if dir == "" {
			return
		}
		b, err := f.Screenshot(true)
		must(err)
		must(os.WriteFile(filepath.Join(dir, name+".png"), b, 0o600))
	}
	dir := t.TempDir()
	small, big := filepath.Join(dir, "secret plan.txt"), filepath.Join(dir, "film.bin")
	must(os.WriteFile(small, []byte("the plan"), 0o600))
	must(os.WriteFile(big, nil, 0o600))
	must(os.Truncate(big, limit+100<<20))

	must(f.Go(url + "/"))
	heading("Report abuse to people outside the institution")
	shot("start")
	must(f.Click("main a[href='/report']"))
	heading("Your report")
	shot("report")
	const text = "Line one & <two>\nÜmläute, متن, “quotes”"
	must(f.Keys("#text", text))
	must(f.Click("#body-press")) // unticks
	must(f.Keys("input[type=file]", small))
	must(f.Click("main form button"))
	heading("Received")
	shot("code")
	code, err := f.Text("ol.code")
	must(err)
	must(f.Keys("#code", strings.Join(strings.Fields(code), " ")))
	must(f.Click("form[action='/code'] button"))
	heading("You have your code")
	shot("kept")
	must(f.Keys("#file", small+"\n"+big))
	must(f.Click("form[action='/files'] button"))
	heading("Received")
	shot("sent")
	if got, _ := f.Text("main"); !strings.Contains(got, "film.bin: It is larger than allowed.") || !strings.Contains(got, "secret plan.txt") {
		t.Errorf("after a file over the limit:\n%s", got)
	}

	var first *crypto.Read
	files := 0
	for _, m := range w.fetch(crypto.LaneRegular, "audit") {
		files += len(m.Files)
		if m.Meta.Kind == crypto.KindReport {
			first = m.Read
		}
	}
	if first == nil || first.Text != text || !slices.Equal(first.Readers, []string{"ombuds", "audit"}) || files != 2 {
		t.Fatalf("what arrived: %+v, %d files", first, files)
	}
	w.reply("audit", first, 2, "Thank you.\n\nPlease tell us more.", map[string]string{"form.txt": "x"})

	must(f.Go(url + "/inbox"))
	heading("Read replies")
	words := strings.Fields(code)
	words[3] = words[3] + "x" // a slip of the pen
	must(f.Keys("#code", strings.Join(words, " ")))
	must(f.Click("main form button"))
	heading("Is this what you meant?")
	shot("confirm")
	must(f.Click("main form button"))
	heading("Your inbox")
	shot("inbox")
	must(f.Click("form[action='/reply'] button"))
	heading("Reply")
	shot("reply")
	if got, _ := f.Text(".letter"); got != "Thank you.\n\nPlease tell us more." {
		t.Errorf("the reply reads %q", got)
	}
	must(f.Click("form[action='/erase'] button"))
	heading("Erase this reply?")
	must(f.Click("form[action='/erased'] button"))
	heading("Erased")
	must(f.Click("form[action='/inbox'] button"))
	heading("Your inbox")
	if got, _ := f.Text("main"); !strings.Contains(got, "Nothing is waiting") {
		t.Error("the reply is still there")
	}
	// A refused form whose file is far over the limit still shows its page.
	must(f.Keys("#file", big))
	for _, b := range []string{"#body-ombuds", "#body-audit"} {
		must(f.Click(b))
	}
	must(f.Keys("#text", "typed and kept"))
	must(f.Click("form[action='/message'] button"))
	heading("Write again")
	shot("message")
	if e, err := f.Find("#text"); err != nil {
		t.Error(err)
	} else if got, _ := e.Value(); got != "typed and kept" {
		t.Errorf("the text came back as %q", got)
	}
	must(f.Go(url + "/nowhere"))
	heading("There is no such page")

	mu.Lock()
	defer mu.Unlock()
	known := []string{
		"GET /", "GET /report", "POST /report", "POST /code", "POST /files", "GET /inbox", "POST /inbox",
		"POST /reply", "POST /erase", "POST /erased", "POST /message", "GET /nowhere",
	}
	for _, a := range asked {
		if !slices.Contains(known, a) {
			t.Errorf("the browser asked for %s", a)
		}
	}
}

// TestFirefoxKeepsOtherSitesOut posts a form from another origin.
func TestFirefoxKeepsOtherSitesOut(t *testing.T) {
	w := newWorld(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	other := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte(`<form method=post enctype=multipart/form-data action="http://127.0.0.1:` + port +
			`/inbox"><input name=code value=x><button>Go</button></form>`))
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f, err := browsertest.Start(ctx, browsertest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Go(other); err != nil {
		t.Fatal(err)
	}
	if err := f.Click("button"); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if got, err := f.Text("h1"); err == nil && got == "This came from another site" {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("a form from another site was taken")
}
