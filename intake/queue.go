package intake

import (
	"context"
	"sync/atomic"
)

// Argon2 takes 19 MiB and 21 ms of a core each time: two logins at once, and
// one report that logins cannot displace (SECURITY.md S-17).
const (
	loginSlots  = 2
	reportSlots = 1
	loginQueue  = 32
)

// Work says which Argon2 slot [Service.Enter] may take.
type Work int

// Reports have a slot that logins cannot take, and are never refused as busy:
// what the source typed is already here.
const (
	WorkLogin Work = iota
	WorkReport
)

type queue struct {
	login, report chan struct{}
	waiting       atomic.Int32
}

func newQueue() *queue {
	return &queue{login: make(chan struct{}, loginSlots), report: make(chan struct{}, reportSlots)}
}

// enter waits for a slot and returns what gives it back.
func (q *queue) enter(ctx context.Context, w Work) (leave func(), err error) {
	report := q.report
	if w == WorkLogin {
		if q.waiting.Add(1) > loginQueue+loginSlots {
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
