// Postern-desk is the reviewer's program, for a machine that is never
// connected to anything. It keeps a holder's keys in a vault, opens batches that
// were carried over on a stick, shows cases, writes replies, and writes them out
// as bundles to carry back. README.md beside this file walks through a holder's day.
//
// Main only wires: package reviewer does the work. One file is one subcommand.
// The program contains no network code (SECURITY.md S-14); a test holds that.
//
// Exit status: 0 done, 1 refused or failed, 2 called wrongly, 130
// stopped by a signal while a passphrase was asked for.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/keeper"
	"postern/reviewer/plain"
	"postern/reviewer/vault"
	"postern/reviewer/window"
)

func main() {
	if err := harden(); err != nil {
		fmt.Fprintf(os.Stderr, "postern-desk: %v\n", err)
		os.Exit(1)
	}
	d := &desk{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(d.run(os.Args[1:]))
}

// desk is one run of the program.
type desk struct {
	stdin          *os.File
	stdout, stderr io.Writer
	options        reviewer.Options

	// flags of every subcommand
	vaultDir string
	passFile string
	json     bool
	yes      bool
	clockOK  bool

	vault *reviewer.Desk // that a command opened
}

// command is one subcommand. args names its positional arguments for help.
type command struct {
	name  string // "vault backup" is of two words
	args  string
	short string
	long  string
	json  bool // takes --json
	yes   bool // takes --yes
	clock bool // takes --clock-ok
	least int  // positional arguments
	most  int  // -1: any number
	setup func(d *desk, fs *flag.FlagSet) func(args []string) error
}

// commands in the order of a holder's life.
var commands = []*command{
	cmdWords, cmdInit, cmdCard, cmdAccess, cmdDirectory,
	cmdImport, cmdList, cmdSearch, cmdShow, cmdExtract, cmdDossier, cmdVerify, cmdReply, cmdExport,
	cmdDue, cmdNew, cmdStage, cmdNote, cmdStrike, cmdLabel, cmdTitle, cmdLink, cmdAssign, cmdTake, cmdRecuse, cmdRisk, cmdPriority, cmdDealt,
	cmdDate, cmdTold, cmdExtend, cmdRecommend, cmdFate, cmdClassify, cmdHold, cmdRetain, cmdErase, cmdSettings,
	cmdStatistics, cmdStatisticsRows,
	cmdHandOver, cmdRefer, cmdTakeOver,
	cmdPasswd, cmdVaultStatus, cmdVaultCheck, cmdVaultBackup, cmdVaultDestroyed, cmdVaultRestore, cmdVaultAdvance, cmdClock,
	cmdRootInit, cmdRootSign, cmdRootLast, cmdRootKey, cmdRootPhrase,
}

// usageError is a call that cannot be meant; it ends with status 2.
type usageError struct{ msg string }

func (e usageError) Error() string { return e.msg }

func usagef(format string, a ...any) error { return usageError{fmt.Sprintf(format, a...)} }

func (d *desk) run(args []string) int {
	err := d.dispatch(args)
	if d.vault != nil {
		for _, w := range d.vault.Warnings() {
			d.errorf("warning: %s", w)
		}
	}
	if err == nil {
		return 0
	}
	d.errorf("%v", err)
	var u usageError
	if errors.As(err, &u) {
		d.errorf("postern-desk help lists the commands, postern-desk help COMMAND explains one")
		return 2
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			d.errorf("%s", h.do)
		}
	}
	if errors.Is(err, errNotSound) || isDamage(err) {
		d.errorf("restore a backup (vault restore), or copy the vault's folder and save what can be read: postern-desk vault check --mend")
	}
	return 1
}

// noWindow names the way without.
const noWindow = "without a window the commands do all of it: postern-desk help lists them"

// hints say which command or option helps: package reviewer names none.
var hints = []struct {
	err error
	do  string
}{
	{vault.ErrExists, "--vault FOLDER names another one"},
	{vault.ErrNoVault, "postern-desk init makes one, --vault FOLDER names another"},
	{window.ErrNotOpened, noWindow}, {window.ErrMissing, noWindow}, {window.ErrRoot, noWindow},
	{reviewer.ErrNoDirectory, "postern-desk directory FILE --root KEY accepts it"},
	{reviewer.ErrNoRoot, "--root KEY names it"},
	{keeper.ErrNoPrevious, "--previous FILE names it"},
	{keeper.ErrOtherRoot, "--previous-root KEY names it"},
	{keeper.ErrTwoTexts, "postern-desk root last writes what it signed once more"},
}

// errorf writes an error. Names in it are whatever somebody called a file, so it is shown
// safely, and what a name could begin as a line of its own is indented (SECURITY.md S-15).
func (d *desk) errorf(format string, a ...any) {
	text := plain.SafeText(fmt.Sprintf("postern-desk: "+format, a...))
	_, _ = io.WriteString(d.stderr, strings.ReplaceAll(text, "\n", "\n    ")+"\n")
}

func (d *desk) printf(format string, a ...any) { _, _ = fmt.Fprintf(d.stdout, format, a...) }

// dispatch finds the command. Flags of every command may stand before its name.
func (d *desk) dispatch(args []string) error {
	top := flag.NewFlagSet("postern-desk", flag.ContinueOnError)
	top.SetOutput(io.Discard)
	d.common(top)
	if err := top.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return d.help(nil)
		}
		return usagef("%v", err)
	}
	args = top.Args()
	if len(args) == 0 {
		if window.Display() {
			return d.window()
		}
		d.usage(d.stderr)
		return usagef("no command given")
	}
	switch args[0] {
	case "help":
		return d.help(args[1:])
	case "version", "--version":
		return d.version()
	}
	c, rest := find(args)
	if c == nil {
		return usagef("there is no command %q", strings.Join(args[:min(2, len(args))], " "))
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	run := d.flags(c, fs)
	pos, err := interleaved(fs, rest)
	if errors.Is(err, flag.ErrHelp) {
		return d.help(strings.Fields(c.name))
	}
	if err != nil {
		return usagef("%s: %v", c.name, err)
	}
	if len(pos) < c.least || c.most >= 0 && len(pos) > c.most {
		return c.misused()
	}
	return run(pos)
}

// find matches the longest command name.
func find(args []string) (found *command, rest []string) {
	for _, c := range commands {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name && (found == nil || len(c.name) > len(found.name)) {
			found, rest = c, args[len(words):]
		}
	}
	return found, rest
}

// interleaved parses flags before, between and after positional arguments;
// what follows "--" is positional.
func interleaved(fs *flag.FlagSet, args []string) (pos []string, err error) {
	var literal []string
	for i, a := range args {
		if a == "--" {
			args, literal = args[:i], args[i+1:]
			break
		}
	}
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return append(pos, literal...), nil
		}
		pos, args = append(pos, fs.Arg(0)), fs.Args()[1:]
	}
}

// common are the flags of every command.
func (d *desk) common(fs *flag.FlagSet) {
	dir := d.vaultDir
	if dir == "" {
		if home, err := os.UserHomeDir(); err == nil {
			dir = filepath.Join(home, ".postern-desk")
		}
	}
	fs.StringVar(&d.vaultDir, "vault", dir, "the vault's `FOLDER`; "+shown(dir)+" unless named")
	fs.StringVar(&d.passFile, "passphrase-file", d.passFile, "read the passphrase from the first line of `FILE` instead of asking; - is standard input")
}

func (d *desk) flags(c *command, fs *flag.FlagSet) func([]string) error {
	d.common(fs)
	if c.json {
		fs.BoolVar(&d.json, "json", false, "write JSON, for scripts")
	}
	if c.yes {
		fs.BoolVar(&d.yes, "yes", false, "answer yes to what this command would ask")
	}
	if c.clock {
		fs.BoolVar(&d.clockOK, "clock-ok", false, "today's date was checked: do not ask")
	}
	return c.setup(d, fs)
}

// usage lists the commands.
func (d *desk) usage(w io.Writer) {
	say := func(format string, a ...any) { _, _ = fmt.Fprintf(w, format, a...) }
	say("postern-desk opens reports on a machine that is never connected to anything.\n\nUsage: postern-desk COMMAND [options]\n       postern-desk            opens a window that does all of it, where there is a display\n\n")
	for _, c := range commands {
		say("  %-15s  %s\n", c.name, c.short)
	}
	say("  %-15s  %s\n  %-15s  %s\n", "help COMMAND", "explain a command and its options", "version", "say what this program was built of")
	say("\nEvery command takes --vault FOLDER (default %s)\nand --passphrase-file FILE.\n", shown(d.vaultDir))
}

// help prints the list of commands, or one command.
func (d *desk) help(args []string) error {
	if len(args) == 0 {
		d.usage(d.stdout)
		return nil
	}
	c, _ := find(args)
	if c == nil {
		return usagef("there is no command %q", strings.Join(args, " "))
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	d.flags(c, fs)
	d.printf("Usage: %s\n\n%s\n\nOptions:\n", strings.TrimSpace("postern-desk "+c.name+" "+c.args), c.long)
	fs.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		d.printf("  %s\n        %s\n", strings.TrimSpace("--"+f.Name+" "+value), text)
	})
	return nil
}

// version says what the program was built of. Its hash says more: builds are reproducible.
func (d *desk) version() error {
	built := "an unknown version"
	if b, ok := debug.ReadBuildInfo(); ok {
		built = b.Main.Version
	}
	d.printf("postern-desk %s, %s, %s/%s\n", built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// misused says how the command is called.
func (c *command) misused() error {
	return usagef("usage: %s", strings.TrimSpace("postern-desk "+c.name+" "+c.args))
}

// readCarried reads a text file of ours that came by mail, an editor or a stick.
func readCarried(path string) ([]byte, error) {
	b, err := os.ReadFile(path) //nolint:gosec // named by the holder
	return crypto.Carried(b), err
}

// carriedKeys are public keys of roots as somebody copied them out of a file.
func carriedKeys(keys []string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = strings.TrimSpace(string(crypto.Carried([]byte(k))))
	}
	return out
}
