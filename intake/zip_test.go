package intake

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"postern/crypto"
	"postern/intake/form"
)

func TestZipIsOneOfFewSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var files []crypto.File
		var data bytes.Buffer
		for range rapid.IntRange(0, 5).Draw(t, "files") {
			f := crypto.File{Name: rapid.StringN(0, 300, 300).Draw(t, "name"), Size: rapid.Int64Range(0, 200_000).Draw(t, "size")}
			files = append(files, f)
			data.Write(bytes.Repeat([]byte{byte(f.Size)}, int(f.Size)))
		}
		whole := bytes.Clone(data.Bytes())
		var z bytes.Buffer
		a := newArchive(&z)
		for _, f := range files {
			if err := a.add(f, &data); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.close(zipPadding(files)); err != nil {
			t.Fatal(err)
		}
		r := &Reply{Files: files}
		if n := int64(z.Len()); n != r.FilesSize() || n < 64<<10 || n&(n-1) != 0 {
			t.Fatalf("%d bytes, announced %d", n, r.FilesSize())
		}
		zr, err := zip.NewReader(bytes.NewReader(z.Bytes()), int64(z.Len()))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		names := map[string]bool{}
		for _, e := range zr.File[:len(files)] {
			if names[e.Name] || strings.ContainsAny(e.Name, `/\`) {
				t.Fatalf("name %q twice or a path", e.Name)
			}
			names[e.Name] = true
			rc, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := got.ReadFrom(rc); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got.Bytes(), whole) {
			t.Fatal("files differ")
		}
	})
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

// Vocabulary and container are rooms that do not know each other.
func TestAnswersFitTheirFrame(t *testing.T) {
	if form.MaxAnswers != crypto.MaxAnswers {
		t.Errorf("forms take %d bytes of answers, containers %d", form.MaxAnswers, crypto.MaxAnswers)
	}
}
