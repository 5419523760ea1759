package reviewer

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"postern/crypto"
	"postern/reviewer/casework"
	"postern/reviewer/dossier"
)

// Extract writes one file of a case, by its number in the case, in clear into
// dir: the original bytes, under a safe form of the sender's name, for the owner alone, never over
// another file. The bytes are verified against the hash inside the message before
// the file counts as written. That it left the vault is recorded first.
func (desk *Desk) Extract(c *Case, no int, dir string) (*dossier.Written, error) {
	for i := range c.Messages {
		m := &c.Messages[i]
		for j := range m.Files {
			if m.Files[j].No != no {
				continue
			}
			x, err := desk.extract(c, m, j, dir)
			if err != nil {
				return nil, fmt.Errorf("extracting: %w", err)
			}
			return x, nil
		}
	}
	return nil, fmt.Errorf("extracting: the case has no file %d", no)
}

func (desk *Desk) extract(c *Case, m *Message, j int, dir string) (*dossier.Written, error) {
	l, err := desk.Read(c, m)
	if err != nil {
		return nil, err
	}
	if err := desk.noteFile(c, m, j+1); err != nil {
		return nil, err
	}
	return into(dir, func(out *dossier.Folder) (*dossier.Written, error) {
		x, err := out.Create("", l.Files[j].Name, desk.content(c, m, j))
		if err == nil && (x.SHA256 != m.Files[j].SHA256 || x.Size != m.Files[j].Size) {
			err = errors.Join(errors.New("the file differs from what was imported"), out.Remove(x))
		}
		return x, err
	})
}

// into opens a folder for one file.
func into(dir string, write func(*dossier.Folder) (*dossier.Written, error)) (*dossier.Written, error) {
	out, err := dossier.OpenFolder(dir)
	if err != nil {
		return nil, err
	}
	x, err := write(out)
	if err := errors.Join(err, out.Close()); err != nil {
		return nil, err
	}
	return x, nil
}

// content writes the bytes of a message's file, and fails when the message does not end as it should.
func (desk *Desk) content(c *Case, m *Message, j int) func(io.Writer) error {
	return func(w io.Writer) error {
		r, closer, err := desk.vault.OpenBlob(c.entries[m.at].Blob)
		if err != nil {
			return err
		}
		defer func() { _ = closer.Close() }()
		at := 0
		_, err = crypto.ReadMessage(r, func(_ crypto.File, fr io.Reader) error {
			if at++; at-1 != j {
				return nil
			}
			_, err := io.Copy(w, fr)
			return err
		})
		return err
	}
}

// ExtractText writes the words of a message, by its number in the case, in clear into dir:
// the bytes as they came, hostile ones too, as [Desk.Extract] writes files.
func (desk *Desk) ExtractText(c *Case, no int, dir string) (*dossier.Written, error) {
	i := slices.IndexFunc(c.Messages, func(m Message) bool { return m.No == no })
	if i < 0 {
		return nil, fmt.Errorf("extracting: the case has no message %d", no)
	}
	l, err := desk.Read(c, &c.Messages[i])
	if err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	if l.Words == "" {
		return nil, fmt.Errorf("extracting: message %d has no words of its own", no)
	}
	if err := desk.LogCustody(c, dossier.ActWords, no); err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	x, err := into(dir, func(out *dossier.Folder) (*dossier.Written, error) {
		return out.Create("", fmt.Sprintf("text%d.txt", no), func(w io.Writer) error {
			_, err := io.WriteString(w, l.Words)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	return x, nil
}

// Dossier writes the evidence of a case in clear into dir, which must not exist or be empty: see
// [dossier.Write]. lang is the language of the page in it. That it was made is recorded first.
func (desk *Desk) Dossier(c *Case, dir, lang string) ([]dossier.Written, error) {
	if err := desk.LogCustody(c, dossier.ActDossier); err != nil {
		return nil, fmt.Errorf("writing a dossier: %w", err)
	}
	x, err := desk.dossier(c)
	if err != nil {
		return nil, fmt.Errorf("writing a dossier: %w", err)
	}
	return dossier.Write(dir, x, lang, desk.keys.signing())
}

// WorkingCopy writes a copy of a case with masks into dir: see [dossier.WriteCopy]. That it was made
// is recorded first.
func (desk *Desk) WorkingCopy(c *Case, dir, lang string, masks *dossier.Masks) ([]dossier.Written, error) {
	if err := desk.LogCustody(c, dossier.ActCopy); err != nil {
		return nil, fmt.Errorf("writing a working copy: %w", err)
	}
	x, err := desk.dossier(c)
	if err != nil {
		return nil, fmt.Errorf("writing a working copy: %w", err)
	}
	return dossier.WriteCopy(dir, x, lang, masks)
}

// Preview is the page of a working copy with these masks: look at it before it is written.
func (desk *Desk) Preview(c *Case, lang string, masks *dossier.Masks) (*dossier.Page, error) {
	x, err := desk.dossier(c)
	if err != nil {
		return nil, fmt.Errorf("masking: %w", err)
	}
	return dossier.Preview(x, lang, masks)
}

// dossier is a case as a dossier takes it. Steps of the case are in its log, and a change of code is
// no message.
func (desk *Desk) dossier(c *Case) (*dossier.Case, error) {
	if desk.dirs == nil {
		return nil, ErrNoDirectory
	}
	d := &dossier.Case{
		ID: c.ID, Short: c.Short, Title: c.Work.Title, Origin: desk.dirs.Origin, Body: desk.keys.Body, Holder: desk.keys.Holder,
		Made: desk.Clock().Today(), Received: c.Facts.Received, Readers: desk.readerNames(c.Readers), Directory: desk.state.Directory,
	}
	var err error
	if d.Custody, err = desk.Custody(c); err != nil {
		return nil, err
	}
	d.Events = signedOf(c.Book)
	for i := range c.Messages {
		m := &c.Messages[i]
		if m.Kind == crypto.KindChange || m.Kind == crypto.KindEvent {
			continue
		}
		x := dossier.Message{No: m.No, Day: m.Day, Kind: KindName(m.Kind), From: dossier.FromSource, Notes: desk.notes(m)}
		switch {
		case m.Own:
			x.From = desk.keys.Body + "/" + desk.keys.Holder
		case !m.Source:
			x.From = m.Body + "/" + m.Holder
		}
		if m.Mark == MarkAgain {
			x.Notes = append(x.Notes, "Sent again, unchanged.")
		}
		l, err := desk.Read(c, m)
		if err != nil {
			x.Unreadable = true
			d.Messages = append(d.Messages, x)
			continue
		}
		x.Words = l.Words
		for _, a := range l.Told {
			x.Answers = append(x.Answers, dossier.Answer{Question: a.ID, Values: a.Values})
		}
		if l.Notice != nil {
			x.Notes = append(x.Notes, desk.NoticeLines(l.Notice)...)
		}
		for _, a := range l.Agreed {
			x.Notes = append(x.Notes, desk.ConsentLine(a))
		}
		for j, f := range l.Files {
			x.Files = append(x.Files, dossier.File{
				No: m.Files[j].No, Name: f.Name, MediaType: f.MediaType, Size: f.Size, SHA256: f.SHA256, Open: desk.content(c, m, j),
			})
		}
		d.Messages = append(d.Messages, x)
	}
	return d, nil
}

func signedOf(b *casework.Book) (list []casework.Signed) {
	for i := range b.Log {
		list = append(list, b.Log[i].Signed)
	}
	return list
}
