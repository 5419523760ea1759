package server

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// What a source types passes through this process in clear, and Go copies it as
// it likes. Three things shorten its life to about a minute beyond the request:
// what is freed is overwritten; it is freed soon, not when memory happens to be
// needed; and each request leaves its stack wiped, and no other copy of it. This
// is tested by searching the memory of a running server, and it promises nothing
// against who reads that memory during a request (SECURITY.md S-12).

// settings are the runtime's own, as GODEBUG names them.
var settings = []string{
	// The collector overwrites what it frees.
	"clobberfree=1",
	// It would else move a request's stack to a smaller one when it runs meanwhile,
	// and leave the old one as it was, in a pool where nothing overwrites it.
	"gcshrinkstackoff=1",
	// A signal that stops a goroutine in the midst of its work keeps its registers
	// on a stack of its own until the next signal. Goroutines stop at calls as well.
	"asyncpreemptoff=1",
}

// overwriteFreed turns the settings on. The runtime takes them at a program's
// start only, so the program starts again in its own place: same process, same
// arguments.
func overwriteFreed() error {
	const name = "GODEBUG"
	have := os.Getenv(name)
	want := have
	for _, s := range settings {
		if !slices.Contains(strings.Split(want, ","), s) {
			want = strings.TrimPrefix(want+","+s, ",")
		}
	}
	if want == have {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	if err := os.Setenv(name, want); err != nil {
		return err
	}
	if err := syscall.Exec(self, os.Args, os.Environ()); err != nil { //nolint:gosec // ourselves
		return fmt.Errorf("starting again with %s=%s: %w", name, want, err)
	}
	return nil
}

const (
	// forgetEvery is how long freed memory stays as it is, at most, while there are visitors.
	forgetEvery = 20 * time.Second
	// lingering is how long after a visit something of it may still be held: its
	// connection keeps its buffers until it has been idle for 20 seconds.
	lingering = 90 * time.Second
)

// memory knows when somebody was here last.
type memory struct{ visited atomic.Int64 } // Unix nanoseconds

// watch passes requests on, wipes the stack behind them and remembers that
// there was one.
func (m *memory) watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wipeStack() // grown before there is anything to leave behind in a smaller one
		defer func() {
			wipeStack()
			m.visited.Store(time.Now().UnixNano())
		}()
		h.ServeHTTP(w, r)
	})
}

// stackReach is how far below its caller wipeStack reaches, in bytes: further
// than any page of ours.
const stackReach = 32 << 10

// wipeStack overwrites what calls that have returned left on this stack.
//
//go:noinline
func wipeStack() {
	var b [stackReach]byte
	keepZeros(&b)
}

// keepZeros keeps the compiler from leaving them out.
//
//go:noinline
func keepZeros(*[stackReach]byte) {}

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
