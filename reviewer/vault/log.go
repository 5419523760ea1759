package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"postern/store/durable"
)

// logPrefix begins the names of logs. What follows is random.
const logPrefix = "log-"

// log is the file that changes are appended to.
type log struct {
	f      *os.File
	frames *frames
	name   string
	n      uint64 // number of the next frame
	size   int64  // bytes of whole frames
	failed error  // what is on the disk is not known any more
}

func newLogName() string {
	raw := make([]byte, packNameSize)
	_, _ = rand.Read(raw)
	return logPrefix + packNames.EncodeToString(raw)
}

// Tests let a write fail, or the process die, at any step.
var (
	step    = func(string) {}
	writeAt = (*os.File).WriteAt
)

// append writes a change as the next frame, down to the disk. On error the log is as it
// was; if that is not certain it takes nothing any more.
func (l *log) append(change []byte) error {
	if l.failed != nil {
		return l.failed
	}
	frame, err := l.frames.seal(l.n, change)
	if err != nil {
		return err
	}
	step("append")
	if _, err := writeAt(l.f, frame, l.size); err != nil {
		if terr := errors.Join(l.f.Truncate(l.size), syncData(l.f)); terr != nil {
			return l.fail(errors.Join(err, terr))
		}
		return err
	}
	step("sync")
	if err := syncData(l.f); err != nil {
		return l.fail(err)
	}
	step("synced")
	l.n++
	l.size += int64(len(frame))
	return nil
}

// fail refuses all that comes: after a sync that failed nobody knows which bytes the disk has.
func (l *log) fail(err error) error {
	l.failed = fmt.Errorf("%w; whether the last change is on the disk is not known: close the desk, check the disk, and open the vault again", err)
	return l.failed
}

// syncData brings a file's bytes to the disk. Tests make it fail as they make syncs of folders fail.
func syncData(f *os.File) error { return durable.Fsync(f) }

// Damage says that the log cannot be read at some place, though changes follow it.
type Damage struct {
	Frame uint64 // the first change that cannot be read, counted from 0
	Lost  uint64 // how many in a row, 0 if something stands between two; with Rest the least
	Rest  bool   // nothing behind it can be read
}

func (d *Damage) Error() string {
	if d.Rest {
		return fmt.Sprintf("the vault's log is damaged: changes from number %d on cannot be read. Restore a backup, or save what can be read", d.Frame)
	}
	if d.Lost == 0 {
		return fmt.Sprintf("the vault's log is damaged: before change %d stands something that is none. Restore a backup, or save what can be read", d.Frame)
	}
	return fmt.Sprintf("the vault's log is damaged: changes %d to %d cannot be read. Restore a backup, or save what can be read", d.Frame, d.Frame+d.Lost-1)
}

// folded is what reading a log found.
type folded struct {
	size    int64  // of whole frames
	n       uint64 // frames
	torn    bool   // bytes of a frame that was not finished follow
	damaged []Damage
}

// fold reads frames and hands on their operations. Without salvage damage is an error; with
// it, what cannot be read is skipped and told.
//
// The last frame may be torn: it was being written when the desk stopped, and nobody was
// told that it was there. A frame that says how long it is, truly, and is shorter; one of full
// length at the very end that does not open; or zeros, which some file systems leave where
// nothing was written yet. Anything else was there once: damage.
func (f *frames) fold(b []byte, salvage bool, apply func([]op) error) (got folded, err error) {
	for int(got.size) < len(b) {
		rest := b[got.size:]
		change, size, err := f.open(rest, got.n)
		switch {
		case err == nil:
			ops, err := decode(change)
			if err == nil {
				err = apply(ops)
			}
			if err != nil {
				return got, err
			}
			got.size += int64(size)
			got.n++
			continue
		case errors.Is(err, errTorn), size == len(rest), zero(rest):
			got.torn = true
			return got, nil
		}
		at, n, ok := f.next(rest, got.n)
		d := Damage{Frame: got.n, Lost: 1, Rest: !ok}
		if ok {
			d.Lost = n - got.n
		}
		if !salvage {
			return got, &d
		}
		got.damaged = append(got.damaged, d)
		if !ok {
			got.size = int64(len(b))
			return got, nil
		}
		got.size, got.n = got.size+int64(at), n
	}
	return got, nil
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// openLog reads the log that the key file names and leaves it open for more.
func (v *Vault) openLog(salvage bool) error {
	f, err := os.OpenFile(filepath.Join(v.dir, v.keys.Log), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("the log that the key file names is not there: this vault was restored or copied in part. Restore a whole backup")
	}
	if err != nil {
		return err
	}
	v.log = &log{f: f, frames: newFrames(v.keys.Log, v.keys.Key), name: v.keys.Log}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, st.Size()) // at once: a log is large
	if _, err := io.ReadFull(f, b); err != nil {
		return err
	}
	v.live = newRecords()
	got, err := v.log.frames.fold(b, salvage, func(ops []op) error { v.live.apply(ops); return nil })
	if err != nil {
		return err
	}
	v.log.n, v.log.size, v.damaged = got.n, got.size, got.damaged
	if !got.torn {
		return nil
	}
	if err := errors.Join(f.Truncate(got.size), syncData(f)); err != nil {
		return fmt.Errorf("ending a log that was torn: %w", err)
	}
	v.warn(errors.New("the desk was stopped while it wrote a change: that change is not in the vault, all before it is"))
	return nil
}

// logFrame is about how large the frames are that a log is written anew with, in bytes.
const logFrame = 256 << 10

// writeLog writes the live records as a new log, down to the disk.
func (v *Vault) writeLog(name string, key []byte) (*log, error) {
	path := filepath.Join(v.dir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // a random name inside the vault
	if err != nil {
		return nil, err
	}
	l := &log{f: f, frames: newFrames(name, key), name: name}
	err = l.fill(v.live)
	if err == nil {
		step("log filled")
		err = syncData(f)
	}
	if err == nil {
		step("log synced")
		err = durable.SyncDir(v.dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return l, nil
}

// fill writes records as frames; a frame holds at least one.
func (l *log) fill(r *records) error {
	var change []byte
	flush := func() error {
		frame, err := l.frames.seal(l.n, change)
		clear(change)
		change = change[:0]
		if err != nil {
			return err
		}
		if _, err := writeAt(l.f, frame, l.size); err != nil {
			return err
		}
		l.n++
		l.size += int64(len(frame))
		return nil
	}
	for kind, list := range r.by {
		for key, rec := range list {
			change = encode(change, []op{{kind: kind, key: key, put: true, Record: rec}})
			if len(change) < logFrame {
				continue
			}
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// sweepLogs overwrites and removes logs that the key file does not name: of a vault that was
// written anew, before or after its key file was replaced. The one it names was read.
func (v *Vault) sweepLogs() error {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), logPrefix) && e.Name() != v.keys.Log {
			failed = append(failed, scrubFile(filepath.Join(v.dir, e.Name())))
		}
	}
	return errors.Join(failed...)
}

// scrubFile overwrites a file and removes it; one that is not there is no error.
func scrubFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // inside the vault
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil {
		step("scrub")
		err = durable.Scrub(f, 0, st.Size())
	}
	step("scrubbed")
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return durable.Remove(path)
}

// isFull says whether an error is that of a full disk, or of a quota.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}
