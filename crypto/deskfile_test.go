package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func testDeskFile(items ...[]byte) *DeskFile {
	f := &DeskFile{Kind: DeskHandOver, ID: DeskFileID{1, 2}, Day: 20781, DirHash: [32]byte{7}, From: Reader{"ombuds", 1}, To: Reader{"ombuds", 1}}
	for i, b := range items {
		f.Items = append(f.Items, DeskItem{Type: byte(1 + i%3), Size: int64(len(b)), Hash: sha256.Sum256(b), About: bytes.Repeat([]byte{9}, i)})
	}
	return f
}

func testDeskKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32)) }

func writeTestDeskFile(f *DeskFile, items [][]byte) ([]byte, error) {
	var b bytes.Buffer
	err := WriteDeskFile(&b, f, testDeskKey(), func(i int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(items[i])), nil })
	return b.Bytes(), err
}

// readTestDeskFile reads a file and, when it is one, its items.
func readTestDeskFile(b []byte) (f *DeskFile, items [][]byte, err error) {
	err = ReadDeskFile(bytes.NewReader(b), func(h *DeskFile, signed []byte) error {
		f = h
		_, err := OpenDeskHead(signed)
		return err
	}, func(_ int, _ DeskItem, r io.Reader) error {
		data, err := io.ReadAll(r)
		items = append(items, data)
		return err
	})
	return f, items, err
}

// What is written is read again, byte for byte, and its length tells four bits at most.
func TestDeskFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var items [][]byte
		for range rapid.IntRange(1, 4).Draw(t, "items") {
			items = append(items, bytes.Repeat([]byte{byte(len(items))}, rapid.SampledFrom([]int{0, 1, maxFrame - 1, maxFrame, maxFrame + 1, 3*maxFrame + 7}).Draw(t, "size")))
		}
		f := testDeskFile(items...)
		f.Kind = rapid.SampledFrom([]DeskFileKind{DeskHandOver, DeskReferral, DeskReceipt}).Draw(t, "kind")
		if rapid.Bool().Draw(t, "to one holder") {
			f.Holder = testDeskKey().Public().(ed25519.PublicKey)
		}
		b, err := writeTestDeskFile(f, items)
		if err != nil {
			t.Fatal(err)
		}
		step := 1 << 16
		for step*16 < len(b) {
			step *= 2
		}
		if len(b)%step != 0 {
			t.Fatalf("%d bytes", len(b))
		}
		g, got, err := readTestDeskFile(b)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(items, got, bytes.Equal) || g.Hash() != f.Hash() || !g.Signer.Equal(testDeskKey().Public()) {
			t.Fatalf("another file: %+v", g)
		}
		again, err := writeTestDeskFile(g, got)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("written again it has other bytes: %v", err)
		}
		var signed []byte
		if err := ReadDeskFile(bytes.NewReader(b), func(_ *DeskFile, s []byte) error { signed = s; return nil }, func(int, DeskItem, io.Reader) error { return nil }); err != nil {
			t.Fatal(err)
		}
		var c bytes.Buffer
		if err := CopyDeskFile(&c, signed, func(i int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(items[i])), nil }); err != nil || !bytes.Equal(c.Bytes(), b) {
			t.Fatalf("copied it has other bytes: %v", err)
		}
		if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); true {
			if _, _, err := readTestDeskFile(b[:cut]); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("cut at %d of %d: %v", cut, len(b), err)
			}
		}
		if _, _, err := readTestDeskFile(append(b, 0)); err == nil {
			t.Fatal("a byte behind the end was read over")
		}
	})
}

// No byte of a desk file can change unnoticed.
func TestDeskFileChanged(t *testing.T) {
	items := [][]byte{[]byte("one"), nil, bytes.Repeat([]byte("three"), 20000)}
	b, err := writeTestDeskFile(testDeskFile(items...), items)
	if err != nil {
		t.Fatal(err)
	}
	for at := range b {
		if at > 1000 && at < len(b)-1000 && at%997 != 0 {
			continue
		}
		c := bytes.Clone(b)
		c[at] ^= 1
		if _, _, err := readTestDeskFile(c); err == nil {
			t.Fatalf("byte %d of %d was changed and nobody said so", at, len(b))
		}
	}
}

func TestDeskFileRefuses(t *testing.T) {
	data := []byte("words")
	for _, c := range []struct {
		name   string
		change func(f *DeskFile)
		want   string
	}{
		{"kind", func(f *DeskFile) { f.Kind = 9 }, "kind 9"},
		{"no body", func(f *DeskFile) { f.From.ID = "Ombuds" }, "no body"},
		{"no since", func(f *DeskFile) { f.To.Since = 0 }, "no body"},
		{"a key for which anybody signs", func(f *DeskFile) { f.Holder = append([]byte{1}, make([]byte, 31)...) }, "whose key is none"},
		{"no items", func(f *DeskFile) { f.Items = nil }, "without items"},
		{"an item without type", func(f *DeskFile) { f.Items[0].Type = 0 }, "type 0"},
		{"too much about an item", func(f *DeskFile) { f.Items[0].About = make([]byte, MaxDeskAbout+1) }, "about it"},
		{"a negative size", func(f *DeskFile) { f.Items[0].Size = -1 }, "-1 bytes"},
		{"more than fits", func(f *DeskFile) { f.Items = append(f.Items, f.Items[0]); f.Items[1].Size = maxEntry }, "bytes"},
		{"another hash", func(f *DeskFile) { f.Items[0].Hash[3] ^= 1 }, "not what was to be written"},
		{"more than there is", func(f *DeskFile) { f.Items[0].Size++ }, "EOF"},
		{"less than there is", func(f *DeskFile) { f.Items[0].Size-- }, "not what was to be written"},
	} {
		f := testDeskFile(data)
		c.change(f)
		_, err := writeTestDeskFile(f, [][]byte{data, data})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// Whose file it is, is known before any item is read; a head that claims much takes no memory.
func TestDeskFileHeadFirst(t *testing.T) {
	data := []byte("words")
	b, err := writeTestDeskFile(testDeskFile(data), [][]byte{data})
	if err != nil {
		t.Fatal(err)
	}
	no := errors.New("not from anybody known")
	err = ReadDeskFile(bytes.NewReader(b), func(*DeskFile, []byte) error { return no }, func(int, DeskItem, io.Reader) error { t.Error("an item was read"); return nil })
	if !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	head := testDeskFile(data).encode()
	items := len(head) - (1 + 8 + 32 + 2) - 4
	binary.BigEndian.PutUint32(head[items:], 1<<31)
	if _, err := decodeDeskHead(head); !errors.Is(err, ErrFormat) {
		t.Errorf("two thousand million items: %v", err)
	}
}

// FuzzDeskHead: what is read, written again, is the same bytes.
func FuzzDeskHead(f *testing.F) {
	f.Add(testDeskFile([]byte("one"), nil).encode())
	one := testDeskFile([]byte("one"))
	one.Kind, one.Holder = DeskReferral, testDeskKey().Public().(ed25519.PublicKey)
	f.Add(one.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeDeskHead(b)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(h.encode(), b) {
			t.Fatal("another form of the same head was read")
		}
	})
}

// FuzzReadDeskFile: whatever comes is read or refused.
func FuzzReadDeskFile(f *testing.F) {
	items := [][]byte{[]byte("one"), nil, bytes.Repeat([]byte("three"), 20000)}
	b, err := writeTestDeskFile(testDeskFile(items...), items)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, items, err := readTestDeskFile(b)
		if err != nil {
			return
		}
		for i, item := range h.Items {
			if sha256.Sum256(items[i]) != item.Hash {
				t.Fatal("an item is not what was signed")
			}
		}
	})
}
