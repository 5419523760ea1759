package pages

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"postern/crypto"
	"postern/locale"
	"postern/reviewer"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// copying is a working copy that is being made. It is kept for as long as the window is open, and in memory
// only: what must not be seen has no business in a draft.
type copying struct {
	Language string // of its page
	masking
}

// What can be chosen for a message and a file of a working copy.
var (
	copyMessages = []string{"", maskWhole}
	copyFiles    = []string{"", maskInclude, maskHide}
)

// A working copy, and the page that shows it, say nothing of the case in their names.
const (
	copyName = "working-copy"
	copyPage = "/copy"
)

// dossierView is the page from which a case leaves the office.
type dossierView struct {
	Path, Short string
	Folders     []folder
	Languages   []choice
	Custody     []custodyLine
	Masks       masksView
}

// Choice is where a form of the page writes to.
func (v dossierView) Choice(id string) folderChoice { return folderChoice{id, v.Folders} }

// copyView is a working copy before it is written.
type copyView struct {
	Path    string
	Page    *dossier.Page
	Folders []folder
}

// Choice is where the copy is written to.
func (v copyView) Choice() folderChoice { return folderChoice{"to-copy", v.Folders} }

func (p *Pages) dossierRoutes() []route {
	return []route{
		{window.Get, "/case/{case}/dossier", p.dossier},
		{window.Post, "/case/{case}/dossier", p.evidence},
		{window.Post, "/case/{case}/masks", p.mask},
		{window.Get, "/case/{case}" + copyPage, p.lookCopy},
		{window.Post, "/case/{case}" + copyPage, p.writeCopy},
	}
}

func (p *Pages) dossier(a *ask) window.Reply {
	c, m := a.c, p.copies[a.c.ID]
	v := dossierView{Path: casePath(c, ""), Short: c.Short, Folders: p.folders(), Languages: dossierLanguages(cmp.Or(m.Language, p.words.Lang))}
	if err := p.opens(c, masking{}); err != nil {
		p.refuse(err)
		return to(v.Path)
	}
	v.Masks = p.masksView(c, inDossier, m.masking, "copy.", copyMessages, copyFiles)
	v.Custody = p.custody(c)
	return p.page("dossier", "cases", p.words.Word("title.dossier", c.Short), v)
}

// inDossier says whether a message stands in a dossier as one.
func inDossier(m *reviewer.Message) bool {
	return m.Kind != crypto.KindChange && m.Kind != crypto.KindEvent
}

// opens records that the messages of a case are read here, those that are masked aside.
func (p *Pages) opens(c *reviewer.Case, m masking) error {
	var numbers []int
	for i := range c.Messages {
		if x := &c.Messages[i]; inDossier(x) && m.Messages[x.No] != maskWhole {
			numbers = append(numbers, x.No)
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	return p.desk.LogCustody(c, dossier.ActOpen, numbers...)
}

// dossierLanguages are the languages that a page of a dossier can be in.
func dossierLanguages(now string) (list []choice) {
	for _, l := range dossier.Languages() {
		list = append(list, choice{l, locale.Endonym(l), l == now})
	}
	return list
}

// dossierLanguage is the one that the form names, or else the window's.
func (p *Pages) dossierLanguage(a *ask) string {
	if l := a.field("language", maxID); slices.Contains(dossier.Languages(), l) {
		return l
	}
	return p.words.Lang
}

// fresh is a folder below dir that is not there yet.
func fresh(dir, name string) string {
	path := filepath.Join(dir, name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) || n > maxFiles {
			return path
		}
		path = filepath.Join(dir, name+"-"+strconv.Itoa(n))
	}
}

// evidence writes a whole case in clear.
func (p *Pages) evidence(a *ask) window.Reply {
	c, back := a.c, casePath(a.c, "/dossier")
	dir, err := p.named(a)
	if err != nil {
		p.refuse(err)
		return to(back)
	}
	path := fresh(dir, "case-"+c.Short)
	list, err := p.desk.Dossier(c, path, p.dossierLanguage(a))
	if err != nil {
		p.refuse(err)
		return to(back)
	}
	p.say("file.written", len(list), plain.SafeLine(path))
	return to(back)
}

// mask takes the form of masks, and shows what they leave.
func (p *Pages) mask(a *ask) window.Reply {
	if p.copies == nil {
		p.copies = make(map[crypto.CaseID]copying)
	}
	p.copies[a.c.ID] = copying{p.dossierLanguage(a), maskingOf(a)}
	if _, _, err := p.copied(a.c); err != nil {
		p.refuse(err)
		return to(casePath(a.c, "/dossier#copy"))
	}
	return to(casePath(a.c, copyPage))
}

// copied is a working copy as it would be written, and its masks.
func (p *Pages) copied(c *reviewer.Case) (*dossier.Page, *dossier.Masks, error) {
	of := p.copies[c.ID]
	m, err := of.masks(c, func(int) bool { return true })
	if err != nil {
		return nil, nil, err
	}
	page, err := p.desk.Preview(c, of.Language, m)
	return page, m, err
}

// lookCopy shows a working copy as it will be written.
func (p *Pages) lookCopy(a *ask) window.Reply {
	c := a.c
	of, ok := p.copies[c.ID]
	if !ok {
		return to(casePath(c, "/dossier"))
	}
	page, _, err := p.copied(c)
	if err == nil {
		err = p.opens(c, of.masking)
	}
	if err != nil {
		p.refuse(err)
		return to(casePath(c, "/dossier#copy"))
	}
	return p.page("copy", "cases", p.words.Word("title.copy"), copyView{casePath(c, ""), page, p.folders()})
}

// writeCopy writes the working copy that was looked at.
func (p *Pages) writeCopy(a *ask) window.Reply {
	c, back := a.c, casePath(a.c, copyPage)
	of, ok := p.copies[c.ID]
	if !ok {
		return to(casePath(c, "/dossier"))
	}
	dir, err := p.named(a)
	if err != nil {
		p.refuse(err)
		return to(back)
	}
	path := fresh(dir, copyName)
	_, m, err := p.copied(c)
	var list []dossier.Written
	if err == nil {
		list, err = p.desk.WorkingCopy(c, path, of.Language, m)
	}
	if err != nil {
		p.refuse(err)
		return to(casePath(c, "/dossier#copy"))
	}
	p.say("copy.written", len(list), plain.SafeLine(path))
	return to(casePath(c, "/dossier"))
}
