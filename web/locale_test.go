package web

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"postern/intake/form"
	"postern/locale"
	"postern/locale/localetest"
)

// wording is one set of locale files and what uses their words.
type wording struct {
	read      func(lang string) (*locale.Locale, error)
	langs     []string
	templates []string               // patterns of their files
	code      func(name string) bool // of this folder
	ids       func(want localetest.Wanted)
}

// exchangeCode are the files that use the exchange's words.
var exchangeCode = []string{"exchange.go", "fetch.go", "handin.go"}

func wordings() map[string]wording {
	return map[string]wording{
		"source": {locale.Source, Locales(),
			[]string{"templates/*.html"},
			func(name string) bool { return !slices.Contains(exchangeCode, name) },
			func(want localetest.Wanted) {
				want.Add("title.", sourcePages...)
				for _, n := range notices {
					want.Add("notice."+n+".", "title", "text", "next")
				}
				want.Add("problem.", problems...)
				want.Add("lost.", lostReasons...)
				for _, k := range form.BodyKinds() {
					want.Add("kind.", k.ID)
				}
				for _, q := range form.Questions() {
					want.Add("q.", q.ID)
					for _, o := range q.Options {
						want.Add("q."+q.ID+".", o.ID)
					}
				}
				for _, o := range form.Stages() {
					want.Add("stage.", o.ID)
				}
				for m := range 12 {
					want.Add("month.", strconv.Itoa(m+1))
				}
				want.Add("", "date")
				want.Add("size.", "kb", "mb", "gb", "point")
			}},
		"exchange": {
			func(lang string) (*locale.Locale, error) { return locale.Read(assets, exchangeWords, lang) }, locale.Languages(assets, exchangeWords),
			[]string{exchangeTemplates + "/*.html", "templates/layout.html"},
			func(name string) bool { return slices.Contains(exchangeCode, name) },
			func(want localetest.Wanted) {
				want.Add("title.", exchangePages...)
				want.Add("refused.", refusals...)
				want.Add("lane.", lanes...)
			}},
	}
}

func TestEveryLocaleIsComplete(t *testing.T) {
	for name, x := range wordings() {
		t.Run(name, func(t *testing.T) {
			want := localetest.Wanted{}
			x.ids(want)
			want.Templates(t, assets, templateFuncs(new(locale.Locale), "", nil), x.templates...)
			want.Code(t, ".", x.code)
			en, err := x.read("en")
			if err != nil {
				t.Fatal(err)
			}
			for _, lang := range x.langs {
				l, err := x.read(lang)
				if err != nil {
					t.Fatal(err)
				}
				t.Run(lang, func(t *testing.T) {
					if l.Lang != lang {
						t.Errorf("lang %q", l.Lang)
					}
					want.Complete(t, l, en, func(key string) bool {
						return strings.HasPrefix(key, "q.") && strings.HasSuffix(key, ".hint") && en.Has(key) && knownQuestion(key)
					})
				})
			}
		})
	}
}

func knownQuestion(key string) bool {
	_, ok := form.QuestionOf(strings.TrimSuffix(strings.TrimPrefix(key, "q."), ".hint"))
	return ok
}
