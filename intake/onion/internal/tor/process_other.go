//go:build !linux

package tor

import "syscall"

// attributes: without the kernel's help tor ends by itself, within 15 seconds
// of us (__OwningControllerProcess).
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
