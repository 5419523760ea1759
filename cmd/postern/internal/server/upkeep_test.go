package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/cmd/postern/internal/instance"
	"postern/crypto"
	"postern/intake"
	"postern/store"
)

// openTest gives an engine with an invented directory and, for the intake, a
// clock of the test's.
func openTest(t *testing.T, now func() time.Time) *engine {
	t.Helper()
	i, err := instance.OpenPreview(filepath.Join(t.TempDir(), "srv"))
	if err != nil {
		t.Fatal(err)
	}
	i.Conf.Backup.Recipient = crypto.NewIdentity().Recipient().String()
	e, err := openEngine(i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	})
	transfer, err := i.Transfer()
	if err != nil {
		t.Fatal(err)
	}
	signing, err := i.Signing()
	if err != nil {
		t.Fatal(err)
	}
	e.intake, err = intake.New(intake.Options{Store: e.store, Directory: e.intake.Directory(), Transfer: transfer, Signing: signing, Instance: i.ID, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// keyFile is what a vacuum writes anew.
func keyFile(t *testing.T, e *engine) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(e.DBPath(), "storage.key"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A record that nobody can read keeps nothing that was erased (SECURITY.md S-5).
func TestTidyBesideDamage(t *testing.T) {
	e := openTest(t, time.Now)
	if err := e.store.Apply(t.Context(), store.Put("mailbox", []byte("no name of a mailbox"), []byte("damaged"))); err != nil {
		t.Fatal(err)
	}
	before := keyFile(t, e)
	if err := e.tidy(t.Context(), false); err == nil {
		t.Error("nobody was told of the damage")
	}
	if bytes.Equal(before, keyFile(t, e)) {
		t.Error("there was no vacuum")
	}
	r := &Report{}
	inspectUpkeep(r, e.lastUpkeep(), e.started, time.Now())
	wantProblem(t, r, "not ended", "postern check")
}

// A clock that leaps ends nothing by age until somebody confirms it. What was
// erased becomes unreadable all the same.
func TestTidyAfterLeap(t *testing.T) {
	now := time.Now()
	e := openTest(t, func() time.Time { return now })
	if err := e.tidy(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := e.intake.Release(t.Context(), crypto.LaneRegular); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(1, 0, 0)
	before := keyFile(t, e)
	var out bytes.Buffer
	err := opVacuum(t.Context(), e, &out, false)
	if !errors.Is(err, intake.ErrClock) || !strings.Contains(instance.HintOf(err), "--clock-ok") || !strings.Contains(out.String(), "unreadable") {
		t.Errorf("after a leap: %v, %q, %q", err, instance.HintOf(err), out.String())
	}
	if bytes.Equal(before, keyFile(t, e)) {
		t.Error("there was no vacuum")
	}
	if list, err := e.intake.Batches(); err != nil || len(list) != 1 {
		t.Errorf("%d batches are left: %v", len(list), err)
	}
	r := &Report{}
	inspectUpkeep(r, e.lastUpkeep(), e.started, time.Now())
	wantProblem(t, r, "21 days", "if the date is right: let reviewers fetch what they miss, then postern vacuum --clock-ok")
	if err := operations()["vacuum-clock-ok"](t.Context(), e, io.Discard); err != nil {
		t.Fatal(err)
	}
	if list, err := e.intake.Batches(); err != nil || len(list) != 0 {
		t.Errorf("%d batches are left: %v", len(list), err)
	}
	r = &Report{}
	inspectUpkeep(r, e.lastUpkeep(), e.started, time.Now())
	wantProblems(t, r)
}

// Batches go out at their hours while a vacuum waits for something.
func TestReleaseBesideVacuum(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	e := openTest(t, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	})
	if err := e.intake.ReleaseDue(t.Context()); err != nil { // a new database starts with the next hour
		t.Fatal(err)
	}
	mu.Lock()
	now = now.AddDate(0, 0, 1)
	mu.Unlock()
	s := &server{engine: e, log: func(format string, a ...any) { t.Errorf(format, a...) }, failed: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	e.tidying.Lock()
	loops.Go(func() { s.nights(ctx, time.Time{}) })
	loops.Go(func() { s.releases(ctx) })
	for {
		list, err := e.intake.Batches()
		if err != nil {
			t.Fatal(err)
		}
		if len(list) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	e.tidying.Unlock()
	loops.Wait()
}

// A client that asks for a backup and does not take it holds up no vacuum, and
// is left after a while.
func TestSlowBackup(t *testing.T) {
	e := openTest(t, time.Now)
	u, err := e.store.NewUpload(store.ItemID{1})
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for range 32 { // more than sockets buffer
		if _, err := u.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(u.Finish(), e.store.Apply(t.Context(), store.Adopt(u))); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: adminHandler(e, func(_ string, err error) { ended <- err }, time.Second)}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "POST /backup-full HTTP/1.1\r\nHost: postern\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 100)); err != nil { // it is being written
		t.Fatal(err)
	}
	before := keyFile(t, e)
	if err := e.tidy(t.Context(), false); err != nil {
		t.Error(err)
	}
	if bytes.Equal(before, keyFile(t, e)) {
		t.Error("there was no vacuum")
	}
	if err := <-ended; err == nil {
		t.Error("the backup ended well, though nobody took it")
	}
	if _, err := os.Stat(filepath.Join(e.DBPath(), "records.db.snapshot")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copied records are still there: %v", err)
	}
}

func TestNextHour(t *testing.T) {
	for now, want := range map[string]string{
		"2026-11-24T02:59:59Z":      "2026-11-24T03:00:00Z",
		"2026-11-24T03:00:00Z":      "2026-11-25T03:00:00Z",
		"2026-12-31T23:00:00Z":      "2027-01-01T03:00:00Z",
		"2026-11-24T03:30:00+01:00": "2026-11-24T03:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextHour(at, tidyHour).Format(time.RFC3339); got != want {
			t.Errorf("after %s: %s, want %s", now, got, want)
		}
	}
}
