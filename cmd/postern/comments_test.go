package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declared are the names of a package: of types, functions and values, and of methods
// and fields as Type.name.
type declared map[string]bool

func (d declared) add(file *ast.File) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			name := decl.Name.Name
			if decl.Recv != nil {
				name = receiver(decl.Recv.List[0].Type) + "." + name
			}
			d[name] = true
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, n := range spec.Names {
						d[n.Name] = true
					}
				case *ast.TypeSpec:
					d[spec.Name.Name] = true
					d.addMembers(spec)
				}
			}
		}
	}
}

func (d declared) addMembers(spec *ast.TypeSpec) {
	var list *ast.FieldList
	switch t := spec.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return
	}
	for _, f := range list.List {
		for _, n := range f.Names {
			d[spec.Name.Name+"."+n.Name] = true
		}
	}
}

// receiver is the name of a method's type.
func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

var (
	// docLink is [Name], [Type.Name], [package.Name] or [package.Type.Name], and no link of another kind.
	docLink = regexp.MustCompile(`\[\*?([A-Za-z]\w*(?:\.[A-Za-z]\w*){0,2})\](?:[^(:\w]|$)`)
	// sourceFile is what looks like a file of source.
	sourceFile = regexp.MustCompile(`[\w./-]*\w\.(?:go|txtar|service|yml)\b`)
)

// room is what one folder holds.
type room struct {
	files map[string]*ast.File // by path
	names map[string]declared  // by package name: tests may have one of their own
}

// rooms parses all Go files of the project, by folder.
func rooms(t *testing.T) map[string]*room {
	all := map[string]*room{}
	fset := token.NewFileSet()
	files(t, func(name, text string) {
		f, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(name)
		r := all[dir]
		if r == nil {
			r = &room{map[string]*ast.File{}, map[string]declared{}}
			all[dir] = r
		}
		r.files[name] = f
		if r.names[f.Name.Name] == nil {
			r.names[f.Name.Name] = declared{}
		}
		r.names[f.Name.Name].add(f)
	}, ".go")
	return all
}

// imported gives the folders of our packages that a file imports, by the name they have there.
func imported(f *ast.File) map[string]string {
	m := map[string]string{}
	for _, i := range f.Imports {
		p := strings.Trim(i.Path.Value, `"`)
		name := path.Base(p)
		if i.Name != nil {
			name = i.Name.Name
		}
		dir, ours := strings.CutPrefix(p, module)
		if !ours {
			dir = ""
		}
		m[name] = dir
	}
	return m
}

// gone says why a link in a comment of a file leads nowhere; "" when it leads somewhere.
func gone(all map[string]*room, dir string, f *ast.File, name string) string {
	head, rest, dotted := strings.Cut(name, ".")
	if dotted && head == strings.ToLower(head) { // a package's
		target, known := imported(f)[head]
		switch {
		case !known:
			for d := range all { // a package that the file does not import may be linked to as well
				if path.Base(d) == head {
					target, known = d, true
				}
			}
			if !known {
				return "" // another module's
			}
		case target == "":
			return ""
		}
		if all[target] == nil || !all[target].has(rest) {
			return fmt.Sprintf("package %s has no %s", head, rest)
		}
		return ""
	}
	if head == strings.ToLower(head) && !dotted {
		return "" // a word in brackets
	}
	if !all[dir].has(name) {
		return "this package has no " + name
	}
	return ""
}

func (r *room) has(name string) bool {
	for _, d := range r.names {
		if d[name] {
			return true
		}
		if t, member, ok := strings.Cut(name, "."); ok && d[t] && d.embeds(member) {
			return true
		}
	}
	return false
}

// embeds says whether some type has a member of this name: what is embedded is not looked up.
func (d declared) embeds(member string) bool {
	for n := range d {
		if strings.HasSuffix(n, "."+member) {
			return true
		}
	}
	return false
}

// missingFiles lists what looks like a file of source in a text of a folder, and is none.
func missingFiles(dir, text string) (list []string) {
	for _, name := range sourceFile.FindAllString(text, -1) {
		base := strings.TrimPrefix(name, "./")
		if !strings.HasPrefix(base, ".") && !exists(filepath.Join(dir, base)) && !exists(base) || strings.HasPrefix(base, ".") && !exists(base) {
			list = append(list, name)
		}
	}
	return slices.Compact(list)
}

// Comments name what is there: their links lead somewhere, and the files they list exist.
func TestCommentsNameThings(t *testing.T) {
	all := rooms(t)
	links := 0
	for dir, r := range all {
		for name, f := range r.files {
			for _, group := range f.Comments {
				text := group.Text()
				for _, m := range docLink.FindAllStringSubmatch(text, -1) {
					if strings.HasSuffix(name, "_test.go") { // nobody reads links there
						continue
					}
					links++
					if why := gone(all, dir, f, m[1]); why != "" {
						t.Errorf("%s: [%s] leads nowhere: %s", name, m[1], why)
					}
				}
				for _, file := range missingFiles(dir, text) {
					t.Errorf("%s: a comment names %s, which is not there", name, file)
				}
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links were looked at", links)
	}
	files(t, func(name, text string) {
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			if sourceFile.FindString(m[1]) != m[1] {
				continue
			}
			for _, file := range missingFiles(filepath.Dir(name), m[1]) {
				t.Errorf("%s names %s, which is not there", name, file)
			}
		}
	}, ".md")
}

// What is gone is noticed.
func TestStaleCommentsAreNoticed(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x

import "postern/crypto"
`, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*room{
		"x":      {names: map[string]declared{"x": {"Here": true, "Here.Field": true}}},
		"crypto": {names: map[string]declared{"crypto": {"Code": true}}},
	}
	for name, stale := range map[string]bool{
		"Here": false, "Here.Field": false, "crypto.Code": false, "storage": false, "http.Request": false,
		"There": true, "Here.Other": true, "crypto.Gone": true, "here.Field": false,
	} {
		if got := gone(all, "x", f, name) != ""; got != stale {
			t.Errorf("[%s] is stale: %v", name, got)
		}
	}
	if got := missingFiles("cmd/postern", "see main.go, .golangci.yml, store/gone.go and nothing.go"); !slices.Equal(got, []string{"store/gone.go", "nothing.go"}) {
		t.Errorf("missing files are %q", got)
	}
}
