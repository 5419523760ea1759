package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"postern/locale"
)

// languages serves one handler for each language. The address says which
// one: /fr/report is the form in French. An address without a language is
// answered in the one that the browser prefers, or else in the first. Links and
// forms of a page lead to addresses of the same kind, so that a choice needs no
// cookie and is stored nowhere (SECURITY.md S-10).
type languages[H http.Handler] struct {
	list    []tongue[H]
	matcher language.Matcher
}

// tongue is one language. Its pages are made ready when somebody first asks for
// it: that takes 7 ms and 3 MB.
type tongue[H http.Handler] struct {
	lang  string
	pages func() H
}

// newLanguages offers the languages of all; in makes one ready.
func newLanguages[H http.Handler](all []*locale.Locale, in func(*locale.Locale) H) *languages[H] {
	ls := &languages[H]{}
	var tags []language.Tag
	for _, l := range all {
		tags = append(tags, l.Tag())
		ls.list = append(ls.list, tongue[H]{l.Lang, sync.OnceValue(func() H { return in(l) })})
	}
	ls.list[0].pages() // the one most visitors get; what is wrong with our own files shows at once
	ls.matcher = language.NewMatcher(tags)
	return ls
}

// ServeHTTP picks the language.
func (ls *languages[H]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if i := slices.IndexFunc(ls.list, func(t tongue[H]) bool { return t.lang == first }); i >= 0 && r.URL.RawPath == "" {
		r = r.Clone(context.WithValue(r.Context(), prefixKey{}, "/"+first))
		r.URL.Path = "/" + rest
		ls.list[i].pages().ServeHTTP(w, r)
		return
	}
	ls.preferred(r).ServeHTTP(w, r)
}

// preferred is the language that a browser asks for, as far as there is one.
func (ls *languages[H]) preferred(r *http.Request) H {
	if len(ls.list) == 1 {
		return ls.list[0].pages()
	}
	wanted, _, err := language.ParseAcceptLanguage(firstWishes(r.Header.Get("Accept-Language")))
	if err != nil || len(wanted) == 0 {
		return ls.list[0].pages()
	}
	_, i, confidence := ls.matcher.Match(wanted...)
	if confidence == language.No {
		return ls.list[0].pages()
	}
	return ls.list[i].pages()
}

// maxWishes bounds what is read of a browser's preferences, in bytes: none has
// more, and matching thousands of tags is work that strangers could ask for.
const maxWishes = 256

// firstWishes are the languages that stand first.
func firstWishes(s string) string {
	if len(s) <= maxWishes {
		return s
	}
	s = s[:maxWishes]
	return s[:max(0, strings.LastIndexByte(s, ','))]
}

// prefixKey is the request's address before the path: "/fr", or "" when the
// address names no language.
type prefixKey struct{}

func prefixOf(r *http.Request) string {
	p, _ := r.Context().Value(prefixKey{}).(string)
	return p
}

// choice is how a page offers its other languages.
type choice struct {
	Languages []langView
	// Path is where the same page is in every language, when it is the same for everybody.
	Path string
	// Form is the id of the form on this page whose content goes along to Action.
	// The Enter key sends a form by its first button, which therefore is a hidden one
	// that sends it to where it belongs.
	Form  string
	Files bool // it takes files, which do not come along
	// Action, without its first slash, takes the form, or what stands below, and shows this page again.
	Action string
	Ticket string
	Bodies []string
}

// offer completes a choice: nil where there is only one language.
func (s *source) offer(c *choice) *choice {
	if c == nil || len(s.others) == 0 {
		return nil
	}
	c.Languages = s.others
	return c
}

// openLocales reads the languages that are to be offered, the first one first.
func openLocales(langs []string) ([]*locale.Locale, error) {
	if len(langs) == 0 {
		langs = []string{"en"}
	}
	var list []*locale.Locale
	for i, lang := range langs {
		if slices.Contains(langs[:i], lang) {
			return nil, fmt.Errorf("language %q stands twice in the list", lang)
		}
		l, err := locale.Source(lang)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}
