package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var serverKey = func() ed25519.PrivateKey {
	seed := testSeed("server signing")
	return ed25519.NewKeyFromSeed(seed[:])
}()

func serverPub() ed25519.PublicKey {
	return serverKey.Public().(ed25519.PublicKey) //nolint:forcetypeassert // always that type
}

// testHead is the head of a batch whose second volume holds these entries.
func testHead(entries ...[]byte) *BatchHead {
	h := &BatchHead{
		Instance: InstanceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Ordinal: 7, Lane: LaneRegular,
		Day: 20781, DirVersion: 3, Slots: 8, Revision: 1, Before: sha256.Sum256([]byte("batch 6")),
		Volumes: [][]EntryRef{{{3, sha256.Sum256([]byte("one"))}}, nil},
	}
	h.Volumes[1] = refs(entries)
	return h
}

func refs(entries [][]byte) (list []EntryRef) {
	for _, e := range entries {
		list = append(list, EntryRef{int64(len(e)), sha256.Sum256(e)})
	}
	return list
}

func writeTestVolume(signed []byte, volume int, size int64, entries ...[]byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := NewVolumeWriter(&b, signed, volume, size)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := w.Entry(bytes.NewReader(e)); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// testVolume is the second volume of testHead.
func testVolume(t testing.TB, size int64, entries ...[]byte) []byte {
	t.Helper()
	b, err := writeTestVolume(SignBatchHead(testHead(entries...), serverKey), 2, size, entries...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readVol is what was read of a volume.
type readVol struct {
	head    *BatchHead
	volume  int
	signed  []byte
	entries [][]byte
}

func readTestVolume(src io.Reader) (v readVol, err error) {
	err = ReadVolume(src, []ed25519.PublicKey{testSigning("another server"), serverPub()}, func(h *BatchHead, volume int, signed []byte) error {
		v.head, v.volume, v.signed = h, volume, signed
		return nil
	}, func(i int, ref EntryRef, r io.Reader) error {
		e, err := io.ReadAll(r)
		if i != len(v.entries) || err == nil && int64(len(e)) != ref.Size {
			return fmt.Errorf("entry %d of %d bytes came as number %d with %d bytes", len(v.entries), ref.Size, i, len(e))
		}
		v.entries = append(v.entries, e)
		return err
	})
	return v, err
}

// vectorEntries are "hex" or "LENGTH LABEL": that many bytes from the counter
// hash of the label.
func vectorEntries(t *testing.T, lines []string) (entries [][]byte) {
	t.Helper()
	for _, line := range lines {
		size, label, ok := strings.Cut(line, " ")
		if !ok {
			entries = append(entries, unhex(t, line))
			continue
		}
		var n int
		if _, err := fmt.Sscan(size, &n); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, counterBytes(label, n))
	}
	return entries
}

// counterBytes are the first n bytes of H(label ‖ be64(0)) ‖ H(label ‖ be64(1)) ‖ …
func counterBytes(label string, n int) []byte {
	b := make([]byte, 0, n+sha256.Size)
	for i := uint64(0); len(b) < n; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(label), i))
		b = append(b, sum[:]...)
	}
	return b[:n]
}

// volumeVectors are the second volumes of testHead: what they are padded to, and
// their entries as vectorEntries reads them.
var volumeVectors = []struct {
	name    string
	says    string
	size    int64
	entries []string
}{
	{"volume-empty.txt", "No entry.", 0, nil},
	{"volume-small.txt", "An entry of five bytes, an empty one, one of 40.", 0, []string{"68656c6c6f", "", "40 small"}},
	{"volume-padded.txt", "Padded to 512 bytes.", 512, []string{"68656c6c6f"}},
	{"volume-frames.txt", "Entries around the length of a frame; the padding's last frame but one leaves room for the last.", 0, []string{"65535 a", "65536 b", "65537 c"}},
	{"volume-head.txt", "A head of more than one frame.", 0, slices.Repeat([]string{"2 many"}, 1700)},
}

func writeVolumeVector(t *testing.T, name, says string, size int64, lines []string) {
	writeVector(t, name, func() []byte {
		entries := vectorEntries(t, lines)
		h := testHead(entries...)
		if name == "volume-frames.txt" { // 3 bytes of padding in the last frame
			size = h.VolumeSize(2) + maxFrame + frameHead + 3
		}
		signed := SignBatchHead(h, serverKey)
		v, err := writeTestVolume(signed, 2, size, entries...)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "# %s\n# FORMAT.md section 11. The batch has two volumes, of which this is the second; the first holds \"one\".\n", says)
		fmt.Fprintf(&b, "# entry HEX, or entry LENGTH LABEL: the first bytes of H(label || be64(0)) || H(label || be64(1)) ...\n# size is what the volume is padded to, 0 for no padding.\n")
		fmt.Fprintf(&b, "server-seed %x\nserver %x\ninstance %x\nordinal %d\nlane %d\nday %d\ndirectory %d\nslots %d\nrevision %d\nbefore %x\n",
			serverKey.Seed(), []byte(serverPub()), h.Instance, h.Ordinal, h.Lane, h.Day, h.DirVersion, h.Slots, h.Revision, h.Before)
		hash, sum := h.Hash(), sha256.Sum256(v)
		fmt.Fprintf(&b, "entries %d\n", len(lines))
		if len(slices.Compact(slices.Clone(lines))) == 1 && len(lines) > 1 {
			fmt.Fprintf(&b, "every-entry %s\n", lines[0])
		} else {
			for _, l := range lines {
				fmt.Fprintf(&b, "entry %s\n", l)
			}
		}
		fmt.Fprintf(&b, "head-hash %x\nsize %d\nlength %d\nname %s\nsha256 %x\n", hash, size, len(v), h.VolumeName(2), sum)
		if len(v) <= 1024 {
			fmt.Fprintf(&b, "signed-head %x\nbytes %x\n", signed, v)
		}
		return b.Bytes()
	})
}

func TestVolumeVectors(t *testing.T) {
	for _, c := range volumeVectors {
		writeVolumeVector(t, c.name, c.says, c.size, c.entries)
		t.Run(c.name, func(t *testing.T) {
			v := readFileVector(t, c.name)
			lines := v.m["entry"]
			if every := v.m["every-entry"]; len(every) > 0 {
				lines = slices.Repeat(every, int(v.number("entries"))) //nolint:gosec // a vector's
			}
			entries := vectorEntries(t, lines)
			h := &BatchHead{
				Instance: InstanceID(v.hex("instance")), Ordinal: v.number("ordinal"), Lane: Lane(v.number("lane")), //nolint:gosec // a vector's
				Day: Day(v.number("day")), DirVersion: v.number("directory"), Slots: uint16(v.number("slots")), //nolint:gosec // a vector's
				Revision: uint32(v.number("revision")), Before: [32]byte(v.hex("before")), //nolint:gosec // a vector's
				Volumes: [][]EntryRef{refs([][]byte{[]byte("one")}), refs(entries)},
			}
			signed := SignBatchHead(h, ed25519.NewKeyFromSeed(v.hex("server-seed")))
			if hash := h.Hash(); hex.EncodeToString(hash[:]) != v.one("head-hash") {
				t.Errorf("the head hashes to %x", hash)
			}
			size := int64(v.number("size")) //nolint:gosec // a vector's
			b, err := writeTestVolume(signed, 2, size, entries...)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := int64(len(b)), int64(v.number("length")); got != want { //nolint:gosec // a vector's
				t.Errorf("%d bytes, not %d", got, want)
			}
			if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != v.one("sha256") {
				t.Errorf("the volume hashes to %x", sum)
			}
			if want := v.m["bytes"]; len(want) > 0 && (hex.EncodeToString(b) != want[0] || hex.EncodeToString(signed) != v.one("signed-head")) {
				t.Errorf("the volume is %x", b)
			}
			if got := h.VolumeName(2); got != v.one("name") {
				t.Errorf("the name is %s", got)
			}
			if !bytes.Equal(v.hex("server"), serverPub()) {
				t.Error("another server key")
			}
			got, err := readTestVolume(bytes.NewReader(b))
			if err != nil {
				t.Fatalf("read again: %v", err)
			}
			if d := cmp.Diff(h, got.head, cmpopts.EquateEmpty()); d != "" || got.volume != 2 || !bytes.Equal(got.signed, signed) {
				t.Errorf("another head: %s", d)
			}
			if !slices.EqualFunc(got.entries, entries, bytes.Equal) {
				t.Error("other entries came out")
			}
		})
	}
}

// Lengths around the edges of frames are where a codec errs.
func drawEntries(t *rapid.T) (entries [][]byte) {
	for i := range rapid.IntRange(0, 4).Draw(t, "entries") {
		n := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(maxFrame-3, maxFrame+3), rapid.IntRange(0, 3*maxFrame)).Draw(t, "length")
		entries = append(entries, counterBytes(fmt.Sprint(i), n))
	}
	return entries
}

// Any entries come back from a volume of exactly the computed length, or of
// exactly the length that was asked for; written again it is the same bytes,
// as resuming a download needs.
func TestVolumeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := drawEntries(t)
		h := testHead(entries...)
		h.Lane = Lane(rapid.IntRange(0, 2).Draw(t, "lane")) //nolint:gosec // 0 to 2
		if rapid.Bool().Draw(t, "exchanged") {
			h.Revision, h.Released = rapid.Uint32Min(2).Draw(t, "revision"), sha256.Sum256(nil)
		}
		// The head too can be of any number of frames.
		h.Volumes[0] = slices.Repeat(h.Volumes[0], rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(1625, 1640)).Draw(t, "other entries"))
		signed := SignBatchHead(h, serverKey)
		exact := h.VolumeSize(2)
		size := rapid.SampledFrom([]int64{0, exact, exact + frameHead}).Draw(t, "size")
		if rapid.Bool().Draw(t, "padded") {
			size = exact + frameHead + rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(maxFrame-8, maxFrame+12),
				rapid.Int64Range(2*maxFrame-2, 2*maxFrame+20), rapid.Int64Range(0, 5*maxFrame)).Draw(t, "padding")
		}
		b, err := writeTestVolume(signed, 2, size, entries...)
		if err != nil {
			t.Fatal(err)
		}
		if want := max(size, exact); int64(len(b)) != want {
			t.Fatalf("%d bytes, not %d", len(b), want)
		}
		again, err := writeTestVolume(signed, 2, size, entries...)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatal("written twice, other bytes")
		}
		got, err := readTestVolume(iotest.HalfReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatal(err)
		}
		if got.head.Hash() != h.Hash() || got.volume != 2 || !bytes.Equal(got.signed, signed) || !slices.EqualFunc(got.entries, entries, bytes.Equal) {
			t.Fatal("another head or other entries came out")
		}
	})
}

func TestVolumeCannotPad(t *testing.T) {
	entry := counterBytes("a", 100)
	h := testHead(entry)
	exact := h.VolumeSize(2)
	for _, d := range []int64{-exact + 1, -1, 1, 2, 3, 4} {
		_, err := writeTestVolume(SignBatchHead(h, serverKey), 2, exact+d, entry)
		refused(t, err, "cannot pad")
	}
}

func TestVolumeWriterRefuses(t *testing.T) {
	one, two := []byte("one"), []byte("two")
	signed := SignBatchHead(testHead(one, two), serverKey)
	_, err := writeTestVolume(signed, 2, 0, one)
	refused(t, err, "fewer entries")
	_, err = writeTestVolume(signed, 2, 0, one, two, one)
	refused(t, err, "more entries")
	for _, volume := range []int{-1, 0, 3} {
		_, err := NewVolumeWriter(io.Discard, signed, volume, 0)
		refused(t, err, "there is no volume")
	}
	w, err := NewVolumeWriter(io.Discard, signed, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Entry(strings.NewReader("on")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an entry shorter than said: %v", err)
	}
	for _, b := range append(badHeads(), nil, signed[:60], append([]byte{0}, signed...)) {
		if _, err := NewVolumeWriter(io.Discard, b, 1, 0); !errors.Is(err, ErrFormat) {
			t.Errorf("%.60x: %v", b, err)
		}
	}
	large := counterBytes("a", 1000)
	w, err = NewVolumeWriter(&failAfter{n: 400}, SignBatchHead(testHead(large), serverKey), 2, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Entry(bytes.NewReader(large)); !errors.Is(err, errDisk) {
		t.Errorf("a full disk: %v", err)
	}
}

// badHeads are signed by the server, and still no heads.
func badHeads() (list [][]byte) {
	for _, change := range []func(*BatchHead){
		func(h *BatchHead) { h.Lane = LaneFiles + 1 },
		func(h *BatchHead) { h.Ordinal = 0 },
		func(h *BatchHead) { h.Ordinal = 1 }, // and yet one before
		func(h *BatchHead) { h.Before = [32]byte{} },
		func(h *BatchHead) { h.Revision = 0 },
		func(h *BatchHead) { h.Revision = 2 }, // without saying of what
		func(h *BatchHead) { h.Released[0] = 1 },
		func(h *BatchHead) { h.Slots = 0 },
		func(h *BatchHead) { h.Slots = 9 },
		func(h *BatchHead) { h.Volumes = nil },
		func(h *BatchHead) { h.Volumes[0][0].Size = -1 },
		func(h *BatchHead) { h.Volumes[0][0].Size = maxEntry + 1 },
		func(h *BatchHead) { h.Volumes[0] = []EntryRef{{maxEntry, [32]byte{}}, {1, [32]byte{}}} },
	} {
		h := testHead([]byte("x"))
		change(h)
		list = append(list, SignBatchHead(h, serverKey))
	}
	return list
}

// TestBatchHead: what the server signed is what is opened; whatever is changed,
// it is not signed by the server any more (SECURITY.md S-24).
func TestBatchHead(t *testing.T) {
	h := testHead([]byte("x"), nil)
	signed := SignBatchHead(h, serverKey)
	got, err := openBatchHead(signed, serverPub())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(h, got); d != "" || got.Hash() != h.Hash() || h.Hash() != sha256.Sum256(signed[:len(signed)-64]) {
		t.Errorf("another head: %s", d)
	}
	if !ed25519.Verify(serverPub(), append([]byte("postern/v1 batch\x00"), signed[:len(signed)-64]...), signed[len(signed)-64:]) {
		t.Error("not signed as FORMAT.md says")
	}
	rapid.Check(t, func(t *rapid.T) {
		bad := bytes.Clone(signed)
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "bits")
		if _, err := openBatchHead(bad, serverPub()); !errors.Is(err, ErrForged) {
			t.Fatalf("changed: %v", err)
		}
	})
	for name, key := range map[string]ed25519.PublicKey{"another server": testPub, "nobody": nil} {
		if _, err := openBatchHead(signed, key); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i, key := range smallOrder(t) {
		forged := append(h.encode(), forgedSignature...)
		if _, err := openBatchHead(forged, key); !errors.Is(err, ErrForged) {
			t.Errorf("point %d, for which anybody can sign: %v", i, err)
		}
	}
	for _, b := range [][]byte{nil, signed[:63]} {
		if _, err := openBatchHead(b, serverPub()); !errors.Is(err, ErrFormat) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	sign := func(b []byte) []byte {
		return append(b, ed25519.Sign(serverKey, append([]byte(batchContext), b...))...)
	}
	enc := h.encode()
	for name, b := range map[string][]byte{
		"cut": enc[:len(enc)-1], "cut in the fixed part": enc[:100], "goes on": append(bytes.Clone(enc), 0), "nothing": {},
		"a volume more than there is": func() []byte { b := bytes.Clone(enc); b[batchHeadFixed-1]++; return b }(),
		"entries more than there are": func() []byte { b := bytes.Clone(enc); b[batchHeadFixed+3]++; return b }(),
		"entries without end":         func() []byte { b := bytes.Clone(enc); b[batchHeadFixed] = 0xff; return b }(),
	} {
		if _, err := openBatchHead(sign(b), serverPub()); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range badHeads() {
		if _, err := openBatchHead(b, serverPub()); !errors.Is(err, ErrFormat) {
			t.Errorf("%.60x: %v", b, err)
		}
	}
	large := testHead()
	large.Volumes[1] = make([]EntryRef, maxBatchHead/entryRefSize)
	if _, err := openBatchHead(SignBatchHead(large, serverKey), serverPub()); !errors.Is(err, ErrFormat) {
		t.Errorf("more entries than a head has room for: %v", err)
	}
	large.Volumes[1] = large.Volumes[1][:maxBatchHead/entryRefSize-10]
	if _, err := openBatchHead(SignBatchHead(large, serverKey), serverPub()); err != nil {
		t.Errorf("nearly as many: %v", err)
	}
}

var errDisk = errors.New("no space left")

type failAfter struct{ n int }

func (f *failAfter) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

// rawVolume is frames as told and the end frame.
func rawVolume(magic string, frames ...rawFrame) []byte {
	var b bytes.Buffer
	f := &frameWriter{w: &b}
	f.write([]byte(magic))
	for _, r := range frames {
		f.frame(r.typ, r.data)
	}
	f.end()
	return b.Bytes()
}

type rawFrame struct {
	typ  byte
	data []byte
}

func zeros(n int) []byte { return make([]byte, n) }

func length(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func TestReadVolumeRefuses(t *testing.T) {
	signed := SignBatchHead(testHead([]byte("abc")), serverKey)
	head, number := rawFrame{frameBatchHead, signed}, rawFrame{frameVolumeNumber, []byte{0, 0, 0, 2}}
	begin := rawFrame{frameEntryBegin, length(3)}
	data := rawFrame{frameEntryData, []byte("abc")}
	pad := func(n int) rawFrame { return rawFrame{frameVolumePad, zeros(n)} }
	vol := func(f ...rawFrame) []byte { return rawVolume("PSB1", append([]rawFrame{head, number}, f...)...) }
	good := vol(begin, data)
	if v, err := readTestVolume(bytes.NewReader(good)); err != nil || string(v.entries[0]) != "abc" {
		t.Fatalf("the volume that the others are changed from: %q, %v", v.entries, err)
	}
	for _, ok := range [][]rawFrame{{pad(0)}, {pad(7)}, {pad(maxFrame), pad(0)}, {pad(maxFrame - frameHead)}, {pad(maxFrame), pad(maxFrame - frameHead), pad(4)}} {
		if _, err := readTestVolume(bytes.NewReader(vol(append([]rawFrame{begin, data}, ok...)...))); err != nil {
			t.Errorf("padding that is written so: %v", err)
		}
	}
	type refusal struct {
		name, want string
		b          []byte
	}
	cases := []refusal{
		{"empty", "unexpected EOF", nil},
		{"another file", "not a file of this kind", rawVolume("PSR1", head, number, begin, data)},
		{"no head", "malformed: 0 bytes", rawVolume("PSB1", number, begin, data)},
		{"empty head", "a piece of 0 bytes", rawVolume("PSB1", rawFrame{frameBatchHead, nil}, number, begin, data)},
		{"short head", "malformed", rawVolume("PSB1", rawFrame{frameBatchHead, zeros(10)}, number, begin, data)},
		{"head signed by another", "not signed by the server", rawVolume("PSB1", rawFrame{frameBatchHead, SignBatchHead(testHead([]byte("abc")), testKey)}, number, begin, data)},
		{"head in two pieces", "a piece of", rawVolume("PSB1", rawFrame{frameBatchHead, signed[:100]}, rawFrame{frameBatchHead, signed[100:]}, number, begin, data)},
		{"head without end", "longer than any", rawVolume("PSB1", slices.Repeat([]rawFrame{{frameBatchHead, zeros(maxFrame)}}, maxBatchHead/maxFrame+1)...)},
		{"no number", "no volume number", rawVolume("PSB1", head, begin, data)},
		{"number of 3 bytes", "no volume number", rawVolume("PSB1", head, rawFrame{frameVolumeNumber, zeros(3)}, begin, data)},
		{"number 0", "volume 0 of 2", rawVolume("PSB1", head, rawFrame{frameVolumeNumber, zeros(4)}, begin, data)},
		{"number 3", "volume 3 of 2", rawVolume("PSB1", head, rawFrame{frameVolumeNumber, []byte{0, 0, 0, 3}}, begin, data)},
		{"number beyond 31 bits", "volume 4294967295 of 2", rawVolume("PSB1", head, rawFrame{frameVolumeNumber, bytes.Repeat([]byte{0xff}, 4)}, begin, data)},
		{"number twice", "where an entry begins", rawVolume("PSB1", head, number, number, begin, data)},
		{"no entry", "where an entry begins", vol()},
		{"entry too many", "out of place", vol(begin, data, begin, data)},
		{"begin of 7 bytes", "where an entry begins", vol(rawFrame{frameEntryBegin, zeros(7)}, data)},
		{"huge entry", "entry of", vol(rawFrame{frameEntryBegin, length(1 << 63)}, data)},
		{"entry longer than the head says", "the head says 3", vol(rawFrame{frameEntryBegin, length(4)}, rawFrame{frameEntryData, []byte("abcd")})},
		{"entry shorter than the head says", "the head says 3", vol(rawFrame{frameEntryBegin, length(2)}, rawFrame{frameEntryData, []byte("ab")})},
		{"entry is longer", "in an entry", vol(begin, rawFrame{frameEntryData, []byte("abcd")})},
		{"entry is shorter", "in an entry", vol(begin, rawFrame{frameEntryData, []byte("ab")})},
		{"entry cut in two", "in an entry", vol(begin, rawFrame{frameEntryData, []byte("ab")}, rawFrame{frameEntryData, []byte("c")})},
		{"another entry", "differs from what the batch's head says", vol(begin, rawFrame{frameEntryData, []byte("abd")})},
		{"padding in an entry", "in an entry", vol(begin, pad(3))},
		{"data after padding", "out of place", vol(begin, data, pad(0), data)},
		{"padding before entries", "where an entry begins", vol(pad(0), begin, data)},
		{"padding not zero", "padding is not zero", vol(begin, data, rawFrame{frameVolumePad, []byte{0, 0, 1}})},
		{"padding cut in two", "padding frame", vol(begin, data, pad(1), pad(1))},
		{"padding goes on", "padding frame", vol(begin, data, pad(maxFrame-frameHead), pad(4), pad(0))},
		{"padding split too late", "padding frame", vol(begin, data, pad(maxFrame-frameHead), pad(5))},
		{"padding split for nothing", "padding frame", vol(begin, data, pad(maxFrame-frameHead), pad(0))},
		{"unknown frame", "out of place", vol(begin, data, rawFrame{9, nil})},
		{"a hash at the end", "out of place", vol(begin, data, rawFrame{frameBundleHash, zeros(32)})},
		{"bytes after the end", "bytes after the end", append(slices.Clone(good), 0)},
		{"end frame with data", "end frame of", append(slices.Clone(good[:len(good)-1]), 1)},
		{"frame too long", "at most", append(slices.Clone(good[:4]), 1, 0, 1, 0, 1)},
	}
	for i, b := range badHeads() {
		cases = append(cases, refusal{fmt.Sprintf("bad head %d", i), "malformed", rawVolume("PSB1", rawFrame{frameBatchHead, b}, number)})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := readTestVolume(bytes.NewReader(c.b))
			refused(t, err, c.want)
		})
	}
	if err := ReadVolume(bytes.NewReader(good), nil, nil, nil); !errors.Is(err, ErrForged) {
		t.Errorf("no server known: %v", err)
	}
}

// TestVolumeEntryDamage: a damaged entry is known at its end by whoever reads it,
// and takes no other with it.
func TestVolumeEntryDamage(t *testing.T) {
	entries := [][]byte{counterBytes("a", 300), counterBytes("b", maxFrame+10), {}, counterBytes("c", 5)}
	b := testVolume(t, 0, entries...)
	rapid.Check(t, func(t *rapid.T) {
		bad := rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "entry")
		flipped := slices.Clone(b)
		i := bytes.Index(flipped, entries[bad][:min(len(entries[bad]), 40)])
		flipped[i+rapid.IntRange(0, min(len(entries[bad]), maxFrame)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "bits")
		read := rapid.Bool().Draw(t, "read") // or left to be drained
		err := ReadVolume(iotest.HalfReader(bytes.NewReader(flipped)), []ed25519.PublicKey{serverPub()}, func(*BatchHead, int, []byte) error { return nil },
			func(i int, _ EntryRef, r io.Reader) error {
				if !read {
					return nil
				}
				got, err := io.ReadAll(r)
				if errors.Is(err, ErrEntry) != (i == bad) || i != bad && (err != nil || !bytes.Equal(got, entries[i])) {
					t.Fatalf("entry %d, %d is damaged: %v", i, bad, err)
				}
				if n, err := r.Read(make([]byte, 1)); n != 0 || i == bad && !errors.Is(err, ErrEntry) {
					t.Fatalf("read on after the end: %d, %v", n, err)
				}
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A volume that was cut anywhere, or changed anywhere but in entries, is noticed
// also by a reader that leaves the entries alone; in entries, by one that reads them.
func TestVolumeDamage(t *testing.T) {
	entries := [][]byte{counterBytes("a", 300), {}, counterBytes("b", maxFrame+10)}
	b := testVolume(t, 2<<16+1000, entries...)
	skip := func(b []byte) error {
		return ReadVolume(bytes.NewReader(b), []ed25519.PublicKey{serverPub()}, func(*BatchHead, int, []byte) error { return nil },
			func(int, EntryRef, io.Reader) error { return nil })
	}
	if err := skip(b); err != nil {
		t.Fatal(err)
	}
	at := rapid.OneOf(rapid.IntRange(0, 900), rapid.IntRange(len(b)-60, len(b)-1), rapid.IntRange(0, len(b)-1))
	rapid.Check(t, func(t *rapid.T) {
		i := at.Draw(t, "at")
		if skip(b[:i]) == nil {
			t.Fatalf("cut at %d: read without error", i)
		}
		flipped := slices.Clone(b)
		flipped[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := readTestVolume(bytes.NewReader(flipped)); err == nil {
			t.Fatalf("bit flipped at %d: read whole without error", i)
		}
	})
}

// What the caller says stops the reading and comes back; a broken source too.
func TestReadVolumeStops(t *testing.T) {
	b := testVolume(t, 0, []byte("one"), []byte("two"))
	stop, keys := errors.New("enough"), []ed25519.PublicKey{serverPub()}
	if err := ReadVolume(bytes.NewReader(b), keys, func(*BatchHead, int, []byte) error { return stop }, nil); !errors.Is(err, stop) {
		t.Errorf("stopped at the head: %v", err)
	}
	calls := 0
	if err := ReadVolume(bytes.NewReader(b), keys, func(*BatchHead, int, []byte) error { return nil },
		func(int, EntryRef, io.Reader) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("stopped at the first entry: %v after %d", err, calls)
	}
	broken := io.MultiReader(bytes.NewReader(b[:len(b)-10]), iotest.ErrReader(errDisk))
	if _, err := readTestVolume(broken); !errors.Is(err, errDisk) {
		t.Errorf("a broken stick: %v", err)
	}
	broken = io.MultiReader(bytes.NewReader(b), iotest.ErrReader(errDisk))
	if _, err := readTestVolume(broken); !errors.Is(err, errDisk) {
		t.Errorf("broken after the end: %v", err)
	}
}

// The name tells apart what differs, and holds nothing that a file system or a
// shell could take for more than a name (SECURITY.md S-15).
func TestVolumeName(t *testing.T) {
	safe := regexp.MustCompile(`^postern-[0-9a-f]{8}-[0-9]{6,20}-[0-9]+of[0-9]+-[0-9a-f]{8}\.batch$`)
	seen := map[string]bool{}
	name := func(change func(*BatchHead), volume int) {
		h := testHead([]byte("x"))
		change(h)
		n := h.VolumeName(volume)
		if !safe.MatchString(n) {
			t.Errorf("name %q", n)
		}
		if seen[n] {
			t.Errorf("name %q twice", n)
		}
		seen[n] = true
	}
	name(func(*BatchHead) {}, 1)
	name(func(*BatchHead) {}, 2)
	name(func(h *BatchHead) { h.Instance[0] = 255 }, 1)
	name(func(h *BatchHead) { h.Ordinal = 1<<64 - 1 }, 1)
	name(func(h *BatchHead) { h.Volumes[1][0].Size++ }, 1)
	name(func(h *BatchHead) { h.Revision, h.Released[0] = 2, 1 }, 1)
}

// reheaded puts a head that the server signed, of what the volume claims to hold,
// in place of the first: else nearly everything is refused for its signature.
func reheaded(b []byte) []byte {
	if len(b) < len(volumeMagic) {
		return b
	}
	f := &entryFile{f: frameReader{r: bytes.NewReader(b[len(volumeMagic):])}}
	var frames []rawFrame
	var entries [][]byte
	for f.next() == nil && f.typ != frameEnd {
		switch data := bytes.Clone(f.b); f.typ {
		case frameBatchHead:
			continue
		case frameEntryBegin:
			entries = append(entries, nil)
		case frameEntryData:
			if len(entries) > 0 {
				entries[len(entries)-1] = append(entries[len(entries)-1], data...)
			}
		}
		frames = append(frames, rawFrame{f.typ, bytes.Clone(f.b)})
	}
	return rawVolume(string(b[:4]), append([]rawFrame{{frameBatchHead, SignBatchHead(testHead(entries...), serverKey)}}, frames...)...)
}

func FuzzReadVolume(f *testing.F) {
	for _, c := range []struct {
		size    int64
		entries [][]byte
	}{{0, nil}, {0, [][]byte{[]byte("abc")}}, {800, [][]byte{{}, []byte("x")}}, {maxFrame + 600, [][]byte{[]byte("abc")}}} {
		f.Add(testVolume(f, c.size, c.entries...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, reheaded(b)} {
			v, err := readTestVolume(bytes.NewReader(b))
			if err != nil {
				continue
			}
			size := int64(len(b))
			if size == v.head.VolumeSize(v.volume) {
				size = 0
			}
			again, err := writeTestVolume(v.signed, v.volume, size, v.entries...)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, again) {
				t.Errorf("written again, other bytes: %x", again)
			}
		}
	})
}

func FuzzBatchHead(f *testing.F) {
	f.Add(testHead([]byte("x"), nil).encode())
	f.Add(badHeads()[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeBatchHead(b)
		if err == nil && !bytes.Equal(h.encode(), b) {
			t.Errorf("written again, another head: %x", h.encode())
		}
	})
}
