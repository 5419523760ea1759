package pages

import (
	"os"
	"path/filepath"
	"slices"

	"postern/crypto"
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
	paths := p.o.Sticks()
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
		{window.Get, "/import", p.sticks},
		{window.Post, "/import", p.bring},
		{window.Get, "/imported", p.brought},
		{window.Get, "/export", p.export},
		{window.Post, "/export", p.carry},
		{window.Post, "/case/{case}/take", p.take},
	}
}

type importView struct {
	Folders []folder
	Missing []string
}

func (p *Pages) sticks(*ask) window.Reply {
	return p.page("import", "import", p.words.Word("title.import"), importView{p.folders(), p.desk.Missing()})
}

// imported is what the last import did.
type imported struct {
	Folder  string // as named
	Shown   string
	Files   []importedFile
	Cases   []caseRow // with something new, in the order of urgency
	New     int       // messages
	Missing []string
	Broken  []string
	HandIn  []string
	Newer   uint64 // version of a directory that is not here
	Clock   string // a question about the date; "" when none
	ClockOK crypto.Day
}

type importedFile struct {
	Name   string
	Batch  uint64
	Volume int
	Of     int
	Day    crypto.Day
	New    int
	Lines  []line // what is to note
	Bad    bool
	Detail string
}

// bring imports all volumes of a folder.
func (p *Pages) bring(a *ask) window.Reply {
	dir, err := p.named(a)
	if err != nil {
		p.refuse(err)
		return to("/import")
	}
	paths, err := reviewer.Volumes(dir)
	if err == nil && len(paths) == 0 {
		err = errNoVolumes
	}
	if err != nil {
		p.refuse(err)
		return to("/import")
	}
	r := imported{Folder: dir, Shown: plain.SafeLine(dir)}
	var asked reviewer.Clock
	yes := a.field("clock", maxID) // the day that the holder has looked up
	o := reviewer.ImportOptions{ClockOK: func(c reviewer.Clock) bool {
		if c.Today().String() == yes {
			return true
		}
		if asked.Today() < c.Today() {
			asked = c
		}
		return false
	}}
	cases := make(map[string]bool)
	for _, x := range p.desk.ImportFiles(paths, o, nil) {
		f := p.importedFile(x)
		r.Files, r.New = append(r.Files, f), r.New+f.New
		if x.Report != nil {
			for _, id := range x.Report.Cases {
				cases[id] = true
			}
			r.Newer = max(r.Newer, x.Report.Directory)
		}
	}
	if asked.Today() != 0 {
		r.Clock, r.ClockOK = p.words.Word("clock.right", p.words.date(asked.Today())), asked.Today()
	}
	p.cases = nil
	for _, row := range p.rows(showAll) {
		if cases[row.Short] {
			r.Cases = append(r.Cases, row)
		}
	}
	r.Missing, r.Broken, r.HandIn = p.desk.Missing(), p.desk.Broken(), p.desk.HandIn()
	p.imported = &r
	return to("/imported")
}

func (p *Pages) importedFile(x reviewer.Imported) importedFile {
	f := importedFile{Name: plain.SafeLine(filepath.Base(x.Path))}
	w := p.words
	note := func(kind, key string, n int) {
		if n > 0 {
			f.Lines = append(f.Lines, line{kind, w.Word(key, n)})
		}
	}
	if x.Err != nil {
		f.Bad = true
		var text string
		text, f.Detail = w.refusal(x.Err)
		f.Lines = append(f.Lines, line{kindWarn, text})
		return f
	}
	r := x.Report
	f.Batch, f.Volume, f.Of, f.Day, f.New = r.Head.Ordinal, r.Volume, len(r.Head.Volumes), r.Head.Day, r.New
	note(kindInfo, "import.newcases", r.NewCases)
	note(kindInfo, "import.changed", len(r.CodeChanged))
	note(kindDanger, "import.late", r.Late)
	note(kindInfo, "import.mended", r.Mended)
	note(kindInfo, "import.strangers", r.Strangers)
	note(kindWarn, "import.damaged", r.Damaged)
	note(kindDanger, "import.differs", r.Differs)
	if r.OldKeys {
		f.Lines = append(f.Lines, line{kindWarn, w.Word("import.oldkeys")})
	}
	return f
}

func (p *Pages) brought(*ask) window.Reply {
	if p.imported == nil {
		return to("/import")
	}
	return p.page("imported", "import", p.words.Word("title.imported"), p.imported)
}

// exportView is what waits, and where it can go.
type exportView struct {
	Folders []folder
	Waiting []caseRow
	Answers int
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
