package crypto

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func codeFor(t testing.TB, index ...uint16) (c Code) {
	t.Helper()
	if copy(c.index[:], index) != codeWords {
		t.Fatal("not eight words")
	}
	return c
}

func drawCode(t *rapid.T) (c Code) {
	for i := range c.index {
		c.index[i] = rapid.Uint16Range(0, wordCount-1).Draw(t, "word")
	}
	return c
}

func TestNewCode(t *testing.T) {
	var low, high bool
	seen := map[uint16]bool{}
	for range 2000 {
		c := NewCode()
		for _, i := range c.index {
			if i >= wordCount {
				t.Fatalf("word %d", i)
			}
			low, high = low || i < 100, high || i >= wordCount-100
			seen[i] = true
		}
		if !readsAs(strings.Join(c.Words(), " "), c) {
			t.Fatal("a fresh code does not parse")
		}
	}
	// 16,000 draws of 7,772: 6,780 different ones are expected, with a
	// deviation of 24.
	if !low || !high || len(seen) < 6500 || len(seen) > 7000 {
		t.Errorf("%d different words in 16,000", len(seen))
	}
}

// readsAs says whether an input is this code without a repair.
func readsAs(s string, c Code) bool {
	list, err := ParseCode(s)
	return err == nil && len(list) == 1 && list[0] == Reading{Code: c} && list[0].Typed()
}

func TestCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCode(t)
		got, err := CodeFromCanonical(c.Canonical())
		if err != nil || got != c {
			t.Fatalf("not the same code: %v", err)
		}
	})
	good := codeFor(t, 0, 1, 2, 3, 4, 5, 6, wordCount-1).Canonical()
	if want := []byte{1, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0x1e, 0x5b}; !bytes.Equal(good, want) {
		t.Errorf("canonical form %x, not %x", good, want)
	}
	over := bytes.Clone(good)
	over[16]++
	for name, b := range map[string][]byte{
		"empty": nil, "short": good[:16], "long": append(bytes.Clone(good), 0),
		"version": append([]byte{2}, good[1:]...), "no such word": over,
	} {
		if _, err := CodeFromCanonical(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseCodeForgives(t *testing.T) {
	c := codeFor(t, 11, 222, 3333, 4444, 5555, 6666, 7771, 0)
	w := c.Words()
	for name, s := range map[string]string{
		"upper case":   strings.ToUpper(strings.Join(w, " ")),
		"title":        strings.ToUpper(w[0][:1]) + w[0][1:] + " " + strings.Join(w[1:], " "),
		"hyphens":      strings.Join(w, "-"),
		"line breaks":  "\r\n" + strings.Join(w, "\r\n") + "\r\n\r\n",
		"punctuation":  strings.Join(w, ", ") + ".",
		"numbered":     "1. " + strings.Join(w, " 2) "),
		"no-break":     strings.Join(w, "\u00a0"),
		"in front":     "\ufeff\u200e" + strings.Join(w, " \u200b"),
		"quotes":       "“" + strings.Join(w, "” “") + "”",
		"tabs, dashes": strings.Join(w, "\t—\t"),
		"broken utf-8": strings.Join(w, " \xff "),
	} {
		if !readsAs(s, c) {
			list, err := ParseCode(s)
			t.Errorf("%s: %v, %d readings", name, err, len(list))
		}
	}
}

// TestParseCodeFolds: a code typed on another keyboard, changed by
// autocorrection or copied from a document is the code.
func TestParseCodeFolds(t *testing.T) {
	c := codeFor(t, 1000, 2222, 3333, 4444, 5555, 6666, 7771, 0)
	plain := strings.Join(c.Words(), " ")
	each := func(change func(r rune) string) string {
		var b strings.Builder
		for _, r := range plain {
			b.WriteString(change(r))
		}
		return b.String()
	}
	shift := func(a rune) func(r rune) string {
		return func(r rune) string {
			if r == ' ' {
				return " "
			}
			return string(r - 'a' + a)
		}
	}
	forms := map[string]string{
		"full width":      each(shift('ａ')),
		"full width, big": each(shift('Ａ')),
		"circled":         each(shift('ⓐ')),
		"bold":            each(shift('𝐚')),
		"accents":         each(func(r rune) string { return strings.ReplaceAll(string(r), "e", "é") }),
		"marks apart":     each(func(r rune) string { return strings.Replace(string(r)+"\u0301", " \u0301", " ", 1) }),
		"soft hyphens":    each(func(r rune) string { return string(r) + "\u00ad" }),
		"invisible":       each(func(r rune) string { return string(r) + "\u200b\u2060\ufeff\u200d\u2063\u3164\U000e0061" }),
		"turned around":   "\u202a" + plain + "\u202c",
		"ligatures":       strings.NewReplacer("fi", "ﬁ", "fl", "ﬂ", "ff", "ﬀ", "st", "ﬆ").Replace(plain),
		"dotted capitals": strings.ReplaceAll(strings.ToUpper(plain), "I", "İ"),
	}
	for line := range strings.Lines(lookAlikes) {
		if f := strings.Fields(line); len(f) > 0 {
			for _, letters := range f[1:] {
				for _, r := range letters {
					forms["with "+string(r)] = strings.ReplaceAll(plain, f[0], string(r))
				}
			}
		}
	}
	for name, s := range forms {
		if !readsAs(s, c) {
			_, err := ParseCode(s)
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLookAlikes: the table is FORMAT.md's, no letter means two things, and
// each does something that NFKD does not do by itself.
func TestLookAlikes(t *testing.T) {
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[rune]bool{}
	for line := range strings.Lines(lookAlikes) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if !strings.Contains(string(doc), "\n    "+line) {
			t.Errorf("FORMAT.md lacks the line %q", line)
		}
		for _, letters := range f[1:] {
			for _, r := range letters {
				if seen[r] || norm.NFKD.String(string(r)) != string(r) || !unicode.IsLetter(r) {
					t.Errorf("%q stands twice, is no letter, or NFKD changes it", r)
				}
				seen[r] = true
			}
		}
	}
}

// TestHoldsCode: a text that holds a code in any spelling that would be read.
func TestHoldsCode(t *testing.T) {
	c := codeFor(t, 11, 222, 3333, 4444, 5555, 6666, 7771, 0)
	other := codeFor(t, 1, 2, 3, 4, 5, 6, 7, 8)
	w := c.Words()
	with := func(change func(w []string)) string { x := slices.Clone(w); change(x); return strings.Join(x, " ") }
	for name, s := range map[string]string{
		"alone":           strings.Join(w, " "),
		"in a text":       "Hello, my code is: " + strings.Join(w, ", ") + ". Please answer.",
		"in a list":       "1. " + strings.ToUpper(strings.Join(w, "\n2. ")),
		"as a file name":  strings.Join(w, "-") + ".pdf",
		"on a keyboard":   strings.NewReplacer("a", "а", "e", "é").Replace(strings.Join(w, " ")),
		"with a slip":     with(func(w []string) { w[4] += "x" }),
		"two swapped":     with(func(w []string) { w[7], w[8] = w[8], w[7] }),
		"behind a word":   "abacus " + strings.Join(w, " "),
		"behind its half": strings.Join(w[:5], " ") + " " + strings.Join(w, " "),
		"of another life": "earlier: " + strings.Join(other.Words(), " "),
	} {
		if !HoldsCode(s, c) {
			t.Errorf("%s: not found", name)
		}
	}
	for name, s := range map[string]string{
		"nothing":            "",
		"eight words":        strings.Join(w[:8], " "),
		"without the first":  strings.Join(w[1:], " ") + " abacus",
		"two slips":          with(func(w []string) { w[1] += "x"; w[4] += "x" }),
		"two far ones":       with(func(w []string) { w[1], w[4] = w[4], w[1] }),
		"another with slips": strings.Join(other.Words(), " ") + "x",
		"a word in between":  strings.Join(w[:4], " ") + " and " + strings.Join(w[4:], " "),
		"other words":        strings.Repeat("abacus zoom ", 500),
	} {
		if HoldsCode(s, c) {
			t.Errorf("%s: found", name)
		}
	}
}

func TestParseCodeHints(t *testing.T) {
	c := codeFor(t, 11, 222, 3333, 4444, 5555, 6666, 7771, 0)
	w := c.Words()
	with := func(change func(w []string) []string) string { return strings.Join(change(slices.Clone(w)), " ") }
	for _, x := range []struct {
		name, in string
		want     CodeError
	}{
		{"nothing", "", CodeError{Problem: CodeWordCount}},
		{"no letters", " 123 -- \n", CodeError{Problem: CodeWordCount}},
		{"one missing", strings.Join(w[:8], " "), CodeError{Problem: CodeWordCount, Count: 8}},
		{"one more", strings.Join(w, " ") + " abacus", CodeError{Problem: CodeWordCount, Count: 10}},
		{"two unknown", with(func(w []string) []string { w[1], w[8] = "qqqqq", "xxxxx"; return w }), CodeError{CodeUnknown, 9, []int{2, 9}}},
		{"two unknown, each one edit away", with(func(w []string) []string { w[1], w[8] = w[1]+"q", w[8]+"q"; return w }), CodeError{CodeUnknown, 9, []int{2, 9}}},
		// The unknown eighth word of this code is word 0, what an index not yet set says.
		{"one unknown and far, one unknown and near", with(func(w []string) []string { w[1], w[7] = w[1]+"q", "qqqqq"; return w }), CodeError{CodeUnknown, 9, []int{2, 8}}},
		{"one unknown, two swapped", with(func(w []string) []string { w[2], w[3], w[7] = w[3], w[2], "qqqqq"; return w }), CodeError{CodeUnknown, 9, []int{8}}},
		{"one unknown and far", with(func(w []string) []string { w[4] = "qqqqqqqqqqqqqqqqqqqq"; return w }), CodeError{CodeUnknown, 9, []int{5}}},
		{"not Latin", with(func(w []string) []string { w[0] = "слово"; return w }), CodeError{CodeUnknown, 9, []int{1}}},
		{"all known, another order", with(func(w []string) []string { slices.Reverse(w); return w }), CodeError{Problem: CodeOrder, Count: 9}},
		{"all the same", strings.Repeat("abacus ", 9), CodeError{Problem: CodeOrder, Count: 9}},
	} {
		list, err := ParseCode(x.in)
		var e *CodeError
		if !errors.As(err, &e) || e.Problem != x.want.Problem || e.Count != x.want.Count || !slices.Equal(e.Unknown, x.want.Unknown) {
			t.Errorf("%s: %+v, not %+v", x.name, err, x.want)
		}
		if list != nil {
			t.Errorf("%s: an error and a code", x.name)
		}
		if err != nil {
			for _, word := range strings.Fields(x.in) {
				if _, known := wordIndex(word); known && len(word) > 5 && strings.Contains(err.Error(), word) {
					t.Errorf("%s: the error says a word", x.name)
				}
			}
		}
	}
}

// TestParseCodeRepairs: whatever one typing slip does to a valid code, the code
// that was meant is among the readings, and the repair says what was done.
func TestParseCodeRepairs(t *testing.T) {
	several := 0
	rapid.Check(t, func(t *rapid.T) {
		c := drawCode(t)
		w := c.Words()
		at := rapid.IntRange(0, codeWords).Draw(t, "position")
		letter := string(rapid.SampledFrom([]rune("abcdefghijklmnopqrstuvwxyzжλ字")).Draw(t, "letter"))
		was := w[at]
		i := rapid.IntRange(0, len(was)-1).Draw(t, "letter position")
		kind := RepairWord
		switch rapid.SampledFrom([]string{"insert", "delete", "replace", "swap"}).Draw(t, "slip") {
		case "insert":
			w[at] = was[:i] + letter + was[i:]
		case "delete":
			w[at] = was[:i] + was[i+1:]
		case "replace":
			w[at] = was[:i] + letter + was[i+1:]
		case "swap":
			at = min(at, codeWords-1)
			w[at], w[at+1] = w[at+1], w[at]
			kind = RepairSwap
		}
		list, err := ParseCode(strings.Join(w, " "))
		if err != nil {
			t.Fatal(err)
		}
		if list[0].Typed() {
			// Nothing changed, or one in 7,772 happened: the slip is a valid code.
			if len(list) != 1 || strings.Join(list[0].Code.Words(), " ") != strings.Join(w, " ") {
				t.Fatal("a code that was not typed, and no repair")
			}
			return
		}
		if len(list) > 1 {
			several++
		}
		found := slices.IndexFunc(list, func(r Reading) bool { return r.Code == c })
		if found < 0 {
			t.Fatal("the code that was meant is not among the readings")
		}
		rep := list[found].Repair
		if rep.Kind != kind || rep.Position != at {
			t.Fatalf("repair of kind %d at %d, not %d at %d", rep.Kind, rep.Position, kind, at)
		}
		if kind == RepairWord && (rep.Read != w[at] || rep.Meant != was) {
			t.Fatal("the repair does not say what was read and meant")
		}
		if kind == RepairSwap && (rep.Read != w[at]+" "+w[at+1] || rep.Meant != w[at+1]+" "+w[at]) {
			t.Fatal("the repair does not say what was read and meant")
		}
	})
	t.Logf("several readings: %d", several)
}

// ambiguous finds an input of which two repairs make two codes. The seed is
// fixed: the same input each time.
func ambiguous(t *testing.T) (in string, a, b Code) {
	t.Helper()
	for n := range uint16(wordCount) {
		c := codeFor(t, n, 5, 6, 7, 8, 9, 10, 11)
		w := c.Words()
		for i := range codeShown - 1 { // a slip that swaps
			x := slices.Clone(w)
			x[i], x[i+1] = x[i+1], x[i]
			in := strings.Join(x, " ")
			if list, err := ParseCode(in); err == nil && len(list) > 1 {
				return in, list[0].Code, list[1].Code
			}
		}
	}
	t.Fatal("no ambiguous input was found: the search is at fault")
	return "", a, b
}

// TestParseCodeOffersBoth: when two repairs fit, both are readings. To choose
// would be to guess at a mailbox.
func TestParseCodeOffersBoth(t *testing.T) {
	in, a, b := ambiguous(t)
	if a == b {
		t.Fatal("twice the same code")
	}
	list, err := ParseCode(in)
	if err != nil || len(list) != 2 || list[0].Repair == list[1].Repair {
		t.Fatalf("%d readings, %v", len(list), err)
	}
	for _, r := range list {
		if r.Typed() || !readsAs(strings.Join(r.Code.Words(), " "), r.Code) {
			t.Error("a reading that is no code, or no repair")
		}
	}
}

func TestOneEdit(t *testing.T) {
	for _, x := range []struct {
		a, b string
		want bool
	}{
		{"abc", "abc", false}, {"abc", "abd", true}, {"abc", "bbc", true}, {"abc", "ab", true}, {"abc", "bc", true},
		{"abc", "xabc", true}, {"abc", "abxc", true}, {"abc", "abcx", true}, {"abc", "acb", false},
		{"abc", "abcde", false}, {"", "a", true}, {"", "", false}, {"", "ab", false}, {"aab", "ab", true},
	} {
		if oneEdit([]rune(x.a), x.b) != x.want || oneEdit([]rune(x.b), x.a) != x.want {
			t.Errorf("oneEdit(%q, %q) is not %t both ways", x.a, x.b, x.want)
		}
	}
	for _, typed := range []string{"ab字", "字bc", "a字c", "ab字c", "字abc", "abc字"} { // in letters, not bytes
		if !oneEdit([]rune(typed), "abc") {
			t.Errorf("%q is not one edit away from abc", typed)
		}
	}
}

// TestParseCodeLongInput: a megabyte costs a pass over it, no more. That it
// ends at all within the test's time is what is checked.
func TestParseCodeLongInput(t *testing.T) {
	w := NewCode().Words()
	for name, s := range map[string]string{
		"one word":         strings.Repeat("a", 1<<20),
		"many words":       strings.Repeat("abacus ", 1<<17),
		"nine long words":  strings.Repeat(strings.Repeat("q", 1<<17)+" ", 9),
		"long ninth word":  strings.Join(w[:8], " ") + " " + strings.Repeat("é", 1<<19),
		"separators":       strings.Repeat("-", 1<<20),
		"code and padding": strings.Join(w, " ") + strings.Repeat(" ", 1<<20),
	} {
		_, err := ParseCode(s)
		if (err == nil) != (name == "code and padding") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	w := codeFor(f, 11, 222, 3333, 4444, 5555, 6666, 7771, 0).Words()
	f.Add(strings.Join(w, " "))
	f.Add(strings.ToUpper(strings.Join(w, "-")))
	f.Add(strings.Join(append([]string{w[1], w[0]}, w[2:]...), "\n"))
	f.Add(strings.Join(w, " ") + "s")
	f.Add(strings.Join(w[:8], " "))
	f.Add("é" + strings.Join(w, "\xff"))
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParseCode(s)
		var e *CodeError
		if err != nil {
			if list != nil || !errors.As(err, &e) || e.Error() == "not a code" {
				t.Fatalf("an error that is no hint: %v", err)
			}
			return
		}
		if len(list) == 0 || len(list) > maxReadings || list[0].Typed() && len(list) > 1 {
			t.Fatalf("%d readings", len(list))
		}
		for _, r := range list {
			if !readsAs(strings.Join(r.Code.Words(), " "), r.Code) {
				t.Fatal("what was parsed does not parse again")
			}
			if r.Typed() != (r.Repair == Repair{}) || r.Repair.Position < 0 || r.Repair.Position > codeWords {
				t.Fatal("a repair of nothing")
			}
		}
	})
}
