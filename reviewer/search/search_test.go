package search

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// A word is found however it was typed.
func TestFold(t *testing.T) {
	for _, c := range []struct{ name, text, query string }{
		{"capitals", "The COLONEL sold it", "colonel"},
		{"accents", "la sécurité de la préfecture", "PREFECTURE"},
		{"accents in the query", "securite", "sécurité"},
		{"one form or two", "re\u0301sume\u0301", "résumé"},
		{"sharp s", "in der Straße", "STRASSE"},
		{"Greek", "ο ταγματάρχης", "ΤΑΓΜΑΤΑΡΧΗΣ"},
		{"Turkish", "İstanbul ve Isparta", "istanbul"},
		{"hamza on alef", "أخذ المال إلى آخر", "اخذ"},
		{"alef madda", "آخر", "اخر"},
		{"vowel signs", "مُحَمَّد", "محمد"},
		{"tatweel", "مـــحـــمد", "محمد"},
		{"taa marbuta", "الرشوة", "الرشوه"},
		{"alef maksura", "مستشفى", "مستشفي"},
		{"Persian yeh and kaf", "یک کتاب", "يك كتاب"},
		{"zero-width non-joiner", "می\u200cخواهم", "میخواهم"},
		{"presentation forms", "\ufee3\ufea4\ufee4\ufeaa", "محمد"},
		{"Arabic digits", "٢٠٢٦", "2026"},
		{"Persian digits", "۱۴۰۵", "1405"},
		{"full width", "ＡＢＣ１２", "abc12"},
		{"soft hyphen", "Haupt\u00admann", "hauptmann"},
		{"within a word", "Brigadekommandeur", "kommand"},
		{"several words, anywhere", "fuel was sold by the major", "major fuel"},
		{"white space", "a\u00a0b\u2003c\r\n\td", "a b c d"},
	} {
		if !Parse(c.query).In(Fold(c.text)) {
			t.Errorf("%s: %q is not found in %q (%q in %q)", c.name, c.query, c.text, Parse(c.query), Fold(c.text))
		}
	}
	for _, c := range [][2]string{{"major", "minor"}, {"fuel sold", "fuel bought"}, {"x", ""}, {"something", "\u0301\u200b"}, {"something", ""}} {
		if Parse(c[1]).In(Fold(c[0])) {
			t.Errorf("%q is found in %q", c[1], c[0])
		}
	}
}

// Property: what was folded folds to itself, and every word of a text finds it.
func TestFoldProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		f := Fold(s)
		if Fold(f) != f || !utf8.ValidString(f) {
			t.Fatalf("%q folds to %q and then to %q", s, f, Fold(f))
		}
		for _, w := range strings.Fields(s) {
			if q := Parse(w); len(q) > 0 && !q.In(f) {
				t.Fatalf("%q is not found in %q", w, f)
			}
		}
	})
}

func TestIndex(t *testing.T) {
	x := New()
	x.Set("a", "The fuel", "was sold")
	x.Set("b", "Fuel again")
	x.Set("c", "nothing")
	for q, want := range map[string]int{"fuel": 2, "fuel sold": 1, "": 0, "fuelwas": 0, "n": 2} {
		if got := x.Find(Parse(q)); len(got) != want {
			t.Errorf("%q finds %v", q, got)
		}
	}
	x.Set("b", "changed")
	x.Remove("a")
	x.Remove("never there")
	if got := x.Find(Parse("fuel")); len(got) != 0 || x.Size() != int64(len("changed")+len("nothing")) {
		t.Errorf("%v, %d bytes", got, x.Size())
	}
}

func TestExcerpt(t *testing.T) {
	text := "First line.\none two three four five six the DÉPÔT was emptied at night by people nobody knew\nlast"
	if got := Excerpt(text, Parse("depot"), 40); got != "… four five six the DÉPÔT was emptied at …" {
		t.Errorf("%q", got)
	}
	if got := Excerpt(text, Parse("elsewhere"), 40); got != "" {
		t.Errorf("%q", got)
	}
	if got := Excerpt(strings.Repeat("x", 500), Parse("x"), 40); len(got) < 500 {
		t.Errorf("a long word is cut: %q", got)
	}
}

// BenchmarkFind looks through 20,000 texts of 2,000 characters.
func BenchmarkFind(b *testing.B) {
	x := New()
	words := strings.Fields("the fuel was sold at night by people whom nobody knew colonel major depot 2026 invoice truck وقود سرقة")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		var t strings.Builder
		for t.Len() < 2000 {
			fmt.Fprintf(&t, "%s%d ", words[r.IntN(len(words))], r.IntN(100))
		}
		x.Set(fmt.Sprint(i), t.String())
	}
	for _, q := range []string{"colonel17 depot", "nowhere at all", "e", "سرقه"} {
		b.Run(q, func(b *testing.B) {
			for b.Loop() {
				x.Find(Parse(q))
			}
		})
	}
}

// What is found is marked as it was written, whole characters with their accents, and nothing else.
func TestMarked(t *testing.T) {
	show := func(parts []Part) string {
		var b strings.Builder
		for _, p := range parts {
			if p.Found {
				b.WriteString("[" + p.Text + "]")
			} else {
				b.WriteString(p.Text)
			}
		}
		return b.String()
	}
	for _, c := range []struct{ line, query, want string }{
		{"The COLONEL sold fuel, the colonels say", "colonel fuel", "The [COLONEL] sold [fuel], the [colonel]s say"},
		{"la pre\u0301fecture", "prefec", "la [pre\u0301fec]ture"},
		{"in der Straße", "strasse", "in der [Straße]"},
		{"in der Straße", "s", "in der [S]tra[ß]e"},
		{"محمّد هنا", "محمد", "[محمّد] هنا"},
		{"e\u0301", "e", "[e\u0301]"},
		{"nothing here", "else", "nothing here"},
		{"a b", "", "a b"},
		{"", "x", ""},
		{"\xffa", "a", "\xff[a]"},
		{"aaa", "aa", "[aa]a"},
	} {
		if got := show(Marked(c.line, Parse(c.query))); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.query, c.line, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		line, query := rapid.String().Draw(t, "line"), rapid.String().Draw(t, "query")
		all := ""
		for _, p := range Marked(line, Parse(query)) {
			if all += p.Text; p.Text == "" || utf8.ValidString(line) && !utf8.ValidString(p.Text) {
				t.Errorf("%q is cut inside a character", p.Text)
			}
		}
		if all != line {
			t.Errorf("%q became %q", line, all)
		}
	})
}
