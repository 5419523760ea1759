package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clockToBytes are the functions that may turn a time into something that can
// be stored, in the rooms that decide what is: weeks, days, and the hours at which
// batches go out, which are the same for everybody (SECURITY.md S-20).
var clockToBytes = []string{"crypto.DayOf", "crypto.String", "intake.week", "intake.lastSlot"}

// clockReaders gives every function of a file that turns a time.Time into a
// number or text, as package.function.
func clockReaders(t *testing.T, path, text string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, decl := range file.Decls {
		name := file.Name.Name
		if f, ok := decl.(*ast.FuncDecl); ok {
			name += "." + f.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
				return true // time.Unix makes a time of a number
			}
			switch sel.Sel.Name {
			case "Unix", "UnixMilli", "UnixMicro", "UnixNano", "Format", "AppendFormat", "GobEncode", "Chtimes":
				found = append(found, name)
			}
			return true
		})
	}
	return found
}

// Nothing finer than a week or a day can be stored, because nothing else is ever made of a clock.
func TestTimesAreCoarse(t *testing.T) {
	seen := map[string]bool{}
	files(t, func(path, text string) {
		room := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") || !slices.Contains([]string{"crypto", "store", "intake", "intake/form"}, room) {
			return
		}
		for _, f := range clockReaders(t, path, text) {
			seen[f] = true
			if !slices.Contains(clockToBytes, f) {
				t.Errorf("%s: %s makes something finer than a day of a time: store a crypto.Day or a week (SECURITY.md S-20)", path, f)
			}
		}
	}, ".go")
	for _, f := range clockToBytes {
		if !seen[f] {
			t.Errorf("%s no longer reads a time: take it off the list", f)
		}
	}
	fine := "package intake\n\nfunc (m *mailbox) touch(t time.Time) { m.at = t.UnixNano() }\n"
	if got := clockReaders(t, "fine.go", fine); !slices.Equal(got, []string{"intake.touch"}) {
		t.Errorf("a nanosecond passes: %q", got)
	}
}
