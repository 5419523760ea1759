package pages

import (
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/statistics"
	"postern/reviewer/window"
)

// counting is what a form of figures says.
type counting struct {
	From, To     string
	Before, Rows []string // files
}

// counted are figures that were made, and in which language they are shown does not matter to them.
type counted struct {
	*reviewer.Figures
	of counting
}

// figuresView is the page of figures.
type figuresView struct {
	counting
	Clock   string // a question about the date; "" when none
	Before  []pick
	Rows    []pick
	Table   *tableView
	Bodies  []choice
	Folders []folder
}

// Choice is where a form of the page writes to.
func (v figuresView) Choice(id string) folderChoice { return folderChoice{id, v.Folders} }

// pick is a file to tick.
type pick struct {
	ID, Path, Name, About string
	On                    bool
}

// tableView is a table as it is shown.
type tableView struct {
	Title, Who, Why string
	Shown, Of       int
	Sections        []sectionView
	Days            []daysView
	Money           []moneyView
	Name            string // of the folder that it is written to
	W               *statistics.Words
}

type sectionView struct {
	ID, Title string
	Chart     template.HTML
	Lines     []statistics.Line
	Shown     bool // at least one of them
}

type daysView struct{ Words, Half, Ninth string }

type moneyView struct{ Currency, Lost, Recovered string }

func (p *Pages) figureRoutes() []route {
	return []route{
		{window.Get, "/figures", p.figures},
		{window.Post, "/figures", p.count},
		{window.Post, "/figures/write", p.publish},
		{window.Post, "/figures/rows", p.sealRows},
	}
}

func (p *Pages) figures(*ask) window.Reply {
	k := p.desk.Clock()
	v := figuresView{counting: p.counting, Folders: p.folders()}
	if v.From == "" && v.To == "" {
		year := strconv.Itoa(k.Today().Time().Year() - 1)
		v.From, v.To = year+"-01", year+"-12"
	}
	if k.Doubtful() {
		v.Clock = p.words.Word("clock.right", p.words.date(k.Today()))
	}
	v.Before, v.Rows = p.publishedTables(), p.sealedRows()
	if d := p.desk.Directory(); d != nil {
		for i := range d.Bodies {
			b := &d.Bodies[i]
			if len(b.Recipients(crypto.MonthOf(k.Today().Time()))) > 0 {
				v.Bodies = append(v.Bodies, choice{ID: b.ID, Label: p.body(b.ID)})
			}
		}
	}
	if p.counted != nil {
		t, err := p.table(p.counted)
		if err != nil {
			p.refuse(err)
		}
		v.Table = t
	}
	return p.page("figures", "figures", p.words.Word("title.figures"), v)
}

// below gives the files on the sticks, and in the folders right on them, that have an ending.
func (p *Pages) below(ending string) (list []string) {
	add := func(dir string, e fs.DirEntry) {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ending) && !strings.HasPrefix(e.Name(), ".") && len(list) < maxFiles {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	for _, f := range p.folders() {
		entries, err := os.ReadDir(f.Path)
		if err != nil {
			continue // pulled out
		}
		for _, e := range entries {
			add(f.Path, e)
			if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			inner, err := os.ReadDir(filepath.Join(f.Path, e.Name()))
			if err != nil {
				continue // lost+found, and what else is not the holder's
			}
			for _, x := range inner {
				add(filepath.Join(f.Path, e.Name()), x)
			}
		}
	}
	return list
}

// publishedTables are the signed tables on the sticks.
func (p *Pages) publishedTables() (list []pick) {
	for _, path := range p.below(".json") {
		t, err := p.desk.PublishedTable(path)
		if err != nil {
			continue // something else
		}
		about := p.words.Word("figures.table", t.Scope.From, t.Scope.To, p.words.date(t.Made))
		list = append(list, pick{"before-" + strconv.Itoa(len(list)), path, plain.SafeLine(path), about, slices.Contains(p.counting.Before, path)})
	}
	return list
}

// sealedRows are files on the sticks that may be rows of another desk.
func (p *Pages) sealedRows() (list []pick) {
	for _, path := range p.below(rowsEnding) {
		if filepath.Base(path) == p.rowsName() {
			continue // this desk's own, for another
		}
		list = append(list, pick{ID: "rows-" + strconv.Itoa(len(list)), Path: path, Name: plain.SafeLine(path), On: slices.Contains(p.counting.Rows, path)})
	}
	return list
}

// rowsEnding is how the name of a file of sealed rows ends, as this window writes it.
const rowsEnding = "rows.age"

// rowsName is the name of the file of rows that this desk writes.
func (p *Pages) rowsName() string { return p.desk.Body() + "-" + rowsEnding }

// ticked are the files of a form that are among those offered.
func ticked(a *ask, field string, offered []pick) (list []string, err error) {
	for _, path := range a.Form[field] {
		if !slices.ContainsFunc(offered, func(x pick) bool { return x.Path == path }) {
			return nil, errFolder
		}
		list = append(list, path)
	}
	return list, nil
}

// count makes the table of a period.
func (p *Pages) count(a *ask) window.Reply {
	x := counting{From: strings.TrimSpace(a.field("from", maxID)), To: strings.TrimSpace(a.field("to", maxID))}
	var err error
	if x.Before, err = ticked(a, "before", p.publishedTables()); err == nil {
		x.Rows, err = ticked(a, "rows", p.sealedRows())
	}
	p.counting, p.counted = x, nil
	if err == nil && p.desk.Clock().Doubtful() && a.field("clock", maxID) != "yes" {
		err = errClock
	}
	from, errFrom := crypto.ParseMonth(x.From)
	last, errTo := crypto.ParseMonth(x.To)
	if err == nil && (errFrom != nil || errTo != nil) {
		err = statistics.ErrPeriod
	}
	var f *reviewer.Figures
	if err == nil {
		f, err = p.desk.StatisticsOf(statistics.Month(from), statistics.Month(last), x.Rows, x.Before)
	}
	if err != nil {
		p.refuse(err)
		return to("/figures")
	}
	p.counted = &counted{f, x}
	return to("/figures#table")
}

// table is a table in the window's language.
func (p *Pages) table(x *counted) (*tableView, error) {
	w, err := statistics.WordsIn(p.words.Lang)
	if err != nil {
		return nil, err
	}
	shown := func(n int) string {
		if n < 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	amount := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(n, 10)
	}
	v := &tableView{
		Title: w.Say("title", w.Period(x.Scope)), Why: w.Say("why", statistics.Least),
		Of: len(x.Counts), Shown: len(x.Counts) - x.Withheld(), Name: x.Scope.PageName(), W: w,
	}
	for _, n := range x.Names(p.desk.Directory(), p.words.Lang) {
		if v.Who != "" {
			v.Who += " · "
		}
		v.Who += plain.SafeLine(n)
	}
	for _, s := range x.Sections(w) {
		v.Sections = append(v.Sections, sectionView{s.ID, s.Title, s.Chart(w), s.Lines, s.Most > 0})
	}
	for _, d := range x.Times {
		v.Days = append(v.Days, daysView{w.Say("days/" + d.ID), shown(d.Median), shown(d.Ninth)})
	}
	for _, m := range x.Money {
		v.Money = append(v.Money, moneyView{plain.SafeLine(m.Currency), amount(m.Lost), amount(m.Recovered)})
	}
	return v, nil
}

// publish writes the table that is shown, in all its forms.
func (p *Pages) publish(a *ask) window.Reply {
	if p.counted == nil {
		return to("/figures")
	}
	dir, err := p.named(a)
	if err != nil {
		p.refuse(err)
		return to("/figures#write")
	}
	name := p.counted.Scope.PageName()
	list, err := p.desk.Publish(p.counted.Figures, filepath.Join(dir, name), statistics.Languages())
	if err != nil {
		p.refuse(err)
		return to("/figures#write")
	}
	p.say("figures.written", len(list), plain.SafeLine(filepath.Join(dir, name)), name+".json")
	return to("/figures#write")
}

// sealRows writes what this desk counts for the body that merges.
func (p *Pages) sealRows(a *ask) window.Reply {
	dir, err := p.named(a)
	if err == nil && p.desk.Clock().Doubtful() && a.field("clock", maxID) != "yes" {
		err = errClock
	}
	if err != nil {
		p.refuse(err)
		return to("/figures#rows")
	}
	path := filepath.Join(dir, p.rowsName())
	body := a.field("body", maxID)
	n, err := p.desk.SealRowsFile(path, body)
	if err != nil {
		p.refuse(err)
		return to("/figures#rows")
	}
	p.say("figures.sealed", n, p.body(body), plain.SafeLine(path))
	return to("/figures#rows")
}
