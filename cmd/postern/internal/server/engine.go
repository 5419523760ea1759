package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"postern/cmd/postern/internal/instance"
	"postern/intake"
	"postern/store"
)

// engine is an instance with its database open: what every operation works on,
// with or without a server around it.
type engine struct {
	*instance.Instance
	store   *store.Store
	intake  *intake.Service
	server  *server // nil when a command opened the database itself
	started time.Time

	tidying sync.Mutex // one at a time
	mu      sync.Mutex
	upkeep  upkeep
}

// openEngine opens the database for this process alone.
func openEngine(i *instance.Instance) (*engine, error) {
	d, err := i.Installed()
	if err != nil {
		return nil, err
	}
	transfer, err := i.Transfer()
	if err != nil {
		return nil, err
	}
	signing, err := i.Signing()
	if err != nil {
		return nil, err
	}
	s, err := i.OpenStore(false)
	if err != nil {
		return nil, err
	}
	svc, err := intake.New(intake.Options{
		Store: s, Directory: d, Transfer: transfer, Signing: signing, Instance: i.ID,
		Limits:     intake.Limits{FileSize: int64(i.Conf.Limits.FileSize), Files: i.Conf.Limits.Files},
		BatchHours: i.Conf.Batches.Hours, BatchSize: i.Conf.Batches.Size, UrgentSize: i.Conf.Batches.Urgent,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the intake: %w", err), s.Close())
	}
	return &engine{Instance: i, store: s, intake: svc, started: time.Now()}, nil
}

func (e *engine) close() error {
	if err := e.store.Close(); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}

// reload puts the installed directory in force and opens and closes exchanges
// as it says. What visitors can read of it follows.
func (e *engine) reload(ctx context.Context) error {
	d, err := e.Installed()
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
	e.server.shown.reload(e.Instance, e.intake.Directory(), e.server.log)
	return e.server.reconcile(ctx)
}
