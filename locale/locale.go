package locale

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"postern/crypto"
)

//go:embed source/*.json
var source embed.FS

// Locale is one language's words.
type Locale struct {
	Lang string `json:"lang"` // BCP 47
	Dir  string `json:"dir"`  // ltr or rtl
	// Reviewed says which speaker of the language has read all of it, and when.
	// While it is empty every page in this language says that nobody has.
	Reviewed string          `json:"reviewed"`
	Words    map[string]Text `json:"words"`

	tag language.Tag
}

// Text is one text, in the forms that the language's plural rules (CLDR)
// ask for when its first value is a number; else in one form, other. {1}, {2}
// are places for values.
type Text map[plural.Form]string

// forms are the names of plural forms in locale files.
var forms = map[string]plural.Form{
	"zero": plural.Zero, "one": plural.One, "two": plural.Two, "few": plural.Few, "many": plural.Many, "other": plural.Other,
}

// UnmarshalJSON reads a string, or an object of plural forms.
func (t *Text) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = Text{plural.Other: one}
		return nil
	}
	var many map[string]string
	if err := json.Unmarshal(b, &many); err != nil {
		return errors.New("words must be a text, or an object of plural forms")
	}
	*t = Text{}
	for name, s := range many {
		f, ok := forms[name]
		if !ok {
			return fmt.Errorf("no plural form %q; there are %v", name, slices.Sorted(maps.Keys(forms)))
		}
		(*t)[f] = s
	}
	return nil
}

// Source reads one language of the source's pages.
func Source(lang string) (*Locale, error) { return Read(source, "source", lang) }

// SourceLanguages are the languages there are words for on the source's pages.
func SourceLanguages() []string { return Languages(source, "source") }

// Languages are those of the locale files in a folder.
func Languages(files fs.FS, dir string) (list []string) {
	entries, _ := fs.ReadDir(files, dir) // embedded: cannot fail
	for _, e := range entries {
		if tag, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			list = append(list, tag)
		}
	}
	return list
}

// Read reads one language of the locale files in a folder.
func Read(files fs.FS, dir, lang string) (*Locale, error) {
	b, err := fs.ReadFile(files, path.Join(dir, lang+".json"))
	if err != nil {
		return nil, fmt.Errorf("no words in language %q", lang)
	}
	var l Locale
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, fmt.Errorf("words in language %q: %w", lang, err)
	}
	if l.tag, err = language.Parse(l.Lang); err != nil {
		return nil, fmt.Errorf("words in language %q: %w", lang, err)
	}
	return &l, nil
}

// Beside reads one language of the locale files in a folder, and the words of the source's pages in
// the same language, for rooms that call questions and topics as sources see them.
func Beside(files fs.FS, dir, lang string) (own, source *Locale, err error) {
	if own, err = Read(files, dir, lang); err != nil {
		return nil, nil, err
	}
	if source, err = Source(lang); err != nil {
		return nil, nil, err
	}
	return own, source, nil
}

// Tag is the language, for matching.
func (l *Locale) Tag() language.Tag { return l.tag }

// PluralForm is the form that the language uses with n things.
func (l *Locale) PluralForm(n int) plural.Form {
	return plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0)
}

// T is the text of a key, with values in its places. A key that is not there
// is a fault that a test finds; nobody gets half a page for it.
func (l *Locale) T(key string, values ...any) (string, error) {
	t, ok := l.Words[key]
	if !ok {
		return "", fmt.Errorf("no words for %q in language %q", key, l.Lang)
	}
	w := t[plural.Other]
	if len(t) > 1 && len(values) > 0 {
		if n, ok := values[0].(int); ok {
			if s, ok := t[l.PluralForm(n)]; ok {
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

// Word is T for keys of which a test knows that all are there: those made from ids of intake/form.
func (l *Locale) Word(key string, values ...any) string {
	w, err := l.T(key, values...)
	if err != nil {
		return key
	}
	return w
}

// Has says whether a key that may be missing has words.
func (l *Locale) Has(key string) bool { return len(l.Words[key]) > 0 }

// Date is a day as people of the language write it, in the Gregorian
// calendar: the one that everybody who answers here reckons by.
func (l *Locale) Date(d crypto.Day) string {
	t := d.Time()
	return l.Word("date", t.Day(), l.Word("month."+strconv.Itoa(int(t.Month()))), t.Year())
}

// Size is a size in bytes as people understand it.
func (l *Locale) Size(n int64) string {
	switch {
	case n >= 1e9:
		return l.Word("size.gb", strings.Replace(fmt.Sprintf("%.1f", float64(n)/1e9), ".", l.Word("size.point"), 1))
	case n >= 1e6:
		return l.Word("size.mb", fmt.Sprint((n+5e5)/1e6))
	}
	return l.Word("size.kb", fmt.Sprint(max(1, (n+500)/1e3)))
}

// In picks a directory's text in a language, else in English, else in any,
// and says which it is in.
func In(texts map[string]string, lang string) (s, in string) {
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

// Endonym is a language's name in its own words, or its tag.
func Endonym(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	if n, ok := endonyms[base]; ok {
		return n
	}
	return tag
}
