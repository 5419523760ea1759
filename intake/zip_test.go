package intake

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"postern/crypto"
)

// archived is the archive of some files, as WriteFiles writes it.
func archived(t interface {
	Helper()
	Fatal(...any)
}, files []crypto.File, data [][]byte) []byte {
	t.Helper()
	var z bytes.Buffer
	a := newArchive(&z)
	for i, f := range files {
		if err := a.add(f, crc32.ChecksumIEEE(data[i]), bytes.NewReader(data[i])); err != nil {
			t.Fatal(err)
		}
	}
	padding := zipPadding(files)
	if err := errors.Join(a.store(padName, padding, zeroSum(padding), zeros{}), a.close()); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

func TestZipIsOneOfFewSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var files []crypto.File
		var data [][]byte
		for range rapid.IntRange(0, 5).Draw(t, "files") {
			f := crypto.File{Name: rapid.StringN(0, 300, 300).Draw(t, "name"), Size: rapid.Int64Range(0, 200_000).Draw(t, "size")}
			files, data = append(files, f), append(data, bytes.Repeat([]byte{byte(f.Size)}, int(f.Size)))
		}
		z := archived(t, files, data)
		if n := int64(len(z)); n != (&Reply{Files: files}).FilesSize() || n < 64<<10 || n&(n-1) != 0 {
			t.Fatalf("%d bytes, announced %d", n, (&Reply{Files: files}).FilesSize())
		}
		zr, err := zip.NewReader(bytes.NewReader(z), int64(len(z)))
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for i, e := range zr.File[:len(files)] {
			if names[sameName(e.Name)] || strings.ContainsAny(e.Name, `/\<>:"|?*`) {
				t.Fatalf("name %q twice or a path", e.Name)
			}
			names[sameName(e.Name)] = true
			rc, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, data[i]) {
				t.Fatalf("file %d differs: %v", i, err)
			}
		}
		if last := zr.File[len(files)]; last.Name != padName || len(zr.File) != len(files)+1 {
			t.Fatalf("%d entries, the last is %s", len(zr.File), last.Name)
		}
	})
}

// TestZipIsReadAsItComes: a program that reads an archive from its beginning, as
// Java's ZipInputStream and so Android's do, knows each entry before its data:
// no size behind it, names marked as UTF-8. The directory says that Unix made it:
// unzip 6 reads names in an old code page else. Dates are days that exist.
func TestZipIsReadAsItComes(t *testing.T) {
	names := []string{"Übersicht.pdf", "نموذج.pdf", "photo.JPG", "photo.jpg", "é.txt", "e\u0301.txt", "CON.txt", "a:b?.txt", "dot.", "padding.BIN"}
	want := []string{"Übersicht.pdf", "نموذج.pdf", "photo.JPG", "photo-2.jpg", "é.txt", "e\u0301-2.txt", "_CON.txt", "a_b_.txt", "dot", "padding-2.BIN", padName}
	var files []crypto.File
	var data [][]byte
	for i, n := range names {
		data = append(data, []byte(strings.Repeat(n, i)))
		files = append(files, crypto.File{Name: n, Size: int64(len(data[i]))})
	}
	z := archived(t, files, data)
	le := binary.LittleEndian
	at := 0
	for i, name := range want {
		h := z[at:]
		size, n := int(le.Uint32(h[18:])), int(le.Uint16(h[26:]))
		body := h[30+n : 30+n+size]
		switch {
		case string(h[:4]) != "PK\x03\x04" || string(h[30:30+n]) != name:
			t.Fatalf("entry %d is %q, want %q", i, h[30:30+n], name)
		case le.Uint16(h[6:]) != zipUTF8 || le.Uint16(h[8:]) != 0 || le.Uint16(h[28:]) != 0:
			t.Errorf("%s: flags %x, method %d", name, le.Uint16(h[6:]), le.Uint16(h[8:]))
		case le.Uint32(h[14:]) != crc32.ChecksumIEEE(body) || le.Uint32(h[22:]) != uint32(size):
			t.Errorf("%s: another sum or size", name)
		case i < len(data) && !bytes.Equal(body, data[i]):
			t.Errorf("%s: another content", name)
		}
		at += 30 + n + size
	}
	zr, err := zip.NewReader(bytes.NewReader(z), int64(len(z)))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range zr.File {
		if e.Name != want[i] || e.CreatorVersion>>8 != 3 || e.NonUTF8 || e.Mode() != 0o644 || e.Modified.Format("2006-01-02") != "1980-01-01" {
			t.Errorf("%s: made by %d, mode %v, on %v", e.Name, e.CreatorVersion>>8, e.Mode(), e.Modified)
		}
	}
}

// TestZipBeyond4GiB: sizes and places that need 64 bits. The data is not written:
// archive/zip reads the directory at the end of what stands for it.
func TestZipBeyond4GiB(t *testing.T) {
	files := []crypto.File{{Name: "large", Size: 5 << 30}, {Name: "small", Size: 3}, {Name: "edge", Size: zipBeyond}}
	n := (&Reply{Files: files}).FilesSize()
	if n != 16<<30 {
		t.Fatalf("%d bytes", n)
	}
	tail := &tailWriter{}
	a := newArchive(tail)
	for _, f := range files {
		if err := a.add(f, 7, nil); err != nil {
			t.Fatal(err)
		}
		tail.gap(f.Size)
	}
	padding := zipPadding(files)
	if err := a.store(padName, padding, 8, nil); err != nil {
		t.Fatal(err)
	}
	tail.gap(padding)
	if err := a.close(); err != nil || tail.at != n || a.at != n {
		t.Fatalf("%d bytes, %v", tail.at, err)
	}
	zr, err := zip.NewReader(tail, n)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range append(files, crypto.File{Name: padName, Size: padding}) {
		e := zr.File[i]
		if e.Name != f.Name || int64(e.UncompressedSize64) != f.Size || int64(e.CompressedSize64) != f.Size {
			t.Errorf("%s has %d bytes, want %d", e.Name, e.UncompressedSize64, f.Size)
		}
		if _, err := e.DataOffset(); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
}

// tailWriter is a file with holes.
type tailWriter struct {
	at     int64
	pieces []piece
}

type piece struct {
	at int64
	b  []byte
}

func (w *tailWriter) Write(b []byte) (int, error) {
	w.pieces = append(w.pieces, piece{w.at, bytes.Clone(b)})
	w.at += int64(len(b))
	return len(b), nil
}

func (w *tailWriter) gap(n int64) { w.at += n }

func (w *tailWriter) ReadAt(b []byte, at int64) (int, error) {
	clear(b)
	for _, p := range w.pieces {
		from, to := max(at, p.at), min(at+int64(len(b)), p.at+int64(len(p.b)))
		if from < to {
			copy(b[from-at:], p.b[from-p.at:to-p.at])
		}
	}
	if at+int64(len(b)) > w.at {
		return int(max(0, w.at-at)), io.EOF
	}
	return len(b), nil
}

// A name that is too long keeps the end that says what kind of file it is.
func TestLongNamesKeepTheirEnd(t *testing.T) {
	for name, end := range map[string]string{
		strings.Repeat("Приказ ", 40) + ".pdf":                   ".pdf",
		strings.Repeat("ก็", 120) + ".jpeg":                      "ก็.jpeg",
		strings.Repeat("a", 300) + ".tar":                        "a.tar",
		strings.Repeat("a", 300) + ". not an extension":          "a",
		strings.Repeat("a", 300) + "." + strings.Repeat("b", 20): "a",
		"." + strings.Repeat("é", 200):                           "é",
	} {
		got := fileName(name)
		if len(got) > crypto.MaxFileName || len(got) < crypto.MaxFileName-12 || !strings.HasSuffix(got, end) {
			t.Errorf("%.20q… became %q of %d bytes", name, got, len(got))
		}
	}
}

// Names in scripts that are not written without joiners stay whole; what turns a name around does not.
func TestNamesKeepJoiners(t *testing.T) {
	for name, want := range map[string]string{
		"می\u200cشود.pdf":      "می\u200cشود.pdf",
		"ශ්\u200dරී.pdf":       "ශ්\u200dරී.pdf",
		"a\u202egpj.\u2067exe": "a_gpj._exe",
	} {
		if got := fileName(name); got != want {
			t.Errorf("%+q became %+q", name, got)
		}
	}
}

func FuzzFileName(f *testing.F) {
	for _, s := range []string{"", "a.txt", "../../etc/passwd", `C:\x\y.doc`, "..", "a\x00b", "\u202Egpj.exe", "CON", strings.Repeat("ä", 300), "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := fileName(s)
		if n == "" || len(n) > crypto.MaxFileName || !utf8.ValidString(n) || strings.ContainsAny(n, "/\\\x00\n\x1b\u202e") || n == "." || n == ".." {
			t.Errorf("%q became %q", s, n)
		}
		if fileName(n) != n {
			t.Errorf("%q is not stable", n)
		}
	})
}
