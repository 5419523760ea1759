package pages

import (
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// An import of much goes on request by request: the page of how far it is asks for the next part by
// itself. A form with the window's token began it, and until it is through or ended, such a request
// does no more than that form asked for. Each volume is in the vault before the next is read, so
// whatever ends the window in between, nothing is lost, and importing again takes the rest.

// importStep is how long one request imports before its page is shown. One volume is read whole, however
// long it takes.
const importStep = 700 * time.Millisecond

// fewFiles is how many files are listed even where nothing is to be said of them.
const fewFiles = 30

func (p *Pages) importRoutes() []route {
	return []route{
		{window.Get, "/import", p.sticks},
		{window.Post, "/import", p.bring},
		{window.Get, "/importing", p.importOn},
		{window.Post, "/import/end", p.importEnd},
		{window.Get, "/imported", p.brought},
	}
}

type importView struct {
	Folders  []folder
	Missing  []string
	Broken   []string
	HandIn   []string
	AskAfter uint64
	Going    *importing
}

func (p *Pages) sticks(*ask) window.Reply {
	d := p.desk
	return p.page("import", "import", p.words.Word("title.import"), importView{p.folders(), d.Missing(), d.Broken(), d.HandIn(), d.AskAfter(), p.importing})
}

// importing is an import that is not through.
type importing struct {
	imported
	Volumes int // read so far
	im      *reviewer.Importing
	asked   reviewer.Clock
	found   map[string]bool // short ids of cases with something new
}

// Left is how many files are not read to their end.
func (g *importing) Left() string { return strconv.Itoa(g.im.Files()) }

// Done and Size are bytes.
func (g *importing) Done() int64 { done, _ := g.im.Bytes(); return done }

// Size is what all files have.
func (g *importing) Size() int64 { _, size := g.im.Bytes(); return max(1, size) }

// imported is what the last import did.
type imported struct {
	Folder   string // as named
	Shown    string
	Files    []importedFile
	Quiet    int       // volumes that are not listed, since nothing is to be said of them
	Cases    []caseRow // with something new, in the order of urgency
	New      int       // messages
	Missing  []string
	Broken   []string
	HandIn   []string
	Newer    uint64 // version of a directory that is not here
	Clock    string // a question about the date; "" when none
	ClockOK  crypto.Day
	AskAfter uint64
	Ended    bool // before it was through
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

// bring begins to import all volumes of a folder.
func (p *Pages) bring(a *ask) window.Reply {
	dir, err := p.named(a)
	var paths []string
	if err == nil {
		paths, err = reviewer.Volumes(dir)
	}
	if err == nil && len(paths) == 0 {
		err = errNoVolumes
	}
	if err != nil {
		p.refuse(err)
		return to("/import")
	}
	p.endImport()
	g := &importing{imported: imported{Folder: dir, Shown: plain.SafeLine(dir)}, found: make(map[string]bool)}
	yes := a.field("clock", maxID) // the day that the holder has looked up
	g.im = p.desk.Importing(paths, reviewer.ImportOptions{ClockOK: func(c reviewer.Clock) bool {
		if c.Today().String() == yes {
			return true
		}
		if g.asked.Today() < c.Today() {
			g.asked = c
		}
		return false
	}})
	p.importing = g
	if p.importSome() {
		return to("/imported")
	}
	return to("/importing")
}

// importSome imports for a while, and says whether that was all.
func (p *Pages) importSome() (all bool) {
	g := p.importing
	for began := time.Now(); g.im.Next(); {
		x := g.im.Imported()
		f := p.importedFile(x)
		g.Files, g.New, g.Volumes = append(g.Files, f), g.New+f.New, g.Volumes+1
		if x.Report != nil {
			for _, id := range x.Report.Cases {
				g.found[id] = true
			}
			g.Newer = max(g.Newer, x.Report.Directory)
		}
		if time.Since(began) >= p.step {
			return false
		}
	}
	p.endImport()
	return true
}

// importOn shows how far an import is, after more of it when it is asked for by the page before.
func (p *Pages) importOn(a *ask) window.Reply {
	g := p.importing
	if g == nil || a.Query.Get("after") == strconv.Itoa(g.Volumes) && p.importSome() {
		return to("/imported")
	}
	p.follow = "/importing?after=" + strconv.Itoa(g.Volumes)
	return p.page("importing", "import", p.words.Word("title.importing"), g)
}

// importEnd ends an import. What was read is in the vault.
func (p *Pages) importEnd(*ask) window.Reply {
	if p.importing != nil {
		p.importing.Ended = true
	}
	p.endImport()
	return to("/imported")
}

// endImport keeps what the import did, for its page.
func (p *Pages) endImport() {
	g := p.importing
	if g == nil {
		return
	}
	g.im.Close()
	p.importing, p.cases = nil, nil
	r := g.imported
	if g.asked.Today() != 0 {
		r.Clock, r.ClockOK = p.words.Word("clock.right", p.words.date(g.asked.Today())), g.asked.Today()
	}
	for _, row := range p.rows(showAll) {
		if g.found[row.Short] {
			r.Cases = append(r.Cases, row)
		}
	}
	if len(r.Files) > fewFiles {
		all := len(r.Files)
		r.Files = slices.DeleteFunc(r.Files, func(f importedFile) bool { return f.New == 0 && len(f.Lines) == 0 })
		r.Quiet = all - len(r.Files)
	}
	r.Missing, r.Broken, r.HandIn, r.AskAfter = p.desk.Missing(), p.desk.Broken(), p.desk.HandIn(), p.desk.AskAfter()
	p.imported = &r
}

// importedFile is one line of what an import did.
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
