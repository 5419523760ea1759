package statistics

import (
	"bytes"
	"crypto/ed25519"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/locale"
	"postern/locale/localetest"
	"postern/web/markdown"
)

func testTable(t testing.TB) *Table {
	t.Helper()
	x, err := Make(fewRows(40), testOrigin, year(2026, "ombuds"), day(2027, 1, 10), nil)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// All words are there in every language, and every cell has some.
func TestLocales(t *testing.T) {
	wanted := localetest.Wanted{}
	wanted.Code(t, ".", func(string) bool { return true })
	for _, s := range sections {
		wanted.Add("", s.title)
	}
	for _, m := range measures {
		wanted.Add("days/", m.id)
	}
	for _, id := range []string{"data.csv", "data.signed", "who", "why", "made", "lost", "recovered"} {
		wanted.Add("", id)
	}
	for _, id := range cells() {
		_, key, found := strings.Cut(id, "/")
		if !found {
			key = id
		}
		if !strings.HasPrefix(key, "topic/") && !strings.HasPrefix(key, "reporter/") || key == "reporter/unknown" {
			wanted.Add("", key)
		}
	}
	en, err := locale.Read(assets, "locales", "en")
	if err != nil {
		t.Fatal(err)
	}
	if got := Languages(); !slices.Equal(got, []string{"ar", "en", "fr"}) {
		t.Errorf("languages %q", got)
	}
	for _, lang := range Languages() {
		t.Run(lang, func(t *testing.T) {
			l, err := locale.Read(assets, "locales", lang)
			if err != nil {
				t.Fatal(err)
			}
			wanted.Complete(t, l, en, func(string) bool { return false })
			w, err := WordsIn(lang)
			if err != nil {
				t.Fatal(err)
			}
			shown := 0
			for _, s := range testTable(t).Sections(w) {
				shown += len(s.Lines)
				for _, line := range s.Lines {
					if line.Words == "" || strings.Contains(line.Words, "/") || strings.HasPrefix(line.Words, "q.") {
						t.Errorf("%s: %q", line.ID, line.Words)
					}
				}
			}
			if shown != len(cells()) {
				t.Errorf("%d of %d cells lie under a heading", shown, len(cells()))
			}
		})
	}
}

// The service takes the pages as they are, in every language, with the strangest names.
func TestPageIsTaken(t *testing.T) {
	x := testTable(t)
	signed, err := x.Sign("ombuds", "ada", ed25519.NewKeyFromSeed(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range Languages() {
		w, err := WordsIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		for name, rows := range map[string]*Table{"some": x, "none": emptyTable(t)} {
			page, err := markdown.Read(rows.Page(w, []string{`Ombuds <b>*x*</b> [a](https://x.example) & "q"`, "| ` ~ 1. # !"}))
			if err != nil {
				t.Fatalf("%s, %s: %v", lang, name, err)
			}
			if len(page.Links) != 1 || page.Links[0].To != x.Scope.PageName()+"-data" {
				t.Errorf("%s: links %v", lang, page.Links)
			}
			bars := strings.Count(string(page.HTML), "<meter ")
			if want := len(rows.shown()); bars != want {
				t.Errorf("%s, %s: %d bars of %d", lang, name, bars, want)
			}
			if !strings.Contains(string(page.HTML), "&lt;b&gt;*x*&lt;/b&gt; [a](https://x.example) &amp; &#34;q&#34; · | ` ~ 1. # !") {
				t.Errorf("%s: names are not as they were: %.600s", lang, page.HTML)
			}
		}
		data, err := x.DataPage(w, signed)
		if err != nil {
			t.Fatal(err)
		}
		page, err := markdown.Read(data)
		if err != nil {
			t.Fatalf("%s, data: %v", lang, err)
		}
		if n := strings.Count(string(page.HTML), "<pre>"); n != 2 {
			t.Errorf("%d blocks of data", n)
		}
	}
	if !strings.Contains(string(mustPage(t, "en")), "| Received | 40 | `meter 40/40` |\n") {
		t.Errorf("the page does not say how many came:\n%s", mustPage(t, "en"))
	}
}

func mustPage(t *testing.T, lang string) []byte {
	w, err := WordsIn(lang)
	if err != nil {
		t.Fatal(err)
	}
	return testTable(t).Page(w, []string{"Ombuds"})
}

func emptyTable(t *testing.T) *Table {
	x, err := Make(nil, testOrigin, year(2026, "ombuds"), day(2027, 1, 10), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.shown()) != 0 || len(x.Money) != 0 || x.Times[0].Median != -1 {
		t.Errorf("a table of nothing shows %v", x)
	}
	return x
}

func TestPageNames(t *testing.T) {
	for want, s := range map[string]Scope{"statistics-2026": year(2026, "a"), "statistics-2026-01-2026-06": {[]string{"a"}, month(2026, 1), month(2026, 6)}} {
		if got := s.PageName(); got != want || len(got+"-data") > 32 {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCSV(t *testing.T) {
	x := testTable(t)
	for _, lang := range Languages() {
		w, err := WordsIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		b, err := x.CSV(w)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		if err != nil || len(lines) < 1+len(cells())+6 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		for _, l := range lines {
			for _, c := range l {
				if c != "" && strings.ContainsAny(c[:1], "=+-@\t\r") {
					t.Errorf("a spreadsheet would run %q", c)
				}
			}
		}
		if lines[1][0] != "received" || lines[1][2] != "40" {
			t.Errorf("first line %q", lines[1])
		}
	}
}

func TestChart(t *testing.T) {
	for _, lang := range Languages() {
		w, err := WordsIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range testTable(t).Sections(w) {
			d := xml.NewDecoder(strings.NewReader(string(s.Chart(w))))
			bars, texts := 0, 0
			for {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				e, ok := token.(xml.StartElement)
				if !ok {
					continue
				}
				switch e.Name.Local {
				case "rect":
					bars++
				case "text":
					texts++
				case "svg", "title":
				default:
					t.Errorf("element %s", e.Name.Local)
				}
			}
			shown := 0
			for _, l := range s.Lines {
				if l.N >= 0 {
					shown++
				}
			}
			if bars != shown || texts != 2*len(s.Lines) {
				t.Errorf("%s: %d bars of %d, %d texts of %d lines", s.ID, bars, shown, texts, len(s.Lines))
			}
		}
	}
}

func TestSigned(t *testing.T) {
	seedtest.Set(t)
	x := testTable(t)
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &crypto.Directory{Origin: testOrigin, Bodies: []crypto.Body{{ID: "ombuds", Holders: []crypto.Holder{{ID: "ada", Signing: public, Status: crypto.StatusActive}}}}}
	signed, err := x.Sign("ombuds", "ada", key)
	if err != nil {
		t.Fatal(err)
	}
	got, body, holder, err := Open(signed, d)
	if err != nil || body != "ombuds" || holder != "ada" || !maps.Equal(got.shown(), x.shown()) {
		t.Fatalf("%v, %s/%s", err, body, holder)
	}
	for i := range signed { // any byte
		if i == len(signed)-len("x=\n") {
			continue // of its letter two bits are no part of the signature (RFC 4648, 3.5)
		}
		bad := bytes.Clone(signed)
		bad[i] ^= 1
		if _, _, _, err := Open(bad, d); err == nil && !bytes.Equal(bad, signed) {
			t.Errorf("byte %d changed and not seen", i)
		}
	}
	other, err := x.Sign("ombuds", "ada", stranger)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Open(other, d); !errors.Is(err, ErrUnsigned) {
		t.Errorf("another's key: %v", err)
	}
	d.Bodies[0].Holders[0].Status = crypto.StatusRevoked
	if _, _, _, err := Open(signed, d); !errors.Is(err, ErrUnsigned) {
		t.Errorf("a revoked key: %v", err)
	}
	d.Bodies[0].Holders[0].Status, d.Origin = crypto.StatusRetired, "postern directory other"
	if _, _, _, err := Open(signed, d); !errors.Is(err, ErrTable) {
		t.Errorf("another service's table: %v", err)
	}
}
