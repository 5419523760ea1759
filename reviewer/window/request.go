package window

import (
	"errors"
	"fmt"
	"mime"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Handler makes the pages of a window. It is called for one request at a
// time, in the order in which they were made; while it works, the window shows
// the page before.
type Handler interface {
	Answer(Request) Reply
}

// HandlerFunc is a function that is a [Handler].
type HandlerFunc func(Request) Reply

// Answer calls f.
func (f HandlerFunc) Answer(r Request) Reply { return f(r) }

// What a request wants.
const (
	Get   = "GET"   // to show a page
	Post  = "POST"  // to do what a form says
	Print = "PRINT" // to take the PDF of the page that is shown: the window can keep no file
	Key   = "KEY"   // to do what a key means on the page that is shown; no field took it
	Lost  = "LOST"  // to say that the page ended the process that showed it; without a Location "/" follows
)

// Request is what the window asks for. It comes from a process that a hostile
// text may have taken over: each value is bounded and of a known form, and none is to be believed.
type Request struct {
	Method string     // Get, Post, Print, Key or Lost
	Path   string     // of the page, decoded: begins with "/", holds no "..", no empty part and no control character
	Query  url.Values // never nil
	Form   url.Values // of Post; never nil
	PDF    []byte     // of Print
	Key    string     // of Key: one letter, digit or mark; Latin whatever the layout, where the key has a Latin meaning
}

// Reply is what the desk answers.
type Reply struct {
	Status   int    // as in HTTP; 0 is 200
	Type     string // media type of Body; "" is HTML in UTF-8
	Location string // when set, the window goes to this page of ours ("/cases?page=2#top") and shows no body
	CSP      string // Content-Security-Policy; "" is [Policy]
	Body     []byte
}

// Policy lets a page be made of its own text, style and pictures, and send forms
// to the desk. Scripts are off in the window anyway.
const Policy = "default-src 'none'; style-src 'unsafe-inline'; img-src desk:; form-action desk:; base-uri 'none'; frame-ancestors 'none'"

// Origin is what addresses in the window begin with: the scheme of its own and one host.
const Origin = "desk://desk"

// Limits of a request, in bytes. Forms carry answers and notes, never files.
const (
	maxMethod = 8
	maxURI    = 8 << 10
	maxType   = 256
	maxForm   = 1 << 20
	maxPDF    = 64 << 20
	maxFields = 4096
)

// Errors of requests that no page of ours makes. Their page says it in one sentence.
var (
	errAddress = errors.New("this is not an address of the desk")
	errForm    = errors.New("this form cannot be read: go back, and make the text shorter")
	errMethod  = errors.New("the desk does not know this kind of request")
)

// request judges what came over the link.
func (f frame) request() (Request, error) {
	p, q, err := page(f.uri)
	if err != nil {
		return Request{}, err
	}
	r := Request{Method: f.method, Path: p, Query: q, Form: url.Values{}}
	switch f.method {
	case Get, Lost:
	case Post:
		r.Form, err = form(f.kind, f.body)
	case Print:
		r.PDF = f.body
	case Key:
		r.Key = string(f.body)
		if c, n := utf8.DecodeRuneInString(r.Key); n != len(r.Key) || !unicode.IsGraphic(c) || c == utf8.RuneError {
			err = errMethod
		}
	default:
		err = errMethod
	}
	return r, err
}

// page takes an address of ours apart.
func page(uri string) (string, url.Values, error) {
	rest, ours := strings.CutPrefix(uri, Origin)
	if !ours || !strings.HasPrefix(rest, "/") {
		return "", nil, errAddress
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	p, err := url.PathUnescape(rest)
	if err != nil || !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) || path.Clean(p) != p {
		return "", nil, errAddress
	}
	q, err := values(query)
	if err != nil {
		return "", nil, errAddress
	}
	return p, q, nil
}

// form reads what a page of ours sends: urlencoded and nothing else. Parsing
// multipart would bring package net, and files never come this way.
func form(kind string, body []byte) (url.Values, error) {
	if t, _, err := mime.ParseMediaType(kind); err != nil || t != "application/x-www-form-urlencoded" {
		return nil, errForm
	}
	return values(string(body))
}

func values(s string) (url.Values, error) {
	if strings.Count(s, "&") >= maxFields {
		return nil, errForm
	}
	v, err := url.ParseQuery(s)
	if err != nil {
		return nil, errForm
	}
	for name, list := range v {
		for _, text := range append(list, name) {
			if !utf8.ValidString(text) {
				return nil, errForm
			}
		}
	}
	return v, nil
}

// refusal is the page for a request that no page of ours makes.
func refusal(err error) Reply {
	return Reply{Status: 400, Type: "text/plain; charset=utf-8", Body: fmt.Appendf(nil, "%s.\n", err)}
}
