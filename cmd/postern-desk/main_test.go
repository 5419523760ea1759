package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postern/cmd/scantest"
	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/reviewertest"
)

// The scripts run the program itself, with a cheap passphrase hash: it costs a second otherwise.
func TestMain(m *testing.M) {
	scantest.Main()
	testscript.Main(m, map[string]func(){
		"postern-desk": func() {
			if err := harden(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			d := &desk{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, options: reviewer.Options{ScryptLogN: 2}}
			os.Exit(d.run(os.Args[1:]))
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Values["other"] = &otherSide{server: reviewertest.NewServer(crypto.DayOf(time.Now()))}
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"server": serverCmd, "source": sourceCmd, "putenv": putenv, "truncate": truncate, "flip": flip, "hostilefile": hostileFile, "put": put},
	})
}

// otherSide is the server and one source at a time.
type otherSide struct {
	server *reviewertest.Server
	source *reviewertest.Source
	form   crypto.FormID
	queue  [][]byte
	inbox  []reviewertest.Entry

	earlier *reviewertest.Source // the source's code before it was changed
	days    int                  // from today on which sources write
}

func other(ts *testscript.TestScript) *otherSide { return ts.Value("other").(*otherSide) }

// putenv VAR FILE: the last word of a file's first line, for ids that only a run knows.
// putenv VAR FILE FIELD LINE picks another one, counted from 1.
func putenv(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(args[1])), "\n")
	field, line := 0, 1
	if len(args) == 4 {
		field, line = number(ts, args[2]), number(ts, args[3])
	}
	words := strings.Fields(lines[line-1])
	if field == 0 {
		field = len(words)
	}
	ts.Setenv(args[0], words[field-1])
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// put FILE TEXT writes a text in which \u200d and the like stand as in Go.
func put(ts *testscript.TestScript, _ bool, args []string) {
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// truncate FILE NEW N writes the first N bytes of a file.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(ts.ReadFile(args[0]))[:number(ts, args[2])], 0o600))
}

// flip FILE NEW N writes a file with one bit of its byte N changed.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	b[number(ts, args[2])] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

// hostileFile FILE [copy] sets HOSTILE to a name that attacks the terminal, of no
// file or of a copy.
func hostileFile(ts *testscript.TestScript, _ bool, args []string) {
	const name = "\x1b]0;owned\x07\nbatch 9"
	ts.Setenv("HOSTILE", name)
	if len(args) > 1 {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(ts.ReadFile(args[0])), 0o600))
	}
}

// serverCmd is the operator:
//
//	server enrol CARD KIND     server propose FILE      server version N
//	server release FILE [DAYS]  what sources sent and was handed in, days from today
//	server end HOLDER STATUS   their key, in the version of now
//	server deliver FILE         a bundle that a holder handed in
func serverCmd(ts *testscript.TestScript, _ bool, args []string) {
	o := other(ts)
	today := crypto.DayOf(time.Now())
	switch args[0] {
	case "enrol":
		ts.Check(o.server.Enrol([]byte(ts.ReadFile(args[1])), args[2]))
	case "end":
		o.server.End(args[1], crypto.Status(args[2]))
	case "version":
		o.server.Directory.Version = uint64(number(ts, args[1]))
	case "propose":
		text, err := o.server.Proposal()
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
	case "release":
		if len(args) == 3 {
			today += crypto.Day(number(ts, args[2]))
		}
		v, err := o.server.Release(today, len(o.queue)+3, o.queue...)
		ts.Check(err)
		o.queue = nil
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), v, 0o600))
	case "deliver":
		head, entries, err := o.server.Deliver([]byte(ts.ReadFile(args[1])))
		ts.Check(err)
		for _, e := range entries {
			o.queue = append(o.queue, e.Readers)
		}
		o.inbox = append(o.inbox, entries...)
		fmt.Fprintf(ts.Stdout(), "bundle %x\n", head.ID)
	default:
		ts.Fatalf("server %s?", args[0])
	}
}

// sourceCmd is a source:
//
//	source new                     source say FILE BODY…
//	source attach NAME FILE BODY…  source reads TEXT
//	source told STAGE DAYS ASK     source agrees ASK yes|no BODY…
//	source since OPTION BODY…      source withdraws BODY…
//	source day DAYS                from today, for what follows
//	source change BODY…            another code        source earlier  the one before, for whoever has it
func sourceCmd(ts *testscript.TestScript, neg bool, args []string) {
	o := other(ts)
	today := crypto.DayOf(time.Now().AddDate(0, 0, o.days))
	var sealed []byte
	var err error
	switch args[0] {
	case "new":
		o.source = o.server.NewSource()
		return
	case "day":
		o.days = number(ts, args[1])
		return
	case "change":
		o.earlier, o.source = o.source, o.source.ChangeCode(today)
		sealed, err = o.source.Announce(today, args[1:]...)
	case "earlier":
		o.earlier, o.source = o.source, o.earlier
		return
	case "say":
		o.form = reviewertest.NewForm()
		sealed, err = o.source.Say(o.form, today, ts.ReadFile(args[1]), nil, args[2:]...)
	case "attach":
		name, uerr := strconv.Unquote(`"` + args[1] + `"`)
		ts.Check(uerr)
		sealed, err = o.source.Attach(o.form, today, name, []byte(ts.ReadFile(args[2])), args[3:]...)
	case "agrees":
		sealed, err = o.source.Agree(reviewertest.NewForm(), today, args[1], args[2] == "yes", args[3:]...)
	case "since":
		sealed, err = o.source.Say(reviewertest.NewForm(), today, "", form.Answers{{ID: form.QSince, Values: args[1:2]}}, args[2:]...)
	case "withdraws":
		sealed, err = o.source.Say(reviewertest.NewForm(), today, "", form.Answers{{ID: form.QWish, Values: []string{form.WishWithdraw}}}, args[1:]...)
	case "told":
		want := form.Notice{Stage: args[1], Until: uint32(int(today) + number(ts, args[2])), Ask: args[3]}
		found := false
		for _, e := range o.inbox {
			m, _, err := o.source.Receive(e)
			ts.Check(err)
			if m == nil || m.Notice == nil {
				continue
			}
			n, err := form.DecodeNotice(m.Notice)
			ts.Check(err)
			found = found || n == want
		}
		if found == neg {
			ts.Fatalf("the source is told %+v: %v", want, found)
		}
		return
	case "reads":
		found := false
		for _, e := range o.inbox {
			m, _, err := o.source.Receive(e)
			ts.Check(err)
			found = found || m != nil && strings.Contains(m.Text, args[1])
		}
		if found == neg {
			ts.Fatalf("the source reads %q: %v", args[1], found)
		}
		return
	default:
		ts.Fatalf("source %s?", args[0])
	}
	ts.Check(err)
	o.queue = append(o.queue, sealed)
}

// The desk cannot open a connection: package net is nowhere among what it is
// built of (SECURITY.md S-14).
func TestNoNetwork(t *testing.T) {
	for _, tags := range []string{"", "netgo,osusergo"} {
		cmd := exec.Command("go", "list", "-deps", "-tags", tags, ".", "postern/reviewer")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, "postern/crypto") {
			t.Fatal("go list does not list what the desk is built of")
		}
		for _, d := range deps {
			if d == "net" || strings.HasPrefix(d, "net/") && d != "net/netip" && d != "net/url" || strings.HasPrefix(d, "golang.org/x/net") {
				t.Errorf("the desk reaches %s", d)
			}
		}
	}
}

// Every command line of the README is run by a script, word for word.
func TestReadmeIsWalked(t *testing.T) {
	script, err := os.ReadFile("testdata/script/readme.txtar")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("README.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	run := strings.NewReplacer("$", "", " --yes", "", " --clock-ok", "", " --new-passphrase-file newpass", "").Replace(string(script))
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		line, ok := strings.CutPrefix(strings.TrimLeft(s.Text(), " "), "postern-desk ")
		if !ok || !strings.HasPrefix(s.Text(), "    ") {
			continue
		}
		n++
		if !strings.Contains(run, "\npostern-desk --passphrase-file pass "+line+"\n") {
			t.Errorf("README.md shows a command that readme.txtar does not run: postern-desk %s", line)
		}
	}
	if n < 15 {
		t.Errorf("README.md shows %d commands", n)
	}
}

func TestExitStatus(t *testing.T) {
	t.Setenv("DISPLAY", "") // no window
	t.Setenv("WAYLAND_DISPLAY", "")
	for _, c := range []struct {
		args string
		want int
	}{
		{"help", 0}, {"version", 0}, {"help reply", 0}, {"show -h", 0}, {"-h", 0},
		{"", 2}, {"frobnicate", 2}, {"show", 2}, {"show a b", 2}, {"list --nonsense", 2}, {"help frobnicate", 2}, {"root", 2}, {"export", 2},
		{"list", 1}, {"show abcd", 1}, {"vault restore /nowhere", 1},
	} {
		d := &desk{stdin: os.Stdin, stdout: io.Discard, stderr: io.Discard}
		args := append([]string{"--vault", t.TempDir()}, strings.Fields(c.args)...)
		if got := d.run(args); got != c.want {
			t.Errorf("postern-desk %s ends with %d, want %d", c.args, got, c.want)
		}
	}
}

func TestHelpIsComplete(t *testing.T) {
	for _, c := range commands {
		if c.short == "" || c.long == "" || c.setup == nil {
			t.Errorf("%s has no help", c.name)
		}
		for _, l := range strings.Split(c.long, "\n") {
			if len([]rune(l)) > 84 {
				t.Errorf("%s: a line of %d characters", c.name, len([]rune(l)))
			}
		}
		if got, rest := find(strings.Fields(c.name)); got != c || len(rest) != 0 {
			t.Errorf("%s is not found by its name", c.name)
		}
	}
}

func TestASCIIJSON(t *testing.T) {
	in := "{\"a\": \"\u202e\u009b31m x \U0001f600 é\"}\n"
	want := "{\"a\": \"\\u202e\\u009b31m x \\ud83d\\ude00 \\u00e9\"}\n"
	if got := string(asciiJSON([]byte(in))); got != want {
		t.Errorf("asciiJSON gives %q, want %q", got, want)
	}
}
