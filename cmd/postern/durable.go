package main

import (
	"fmt"
	"os"
	"syscall"

	"postern/store/durable"
)

// writeFile replaces a file in one step, durably.
func writeFile(path string, data []byte) error {
	if err := durable.Replace(path, data); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// becomeOwner gives up root for the owner of the data directory, so that what
// an operator's command writes is readable to the server and nobody else.
func becomeOwner(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("leaving root's groups: %w", err)
	}
	if err := syscall.Setgid(int(st.Gid)); err != nil {
		return fmt.Errorf("becoming the owner's group: %w", err)
	}
	if err := syscall.Setuid(int(st.Uid)); err != nil {
		return fmt.Errorf("becoming the owner: %w", err)
	}
	return nil
}
