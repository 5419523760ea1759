package reviewer

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"postern/crypto"
)

// keptDays is how long a server keeps a batch, in days.
const keptDays = 60

// ErrNothing says that no reply waits.
var ErrNothing = errors.New("no reply waits to be exported")

// Bundle is a file that was written for hand-in.
type Bundle struct {
	ID      string
	Path    string
	Replies int
}

func bundleName(id []byte) string { return hex.EncodeToString(id) }

// bundleFile is the name of a bundle on the way to the server. It says no more
// than that it is one.
func bundleFile(id []byte) string { return "postern-bundle-" + bundleName(id) + ".age" }

// Export writes all waiting replies as bundles into dir, each a new file that
// only the server opens; more than 8 replies make more than one. Bundles of few
// and of many replies look alike. The replies count as sent when all files are on the disk.
func (v *Vault) Export(dir string) ([]Bundle, error) {
	var waiting []int
	for i := range v.state.Messages {
		if o := v.state.Messages[i].Own; o != nil && o.Wire != nil && len(o.Bundle) == 0 {
			waiting = append(waiting, i)
		}
	}
	if len(waiting) == 0 {
		return nil, ErrNothing
	}
	next := v.state.clone()
	var out []Bundle
	for part := range slices.Chunk(waiting, crypto.BundleEntries) {
		var id crypto.BundleID
		_, _ = rand.Read(id[:])
		b, err := v.writeBundle(dir, id, part)
		if err != nil {
			return nil, fmt.Errorf("exporting: %w", err)
		}
		out = append(out, *b)
		for _, i := range part {
			o := *next.Messages[i].Own
			o.Bundle, o.Sent = id[:], v.Clock().Today()
			next.Messages[i].Own = &o
		}
	}
	if err := syncDir(dir); err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	if err := v.commit(next); err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	return out, nil
}

// ExportAgain writes a bundle once more, under the same id: for a lost stick,
// or a server that was restored. Handing one in twice changes nothing.
func (v *Vault) ExportAgain(dir, id string) (*Bundle, error) {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != len(crypto.BundleID{}) {
		return nil, errors.New("exporting: this is no bundle id: show gives it beside each reply")
	}
	var part []int
	for i := range v.state.Messages {
		if o := v.state.Messages[i].Own; o != nil && o.Wire != nil && slices.Equal(o.Bundle, raw) {
			part = append(part, i)
		}
	}
	if len(part) == 0 {
		return nil, fmt.Errorf("exporting: no reply of this bundle is kept: %d days after their release replies are kept in their case only", handInDays)
	}
	b, err := v.writeBundle(dir, crypto.BundleID(raw), part)
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	return b, nil
}

func (v *Vault) writeBundle(dir string, id crypto.BundleID, part []int) (*Bundle, error) {
	if v.dirs == nil {
		return nil, ErrNoDirectory
	}
	var entries []crypto.BundleEntry
	var open []io.Closer
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for _, i := range part {
		e := &v.state.Messages[i]
		r, closer, err := v.openBlob(*e.Own.Wire)
		if err != nil {
			return nil, err
		}
		open = append(open, closer)
		entries = append(entries, crypto.BundleEntry{Drop: crypto.Drop(e.Drop), Size: e.Own.Size, Data: r})
	}
	path := filepath.Join(dir, bundleFile(id[:]))
	head := crypto.Bundle{ID: id, Batches: v.imported()}
	err := createDurable(path, func(w io.Writer) error {
		return crypto.WriteBundle(w, v.dirs.Policy, v.dirs.Transfer, head, entries)
	})
	if err != nil {
		return nil, err
	}
	return &Bundle{ID: bundleName(id[:]), Path: path, Replies: len(part)}, nil
}

// imported names the batches that are here in full and that the server still
// keeps, the newest first, as many as a bundle can name.
func (v *Vault) imported() []crypto.BatchRef {
	var out []crypto.BatchRef
	batches := slices.SortedFunc(slices.Values(v.state.Batches), func(a, b batch) int {
		return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(b.Ordinal, a.Ordinal))
	})
	for _, b := range batches {
		if len(out) == crypto.MaxBatchRefs {
			break
		}
		if len(b.Have) == int(b.Volumes) && b.Day+keptDays >= v.state.Newest {
			out = append(out, crypto.BatchRef{Instance: crypto.InstanceID(b.Instance), Batch: b.Ordinal})
		}
	}
	return out
}
