package vault

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"postern/crypto/passphrase"
	"postern/store/durable"
)

// Backup writes the whole vault as one age file under pass, which must be the vault's
// own: [Restore] opens both with one. The file holds what the vault holds today: destroy old
// backups after something was erased.
func (v *Vault) Backup(dst io.Writer, pass []byte) error {
	if err := v.backup(dst, pass); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	return nil
}

// BackupFile writes a backup to a new file, down to the disk.
func (v *Vault) BackupFile(path string, pass []byte) error {
	if err := durable.Create(path, func(w io.Writer) error { return v.backup(w, pass) }); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	return durable.SyncDir(filepath.Dir(path))
}

func (v *Vault) backup(dst io.Writer, pass []byte) error {
	// What the passphrase does not open could not be restored with it.
	if err := v.CheckPassphrase(pass); err != nil {
		return err
	}
	if err := v.settlePacks(); err != nil {
		return err
	}
	w, err := passphrase.Seal(dst, pass, v.o.ScryptLogN)
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	names := []string{keyName, v.keys.Log}
	for _, p := range slices.Sorted(maps.Keys(v.have)) {
		names = append(names, path.Join(packDir, p))
	}
	buf := make([]byte, 1<<20)
	for _, n := range names {
		if err := archive(t, v.dir, n, buf); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), w.Close())
}

func archive(t *tar.Writer, dir, name string, buf []byte) error {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name))) //nolint:gosec // inside the vault
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	// Neither owner nor time: a backup says what is in it and nothing more.
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: st.Size(), Mode: 0o600, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{t}, struct{ io.Reader }{f}, buf)
	return err
}

// restoring ends the name of the folder beside the vault's in which one is restored.
const restoring = ".restoring"

// Restore writes the vault of a backup into dir, which must not exist or be
// empty, checks it, and opens it. It is whole or it is not there: until it was read to its end
// and opened it lies in a folder of its own beside, which the next attempt removes. A
// backup that was made of a damaged vault is restored all the same; what [Vault.Check]
// finds then is a warning.
func Restore(src io.Reader, dir string, pass []byte, o Options) (*Vault, error) {
	if err := emptyDir(dir); err != nil {
		return nil, err
	}
	v, err := restore(src, filepath.Clean(dir), pass, o)
	if err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	return v, nil
}

func restore(src io.Reader, dir string, pass []byte, o Options) (_ *Vault, err error) {
	tmp := dir + restoring
	if err := removeVault(tmp); err != nil {
		return nil, err
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeVault(tmp))
		}
	}()
	if err := unpack(src, tmp, pass); err != nil {
		return nil, err
	}
	v, err := Open(tmp, pass, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	h, err := v.Check(nil)
	if err != nil {
		return nil, err
	}
	if !h.Sound() {
		v.warn(fmt.Errorf("the backup is of a vault that was damaged (%d blobs cannot be read): check the vault, which says what to do", len(h.Problems)))
	}
	step("restored beside")
	if err := removeVault(dir); err != nil { // what emptyDir let through
		return nil, err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return nil, fmt.Errorf("%w: if the folder is a disk of its own, name a new folder in it", err)
	}
	v.dir = dir
	return v, durable.SyncDir(filepath.Dir(dir))
}

// removeVault removes what a restore or a create that was interrupted left: known names alone.
func removeVault(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		n := e.Name()
		switch base := strings.TrimSuffix(strings.TrimSuffix(n, ".new"), ".old"); {
		case base == keyName, n == lockName, n == spareName, isLog(n):
			err = os.Remove(filepath.Join(dir, n))
		case n == packDir:
			err = os.RemoveAll(filepath.Join(dir, n))
		}
		if err != nil {
			return err
		}
	}
	return os.Remove(dir)
}

// ErrBackup says that a file is no backup, or not all of one.
var ErrBackup = errors.New("this is no whole backup of a vault: copy it again from where it is kept")

// CheckBackup says whether a passphrase opens a backup: nil, [ErrPassphrase] or [ErrBackup]. Only
// [Restore] sees whether it is whole.
func CheckBackup(src io.Reader, pass []byte) error {
	_, err := openBackup(src, pass)
	return err
}

func openBackup(src io.Reader, pass []byte) (io.Reader, error) {
	r, err := passphrase.Open(src, pass)
	if err != nil && !errors.Is(err, ErrPassphrase) {
		err = ErrBackup
	}
	return r, err
}

func unpack(src io.Reader, dir string, pass []byte) error {
	r, err := openBackup(src, pass)
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, packDir), 0o700); err != nil {
		return err
	}
	t := tar.NewReader(r)
	have := make(map[string]bool)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || h.Typeflag != tar.TypeReg || !backupName(h.Name) || have[h.Name] {
			return ErrBackup
		}
		have[h.Name] = true
		if err := unpackFile(filepath.Join(dir, filepath.FromSlash(h.Name)), t); err != nil {
			return err
		}
	}
	// The age file must be read to its end: only then is it whole.
	if n, err := io.Copy(io.Discard, r); err != nil || n > 64<<10 {
		return ErrBackup
	}
	if !have[keyName] {
		return ErrBackup
	}
	return errors.Join(durable.SyncDir(filepath.Join(dir, packDir)), durable.SyncDir(dir))
}

func unpackFile(path string, r io.Reader) error {
	in := &reading{r: r}
	err := durable.Create(path, func(w io.Writer) error {
		step("restore file")
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, in, make([]byte, 1<<20))
		return err
	})
	if in.failed {
		return ErrBackup
	}
	return err
}

// reading knows whether it was the reading that failed: cut, changed, or a stick that fails.
type reading struct {
	r      io.Reader
	failed bool
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.failed = err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// backupName says whether a backup may hold a file of this name: the key
// file, a log, and packs, whose names are letters and digits.
func backupName(name string) bool {
	if name == keyName || isLog(name) {
		return true
	}
	p, ok := strings.CutPrefix(name, packDir+"/")
	raw, err := packNames.DecodeString(p)
	return ok && err == nil && len(raw) == packNameSize
}
