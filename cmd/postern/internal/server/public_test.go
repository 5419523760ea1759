package server

import (
	"os"
	"path/filepath"
	"testing"

	"postern/cmd/postern/internal/instance"
)

// A page in the directory of another instance, or a missing directory, is no fault
// of the ones that are there; status tells of those that are wrong.
func TestStatusPages(t *testing.T) {
	i := &instance.Instance{Dir: t.TempDir()}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(i.PagesPath(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inspect := func(want ...string) {
		t.Helper()
		r := &Report{}
		inspectPages(i, r)
		wantProblems(t, r, want...)
	}
	inspect()
	if err := os.Mkdir(i.PagesPath(), 0o700); err != nil {
		t.Fatal(err)
	}
	inspect()
	write("a.en.md", "# A")
	write("notes.txt", "not a page")
	inspect()
	write("b.en.md", "no title")
	inspect("one of your own pages is not right: b.en.md: line 1")
	if err := os.Symlink("/etc/hostname", filepath.Join(i.PagesPath(), "c.en.md")); err != nil {
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
	if err := os.Remove(filepath.Join(i.PagesPath(), "c.en.md")); err != nil {
		t.Fatal(err)
	}
	write("b.en.md", "# B")
	if err := s.takePages(i); err != nil || len(s.pages.Load().List("en")) != 2 {
		t.Errorf("good pages were not taken: %v", err)
	}
}
