// Package seedtest makes tests that draw at random repeat themselves.
//
//	r := seedtest.Set(t) // first thing in a test, or in what builds its world
//
// From then on, until the test ends, everything that this process draws comes
// from one seed: codes, keys, nonces, places of cells (all of crypto/rand), and
// what the test itself draws from r. The seed is in the test's log; a failure
// is seen again with the same test and
//
//	POSTERN_SEED=123456 go test -run '^TestName$' ./room
//
// What several goroutines draw comes in the order in which they happen to ask,
// and another process draws for itself: a test that needs a code with a
// property there chooses one that has it, instead of hoping.
package seedtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
)

// Variable is the environment variable that brings a logged seed back.
const Variable = "POSTERN_SEED"

// Set draws a seed, logs it, and lets everything that is drawn during the test
// follow from it. Called again in the same test (by
// what builds a second world) it goes on with the first seed. It must not be
// used in a parallel test; a benchmark or a fuzz target gets the generator alone.
func Set(t testing.TB) *rand.Rand {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for _, r := range running {
		if r.t == t {
			return generator(r.next())
		}
	}
	r := &run{t: t, seed: drawn(t)}
	running = append(running, r)
	t.Cleanup(r.end)
	r.reseed()
	return generator(r.next())
}

// Rand draws a seed, logs it, and returns a generator that follows from it:
// for a parallel test, or for a helper that must not touch what others draw.
func Rand(t testing.TB) *rand.Rand {
	t.Helper()
	return generator((&run{t: t, seed: drawn(t)}).next())
}

// run is a test that was seeded and has not ended. Tests that contain one
// another are stacked: what a subtest ends, its parent takes up again.
type run struct {
	t     testing.TB
	seed  uint64
	count uint64
}

var (
	mu      sync.Mutex
	running []*run
)

// next is a number that follows from the seed and how many there were before.
// A subtest draws something else than the test that contains it.
func (r *run) next() uint64 {
	r.count++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d", r.seed, r.count, strings.Count(r.t.Name(), "/")))
	return binary.BigEndian.Uint64(sum[:])
}

func (r *run) reseed() {
	if t, ok := r.t.(*testing.T); ok {
		cryptotest.SetGlobalRandom(t, r.next())
	}
}

func (r *run) end() {
	mu.Lock()
	defer mu.Unlock()
	running = slices.DeleteFunc(running, func(x *run) bool { return x == r })
	if n := len(running); n > 0 {
		running[n-1].reseed()
	}
}

func drawn(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(rand.Uint32()) // short: people copy it
	if s := os.Getenv(Variable); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("%s=%s is not a seed: %v", Variable, s, err)
		}
		seed = n
	}
	t.Logf("seed %d (%s=%d takes it again)", seed, Variable, seed)
	return seed
}

func generator(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
