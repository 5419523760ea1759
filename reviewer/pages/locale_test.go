package pages

import (
	"strings"
	"testing"

	"postern/intake/form"
	"postern/locale"
	"postern/locale/localetest"
	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/dossier"
)

func TestEveryLocaleIsComplete(t *testing.T) {
	want := localetest.Wanted{}
	want.Templates(t, assets, new(words).funcs(nil, ""), "templates/*.html")
	want.Code(t, ".", func(string) bool { return true }, "say", "warn", "fact", "mark", "add", "note", "facts", "put")
	want.Add("template.", templates...)
	for key := range want { // the source's own words: they are in package locale
		if strings.HasPrefix(key, "reply.") {
			delete(want, key)
		}
	}
	want.Add("show.", shows...)
	for kind := range wishPages {
		want.Add("wish.", kind)
	}
	want.Add("step.", "card", "directory", "access", "backup")
	want.Add("sort.", sorts...)
	for _, id := range referMessages {
		want.Add("refer.message.", nameOf(id))
	}
	for _, id := range referFiles {
		want.Add("refer.file.", nameOf(id))
	}
	for _, id := range copyMessages {
		want.Add("copy.message.", nameOf(id))
	}
	for _, id := range copyFiles {
		want.Add("copy.file.", nameOf(id))
	}
	for _, a := range dossier.Acts() {
		want.Add("act.", string(a))
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
	wantCasework(want)
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

// wantCasework adds the words of all that can be done to a case, and of its clocks.
func wantCasework(want localetest.Wanted) {
	for _, k := range casework.Kinds() {
		want.Add("act.", k.ID)
		if k.ID != casework.KindOpened {
			want.Add("act."+k.ID+".", "hint")
		}
		for _, r := range k.Rules {
			if reviewer.Filled(k.ID, r.Name) {
				continue
			}
			if k.ID != casework.KindNote {
				want.Add("field."+k.ID+".", r.Name)
			}
			if k.ID == casework.KindStage && r.Name == "to" {
				continue // a stage
			}
			for _, o := range r.Options {
				want.Add("option."+k.ID+"."+r.Name+".", o.ID)
			}
		}
	}
	want.Add("field.note.", "text")
	for _, kind := range []string{casework.KindDealt, casework.KindStrike, casework.KindFate, casework.KindMayErase} {
		want.Add("act."+kind+".", "none")
	}
	for _, g := range actGroups {
		want.Add("acts.", g.id)
	}
	want.Add("acts.", "other")
	for _, s := range []casework.Scope{casework.All, casework.Body, casework.Desk} {
		want.Add("scope.", s.String())
	}
	for w := casework.Overdue; w <= casework.Later; w++ {
		want.Add("due.when.", w.String())
	}
	want.Add("due.clock.", casework.ClockAcknowledgeSoon, casework.ClockAcknowledge, casework.ClockFeedback, casework.ClockPromise, casework.ClockBar,
		casework.ClockReview, casework.ClockRisk, casework.ClockRecommendation, casework.ClockErase, casework.ClockProcedure)
	want.Add("break.", string(casework.Missing), string(casework.Changed), string(casework.Twice))
	want.Add("weekday.", weekdays...)
	for _, n := range numbersOf(new(casework.Settings)) {
		want.Add("settings.", strings.ReplaceAll(n.Name, "_", "-"))
	}
	want.Add("erase.against.", "held", "approve", "grace", "open", "kept")
	want.Add("case.erase.", "asked", "agreed")
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
