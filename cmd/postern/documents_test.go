package main_test

import (
	"bytes"
	"fmt"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// decisions are the numbers that SECURITY.md describes.
func decisions(t *testing.T) map[string]bool {
	all := map[string]bool{}
	for _, m := range described.FindAllStringSubmatch(read(t, "SECURITY.md"), -1) {
		if all[m[1]] {
			t.Errorf("SECURITY.md describes %s twice", m[1])
		}
		all[m[1]] = true
	}
	if len(all) < 30 {
		t.Errorf("SECURITY.md describes only %d decisions", len(all))
	}
	return all
}

// files calls f with every file of the project whose name ends so; path is relative to its root.
func files(t *testing.T, f func(path, text string), endings ...string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !slices.Contains(endings, filepath.Ext(path)) {
			return nil
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		f(rel, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(path string) bool {
	_, err := os.Stat(filepath.Join(root, path))
	return err == nil
}

var (
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	testName  = regexp.MustCompile(`^(?:Test|Fuzz)[A-Z]\w*$`)
	quoted    = regexp.MustCompile("`([^`]+)`")
	described = regexp.MustCompile(`(?m)^\*\*(S-[0-9]+)\. `)
	cited     = regexp.MustCompile(`\bS-([0-9]+)\b`)
	link      = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	ourPath   = regexp.MustCompile(`^(?:cmd|crypto|intake|reviewer|store|web|\.ci|\.golangci)[\w./-]*$`)
)

// testsOf gives the names of all tests and fuzz targets.
func testsOf(t *testing.T) map[string]bool {
	tests := map[string]bool{}
	files(t, func(path, text string) {
		for _, m := range testFunc.FindAllStringSubmatch(text, -1) {
			tests[m[1]] = true
		}
	}, ".go")
	return tests
}

// guarantees gives the rows of the table "guarantee → decision → file → test".
func guarantees(text string) [][]string {
	var rows [][]string
	_, text, _ = strings.Cut(text, "## What holds each guarantee")
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.SplitSeq(text, "\n") {
		if cells := strings.Split(line, "|"); len(cells) == 6 && strings.HasPrefix(strings.TrimSpace(cells[1]), "G") {
			rows = append(rows, cells[1:5])
		}
	}
	return rows
}

// holes gives one line for everything a row claims that is not there.
func holes(row []string, tests map[string]bool) []string {
	var found []string
	named := 0
	for _, m := range quoted.FindAllStringSubmatch(row[2], -1) {
		if !exists(m[1]) {
			found = append(found, fmt.Sprintf("%q is no file", m[1]))
		}
	}
	for _, m := range quoted.FindAllStringSubmatch(row[3], -1) {
		switch {
		case testName.MatchString(m[1]) && tests[m[1]], !testName.MatchString(m[1]) && exists(m[1]):
			named++
		default:
			found = append(found, fmt.Sprintf("%q is no test", m[1]))
		}
	}
	if named == 0 {
		found = append(found, "no test fails without it")
	}
	return found
}

// A guarantee that no test would miss is a wish.
func TestGuaranteesHaveTests(t *testing.T) {
	tests, held := testsOf(t), map[string]bool{}
	for _, row := range guarantees(read(t, "SECURITY.md")) {
		for _, hole := range holes(row, tests) {
			t.Errorf("SECURITY.md, %s / %s: %s", strings.TrimSpace(row[0]), strings.TrimSpace(row[1]), hole)
		}
		for _, m := range cited.FindAllString(row[1], -1) {
			held[m] = true
		}
	}
	for s := range decisions(t) {
		if !held[s] {
			t.Errorf("no row of SECURITY.md's table holds %s", s)
		}
	}
	if got := holes([]string{"G0", "S-0", "`no/such.go`", "`TestNoSuchThing`"}, tests); len(got) != 3 {
		t.Errorf("a row of inventions passes: %q", got)
	}
}

// Every decision is described once and cited where it is kept; nobody cites one that is not there.
func TestDecisionsAreCited(t *testing.T) {
	known, inCode := decisions(t), map[string]bool{}
	note := func(path, text string) {
		for _, m := range cited.FindAllStringSubmatch(text, -1) {
			inCode[m[0]] = true
			if !known[m[0]] {
				t.Errorf("%s cites %s, which SECURITY.md does not know", path, m[0])
			}
		}
	}
	files(t, func(path, text string) {
		if !strings.HasSuffix(path, "_test.go") {
			note(path, text)
		}
	}, ".go", ".service")
	note(".golangci.yml", read(t, ".golangci.yml"))
	for s := range known {
		if !inCode[s] {
			t.Errorf("nothing in the code cites %s", s)
		}
	}
}

// What the documents point at is there.
func TestDocumentsPointAtThings(t *testing.T) {
	files(t, func(path, text string) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(m[1], ":") && !exists(filepath.Join(filepath.Dir(path), m[1])) {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			}
		}
		if filepath.Dir(path) != "." {
			return
		}
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			if ourPath.MatchString(m[1]) && strings.ContainsAny(m[1], "/.") && !strings.Contains(m[1], "...") && !exists(m[1]) {
				t.Errorf("%s names %s, which is not there", path, m[1])
			}
		}
	}, ".md")
}

var picture = regexp.MustCompile(`!\[([^\]]*)\]\(([^)\s]+)\)`)

// The pictures of documents are there and small, and words say what they show; none lies about that no document shows.
func TestPictures(t *testing.T) {
	shown := map[string]bool{}
	files(t, func(path, text string) {
		for _, m := range picture.FindAllStringSubmatch(text, -1) {
			file := filepath.Join(root, filepath.Dir(path), m[2])
			shown[file] = true
			if len(m[1]) < 40 {
				t.Errorf("%s shows %s and does not say in words what it shows", path, m[2])
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if p, err := png.Decode(bytes.NewReader(b)); err != nil || p.Bounds().Dx() < 600 || len(b) > 150_000 {
				t.Errorf("%s is no picture for a document: %d bytes, %v", file, len(b), err)
			}
		}
	}, ".md")
	var kept []string
	for _, dir := range []string{"cmd/postern-desk", "web"} {
		list, err := filepath.Glob(filepath.Join(root, dir, "pictures", "*"))
		if err != nil || len(list) == 0 {
			t.Errorf("%s has no pictures: %v", dir, err)
		}
		kept = append(kept, list...)
	}
	for _, file := range kept {
		if !shown[file] {
			t.Errorf("no document shows %s", file)
		}
	}
}
