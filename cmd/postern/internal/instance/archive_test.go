package instance

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"postern/crypto"
	"postern/store"
)

// entry is a file of an archive.
type entry struct {
	name string
	data []byte
}

// backedUpPreview is an instance with a directory and data, and the files of its full backup.
func backedUpPreview(t *testing.T) (*Instance, []entry) {
	t.Helper()
	i, err := OpenPreview(filepath.Join(t.TempDir(), "srv"))
	if err != nil {
		t.Fatal(err)
	}
	i.Conf.Storage.Quota, i.Conf.Limits.FileSize = 1<<30, 1<<20
	i.Conf.Batches = batches{Hours: []int{6}, Size: 4, Urgent: 1} // whose cover is small
	offline := crypto.NewIdentity()
	i.Conf.Backup.Recipient = offline.Recipient().String()
	i.Conf.Tor.Torrc = []string{"ClientTransportPlugin x exec /bin/touch ran"}
	i.Conf.Tor.Binary = "/tmp/evil"
	if err := writeFile(i.ConfigPath(), []byte(i.Conf.Text())); err != nil {
		t.Fatal(err)
	}
	db, err := i.OpenStore(false)
	if err != nil {
		t.Fatal(err)
	}
	u, err := db.NewUpload(store.ItemID{1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(bytes.Repeat([]byte("data"), 3<<20)); err != nil { // several pieces
		t.Fatal(err)
	}
	if err := errors.Join(u.Finish(), db.Apply(t.Context(), store.Adopt(u))); err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := errors.Join(i.Backup(t.Context(), &sealed, db), db.Close()); err != nil {
		t.Fatal(err)
	}
	id, err := age.ParseIdentities(strings.NewReader(offline.AgeString()))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(&sealed, id...)
	if err != nil {
		t.Fatal(err)
	}
	var list []entry
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return i, list
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, entry{h.Name, b})
	}
}

func packed(t *testing.T, list []entry) io.Reader {
	t.Helper()
	var b bytes.Buffer
	a := &archive{t: tar.NewWriter(&b), sum: sha256.New()}
	for _, e := range list {
		if err := a.add(e.name, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.t.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// restored reads a backup and restores it, trusting the instance's own root.
func restored(t *testing.T, i *Instance, list []entry) (dir string, b *Backup, err error) {
	t.Helper()
	roots, err := i.Roots()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "new")
	if b, err = ReadBackup(packed(t, list)); err != nil {
		return dir, nil, err
	}
	if err := b.Trust(roots); err != nil {
		return dir, b, err
	}
	return dir, b, b.Restore(t.Context(), dir, "")
}

// A backup comes back, without what names programs; a forged or changed one never
// does (SECURITY.md S-19).
func TestForgedBackup(t *testing.T) {
	i, good := backedUpPreview(t)
	dir, b, err := restored(t, i, good)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Left) != 2 || b.Name != "preview" || !b.Full || len(b.Roots) != 1 {
		t.Errorf("the backup says %+v", b)
	}
	back, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if back.Conf.Tor.Binary != Defaults().Tor.Binary || len(back.Conf.Tor.Torrc) > 0 || back.Salt != i.Salt || back.ID == i.ID {
		t.Errorf("restored: %+v", back)
	}

	at := func(list []entry, name string) int {
		n := slices.IndexFunc(list, func(e entry) bool { return e.name == name })
		if n < 0 {
			t.Fatalf("the backup has no %s", name)
		}
		return n
	}
	change := func(name string, f func([]byte) []byte) func([]entry) []entry {
		return func(list []entry) []entry {
			n := at(list, name)
			list[n].data = f(bytes.Clone(list[n].data))
			return list
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	forged := map[string]func([]entry) []entry{
		"another day":            change(backupMark, func(b []byte) []byte { return bytes.Replace(b, []byte("20"), []byte("30"), 1) }),
		"identity called full":   change(backupMark, func(b []byte) []byte { return bytes.Replace(b, []byte("full"), []byte("identity"), 1) }),
		"a setting":              change("postern.conf", func(b []byte) []byte { return bytes.Replace(b, []byte("files = 10"), []byte("files = 11"), 1) }),
		"another address":        change("keys/onion.key", func(b []byte) []byte { b[len(b)-1] ^= 4; return b }),
		"the signature":          change(headSignature, flip),
		"a page more":            func(l []entry) []entry { return slices.Insert(l, 1, entry{"pages/x.en.md", []byte("# X\n")}) },
		"a file twice":           func(l []entry) []entry { return slices.Insert(l, 2, l[1]) },
		"a path elsewhere":       func(l []entry) []entry { return slices.Insert(l, 1, entry{"../x", nil}) },
		"two files changed over": func(l []entry) []entry { l[1], l[2] = l[2], l[1]; return l },
		"no signature":           func(l []entry) []entry { n := at(l, headSignature); return slices.Delete(l, n, n+1) },
		"data":                   change(pieceName(1), flip),
		"data without signature": func(l []entry) []entry { return l[:len(l)-1] },
		"data signed elsewhere":  change(dataSignature, flip),
		"a piece less":           func(l []entry) []entry { n := at(l, pieceName(1)); return slices.Delete(l, n, n+1) },
		"the last piece less":    func(l []entry) []entry { return slices.Delete(l, len(l)-2, len(l)-1) },
		"something after":        func(l []entry) []entry { return append(l, entry{"proposal.txt", nil}) },
		"nothing":                func([]entry) []entry { return nil },
	}
	for name, f := range forged {
		t.Run(name, func(t *testing.T) {
			list := f(slices.Clone(good))
			dir, _, err := restored(t, i, list)
			if err == nil {
				t.Fatal("restored")
			}
			if _, err := os.Stat(filepath.Join(dir, "instance")); err == nil {
				t.Error("an instance was made")
			}
			t.Log(err)
		})
	}

	// Whoever has the public key and what is public besides can write and sign a
	// backup, with a key of their own: the directory names another.
	t.Run("signed with a forger's key", func(t *testing.T) {
		var seed crypto.Key
		list := change("keys/signing.key", func([]byte) []byte { return fmt.Appendf(nil, "%x\n", seed[:]) })(slices.Clone(good))
		list = change("postern.conf", func(b []byte) []byte { return bytes.Replace(b, []byte("files = 10"), []byte("files = 11"), 1) })(list)
		a := &archive{tar.NewWriter(io.Discard), sha256.New(), ed25519.NewKeyFromSeed(seed[:])}
		for n, e := range list {
			if path.Base(e.name) == headSignature {
				list[n].data = ed25519.Sign(a.key, signedPart(a.sum))
			}
			if err := a.add(e.name, list[n].data); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := restored(t, i, list); err == nil {
			t.Error("restored")
		}
	})

	// Signed well, by a server of somebody else's root.
	_, vkey, err := crypto.NewRoot("other")
	if err != nil {
		t.Fatal(err)
	}
	b, err = ReadBackup(packed(t, good))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Trust([]string{vkey}); err == nil {
		t.Error("another root is taken for the operator's")
	}
	if err := b.Restore(t.Context(), filepath.Join(t.TempDir(), "new"), ""); err == nil {
		t.Error("restored without trust")
	}
}

// What is no backup, or was cut, is an error and no crash.
func FuzzReadBackup(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := ReadBackup(bytes.NewReader(b)); err == nil {
			t.Error("anybody's bytes are a backup")
		}
	})
}
