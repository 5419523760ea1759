package pages

import (
	"bytes"
	"path/filepath"
	"strings"

	"postern/reviewer"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/window"
	"postern/store/durable"
)

// printed is a page that the window made a PDF of. It is kept until the reviewer says where it goes, or
// goes on to another page.
type printed struct {
	pdf  []byte
	back string         // the page that it is of
	of   *reviewer.Case // nil: of no case
	name string
}

type printView struct {
	Back, Name string
	Bytes      int64
	Case       string // short id; "": of no case
	Folders    []folder
}

// Choice is where the PDF is written to.
func (v printView) Choice() folderChoice { return folderChoice{"to-print", v.Folders} }

// pagePrint is the page that asks where a PDF goes.
const pagePrint = "/print"

func (p *Pages) printRoutes() []route {
	return []route{
		{window.Get, pagePrint, p.printing},
		{window.Post, pagePrint, p.print},
	}
}

// took is asked for by no page: the window made a PDF of the one it shows. What it holds is the window's
// word (SECURITY.md S-32).
func (p *Pages) took(a *ask) window.Reply {
	if !bytes.HasPrefix(a.PDF, []byte("%PDF-")) || a.Path == pagePrint {
		return window.Reply{Status: statusNothing}
	}
	x := &printed{pdf: a.PDF, back: a.Path, name: "page"}
	if rest, ok := strings.CutPrefix(a.Path, "/case/"); ok {
		id, _, _ := strings.Cut(rest, "/")
		c, err := p.desk.Case(id)
		if err != nil {
			return window.Reply{Status: statusNothing}
		}
		if x.of, x.name = c, "case-"+c.Short; strings.HasSuffix(rest, copyPage) {
			x.name = copyName // says nothing of the case
		}
	} else if name := strings.Trim(a.Path, "/"); name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r < 'a' || r > 'z' }) {
		x.name = name // of ours: it is the name of a page
	}
	x.name += "-" + p.desk.Clock().Today().String() + ".pdf"
	p.forgetPrinted()
	p.printed = x
	return to(pagePrint)
}

// forgetPrinted drops a PDF that nobody wants any more.
func (p *Pages) forgetPrinted() {
	if p.printed != nil {
		clear(p.printed.pdf)
		p.printed = nil
	}
}

func (p *Pages) printing(*ask) window.Reply {
	x := p.printed
	if x == nil {
		return to("/")
	}
	v := printView{Back: x.back, Name: x.name, Bytes: int64(len(x.pdf)), Folders: p.folders()}
	if x.of != nil {
		v.Case = x.of.Short
	}
	return p.page("print", "", p.words.Word("title.print"), v)
}

// print writes the PDF where the form says, or drops it. Of a case it is recorded first.
func (p *Pages) print(a *ask) window.Reply {
	x := p.printed
	if x == nil {
		return to("/")
	}
	if a.field("do", maxID) == "drop" {
		p.forgetPrinted()
		return to(x.back)
	}
	dir, err := p.named(a)
	path := filepath.Join(dir, x.name)
	if err == nil && x.of != nil {
		err = p.desk.LogCustody(x.of, dossier.ActPrint)
	}
	if err == nil {
		err = durable.CreateFile(path, x.pdf)
	}
	if err != nil {
		p.refuse(err)
		return to(pagePrint)
	}
	p.forgetPrinted()
	p.say("print.written", plain.SafeLine(path))
	return to(x.back)
}
