package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"

	"postern/intake"
	"postern/store"
)

// restore makes an instance of a backup, in an empty directory: under a new
// storage key, as a new life of the database, with retention applied. Desks see
// the new life in the next batch and say which replies to hand in again.
func (c *cli) restore(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	from := fs.String("from", "", "backup `file`; \"-\" for standard input")
	key := fs.String("identity", "", "`file` of the offline backup key, as age-keygen -pq wrote it; \"-\" for standard input")
	if _, err := c.parse(fs, args, 0); err != nil {
		return err
	}
	if *from == "" || *key == "" || *from == "-" && *key == "-" {
		return withHint(errors.New("a backup file and its key are needed"), "postern restore --from FILE --identity FILE; one of them can be -")
	}
	text, err := c.input(*key)
	if err != nil {
		return err
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	clear(text)
	if err != nil {
		return withHint(errors.New("this is no age key"), "name the file that age-keygen -pq wrote; of an encrypted one, give what age -d prints to --identity -")
	}
	src := c.in
	if *from != "-" {
		f, err := os.Open(*from)
		if err != nil {
			return err
		}
		defer f.Close()
		src = f
	}
	plain, err := age.Decrypt(src, ids...)
	if err != nil {
		return withHint(fmt.Errorf("opening the backup: %w", err), "is this the key whose public half stood in postern.conf?")
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return err
	}
	i := &instance{dir: dir}
	full, err := i.restore(ctx, tar.NewReader(plain))
	if err != nil {
		return withHint(fmt.Errorf("restoring into %s: %w", dir, err), "nothing there is of use; empty the directory before the next try")
	}
	fmt.Fprintf(c.out, "Restored into %s.\n", dir)
	if full {
		fmt.Fprint(c.out, `Desks will tell their reviewers which replies to hand in again. Messages that
were waiting when the backup was made come in a batch again, and what was erased
since then is back; sources can erase it again. Delete every backup that is older
than 14 days: it brings back what is long gone.
`)
	} else {
		fmt.Fprintln(c.out, "It has its addresses and no data: codes in use find empty inboxes.")
	}
	fmt.Fprint(c.out, `The same addresses must never run twice: make sure that the old server is off
for good. Then: systemctl enable --now postern; postern status
`)
	return nil
}

func (i *instance) restore(ctx context.Context, t *tar.Reader) (full bool, err error) {
	if err := i.makeRoom(); err != nil {
		return false, err
	}
	h, err := t.Next()
	if err != nil || h.Name != backupMark || h.Size > maxInput {
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
	if i.conf, err = readConfig(i.configPath()); err != nil {
		return full, err
	}
	if full {
		err = i.importStore(ctx, &joined{t: t, h: h})
	} else {
		var s *store.Store
		if s, err = i.openStore(true); err == nil {
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
func (i *instance) importStore(ctx context.Context, r io.Reader) error {
	o, err := i.storeOptions(true)
	if err != nil {
		return err
	}
	if err := store.Import(ctx, o, r); err != nil {
		return err
	}
	s, err := i.openStore(false)
	if err != nil {
		return err
	}
	transfer, err := i.transfer()
	if err != nil {
		return errors.Join(err, s.Close())
	}
	svc, err := intake.New(intake.Options{Store: s, Transfer: transfer, Instance: i.id})
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
