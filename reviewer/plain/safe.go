package plain

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// SafeText returns text of a source or a fellow reviewer for a terminal (SECURITY.md S-15).
//
// What draws something stays as it was written, and so does what shapes the letters
// beside it: the joiners of Persian, Arabic and the scripts of India, marks, sequences of
// emoji. Every kind of line break becomes a line feed. What is never seen is left out (marks
// of direction, soft hyphens, places where a word may break, byte order marks): with them
// nothing reorders, and every terminal shows the rest alike. What acts, reorders, hides or lies is
// shown as its number, ⟨U+202E⟩, and a byte that is no UTF-8 as ⟨0xFF⟩: controls,
// overrides of direction, blank letters, tags, unassigned characters, heaps of marks, and
// long rows of what is never seen, since somebody hid something there.
// What SafeText returned it returns unchanged.
func SafeText(s string) string { return screened(s, false, numbered) }

// SafeLine is [SafeText] for one line: line breaks and tabs are shown as numbers too.
func SafeLine(s string) string { return screened(s, true, numbered) }

// numbered is what SafeText shows of a character or byte that is not shown as such.
func numbered(r rune, isByte bool) string {
	if isByte {
		return fmt.Sprintf("⟨0x%02X⟩", r)
	}
	return fmt.Sprintf("⟨U+%04X⟩", r)
}

const (
	// maxMarks is how many combining marks on one letter are shown as such: more only serve
	// to paint over other lines. Burmese, Tibetan, Hebrew and others need more: marks
	// of such a script of its own, each once, go up to maxScriptMarks.
	maxMarks, maxScriptMarks = 4, 10
	// maxUnseen is how many characters in a row that nobody sees are left out without a word.
	maxUnseen = 8
)

const (
	zwnj, zwj = '\u200c', '\u200d'
	zws, bom  = '\u200b', '\ufeff'
	rlm, alm  = '\u200f', '\u061c'
	mvs       = '\u180e' // Mongolian vowel separator
)

// screen is text of others on its way to be shown.
type screen struct {
	out    strings.Builder
	number func(r rune, isByte bool) string

	last   rune   // written last, as it came; 0 when something that is not seen came after it
	marks  []rune // since the last letter
	unseen []rune // left out since last, unless they grow too many
	rtl    bool   // the text has letters that run from right to left
	turned bool   // a number stands for what opens another direction in this line
}

func screened(s string, oneLine bool, number func(rune, bool) string) string {
	p := &screen{number: number, rtl: strings.ContainsFunc(s, runsLeft)}
	p.out.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		rest := s[i+n:]
		next, _ := utf8.DecodeRuneInString(rest)
		switch flag := flagOf(s[i:]); {
		case r == utf8.RuneError && n == 1:
			p.numberFor(rune(s[i]), true)
		case oneLine && (lineBreak(r) || r == '\t'):
			p.numberFor(r, false)
		case r == '\r' && next == '\n':
			// the LF follows
		case lineBreak(r):
			p.write('\n')
			p.turned = false
		case r == '\t':
			p.write(r)
		case flag != "":
			p.write(r)
			p.out.WriteString(flag[n:])
			n = len(flag)
		default:
			p.rune(r, next)
		}
		i += n
	}
	p.flush()
	return p.out.String()
}

// rune takes one character that is no line break.
func (p *screen) rune(r, next rune) {
	switch {
	case p.shapes(r, next):
		p.flush()
		p.out.WriteRune(r)
		p.last = r
	case unicode.Is(unicode.Bidi_Control, r) && p.turns(r):
		p.numberFor(r, false)
	case neverSeen(r):
		p.unseen = append(p.unseen, r)
		p.last = 0
	case unicode.Is(unicode.M, r) && !hidden(r):
		p.mark(r)
	case hidden(r):
		p.numberFor(r, false)
	default:
		p.write(r)
	}
}

// write writes a character that begins something new.
func (p *screen) write(r rune) {
	p.flush()
	p.out.WriteRune(r)
	p.last, p.marks = r, p.marks[:0]
}

func (p *screen) mark(r rune) {
	p.flush()
	if n := len(p.marks); n >= maxScriptMarks ||
		n >= maxMarks && (unicode.In(r, unicode.Inherited, unicode.Common) || slices.Contains(p.marks, r)) {
		p.out.WriteString(p.number(r, false))
		p.last = 0
		return
	}
	p.out.WriteRune(r)
	p.last, p.marks = r, append(p.marks, r)
}

func (p *screen) numberFor(r rune, isByte bool) {
	p.flush()
	p.out.WriteString(p.number(r, isByte))
	p.last, p.marks = 0, p.marks[:0]
}

// flush decides about the characters that were left out.
func (p *screen) flush() {
	if len(p.unseen) > maxUnseen {
		for _, r := range p.unseen {
			p.out.WriteString(p.number(r, false))
		}
		p.marks = p.marks[:0]
	}
	p.unseen = p.unseen[:0]
}

// shapes says whether a character that draws nothing itself decides how its neighbours look.
func (p *screen) shapes(r, next rune) bool {
	switch {
	case r == zwnj, r == zwj && !pictograph(next):
		return joined(p.last) || unicode.IsLetter(next) && joined(next)
	case r == zwj:
		return joined(p.last) || pictograph(p.last) || p.last == '\ufe0f'
	case r == '\u2800': // the blank of Braille
		return unicode.Is(unicode.Braille, p.last) || unicode.Is(unicode.Braille, next) && next != r
	case unicode.Is(unicode.Mongolian, r) && neverSeen(r):
		return unicode.Is(unicode.Mongolian, p.last) && (unicode.IsLetter(p.last) || r == mvs && p.last != mvs)
	case r >= '\ufe00' && r <= '\ufe0f':
		return unicode.In(p.last, unicode.L, unicode.N, unicode.P, unicode.S)
	case r >= '\U000e0100' && r <= '\U000e01ef':
		return unicode.Is(unicode.Han, p.last)
	}
	return false
}

// turns says whether a mark of direction is shown: overrides always; what turns to the left
// where no letter of the text runs there; and what ends one that was shown.
func (p *screen) turns(r rune) bool {
	switch r {
	case '\u202d', '\u202e':
		p.turned = true
	case '\u202b', '\u2067', rlm, alm:
		if p.rtl {
			return false
		}
		p.turned = p.turned || r == '\u202b' || r == '\u2067'
	case '\u202c', '\u2069':
		return p.turned
	default:
		return false
	}
	return true
}

func lineBreak(r rune) bool {
	return r >= '\n' && r <= '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// neverSeen says whether a character draws nothing and takes no place, and is common in honest text.
func neverSeen(r rune) bool {
	switch r {
	case zws, zwnj, zwj, bom, mvs, '\u00ad', '\u2060', '\u034f', '\u17b4', '\u17b5':
		return true
	}
	return r >= '\u2061' && r <= '\u2064' || // operators of formulas
		unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Variation_Selector, r)
}

// hidden says whether a character acts, reorders, or cannot be seen. What it refuses
// may still shape its neighbours.
func hidden(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\U0001d159': // blank letters, a blank note
		return true
	}
	switch {
	case r >= '\ue000' && r <= '\uf8ff', // private use: Word's bullets; a box where no font knows it
		r >= 0x1f000 && r <= 0x1faff, // emoji, and those that will be
		unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return false
	}
	return !unicode.IsGraphic(r) || // controls (C0, C1), format characters (bidi, zero width, tags), unassigned
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r)
}

// joined says whether a letter, mark or digit is of a script that is not written without the
// zero-width joiner or non-joiner.
func joined(r rune) bool { return unicode.In(r, joining...) }

var joining = []*unicode.RangeTable{
	unicode.Adlam, unicode.Arabic, unicode.Hanifi_Rohingya, unicode.Mandaic, unicode.Mongolian, unicode.Nko, unicode.Syriac,
	unicode.Balinese, unicode.Bengali, unicode.Chakma, unicode.Cham, unicode.Devanagari, unicode.Grantha,
	unicode.Gujarati, unicode.Gurmukhi, unicode.Javanese, unicode.Kaithi, unicode.Kannada, unicode.Khmer,
	unicode.Lepcha, unicode.Limbu, unicode.Malayalam, unicode.Meetei_Mayek, unicode.Modi, unicode.Myanmar,
	unicode.Newa, unicode.Oriya, unicode.Saurashtra, unicode.Sharada, unicode.Sinhala, unicode.Sundanese,
	unicode.Syloti_Nagri, unicode.Tai_Tham, unicode.Takri, unicode.Tamil, unicode.Telugu, unicode.Tibetan, unicode.Tirhuta,
}

// pictograph says whether an emoji can be of this character.
func pictograph(r rune) bool {
	return (unicode.Is(unicode.So, r) && r != utf8.RuneError || r >= 0x1f000 && r <= 0x1faff || r >= '←' && r <= '⇿') && !hidden(r)
}

// runsLeft says whether a letter runs from right to left.
func runsLeft(r rune) bool {
	return r >= 0x590 && unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko,
		unicode.Adlam, unicode.Hanifi_Rohingya, unicode.Mandaic, unicode.Mende_Kikakui, unicode.Samaritan)
}

// flags are the only emoji made of tags.
var flags = []string{flag("gbeng"), flag("gbsct"), flag("gbwls")}

func flag(region string) string {
	s := "🏴"
	for _, r := range region {
		s += string(0xe0000 + r)
	}
	return s + "\U000e007f"
}

// flagOf is the flag that s begins with, or "".
func flagOf(s string) string {
	if s[0] == flags[0][0] {
		for _, f := range flags {
			if strings.HasPrefix(s, f) {
				return f
			}
		}
	}
	return ""
}

// maxSafeName bounds what [SafeName] returns, in bytes: it fits every file
// system with room for a number in front and behind. maxExtension is how much of it an extension may take.
const maxSafeName, maxExtension = 120, 32

// SafeName makes a file name out of what a sender called a file: letters, digits, spaces,
// . _ - ( ) + , and the punctuation of any language stay, but for what some system takes for ASCII's;
// everything else becomes "_". The result is never empty, at most 120 bytes, cut in front of
// its extension, begins with none of ". - ~ space", ends with neither dot nor space, is no
// path, and no device name of any system (SECURITY.md S-15).
// What SafeName returned it returns unchanged.
func SafeName(s string) string {
	bar := func(rune, bool) string { return "_" }
	plain := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Zs, r):
			return ' '
		case r >= '\ufe00' && r <= '\ufe0f': // of an emoji, which does not stay
			return -1
		case inNames(r):
			return r
		}
		return '_'
	}, screened(s, true, bar))
	name := trimName(screened(plain, true, bar)) // again: joiners whose neighbours did not stay
	if name == "" {
		return "file"
	}
	if device(name) {
		name = "_" + name
	}
	if len(name) <= maxSafeName {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > maxExtension {
		ext = ""
	}
	return trimName(cutRunes(name, maxSafeName-len(ext))) + ext
}

// inNames says whether a character that can be seen may stand in a name. Punctuation may whose
// compatibility form has nothing of ASCII's that acts: some systems take ／ for / and ＂ for ".
func inNames(r rune) bool {
	const ascii = "_-()+,"
	switch {
	case r < utf8.RuneSelf:
		return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || strings.ContainsRune(ascii, r)
	case unicode.In(r, unicode.L, unicode.M, unicode.Nd), r == zwj, r == zwnj, r == '№', r == '°':
		return true
	}
	return unicode.Is(unicode.P, r) && !strings.ContainsFunc(norm.NFKC.String(string(r)), func(r rune) bool {
		return r < utf8.RuneSelf && !strings.ContainsRune(ascii, r)
	})
}

// trimName takes away what no name may begin or end with. A mark at the
// beginning would sit on whatever is printed before the name.
func trimName(s string) string {
	s = strings.TrimLeftFunc(s, func(r rune) bool {
		return strings.ContainsRune(" .-~", r) || unicode.Is(unicode.M, r) || r == zwj || r == zwnj
	})
	return strings.TrimRight(s, " ."+string(zwj)+string(zwnj))
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
