package reviewer

import "strings"

// rowWidth is how many columns a row of others' words takes at most. With what
// stands before it a row fits any terminal of 80 columns, so that no terminal
// wraps it: what it put at the beginning of a line could pass for a line of the desk.
const rowWidth = 70

// tabWidth is what tabs are expanded to.
const tabWidth = 8

// fold cuts a line into rows of at most width columns, after a space where
// there is one in the second half. Tabs become spaces. There is at least one row.
func fold(line string, width int) (rows []string) {
	var row strings.Builder
	used, space, spaceUsed := 0, -1, 0 // columns; place after the last space, and its column
	put := func(r rune, n int) {
		if used+n > width {
			s, rest := row.String(), ""
			restUsed := 0
			if space > 0 && spaceUsed > width/2 {
				s, rest, restUsed = s[:space], s[space:], used-spaceUsed
			}
			rows = append(rows, s)
			row.Reset()
			row.WriteString(rest)
			used, space, spaceUsed = restUsed, -1, 0
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
		put(r, columns(r))
	}
	return append(rows, row.String())
}

// columns is how wide a terminal may show a rune. Too many only folds early, so marks,
// which most terminals set above the letter before, count, and what is not known to be
// narrow counts twice.
func columns(r rune) int {
	switch {
	case r < 0x1100, // the alphabets before Hangul
		r >= 0x1e00 && r < 0x2000,    // more Latin, Greek
		r >= 0x2010 && r <= 0x2027,   // dashes, quotes, …
		r == '⟨', r == '⟩', r == '€': // the brackets are SafeText's
		return 1
	}
	return 2
}
