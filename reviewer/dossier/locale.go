package dossier

import (
	"embed"

	"postern/intake/form"
	"postern/locale"
)

//go:embed locales/*.json
var assets embed.FS

// Languages that a dossier's page can be written in.
func Languages() []string { return locale.Languages(assets, "locales") }

// words are those of a page in one language. Questions are called as on the source's form,
// except in English, which has the desk's own labels.
type words struct{ own, source *locale.Locale }

func wordsIn(lang string) (*words, error) {
	own, source, err := locale.Beside(assets, "locales", lang)
	if err != nil {
		return nil, err
	}
	return &words{own, source}, nil
}

// question is the label of a question, and option that of one of its options.
func (w *words) question(id string) string {
	q, ok := form.QuestionOf(id)
	switch {
	case !ok:
		return id
	case w.own.Lang == "en" || !w.source.Has("q."+id):
		return q.Label
	}
	return w.source.Word("q." + id)
}

func (w *words) option(id, option string) string {
	q, ok := form.QuestionOf(id)
	if !ok || q.Kind == form.Text {
		return option
	}
	if key := "q." + id + "." + option; w.own.Lang != "en" && w.source.Has(key) {
		return w.source.Word(key)
	}
	if l := form.Label(q.Options, option); l != "" {
		return l
	}
	return option
}
