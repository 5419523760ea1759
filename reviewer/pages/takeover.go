package pages

import (
	"io"
	"os"
	"path/filepath"
	"slices"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

func (p *Pages) takeoverRoutes() []route {
	return []route{
		{window.Get, "/takeover", p.takeover},
		{window.Post, "/takeover", p.lookTakeover},
		{window.Post, "/takeover/take", p.takeIn},
	}
}

// carried is a file from another desk: as it was looked at, or what it brought.
type carried struct {
	path  string
	Name  string
	From  string // body and holder
	Day   crypto.Day
	Kind  string // what it is, in words
	Facts []fact
	Lines []line
	Again bool // something of it was erased here: it can be asked for
	Cases []link
}

// link leads to a page of the window.
type link struct{ Path, Text string }

type takeoverView struct {
	Files  []folder
	Looked *carried
	Taken  *carried
	Clock  string
}

func (p *Pages) takeover(*ask) window.Reply {
	return p.page("takeover", "import", p.words.Word("title.takeover"), takeoverView{p.deskFiles(), p.looked, p.taken, p.clockAsked()})
}

// deskFiles are the files on the sticks that another desk may have written, by name.
func (p *Pages) deskFiles() (list []folder) {
	for _, f := range p.folders() {
		entries, err := os.ReadDir(f.Path)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if len(list) < maxFiles && e.Type().IsRegular() && reviewer.MayBeDeskFile(e.Name()) {
				path := filepath.Join(f.Path, e.Name())
				list = append(list, folder{Path: path, Name: plain.SafeLine(path)})
			}
		}
	}
	return list
}

// lookTakeover says what a file would bring.
func (p *Pages) lookTakeover(a *ask) window.Reply {
	path := a.field("file", maxLine)
	if typed := a.field("typed", maxLine); path == "" && filepath.IsAbs(typed) {
		path = filepath.Clean(typed)
	} else if !slices.ContainsFunc(p.deskFiles(), func(f folder) bool { return f.Path == path }) {
		path = ""
	}
	t, err := p.open(path, p.desk.Look, reviewer.TakeoverOptions{})
	if err != nil {
		p.looked = nil
		p.refuse(err)
		return to("/takeover")
	}
	p.looked, p.taken = p.carriedBy(t, path), nil
	return to("/takeover#looked")
}

// open gives a file to one of the desk's functions.
func (p *Pages) open(path string, do func(f io.Reader, o reviewer.TakeoverOptions) (*reviewer.Takeover, error), o reviewer.TakeoverOptions) (*reviewer.Takeover, error) {
	f, err := os.Open(path) //nolint:gosec // named by the holder
	if err != nil {
		return nil, errFolder
	}
	defer func() { _ = f.Close() }()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errFolder
	}
	return do(f, o)
}

// takeIn takes the file in that was looked at.
func (p *Pages) takeIn(a *ask) window.Reply {
	x := p.looked
	if x == nil {
		return to("/takeover")
	}
	err := p.clockYes(a)
	var t *reviewer.Takeover
	if err == nil {
		t, err = p.open(x.path, p.desk.TakeOver, reviewer.TakeoverOptions{Again: a.field("again", maxID) == "yes"})
	}
	if err != nil {
		p.refuse(err)
		return to("/takeover#looked")
	}
	p.looked, p.cases = nil, nil
	p.taken = p.carriedBy(t, x.path)
	p.taken.Again = false
	return to("/takeover#taken")
}

// carriedBy says what a file brings, or brought.
func (p *Pages) carriedBy(t *reviewer.Takeover, path string) *carried {
	w := p.words
	v := &carried{path: path, Name: plain.SafeLine(path), From: w.Word("from.body", p.body(t.Body), plain.SafeLine(t.Holder)), Day: t.Day, Again: t.Erased > 0}
	note := func(n int, kind, key string) {
		if n > 0 {
			v.Lines = append(v.Lines, line{kind, w.Word(key, n)})
		}
	}
	switch t.Kind {
	case crypto.DeskReferral:
		v.Kind = w.Word("takeover.referral")
		if r := t.Referred; r != nil {
			v.Facts = p.facts("takeover.messages", r.Messages, "takeover.files", r.Files)
			v.Cases = []link{{referredPath(r, ""), r.Short}}
		}
		switch {
		case t.Known > 0:
			v.Lines = append(v.Lines, line{kindInfo, w.Word("takeover.here")})
		case t.Erased > 0:
			v.Lines = append(v.Lines, line{kindWarn, w.Word("takeover.erased", 1)})
		}
	case crypto.DeskReceipt:
		v.Kind = w.Word("takeover.receipt")
		if t.Receipt != nil {
			v.Lines = append(v.Lines, line{kindInfo, p.referredTo(*t.Receipt)})
			if c, err := p.desk.Case(t.Case); err == nil {
				v.Cases = []link{{casePath(c, ""), c.Short}}
			}
		}
	default:
		v.Kind = w.Word("takeover.handover")
		v.Facts = p.facts("takeover.new", t.New, "takeover.newcases", t.NewCases, "takeover.events", t.Events, "takeover.notes", t.Notes,
			"takeover.referrals", t.Referrals, "takeover.known", t.Known, "takeover.mended", t.Mended, "takeover.back", t.Back)
		note(t.Erased, kindWarn, "takeover.erased")
		note(t.Strangers, kindInfo, "import.strangers")
		note(t.Refused, kindDanger, "takeover.refused")
		for _, name := range t.Cases {
			if c, err := p.desk.Case(name); err == nil {
				v.Cases = append(v.Cases, link{casePath(c, ""), c.Short})
			}
		}
		if t.New+t.Events+t.Notes+t.Referrals+t.Known+t.Mended+t.Erased+t.Refused == 0 {
			v.Lines = append(v.Lines, line{kindInfo, w.Word("takeover.nothing")})
		}
	}
	return v
}
