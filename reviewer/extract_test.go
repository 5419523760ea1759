package reviewer

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/intake/form"
	"postern/reviewer/reviewertest"
)

// The words of a message come out in their own bytes, for whom no row of show can be copied: for
// the owner alone, never over another file, and among the hashes.
func TestExtractWords(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	message := "-----BEGIN PGP MESSAGE-----\n\n" + strings.Repeat("jA0ECQMCV0r3m5pWk9X/", 12) + "\n=abcd\n-----END PGP MESSAGE-----"
	hostile := "\x1b[2J\u202ea\u200b\u200e\ttext1.txt"
	w.imports("anna", w.release(0,
		must(src.Say(reviewertest.NewForm(), w.today(), message, nil, "ombuds"))(t),
		must(src.Say(reviewertest.NewForm(), w.today(), "", form.Answers{{ID: form.QSince, Values: []string{"retaliation"}}}, "ombuds"))(t),
		must(src.Say(reviewertest.NewForm(), w.today(), hostile, nil, "ombuds"))(t)))
	v, c := w.desks["anna"], w.only("anna")

	dir := filepath.Join(t.TempDir(), "dossier")
	all := must(v.ExtractCase(c, dir))(t)
	if len(all) != 4 {
		t.Errorf("%d files, want case.txt, two texts and the hashes", len(all))
	}
	sums := must(os.ReadFile(filepath.Join(dir, "SHA256SUMS")))(t)
	single := t.TempDir()
	for no, words := range map[int]string{1: message, 3: hostile} {
		x := must(v.ExtractText(c, no, single))(t)
		name := filepath.Base(x.Path)
		for _, path := range []string{x.Path, filepath.Join(dir, name)} {
			if got := must(os.ReadFile(path))(t); string(got) != words {
				t.Errorf("message %d: %q", no, got)
			}
			if m := must(os.Stat(path))(t).Mode(); m != 0o600 {
				t.Errorf("%s is open to others: %v", name, m)
			}
		}
		if !bytes.Contains(sums, []byte("  "+name+"\n")) {
			t.Errorf("SHA256SUMS does not name %s", name)
		}
		if again := must(v.ExtractText(c, no, single))(t); again.Path == x.Path {
			t.Error("the second extraction overwrote the first")
		}
	}
	for _, no := range []int{0, 2, 4} {
		if x, err := v.ExtractText(c, no, single); err == nil {
			t.Errorf("message %d, which has no words or is none: %v", no, x)
		}
	}
}
