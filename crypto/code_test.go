package crypto

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

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
		got, rep, err := ParseCode(strings.Join(c.Words(), " "))
		if err != nil || got != c || rep != (Repair{}) {
			t.Fatalf("a fresh code does not parse: %v", err)
		}
	}
	// 16,000 draws of 7,772: 6,780 different ones are expected, with a
	// deviation of 24.
	if !low || !high || len(seen) < 6500 || len(seen) > 7000 {
		t.Errorf("%d different words in 16,000", len(seen))
	}
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
		"zero width":   "\ufeff" + strings.Join(w, "\u200b"),
		"quotes":       "“" + strings.Join(w, "” “") + "”",
		"tabs, dashes": strings.Join(w, "\t—\t"),
		"broken utf-8": strings.Join(w, " \xff "),
	} {
		got, rep, err := ParseCode(s)
		if err != nil || got != c || rep != (Repair{}) {
			t.Errorf("%s: %v, repaired %t", name, err, rep != (Repair{}))
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
		got, rep, err := ParseCode(x.in)
		var e *CodeError
		if !errors.As(err, &e) || e.Problem != x.want.Problem || e.Count != x.want.Count || !slices.Equal(e.Unknown, x.want.Unknown) {
			t.Errorf("%s: %+v, not %+v", x.name, err, x.want)
		}
		if got != (Code{}) || rep != (Repair{}) {
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

// TestParseCodeRepairs: whatever one typing slip does to a valid code, the
// answer is the right code or a hint; with a repair the check word fits and
// the repair says what was done.
func TestParseCodeRepairs(t *testing.T) {
	repaired, hinted, other := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := drawCode(t)
		w := c.Words()
		at := rapid.IntRange(0, codeWords).Draw(t, "position")
		letter := string(rapid.ByteRange('a', 'z').Draw(t, "letter"))
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
		got, rep, err := ParseCode(strings.Join(w, " "))
		var e *CodeError
		switch {
		case errors.As(err, &e):
			hinted++
			if got != (Code{}) || e.Problem == CodeWordCount {
				t.Fatalf("a hint and a code, or %v", err)
			}
			return
		case err != nil:
			t.Fatal(err)
		case rep == (Repair{}):
			// Nothing changed, or one in 7,772 happened: the slip is a valid code.
			other++
			if strings.Join(got.Words(), " ") != strings.Join(w, " ") {
				t.Fatal("a code that was not typed, and no repair")
			}
			return
		}
		repaired++
		if got != c {
			t.Fatal("repaired to another code than the one meant")
		}
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
	if repaired < hinted || repaired < other {
		t.Errorf("%d repaired, %d hinted, %d neither: slips are mostly repaired", repaired, hinted, other)
	}
}

// TestParseCodeAmbiguous finds an input with two repairs and sees it refused:
// to choose would be to guess at a mailbox.
func TestParseCodeAmbiguous(t *testing.T) {
	// "?at" words that differ in one letter, tried with every check word's
	// neighbours until two candidates fit.
	rnd := uint16(1)
	for range 200000 {
		rnd = rnd*25173 + 13849
		c := codeFor(t, rnd%wordCount, 5, 6, 7, 8, 9, 10, 11)
		w := c.Words()
		n, _ := wordIndex(w[8])
		for _, near := range []int{n - 1, n + 1} {
			if near < 0 || near >= wordCount || !oneEdit(words[near], w[8]) {
				continue
			}
			read := append(slices.Clone(w[:8]), words[near])
			var ix [codeShown]uint16
			for i, word := range read {
				k, _ := wordIndex(word)
				ix[i] = uint16(k)
			}
			if _, ok := codeOf(ix); ok {
				continue
			}
			if _, _, found := repairCode(read, ix, nil); found > 1 {
				_, _, err := ParseCode(strings.Join(read, " "))
				var e *CodeError
				if !errors.As(err, &e) || e.Problem != CodeOrder {
					t.Errorf("an ambiguous code: %v", err)
				}
				return
			}
		}
	}
	t.Fatal("no ambiguous input was found: the search is at fault")
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
		if oneEdit(x.a, x.b) != x.want || oneEdit(x.b, x.a) != x.want {
			t.Errorf("oneEdit(%q, %q) is not %t both ways", x.a, x.b, x.want)
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
		_, _, err := ParseCode(s)
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
		c, rep, err := ParseCode(s)
		var e *CodeError
		if err != nil {
			if c != (Code{}) || rep != (Repair{}) || !errors.As(err, &e) || e.Error() == "not a code" {
				t.Fatalf("an error that is no hint: %v", err)
			}
			return
		}
		again, none, err := ParseCode(strings.Join(c.Words(), " "))
		if err != nil || again != c || none != (Repair{}) {
			t.Fatalf("what was parsed does not parse again: %v", err)
		}
		if (rep.Kind == RepairNone) != (rep == Repair{}) || rep.Position < 0 || rep.Position > codeWords {
			t.Fatal("a repair of nothing")
		}
	})
}
