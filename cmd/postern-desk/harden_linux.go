package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden keeps what is in memory out of core dumps and of other processes of
// the same user, and new files from other users (SECURITY.md S-12). Swap is the
// machine's to turn off.
func harden() error {
	// One byte is no core either, and keeps the kernel from handing one to a helper, which 0 does
	// not: that counts for the window, whose programs are not of this kind.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
		return fmt.Errorf("turning core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process non-dumpable: %w", err)
	}
	unix.Umask(0o077)
	return nil
}
