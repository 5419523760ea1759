package crypto

import (
	"bytes"
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

	"pgregory.net/rapid"
)

func testHeader(entries int) VolumeHeader {
	return VolumeHeader{
		Instance: InstanceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Batch: 7, Lane: LaneRegular,
		Volume: 1, Volumes: 2, Day: 20781, Slots: 8, DirVersion: 3, Entries: uint32(entries), //nolint:gosec // small
	}
}

func writeTestVolume(h VolumeHeader, size int64, entries ...[]byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := NewVolumeWriter(&b, h, size)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := w.Entry(int64(len(e)), bytes.NewReader(e)); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func readTestVolume(src io.Reader) (h VolumeHeader, entries [][]byte, err error) {
	err = ReadVolume(src, func(got VolumeHeader) error { h = got; return nil }, func(i int, n int64, r io.Reader) error {
		e, err := io.ReadAll(r)
		if i != len(entries) || err == nil && int64(len(e)) != n {
			return fmt.Errorf("entry %d of %d bytes came as number %d with %d bytes", len(entries), n, i, len(e))
		}
		entries = append(entries, e)
		return err
	})
	return h, entries, err
}

func lengths(entries [][]byte) (n []int64) {
	for _, e := range entries {
		n = append(n, int64(len(e)))
	}
	return n
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

func TestVolumeVectors(t *testing.T) {
	for _, name := range []string{"volume-empty.txt", "volume-small.txt", "volume-padded.txt", "volume-frames.txt"} {
		t.Run(name, func(t *testing.T) {
			v := readFileVector(t, name)
			h := VolumeHeader{
				Instance: InstanceID(v.hex("instance")), Batch: v.number("batch"), Lane: Lane(v.number("lane")), //nolint:gosec // a vector's
				Volume: uint32(v.number("volume")), Volumes: uint32(v.number("volumes")), Day: Day(v.number("day")), //nolint:gosec // a vector's
				Slots: uint16(v.number("slots")), DirVersion: v.number("directory"), Entries: uint32(v.number("entries")), //nolint:gosec // a vector's
			}
			entries := vectorEntries(t, v.m["entry"])
			size := int64(v.number("size")) //nolint:gosec // a vector's
			b, err := writeTestVolume(h, size, entries...)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := int64(len(b)), int64(v.number("length")); got != want { //nolint:gosec // a vector's
				t.Errorf("%d bytes, not %d", got, want)
			}
			if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != v.one("sha256") {
				t.Errorf("the volume hashes to %x", sum)
			}
			if want := v.m["bytes"]; len(want) > 0 && hex.EncodeToString(b) != want[0] {
				t.Errorf("the volume is %x", b)
			}
			if got := h.Name(lengths(entries)); got != v.one("name") {
				t.Errorf("the name is %s", got)
			}
			gotHeader, got, err := readTestVolume(bytes.NewReader(b))
			if err != nil || gotHeader != h {
				t.Fatalf("read again: %+v, %v", gotHeader, err)
			}
			if !slices.EqualFunc(got, entries, bytes.Equal) {
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
		h := testHeader(len(entries))
		h.Lane = Lane(rapid.IntRange(0, 2).Draw(t, "lane")) //nolint:gosec // 0 to 2
		exact := VolumeSize(lengths(entries))
		size := rapid.SampledFrom([]int64{0, exact, exact + frameHead}).Draw(t, "size")
		if rapid.Bool().Draw(t, "padded") {
			size = exact + frameHead + rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(maxFrame-8, maxFrame+12),
				rapid.Int64Range(2*maxFrame-2, 2*maxFrame+20), rapid.Int64Range(0, 5*maxFrame)).Draw(t, "padding")
		}
		b, err := writeTestVolume(h, size, entries...)
		if err != nil {
			t.Fatal(err)
		}
		if want := max(size, exact); int64(len(b)) != want {
			t.Fatalf("%d bytes, not %d", len(b), want)
		}
		again, err := writeTestVolume(h, size, entries...)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatal("written twice, other bytes")
		}
		got, out, err := readTestVolume(iotest.HalfReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatal(err)
		}
		if got != h || !slices.EqualFunc(out, entries, bytes.Equal) {
			t.Fatal("other header or entries came out")
		}
	})
}

func TestVolumeCannotPad(t *testing.T) {
	entries := [][]byte{counterBytes("a", 100)}
	exact := VolumeSize(lengths(entries))
	for _, d := range []int64{-exact + 1, -1, 1, 2, 3, 4} {
		_, err := writeTestVolume(testHeader(1), exact+d, entries...)
		refused(t, err, "cannot pad")
	}
}

func TestVolumeWriterRefuses(t *testing.T) {
	_, err := writeTestVolume(testHeader(2), 0, []byte("one"))
	refused(t, err, "fewer entries")
	_, err = writeTestVolume(testHeader(1), 0, []byte("one"), []byte("two"))
	refused(t, err, "more entries")
	for _, n := range []int64{-1, maxEntry + 1} {
		w, err := NewVolumeWriter(io.Discard, testHeader(1), 0)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, w.Entry(n, strings.NewReader("")), "an entry of")
	}
	w, err := NewVolumeWriter(io.Discard, testHeader(1), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Entry(10, strings.NewReader("nine byte")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an entry shorter than said: %v", err)
	}
	for _, h := range badHeaders() {
		if _, err := NewVolumeWriter(io.Discard, h, 0); !errors.Is(err, ErrFormat) {
			t.Errorf("%+v: %v", h, err)
		}
	}
	w, err = NewVolumeWriter(&failAfter{n: 70}, testHeader(1), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Entry(1000, bytes.NewReader(make([]byte, 1000))); !errors.Is(err, errDisk) {
		t.Errorf("a full disk: %v", err)
	}
}

func badHeaders() (list []VolumeHeader) {
	for _, change := range []func(*VolumeHeader){
		func(h *VolumeHeader) { h.Lane = LaneFiles + 1 },
		func(h *VolumeHeader) { h.Volume = 0 },
		func(h *VolumeHeader) { h.Volume = 3 },
		func(h *VolumeHeader) { h.Slots = 0 },
		func(h *VolumeHeader) { h.Slots = 9 },
	} {
		h := testHeader(0)
		change(&h)
		list = append(list, h)
	}
	return list
}

var errDisk = errors.New("no space left")

type failAfter struct{ n int }

func (f *failAfter) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

// rawVolume writes frames as told and ends them rightly, so that what is
// refused is not refused for its hash.
func rawVolume(magic string, frames ...rawFrame) []byte {
	var b bytes.Buffer
	f, sum := hashedFrames(&b)
	f.write([]byte(magic))
	for _, r := range frames {
		f.frame(r.typ, r.data)
	}
	f.frame(frameVolumeHash, sum.Sum(nil))
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
	h := testHeader(1)
	head := rawFrame{frameVolumeHeader, h.encode()}
	begin := rawFrame{frameEntryBegin, length(3)}
	data := rawFrame{frameEntryData, []byte("abc")}
	pad := func(n int) rawFrame { return rawFrame{frameVolumePad, zeros(n)} }
	good := rawVolume("PSB1", head, begin, data)
	if _, entries, err := readTestVolume(bytes.NewReader(good)); err != nil || string(entries[0]) != "abc" {
		t.Fatalf("the volume that the others are changed from: %q, %v", entries, err)
	}
	for _, ok := range [][]rawFrame{{pad(0)}, {pad(7)}, {pad(maxFrame), pad(0)}, {pad(maxFrame - frameHead)}, {pad(maxFrame), pad(maxFrame - frameHead), pad(4)}} {
		if _, _, err := readTestVolume(bytes.NewReader(rawVolume("PSB1", append([]rawFrame{head, begin, data}, ok...)...))); err != nil {
			t.Errorf("padding that is written so: %v", err)
		}
	}
	type refusal struct {
		name, want string
		b          []byte
	}
	cases := []refusal{
		{"empty", "unexpected EOF", nil},
		{"another file", "not a file of this kind", rawVolume("PSR1", head, begin, data)},
		{"no header", "no volume header", rawVolume("PSB1", begin, data)},
		{"short header", "volume header of 10 bytes", rawVolume("PSB1", rawFrame{1, zeros(10)}, begin, data)},
		{"header twice", "where an entry begins", rawVolume("PSB1", head, head, begin, data)},
		{"no entry", "where an entry begins", rawVolume("PSB1", head)},
		{"entry too many", "out of place", rawVolume("PSB1", head, begin, data, begin, data)},
		{"begin of 7 bytes", "where an entry begins", rawVolume("PSB1", head, rawFrame{frameEntryBegin, zeros(7)}, data)},
		{"huge entry", "entry of", rawVolume("PSB1", head, rawFrame{frameEntryBegin, length(1 << 63)}, data)},
		{"entry is longer", "in an entry", rawVolume("PSB1", head, begin, rawFrame{frameEntryData, []byte("abcd")})},
		{"entry is shorter", "in an entry", rawVolume("PSB1", head, begin, rawFrame{frameEntryData, []byte("ab")})},
		{"entry cut in two", "in an entry", rawVolume("PSB1", head, begin, rawFrame{frameEntryData, []byte("ab")}, rawFrame{frameEntryData, []byte("c")})},
		{"padding in an entry", "in an entry", rawVolume("PSB1", head, begin, pad(3))},
		{"data after padding", "out of place", rawVolume("PSB1", head, begin, data, pad(0), data)},
		{"padding before entries", "where an entry begins", rawVolume("PSB1", head, pad(0), begin, data)},
		{"padding not zero", "padding is not zero", rawVolume("PSB1", head, begin, data, rawFrame{frameVolumePad, []byte{0, 0, 1}})},
		{"padding cut in two", "padding frame", rawVolume("PSB1", head, begin, data, pad(1), pad(1))},
		{"padding goes on", "padding frame", rawVolume("PSB1", head, begin, data, pad(maxFrame-frameHead), pad(4), pad(0))},
		{"padding split too late", "padding frame", rawVolume("PSB1", head, begin, data, pad(maxFrame-frameHead), pad(5))},
		{"padding split for nothing", "padding frame", rawVolume("PSB1", head, begin, data, pad(maxFrame-frameHead), pad(0))},
		{"unknown frame", "out of place", rawVolume("PSB1", head, begin, data, rawFrame{9, nil})},
		{"hash of 31 bytes", "out of place", rawVolume("PSB1", head, begin, data, rawFrame{frameVolumeHash, zeros(31)})},
		{"another hash", "hash at the end differs", rawVolume("PSB1", head, begin, data, rawFrame{frameVolumeHash, zeros(32)})},
		{"bytes after the end", "bytes after the end", append(slices.Clone(good), 0)},
		{"end frame with data", "end frame of", append(slices.Clone(good[:len(good)-1]), 1)},
		{"frame after the hash", "after the hash", append(slices.Clone(good[:len(good)-frameHead]), frameVolumePad, 0, 0, 0, 0)},
		{"frame too long", "at most", append(slices.Clone(good[:4]), 1, 0, 1, 0, 1)},
	}
	for _, h := range badHeaders() {
		cases = append(cases, refusal{fmt.Sprintf("header %+v", h), "malformed", rawVolume("PSB1", rawFrame{frameVolumeHeader, h.encode()})})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readTestVolume(bytes.NewReader(c.b))
			refused(t, err, c.want)
		})
	}
}

// A volume that was cut or changed anywhere is noticed, also by a reader that
// leaves the entries alone.
func TestVolumeDamage(t *testing.T) {
	entries := [][]byte{counterBytes("a", 300), {}, counterBytes("b", maxFrame+10)}
	b, err := writeTestVolume(testHeader(len(entries)), 2<<16+1000, entries...)
	if err != nil {
		t.Fatal(err)
	}
	skip := func(b []byte) error {
		return ReadVolume(bytes.NewReader(b), nil, func(int, int64, io.Reader) error { return nil })
	}
	if err := skip(b); err != nil {
		t.Fatal(err)
	}
	at := rapid.OneOf(rapid.IntRange(0, 420), rapid.IntRange(len(b)-60, len(b)-1), rapid.IntRange(0, len(b)-1))
	rapid.Check(t, func(t *rapid.T) {
		i := at.Draw(t, "at")
		if skip(b[:i]) == nil {
			t.Fatalf("cut at %d: read without error", i)
		}
		flipped := slices.Clone(b)
		flipped[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if skip(flipped) == nil {
			t.Fatalf("bit flipped at %d: read without error", i)
		}
		if _, _, err := readTestVolume(bytes.NewReader(flipped)); err == nil {
			t.Fatalf("bit flipped at %d: read whole without error", i)
		}
	})
}

// What the caller says stops the reading and comes back; a broken source too.
func TestReadVolumeStops(t *testing.T) {
	b, err := writeTestVolume(testHeader(2), 0, []byte("one"), []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	if err := ReadVolume(bytes.NewReader(b), func(VolumeHeader) error { return stop }, nil); !errors.Is(err, stop) {
		t.Errorf("stopped at the header: %v", err)
	}
	calls := 0
	if err := ReadVolume(bytes.NewReader(b), nil, func(int, int64, io.Reader) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("stopped at the first entry: %v after %d", err, calls)
	}
	broken := io.MultiReader(bytes.NewReader(b[:len(b)-50]), iotest.ErrReader(errDisk))
	if _, _, err := readTestVolume(broken); !errors.Is(err, errDisk) {
		t.Errorf("a broken stick: %v", err)
	}
	broken = io.MultiReader(bytes.NewReader(b), iotest.ErrReader(errDisk))
	if _, _, err := readTestVolume(broken); !errors.Is(err, errDisk) {
		t.Errorf("broken after the end: %v", err)
	}
}

// The name tells apart what differs, and holds nothing that a file system or a
// shell could take for more than a name (SECURITY.md S-15).
func TestVolumeName(t *testing.T) {
	plain := regexp.MustCompile(`^postern-[0-9a-f]{8}-[0-9]{6,20}-[0-9]+of[0-9]+-[0-9a-f]{8}\.batch$`)
	seen := map[string]string{}
	add := func(what string, h VolumeHeader, entries ...int64) {
		n := h.Name(entries)
		if !plain.MatchString(n) {
			t.Errorf("%s: %q", what, n)
		}
		if n != h.Name(entries) {
			t.Errorf("%s: two names for one volume", what)
		}
		if before, ok := seen[n]; ok {
			t.Errorf("%s has the name of %s", what, before)
		}
		seen[n] = what
	}
	h := testHeader(1)
	add("one entry", h, 100)
	add("another length", h, 101)
	h.Batch = 1<<64 - 1
	add("the last batch", h, 100)
	h.Volume = 2
	add("the second volume", h, 100)
	h.Instance[0]++
	add("another instance", h, 100)
	h.Instance[15]++
	add("an instance that begins alike", h, 100)
}

// withTail adds a fitting hash and the end: without it nearly everything is
// refused for its hash alone.
func withTail(b []byte) []byte {
	sum := sha256.Sum256(b)
	var tail bytes.Buffer
	w := &frameWriter{w: &tail}
	w.frame(frameVolumeHash, sum[:])
	w.end()
	return append(b[:len(b):len(b)], tail.Bytes()...)
}

func FuzzReadVolume(f *testing.F) {
	for _, c := range []struct {
		size    int64
		entries [][]byte
	}{{0, nil}, {0, [][]byte{[]byte("abc")}}, {400, [][]byte{{}, []byte("x")}}, {maxFrame + 200, [][]byte{[]byte("abc")}}} {
		b, err := writeTestVolume(testHeader(len(c.entries)), c.size, c.entries...)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:len(b)-volumeTail])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = withTail(b)
		h, entries, err := readTestVolume(bytes.NewReader(b))
		if err != nil {
			return
		}
		size := int64(len(b))
		if size == VolumeSize(lengths(entries)) {
			size = 0
		}
		again, err := writeTestVolume(h, size, entries...)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, again) {
			t.Errorf("written again, other bytes: %x", again)
		}
	})
}
