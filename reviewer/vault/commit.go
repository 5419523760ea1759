package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"postern/store/durable"
)

// The vault's own records are what is still to be done after a change. Their keys:
//
//	"p" and a pack's raw name             overwrite and remove the pack
//	"b", the name, offset of a blob       overwrite the blob; value: how many bytes
//	"k"                                   write the log anew under a fresh key
const (
	todoPack  = 'p'
	todoBlob  = 'b'
	todoRekey = "k"
)

var errClosed = errors.New("the vault is closed")

func todoPackOf(name string) string {
	raw, _ := packNames.DecodeString(name)
	return string(append([]byte{todoPack}, raw...))
}

func todoBlobOf(b Blob) string {
	raw, _ := packNames.DecodeString(b.Pack)
	return string(binary.BigEndian.AppendUint64(append([]byte{todoBlob}, raw...), uint64(b.Off))) //nolint:gosec // not negative
}

// Commit makes a change one durable step. On error the vault is as before, and the packs of
// the change are gone; or what is on the disk is not known, and nothing can be
// committed any more. Once the change is there nothing is an error: what fails then leaves a
// warning and is done at the next start.
func (v *Vault) Commit(c *Change) error {
	if err := v.commit(c, nil); err != nil {
		return fmt.Errorf("writing the vault: %w", err)
	}
	return nil
}

// commit appends the change. room, if there is one, is called once when the disk is full: it says whether it made room.
func (v *Vault) commit(c *Change, room func() bool) error {
	if v.log == nil {
		return errClosed
	}
	if v.log.failed != nil {
		return v.log.failed
	}
	if c.Empty() {
		c.Abandon()
		return nil
	}
	for _, p := range c.packs {
		if err := p.finish(); err != nil {
			c.Abandon()
			return err
		}
	}
	if len(c.packs) > 0 {
		if err := durable.SyncDir(filepath.Join(v.dir, packDir)); err != nil {
			c.Abandon()
			return err
		}
	}
	ops := v.withTodo(c.ops)
	change := encode(nil, ops)
	defer clear(change)
	err := v.log.append(change)
	if isFull(err) && v.log.failed == nil && room != nil && room() {
		err = v.log.append(change)
	}
	if err != nil {
		if v.log.failed != nil { // the disk may have the change, and the change its packs
			c.packs = nil
		}
		c.Abandon()
		return err
	}
	v.live.apply(ops)
	v.done = make(map[string]bool)
	v.adopt(c.packs)
	v.tidy()
	return nil
}

// withTodo adds to a change what is to be done after it, and takes away what was done.
func (v *Vault) withTodo(ops []op) []op {
	blobs, packs := v.live.letGo(ops)
	out := ops[:len(ops):len(ops)]
	for _, p := range packs {
		out = append(out, op{kind: ownKind, key: todoPackOf(p), put: true})
	}
	for _, b := range blobs {
		out = append(out, op{kind: ownKind, key: todoBlobOf(b), put: true,
			Record: Record{Value: binary.BigEndian.AppendUint64(nil, uint64(b.Len))}}) //nolint:gosec // not negative
	}
	for key := range v.done {
		out = append(out, op{kind: ownKind, key: key})
	}
	return out
}

// adopt makes the packs of a change that was committed packs of the vault. What fails is
// done at the next start; blobs in it can be read meanwhile.
func (v *Vault) adopt(packs []*Pack) {
	for _, p := range packs {
		if v.live.refs[p.name] == 0 { // nothing was put in it that the change kept
			p.Abandon()
			continue
		}
		v.have[p.name] = true
		step("adopt pack")
		if err := os.Rename(p.path, v.packPath(p.name)); err != nil {
			v.warn(err)
		}
	}
}

// tidy overwrites what changes let go. What cannot be is told, and tried again at the next start.
func (v *Vault) tidy() {
	var failed error
	for key, rec := range v.live.by[ownKind] {
		if v.done[key] || len(key) < 1+packNameSize { // todoRekey is short
			continue
		}
		name := packNames.EncodeToString([]byte(key[1 : 1+packNameSize]))
		var err error
		if key[0] == todoPack {
			delete(v.have, name)
			err = errors.Join(scrubFile(v.packPath(name)), scrubFile(v.packPath(name+newPack)))
		} else if len(key) == 1+packNameSize+8 && len(rec.Value) == 8 {
			off, n := binary.BigEndian.Uint64([]byte(key[1+packNameSize:])), binary.BigEndian.Uint64(rec.Value)
			err = v.scrubBlob(Blob{Pack: name, Off: int64(off), Len: int64(n)}) //nolint:gosec // written by todoBlobOf
		}
		if err != nil {
			failed = err
			continue
		}
		v.done[key] = true
	}
	if failed != nil {
		v.warn(fmt.Errorf("keys were forgotten, but not all of their ciphertext was overwritten: %w", failed))
	}
}

// scrubBlob overwrites a blob in a pack that holds others.
func (v *Vault) scrubBlob(b Blob) error {
	f, err := v.openPack(b.Pack, os.O_WRONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && b.Off < st.Size() { // a pack that lost its end grows no new one
		step("scrub blob")
		err = durable.Scrub(f, b.Off, min(b.Len, st.Size()-b.Off))
	}
	return errors.Join(err, f.Close())
}
