package dossier

import (
	"bytes"
	"crypto/sha256"
	"io"
)

// Include names a file that goes along, as a line "include 2" of a file of masks does.
func (m *Masks) Include(no int) error {
	if m.files[no] {
		return errMaskedFile(no)
	}
	m.include[no] = true
	return nil
}

// NewMasks mask nothing, and let no file go along.
func NewMasks() *Masks {
	return &Masks{files: map[int]bool{}, messages: map[int]bool{}, lines: map[int][][2]int{}, include: map[int]bool{}}
}

// Masked is a copy of a case's messages as the masks leave them, for a program that writes
// them in another form than a page. Files that do not go along are not in it. What is then written is
// to be looked at once more with [Masks.Clean]. [ErrMask].
func (m *Masks) Masked(c *Case) (*Case, error) {
	if err := m.fits(c); err != nil {
		return nil, err
	}
	out := &Case{ID: c.ID}
	for i := range c.Messages {
		x := c.Messages[i] // the elements of its slices stay as they are
		if m.messages[x.No] {
			x.Words, x.Answers, x.Files, x.Notes = maskSign, nil, nil, nil
			out.Messages = append(out.Messages, x)
			continue
		}
		x.Words, x.Notes = m.words(x.No, x.Words), nil
		x.Answers = nil
		for _, a := range c.Messages[i].Answers {
			b := Answer{Question: a.Question}
			for _, v := range a.Values {
				b.Values = append(b.Values, m.apply(v))
			}
			x.Answers = append(x.Answers, b)
		}
		x.Files = nil
		for _, f := range c.Messages[i].Files {
			if !m.include[f.No] {
				continue
			}
			if err := m.file(&f); err != nil {
				return nil, err
			}
			x.Files = append(x.Files, f)
		}
		out.Messages = append(out.Messages, x)
	}
	return out, nil
}

// file masks the name of a file and, where texts are masked, what is in it.
func (m *Masks) file(f *File) error {
	f.Name, f.MediaType = m.apply(f.Name), m.apply(f.MediaType)
	if len(m.texts) == 0 {
		return nil
	}
	text, err := m.fileText(f)
	if err != nil {
		return err
	}
	f.Size, f.SHA256 = int64(len(text)), sha256.Sum256(text)
	f.Open = func(w io.Writer) error { _, err := io.Copy(w, bytes.NewReader(text)); return err }
	return nil
}

// Clean looks at what a program is about to write. what names it. [ErrMask] where a masked text stands in it
// all the same.
func (m *Masks) Clean(what string, b []byte) error { return m.clean(what, b) }
