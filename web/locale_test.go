package web

import (
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

	"postern/intake/form"
)

// wantedWords are all keys that templates, code and the vocabulary use.
func wantedWords(t *testing.T) map[string]bool {
	t.Helper()
	want := map[string]bool{}
	each := func(prefix string, ids ...string) {
		for _, id := range ids {
			want[prefix+id] = true
		}
	}
	each("title.", sourcePages...)
	each("title.", exchangePages...)
	for _, n := range notices {
		each("notice."+n+".", "title", "text", "next")
	}
	each("problem.", problems...)
	each("lost.", lostReasons...)
	each("refused.", refusals...)
	each("lane.", lanes...)
	for _, k := range form.BodyKinds() {
		each("kind.", k.ID)
	}
	for _, q := range form.Questions() {
		each("q.", q.ID)
		for _, o := range q.Options {
			each("q."+q.ID+".", o.ID)
		}
	}
	// Templates: {{t "key"}}.
	texts, err := fs.Glob(assets, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range texts {
		b, err := assets.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		trees, err := parse.Parse(name, string(b), "", "", map[string]any{
			"t": 1, "text": 1, "lang": 1, "dir": 1, "style": 1, "notice": 1, "refused": 1, "gt": 1, "eq": 1, "len": 1, "index": 1, "not": 1,
		})
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
		if strings.HasSuffix(name, "_test.go") {
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

func TestEveryLocaleIsComplete(t *testing.T) {
	want := wantedWords(t)
	en, err := loadLocale("en")
	if err != nil {
		t.Fatal(err)
	}
	verb := regexp.MustCompile(`%(\[\d\])?[a-z]|%%`)
	for _, lang := range Locales() {
		l, err := loadLocale(lang)
		if err != nil {
			t.Fatal(err)
		}
		if l.Lang != lang || l.Dir != "ltr" && l.Dir != "rtl" {
			t.Errorf("%s: lang %q, dir %q", lang, l.Lang, l.Dir)
		}
		for key := range want {
			if l.Words[key] == "" {
				t.Errorf("%s: no words for %q", lang, key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(l.Words)) {
			if q, ok := strings.CutSuffix(key, ".hint"); ok && strings.HasPrefix(q, "q.") {
				if _, known := form.QuestionOf(strings.TrimPrefix(q, "q.")); known {
					continue // hints of questions are optional
				}
			}
			if !want[key] {
				t.Errorf("%s: %q is used nowhere", lang, key)
			}
			w := l.Words[key]
			if w != form.Clean(w) || strings.ContainsAny(w, "<>") {
				t.Errorf("%s: %q is not plain text", lang, key)
			}
			if a, b := len(verb.FindAllString(w, -1)), len(verb.FindAllString(en.Words[key], -1)); a != b {
				t.Errorf("%s: %q has %d places for values, English has %d", lang, key, a, b)
			}
		}
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
		if got := inLang(c.texts, "fr"); got != c.want {
			t.Errorf("inLang(%v) = %q, want %q", c.texts, got, c.want)
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
