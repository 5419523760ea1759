package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestMalformedRequests holds the exceptions from one size to the list in the
// package comment, and the clock out of them. It asks at a unix socket, as tor
// does: there an answer arrives even if not all of the request was read.
func TestMalformedRequests(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "door")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := NewServer(w.source)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = srv.Serve(Limit(l)) }()
	defer func() { _ = srv.Close(); <-ended }()
	const long = 20 << 10 // net/http adds 4 KiB to MaxHeaderBytes
	for raw, status := range map[string]int{
		"nonsense\r\n\r\n":                            400,
		"GET / HTTP/1.1\r\n\r\n":                      400,
		"GET / HTTP/1.1\r\nHost: x y\r\n\r\n":         400,
		"GET / HTTP/1.1\r\nHost: x\r\na b: c\r\n\r\n": 400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n": 400,
		"GET / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n":                               417,
		"POST /inbox HTTP/1.0\r\nExpect: x\r\n\r\n":                                    417,
		"GET / HTTP/1.1\r\nHost: x\r\na: " + strings.Repeat("x", long) + "\r\n\r\n":    431,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n":                501,
		"GET / HTTP/2.0\r\nHost: x\r\n\r\n":                                            505,
		// And these reach us.
		"GET / HTTP/1.1\r\nHost: x\r\na: " + strings.Repeat("x", 15<<10) + "\r\n\r\n": 200,
		"GET / HTTP/1.0\r\n\r\n": 200,
		"GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n": 404,
		"PRI * HTTP/2.0\r\n\r\n":                  404,
		"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n": 404,
		"POST /inbox HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n": 400,
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		r, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &got)), nil)
		if err != nil {
			t.Fatalf("%.60q: %v", raw, err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		conn.Close()
		if err != nil {
			t.Errorf("%.60q: %v", raw, err)
		}
		ours := r.Header.Get("Content-Security-Policy") != ""
		short := got.Len() < 300 && strings.Contains(" 400 417 431 501 505 ", " "+r.Status[:3]+" ")
		if r.StatusCode != status || r.Header["Date"] != nil || ours && len(b) != PageSize || !ours && !short {
			t.Errorf("%.60q: %s, %d bytes, headers %v", raw, r.Status, len(b), r.Header)
		}
	}
}
