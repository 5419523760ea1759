package pages

import (
	"strings"
	"testing"

	"postern/intake/form"
	"postern/locale"
	"postern/locale/localetest"
)

func TestEveryLocaleIsComplete(t *testing.T) {
	want := localetest.Wanted{}
	want.Templates(t, assets, new(words).funcs(nil, ""), "templates/*.html")
	want.Code(t, ".", func(string) bool { return true }, "say", "warn", "fact", "mark", "add", "note", "facts")
	want.Add("template.", templates...)
	for key := range want { // the source's own words: they are in package locale
		if strings.HasPrefix(key, "reply.") {
			delete(want, key)
		}
	}
	want.Add("show.", shows...)
	want.Add("sort.", sorts...)
	for _, id := range referMessages {
		want.Add("refer.message.", nameOf(id))
	}
	for _, id := range referFiles {
		want.Add("refer.file.", nameOf(id))
	}
	want.Add("problem.", "token", "case", "missing")
	want.Add("kind.", "report", "follow-up", "file", "reply", "event", "change", "unknown")
	for _, g := range append(form.Groups(), form.GroupSince) {
		want.Add("group.", string(g))
	}
	for _, s := range form.Stages() {
		want.Add("stage.", s.ID)
	}
	for _, r := range refusals {
		want.Add("refused.", r.key)
	}
	en, err := locale.Read(assets, "locales", "en")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range Languages() {
		t.Run(lang, func(t *testing.T) {
			l, err := locale.Read(assets, "locales", lang)
			if err != nil {
				t.Fatal(err)
			}
			if l.Lang != lang {
				t.Errorf("lang %q", l.Lang)
			}
			want.Complete(t, l, en, func(string) bool { return false })
		})
	}
}

// Texts to begin an answer with are there in every language of the source's pages.
func TestAnswersAreComplete(t *testing.T) {
	want := localetest.Wanted{}
	want.Add("answer.", templates...)
	en, err := locale.Read(assets, "answers", "en")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range locale.SourceLanguages() {
		l, err := locale.Read(assets, "answers", lang)
		if err != nil {
			t.Fatal(err)
		}
		if l.Lang != lang {
			t.Errorf("lang %q, want %q", l.Lang, lang)
		}
		want.Complete(t, l, en, func(string) bool { return false })
	}
}
