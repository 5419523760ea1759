package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"postern/cmd/postern/internal/instance"
	"postern/crypto"
	"postern/intake"
)

// An operation is what an operator asks of an instance, the same whether a
// server runs (it does it, and streams the answer over its admin socket) or
// not (the command opens the database and does it itself).
type operation func(ctx context.Context, e *engine, w io.Writer) error

// The operations, by the name they have on the admin socket.
func operations() map[string]operation {
	return map[string]operation{
		"status":          opStatus,
		"release":         opRelease,
		"vacuum":          func(ctx context.Context, e *engine, w io.Writer) error { return opVacuum(ctx, e, w, false) },
		"vacuum-clock-ok": func(ctx context.Context, e *engine, w io.Writer) error { return opVacuum(ctx, e, w, true) },
		"check":           opCheck,
		"backup-identity": opBackupIdentity,
		"backup-full":     opBackupFull,
		"reload":          opReload,
		"pages":           opPages,
	}
}

// outcome is the trailer that ends every answer: empty would mean cut off.
const (
	outcome   = "Postern-Outcome"
	outcomeDo = "Postern-Hint"
	done      = "done"
)

// adminPatience is how long a client may take nothing of an answer. A backup
// holds a copy of the records while it is taken, and must not hold it for ever.
const adminPatience = 2 * time.Minute

// adminHandler serves the operations.
func adminHandler(e *engine, report func(op string, err error), patience time.Duration) http.Handler {
	mux := http.NewServeMux()
	for name, op := range operations() {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", outcome+", "+outcomeDo)
			out := flusher{w, http.NewResponseController(w), patience}
			err := op(r.Context(), e, out)
			report(name, err)
			_ = out.wait() // for the trailer
			if err != nil {
				w.Header().Set(outcome, err.Error())
				w.Header().Set(outcomeDo, instance.HintOf(err))
				return
			}
			w.Header().Set(outcome, done)
		})
	}
	return mux
}

// flusher sends each line as it comes, to a client who takes it.
type flusher struct {
	w        io.Writer
	c        *http.ResponseController
	patience time.Duration
}

func (f flusher) Write(p []byte) (int, error) {
	if err := f.wait(); err != nil {
		return 0, err
	}
	n, err := f.w.Write(p)
	return n, errors.Join(err, f.c.Flush())
}

// wait gives the client its time anew.
func (f flusher) wait() error { return f.c.SetWriteDeadline(time.Now().Add(f.patience)) }

// ErrNoServer says that nobody listens on the admin socket.
var ErrNoServer = errors.New("no server runs on this directory")

// Ask has a running server do an operation; [ErrNoServer] when there is none.
func Ask(ctx context.Context, i *instance.Instance, op string, w io.Writer) error {
	socket, err := i.AdminSocket()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postern/"+op, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return ErrNoServer
	case errors.Is(err, os.ErrPermission):
		return instance.WithHint(errors.New("the admin socket refuses this user"), "run the command as root or as the owner of %s", i.Dir)
	case err != nil:
		return fmt.Errorf("asking the server: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return instance.WithHint(fmt.Errorf("the server does not know %q", op), "it runs another version of postern: restart it")
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	switch s := resp.Trailer.Get(outcome); s {
	case done:
		return nil
	case "":
		return errors.New("the server stopped in the middle of it")
	default:
		return instance.WithHint(errors.New(s), "%s", resp.Trailer.Get(outcomeDo))
	}
}

// Operate has the server do an operation, or does it here when none runs.
func Operate(ctx context.Context, i *instance.Instance, op string, w io.Writer) error {
	err := Ask(ctx, i, op, w)
	if !errors.Is(err, ErrNoServer) {
		return err
	}
	e, err := openEngine(i)
	if err != nil {
		return err
	}
	err = operations()[op](ctx, e, w)
	return errors.Join(err, e.close())
}

func opRelease(ctx context.Context, e *engine, w io.Writer) error {
	if e.skewed() {
		return errSkew
	}
	n, err := e.intake.Release(ctx, crypto.LaneRegular)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "Batch %d is ready for the reviewers.\n", n)
	return err
}

func opVacuum(ctx context.Context, e *engine, w io.Writer, clockOK bool) error {
	start := time.Now()
	err := e.tidy(ctx, clockOK)
	if e.lastUpkeep().vacuum == nil {
		fmt.Fprintf(w, "Everything erased up to now is unreadable. %v.\n", time.Since(start).Round(time.Millisecond))
	}
	if errors.Is(err, intake.ErrClock) {
		return instance.WithHint(err, confirmClock)
	}
	return err
}

// confirmClock is what to do about [intake.ErrClock].
const confirmClock = "if the date is right: let reviewers fetch what they miss, then postern vacuum --clock-ok; if not: timedatectl"

func opCheck(ctx context.Context, e *engine, w io.Writer) error {
	problems := 0
	problem := func(p string) {
		problems++
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	err := e.store.Check(ctx, problem)
	if err == nil && e.server == nil { // sources would wait for it
		err = e.store.CheckFiles(problem)
	}
	if err != nil {
		return e.Damaged(fmt.Errorf("checking the database: %w", err))
	}
	if problems > 0 {
		return instance.WithHint(fmt.Errorf("the database has %d problems", problems),
			"keep a copy of %s as it is, then restore the newest full backup", e.DBPath())
	}
	fmt.Fprintln(w, "The database is sound.")
	if e.server != nil {
		fmt.Fprintln(w, "How its files are laid out is checked when no server runs.")
	}
	return nil
}

func opBackupIdentity(ctx context.Context, e *engine, w io.Writer) error {
	return e.Backup(ctx, w, nil)
}

func opBackupFull(ctx context.Context, e *engine, w io.Writer) error {
	return e.Backup(ctx, w, e.store)
}

// opReload reads the directory, the holders' files and the pages again.
func opReload(ctx context.Context, e *engine, w io.Writer) error {
	if err := e.reload(ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "Reloaded.")
	return err
}

// opPages has the server read the pages again.
func opPages(_ context.Context, e *engine, w io.Writer) error {
	if e.server != nil {
		if err := e.server.shown.takePages(e.Instance); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, "Taken.")
	return err
}

// WriteJSON writes what a script reads.
func WriteJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
