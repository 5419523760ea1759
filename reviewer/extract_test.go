package reviewer

import (
	"bytes"
	"fmt"
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
	must(v.Dossier(c, dir, "en"))(t)
	sums := must(os.ReadFile(filepath.Join(dir, "SHA256SUMS")))(t)
	single := t.TempDir()
	for no, words := range map[int]string{1: message, 3: hostile} {
		x := must(v.ExtractText(c, no, single))(t)
		name := filepath.Base(x.Path)
		inDossier := fmt.Sprintf("words/message%d.txt", no)
		for _, path := range []string{x.Path, filepath.Join(dir, inDossier)} {
			if got := must(os.ReadFile(path))(t); string(got) != words {
				t.Errorf("message %d: %q", no, got)
			}
			if m := must(os.Stat(path))(t).Mode(); m != 0o600 {
				t.Errorf("%s is open to others: %v", name, m)
			}
		}
		if !bytes.Contains(sums, []byte("  "+inDossier+"\n")) {
			t.Errorf("SHA256SUMS does not name %s", inDossier)
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
