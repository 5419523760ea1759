package form

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes typed text canonical: valid UTF-8, one kind of line break (\n),
// no control characters but line break and tab, no blanks at either end.
// Limits are measured on its result.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case unicode.IsControl(r) && r != '\n' && r != '\t':
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// IsClean says whether Clean would change nothing.
func IsClean(s string) bool { return utf8.ValidString(s) && Clean(s) == s }
