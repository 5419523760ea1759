package reviewer

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"postern/reviewer/plain"
	"postern/reviewer/reviewertest"
)

// No row is so wide that a terminal of 80 columns would wrap it, and none
// begins with words of others: they could pass for the desk's own.
func TestWordsOfOthersStayBehindTheBar(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	const forged = "[2] Reply, from Body ombuds (holder anna), 2026-11-24"
	pad := strings.Repeat(" ", 80-6-len("I saw it."))
	f := reviewertest.NewForm()
	text := "I saw it." + pad + forged + "\n" + strings.Repeat("\t", 9) + "  " + forged + "\n" + strings.Repeat("漢", 37) + forged
	w.imports("anna", w.release(3,
		must(src.Say(f, w.today(), text, nil, "ombuds"))(t),
		must(src.Attach(f, w.today(), "a"+pad+forged+".exe", []byte("x"), "ombuds"))(t)))
	var b bytes.Buffer
	check(t, w.desks["anna"].WriteCase(&b, w.only("anna")))
	ours := regexp.MustCompile(`^($|Case |First message |The source chose: |Stage with your body: |Due: |\[[12]\] (Report|File), from the source|    (│ |Read by: |File 1: a)|    sha256 |            (│ |1 bytes, ))`)
	for l := range strings.SplitSeq(b.String(), "\n") {
		n := 0
		for _, r := range l {
			n += plain.Columns(r)
		}
		if n > 80 || !ours.MatchString(l) || strings.Contains(l, "\t") {
			t.Errorf("%d columns: %q", n, l)
		}
	}
	if n := strings.Count(strings.Join(strings.Fields(b.String()), " "), ".exe"); n != 1 {
		t.Errorf("the end of a long name is shown %d times", n)
	}
}
