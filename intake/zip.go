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
	var n counter // does not fail, and neither do zeros
	z := newArchive(&n)
	for _, f := range files {
		_ = z.add(f, zeros{})
	}
	_ = z.close(0)
	return int64(n)
}

// zipPadding is how many zeros bring an archive of these files to its class.
func zipPadding(files []crypto.File) int64 {
	bare := zipBare(files)
	return zipSize(bare) - bare
}

// archive writes a ZIP without compression.
type archive struct {
	z    *zip.Writer
	seen map[string]bool // names in use
}

func newArchive(w io.Writer) *archive {
	return &archive{zip.NewWriter(w), map[string]bool{padName: true}}
}

// add stores f, whose f.Size bytes r has, under a name of its own.
func (a *archive) add(f crypto.File, r io.Reader) error {
	name := fileName(f.Name)
	ext := path.Ext(name)
	for k, base := 2, strings.TrimSuffix(name, ext); a.seen[name]; k++ {
		name = fmt.Sprintf("%s-%d%s", base, k, ext)
	}
	a.seen[name] = true
	return a.store(name, r, f.Size)
}

func (a *archive) store(name string, r io.Reader, n int64) error {
	e, err := a.z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		return err
	}
	_, err = io.CopyN(e, r, n)
	return err
}

// close ends the archive with so many zeros.
func (a *archive) close(padding int64) error {
	if err := a.store(padName, zeros{}, padding); err != nil {
		return fmt.Errorf("padding a reply's files: %w", err)
	}
	return a.z.Close()
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
