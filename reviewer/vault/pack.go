package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
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

// packDir is the folder of packs inside a vault.
const packDir = "packs"

// Blob is one sealed byte string inside a pack. Without its key it is noise.
type Blob struct {
	Pack string `json:"pack"`
	Off  int64  `json:"off"`
	Len  int64  `json:"len"` // of the age file
	Key  []byte `json:"key"`
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

// Pack is a file of blobs being written. Nothing refers to it before state is
// committed; an unfinished one is swept away at the next start.
type Pack struct {
	f    *os.File
	path string
	name string
	n    int64
}

// NewPack creates an empty pack under a random name.
func (v *Vault) NewPack() (*Pack, error) {
	var id [15]byte
	_, _ = rand.Read(id[:])
	name := strings.ToLower(base32.StdEncoding.EncodeToString(id[:]))
	p := filepath.Join(v.dir, packDir, name)
	f, err := os.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // inside the vault, random name
	if err != nil {
		return nil, fmt.Errorf("creating a pack: %w", err)
	}
	return &Pack{f: f, path: p, name: name}, nil
}

// Write appends to the pack.
func (p *Pack) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
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
	return w, func() Blob { return Blob{Pack: p.name, Off: off, Len: p.n - off, Key: key[:]} }, nil
}

func encryptBlob(dst io.Writer, key crypto.Key) (io.WriteCloser, error) {
	w, err := age.Encrypt(dst, blobKey(key))
	if err != nil {
		return nil, fmt.Errorf("sealing a message: %w", err)
	}
	return w, nil
}

// SealBlob seals a small container in memory, for [Pack.Add].
func SealBlob(box []byte) ([]byte, crypto.Key, error) {
	var b bytes.Buffer
	b.Grow(len(box) + 4<<10)
	key := crypto.NewKey()
	w, err := encryptBlob(&b, key)
	if err != nil {
		return nil, key, err
	}
	if _, err := w.Write(box); err != nil {
		return nil, key, err
	}
	if err := w.Close(); err != nil {
		return nil, key, err
	}
	return b.Bytes(), key, nil
}

// Add appends bytes that SealBlob made.
func (p *Pack) Add(sealed []byte, key crypto.Key) (Blob, error) {
	b := Blob{Pack: p.name, Off: p.n, Len: int64(len(sealed)), Key: key[:]}
	if _, err := p.Write(sealed); err != nil {
		return Blob{}, fmt.Errorf("writing a pack: %w", err)
	}
	return b, nil
}

// Finish brings the pack to the disk; its name is durable once the folder is
// synced too, which the commit does.
func (p *Pack) Finish() error {
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

// OpenBlob opens a blob for reading. Close the closer.
func (v *Vault) OpenBlob(b Blob) (io.Reader, io.Closer, error) {
	f, err := os.Open(filepath.Join(v.dir, packDir, b.Pack)) //nolint:gosec // the name is ours, from sealed state
	if err != nil {
		return nil, nil, fmt.Errorf("opening a pack: %w", err)
	}
	var key crypto.Key
	copy(key[:], b.Key)
	r, err := age.Decrypt(io.NewSectionReader(f, b.Off, b.Len), blobKey(key))
	if err != nil {
		_ = f.Close()
		return nil, nil, errors.New("a message in this vault is damaged: restore a backup, or import its batch again into a new vault")
	}
	return r, f, nil
}

// Sweep removes packs that nothing refers to: left by an interrupted command. live
// are those that something refers to.
func (v *Vault) Sweep(live map[string]bool) error {
	names, err := v.Packs()
	if err != nil {
		return err
	}
	for n := range names {
		if !live[n] {
			if err := os.Remove(filepath.Join(v.dir, packDir, n)); err != nil {
				return fmt.Errorf("removing an unfinished pack: %w", err)
			}
		}
	}
	return nil
}

// forget overwrites blobs whose keys were just forgotten, and removes packs that hold nothing else.
func (v *Vault) forget(live map[string]bool, blobs []Blob) error {
	var failed []error
	for _, b := range blobs {
		f, err := os.OpenFile(filepath.Join(v.dir, packDir, b.Pack), os.O_WRONLY, 0)
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone already
		case err != nil:
			failed = append(failed, fmt.Errorf("overwriting a message: %w", err))
		default:
			err = errors.Join(durable.Scrub(f, b.Off, b.Len), f.Close())
			if err != nil {
				failed = append(failed, fmt.Errorf("overwriting a message: %w", err))
			}
		}
	}
	return errors.Join(append(failed, v.Sweep(live), durable.SyncDir(filepath.Join(v.dir, packDir)))...)
}

// Packs are the packs that are there.
func (v *Vault) Packs() (map[string]bool, error) {
	entries, err := os.ReadDir(filepath.Join(v.dir, packDir))
	if err != nil {
		return nil, fmt.Errorf("reading the vault: %w", err)
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names, nil
}

// HasPack says whether a pack is there.
func (v *Vault) HasPack(name string) bool {
	_, err := os.Stat(filepath.Join(v.dir, packDir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// Name is the pack's name, as a [Blob] gives it.
func (p *Pack) Name() string { return p.name }
