package pages

import (
	"bytes"
	"crypto/rand"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/reviewertest"
	"postern/reviewer/statistics"
)

// cells are the numbers of the page's table by their ids; -1 for those that are not shown.
func cells(p *shown) map[string]int {
	m := make(map[string]int)
	for n := range p.doc.Descendants() {
		if id := attr(n, "data-id"); id != "" {
			s := strings.Fields(textOf(n))
			m[id] = -1
			if v, err := strconv.Atoi(s[len(s)-1]); err == nil {
				m[id] = v
			}
		}
	}
	return m
}

// reports brings n reports of a day's batch, with topics.
func (w *world) reports(n int, topics ...string) {
	w.Helper()
	var entries [][]byte
	for range n {
		s := w.server.NewSource()
		entries = append(entries, must(s.Say(reviewertest.NewForm(), w.today(), "a report", form.Answers{{ID: form.QTopics, Values: topics}}, "ombuds"))(w))
	}
	must(w.anna.Import(bytes.NewReader(w.batch(entries...)), reviewer.ImportOptions{ClockOK: func(reviewer.Clock) bool { return true }}))(w)
}

func TestFigures(t *testing.T) {
	w := newWorld(t).open("en")
	w.reports(7, "corruption")
	w.reports(6, "force")
	w.reports(2, "funds")
	w.later(60)
	r := w.get("/figures").has("Figures for the public", "No signed table is on a stick.", "None is on a stick").hasNot("numbers are shown")
	if v := fieldOf(r, "from"); v != "2026-01" {
		t.Errorf("the first month offered is %q", v)
	}
	w.post("/figures", "from", "2026-13", "to", "soon", "clock", "yes").has("Give a first and a last month")
	if v := fieldOf(w.get("/figures"), "to"); v != "soon" {
		t.Errorf("what was typed is %q", v)
	}
	w.post("/figures", "from", "2026-01", "to", "2026-12").has("Confirm today’s date first.")
	w.post("/figures", "from", "2026-01", "to", "2027-01", "clock", "yes").has("The last one must be over.")
	w.post("/figures", "from", "2026-01", "to", "2026-12", "before", "/etc/passwd", "clock", "yes").has("There is no such folder")
	p := w.post("/figures", "from", "2026-01", "to", "2026-12", "clock", "yes").has("Statistics of 2026", "no number below 5 is shown", "numbers are shown", "The ombuds office")
	if n := strings.Count(p.text, "no number below 5 is shown"); n != 1 {
		t.Errorf("the reason stands there %d times", n)
	}
	got := cells(p)
	if got["received"] != 15 || got["received/topic/corruption"] != 7 || got["received/topic/funds"] != -1 || got["closed"] != -1 {
		t.Errorf("cells: %v", got)
	}
	charts := 0
	for n := range p.doc.Descendants() {
		if n.Data == "svg" {
			charts++
		}
	}
	if charts != 2 { // of the others nothing is shown, which they say
		t.Errorf("%d charts", charts)
	}
	p.has("None of its 9 numbers is shown.")
	// All of it goes to the stick with one button, as the command writes it.
	w.post("/figures/write", "folder", w.stick).has("8 files are in "+w.stick+"/statistics-2026", "keep statistics-2026.json")
	w.post("/figures/write", "folder", w.stick).has("A folder of that name is there already")
	out := w.TempDir() + "/figures"
	f := must(w.anna.StatisticsOf(month(2026, 1), month(2026, 12), nil, nil))(w)
	for _, x := range must(w.anna.Publish(f, out, statistics.Languages()))(w) {
		if string(read(w, x.Path)) != string(read(w, filepath.Join(w.stick, "statistics-2026", x.Name))) {
			t.Errorf("%s differs from what the command writes", x.Name)
		}
	}
	// The table is offered next time, and what could be subtracted from it is left out.
	w.get("/figures").has("statistics-2026.json", "2026-01 to 2026-12, made on")
	before := filepath.Join(w.stick, "statistics-2026", "statistics-2026.json")
	w.reports(1, "corruption")
	w.later(40)
	alone := cells(w.post("/figures", "from", "2026-01", "to", "2027-01", "clock", "yes"))
	beside := cells(w.post("/figures", "from", "2026-01", "to", "2027-01", "clock", "yes", "before", before))
	if alone["received"] != 16 || beside["received"] != -1 {
		t.Errorf("alone %d, beside the earlier table %d", alone["received"], beside["received"])
	}
}

func month(year, m int) statistics.Month { return statistics.Month(year*12 + m - 1) }

func fieldOf(p *shown, name string) string {
	for n := range p.doc.Descendants() {
		if attr(n, "name") == name {
			return attr(n, "value")
		}
	}
	return ""
}

// Rows of another body are sealed, ticked and merged.
func TestFiguresMerge(t *testing.T) {
	w := newWorld(t).open("en")
	w.reports(6, "corruption")
	anna := w.anna
	w.anna = w.cleo
	w.open("en")
	var entries [][]byte
	for range 5 {
		entries = append(entries, must(w.server.NewSource().Say(reviewertest.NewForm(), w.today(), "x", nil, "ngo"))(w))
	}
	w.imports(w.cleo, w.batch(entries...))
	w.later(40)
	w.post("/figures/rows", "folder", w.stick, "body", "ombuds").has("Confirm today’s date first.")
	w.post("/figures/rows", "folder", w.stick, "body", "nobody", "clock", "yes").has("This was not done.")
	w.post("/figures/rows", "folder", w.stick, "body", "ombuds", "clock", "yes").has("5 cases, sealed for The ombuds office, are in " + w.stick + "/ngo-rows.age")
	w.anna = anna
	w.open("en")
	w.get("/figures").has("ngo-rows.age")
	p := w.post("/figures", "from", "2026-01", "to", "2026-12", "clock", "yes", "rows", filepath.Join(w.stick, "ngo-rows.age")).has("Body ngo · The ombuds office")
	if got := cells(p); got["received"] != 11 {
		t.Errorf("%d were received", got["received"])
	}
	w.check(os.WriteFile(filepath.Join(w.stick, "bad-rows.age"), []byte("x"), 0o600))
	w.post("/figures", "from", "2026-01", "to", "2026-12", "clock", "yes", "rows", filepath.Join(w.stick, "bad-rows.age")).has("This was not done.")
}

// What the page withholds is what the command's table withholds, whatever the cases are, and no byte of
// the page tells a number that is withheld by another way than the table.
func TestFiguresAreTheCommands(t *testing.T) {
	w := newWorld(t).open("en")
	day := w.now
	draw := func(n int) int {
		return int(must(rand.Int(rand.Reader, big.NewInt(int64(n))))(w).Int64()) // follows from the seed
	}
	topics, kinds := []string{"corruption", "force", "retaliation", "ill-treatment"}, []string{"police", "prisons"}
	for range 12 {
		if n := draw(9); n > 0 {
			w.reports(n, topics[draw(len(topics))])
		}
		for _, c := range w.anna.Cases() {
			if c.Work.Classified.Kind == "" && draw(3) == 0 {
				act := must(casework.NewAct(casework.KindClassify, map[string]string{"institution": kinds[draw(2)]}))(w)
				must(w.anna.Act(&c, casework.Desk, act))(w)
			}
		}
		w.now = day.AddDate(0, 2, 0)
		p := w.post("/figures", "from", "2026-01", "to", "2026-12", "clock", "yes").has("numbers are shown")
		f := must(w.anna.StatisticsOf(month(2026, 1), month(2026, 12), nil, nil))(w)
		got := cells(p)
		for _, c := range f.Counts {
			if shown, ok := got[c.ID]; !ok || shown != c.N {
				t.Fatalf("%s is %d on the page, and %d in the table", c.ID, shown, c.N)
			}
		}
		for n := range p.doc.Descendants() { // and in the charts
			if n.Data != "svg" {
				continue
			}
			for x := range n.Descendants() {
				if v, err := strconv.Atoi(strings.TrimSpace(textOf(x))); err == nil && x.Data == "text" && v < statistics.Least {
					t.Fatalf("a chart says %d", v)
				}
			}
		}
		w.now = day
	}
}
