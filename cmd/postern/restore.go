package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"

	"postern/cmd/postern/internal/instance"
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
		return instance.WithHint(errors.New("a backup file and its key are needed"), "postern restore --from FILE --identity FILE; one of them can be -")
	}
	text, err := c.input(*key)
	if err != nil {
		return err
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	clear(text)
	if err != nil {
		return instance.WithHint(errors.New("this is no age key"), "name the file that age-keygen -pq wrote; of an encrypted one, give what age -d prints to --identity -")
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
		return instance.WithHint(fmt.Errorf("opening the backup: %w", err), "is this the key whose public half stood in postern.conf?")
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return err
	}
	full, err := instance.Restore(ctx, dir, plain)
	if err != nil {
		return instance.WithHint(fmt.Errorf("restoring into %s: %w", dir, err), "nothing there is of use; empty the directory before the next try")
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
