package onion

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"postern/intake/onion/internal/tor"
)

// Config of [Start].
type Config struct {
	// Tor is the program: a path, or a name in PATH. Empty: "tor".
	Tor string
	// Dir is tor's own data directory, an absolute path; made 0700 when missing.
	// It holds tor's state (its guards) and no key of a service. Keep it over
	// restarts: new guards each time would help an attacker.
	Dir string
	// RunDir holds the control socket and its cookie, best on tmpfs: an absolute
	// path of at most 90 bytes, 0700, made when missing. Empty: Dir.
	RunDir string
	// Extra lines for the torrc, say of bridges. They cannot make services non-anonymous.
	Extra string
	// Log is called with what the operator must know: no addresses, no times. May be nil.
	Log func(string)
	// ControlSocket of a tor that the system runs. When set, no tor is started
	// and the fields above do not count, except Log. This process must be able to
	// read its authentication cookie, and that tor to connect to the services' sockets.
	ControlSocket string
}

const (
	heartbeat = 30 * time.Second // between two questions whether tor still answers
	firstWait = time.Second      // before the first restart; doubled for each that follows
	longWait  = time.Minute      // the longest, and how long tor must run to be well again
)

// Tor publishes services. Safe for concurrent use.
type Tor struct {
	cfg   Config
	stop  context.CancelFunc
	ended chan struct{}

	order sync.Mutex // held while services are added or removed, so that they are in one order everywhere

	mu       sync.Mutex
	services map[string]*published
	conn     *tor.Conn // for commands; nil while tor is down
	pid      int
	status   Status
	last     string        // the last line of tor's log
	changed  chan struct{} // closed at the next change
}

// session is one life of tor, as far as we see it.
type session struct {
	proc         *tor.Process // nil for a system tor
	conn, events *tor.Conn
	over         bool // its events no longer count; Tor.mu guards it
}

// Start starts tor, or finds the system's, and returns when it answers; its
// way into the network goes on (see [Tor.WaitBootstrapped]). ctx bounds the start alone.
func Start(ctx context.Context, cfg Config) (*Tor, error) {
	if cfg.Log == nil {
		cfg.Log = func(string) {}
	}
	if cfg.RunDir == "" {
		cfg.RunDir = cfg.Dir
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("configuration of tor: %w", err)
	}
	t := &Tor{cfg: cfg, ended: make(chan struct{}), services: map[string]*published{}, changed: make(chan struct{})}
	s, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.Background())
	t.stop = stop
	go t.supervise(life, s)
	return t, nil
}

func (c *Config) check() error {
	if c.ControlSocket != "" {
		return tor.CheckSocket(c.ControlSocket)
	}
	return tor.CheckSocket(c.socket())
}

func (c *Config) socket() string { return filepath.Join(c.RunDir, "tor-control") }

// Close ends all services, and tor when it is our child. It returns when tor is gone.
func (t *Tor) Close() {
	t.stop()
	<-t.ended
}

// PID of the child, for the operator; 0 while it is down, and of a system tor.
func (t *Tor) PID() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pid
}

// supervise keeps a session open until life ends.
func (t *Tor) supervise(life context.Context, s *session) {
	defer close(t.ended)
	wait := firstWait
	for {
		since := time.Now()
		err := t.watch(life, s)
		t.close(s)
		if life.Err() != nil {
			return
		}
		if time.Since(since) > longWait {
			wait = firstWait
		}
		for s = nil; s == nil; {
			t.cfg.Log(fmt.Sprintf("tor is down, services cannot be reached; trying again in %v (%v)", wait, scrubbed(err)))
			select {
			case <-life.Done():
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, longWait)
			s, err = t.open(life)
		}
		t.mu.Lock()
		t.status.Restarts++
		t.mu.Unlock()
		t.cfg.Log("tor is up again")
	}
}

// open begins a session and adds all services to it.
func (t *Tor) open(ctx context.Context) (s *session, err error) {
	s = &session{}
	defer func() {
		if err != nil {
			t.close(s)
			s, err = nil, scrubbed(err)
		}
	}()
	if err := t.dial(ctx, s); err != nil {
		return s, err
	}
	defer context.AfterFunc(ctx, s.conn.Close)()
	t.order.Lock()
	defer t.order.Unlock()
	if err := s.events.Events(events, func(l string) { t.event(s, l) }); err != nil {
		return s, err
	}
	phase, err := s.conn.Info("status/bootstrap-phase")
	if err != nil {
		return s, err
	}
	t.mu.Lock()
	t.progress(phase)
	t.mu.Unlock()
	if err := t.addMissing(s.conn); err != nil {
		return s, err
	}
	t.mu.Lock()
	t.conn = s.conn
	if s.proc != nil {
		t.pid = s.proc.PID()
	}
	t.tell()
	t.mu.Unlock()
	return s, nil
}

// addMissing adds the services that this tor does not have. One that it
// refuses does not keep the others off; it is tried again. t.order is held.
func (t *Tor) addMissing(conn *tor.Conn) error {
	t.mu.Lock()
	services := slices.Collect(maps.Values(t.services))
	t.mu.Unlock()
	for _, p := range services {
		if p.added {
			continue
		}
		_, err := conn.Do(p.command())
		if err != nil && !refused(err) {
			return err
		}
		if err != nil {
			t.cfg.Log(fmt.Sprintf("the service %q cannot be published (%v); trying again", p.Name, scrubbed(err)))
			continue
		}
		p.added = true
	}
	return nil
}

// dial starts tor, if it is ours, and makes both connections.
func (t *Tor) dial(ctx context.Context, s *session) (err error) {
	socket := t.cfg.ControlSocket
	if socket != "" {
		if s.conn, err = tor.Dial(socket); err != nil {
			return err
		}
	} else {
		socket = t.cfg.socket()
		if s.proc, err = t.launch(); err != nil {
			return err
		}
		if s.conn, err = s.proc.Connect(ctx, socket); err != nil {
			return err
		}
	}
	s.events, err = tor.Dial(socket)
	return err
}

func (t *Tor) launch() (*tor.Process, error) {
	if err := os.MkdirAll(t.cfg.RunDir, 0o700); err != nil {
		return nil, fmt.Errorf("run directory of tor: %w", err)
	}
	if fi, err := os.Stat(t.cfg.RunDir); err != nil || fi.Mode().Perm()&0o077 != 0 {
		return nil, errors.Join(errors.New("run directory of tor: others may enter it; make it the service's own, with mode 0700"), err)
	}
	// Ours come last: of an option given twice tor takes the last.
	return tor.Launch(t.cfg.Tor, t.cfg.Dir, fmt.Sprintf(`%s
SocksPort 0
ControlSocket %s
CookieAuthentication 1
CookieAuthFile %s
SafeLogging 1
HiddenServiceNonAnonymousMode 0
HiddenServiceSingleHopMode 0
`, t.cfg.Extra, tor.Quote(t.cfg.socket()), tor.Quote(filepath.Join(t.cfg.RunDir, "tor-cookie"))), t.logLine)
}

// watch returns when a session is over, and why.
func (t *Tor) watch(life context.Context, s *session) error {
	var gone <-chan struct{}
	if s.proc != nil {
		gone = s.proc.Done()
	}
	defer context.AfterFunc(life, s.conn.Close)() // even from under a command
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-life.Done():
			return nil
		case <-gone:
			return s.proc.Err()
		case <-s.conn.Done():
			return reason(s, "its command connection ended")
		case <-s.events.Done():
			return reason(s, "its event connection ended")
		case <-beat.C:
			if err := t.beat(s.conn); err != nil {
				return err
			}
		}
	}
}

// beat asks whether tor is alive, and gives it what it refused before.
func (t *Tor) beat(conn *tor.Conn) error {
	if _, err := conn.Info("version"); err != nil {
		return err
	}
	t.order.Lock()
	defer t.order.Unlock()
	return t.addMissing(conn)
}

// reason waits a moment for the process to say why its connections ended.
func reason(s *session, text string) error {
	if s.proc != nil {
		select {
		case <-s.proc.Done():
			return s.proc.Err()
		case <-time.After(time.Second):
		}
	}
	return errors.New(text)
}

// close ends a session, whole or not.
func (t *Tor) close(s *session) {
	t.mu.Lock()
	s.over = true
	t.conn, t.pid = nil, 0
	t.mu.Unlock()
	for _, c := range []*tor.Conn{s.conn, s.events} {
		if c != nil {
			c.Close()
		}
	}
	if s.proc != nil {
		s.proc.Stop()
	}
	t.order.Lock() // after the connection: a command that waits has ended now
	defer t.order.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Progress, t.status.Clock = 0, false
	for _, p := range t.services {
		p.reset()
	}
	t.tell()
}
