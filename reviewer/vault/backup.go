package vault

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	w, err := passphrase.Seal(dst, pass, v.o.ScryptLogN)
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	names := []string{keyName, stateName}
	packs, err := os.ReadDir(filepath.Join(v.dir, packDir))
	if err != nil {
		return err
	}
	for _, p := range packs {
		names = append(names, path.Join(packDir, p.Name()))
	}
	for _, n := range names {
		if err := archive(t, v.dir, n); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), w.Close())
}

func archive(t *tar.Writer, dir, name string) error {
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
	_, err = io.Copy(t, f)
	return err
}

// Restore writes the vault of a backup into dir, which must not exist or be
// empty, and opens it. On error nothing usable is left there.
func Restore(src io.Reader, dir string, pass []byte, o Options) (*Vault, error) {
	if err := emptyDir(dir); err != nil {
		return nil, err
	}
	if err := restore(src, dir, pass); err != nil {
		return nil, fmt.Errorf("restoring: %w", errors.Join(err, removeKeys(dir)))
	}
	v, err := Open(dir, pass, o)
	if err != nil {
		return nil, fmt.Errorf("restoring: %w", errors.Join(err, removeKeys(dir)))
	}
	return v, nil
}

// removeKeys turns a half-restored folder into no vault.
func removeKeys(dir string) error {
	err := os.Remove(filepath.Join(dir, keyName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

var errBackup = errors.New("this is no whole backup of a vault: copy it again from where it is kept")

func restore(src io.Reader, dir string, pass []byte) error {
	r, err := passphrase.Open(src, pass)
	if errors.Is(err, ErrPassphrase) {
		return err
	}
	if err != nil {
		return errBackup
	}
	if err := os.MkdirAll(filepath.Join(dir, packDir), 0o700); err != nil {
		return err
	}
	t := tar.NewReader(r)
	var have []string
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || h.Typeflag != tar.TypeReg || !backupName(h.Name) || slices.Contains(have, h.Name) {
			return errBackup
		}
		have = append(have, h.Name)
		if err := restoreFile(filepath.Join(dir, filepath.FromSlash(h.Name)), t); err != nil {
			return err
		}
	}
	// The age file must be read to its end: only then is it whole.
	if n, err := io.Copy(io.Discard, r); err != nil || n > 64<<10 {
		return errBackup
	}
	if !slices.Contains(have, keyName) || !slices.Contains(have, stateName) {
		return errBackup
	}
	return errors.Join(durable.SyncDir(filepath.Join(dir, packDir)), durable.SyncDir(dir))
}

func restoreFile(path string, r io.Reader) error {
	_ = os.Remove(path) // left by a restore that was interrupted; emptyDir let nothing else through
	err := durable.Create(path, func(w io.Writer) error { _, err := io.Copy(w, r); return err })
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errBackup
	}
	return err
}

// backupName says whether a backup may hold a file of this name: the key
// file, state, and packs, whose names are letters and digits.
func backupName(name string) bool {
	if name == keyName || name == stateName {
		return true
	}
	p, ok := strings.CutPrefix(name, packDir+"/")
	if !ok || p == "" {
		return false
	}
	return strings.Trim(p, "abcdefghijklmnopqrstuvwxyz234567") == ""
}
