package onion

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// bare is a Tor without a process, for what tor tells us.
func bare(names ...string) (*Tor, *[]string) {
	log := &[]string{}
	t := &Tor{cfg: Config{Log: func(s string) { *log = append(*log, s) }}, ended: make(chan struct{}),
		services: map[string]*published{}, changed: make(chan struct{})}
	for _, n := range names {
		t.services[n] = &published{Service: Service{Name: n}, id: n + "id"}
	}
	return t, log
}

func TestEvents(t *testing.T) {
	o, log := bare("a", "b")
	s := &session{}
	send := func(lines ...string) {
		for _, l := range lines {
			o.event(s, l)
		}
	}
	send("HS_DESC CREATED aid UNKNOWN UNKNOWN x", "HS_DESC UPLOAD aid UNKNOWN $A~r x HSDIR_INDEX=1", "HS_DESC UPLOAD aid UNKNOWN $B~r x",
		"HS_DESC FAILED aid UNKNOWN $A~r REASON=UPLOAD_REJECTED", "HS_DESC UPLOADED strangerid UNKNOWN $B~r", "HS_DESC", "")
	if st := o.Status(); st.Published["a"] || st.Published["b"] {
		t.Errorf("published too early: %+v", st)
	}
	send("HS_DESC UPLOADED aid UNKNOWN $B~r")
	if st := o.Status(); !st.Published["a"] || st.Published["b"] {
		t.Errorf("%+v", st)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := o.WaitPublished(ctx, "a"); err != nil {
		t.Error(err)
	}
	send("STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=90 TAG=ap_handshake_done SUMMARY=\"x\"")
	if st := o.Status(); st.Bootstrapped || st.Progress != 90 {
		t.Errorf("%+v", st)
	}
	send("STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done", "STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=x", "STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=101")
	if st := o.Status(); !st.Bootstrapped {
		t.Errorf("%+v", st)
	}
	if len(*log) != 0 || o.Status().Clock {
		t.Errorf("log %q before the clock is wrong", *log)
	}
	send("STATUS_GENERAL WARN CLOCK_SKEW SKEW=-7200 SOURCE=DIRSERV:203.0.113.7:80", "STATUS_GENERAL WARN CLOCK_SKEW SKEW=-7200 SOURCE=CONSENSUS")
	if !o.Status().Clock || len(*log) != 1 || strings.Contains((*log)[0], "203") {
		t.Errorf("clock: %+v, log %q", o.Status(), *log)
	}
	s.over = true
	send("HS_DESC UPLOADED bid UNKNOWN $B~r")
	if o.Status().Published["b"] {
		t.Error("an event of a session that is over counts")
	}
}

// One unanswered upload, or one answered just now, is not published.
func TestWaitPublished(t *testing.T) {
	o, _ := bare("a")
	s := &session{}
	o.event(s, "HS_DESC UPLOAD aid")
	o.event(s, "HS_DESC UPLOAD aid")
	o.event(s, "HS_DESC UPLOADED aid")
	done := make(chan error)
	go func() { done <- o.WaitPublished(t.Context(), "a") }()
	select {
	case err := <-done:
		t.Fatalf("did not wait for the second directory: %v", err)
	case <-time.After(2 * settle):
	}
	last := time.Now()
	o.event(s, "HS_DESC UPLOADED aid")
	if err := <-done; err != nil || time.Since(last) < settle {
		t.Errorf("%v after %v", err, time.Since(last))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.services["a"].reset()
	if err := o.WaitPublished(ctx, "a"); err == nil {
		t.Error("an ended context is not noticed")
	}
}

// Nothing that names a service, a relay or a host gets into a log or an error.
func TestLog(t *testing.T) {
	const (
		addr = "3dfk6pwd4ocxre4mpzliiheabobgm7tcm4e67ghvh6wibyu2mc4wosad"
		fp   = "0123456789ABCDEF0123456789ABCDEF01234567"
	)
	for line, want := range map[string]string{
		"Nov 24 02:31:25.000 [warn] Onion " + addr + ".onion failed":                    "tor: Onion [scrubbed].onion failed",
		"Nov 24 02:31:25.000 [warn] Guard relay ($" + fp + "~nick) at 203.0.113.9:9001": "tor: Guard relay ([scrubbed]) at [scrubbed]",
		"Nov 24 02:31:25.000 [err] From [2001:db8::7]:443 and 2001:db8::1":              "tor: From [scrubbed] and [scrubbed]",
		"Nov 24 02:31:25.000 [warn] Unknown option 'X'. Failing.":                       "tor: Unknown option 'X'. Failing.",
		"Nov 24 02:31:25.000 [notice] Bootstrapped 100% (done): Done":                   "",
		"[warn] ": "",
	} {
		o, log := bare()
		o.logLine(line)
		o.logLine(line)
		if got := strings.Join(*log, "|"); got != want {
			t.Errorf("%q gives %q, want %q", line, got, want)
		}
	}
}

func TestKeyIsScrubbed(t *testing.T) {
	if b := NewKey().blob(); strings.Contains(scrub("x "+b+" y"), b[20:40]) {
		t.Error("a key passes")
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("HS_DESC UPLOADED aid UNKNOWN $B~r")
	f.Add("STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=90 TAG=x")
	f.Fuzz(func(t *testing.T, line string) {
		o, _ := bare("a")
		o.event(&session{}, line)
		if s := o.Status(); s.Progress < 0 || s.Progress > 100 || len(s.Published) != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func FuzzScrub(f *testing.F) {
	f.Add("at 203.0.113.9:9001 ")
	f.Fuzz(func(t *testing.T, s string) {
		const secret = "3dfk6pwd4ocxre4mpzliiheabobgm7tcm4e67ghvh6wibyu2mc4wosad"
		if strings.Contains(scrub(s+secret+s), secret) {
			t.Error("an address passes")
		}
	})
}

// What Close leaves: nothing.
func TestCloseLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	dir := filepath.Join(t.TempDir(), "tor")
	o, err := Start(t.Context(), Config{Dir: dir, Extra: "DisableNetwork 1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Publish(t.Context(), Service{Name: "a", Key: NewKey(), Socket: "/run/a", Public: true}); err != nil {
		t.Error(err)
	}
	o.Close()
	o.Close() // once more is no error
	goleak.VerifyNone(t, before)
}
