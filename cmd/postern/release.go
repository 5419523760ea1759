package main

import "context"

// release forces a regular batch: for a test round, or before the server moves.
func (c *cli) release(ctx context.Context, cmd *command, args []string) error {
	return c.simple(ctx, cmd, args, "release")
}
