package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden keeps what is in memory out of core dumps and of other processes of
// the same user, and new files from other users (SECURITY.md S-12). Swap is the
// machine's to turn off.
func harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turning core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process non-dumpable: %w", err)
	}
	unix.Umask(0o077)
	return nil
}
