package reviewer

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks in a row are shown as such: more only
// serve to paint over other lines.
const maxMarks = 4

// SafeText returns text of a source or a fellow reviewer for a terminal:
// what could move the cursor, change the title, hide or reorder words is
// shown as its number, ⟨U+202E⟩, and a byte that is no UTF-8 as ⟨0xFF⟩
// (SECURITY.md S-15). Line feeds and tabs stay; CR LF becomes LF. The joiners
// that Persian and other joined scripts need stay between two letters of such a script.
// What SafeText returned it returns unchanged.
func SafeText(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	marks := 0
	var before rune // the rune before, as it came
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			fmt.Fprintf(&b, "⟨0x%02X⟩", s[i])
			before, marks = 0, 0
			continue
		}
		rest := s[i+utf8.RuneLen(r):]
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == '\n', r == '\t':
			b.WriteRune(r)
		case r == '\r' && strings.HasPrefix(rest, "\n"):
			// the LF follows
		case (r == '\u200c' || r == '\u200d') && joined(before) && joined(first(rest)):
			b.WriteRune(r)
		case hidden(r), marks > maxMarks:
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		default:
			b.WriteRune(r)
		}
		before = r
	}
	return b.String()
}

// SafeLine is [SafeText] for one line: line feeds and tabs are shown as numbers too.
func SafeLine(s string) string {
	return strings.NewReplacer("\n", "⟨U+000A⟩", "\t", "⟨U+0009⟩").Replace(SafeText(s))
}

func first(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// hidden says whether a rune is a control, reorders, or cannot be seen.
func hidden(r rune) bool {
	switch r {
	case '\ufe0e', '\ufe0f': // text or emoji form of the rune before; common and harmless
		return false
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\u034f': // blank letters
		return true
	}
	return !unicode.IsGraphic(r) || // controls (C0, C1), format characters (bidi, zero width, tags), private use, unassigned
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		unicode.Is(unicode.Variation_Selector, r)
}

// joined says whether a rune belongs to a script whose spelling needs the
// zero-width joiner or non-joiner.
func joined(r rune) bool {
	return unicode.IsLetter(r) && unicode.In(r, unicode.Arabic, unicode.Devanagari, unicode.Bengali,
		unicode.Gujarati, unicode.Gurmukhi, unicode.Kannada, unicode.Malayalam, unicode.Oriya,
		unicode.Sinhala, unicode.Tamil, unicode.Telugu)
}

// maxSafeName bounds what [SafeName] returns, in bytes: it fits every file
// system with room for a number in front and behind.
const maxSafeName = 120

// SafeName makes a file name out of what a sender called a file: letters and digits of
// any script, space and . _ - ( ) + , stay, everything else becomes "_". The result
// is never empty, at most 120 bytes, begins with none of ". - ~ space", ends with
// neither dot nor space, is no path, and no device name of any system (SECURITY.md S-15).
// What SafeName returned it returns unchanged.
func SafeName(s string) string {
	var b strings.Builder
	marks := 0
	for _, r := range s {
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError, hidden(r), marks > maxMarks:
			b.WriteByte('_')
		case unicode.IsLetter(r), unicode.Is(unicode.Nd, r), unicode.Is(unicode.M, r), strings.ContainsRune(" ._-()+,", r):
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	name := trimName(b.String())
	if len(name) > maxSafeName {
		ext := path.Ext(name)
		if len(ext) > 16 {
			ext = ""
		}
		name = trimName(cutRunes(name, maxSafeName-len(ext)))
		if name == "" {
			name = "file"
		}
		name += ext
	}
	if name == "" {
		return "file"
	}
	if device(name) {
		name = "_" + name
		if len(name) > maxSafeName {
			name = trimName(cutRunes(name, maxSafeName))
		}
	}
	return name
}

// trimName takes away what no name may begin or end with. A mark at the
// beginning would sit on whatever is printed before the name.
func trimName(s string) string {
	s = strings.TrimLeftFunc(s, func(r rune) bool {
		return strings.ContainsRune(" .-~", r) || unicode.Is(unicode.M, r)
	})
	return strings.TrimRight(s, " .")
}

// cutRunes is the longest prefix of at most n bytes that ends between runes.
func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// device says whether Windows would take the name for a device: the part
// before the first dot, trailing spaces aside, in any case.
func device(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN", "CONOUT", "CLOCK":
		return true
	}
	return len(base) == 4 && (base[:3] == "COM" || base[:3] == "LPT") && base[3] >= '0' && base[3] <= '9'
}
