package tor

import "syscall"

// attributes: the kernel kills tor with us, whatever ended us; and its own
// process group keeps a terminal's ^C for us, who end it in order.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
