package web

import (
	"testing"

	"postern/web/browsertest"
)

// sideways asks of a page, read from the left and from the right, what stands
// outside the width of the window, which may scroll downwards only; and whether
// what is hidden is.
const sideways = `(() => {
	` + unfolded + `;
	const found = [], root = document.documentElement, own = root.dir;
	for (const dir of ["ltr", "rtl"]) {
		root.dir = dir;
		if (document.scrollingElement.scrollWidth <= innerWidth) continue;
		const wide = [...document.body.querySelectorAll("*")].filter(e => {
			const r = e.getBoundingClientRect();
			return r.width > 0 && (dir === "ltr" ? r.right > innerWidth : r.left < 0);
		});
		found.push(dir + ": " + document.scrollingElement.scrollWidth + " pixels wide: " + wide.slice(-1).map(e => e.outerHTML.slice(0, 200)));
	}
	root.dir = own;
	for (const e of document.querySelectorAll("[hidden]")) {
		if (getComputedStyle(e).display !== "none") found.push("hidden, and shown: " + e.outerHTML.slice(0, 200));
	}
	return found;
})()`

// narrow: on a small phone, and in a window of 1280 × 1024 at a zoom of 400 %,
// no page scrolls sideways.
func (g *gallery) narrow(t *testing.T, c *browsertest.Chromium, scenes []scene) {
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
		for _, l := range []struct {
			name          string
			width, height int
			dots          float64
		}{{"phone", 320, 640, 2}, {"zoom", 320, 256, 4}} {
			if err := tab.Size(l.width, l.height, l.dots); err != nil {
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
