package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// bin holds both programs, built once: the scripts run what is installed.
var bin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "postern-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	for _, program := range []string{"postern", "postern-desk"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, program), "postern/cmd/"+program)
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %s: %v\n%s", program, err, out)
			return 1
		}
	}
	return m.Run()
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// Sockets need short paths; a script's own directory has a long one.
			run, err := os.MkdirTemp("", "p")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(run) })
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("RUN", run)
			env.Setenv("POSTERN_DIR", filepath.Join(env.WorkDir, "srv"))
			env.Values["visitors"] = map[string]*visitor{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":  cmdAwait,
			"page":   cmdPage,
			"setenv": cmdSetenv,
			"edit":   cmdEdit,
			"enrol":  cmdEnrol,
		},
	})
}

// await SOCKET: waits until a server answers there.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await SOCKET")
	}
	path := ts.MkAbs(args[0])
	for range 600 {
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("nobody answers at %s", path)
}

// page NAME at SOCKET                 begins a visit
// page NAME get PATH                  opens a page
// page NAME submit ACTION[#N] CHANGE… sends a form
// page NAME code VARIABLE             reads the words of the code
// page NAME fetch PART DIR            downloads what links with PART in them lead to
// Each but the first prints the page's text, which stdout can be held against.
func cmdPage(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: page NAME at|get|submit|code|fetch …")
	}
	visitors := ts.Value("visitors").(map[string]*visitor)
	v := visitors[args[0]]
	if v == nil {
		v = newVisitor(ts.MkAbs(args[2]))
		visitors[args[0]] = v
		if args[1] == "at" {
			return
		}
		ts.Fatalf("page %s: begin with at SOCKET", args[0])
	}
	var err error
	switch args[1] {
	case "at":
		visitors[args[0]] = newVisitor(ts.MkAbs(args[2]))
		return
	case "get":
		err = v.get(args[2])
	case "submit":
		action, n, found := strings.Cut(args[2], "#")
		nth := 1
		if found {
			nth, err = strconv.Atoi(n)
			ts.Check(err)
		}
		changes := slices.Clone(args[3:])
		for i, c := range changes {
			if name, path, ok := strings.Cut(c, "=@"); ok {
				changes[i] = name + "=@" + ts.MkAbs(path)
			}
		}
		err = v.submit(action, nth, changes...)
	case "code":
		var words string
		words, err = v.code()
		ts.Setenv(args[2], words)
	case "fetch":
		err = v.fetch(args[2], ts.MkAbs(args[3]))
	default:
		ts.Fatalf("page: no %q", args[1])
	}
	if err != nil && !neg {
		ts.Fatalf("page: %v", err)
	}
	if err == nil && neg {
		ts.Fatalf("page: it went well, and should not have")
	}
	if v.page != nil {
		fmt.Fprintf(ts.Stdout(), "status %d\n%s\n", v.status, text(v.page))
	}
}

// setenv VARIABLE FILE REGEXP: the first group of the match in a file, or in
// stdout of the last command.
func cmdSetenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: setenv VARIABLE FILE REGEXP")
	}
	m := regexp.MustCompile(args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) != 2 {
		ts.Fatalf("%s does not match %s once", args[1], args[2])
	}
	ts.Setenv(args[0], m[1])
}

// edit FILE OLD NEW: replaces what stands there once.
func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	s := ts.ReadFile(args[0])
	if strings.Count(s, args[1]) != 1 {
		ts.Fatalf("%s holds %q %d times", args[0], args[1], strings.Count(s, args[1]))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(s, args[1], args[2], 1)), 0o600))
}

// enrol BODY HOLDER OPTION…: makes a vault in HOLDER, and adds its card.
func cmdEnrol(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: enrol BODY HOLDER OPTION…")
	}
	body, holder := args[0], args[1]
	pass := ts.MkAbs(holder + ".pass")
	ts.Check(os.WriteFile(pass, []byte("correct horse battery staple "+holder+"\n"), 0o600))
	desk := func(more ...string) {
		ts.Check(ts.Exec("postern-desk", append([]string{"--vault", holder, "--passphrase-file", pass}, more...)...))
	}
	desk("init", "--body", body, "--holder", holder)
	desk("card", "--out", holder+".card", "--json", "--clock-ok")
	m := regexp.MustCompile(`(?s)"phrase": \[(.*?)\]`).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("the card has no phrase")
	}
	phrase := strings.Join(regexp.MustCompile(`[a-z]+`).FindAllString(m[1], -1), " ")
	ts.Check(ts.Exec("postern", append([]string{"reviewer", "add", holder + ".card", "--phrase", phrase}, args[2:]...)...))
}
