package main_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
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

	"postern/cmd/scantest"
	"postern/intake/onion/tortest"
	"postern/web/visitor"
)

func TestMain(m *testing.M) {
	scantest.Main()
	os.Exit(m.Run())
}

// buildPrograms builds both, for the scripts to run what is installed.
func buildPrograms(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, program := range []string{"postern", "postern-desk"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, program), "postern/cmd/"+program)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", program, err, out)
		}
	}
	return dir
}

func TestScript(t *testing.T) {
	bin := buildPrograms(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// Sockets need short paths, and the key of open forms belongs into memory.
			run, err := os.MkdirTemp("/dev/shm", "p")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(run) })
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("RUN", run)
			l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free now
			if err != nil {
				return err
			}
			env.Setenv("PORT", fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
			_ = l.Close()
			env.Setenv("POSTERN_DIR", filepath.Join(env.WorkDir, "srv"))
			env.Values["network"] = new(*tortest.Network)
			env.Values["visitors"] = map[string]*visitor.Visitor{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":   cmdAwait,
			"page":    cmdPage,
			"setenv":  cmdSetenv,
			"edit":    cmdEdit,
			"mangle":  cmdMangle,
			"enrol":   cmdEnrol,
			"sign":    cmdSign,
			"ready":   cmdReady,
			"network": cmdNetwork,
			"torrc":   cmdTorrc,
			"well":    cmdWell,
			"gone":    cmdGone,
		},
	})
}

// await SOCKET: waits until a server answers there.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await SOCKET")
	}
	path := place(ts, args[0])
	for range 600 {
		kind, address := dialled(path)
		if c, err := net.Dial(kind, address); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("nobody answers at %s", path)
}

// page NAME at SOCKET                 begins a visit
// page NAME onion ADDRESS [KEYS]      the same through a Tor client of their own
// page NAME get PATH                  opens a page
// page NAME submit ACTION[#N] CHANGE… sends a form
// page NAME code VARIABLE             reads the words of the code
// page NAME fetch PART DIR            downloads what links with PART in them lead to
// page NAME save HREF DIR             downloads a file
// page NAME download ACTION FILE      sends a form whose answer is a file
// Each but the first prints the page's text, which stdout can be held against.
func cmdPage(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: page NAME at|get|submit|code|fetch|save|download …")
	}
	visitors := ts.Value("visitors").(map[string]*visitor.Visitor)
	v := visitors[args[0]]
	if args[1] == "onion" {
		visitors[args[0]] = overTor(ts, args[0], args[2:])
		return
	}
	if args[1] == "at" {
		visitors[args[0]] = through(place(ts, args[2]))
		return
	}
	if v == nil {
		ts.Fatalf("page %s: begin with at SOCKET", args[0])
	}
	if err := turn(ts, v, args[1], args[2:]); (err != nil) != neg {
		ts.Fatalf("page: %v", err)
	}
	fmt.Fprintf(ts.Stdout(), "status %d\n%s\n", v.Status, v.Text())
}

// place is a socket's path or a loopback address.
func place(ts *testscript.TestScript, arg string) string {
	if strings.HasPrefix(arg, "127.0.0.1:") {
		return arg
	}
	return ts.MkAbs(arg)
}

func dialled(place string) (kind, address string) {
	if strings.HasPrefix(place, "127.0.0.1:") {
		return "tcp", place
	}
	return "unix", place
}

// through visits what listens at a unix socket, as tor does, or at a loopback address.
func through(place string) *visitor.Visitor {
	host := "postern.test"
	if kind, address := dialled(place); kind == "tcp" {
		host = address
	}
	return visitor.New(unixClient(place), "http://"+host)
}

func unixClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			kind, address := dialled(socket)
			return d.DialContext(ctx, kind, address)
		},
	}}
}

func turn(ts *testscript.TestScript, v *visitor.Visitor, verb string, args []string) error {
	switch verb {
	case "get":
		return v.Get(args[0])
	case "submit":
		action, n, found := strings.Cut(args[0], "#")
		nth := 1
		if found {
			var err error
			nth, err = strconv.Atoi(n)
			ts.Check(err)
		}
		changes := slices.Clone(args[1:])
		for i, c := range changes {
			if name, path, ok := strings.Cut(c, "=@"); ok {
				changes[i] = name + "=@" + ts.MkAbs(path)
			}
		}
		return v.Submit(action, nth, changes...)
	case "code":
		words, err := v.Code()
		ts.Setenv(args[0], words)
		return err
	case "fetch":
		links := v.Links(args[0])
		if len(links) == 0 {
			return fmt.Errorf("no link with %q on the page: %s", args[0], v.Text())
		}
		for _, href := range links {
			if _, err := v.Save(href, ts.MkAbs(args[1])); err != nil {
				return err
			}
		}
		return nil
	case "save":
		_, err := v.Save(args[0], ts.MkAbs(args[1]))
		return err
	case "download":
		f, err := os.Create(ts.MkAbs(args[1]))
		ts.Check(err)
		defer f.Close()
		return v.Download(f, args[0], 1)
	}
	return fmt.Errorf("no %q", verb)
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

// mangle FILE…: as text files come out of mail programs and editors.
func cmdMangle(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: mangle FILE…")
	}
	for _, name := range args {
		s := strings.TrimSuffix(ts.ReadFile(name), "\n")
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte("\ufeff"+strings.ReplaceAll(s, "\n", " \r\n")), 0o600))
	}
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
	cmdMangle(ts, false, []string{holder + ".card"})
	ts.Check(ts.Exec("postern", append([]string{"reviewer", "add", holder + ".card", "--phrase", phrase}, args[2:]...)...))
}

// sign: the keeper of the root signs what is proposed, and it is installed. The first
// time it makes the root key.
func cmdSign(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sign")
	}
	pass := ts.MkAbs("root.pass")
	ts.Check(os.WriteFile(pass, []byte("a root passphrase that is long enough\n"), 0o600))
	install := []string{"directory", "install", "carried.note"}
	sign := []string{"root", "sign", "srv/proposal.txt", "--key", "root.key", "--out", "signed.note", "--passphrase-file", pass, "--yes"}
	if _, err := os.Stat(ts.MkAbs("root.key")); err != nil {
		ts.Check(ts.Exec("postern-desk", "root", "init", "--name", "example", "--out", "root.key", "--passphrase-file", pass))
		install = append(install, "--root", regexp.MustCompile(`(?m)^example\+\S+$`).FindString(ts.ReadFile("stdout")))
	} else {
		sign = append(sign, "--previous", "srv/directory.note")
	}
	_ = os.Remove(ts.MkAbs("signed.note"))
	ts.Check(ts.Exec("postern-desk", sign...))
	ts.Check(os.WriteFile(ts.MkAbs("carried.note"), []byte(ts.ReadFile("signed.note")), 0o600))
	cmdMangle(ts, false, []string{"carried.note"})
	ts.Check(ts.Exec("postern", install...))
}

// ready: an instance without Tor of its own, with three bodies and their
// desks: anna of ombuds and clara of watch are independent, emil of chain is not.
func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: ready")
	}
	ts.Check(ts.Exec("postern", "backup", "key", "--to", "backup-key.txt"))
	recipient := strings.TrimSpace(ts.ReadFile("stdout"))
	ts.Check(ts.Exec("postern", "init", "--name", "example", "--tor", "none", "--backup-recipient", recipient))
	cmdEdit(ts, false, []string{"srv/postern.conf", `run = ""`, fmt.Sprintf("run = %q", ts.Getenv("RUN"))})
	cmdEnrol(ts, false, []string{"ombuds", "anna", "--kind", "ombuds", "--name", "en=Ombuds institution", "--mandate", "en=Complaints"})
	cmdEnrol(ts, false, []string{"watch", "clara", "--kind", "civil-society", "--name", "en=The Watch"})
	cmdEnrol(ts, false, []string{"chain", "emil", "--kind", "inspectorate", "--name", "en=Inspectorate"})
	cmdSign(ts, false, nil)
	for _, holder := range []string{"anna", "clara", "emil"} {
		ts.Check(ts.Exec("postern-desk", "--vault", holder, "--passphrase-file", holder+".pass", "directory", "signed.note", "--yes", "--clock-ok",
			"--root", strings.TrimSpace(ts.ReadFile("srv/roots"))))
	}
}

// network: a private Tor network, for the rest of the script.
func cmdNetwork(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: network")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	n, err := tortest.Start(ctx, tortest.Config{Dir: filepath.Join(ts.Getenv("RUN"), "net")})
	ts.Check(err)
	ts.Defer(n.Close)
	*ts.Value("network").(**tortest.Network) = n
}

// torrc FILE: what a tor in the network needs goes into a postern.conf.
func cmdTorrc(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: torrc FILE")
	}
	n := *ts.Value("network").(**tortest.Network)
	cmdEdit(ts, false, []string{args[0], "torrc = []", "torrc = [" + tomlList(strings.Split(strings.TrimSpace(n.Torrc()), "\n")) + "]"})
}

func overTor(ts *testscript.TestScript, name string, args []string) *visitor.Visitor {
	keys := ""
	if len(args) > 1 {
		keys = ts.MkAbs(args[1])
		ts.Check(os.Chmod(keys, 0o700))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := (*ts.Value("network").(**tortest.Network)).Client(ctx, "client-"+name, keys)
	ts.Check(err)
	client := c.HTTP(name)
	client.Timeout = 30 * time.Second
	return visitor.New(client, "http://"+args[0])
}

// well [REGEXP]: waits until nothing needs the operator, and status says this as well.
func cmdWell(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: well [REGEXP]")
	}
	want := regexp.MustCompile(strings.Join(args, ""))
	for range 120 {
		if ts.Exec("postern", "status", "--json") == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		time.Sleep(time.Second)
	}
	ts.Fatalf("still not well after two minutes")
}

// gone PID: waits until the process has ended.
func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone PID")
	}
	for range 300 {
		if _, err := os.Stat("/proc/" + args[0]); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("the process is still there after 30 seconds")
}
