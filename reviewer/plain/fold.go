package plain

import (
	"strings"
	"unicode"
)

// RowWidth is how many columns a row of others' words takes at most. With what
// stands before it a row fits any terminal of 80 columns, so that no terminal
// wraps it: what it put at the beginning of a line could pass for a line of the desk.
const RowWidth = 70

// tabWidth is what tabs are expanded to.
const tabWidth = 8

// Fold cuts a line into rows of at most width columns, after a space where
// there is one in the second half, and not between a letter and its marks, nor inside an
// emoji. Tabs become spaces. There is at least one row.
func Fold(line string, width int) (rows []string) {
	var row strings.Builder
	used := 0                  // columns
	space, spaceUsed := 0, 0   // place after the last space, and its column
	letter, letterUsed := 0, 0 // place where the last letter, with all that belongs to it, begins
	before := rune(0)
	put := func(r rune, n int) {
		if !belongs(before, r) {
			letter, letterUsed = row.Len(), used
		}
		before = r
		if used+n > width {
			cut, cutUsed := row.Len(), used
			switch {
			case spaceUsed > width/2:
				cut, cutUsed = space, spaceUsed
			case letterUsed > width/2:
				cut, cutUsed = letter, letterUsed
			}
			s := row.String()
			rows = append(rows, s[:cut])
			row.Reset()
			row.WriteString(s[cut:])
			used -= cutUsed
			space, spaceUsed, letter, letterUsed = 0, 0, 0, 0
		}
		row.WriteRune(r)
		used += n
		if r == ' ' {
			space, spaceUsed = row.Len(), used
		}
	}
	for _, r := range line {
		if r == '\t' {
			for range tabWidth - used%tabWidth {
				put(' ', 1)
			}
			continue
		}
		put(r, Columns(r))
	}
	return append(rows, row.String())
}

// belongs says whether a rune is shown as one with the rune before.
func belongs(before, r rune) bool {
	return unicode.Is(unicode.M, r) || unicode.Is(unicode.Sk, r) && r > 0xffff || r == zwj || r == zwnj || before == zwj || r >= 0xe0020 && r <= 0xe007f
}

// Columns is how wide a terminal may show a rune. Too many only folds early, so marks,
// which most terminals set above the letter before, count, and what is not known to be
// narrow counts twice.
func Columns(r rune) int {
	switch {
	case r < 0x1100, // the alphabets before Hangul
		r >= 0x1e00 && r < 0x2000,    // more Latin, Greek
		r >= 0x2010 && r <= 0x2027,   // dashes, quotes, …
		r == '⟨', r == '⟩', r == '€': // the brackets are SafeText's
		return 1
	}
	return 2
}
