package web

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

//go:embed locales/*.json locales/exchange/*.json templates/*.html templates/exchange/*.html static/style.css
var assets embed.FS

// locale is one language's words.
type locale struct {
	Lang string `json:"lang"` // BCP 47
	Dir  string `json:"dir"`  // ltr or rtl
	// Reviewed says which speaker of the language has read all of it, and when.
	// While it is empty every page in this language says that nobody has.
	Reviewed string              `json:"reviewed"`
	Words    map[string]sentence `json:"words"`

	tag language.Tag
}

// sentence is one text, in the forms that the language's plural rules (CLDR)
// ask for when its first value is a number; else in one form, other. {1}, {2}
// are places for values.
type sentence map[plural.Form]string

// forms are the names of plural forms in locale files.
var forms = map[string]plural.Form{
	"zero": plural.Zero, "one": plural.One, "two": plural.Two, "few": plural.Few, "many": plural.Many, "other": plural.Other,
}

// UnmarshalJSON reads a string, or an object of plural forms.
func (t *sentence) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = sentence{plural.Other: one}
		return nil
	}
	var many map[string]string
	if err := json.Unmarshal(b, &many); err != nil {
		return errors.New("words must be a text, or an object of plural forms")
	}
	*t = sentence{}
	for name, s := range many {
		f, ok := forms[name]
		if !ok {
			return fmt.Errorf("no plural form %q; there are %v", name, slices.Sorted(maps.Keys(forms)))
		}
		(*t)[f] = s
	}
	return nil
}

// pluralForm is the form that a language uses with n things.
func (l *locale) pluralForm(n int) plural.Form {
	return plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0)
}

// loadLocale reads one language of the source's pages.
func loadLocale(lang string) (*locale, error) { return readLocale("locales", lang) }

func readLocale(dir, lang string) (*locale, error) {
	b, err := assets.ReadFile(path.Join(dir, lang+".json"))
	if err != nil {
		return nil, fmt.Errorf("no words in language %q", lang)
	}
	var l locale
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, fmt.Errorf("words in language %q: %w", lang, err)
	}
	if l.tag, err = language.Parse(l.Lang); err != nil {
		return nil, fmt.Errorf("words in language %q: %w", lang, err)
	}
	return &l, nil
}

// t is the text of a key, with values in its places. A key that is not there
// is a fault that a test finds; a source gets no half page for it.
func (l *locale) t(key string, values ...any) (string, error) {
	t, ok := l.Words[key]
	if !ok {
		return "", fmt.Errorf("no words for %q in language %q", key, l.Lang)
	}
	w := t[plural.Other]
	if len(t) > 1 && len(values) > 0 {
		if n, ok := values[0].(int); ok {
			if s, ok := t[l.pluralForm(n)]; ok {
				w = s
			}
		}
	}
	places := make([]string, 0, 2*len(values))
	for i, v := range values {
		places = append(places, "{"+strconv.Itoa(i+1)+"}", fmt.Sprint(v))
	}
	return strings.NewReplacer(places...).Replace(w), nil
}

// word is t for keys made from ids of intake/form, of which a test knows that
// all are there.
func (l *locale) word(key string, values ...any) string {
	w, err := l.t(key, values...)
	if err != nil {
		return key
	}
	return w
}

// has says whether a key that may be missing has words.
func (l *locale) has(key string) bool { return len(l.Words[key]) > 0 }

// inLang picks a directory's text in a language, else in English, else in any,
// and says which it is in.
func inLang(texts map[string]string, lang string) (s, in string) {
	for _, l := range []string{lang, "en"} {
		if s := texts[l]; s != "" {
			return s, l
		}
	}
	for _, l := range slices.Sorted(maps.Keys(texts)) {
		if texts[l] != "" {
			return texts[l], l
		}
	}
	return "", ""
}

// endonyms are languages in their own words, the same on every page.
var endonyms = map[string]string{
	"ar": "العربية", "de": "Deutsch", "en": "English", "es": "español", "fa": "فارسی", "fr": "français",
	"pt": "português", "ru": "русский", "sq": "shqip", "sr": "српски", "tr": "Türkçe", "uk": "українська",
}

func endonym(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	if n, ok := endonyms[base]; ok {
		return n
	}
	return tag
}

// sizeText is a size people understand.
func (l *locale) sizeText(n int64) string {
	switch {
	case n >= 1e9:
		return l.word("size.gb", strings.Replace(fmt.Sprintf("%.1f", float64(n)/1e9), ".", l.word("size.point"), 1))
	case n >= 1e6:
		return l.word("size.mb", fmt.Sprint((n+5e5)/1e6))
	}
	return l.word("size.kb", fmt.Sprint(max(1, (n+500)/1e3)))
}
