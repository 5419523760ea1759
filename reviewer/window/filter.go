package window

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// machines are those whose system calls the filter knows. All are little-endian.
var machines = map[string]uint32{
	"amd64": unix.AUDIT_ARCH_X86_64,
	"arm64": unix.AUDIT_ARCH_AARCH64,
}

// refused calls have no use in the window. io_uring could open sockets past the
// filter; keyrings and the kernel's own measuring reach across the box.
var refused = []uint32{
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_PERF_EVENT_OPEN, unix.SYS_BPF, unix.SYS_USERFAULTFD,
}

// seccomp makes the program that the kernel runs at each system call of the
// window and all that it starts (SECURITY.md S-32). Of sockets it lets through
// unix ones, and routing netlink, without which bubblewrap cannot make WebKit's
// own sandbox: in a network namespace of its own it moves nothing. It is twenty
// instructions that can be read; a library would bring golang.org/x/net.
func seccomp() ([]byte, error) {
	machine, known := machines[runtime.GOARCH]
	if !known {
		return nil, fmt.Errorf("the window's box knows no system calls of %s: use the command line", runtime.GOARCH)
	}
	const (
		load, equal, atLeast, end = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		call, arch, arg0, arg2    = 0, 4, 16, 32 // offsets in struct seccomp_data; of arguments the low half
		deny, noFamily            = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)
		x32                       = 0x40000000
	)
	// An instruction jumps over jt or jf others when it holds, or does not.
	p := []unix.SockFilter{
		{Code: load, K: arch}, {Code: equal, Jt: 1, K: machine}, {Code: end, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: load, K: call}, {Code: atLeast, Jf: 1, K: x32}, {Code: end, K: deny},
	}
	for _, n := range refused {
		p = append(p, unix.SockFilter{Code: equal, Jf: 1, K: n}, unix.SockFilter{Code: end, K: deny})
	}
	p = append(p, []unix.SockFilter{
		{Code: equal, Jt: 1, K: unix.SYS_SOCKET}, {Code: end, K: unix.SECCOMP_RET_ALLOW},
		{Code: load, K: arg0}, {Code: equal, Jf: 1, K: unix.AF_UNIX}, {Code: end, K: unix.SECCOMP_RET_ALLOW},
		{Code: equal, Jt: 1, K: unix.AF_NETLINK}, {Code: end, K: noFamily},
		{Code: load, K: arg2}, {Code: equal, Jf: 1, K: unix.NETLINK_ROUTE}, {Code: end, K: unix.SECCOMP_RET_ALLOW}, {Code: end, K: noFamily},
	}...)
	var b bytes.Buffer
	err := binary.Write(&b, binary.NativeEndian, p)
	return b.Bytes(), err
}
