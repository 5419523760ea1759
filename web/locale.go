package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

//go:embed locales/*.json templates/*.html static/style.css
var assets embed.FS

// locale is one language's words. A text may hold fmt verbs, with %[n]s where
// the order differs between languages.
type locale struct {
	Lang  string            `json:"lang"` // BCP 47
	Dir   string            `json:"dir"`  // ltr or rtl
	Words map[string]string `json:"words"`
}

// loadLocale reads one language.
func loadLocale(lang string) (*locale, error) {
	b, err := assets.ReadFile(path.Join("locales", lang+".json"))
	if err != nil {
		return nil, fmt.Errorf("no words in language %q", lang)
	}
	var l locale
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, fmt.Errorf("words in language %q: %w", lang, err)
	}
	return &l, nil
}

// t is the text of a key. A key that is not there is a fault that a test
// finds; a source gets no half page for it.
func (l *locale) t(key string, args ...any) (string, error) {
	w, ok := l.Words[key]
	if !ok {
		return "", fmt.Errorf("no words for %q in language %q", key, l.Lang)
	}
	if len(args) > 0 {
		w = fmt.Sprintf(w, args...)
	}
	return w, nil
}

// word is t for keys made from ids of intake/form, of which a test knows that
// all are there.
func (l *locale) word(key string, args ...any) string {
	w, err := l.t(key, args...)
	if err != nil {
		return key
	}
	return w
}

// inLang picks a directory's text in a language, else in English, else in any.
func inLang(texts map[string]string, lang string) string {
	for _, l := range []string{lang, "en"} {
		if s := texts[l]; s != "" {
			return s
		}
	}
	best := ""
	for l := range texts {
		if best == "" || l < best {
			best = l
		}
	}
	return texts[best]
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
		return l.word("size.gb", fmt.Sprintf("%.1f", float64(n)/1e9))
	case n >= 1e6:
		return l.word("size.mb", fmt.Sprint((n+5e5)/1e6))
	}
	return l.word("size.kb", fmt.Sprint(max(1, (n+500)/1e3)))
}
