package dossier

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"postern/reviewer/plain"
	"postern/store/durable"
)

// Written is one file that was written in clear, because it was asked for by name.
type Written struct {
	Name   string // in the folder
	Path   string
	Size   int64
	SHA256 [32]byte
}

// maxTries bounds how many names are tried before a folder is called full of them.
const maxTries = 1000

// Folder is a folder that files in clear are written to. Its names stay inside it,
// whatever they are (SECURITY.md S-15).
type Folder struct {
	root *os.Root
	dir  string
	all  []Written
	subs []string
}

// OpenFolder opens dir, made if it is not there, for its owner alone.
func OpenFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{root: root, dir: dir}, nil
}

// ErrFolderTaken says that a new folder was wanted, and something is in it.
var ErrFolderTaken = errors.New("this folder is not empty: name a new one")

// NewFolder opens a folder that is new or empty. [ErrFolderTaken].
func NewFolder(dir string) (*Folder, error) {
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return nil, fmt.Errorf("%s: %w", plain.SafeLine(dir), ErrFolderTaken)
	}
	return OpenFolder(dir)
}

// Create writes a new file under a safe form of name, in the folder or in sub, one below it. It
// never overwrites: a name that is taken gets a number before its extension. On error nothing of it stays.
func (f *Folder) Create(sub, name string, write func(io.Writer) error) (*Written, error) {
	if sub != "" {
		switch err := f.root.Mkdir(sub, 0o700); {
		case err == nil:
			f.subs = append(f.subs, sub)
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		}
	}
	out, name, err := f.open(sub, plain.SafeName(name))
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	n := &counter{w: io.MultiWriter(out, h)}
	if err = write(n); err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return nil, errors.Join(err, f.root.Remove(name))
	}
	w := Written{Name: name, Path: filepath.Join(f.dir, name), Size: n.n, SHA256: [32]byte(h.Sum(nil))}
	f.all = append(f.all, w)
	return &w, nil
}

func (f *Folder) open(sub, name string) (*os.File, string, error) {
	ext := path.Ext(name)
	base := strings.TrimSuffix(name, ext)
	for i := 1; i <= maxTries; i++ {
		try := name
		if i > 1 {
			try = base + "-" + strconv.Itoa(i) + ext
		}
		try = path.Join(sub, try)
		out, err := f.root.OpenFile(try, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		return out, try, err
	}
	return nil, "", errors.New("too many files of this name in the folder: name another one")
}

// bytes writes a file of our own.
func (f *Folder) bytes(sub, name string, data []byte) error {
	_, err := f.Create(sub, name, func(w io.Writer) error { _, err := w.Write(data); return err })
	return err
}

// sums are the lines that sha256sum -c checks, of all files so far.
func (f *Folder) sums() []byte {
	var b bytes.Buffer
	for _, w := range f.all {
		fmt.Fprintf(&b, "%s  %s\n", hex.EncodeToString(w.SHA256[:]), w.Name)
	}
	return b.Bytes()
}

// Remove removes one file again.
func (f *Folder) Remove(w *Written) error { return f.root.Remove(w.Name) }

// Undo removes all that was written.
func (f *Folder) Undo() {
	for _, w := range f.all {
		_ = f.root.Remove(w.Name)
	}
	for _, s := range f.subs {
		_ = f.root.Remove(s)
	}
}

// Close brings names to the disk.
func (f *Folder) Close() error {
	var errs []error
	for _, s := range f.subs {
		errs = append(errs, durable.SyncDir(filepath.Join(f.dir, s)))
	}
	return errors.Join(append(errs, durable.SyncDir(f.dir), f.root.Close())...)
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
