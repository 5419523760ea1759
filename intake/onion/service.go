package onion

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"postern/intake/onion/internal/tor"
)

// Service is one onion service.
type Service struct {
	// Name of the service for the operator: in Status and in the log, so no secret.
	Name string
	// Key gives the address.
	Key Key
	// Socket is the absolute path of the unix socket that serves port 80, at
	// most 107 bytes. It need not exist yet; tor must be allowed to connect to it.
	Socket string
	// Public services are open to everyone who has the address.
	Public bool
	// Clients are the x25519 public keys of those who may use a service that is
	// not public (v3 client authorisation). At most 330.
	Clients [][32]byte
	// PoW asks clients for a proof of work when the service is overrun. For
	// public services: Tor Browser solves it by itself, and unloaded it costs nothing.
	PoW bool
	// MaxStreams bounds the connections of one client circuit; 0 is no bound.
	// Those beyond it are refused, the circuit stays.
	MaxStreams int
}

// maxClients keeps a descriptor below the 50,000 bytes that directories take.
const maxClients = 330

// proof-of-work queue: tor's defaults, requests a second and burst.
const (
	powRate  = 250
	powBurst = 2500
)

// settle is how long all uploads of a descriptor must have been answered
// before it counts as published: directories are asked one after the other.
const settle = 300 * time.Millisecond

// CheckSocket says why tor could not reach a service at this path.
func CheckSocket(path string) error { return tor.CheckSocket(path) }

func (s *Service) check() error {
	if s.Name == "" {
		return errors.New("a service needs a name")
	}
	if _, err := ParseKey(s.Key[:]); err != nil {
		return err
	}
	if err := tor.CheckSocket(s.Socket); err != nil {
		return err
	}
	if s.Public && len(s.Clients) > 0 {
		return errors.New("a public service has no client keys: leave out one of the two")
	}
	if !s.Public && len(s.Clients) == 0 {
		return errors.New("no client key and not public: name at least one key of who may use it")
	}
	if len(s.Clients) > maxClients {
		return fmt.Errorf("%d client keys: at most %d for one address", len(s.Clients), maxClients)
	}
	if s.MaxStreams < 0 || s.MaxStreams > 65535 {
		return fmt.Errorf("%d streams: 0 to 65535", s.MaxStreams)
	}
	return nil
}

// command adds the service. It is raw: the library knows neither client keys of
// version 3 nor the proof of work.
func (s *Service) command() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ADD_ONION %s", s.Key.blob())
	if !s.Public {
		b.WriteString(" Flags=V3Auth")
	}
	if s.MaxStreams > 0 {
		fmt.Fprintf(&b, " MaxStreams=%d", s.MaxStreams)
	}
	fmt.Fprintf(&b, " Port=80,unix:%s", s.Socket)
	for _, c := range s.Clients {
		fmt.Fprintf(&b, " ClientAuthV3=%s", ClientKeyLine(c))
	}
	if s.PoW {
		fmt.Fprintf(&b, " PoWDefensesEnabled=1 PoWQueueRate=%d PoWQueueBurst=%d", powRate, powBurst)
	}
	return b.String()
}

// published is a service with what tor said of its descriptor.
type published struct {
	Service
	id    string // the address without .onion
	added bool   // tor has it; Tor.order guards it

	// Tor.mu guards these: uploads of descriptors since tor started, and when the last was heard of.
	sent, answered, ok int
	last               time.Time
}

func (p *published) reset() {
	p.added = false
	p.sent, p.answered, p.ok, p.last = 0, 0, 0, time.Time{}
}

// Publish adds a service, or replaces the one of that name (say, with other
// clients: those connected stay until their circuit ends). It returns when tor
// has taken it; [Tor.WaitPublished] says when it can be reached. While tor is
// down it is remembered and added later, without an error. On an error there is
// no service of that name.
func (t *Tor) Publish(ctx context.Context, s Service) error {
	if err := s.check(); err != nil {
		return fmt.Errorf("publishing %q: %w", s.Name, err)
	}
	t.order.Lock()
	defer t.order.Unlock()
	if err := t.remove(ctx, s.Name); err != nil {
		return fmt.Errorf("replacing %q: %w", s.Name, err)
	}
	s.Clients = append([][32]byte(nil), s.Clients...)
	p := &published{Service: s, id: strings.TrimSuffix(Address(s.Key), ".onion")}
	t.mu.Lock()
	for _, o := range t.services {
		if o.id == p.id {
			t.mu.Unlock()
			return fmt.Errorf("publishing %q: its key is that of %q: give each service its own", s.Name, o.Name)
		}
	}
	t.services[s.Name] = p
	conn := t.conn
	t.mu.Unlock()
	if conn == nil {
		return nil
	}
	_, err := conn.Do(s.command())
	if refused(err) {
		t.mu.Lock()
		delete(t.services, s.Name)
		t.mu.Unlock()
		return fmt.Errorf("publishing %q: %w", s.Name, scrubbed(err))
	}
	p.added = err == nil // a tor that does not answer is started again, and gets it then
	return nil
}

// Remove ends a service; one that is not there is no error. Connections that
// exist end with their circuits.
func (t *Tor) Remove(ctx context.Context, name string) error {
	t.order.Lock()
	defer t.order.Unlock()
	if err := t.remove(ctx, name); err != nil {
		return fmt.Errorf("removing %q: %w", name, err)
	}
	return nil
}

func (t *Tor) remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	p, conn := t.services[name], t.conn
	delete(t.services, name)
	t.tell()
	t.mu.Unlock()
	if p == nil || conn == nil {
		return nil
	}
	// 552: tor does not have it. And a tor that does not answer is started
	// again, without it.
	if _, err := conn.Do("DEL_ONION " + p.id); refused(err) && !unknown(err) {
		return scrubbed(err)
	}
	return nil
}

// WaitPublished returns when the directories have the service's descriptor:
// all uploads answered, at least one of them well, none for 300 ms. A client
// that comes before may be told that there is no such service, and believe it for 15 minutes.
func (t *Tor) WaitPublished(ctx context.Context, name string) error {
	for {
		t.mu.Lock()
		p, changed := t.services[name], t.changed
		var wait <-chan time.Time
		if p != nil && p.ok > 0 && p.answered >= p.sent {
			rest := settle - time.Since(p.last)
			if rest <= 0 {
				t.mu.Unlock()
				return nil
			}
			wait = time.After(rest)
		}
		t.mu.Unlock()
		if p == nil {
			return fmt.Errorf("there is no service %q", name)
		}
		select {
		case <-changed:
		case <-wait:
		case <-t.ended:
			return errors.New("tor was closed")
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q to be published: %w", name, context.Cause(ctx))
		}
	}
}

func refused(err error) bool {
	var r *tor.Refused
	return errors.As(err, &r)
}

func unknown(err error) bool {
	var r *tor.Refused
	return errors.As(err, &r) && r.Code == 552
}
