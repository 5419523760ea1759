package intake

import (
	"context"
	"sync/atomic"
)

// Argon2 takes 19 MiB and 21 ms of a core each time: two logins at once, and
// one report that logins cannot displace (SECURITY.md S-17).
const (
	loginTurns  = 2
	reportTurns = 1
	loginQueue  = 32
)

// Work says whose turn [Service.Enter] waits for.
type Work int

// Reports have a turn that logins cannot take, and are never refused as busy:
// what the source typed is already here.
const (
	WorkLogin Work = iota
	WorkReport
)

type turns struct {
	login, report chan struct{}
	waiting       atomic.Int32
}

func newTurns() *turns {
	return &turns{login: make(chan struct{}, loginTurns), report: make(chan struct{}, reportTurns)}
}

// enter waits for a turn and returns what gives it back.
func (q *turns) enter(ctx context.Context, w Work) (leave func(), err error) {
	report := q.report
	if w == WorkLogin {
		if q.waiting.Add(1) > loginQueue+loginTurns {
			q.waiting.Add(-1)
			return nil, ErrBusy
		}
		defer q.waiting.Add(-1)
		report = nil // a nil channel is never ready
	}
	select {
	case report <- struct{}{}:
		return func() { <-q.report }, nil
	case q.login <- struct{}{}:
		return func() { <-q.login }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
