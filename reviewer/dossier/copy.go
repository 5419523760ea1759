package dossier

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxMaskedFile bounds a text file that is masked, in bytes.
const maxMaskedFile = 8 << 20

// WriteCopy writes a working copy of a case into dir, which must not exist or be empty: case.html
// and SHA256SUMS, with what the masks say left out of every byte, and without the case's id,
// the log and the custody list. Files go along only when they are named for it. A text file is masked
// like words; another one cannot be looked into, so it is refused when texts are masked. On error
// nothing stays. [ErrMask].
func WriteCopy(dir string, c *Case, lang string, m *Masks) ([]Written, error) {
	w, err := wordsIn(lang)
	if err != nil {
		return nil, fmt.Errorf("writing a working copy: %w", err)
	}
	if m == nil {
		m = &Masks{}
	}
	if err := m.fits(c); err != nil {
		return nil, fmt.Errorf("writing a working copy: %w", err)
	}
	f, err := NewFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("writing a working copy: %w", err)
	}
	if err = writeCopy(f, c, w, m); err != nil {
		f.undo()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("writing a working copy: %w", err)
	}
	return f.all, nil
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

func writeCopy(f *Folder, c *Case, w *words, m *Masks) error {
	page, err := c.page(w, m)
	if err != nil {
		return err
	}
	if err := m.clean(pageName, page); err != nil {
		return err
	}
	if err := f.bytes("", pageName, page); err != nil {
		return err
	}
	for i := range c.Messages {
		for j := range c.Messages[i].Files {
			x := &c.Messages[i].Files[j]
			if !m.include[x.No] || m.messages[c.Messages[i].No] {
				continue
			}
			if err := copyFile(f, x, m); err != nil {
				return err
			}
		}
	}
	sums := f.sums()
	if err := m.clean(sumsName, sums); err != nil {
		return err
	}
	return f.bytes("", sumsName, sums)
}

func copyFile(f *Folder, x *File, m *Masks) error {
	name := copyName(x)
	if err := m.clean("the name of a file", []byte(name)); err != nil {
		return err
	}
	if len(m.texts) == 0 {
		_, err := f.Create(filesFolder, name, x.Open)
		return err
	}
	text, err := m.fileText(x)
	if err != nil {
		return err
	}
	_, err = f.Create(filesFolder, name, func(w io.Writer) error { _, err := w.Write(text); return err })
	return err
}

// fileText is a text file with its texts masked; another one is refused.
func (m *Masks) fileText(x *File) ([]byte, error) {
	if x.Size > maxMaskedFile {
		return nil, fmt.Errorf("%w: file %d is too long to be masked: leave it out", ErrMask, x.No)
	}
	var b bytes.Buffer
	if err := x.Open(&b); err != nil {
		return nil, err
	}
	if !utf8.Valid(b.Bytes()) || bytes.IndexByte(b.Bytes(), 0) >= 0 {
		return nil, fmt.Errorf("%w: file %d is no plain text, and what is in it cannot be masked: leave it out, or copy without masked texts", ErrMask, x.No)
	}
	text := []byte(m.apply(b.String()))
	if err := m.clean(fmt.Sprintf("file %d", x.No), text); err != nil {
		return nil, err
	}
	return text, nil
}

// clean looks at what is about to be written once more.
func (m *Masks) clean(what string, b []byte) error {
	if n := m.left(b); n > 0 {
		return fmt.Errorf("%w: text %d of them also stands in what this program writes itself (%s): mask a longer text", ErrMask, n, what)
	}
	return nil
}
