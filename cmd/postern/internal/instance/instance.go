// Package instance is the data directory of a Postern server (0700), and what
// commands do with it while no server need run:
//
//	postern.conf     the configuration; its comments are the manual        config.go
//	instance         format, id of this life of the database, salt         instance.go
//	roots            root keys whose signature makes a directory valid
//	directory.note   the signed directory in force                         directory.go
//	proposal.txt     the next directory, to be signed offline
//	keys/            onion key, transfer key, signing key                  keys.go
//	holders/         each holder's card and the key of their exchange      holders.go
//	pages/           the operator's own pages, for visitors                pages.go
//	db/              sealed records and cells, storage key                 quota.go, package store
//	tor/             the state of the tor child
//	run/             sockets, unless /run/postern is used
//
// Who can change postern.conf, roots or keys/ can read what sources type from
// then on: the directory is trusted, and only its owner and root reach it.
// None of it opens a report that is already sealed (SECURITY.md S-2).
//
// create.go makes one, archive.go and restore.go carry one to another machine,
// preview.go invents one whose reviewers do not exist.
package instance

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"postern/crypto"
	"postern/intake/onion"
	"postern/store/durable"
)

// Instance is an opened data directory.
type Instance struct {
	Dir  string
	Conf *Config
	ID   crypto.InstanceID // of this life of the database
	Salt [32]byte          // of the instance, for ever
}

func (i *Instance) path(elem ...string) string {
	return filepath.Join(append([]string{i.Dir}, elem...)...)
}

func (i *Instance) instancePath() string { return i.path("instance") }
func (i *Instance) rootsPath() string    { return i.path("roots") }
func (i *Instance) transferPath() string { return i.path("keys", "transfer.key") }
func (i *Instance) signingPath() string  { return i.path("keys", "signing.key") }
func (i *Instance) onionPath() string    { return i.path("keys", "onion.key") }
func (i *Instance) holdersPath() string  { return i.path("holders") }

// ConfigPath is where the configuration lies.
func (i *Instance) ConfigPath() string { return i.path("postern.conf") }

// DirectoryPath is where the signed directory in force lies.
func (i *Instance) DirectoryPath() string { return i.path("directory.note") }

// ProposalPath is where the next directory lies, to be signed.
func (i *Instance) ProposalPath() string { return i.path("proposal.txt") }

// PagesPath is where the operator's own pages lie.
func (i *Instance) PagesPath() string { return i.path("pages") }

// DBPath is where the database lies.
func (i *Instance) DBPath() string { return i.path("db") }

// TorPath is where a tor of our own keeps its state.
func (i *Instance) TorPath() string { return i.path("tor") }

// DefaultDir is where a package or `make install` keeps an instance.
const DefaultDir = "/var/lib/postern"

// systemRun is where systemd makes the run directory of the packaged instance.
const systemRun = "/run/postern"

// MemoryDir is where Linux keeps files that never reach a disk.
const MemoryDir = "/dev/shm"

const memoryPrefix = MemoryDir + "/postern-"

// MemoryPath is a directory of this instance in memory.
func (i *Instance) MemoryPath() string {
	return fmt.Sprintf("%s%x", memoryPrefix, i.ID)
}

// RunPath is where the sockets lie; server and admin commands find the same. Where
// tor cannot take a path like that of the data directory, they lie in memory.
func (i *Instance) RunPath() string {
	if i.Conf.Run != "" {
		return i.Conf.Run
	}
	if info, err := os.Stat(systemRun); err == nil && info.IsDir() && i.Dir == DefaultDir {
		return systemRun
	}
	if dir := i.path("run"); takesSockets(dir) == nil {
		return dir
	}
	return i.MemoryPath()
}

// takesSockets says why a directory cannot hold every socket there may be.
func takesSockets(dir string) error {
	return onion.CheckSocket(filepath.Join(dir, HolderName(strings.Repeat("x", crypto.MaxBodyID))+socketEnding))
}

// The names of the doors. Each holder's has its own.
const (
	PublicName = "public"
	AdminName  = "admin"

	socketEnding = ".sock"
)

// HolderName is the name of a holder's door.
func HolderName(holder string) string { return "holder-" + holder }

// MakePrivate makes a directory that only its owner enters. In memory, where
// anybody may make one, somebody else may have made ours.
func MakePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making a run directory: %w", err)
	}
	return checkOurs(dir)
}

func checkOurs(dir string) error {
	if !strings.HasPrefix(dir, memoryPrefix) { // the operator's, or inside the data directory
		return nil
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || info.Mode().Perm() != 0o700 || int(st.Uid) != os.Geteuid() {
		return WithHint(fmt.Errorf("%s is not ours", dir), "find out who made it, then remove it")
	}
	return nil
}

// AdminSocket is reached by the owner of the data directory and root. It is an
// error when somebody else may be listening there.
func (i *Instance) AdminSocket() (string, error) {
	if err := checkOurs(i.RunPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return i.SocketPath(AdminName), nil
}

// SocketPath is where a door's socket lies.
func (i *Instance) SocketPath(name string) string {
	return filepath.Join(i.RunPath(), name+socketEnding)
}

// Open reads a data directory and takes its owner's place.
func Open(dir string) (*Instance, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, WithHint(fmt.Errorf("no directory %s", dir), "name the data directory with --dir, or make one with postern init")
	} else if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, WithHint(fmt.Errorf("%s can be reached by others than its owner", dir), "chmod 0700 %s", dir)
	}
	if err := errors.Join(becomeOwner(dir), Undumpable()); err != nil {
		return nil, err
	}
	i := &Instance{Dir: dir}
	b, err := os.ReadFile(i.instancePath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, WithHint(fmt.Errorf("%s holds no instance", dir), "name the data directory with --dir, or make one with postern init")
	} else if err != nil {
		return nil, err
	}
	if err := i.parse(string(b)); err != nil {
		return nil, fmt.Errorf("reading %s: %w", i.instancePath(), err)
	}
	i.Conf, err = readConfig(i.ConfigPath())
	return i, err
}

// instanceFormat is the version of the data directory's layout. The database
// has its own.
const instanceFormat = "postern instance 1"

func (i *Instance) marshal() []byte {
	return fmt.Appendf(nil, "%s\nid %x\nsalt %x\n", instanceFormat, i.ID, i.Salt)
}

func (i *Instance) parse(text string) error {
	lines := strings.Split(text, "\n")
	if lines[0] != instanceFormat {
		if strings.HasPrefix(lines[0], "postern instance ") {
			return WithHint(errors.New("the data directory was written by a newer version"), "install that version of postern, or a later one")
		}
		return errors.New("not an instance file")
	}
	if len(lines) != 4 || lines[3] != "" || !unhex(i.ID[:], lines[1], "id ") || !unhex(i.Salt[:], lines[2], "salt ") {
		return WithHint(errors.New("damaged"), "restore it from a backup: its salt belongs to every code that was given out")
	}
	return nil
}

func unhex(dst []byte, line, prefix string) bool {
	s, ok := strings.CutPrefix(line, prefix)
	b, err := hex.DecodeString(s)
	return ok && err == nil && copy(dst, b) == len(dst) && len(b) == len(dst)
}

// newID draws a new life of the database.
func (i *Instance) newID() { _, _ = rand.Read(i.ID[:]) }

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

// Undumpable keeps debuggers of the same user out. The kernel may take it back when
// the process becomes another user (fs.suid_dumpable), so it is said again then.
func Undumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keeping debuggers out: %w", err)
	}
	return nil
}

// writeFile replaces a file in one step, durably.
func writeFile(path string, data []byte) error {
	if err := durable.Replace(path, data); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
