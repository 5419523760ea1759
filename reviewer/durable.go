package reviewer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// writeDurable replaces dir/name as a whole: after a crash the old bytes are there or
// the new ones, and when it returns nil the new ones survive a power cut.
//
//	write  dir/name.tmp   create, write, fsync
//	rename over dir/name
//	fsync  dir
//
// The replaced bytes are overwritten through the handle opened before: they
// held keys that were just forgotten. On flash storage old blocks may survive
// all the same; the desk's README says so. When only the last step fails, the error
// is errNotSynced: the new bytes are there, and after a power cut either may
// be, so nothing that either refers to may be removed or overwritten.
func writeDurable(dir, name string, data []byte) (err error) {
	tmp := filepath.Join(dir, name+".tmp")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := createDurable(tmp, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
		return err
	}
	old, oldErr := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0) //nolint:gosec // the caller's own path
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		if oldErr == nil {
			_ = old.Close()
		}
		return err
	}
	if err := syncDir(dir); err != nil {
		if oldErr == nil {
			_ = old.Close()
		}
		return errors.Join(errNotSynced, err)
	}
	if oldErr == nil {
		scrub(old)
	}
	return nil
}

var errNotSynced = errors.New("what was just done is in the vault, but might be lost in a power cut: check the disk, and make a backup")

// createDurable writes a new file, readable by its owner alone, to the disk. It never overwrites:
// an existing name is an error, and on any error the file is removed.
func createDurable(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the caller's own path
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(path)
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// fsync syncs a folder; a test makes it fail.
var fsync = (*os.File).Sync

// syncDir makes creations, renames and removals in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the caller's own path
	if err != nil {
		return err
	}
	err = fsync(d)
	return errors.Join(err, d.Close())
}

// scrub overwrites a file with noise and closes it. It is the best a program can
// do and not a promise, so a failure is not an error.
func scrub(f *os.File) {
	if st, err := f.Stat(); err == nil {
		_ = scrubRange(f, 0, st.Size())
	}
	_ = f.Close()
}

// scrubRange overwrites n bytes at off with noise, down to the disk.
func scrubRange(f *os.File, off, n int64) error {
	buf := make([]byte, 64<<10)
	for n > 0 {
		p := buf[:min(n, int64(len(buf)))]
		_, _ = rand.Read(p)
		if _, err := f.WriteAt(p, off); err != nil {
			return fmt.Errorf("overwriting: %w", err)
		}
		off += int64(len(p))
		n -= int64(len(p))
	}
	return f.Sync()
}
