package intake

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"postern/crypto"
)

// A reply's files leave as one ZIP that every program opens whole. archive/zip
// cannot write it: what it does not know before it writes an entry, it puts behind
// it, and programs that read a ZIP as it comes (Java's, and so Android's) refuse
// that for entries that are not compressed; and it says "made by MS-DOS", which
// lets unzip read names in an old code page. Here sizes and sums are known first,
// so that the length is plain arithmetic and every header stands before its data.

// padName is the entry of zeros that gives every archive one of few lengths.
const padName = "padding.bin"

// FilesSize is the exact length in bytes of what WriteFiles writes.
func (r *Reply) FilesSize() int64 { return zipLength(r.Files, zipPadding(r.Files)) }

// zipLength is the length of an archive with so many zeros.
func zipLength(files []crypto.File, padding int64) int64 {
	z := newArchive(io.Discard)
	for _, f := range files {
		_ = z.add(f, 0, nil)
	}
	_ = z.store(padName, padding, 0, nil)
	_ = z.close()
	return z.at
}

// zipPadding is how many zeros bring an archive of these files to its class.
func zipPadding(files []crypto.File) int64 {
	class := crypto.ClassOf(zipLength(files, 0))
	padding := int64(0)
	for { // headers of entries above 4 GiB are longer, so more padding may need more
		n := zipLength(files, padding)
		switch rest := crypto.ClassSize(class) - n; {
		case rest == 0:
			return padding
		case padding+rest < 0:
			class, padding = class+1, 0
		default:
			padding += rest
		}
	}
}

// zeroSum is the checksum of n zeros.
func zeroSum(n int64) uint32 {
	h := crc32.NewIEEE()
	_, _ = io.CopyN(h, zeros{}, n) // neither fails
	return h.Sum32()
}

// archive writes a ZIP without compression.
type archive struct {
	w       io.Writer
	at      int64 // bytes written
	seen    map[string]bool
	entries []zipEntry
}

type zipEntry struct {
	name     string
	size, at int64
	sum      uint32
}

func newArchive(w io.Writer) *archive {
	return &archive{w: w, seen: map[string]bool{sameName(padName): true}}
}

// add stores f, whose f.Size bytes r has and whose CRC-32 is sum, under a name of
// its own. Without r nothing but lengths is right.
func (a *archive) add(f crypto.File, sum uint32, r io.Reader) error {
	name := archiveName(f.Name)
	base, ext := splitName(name)
	for k := 2; a.seen[sameName(name)]; k++ {
		end := fmt.Sprintf("-%d%s", k, ext)
		name = cutRunes(base, crypto.MaxFileName-len(end)) + end
	}
	a.seen[sameName(name)] = true
	return a.store(name, f.Size, sum, r)
}

const (
	zipUTF8   = 1 << 11               // flag: the name is UTF-8
	zipDate   = 1<<5 | 1              // 1 January 1980, the first there is: nothing says when
	zipUnix   = 3 << 8                // made by
	zipMode   = (0o100000 | 0o644)    // a plain file
	zipPlain  = 20                    // version that reads it
	zip64     = 45                    // the same with 64-bit sizes
	zipBeyond = int64(math.MaxUint32) // from here on they are needed
)

func (a *archive) store(name string, size int64, sum uint32, r io.Reader) error {
	e := zipEntry{name, size, a.at, sum}
	a.entries = append(a.entries, e)
	b := append([]byte("PK\x03\x04"), e.common()...)
	var extra []byte
	if size >= zipBeyond {
		extra = zipExtra(size, size)
	}
	b = append(binary.LittleEndian.AppendUint16(b, uint16(len(extra))), name...) //nolint:gosec // 0 or 20
	if err := a.write(append(b, extra...)); err != nil {
		return err
	}
	a.at += size
	if r == nil {
		return nil
	}
	_, err := io.CopyN(a.w, r, size)
	return err
}

// common is what both headers of an entry hold, from the version on up to the
// length of its name.
func (e *zipEntry) common() []byte {
	le := binary.LittleEndian
	version, size := uint16(zipPlain), uint32(math.MaxUint32)
	if e.size >= zipBeyond || e.at >= zipBeyond {
		version = zip64
	}
	if e.size < zipBeyond {
		size = uint32(e.size) //nolint:gosec // just compared
	}
	b := le.AppendUint16(nil, version)
	b = le.AppendUint16(b, zipUTF8)
	b = le.AppendUint16(b, 0) // not compressed
	b = le.AppendUint16(b, 0) // midnight
	b = le.AppendUint16(b, zipDate)
	b = le.AppendUint32(b, e.sum)
	b = le.AppendUint32(b, size)
	b = le.AppendUint32(b, size)
	return le.AppendUint16(b, uint16(len(e.name))) //nolint:gosec // at most MaxFileName
}

// zipExtra holds sizes and places that need 64 bits.
func zipExtra(values ...int64) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, 1)
	b = le.AppendUint16(b, uint16(8*len(values))) //nolint:gosec // at most three
	for _, v := range values {
		b = le.AppendUint64(b, uint64(v)) //nolint:gosec // not negative
	}
	return b
}

// close writes the directory of the archive.
func (a *archive) close() error {
	le := binary.LittleEndian
	start := a.at
	for _, e := range a.entries {
		at, values := uint32(math.MaxUint32), []int64(nil)
		if e.size >= zipBeyond {
			values = append(values, e.size, e.size)
		}
		if e.at >= zipBeyond {
			values = append(values, e.at)
		} else {
			at = uint32(e.at) //nolint:gosec // just compared
		}
		var extra []byte
		if values != nil {
			extra = zipExtra(values...)
		}
		b := le.AppendUint16([]byte("PK\x01\x02"), zipUnix|zipPlain)
		b = append(b, e.common()...)
		b = le.AppendUint16(b, uint16(len(extra))) //nolint:gosec // at most 28
		b = append(b, 0, 0, 0, 0, 0, 0)            // no comment, first disk, not a text
		b = le.AppendUint32(b, zipMode<<16)
		b = le.AppendUint32(b, at)
		if err := a.write(append(append(b, e.name...), extra...)); err != nil {
			return err
		}
	}
	n, size := uint64(len(a.entries)), a.at-start
	var b []byte
	short, shortAt, shortSize := uint16(math.MaxUint16), uint32(math.MaxUint32), uint32(math.MaxUint32)
	if start >= zipBeyond || size >= zipBeyond || n >= math.MaxUint16 {
		end := a.at
		b = le.AppendUint64([]byte("PK\x06\x06"), 44)
		b = le.AppendUint16(b, zipUnix|zip64)
		b = le.AppendUint16(b, zip64)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // first disk, and the directory is on it
		b = le.AppendUint64(le.AppendUint64(b, n), n)
		b = le.AppendUint64(b, uint64(size))  //nolint:gosec // not negative
		b = le.AppendUint64(b, uint64(start)) //nolint:gosec // not negative
		b = append(b, "PK\x06\x07\x00\x00\x00\x00"...)
		b = le.AppendUint64(b, uint64(end)) //nolint:gosec // not negative
		b = le.AppendUint32(b, 1)
	} else {
		short, shortAt, shortSize = uint16(n), uint32(start), uint32(size) //nolint:gosec // just compared
	}
	b = append(b, "PK\x05\x06\x00\x00\x00\x00"...)
	b = le.AppendUint16(le.AppendUint16(b, short), short)
	b = le.AppendUint32(le.AppendUint32(b, shortSize), shortAt)
	return a.write(append(b, 0, 0)) // no comment
}

func (a *archive) write(b []byte) error {
	a.at += int64(len(b))
	_, err := a.w.Write(b)
	return err
}

// sameName is alike for names that are one file on some system: macOS and
// Windows do not tell capitals, nor composed letters from others.
func sameName(name string) string {
	return strings.ToLower(strings.ToUpper(norm.NFC.String(name)))
}

// archiveName is a name that every system can write: like fileName, and none of
// what Windows has a meaning of its own for.
func archiveName(name string) string {
	name = strings.TrimRight(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, fileName(name)), ". ")
	device, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch device = strings.TrimRight(device, " "); {
	case device == "con", device == "prn", device == "aux", device == "nul",
		len(device) == 4 && (device[:3] == "com" || device[:3] == "lpt") && device[3] >= '0' && device[3] <= '9':
		name = cutName("_"+name, crypto.MaxFileName)
	}
	return name
}

// fileName makes a name that is never a path: the last element, no controls,
// no dots alone, at most 255 bytes (SECURITY.md S-15). The two joiners stay: Persian and
// the scripts of India are not written without.
func fileName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = cutName(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' {
			return '_'
		}
		return r
	}, name), crypto.MaxFileName)
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	return name
}

// maxExtension is how long the end of a name may be to be kept when it is cut.
const maxExtension = 16

// splitName takes the end that says what kind of file it is off a name; "" when
// there is none.
func splitName(name string) (base, ext string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || len(name)-i > maxExtension || strings.ContainsRune(name[i:], ' ') {
		return name, ""
	}
	return name[:i], name[i:]
}

// cutName cuts a name to at most so many bytes, in front of its extension.
func cutName(name string, most int) string {
	if len(name) <= most {
		return name
	}
	base, ext := splitName(name)
	return cutRunes(base, most-len(ext)) + ext
}

// cutRunes is the longest beginning of at most n bytes that ends between letters.
func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	end := 0
	for i, r := range s {
		if i > n {
			break
		}
		if !unicode.Is(unicode.M, r) { // a mark belongs to the letter before it
			end = i
		}
	}
	return s[:end]
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

// zeros reads as zeros without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
