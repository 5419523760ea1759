package vault

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Problem is a blob that a record refers to and that cannot be read.
type Problem struct {
	Kind    Kind
	Key     string
	Blob    int  // its place in Record.Blobs
	Missing bool // its pack is not there; else its bytes are not those that were written
}

// Health is what [Vault.Check] found.
type Health struct {
	Changes  uint64 // frames of the log
	Records  int
	Blobs    int
	Bytes    int64 // of the blobs
	Problems []Problem
	Surplus  []string // packs that nothing refers to
	Log      *Damage  // of the log on the disk, since the vault was opened
}

// Sound says that nothing was found.
func (h *Health) Sound() bool { return len(h.Problems) == 0 && len(h.Surplus) == 0 && h.Log == nil }

// Check reads every frame and every blob. It changes nothing. each, if not nil, hears after
// each blob how many bytes of them were read, and of how many.
func (v *Vault) Check(each func(done, of int64)) (*Health, error) {
	h := &Health{Changes: v.log.n}
	if err := v.checkLog(h); err != nil {
		return nil, fmt.Errorf("checking the vault: %w", err)
	}
	type place struct {
		Problem
		blob Blob
	}
	var all []place
	var of int64
	for kind, list := range v.live.by {
		if kind != ownKind {
			h.Records += len(list)
		}
		for key, r := range list {
			for i, b := range r.Blobs {
				if b.Pack != "" {
					all = append(all, place{Problem{Kind: kind, Key: key, Blob: i}, b})
					of += b.Len
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.blob.Pack, b.blob.Pack), cmp.Compare(a.blob.Off, b.blob.Off))
	})
	for _, p := range all {
		h.Blobs++
		h.Bytes += p.blob.Len
		err := v.readBlob(p.blob)
		if each != nil {
			each(h.Bytes, of)
		}
		if err == nil {
			continue
		}
		p.Missing = errors.Is(err, fs.ErrNotExist)
		h.Problems = append(h.Problems, p.Problem)
	}
	for name := range v.have {
		if v.live.refs[name] == 0 {
			h.Surplus = append(h.Surplus, name)
		}
	}
	slices.Sort(h.Surplus)
	return h, nil
}

// readBlob reads a blob to its end, where it is seen whether it is whole.
func (v *Vault) readBlob(b Blob) error {
	r, closer, err := v.OpenBlob(b)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, closer.Close())
}

// checkLog reads the log once more.
func (v *Vault) checkLog(h *Health) error {
	b, err := os.ReadFile(filepath.Join(v.dir, v.log.name))
	if err != nil {
		return err
	}
	got, err := v.log.frames.fold(b, false, func([]op) error { return nil })
	if err != nil && !errors.As(err, &h.Log) {
		return err
	}
	if h.Log == nil && (got.n != v.log.n || got.size != v.log.size) {
		h.Log = &Damage{Frame: got.n, Lost: v.log.n - got.n, Rest: true}
	}
	return nil
}

// Mend removes from records the blobs that [Vault.Check] found unreadable, so that their
// owner knows they are gone and can bring them back; removes the packs that nothing refers to; and
// writes a damaged log anew from what this open vault knows. pass must be the vault's.
func (v *Vault) Mend(pass []byte, h *Health) error {
	if err := v.mend(pass, h); err != nil {
		return fmt.Errorf("mending the vault: %w", err)
	}
	return nil
}

func (v *Vault) mend(pass []byte, h *Health) error {
	if err := v.CheckPassphrase(pass); err != nil {
		return err
	}
	if h.Log != nil {
		if err := v.rekey(pass, v.keys.Secret); err != nil {
			return err
		}
	}
	var c Change
	mended := make(map[string]Record)
	for _, p := range h.Problems {
		id := string([]byte{byte(p.Kind)}) + p.Key
		r, ok := mended[id]
		if !ok {
			if r, ok = v.Get(p.Kind, []byte(p.Key)); !ok {
				continue
			}
			r.Blobs = slices.Clone(r.Blobs)
		}
		if p.Blob < len(r.Blobs) {
			r.Blobs[p.Blob] = Blob{}
		}
		mended[id] = r
		c.Put(p.Kind, []byte(p.Key), r.Value, r.Blobs...)
	}
	if err := v.commit(&c, nil); err != nil {
		return err
	}
	for _, name := range h.Surplus {
		if v.live.refs[name] > 0 {
			continue
		}
		delete(v.have, name)
		if err := scrubFile(v.packPath(name)); err != nil {
			return err
		}
	}
	return nil
}

// Lost are the places of a damaged log that a salvage skipped, see Options.Salvage.
func (v *Vault) Lost() []Damage { return v.damaged }
