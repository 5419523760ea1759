package web

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"postern/intake/form"
)

// Bounds of a form's parts, in bytes as they arrive.
const (
	maxPartHeader = 64 << 10 // includes multipart's own read-ahead
	maxParts      = 512
	maxShort      = 2 << 10  // ticket, code, options
	maxAnswerRead = 4 << 10  // one structured answer; questions allow less
	maxTextRead   = PageSize // more could not be given back on one page
)

// Names of form fields. Structured answers are "q-" + the question's id.
const (
	fieldTicket = "ticket"
	fieldCode   = "code"
	fieldText   = "text"
	fieldBody   = "body"
	fieldFile   = "file"
	fieldAnswer = "q-"
)

var (
	errForm   = errors.New("not a form of ours")
	errHeader = errors.New("the header of a part is too long")
)

// fields are the text parts of a form, which stand before its files.
type fields struct {
	ticket  string
	code    string
	text    string // clean
	cut     bool   // more text was sent than maxTextRead
	bodies  []string
	answers map[string][]string // by question id, as they came
}

// upload streams one multipart form. Nothing is kept but the fields
// (SECURITY.md S-11).
type upload struct {
	body    *pacedBody
	head    *headLimit
	mr      *multipart.Reader
	part    *multipart.Part // the file at which fields stopped
	parts   int
	arrived time.Time // when the first part did
	done    bool
}

// newUpload refuses anything but a multipart form.
func newUpload(r *http.Request, body *pacedBody, now func() time.Time) (*upload, error) {
	u := &upload{body: body, head: &headLimit{r: body, left: -1}, arrived: now()}
	q := r.Clone(r.Context())
	q.Body = struct {
		io.Reader
		io.Closer
	}{u.head, body}
	mr, err := q.MultipartReader()
	if err != nil {
		return nil, errForm
	}
	u.mr = mr
	return u, nil
}

// headLimit bounds what is read between two parts: multipart itself would
// take headers of 10 MB into memory.
type headLimit struct {
	r    io.Reader
	left int // -1: no bound now
}

func (h *headLimit) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, errHeader
	}
	if h.left > 0 && len(p) > h.left {
		p = p[:h.left]
	}
	n, err := h.r.Read(p)
	if h.left > 0 {
		h.left -= n
	}
	return n, err
}

// next goes to the next part, reading the current one to its end first.
func (u *upload) next() (*multipart.Part, error) {
	if u.part != nil {
		if _, err := io.Copy(io.Discard, u.part); err != nil {
			return nil, err
		}
		u.part = nil
	}
	if u.parts++; u.parts > maxParts {
		return nil, errForm
	}
	u.head.left = maxPartHeader
	p, err := u.mr.NextRawPart()
	u.head.left = -1
	if err != nil {
		return nil, err
	}
	u.part = p
	return p, nil
}

// fields reads all text parts before the first file. With an error it returns
// what it read until then.
func (u *upload) fields(now func() time.Time) (*fields, error) {
	f := &fields{answers: map[string][]string{}}
	for first := true; ; first = false {
		p, err := u.next()
		if errors.Is(err, io.EOF) {
			u.done = true
			return f, nil
		}
		if err != nil {
			return f, err
		}
		if first {
			u.arrived = now()
		}
		if isFile(p) {
			return f, nil // u.part is the file
		}
		if err := f.take(p); err != nil {
			return f, err
		}
	}
}

func isFile(p *multipart.Part) bool {
	return p.FormName() == fieldFile || strings.Contains(p.Header.Get("Content-Disposition"), "filename")
}

func (f *fields) take(p *multipart.Part) error {
	name := p.FormName()
	most := int64(maxShort)
	id, isAnswer := strings.CutPrefix(name, fieldAnswer)
	switch {
	case name == fieldText:
		most = maxTextRead
	case isAnswer:
		most = maxAnswerRead
	}
	b, err := io.ReadAll(io.LimitReader(p, most+1))
	if err != nil {
		return err
	}
	defer clear(b)
	cut := int64(len(b)) > most
	if cut {
		b = b[:most]
	}
	switch {
	case name == fieldTicket:
		f.ticket = string(b)
	case name == fieldCode:
		f.code = string(b)
	case name == fieldText:
		f.text, f.cut = form.Clean(string(b)), cut
	case name == fieldBody:
		f.bodies = append(f.bodies, string(b))
	case isAnswer:
		if _, ok := form.QuestionOf(id); ok {
			f.answers[id] = append(f.answers[id], string(b))
		}
	}
	return nil
}

// files calls each for every file that somebody chose: browsers send one part
// without a name for a file field nobody used. Text parts are ignored here. It
// ends at the form's end, or with an error when the body cannot be read further.
func (u *upload) files(each func(name, mediaType string, r io.Reader)) error {
	for !u.done {
		if u.part != nil && u.part.FileName() != "" {
			src := &failing{r: u.part}
			each(baseName(u.part.FileName()), u.part.Header.Get("Content-Type"), src)
			if src.err != nil {
				return src.err
			}
		}
		if err := u.toFile(); err != nil {
			return err
		}
	}
	return nil
}

// toFile goes to the next file part or sets done.
func (u *upload) toFile() error {
	for {
		p, err := u.next()
		if errors.Is(err, io.EOF) {
			u.done = true
			return nil
		}
		if err != nil {
			return err
		}
		if isFile(p) {
			return nil
		}
	}
}

// hasFile says whether the form goes on with a file somebody chose.
func (u *upload) hasFile() bool { return !u.done && u.part != nil && u.part.FileName() != "" }

// failing remembers that the line failed, as opposed to whoever reads from it.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// baseName is the last element of what a browser calls a file: some send whole
// paths (SECURITY.md S-15).
func baseName(s string) string { return s[strings.LastIndexAny(s, `/\`)+1:] }
