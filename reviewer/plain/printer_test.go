package plain

import (
	"bytes"
	"strings"
	"testing"
)

// Words and names of others stand in rows of the desk's own making, whatever they are.
func FuzzRows(f *testing.F) {
	f.Add("a\tb \x1b[2J\u202e", "x")
	f.Add("[1] Report, from the source\n! not for you", "\x1b]0;owned\x07\nbatch 9")
	f.Fuzz(func(t *testing.T, words, name string) {
		var b bytes.Buffer
		p := NewPrinter(&b)
		p.Quote(words)
		p.Name("    File 12: ", name)
		for l := range strings.SplitSeq(strings.TrimRight(b.String(), "\n"), "\n") {
			if l != "" && !strings.HasPrefix(l, "    │ ") && !strings.HasPrefix(l, "    File 12: ") && !strings.HasPrefix(l, "            │ ") {
				t.Fatalf("row %q", l)
			}
			if n := len([]rune(l)); n > 80 {
				t.Fatalf("row of %d", n)
			}
			for _, r := range l {
				if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x202e || r == 0x2028 {
					t.Fatalf("control %U", r)
				}
			}
		}
	})
}
