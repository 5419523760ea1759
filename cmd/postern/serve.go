package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"postern/intake/onion"
	"postern/store"
	"postern/web"
)

// serve runs the server until it is told to stop.
func (c *cli) serve(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	preview := fs.String("preview", "", "show the pages on this loopback `address:port`, with a throw-away directory and\nwithout Tor; nobody can read what is sent there")
	if _, err := c.parse(fs, args, 0); err != nil {
		return err
	}
	if err := overwriteFreed(); err != nil {
		return err
	}
	if err := harden(); err != nil {
		return err
	}
	if *preview != "" {
		return c.servePreview(ctx, *preview)
	}
	i, err := openInstance(c.dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(i.previewMark()); err == nil {
		return withHint(errors.New("this directory was made by serve --preview: its reviewers do not exist"), "make a real one: postern init --dir DIR")
	}
	if err := os.MkdirAll(i.runPath(), 0o700); err != nil {
		return fmt.Errorf("making the run directory: %w", err)
	}
	if err := i.confine(); err != nil {
		return err
	}
	e, err := openEngine(i)
	if err != nil {
		return err
	}
	s := &server{engine: e, log: logTo(c.err), exchanges: map[string]*door{}, failed: make(chan error, 1)}
	e.server = s
	return errors.Join(s.run(ctx), e.close())
}

// logTo writes lines without a time: what a log says must not be finer than
// the day something happened to a source (SECURITY.md S-20), and journald
// stamps the operator's own lines anyway.
func logTo(w io.Writer) func(format string, a ...any) {
	var mu sync.Mutex
	return func(format string, a ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, "postern: "+format+"\n", a...)
	}
}

// server is a running instance: doors, tor, and what happens by the clock.
type server struct {
	*engine
	log    func(format string, a ...any)
	tor    *onion.Tor // nil when somebody else carries the sockets into Tor
	public *door
	admin  *door
	memory memory
	shown  shown
	failed chan error // the first fault that ends the server

	mu        sync.Mutex // held while exchanges open and close
	exchanges map[string]*door
}

// door is one unix socket and who answers at it.
type door struct {
	*exchange // of a holder; nil for the public one and admin
	path      string
	srv       *http.Server
}

// The names of the services that are not a holder's.
const publicName = "public"

func holderName(holder string) string { return "holder-" + holder }

// run opens the doors, serves until ctx ends or something fails for good, and
// lets uploads that are running finish.
func (s *server) run(ctx context.Context) error {
	err := s.start(ctx)
	if err == nil {
		life, end := context.WithCancel(context.Background())
		var loops sync.WaitGroup
		defer loops.Wait() // after stop: a vacuum may have to wait for an operator's check
		loops.Go(func() { s.releases(life) })
		loops.Go(func() { s.nights(life, time.Now().Add(settled)) })
		go watchdog(life, s.alive)
		go s.memory.forget(life)
		tell(daemon.SdNotifyReady)
		s.log("serving")
		select {
		case <-ctx.Done():
		case err = <-s.failed:
		}
		end()
		s.log("stopping")
	}
	tell(daemon.SdNotifyStopping)
	s.stop()
	return err
}

func (s *server) start(ctx context.Context) error {
	key, err := onionKey(s.onionPath())
	if err != nil {
		return err
	}
	address := onion.Address(key)
	path, err := s.ticketPath()
	if err != nil {
		return err
	}
	tickets, err := web.NewTickets(web.TicketOptions{Path: path, Host: address})
	if err != nil {
		return err
	}
	s.shown.takeAll(s.instance, s.intake.Directory(), s.log)
	h := web.Source(web.SourceOptions{
		Service: s.intake, Tickets: tickets, Languages: s.conf.Languages, Log: s.fault,
		Pages: s.shown.pages.Load, Directory: s.shown.directory.Load,
	})
	if s.public, err = s.open(s.socketPath(publicName), s.doorMode(), web.NewServer(s.memory.watch(h))); err != nil {
		return err
	}
	if err := s.startTor(ctx); err != nil {
		return err
	}
	if s.tor != nil {
		if err := s.tor.Publish(ctx, onion.Service{
			Name: publicName, Key: key, Socket: s.public.path, Public: true,
			PoW: s.conf.Tor.ProofOfWork, MaxStreams: s.conf.Tor.MaxStreams,
		}); err != nil {
			return err
		}
	}
	if s.intake.Directory() == nil {
		s.log("no directory is installed: the pages are up, and nobody can report yet")
	}
	if err := s.reconcile(ctx); err != nil {
		return err
	}
	// Last: who answers here has everything else.
	s.admin, err = s.open(s.adminSocket(), 0o600, &http.Server{Handler: adminHandler(s.engine, s.operated, adminPatience), ReadHeaderTimeout: time.Minute})
	return err
}

// torMemory bounds what tor holds for its circuits. By itself it reckons with all
// memory of the machine, and the systemd unit gives both programs 1 GiB. What the
// operator's own lines say wins.
const torMemory = "MaxMemInQueues 256 MB\n"

func (s *server) startTor(ctx context.Context) (err error) {
	cfg := onion.Config{Log: func(line string) { s.log("%s", line) }}
	switch s.conf.Tor.Mode {
	case torNone:
		return nil
	case torSystem:
		cfg.ControlSocket = s.conf.Tor.ControlSocket
	default:
		cfg.Tor, cfg.Dir, cfg.RunDir = s.conf.Tor.Binary, s.torPath(), s.runPath()
		cfg.Extra = torMemory
		for _, line := range s.conf.Tor.Torrc {
			cfg.Extra += line + "\n"
		}
	}
	if s.tor, err = onion.Start(ctx, cfg); err != nil {
		return withHint(fmt.Errorf("starting tor: %w", err), "is tor installed (apt install tor)? [tor] in postern.conf says which one is used")
	}
	return nil
}

// doorMode lets tor connect: the child is our user, another tor must be in our group.
func (s *server) doorMode() os.FileMode {
	if s.conf.Tor.Mode == torChild {
		return 0o600
	}
	return 0o660
}

// socketMax is the longest path of a unix socket on Linux, in bytes.
const socketMax = 107

// open listens on a unix socket. What lies there was left by an earlier life:
// the database's lock says that nobody else is alive.
func (s *server) open(path string, mode os.FileMode, srv *http.Server) (*door, error) {
	if len(path) > socketMax {
		return nil, withHint(fmt.Errorf("the path of a socket is longer than %d bytes: %s", socketMax, path), "set run in postern.conf to a short one")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(fmt.Errorf("opening a socket: %w", err), l.Close())
	}
	go func() {
		if err := srv.Serve(web.Limit(l)); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serving %s: %w", filepath.Base(path), err))
		}
	}()
	return &door{path: path, srv: srv}, nil
}

// fail ends the server; only the first fault counts.
func (s *server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// reconcile opens an exchange for every active holder in the directory in
// force, and closes all others, at once and with their connections.
func (s *server) reconcile(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := map[string]*exchange{}
	for _, x := range s.instance.exchanges(s.intake.Directory(), func(holder string, err error) {
		s.log("holder %s has no exchange: %v", holder, err)
	}) {
		want[x.holder] = x
	}
	var errs []error
	for holder, d := range s.exchanges {
		if x := want[holder]; x != nil && *x == *d.exchange {
			delete(want, holder)
			continue
		}
		errs = append(errs, s.shut(ctx, d))
		delete(s.exchanges, holder)
	}
	for _, x := range want {
		errs = append(errs, s.openExchange(ctx, x))
	}
	return errors.Join(errs...)
}

func (s *server) shut(ctx context.Context, d *door) error {
	var err error
	if s.tor != nil {
		err = s.tor.Remove(ctx, holderName(d.holder))
	}
	return errors.Join(err, d.srv.Close())
}

func (s *server) openExchange(ctx context.Context, x *exchange) error {
	h := web.Exchange(web.ExchangeOptions{Service: s.intake, Directory: s.signedDirectory, Holder: x.holder, Log: s.fault})
	d, err := s.open(s.socketPath(holderName(x.holder)), s.doorMode(), web.NewServer(h))
	if err != nil {
		return err
	}
	d.exchange = x
	s.exchanges[x.holder] = d
	if s.tor == nil {
		return nil
	}
	return s.tor.Publish(ctx, onion.Service{
		Name: holderName(x.holder), Key: x.key, Socket: d.path,
		Clients: [][32]byte{x.access}, MaxStreams: s.conf.Tor.MaxStreams,
	})
}

// operated logs what an operator asked for.
func (s *server) operated(op string, err error) {
	switch {
	case err != nil:
		s.log("%s failed: %v", op, err)
	case op != "status":
		s.log("%s done", op)
	}
	s.broken(err)
}

// fault logs a fault of ours that a page met.
func (s *server) fault(line string) { s.log("a fault of ours: %s", line) }

// broken ends the server when the store does not know what the disk holds.
func (s *server) broken(err error) bool {
	if !errors.Is(err, store.ErrBroken) {
		return false
	}
	s.fail(withHint(err, "look at the disk; systemd starts the server again, and postern check tells whether it is sound"))
	return true
}

// alive says that the database still answers.
func (s *server) alive() bool {
	_, err := s.intake.Usage()
	return !s.broken(err)
}

const (
	tidyHour = 3              // UTC, of the nightly vacuum
	tidyLate = 26 * time.Hour // without one the operator is told
	settled  = 5 * time.Minute
)

// releases makes batches at their hours, however long anything else takes.
func (s *server) releases(ctx context.Context) {
	var next time.Time
	each(ctx, 5*time.Second, func(now time.Time) {
		if !s.alive() || now.Before(next) || s.skewed() {
			return
		}
		if err := s.intake.ReleaseDue(ctx); err != nil && ctx.Err() == nil {
			s.log("releasing a batch failed: %v", err)
			s.broken(err)
		}
		next = now.Add(time.Minute)
	})
}

// nights tidies every night; for the first time soon after a start, so that no
// chain of restarts puts it off for ever.
func (s *server) nights(ctx context.Context, next time.Time) {
	each(ctx, 5*time.Second, func(now time.Time) {
		if now.Before(next) {
			return
		}
		next = nextHour(now, tidyHour)
		err := s.tidy(ctx, false)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.log("upkeep failed: %v", err)
		s.broken(err)
		if s.lastUpkeep().vacuum != nil {
			next = now.Add(time.Hour)
		}
	})
}

// each calls do now and then again and again until ctx ends.
func each(ctx context.Context, every time.Duration, do func(now time.Time)) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		do(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// nextHour is the next time that it is this hour, UTC.
func nextHour(t time.Time, hour int) time.Time {
	t = t.UTC()
	next := time.Date(t.Year(), t.Month(), t.Day(), hour, 0, 0, 0, time.UTC)
	if !next.After(t) {
		next = next.AddDate(0, 0, 1)
	}
	return next
}

// stop takes no new visitor, waits for those inside as long as the
// configuration says, and ends tor last: uploads come through it.
func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.conf.Drain))
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	doors := []*door{s.admin, s.public}
	for _, d := range s.exchanges {
		doors = append(doors, d)
	}
	var all sync.WaitGroup
	for _, d := range doors {
		if d == nil {
			continue
		}
		all.Go(func() {
			if d.srv.Shutdown(ctx) != nil {
				_ = d.srv.Close()
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		s.log("some uploads were cut off after %v; their files are lost, the texts are stored", time.Duration(s.conf.Drain))
	}
	if s.tor != nil {
		s.tor.Close()
	}
}

// ticketPath is where the key of open forms lies: on a memory file system when
// there is one, so that it survives a restart and not the machine.
func (i *instance) ticketPath() (string, error) {
	if inMemory(i.runPath()) || !inMemory(memoryDir) {
		return filepath.Join(i.runPath(), "tickets.key"), nil
	}
	dir := filepath.Join(memoryDir, fmt.Sprintf("postern-%x", i.id))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("making a directory in memory: %w", err)
	}
	info, err := os.Lstat(dir) // anybody may have made it
	if err != nil {
		return "", err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || info.Mode().Perm() != 0o700 || int(st.Uid) != os.Geteuid() {
		return "", withHint(fmt.Errorf("%s is not ours", dir), "find out who made it, then remove it")
	}
	return filepath.Join(dir, "tickets.key"), nil
}
