package instance

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
	skeletons, err := filepath.Glob("../../pages/*.md")
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
	if faults := PageFaults(err); len(faults) != len(skeletons) || len(p.List("en")) != 0 {
		t.Errorf("of %d skeletons, %d are refused and %d shown", len(skeletons), len(faults), len(p.List("en")))
	}
	for _, f := range PageFaults(err) {
		if !strings.Contains(f, "a blank is not filled in") {
			t.Error(f)
		}
	}
	p, err = web.LoadPages(filled)
	if err != nil || len(p.List("en")) != len(skeletons) {
		t.Errorf("filled in, %d of %d are shown: %v", len(p.List("en")), len(skeletons), err)
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
