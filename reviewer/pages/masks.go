package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postern/reviewer"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
)

// What a person masks before a case is shown around (SECURITY.md S-35) stands in fields of the template
// "masks", which say what the file of masks of the command line says.

// masking is what was chosen and typed.
type masking struct {
	Texts    string         // one on each line
	Messages map[int]string // by number: maskShow, maskWhole, or "" for what the page says of it
	Lines    map[int]string // of messages, like "3, 5-8"
	Files    map[int]string // by number: maskInclude, maskHide, or ""

	Numbering string // that these numbers are of, see numbering

	tooLong bool // Texts were more than can be masked, and are not here
}

// What can be chosen for a message and for a file.
const (
	maskShow    = "show"    // the message stands there
	maskWhole   = "message" // all of it is masked
	maskInclude = "include" // the file goes along
	maskHide    = "file"    // not even its name is there
)

var errMoved = errors.New("messages have come since, and the numbers have moved")

// maskingOf reads the fields of the template "masks".
func maskingOf(a *ask) masking {
	m := masking{Messages: make(map[int]string), Lines: make(map[int]string), Files: make(map[int]string)}
	m.Texts, m.Numbering = a.field("texts", dossier.MaxMaskFile), a.field("numbering", maxID)
	m.tooLong = m.Texts == "" && a.Form.Get("texts") != ""
	for name := range a.Form {
		what, no, _ := strings.Cut(name, "-")
		n := number(no)
		if n < 1 {
			continue
		}
		switch v := a.field(name, maxLine); {
		case what == "message" && slices.Contains([]string{maskShow, maskWhole}, v):
			m.Messages[n] = v
		case what == "lines" && strings.TrimSpace(v) != "":
			m.Lines[n] = v
		case what == "file" && slices.Contains([]string{maskInclude, maskHide}, v):
			m.Files[n] = v
		}
	}
	return m
}

// numbering tells how a case's messages and files are numbered from how they are once a message has
// turned up that belongs before: what was chosen by its number must not become another one.
func numbering(c *reviewer.Case) string {
	h := sha256.New()
	for i := range c.Messages {
		fmt.Fprintln(h, c.Messages[i].ID, len(c.Messages[i].Files))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// masks are the masks that were chosen for a case. Of messages that are not shown nothing is masked.
func (m masking) masks(c *reviewer.Case, shown func(message int) bool) (*dossier.Masks, error) {
	if m.Numbering != numbering(c) {
		return nil, errMoved
	}
	if m.tooLong {
		return nil, dossier.ErrMaskMany
	}
	x := dossier.NewMasks()
	for l := range strings.Lines(m.Texts) {
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		if err := x.Text(l); err != nil {
			return nil, err
		}
	}
	for no, what := range m.Messages {
		if what == maskWhole && shown(no) {
			x.Message(no)
		}
	}
	for no, spans := range m.Lines {
		if !shown(no) {
			continue
		}
		for _, span := range strings.FieldsFunc(spans, func(r rune) bool { return strings.ContainsRune(",;، ", r) }) {
			if err := x.Lines(no, span); err != nil {
				return nil, err
			}
		}
	}
	for no, what := range m.Files {
		mask := x.Include
		if what == maskHide {
			mask = x.File
		}
		if err := mask(no); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// masksView is what the template "masks" shows.
type masksView struct {
	Numbering string
	Texts     string
	Messages  []maskedMessage
	Files     []maskedFile
}

type maskedMessage struct {
	No      int
	Label   string
	Choices []choice
	Words   []string // line by line, safe to show
	Lines   string
}

type maskedFile struct {
	No      int
	Name    string
	Bytes   int64
	Choices []choice
}

// masksView shows messages of a case with what was chosen for them, out of the choices given. Their
// labels are words of the page: prefix, then "message." or "file.", then the choice.
func (p *Pages) masksView(c *reviewer.Case, of func(*reviewer.Message) bool, m masking, prefix string, messages, files []string) masksView {
	v := masksView{Numbering: numbering(c), Texts: m.Texts}
	for i := range c.Messages {
		x := &c.Messages[i]
		if !of(x) {
			continue
		}
		l := p.letter(c, x)
		one := maskedMessage{No: x.No, Label: fmt.Sprintf("%d · %s · %s · %s", x.No, l.Kind, l.From, p.words.date(x.Day)), Lines: m.Lines[x.No]}
		for _, id := range messages {
			one.Choices = append(one.Choices, choice{id, p.words.Word(prefix + "message." + nameOf(id)), id == m.Messages[x.No]})
		}
		if read, err := p.desk.Read(c, x); err == nil && read.Words != "" {
			for line := range strings.SplitSeq(read.Words, "\n") {
				one.Words = append(one.Words, plain.SafeLine(line))
			}
		}
		v.Messages = append(v.Messages, one)
		for _, f := range l.Files {
			y := maskedFile{No: f.No, Name: f.Name, Bytes: f.Bytes}
			for _, id := range files {
				y.Choices = append(y.Choices, choice{id, p.words.Word(prefix + "file." + nameOf(id)), id == m.Files[f.No]})
			}
			v.Files = append(v.Files, y)
		}
	}
	return v
}

// nameOf names a choice in the words of a page.
func nameOf(id string) string {
	if id == "" {
		return "none"
	}
	return id
}
