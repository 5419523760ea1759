package pages

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postern/reviewer/casework"
	"postern/reviewer/plain"
	"postern/reviewer/window"
	"postern/store/durable"
)

// settingsView is what the body decided, as a form.
type settingsView struct {
	Days     []choice // of the week
	Holidays string   // one on a line
	Numbers  []inputView
	Reviewed string
	Two      bool
	Classes  string // on each line days and an id
	Folders  []folder
	Files    []folder // on the sticks, that may hold settings
}

// Choice is where the settings are written to.
func (v settingsView) Choice() folderChoice { return folderChoice{"where", v.Folders} }

// settingsForm is the form as it was typed, or read from a file, and not yet put in force.
type settingsForm struct {
	Weekend  []string
	Holidays string
	Numbers  map[string]string
	Reviewed string
	Two      bool
	Classes  string
	wrong    string // the number that is none
}

// weekdays are the days of the week, as settings name them.
var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// numbersOf are the settings that are numbers, by their names in the settings file.
func numbersOf(s *casework.Settings) []struct {
	Name string
	To   *int
} {
	return []struct {
		Name string
		To   *int
	}{
		{"acknowledge_working_days", &s.AcknowledgeWorkingDays}, {"acknowledge_days", &s.AcknowledgeDays},
		{"feedback_months", &s.FeedbackMonths}, {"feedback_months_extended", &s.FeedbackMonthsExtended},
		{"risk_days", &s.RiskDays}, {"retaliation_days", &s.RetaliationDays}, {"review_years", &s.ReviewYears},
		{"soon_days", &s.SoonDays}, {"grace_days", &s.GraceDays},
	}
}

func (p *Pages) settingsRoutes() []route {
	return []route{
		{window.Get, "/settings", p.settings},
		{window.Post, "/settings", p.decide},
		{window.Post, "/settings/write", p.writeSettings},
		{window.Post, "/settings/read", p.readSettings},
	}
}

// formOf are settings as a form shows them.
func formOf(s casework.Settings) *settingsForm {
	f := &settingsForm{
		Weekend: s.Weekend, Holidays: strings.Join(s.Holidays, "\n"), Numbers: make(map[string]string), Reviewed: s.Reviewed, Two: s.TwoHolders,
	}
	for _, n := range numbersOf(&s) {
		f.Numbers[n.Name] = strconv.Itoa(*n.To)
	}
	var lines []string
	for _, c := range s.Classes {
		lines = append(lines, strconv.Itoa(c.Days)+" "+c.ID)
	}
	f.Classes = strings.Join(lines, "\n")
	return f
}

func (p *Pages) settings(*ask) window.Reply {
	f := p.deciding
	if f == nil {
		f = formOf(p.desk.Settings())
	}
	v := settingsView{Holidays: f.Holidays, Reviewed: f.Reviewed, Two: f.Two, Classes: f.Classes, Folders: p.folders(), Files: p.settingsFiles()}
	for _, d := range weekdays {
		v.Days = append(v.Days, choice{d, p.words.Word("weekday." + d), slices.Contains(f.Weekend, d)})
	}
	var s casework.Settings
	for _, n := range numbersOf(&s) {
		i := inputView{ID: "s-" + n.Name, Name: n.Name, Label: p.words.Word("settings." + strings.ReplaceAll(n.Name, "_", "-")), Value: f.Numbers[n.Name]}
		if n.Name == f.wrong {
			i.Error = p.words.Word("refused.number")
		}
		v.Numbers = append(v.Numbers, i)
	}
	return p.page("settings", "due", p.words.Word("title.settings"), v)
}

// decide puts settings in force.
func (p *Pages) decide(a *ask) window.Reply {
	f := &settingsForm{
		Weekend: a.Form["weekend"], Holidays: a.field("holidays", maxForm), Numbers: make(map[string]string), Reviewed: a.field("reviewed", maxID),
		Two: a.field("two", maxID) == casework.Yes, Classes: a.field("classes", maxForm),
	}
	s := casework.Settings{
		Weekend: slices.Clone(f.Weekend), Holidays: strings.Fields(f.Holidays), Reviewed: strings.TrimSpace(f.Reviewed), TwoHolders: f.Two,
	}
	var err error
	for _, n := range numbersOf(&s) {
		text := strings.TrimSpace(a.field(n.Name, maxID))
		f.Numbers[n.Name] = text
		if *n.To, err = strconv.Atoi(text); err != nil {
			f.wrong, p.deciding = n.Name, f
			p.refuse(errNumber)
			return to("/settings")
		}
	}
	for line := range strings.Lines(f.Classes) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		days, id, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(days)
		if err != nil {
			p.deciding = f
			p.refuse(errClass)
			return to("/settings")
		}
		s.Classes = append(s.Classes, casework.Class{ID: strings.TrimSpace(id), Days: n})
	}
	if err := p.desk.SetSettings(s); err != nil {
		p.deciding = f
		p.refuse(err)
		return to("/settings")
	}
	p.deciding = nil
	p.say("settings.done")
	return to("/settings")
}

// settingsName is the file of settings on a stick.
const settingsName = "settings.json"

// writeSettings writes those in force into a file, for fellow holders.
func (p *Pages) writeSettings(a *ask) window.Reply {
	dir, err := p.named(a)
	s := p.desk.Settings()
	var text []byte
	if err == nil {
		text, err = s.Encode()
	}
	path := filepath.Join(dir, settingsName)
	if err == nil {
		err = durable.CreateFile(path, text)
	}
	if err != nil {
		p.refuse(err)
		return to("/settings")
	}
	p.say("settings.written", plain.SafeLine(path))
	return to("/settings")
}

// settingsFiles are the files on the sticks that may be settings.
func (p *Pages) settingsFiles() []folder {
	return p.files(func(path string, size int64) bool { return size <= maxDirectory && strings.HasSuffix(path, ".json") })
}

// readSettings puts those of a file into the form, to be looked at before they are in force.
func (p *Pages) readSettings(a *ask) window.Reply {
	path := a.field("file", maxLine)
	if !slices.ContainsFunc(p.settingsFiles(), func(f folder) bool { return f.Path == path }) {
		p.refuse(errFolder)
		return to("/settings")
	}
	b, err := os.ReadFile(path) //nolint:gosec // one of the list that the page offered
	var s casework.Settings
	if err == nil {
		s, err = casework.DecodeSettings(b)
	}
	if err != nil {
		p.refuse(err)
		return to("/settings")
	}
	p.deciding = formOf(s)
	p.say("settings.read")
	return to("/settings")
}
