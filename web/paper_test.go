package web

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"postern/web/browsertest"
)

// TestPaper prints the pages that show a code: the nine words come on paper and
// nothing else, whatever else the page says. Until they are noted, no link on
// these pages leads away from them.
func TestPaper(t *testing.T) {
	w := newWorld(t, func(c *settings) {
		c.source.Preview = true
		c.source.Languages = append([]string{"en"}, others("en")...)
	})
	code := w.get("/report").form("/report").set("text", "x").file("list.txt", strings.NewReader("x")).send().want(200, "Received")
	wrong := code.form("/code").set("code", "one two").send().want(200, "Received").has("2 were read")
	change := w.enter(code.code()).form("/change").send().want(200, "Your new code")
	var scenes []scene
	pages := map[string]*shown{"code": code, "wrong": wrong, "change": change}
	for name, p := range pages {
		scenes = append(scenes, scene{name: name, status: 200, head: "Content-Type: text/html; charset=utf-8", body: []byte(p.body)})
	}
	url := hangings(t, scenes)
	tab, err := browsertest.OpenChromium(t).Tab()
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	if err := tab.Do("Emulation.setEmulatedMedia", map[string]any{"media": "print"}, nil); err != nil {
		t.Fatal(err)
	}
	for name, p := range pages {
		if err := tab.Go(url + "/" + name); err != nil {
			t.Fatal(err)
		}
		printed, err := tab.Text("body")
		if err != nil || strings.Join(strings.Fields(printed), " ") != p.code() {
			t.Errorf("%s prints %q, %v", name, printed, err)
		}
		away := slices.DeleteFunc(find(p.doc, "a"), func(n *html.Node) bool { return attr(n, "href") == "#main" })
		if len(away) > 0 {
			t.Errorf("%s has %d links away from it", name, len(away))
		}
	}
}
