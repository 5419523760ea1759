package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// What a source types passes through this process in clear, and Go moves and
// copies it as it likes. Two things shorten its life to about a minute beyond
// the request: what is freed is overwritten, and it is freed soon, not when
// memory happens to be needed. Neither reaches what lies in the stack of a
// goroutine that has ended; a promise is not made (SECURITY.md S-12).

// overwrite is the runtime's own setting to fill what its collector frees.
const overwrite = "clobberfree=1"

// overwriteFreed turns overwrite on. The runtime takes it at a program's start
// only, so the program starts again in its own place: same process, same
// arguments.
func overwriteFreed() error {
	const name = "GODEBUG"
	have := os.Getenv(name)
	if strings.Contains(have, overwrite) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	setting := overwrite
	if have != "" {
		setting = have + "," + overwrite
	}
	if err := os.Setenv(name, setting); err != nil {
		return err
	}
	if err := syscall.Exec(self, os.Args, os.Environ()); err != nil { //nolint:gosec // ourselves
		return fmt.Errorf("starting again with %s=%s: %w", name, setting, err)
	}
	return nil
}

const (
	// forgetEvery is how long freed memory stays as it is, at most, while there are visitors.
	forgetEvery = 20 * time.Second
	// lingering is how long after a visit something of it may still be held: an
	// idle connection keeps its buffers for two minutes.
	lingering = 3 * time.Minute
)

// memory knows when somebody was here last.
type memory struct{ visited atomic.Int64 } // Unix nanoseconds

// watch passes requests on and remembers that there was one.
func (m *memory) watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { m.visited.Store(time.Now().UnixNano()) }()
		h.ServeHTTP(w, r)
	})
}

// forget collects what visits left, until ctx ends.
func (m *memory) forget(ctx context.Context) {
	t := time.NewTicker(forgetEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if time.Since(time.Unix(0, m.visited.Load())) < lingering {
			runtime.GC() // pools let go at the second collection
			debug.FreeOSMemory()
		}
	}
}
