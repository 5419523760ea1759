package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A goPackage is what `go list -json` says of one package, as it is linked into
// a program: files of tests are left out.
type goPackage struct {
	ImportPath string
	Imports    []string // direct
	Deps       []string // direct and indirect
}

const module = "postern/"

// arrows says which of our rooms each room may import; within itself a room is free.
// Who is not named here is for tests and the demo only, and no room may import it.
var arrows = map[string][]string{
	"cmd/postern":         {"web", "intake", "intake/form", "intake/onion", "store", "store/durable", "crypto"},
	"locale":              {"crypto"},
	"cmd/postern-desk":    {"reviewer", "reviewer/casework", "reviewer/dossier", "reviewer/keeper", "reviewer/pages", "reviewer/plain", "reviewer/statistics", "reviewer/vault", "reviewer/window", "crypto", "intake/form", "store/durable"},
	"web":                 {"web/markdown", "locale", "intake", "intake/form", "crypto"},
	"intake":              {"store", "crypto", "intake/form"},
	"reviewer":            {"reviewer/casework", "reviewer/dossier", "reviewer/plain", "reviewer/search", "reviewer/statistics", "reviewer/vault", "crypto", "intake/form", "store/durable"},
	"reviewer/casework":   {"crypto", "intake/form"},
	"reviewer/dossier":    {"reviewer/casework", "reviewer/plain", "crypto", "intake/form", "locale", "store/durable"},
	"reviewer/keeper":     {"crypto", "store/durable"},
	"reviewer/pages":      {"reviewer", "reviewer/casework", "reviewer/dossier", "reviewer/plain", "reviewer/search", "reviewer/statistics", "reviewer/vault", "reviewer/window", "locale", "crypto", "intake/form", "store/durable"},
	"reviewer/plain":      {"crypto"},
	"reviewer/search":     {},
	"reviewer/statistics": {"crypto", "intake/form", "locale"},
	"reviewer/vault":      {"crypto", "store/durable"},
	"reviewer/window":     {},
	"cmd/postern-window":  {},
	"crypto":              {},
	"store":               {"store/durable", "store/engine", "store/engine/bolt"},
	"store/durable":       {},
	"store/engine":        {},
	"store/engine/bolt":   {"store/durable", "store/engine"},
	"intake/form":         {"crypto"},
	"intake/onion":        {},
	"web/markdown":        {},
}

// helpers may import any room.
var helpers = []string{"cmd/postern-demo", "cmd/scantest", "cmd/twoworlds", "crypto/seedtest", "intake/intaketest", "intake/onion/tortest", "locale/localetest", "reviewer/window/windowtest", "store/storetest", "web/browsertest", "web/visitor"}

// offline rooms never reach the network, through anybody (SECURITY.md S-14).
var offline = []string{"crypto", "store", "store/durable", "store/engine", "reviewer", "reviewer/casework", "reviewer/dossier", "reviewer/keeper", "reviewer/pages", "reviewer/plain", "reviewer/search", "reviewer/statistics", "reviewer/vault", "reviewer/window", "intake/form", "locale", "cmd/postern-desk", "cmd/postern-window", "web/markdown"}

// network is what reaching it means. net/netip and net/url open nothing.
var network = []string{"net", "net/http", "crypto/tls"}

// programs that strangers talk to, or that hold a reviewer's keys, carry nothing made for tests.
var programs = []string{"cmd/postern", "cmd/postern-desk", "cmd/postern-window"}

// madeForTests, by a whole path or by its last element.
var madeForTests = []string{"testing", "seedtest", "tortest", "storetest", "browsertest", "windowtest", "scantest", "visitor", "httptest", "iotest", "fstest", "testscript", "rapid", "goleak", "go-cmp"}

// oneRoom are modules that a single room may import.
var oneRoom = map[string]string{
	"github.com/cretz/bine":        "intake/onion",
	"go.etcd.io/bbolt":             "store/engine/bolt",
	"github.com/yuin/goldmark":     "web/markdown",
	"github.com/ebitengine/purego": "cmd/postern-window",
	"github.com/godbus/dbus":       "reviewer/window/windowtest",
}

// roomOf gives the longest known room or helper that holds the package, "" for nobody.
func roomOf(path string) string {
	path, ours := strings.CutPrefix(path, module)
	if !ours {
		return ""
	}
	best := ""
	try := func(room string) {
		if within(path, room) && len(room) > len(best) {
			best = room
		}
	}
	for room := range arrows {
		try(room)
	}
	for _, helper := range helpers {
		try(helper)
	}
	return best
}

// within says whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// breaches gives one line for every broken rule.
func breaches(packages []goPackage) []string {
	var found []string
	report := func(line ...string) { found = append(found, strings.Join(line, " ")) }
	for _, p := range packages {
		path, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		room := roomOf(p.ImportPath)
		if room == "" {
			report(path, "lies in no known room")
			continue
		}
		for _, imported := range p.Imports {
			target := roomOf(imported)
			if allowed, isRoom := arrows[room]; isRoom && target != "" && target != room && !slices.Contains(allowed, target) {
				report(path, "imports", imported)
			}
			for thing, only := range oneRoom {
				if within(imported, thing) && !within(path, only) {
					report(path, "imports", imported)
				}
			}
		}
		for _, dep := range p.Deps {
			if slices.Contains(offline, room) && slices.Contains(network, dep) {
				report(path, "reaches", dep)
			}
			if slices.Contains(programs, room) && carriesTests(dep) {
				report(path, "carries", dep)
			}
		}
	}
	return found
}

func carriesTests(path string) bool {
	for element := range strings.SplitSeq(path, "/") {
		if slices.Contains(madeForTests, element) {
			return true
		}
	}
	return false
}

// list asks the toolchain, so that what is judged is what is built.
func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// The rooms import each other only along the arrows.
func TestArrows(t *testing.T) {
	packages := list(t)
	seen := map[string]bool{}
	for _, p := range packages {
		seen[roomOf(p.ImportPath)] = true
	}
	for room := range arrows {
		if !seen[room] {
			t.Errorf("go list shows no package in room %s: has it moved?", room)
		}
	}
	for _, breach := range breaches(packages) {
		t.Error(breach)
	}
}

// A rule that nothing can break holds nothing: each one is broken here once.
func TestArrowsAreNoticed(t *testing.T) {
	for _, c := range []struct {
		name string
		p    goPackage
		want string
	}{
		{"a sealed room imports a room", goPackage{ImportPath: "postern/crypto", Imports: []string{"postern/store"}}, "crypto imports postern/store"},
		{"against the arrow", goPackage{ImportPath: "postern/store", Imports: []string{"postern/intake"}}, "store imports postern/intake"},
		{"a longer room is another room", goPackage{ImportPath: "postern/intake", Imports: []string{"postern/intake/onion"}}, "intake imports postern/intake/onion"},
		{"web past intake", goPackage{ImportPath: "postern/web", Imports: []string{"postern/store"}}, "web imports postern/store"},
		{"a sub-package keeps its room's arrows", goPackage{ImportPath: "postern/web/pages", Imports: []string{"postern/store"}}, "web/pages imports postern/store"},
		{"into a sub-package", goPackage{ImportPath: "postern/reviewer", Imports: []string{"postern/store/engine"}}, "reviewer imports postern/store/engine"},
		{"the server with the desk's room", goPackage{ImportPath: "postern/cmd/postern", Imports: []string{"postern/reviewer"}}, "cmd/postern imports postern/reviewer"},
		{"a room with a helper", goPackage{ImportPath: "postern/intake", Imports: []string{"postern/store/storetest"}}, "intake imports postern/store/storetest"},
		{"the desk with the store beside its helper", goPackage{ImportPath: "postern/reviewer", Imports: []string{"postern/store/durable", "postern/store"}}, "reviewer imports postern/store"},
		{"the vault knows no desk", goPackage{ImportPath: "postern/reviewer/vault", Imports: []string{"postern/reviewer"}}, "reviewer/vault imports postern/reviewer"},
		{"the vault knows no form", goPackage{ImportPath: "postern/reviewer/vault", Imports: []string{"postern/intake/form"}}, "reviewer/vault imports postern/intake/form"},
		{"a new room", goPackage{ImportPath: "postern/attic"}, "attic lies in no known room"},
		{"tor outside its room", goPackage{ImportPath: "postern/web", Imports: []string{"github.com/cretz/bine/control"}}, "web imports github.com/cretz/bine/control"},
		{"bbolt outside its room", goPackage{ImportPath: "postern/store", Imports: []string{"go.etcd.io/bbolt"}}, "store imports go.etcd.io/bbolt"},
		{"past the store to its engine", goPackage{ImportPath: "postern/intake", Imports: []string{"postern/store/engine"}}, "intake imports postern/store/engine"},
		{"goldmark outside its room", goPackage{ImportPath: "postern/web", Imports: []string{"github.com/yuin/goldmark/ast"}}, "web imports github.com/yuin/goldmark/ast"},
		{"the desk reaches net through others", goPackage{ImportPath: "postern/cmd/postern-desk", Deps: []string{"fmt", "net"}}, "cmd/postern-desk reaches net"},
		{"the forms reach net", goPackage{ImportPath: "postern/intake/form", Deps: []string{"net/http"}}, "intake/form reaches net/http"},
		{"the server carries the test network", goPackage{ImportPath: "postern/cmd/postern", Deps: []string{"postern/intake/onion/tortest"}}, "cmd/postern carries postern/intake/onion/tortest"},
		{"the server carries package testing", goPackage{ImportPath: "postern/cmd/postern", Deps: []string{"testing"}}, "cmd/postern carries testing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := breaches([]goPackage{c.p}); !slices.Equal(got, []string{c.want}) {
				t.Errorf("breaches are %q, want %q alone", got, c.want)
			}
		})
	}
	for _, p := range []goPackage{
		{ImportPath: "postern/web", Imports: []string{"net/http", "postern/intake", "postern/crypto", "postern/web/pages"}, Deps: []string{"net"}},
		{ImportPath: "postern/crypto", Imports: []string{"net/url"}, Deps: []string{"net/url", "net/netip"}},
		{ImportPath: "postern/store/engine/bolt", Imports: []string{"go.etcd.io/bbolt", "postern/store/engine", "postern/store/durable"}},
		{ImportPath: "postern/cmd/postern-demo", Imports: []string{"postern/reviewer", "postern/intake/onion/tortest"}, Deps: []string{"net"}},
		{ImportPath: "golang.org/x/net/proxy", Imports: []string{"net"}},
	} {
		if got := breaches([]goPackage{p}); got != nil {
			t.Errorf("%s keeps the rules, yet: %q", p.ImportPath, got)
		}
	}
}
