package reviewer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/casework"
	"postern/reviewer/dossier"
	"postern/reviewer/reviewertest"
	"postern/reviewer/statistics"
)

// does writes one step of a case.
func (w *world) does(holder string, c *Case, kind string, pairs ...string) *Case {
	w.t.Helper()
	values := make(map[string]string)
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		values[k] = v
	}
	a := must(casework.NewAct(kind, values))(w.t)
	must(w.desks[holder].Act(c, casework.Body, a))(w.t)
	return must(w.desks[holder].Case(FullID(c.ID)))(w.t)
}

// One case at two bodies, from report to erasure: one row, whoever counts, and whenever.
func TestRows(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	say := func(text string, answers form.Answers) []byte {
		return must(src.Say(reviewertest.NewForm(), w.today(), text, answers, "ombuds", "ngo"))(t)
	}
	volume := w.release(2, say("They sell fuel.", form.Answers{{ID: form.QTopics, Values: []string{"corruption", "funds"}}, {ID: form.QReporter, Values: []string{"conscript"}}}))
	for _, h := range []string{"anna", "ben", "cleo"} {
		w.imports(h, volume)
	}
	first := w.today()
	w.tomorrow()
	c := w.only("anna")
	c = w.does("anna", c, casework.KindClassify, "institution=police", "unit=supply", "rank=officer", "currency=EUR", "lost=123456")
	c = w.does("anna", c, casework.KindTold, "what=acknowledged", "how=by phone")
	c = w.does("anna", c, casework.KindStage, "from=received", "to=assessed")
	c = w.does("anna", c, casework.KindRecommend, "aim=repair", "text=pay", "to=the ministry")
	c = w.does("anna", c, casework.KindStage, "from=assessed", "to=concluded", "outcome=partly", "reasons=shown by the books")
	c = w.does("anna", c, casework.KindStage, "from=concluded", "to=closed", "approver=head", "action=two officers moved", "corrective=yes")
	anna := w.desks["anna"]
	rows := must(anna.Rows())(t)
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	r := rows[0]
	want := statistics.Row{
		Marks: []statistics.Mark{r.Marks[0]}, Bodies: []string{"ombuds"}, Received: month(first), Institution: "police", Unit: "supply", Rank: "officer",
		Topics: []string{"corruption", "funds"}, Reporter: "conscript", Scope: "in", Acknowledged: statistics.DaysOf(1), ToClose: statistics.DaysOf(1),
		Closed: month(w.today()), Outcome: "partly", Action: true, Money: []statistics.Money{{Currency: "EUR", Lost: 120000}},
		Recommendations: []statistics.Recommendation{{Body: "ombuds", Aim: "repair", Issued: month(w.today()), Fate: "issued"}},
	}
	same := func(a, b statistics.Row) bool {
		x, y := must(statistics.EncodeRows([]statistics.Row{a}))(t), must(statistics.EncodeRows([]statistics.Row{b}))(t)
		return bytes.Equal(x, y)
	}
	if !same(r, want) {
		t.Errorf("%+v\nwant %+v", r, want)
	}
	// The other body comes to the same mark, and both are one case.
	theirs := must(w.desks["cleo"].Rows())(t)
	if len(theirs) != 1 || theirs[0].Marks[0] != r.Marks[0] {
		t.Errorf("another body's mark: %+v", theirs)
	}
	var sealed bytes.Buffer
	if n := must(w.desks["cleo"].SealRows(&sealed, "ombuds"))(t); n != 1 || sealed.Len()%1024 == 0 && sealed.Len() < 64<<10 {
		t.Errorf("%d rows in %d bytes", n, sealed.Len())
	}
	got, body, err := anna.OpenRows(bytes.NewReader(sealed.Bytes()))
	if err != nil || body != "ngo" || len(statistics.Merge(slices.Concat(got, rows))) != 1 {
		t.Errorf("%v of %q, %v", got, body, err)
	}
	if _, _, err := w.desks["dora"].OpenRows(bytes.NewReader(sealed.Bytes())); !errors.Is(err, crypto.ErrNotForUs) {
		t.Errorf("a body that does not merge opened rows: %v", err)
	}
	if _, err := anna.SealRows(&sealed, "nobody"); err == nil {
		t.Error("sealed for nobody")
	}
	// Erased, the row stays, and nothing of the vault tells that it was this case's.
	check(t, anna.Erase(c, []byte(testPass), "a test"))
	for range 2 {
		rows = must(anna.Rows())(t)
		if len(rows) != 1 || !same(rows[0], want) {
			t.Errorf("after erasing: %+v", rows)
		}
		anna = w.reopen("anna")
	}
	for _, kept := range anna.added[kindTally] {
		for id, text := range kept {
			for _, secret := range []string{string(src.Case[:]), FullID(src.Case), casework.CaseText(src.Case), "fuel", "shown by the books"} {
				if strings.Contains(id, secret) || strings.Contains(string(text), secret) {
					t.Errorf("the row of an erased case holds %q", secret)
				}
			}
		}
	}
	// What the source writes later belongs to the same case: it is counted once, and is open again.
	w.imports("anna", w.release(2, say("More.", nil)))
	if rows := must(anna.Rows())(t); len(rows) != 1 || rows[0].Closed != 0 || rows[0].Received != month(first) {
		t.Errorf("after the source wrote again: %+v", rows)
	}
}

// A case erased without an outcome ended without a finding; one that came by phone counts too.
func TestRowsWithoutCode(t *testing.T) {
	w := newWorld(t)
	anna := w.desks["anna"]
	c := must(anna.Open("phone", w.today()))(t)
	c = w.does("anna", c, casework.KindClassify, "institution=prisons")
	if rows := must(anna.Rows())(t); len(rows) != 1 || rows[0].Institution != "prisons" || rows[0].Closed != 0 {
		t.Errorf("%+v", rows)
	}
	check(t, anna.Erase(c, []byte(testPass), "taken down twice"))
	if rows := must(anna.Rows())(t); len(rows) != 1 || rows[0].Outcome != noFinding || rows[0].Closed != month(w.today()) {
		t.Errorf("erased open: %+v", rows)
	}
}

// A table of a desk opens with the directory; a later one knows it.
func TestFigures(t *testing.T) {
	w := newWorld(t)
	var entries [][]byte
	for i := range 9 {
		reporter := []string{"serving", "family"}[i%2]
		entries = append(entries, must(w.server.NewSource().Say(reviewertest.NewForm(), w.today(), "x", form.Answers{{ID: form.QReporter, Values: []string{reporter}}}, "ombuds", "ngo"))(t))
	}
	volume := w.release(2, entries...)
	w.imports("anna", volume)
	w.imports("cleo", volume)
	m := month(w.today())
	if _, err := w.desks["anna"].Statistics(m, m, nil, nil); !errors.Is(err, statistics.ErrPeriod) {
		t.Errorf("a month that is not over: %v", err)
	}
	w.now = w.now.AddDate(0, 1, 5)
	anna := w.desks["anna"]
	var sealed bytes.Buffer
	must(w.desks["cleo"].SealRows(&sealed, "ombuds"))(t)
	theirs, body, err := anna.OpenRows(&sealed)
	check(t, err)
	f := must(anna.Statistics(m, m, map[string][]statistics.Row{body: theirs}, nil))(t)
	if n, ok := f.Get("received"); !ok || n != 9 || !slices.Equal(f.Scope.Bodies, []string{"ngo", "ombuds"}) {
		t.Errorf("received %d, %v: %+v", n, ok, f.Scope)
	}
	if n, ok := f.Get("received/reporter/family"); ok {
		t.Errorf("four are shown as %d", n)
	}
	got, by, holder, err := statistics.Open(f.Signed, w.desks["cleo"].Directory())
	if err != nil || by != "ombuds" || holder != "anna" || got.Scope.From != m {
		t.Errorf("%v, %s/%s", err, by, holder)
	}
	again := must(anna.Statistics(m, m, map[string][]statistics.Row{body: theirs}, [][]byte{f.Signed}))(t)
	if n, ok := again.Get("received"); !ok || n != 9 {
		t.Errorf("the same once more: %d, %v", n, ok)
	}
	if _, err := anna.Statistics(m, m, nil, [][]byte{[]byte("{}")}); !errors.Is(err, statistics.ErrUnsigned) {
		t.Errorf("an earlier table that nobody signed: %v", err)
	}
}

// Whatever is opened or leaves the vault stands in the list, once a day, and goes with the case.
func TestCustody(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	f := reviewertest.NewForm()
	w.imports("anna", w.release(2, must(src.Say(f, w.today(), "see the file", nil, "ombuds"))(t), must(src.Attach(f, w.today(), "a.txt", []byte("abc"), "ombuds"))(t)))
	v, c := w.desks["anna"], w.only("anna")
	for range 2 {
		check(t, v.LogCustody(c, dossier.ActOpen, 1, 2))
		must(v.Extract(c, 1, t.TempDir()))(t)
		must(v.ExtractText(c, 1, t.TempDir()))(t)
		must(v.Dossier(c, filepath.Join(t.TempDir(), "x"), "fr"))(t)
		must(v.WorkingCopy(c, filepath.Join(t.TempDir(), "y"), "ar", nil))(t)
		v = w.reopen("anna")
		c = w.only("anna")
	}
	today := w.today()
	want := []dossier.Custody{
		{Day: today, Who: "ombuds/anna", Act: dossier.ActCopy}, {Day: today, Who: "ombuds/anna", Act: dossier.ActDossier},
		{Day: today, Who: "ombuds/anna", Act: dossier.ActExtract, Number: 1},
		{Day: today, Who: "ombuds/anna", Act: dossier.ActOpen, Number: 1}, {Day: today, Who: "ombuds/anna", Act: dossier.ActOpen, Number: 2},
		{Day: today, Who: "ombuds/anna", Act: dossier.ActWords, Number: 1},
	}
	if got := must(v.Custody(c))(t); !slices.Equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	// The list is in the evidence, and the files that it names are as they came.
	dir := filepath.Join(t.TempDir(), "z")
	must(v.Dossier(c, dir, "en"))(t)
	list := string(must(os.ReadFile(filepath.Join(dir, "custody.txt")))(t))
	if n := strings.Count(list, "\n"); n != len(want) || !strings.Contains(list, "\tombuds/anna\textract\tfile 1\n") {
		t.Errorf("custody.txt:\n%s", list)
	}
	if got := must(os.ReadFile(filepath.Join(dir, "files", "file1-a.txt")))(t); string(got) != "abc" {
		t.Errorf("the file is %q", got)
	}
	check(t, v.Erase(c, []byte(testPass), "a test"))
	if n := len(v.added[kindCustody]); n > 0 && len(v.added[kindCustody][c.ID]) > 0 {
		t.Errorf("%d records of custody outlive the case", n)
	}
}
