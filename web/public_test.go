package web

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"postern/crypto"
	"postern/web/markdown"
)

// examplePages hold one of everything that Markdown may hold.
var examplePages = map[string]string{
	"10-mandate.en.md": "# Our *mandate*\n\nText with **weight**, `code` and <https://x.example>.\n\n## Law\n\n> A quote\n\n1. one\n2. two\n\n" +
		"### Detail\n\n| Year | Received | |\n|------|---------:|---|\n| 2025 | 41 | `meter 41/50` |\n\n---\n\n    code\n\n[Statistics](/about/statistics), [above](#law), [us](https://x.example).",
	"20-statistics.en.md": "# Statistics\n\nNone yet.",
	"20-statistics.ar.md": "# إحصاءات\n\nلا شيء بعد.",
	"contact.ar.md":       "# اتصال\n\nنص",
}

func withPages(files map[string]string, signed *SignedDirectory) func(*settings) {
	return func(c *settings) {
		p, err := LoadPages(pagesOf(files))
		if err != nil {
			panic(err)
		}
		c.source.Pages = func() *Pages { return p }
		c.source.Directory = func() *SignedDirectory { return signed }
	}
}

// someDirectory is not signed by anybody: what the note is worth, others verify.
func someDirectory(t testing.TB, size int) *SignedDirectory {
	t.Helper()
	_, vkey, err := crypto.NewRoot("example")
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewSignedDirectory(&crypto.Directory{Version: 7, Expires: 20_800}, bytes.Repeat([]byte("note\n"), size/5), []string{vkey})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPublicPages(t *testing.T) {
	signed := someDirectory(t, 1<<20)
	w := newWorld(t, withPages(examplePages, signed))
	if a := find(w.get("/").doc, "footer"); !strings.Contains(textOf(a[0]), "About this service") {
		t.Error("no page leads to the public ones")
	}
	list := w.get("/about").want(200, "About this service").has("Our mandate").has("Check the list of readers").hasNot("have not put")
	var links []string
	for _, a := range find(find(list.doc, "main")[0], "a") {
		links = append(links, attr(a, "href")+" "+attr(a, "lang")+" "+attr(a, "dir"))
	}
	if want := "/about/mandate en ltr,/about/statistics en ltr,/about/contact ar rtl,/about/directory  "; strings.Join(links, ",") != want {
		t.Errorf("links %q, want %q", strings.Join(links, ","), want)
	}

	p := w.get("/about/mandate").want(200, "Our mandate").has("weight").has("2025").has("us (https://x.example)").hasNot("not been translated")
	if title := textOf(find(p.doc, "title")[0]); title != "Our mandate · Postern" {
		t.Errorf("the title bar says %q", title)
	}
	md, err := markdown.Read([]byte(examplePages["10-mandate.en.md"]))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.body, strings.ReplaceAll(string(md.HTML), `="~/`, `="/`)) {
		t.Error("the page does not hold what was made of the Markdown, links in their place")
	}
	w.get("/about/statistics").want(200, "Statistics").has("None yet.")
	other := w.get("/about/contact").want(200, "اتصال").has("This page has not been translated into your language.")
	if d := content(t, other); attr(d, "lang") != "ar" || attr(d, "dir") != "rtl" {
		t.Errorf("the Arabic text is in lang %q, dir %q", attr(d, "lang"), attr(d, "dir"))
	}
	for _, path := range []string{"/about/nothing", "/about/mandate.en", "/about/mandate/", "/about/", "/about/../about", "/about/" + strings.Repeat("a", 33)} {
		w.get(path).want(404, "There is no such page")
	}
}

// TestPublicPagesFallBack: in the visitor's language, else in the operator's, else in English.
func TestPublicPagesFallBack(t *testing.T) {
	w := newWorld(t, withPages(map[string]string{
		"a.en.md": "# A en", "a.fr.md": "# A fr", "a.de.md": "# A de",
		"b.en.md": "# B en", "b.fr.md": "# B fr", "c.en.md": "# C en", "c.ar.md": "# C ar", "d.ar.md": "# D ar",
	}, nil))
	s := w.first()
	s.operators = "fr"
	for name, want := range map[string]textView{
		"a": {Title: "A de", Lang: "de", Dir: "ltr"},
		"b": {Title: "B fr", Lang: "fr", Dir: "ltr", Other: true},
		"c": {Title: "C en", Lang: "en", Dir: "ltr", Other: true},
		"d": {Title: "D ar", Lang: "ar", Dir: "rtl", Other: true},
	} {
		want.Path = "about/" + name
		if got := s.textView(s.operatorPages().page(name), "de"); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// content is the element with the operator's words.
func content(t *testing.T, p *shown) *html.Node {
	t.Helper()
	for _, d := range find(p.doc, "div") {
		if hasAttr(d, "lang") {
			return d
		}
	}
	t.Fatal("no element says the language of the text")
	return nil
}

func TestDirectoryToVerify(t *testing.T) {
	signed := someDirectory(t, 1<<20)
	w := newWorld(t, withPages(nil, signed))
	w.get("/about").want(200, "About this service").has("have not put a page of their own here")
	p := w.get("/about/directory").want(200, "Check the list of readers").has("Version 7").has("13 December 2026").has(fmt.Sprintf("%x", sha256.Sum256(signed.note)))
	p.has(signed.roots[0].Words).has("--root " + signed.roots[0].Key)
	if n := len(strings.Fields(signed.roots[0].Words)); n != 10 {
		t.Errorf("a phrase of %d words", n)
	}
	r, err := http.Get(w.url + "/about/directory.note")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || !bytes.Equal(b, signed.note) {
		t.Errorf("%d bytes came, of %d, or others: %v", len(b), len(signed.note), err)
	}
	for k, want := range map[string]string{
		"Content-Type": "application/octet-stream", "Content-Disposition": `attachment; filename="directory.note"`, "X-Content-Type-Options": "nosniff",
	} {
		if got := r.Header.Get(k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	if _, err := NewSignedDirectory(&crypto.Directory{}, nil, []string{"no key"}); err == nil {
		t.Error("a root that is no key was taken")
	}

	w = newWorld(t)
	w.get("/about").want(200, "About this service")
	w.get("/about/directory").want(200, "Check the list of readers").has("No list is in force at present").hasNot("directory.note")
	w.get("/about/directory.note").want(404, "There is no such page")
	w.get("/about/mandate").want(404, "There is no such page")
}

// TestPublicPagesHaveOneSize: every public page has the size and the headers of
// all others (SECURITY.md S-9).
func TestPublicPagesHaveOneSize(t *testing.T) {
	w := newWorld(t, withPages(examplePages, someDirectory(t, 100<<10)))
	want := headerOf(t, w.url, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	for _, path := range []string{"/about", "/about/mandate", "/about/statistics", "/about/contact", "/about/directory", "/about/nothing", "/about/", "/about?x", "/about/mandate?lang=fr"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS"} {
			size := PageSize
			if method == "HEAD" {
				size = 0
			}
			length := ""
			if method == "POST" {
				length = "Content-Length: 0\r\n"
			}
			status, head, n := exchangeRaw(t, w.url, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, length))
			if head != want || n != size || status >= 500 {
				t.Errorf("%s %s: status %d, %d bytes, headers\n%s", method, path, status, n, head)
			}
		}
	}
	// The download is the exception, and only asked for properly.
	if status, _, n := exchangeRaw(t, w.url, "HEAD /about/directory.note HTTP/1.1\r\nHost: x\r\n\r\n"); status != 200 || n != 0 {
		t.Errorf("HEAD of the download: status %d, %d bytes", status, n)
	}
	if status, _, n := exchangeRaw(t, w.url, "POST /about/directory.note HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"); status != 405 || n != PageSize {
		t.Errorf("POST of the download: status %d, %d bytes", status, n)
	}
}

// TestLargestPublicPages: what LoadPages takes fits into the one size, in every language.
func TestLargestPublicPages(t *testing.T) {
	title := strings.Repeat("&", markdown.MaxTitle) // five bytes each
	n := markdown.MaxHTML - len("<p></p>\n")
	files := map[string]string{"p-00000000000000000000000000000.en.md": "# " + title + "\n\n" + strings.Repeat("a", n-1)}
	if p := loadTestPages(t, files); p.list[0].texts[0].body == "" {
		t.Fatal("not the largest page")
	}
	for i := 1; i < maxPages; i++ {
		files[fmt.Sprintf("p-%029d.en.md", i)] = "# " + title
	}
	signed := someDirectory(t, 5)
	for range 8 { // as many roots as there can be
		signed.roots = append(signed.roots, signed.roots[0])
	}
	for _, lang := range Locales() {
		w := newWorld(t, withPages(files, signed), func(c *settings) {
			c.source.Languages, c.source.Preview = append([]string{lang}, others(lang)...), true
		})
		for _, path := range []string{"/about", "/about/directory", "/about/p-00000000000000000000000000000"} {
			if p := w.get(path); p.status != 200 {
				t.Errorf("%s %s: status %d", lang, path, p.status)
			} else {
				t.Logf("%s %.20s leaves %d bytes", lang, path, PageSize-strings.LastIndex(p.body, padOpen))
			}
		}
	}
	files["p-00000000000000000000000000000.en.md"] += "aa"
	if _, err := LoadPages(pagesOf(files)); err == nil {
		t.Error("a page larger than the largest was taken")
	}
}
