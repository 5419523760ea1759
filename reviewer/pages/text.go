package pages

import (
	"strings"
	"unicode"

	"postern/reviewer/plain"
)

// paragraph is a part of a text between empty lines. It finds its own direction.
type paragraph struct {
	Text string
	Lang string // that it is certainly in, for screen readers; "" when not certain
}

// paragraphs are words of others, safe to show (SECURITY.md S-15).
func paragraphs(s string) (out []paragraph) {
	for part := range strings.SplitSeq(plain.SafeText(s), "\n\n") {
		if part = strings.Trim(part, "\n"); strings.TrimSpace(part) != "" {
			out = append(out, paragraph{part, languageOf(part)})
		}
	}
	return out
}

// Letters that of the languages a source's pages speak only one has.
var telling = []struct{ lang, letters string }{
	{"fa", "پچژگکیۀ"}, {"uk", "іїєґІЇЄҐ"}, {"sr", "јљњђћџЈЉЊЂЋЏ"}, {"ru", "ыэъёЫЭЪЁ"},
	{"sq", "ëË"}, {"tr", "ğışİĞŞ"}, {"de", "ßäöÄÖ"}, {"es", "ñ¿¡"}, {"pt", "ãõ"}, {"fr", "êèœàù"},
}

// languageOf guesses the language of a text by its letters: of Arabic and Cyrillic
// letters with some certainty, of Latin ones where a letter gives it away. It is "" when
// nothing does.
func languageOf(s string) string {
	count := make(map[string]int)
	latin, cyrillic, arabic := 0, 0, 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Latin, r):
			latin++
		case unicode.Is(unicode.Cyrillic, r):
			cyrillic++
		case unicode.Is(unicode.Arabic, r):
			arabic++
		default:
			continue
		}
		for _, t := range telling {
			if strings.ContainsRune(t.letters, r) {
				count[t.lang]++
			}
		}
	}
	best := ""
	for _, t := range telling {
		if count[t.lang] > count[best] {
			best = t.lang
		}
	}
	switch {
	case arabic > latin && arabic > cyrillic:
		if count["fa"]*20 > arabic {
			return "fa"
		}
		return "ar"
	case cyrillic > latin:
		for _, l := range []string{"uk", "sr", "ru"} {
			if count[l] > 0 && l == best {
				return l
			}
		}
		return "ru"
	case latin > 0 && best != "fa" && count[best]*100 >= latin:
		return best
	}
	return ""
}
