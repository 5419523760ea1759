package reviewer

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

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
	ours := regexp.MustCompile(`^($|Case |First message |The source chose: |Reply places |\[[12]\] (Report|File), from the source|    (│ |Read by: |File 1: a)|    sha256 |            (│ |1 bytes, ))`)
	for l := range strings.SplitSeq(b.String(), "\n") {
		n := 0
		for _, r := range l {
			n += columns(r)
		}
		if n > 80 || !ours.MatchString(l) || strings.Contains(l, "\t") {
			t.Errorf("%d columns: %q", n, l)
		}
	}
	if n := strings.Count(strings.Join(strings.Fields(b.String()), " "), ".exe"); n != 1 {
		t.Errorf("the end of a long name is shown %d times", n)
	}
}

// Property: folding loses and adds nothing, and keeps to its width.
func TestFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOf(rapid.RuneFrom([]rune("ab  .é漢⟨\u0301\U0001f600\u200dမျ"))).Draw(t, "line")
		width := rapid.IntRange(8, 80).Draw(t, "width")
		rows := fold(line, width)
		if strings.Join(rows, "") != line {
			t.Fatalf("%q became %q", line, rows)
		}
		for _, row := range rows {
			n := 0
			for _, r := range row {
				n += columns(r)
			}
			if n > width {
				t.Fatalf("a row of %d columns", n)
			}
		}
	})
	if rows := fold("a\tb", 20); len(rows) != 1 || rows[0] != "a       b" {
		t.Errorf("a tab became %q", rows)
	}
	for _, word := range []string{"မျှော်", "e\u0323\u0302", "👮🏿\u200d♀\ufe0f", "ශ්\u200dරී", flags[0]} {
		for pad := range 30 {
			for _, row := range fold(strings.Repeat("x", pad)+strings.Repeat(word, 9), 30) {
				if row = strings.TrimLeft(row, "x"); strings.ReplaceAll(row, word, "") != "" {
					t.Errorf("%q is cut: %q", word, row)
				}
			}
		}
	}
}
