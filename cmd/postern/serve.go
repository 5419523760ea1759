package main

import (
	"context"
	"errors"

	"postern/cmd/postern/internal/instance"
	"postern/cmd/postern/internal/server"
)

// serve runs the server until it is told to stop.
func (c *cli) serve(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	preview := fs.String("preview", "", "show the pages on this loopback `address:port`, with a throw-away directory and\nwithout Tor; nobody can read what is sent there")
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	if err := server.Harden(); err != nil {
		return err
	}
	if *preview != "" {
		return server.Preview(ctx, c.dir, *preview, c.out, c.err)
	}
	i, err := instance.Open(c.dir)
	if err != nil {
		return err
	}
	if i.IsPreview() {
		return instance.WithHint(errors.New("this directory was made by serve --preview: its reviewers do not exist"), "make a real one: postern init --dir DIR")
	}
	return server.Serve(ctx, i, c.err)
}
