package main_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A database whose file was cut, or has a page of zeros, is named in a sentence, with
// what to do, by check and by serve: no stack of goroutines on the worst day.
func TestDamageIsNamed(t *testing.T) {
	bin := buildPrograms(t)
	good := filepath.Join(t.TempDir(), "good")
	if out, err := exec.Command(filepath.Join(bin, "postern"), "init", "--name", "example", "--tor", "none", "--dir", good).CombinedOutput(); err != nil {
		t.Fatalf("init: %v: %s", err, out)
	}
	records := func(dir string) string { return filepath.Join(dir, "db", "records.db") }
	whole, err := os.ReadFile(records(good))
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	used := (len(bytes.TrimRight(whole, "\x00")) + page - 1) / page
	zeros := func(n int) []byte {
		b := bytes.Clone(whole)
		clear(b[n*page : (n+1)*page])
		return b
	}
	for name, text := range map[string][]byte{
		"empty":             {},
		"cut in the middle": whole[:used/2*page],
		"cut in a page":     whole[:(used-1)*page+100],
		"no meta pages":     append(make([]byte, 2*page), whole[2*page:]...),
		"a page of zeros":   zeros(used - 1),
		"not a database":    bytes.Repeat([]byte("not a database "), 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			for _, p := range []string{dir, filepath.Join(dir, "db")} {
				if err := os.Chmod(p, 0o700); err != nil { //nolint:gosec // a directory
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(records(dir), text, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"check", "serve"} {
				if command == "serve" && name == "a page of zeros" {
					continue // a start need not read it
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a server that sees no damage would serve
				out, err := exec.CommandContext(ctx, filepath.Join(bin, "postern"), command, "--dir", dir).CombinedOutput()
				cancel()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != 1 || strings.Count(string(out), "\n") != 2 ||
					!strings.Contains(string(out), "records.db is damaged: restore the newest full backup") || !strings.Contains(string(out), "keep a copy") {
					t.Errorf("%s ends with %v and says:\n%.600s", command, err, out)
				}
			}
		})
	}
}
