package onion

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/intake/onion/internal/tor"
)

// Status is what an operator must know of tor.
type Status struct {
	// Up: tor answers.
	Up bool
	// Bootstrapped: it can use the network. Progress leads there, in percent.
	Bootstrapped bool
	Progress     int
	// Published says for each service by name whether a directory has taken its
	// descriptor since tor was started last.
	Published map[string]bool
	// Clock: tor found this machine's clock to differ from the network's.
	Clock bool
	// Restarts counts how often tor had to be started again (or a system tor found again).
	Restarts int
}

// Status of now; it never waits for tor.
func (t *Tor) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.status
	s.Up = t.conn != nil
	s.Bootstrapped = s.Progress == 100
	s.Published = map[string]bool{}
	for n, p := range t.services {
		s.Published[n] = p.ok > 0
	}
	return s
}

// WaitBootstrapped returns when tor can use the network.
func (t *Tor) WaitBootstrapped(ctx context.Context) error {
	for {
		t.mu.Lock()
		done, changed := t.status.Progress == 100, t.changed
		t.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-t.ended:
			return errors.New("tor was closed")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell wakes those who wait for a change. t.mu is held.
func (t *Tor) tell() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// events is what we subscribe to.
const events = "HS_DESC STATUS_CLIENT STATUS_GENERAL"

// event takes one line; it never waits for anything but t.mu, so the
// connection it comes from is always read.
func (t *Tor) event(s *session, line string) {
	f := strings.Fields(line)
	if len(f) < 3 {
		return
	}
	t.mu.Lock()
	skewed := false
	defer func() {
		t.mu.Unlock()
		if skewed { // only now: Log may ask for our Status
			t.cfg.Log("this machine's clock differs from the Tor network's: set it, services may be unreachable")
		}
	}()
	if s.over {
		return
	}
	switch {
	case f[0] == "HS_DESC":
		// HS_DESC UPLOAD|UPLOADED|FAILED address …
		for _, p := range t.services {
			if p.id != f[2] {
				continue
			}
			switch f[1] {
			case "UPLOAD":
				p.sent++
			case "UPLOADED":
				p.answered++
				p.ok++
			case "FAILED":
				p.answered++
			default:
				return
			}
			p.last = time.Now()
			t.tell()
		}
	case slices.Contains(f, "CLOCK_SKEW") || slices.Contains(f, "REASON=CLOCK_SKEW"):
		skewed = !t.status.Clock
		t.status.Clock = true
	case f[2] == "BOOTSTRAP":
		t.progress(line)
	}
}

// progress reads "… BOOTSTRAP PROGRESS=90 …". t.mu is held.
func (t *Tor) progress(line string) {
	_, v, ok := strings.Cut(line, " PROGRESS=")
	if !ok {
		return
	}
	v, _, _ = strings.Cut(v, " ")
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > 100 || n == t.status.Progress {
		return
	}
	t.status.Progress = n
	t.tell()
}

// What tor may name in a line and no log of ours may: addresses, keys and
// fingerprints (anything long without a blank), and hosts by number. Tor's own
// SafeLogging keeps out most of it, not the guards we use.
var (
	long  = regexp.MustCompile(`\$?[A-Za-z0-9+/=_-]{40,}(~\w+)?`)
	hosts = regexp.MustCompile(`\[?[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*\]?(:\d+)?|\d+\.\d+\.\d+\.\d+(:\d+)?`)
)

func scrub(s string) string {
	return hosts.ReplaceAllString(long.ReplaceAllString(s, "[scrubbed]"), "[scrubbed]")
}

// clean is an error of tor's that says nothing a log may not say.
type clean struct{ error }

func (c clean) Error() string { return scrub(c.error.Error()) }
func (c clean) Unwrap() error { return c.error }

func scrubbed(err error) error {
	if err == nil {
		return nil
	}
	return clean{err}
}

// logLine passes tor's warnings on, without the time: a log must not say to
// the second what happened to a source. The same line twice is said once.
func (t *Tor) logLine(l string) {
	text := scrub(tor.Warning(l))
	if text == "" {
		return
	}
	t.mu.Lock()
	seen := t.last == text
	t.last = text
	t.mu.Unlock()
	if !seen {
		t.cfg.Log("tor: " + text)
	}
}
