package main

import (
	"context"

	"postern/cmd/postern/internal/instance"
	"postern/cmd/postern/internal/server"
)

// status says how the instance is, and fails when something needs somebody.
func (c *cli) status(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	i, err := instance.Open(c.dir)
	if err != nil {
		return err
	}
	r, err := server.Status(ctx, i)
	if err != nil {
		return err
	}
	if *asJSON {
		err = server.WriteJSON(c.out, r)
	} else {
		r.Print(c.out)
	}
	if err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return errReported
	}
	return nil
}
