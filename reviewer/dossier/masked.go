package dossier

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"postern/intake/form"
)

// maxMaskedFile bounds a text file that is masked, in bytes.
const maxMaskedFile = 8 << 20

// Masked is a copy of a case as the masks leave it, for whoever shows it or writes it: without its
// id, its log and its custody list, and with files that do not go along left out ([File.Left]). What
// is then written is to be looked at once more with [Masks.Clean]. [ErrMask].
func (m *Masks) Masked(c *Case) (*Case, error) {
	if err := m.fits(c); err != nil {
		return nil, err
	}
	out := &Case{Title: m.apply(c.Title), Body: m.apply(c.Body), Holder: m.apply(c.Holder), Made: c.Made, Received: c.Received, Readers: m.all(c.Readers)}
	for i := range c.Messages {
		x, err := m.message(&c.Messages[i])
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, x)
	}
	return out, nil
}

// fits says whether everything that the masks name is there: a mask that hits nothing is a mistake.
func (m *Masks) fits(c *Case) error {
	messages, files := map[int]bool{}, map[int]bool{}
	for i := range c.Messages {
		messages[c.Messages[i].No] = true
		for _, f := range c.Messages[i].Files {
			files[f.No] = true
		}
	}
	for no := range m.messages {
		if !messages[no] {
			return fmt.Errorf("%w: there is no message %d", ErrMask, no)
		}
	}
	for no := range m.lines {
		if !messages[no] {
			return fmt.Errorf("%w: there is no message %d", ErrMask, no)
		}
	}
	for _, list := range []map[int]bool{m.files, m.include} {
		for no := range list {
			if !files[no] {
				return fmt.Errorf("%w: there is no file %d", ErrMask, no)
			}
		}
	}
	return nil
}

func (m *Masks) message(c *Message) (Message, error) {
	x := Message{No: c.No, Day: c.Day, Kind: c.Kind, From: c.From}
	if c.From != FromSource {
		x.From = m.apply(c.From)
	}
	if m.messages[c.No] {
		x.Masked, x.Words = true, maskSign
		return x, nil
	}
	x.Unreadable, x.Notes, x.Words = c.Unreadable, m.all(c.Notes), m.words(c.No, c.Words)
	for _, a := range c.Answers {
		if _, ours := form.QuestionOf(a.Question); !ours { // or it is the source's own
			a.Question = m.apply(a.Question)
		}
		x.Answers = append(x.Answers, Answer{a.Question, m.all(a.Values)})
	}
	for i := range c.Files {
		f, err := m.file(&c.Files[i])
		if err != nil {
			return x, err
		}
		x.Files = append(x.Files, f)
	}
	return x, nil
}

func (m *Masks) all(list []string) (out []string) {
	for _, s := range list {
		out = append(out, m.apply(s))
	}
	return out
}

// words are the words of a message with its lines masked.
func (m *Masks) words(no int, s string) string {
	if len(m.lines[no]) == 0 {
		return m.apply(s)
	}
	lines := strings.Split(s, "\n")
	for i := range lines {
		if slices.ContainsFunc(m.lines[no], func(r [2]int) bool { return r[0] <= i+1 && i+1 <= r[1] }) {
			lines[i] = maskSign
		}
	}
	return m.apply(strings.Join(lines, "\n"))
}

// file masks the name of a file and, where texts are masked, what is in it.
func (m *Masks) file(c *File) (File, error) {
	f := File{No: c.No, Left: !m.include[c.No]}
	if m.files[c.No] {
		return f, nil
	}
	f.Name, f.MediaType = m.apply(c.Name), m.apply(c.MediaType)
	if f.Left {
		return f, nil
	}
	f.Size, f.SHA256, f.Open = c.Size, c.SHA256, c.Open
	if len(m.texts) == 0 {
		return f, nil
	}
	text, err := m.fileText(c)
	if err != nil {
		return f, err
	}
	f.Size, f.SHA256 = int64(len(text)), sha256.Sum256(text)
	f.Open = func(w io.Writer) error { // not kept meanwhile
		text, err := m.fileText(c)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	return f, nil
}

// fileText is a text file with its texts masked; another one is refused.
func (m *Masks) fileText(x *File) ([]byte, error) {
	refuse := func(why string) error { return fmt.Errorf("%w: file %d %s: %w", ErrMask, x.No, why, ErrMaskFile) }
	if x.Size > maxMaskedFile {
		return nil, refuse("is too long")
	}
	var b bytes.Buffer
	if err := x.Open(&b); err != nil {
		return nil, err
	}
	if !utf8.Valid(b.Bytes()) || bytes.IndexByte(b.Bytes(), 0) >= 0 {
		return nil, refuse("is no plain text")
	}
	text := []byte(m.apply(b.String()))
	if err := m.Clean(fmt.Sprintf("file %d", x.No), text); err != nil {
		return nil, err
	}
	return text, nil
}

// Clean looks once more at what is about to be written. what names it. [ErrMaskOwn] where a masked text
// stands in it all the same.
func (m *Masks) Clean(what string, b []byte) error {
	if n := m.left(b); n > 0 {
		return fmt.Errorf("%w: text %d of them (%s): %w", ErrMask, n, what, ErrMaskOwn)
	}
	return nil
}
