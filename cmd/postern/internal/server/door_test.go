package server

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"postern/web"
)

// TestDoorIsNarrow: however many connect to a door, a bounded number is served
// at once, and the others after them.
func TestDoorIsNarrow(t *testing.T) {
	const more = 20
	var inside atomic.Int32
	gate := make(chan struct{})
	s := &server{failed: make(chan error, 1)}
	path := filepath.Join(t.TempDir(), "door")
	d, err := s.open(path, 0o600, web.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		inside.Add(1)
		<-gate
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer d.srv.Close()
	answered := make(chan error)
	for range web.MaxConns + more {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 200")))
			answered <- err
			_ = c.Close()
		}()
	}
	for inside.Load() < web.MaxConns {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // without a limit the others get in now
	if n := inside.Load(); n != web.MaxConns {
		t.Errorf("%d inside at once, at most %d may be", n, web.MaxConns)
	}
	close(gate)
	for range web.MaxConns + more {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
}
