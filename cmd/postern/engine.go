package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
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
	server  *server      // nil when a command opened the database itself
	tidied  atomic.Int64 // Unix time of the last tidy
	untidy  atomic.Bool  // the last one failed
	started time.Time
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

// tidy applies retention, then makes what is erased unreadable.
func (e *engine) tidy(ctx context.Context) error {
	err := e.intake.Maintain(ctx, false)
	if err != nil {
		err = fmt.Errorf("applying retention: %w", err)
	} else if err = e.store.Vacuum(ctx); err != nil {
		err = fmt.Errorf("re-keying the database: %w", err)
	}
	e.untidy.Store(err != nil)
	if err == nil {
		e.tidied.Store(time.Now().Unix())
	}
	return err
}

// reload puts the installed directory in force and opens and closes exchanges
// as it says.
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
	return e.server.reconcile(ctx)
}
