package main_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/cmd/scantest"
	"postern/web/visitor"
)

// Two minutes after the last request nothing that sources sent is in the memory
// of the server (SECURITY.md S-12), also when it had many visitors at once: then
// the collector runs in the midst of requests, moves their stacks and leaves
// the old ones as they were.
func TestForgetsVisitors(t *testing.T) {
	d := newDaemon(t, "none", nil)
	d.start()
	const at, rounds = 12, 4
	var (
		mu      sync.Mutex
		markers []scantest.Marker
		all     sync.WaitGroup
	)
	for n := range at {
		dir := t.TempDir()
		all.Go(func() {
			for i := range rounds {
				m, err := visitAll(d.public(), dir, fmt.Sprintf("n%dx%d", n, i))
				if err != nil {
					t.Errorf("source %d, round %d: %v", n, i, err)
					return
				}
				mu.Lock()
				markers = append(markers, m...)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	left := time.Now()
	known, _ := scantest.Memory(t, d.cmd.Process.Pid, []scantest.Marker{scantest.Bytes("known", "Example ombuds institution")})
	if len(known) == 0 {
		t.Error("what is in the memory of the server is not found there")
	}
	for {
		found, size := scantest.Memory(t, d.cmd.Process.Pid, markers)
		t.Logf("%.0f s after the last request: %d findings in %.0f MB", time.Since(left).Seconds(), len(found), float64(size)/1e6)
		if len(found) == 0 {
			return
		}
		if time.Since(left) > 2*time.Minute {
			times := map[string]int{}
			for _, f := range found {
				_, kind, _ := strings.Cut(f.Marker, " ")
				if times[kind]++; times[kind] <= 3 {
					t.Errorf("in the memory of the server: %s", f)
				}
			}
			t.Fatalf("all: %v", times)
		}
		time.Sleep(10 * time.Second)
	}
}

// visitAll is a source who uses every page once, and the markers of what was sent.
func visitAll(v *visitor.Visitor, dir, id string) ([]scantest.Marker, error) {
	mark := func(what string) string { return fmt.Sprintf("planted-%s-%s-%s", what, id, strings.Repeat(id, 3)) }
	again := func(what string, n int) string { return strings.Repeat(mark(what)+". ", n) }
	name := mark("name") + ".csv"
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, bytes.Repeat([]byte(mark("file")+"\n"), 4000), 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	var code string
	var err error
	var words []string
	step := func(f func() error) {
		if err == nil {
			err = f()
		}
	}
	step(func() error { return v.Get("/report") })
	step(func() error {
		return v.Submit("/report", 1, "text="+again("text", 40), "q-place="+mark("place"), "file=@"+file)
	})
	step(func() error { code, err = v.Code(); words = strings.Fields(code); return err })
	step(func() error { return v.Submit("/code", 1, "code="+strings.Join(words[1:], " ")) })
	step(func() error { return v.Submit("/code", 1, "code="+strings.ToUpper(code)) })
	step(func() error { return v.Submit("/files", 1, "file=@"+file) })
	step(func() error { return v.Get("/inbox") })
	step(func() error { return v.Submit("/inbox", 1, "code="+visitor.Swapped(code)) })
	step(func() error { return v.Submit("/inbox", 1) })
	step(func() error { return v.Submit("/message", 1, "text="+again("message", 200)) })
	step(func() error { return v.Get("/inbox") })
	step(func() error { return v.Submit("/inbox", 1, "code="+code) })
	var next string
	step(func() error { return v.Submit("/change", 1) })
	step(func() error { next, err = v.Code(); return err })
	step(func() error { return v.Submit("/changed", 1, "code="+next) })
	step(func() error { return v.Submit("/inbox", 1) })
	step(func() error { return v.Submit("/erase", 1) })
	step(func() error { return v.Submit("/erased", 1) })
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, v.Text())
	}
	list, err := scantest.Code(id+" code", code)
	if err != nil {
		return nil, err
	}
	more, err := scantest.Code(id+" new code", next)
	list = append(list, more...)
	for _, what := range []string{"text", "place", "name", "file", "message"} {
		list = append(list, scantest.Bytes(id+" "+what, mark(what)))
	}
	return list, err
}
