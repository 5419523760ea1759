package locale

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"postern/crypto"
)

func TestPlurals(t *testing.T) {
	l := &Locale{Lang: "ru", tag: language.Russian, Words: map[string]Text{
		"files": {plural.One: "{1} файл", plural.Few: "{1} файла", plural.Many: "{1} файлов"},
		"pair":  {plural.Other: "{2} and {1}"},
	}}
	for n, want := range map[int]string{1: "1 файл", 3: "3 файла", 5: "5 файлов", 21: "21 файл", 0: "0 файлов"} {
		if got := l.Word("files", n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := l.Word("pair", "{2}", "b"); got != "b and {2}" {
		t.Errorf("values are filled in twice: %q", got)
	}
	var x Text
	for _, bad := range []string{`{"several": "x"}`, `3`, `["a"]`} {
		if err := json.Unmarshal([]byte(bad), &x); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestDates: every language writes a day with all of its parts.
func TestDates(t *testing.T) {
	seen := map[string]string{}
	for _, lang := range SourceLanguages() {
		l, err := Source(lang)
		if err != nil {
			t.Fatal(err)
		}
		d := l.Date(crypto.DayOf(time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)))
		if !strings.Contains(d, "26") || !strings.Contains(d, "2026") || !strings.Contains(d, l.Word("month.11")) {
			t.Errorf("%s: %q", lang, d)
		}
		months := map[string]bool{}
		for m := range 12 {
			months[l.Word("month."+strconv.Itoa(m+1))] = true
		}
		if len(months) != 12 {
			t.Errorf("%s: %d different months", lang, len(months))
		}
		seen[lang] = d
	}
	if seen["en"] != "26 November 2026" {
		t.Errorf("English: %q", seen["en"])
	}
}

func TestIn(t *testing.T) {
	for _, c := range []struct {
		texts map[string]string
		want  string
	}{
		{map[string]string{"fr": "a", "en": "b"}, "a"},
		{map[string]string{"de": "a", "en": "b"}, "b"},
		{map[string]string{"ru": "a", "de": "b"}, "b"},
		{nil, ""},
	} {
		got, in := In(c.texts, "fr")
		if got != c.want || c.texts[in] != got {
			t.Errorf("In(%v) = %q in %q, want %q", c.texts, got, in, c.want)
		}
	}
}

func TestSizeText(t *testing.T) {
	l, err := Source("en")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int64]string{1: "1 KB", 65536: "66 KB", 999_999: "1000 KB", 500_000_000: "500 MB", 1 << 30: "1.1 GB"} {
		if got := l.Size(n); got != want {
			t.Errorf("sizeText(%d) = %q, want %q", n, got, want)
		}
	}
}
