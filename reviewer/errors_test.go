package reviewer

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Errors name no program and no option: the packages do not know how it is called, and
// cmd/postern-desk adds which option helps.
func TestErrorsNameNoOption(t *testing.T) {
	var files []string
	for _, dir := range []string{".", "vault", "keeper", "plain"} {
		files = append(files, must(filepath.Glob(filepath.Join(dir, "*.go")))(t)...)
	}
	named := regexp.MustCompile(`(^|[ ('])(--?[a-z]+|postern(-desk)?)\b`)
	n := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		tree := must(parser.ParseFile(token.NewFileSet(), f, nil, 0))(t)
		ast.Inspect(tree, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || fun.Sel.Name != "New" && fun.Sel.Name != "Errorf" || len(call.Args) == 0 {
				return true
			}
			if text, ok := call.Args[0].(*ast.BasicLit); ok {
				n++
				if named.MatchString(strings.Trim(text.Value, "\"`")) {
					t.Errorf("%s: an error names an option or a program: %s", f, text.Value)
				}
			}
			return true
		})
	}
	if n < 50 {
		t.Errorf("%d errors were looked at", n)
	}
}
