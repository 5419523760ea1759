package instance

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"postern/intake"
	"postern/store"
)

// Restore makes an instance of an opened backup, in an empty directory. It says
// whether there were data in it.
func Restore(ctx context.Context, dir string, backup io.Reader) (full bool, err error) {
	i, t := &Instance{Dir: dir}, tar.NewReader(backup)
	if err := i.makeRoom(); err != nil {
		return false, err
	}
	h, err := t.Next()
	if err != nil || h.Name != backupMark || h.Size > MaxInput {
		return false, errors.Join(errors.New("this is no backup of postern"), err)
	}
	mark, err := io.ReadAll(t)
	if err != nil {
		return false, err
	}
	if full, err = backupKind(string(mark)); err != nil {
		return false, err
	}
	var instanceText []byte
	for {
		h, err = t.Next()
		if err != nil || full && h.Name == pieceDir+"00000000" {
			break
		}
		if !cleanName(h) {
			return full, fmt.Errorf("the backup holds a file that does not belong there: %q", h.Name)
		}
		b, err := io.ReadAll(t)
		if err != nil {
			return full, err
		}
		if h.Name == "instance" {
			instanceText = b // written last, with a new id
			continue
		}
		if err := writeFile(i.path(filepath.FromSlash(h.Name)), b); err != nil {
			return full, err
		}
	}
	if full && err != nil || err != nil && !errors.Is(err, io.EOF) {
		return full, errors.Join(errors.New("the backup is cut off"), err)
	}
	if err := i.parse(string(instanceText)); err != nil {
		return full, err
	}
	if i.Conf, err = readConfig(i.ConfigPath()); err != nil {
		return full, err
	}
	if full {
		err = i.importStore(ctx, &joined{t: t, h: h})
	} else {
		var s *store.Store
		if s, err = i.OpenStore(true); err == nil {
			err = s.Close()
		}
	}
	if err != nil {
		return full, err
	}
	i.newID()
	return full, writeFile(i.instancePath(), i.marshal())
}

// importStore fills a new database and ends what has lived long enough since
// the backup was made.
func (i *Instance) importStore(ctx context.Context, r io.Reader) error {
	o, err := i.storeOptions(true)
	if err != nil {
		return err
	}
	if err := store.Import(ctx, o, r); err != nil {
		return err
	}
	s, err := i.OpenStore(false)
	if err != nil {
		return err
	}
	transfer, err := i.Transfer()
	if err != nil {
		return errors.Join(err, s.Close())
	}
	svc, err := intake.New(intake.Options{Store: s, Transfer: transfer, Instance: i.ID})
	if err == nil {
		err = intake.Restored(ctx, s)
	}
	if err == nil {
		// On a clock that may be wrong nothing is ended; status says so later.
		if err = svc.Maintain(ctx, false); errors.Is(err, intake.ErrClock) {
			err = nil
		}
	}
	if err == nil {
		err = s.Vacuum(ctx)
	}
	if err != nil {
		err = fmt.Errorf("preparing the database: %w", err)
	}
	return errors.Join(err, s.Close())
}
