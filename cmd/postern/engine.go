package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"postern/intake"
	"postern/store"
)

// engine is an instance with its database open: what every operation works on,
// with or without a server around it.
type engine struct {
	*instance
	store   *store.Store
	intake  *intake.Service
	server  *server // nil when a command opened the database itself
	started time.Time

	tidying sync.Mutex // one at a time
	mu      sync.Mutex
	upkeep  upkeep
}

// upkeep is what became of the last tidy.
type upkeep struct {
	retention, vacuum error
	vacuumed          time.Time // when one succeeded last
}

// openEngine opens the database for this process alone.
func openEngine(i *instance) (*engine, error) {
	d, err := i.installed()
	if err != nil {
		return nil, err
	}
	transfer, err := i.transfer()
	if err != nil {
		return nil, err
	}
	s, err := i.openStore(false)
	if err != nil {
		return nil, err
	}
	svc, err := intake.New(intake.Options{
		Store: s, Directory: d, Transfer: transfer, Instance: i.id,
		Limits:     intake.Limits{FileSize: int64(i.conf.Limits.FileSize), Files: i.conf.Limits.Files},
		BatchHours: i.conf.Batches.Hours, BatchSize: i.conf.Batches.Size, UrgentSize: i.conf.Batches.Urgent,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the intake: %w", err), s.Close())
	}
	return &engine{instance: i, store: s, intake: svc, started: time.Now()}, nil
}

func (e *engine) close() error {
	if err := e.store.Close(); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}

// errSkew: nothing that depends on the date is done.
var errSkew = withHint(errors.New("the clock of this machine differs from the Tor network's"), setClock)

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

// reload puts the installed directory in force and opens and closes exchanges
// as it says. What visitors can read of it follows.
func (e *engine) reload(ctx context.Context) error {
	d, err := e.installed()
	if err != nil {
		return err
	}
	if d != nil {
		if err := e.intake.SetDirectory(d); err != nil {
			return fmt.Errorf("taking the directory: %w", err)
		}
	}
	if e.server == nil {
		return nil
	}
	e.server.shown.reload(e.instance, e.intake.Directory(), e.server.log)
	return e.server.reconcile(ctx)
}
