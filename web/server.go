package web

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// MaxConns is how many connections one door serves at once. Each may hold a
// form's fields and a page, some 400 KiB, so that this bounds the memory which
// strangers can ask for.
const MaxConns = 512

// Limit lets at most [MaxConns] connections in; others wait at the door, which
// the kernel does for us. It also takes the time of day out of an answer of
// net/http's own. For the listener that a server of [NewServer] gets.
//
// It is not netutil.LimitListener: behind that one net/http cannot close its
// side alone, and an answer to a request it did not read to the end is cut off.
func Limit(l net.Listener) net.Listener {
	return &limited{Listener: l, inside: make(chan struct{}, MaxConns), shut: make(chan struct{})}
}

type limited struct {
	net.Listener
	inside chan struct{}
	shut   chan struct{}
	once   sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.inside <- struct{}{}:
	case <-l.shut:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.inside
		return nil, err
	}
	return &line{Conn: c, leave: sync.OnceFunc(func() { <-l.inside })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.shut) })
	return l.Listener.Close()
}

// line is a connection that was let in.
type line struct {
	net.Conn
	leave func()
}

func (c *line) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// CloseWrite is what net/http looks for.
func (c *line) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Write hides the server's clock, which can tell which machine this is. An
// Expect header that net/http does not know it answers by itself, in one short
// piece, with a Date that nothing turns off. No answer of ours has that status.
func (c *line) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("HTTP/1.1 417 ")) || bytes.HasPrefix(b, []byte("HTTP/1.0 417 ")) {
		before, rest, dated := bytes.Cut(b, []byte("\r\nDate: "))
		_, after, whole := bytes.Cut(rest, []byte("\r\n"))
		if dated && whole {
			_, err := c.Conn.Write(bytes.Join([][]byte{before, after}, []byte("\r\n")))
			return len(b), err
		}
	}
	return c.Conn.Write(b)
}

// NewServer is the http.Server both handlers expect: HTTP/1.1 only (what
// tor's socket carries), a bound for headers but none for bodies (pace.go has
// that), and no log, since net/http's lines name peers and requests.
func NewServer(h http.Handler) *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	return &http.Server{
		Handler:           h,
		Protocols:         &p,
		ReadHeaderTimeout: time.Minute,
		// An idle connection's buffers hold what was typed last. A browser whose
		// next form meets the end of this time sends it again on a new one.
		IdleTimeout:    20 * time.Second,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       log.New(io.Discard, "", 0),
		// "OPTIONS *" would be answered without our headers and size.
		DisableGeneralOptionsHandler: true,
	}
}
