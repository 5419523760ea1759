package web

import (
	"embed"

	"postern/locale"
)

//go:embed locales/exchange/*.json templates/*.html templates/exchange/*.html static/style.css
var assets embed.FS

// Locales are the languages there are words for.
func Locales() []string { return locale.SourceLanguages() }

// Reviewed says which speaker of a language has read its words, and when; ""
// when nobody has. Pages in such a language say so.
func Reviewed(lang string) string {
	l, err := locale.Source(lang)
	if err != nil {
		return ""
	}
	return l.Reviewed
}
