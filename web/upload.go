package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"postern/crypto"
	"postern/intake/form"
)

// Bounds of a form's parts, in bytes as they arrive.
const (
	maxParts      = 512      // in front of the first file
	maxShort      = 2 << 10  // ticket, code, body, option
	maxAnswerRead = 4 << 10  // one structured answer; questions allow less
	maxTextRead   = PageSize // more could not be given back on one page
	// maxFields bounds what one form may keep in memory. The longest form of ours
	// stays below it; without it, many parts at their bounds would hold megabytes.
	maxFields = 192 << 10
)

// nameless is what a file is called whose own name cannot be read.
const nameless = "file"

// Names of form fields. Structured answers are "q-" + the question's id.
const (
	fieldTicket = "ticket"
	fieldCode   = "code"
	fieldText   = "text"
	fieldBody   = "body"
	fieldFile   = "file"
	fieldAnswer = "q-"
	fieldYesNo  = "answer" // to a question in a reply: "yes" or "no"
	fieldSure   = "sure"   // "yes": send it, though it holds a code
)

var errForm = errors.New("not a form of ours")

// fields are the text parts of a form, which stand before its files.
type fields struct {
	ticket  string
	code    string
	text    string // clean
	cut     bool   // more text was sent than maxTextRead
	bodies  []string
	answers map[string][]string // by question id: the first text, the options ticked
	letters map[string]int      // that were sent, of the text and of each answer: more than is kept
	sure    bool
	warned  bool // it holds a code, and nobody said to send it all the same
	yesNo   string
	seen    []string // of the fields that stand once in a form
	left    int64    // of maxFields
}

// upload streams one multipart form. Nothing is kept but the fields
// (SECURITY.md S-11).
type upload struct {
	parts   *parts
	part    *part
	file    io.Reader // the file that part holds; nil: none, or nobody chose one
	name    string    // of file
	arrived time.Time // when the first part did
	done    bool
}

// newUpload refuses anything but a multipart form.
func newUpload(r *http.Request, body io.Reader, now func() time.Time) (*upload, error) {
	p, err := newParts(r.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	return &upload{parts: p, arrived: now()}, nil
}

// wipe clears what was read last. For when the form was dealt with.
func (u *upload) wipe() {
	if u != nil {
		clear(u.parts.buf)
	}
}

// next goes to the next part, reading the current one to its end first.
func (u *upload) next() (err error) {
	u.part, u.file = nil, nil
	u.part, err = u.parts.next()
	u.done = u.done || errors.Is(err, io.EOF)
	return err
}

// fields reads all text parts before the first file. With an error it returns
// what it read until then.
func (u *upload) fields(now func() time.Time) (*fields, error) {
	f := &fields{answers: map[string][]string{}, letters: map[string]int{}, left: maxFields}
	for n := 0; ; n++ {
		err := u.next()
		if u.done {
			return f, nil
		}
		if err != nil {
			return f, err
		}
		if n == 0 {
			u.arrived = now()
		}
		if u.part.isFile {
			u.begin()
			return f, nil
		}
		if n == maxParts {
			return f, errForm
		}
		if err := f.take(u.part); err != nil {
			return f, err
		}
	}
}

// begin takes the part as a file when somebody chose one: browsers send a part
// without a name and without content for a file field nobody used. Content is
// never dropped for its name.
func (u *upload) begin() {
	u.file, u.name = u.part, baseName(u.part.file)
	if u.name != "" {
		return
	}
	u.name = nameless
	var first [1]byte
	if n, _ := io.ReadFull(u.part, first[:]); n == 0 { // a broken line shows at the next part
		u.file = nil
		return
	}
	u.file = io.MultiReader(bytes.NewReader(first[:]), u.part)
}

// take keeps one field. A form of ours holds the ticket, the code and the text
// once; of others the first value counts, and of options those that exist.
func (f *fields) take(p *part) error {
	name := p.field
	id, isAnswer := strings.CutPrefix(name, fieldAnswer)
	q, known := form.Question{}, false
	if isAnswer {
		q, known = form.QuestionOf(id)
	}
	most := int64(maxShort)
	switch {
	case name == fieldTicket, name == fieldCode, name == fieldText, name == fieldYesNo, name == fieldSure:
		if slices.Contains(f.seen, name) {
			return errForm
		}
		f.seen = append(f.seen, name)
		if name == fieldText {
			most = maxTextRead
		}
	case name == fieldBody:
		if len(f.bodies) == crypto.MaxReaders {
			return errForm
		}
	case known:
		if q.Kind != form.Choices && len(f.answers[id]) > 0 {
			return nil
		}
		if q.Kind == form.Text {
			most = maxAnswerRead
		}
	default:
		return nil
	}
	b, broken := io.ReadAll(io.LimitReader(p, min(most, f.left)+1))
	if broken != nil && name != fieldText && !known {
		return broken // half a ticket is none; half a text is worth having
	}
	defer clear(b)
	all, cut := b, int64(len(b)) > most
	b = b[:min(int64(len(b)), most)]
	for i := 1; cut && i < utf8.UTFMax && !utf8.RuneStart(all[len(b)]); i++ {
		b = b[:len(b)-1] // not inside a letter
	}
	v, over := string(b), 0
	for _, c := range all[len(b):] {
		if utf8.RuneStart(c) {
			over++
		}
	}
	option := func(o form.Option) bool { return o.ID == v }
	if known && q.Kind != form.Text && (!slices.ContainsFunc(q.Options, option) || slices.Contains(f.answers[id], v)) {
		return nil
	}
	if f.left -= int64(len(b)); f.left < 0 {
		return errForm
	}
	switch name {
	case fieldTicket:
		f.ticket = v
	case fieldCode:
		f.code = v
	case fieldYesNo:
		f.yesNo = v
	case fieldSure:
		f.sure = v == "yes"
	case fieldText:
		f.text, f.cut = form.Clean(v), cut
		f.letters[name], broken = countLetters(f.text, over, p, cut, broken)
	case fieldBody:
		f.bodies = append(f.bodies, v)
	default:
		if q.Kind == form.Text {
			v = form.Clean(v)
			f.letters[name], broken = countLetters(v, over, p, cut, broken)
		}
		f.answers[id] = append(f.answers[id], v)
	}
	return broken
}

// countLetters counts the letters of a text: of what is kept of it, those read
// beyond that, and what comes behind, if it was cut.
func countLetters(kept string, over int, rest io.Reader, cut bool, broken error) (int, error) {
	n := utf8.RuneCountInString(kept) + over
	if !cut || broken != nil {
		return n, broken
	}
	var b [4 << 10]byte
	defer clear(b[:])
	for {
		m, err := rest.Read(b[:])
		for _, c := range b[:m] {
			if utf8.RuneStart(c) && c != '\r' {
				n++
			}
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// has says whether a field that stands once in a form has arrived.
func (f *fields) has(name string) bool { return slices.Contains(f.seen, name) }

// beyond is how many letters of the text were sent and not kept.
func (f *fields) beyond() int { return max(0, f.letters[fieldText]-utf8.RuneCountInString(f.text)) }

// holds says whether a code stands in what is to be sent: own, or any at all.
func (f *fields) holds(own crypto.Code, file string) bool {
	for _, v := range f.answers {
		if crypto.HoldsCode(strings.Join(v, " "), own) {
			return true
		}
	}
	return crypto.HoldsCode(f.text, own) || crypto.HoldsCode(file, own)
}

// guard is the code that no file's name may hold: none, when a source said to
// send it all the same.
func (f *fields) guard(own crypto.Code) crypto.Code {
	if f.sure {
		return crypto.Code{}
	}
	return own
}

// files calls each for every file that somebody chose. Text parts are ignored
// here. It ends at the form's end, or with an error when the body cannot be
// read further.
func (u *upload) files(each func(name, mediaType string, r io.Reader)) error {
	for !u.done {
		if u.file != nil {
			src := &failing{r: u.file}
			each(u.name, u.part.mediaType, src)
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
		err := u.next()
		if u.done {
			return nil
		}
		if err != nil {
			return err
		}
		if u.part.isFile {
			u.begin()
			return nil
		}
	}
}

// hasFile says whether the form goes on with a file somebody chose.
func (u *upload) hasFile() bool { return u.file != nil }

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
