package main_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A report with a file, under strace: when the first byte of the answer
// leaves, nothing that was written to the database waits for its fdatasync, and
// what the file changed was synced after the last byte of the request had come
// (SECURITY.md S-6). The text is as safe while the file still arrives.
func TestSyncBeforeAnswer(t *testing.T) {
	s := newSite(t, shortDir(t))
	trace := filepath.Join(t.TempDir(), "trace")
	// The server keeps debuggers out and walls itself in (internal/server/harden.go), before it opens a
	// file. So that a tracer that is not root can name files, it answers
	// these two calls in the kernel's place.
	s.boot("strace", "-f", "-y", "-ttt", "-s", "32", "-o", trace,
		"-e", "trace=prctl,landlock_create_ruleset,openat,read,recvfrom,write,writev,sendto,sendmsg,pwrite64,pwritev,fdatasync,fsync,sync_file_range,msync",
		"-e", "inject=prctl:retval=0", "-e", "inject=landlock_create_ruleset:error=ENOSYS")

	body, end, header, hash := slowReport(t, "a report under strace", "evidence.bin", 700_000)
	conn, err := net.Dial("unix", filepath.Join(s.run, "public.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(append(header, body...)); err != nil {
		t.Fatal(err)
	}
	for !textStored(readText(t, trace)) {
		time.Sleep(50 * time.Millisecond)
	}
	if _, err := conn.Write(end); err != nil { // the end of the file and of the request, in one piece
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) || !bytes.Contains(answer, []byte("<bdi>evidence.bin</bdi>")) {
		t.Fatalf("the answer is no receipt: %v: %.60q", err, answer)
	}
	s.sent["a report under strace"] = &sent{files: map[string][32]byte{"evidence.bin": hash}, received: true, kept: []string{"evidence.bin"}}

	// strace ends with the server.
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	s.cmd = nil
	calls := parseTrace(t, readText(t, trace))
	request := slices.IndexFunc(calls, func(c call) bool { return c.name == "read" && strings.Contains(c.args, `"POST /report `) })
	if request < 0 {
		t.Fatal("the trace shows no request")
	}
	read, answered := request, request // its last bytes, and the first of the answer
	for ; answered < len(calls) && (calls[answered].file != calls[request].file || calls[answered].name != "write"); answered++ {
		if c := calls[answered]; c.file == calls[request].file && c.name == "read" && c.result > 0 {
			read = answered
		}
	}
	if answered == len(calls) || !strings.Contains(calls[answered].args, `"HTTP/1.1 200 OK`) || read == request {
		t.Fatal("the trace shows no answer, or not the whole request")
	}
	for _, name := range []string{"small.cells", "large.cells", "records.db"} {
		var synced, dirty, writes int
		var at float64
		for _, c := range calls {
			if filepath.Base(c.file) != name || c.line >= calls[answered].line {
				continue
			}
			switch c.name {
			case "pwrite64":
				writes++
				dirty = c.line
			case "fdatasync", "fsync":
				if c.result == 0 && c.done < calls[answered].line {
					if c.line > dirty { // it began after the last write
						dirty = 0
					}
					if c.line > calls[read].line {
						synced++
						at = c.time
					}
				}
			}
		}
		if writes == 0 || dirty > 0 || synced == 0 && name != "small.cells" { // the text was synced before
			t.Errorf("%s: %d writes, %d syncs between the request's end and the answer, unsynced since line %d", name, writes, synced, dirty)
			continue
		}
		t.Logf("%s: last sync %.1f ms after the request's end, the answer %.1f ms after it",
			name, 1e3*(at-calls[read].time), 1e3*(calls[answered].time-calls[read].time))
	}

	s.sound()
	s.boot()
	s.collect()
	s.finish()
	if texts, files := s.reconcile(); texts != 1 || files != 1 {
		t.Errorf("%d texts and %d files can be read", texts, files)
	}
}

// textStored says whether the records were synced since the request began.
func textStored(trace string) bool {
	_, since, begun := strings.Cut(trace, `"POST /report `)
	return begun && regexp.MustCompile(`fdatasync\(\d+<[^>]*records\.db>`).MatchString(since)
}

// slowReport is a report with one file, as a browser sends it, in parts: the
// head of the request, the body up to shortly before the file's end, and the rest.
func slowReport(t *testing.T, text, name string, size int) (body, end, header []byte, hash [32]byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(w.WriteField("text", text))
	check(w.WriteField("body", "ombuds"))
	p, err := w.CreateFormFile("file", name)
	check(err)
	data := bytes.Repeat([]byte(text), size/len(text))
	_, err = p.Write(data)
	check(err)
	check(w.Close())
	header = fmt.Appendf(nil, "POST /report HTTP/1.1\r\nHost: postern.test\r\nOrigin: http://postern.test\r\nSec-Fetch-Site: same-origin\r\n"+
		"Connection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", w.FormDataContentType(), b.Len())
	whole := b.Bytes()
	return whole[:len(whole)-1000], whole[len(whole)-1000:], header, sha256.Sum256(data)
}

// call is one line of strace, or two that belong together.
type call struct {
	line   int // where it began, from 1
	done   int // where it returned
	time   float64
	name   string
	file   string // of the first argument, when that is a descriptor
	args   string
	result int
}

var (
	callLine   = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (\w+)\((.*)$`)
	resumeLine = regexp.MustCompile(`^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)$`)
	descriptor = regexp.MustCompile(`^\d+<(.*?)>`)
	resultEnd  = regexp.MustCompile(`= (-?\d+)[^=]*$`)
)

// parseTrace reads the calls in the order in which they began.
func parseTrace(t *testing.T, trace string) (calls []call) {
	t.Helper()
	open := map[string]int{} // by thread
	for i, line := range strings.Split(trace, "\n") {
		var at int
		var returned string
		if m := callLine.FindStringSubmatch(line); m != nil {
			c := call{line: i + 1, name: m[3], args: m[4], done: 1 << 30}
			c.time, _ = strconv.ParseFloat(m[2], 64)
			if f := descriptor.FindStringSubmatch(m[4]); f != nil {
				c.file = f[1]
			}
			calls = append(calls, c)
			if strings.HasSuffix(line, "<unfinished ...>") {
				open[m[1]] = len(calls) - 1
				continue
			}
			at, returned = len(calls)-1, m[4]
		} else if m := resumeLine.FindStringSubmatch(line); m != nil {
			at, returned = open[m[1]], m[4]
			calls[at].args += returned // what a read brought stands there
		} else {
			continue // signals, exits
		}
		if m := resultEnd.FindStringSubmatch(returned); m != nil {
			calls[at].result, _ = strconv.Atoi(m[1])
			calls[at].done = i + 1
		}
	}
	if len(calls) == 0 {
		t.Fatal("strace saw nothing")
	}
	return calls
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
