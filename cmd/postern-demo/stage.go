package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"postern/intake/onion/tortest"
)

// stage is where the demonstration happens: its folder, its programs, its output.
type stage struct {
	dir   string
	run   string // folder in memory, for the server's sockets
	bin   string
	out   io.Writer
	start time.Time
	keep  bool
	act   int

	net    *tortest.Network
	server *exec.Cmd
	exited chan struct{} // closed when the server ended, with
	ended  error
}

// path is a file or folder of the demonstration.
func (s *stage) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// say begins an act.
func (s *stage) say(format string, a ...any) {
	s.act++
	fmt.Fprintf(s.out, "\n%d. %s\n", s.act, fmt.Sprintf(format, a...))
}

// proof is one line of what an act showed.
func (s *stage) proof(format string, a ...any) {
	fmt.Fprintf(s.out, "   %s\n", fmt.Sprintf(format, a...))
}

// program runs one of our programs to its end.
func (s *stage) program(ctx context.Context, program string, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes(), nil
}

func (s *stage) postern(ctx context.Context, args ...string) ([]byte, error) {
	return s.program(ctx, "postern", append(args, "--dir", s.path("server"))...)
}

// desk runs a body's postern-desk. Every desk has a passphrase file of its own.
func (s *stage) desk(ctx context.Context, body string, args ...string) ([]byte, error) {
	return s.program(ctx, "postern-desk", append(args,
		"--vault", s.path("desk-"+body), "--passphrase-file", s.path("passphrase"))...)
}

// deskJSON is desk with --json, read into v.
func (s *stage) deskJSON(ctx context.Context, v any, body string, args ...string) error {
	b, err := s.desk(ctx, body, append(args, "--json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// words is all that the messages of a case say, as a desk reads them.
func (s *stage) words(ctx context.Context, body, caseID string) (string, error) {
	var shown struct {
		List []struct {
			Text string `json:"text"`
		} `json:"list"`
	}
	err := s.deskJSON(ctx, &shown, body, "show", caseID)
	var b strings.Builder
	for _, m := range shown.List {
		b.WriteString(m.Text + "\n")
	}
	return b.String(), err
}

// serve starts the server and leaves it running.
func (s *stage) serve() error {
	log, err := os.OpenFile(s.path("server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.server = exec.Command(filepath.Join(s.bin, "postern"), "serve", "--dir", s.path("server"))
	s.server.Stdout, s.server.Stderr = log, log
	// A ^C is for us first: the server is stopped in its turn.
	s.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := s.server.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func() { s.ended = s.server.Wait(); close(s.exited) }()
	return nil
}

// published waits until status says that every address is published.
func (s *stage) published(ctx context.Context) error {
	for {
		var st struct {
			Server bool `json:"server"`
			Tor    struct {
				Published map[string]bool `json:"published"`
			} `json:"tor"`
		}
		c := exec.CommandContext(ctx, filepath.Join(s.bin, "postern"), "status", "--json", "--dir", s.path("server"))
		b, runErr := c.Output() // fails while there are problems, and a demonstration has no backup key
		ready := false
		if err := json.Unmarshal(b, &st); err == nil && st.Server {
			ready = len(st.Tor.Published) > 0
			for _, ok := range st.Tor.Published {
				ready = ready && ok
			}
		}
		if ready {
			return nil
		}
		select {
		case <-s.exited:
			log, _ := os.ReadFile(s.path("server.log"))
			return fmt.Errorf("the server ended: %w\n%s", s.ended, log)
		case <-ctx.Done():
			return fmt.Errorf("waiting for the addresses: %w (%w)\n%s", ctx.Err(), runErr, b)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// window opens a body's desk in its window, and waits until it is closed.
func (s *stage) window(ctx context.Context, body string) error {
	pass, err := os.ReadFile(s.path("passphrase"))
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, `
The desk of %s opens in a window. Where it asks for the passphrase again:
  %s
Close the window, and everything ends.
`, body, strings.TrimSpace(string(pass)))
	c := exec.CommandContext(ctx, filepath.Join(s.bin, "postern-desk"), "--vault", s.path("desk-"+body), "--passphrase-file", s.path("passphrase"))
	c.Stdout, c.Stderr = s.out, s.out
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	if err := c.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the desk's window: %w", err)
	}
	return nil
}

// await keeps the stage until ^C.
func (s *stage) await(ctx context.Context) {
	fmt.Fprintln(s.out, "\nEverything keeps running. ^C ends it and removes the folder.")
	<-ctx.Done()
}

// close ends every process and removes the folder.
func (s *stage) close() error {
	var errs []error
	if s.server != nil {
		_ = s.server.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-s.exited:
		case <-time.After(20 * time.Second):
			errs = append(errs, errors.New("the server did not stop and was killed"))
			_ = s.server.Process.Kill()
			<-s.exited
		}
	}
	if s.net != nil {
		s.net.Close()
	}
	if s.run != "" {
		errs = append(errs, os.RemoveAll(s.run))
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// memoryDir is a folder whose files never reach a disk, or "".
func memoryDir() string {
	const dir = "/dev/shm"
	if i, err := os.Stat(dir); err != nil || !i.IsDir() {
		return ""
	}
	return dir
}

// size of all files below a folder, in bytes.
func size(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // tor removes files as we look
		if err == nil && d.Type().IsRegular() {
			if i, err := d.Info(); err == nil {
				n += i.Size()
			}
		}
		return nil
	})
	return n
}

// search counts the files below dirs that hold a marker, reading all of each.
func search(markers map[string]string, dirs ...string) (files int, found []string, err error) {
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			f, err := os.Open(path) //nolint:gosec // nobody else writes in the demonstration's folder
			if err != nil {
				return err
			}
			defer f.Close()
			files++
			for name := range contains(f, markers) {
				found = append(found, fmt.Sprintf("%s in %s", name, path))
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return files, found, err
		}
	}
	return files, found, nil
}

// contains reads r in overlapping pieces.
func contains(r io.Reader, markers map[string]string) map[string]bool {
	const overlap = 4096
	hit := map[string]bool{}
	b := bufio.NewReaderSize(r, 1<<20)
	var held []byte
	piece := make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(b, piece)
		held = append(held, piece[:n]...)
		for name, m := range markers {
			if bytes.Contains(held, []byte(m)) {
				hit[name] = true
			}
		}
		if err != nil {
			return hit
		}
		held = append(held[:0], held[max(0, len(held)-overlap):]...)
	}
}

func hashFile(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}
