package web

import (
	"slices"
	"strings"
	"testing"

	"postern/crypto"
)

// greeted are the two words that an inbox shows.
func greeted(p *shown) string {
	for _, n := range find(p.doc, "span") {
		if attr(n, "class") == "pair" {
			return textOf(n)
		}
	}
	p.w.t.Fatalf("page %q greets nobody", p.title())
	return ""
}

// A code typed on another keyboard, or changed on its way, opens the same inbox.
func TestCodeOnAnotherKeyboard(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	want := w.enter(code)
	greeting := greeted(want)
	for name, typed := range map[string]string{
		"Cyrillic":    strings.NewReplacer("c", "с", "a", "а", "e", "е", "o", "о", "p", "р", "x", "х").Replace(code),
		"accents":     strings.NewReplacer("e", "é", "u", "ü", "n", "ñ").Replace(code),
		"dotless i":   strings.ReplaceAll(code, "i", "ı"),
		"soft hyphen": strings.ReplaceAll(code, "a", "a\u00ad"),
		"zero width":  strings.ReplaceAll(code, "e", "e\u200b"),
		"ligature":    strings.NewReplacer("fi", "ﬁ", "ff", "ﬀ", "st", "ﬆ").Replace(code),
		"full width": strings.Map(func(r rune) rune {
			if r == ' ' {
				return '\u3000'
			}
			return r - 'a' + 'ａ'
		}, code),
	} {
		if got := greeted(w.enter(typed)); got != greeting {
			t.Errorf("%s: %q, want %q", name, got, greeting)
		}
	}
}

// ambiguous is an input that two repairs make a code: two neighbours swapped, at
// the beginning or at the end.
const ambiguous = "ability abacus ablaze able abnormal abrasion abrasive abreast napped"

// When two repairs fit, the page shows both, and the source chooses. Both come
// from the input alone: nothing says whether one of them is in use.
func TestBothReadings(t *testing.T) {
	w := newWorld(t)
	list, err := crypto.ParseCode(ambiguous)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d readings, %v", len(list), err)
	}
	p := w.get("/inbox").form("/inbox").set("code", ambiguous).send().want(200, "Is this what you meant?").has("More than one code")
	var marks []string
	for i, r := range list {
		p.has(r.Repair.Read).has(r.Repair.Meant)
		direct := w.enter(strings.Join(r.Code.Words(), " "))
		chosen := p.form("/inbox", i).send().want(200, "Your inbox")
		if a, b := greeted(direct), greeted(chosen); a != b {
			t.Errorf("choice %d opens %q, its code %q", i, b, a)
		}
		marks = append(marks, greeted(chosen))
	}
	if marks[0] == marks[1] {
		t.Error("both choices open the same inbox")
	}

	// In a form with other things in it the source corrects what was typed.
	inbox := w.enter(w.report("x").code())
	w.advance(visitLife)
	late := inbox.form("/message").set("text", "typed slowly").send().want(200, "Write again")
	p = late.form("/message").set("code", ambiguous).send().want(200, "Write again").has("More than one code")
	f := p.form("/message")
	if f.values["code"][0] != ambiguous || f.values["text"][0] != "typed slowly" {
		t.Errorf("what came back: %q", f.values)
	}
	for _, r := range list {
		p.has(r.Repair.Read + " = " + r.Repair.Meant)
	}
	f.set("code", strings.Join(list[1].Code.Words(), " ")).send().want(200, "Received")
}

// A slip in a code typed back is no other code, whichever of two it can mean.
func TestTypedBackWithASlip(t *testing.T) {
	list, err := crypto.ParseCode(ambiguous)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if !means(list, r.Code) {
			t.Error("one of two readings does not mean its code")
		}
	}
	if means(list, crypto.NewCode()) || means(nil, list[0].Code) {
		t.Error("another code is meant")
	}
	if !slices.ContainsFunc(list, func(r crypto.Reading) bool { return r.Repair.Kind == crypto.RepairSwap }) {
		t.Error("no swap among the readings")
	}
}
