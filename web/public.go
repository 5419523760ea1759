package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"postern/crypto"
	"postern/web/markdown"
)

// SignedDirectory is the directory in force as the roots signed it, for anybody
// to download and verify.
type SignedDirectory struct {
	note    []byte
	sum     string // SHA-256, as sha256sum prints it
	version uint64
	expires crypto.Day
	roots   []rootView
}

// rootView is a root key as the page with the directory shows it.
type rootView struct{ Key, Words string }

// NewSignedDirectory keeps what the page with the directory shows. note is d,
// signed by roots.
func NewSignedDirectory(d *crypto.Directory, note []byte, roots []string) (*SignedDirectory, error) {
	h := sha256.Sum256(note)
	x := &SignedDirectory{note: note, sum: hex.EncodeToString(h[:]), version: d.Version, expires: d.Expires}
	for _, r := range roots {
		words, err := crypto.RootPhrase(r)
		if err != nil {
			return nil, fmt.Errorf("reading a root key: %w", err)
		}
		x.roots = append(x.roots, rootView{r, strings.Join(words, " ")})
	}
	return x, nil
}

// publicRoutes are the pages that anybody may open for any reason. They are
// made anew for each visit: what their operator changes is there at once.
func (s *source) publicRoutes() {
	for _, r := range []struct {
		path    string
		handler func(*visit) answer
	}{
		{"/about", s.about},
		{"/about/directory", s.verify},
		{"/about/directory.note", s.note},
		{"/about/{name:" + markdown.PageName + "}", s.publicPage}, // last: the two above are no operator's
	} {
		s.router.HandleFunc(r.path, s.serve(r.handler)).Methods(http.MethodGet, http.MethodHead)
	}
}

// titled is a view of a page whose title is not its template's.
type titled interface{ pageTitle() string }

// titleOf is what stands in the browser's title bar.
func (s *source) titleOf(a answer) string {
	if v, ok := a.view.(titled); ok && v.pageTitle() != "" {
		return v.pageTitle()
	}
	return s.words.Word("title." + a.name)
}

// aboutView is the list of the operator's pages, or one of them.
type aboutView struct {
	List []textView
	Text *textView
}

func (v aboutView) pageTitle() string {
	if v.Text != nil {
		return v.Text.Title
	}
	return ""
}

// textView is a page in the language that it is shown in.
type textView struct {
	Path, Title string // Path: without its first slash
	Lang, Dir   string
	Other       bool // not the visitor's language
	Body        template.HTML
}

// textView is a page for a visitor of this language; where there is no
// translation, in the operator's.
func (s *source) textView(x *publicPage, lang string) textView {
	t := x.in(lang, s.operators)
	return textView{"about/" + x.name, t.title, t.lang, t.dir, baseTag(t.lang) != baseTag(lang), t.body}
}

// about lists the operator's pages.
func (s *source) about(*visit) answer {
	v := aboutView{}
	if p := s.operatorPages(); p != nil {
		for _, x := range p.list {
			v.List = append(v.List, s.textView(x, s.words.Lang))
		}
	}
	return answer{name: "about", view: v, choice: &choice{Path: "/about"}}
}

// publicPage shows one of them.
func (s *source) publicPage(v *visit) answer {
	x := s.operatorPages().page(mux.Vars(v.r)["name"])
	if x == nil {
		return s.fixedPage(v, http.StatusNotFound, "missing")
	}
	t := s.textView(x, s.words.Lang)
	return answer{name: "about", view: aboutView{Text: &t}, choice: &choice{Path: "/about/" + x.name}}
}

func (s *source) operatorPages() *Pages {
	if s.pages == nil {
		return nil
	}
	return s.pages()
}

func (s *source) signedDirectory() *SignedDirectory {
	if s.directory == nil {
		return nil
	}
	return s.directory()
}

// verifyView says how to verify the directory; Version is 0 when there is none.
type verifyView struct {
	Version uint64
	Expires string
	Size    string
	Sum     string
	Roots   []rootView
}

func (s *source) verify(*visit) answer {
	v := verifyView{}
	if d := s.signedDirectory(); d != nil {
		v = verifyView{d.version, s.words.Date(d.expires), s.words.Size(int64(len(d.note))), d.sum, d.roots}
	}
	return answer{name: "verify", view: v, choice: &choice{Path: "/about/directory"}}
}

// note gives the signed directory byte for byte: padded it would verify no
// more. It is the same for everybody, and nothing a source does leads here.
func (s *source) note(v *visit) answer {
	d := s.signedDirectory()
	if d == nil {
		return s.fixedPage(v, http.StatusNotFound, "missing")
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="directory.note"`)
	h.Set("Content-Length", strconv.Itoa(len(d.note)))
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method != http.MethodHead {
		w := &pacedWriter{w: v.w, rc: http.NewResponseController(v.w)}
		for b := range slices.Chunk(d.note, 64<<10) {
			if _, err := w.Write(b); err != nil {
				break // a lost connection
			}
		}
	}
	return answer{sent: true}
}
