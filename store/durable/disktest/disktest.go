// Package disktest gives a test file systems of its own, on which it can fill a disk.
package disktest

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// inside is set in the process that has file systems of its own.
const inside = "POSTERN_TEST_NAMESPACE"

// Alone runs the test once more in a process with a mount namespace of its own, which a normal
// user gets along with a user namespace. It returns true there, where what the test mounts is seen by
// nobody else, and false when that process has ended well: then there is nothing left to do.
func Alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1") //nolint:gosec // this test itself
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("in a mount namespace: %v (it takes root, or a kernel that lets users make user namespaces)", err)
	}
	return false
}
