package pages

import (
	"os"
	"path/filepath"
	"slices"

	"postern/reviewer"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// folder is a place to read from or write to.
type folder struct {
	Path    string // as the disk calls it
	Name    string // safe to show
	Volumes int
}

// folderChoice is a choice of folders in a form, whose fields begin with an id.
type folderChoice struct {
	ID      string
	Folders []folder
}

// folders are the sticks, and the folder that was named last.
func (p *Pages) folders() (list []folder) {
	paths := slices.Clone(p.o.Sticks())
	if f := p.memory.settings[settingFolder]; f != "" && !slices.Contains(paths, f) {
		paths = append(paths, f)
	}
	for _, path := range paths {
		f := folder{Path: path, Name: plain.SafeLine(path)}
		volumes, err := reviewer.Volumes(path)
		if err != nil {
			continue // pulled out, or not the holder's
		}
		f.Volumes = len(volumes)
		list = append(list, f)
	}
	return list
}

// named is the folder that a form names: one of the list, or one that was typed.
func (p *Pages) named(a *ask) (string, error) {
	path := a.field("folder", maxLine)
	if typed := a.field("typed", maxLine); path == "" && typed != "" {
		if path = filepath.Clean(typed); !filepath.IsAbs(path) {
			return "", errFolder
		}
	}
	st, err := os.Stat(path)
	if path == "" || err != nil || !st.IsDir() {
		return "", errFolder
	}
	if !slices.Contains(p.o.Sticks(), path) {
		return path, p.set(settingFolder, path)
	}
	return path, nil
}

func (p *Pages) stickRoutes() []route {
	return []route{
		{window.Get, "/export", p.export},
		{window.Post, "/export", p.carry},
		{window.Post, "/case/{case}/take", p.take},
	}
}

// exportView is what waits, and where it can go.
type exportView struct {
	Folders []folder
	Waiting []caseRow
	Answers int
	Steps   int // of cases, for other readers
	HandIn  []string
	Written []written
}

// Choice is where a bundle is written once more.
func (v exportView) Choice() folderChoice { return folderChoice{"where", v.Folders} }

type written struct {
	ID, Name string
	Answers  int
}

func (p *Pages) export(*ask) window.Reply {
	v := exportView{Folders: p.folders(), Waiting: p.rows(showWaiting), Answers: p.waiting(), HandIn: p.desk.HandIn(), Written: p.written}
	for i := range p.all() {
		v.Steps += p.cases[i].Unsent
	}
	p.written = nil
	return p.page("export", "export", p.words.Word("title.export"), v)
}

// carry writes what waits, or a bundle once more, into a folder.
func (p *Pages) carry(a *ask) window.Reply {
	dir, err := p.named(a)
	if err != nil {
		p.refuse(err)
		return to("/export")
	}
	var list []reviewer.Bundle
	if id := a.field("again", maxID); id != "" {
		var b *reviewer.Bundle
		if b, err = p.desk.ExportAgain(dir, id); err == nil {
			list = append(list, *b)
		}
	} else {
		list, err = p.desk.Export(dir)
	}
	if err != nil {
		p.refuse(err)
		return to("/export")
	}
	for _, b := range list {
		p.written = append(p.written, written{b.ID, plain.SafeLine(b.Path), b.Replies})
	}
	return to("/export")
}

// take writes files of a case, or all of it, in clear.
func (p *Pages) take(a *ask) window.Reply {
	c := a.c
	dir, err := p.named(a)
	if err != nil {
		p.refuse(err)
		return to(casePath(c, "#files"))
	}
	var list []dossier.Written
	switch what := a.field("file", maxID); what {
	case "all":
		list, err = p.desk.Dossier(c, filepath.Join(dir, "case-"+c.Short), p.words.Lang)
	default:
		var x *dossier.Written
		if x, err = p.desk.Extract(c, number(what), dir); err == nil {
			list = append(list, *x)
		}
	}
	if err != nil {
		p.refuse(err)
		return to(casePath(c, "#files"))
	}
	p.say("file.written", len(list), plain.SafeLine(filepath.Dir(list[0].Path)))
	return to(casePath(c, "#files"))
}
