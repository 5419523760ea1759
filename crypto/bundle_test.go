package crypto

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var testPolicy = Policy{Slots: 8, Quorum: 1}

type bundleItem struct {
	Drop            Drop
	Source, Readers []byte
}

func (b bundleItem) entry() BundleEntry {
	return BundleEntry{b.Drop, fileOf(b.Source), fileOf(b.Readers)}
}

func bundleEntries(items []bundleItem) (list []BundleEntry) {
	for _, b := range items {
		list = append(list, b.entry())
	}
	return list
}

func testItems(n int) (items []bundleItem) {
	for i := range n {
		label := fmt.Sprint("item ", i)
		items = append(items, bundleItem{Drop(counterBytes(label, 16)), counterBytes(label, 10+i), counterBytes(label+", readers", 10+i)})
	}
	return items
}

// collect gives callbacks that gather a bundle.
func collect(items *[]bundleItem) (func(Bundle) error, func(int, Drop, Copy, BundleFile) error) {
	return func(Bundle) error { return nil }, func(i int, drop Drop, c Copy, f BundleFile) error {
		data, err := io.ReadAll(f.Data)
		if err == nil && int64(len(data)) != f.Size {
			return fmt.Errorf("%d bytes of %d", len(data), f.Size)
		}
		switch {
		case c == SourceCopy && i == len(*items):
			*items = append(*items, bundleItem{Drop: drop, Source: data})
		case c == ReadersCopy && i == len(*items)-1 && drop == (*items)[i].Drop:
			(*items)[i].Readers = data
		default:
			return fmt.Errorf("copy %d of entry %d, with %d there", c, i, len(*items))
		}
		return err
	}
}

func readTestBundle(src io.Reader, id *Identity) (head Bundle, items []bundleItem, err error) {
	onHead, onFile := collect(&items)
	head, err = ReadBundle(src, id, onHead, onFile)
	return head, items, err
}

func readTestBundleFrames(b []byte) (head Bundle, items []bundleItem, err error) {
	onHead, onFile := collect(&items)
	head, err = readBundle(&entryFile{f: frameReader{r: bytes.NewReader(b)}, sum: sha256.New()}, onHead, onFile)
	return head, items, err
}

func writeBundleVector(t *testing.T) {
	writeVector(t, "bundle-1.txt", func() []byte {
		id := IdentityFromSeed(testSeed("bundle transfer"))
		instance := InstanceID(counterBytes("bundle instance", 16))
		head := Bundle{ID: BundleID(counterBytes("bundle", 16)), Batches: []BatchRef{{instance, 7}, {instance, 8}}}
		items := testItems(BundleEntries)
		items[2].Source, items[2].Readers = nil, nil
		var plain, file bytes.Buffer
		if err := writeBundleFrames(&plain, head, bundleEntries(items)); err != nil {
			t.Fatal(err)
		}
		file.Write(sealed(t, testPolicy, plain.Bytes(), [][]*Recipient{{id.Recipient()}}))
		got, _, err := readTestBundleFrames(plain.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		seed := id.Seed()
		var b bytes.Buffer
		fmt.Fprintf(&b, "# A bundle (FORMAT.md section 12). The plaintext is in the order of the entries below; sealed is the same, sealed once.\n"+
			"# batch INSTANCE ORDINAL; entry DROP SOURCE'S-COPY READERS'-COPY\ntransfer-seed %x\ntransfer %v\nid %x\n", seed[:], id.Recipient(), head.ID)
		for _, r := range head.Batches {
			fmt.Fprintf(&b, "batch %x %d\n", r.Instance, r.Batch)
		}
		for _, e := range items {
			fmt.Fprintf(&b, "entry %x %x %x\n", e.Drop, e.Source, e.Readers)
		}
		fmt.Fprintf(&b, "content %x\nplaintext %x\nsealed %s\n", got.Content, plain.Bytes(), base64.StdEncoding.EncodeToString(file.Bytes()))
		return b.Bytes()
	})
}

func TestBundleVector(t *testing.T) {
	writeBundleVector(t)
	v := readFileVector(t, "bundle-1.txt")
	id := IdentityFromSeed(Key(v.hex("transfer-seed")))
	if got := id.Recipient().String(); got != v.one("transfer") {
		t.Errorf("the transfer recipient is %s", got)
	}
	head := Bundle{ID: BundleID(v.hex("id"))}
	for _, line := range v.all("batch") {
		var instance string
		var r BatchRef
		if _, err := fmt.Sscan(line, &instance, &r.Batch); err != nil {
			t.Fatal(err)
		}
		r.Instance = InstanceID(unhex(t, instance))
		head.Batches = append(head.Batches, r)
	}
	var items []bundleItem
	for _, line := range v.all("entry") {
		f := strings.Split(line, " ")
		items = append(items, bundleItem{Drop(unhex(t, f[0])), unhex(t, f[1]), unhex(t, f[2])})
	}
	var plain bytes.Buffer
	if err := writeBundleFrames(&plain, head, bundleEntries(items)); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(plain.Bytes()); got != v.one("plaintext") {
		t.Errorf("the plaintext is %s", got)
	}
	gotHead, gotItems, err := readTestBundle(bytes.NewReader(v.base64("sealed")), id)
	if err != nil {
		t.Fatal(err)
	}
	head.Content = [32]byte(v.hex("content"))
	if d := cmp.Diff(head, gotHead) + cmp.Diff(items, gotItems); d != "" {
		t.Errorf("other contents came out: %s", d)
	}
	// The content once more by hand, from FORMAT.md.
	var hashes []string
	for _, e := range items {
		source, readers := sha256.Sum256(e.Source), sha256.Sum256(e.Readers)
		sum := sha256.Sum256(slices.Concat(e.Drop[:], source[:], readers[:]))
		hashes = append(hashes, string(sum[:]))
	}
	slices.Sort(hashes)
	if head.Content != sha256.Sum256([]byte(strings.Join(hashes, ""))) {
		t.Error("the content hash is another than FORMAT.md says")
	}
	// age itself opens it.
	stock, err := age.ParseHybridIdentity(id.AgeString())
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(v.base64("sealed")), stock)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain.Bytes()) {
		t.Errorf("age reads %d bytes, %v", len(got), err)
	}
}

// What is handed in comes out, whatever fills up the rest; the number of
// entries is always the same, and the fill differs from a real cover in
// nothing that the server sees (SECURITY.md S-16).
func TestBundleRoundTrip(t *testing.T) {
	id := NewIdentity()
	smallest := SealedSize(testPolicy.Slots, ClassSize(0))
	for n := range BundleEntries + 1 {
		head := Bundle{ID: BundleID{byte(n)}, Batches: []BatchRef{{InstanceID{1}, 5}, {InstanceID{2}, 6}}[:n%3]}
		if len(head.Batches) == 0 {
			head.Batches = nil
		}
		items := testItems(n)
		var b bytes.Buffer
		if err := WriteBundle(&b, testPolicy, id.Recipient(), head, bundleEntries(items)); err != nil {
			t.Fatal(err)
		}
		gotHead, got, err := readTestBundle(bytes.NewReader(b.Bytes()), id)
		if err != nil {
			t.Fatal(err)
		}
		gotHead.Content = [32]byte{}
		if d := cmp.Diff(head, gotHead); d != "" {
			t.Errorf("another head: %s", d)
		}
		if len(got) != BundleEntries {
			t.Fatalf("%d entries", len(got))
		}
		for _, want := range items {
			if !slices.ContainsFunc(got, func(b bundleItem) bool { return cmp.Equal(b, want) }) {
				t.Errorf("of %d entries, that for %x is missing", n, want.Drop)
			}
		}
		drops := map[Drop]bool{}
		for _, e := range got {
			if drops[e.Drop] {
				t.Errorf("drop %x twice", e.Drop)
			}
			drops[e.Drop] = true
			if slices.ContainsFunc(items, func(b bundleItem) bool { return b.Drop == e.Drop }) {
				continue
			}
			for _, file := range [][]byte{e.Source, e.Readers} {
				if int64(len(file)) != smallest {
					t.Errorf("a fill of %d bytes, not %d", len(file), smallest)
				}
				if _, err := Open(bytes.NewReader(file), id); !errors.Is(err, ErrNotForUs) {
					t.Errorf("a fill opens for the server: %v", err)
				}
			}
		}
	}
}

// A bundle of the same number of batches and of entries of the smallest class
// has one length, however many of them are fill.
func TestBundleLength(t *testing.T) {
	id := NewIdentity()
	var want int
	for n := range 3 {
		var items []bundleItem
		for range n {
			drop, source, readers, err := NewDummy(testPolicy)
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, bundleItem{drop, source, readers})
		}
		var b bytes.Buffer
		if err := WriteBundle(&b, testPolicy, id.Recipient(), Bundle{}, bundleEntries(items)); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			want = b.Len()
		}
		if b.Len() != want {
			t.Errorf("%d bytes with %d entries, %d with none", b.Len(), n, want)
		}
	}
}

// A desk keeps its dummies: a bundle written again of as many entries as it has
// room for holds these and no others, in whatever order, and is known by its
// content under any id.
func TestBundleAgain(t *testing.T) {
	id := NewIdentity()
	items := testItems(3)
	for len(items) < BundleEntries {
		drop, source, readers, err := NewDummy(testPolicy)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(source, readers) || slices.ContainsFunc(items, func(b bundleItem) bool { return b.Drop == drop || bytes.Equal(b.Source, source) }) {
			t.Error("two dummies are alike")
		}
		if size := SealedSize(testPolicy.Slots, ClassSize(0)); int64(len(source)) != size || int64(len(readers)) != size {
			t.Errorf("a dummy of %d and %d bytes", len(source), len(readers))
		}
		items = append(items, bundleItem{drop, source, readers})
	}
	sorted := func(items []bundleItem) []bundleItem {
		return slices.SortedFunc(slices.Values(items), func(a, b bundleItem) int { return bytes.Compare(a.Drop[:], b.Drop[:]) })
	}
	seen := map[[32]byte]bool{}
	for i := range 2 { // under another id and with other batches
		var b bytes.Buffer
		if err := WriteBundle(&b, testPolicy, id.Recipient(), Bundle{ID: BundleID{byte(i)}, Batches: make([]BatchRef, i)}, bundleEntries(items)); err != nil {
			t.Fatal(err)
		}
		head, got, err := readTestBundle(&b, id)
		if err != nil {
			t.Fatal(err)
		}
		if seen[head.Content] = true; len(seen) > 1 {
			t.Error("the same entries have another content hash")
		}
		if d := cmp.Diff(sorted(items), sorted(got)); d != "" {
			t.Errorf("other entries came out: %s", d)
		}
	}
	if _, _, _, err := NewDummy(Policy{Slots: 9, Quorum: 1}); err == nil {
		t.Error("a dummy of nine stanzas")
	}
}

// Whatever differs in drops or files, the content does.
func TestBundleContent(t *testing.T) {
	seen := map[[32]byte]string{}
	for name, change := range map[string]func(items []bundleItem){
		"itself": func([]bundleItem) {}, "drop": func(i []bundleItem) { i[0].Drop[0]++ },
		"source's copy": func(i []bundleItem) { i[1].Source[0]++ }, "readers' copy": func(i []bundleItem) { i[2].Readers[0]++ },
		"copies swapped": func(i []bundleItem) { i[3].Source, i[3].Readers = i[3].Readers, i[3].Source },
		"drops swapped":  func(i []bundleItem) { i[0].Drop, i[1].Drop = i[1].Drop, i[0].Drop },
	} {
		items := testItems(BundleEntries)
		change(items)
		var b bytes.Buffer
		if err := writeBundleFrames(&b, Bundle{}, bundleEntries(items)); err != nil {
			t.Fatal(err)
		}
		head, _, err := readTestBundleFrames(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[head.Content]; ok {
			t.Errorf("%s: the content of %s", name, other)
		}
		seen[head.Content] = name
	}
}

// The place of an entry says nothing: each place is taken sooner or later.
func TestBundleOrder(t *testing.T) {
	id := NewIdentity()
	items := testItems(BundleEntries) // full, so that nothing large is sealed
	seen := map[int]bool{}
	for range 400 { // misses a place once in 10^22 runs
		var b bytes.Buffer
		if err := WriteBundle(&b, testPolicy, id.Recipient(), Bundle{}, bundleEntries(items)); err != nil {
			t.Fatal(err)
		}
		_, got, err := readTestBundle(&b, id)
		if err != nil {
			t.Fatal(err)
		}
		seen[slices.IndexFunc(got, func(b bundleItem) bool { return b.Drop == items[0].Drop })] = true
		if len(seen) == BundleEntries {
			return
		}
	}
	t.Errorf("the first entry only ever came at %v", seen)
}

func TestWriteBundleRefuses(t *testing.T) {
	to := NewIdentity().Recipient()
	err := WriteBundle(io.Discard, testPolicy, to, Bundle{}, bundleEntries(testItems(BundleEntries+1)))
	refused(t, err, "at most 4 and 1024")
	err = WriteBundle(io.Discard, testPolicy, to, Bundle{Batches: make([]BatchRef, MaxBatchRefs+1)}, nil)
	refused(t, err, "at most 4 and 1024")
	if err := WriteBundle(io.Discard, testPolicy, to, Bundle{Batches: make([]BatchRef, MaxBatchRefs)}, nil); err != nil {
		t.Errorf("as many batches as may be: %v", err)
	}
	short := testItems(1)[0].entry()
	short.Source.Size++
	refused(t, WriteBundle(io.Discard, testPolicy, to, Bundle{}, []BundleEntry{short}), "must have one size")
	short.Readers.Size++
	if err := WriteBundle(io.Discard, testPolicy, to, Bundle{}, []BundleEntry{short}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an entry shorter than said: %v", err)
	}
	short.Source.Size, short.Readers.Size = -1, -1
	refused(t, WriteBundle(io.Discard, testPolicy, to, Bundle{}, []BundleEntry{short}), "an entry of -1 bytes")
	if err := WriteBundle(&failAfter{n: 70 << 10}, testPolicy, to, Bundle{}, nil); !errors.Is(err, errDisk) {
		t.Errorf("a full disk: %v", err)
	}
}

func bundleFrames(entries int, changes ...func([]rawFrame) []rawFrame) []byte {
	frames := []rawFrame{{frameBundleHead, zeros(16 + batchRefSize)}}
	for range entries {
		frames = append(frames, rawFrame{frameBundleDrop, zeros(16)}, rawFrame{frameEntryBegin, length(3)}, rawFrame{frameEntryData, []byte("abc")},
			rawFrame{frameEntryBegin, length(3)}, rawFrame{frameEntryData, []byte("xyz")})
	}
	for _, c := range changes {
		frames = c(frames)
	}
	return withTail(untailed("PSR1", frames))
}

func untailed(magic string, frames []rawFrame) []byte {
	b := rawVolume(magic, frames...)
	return b[:len(b)-frameHead]
}

// withTail adds a fitting hash and the end: without it nearly everything is
// refused for its hash alone.
func withTail(b []byte) []byte {
	sum := sha256.Sum256(b)
	var tail bytes.Buffer
	w := &frameWriter{w: &tail}
	w.frame(frameBundleHash, sum[:])
	w.end()
	return append(b[:len(b):len(b)], tail.Bytes()...)
}

// bundleTail is the hash frame and the end frame.
const bundleTail = frameHead + sha256.Size + frameHead

func TestReadBundleRefuses(t *testing.T) {
	put := func(i int, typ byte, data []byte) func([]rawFrame) []rawFrame {
		return func(f []rawFrame) []rawFrame { f[i] = rawFrame{typ, data}; return f }
	}
	good := bundleFrames(BundleEntries)
	if _, items, err := readTestBundleFrames(good); err != nil || len(items) != BundleEntries {
		t.Fatalf("the bundle that the others are changed from: %d entries, %v", len(items), err)
	}
	for _, c := range []struct {
		name, want string
		b          []byte
	}{
		{"empty", "unexpected EOF", nil},
		{"a volume", "not a file of this kind", rawVolume("PSB1")},
		{"no head", "no bundle head", bundleFrames(BundleEntries, put(0, frameBundleDrop, zeros(16)))},
		{"head of 15 bytes", "no bundle head", bundleFrames(BundleEntries, put(0, frameBundleHead, zeros(15)))},
		{"half a batch", "no bundle head", bundleFrames(BundleEntries, put(0, frameBundleHead, zeros(16+batchRefSize/2)))},
		{"batches too many", "no bundle head", bundleFrames(BundleEntries, put(0, frameBundleHead, zeros(16+batchRefSize*(MaxBatchRefs+1))))},
		{"an entry missing", "where an entry begins", bundleFrames(BundleEntries - 1)},
		{"an entry too many", "hash at the end is missing", bundleFrames(BundleEntries + 1)},
		{"drop of 15 bytes", "where an entry begins", bundleFrames(BundleEntries, put(1, frameBundleDrop, zeros(15)))},
		{"no drop", "where an entry begins", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return slices.Delete(f, 1, 2) })},
		{"no begin", "where an entry begins", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return slices.Delete(f, 2, 3) })},
		{"no data", "in an entry", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return slices.Delete(f, 3, 4) })},
		{"one copy only", "where an entry begins", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return slices.Delete(f, 4, 6) })},
		{"copies of two sizes", "copies of 3 and 2 bytes", bundleFrames(BundleEntries, put(4, frameEntryBegin, length(2)), put(5, frameEntryData, []byte("xy")))},
		{"a third copy", "where an entry begins", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return slices.Insert(f, 6, f[4], f[5]) })},
		{"padding", "hash at the end is missing", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return append(f, rawFrame{frameVolumePad, nil}) })},
		{"another hash", "hash at the end is missing or differs", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return append(f, rawFrame{frameBundleHash, zeros(32)}) })},
		{"hash of 31 bytes", "hash at the end", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return append(f, rawFrame{frameBundleHash, zeros(31)}) })},
		{"frame after the hash", "out of place", append(slices.Clone(good[:len(good)-frameHead]), frameVolumePad, 0, 0, 0, 0)},
		{"bytes after the end", "bytes after the end", append(slices.Clone(good), 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readTestBundleFrames(c.b)
			refused(t, err, c.want)
		})
	}
}

func TestBundleDamage(t *testing.T) {
	id := NewIdentity()
	var b bytes.Buffer
	if err := WriteBundle(&b, testPolicy, id.Recipient(), Bundle{ID: BundleID{1}}, bundleEntries(testItems(BundleEntries))); err != nil {
		t.Fatal(err)
	}
	good := b.Bytes()
	if _, _, err := readTestBundle(bytes.NewReader(good), NewIdentity()); !errors.Is(err, ErrNotForUs) {
		t.Errorf("opened with another key: %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, len(good)-1).Draw(t, "at")
		if _, _, err := readTestBundle(bytes.NewReader(good[:i]), id); err == nil {
			t.Fatalf("cut at %d: read without error", i)
		}
		flipped := slices.Clone(good)
		flipped[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, _, err := readTestBundle(bytes.NewReader(flipped), id); err == nil {
			t.Fatalf("bit flipped at %d: read without error", i)
		}
	})
	if _, _, err := readTestBundle(bytes.NewReader(append(slices.Clone(good), 0)), id); err == nil {
		t.Error("a byte after the end: read without error")
	}
	broken := io.MultiReader(bytes.NewReader(good[:len(good)-30]), iotest.ErrReader(errDisk))
	if _, _, err := readTestBundle(broken, id); !errors.Is(err, errDisk) {
		t.Errorf("a broken stick: %v", err)
	}
}

func TestReadBundleStops(t *testing.T) {
	id, stop := NewIdentity(), errors.New("enough")
	var b bytes.Buffer
	if err := WriteBundle(&b, testPolicy, id.Recipient(), Bundle{}, bundleEntries(testItems(BundleEntries))); err != nil {
		t.Fatal(err)
	}
	_, err := ReadBundle(bytes.NewReader(b.Bytes()), id, func(Bundle) error { return stop }, nil)
	if !errors.Is(err, stop) {
		t.Errorf("stopped at the head: %v", err)
	}
	calls := 0
	got, err := ReadBundle(bytes.NewReader(b.Bytes()), id, func(Bundle) error { return nil }, func(int, Drop, Copy, BundleFile) error { calls++; return stop })
	if got.Content != ([32]byte{}) {
		t.Error("a content hash of half a bundle")
	}
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("stopped at the first entry: %v after %d", err, calls)
	}
}

func FuzzReadBundle(f *testing.F) {
	for _, batches := range []int{0, 1} {
		var b bytes.Buffer
		if err := writeBundleFrames(&b, Bundle{ID: BundleID{1}, Batches: make([]BatchRef, batches)}, bundleEntries(testItems(BundleEntries))); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes()[:b.Len()-bundleTail])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = withTail(b)
		head, items, err := readTestBundleFrames(b)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeBundleFrames(&again, head, bundleEntries(items)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, again.Bytes()) {
			t.Errorf("written again, other bytes: %x", again.Bytes())
		}
	})
}
