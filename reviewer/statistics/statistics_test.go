package statistics

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"postern/crypto"
	"postern/intake/form"
)

const testOrigin = "postern directory test"

func month(y, m int) Month { return Month(y*12 + m - 1) }

func day(y, m, d int) crypto.Day {
	x, err := crypto.ParseMonth(fmt.Sprintf("%04d-%02d", y, m))
	if err != nil {
		panic(err)
	}
	t := crypto.Day(0)
	for crypto.MonthOf(t.Time()) < x {
		t += 28
	}
	for ; t.Time().Day() != d || crypto.MonthOf(t.Time()) != x; t++ {
		if crypto.MonthOf(t.Time()) > x {
			t -= 60
		}
	}
	return t
}

func year(y int, bodies ...string) Scope {
	return Scope{bodies, month(y, 1), month(y, 12)}
}

func ids(list []form.Option) (out []string) {
	for _, o := range list {
		out = append(out, o.ID)
	}
	return out
}

// genRow draws any row. skew makes some ids common, as they are.
func genRow(t *rapid.T, from, to Month) Row {
	pick := func(list []form.Option, what string) string {
		all := append(ids(list), "")
		return all[min(rapid.IntRange(0, len(all)-1).Draw(t, what), rapid.IntRange(0, len(all)-1).Draw(t, what))]
	}
	bit := func(what string) bool { return rapid.IntRange(0, 2).Draw(t, what) == 0 }
	r := Row{
		Received: Month(rapid.IntRange(int(from), int(to)).Draw(t, "received")), Institution: pick(institutions, "institution"),
		Unit: pick(units, "unit"), Rank: pick(ranks, "rank"), Reporter: pick(reporters(), "reporter"), Scope: pick(scopes, "scope"), Referred: bit("referred"), Action: bit("action"),
	}
	copy2 := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "mark")
	r.Marks = []Mark{Mark(copy2)}
	r.Bodies = []string{"ombuds"}
	for _, b := range []string{"ngo", "audit"} {
		if bit(b) {
			r.Bodies = append(r.Bodies, b)
		}
	}
	if len(r.Bodies) > 1 && bit("not ombuds") {
		r.Bodies = r.Bodies[1:]
	}
	slices.Sort(r.Bodies)
	for _, x := range ids(topics()) {
		if rapid.IntRange(0, 5).Draw(t, "topic") == 0 {
			r.Topics = append(r.Topics, x)
		}
	}
	if bit("acknowledged") {
		r.Acknowledged = DaysOf(rapid.IntRange(0, 20).Draw(t, "days"))
	}
	if bit("answered") {
		r.Feedback = DaysOf(rapid.IntRange(0, 200).Draw(t, "days"))
	}
	if bit("closed") {
		r.Closed = min(r.Received+Month(rapid.IntRange(0, 12).Draw(t, "closed")), to)
		r.ToClose = DaysOf(rapid.IntRange(0, 365).Draw(t, "days"))
		r.Outcome = rapid.SampledFrom(ids(outcomes)).Draw(t, "outcome")
	}
	for range rapid.IntRange(0, 3).Draw(t, "recommendations") {
		r.Recommendations = append(r.Recommendations, Recommendation{
			rapid.SampledFrom(r.Bodies).Draw(t, "body"), rapid.SampledFrom(ids(aims)).Draw(t, "aim"),
			Month(rapid.IntRange(int(from), int(to)).Draw(t, "issued")), rapid.SampledFrom(ids(fates)).Draw(t, "fate"),
		})
	}
	slices.SortFunc(r.Recommendations, Recommendation.compare)
	for _, c := range []string{"EUR", "USD"} {
		if bit("money") {
			r.Money = append(r.Money, Money{c, Coarse(rapid.Uint64Range(0, 1e7).Draw(t, "lost")), Coarse(rapid.Uint64Range(0, 1e6).Draw(t, "recovered"))})
		}
	}
	return r
}

func genRows(t *rapid.T, most int, from, to Month) []Row {
	rows := make([]Row, rapid.IntRange(0, most).Draw(t, "cases"))
	for i := range rows {
		rows[i] = genRow(t, from, to)
		rows[i].Marks[0][0], rows[i].Marks[0][1] = byte(i), byte(i>>8)
	}
	return rows
}

func TestRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := genRows(t, 5, month(2024, 1), month(2026, 12))
		text, err := EncodeRows(rows)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeRows(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := EncodeRows(got)
		if err != nil || !bytes.Equal(again, text) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

func FuzzDecodeRows(f *testing.F) {
	row := Row{Marks: []Mark{{1}}, Bodies: []string{"ombuds"}, Received: month(2026, 3), Topics: []string{"crime"}, Acknowledged: DaysOf(3),
		Closed: month(2026, 5), ToClose: DaysOf(60), Outcome: "partly", Money: []Money{{"EUR", 1200, 0}},
		Recommendations: []Recommendation{{"ombuds", "repair", month(2026, 5), "issued"}}}
	text, err := EncodeRows([]Row{row})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"rows":[` + "\n]}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := DecodeRows(b)
		if err != nil {
			if !errors.Is(err, ErrRow) {
				t.Fatal(err)
			}
			return
		}
		again, err := EncodeRows(rows)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q became %q, %v", b, again, err)
		}
		Merge(rows)
	})
}

func FuzzDecodeTable(f *testing.F) {
	table, err := Make(fewRows(40), testOrigin, year(2026, "ombuds"), day(2027, 1, 10), nil)
	if err != nil {
		f.Fatal(err)
	}
	text, err := table.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := DecodeTable(b)
		if err != nil {
			if !errors.Is(err, ErrTable) && !errors.Is(err, ErrPeriod) {
				t.Fatal(err)
			}
			return
		}
		again, err := x.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q became %q, %v", b, again, err)
		}
	})
}

// fewRows are n rows of 2026 in which ids turn round at different speeds.
func fewRows(n int) (rows []Row) {
	for i := range n {
		r := Row{Marks: []Mark{{byte(i), byte(i >> 8), 7}}, Bodies: []string{"ombuds"}, Received: month(2026, 1+i%12),
			Institution: institutions[i*i%len(institutions)].ID, Reporter: reporters()[i%3].ID, Scope: "in", Acknowledged: DaysOf(i % 9)}
		if i%2 == 0 {
			r.Topics = []string{"corruption"}
		}
		if i%3 == 0 {
			r.Closed, r.ToClose, r.Outcome = month(2026, 12), DaysOf(10*(i%20)), outcomes[i%2].ID
			r.Money = []Money{{"EUR", Coarse(uint64(1000 + i)), 0}}
		}
		rows = append(rows, r)
	}
	return rows
}

func TestRowRefuses(t *testing.T) {
	good := fewRows(4)[3]
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Row){
		"no mark":             func(r *Row) { r.Marks = nil },
		"mark twice":          func(r *Row) { r.Marks = []Mark{{1}, {1}} },
		"no body":             func(r *Row) { r.Bodies = nil },
		"hostile body":        func(r *Row) { r.Bodies = []string{"../x"} },
		"no month":            func(r *Row) { r.Received = 0 },
		"month of far":        func(r *Row) { r.Received = 1 << 30 },
		"strange institution": func(r *Row) { r.Institution = "Barracks 7" },
		"strange topic":       func(r *Row) { r.Topics = []string{"treason"} },
		"topics turned round": func(r *Row) { r.Topics = []string{"other", "crime"} },
		"closed before":       func(r *Row) { r.Closed = r.Received - 1 },
		"closed, no outcome":  func(r *Row) { r.Outcome = "" },
		"open, an outcome":    func(r *Row) { r.Closed = 0 },
		"exact money":         func(r *Row) { r.Money = []Money{{"EUR", 123456, 0}} },
		"no currency":         func(r *Row) { r.Money = []Money{{"euro", 1, 0}} },
		"aim":                 func(r *Row) { r.Recommendations = []Recommendation{{"ombuds", "praise", r.Received, "issued"}} },
	} {
		r := good
		if spoil(&r); !errors.Is(r.Check(), ErrRow) {
			t.Errorf("%s: %v", name, r.Check())
		}
		if _, err := EncodeRows([]Row{r}); !errors.Is(err, ErrRow) {
			t.Errorf("%s: written", name)
		}
	}
}

func TestCoarse(t *testing.T) {
	for n, want := range map[uint64]uint64{0: 0, 7: 7, 99: 99, 100: 100, 104: 100, 105: 110, 994: 990, 995: 1000, 123456: 120000, 1 << 63: maxAmount} {
		if got := Coarse(n); got != want || Coarse(got) != got {
			t.Errorf("%d is %d, then %d, want %d", n, got, Coarse(got), want)
		}
	}
}

func TestMark(t *testing.T) {
	c, l := crypto.CaseID{1}, crypto.LifeID{2}
	again := NewMark(c, l)
	if NewMark(c, l) != again || NewMark(c, l) == NewMark(crypto.CaseID{2}, l) || NewMark(c, l) == NewMark(c, crypto.LifeID{1}) {
		t.Error("a mark must follow from case and life, both")
	}
}

// Rows come in any order and any number of times, in parts, and say the same.
func TestMergeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := genRows(t, 8, month(2025, 1), month(2026, 12))
		for i := range rows { // some are of one case, or tie two together
			for range rapid.IntRange(0, 2).Draw(t, "ties") {
				m := Mark{byte(rapid.IntRange(0, 4).Draw(t, "tie")), 200, 200}
				if !slices.Contains(rows[i].Marks, m) {
					rows[i].Marks = append(rows[i].Marks, m)
				}
			}
			slices.SortFunc(rows[i].Marks, compareMarks)
		}
		text := func(rows []Row) string {
			b, err := EncodeRows(rows)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		want := text(Merge(rows))
		other := rapid.Permutation(rows).Draw(t, "order")
		cut := rapid.IntRange(0, len(other)).Draw(t, "cut")
		in := slices.Concat(Merge(other[:cut]), other[cut:], other[:cut])
		if got := text(Merge(in)); got != want {
			t.Fatalf("merged\n%s\nand in another order\n%s", want, got)
		}
		seen := map[Mark]bool{}
		for _, r := range Merge(rows) {
			for _, m := range r.Marks {
				if seen[m] {
					t.Fatal("a mark is in two rows")
				}
				seen[m] = true
			}
		}
	})
}

func TestMergeOfOneCase(t *testing.T) {
	a := Row{Marks: []Mark{{1}}, Bodies: []string{"ombuds"}, Received: month(2026, 3), Rank: "officer", Topics: []string{"crime"}, Feedback: DaysOf(30),
		Closed: month(2026, 5), ToClose: DaysOf(60), Outcome: "not-sustained", Recommendations: []Recommendation{{"ombuds", "repair", month(2026, 5), "issued"}}}
	b := Row{Marks: []Mark{{1}, {2}}, Bodies: []string{"ngo"}, Received: month(2026, 4), Unit: "field", Topics: []string{"force"}, Feedback: DaysOf(20), Acknowledged: DaysOf(2)}
	c := Row{Marks: []Mark{{2}}, Bodies: []string{"ombuds"}, Received: month(2026, 4), Closed: month(2026, 6), ToClose: DaysOf(61), Outcome: "sustained",
		Recommendations: []Recommendation{{"ombuds", "repair", month(2026, 5), "accepted"}}}
	got := Merge([]Row{a, b, c})
	if len(got) != 1 {
		t.Fatalf("%d rows", len(got))
	}
	r := got[0]
	if r.Received != month(2026, 3) || r.Closed != 0 || r.Outcome != "" || r.Feedback != DaysOf(20) || r.Acknowledged != DaysOf(2) || len(r.Topics) != 2 ||
		len(r.Recommendations) != 1 || r.Recommendations[0].Fate != "accepted" || r.Rank != "officer" || r.Unit != "field" || !slices.Equal(r.Bodies, []string{"ngo", "ombuds"}) {
		t.Errorf("together: %+v", r)
	}
	if r := Merge([]Row{a, c, {Marks: []Mark{{1}, {2}}, Bodies: []string{"ombuds"}, Received: month(2026, 3), Closed: month(2026, 5), ToClose: DaysOf(5), Outcome: "partly"}})[0]; r.Outcome != "sustained" || r.Closed != month(2026, 6) || r.ToClose != DaysOf(61) {
		t.Errorf("all closed: %+v", r)
	}
}

// byHand counts a cell in the most obvious way.
func byHand(rows []Row, s Scope, id string) (n int) {
	for _, r := range rows {
		if !slices.ContainsFunc(r.Bodies, func(b string) bool { return slices.Contains(s.Bodies, b) }) {
			continue
		}
		in := func(m Month) bool { return m >= s.From && m <= s.To }
		is := func(yes bool) {
			if yes {
				n++
			}
		}
		var x string
		cut := func(prefix string) bool {
			if len(id) > len(prefix) && id[:len(prefix)] == prefix {
				x = id[len(prefix):]
				return true
			}
			return false
		}
		switch {
		case id == "received":
			is(in(r.Received))
		case id == "closed":
			is(r.Closed != 0 && in(r.Closed))
		case id == "open":
			is(r.Received <= s.To && (r.Closed == 0 || r.Closed > s.To))
		case id == "received/referred":
			is(in(r.Received) && r.Referred)
		case id == "closed/action":
			is(r.Closed != 0 && in(r.Closed) && r.Action)
		case cut("received/institution/"):
			is(in(r.Received) && cmp.Or(r.Institution, "unknown") == x)
		case cut("received/unit/"):
			is(in(r.Received) && cmp.Or(r.Unit, "unknown") == x)
		case cut("received/rank/"):
			is(in(r.Received) && cmp.Or(r.Rank, "unknown") == x)
		case cut("received/reporter/"):
			is(in(r.Received) && cmp.Or(r.Reporter, "unknown") == x)
		case cut("received/scope/"):
			is(in(r.Received) && cmp.Or(r.Scope, "undecided") == x)
		case cut("received/topic/"):
			is(in(r.Received) && slices.Contains(r.Topics, x))
		case cut("closed/outcome/"):
			is(r.Closed != 0 && in(r.Closed) && r.Outcome == x)
		default:
			for _, rec := range r.Recommendations {
				switch {
				case id == "recommended":
					is(in(rec.Issued))
				case cut("recommended/aim/"):
					is(in(rec.Issued) && rec.Aim == x)
				case cut("recommended/fate/"):
					is(in(rec.Issued) && rec.Fate == x)
				}
			}
		}
	}
	return n
}

func TestTableIsACountByHand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := genRows(t, 120, month(2025, 6), month(2026, 12))
		s := year(2026, "ombuds")
		table, err := Make(rows, testOrigin, s, day(2027, 1, 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(table.Counts) != len(cells()) {
			t.Fatalf("%d cells", len(table.Counts))
		}
		for _, c := range table.Counts {
			if n := byHand(rows, s, c.ID); c.N >= 0 && c.N != n || n < Least && c.N >= 0 {
				t.Fatalf("%s is %d, by hand %d", c.ID, c.N, n)
			}
		}
		text, err := table.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeTable(text); err != nil {
			t.Fatal(err)
		}
	})
}
