package statistics

import (
	"embed"
	"strings"

	"postern/locale"
)

//go:embed locales/*.json
var assets embed.FS

// Languages are those that figures can be shown in.
func Languages() []string { return locale.Languages(assets, "locales") }

// Words are those of figures in one language: topics and kinds of reporters are called as on
// the source's form.
type Words struct{ own, source *locale.Locale }

// WordsIn reads one language.
func WordsIn(lang string) (*Words, error) {
	own, source, err := locale.Beside(assets, "locales", lang)
	if err != nil {
		return nil, err
	}
	return &Words{own, source}, nil
}

// Lang is the language's tag, Dir its direction: ltr or rtl.
func (w *Words) Lang() string { return w.own.Lang }

// Dir is ltr or rtl.
func (w *Words) Dir() string { return w.own.Dir }

// Reviewed says which speaker of the language has read these words; "" nobody.
func (w *Words) Reviewed() string { return w.own.Reviewed }

// Say gives words by their key in the locale files.
func (w *Words) Say(key string, values ...any) string { return w.own.Word(key, values...) }

// Of gives the words of a cell.
func (w *Words) Of(id string) string {
	key := id
	for _, b := range blockIDs {
		if rest, ok := strings.CutPrefix(id, b+"/"); ok {
			key = rest
		}
	}
	if t, ok := strings.CutPrefix(key, "topic/"); ok {
		return w.source.Word("q.topics." + t)
	}
	if r, ok := strings.CutPrefix(key, "reporter/"); ok && r != unknown {
		return w.source.Word("q.reporter." + r)
	}
	return w.own.Word(key)
}

// Period is a scope's time: a year, or a first and a last month.
func (w *Words) Period(s Scope) string {
	if s.year() {
		return s.From.String()[:4]
	}
	return w.own.Word("period", s.From, s.To)
}

// year says whether the scope is one year.
func (s *Scope) year() bool { return s.From%12 == 0 && s.To == s.From+11 }

// Section is a part of a table under one heading.
type Section struct {
	ID    string
	Title string
	Lines []Line
	Most  int // the largest number shown, for bars; 0: none is
}

// Line is one cell of a section. N is -1 when it is not shown.
type Line struct {
	ID, Words string
	N         int
}

// sections are the cells under each heading: of groups, or else the prefix of ids.
var sections = []struct {
	title string
	ids   func(id string) bool
}{
	{"h.cases", func(id string) bool {
		return strings.Count(id, "/") == 0 && id != blockIDs[recommendations] || id == "received/referred" || id == "closed/action"
	}},
	{"h.institution", within("received/institution/")},
	{"h.unit", within("received/unit/")},
	{"h.rank", within("received/rank/")},
	{"h.reporter", within("received/reporter/")},
	{"h.topic", within("received/topic/")},
	{"h.scope", within("received/scope/")},
	{"h.outcome", within("closed/outcome/")},
	{"h.aim", func(id string) bool { return id == blockIDs[recommendations] || within("recommended/aim/")(id) }},
	{"h.fate", within("recommended/fate/")},
}

func within(prefix string) func(string) bool {
	return func(id string) bool { return strings.HasPrefix(id, prefix) }
}

// Sections are the counts of the table under their headings.
func (t *Table) Sections(w *Words) (list []Section) {
	for _, x := range sections {
		s := Section{ID: strings.TrimPrefix(x.title, "h."), Title: w.own.Word(x.title)}
		for _, c := range t.Counts {
			if x.ids(c.ID) {
				s.Lines = append(s.Lines, Line{c.ID, w.Of(c.ID), c.N})
				s.Most = max(s.Most, c.N)
			}
		}
		list = append(list, s)
	}
	return list
}
