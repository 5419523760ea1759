package web

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"postern/locale"
	"postern/web/markdown"
)

// pagesOf makes files of NAME: text.
func pagesOf(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	return m
}

func loadTestPages(t testing.TB, files map[string]string) *Pages {
	t.Helper()
	p, err := LoadPages(pagesOf(files))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLoadPages(t *testing.T) {
	p := loadTestPages(t, map[string]string{
		"20-law.en.md": "# Law", "20-law.fr.md": "# Loi", "law.pt-BR.md": "# Lei", "contact.en.md": "# Contact",
		"10-mandate.ar.md": "# الولاية", "2024.en.md": "# The year [2024]\n\n[more](/about/contact) [list](/about/directory)",
		"notes.txt": "not a page", ".draft.en.md": "no page either", "law.en.md~": "nor this",
	})
	var got []string
	for _, i := range p.List("fr") {
		got = append(got, fmt.Sprint(i.Path, " ", i.Title, " ", strings.Join(i.Languages, ",")))
	}
	want := []string{"/about/mandate الولاية ar", "/about/law Loi en,fr,pt-BR", "/about/2024 The year [2024] en", "/about/contact Contact en"}
	if !slices.Equal(got, want) {
		t.Errorf("pages %q, want %q", got, want)
	}
	if l := p.Languages(); !slices.Equal(l, []string{"ar", "en", "fr", "pt-BR"}) {
		t.Errorf("languages %q", l)
	}
	law := p.page("law")
	for langs, title := range map[string]string{"fr": "Loi", "pt": "Lei", "pt-PT": "Lei", "de fr": "Loi", "de": "Law", "FR-ca": "Loi"} {
		if got := law.in(strings.Fields(langs)...).title; got != title {
			t.Errorf("for %s the title is %q, want %q", langs, got, title)
		}
	}
	if x := p.page("mandate").in("de"); x.lang != "ar" || x.dir != "rtl" {
		t.Errorf("the only text is not shown: %+v", x)
	}
	var none *Pages
	if none.page("law") != nil || none.List("en") != nil || none.Languages() != nil {
		t.Error("no pages are some")
	}
	if p := loadTestPages(t, nil); len(p.list) != 0 {
		t.Error("an empty directory holds pages")
	}
}

// TestLoadPagesRefuses: each fault names its file, and the good pages are given all the same.
func TestLoadPagesRefuses(t *testing.T) {
	many := map[string]string{}
	for i := range maxPages {
		many[fmt.Sprintf("many-%d.en.md", i)] = "# T"
	}
	many["z.en.md"] = "# T"
	for name, c := range map[string]struct {
		files map[string]string
		says  string
	}{
		"no language":    {map[string]string{"x.md": "# T"}, "x.md: the name must be like mandate.en.md"},
		"long language":  {map[string]string{"x.english.md": "# T"}, "x.english.md: the name must be like"},
		"capitals":       {map[string]string{"X.en.md": "# T"}, "X.en.md: the name must be like"},
		"underscore":     {map[string]string{"a_b.en.md": "# T"}, "a_b.en.md: the name"},
		"long name":      {map[string]string{strings.Repeat("a", 33) + ".en.md": "# T"}, ".en.md: the name"},
		"reserved":       {map[string]string{"directory.en.md": "# T"}, "directory.en.md: /about/directory is the page"},
		"twice":          {map[string]string{"10-x.en.md": "# T", "20-x.EN.md": "# T"}, "20-x.EN.md: the name"},
		"twice, ordered": {map[string]string{"10-x.en.md": "# T", "20-x.en.md": "# T"}, "20-x.en.md: the same page in the same language as 10-x.en.md"},
		"twice, case":    {map[string]string{"x.pt-BR.md": "# T", "x.pt-br.md": "# T"}, "x.pt-br.md: the same page"},
		"content":        {map[string]string{"x.en.md": "# T\n\n<b>"}, "x.en.md: line 3: HTML is not shown"},
		"a blank":        {map[string]string{"x.en.md": "# T\n\n[[who]]"}, "x.en.md: line 3: a blank is not filled in"},
		"a dead link":    {map[string]string{"x.en.md": "# T\n\n[a](/about/y)"}, "x.en.md: line 3: a link to /about/y, and there is no page"},
		"too large":      {map[string]string{"x.en.md": "# T\n" + strings.Repeat("a", markdown.MaxSource)}, "x.en.md: longer than 131072 bytes"},
		"too many":       {many, "z.en.md: one page too many: there can be 40"},
	} {
		t.Run(name, func(t *testing.T) {
			c.files["good.en.md"] = "# Good"
			if name == "too many" {
				delete(c.files, "good.en.md")
				delete(c.files, "many-0.en.md")
				c.files["a-good.en.md"] = "# Good"
			}
			p, err := LoadPages(pagesOf(c.files))
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("says %v, want %q alone", err, c.says)
			}
			if p.page("good") == nil && p.page("a-good") == nil {
				t.Error("the good page is gone as well")
			}
		})
	}
	m := pagesOf(map[string]string{"a.en.md": "# T", "b.en.md": "no title", "c.en.md": "# T\n\n![x](y)", "e.en.md": "# T\n\n[a](/about/b)"})
	m["d.en.md"] = &fstest.MapFile{Data: []byte("a.en.md"), Mode: fs.ModeSymlink}
	p, err := LoadPages(m)
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.Contains(err.Error(), "d.en.md: not a plain file") || len(p.list) != 2 {
		t.Errorf("three faults are said as %v, and %d pages are left", err, len(p.list))
	}
}

func TestDirOf(t *testing.T) {
	for tag, want := range map[string]string{
		"ar": "rtl", "fa-IR": "rtl", "he": "rtl", "en": "ltr", "sr-Cyrl": "ltr", "az-Arab": "rtl", "ps": "rtl", "uz-Latn-UZ": "ltr", "ckb": "rtl", "ku-Latn": "ltr",
	} {
		if got := dirOf(tag); got != want {
			t.Errorf("%s is written %s, want %s", tag, got, want)
		}
	}
	for _, lang := range Locales() {
		l, err := locale.Source(lang)
		if err != nil {
			t.Fatal(err)
		}
		if got := dirOf(lang); got != l.Dir {
			t.Errorf("%s is written %s, its words say %s", lang, got, l.Dir)
		}
	}
}
