// Package durable changes files so that after a crash or a power cut the old
// bytes are there or the new ones, and when it returns nil the new ones stay.
//
//	write  beside it (0600), fsync
//	rename over path
//	fsync  the folder
//
// [Replace] leaves the bytes that it replaced to the file system. [ReplaceSecret]
// overwrites them, whatever step a crash came at: a second name keeps the old
// file findable until that is done, and the next call, or [Settle], ends what
// was begun. It is the best a program can do and not a promise: file systems and
// disks that write elsewhere keep old blocks all the same (SECURITY.md S-5).
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Errors of a change that was made: the new bytes are in place.
var (
	// ErrNotSynced: they may be lost in a power cut, and then the old ones are back.
	ErrNotSynced = errors.New("what was written might be lost in a power cut: check the disk, and make a backup")
	// ErrNotScrubbed: the old ones, a secret, could not be overwritten.
	ErrNotScrubbed = errors.New("what was replaced could not be overwritten: check the disk")
)

// Replace replaces a file. Several processes may do so at once: one of them wins.
func Replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	if err := finish(f, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
		return err
	}
	return rename(f.Name(), path)
}

// Create writes a new file; an existing name is an error. On any error the file is
// removed. Its name is durable once the folder is synced.
func Create(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the caller's own path
	if err != nil {
		return err
	}
	return finish(f, write)
}

// CreateFile writes a new file, name and all, down to the disk; an existing name is an error.
func CreateFile(path string, data []byte) error {
	if err := Create(path, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

// finish writes, syncs and closes a new file, or removes it.
func finish(f *os.File, write func(io.Writer) error) error {
	err := write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, os.Remove(from))
	}
	if err := SyncDir(filepath.Dir(to)); err != nil {
		return errors.Join(ErrNotSynced, err)
	}
	return nil
}

// Names beside a secret while it is replaced.
const (
	newSuffix = ".new" // not in place yet
	oldSuffix = ".old" // the one replaced, until it is overwritten
)

// ReplaceSecret replaces a file and overwrites what it replaced. One at a time.
func ReplaceSecret(path string, data []byte) error {
	return replaceSecret(path, data, func(string) {})
}

func replaceSecret(path string, data []byte, step func(string)) error {
	if err := Settle(path); err != nil {
		return err
	}
	if err := Create(path+newSuffix, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
		return err
	}
	step("new written")
	old, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the caller's own path
	if err == nil {
		defer old.Close()                 //nolint:errcheck // synced below
		_ = os.Link(path, path+oldSuffix) // some file systems know no second name: then a crash just now keeps the old bytes
		err = SyncDir(filepath.Dir(path)) // the second name, before the first goes
		step("old kept under a second name")
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return errors.Join(err, Settle(path))
	}
	if err := rename(path+newSuffix, path); err != nil || old == nil {
		return err
	}
	step("renamed")
	if err := scrubAll(old); err != nil {
		return errors.Join(ErrNotScrubbed, err)
	}
	step("old overwritten")
	return Remove(path + oldSuffix)
}

// Settle ends what a crash cut short in [ReplaceSecret]: path is the old file or the new
// one, whole, and the other is overwritten and gone.
func Settle(path string) error {
	synced := false
	for _, name := range []string{path + newSuffix, path + oldSuffix} {
		f, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // the caller's own path
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !synced { // a rename that a power cut can still undo must not cost what it replaced
			err, synced = SyncDir(filepath.Dir(path)), true
		}
		if err == nil && !sameFile(f, path) { // not renamed yet: two names of one file
			err = scrubAll(f)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("overwriting what was replaced: %w", err)
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	if !synced {
		return nil
	}
	return SyncDir(filepath.Dir(path))
}

func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return true // what is not known is not overwritten
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b) || err != nil && !errors.Is(err, fs.ErrNotExist)
}

func scrubAll(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return Scrub(f, 0, st.Size())
}

// Scrub overwrites n bytes at off with noise, down to the disk.
func Scrub(f *os.File, off, n int64) error {
	buf := make([]byte, 64<<10)
	for n > 0 {
		p := buf[:min(n, int64(len(buf)))]
		_, _ = rand.Read(p)
		if _, err := f.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
		n -= int64(len(p))
	}
	return f.Sync()
}

// Remove removes a file; one that is not there is no error.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Fsync syncs a folder; tests make it fail.
var Fsync = (*os.File).Sync

// SyncDir makes creations, renames and removals in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the caller's own path
	if err != nil {
		return err
	}
	return errors.Join(Fsync(d), d.Close())
}
