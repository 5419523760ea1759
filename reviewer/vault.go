package reviewer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"postern/crypto"
	"postern/store/durable"
)

// keyName is the key file inside a vault.
const keyName = "vault.age"

// Options of a vault. The zero value is right.
type Options struct {
	// ScryptLogN is the work factor of passphrase files as a power of two;
	// 0 is age's own (18, about a second). Tests lower it.
	ScryptLogN int
	// Now is the machine's clock, which nobody sets on an offline machine:
	// see [Vault.Today]. nil is time.Now.
	Now func() time.Time
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// Vault is an open vault. It is not safe for concurrent use, and no second
// one can open the same directory meanwhile.
type Vault struct {
	dir   string
	o     Options
	lock  *os.File
	keys  *keyFile
	dirs  *crypto.Directory // the directory in force, nil before the first
	state *state

	warnings []string
}

// Errors of [Create] and [Open], for errors.Is.
var (
	ErrExists  = errors.New("there is a vault already")
	ErrNoVault = errors.New("there is no vault")
	ErrInUse   = errors.New("another desk has this vault open: close it first")
)

// Create makes a new vault with new keys in dir, which must not exist or be
// empty, and opens it. body and holder are the ids agreed with the operator: up to 16
// characters of a–z, 0–9 and hyphen.
func Create(dir, body, holder string, pass []byte, o Options) (*Vault, error) {
	for what, id := range map[string]string{"body": body, "holder": holder} {
		if err := validID(what, id); err != nil {
			return nil, err
		}
	}
	if err := plausible(o.now()); err != nil {
		return nil, fmt.Errorf("creating the vault: %w", err)
	}
	if err := emptyDir(dir); err != nil {
		return nil, err
	}
	keys := newKeyFile(body, holder, crypto.MonthOf(o.now()))
	v := &Vault{dir: dir, o: o, keys: &keys}
	if err := v.take(); err != nil {
		return nil, err
	}
	if err := v.create(pass); err != nil {
		v.Close()
		return nil, fmt.Errorf("creating the vault: %w", err)
	}
	return v, nil
}

func (v *Vault) create(pass []byte) error {
	if err := os.MkdirAll(filepath.Join(v.dir, packDir), 0o700); err != nil {
		return err
	}
	if err := v.commit(&state{Version: stateVersion}); err != nil {
		return err
	}
	// The key file comes last: a vault without one is not there yet.
	return v.writeKeys(pass)
}

// ErrClock says that the machine's clock cannot be right.
var ErrClock = errors.New("this machine's clock cannot be right: set it")

// plausible says whether a clock may be right: it is not before this program was
// written, as one with an empty battery is, nor decades after. The keys of a vault
// begin with the month in which it is made, so a wrong one would spoil it.
func plausible(t time.Time) error {
	const first, last = 2026, 2050
	if y := t.UTC().Year(); y < first || y > last {
		return fmt.Errorf("%w (it says %s)", ErrClock, t.UTC().Format(time.DateOnly))
	}
	return nil
}

// validID checks a body's or holder's id.
func validID(what, id string) error {
	if !crypto.ValidID(id) {
		return fmt.Errorf("%s id %q: use 1 to %d of a-z, 0-9 and, inside, hyphen, as agreed with the operator", what, id, crypto.MaxBodyID)
	}
	return nil
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
	for _, n := range names {
		switch n.Name() { // left by an init that was interrupted before its key file
		case "lock", packDir, stateName, stateName + ".new", keyName + ".new":
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

// Open opens the vault in dir. [ErrNoVault], [ErrPassphrase], [ErrInUse].
// What an interrupted command left unfinished is removed.
func Open(dir string, pass []byte, o Options) (*Vault, error) {
	if err := Exists(dir); err != nil {
		return nil, err
	}
	v := &Vault{dir: dir, o: o}
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
// another desk just replaced, and its months would come back with the next change of the passphrase.
func (v *Vault) open(pass []byte) error {
	for _, name := range []string{keyName, stateName} {
		if err := durable.Settle(filepath.Join(v.dir, name)); err != nil {
			return err
		}
	}
	sealed, err := os.ReadFile(filepath.Join(v.dir, keyName))
	if err != nil {
		return err
	}
	if v.keys, err = openKeyFile(sealed, pass); err != nil {
		return err
	}
	if err := v.loadState(); err != nil {
		return err
	}
	if err := v.loadDirectory(); err != nil {
		return err
	}
	return v.sweep()
}

// take locks the vault's directory for this process.
func (v *Vault) take() error {
	f, err := os.OpenFile(filepath.Join(v.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
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

func (v *Vault) writeKeys(pass []byte) error {
	sealed, err := v.keys.seal(pass, v.o.ScryptLogN)
	if err != nil {
		return err
	}
	_, err = v.replace(keyName, sealed)
	return err
}

// checkPassphrase says whether pass is the vault's.
func (v *Vault) checkPassphrase(pass []byte) error {
	sealed, err := os.ReadFile(filepath.Join(v.dir, keyName))
	if err != nil {
		return err
	}
	_, err = openKeyFile(sealed, pass)
	return err
}

// SetPassphrase seals the key file under another passphrase. Copies and
// backups made before keep the old one.
func (v *Vault) SetPassphrase(pass []byte) error {
	if err := v.writeKeys(pass); err != nil {
		return fmt.Errorf("changing the passphrase: %w", err)
	}
	return nil
}

// Body is the body's id the vault was made for.
func (v *Vault) Body() string { return v.keys.Body }

// Holder is the holder's id the vault was made for.
func (v *Vault) Holder() string { return v.keys.Holder }

// CreateFile writes a new file for its owner alone, down to the disk; it never overwrites.
func CreateFile(path string, data []byte) error {
	if err := durable.Create(path, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	return durable.SyncDir(filepath.Dir(path))
}

// Close wipes the keys, as far as Go allows, and lets the next desk in.
func (v *Vault) Close() {
	if v.keys != nil {
		for _, b := range [][]byte{v.keys.Seed, v.keys.Signing, v.keys.Access, v.keys.Data} {
			clear(b)
		}
	}
	if v.lock != nil {
		_ = v.lock.Close()
		v.lock = nil
	}
}
