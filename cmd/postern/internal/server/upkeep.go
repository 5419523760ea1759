package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/cmd/postern/internal/instance"
)

// upkeep is what became of the last tidy.
type upkeep struct {
	retention, vacuum error
	vacuumed          time.Time // when one succeeded last
}

// errSkew: nothing that depends on the date is done.
var errSkew = instance.WithHint(errors.New("the clock of this machine differs from the Tor network's"), setClock)

const setClock = "set the clock: timedatectl; then systemctl restart postern"

// skewed says whether tor found the clock of this machine to be wrong.
func (e *engine) skewed() bool {
	return e.server != nil && e.server.tor != nil && e.server.tor.Status().Clock
}

// tidy applies retention, then makes what is erased unreadable. The second does
// not depend on the first: one damaged record, or a clock that nobody has
// confirmed, must not keep what sources erased. clockOK is as in [intake.Service.Maintain].
func (e *engine) tidy(ctx context.Context, clockOK bool) error {
	e.tidying.Lock()
	defer e.tidying.Unlock()
	var retention error
	if e.skewed() {
		retention = errSkew
	} else {
		retention = e.intake.Maintain(ctx, clockOK)
	}
	if retention != nil {
		retention = fmt.Errorf("applying retention: %w", retention)
	}
	vacuum := e.store.Vacuum(ctx)
	if vacuum != nil {
		vacuum = fmt.Errorf("making what was erased unreadable: %w", vacuum)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.upkeep.retention, e.upkeep.vacuum = retention, vacuum
	if vacuum == nil {
		e.upkeep.vacuumed = time.Now()
	}
	return errors.Join(retention, vacuum)
}

func (e *engine) lastUpkeep() upkeep {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.upkeep
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
