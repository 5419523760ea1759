package web

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// onlyWay is a SOCKS 5 proxy (RFC 1928) that leads to one address and keeps
// what it is asked for.
type onlyWay struct {
	to  string
	mu  sync.Mutex
	ask []string
}

func (o *onlyWay) asked() []string { o.mu.Lock(); defer o.mu.Unlock(); return slices.Clone(o.ask) }

// listen starts it and returns its own address.
func (o *onlyWay) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go o.pass(c)
		}
	}()
	return l.Addr().String()
}

func (o *onlyWay) pass(c net.Conn) {
	defer c.Close()
	asked, err := socksAsked(c)
	if err != nil {
		asked = "not SOCKS: " + err.Error()
	}
	o.mu.Lock()
	o.ask = append(o.ask, asked)
	o.mu.Unlock()
	if asked != o.to {
		_, _ = c.Write([]byte{5, 2, 0, 1, 0, 0, 0, 0, 0, 0}) // not allowed
		return
	}
	up, err := net.Dial("tcp", o.to)
	if err != nil {
		return
	}
	defer up.Close()
	_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() {
		defer c.Close()
		_, _ = io.Copy(c, up)
	}()
	_, _ = io.Copy(up, c)
}

// socksAsked greets a client and reads where it wants to go.
func socksAsked(c io.ReadWriter) (string, error) {
	var failed error
	read := func(n int) []byte {
		b := make([]byte, n)
		_, err := io.ReadFull(c, b)
		failed = errors.Join(failed, err)
		return b
	}
	read(int(read(2)[1]))
	if _, err := c.Write([]byte{5, 0}); err != nil || failed != nil {
		return "", errors.Join(failed, err)
	}
	var host string
	switch kind := read(4)[3]; kind {
	case 1:
		host = net.IP(read(net.IPv4len)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	case 4:
		host = net.IP(read(net.IPv6len)).String()
	default:
		return "", fmt.Errorf("address of type %d", kind)
	}
	port := binary.BigEndian.Uint16(read(2))
	return net.JoinHostPort(host, fmt.Sprint(port)), failed
}
