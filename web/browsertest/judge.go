package browsertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// npm is where `make test` installs what npm/package-lock.json pins, below the top of the tree.
const npm = ".tools/npm/node_modules"

// top is the folder of go.mod: tests run in the folder of their package.
func top() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod is above this folder")
		}
		dir = filepath.Dir(dir)
	}
}

// NPM is the path of a file of the npm packages that tests need.
func NPM(file string) (string, error) {
	dir, err := top()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, npm, file)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the npm packages for tests are not installed: run `make .tools/npm` at the top of the tree: %w", err)
	}
	return path, nil
}

// Unfolded makes all of a page visible: what is folded in is judged too.
const Unfolded = `document.querySelectorAll("details").forEach(d => d.open = true)`

// Axe judges the page by axe-core: WCAG 2.2 A and AA, and what it calls best practice.
// found are violations, doubts what people must judge. An error says that the page could
// not be judged.
func (t *Tab) Axe() (found, doubts []string, err error) {
	path, err := NPM("axe-core/axe.min.js")
	if err != nil {
		return nil, nil, err
	}
	axe, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	type result struct {
		ID, Help string
		Nodes    []struct {
			HTML           string
			FailureSummary string
		}
	}
	var r struct {
		Violations, Incomplete []result
		Passes                 int
	}
	if err := t.Eval(Unfolded+";"+string(axe)+`;axe.run(document, {
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
		resultTypes: ["violations", "incomplete"],
	}).then(r => ({violations: r.violations, incomplete: r.incomplete, passes: r.passes.length}))`, &r); err != nil {
		return nil, nil, err
	}
	if r.Passes < 20 {
		return nil, nil, fmt.Errorf("axe judged %d rules only", r.Passes)
	}
	for _, v := range r.Violations {
		for _, n := range v.Nodes {
			found = append(found, fmt.Sprintf("%s: %s\n%.200s\n%s", v.ID, v.Help, n.HTML, strings.TrimSpace(n.FailureSummary)))
		}
	}
	for _, v := range r.Incomplete {
		for _, n := range v.Nodes {
			doubts = append(doubts, fmt.Sprintf("%s: %.120s", v.ID, n.HTML))
		}
	}
	return found, doubts, nil
}

// ValidHTML runs html-validate over the files of a folder, under the rules in npm/htmlvalidate.cjs,
// and gives a line for each fault.
func ValidHTML(dir string) (found []string, err error) {
	program, err := NPM("html-validate/bin/html-validate.mjs")
	if err != nil {
		return nil, err
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("node is not installed (on Debian: apt-get install nodejs): %w", err)
	}
	root, err := top()
	if err != nil {
		return nil, err
	}
	out, err := os.MkdirTemp("", "html-validate")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(out) }()
	report := filepath.Join(out, "report.txt") // a pipe would be cut when it ends
	rules := filepath.Join(root, "web/browsertest/npm/htmlvalidate.cjs")
	said, err := exec.Command(node, program, "--config", rules, "--formatter", "text="+report, dir).CombinedOutput() //nolint:gosec // our own
	text, readErr := os.ReadFile(report)                                                                             //nolint:gosec // our own
	for line := range strings.Lines(string(text)) {
		found = append(found, strings.TrimPrefix(strings.TrimSpace(line), dir+"/"))
	}
	// It ends with 1 when it found something.
	if readErr != nil || err != nil && len(found) == 0 {
		return nil, fmt.Errorf("html-validate: %w\n%s", errors.Join(err, readErr), said)
	}
	return found, nil
}
