package main

import (
	"context"

	"postern/cmd/postern/internal/instance"
	"postern/cmd/postern/internal/server"
)

// vacuum ends what has lived long enough, and with the old storage key the
// last trace of everything that was erased (SECURITY.md S-5).
func (c *cli) vacuum(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	clockOK := fs.Bool("clock-ok", false, "the date of this machine is right, though the server was off for long;\nreviewers have fetched what they missed")
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	i, err := instance.Open(c.dir)
	if err != nil {
		return err
	}
	op := "vacuum"
	if *clockOK {
		op = "vacuum-clock-ok"
	}
	return server.Operate(ctx, i, op, c.out)
}
