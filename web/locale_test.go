package web

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"postern/crypto"
	"postern/intake/form"
)

// wording is one set of locale files and what uses their words.
type wording struct {
	dir       string
	langs     []string
	templates []string               // patterns of their files
	code      func(name string) bool // of this folder
	ids       func(each func(prefix string, ids ...string))
}

func wordings() map[string]wording {
	return map[string]wording{
		"source": {"locales", Locales(),
			[]string{"templates/*.html"},
			func(name string) bool { return name != "exchange.go" },
			func(each func(prefix string, ids ...string)) {
				each("title.", sourcePages...)
				for _, n := range notices {
					each("notice."+n+".", "title", "text", "next")
				}
				each("problem.", problems...)
				each("lost.", lostReasons...)
				for _, k := range form.BodyKinds() {
					each("kind.", k.ID)
				}
				for _, q := range form.Questions() {
					each("q.", q.ID)
					for _, o := range q.Options {
						each("q."+q.ID+".", o.ID)
					}
				}
				for _, o := range form.Stages() {
					each("stage.", o.ID)
				}
				for m := range 12 {
					each("month.", strconv.Itoa(m+1))
				}
			}},
		"exchange": {exchangeWords, []string{"en"},
			[]string{exchangeTemplates + "/*.html", "templates/layout.html"},
			func(name string) bool { return name == "exchange.go" || name == "locale.go" },
			func(each func(prefix string, ids ...string)) {
				each("title.", exchangePages...)
				each("refused.", refusals...)
				each("lane.", lanes...)
			}},
	}
}

// wanted are all keys that templates, code and the vocabulary use.
func (x wording) wanted(t *testing.T) map[string]bool {
	t.Helper()
	want := map[string]bool{}
	x.ids(func(prefix string, ids ...string) {
		for _, id := range ids {
			want[prefix+id] = true
		}
	})
	// Templates: {{t "key"}}.
	var texts []string
	for _, pattern := range x.templates {
		some, err := fs.Glob(assets, pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("%s: %d templates, %v", pattern, len(some), err)
		}
		texts = append(texts, some...)
	}
	for _, name := range texts {
		b, err := assets.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]any{"gt": 1, "lt": 1, "eq": 1, "ne": 1, "len": 1, "index": 1, "not": 1, "or": 1, "and": 1}
		for f := range templateFuncs(new(locale), "", nil) {
			known[f] = 1
		}
		trees, err := parse.Parse(name, string(b), "", "", known)
		if err != nil {
			t.Fatal(err)
		}
		for _, tree := range trees {
			walk(t, name, tree.Root, want)
		}
	}
	// Code: words.word("key" …), words.t("key" …).
	files, err := parser.ParseDir(token.NewFileSet(), ".", nil, 0) //nolint:staticcheck // one folder is all we need
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range files["web"].Files {
		if strings.HasSuffix(name, "_test.go") || !x.code(name) {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok || len(c.Args) == 0 {
				return true
			}
			s, ok := c.Fun.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "word" && s.Sel.Name != "t" {
				return true
			}
			if lit, ok := c.Args[0].(*ast.BasicLit); ok {
				key, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				want[key] = true
			}
			return true
		})
	}
	return want
}

func walk(t *testing.T, file string, n parse.Node, want map[string]bool) {
	t.Helper()
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, c := range n.Nodes {
				walk(t, file, c, want)
			}
		}
	case *parse.ActionNode:
		walk(t, file, n.Pipe, want)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				walk(t, file, c, want)
			}
		}
	case *parse.CommandNode:
		if id, ok := n.Args[0].(*parse.IdentifierNode); ok && id.Ident == "t" {
			s, ok := n.Args[1].(*parse.StringNode)
			if !ok {
				t.Fatalf("%s: %v: a key that is no literal cannot be checked", file, n)
			}
			want[s.Text] = true
		}
		for _, a := range n.Args {
			walk(t, file, a, want)
		}
	case *parse.IfNode:
		walk(t, file, n.Pipe, want)
		walk(t, file, n.List, want)
		walk(t, file, n.ElseList, want)
	case *parse.RangeNode:
		walk(t, file, n.Pipe, want)
		walk(t, file, n.List, want)
		walk(t, file, n.ElseList, want)
	case *parse.WithNode:
		walk(t, file, n.Pipe, want)
		walk(t, file, n.List, want)
		walk(t, file, n.ElseList, want)
	case *parse.TemplateNode:
		walk(t, file, n.Pipe, want)
	}
}

var place = regexp.MustCompile(`\{[0-9]\}`)

// places are the places for values in a text, each once.
func places(s string) []string {
	list := place.FindAllString(s, -1)
	slices.Sort(list)
	return slices.Compact(list)
}

// pluralForms are those that a language needs for all numbers that pages show.
func pluralForms(l *locale) (list []plural.Form) {
	for n := range 1001 {
		if f := l.pluralForm(n); !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	slices.Sort(list)
	return list
}

func TestEveryLocaleIsComplete(t *testing.T) {
	for name, x := range wordings() {
		t.Run(name, func(t *testing.T) {
			want := x.wanted(t)
			en, err := readLocale(x.dir, "en")
			if err != nil {
				t.Fatal(err)
			}
			for _, lang := range x.langs {
				l, err := readLocale(x.dir, lang)
				if err != nil {
					t.Fatal(err)
				}
				t.Run(lang, func(t *testing.T) {
					if l.Lang != lang || l.Dir != "ltr" && l.Dir != "rtl" {
						t.Errorf("lang %q, dir %q", l.Lang, l.Dir)
					}
					for key := range want {
						if len(l.Words[key]) == 0 {
							t.Errorf("no words for %q", key)
						}
					}
					for _, key := range slices.Sorted(maps.Keys(l.Words)) {
						optional := strings.HasPrefix(key, "q.") && strings.HasSuffix(key, ".hint") && en.has(key)
						if !want[key] && (!optional || !knownQuestion(key)) {
							t.Errorf("%q is used nowhere", key)
						}
						for _, fault := range faultsOf(l, l.Words[key], en.Words[key]) {
							t.Errorf("%q: %s", key, fault)
						}
					}
				})
			}
		})
	}
}

func knownQuestion(key string) bool {
	_, ok := form.QuestionOf(strings.TrimSuffix(strings.TrimPrefix(key, "q."), ".hint"))
	return ok
}

// faultsOf is what is wrong with a text beside the English one.
func faultsOf(l *locale, got, en sentence) (faults []string) {
	say := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	have, need := slices.Sorted(maps.Keys(got)), []plural.Form{plural.Other}
	if len(en) > 1 {
		need = pluralForms(l)
	}
	if !slices.Equal(have, need) {
		say("plural forms %v, the language needs %v", have, need)
	}
	for f, w := range got {
		if w == "" || w != form.Clean(w) || strings.ContainsAny(w, "<>") {
			say("form %v is empty or not plain text", f)
		}
		few := f == plural.Zero || f == plural.One || f == plural.Two // may say the number in words
		a, b := places(w), places(en[plural.Other])
		if few {
			a, b = slices.DeleteFunc(a, isFirst), slices.DeleteFunc(b, isFirst)
		}
		if !slices.Equal(a, b) {
			say("form %v has places %v, English has %v", f, a, b)
		}
		if l.Lang != "en" && len(w) > 24 && w == en[plural.Other] {
			say("not translated")
		}
	}
	return faults
}

func isFirst(s string) bool { return s == "{1}" }

// TestFaultsAreFound: the rules above can fail.
func TestFaultsAreFound(t *testing.T) {
	ru, ar := &locale{Lang: "ru", tag: language.Russian}, &locale{Lang: "ar", tag: language.Arabic}
	en := sentence{plural.One: "{1} file of {2}", plural.Other: "{1} files of {2}"}
	whole := sentence{plural.One: "{1} файл {2}", plural.Few: "{1} файла {2}", plural.Many: "{1} файлов {2}"}
	if got := pluralForms(ru); !slices.Equal(got, []plural.Form{plural.One, plural.Few, plural.Many}) {
		t.Errorf("Russian needs %v", got)
	}
	if got := pluralForms(ar); len(got) != 6 {
		t.Errorf("Arabic needs %v", got)
	}
	if f := faultsOf(ru, whole, en); f != nil {
		t.Errorf("a whole text: %v", f)
	}
	for name, c := range map[string]struct {
		got, en sentence
		l       *locale
	}{
		"a form is missing":   {sentence{plural.One: "{1} {2}", plural.Many: "{1} {2}"}, en, ru},
		"a form too many":     {sentence{plural.One: "{1} {2}", plural.Few: "{1} {2}", plural.Many: "{1} {2}", plural.Two: "{1} {2}"}, en, ru},
		"no forms":            {sentence{plural.Other: "{1} {2}"}, en, ru},
		"forms without need":  {whole, sentence{plural.Other: "{1} {2}"}, ru},
		"a place is missing":  {sentence{plural.Other: "{1}"}, sentence{plural.Other: "{1} {2}"}, ru},
		"another place":       {sentence{plural.Other: "{3}"}, sentence{plural.Other: "{1}"}, ru},
		"empty":               {sentence{plural.Other: ""}, sentence{plural.Other: "x"}, ru},
		"markup":              {sentence{plural.Other: "<b>"}, sentence{plural.Other: "x"}, ru},
		"not translated":      {sentence{plural.Other: "a sentence that nobody translated"}, sentence{plural.Other: "a sentence that nobody translated"}, ru},
		"many without number": {sentence{plural.One: "{2}", plural.Few: "{2}", plural.Many: "{1} {2}"}, en, ru},
	} {
		if faultsOf(c.l, c.got, c.en) == nil {
			t.Errorf("%s: no fault is found", name)
		}
	}
}

func TestPlurals(t *testing.T) {
	l := &locale{Lang: "ru", tag: language.Russian, Words: map[string]sentence{
		"files": {plural.One: "{1} файл", plural.Few: "{1} файла", plural.Many: "{1} файлов"},
		"pair":  {plural.Other: "{2} and {1}"},
	}}
	for n, want := range map[int]string{1: "1 файл", 3: "3 файла", 5: "5 файлов", 21: "21 файл", 0: "0 файлов"} {
		if got := l.word("files", n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := l.word("pair", "{2}", "b"); got != "b and {2}" {
		t.Errorf("values are filled in twice: %q", got)
	}
	var x sentence
	for _, bad := range []string{`{"several": "x"}`, `3`, `["a"]`} {
		if err := json.Unmarshal([]byte(bad), &x); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestDates: every language writes a day with all of its parts.
func TestDates(t *testing.T) {
	seen := map[string]string{}
	for _, lang := range Locales() {
		l, err := loadLocale(lang)
		if err != nil {
			t.Fatal(err)
		}
		d := l.dateText(crypto.DayOf(time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)))
		if !strings.Contains(d, "26") || !strings.Contains(d, "2026") || !strings.Contains(d, l.word("month.11")) {
			t.Errorf("%s: %q", lang, d)
		}
		months := map[string]bool{}
		for m := range 12 {
			months[l.word("month."+strconv.Itoa(m+1))] = true
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

func TestInLang(t *testing.T) {
	for _, c := range []struct {
		texts map[string]string
		want  string
	}{
		{map[string]string{"fr": "a", "en": "b"}, "a"},
		{map[string]string{"de": "a", "en": "b"}, "b"},
		{map[string]string{"ru": "a", "de": "b"}, "b"},
		{nil, ""},
	} {
		got, in := inLang(c.texts, "fr")
		if got != c.want || c.texts[in] != got {
			t.Errorf("inLang(%v) = %q in %q, want %q", c.texts, got, in, c.want)
		}
	}
}

func TestSizeText(t *testing.T) {
	l, err := loadLocale("en")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int64]string{1: "1 KB", 65536: "66 KB", 999_999: "1000 KB", 500_000_000: "500 MB", 1 << 30: "1.1 GB"} {
		if got := l.sizeText(n); got != want {
			t.Errorf("sizeText(%d) = %q, want %q", n, got, want)
		}
	}
}
