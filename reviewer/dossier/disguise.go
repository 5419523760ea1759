package dossier

import (
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maskSign stands for what is masked. Its length says nothing.
const maskSign = "█████"

// folding is a text as masks look at it: letters and digits alone, in one form, each with the
// place in the text that it came from.
type folding struct {
	runes []rune
	from  []int // byte at which its character begins
	to    []int // and ends
}

var lower = cases.Fold()

// fold brings what looks or reads the same to one form.
func fold(s string) (f folding) {
	for i, r := range s {
		end := i + utf8.RuneLen(r)
		if r == utf8.RuneError {
			end = i + 1
		}
		for _, x := range norm.NFKD.String(lower.String(norm.NFKC.String(string(r)))) {
			if x == 0x0640 || !unicode.IsLetter(x) && !unicode.IsNumber(x) { // marks, spaces, signs, Arabic's stretching
				continue
			}
			if unicode.Is(unicode.Nd, x) {
				x = digit(x)
			}
			if like, ok := alike[x]; ok {
				x = like
			}
			f.runes, f.from, f.to = append(f.runes, x), append(f.from, i), append(f.to, end)
		}
	}
	return f
}

// digit is the ASCII digit of a digit in any script: they stand in rows of ten.
func digit(r rune) rune {
	n := rune(0)
	for x := r - 1; unicode.Is(unicode.Nd, x); x-- {
		n++
	}
	return '0' + n%10
}

// alike are letters, in lower case, that are drawn like Latin ones, or like each other in the
// alphabets of Arabic and Persian.
var alike = map[rune]rune{
	'а': 'a', 'е': 'e', 'о': 'o', 'р': 'p', 'с': 'c', 'у': 'y', 'х': 'x', 'і': 'i', 'ј': 'j', 'ѕ': 's', 'к': 'k', 'т': 't', 'в': 'b', 'н': 'h', 'м': 'm', 'ԁ': 'd', 'һ': 'h',
	'α': 'a', 'ο': 'o', 'ρ': 'p', 'ν': 'v', 'ι': 'i', 'κ': 'k', 'τ': 't', 'υ': 'u', 'χ': 'x', 'η': 'n', 'ε': 'e', 'β': 'b',
	'ı': 'i', 'ɡ': 'g', 'ɑ': 'a', 'ø': 'o', 'ł': 'l', 'đ': 'd', 'ħ': 'h', '0': 'o', '1': 'l', // and digits like letters
	'ی': 'ي', 'ى': 'ي', 'ک': 'ك', 'ة': 'ه', 'ہ': 'ه',
}

// apply masks the texts in a string, which is then valid UTF-8 without characters that are not
// drawn: something could hide in them.
func (m *Masks) apply(s string) string {
	s = drawn(s)
	for { // once more while what lies around a mask makes the text again
		next := m.once(s)
		if next == s {
			return s
		}
		s = next
	}
}

func (m *Masks) once(s string) string {
	f := fold(s)
	hidden := make([]bool, len(s)+1)
	found := false
	for _, needle := range m.folded {
		for i := 0; i+len(needle) <= len(f.runes); i++ {
			if slices.Equal(f.runes[i:i+len(needle)], needle) {
				found = true
				for b := f.from[i]; b < f.to[i+len(needle)-1]; b++ {
					hidden[b] = true
				}
			}
		}
	}
	if !found {
		return s
	}
	var b strings.Builder
	inside := false
	for i, r := range s {
		if hidden[i] || inside && unicode.IsMark(r) { // the last letter's accents go with it
			if !inside {
				b.WriteString(maskSign)
			}
			inside = true
			continue
		}
		inside = false
		b.WriteRune(r)
	}
	return b.String()
}

// drawn leaves out what is not drawn and what is no UTF-8.
func drawn(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// left says which of the texts stands in what was written all the same, be it in words that this
// program writes itself, counted from 1; 0 when none does. What is written is looked at
// as it is and without markup.
func (m *Masks) left(b []byte) int {
	whole := string(b)
	for _, s := range []string{whole, html.UnescapeString(whole), withoutTags(whole)} {
		f := string(spaced(s))
		for i, text := range m.texts {
			if strings.Contains(s, text) || strings.Contains(f, strings.TrimSpace(string(spaced(text)))) {
				return i + 1
			}
		}
	}
	return 0
}

// withoutTags is the text of a page.
func withoutTags(s string) string {
	var b strings.Builder
	inside := false
	for _, r := range s {
		switch {
		case r == '<':
			inside = true
			b.WriteByte('\n')
		case r == '>':
			inside = false
		case !inside:
			b.WriteRune(r)
		}
	}
	return html.UnescapeString(b.String())
}

// spaced is fold with one space for whatever lies between words.
func spaced(s string) []rune {
	f := fold(s)
	var out []rune
	for i, r := range f.runes {
		if i > 0 && f.from[i] > f.to[i-1] && strings.ContainsFunc(s[f.to[i-1]:f.from[i]], func(r rune) bool { return !unicode.IsMark(r) }) {
			out = append(out, ' ')
		}
		out = append(out, r)
	}
	return out
}
