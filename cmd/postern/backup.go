package main

import (
	"context"
	"fmt"
	"io"

	"postern/cmd/postern/internal/instance"
	"postern/cmd/postern/internal/server"
	"postern/crypto"
)

// backupKey makes the key that opens backups, in the form age-keygen -pq
// writes: many systems carry an age that cannot make one yet.
func (c *cli) backupKey(_ context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	to := fs.String("to", "", "new `file` for the secret key")
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	id := crypto.NewIdentity()
	if err := c.writeTo(*to, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "# public key: %s\n%s\n", id.Recipient(), id.AgeString())
		return err
	}); err != nil {
		return err
	}
	fmt.Fprintf(c.err, "Keep the file off the server. Its public key, for [backup] recipient in postern.conf:\n")
	fmt.Fprintln(c.out, id.Recipient())
	return nil
}

func (c *cli) backupIdentity(ctx context.Context, cmd *command, args []string) error {
	return c.backup(ctx, cmd, args, "backup-identity", "Keep it offline for as long as the address is to live.")
}

func (c *cli) backupFull(ctx context.Context, cmd *command, args []string) error {
	return c.backup(ctx, cmd, args, "backup-full", "Delete it after 14 days at most: what sources erase lives on in it.")
}

func (c *cli) backup(ctx context.Context, cmd *command, args []string, op, advice string) error {
	fs := c.flags(cmd)
	to := fs.String("to", "", "new `file` to write; \"-\" for standard output")
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	err := c.writeTo(*to, func(w io.Writer) error {
		i, err := instance.Open(c.dir)
		if err != nil {
			return err
		}
		return server.Operate(ctx, i, op, w)
	})
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	fmt.Fprintf(c.err, "The backup is written. %s\n", advice)
	return nil
}
