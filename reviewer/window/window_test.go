package window_test

import (
	"context"
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"postern/cmd/scantest"
	"postern/reviewer/window"
	"postern/reviewer/window/windowtest"
)

// The test's own binary is the desk: a copy of it runs as the session's user.
func TestMain(m *testing.M) {
	scantest.Main()
	if f := desks[filepath.Base(os.Args[0])]; f != nil {
		if err := f(); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println("closed")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// desks are the programs that a test can be.
var desks = map[string]func() error{
	"desk":      func() error { return run(&pages{}) },
	"probedesk": probeDesk,
	"deafdesk": func() error {
		return window.Run(context.Background(), &pages{}, window.Options{First: deaf})
	},
	program: probe, // in the window's place
	"askdesk": func() error {
		var typed string
		err := window.Ask(context.Background(), question("Passphrase"), func(v url.Values) (window.Reply, bool) {
			typed = v.Get("passphrase")
			return question("Once more"), typed != "wrong"
		}, window.Options{Note: note})
		if err != nil {
			return err
		}
		fmt.Println("asked:", len(typed))
		return run(&pages{})
	},
}

func note(s string) { fmt.Println("note:", s) }

func run(h window.Handler) error {
	return window.Run(context.Background(), h, window.Options{First: "/list?rows=20", Note: note})
}

func page(title, body string) window.Reply {
	return window.Reply{Body: []byte("<!doctype html><html lang=en><meta charset=utf-8><title>" + title + "</title><h1>" + title + "</h1>" + body)}
}

func question(title string) window.Reply {
	return page(title, `<form method=post action="/"><label>Words <input type=password name=passphrase autofocus></label><button>Open</button></form>`)
}

// pages is a handler with a page for each thing that a window does.
type pages struct {
	said string
	done int
}

func (p *pages) Answer(r window.Request) window.Reply {
	fmt.Printf("%s %s %s %q\n", r.Method, r.Path, r.Query.Encode(), r.Key)
	switch {
	case r.Method == window.Print:
		fmt.Printf("pdf of %s: %d bytes, %q\n", r.Path, len(r.PDF), r.PDF[:5])
		return window.Reply{Location: "/printed"}
	case r.Method == window.Key && r.Key == "?":
		return window.Reply{Location: "/keys"}
	case r.Method == window.Key || r.Method == window.Lost:
		return window.Reply{}
	case r.Method == window.Post && r.Path == "/place":
		p.done++
		return window.Reply{Location: "/place#done"}
	case r.Method == window.Post:
		p.said = r.Form.Get("text")
		if p.said == "stay" {
			return page("Stayed", "")
		}
		return window.Reply{Location: "/said"}
	}
	switch r.Path {
	case "/list":
		n, _ := strconv.Atoi(r.Query.Get("rows"))
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "<tr><td><a href='/case/%d'>K-%04d</a><td>Ill-treatment at the border post<td>inquiry<td>3 days", i, i)
		}
		return page("Cases", "<table><tbody>"+b.String()+"</table>")
	case "/place":
		return page("Place", fmt.Sprintf(`<form method=post action="/place"><button autofocus>Do</button></form><h2 id=done>Done %d</h2>`, p.done))
	case "/said":
		return page("Said", "<p>"+html.EscapeString(p.said)+"</p>")
	case "/hostile":
		r := page("Hostile", `<script>document.title="SCRIPT RAN"</script><img src="https://example.org/x.png" alt=outside onerror="document.title='HANDLER RAN'">
<img src="file:///usr/share/pixmaps/debian-logo.png" alt=local><iframe src="file:///etc/fonts/fonts.conf" title=frame></iframe><object data="file:///etc/passwd"></object>
<link rel=prefetch href="https://example.org/p"><link rel=dns-prefetch href="//example.org"><link rel=preconnect href="https://example.org">
<a href="https://example.org/">Out</a> <a href="/list?rows=1" target=_blank>New window</a> <a href="file:///etc/fonts/fonts.conf">File</a> <a href="/list?rows=2">On</a>`)
		r.CSP = "default-src * 'unsafe-inline' desk: data: file:" // so that what holds is not the policy
		return r
	}
	return page("Case "+strings.TrimPrefix(r.Path, "/case/"), `<p>Командир сказал удалить отчёт № 17.</p><p lang=ar dir=rtl>تعرّض المحتجزون للضرب</p>
<form method=post action="/answer"><label>Text <textarea name=text rows=4 cols=60 dir=auto></textarea></label> <button accesskey=s>Answer</button></form> <a href="/hostile">Hostile</a> <a href="/place">Place</a>`)
}

// desktop is a session with the programs in it.
func desktop(t *testing.T) *windowtest.Session {
	t.Helper()
	s := windowtest.Start(t, 1366, 768)
	s.Build("postern/cmd/postern-window")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"desk", "askdesk"} {
		s.Install(self, name)
	}
	return s
}

// closed waits for the end of a desk whose window was closed.
func closed(t *testing.T, p *windowtest.Process) {
	t.Helper()
	if ended, err := p.Ended(); !ended || err != nil || !strings.HasSuffix(p.Said(), "closed\n") {
		t.Fatalf("ended %v: %v\n%s", ended, err, p.Said())
	}
}

// A reviewer reads, goes on, goes back, answers in two scripts, prints and closes: by keyboard and as a screen reader does.
func TestWindow(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("desk"))
	s.Wait("heading", "Cases")
	s.Fill()
	if got := s.Title(); got != "Cases" {
		t.Errorf("the window's title is %q", got)
	}
	s.Screenshot("list")
	s.Press("link", "K-0003")
	s.Wait("heading", "Case 3")
	s.Screenshot("case")
	for _, words := range []string{"Командир сказал удалить отчёт № 17.", "تعرّض المحتجزون للضرب"} {
		if !strings.Contains(s.Page(), words) {
			t.Errorf("a screen reader does not find %q:\n%s", words, s.Page())
		}
	}
	s.Key("alt+Left")
	s.Wait("heading", "Cases")
	s.Key("alt+Right")
	s.Wait("entry", "Text").Focus()
	s.Type("شكرا hello?")
	s.Key("Tab", "Return")
	s.Wait("heading", "Said")
	if !strings.Contains(s.Page(), "شكرا hello?") {
		t.Errorf("the window shows:\n%s", s.Page())
	}
	s.Key("question")
	s.Wait("heading", "Case /keys")
	s.Key("ctrl+p")
	s.Wait("heading", "Case /printed")
	if !strings.Contains(desk.Said(), `"%PDF-"`) {
		t.Errorf("no PDF came:\n%s", desk.Said())
	}
	if strings.Contains(desk.Said(), `KEY /case/3  "h"`) {
		t.Error("a key that a field took came to the desk as well")
	}
	s.Key("ctrl+q")
	closed(t, desk)
}

// On a keyboard that writes Arabic, letters and access keys stay in their places, and what is copied stays what it was.
func TestArabicKeyboard(t *testing.T) {
	s := desktop(t)
	s.Run("setxkbmap", "-layout", "ara,us")
	desk := s.Start(s.Command("desk"))
	s.Press("link", "K-0003")
	s.Wait("entry", "Text").Focus()
	s.Type("نعم، آمنَ")
	const keyA, keyS, keyX, keyV, slash = "38", "39", "53", "55", "61" // by their places
	s.Key("ctrl+"+keyA, "ctrl+"+keyX, "ctrl+"+keyV, "ctrl+"+keyV)
	s.Key("alt+" + keyS)
	s.Wait("heading", "Said")
	if !strings.Contains(s.Page(), "نعم، آمنَنعم، آمنَ") {
		t.Errorf("the window shows:\n%s", s.Page())
	}
	s.Key("shift+" + slash)
	s.Wait("heading", "Case /keys")
	s.Key("ctrl+24") // Q
	closed(t, desk)
}

// What a form did is shown when the answer is a place on the page on which it stands, again and again.
func TestPlaceOnTheSamePage(t *testing.T) {
	s := desktop(t)
	desk := s.Start(s.Command("desk"))
	s.Press("link", "K-0003")
	s.Press("link", "Place")
	for i := range 3 {
		s.Wait("heading", fmt.Sprintf("Done %d", i))
		s.Press("push button", "Do")
	}
	s.Wait("heading", "Done 3")
	s.Key("ctrl+q")
	closed(t, desk)
	if n := strings.Count(desk.Said(), "POST /place"); n != 3 {
		t.Errorf("the form was sent %d times:\n%s", n, desk.Said())
	}
}
