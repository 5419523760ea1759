package pages

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// Begin is how a window comes to a vault where there is none. Both functions ask for the
// passphrase in a process that ends afterwards (SECURITY.md S-32). Whoever opened the desk that they
// give closes it.
type Begin struct {
	Create  func(body, holder string) (*reviewer.Desk, error)
	Restore func(backup string) (*reviewer.Desk, error)
	Now     func() time.Time // nil: time.Now
}

// today is what the machine's clock says: nothing else is known yet.
func (b *Begin) today() crypto.Day {
	if b.Now != nil {
		return crypto.DayOf(b.Now())
	}
	return crypto.DayOf(time.Now())
}

// keyTyped is what somebody typed and what was refused: nobody types it twice.
type keyTyped struct{ Body, Holder, Roots, Onion string }

func (p *Pages) beginRoutes() []route {
	return []route{
		{window.Get, "/", p.begin},
		{window.Post, "/language", p.beginIn},
		{window.Get, "/new", p.newVault},
		{window.Post, "/new", p.create},
		{window.Get, "/restore", p.backups},
		{window.Post, "/restore", p.restore},
	}
}

// beginView is a page of a window without a vault.
type beginView struct {
	Day       crypto.Day
	Today     string
	Typed     keyTyped
	Languages []choice
	Files     []folder // that may be backups
}

func (p *Pages) beginView() beginView {
	day := p.o.Begin.today()
	return beginView{Day: day, Today: p.words.date(day), Typed: p.keyTyped, Languages: p.languages()}
}

func (p *Pages) begin(*ask) window.Reply {
	return p.page("begin", "", p.words.Word("title.begin"), p.beginView())
}

// beginIn chooses a language. The vault keeps it as soon as there is one.
func (p *Pages) beginIn(a *ask) window.Reply {
	if l := a.field("language", maxID); slices.Contains(Languages(), l) {
		p.words, p.o.Language = newWords(l, p.token), l
	}
	return to("/")
}

func (p *Pages) newVault(*ask) window.Reply {
	return p.page("new", "", p.words.Word("title.new"), p.beginView())
}

// create makes the vault: its keys begin with the month that the clock says, so somebody looks at that first.
func (p *Pages) create(a *ask) window.Reply {
	p.keyTyped.Body, p.keyTyped.Holder = strings.TrimSpace(a.field("body", maxID)), strings.TrimSpace(a.field("holder", maxID))
	var err error
	switch {
	case a.field("clock", maxID) != p.o.Begin.today().String():
		err = errClock
	case !crypto.ValidID(p.keyTyped.Body) || !crypto.ValidID(p.keyTyped.Holder):
		err = errID
	}
	var desk *reviewer.Desk
	if err == nil {
		desk, err = p.o.Begin.Create(p.keyTyped.Body, p.keyTyped.Holder)
	}
	if err != nil {
		p.refuse(err)
		return to("/new")
	}
	p.began(desk)
	p.say("begin.created")
	return to("/enrol")
}

// began goes on with a vault that is there now.
func (p *Pages) began(desk *reviewer.Desk) {
	lang := p.words.Lang
	p.attach(desk)
	if p.memory.settings[settingLanguage] == "" {
		if err := p.set(settingLanguage, lang); err != nil {
			p.refuse(err)
		}
	}
}

func (p *Pages) backups(*ask) window.Reply {
	v := p.beginView()
	v.Files = p.files(func(name string, size int64) bool { return strings.HasSuffix(name, ".age") && size > 0 })
	return p.page("restore", "", p.words.Word("title.restore"), v)
}

// restore makes the vault of a backup, whole or not at all.
func (p *Pages) restore(a *ask) window.Reply {
	path := a.field("file", maxLine)
	if typed := a.field("typed", maxLine); path == "" && typed != "" {
		path = filepath.Clean(typed)
	}
	var err error
	if a.field("clock", maxID) != p.o.Begin.today().String() {
		err = errClock
	} else if st, e := os.Stat(path); e != nil || !st.Mode().IsRegular() || !filepath.IsAbs(path) {
		err = errFolder
	}
	var desk *reviewer.Desk
	if err == nil {
		desk, err = p.o.Begin.Restore(path)
	}
	if err != nil {
		p.refuse(err)
		return to("/restore")
	}
	p.began(desk)
	p.say("begin.restored", desk.Holder(), desk.AskAfter())
	return to("/import")
}

// files are the plain files right in the folders that some test lets through, by name.
func (p *Pages) files(takes func(path string, size int64) bool) (list []folder) {
	for _, f := range p.folders() {
		entries, err := os.ReadDir(f.Path)
		if err != nil {
			continue
		}
		for _, e := range entries {
			info, err := e.Info()
			path := filepath.Join(f.Path, e.Name())
			if err == nil && e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") && len(list) < maxFiles && takes(path, info.Size()) {
				list = append(list, folder{Path: path, Name: plain.SafeLine(path)})
			}
		}
	}
	return list
}
