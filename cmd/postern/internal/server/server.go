// Package server runs an instance: the doors that visitors, holders and the
// operator come in by (doors.go), tor behind them (tor.go), what happens by the
// clock (upkeep.go), and what the process does to hold little and forget soon
// (harden.go, forget.go).
//
// A command that needs the database asks a running server over its admin socket
// and opens the files itself when none runs: admin.go. status.go says how it is.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"postern/cmd/postern/internal/instance"
	"postern/intake/onion"
	"postern/store"
	"postern/web"
)

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
	key, err := s.OnionKey()
	if err != nil {
		return err
	}
	address := onion.Address(key)
	path, err := ticketPath(s.Instance)
	if err != nil {
		return err
	}
	tickets, err := web.NewTickets(web.TicketOptions{Path: path, Host: address})
	if err != nil {
		return err
	}
	s.shown.takeAll(s.Instance, s.intake.Directory(), s.log)
	h := web.Source(web.SourceOptions{
		Service: s.intake, Tickets: tickets, Languages: s.Conf.Languages, Log: s.fault,
		Pages: s.shown.pages.Load, Directory: s.shown.directory.Load,
	})
	if s.public, err = s.open(s.SocketPath(instance.PublicName), s.doorMode(), web.NewServer(s.memory.watch(s.onlyFor(h, address)))); err != nil {
		return err
	}
	if err := s.startTor(ctx); err != nil {
		return err
	}
	if s.tor != nil {
		if err := s.tor.Publish(ctx, onion.Service{
			Name: instance.PublicName, Key: key, Socket: s.public.path, Public: true,
			PoW: s.Conf.Tor.ProofOfWork, MaxStreams: s.Conf.Tor.MaxStreams,
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
	s.admin, err = s.open(s.SocketPath(instance.AdminName), 0o600, &http.Server{Handler: adminHandler(s.engine, s.operated, adminPatience), ReadHeaderTimeout: time.Minute})
	return err
}

// fail ends the server; only the first fault counts.
func (s *server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
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
	s.fail(instance.WithHint(err, "look at the disk; systemd starts the server again, and postern check tells whether it is sound"))
	return true
}

// alive says that the database still answers.
func (s *server) alive() bool {
	_, err := s.intake.Usage()
	return !s.broken(err)
}

// stop takes no new visitor, waits for those inside as long as the
// configuration says, and ends tor last: uploads come through it.
func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.Conf.Drain))
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
		s.log("some uploads were cut off after %v; their files are lost, the texts are stored", time.Duration(s.Conf.Drain))
	}
	if s.tor != nil {
		s.tor.Close()
	}
}

// Serve runs an instance until ctx ends or something fails for good.
func Serve(ctx context.Context, i *instance.Instance, out io.Writer) error {
	if err := instance.MakePrivate(i.RunPath()); err != nil {
		return err
	}
	if err := confine(i); err != nil {
		return err
	}
	e, err := openEngine(i)
	if err != nil {
		return err
	}
	s := &server{engine: e, log: logTo(out), exchanges: map[string]*door{}, failed: make(chan error, 1)}
	e.server = s
	return errors.Join(s.run(ctx), e.close())
}
