package statistics

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"postern/crypto"
	"postern/locale"
)

// dash stands for what is not shown.
const dash = "–"

// PageName is what the operator's page of a scope is called, without language and ending:
// "statistics-2026". Its data are on the page of that name with "-data".
func (s Scope) PageName() string {
	if s.year() {
		return "statistics-" + s.From.String()[:4]
	}
	return "statistics-" + s.From.String() + "-" + s.To.String()
}

// Page writes the operator's page of the table, in Markdown that `postern pages` takes. bars are
// written as `meter 12/40`, which the service shows as a bar without a picture; they
// show in Tor Browser at "Safest". names are the bodies', in this language.
func (t *Table) Page(w *Words, names []string) []byte {
	var b bytes.Buffer
	say := func(key string, values ...any) { fmt.Fprintf(&b, "%s\n\n", w.own.Word(key, values...)) }
	fmt.Fprintf(&b, "# %s\n\n", w.own.Word("title", w.Period(t.Scope)))
	var safe []string
	for _, n := range names {
		safe = append(safe, escape(n))
	}
	say("who", strings.Join(safe, " · "))
	say("why", Least)
	say("made", w.source.Date(t.Made), "/about/"+t.Scope.PageName()+"-data")
	for _, s := range t.Sections(w) {
		fmt.Fprintf(&b, "## %s\n\n| | %s | |\n|---|---:|---|\n", s.Title, w.own.Word("number"))
		for _, l := range s.Lines {
			if l.N < 0 {
				fmt.Fprintf(&b, "| %s | %s | |\n", l.Words, dash)
				continue
			}
			fmt.Fprintf(&b, "| %s | %d | `meter %d/%d` |\n", l.Words, l.N, l.N, max(s.Most, 1))
		}
		b.WriteByte('\n')
	}
	days := func(n int) string {
		if n < 0 {
			return dash
		}
		return strconv.Itoa(n)
	}
	fmt.Fprintf(&b, "## %s\n\n| | %s | %s |\n|---|---:|---:|\n", w.own.Word("h.days"), w.own.Word("half"), w.own.Word("ninth"))
	for _, d := range t.Times {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", w.own.Word("days/"+d.ID), days(d.Median), days(d.Ninth))
	}
	if len(t.Money) > 0 {
		amount := func(n uint64) string {
			if n == 0 {
				return dash
			}
			return strconv.FormatUint(n, 10)
		}
		fmt.Fprintf(&b, "\n## %s\n\n| | %s | %s |\n|---|---:|---:|\n", w.own.Word("h.money"), w.own.Word("lost"), w.own.Word("recovered"))
		for _, m := range t.Money {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", m.Currency, amount(m.Lost), amount(m.Recovered))
		}
	}
	return b.Bytes()
}

// DataPage writes the page of data: CSV to paste into a spreadsheet, and the signed table.
func (t *Table) DataPage(w *Words, signed []byte) ([]byte, error) {
	table, err := t.CSV(w)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", w.own.Word("data.title", w.Period(t.Scope)), w.own.Word("data.how"))
	for _, x := range []struct {
		title string
		text  []byte
	}{{"data.csv", bytes.ReplaceAll(table, []byte("\r\n"), []byte("\n"))}, {"data.signed", signed}} {
		fmt.Fprintf(&b, "## %s\n\n```\n%s```\n\n", w.own.Word(x.title), x.text)
	}
	return b.Bytes(), nil
}

// Files are all that is made of a table, by their names: the signed form, a table for spreadsheets, and in each
// language the page for the operator and its page of data.
func (t *Table) Files(d *crypto.Directory, signed []byte, langs []string) (map[string][]byte, error) {
	name := t.Scope.PageName()
	files := map[string][]byte{name + ".json": signed}
	for i, lang := range langs {
		w, err := WordsIn(lang)
		if err != nil {
			return nil, fmt.Errorf("%w: there are %s", err, strings.Join(Languages(), ", "))
		}
		data, err := t.DataPage(w, signed)
		if err != nil {
			return nil, err
		}
		files["40-"+name+"."+lang+".md"] = t.Page(w, t.Names(d, lang))
		files["41-"+name+"-data."+lang+".md"] = data
		if i == 0 || lang == "en" {
			if files[name+".csv"], err = t.CSV(w); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// Names are what the bodies of the table are called in a language, as the directory has it.
func (t *Table) Names(d *crypto.Directory, lang string) (list []string) {
	for _, id := range t.Scope.Bodies {
		name := id
		if b, ok := d.Body(id); ok {
			name, _ = locale.In(b.Names, lang)
		}
		list = append(list, name)
	}
	return list
}

// escape keeps a name from being read as Markdown.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 && strings.ContainsRune("\\`*_{}[]()<>#+-.!|&~:\"'^=$@/?,;%", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
