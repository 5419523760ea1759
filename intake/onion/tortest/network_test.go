package tortest

import (
	"context"
	"os"
	"testing"
	"time"
)

// A client of a started network can use it: its bootstrap ends only when it
// has built a circuit through the relays. That onions are served and reached
// is what the tests of package onion show.
func TestNetwork(t *testing.T) {
	dir, err := os.MkdirTemp("", "tn")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	t0 := time.Now()
	w, err := Start(ctx, Config{Dir: dir, Progress: func(s string) { t.Logf("%4.1f s: %s", time.Since(t0).Seconds(), s) }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c, err := w.Client(ctx, "client", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%4.1f s: a client with SOCKS at %s", time.Since(t0).Seconds(), c.SOCKS())
	core := append([]*Node{c.Node}, w.core...)
	w.Close()
	for _, n := range core {
		if n.proc.Err() == nil {
			t.Errorf("%s runs after Close", n.name)
		}
	}
}
