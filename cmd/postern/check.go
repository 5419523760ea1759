package main

import "context"

// check verifies the database without showing any content.
func (c *cli) check(ctx context.Context, cmd *command, args []string) error {
	return c.simple(ctx, cmd, args, "check")
}
