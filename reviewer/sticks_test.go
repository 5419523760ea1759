package reviewer

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// All volumes of a stick are imported in one step, in any order; what else lies there is left
// alone, and one bad file keeps no other out.
func TestImportFiles(t *testing.T) {
	w := newWorld(t)
	s := w.server.NewSource()
	one := w.release(4, must(s.Say([16]byte{1}, w.today(), "one", nil, "ombuds"))(t))
	two := w.release(4, must(s.Say([16]byte{2}, w.today(), "two", nil, "ombuds"))(t))
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, "postern", "deeper"), 0o700))
	check(t, os.Symlink("/dev/zero", filepath.Join(dir, "link.batch")))
	for name, data := range map[string][]byte{
		"z.batch": one, "postern/a.batch": two, "postern/broken.batch": two[:len(two)/2], "note.txt": []byte("x"), ".hidden.batch": one, "postern/deeper/c.batch": one,
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	list := must(Volumes(dir))(t)
	var names []string
	for _, p := range list {
		names = append(names, filepath.Base(p))
	}
	if !slices.Equal(names, []string{"a.batch", "broken.batch", "z.batch"}) {
		t.Fatalf("volumes: %q", names)
	}
	for range 2 {
		heard := 0
		done := w.desks["anna"].ImportFiles(list, ImportOptions{}, func(Imported) { heard++ })
		if len(done) != 3 || heard != 3 || done[0].Err != nil || !errors.Is(done[1].Err, ErrVolume) || done[2].Err != nil {
			t.Fatalf("imported %+v", done)
		}
	}
	if c := w.only("anna"); len(c.Messages) != 2 {
		t.Errorf("%d messages", len(c.Messages))
	}
	if _, err := Volumes(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there has volumes")
	}
}

func TestParseBy(t *testing.T) {
	for s, want := range map[string]string{"+30": "2026-12-24", "2026-12-31": "2026-12-31", "+1": "2026-11-25"} {
		if d, err := ParseBy(s, 20781); err != nil || d.String() != want {
			t.Errorf("%q is %v, %v", s, d, err)
		}
	}
	for _, s := range []string{"", "30", "+0", "+3651", "+x", "2026-13-01", "1969-01-01", "tomorrow"} {
		if d, err := ParseBy(s, 20781); err == nil {
			t.Errorf("%q is %v", s, d)
		}
	}
}
