package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// BenchmarkPreview is the time from starting the program to its first page,
// on a database that is there, and the memory that it holds then, idle: a
// preview, so without tor.
func BenchmarkPreview(b *testing.B) {
	bin, dir := buildPrograms(b), filepath.Join(b.TempDir(), "p")
	stop(preview(b, bin, dir)) // makes the instance
	var idle float64
	for b.Loop() {
		cmd := preview(b, bin, dir)
		b.StopTimer()
		time.Sleep(time.Second) // let it come to rest
		idle = max(idle, rss(b, cmd.Process.Pid))
		stop(cmd)
		b.StartTimer()
	}
	b.ReportMetric(idle, "idle-MiB")
}

// preview starts the program and reads its first page.
func preview(b *testing.B, bin, dir string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, "postern"), "serve", "--preview", "127.0.0.1:0", "--dir", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	resp, err := http.Get(address(b, out))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < 90<<10 {
		b.Fatalf("a first page of %d bytes: %v", n, err)
	}
	return cmd
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
}

var loopback = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// address finds where the preview listens in what it prints.
func address(b *testing.B, r io.Reader) string {
	s := bufio.NewScanner(r)
	for s.Scan() {
		if url := loopback.FindString(s.Text()); url != "" {
			go func() { _, _ = io.Copy(io.Discard, r) }()
			return url + "/"
		}
	}
	b.Fatalf("the preview names no address: %v", s.Err())
	return ""
}

// rss is a process's resident memory in MiB.
func rss(b *testing.B, pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for l := range bytes.Lines(status) {
		if v, ok := bytes.CutPrefix(l, []byte("VmRSS:")); ok {
			kb, err := strconv.ParseFloat(string(bytes.Fields(v)[0]), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
