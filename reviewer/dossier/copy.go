package dossier

import (
	"errors"
	"fmt"
)

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
		m = NewMasks()
	}
	masked, err := m.Masked(c)
	if err != nil {
		return nil, fmt.Errorf("writing a working copy: %w", err)
	}
	f, err := NewFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("writing a working copy: %w", err)
	}
	if err = writeCopy(f, masked, w, m); err != nil {
		f.Undo()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("writing a working copy: %w", err)
	}
	return f.all, nil
}

// Preview is the page of a working copy as [WriteCopy] would write it. It refuses what WriteCopy refuses.
func Preview(c *Case, lang string, m *Masks) (*Page, error) {
	w, err := wordsIn(lang)
	if err != nil {
		return nil, err
	}
	masked, err := m.Masked(c)
	if err != nil {
		return nil, err
	}
	v := masked.view(w, m)
	page, err := v.html()
	if err != nil {
		return nil, err
	}
	return v, m.Clean(pageName, page)
}

func writeCopy(f *Folder, c *Case, w *words, m *Masks) error {
	page, err := c.page(w, m)
	if err != nil {
		return err
	}
	if err := m.Clean(pageName, page); err != nil {
		return err
	}
	if err := f.bytes("", pageName, page); err != nil {
		return err
	}
	for i := range c.Messages {
		for j := range c.Messages[i].Files {
			x := &c.Messages[i].Files[j]
			if x.Left {
				continue
			}
			name := copyName(x)
			if err := m.Clean("the name of a file", []byte(name)); err != nil {
				return err
			}
			if _, err := f.Create(filesFolder, name, x.Open); err != nil {
				return err
			}
		}
	}
	sums := f.sums()
	if err := m.Clean(sumsName, sums); err != nil {
		return err
	}
	return f.bytes("", sumsName, sums)
}
