package vault

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"postern/crypto"
	"postern/store/durable"
)

// packDir is the folder of packs inside a vault; newPack ends the names of those that no
// committed change refers to yet.
const (
	packDir = "packs"
	newPack = ".new"
)

// Blob is one sealed byte string inside a pack. Without its key it is noise. The zero Blob is none.
type Blob struct {
	Pack string
	Off  int64
	Len  int64 // of the age file
	Key  crypto.Key
}

// blobKey seals one blob: an age file whose only stanza holds the file key
// under it. age brings the streaming format; nobody else needs to open it.
type blobKey crypto.Key

const (
	blobStanza = "postern-desk"
	blobAAD    = "postern-desk blob"
)

// Wrap implements [age.Recipient].
func (k blobKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: blobStanza, Body: crypto.SealBox(crypto.Key(k), fileKey, []byte(blobAAD))}}, nil
}

// Unwrap implements [age.Identity].
func (k blobKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type == blobStanza {
			return crypto.OpenBox(crypto.Key(k), s.Body, []byte(blobAAD))
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// Pack is a file of blobs being written. It becomes one of the vault's when the [Change] that it
// was made part of is committed; until then the next start sweeps it away.
type Pack struct {
	f    *os.File
	path string
	name string
	n    int64
}

// NewPack creates an empty pack under a random name.
func (v *Vault) NewPack() (*Pack, error) {
	raw := make([]byte, packNameSize)
	_, _ = rand.Read(raw)
	name := packNames.EncodeToString(raw)
	p := v.packPath(name + newPack)
	step("new pack")
	f, err := os.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // inside the vault, random name
	if err != nil {
		return nil, fmt.Errorf("creating a pack: %w", err)
	}
	return &Pack{f: f, path: p, name: name}, nil
}

// Name is the pack's name, as a [Blob] gives it.
func (p *Pack) Name() string { return p.name }

// Write appends to the pack.
func (p *Pack) Write(b []byte) (int, error) {
	step("write pack")
	n, err := writeAt(p.f, b, p.n)
	p.n += int64(n)
	return n, err
}

// Seal streams one blob into the pack: write what it is to hold to the
// result and close it, then take done.
func (p *Pack) Seal() (w io.WriteCloser, done func() Blob, err error) {
	key, off := crypto.NewKey(), p.n
	if w, err = encryptBlob(p, key); err != nil {
		return nil, nil, err
	}
	return w, func() Blob { return Blob{Pack: p.name, Off: off, Len: p.n - off, Key: key} }, nil
}

func encryptBlob(dst io.Writer, key crypto.Key) (io.WriteCloser, error) {
	w, err := age.Encrypt(dst, blobKey(key))
	if err != nil {
		return nil, fmt.Errorf("sealing a blob: %w", err)
	}
	return w, nil
}

// SealBlob seals a small blob in memory, for [Pack.Add].
func SealBlob(plain []byte) ([]byte, crypto.Key, error) {
	var b bytes.Buffer
	b.Grow(len(plain) + 4<<10)
	key := crypto.NewKey()
	w, err := encryptBlob(&b, key)
	if err != nil {
		return nil, key, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, key, err
	}
	if err := w.Close(); err != nil {
		return nil, key, err
	}
	return b.Bytes(), key, nil
}

// Add appends bytes that SealBlob made.
func (p *Pack) Add(sealed []byte, key crypto.Key) (Blob, error) {
	b := Blob{Pack: p.name, Off: p.n, Len: int64(len(sealed)), Key: key}
	if _, err := p.Write(sealed); err != nil {
		return Blob{}, fmt.Errorf("writing a pack: %w", err)
	}
	return b, nil
}

// finish brings the pack's bytes to the disk.
func (p *Pack) finish() error {
	step("finish pack")
	if err := errors.Join(p.f.Sync(), p.f.Close()); err != nil {
		return fmt.Errorf("writing a pack: %w", err)
	}
	return nil
}

// Abandon removes the pack.
func (p *Pack) Abandon() {
	_ = p.f.Close()
	_ = os.Remove(p.path)
}

func (v *Vault) packPath(name string) string { return filepath.Join(v.dir, packDir, name) }

// ErrDamaged says that a blob is not what was written.
var ErrDamaged = errors.New("it is damaged in this vault: check the vault, which says what to do")

// openPack opens a pack, one too that is being written.
func (v *Vault) openPack(name string, flag int) (*os.File, error) {
	if name == "" {
		return nil, fs.ErrNotExist
	}
	f, err := os.OpenFile(v.packPath(name), flag, 0) //nolint:gosec // the name is ours, from a sealed record
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(v.packPath(name+newPack), flag, 0) //nolint:gosec // the same
	}
	if errors.Is(err, fs.ErrNotExist) { // it was adopted between the two
		f, err = os.OpenFile(v.packPath(name), flag, 0) //nolint:gosec // the same
	}
	return f, err
}

// OpenBlob opens a blob for reading. Close the closer. [ErrDamaged], here or while it is read
// as an error of age; [fs.ErrNotExist] when its pack is not there. Safe for use while another
// goroutine commits.
func (v *Vault) OpenBlob(b Blob) (io.Reader, io.Closer, error) {
	f, err := v.openPack(b.Pack, os.O_RDONLY)
	if err != nil {
		return nil, nil, fmt.Errorf("opening a pack: %w", err)
	}
	r, err := age.Decrypt(io.NewSectionReader(f, b.Off, b.Len), blobKey(b.Key))
	if err != nil {
		_ = f.Close()
		return nil, nil, ErrDamaged
	}
	return r, f, nil
}

// HasPack says whether a blob's pack is there.
func (v *Vault) HasPack(name string) bool { return v.have[name] }

// settlePacks makes packs that a committed change refers to packs of the vault, and removes those
// that were never committed.
func (v *Vault) settlePacks() error {
	entries, err := os.ReadDir(filepath.Join(v.dir, packDir))
	if err != nil {
		return fmt.Errorf("reading the vault: %w", err)
	}
	v.have = make(map[string]bool, len(entries))
	changed := false
	for _, e := range entries {
		name, fresh := strings.CutSuffix(e.Name(), newPack)
		if !fresh {
			v.have[name] = true
			continue
		}
		changed = true
		if v.live.refs[name] > 0 {
			v.have[name] = true
			err = os.Rename(v.packPath(e.Name()), v.packPath(name))
		} else {
			err = os.Remove(v.packPath(e.Name()))
		}
		if err != nil {
			return fmt.Errorf("ending what was interrupted: %w", err)
		}
	}
	if !changed {
		return nil
	}
	return durable.SyncDir(filepath.Join(v.dir, packDir))
}

// missing are the packs that live records refer to and that are not there.
func (v *Vault) missing() (names []string) {
	for name := range v.live.refs {
		if !v.have[name] {
			names = append(names, name)
		}
	}
	return names
}
