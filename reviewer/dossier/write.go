package dossier

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/reviewer/plain"
)

// Names in an evidence folder.
const (
	pageName      = "case.html"
	logName       = "events.log"
	custodyName   = "custody.txt"
	directoryName = "directory.note"
	sumsName      = "SHA256SUMS"
	wordsFolder   = "words"
	filesFolder   = "files"
)

// SealName is the file by which an evidence folder is known: its sums, signed.
const SealName = "SHA256SUMS.note"

const sealTitle = "postern dossier"

// Write writes the evidence of a case into dir, which must not exist or be empty, in clear. lang is
// the language of case.html, key the holder's that signs. On error nothing stays of it.
func Write(dir string, c *Case, lang string, key ed25519.PrivateKey) ([]Written, error) {
	w, err := wordsIn(lang)
	if err != nil {
		return nil, fmt.Errorf("writing a dossier: %w", err)
	}
	f, err := NewFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("writing a dossier: %w", err)
	}
	err = write(f, c, w, key)
	if err != nil {
		f.Undo()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("writing a dossier: %w", err)
	}
	return f.all, nil
}

func write(f *Folder, c *Case, w *words, key ed25519.PrivateKey) error {
	page, err := c.page(w, nil)
	if err != nil {
		return err
	}
	if err := f.bytes("", pageName, page); err != nil {
		return err
	}
	for i := range c.Messages {
		m := &c.Messages[i]
		if m.Words != "" {
			if err := f.bytes(wordsFolder, fmt.Sprintf("message%d.txt", m.No), []byte(m.Words)); err != nil {
				return err
			}
		}
		for j := range m.Files {
			x := &m.Files[j]
			got, err := f.Create(filesFolder, fmt.Sprintf("file%d-%s", x.No, plain.SafeName(x.Name)), x.Open)
			if err != nil {
				return err
			}
			if got.SHA256 != x.SHA256 || got.Size != x.Size {
				return fmt.Errorf("file %d differs from what was imported", x.No)
			}
		}
	}
	log, err := encodeLog(c.Events)
	if err != nil {
		return err
	}
	var custody strings.Builder
	for _, l := range c.Custody {
		custody.WriteString(l.Line() + "\n")
	}
	for name, text := range map[string][]byte{logName: log, custodyName: []byte(custody.String()), directoryName: c.Directory} {
		if err := f.bytes("", name, text); err != nil {
			return err
		}
	}
	sums := f.sums()
	sealed, err := c.seal(sums, key)
	if err != nil {
		return err
	}
	return errors.Join(f.bytes("", sumsName, sums), f.bytes("", SealName, sealed))
}

// seal is the head of a dossier and its sums, signed.
func (c *Case) seal(sums []byte, key ed25519.PrivateKey) ([]byte, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("not a key of Ed25519")
	}
	v, err := verifier(c.Body, c.Holder, public)
	if err != nil {
		return nil, err
	}
	h := head{c.Origin, fmt.Sprintf("%x", c.ID), c.Body, c.Holder, c.Made}
	return note.Sign(&note.Note{Text: h.text() + string(sums)}, signer{v, key})
}

// head is what the signature of a dossier is about, besides the sums.
type head struct {
	origin, id, body, holder string
	made                     crypto.Day
}

func (h *head) text() string {
	return fmt.Sprintf("%s\n%s\ncase %s\nby %s/%s\nmade %s\n", sealTitle, h.origin, h.id, h.body, h.holder, h.made)
}

type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

func verifier(body, holder string, key ed25519.PublicKey) (note.Verifier, error) {
	text, err := note.NewEd25519VerifierKey("postern-desk/"+body+"/"+holder, key)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(text)
}

// readAll reads a file of a folder, of at most so many bytes.
func readAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("longer than %d bytes", most)
	}
	return b, err
}

// linesOf cuts a text into lines; what is behind the last line end is none.
func linesOf(text []byte) []string {
	return strings.Split(string(bytes.TrimSuffix(text, []byte("\n"))), "\n")
}
