package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"postern/crypto"
	"postern/store/durable"
)

// keyName is the key file inside a vault.
const keyName = "vault.age"

const lockName = "lock"

// Options of a vault. The zero value is right.
type Options struct {
	// ScryptLogN is the work factor of passphrase files as a power of two;
	// 0 is age's own (18, about a second). Tests lower it.
	ScryptLogN int
	// Salvage opens a vault whose log is damaged with what can be read of it, and writes
	// the log anew: see [Vault.Lost]. What cannot be read is gone then.
	Salvage bool
}

// Vault is an open vault. It is not safe for concurrent use, [Vault.OpenBlob] aside, and no
// second one can open the same directory meanwhile.
type Vault struct {
	dir  string
	o    Options
	lock *os.File
	keys *keyFile
	log  *log
	live *records
	have map[string]bool // packs that are there
	done map[string]bool // keys of todo records whose work is done; the next change deletes them

	damaged  []Damage // that a salvage skipped
	warnings []string
}

// Errors of [Create] and [Open], for errors.Is.
var (
	ErrExists  = errors.New("there is a vault already")
	ErrNoVault = errors.New("there is no vault")
	ErrInUse   = errors.New("another desk has this vault open: close it first")
)

// Create makes a new vault in dir, which must not exist or be empty, and opens it.
// secret is what the owner keeps under the passphrase itself, beside the vault's
// own key: see [Vault.Secret]. first is the change it begins with.
func Create(dir string, pass, secret []byte, first *Change, o Options) (*Vault, error) {
	if err := emptyDir(dir); err != nil {
		return nil, err
	}
	key := crypto.NewKey()
	v := &Vault{dir: dir, o: o, keys: &keyFile{Version: keyFileVersion, Log: newLogName(), Key: key[:], Secret: secret}, live: newRecords()}
	if err := v.take(); err != nil {
		return nil, err
	}
	if err := v.create(pass, first); err != nil {
		v.Close()
		return nil, fmt.Errorf("creating the vault: %w", err)
	}
	return v, nil
}

func (v *Vault) create(pass []byte, first *Change) (err error) {
	if err := v.keys.valid(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(v.dir, packDir), 0o700); err != nil {
		return err
	}
	v.have, v.done = make(map[string]bool), make(map[string]bool)
	v.live.apply(first.ops)
	if v.log, err = v.writeLog(v.keys.Log, v.keys.Key); err != nil {
		return err
	}
	sealed, err := v.keys.seal(pass, v.o.ScryptLogN)
	if err != nil {
		return err
	}
	v.keepSpare()
	step("write key file")
	// The key file comes last: a vault without one is not there yet.
	return durable.ReplaceSecret(filepath.Join(v.dir, keyName), sealed)
}

// emptyDir makes dir, or checks that it is an empty folder, and that nobody else may look in.
func emptyDir(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, keyName)); err == nil {
		return fmt.Errorf("%w in %s: name another folder", ErrExists, dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("creating the vault: %w", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("creating the vault: %w", err)
	}
	for _, n := range names { // left by one that was interrupted before its key file
		switch name := n.Name(); {
		case name == lockName, name == packDir, name == spareName, name == keyName+".new":
		case isLog(name):
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("creating the vault: %w", err)
			}
		default:
			return fmt.Errorf("creating the vault: %s is not empty: name a new folder", dir)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder needs x
		return fmt.Errorf("creating the vault: %w", err)
	}
	return nil
}

// Exists says whether there is a vault in dir: nil, or [ErrNoVault].
func Exists(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, keyName)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w in %s: make one, or name another folder", ErrNoVault, dir)
		}
		return fmt.Errorf("opening the vault: %w", err)
	}
	return nil
}

// Open opens the vault in dir. [ErrNoVault], [ErrPassphrase], [ErrInUse]; a [*Damage] when its
// log cannot be read. What was interrupted is ended: packs, overwriting, writing the log
// anew; and a log that is mostly dead weight is written anew.
func Open(dir string, pass []byte, o Options) (*Vault, error) {
	if err := Exists(dir); err != nil {
		return nil, err
	}
	v := &Vault{dir: dir, o: o, done: make(map[string]bool)}
	if err := v.take(); err != nil {
		return nil, err
	}
	if err := v.open(pass); err != nil {
		v.Close()
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	return v, nil
}

// open reads the vault's files. The lock is held: read before, the key file could be the one that
// another desk just replaced, and what it forgot would come back with the next change of the passphrase.
func (v *Vault) open(pass []byte) error {
	if err := durable.Settle(filepath.Join(v.dir, keyName)); err != nil {
		return err
	}
	sealed, err := os.ReadFile(filepath.Join(v.dir, keyName))
	if err != nil {
		return err
	}
	if v.keys, err = openKeyFile(sealed, pass); err != nil {
		return err
	}
	if err := v.openLog(v.o.Salvage); err != nil {
		return err
	}
	// The key file that is there stays: what it does not name may go.
	if err := durable.SyncDir(v.dir); err != nil {
		return err
	}
	if err := v.sweepLogs(); err != nil {
		v.warn(fmt.Errorf("an old log of the vault could not be overwritten: %w", err))
	}
	if err := v.settlePacks(); err != nil {
		return err
	}
	v.tidy()
	if n := len(v.missing()); n > 0 {
		v.warn(fmt.Errorf("%d of the vault's %d packs are not there: check the vault, which says what to do", n, len(v.live.refs)))
	}
	_, due := v.live.by[ownKind][todoRekey]
	if due || len(v.damaged) > 0 {
		v.finishForgetting(pass)
	} else if v.heavy() {
		if err := v.rekey(pass, v.keys.Secret); err != nil {
			v.warn(fmt.Errorf("writing the vault's log anew, without what is no more: %w", err))
		}
	}
	v.keepSpare()
	return nil
}

// take locks the vault's directory for this process.
func (v *Vault) take() error {
	f, err := os.OpenFile(filepath.Join(v.dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("opening the vault: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { //nolint:gosec // a descriptor fits
		_ = f.Close()
		return ErrInUse
	}
	v.lock = f
	return nil
}

// Dir is the vault's directory.
func (v *Vault) Dir() string { return v.dir }

// Close wipes the keys, as far as Go allows, and lets the next desk in.
func (v *Vault) Close() {
	if v.log != nil {
		v.log.frames.wipe()
		_ = v.log.f.Close()
		v.log = nil
	}
	if v.keys != nil {
		clear(v.keys.Key)
		clear(v.keys.Secret)
	}
	if v.lock != nil {
		_ = v.lock.Close()
		v.lock = nil
	}
}

// warn keeps what went wrong after a step was done.
func (v *Vault) warn(err error) { v.warnings = append(v.warnings, err.Error()) }

// Warnings are what went wrong since the last call without undoing anything: steps after
// a change was in the vault, like overwriting what it replaced.
func (v *Vault) Warnings() []string {
	w := v.warnings
	v.warnings = nil
	return w
}
