package web

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/net/html"

	"postern/web/browsertest"
)

// validHTML runs html-validate over every scene, under the rules beside its lock file.
func (g *gallery) validHTML(t *testing.T, scenes []scene) {
	dir := t.TempDir()
	for _, s := range scenes {
		if err := os.WriteFile(filepath.Join(dir, s.name+".html"), s.body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range scenes {
		sharedNames(t, s)
	}
	found, err := browsertest.ValidHTML(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range found {
		t.Error(line)
	}
}

// sharedNames: within a form only ticks share a name, whether they are boxes or
// hidden fields that stand for boxes of the page before.
func sharedNames(t *testing.T, s scene) {
	doc, err := html.Parse(bytes.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range find(doc, "form") {
		seen := map[string]string{}
		each(f, func(n *html.Node) {
			name, kind := attr(n, "name"), n.Data+attr(n, "type")
			if name == "" {
				return
			}
			before, twice := seen[name]
			if seen[name] = kind; twice && (kind != before || kind != "inputcheckbox" && kind != "inputhidden") {
				t.Errorf("%s.html: form %s has two fields %q", s.name, attr(f, "action"), name)
			}
		})
	}
}
