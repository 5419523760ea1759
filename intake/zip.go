package intake

import (
	"archive/zip"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/crypto"
)

// padName is the entry of zeros that gives every archive one of few lengths.
const padName = "padding.bin"

// FilesSize is the exact length in bytes of what WriteFiles writes.
func (r *Reply) FilesSize() int64 { return zipSize(zipBare(r.Files)) }

// zipSize is the length an archive of n bytes is padded to.
func zipSize(n int64) int64 { return crypto.ClassSize(crypto.ClassOf(n)) }

// zipBare is the length of the archive with an empty padding entry.
func zipBare(files []crypto.File) int64 {
	var n counter
	_ = zipTo(&n, files, zeros{}, 0) // a counter does not fail
	return int64(n)
}

// writeZip stores the files, whose bytes follow each other in data, without
// compression, and pads the archive to its class.
func writeZip(w io.Writer, files []crypto.File, data io.Reader) error {
	bare := zipBare(files)
	return zipTo(w, files, data, zipSize(bare)-bare)
}

func zipTo(w io.Writer, files []crypto.File, data io.Reader, pad int64) error {
	z := zip.NewWriter(w)
	seen := map[string]bool{padName: true}
	add := func(name string, r io.Reader, n int64) error {
		e, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return err
		}
		_, err = io.CopyN(e, r, n)
		return err
	}
	for _, f := range files {
		name := fileName(f.Name)
		ext := path.Ext(name)
		for k, base := 2, strings.TrimSuffix(name, ext); seen[name]; k++ {
			name = fmt.Sprintf("%s-%d%s", base, k, ext)
		}
		seen[name] = true
		if err := add(name, data, f.Size); err != nil {
			return fmt.Errorf("writing a reply's files: %w", err)
		}
	}
	if err := add(padName, zeros{}, pad); err != nil {
		return fmt.Errorf("writing a reply's files: %w", err)
	}
	return z.Close()
}

// fileName makes a name that is never a path: the last element, no controls,
// no dots alone, at most 255 bytes (SECURITY.md S-15).
func fileName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '_'
		}
		return r
	}, name)
	for len(name) > crypto.MaxFileName {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	return name
}

// mediaTypeOf keeps a plausible media type and drops the rest.
func mediaTypeOf(t string) string {
	t, _, _ = strings.Cut(t, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	ok := len(t) <= crypto.MaxMediaType && strings.Count(t, "/") == 1 && strings.IndexFunc(t, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("/.+-_", r)
	}) < 0
	if !ok {
		return "application/octet-stream"
	}
	return t
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// zeros reads as zeros without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
