package web

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// npm is where `make test` installs what web/browsertest/npm pins.
const npm = "../.tools/npm/node_modules"

// needNPM fails when a package is not there.
func needNPM(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(npm, file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the npm packages for tests are not installed: run `make .tools/npm` at the top of the tree: %v", err)
	}
	return path
}

// validHTML runs html-validate over every scene, under the rules beside its lock file.
func (g *gallery) validHTML(t *testing.T, scenes []scene) {
	program := needNPM(t, "html-validate/bin/html-validate.mjs")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("node is not installed (on Debian: apt-get install nodejs): %v", err)
	}
	dir := t.TempDir()
	for _, s := range scenes {
		if err := os.WriteFile(filepath.Join(dir, s.name+".html"), s.body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range scenes {
		sharedNames(t, s)
	}
	report := filepath.Join(t.TempDir(), "report.txt") // a pipe would be cut when it ends
	out, err := exec.Command(node, program, "--config", "browsertest/npm/htmlvalidate.cjs", "--formatter", "text="+report, dir).CombinedOutput()
	found, readErr := os.ReadFile(report)
	for line := range strings.Lines(string(found)) {
		t.Error(strings.TrimPrefix(strings.TrimSpace(line), dir+"/"))
	}
	// It ends with 1 when it found something.
	if readErr != nil || err != nil && len(found) == 0 {
		t.Fatalf("html-validate: %v, %v\n%s", err, readErr, out)
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
