// Package scantest looks for what must not lie around: in files, and in the
// memory of a running process. For tests of the server (SECURITY.md S-1, S-12).
//
// Ours let nobody but root look at their memory. A normal user's test looks
// through sudo, which starts the test program again: its TestMain must begin
// with [Main].
package scantest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"postern/crypto"
)

// Marker is something secret that must not lie around in clear. find returns
// where it begins in b, or -1.
type Marker struct {
	name string
	find func(b []byte) int
}

// overlap is longer than any marker, in bytes.
const overlap = 512

// Bytes is found by its bytes. They stand often in what is planted, so
// that a part of a copy is found too.
func Bytes(name, planted string) Marker {
	return Marker{name, func(b []byte) int { return bytes.Index(b, []byte(planted)) }}
}

// Code finds three words of a code in order, whatever stands between
// them, and half of the code as numbers: in its canonical form, as
// tickets hold it, and as this machine keeps numbers.
func Code(name, code string) (list []Marker, err error) {
	words := strings.Fields(code)
	list = append(list, Marker{name + ", in words", func(b []byte) int {
		for i := range len(words) - 2 {
			for at := 0; ; at++ {
				n := bytes.Index(b[at:], []byte(words[i]))
				if n < 0 {
					break
				}
				at += n
				if follows(b[at+len(words[i]):], words[i+1], words[i+2]) {
					return at
				}
			}
		}
		return -1
	}})
	read, err := crypto.ParseCode(code)
	if err != nil {
		return nil, err
	}
	canon := read[0].Code.Canonical()[1:]
	native := make([]byte, len(canon))
	for i := 0; i < len(canon); i += 2 {
		binary.NativeEndian.PutUint16(native[i:], binary.BigEndian.Uint16(canon[i:]))
	}
	half := len(canon) / 2
	for form, b := range map[string][]byte{"canonical": canon, "numbers": native} {
		for _, part := range [][]byte{b[:half], b[half:]} {
			list = append(list, Bytes(name+", "+form, string(part)))
		}
	}
	return list, nil
}

// follows says whether the words stand in b, each soon after the one before.
func follows(b []byte, words ...string) bool {
	const soon = 24
	for _, w := range words {
		n := bytes.Index(b[:min(len(b), soon+len(w))], []byte(w))
		if n < 0 {
			return false
		}
		b = b[n+len(w):]
	}
	return true
}

// Finding is a marker that was found.
type Finding struct {
	Marker string // its name
	where  string
	around string
}

func (f Finding) String() string { return fmt.Sprintf("%s in %s: %q", f.Marker, f.where, f.around) }

// scan reads r to its end in pieces that overlap.
func scan(r io.Reader, markers []Marker, where func(at int64) string) (found []Finding, n int64, err error) {
	piece := make([]byte, 1<<20)
	held := 0
	for {
		got, err := io.ReadFull(r, piece[held:])
		b := piece[:held+got]
		end := len(b) // what begins behind it belongs to the next piece
		if err == nil {
			end -= overlap
		}
		for _, m := range markers {
			for at := 0; len(found) < 1000; at++ {
				i := m.find(b[at:])
				if at += i; i < 0 || at >= end {
					break
				}
				found = append(found, Finding{m.name, where(n + int64(at)), string(b[max(0, at-40):min(len(b), at+60)])})
			}
		}
		n += int64(end)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, n, nil
		}
		if err != nil {
			return found, n, err
		}
		held = copy(piece, b[end:])
	}
}

// Files looks into every file below the folders, and at their names.
func Files(t testing.TB, markers []Marker, dirs ...string) (found []Finding, files int) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // a file of a running program
				return nil
			}
			if err != nil {
				return err
			}
			for _, m := range markers {
				if m.find([]byte(d.Name())) >= 0 {
					found = append(found, Finding{m.name, "a name", path})
				}
			}
			if !d.Type().IsRegular() {
				return nil
			}
			f, err := os.Open(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			defer f.Close()
			files++
			got, _, err := scan(f, markers, func(at int64) string { return fmt.Sprintf("%s at %d", path, at) })
			found = append(found, got...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found, files
}

// Memory looks into all memory of a process. Ours let nobody but root look
// at them: a normal user's test reads through sudo, as `make test` installs.
func Memory(t testing.TB, pid int, markers []Marker) (found []Finding, size int64) {
	t.Helper()
	pr, pw := io.Pipe()
	go func() {
		if os.Geteuid() == 0 {
			pw.CloseWithError(dumpMemory(pw, pid))
			return
		}
		var errs bytes.Buffer
		c := exec.Command("sudo", os.Args[0], dumpCommand, strconv.Itoa(pid))
		c.Stdout, c.Stderr = pw, &errs
		err := c.Run()
		if err != nil {
			err = fmt.Errorf("memory can only be looked at by root, or through sudo: %w: %s", err, errs.Bytes())
		}
		pw.CloseWithError(err)
	}()
	for r := bufio.NewReaderSize(pr, 1<<20); ; {
		head, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) && head == "" {
			return found, size
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(head, "\n")
		got, n, err := scan(&chunks{r: r}, markers, func(at int64) string { return fmt.Sprintf("%s +%#x", name, at) })
		if err != nil {
			t.Fatalf("reading memory at %s: %v", name, err)
		}
		found, size = append(found, got...), size+n
	}
}

// dumpCommand makes the test program write a process's memory, for [Memory].
const dumpCommand = "dump-memory"

// Main is what a TestMain begins with: it writes memory and exits when that is
// what the program was started for.
func Main() {
	if len(os.Args) != 3 || os.Args[1] != dumpCommand {
		return
	}
	pid, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = dumpMemory(os.Stdout, pid)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// dumpMemory writes each readable mapping: its line, then chunks that begin
// with their length, the last one empty.
func dumpMemory(w io.Writer, pid int) error {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return err
	}
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return err
	}
	defer mem.Close()
	pages, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		return err
	}
	defer pages.Close()
	piece := make([]byte, 1<<20)
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		var from, to int64
		if _, err := fmt.Sscanf(f[0], "%x-%x", &from, &to); err != nil {
			continue // the kernel's own page, above what int64 holds
		}
		name := strings.Join(f[min(5, len(f)):], " ")
		if f[1][0] != 'r' || strings.HasPrefix(name, "[v") { // what cannot be read, and the kernel's
			continue
		}
		whole := [][2]int64{{from, to}}
		if !strings.HasPrefix(name, "/") {
			if whole, err = there(pages, from, to); err != nil {
				return fmt.Errorf("%s %s: %w", f[0], name, err)
			}
		}
		for _, part := range whole {
			if err := dumpPart(w, mem, part[0], part[1], name, piece); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// there gives the parts of a mapping that are in memory or swapped out. A browser
// reserves a hundred gigabytes that it never touches, and reading them would make them.
func there(pages *os.File, from, to int64) (parts [][2]int64, err error) {
	size := int64(os.Getpagesize())
	entries := make([]byte, 8<<16)
	for at := from; at < to; {
		n := min(int64(len(entries)), (to-at)/size*8)
		if _, err := pages.ReadAt(entries[:n], at/size*8); err != nil {
			return nil, err
		}
		for i := int64(0); i < n; i, at = i+8, at+size {
			const present, swapped = 1 << 63, 1 << 62
			if binary.NativeEndian.Uint64(entries[i:])&(present|swapped) == 0 {
				continue
			}
			if last := len(parts) - 1; last >= 0 && parts[last][1] == at {
				parts[last][1] += size
			} else {
				parts = append(parts, [2]int64{at, at + size})
			}
		}
	}
	return parts, nil
}

func dumpPart(w io.Writer, mem io.ReaderAt, from, to int64, name string, piece []byte) error {
	if _, err := fmt.Fprintf(w, "%x-%x %s\n", from, to, name); err != nil {
		return err
	}
	for r := io.NewSectionReader(mem, from, to-from); ; {
		n, err := r.Read(piece)
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.EIO) && strings.HasPrefix(name, "/") { // the end of a mapped file
			n, err = 0, nil
		}
		if err != nil {
			return fmt.Errorf("%x-%x %s: %w", from, to, name, err)
		}
		if _, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(n)), piece[:n]...)); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// chunks reads what dumpMemory wrote of one mapping.
type chunks struct {
	r    io.Reader
	left int
	end  bool
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.left == 0 && !c.end {
		var n [4]byte
		if _, err := io.ReadFull(c.r, n[:]); err != nil {
			return 0, io.ErrNoProgress // the dump was cut: never an end
		}
		c.left = int(binary.BigEndian.Uint32(n[:]))
		c.end = c.left == 0
	}
	if c.end {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
