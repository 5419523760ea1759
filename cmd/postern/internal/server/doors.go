package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"postern/cmd/postern/internal/instance"
	"postern/intake/onion"
	"postern/web"
)

// door is one unix socket and who answers at it.
type door struct {
	*instance.Exchange // of a holder; nil for the public one and admin
	path               string
	srv                *http.Server
}

// doorMode lets tor connect: the child is our user, another tor must be in our group.
func (s *server) doorMode() os.FileMode {
	if s.Conf.Tor.Mode == instance.TorChild {
		return 0o600
	}
	return 0o660
}

// open listens on a unix socket. What lies there was left by an earlier life:
// the database's lock says that nobody else is alive.
func (s *server) open(path string, mode os.FileMode, srv *http.Server) (*door, error) {
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

// reconcile opens an exchange for every active holder in the directory in
// force, and closes all others, at once and with their connections.
func (s *server) reconcile(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := map[string]*instance.Exchange{}
	for _, x := range s.Exchanges(s.intake.Directory(), func(holder string, err error) {
		s.log("holder %s has no exchange: %v", holder, err)
	}) {
		want[x.Holder] = x
	}
	var errs []error
	for holder, d := range s.exchanges {
		if x := want[holder]; x != nil && *x == *d.Exchange {
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
		err = s.tor.Remove(ctx, instance.HolderName(d.Holder))
	}
	return errors.Join(err, d.srv.Close())
}

// onlyFor has a door answer under its own onion address alone. Without a Tor of
// ours it is published by somebody else's, under a name that only they know.
func (s *server) onlyFor(h http.Handler, address string) http.Handler {
	if s.Conf.Tor.Mode == instance.TorNone {
		return h
	}
	return web.OnlyFor(h, address)
}

func (s *server) openExchange(ctx context.Context, x *instance.Exchange) error {
	h := web.Exchange(web.ExchangeOptions{Service: s.intake, Directory: s.SignedDirectory, Holder: x.Holder, Log: s.fault})
	d, err := s.open(s.SocketPath(instance.HolderName(x.Holder)), s.doorMode(), web.NewServer(s.onlyFor(h, onion.Address(x.Key))))
	if err != nil {
		return err
	}
	d.Exchange = x
	s.exchanges[x.Holder] = d
	if s.tor == nil {
		return nil
	}
	return s.tor.Publish(ctx, onion.Service{
		Name: instance.HolderName(x.Holder), Key: x.Key, Socket: d.path,
		Clients: [][32]byte{x.Access}, MaxStreams: s.Conf.Tor.MaxStreams,
	})
}

// ticketPath is where the key of open forms lies: on a memory file system when
// there is one, so that it survives a restart and not the machine.
func ticketPath(i *instance.Instance) (string, error) {
	dir := i.RunPath()
	if !inMemory(dir) && inMemory(instance.MemoryDir) {
		dir = i.MemoryPath()
		if err := instance.MakePrivate(dir); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "tickets.key"), nil
}
