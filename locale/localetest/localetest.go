// Package localetest checks locale files: every key that templates and code ask
// for is there in every language and used, with the same places for values and the
// plural forms that the language needs.
package localetest

import (
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

	"golang.org/x/text/feature/plural"

	"postern/intake/form"
	"postern/locale"
)

// Wanted collects the keys that pages ask for.
type Wanted map[string]bool

// Add adds keys made of a prefix and ids.
func (w Wanted) Add(prefix string, ids ...string) {
	for _, id := range ids {
		w[prefix+id] = true
	}
}

// Templates adds the keys of templates: {{t "key"}}. funcs are the functions that
// the templates call, by name.
func (w Wanted) Templates(t *testing.T, files fs.FS, funcs map[string]any, patterns ...string) {
	t.Helper()
	var texts []string
	for _, pattern := range patterns {
		some, err := fs.Glob(files, pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("%s: %d templates, %v", pattern, len(some), err)
		}
		texts = append(texts, some...)
	}
	known := map[string]any{"gt": 1, "lt": 1, "eq": 1, "ne": 1, "len": 1, "index": 1, "not": 1, "or": 1, "and": 1}
	for f := range funcs {
		known[f] = 1
	}
	for _, name := range texts {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		trees, err := parse.Parse(name, string(b), "", "", known)
		if err != nil {
			t.Fatal(err)
		}
		for _, tree := range trees {
			w.walk(t, name, tree.Root)
		}
	}
}

// key is what a key looks like.
var key = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)

// Code adds the keys that the Go files of a folder ask for by a literal:
// words.Word("key" …), words.T("key" …), and as any argument of calls of functions that also
// names. which says whether a file counts; tests never do.
func (w Wanted) Code(t *testing.T, dir string, which func(name string) bool, also ...string) {
	t.Helper()
	packages, err := parser.ParseDir(token.NewFileSet(), dir, nil, 0) //nolint:staticcheck // one folder is all we need
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		for name, f := range p.Files {
			if !strings.HasSuffix(name, "_test.go") && which(name) {
				ast.Inspect(f, func(n ast.Node) bool { w.call(t, n, also); return true })
			}
		}
	}
}

// call adds the keys of one call.
func (w Wanted) call(t *testing.T, n ast.Node, also []string) {
	c, ok := n.(*ast.CallExpr)
	if !ok {
		return
	}
	name := ""
	switch f := c.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
	case *ast.Ident:
		name = f.Name
	}
	asks := name == "Word" || name == "T"
	if !asks && !slices.Contains(also, name) {
		return
	}
	for i, a := range c.Args {
		lit, ok := a.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			continue
		}
		s, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		if asks && i == 0 || !asks && key.MatchString(s) {
			w[s] = true
		}
	}
}

func (w Wanted) walk(t *testing.T, file string, n parse.Node) {
	t.Helper()
	branch := func(b *parse.BranchNode) {
		w.walk(t, file, b.Pipe)
		w.walk(t, file, b.List)
		w.walk(t, file, b.ElseList)
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, c := range n.Nodes {
				w.walk(t, file, c)
			}
		}
	case *parse.ActionNode:
		w.walk(t, file, n.Pipe)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				w.walk(t, file, c)
			}
		}
	case *parse.CommandNode:
		if id, ok := n.Args[0].(*parse.IdentifierNode); ok && id.Ident == "t" {
			s, ok := n.Args[1].(*parse.StringNode)
			if !ok {
				t.Fatalf("%s: %v: a key that is no literal cannot be checked", file, n)
			}
			w[s.Text] = true
		}
		for _, a := range n.Args {
			w.walk(t, file, a)
		}
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.TemplateNode:
		w.walk(t, file, n.Pipe)
	}
}

// Complete checks a language against the wanted keys and against English. optional
// keys may be missing, and are used.
func (w Wanted) Complete(t *testing.T, l, en *locale.Locale, optional func(key string) bool) {
	t.Helper()
	if l.Dir != "ltr" && l.Dir != "rtl" {
		t.Errorf("dir %q", l.Dir)
	}
	for key := range w {
		if len(l.Words[key]) == 0 {
			t.Errorf("no words for %q", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.Words)) {
		if !w[key] && !optional(key) {
			t.Errorf("%q is used nowhere", key)
		}
		for _, fault := range Faults(l, l.Words[key], en.Words[key]) {
			t.Errorf("%q: %s", key, fault)
		}
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
func pluralForms(l *locale.Locale) (list []plural.Form) {
	for n := range 1001 {
		if f := l.PluralForm(n); !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	slices.Sort(list)
	return list
}

// Faults is what is wrong with a text beside the English one.
func Faults(l *locale.Locale, got, en locale.Text) (faults []string) {
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
