package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"

	"postern/cmd/postern/internal/instance"
)

// heapLimit is what Go's heap is kept below when the environment does not say
// otherwise (GOMEMLIMIT), in bytes: three Argon2 runs, uploads of a few cells
// each, and room. The database's pages are the kernel's and do not count.
const heapLimit = 512 << 20

// collectAt is the heap's growth in per cent at which it is collected, unless
// the environment says otherwise (GOGC). Each code costs Argon2 19 MiB, which
// at the usual 100 runs the collector for every one of them: at 200 half as many
// again get in, and an upload still takes less than 64 MiB.
const collectAt = 200

// Harden takes from this process what would carry its memory to a disk: core
// dumps, debuggers of the same user, temporary files (SECURITY.md S-1, S-12).
func Harden() error {
	if err := overwriteFreed(); err != nil {
		return err
	}
	return harden()
}

func harden() error {
	unix.Umask(0o077)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("switching core dumps off: %w", err)
	}
	if err := instance.Undumpable(); err != nil {
		return err
	}
	// Whoever asks for a temporary file gets an error instead of a disk.
	if err := os.Setenv("TMPDIR", "/nonexistent/postern"); err != nil {
		return err
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	return nil
}

// confine leaves this process, and tor with it, nothing to write to but the
// data directory and the sockets, and little to read. Kernels without Landlock
// go on without: the systemd unit says the same.
func confine(i *instance.Instance) error {
	read := []string{"/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/sys"}
	if i.Conf.Tor.Mode == instance.TorChild {
		read = append(read, filepath.Dir(i.Conf.Tor.Binary))
	}
	rules := []landlock.Rule{
		landlock.RODirs(read...).IgnoreIfMissing(),
		landlock.ROFiles("/dev/urandom", "/dev/random").IgnoreIfMissing(),
		landlock.RWFiles("/dev/null"),
		landlock.RWDirs(i.Dir, i.RunPath(), instance.MemoryDir).IgnoreIfMissing(),
	}
	if f := i.Conf.Storage.KeyWrappedBy; f != "" {
		rules = append(rules, landlock.ROFiles(f).IgnoreIfMissing())
	}
	if s := i.Conf.Tor.ControlSocket; i.Conf.Tor.Mode == instance.TorSystem { // its cookie lies beside it
		rules = append(rules, landlock.RODirs(filepath.Dir(s)).IgnoreIfMissing())
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("confining the process: %w", err)
	}
	return nil
}

// swaps counts what memory can be written to; none is the aim. list is
// /proc/swaps.
func swaps(list string) (int, error) {
	b, err := os.ReadFile(list)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil // a kernel without swap
	}
	return max(0, bytes.Count(b, []byte{'\n'})-1), err // a heading, then one line each
}

// freeDisk is how many bytes the owner can still write at path.
func freeDisk(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil //nolint:gosec // a disk has fewer than 2^63 blocks
}

// inMemory says whether a directory lies on a memory file system.
func inMemory(path string) bool {
	var s unix.Statfs_t
	return unix.Statfs(path, &s) == nil && (s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC)
}
