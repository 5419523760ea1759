package plain

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Property: folding loses and adds nothing, and keeps to its width.
func TestFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOf(rapid.RuneFrom([]rune("ab  .é漢⟨\u0301\U0001f600\u200dမျ"))).Draw(t, "line")
		width := rapid.IntRange(8, 80).Draw(t, "width")
		rows := Fold(line, width)
		if strings.Join(rows, "") != line {
			t.Fatalf("%q became %q", line, rows)
		}
		for _, row := range rows {
			n := 0
			for _, r := range row {
				n += Columns(r)
			}
			if n > width {
				t.Fatalf("a row of %d columns", n)
			}
		}
	})
	if rows := Fold("a\tb", 20); len(rows) != 1 || rows[0] != "a       b" {
		t.Errorf("a tab became %q", rows)
	}
	for _, word := range []string{"မျှော်", "e\u0323\u0302", "👮🏿\u200d♀\ufe0f", "ශ්\u200dරී", flags[0]} {
		for pad := range 30 {
			for _, row := range Fold(strings.Repeat("x", pad)+strings.Repeat(word, 9), 30) {
				if row = strings.TrimLeft(row, "x"); strings.ReplaceAll(row, word, "") != "" {
					t.Errorf("%q is cut: %q", word, row)
				}
			}
		}
	}
}
