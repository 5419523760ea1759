package web

import (
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// TestLimit: the next connection gets in when another has left.
func TestLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "door")
	inner, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l := Limit(inner)
	defer l.Close()
	dial := func() {
		t.Helper()
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	var first net.Conn
	for range MaxConns {
		dial()
		if first, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	dial()
	var left atomic.Bool
	early := make(chan bool, 1)
	go func() {
		c, err := l.Accept()
		early <- !left.Load()
		if err == nil {
			_ = c.Close()
		}
	}()
	time.Sleep(50 * time.Millisecond) // without a limit it gets in now
	left.Store(true)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if <-early {
		t.Errorf("connection %d got in while %d were inside", MaxConns+1, MaxConns)
	}
}
