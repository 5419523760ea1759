package web

import (
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// MaxConns is how many connections one door serves at once. Each may hold a
// form's fields and a page, some 400 KiB, so that this bounds the memory which
// strangers can ask for.
const MaxConns = 512

// Limit lets at most [MaxConns] connections in; others wait at the door, which
// the kernel does for us. For the listener that a server of [NewServer] gets.
func Limit(l net.Listener) net.Listener { return netutil.LimitListener(l, MaxConns) }

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
