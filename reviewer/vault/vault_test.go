package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postern/crypto/seedtest"
)

const testPass = "seven random words are good enough here"

var quick = Options{ScryptLogN: 2}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must takes a call's results as they are; what it returns stops the test on an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T { t.Helper(); check(t, err); return v }
}

// newVault is a vault in a folder of its own.
func newVault(t testing.TB) *Vault {
	t.Helper()
	seedtest.Set(t)
	v := must(Create(filepath.Join(t.TempDir(), "vault"), []byte(testPass), []byte("secret"), new(Change), quick))(t)
	t.Cleanup(func() { v.Close() })
	return v
}

// reopen closes a vault and opens it from the disk.
func reopen(t testing.TB, v *Vault) *Vault {
	t.Helper()
	v.Close()
	n := must(Open(v.dir, []byte(testPass), quick))(t)
	t.Cleanup(func() { n.Close() })
	return n
}

// blobOf adds a blob to a change, in a pack of its own.
func blobOf(t testing.TB, v *Vault, c *Change, text string) Blob {
	t.Helper()
	p := must(v.NewPack())(t)
	c.Pack(p)
	return addTo(t, p, text)
}

func addTo(t testing.TB, p *Pack, text string) Blob {
	t.Helper()
	w, done, err := p.Seal()
	check(t, err)
	must(io.WriteString(w, text))(t)
	check(t, w.Close())
	return done()
}

// read is a blob's text, or why there is none.
func read(v *Vault, b Blob) string {
	r, closer, err := v.OpenBlob(b)
	if err != nil {
		return err.Error()
	}
	defer closer.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// put commits a record with a blob.
func put(t testing.TB, v *Vault, kind Kind, key, value, blob string) {
	t.Helper()
	var c Change
	b := blobOf(t, v, &c, blob)
	c.Put(kind, []byte(key), []byte(value), b)
	check(t, v.Commit(&c))
}

// dump is all that a vault holds: records and the texts of their blobs.
func dump(v *Vault) string {
	var out []string
	for kind, list := range v.live.by {
		if kind == ownKind {
			continue
		}
		for key, r := range list {
			s := fmt.Sprintf("%d %q = %q", kind, key, r.Value)
			for _, b := range r.Blobs {
				s += fmt.Sprintf(" %q", read(v, b))
			}
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// files are those of a vault, by path.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	check(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		all[rel], err = os.ReadFile(p)
		return err
	}))
	return all
}

// What was committed is there, and what was not is not.
func TestCommit(t *testing.T) {
	v := newVault(t)
	put(t, v, 1, "a", "one", "blob one")
	put(t, v, 1, "b", "two", "blob two")
	put(t, v, 2, "a", "other", "blob other")
	var c Change
	c.Put(1, []byte("a"), []byte("thrown away"))
	c.Put(1, []byte("a"), []byte("changed"))
	c.Delete(1, []byte("b"))
	c.Delete(9, []byte("never there"))
	c.Put(3, nil, nil)
	check(t, v.Commit(&c))
	var never Change
	blobOf(t, v, &never, "never")
	never.Abandon()
	want := "1 \"a\" = \"changed\"\n2 \"a\" = \"other\" \"blob other\"\n3 \"\" = \"\""
	if got := dump(v); got != want {
		t.Errorf("it holds\n%s\nwant\n%s", got, want)
	}
	left := must(v.NewPack())(t) // of a change that was never committed
	addTo(t, left, "left")
	v = reopen(t, v)
	if got := dump(v); got != want {
		t.Errorf("opened again it holds\n%s", got)
	}
	if string(v.Secret()) != "secret" || v.Len(1) != 1 || v.Len(9) != 0 {
		t.Errorf("secret %q, %d, %d", v.Secret(), v.Len(1), v.Len(9))
	}
	if n := len(must(os.ReadDir(filepath.Join(v.dir, packDir)))(t)); n != 1 {
		t.Errorf("%d packs, want 1", n)
	}
	if h := must(v.Check(nil))(t); !h.Sound() || h.Records != 3 || h.Blobs != 1 {
		t.Errorf("%+v", h)
	}
	if w := v.Warnings(); len(w) != 0 {
		t.Error(w)
	}
	v.Close()
	if err := v.Commit(&Change{ops: []op{{kind: 1, put: true}}}); err == nil {
		t.Error("a closed vault took a change")
	}
}

// A blob that a change lets go is overwritten where it lies, and its pack goes with its last blob.
func TestLetGo(t *testing.T) {
	v := newVault(t)
	var c Change
	p := must(v.NewPack())(t)
	c.Pack(p)
	one, two := addTo(t, p, strings.Repeat("one ", 200)), addTo(t, p, strings.Repeat("two ", 200))
	c.Put(1, []byte("one"), nil, one)
	c.Put(1, []byte("two"), nil, two)
	check(t, v.Commit(&c))
	path := v.packPath(one.Pack)
	was := must(os.ReadFile(path))(t)
	c = Change{}
	c.Delete(1, []byte("one"))
	check(t, v.Commit(&c))
	is := must(os.ReadFile(path))(t)
	if bytes.Equal(is[one.Off+100:one.Off+one.Len], was[one.Off+100:one.Off+one.Len]) || !bytes.Equal(is[two.Off:two.Off+two.Len], was[two.Off:two.Off+two.Len]) {
		t.Error("not the one blob, and it alone, was overwritten")
	}
	if got := read(v, two); got != strings.Repeat("two ", 200) {
		t.Errorf("the other blob: %q", got)
	}
	c = Change{}
	c.Put(1, []byte("two"), []byte("without"))
	check(t, v.Commit(&c))
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) || v.HasPack(one.Pack) {
		t.Errorf("the pack is there: %v", err)
	}
	v = reopen(t, v)
	if got := dump(v); got != `1 "two" = "without"` {
		t.Error(got)
	}
}

// A log that ends within its last frame is a change that nobody was told of; anything else is
// damage, and never cut.
func TestTornAndDamaged(t *testing.T) {
	v := newVault(t)
	var ends []int64
	for i := range 4 {
		put(t, v, 1, fmt.Sprint(i), "value", "blob")
		ends = append(ends, v.log.size)
	}
	path := filepath.Join(v.dir, v.log.name)
	v.Close()
	whole := must(os.ReadFile(path))(t)
	last := whole[ends[2]:]
	flip := func(at int64) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 0x40
		return b
	}
	zeros := append(bytes.Clone(whole[:ends[2]]), make([]byte, len(last))...)
	for _, c := range []struct {
		name    string
		log     []byte
		records int // -1: refused
		salvage int // records
	}{
		{"whole", whole, 4, 4},
		{"cut before the last frame", whole[:ends[2]], 3, 3},
		{"one byte of the last frame", whole[:ends[2]+1], 3, 3},
		{"the last frame's head", whole[:ends[2]+headSize], 3, 3},
		{"half of the last frame", whole[:ends[2]+int64(len(last))/2], 3, 3},
		{"all but one byte", whole[:len(whole)-1], 3, 3},
		{"the last frame of zeros", zeros, 3, 3},
		{"the last frame's end was not written", append(bytes.Clone(whole[:len(whole)-50]), make([]byte, 50)...), 3, 3},
		{"a bit in the box of frame 2", flip(ends[0] + headSize + 30), -1, 3},
		{"a bit in the length of frame 2", flip(ends[0] + markSize), -1, 3},
		{"a bit in the tag of frame 2", flip(ends[0] + markSize + 5), -1, 3},
		{"a bit in the mark of frame 2", flip(ends[0]), -1, 3},
		{"a bit in the length of the last frame", flip(ends[2] + markSize), -1, 3},
		{"frame 2 is missing", slices.Concat(whole[:ends[0]], whole[ends[1]:]), -1, 3},
		{"frame 2 stands twice", slices.Concat(whole[:ends[1]], whole[ends[0]:]), -1, 4},
		{"frames 2 and 3 change places", slices.Concat(whole[:ends[0]], whole[ends[1]:ends[2]], whole[ends[0]:ends[1]], last), -1, 3},
		{"something follows", append(bytes.Clone(whole), "and more, of somebody else's making"...), -1, 4},
		{"nothing but noise", bytes.Repeat([]byte{7}, 5000), -1, 0},
		{"empty", nil, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, os.WriteFile(path, c.log, 0o600))
			n, err := Open(v.dir, []byte(testPass), quick)
			var damage *Damage
			switch {
			case c.records < 0 && !errors.As(err, &damage):
				t.Fatalf("opened: %v", err)
			case c.records < 0:
				if !bytes.Equal(must(os.ReadFile(path))(t), c.log) {
					t.Error("a damaged log was changed")
				}
			default:
				check(t, err)
				if n.Len(1) != c.records {
					t.Errorf("%d records, want %d", n.Len(1), c.records)
				}
				torn := c.records < 4 && len(c.log) > 0 && len(c.log) != int(ends[2])
				if w := n.Warnings(); torn != slices.ContainsFunc(w, func(s string) bool { return strings.Contains(s, "that change is not in the vault") }) {
					t.Errorf("torn %v, and it says %v", torn, w)
				}
				n.Close()
				if n = must(Open(v.dir, []byte(testPass), quick))(t); slices.ContainsFunc(n.Warnings(), func(s string) bool { return strings.Contains(s, "that change") }) {
					t.Error("a torn log was not ended")
				}
				n.Close()
			}
			// Whatever can be read of it is saved, into a log that is whole.
			check(t, os.WriteFile(path, c.log, 0o600))
			o := quick
			o.Salvage = true
			keys := must(os.ReadFile(filepath.Join(v.dir, keyName)))(t)
			packs := files(t, filepath.Join(v.dir, packDir))
			n = must(Open(v.dir, []byte(testPass), o))(t)
			if n.Len(1) != c.salvage || (len(n.Lost()) > 0) != (c.records < 0) {
				t.Errorf("%d records were saved, want %d; lost %v", n.Len(1), c.salvage, n.Lost())
			}
			n.Close()
			n = must(Open(v.dir, []byte(testPass), quick))(t)
			if n.Len(1) != c.salvage {
				t.Errorf("%d records after that", n.Len(1))
			}
			n.Close()
			// As it was before.
			for name := range files(t, v.dir) {
				if strings.HasPrefix(name, logPrefix) {
					check(t, os.Remove(filepath.Join(v.dir, name)))
				}
			}
			check(t, os.WriteFile(filepath.Join(v.dir, keyName), keys, 0o600))
			for name, b := range packs {
				check(t, os.WriteFile(filepath.Join(v.dir, packDir, name), b, 0o600))
			}
		})
	}
}

// What was forgotten can be read by nobody who takes the vault afterwards, with the passphrase: not
// with a copy of the old log either. The same after another passphrase and another secret.
func TestForget(t *testing.T) {
	v := newVault(t)
	put(t, v, 1, "keep", "kept value", "kept blob")
	put(t, v, 1, "gone", "forgotten value", "forgotten blob")
	gone, _ := v.Get(1, []byte("gone"))
	key := bytes.Clone(gone.Blobs[0].Key[:])
	old := files(t, v.dir)
	second := make(map[string]string) // names of the same files, that show what becomes of their bytes
	for name := range old {
		if strings.HasPrefix(name, logPrefix) || name == keyName || filepath.Base(name) == gone.Blobs[0].Pack {
			second[name] = filepath.Join(t.TempDir(), "second")
			check(t, os.Link(filepath.Join(v.dir, name), second[name]))
		}
	}
	var c Change
	c.Delete(1, []byte("gone"))
	if err := v.Forget([]byte("another one, which is wrong"), &c); !errors.Is(err, ErrPassphrase) {
		t.Fatal(err)
	}
	if _, ok := v.Get(1, []byte("gone")); !ok {
		t.Fatal("a wrong passphrase forgot something")
	}
	c = Change{}
	c.Delete(1, []byte("gone"))
	check(t, v.Forget([]byte(testPass), &c))
	if w := v.Warnings(); len(w) != 0 {
		t.Error(w)
	}
	for name, link := range second {
		was := old[name]
		for at, is := 0, must(os.ReadFile(link))(t); at+32 <= len(was); at += 32 {
			if bytes.Contains(is, was[at:at+32]) {
				t.Fatalf("%s was not overwritten at %d", name, at)
			}
		}
	}
	oldLog := ""
	for round, do := range []func() error{
		func() error { return nil },
		func() error { return v.SetPassphrase([]byte("the second passphrase")) },
		func() error { return v.SetSecret([]byte("the second passphrase"), []byte("second secret")) },
	} {
		check(t, do())
		now := files(t, v.dir)
		logs := 0
		for name, b := range now {
			if strings.HasPrefix(name, logPrefix) {
				logs++
				if _, was := old[name]; was || name == oldLog {
					t.Errorf("round %d: the old log is there", round)
				}
				oldLog = name
			}
			for was, o := range old {
				if was == lockName || was == spareName || strings.HasPrefix(was, packDir) && read(v, mustGet(t, v, "keep").Blobs[0]) == "kept blob" && v.have[filepath.Base(was)] {
					continue
				}
				for at := 0; at+64 <= len(o); at += 64 {
					if bytes.Contains(b, o[at:at+64]) {
						t.Fatalf("round %d: %s holds bytes of the old %s", round, name, was)
					}
				}
			}
		}
		if logs != 1 {
			t.Errorf("round %d: %d logs", round, logs)
		}
		// The keys that the vault has now open nothing of the old log, nor does what they seal name the old key.
		for name, b := range old {
			if !strings.HasPrefix(name, logPrefix) {
				continue
			}
			if _, err := newFrames(name, v.keys.Key).fold(b, false, func([]op) error { return errors.New("read") }); err == nil {
				t.Errorf("round %d: today's key reads the old log", round)
			}
		}
		for _, list := range v.live.by {
			for k, r := range list {
				if strings.Contains(k+string(r.Value), "forgotten") || bytes.Contains(appendBlobs(nil, r.Blobs), key) {
					t.Errorf("round %d: the forgotten is in record %q", round, k)
				}
			}
		}
	}
	if _, err := Open(v.dir, []byte(testPass), quick); !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
	v.Close()
	if _, err := Open(v.dir, []byte(testPass), quick); !errors.Is(err, ErrPassphrase) {
		t.Error(err)
	}
	n := must(Open(v.dir, []byte("the second passphrase"), quick))(t)
	defer n.Close()
	if got := dump(n); got != `1 "keep" = "kept value" "kept blob"` || string(n.Secret()) != "second secret" {
		t.Errorf("it holds %s and the secret %q", got, n.Secret())
	}
}

func mustGet(t testing.TB, v *Vault, key string) Record {
	t.Helper()
	r, ok := v.Get(1, []byte(key))
	if !ok {
		t.Fatalf("no record %q", key)
	}
	return r
}

func appendBlobs(out []byte, list []Blob) []byte {
	for _, b := range list {
		out = appendBlob(out, b)
	}
	return out
}

// A log with much dead weight is written anew when the vault is opened.
func TestCompaction(t *testing.T) {
	v := newVault(t)
	value := bytes.Repeat([]byte("x"), 1<<20)
	for range 5 {
		var c Change
		c.Put(1, []byte("a"), value)
		check(t, v.Commit(&c))
	}
	name := v.log.name
	put(t, v, 1, "b", "value", "blob")
	want := dump(v)
	v = reopen(t, v)
	if v.log.name != name {
		t.Fatal("it was written anew too early")
	}
	for range 4 {
		var c Change
		c.Put(1, []byte("a"), value)
		check(t, v.Commit(&c))
	}
	v = reopen(t, v)
	if v.log.name == name || v.log.size > 2<<20 || dump(v) != want {
		t.Errorf("%s, %d bytes", v.log.name, v.log.size)
	}
	if v = reopen(t, v); dump(v) != want {
		t.Error("and opened again it differs")
	}
}

// What is damaged, missing or surplus is found and named; mending removes what cannot be read, and no more.
func TestCheck(t *testing.T) {
	v := newVault(t)
	for _, k := range []string{"sound", "damaged", "cut", "missing"} {
		put(t, v, 1, k, k, "the blob "+k)
	}
	pack := func(k string) string { return v.packPath(mustGet(t, v, k).Blobs[0].Pack) }
	b := must(os.ReadFile(pack("damaged")))(t)
	b[len(b)-3] ^= 1
	check(t, os.WriteFile(pack("damaged"), b, 0o600))
	check(t, os.Truncate(pack("cut"), 90))
	check(t, os.Remove(pack("missing")))
	surplus := strings.Repeat("a", 24)
	check(t, os.WriteFile(v.packPath(surplus), []byte("of another backup"), 0o600))
	v = reopen(t, v)
	if w := v.Warnings(); len(w) != 1 || !strings.Contains(w[0], "1 of the vault's 4 packs are not there") {
		t.Error(w)
	}
	h := must(v.Check(nil))(t)
	found := make(map[string]bool)
	for _, p := range h.Problems {
		found[p.Key] = p.Missing
	}
	if !maps.Equal(found, map[string]bool{"damaged": false, "cut": false, "missing": true}) || !slices.Equal(h.Surplus, []string{surplus}) || h.Log != nil {
		t.Errorf("%+v", h)
	}
	if _, err := os.Stat(v.packPath(surplus)); err != nil {
		t.Error("looking removed a pack")
	}
	if err := v.Mend([]byte("wrong"), h); !errors.Is(err, ErrPassphrase) {
		t.Error(err)
	}
	check(t, v.Mend([]byte(testPass), h))
	if h := must(v.Check(nil))(t); !h.Sound() || h.Blobs != 1 {
		t.Errorf("after mending: %+v", h)
	}
	v = reopen(t, v)
	if v.Len(1) != 4 || read(v, mustGet(t, v, "sound").Blobs[0]) != "the blob sound" {
		t.Error(dump(v))
	}
	// The log, since it was opened.
	f := must(os.OpenFile(filepath.Join(v.dir, v.log.name), os.O_RDWR, 0))(t)
	must(f.WriteAt([]byte("rot"), 70))(t)
	check(t, f.Close())
	h = must(v.Check(nil))(t)
	if h.Log == nil {
		t.Fatal("a log that was damaged is not noticed")
	}
	check(t, v.Mend([]byte(testPass), h))
	if v = reopen(t, v); v.Len(1) != 4 {
		t.Error(dump(v))
	}
}

// A vault that was restored or copied in part is named as that.
func TestHalfAVault(t *testing.T) {
	v := newVault(t)
	put(t, v, 1, "a", "value", "blob")
	old := files(t, v.dir)
	put(t, v, 1, "b", "value", "blob")
	check(t, v.SetPassphrase([]byte(testPass)))
	v.Close()
	now := files(t, v.dir)
	write := func(name string, b []byte) { check(t, os.WriteFile(filepath.Join(v.dir, name), b, 0o600)) }
	// An older key file, whose log is not there: no log is touched.
	write(keyName, old[keyName])
	if _, err := Open(v.dir, []byte(testPass), quick); err == nil || !strings.Contains(err.Error(), "in part") {
		t.Error(err)
	}
	if got := files(t, v.dir); len(got) != len(now) {
		t.Error("something was removed")
	}
	// The key file and log of yesterday with the packs of today: nothing is removed, the pack is named.
	for name, b := range old {
		if strings.HasPrefix(name, logPrefix) {
			write(name, b)
		}
	}
	n := must(Open(v.dir, []byte(testPass), quick))(t)
	if h := must(n.Check(nil))(t); len(h.Surplus) != 1 || len(h.Problems) != 0 {
		t.Errorf("%+v", h)
	}
	n.Close()
	check(t, os.Remove(filepath.Join(v.dir, keyName)))
	if _, err := Open(v.dir, []byte(testPass), quick); !errors.Is(err, ErrNoVault) {
		t.Error(err)
	}
}

// A restore is whole or it is not there.
func TestRestore(t *testing.T) {
	v := newVault(t)
	for i := range 5 {
		put(t, v, 1, fmt.Sprint(i), "value", strings.Repeat("blob", 1000))
	}
	var backup bytes.Buffer
	check(t, v.Backup(&backup, []byte(testPass)))
	want := dump(v)
	dir := filepath.Join(t.TempDir(), "a", "restored")
	for n := 0; n < backup.Len(); n += backup.Len()/9 + 1 {
		if _, err := Restore(bytes.NewReader(backup.Bytes()[:n]), dir, []byte(testPass), quick); err == nil || Exists(dir) == nil {
			t.Fatalf("%d of %d bytes were restored: %v", n, backup.Len(), err)
		}
		if left := files(t, filepath.Dir(dir)); len(left) > 0 {
			t.Fatalf("%d of %d bytes: left behind: %v", n, backup.Len(), slices.Collect(maps.Keys(left)))
		}
	}
	// One that was killed, and a folder that a create that was killed left.
	check(t, os.MkdirAll(filepath.Join(dir+restoring, packDir), 0o700))
	check(t, os.WriteFile(filepath.Join(dir+restoring, keyName), nil, 0o600))
	check(t, os.WriteFile(filepath.Join(dir+restoring, newLogName()), nil, 0o600))
	check(t, os.MkdirAll(filepath.Join(dir, packDir), 0o700))
	r := must(Restore(bytes.NewReader(backup.Bytes()), dir, []byte(testPass), quick))(t)
	defer r.Close()
	if got := dump(r); got != want {
		t.Errorf("restored:\n%s\nwant\n%s", got, want)
	}
	put(t, r, 1, "more", "value", "blob")
	if r = reopen(t, r); r.Len(1) != 6 {
		t.Error("a change after the restore is lost")
	}
	if _, err := Restore(bytes.NewReader(backup.Bytes()), dir, []byte(testPass), quick); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	// A vault that was damaged is backed up and restored as it is, and that is said.
	check(t, os.Remove(r.packPath(mustGet(t, r, "1").Blobs[0].Pack)))
	r = reopen(t, r)
	backup.Reset()
	check(t, r.Backup(&backup, []byte(testPass)))
	n := must(Restore(bytes.NewReader(backup.Bytes()), filepath.Join(t.TempDir(), "n"), []byte(testPass), quick))(t)
	defer n.Close()
	if w := strings.Join(n.Warnings(), "\n"); !strings.Contains(w, "1 blobs cannot be read") {
		t.Error(w)
	}
}

// Property: whatever changes are made, closed and opened, forgotten and written anew between, a vault
// holds what a map would.
func TestLikeAMap(t *testing.T) {
	seedtest.Set(t)
	rapid.Check(t, func(r *rapid.T) {
		dir := must(os.MkdirTemp(t.TempDir(), ""))(t)
		v := must(Create(filepath.Join(dir, "v"), []byte(testPass), []byte("s"), new(Change), quick))(t)
		defer func() { v.Close() }()
		model := make(map[string]string)
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			var c Change
			var p *Pack
			for range rapid.IntRange(0, 4).Draw(r, "ops") {
				key := rapid.SampledFrom([]string{"a", "b", "c", "dd", ""}).Draw(r, "key")
				if rapid.IntRange(0, 2).Draw(r, "delete") == 0 {
					c.Delete(5, []byte(key))
					delete(model, key)
					continue
				}
				if p == nil || rapid.Bool().Draw(r, "new pack") {
					p = must(v.NewPack())(t)
					c.Pack(p)
				}
				text := rapid.StringN(0, 300, -1).Draw(r, "text")
				c.Put(5, []byte(key), []byte(text), addTo(t, p, text))
				model[key] = text
			}
			switch rapid.IntRange(0, 3).Draw(r, "how") {
			case 0:
				check(t, v.Forget([]byte(testPass), &c))
			case 1:
				check(t, v.Commit(&c))
				v.Close()
				v = must(Open(v.dir, []byte(testPass), quick))(t)
			default:
				check(t, v.Commit(&c))
			}
			got := make(map[string]string)
			for k, rec := range v.All(5) {
				got[k] = string(rec.Value)
				if text := read(v, rec.Blobs[0]); text != got[k] {
					r.Fatalf("the blob of %q is %q, want %q", k, text, got[k])
				}
			}
			if !maps.Equal(got, model) {
				r.Fatalf("it holds %v, want %v", got, model)
			}
			if h := must(v.Check(nil))(t); !h.Sound() || len(v.Warnings()) > 0 {
				r.Fatalf("%+v", h)
			}
		}
	})
}

// What is decoded encodes to the same bytes.
func FuzzChange(f *testing.F) {
	f.Add(encode(nil, []op{{kind: 1, key: "key", put: true, Record: Record{Value: []byte("value"), Blobs: []Blob{{}, {Pack: strings.Repeat("b", 24), Off: 1, Len: 2}}}}, {kind: 2, key: "gone"}}))
	f.Add(make([]byte, 256))
	f.Fuzz(func(t *testing.T, b []byte) {
		ops, err := decode(b)
		if err != nil {
			return
		}
		again := encode(nil, ops)
		if !bytes.Equal(again, bytes.TrimRight(b, "\x00")) && !bytes.HasPrefix(b, again) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

// Frames and whole logs, of whatever bytes: nothing opens that was not sealed, and nothing fails otherwise than it says.
func FuzzLog(f *testing.F) {
	fr := newFrames("log-x", make([]byte, 32))
	var log []byte
	for n := range uint64(3) {
		log = append(log, must(fr.seal(n, encode(nil, []op{{kind: 1, key: "k", put: true}})))(f)...)
	}
	f.Add(log, 0, byte(0))
	f.Add(log, 300, byte(1))
	f.Add(log[:len(log)-9], 9, byte(1))
	f.Fuzz(func(t *testing.T, b []byte, at int, x byte) {
		if len(b) > 0 && at >= 0 {
			b[at%len(b)] ^= x
		}
		n := 0
		got, err := fr.fold(b, false, func([]op) error { n++; return nil })
		if uint64(n) != got.n || got.size > int64(len(b)) || err == nil && !got.torn && got.size != int64(len(b)) {
			t.Fatalf("%d frames, %+v, %v", n, got, err)
		}
		saved, err := fr.fold(b, true, func([]op) error { return nil })
		if err != nil || saved.n < got.n {
			t.Fatalf("%+v, then %+v, %v", got, saved, err)
		}
	})
}
