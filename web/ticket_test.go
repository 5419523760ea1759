package web

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postern/crypto"
	"postern/crypto/seedtest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// clock is a settable time.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newTickets(t testing.TB, c *clock, path, host string) *Tickets {
	t.Helper()
	seedtest.Set(t)
	k, err := NewTickets(TicketOptions{Path: path, Host: host, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTicketRoundTrip(t *testing.T) {
	c := &clock{noon}
	k := newTickets(t, c, "", "x.onion")
	want := k.start()
	want.number, want.part, want.listed = 1<<31+3, 2, 7
	s := k.seal(actReply, want)
	got, err := k.open(actReply, s, c.t)
	if err != nil {
		t.Fatal(err)
	}
	if got.form != want.form || got.code != want.code || got.number != 1<<31+3 || got.part != 2 || got.listed != 7 ||
		!got.issued.Equal(want.issued) || !got.started.Equal(want.started) || !got.expires.Equal(want.expires) {
		t.Error("a ticket changed on its way")
	}
	if k.seal(actReply, want) == s {
		t.Error("the same ticket twice")
	}
}

func TestTicketOpensForItsActionAndHostOnly(t *testing.T) {
	c := &clock{noon}
	path := filepath.Join(t.TempDir(), "key")
	k := newTickets(t, c, path, "x.onion")
	other := newTickets(t, c, path, "y.onion") // the same key
	all := []action{actReport, actCode, actFiles, actInbox, actMessage, actReply, actDownload, actErase, actErased}
	for _, a := range all {
		s := k.seal(a, k.start())
		for _, b := range all {
			if _, err := k.open(b, s, c.t); (err == nil) != (a == b) {
				t.Errorf("ticket for %s opened as %s: %v", a, b, err)
			}
		}
		if _, err := other.open(a, s, c.t); !errors.Is(err, errTicket) {
			t.Errorf("ticket for %s opened under another address: %v", a, err)
		}
	}
}

func TestTicketTimes(t *testing.T) {
	c := &clock{noon}
	k := newTickets(t, c, "", "x")
	start := k.start()
	for _, v := range []struct {
		after time.Duration
		want  error
	}{
		{0, nil}, {startLife - time.Second, nil}, {startLife, errExpired}, {-2 * time.Minute, errExpired}, {-30 * time.Second, nil},
	} {
		if _, err := k.open(actReport, k.seal(actReport, start), c.t.Add(v.after)); !errors.Is(err, v.want) {
			t.Errorf("after %v: %v, want %v", v.after, err, v.want)
		}
	}
	// A visit slides by 30 minutes and ends after 4 hours.
	v := k.visit(crypto.NewCode())
	began := c.t
	for {
		c.t = c.t.Add(25 * time.Minute)
		var err error
		if v, err = k.open(actInbox, k.seal(actInbox, v), c.t); err != nil {
			break
		}
		v = k.slide(v)
		if v.expires.Sub(c.t) > slideLife {
			t.Fatal("a ticket lives longer than it may")
		}
	}
	if d := c.t.Sub(began); d < visitLife-25*time.Minute || d > visitLife+25*time.Minute {
		t.Errorf("the visit ended after %v", d)
	}
}

func TestTicketKeyRotates(t *testing.T) {
	c := &clock{noon}
	path := filepath.Join(t.TempDir(), "key")
	k := newTickets(t, c, path, "x")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(keyLife - time.Minute)
	s := k.seal(actReport, k.start())
	c.t = c.t.Add(startLife - time.Minute) // one rotation later the ticket still lives
	if _, err := k.open(actReport, s, c.t); err != nil {
		t.Errorf("a living ticket under the previous key: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) == string(before) {
		t.Error("the key file was not renewed")
	}
	restarted := newTickets(t, c, path, "x")
	if _, err := restarted.open(actReport, s, c.t); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	current := k.seal(actReport, k.start())
	if _, err := restarted.open(actReport, current, c.t); err != nil {
		t.Errorf("after a restart, under the current key: %v", err)
	}
	c.t = c.t.Add(3 * keyLife)
	if _, err := k.open(actReport, s, noon.Add(keyLife)); !errors.Is(err, errTicket) {
		t.Errorf("keys from days ago still open tickets: %v", err)
	}
}

func TestTicketKeyFile(t *testing.T) {
	c := &clock{noon}
	path := filepath.Join(t.TempDir(), "key")
	newTickets(t, c, path, "x")
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	if err := os.WriteFile(path+".new", []byte("left by a crash"), 0o644); err != nil { //nolint:gosec // the fault to be found
		t.Fatal(err)
	}
	c.t = c.t.Add(keyLife)
	newTickets(t, c, path, "x").seal(actInbox, ticket{code: crypto.NewCode()})
	if fi, err = os.Stat(path); err != nil || fi.Mode() != 0o600 {
		t.Errorf("after a rotation: %v, %v", fi.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil { //nolint:gosec // the fault to be found
		t.Fatal(err)
	}
	if _, err := NewTickets(TicketOptions{Path: path}); err == nil {
		t.Error("a key that the group can read was accepted")
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewTickets(TicketOptions{Path: path}); err == nil {
		t.Error("a damaged key file was accepted")
	}
	if _, err := NewTickets(TicketOptions{Path: filepath.Join(t.TempDir(), "no", "key")}); err == nil {
		t.Error("a key was made that cannot be written")
	}
	left, err := filepath.Glob(path + "?*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func FuzzTicket(f *testing.F) {
	c := &clock{noon}
	k := newTickets(f, c, "", "x")
	good := k.seal(actReport, k.start())
	f.Add(good)
	f.Add("")
	f.Add(good[:len(good)-1])
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, ticketSize+crypto.BoxOverhead)))
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := k.open(actReport, s, c.t); (err == nil) != (s == good) {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

func TestTypedBack(t *testing.T) {
	var m typedBack
	now := noon
	first := newFormID()
	m.add(first, now)
	if !m.has(first, now) || m.has(newFormID(), now) {
		t.Error("wrong memory")
	}
	if m.has(first, now.Add(startLife)) {
		t.Error("remembered for longer than a day")
	}
	for range maxTyped + 10 {
		now = now.Add(time.Millisecond)
		m.add(newFormID(), now)
	}
	if len(m.ids) > maxTyped {
		t.Errorf("%d ids kept", len(m.ids))
	}
	if m.has(first, now) {
		t.Error("the oldest was not forgotten")
	}
}
