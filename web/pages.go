package web

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"postern/web/markdown"
)

// Pages are the operator's own pages: what this service is, on whose mandate,
// how cases are handled. They are the same for everybody. A nil *Pages is none.
type Pages struct{ list []*publicPage }

// publicPage is one page in the languages that the operator wrote it in.
type publicPage struct {
	name  string
	order int
	texts []*publicText // by language
}

// publicText is a page in one language.
type publicText struct {
	file      string
	lang, dir string // dir: ltr or rtl
	title     string
	body      template.HTML
	links     []markdown.Link // to other pages of the operator
}

const (
	// maxPages is how many an operator may have: all are held in memory.
	maxPages = 40
	// unordered is the place of a page whose file begins with no number.
	unordered = 1000
)

// pageFile takes a file's name apart: place, name, language.
var pageFile = regexp.MustCompile(`^(?:([0-9]{1,3})-)?(` + markdown.PageName + `)\.([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\.md$`)

// reserved are names with a page of their own.
var reserved = []string{"directory", "directory.note"}

// LoadPages reads the operator's pages: files of Markdown called NAME.LANG.md,
// like mandate.en.md; a number in front, as in 10-mandate.en.md, is their place
// in the list. LANG is a language tag. Files whose names end otherwise are left
// alone. It gives the pages that are good, and one error for each file that is
// not, joined, each on a line of its own.
func LoadPages(dir fs.FS) (*Pages, error) {
	p := &Pages{}
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return p, fmt.Errorf("reading the pages: %w", err)
	}
	var errs []error
	faulty := slices.Clone(reserved) // and those with a page of their own: no link to them is reported
	for _, e := range entries {
		if path.Ext(e.Name()) != ".md" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := p.load(dir, e); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.Name(), err))
			if m := pageFile.FindStringSubmatch(e.Name()); m != nil {
				faulty = append(faulty, m[2])
			}
		}
	}
	slices.SortFunc(p.list, func(a, b *publicPage) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.name, b.name))
	})
	for _, page := range p.list {
		slices.SortFunc(page.texts, func(a, b *publicText) int { return cmp.Compare(a.lang, b.lang) })
		for _, t := range page.texts {
			for _, to := range t.links {
				if p.page(to.To) == nil && !slices.Contains(faulty, to.To) {
					errs = append(errs, fmt.Errorf("%s: line %d: a link to /about/%s, and there is no page of that name", t.file, to.Line, to.To))
				}
			}
		}
	}
	return p, errors.Join(errs...)
}

// load reads one file.
func (p *Pages) load(dir fs.FS, e fs.DirEntry) error {
	m := pageFile.FindStringSubmatch(e.Name())
	if m == nil {
		return errors.New("the name must be like mandate.en.md or 10-mandate.en.md: a-z, 0-9 and hyphens, at most 32, then the language")
	}
	name, lang, order := m[2], m[3], unordered
	if m[1] != "" {
		order, _ = strconv.Atoi(m[1]) // three digits
	}
	if slices.Contains(reserved, name) {
		return fmt.Errorf("/about/%s is the page with the list of readers: name the file otherwise", name)
	}
	if !e.Type().IsRegular() {
		return errors.New("not a plain file: copy the page itself to this place")
	}
	src, err := readMost(dir, e.Name(), markdown.MaxSource)
	if err != nil {
		return err
	}
	md, err := markdown.Read(src)
	if err != nil {
		return err
	}
	page := p.page(name)
	if page == nil {
		if len(p.list) == maxPages {
			return fmt.Errorf("one page too many: there can be %d", maxPages)
		}
		page = &publicPage{name: name, order: order}
		p.list = append(p.list, page)
	}
	for _, t := range page.texts {
		if strings.EqualFold(t.lang, lang) {
			return fmt.Errorf("the same page in the same language as %s: remove one of them", t.file)
		}
	}
	page.order = min(page.order, order)
	page.texts = append(page.texts, &publicText{
		file: e.Name(), lang: lang, dir: dirOf(lang), title: md.Title,
		body: md.HTML, links: md.Links,
	})
	return nil
}

// readMost reads a file of at most so many bytes.
func readMost(dir fs.FS, name string, most int64) ([]byte, error) {
	f, err := dir.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, errors.New("cannot be read: give it to the user that the server runs as (chown)")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("longer than %d bytes: divide it into two pages", most)
	}
	return b, err
}

// dirOf is the direction a language is written in.
func dirOf(tag string) string {
	parts := strings.Split(strings.ToLower(tag), "-")
	for _, p := range parts[1:] {
		switch p {
		case "arab", "hebr", "thaa", "syrc", "nkoo", "adlm", "rohg":
			return "rtl"
		case "latn", "cyrl":
			return "ltr"
		}
	}
	switch parts[0] {
	case "ar", "arc", "azb", "bal", "ckb", "dv", "fa", "he", "ks", "lrc", "mzn", "nqo", "ps", "sd", "sdh", "syr", "ug", "ur", "yi":
		return "rtl"
	}
	return "ltr"
}

// any says whether there is a page.
func (p *Pages) any() bool { return p != nil && len(p.list) > 0 }

func (p *Pages) page(name string) *publicPage {
	if p != nil {
		for _, x := range p.list {
			if x.name == name {
				return x
			}
		}
	}
	return nil
}

// in gives a page's text in the first of these languages that it has, another
// country's form of one rather than nothing, else in English, else in any.
func (x *publicPage) in(langs ...string) *publicText {
	for _, l := range append(langs, "en") {
		for _, same := range []func(tag string) bool{
			func(tag string) bool { return strings.EqualFold(tag, l) },
			func(tag string) bool { return baseTag(tag) == baseTag(l) },
		} {
			if i := slices.IndexFunc(x.texts, func(t *publicText) bool { return same(t.lang) }); i >= 0 {
				return x.texts[i]
			}
		}
	}
	return x.texts[0]
}

// baseTag is a tag's language without country or script.
func baseTag(tag string) string {
	b, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return b
}

// PageInfo describes one of the operator's pages.
type PageInfo struct {
	Path      string // its address on the service
	Title     string
	Languages []string
}

// List describes the pages in the order in which they are listed, with their
// titles in this language where there is one.
func (p *Pages) List(lang string) []PageInfo {
	if p == nil {
		return nil
	}
	var list []PageInfo
	for _, x := range p.list {
		i := PageInfo{Path: "/about/" + x.name, Title: x.in(lang).title}
		for _, t := range x.texts {
			i.Languages = append(i.Languages, t.lang)
		}
		list = append(list, i)
	}
	return list
}

// Languages are those that any of the pages is written in.
func (p *Pages) Languages() []string {
	all := map[string]bool{}
	for _, i := range p.List("") {
		for _, l := range i.Languages {
			all[l] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
