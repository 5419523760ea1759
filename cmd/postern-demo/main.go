// Postern-demo walks one report the whole way on this machine alone: from a
// source's browser over Tor to the server, from there over each reviewer's
// private onion to an offline desk, and the answer back.
//
// Nothing in it is a stand-in. It boots a private Tor network of real tor
// processes on loopback, runs the real postern and postern-desk (which must
// lie beside it), signs a directory with a root key, and sends what a browser
// sends. It is a program of its own so that the server carries none of it.
//
//	main.go   flags, and where everything lies
//	stage.go  programs, files, what is printed
//	acts.go   the acts, in order, and what proves each
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"postern/reviewer/window"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "postern-demo: %v\n", err)
		os.Exit(1)
	}
}

const help = `Postern-demo sends one report the whole way, on this machine alone: it boots a
private Tor network on loopback, publishes real onions in it, reports through
them with files, opens the report on a desk, answers, and reads the answer with
the code. It says what it does and what proves it. Nothing leaves the machine.

`

func run(ctx context.Context, args []string, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fs := flag.NewFlagSet("postern-demo", flag.ContinueOnError)
	fs.Usage = func() { fmt.Fprint(fs.Output(), help); fs.PrintDefaults() }
	keep := fs.Bool("keep", false, "leave everything running and say how to reach it with a browser; ^C ends it")
	desk := fs.Bool("desk", false, "at the end open the window of a reviewer's desk, and end when it is closed; needs a display")
	dir := fs.String("dir", "", "where to put its files, a short `path`; it must not exist (default: a new folder in the temporary one)")
	bin := fs.String("bin", filepath.Dir(self), "`folder` of postern, postern-desk and postern-window")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	for _, p := range []string{"tor", "tor-gencert"} {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("%s is not here: install Debian's package tor, or run `make demo`, which does", p)
		}
	}
	if *desk {
		if err := window.Check(); err != nil {
			return fmt.Errorf("--desk: %w", err)
		}
	}
	if *dir == "" {
		if *dir, err = os.MkdirTemp("", "postern-demo-"); err != nil {
			return err
		}
	} else if err := os.Mkdir(*dir, 0o700); err != nil {
		return fmt.Errorf("making the demonstration's folder: %w", err)
	}
	s := &stage{dir: *dir, bin: *bin, out: out, start: time.Now(), keep: *keep}
	switch err = s.play(ctx); {
	case err == nil && *desk:
		err = s.window(ctx, bodies[0].id)
	case err == nil && *keep:
		s.await(ctx)
	case ctx.Err() != nil:
		err = errors.New("stopped before the end; every process is ended and the folder removed")
	}
	return errors.Join(err, s.close())
}
