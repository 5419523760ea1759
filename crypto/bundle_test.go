package crypto

import (
	"bytes"
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
	Drop Drop
	Data []byte
}

func (b bundleItem) entry() BundleEntry {
	return BundleEntry{Drop: b.Drop, Size: int64(len(b.Data)), Data: bytes.NewReader(b.Data)}
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
		items = append(items, bundleItem{Drop(counterBytes(label, 16)), counterBytes(label, 10+i)})
	}
	return items
}

// collect gives callbacks that gather a bundle.
func collect(head *Bundle, items *[]bundleItem) (func(Bundle) error, func(int, BundleEntry) error) {
	return func(b Bundle) error { *head = b; return nil }, func(i int, e BundleEntry) error {
		data, err := io.ReadAll(e.Data)
		if i != len(*items) || err == nil && int64(len(data)) != e.Size {
			return fmt.Errorf("entry %d of %d bytes came as number %d with %d", len(*items), e.Size, i, len(data))
		}
		*items = append(*items, bundleItem{e.Drop, data})
		return err
	}
}

func readTestBundle(src io.Reader, id *Identity) (head Bundle, items []bundleItem, err error) {
	onHead, onEntry := collect(&head, &items)
	return head, items, ReadBundle(src, id, onHead, onEntry)
}

func readTestBundleFrames(b []byte) (head Bundle, items []bundleItem, err error) {
	onHead, onEntry := collect(&head, &items)
	err = readBundle(newHashedReader(bytes.NewReader(b)), onHead, onEntry)
	return head, items, err
}

func TestBundleVector(t *testing.T) {
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
		drop, data, _ := strings.Cut(line, " ")
		items = append(items, bundleItem{Drop(unhex(t, drop)), unhex(t, data)})
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
	if d := cmp.Diff(head, gotHead) + cmp.Diff(items, gotItems); d != "" {
		t.Errorf("other contents came out: %s", d)
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
			if int64(len(e.Data)) != smallest {
				t.Errorf("a fill of %d bytes, not %d", len(e.Data), smallest)
			}
			if _, err := Open(bytes.NewReader(e.Data), id); !errors.Is(err, ErrNotForUs) {
				t.Errorf("a fill opens for the server: %v", err)
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
			drop, file, err := NewDummy(testPolicy)
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, bundleItem{drop, file})
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
// room for holds these and no others, in whatever order.
func TestBundleAgain(t *testing.T) {
	id := NewIdentity()
	items := testItems(3)
	for len(items) < BundleEntries {
		drop, file, err := NewDummy(testPolicy)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(items, func(b bundleItem) bool { return b.Drop == drop || bytes.Equal(b.Data, file) }) {
			t.Error("two dummies are alike")
		}
		if int64(len(file)) != SealedSize(testPolicy.Slots, ClassSize(0)) {
			t.Errorf("a dummy of %d bytes", len(file))
		}
		items = append(items, bundleItem{drop, file})
	}
	sorted := func(items []bundleItem) []bundleItem {
		return slices.SortedFunc(slices.Values(items), func(a, b bundleItem) int { return bytes.Compare(a.Drop[:], b.Drop[:]) })
	}
	for range 2 {
		var b bytes.Buffer
		if err := WriteBundle(&b, testPolicy, id.Recipient(), Bundle{}, bundleEntries(items)); err != nil {
			t.Fatal(err)
		}
		_, got, err := readTestBundle(&b, id)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sorted(items), sorted(got)); d != "" {
			t.Errorf("other entries came out: %s", d)
		}
	}
	if _, _, err := NewDummy(Policy{Slots: 9, Quorum: 1}); err == nil {
		t.Error("a dummy of nine stanzas")
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
	refused(t, err, "at most 8 and 1024")
	err = WriteBundle(io.Discard, testPolicy, to, Bundle{Batches: make([]BatchRef, MaxBatchRefs+1)}, nil)
	refused(t, err, "at most 8 and 1024")
	if err := WriteBundle(io.Discard, testPolicy, to, Bundle{Batches: make([]BatchRef, MaxBatchRefs)}, nil); err != nil {
		t.Errorf("as many batches as may be: %v", err)
	}
	short := testItems(1)[0].entry()
	short.Size++
	if err := WriteBundle(io.Discard, testPolicy, to, Bundle{}, []BundleEntry{short}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an entry shorter than said: %v", err)
	}
	short.Size = -1
	refused(t, WriteBundle(io.Discard, testPolicy, to, Bundle{}, []BundleEntry{short}), "an entry of -1 bytes")
	if err := WriteBundle(&failAfter{n: 70 << 10}, testPolicy, to, Bundle{}, nil); !errors.Is(err, errDisk) {
		t.Errorf("a full disk: %v", err)
	}
}

func bundleFrames(entries int, changes ...func([]rawFrame) []rawFrame) []byte {
	frames := []rawFrame{{frameBundleHead, zeros(16 + batchRefSize)}}
	for range entries {
		frames = append(frames, rawFrame{frameBundleDrop, zeros(16)}, rawFrame{frameEntryBegin, length(3)}, rawFrame{frameEntryData, []byte("abc")})
	}
	for _, c := range changes {
		frames = c(frames)
	}
	return rawVolume("PSR1", frames...)
}

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
		{"an entry too many", "out of place", bundleFrames(BundleEntries + 1)},
		{"drop of 15 bytes", "where an entry begins", bundleFrames(BundleEntries, put(1, frameBundleDrop, zeros(15)))},
		{"no drop", "where an entry begins", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return slices.Delete(f, 1, 2) })},
		{"no begin", "where an entry begins", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return slices.Delete(f, 2, 3) })},
		{"no data", "in an entry", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return slices.Delete(f, 3, 4) })},
		{"padding", "out of place", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return append(f, rawFrame{frameVolumePad, nil}) })},
		{"another hash", "hash at the end differs", bundleFrames(BundleEntries, func(f []rawFrame) []rawFrame { return append(f, rawFrame{frameBundleHash, zeros(32)}) })},
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
	err := ReadBundle(bytes.NewReader(b.Bytes()), id, func(Bundle) error { return stop }, nil)
	if !errors.Is(err, stop) {
		t.Errorf("stopped at the head: %v", err)
	}
	calls := 0
	err = ReadBundle(bytes.NewReader(b.Bytes()), id, func(Bundle) error { return nil }, func(int, BundleEntry) error { calls++; return stop })
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
		f.Add(b.Bytes()[:b.Len()-volumeTail])
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
