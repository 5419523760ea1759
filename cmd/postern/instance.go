package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"postern/crypto"
	"postern/intake"
	"postern/intake/onion"
	"postern/store"
)

// instance is an opened data directory.
type instance struct {
	dir  string
	conf *config
	id   crypto.InstanceID // of this life of the database
	salt [32]byte          // of the instance, for ever
}

func (i *instance) path(elem ...string) string {
	return filepath.Join(append([]string{i.dir}, elem...)...)
}

func (i *instance) configPath() string    { return i.path("postern.conf") }
func (i *instance) instancePath() string  { return i.path("instance") }
func (i *instance) rootsPath() string     { return i.path("roots") }
func (i *instance) directoryPath() string { return i.path("directory.note") }
func (i *instance) proposalPath() string  { return i.path("proposal.txt") }
func (i *instance) transferPath() string  { return i.path("keys", "transfer.key") }
func (i *instance) onionPath() string     { return i.path("keys", "onion.key") }
func (i *instance) holdersPath() string   { return i.path("holders") }
func (i *instance) dbPath() string        { return i.path("db") }
func (i *instance) torPath() string       { return i.path("tor") }

// systemRun is where systemd makes the run directory of the packaged instance.
const systemRun = "/run/postern"

// runPath is where the sockets lie; server and admin commands find the same.
func (i *instance) runPath() string {
	if i.conf.Run != "" {
		return i.conf.Run
	}
	if info, err := os.Stat(systemRun); err == nil && info.IsDir() && i.dir == defaultDir {
		return systemRun
	}
	return i.path("run")
}

func (i *instance) socketPath(name string) string {
	return filepath.Join(i.runPath(), name+".sock")
}

// openInstance reads a data directory and takes its owner's place.
func openInstance(dir string) (*instance, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, withHint(fmt.Errorf("no directory %s", dir), "name the data directory with --dir, or make one with postern init")
	} else if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, withHint(fmt.Errorf("%s can be reached by others than its owner", dir), "chmod 0700 %s", dir)
	}
	if err := errors.Join(becomeOwner(dir), undumpable()); err != nil {
		return nil, err
	}
	i := &instance{dir: dir}
	b, err := os.ReadFile(i.instancePath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, withHint(fmt.Errorf("%s holds no instance", dir), "name the data directory with --dir, or make one with postern init")
	} else if err != nil {
		return nil, err
	}
	if err := i.parse(string(b)); err != nil {
		return nil, fmt.Errorf("reading %s: %w", i.instancePath(), err)
	}
	i.conf, err = readConfig(i.configPath())
	return i, err
}

// instanceFormat is the version of the data directory's layout. The database
// has its own.
const instanceFormat = "postern instance 1"

func (i *instance) marshal() []byte {
	return fmt.Appendf(nil, "%s\nid %x\nsalt %x\n", instanceFormat, i.id, i.salt)
}

func (i *instance) parse(text string) error {
	lines := strings.Split(text, "\n")
	if lines[0] != instanceFormat {
		if strings.HasPrefix(lines[0], "postern instance ") {
			return withHint(errors.New("the data directory was written by a newer version"), "install that version of postern, or a later one")
		}
		return errors.New("not an instance file")
	}
	if len(lines) != 4 || lines[3] != "" || !unhex(i.id[:], lines[1], "id ") || !unhex(i.salt[:], lines[2], "salt ") {
		return withHint(errors.New("damaged"), "restore it from a backup: its salt belongs to every code that was given out")
	}
	return nil
}

func unhex(dst []byte, line, prefix string) bool {
	s, ok := strings.CutPrefix(line, prefix)
	b, err := hex.DecodeString(s)
	return ok && err == nil && copy(dst, b) == len(dst) && len(b) == len(dst)
}

// newIdentity draws a new life of the database.
func (i *instance) newID() { _, _ = rand.Read(i.id[:]) }

// transfer reads the identity that opens what holders hand in.
func (i *instance) transfer() (*crypto.Identity, error) {
	b, err := os.ReadFile(i.transferPath())
	if err != nil {
		return nil, fmt.Errorf("reading the transfer key: %w", err)
	}
	var seed crypto.Key
	if !unhex(seed[:], strings.TrimSpace(string(b)), "") {
		return nil, withHint(errors.New("the transfer key is damaged"), "restore keys/transfer.key from an identity backup")
	}
	return crypto.IdentityFromSeed(seed), nil
}

// newTransfer is the text of a new transfer key.
func newTransfer() []byte {
	k := crypto.NewKey()
	return fmt.Appendf(nil, "%x\n", k[:])
}

// onionKey reads the key of an onion service.
func onionKey(path string) (onion.Key, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return onion.Key{}, fmt.Errorf("reading an onion key: %w", err)
	}
	k, err := onion.ParseKey(b)
	if err != nil {
		return onion.Key{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return k, nil
}

// spare is the part of the quota that reports cannot use: when they have filled
// the rest, batches still go out and codes still open their inboxes.
const spare = 20 // the quota is divided by this

// storeOptions are how this instance keeps its database.
func (i *instance) storeOptions(create bool) (store.Options, error) {
	o := store.Options{
		Dir: i.dbPath(), Buckets: intake.Buckets(), SmallCell: intake.SmallCell(i.conf.Directory.Slots),
		Quota: int64(i.conf.Storage.Quota), ReserveSmall: float64(i.conf.Storage.ReserveText) / 100, Spare: int64(i.conf.Storage.Quota) / spare, Create: create,
	}
	if f := i.conf.Storage.KeyWrappedBy; f != "" {
		w, err := newFileWrapper(f)
		if err != nil {
			return o, err
		}
		o.Key = w
	}
	return o, nil
}

// openStore opens the database for this process alone.
func (i *instance) openStore(create bool) (*store.Store, error) {
	o, err := i.storeOptions(create)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(o)
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, withHint(fmt.Errorf("opening the database: %w", err),
			"a server runs on this directory or is just starting; if its admin socket in %s does not answer in a minute, stop it first", i.runPath())
	case errors.Is(err, store.ErrNewer):
		return nil, withHint(fmt.Errorf("opening the database: %w", err), "install that version of postern, or a later one; nothing was changed")
	case err != nil:
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return s, nil
}

// fileWrapper protects the storage key with the content of a file: a systemd
// credential, or what a TPM or a smart card was made to write (SECURITY.md S-19).
type fileWrapper struct{ key crypto.Key }

const minWrapping = 16 // bytes; fewer cannot be random enough

func newFileWrapper(path string) (*fileWrapper, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, withHint(fmt.Errorf("reading what protects the storage key: %w", err), "see key_wrapped_by in postern.conf")
	}
	if len(b) < minWrapping {
		return nil, withHint(fmt.Errorf("%s is too short to protect a key", path), "fill it with: head -c 32 /dev/urandom")
	}
	w := &fileWrapper{}
	copy(w.key[:], crypto.KDF(b, nil, "storage key wrapping", len(w.key)))
	clear(b)
	return w, nil
}

func (w *fileWrapper) Wrap(plain []byte) ([]byte, error) {
	return crypto.SealBox(w.key, plain, []byte("storage key")), nil
}

func (w *fileWrapper) Unwrap(wrapped []byte) ([]byte, error) {
	b, err := crypto.OpenBox(w.key, wrapped, []byte("storage key"))
	return b, withHint(err, "the file named by key_wrapped_by is not the one this database was made with")
}
