// Command postern is the server of a Postern instance: a Tor onion service
// where insiders report abuse in security institutions, to reviewers only.
//
// One file here is one command: what it takes, and what it prints. What it does
// lies in two packages below: internal/instance is the data directory, with its
// configuration, directory, holders and backups; internal/server is what runs on
// it, with its doors, tor, nights, admin socket and status.
//
// README.md beside this file walks an operator through install, backup, move
// and repair; testdata/script runs those walks against the real program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"postern/cmd/postern/internal/instance"
	"postern/cmd/postern/internal/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	code := c.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// cli is one run of the program.
type cli struct {
	in       io.Reader
	out, err io.Writer
	dir      string // the data directory, from --dir
}

type command struct {
	name  string // one word or two
	args  string
	short string
	run   func(c *cli, ctx context.Context, cmd *command, args []string) error
}

func commands() []*command {
	return []*command{
		{"init", "--name NAME", "make a new instance", (*cli).initialise},
		{"reviewer add", "CARD", "put a holder into the next directory", (*cli).reviewerAdd},
		{"reviewer rotate", "CARD", "replace a holder's keys", (*cli).reviewerRotate},
		{"reviewer revoke", "HOLDER", "end a holder's access, at once", (*cli).reviewerRevoke},
		{"reviewer list", "", "list bodies and holders", (*cli).reviewerList},
		{"directory propose", "", "write the next directory for the root key to sign", (*cli).directoryPropose},
		{"directory install", "FILE", "verify a signed directory and put it in force", (*cli).directoryInstall},
		{"pages", "", "check your own pages, and show them", (*cli).checkPages},
		{"serve", "", "run the server", (*cli).serve},
		{"status", "", "say how the instance is; fails when something needs you", (*cli).status},
		{"release", "", "make a regular batch now", (*cli).release},
		{"vacuum", "[--clock-ok]", "apply retention and make erased things unreadable now", (*cli).vacuum},
		{"check", "", "verify the database", (*cli).check},
		{"backup key", "--to FILE", "make a backup key; on another machine, which stays offline", (*cli).backupKey},
		{"backup identity", "--to FILE", "addresses, directory and configuration", (*cli).backupIdentity},
		{"backup full", "--to FILE", "the identity and everything that is stored", (*cli).backupFull},
		{"restore", "--from FILE --identity FILE", "make an instance of a backup", (*cli).restore},
		{"poster", "--to FILE", "write a page to print, with address and QR code", (*cli).poster},
	}
}

// usageError is a call that cannot be meant; it ends with status 2.
type usageError struct{ msg string }

func (e usageError) Error() string { return e.msg }

func usagef(format string, a ...any) error { return usageError{fmt.Sprintf(format, a...)} }

// errReported ends the program with status 1 and nothing more to print.
var errReported = errors.New("reported")

func (c *cli) run(ctx context.Context, args []string) int {
	err := c.dispatch(ctx, args)
	var u usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp): // which was printed
		return 0
	case errors.Is(err, errReported):
		return 1
	}
	fmt.Fprintf(c.err, "postern: %v\n", err)
	if errors.As(err, &u) {
		fmt.Fprintln(c.err, "postern: postern help lists the commands, postern help COMMAND explains one")
		return 2
	}
	if do := instance.HintOf(err); do != "" {
		fmt.Fprintf(c.err, "postern: %s\n", do)
	}
	return 1
}

func (c *cli) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		c.usage(c.err)
		return usagef("no command given")
	}
	help := slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0])
	switch {
	case args[0] == "version", args[0] == "--version":
		return c.version()
	case help && len(args) == 1:
		c.usage(c.out)
		return nil
	case help:
		args = args[1:]
	}
	cmd, rest := find(args)
	if cmd == nil {
		return usagef("there is no command %q", strings.Join(args[:min(2, len(args))], " "))
	}
	if help {
		rest = []string{"-h"}
	}
	return cmd.run(c, ctx, cmd, rest)
}

// find matches the longest command name.
func find(args []string) (*command, []string) {
	for _, cmd := range commands() {
		words := strings.Fields(cmd.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == cmd.name {
			return cmd, args[len(words):]
		}
	}
	return nil, nil
}

// usage lists the commands.
func (c *cli) usage(w io.Writer) {
	fmt.Fprint(w, "postern runs a reporting service that is reached over Tor.\n\nUsage: postern COMMAND [options]\n\n")
	for _, cmd := range commands() {
		fmt.Fprintf(w, "  %-17s  %s\n", cmd.name, cmd.short)
	}
	fmt.Fprintf(w, "  %-17s  %s\n  %-17s  %s\n", "help COMMAND", "explain a command and its options", "version", "say what this program was built of")
	fmt.Fprintf(w, "\nEvery command takes --dir DIR (default %s, or $POSTERN_DIR).\n", instance.DefaultDir)
}

// version says what the program was built of. Its hash says more: builds are reproducible.
func (c *cli) version() error {
	built := "an unknown version"
	if b, ok := debug.ReadBuildInfo(); ok {
		built = b.Main.Version
	}
	fmt.Fprintf(c.out, "postern %s, %s, %s/%s\n", built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// synopsis is how a command is called.
func (cmd *command) synopsis() string {
	return strings.TrimSpace("postern " + cmd.name + " " + cmd.args)
}

// flags starts the options of a command.
func (c *cli) flags(cmd *command) *flag.FlagSet {
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	dir := os.Getenv("POSTERN_DIR")
	if dir == "" {
		dir = instance.DefaultDir
	}
	fs.StringVar(&c.dir, "dir", dir, "data `directory`")
	return fs
}

// explain prints what a command takes.
func (c *cli) explain(cmd *command, fs *flag.FlagSet) {
	fmt.Fprintf(c.out, "Usage: %s\n\n%s.\n\nOptions:\n", cmd.synopsis(), strings.ToUpper(cmd.short[:1])+cmd.short[1:])
	fs.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(c.out, "  %s\n        %s\n", strings.TrimSpace("--"+f.Name+" "+value), strings.ReplaceAll(text, "\n", "\n        "))
	})
}

// parse reads options and exactly n other arguments, in any order.
func (c *cli) parse(cmd *command, fs *flag.FlagSet, args []string, n int) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
			c.explain(cmd, fs)
			return nil, err
		} else if err != nil {
			return nil, usagef("%s: %v", cmd.name, err)
		}
		if args = fs.Args(); len(args) == 0 {
			break
		}
		rest, args = append(rest, args[0]), args[1:]
	}
	if len(rest) != n {
		return nil, usagef("usage: %s", cmd.synopsis())
	}
	return rest, nil
}

// simple runs an operation that has no options and prints what it says.
func (c *cli) simple(ctx context.Context, cmd *command, args []string, op string) error {
	fs := c.flags(cmd)
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	i, err := instance.Open(c.dir)
	if err != nil {
		return err
	}
	return server.Operate(ctx, i, op, c.out)
}

// tellServer makes a running server read directory and holders again.
func (c *cli) tellServer(ctx context.Context, i *instance.Instance) error {
	err := server.Ask(ctx, i, "reload", io.Discard)
	if errors.Is(err, server.ErrNoServer) {
		return nil // it reads them when it starts
	}
	if err != nil {
		return instance.WithHint(fmt.Errorf("the files are written, but the running server did not take them: %w", err), "systemctl restart postern")
	}
	fmt.Fprintln(c.out, "The running server has taken it.")
	return nil
}
