package browsertest

import (
	"context"
	"os"
	"testing"
	"time"
)

// OpenChromium starts Chromium with a new profile; both are gone with the test.
func OpenChromium(t testing.TB) *Chromium {
	t.Helper()
	return opened(t, StartChromium)
}

// OpenFirefox starts Firefox with a new profile, whatever o.Dir says; both are gone with the test.
func OpenFirefox(t testing.TB, o Options) *Firefox {
	t.Helper()
	return opened(t, func(ctx context.Context, dir string) (*Firefox, error) {
		o.Dir = dir
		return Start(ctx, o)
	})
}

// opened is a browser that nobody needs to end, not even where a test hangs.
func opened[B interface{ Close() }](t testing.TB, start func(ctx context.Context, dir string) (B, error)) B {
	t.Helper()
	dir, err := os.MkdirTemp("", "browser") // t.TempDir would fail where a dying browser still writes
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	b, err := start(ctx, dir)
	if err != nil {
		cancel()
		_ = os.RemoveAll(dir)
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); cancel(); _ = os.RemoveAll(dir) })
	return b
}
