package web

import (
	"bytes"
	"testing"

	"golang.org/x/net/html"

	"postern/web/browsertest"
)

// sideways asks of a page, read from the left and from the right, what stands
// outside the width of the window, which may scroll downwards only; and whether
// what is hidden is. Each is asked again with the spaces between letters and
// words that WCAG 1.4.12 lets a reader set: also with wider fonts than ours
// everything has its place.
const sideways = `(() => {
	` + browsertest.Unfolded + `;
	const found = [], root = document.documentElement, own = root.dir;
	const outside = (r, dir) => r.width > 0 && (dir === "ltr" ? r.right > innerWidth : r.left < 0);
	for (const spaced of [false, true]) for (const dir of ["ltr", "rtl"]) {
		root.dir = dir;
		root.style.letterSpacing = spaced ? ".12em" : "";
		root.style.wordSpacing = spaced ? ".16em" : "";
		const width = document.scrollingElement.scrollWidth;
		if (width <= innerWidth) continue;
		// What makes it so wide: the innermost elements without which it is not. A
		// list's dot belongs to no element's box, so boxes alone do not tell.
		const guilty = [...document.body.querySelectorAll("*")].filter(e => {
			const before = e.getAttribute("style");
			e.style.setProperty("display", "none", "important");
			const fits = document.scrollingElement.scrollWidth <= innerWidth;
			before === null ? e.removeAttribute("style") : e.setAttribute("style", before);
			return fits;
		});
		const wide = guilty.length ? guilty : [...document.body.querySelectorAll("*")].filter(e => outside(e.getBoundingClientRect(), dir));
		found.push(dir + (spaced ? ", spaced" : "") + ": " + width + " pixels wide: " + wide.slice(-1).map(e => e.outerHTML.slice(0, 200)));
	}
	root.dir = own;
	root.style.letterSpacing = root.style.wordSpacing = "";
	for (const e of document.querySelectorAll("[hidden]")) {
		if (getComputedStyle(e).display !== "none") found.push("hidden, and shown: " + e.outerHTML.slice(0, 200));
	}
	return found;
})()`

// wordy makes one word of every run of text that a directory, a translation, an
// operator's page or a source can bring, longer than the window is wide. Codes
// and numbers are ours, and short.
const wordy = `(() => {
	const text = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = text.nextNode();) {
		if (n.data.trim().length > 3 && !n.parentElement.closest(".pair, .code, .num, textarea, select, style")) n.data = "abcdefghij".repeat(6);
	}
})()`

// narrow: on a small phone, and in a window of 1280 × 1024 at a zoom of 400 %,
// no page scrolls sideways, also when its words are longer than the window is wide.
// In the first language of a direction everything is tried; what another
// changes is the words, so there each page with words of its own is looked at once.
func (g *gallery) narrow(t *testing.T, c *browsertest.Chromium, first bool) {
	type size struct {
		name          string
		width, height int
		dots          float64
		before        string
	}
	scenes, sizes := g.wordings(t), []size{{"phone", 320, 640, 2, "0"}}
	if first {
		scenes, sizes = g.scenes, append(sizes, size{"zoom", 320, 256, 4, "0"}, size{"long words", 320, 640, 2, wordy})
	}
	t.Logf("%d scenes, %d sizes", len(scenes), len(sizes))
	url := hangings(t, scenes)
	tab, err := c.Tab()
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	for _, s := range scenes {
		if err := tab.Go(url + "/" + s.name); err != nil {
			t.Fatal(err)
		}
		for _, l := range sizes {
			if err := tab.Size(l.width, l.height, l.dots); err != nil {
				t.Fatal(err)
			}
			if err := tab.Eval(l.before, nil); err != nil {
				t.Fatal(err)
			}
			var found []string
			if err := tab.Eval(sideways, &found); err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Errorf("%s, %s, %s", s.name, l.name, f)
			}
		}
	}
}

// wordings are the scenes in which some run of text stands that stands in none
// before them; words of codes are in no language.
func (g *gallery) wordings(t *testing.T) (scenes []scene) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range g.scenes {
		doc, err := html.Parse(bytes.NewReader(s.body))
		if err != nil {
			t.Fatal(err)
		}
		fresh := false
		for n := range doc.Descendants() {
			if n.Type == html.TextNode && !seen[n.Data] && n.Parent.Data != "style" && attr(n.Parent, "class") != "pair" && (n.Parent.Parent == nil || attr(n.Parent.Parent, "class") != "code") {
				seen[n.Data], fresh = true, true
			}
		}
		if fresh {
			scenes = append(scenes, s)
		}
	}
	return scenes
}
