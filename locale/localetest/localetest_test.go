package localetest

import (
	"slices"
	"testing"

	"golang.org/x/text/feature/plural"

	"postern/locale"
)

func source(t *testing.T, lang string) *locale.Locale {
	t.Helper()
	l, err := locale.Source(lang)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestFaultsAreFound: the rules above can fail.
func TestFaultsAreFound(t *testing.T) {
	ru, ar := source(t, "ru"), source(t, "ar")
	en := locale.Text{plural.One: "{1} file of {2}", plural.Other: "{1} files of {2}"}
	whole := locale.Text{plural.One: "{1} файл {2}", plural.Few: "{1} файла {2}", plural.Many: "{1} файлов {2}"}
	if got := pluralForms(ru); !slices.Equal(got, []plural.Form{plural.One, plural.Few, plural.Many}) {
		t.Errorf("Russian needs %v", got)
	}
	if got := pluralForms(ar); len(got) != 6 {
		t.Errorf("Arabic needs %v", got)
	}
	if f := Faults(ru, whole, en); f != nil {
		t.Errorf("a whole text: %v", f)
	}
	for name, c := range map[string]struct {
		got, en locale.Text
		l       *locale.Locale
	}{
		"a form is missing":   {locale.Text{plural.One: "{1} {2}", plural.Many: "{1} {2}"}, en, ru},
		"a form too many":     {locale.Text{plural.One: "{1} {2}", plural.Few: "{1} {2}", plural.Many: "{1} {2}", plural.Two: "{1} {2}"}, en, ru},
		"no forms":            {locale.Text{plural.Other: "{1} {2}"}, en, ru},
		"forms without need":  {whole, locale.Text{plural.Other: "{1} {2}"}, ru},
		"a place is missing":  {locale.Text{plural.Other: "{1}"}, locale.Text{plural.Other: "{1} {2}"}, ru},
		"another place":       {locale.Text{plural.Other: "{3}"}, locale.Text{plural.Other: "{1}"}, ru},
		"empty":               {locale.Text{plural.Other: ""}, locale.Text{plural.Other: "x"}, ru},
		"markup":              {locale.Text{plural.Other: "<b>"}, locale.Text{plural.Other: "x"}, ru},
		"not translated":      {locale.Text{plural.Other: "a sentence that nobody translated"}, locale.Text{plural.Other: "a sentence that nobody translated"}, ru},
		"many without number": {locale.Text{plural.One: "{2}", plural.Few: "{2}", plural.Many: "{1} {2}"}, en, ru},
	} {
		if Faults(c.l, c.got, c.en) == nil {
			t.Errorf("%s: no fault is found", name)
		}
	}
}
