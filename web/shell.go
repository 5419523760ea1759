package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// PageSize is the length of every HTML response to a source, in bytes
// (SECURITY.md S-9).
const PageSize = 96 << 10

const (
	padOpen  = "<!--"
	padClose = "-->"
	padding  = " every page of this service has the same length, so that who watches a line learns nothing from it\n"
	// pageRoom is what a page may use; the rest is for an empty padding comment.
	pageRoom = PageSize - len(padOpen) - len(padClose)
)

var filler = []byte(strings.Repeat(padding, PageSize/len(padding)+1)[:PageSize])

// errPageFull: a page grew beyond what PageSize holds.
var errPageFull = errors.New("page is larger than the one size all pages have")

// page is a page being written: a buffer of fixed size, wiped after use, since
// it may hold a code or a reply. One typed or sealed text may be spliced in
// where the template puts mark: it is escaped here with as few bytes as HTML
// allows (html/template would take five bytes for a quotation mark), so that
// 32 KiB of it fit.
//
// Links and actions of templates begin with here, which becomes the part of the
// address that names the language.
type page struct {
	buf    []byte // of PageSize
	n      int
	mark   string
	at     int // where the text goes; -1: no mark seen
	prefix []byte
}

// here stands in templates only: what is filled in has no such quotation mark.
var here = []byte(`="~/`)

var pages = sync.Pool{New: func() any { return &page{buf: make([]byte, PageSize)} }}

func newPage(mark, prefix string) *page {
	p, _ := pages.Get().(*page)
	p.n, p.mark, p.at = 0, mark, -1
	p.prefix = []byte(`="` + prefix + `/`)
	return p
}

func (p *page) free() {
	clear(p.buf)
	pages.Put(p)
}

// Write implements io.Writer for templates. A template writes each value with
// one call, so the mark, random for each process, arrives alone.
func (p *page) Write(b []byte) (int, error) {
	if p.mark != "" && string(b) == p.mark {
		p.at = p.n
		return len(b), nil
	}
	for n := len(b); ; {
		text, rest, found := bytes.Cut(b, here)
		if err := p.put(text); err != nil || !found {
			return n, err
		}
		if err := p.put(p.prefix); err != nil {
			return n, err
		}
		b = rest
	}
}

func (p *page) put(b []byte) error {
	if len(b) > pageRoom-p.n {
		return errPageFull
	}
	p.n += copy(p.buf[p.n:], b)
	return nil
}

// room is how many bytes of escaped text still fit.
func (p *page) room() int { return pageRoom - p.n }

// splice puts the text where the mark was.
func (p *page) splice(text string) error {
	if p.at < 0 || text == "" {
		return nil
	}
	e := escapedLen(text)
	if e > p.room() {
		return errPageFull
	}
	copy(p.buf[p.at+e:], p.buf[p.at:p.n])
	w := p.buf[p.at:p.at]
	for i := range len(text) {
		switch text[i] {
		case '&':
			w = append(w, "&amp;"...)
		case '<':
			w = append(w, "&lt;"...)
		default:
			w = append(w, text[i])
		}
	}
	p.n += e
	return nil
}

// bytes pads the page and returns it; it stays valid until free.
func (p *page) bytes() []byte {
	w := append(p.buf[:p.n], padOpen...)
	w = append(w, filler[:PageSize-len(w)-len(padClose)]...)
	return append(w, padClose...)
}

// escapedLen is the length of a text as splice writes it. "&" and "<" are all
// that must be escaped between tags and inside a textarea.
func escapedLen(s string) int {
	return len(s) + 4*strings.Count(s, "&") + 3*strings.Count(s, "<")
}

// cutEscaped cuts a text to at most n bytes as escaped, not inside a character.
func cutEscaped(s string, n int) (head, rest string) {
	if escapedLen(s) <= n {
		return s, ""
	}
	used, end := 0, 0
	for i, r := range s {
		w := len(string(r))
		switch r {
		case '&':
			w = 5
		case '<':
			w = 4
		}
		if used+w > n {
			break
		}
		used += w
		end = i + len(string(r))
	}
	return s[:end], s[end:]
}

// policy is the Content-Security-Policy around one inline stylesheet. The one
// image is the empty icon "data:,", without which browsers ask for /favicon.ico.
func policy(style []byte) string {
	h := sha256.Sum256(style)
	return "default-src 'none'; img-src data:; style-src 'sha256-" + base64.StdEncoding.EncodeToString(h[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// commonHeaders are on every response of both handlers. net/http writes
// headers sorted by name, so their order is the same everywhere.
func commonHeaders(h http.Header, csp string) {
	h["Date"] = nil // the server's clock is nobody's business
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", csp)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// Not no-referrer: Firefox would send "Origin: null" with the page's own forms.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
}

var pageSizeText = strconv.Itoa(PageSize)

// writePage sends one finished page.
func writePage(w http.ResponseWriter, status int, body []byte) error {
	if len(body) != PageSize {
		return fmt.Errorf("a page of %d bytes instead of %d", len(body), PageSize)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", pageSizeText)
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// where names the place of a panic without its value, which may hold a secret.
func where() string {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
		if !more {
			return "unknown place"
		}
	}
}
