package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postern/reviewer"
	"postern/reviewer/plain"
)

// Files that go along with an answer stay on their stick until it is sealed: the draft knows where they
// lie, and what was in them when their reviewer looked at the answer last.

// draftFile is a file of an answer that is being written.
type draftFile struct {
	Path   string `json:"path,omitempty"` // "": of the waiting answer that this one replaces
	At     int    `json:"at,omitempty"`   // there, from 0
	Name   string `json:"name"`           // as the source will see it
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // when it was looked at; "": not yet
}

// Refusals of files.
var (
	errAttach    = errors.New("a file of the answer is not there any more")
	errAttached  = errors.New("a file of the answer is not what it was when it was looked at")
	errManyFiles = errors.New("the files of the answer are larger together than an answer holds")
)

// attachView is a file as the page of an answer lists it.
type attachView struct {
	ID     string // value of its field
	Name   string
	Size   int64
	SHA256 string
}

// attached are the files of a draft.
func attached(d draft) (out []attachView) {
	for i, f := range d.Files {
		out = append(out, attachView{strconv.Itoa(i), plain.SafeLine(f.Name), f.Size, f.SHA256})
	}
	return out
}

// attachable are the files on the sticks that could go along.
func (p *Pages) attachable(d draft) (out []attachView) {
	for _, f := range p.folders() {
		entries, err := os.ReadDir(f.Path)
		if err != nil {
			continue
		}
		for _, e := range entries {
			path := filepath.Join(f.Path, e.Name())
			info, err := e.Info()
			if err != nil || !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") || len(out) == maxFiles ||
				reviewer.IsVolumeName(e.Name()) || strings.HasSuffix(e.Name(), ".age") || slices.ContainsFunc(d.Files, func(f draftFile) bool { return f.Path == path }) {
				continue
			}
			out = append(out, attachView{ID: path, Name: plain.SafeLine(path), Size: info.Size()})
		}
	}
	return out
}

// withFiles takes the files of a draft from its form: those that stay, and further ones.
func (p *Pages) withFiles(a *ask, was draft) (files []draftFile, err error) {
	for i, f := range was.Files {
		if slices.Contains(a.Form["attached"], strconv.Itoa(i)) {
			files = append(files, f)
		}
	}
	add := func(path string) {
		st, serr := os.Stat(path)
		switch {
		case serr != nil || !st.Mode().IsRegular():
			err = errFolder
		case !slices.ContainsFunc(files, func(f draftFile) bool { return f.Path == path }):
			files = append(files, draftFile{Path: path, Name: reviewer.AttachmentName(path), Size: st.Size()})
		}
	}
	offered := p.attachable(draft{})
	for _, path := range a.Form["attach"] {
		if slices.ContainsFunc(offered, func(o attachView) bool { return o.ID == path }) {
			add(path)
		}
	}
	if typed := a.field("attach-typed", maxLine); typed != "" {
		if filepath.IsAbs(typed) {
			add(filepath.Clean(typed))
		} else {
			err = errFolder
		}
	}
	return files, err
}

// settle takes from a draft what belongs to an answer that waits no longer: it was exported meanwhile, or
// withdrawn.
func (p *Pages) settle(c *reviewer.Case, d *draft) (gone bool) {
	if d.Instead == "" || p.waitingAnswer(c, d.Instead) != nil {
		return false
	}
	d.Instead = ""
	d.Files = slices.DeleteFunc(d.Files, func(f draftFile) bool { return f.Path == "" })
	return true
}

// waitingAnswer is an answer of a case that waits, by its id; nil: there is none.
func (p *Pages) waitingAnswer(c *reviewer.Case, id string) *reviewer.Message {
	i := slices.IndexFunc(c.Messages, func(m reviewer.Message) bool { return m.ID == id && m.State == stateWaiting })
	if i < 0 {
		return nil
	}
	return &c.Messages[i]
}

// lookAtFiles reads the files of a draft, and notes what is in them.
func (p *Pages) lookAtFiles(c *reviewer.Case, d *draft) error {
	d.Files = slices.Clone(d.Files)
	sum := int64(0)
	for i := range d.Files {
		f := &d.Files[i]
		sum += f.Size
		if f.Path == "" {
			continue // sealed in the vault
		}
		r, err := os.Open(f.Path)
		if err != nil {
			return errAttach
		}
		h := sha256.New()
		n, err := io.Copy(h, io.LimitReader(r, reviewer.MaxReplyFiles+1))
		if err := errors.Join(err, r.Close()); err != nil {
			return errAttach
		}
		sum += n - f.Size
		f.Size, f.SHA256 = n, hex.EncodeToString(h.Sum(nil))
	}
	if sum > reviewer.MaxReplyFiles {
		return errManyFiles
	}
	return p.keepDraft(c, *d)
}

// attachments are the files of a draft as they are sealed: only what was looked at.
func (p *Pages) attachments(c *reviewer.Case, d draft) (list []reviewer.Attachment, err error) {
	var kept []reviewer.Attachment
	if d.Instead != "" {
		m := p.waitingAnswer(c, d.Instead)
		if m == nil {
			return nil, reviewer.ErrNotWaiting
		}
		if kept, err = p.desk.Attached(c, m); err != nil {
			return nil, err
		}
	}
	for _, f := range d.Files {
		switch {
		case f.Path == "" && f.At < len(kept):
			list = append(list, kept[f.At])
		case f.Path == "":
			return nil, errAttach
		default:
			list = append(list, reviewer.Attachment{Name: f.Name, Open: func() (io.ReadCloser, error) {
				r, err := os.Open(f.Path)
				if err != nil {
					return nil, errAttach
				}
				return &lookedAt{r, sha256.New(), f.SHA256}, nil
			}})
		}
	}
	return list, nil
}

// lookedAt reads a file and fails at its end when it is not the one that was looked at.
type lookedAt struct {
	f    *os.File
	h    hash.Hash
	want string
}

func (l *lookedAt) Read(b []byte) (int, error) {
	n, err := l.f.Read(b)
	l.h.Write(b[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(l.h.Sum(nil)) != l.want {
		err = errAttached
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errAttached) {
		err = fmt.Errorf("%w: %w", errAttach, err)
	}
	return n, err
}

func (l *lookedAt) Close() error { return l.f.Close() }
