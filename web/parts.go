package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"strings"
)

// parts reads a multipart form as browsers write it (RFC 7578, and the HTML
// standard for names), part by part, keeping nothing. mime/multipart will not do:
// it reads headers of 10 MB into memory, and refuses the whole form for one
// character in a file's name.
type parts struct {
	r        io.Reader
	sep      []byte // "\r\n--boundary"
	buf      []byte
	from, to int   // of buf: what was read and not yet used
	at       int   // of the next sep in buf; -1: none in sight
	seen     int   // up to here buf was looked through for sep
	err      error // of r
	begun    bool
}

const (
	partsBuffer = 32 << 10
	// maxPartHeader bounds what stands between two parts, and in front of the first.
	maxPartHeader = 16 << 10
	maxBoundary   = 70
)

var errHeader = errors.New("the header of a part is too long")

// newParts reads a body of this Content-Type.
func newParts(contentType string, r io.Reader) (*parts, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	if err != nil || kind != "multipart/form-data" || boundary == "" || len(boundary) > maxBoundary {
		return nil, errForm
	}
	p := &parts{r: r, sep: []byte("\r\n--" + boundary), buf: make([]byte, partsBuffer), at: -1}
	p.to = copy(p.buf, "\r\n") // the first separator may stand at the very beginning
	return p, nil
}

// part is one part of a form; its content is read until the next separator.
type part struct {
	p         *parts
	field     string // name of the field
	file      string // what the browser calls the file
	isFile    bool   // also when it has no name, or none that can be read
	mediaType string
}

// fill reads more into the buffer. There is room: who uses the buffer leaves some.
func (p *parts) fill() {
	if p.from > 0 {
		n := copy(p.buf, p.buf[p.from:p.to])
		p.seen, p.to, p.from = max(0, p.seen-p.from), n, 0
	}
	if p.err == nil {
		var n int
		n, p.err = p.r.Read(p.buf[p.to:])
		p.to += n
	}
	p.look()
}

// look searches what is new in the buffer for the next separator.
func (p *parts) look() {
	start := max(p.from, p.seen-len(p.sep)+1)
	p.at, p.seen = -1, p.to
	if i := bytes.Index(p.buf[start:p.to], p.sep); i >= 0 {
		p.at, p.seen = start+i, start+i
	}
}

// ready is how many bytes of the current part lie in the buffer.
func (p *parts) ready() int {
	if p.at >= 0 {
		return p.at - p.from
	}
	if p.err != nil {
		return p.to - p.from // what is left belongs to the part that broke off
	}
	return max(0, p.to-p.from-len(p.sep)+1)
}

// Read reads the content of the current part.
func (x *part) Read(b []byte) (int, error) {
	p := x.p
	for p.ready() == 0 {
		switch {
		case p.at >= 0:
			return 0, io.EOF
		case p.err != nil:
			return 0, p.broken()
		}
		p.fill()
	}
	n := copy(b, p.buf[p.from:p.from+p.ready()])
	p.from += n
	return n, nil
}

// broken is the error of a body that ends before its form does.
func (p *parts) broken() error {
	if errors.Is(p.err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return p.err
}

// skip reads to the next separator, over at most so many bytes (-1: any number),
// and over it.
func (p *parts) skip(most int64) error {
	for {
		n := p.ready()
		p.from += n
		if most >= 0 {
			if most -= int64(n); most < 0 {
				return errHeader
			}
		}
		if p.at >= 0 {
			p.from += len(p.sep)
			p.look()
			return nil
		}
		if p.err != nil {
			return p.broken()
		}
		p.fill()
	}
}

// line reads a line of a part's header, without its end.
func (p *parts) line(left *int) (string, error) {
	for start := p.from; ; {
		if i := bytes.IndexByte(p.buf[start:p.to], '\n'); i >= 0 {
			line := p.buf[p.from : start+i]
			p.from = start + i + 1
			if *left -= len(line) + 1; *left < 0 {
				return "", errHeader
			}
			if p.at >= 0 && p.at < p.from { // a separator in a header separates nothing
				p.seen = p.from
				p.look()
			}
			return string(bytes.TrimSuffix(line, []byte("\r"))), nil
		}
		if p.to-p.from > *left {
			return "", errHeader
		}
		if p.err != nil {
			return "", p.broken()
		}
		start = p.to - p.from
		p.fill() // moves what is left to the front
	}
}

// next goes to the next part, reading the current one to its end first. The
// error is io.EOF behind the last part.
func (p *parts) next() (*part, error) {
	most := int64(-1)
	if !p.begun {
		p.begun, most = true, maxPartHeader
	}
	if err := p.skip(most); err != nil {
		return nil, err
	}
	return p.header()
}

// header reads what stands between a separator and the content of its part.
func (p *parts) header() (*part, error) {
	left := maxPartHeader
	rest, err := p.line(&left)
	if strings.HasPrefix(rest, "--") || err != nil && string(p.buf[p.from:min(p.to, p.from+2)]) == "--" {
		return nil, io.EOF
	}
	x := &part{p: p}
	for err == nil {
		var l string
		if l, err = p.line(&left); l == "" {
			break
		}
		key, value, _ := strings.Cut(l, ":")
		switch value = strings.TrimSpace(value); strings.ToLower(strings.TrimSpace(key)) {
		case "content-disposition":
			x.disposition(value)
		case "content-type":
			x.mediaType = value
		}
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

// disposition reads what a browser says of a part. Names stand in quotation marks,
// in which nothing has a meaning but these.
func (x *part) disposition(v string) {
	x.isFile = strings.Contains(strings.ToLower(v), "filename")
	_, v, _ = strings.Cut(v, ";")
	for v != "" {
		key, rest, found := strings.Cut(v, "=")
		if !found {
			break
		}
		key = strings.ToLower(strings.TrimLeft(key, "; \t"))
		var value string
		if strings.HasPrefix(rest, `"`) {
			value, v = quoted(rest[1:])
		} else {
			value, v, _ = strings.Cut(rest, ";")
		}
		switch {
		case key == "name" && x.field == "":
			x.field = unquoted.Replace(value)
		case key == "filename" && x.file == "":
			x.file = unquoted.Replace(value)
		}
	}
	x.isFile = x.isFile || x.field == fieldFile
}

// quoted reads to the quotation mark that ends a value: one in front of a
// semicolon or at the end of the line. A line that was cut ends the value too.
func quoted(s string) (value, rest string) {
	for i := 0; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		if after := strings.TrimLeft(s[i+1:], " \t"); after == "" || after[0] == ';' {
			return s[:i], after
		}
	}
	return s, ""
}

// unquoted undoes what browsers do to names, and nothing else: a quotation mark
// and line breaks are written like this. Older ones write \" instead.
var unquoted = strings.NewReplacer("%22", `"`, "%0A", "\n", "%0D", "\r", `\"`, `"`)
