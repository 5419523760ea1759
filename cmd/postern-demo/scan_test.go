package main

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

// marker is something secret that must not lie around in clear. find returns
// where it begins in b, or -1.
type marker struct {
	name string
	find func(b []byte) int
}

// overlap is longer than any marker, in bytes.
const overlap = 512

// bytesMarker is found by its bytes. They stand often in what is planted, so
// that a part of a copy is found too.
func bytesMarker(name, planted string) marker {
	return marker{name, func(b []byte) int { return bytes.Index(b, []byte(planted)) }}
}

// codeMarkers finds three words of a code in order, whatever stands between
// them, and half of the code as numbers: in its canonical form, as
// tickets hold it, and as this machine keeps numbers.
func codeMarkers(name, code string) (list []marker, err error) {
	words := strings.Fields(code)
	list = append(list, marker{name + ", in words", func(b []byte) int {
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
	c, _, err := crypto.ParseCode(code)
	if err != nil {
		return nil, err
	}
	canon := c.Canonical()[1:]
	native := make([]byte, len(canon))
	for i := 0; i < len(canon); i += 2 {
		binary.NativeEndian.PutUint16(native[i:], binary.BigEndian.Uint16(canon[i:]))
	}
	half := len(canon) / 2
	for form, b := range map[string][]byte{"canonical": canon, "numbers": native} {
		for _, part := range [][]byte{b[:half], b[half:]} {
			list = append(list, bytesMarker(name+", "+form, string(part)))
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

// finding is a marker that was found.
type finding struct {
	marker string
	where  string
	around string
}

func (f finding) String() string { return fmt.Sprintf("%s in %s: %q", f.marker, f.where, f.around) }

// scan reads r to its end in pieces that overlap.
func scan(r io.Reader, markers []marker, where func(at int64) string) (found []finding, n int64, err error) {
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
				found = append(found, finding{m.name, where(n + int64(at)), string(b[max(0, at-40):min(len(b), at+60)])})
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

// scanFiles looks into every file below the folders, and at their names.
func scanFiles(t *testing.T, markers []marker, dirs ...string) (found []finding, files int) {
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
					found = append(found, finding{m.name, "a name", path})
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

// scanMemory looks into all memory of a process. Ours let nobody but root look
// at them: a normal user's test reads through sudo, as `make test` installs.
func scanMemory(t *testing.T, pid int, markers []marker) (found []finding, size int64) {
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

// dumpCommand makes the test program write a process's memory, for scanMemory.
const dumpCommand = "dump-memory"

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
		if _, err := fmt.Fprintf(w, "%s %s\n", f[0], name); err != nil {
			return err
		}
		for r := io.NewSectionReader(mem, from, to-from); ; {
			n, err := r.Read(piece)
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.EIO) && strings.HasPrefix(name, "/") { // the end of a mapped file
				n, err = 0, nil
			}
			if err != nil {
				return fmt.Errorf("%s %s: %w", f[0], name, err)
			}
			if _, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(n)), piece[:n]...)); err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
	}
	return lines.Err()
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

// TestScan holds the searcher to what it must find, and to what not.
func TestScan(t *testing.T) {
	code := crypto.NewCode()
	words := code.Words()
	ms, err := codeMarkers("code", strings.Join(words, " "))
	if err != nil {
		t.Fatal(err)
	}
	ms = append(ms, bytesMarker("text", "planted-0123456789"))
	native := make([]byte, 0, 16)
	for i := 0; i < 16; i += 2 {
		native = binary.NativeEndian.AppendUint16(native, binary.BigEndian.Uint16(code.Canonical()[1+i:]))
	}
	far := strings.Repeat(".", 1<<20-5) // what follows lies across two pieces
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"nothing":        {"what happened", 0},
		"text":           {far + "planted-0123456789" + far, 1},
		"in the overlap": {strings.Repeat(".", 1<<20-overlap-9) + "planted-0123456789" + far, 1},
		"spaces":         {strings.Join(words[2:5], " "), 1},
		"hyphens":        {strings.Join(words[6:], "-"), 1},
		"NUL":            {strings.Join(words[:3], "\x00"), 1},
		"a list":         {far + strings.Join(words[1:4], "</li>\n<li>"), 1},
		"two words":      {strings.Join(words[1:3], " "), 0},
		"other order":    {words[3] + " " + words[2] + " " + words[1], 0},
		"canonical":      {far + string(code.Canonical()), 2},
		"numbers":        {string(native), 2},
	} {
		found, n, err := scan(strings.NewReader(c.text), ms, func(at int64) string { return fmt.Sprint(at) })
		if err != nil || n != int64(len(c.text)) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		if len(found) != c.want {
			t.Errorf("%s: found %d, want %d", name, len(found), c.want)
		}
	}
	planted := []byte(strings.ToUpper("planted-in-this-process-") + fmt.Sprint(os.Getpid()))
	if found, size := scanMemory(t, os.Getpid(), []marker{bytesMarker("own", string(planted))}); len(found) == 0 {
		t.Errorf("%d bytes of this process's memory, and nothing found", size)
	}
}
