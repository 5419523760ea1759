package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"postern/web"
)

// The skeletons that operators begin with: nobody can publish one by mistake,
// and with its blanks filled in each is a good page.
func TestSkeletonPages(t *testing.T) {
	skeletons, err := filepath.Glob("pages/*.md")
	if err != nil || len(skeletons) < 6 {
		t.Fatalf("%d skeletons, %v", len(skeletons), err)
	}
	blank := regexp.MustCompile(`\[\[[^\[\]]+\]\]`)
	empty, filled := fstest.MapFS{}, fstest.MapFS{}
	for _, path := range skeletons {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		empty[name] = &fstest.MapFile{Data: text}
		filled[name] = &fstest.MapFile{Data: blank.ReplaceAll(text, []byte("filled in"))}
	}
	p, err := web.LoadPages(empty)
	if faults := pageFaults(err); len(faults) != len(skeletons) || len(p.List("en")) != 0 {
		t.Errorf("of %d skeletons, %d are refused and %d shown", len(skeletons), len(faults), len(p.List("en")))
	}
	for _, f := range pageFaults(err) {
		if !strings.Contains(f, "a blank is not filled in") {
			t.Error(f)
		}
	}
	p, err = web.LoadPages(filled)
	if err != nil || len(p.List("en")) != len(skeletons) {
		t.Errorf("filled in, %d of %d are shown: %v", len(p.List("en")), len(skeletons), err)
	}
}

// A page in the directory of another instance, or a missing directory, is no fault
// of the ones that are there; status tells of those that are wrong.
func TestStatusPages(t *testing.T) {
	i := &instance{dir: t.TempDir()}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(i.pagesPath(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inspect := func(want ...string) {
		t.Helper()
		r := &report{}
		i.inspectPages(r)
		wantProblems(t, r, want...)
	}
	inspect()
	if err := os.Mkdir(i.pagesPath(), 0o700); err != nil {
		t.Fatal(err)
	}
	inspect()
	write("a.en.md", "# A")
	write("notes.txt", "not a page")
	inspect()
	write("b.en.md", "no title")
	inspect("one of your own pages is not right: b.en.md: line 1")
	if err := os.Symlink("/etc/hostname", filepath.Join(i.pagesPath(), "c.en.md")); err != nil {
		t.Fatal(err)
	}
	inspect("2 of your own pages are not right, the first: b.en.md")

	var s shown
	s.takeAll(i, nil, func(string, ...any) {})
	if l := s.pages.Load().List("en"); len(l) != 1 || l[0].Path != "/about/a" {
		t.Errorf("of one good page, %+v are shown", l)
	}
	write("a.en.md", "# Changed")
	if err := s.takePages(i); err == nil || s.pages.Load().List("en")[0].Title != "A" {
		t.Errorf("pages with a fault were taken: %v", err)
	}
	if err := os.Remove(filepath.Join(i.pagesPath(), "c.en.md")); err != nil {
		t.Fatal(err)
	}
	write("b.en.md", "# B")
	if err := s.takePages(i); err != nil || len(s.pages.Load().List("en")) != 2 {
		t.Errorf("good pages were not taken: %v", err)
	}
}

// What a backup holds of the pages is what LoadPages can take, and restore takes it back.
func TestPagesAreBackedUp(t *testing.T) {
	for name, want := range map[string]bool{
		"pages/10-mandate.en.md": true, "pages/x.pt-BR.md": true, "pages/x.md": false, "pages/x.en.md~": false,
		"pages/.x.en.md": false, "pages/a/x.en.md": false, "pages/../x.en.md": false, "pages/x.en.txt": false,
	} {
		if got := backedUp.MatchString(name); got != want || got && !fs.ValidPath(name) {
			t.Errorf("%s is in a backup: %v", name, got)
		}
	}
}
