package web

import (
	"io"
	"log"
	"net/http"
	"time"
)

// NewServer is the http.Server both handlers expect: HTTP/1.1 only (what
// tor's socket carries), a bound for headers but none for bodies (pace.go has
// that), and no log, since net/http's lines name peers and requests. It tells the
// door of [Limit] what its connections are at.
func NewServer(h http.Handler) *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	return &http.Server{
		Handler:           atDoor(h),
		ConnState:         doorState,
		ConnContext:       doorContext,
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
