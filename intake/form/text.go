package form

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// breaks are what begins a new line, besides \n (Unicode Standard Annex 14 and
// section 5.8): text from word processors, mainframes and PDF readers has them all.
var breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// Clean makes typed text canonical: valid UTF-8, one kind of line break (\n),
// no control characters but line break and tab, no blanks at either end.
// Limits are measured on its result.
func Clean(s string) string {
	s = breaks.Replace(strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// IsClean says whether Clean would change nothing.
func IsClean(s string) bool { return utf8.ValidString(s) && Clean(s) == s }
