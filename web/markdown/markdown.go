// Package markdown makes HTML of the pages that an operator writes, element by
// element, and refuses what must not stand on a page: HTML, pictures, links that
// leave the service, characters that hide something (SECURITY.md S-22).
//
// goldmark reads the Markdown, and the HTML is written here: what this package has
// no words for cannot reach a page, whatever goldmark understands or will come to
// understand. Nothing else of ours imports goldmark, and this package imports
// nothing else of ours.
//
// Links to other pages of the service begin with "~/" in the HTML: whoever sends
// the page puts the part of its address there that names the language.
package markdown

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"html"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	htmlwriter "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
)

// Bounds of one page, in bytes.
const (
	// MaxSource bounds the file.
	MaxSource = 128 << 10
	// MaxHTML bounds the HTML made of it; the rest of a page is the layout's.
	MaxHTML = 64 << 10
	// MaxTitle bounds the title, which also stands in the list of pages.
	MaxTitle = 120
	// maxDepth bounds how many elements lie inside one another: browsers give up at some depth.
	maxDepth = 16
)

// PageName is what the name of a page looks like, in its file's name and its address.
const PageName = `[a-z0-9][a-z0-9-]{0,31}`

// Page is a page made of Markdown.
type Page struct {
	Title string
	HTML  template.HTML // without the title
	Links []Link        // to the operator's pages
}

// Link is where a link leads to, and the line that it stands in.
type Link struct {
	To   string
	Line int
}

// blankMark marks what an operator still has to fill in.
const blankMark = "[["

// idPrefix keeps the ids of headings apart from those of the layout.
const idPrefix = "s-"

// titleID is the id of the heading that holds a page's title.
const titleID = "s"

// ownPath are the pages that a link may lead to; the group is an operator's page.
var ownPath = regexp.MustCompile(`^/(?:report|inbox|about(?:/(` + PageName + `|directory\.note))?)?$`)

// markdown is one page on its way from Markdown to HTML.
type markdown struct {
	src     []byte
	b       bytes.Buffer
	title   string
	depth   int
	level   int             // of the last heading
	under   string          // its id
	ids     map[string]bool // of all headings
	anchors []Link          // that links on this page lead to
	pages   []Link          // of the operator that links lead to
}

// Read makes HTML of a page, or says in which line what must be changed. The
// title is the first heading and not in the HTML.
func Read(src []byte) (Page, error) {
	m := &markdown{src: unified(src), under: titleID, ids: map[string]bool{}}
	if err := m.readable(); err != nil {
		return Page{}, err
	}
	doc := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(m.src))
	first, ok := doc.FirstChild().(*ast.Heading)
	if !ok || first.Level != 1 {
		return Page{}, errors.New("line 1: a page begins with its title: # Title")
	}
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if err := m.node(n); err != nil {
			return Page{}, err
		}
	}
	for _, a := range m.anchors {
		if !m.ids[a.To] {
			return Page{}, fmt.Errorf("line %d: no heading of this page is #%s", a.Line, a.To)
		}
	}
	if n := m.b.Len(); n > MaxHTML {
		return Page{}, fmt.Errorf("too long for the one size that all pages have: it takes %d bytes as HTML, and there is room for %d; divide it into two pages", n, MaxHTML)
	}
	return Page{m.title, template.HTML(m.b.String()), m.pages}, nil //nolint:gosec // written here, element by element
}

// unified takes the mark and the line ends that some editors write.
func unified(src []byte) []byte {
	src = bytes.TrimPrefix(src, []byte("\uFEFF"))
	return bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
}

// readable refuses what is no text, and a skeleton that nobody has filled in.
func (m *markdown) readable() error {
	if !utf8.Valid(m.src) {
		return errors.New("not UTF-8: save it as UTF-8 text")
	}
	if i := bytes.IndexFunc(m.src, hides); i >= 0 {
		return fmt.Errorf("line %d: there is a character that cannot be seen or turns words around (%U): remove it", m.lineAt(i), firstRune(m.src[i:]))
	}
	if i := bytes.Index(m.src, []byte(blankMark)); i >= 0 {
		more := ""
		if n := bytes.Count(m.src, []byte(blankMark)); n > 1 {
			more = fmt.Sprintf(" (and %d more)", n-1)
		}
		return fmt.Errorf("line %d: a blank is not filled in: %s%s: put your own words in its place", m.lineAt(i), snippet(m.src[i:]), more)
	}
	return nil
}

// hides is a character that does something to a page that its reader cannot
// see: controls, and those that turn whole lines around. Marks and isolates,
// which a right-to-left text needs, pass.
func hides(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || r >= 0x202A && r <= 0x202E
}

func firstRune(b []byte) rune { r, _ := utf8.DecodeRune(b); return r }

// snippet is a blank, or the beginning of what looks like one, for an error.
func snippet(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\n")
	if i := strings.Index(s, "]]"); i >= 0 {
		s = s[:i+2]
	}
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// node writes one block or inline.
func (m *markdown) node(n ast.Node) error {
	if m.depth++; m.depth > maxDepth {
		return m.at(n, "more than %d lists, quotes or marks inside one another", maxDepth)
	}
	defer func() { m.depth-- }()
	switch n := n.(type) {
	case *ast.Heading:
		return m.heading(n)
	case *ast.Paragraph:
		return m.element(n, "p", "\n")
	case *ast.TextBlock:
		return m.children(n)
	case *ast.Blockquote:
		return m.element(n, "blockquote", "\n")
	case *ast.List:
		if !n.IsOrdered() {
			return m.element(n, "ul", "\n")
		}
		if n.Start != 1 {
			return m.wrap(n, fmt.Sprintf(`<ol start="%d">`, n.Start), "</ol>\n")
		}
		return m.element(n, "ol", "\n")
	case *ast.ListItem:
		return m.element(n, "li", "\n")
	case *ast.ThematicBreak:
		m.b.WriteString("<hr>\n")
		return nil
	case *ast.CodeBlock:
		return m.code(n)
	case *ast.FencedCodeBlock:
		return m.code(n)
	case *tables.Table:
		return m.table(n)
	case *ast.LinkReferenceDefinition: // where a link leads is judged where it stands
		return nil

	case *ast.Text:
		return m.inlineText(n)
	case *ast.String:
		return m.words(n, n.Value, n.IsRaw() || n.IsCode())
	case *ast.CodeSpan:
		if m.bar(n) {
			return nil
		}
		return m.element(n, "code", "")
	case *ast.Emphasis:
		if n.Level == 1 {
			return m.element(n, "em", "")
		}
		return m.element(n, "strong", "")
	case *ast.Link:
		return m.link(n)
	case *ast.AutoLink:
		return m.address(n, string(n.Label(m.src)))
	case *ast.Image:
		return m.at(n, "pictures cannot be shown: a page loads nothing; say it in words")
	case *ast.HTMLBlock, *ast.RawHTML:
		return m.at(n, "HTML is not shown: write it as Markdown, and a code sample between backticks")
	}
	return m.at(n, "this kind of Markdown (%s) cannot be shown: use headings, paragraphs, lists, tables, links and emphasis", n.Kind())
}

func (m *markdown) children(n ast.Node) error {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if err := m.node(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *markdown) wrap(n ast.Node, before, after string) error {
	m.b.WriteString(before)
	err := m.children(n)
	m.b.WriteString(after)
	return err
}

func (m *markdown) element(n ast.Node, name, after string) error {
	return m.wrap(n, "<"+name+">", "</"+name+">"+after)
}

// heading writes a heading with an id to link to. They go down in single
// steps, so that a screen reader's list of them is the page's outline.
func (m *markdown) heading(n *ast.Heading) error {
	words, err := m.flat(n)
	if err != nil {
		return err
	}
	words = strings.TrimSpace(words)
	switch {
	case words == "":
		return m.at(n, "a heading without words")
	case n.Level == 1 && m.title != "":
		return m.at(n, "a second title: begin the headings below the title with ##")
	case n.Level > 3:
		return m.at(n, "a heading of level %d: there are #, ## and ###", n.Level)
	case n.Level > m.level+1:
		return m.at(n, "a heading of level %d below one of level %d: headings go down one step at a time", n.Level, m.level)
	}
	m.level = n.Level
	if n.Level == 1 {
		if len(words) > MaxTitle {
			return m.at(n, "the title is longer than %d bytes", MaxTitle)
		}
		if hold(n, ast.KindLink, ast.KindAutoLink) {
			return m.at(n, "a link in the title: titles are words")
		}
		m.title = words
		return nil
	}
	id := slug(words)
	for i, s := 1, id; m.ids[id]; i++ {
		id = fmt.Sprintf("%s-%d", s, i)
	}
	m.ids[id], m.under = true, idPrefix+id
	return m.wrap(n, fmt.Sprintf(`<h%d id="%s%s">`, n.Level, idPrefix, html.EscapeString(id)), fmt.Sprintf("</h%d>\n", n.Level))
}

// hold says whether a node of these kinds lies in n.
func hold(n ast.Node, kinds ...ast.NodeKind) bool {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if slices.Contains(kinds, c.Kind()) || hold(c, kinds...) {
			return true
		}
	}
	return false
}

// slug is the id of a heading: its letters and digits, with hyphens between.
func slug(words string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			return unicode.ToLower(r)
		case unicode.IsSpace(r), r == '-', r == '_':
			return '-'
		}
		return -1
	}, words)
	if s = strings.Trim(s, "-"); s == "" {
		return "section"
	}
	return s
}

// flat is the text of a heading without its marks.
func (m *markdown) flat(n ast.Node) (string, error) {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			if v := c.Value(m.src); c.IsRaw() || n.Kind() == ast.KindCodeSpan {
				b.Write(v)
			} else {
				b.WriteString(unmarked(v))
			}
			if c.SoftLineBreak() || c.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(c.Value)
		case *ast.AutoLink:
			b.Write(c.Label(m.src))
		case *ast.Image, *ast.RawHTML:
			return "", m.node(c) // refuses it
		default:
			s, err := m.flat(c)
			if err != nil {
				return "", err
			}
			b.WriteString(s)
		}
	}
	s := b.String()
	return s, m.shows(n, s)
}

// inlineText writes a piece of text and the break behind it.
func (m *markdown) inlineText(n *ast.Text) error {
	v := n.Value(m.src)
	if n.Parent().Kind() == ast.KindCodeSpan {
		return m.words(n, bytes.ReplaceAll(v, []byte("\n"), []byte(" ")), true)
	}
	err := m.words(n, v, n.IsRaw())
	switch {
	case n.HardLineBreak():
		m.b.WriteString("<br>\n")
	case n.SoftLineBreak():
		m.b.WriteByte('\n')
	}
	return err
}

// words writes text; raw as it stands, else with its entities and backslashes read.
func (m *markdown) words(n ast.Node, v []byte, raw bool) error {
	s := string(v)
	if !raw {
		s = unmarked(v)
	}
	if err := m.shows(n, s); err != nil {
		return err
	}
	template.HTMLEscape(&m.b, []byte(s))
	return nil
}

// shows refuses what an entity could smuggle past readable.
func (m *markdown) shows(n ast.Node, s string) error {
	if i := strings.IndexFunc(s, hides); i >= 0 {
		return m.at(n, "there is a character that cannot be seen or turns words around (%U): remove it", firstRune([]byte(s[i:])))
	}
	return nil
}

// unmarked reads entities and backslashes as Markdown has them.
func unmarked(v []byte) string {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	htmlwriter.DefaultWriter.Write(w, v)
	_ = w.Flush() // into memory
	return html.UnescapeString(b.String())
}

// code writes a block of code; what language it is in changes nothing.
func (m *markdown) code(n ast.Node) error {
	m.b.WriteString("<pre><code>")
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		if err := m.words(n, line.Value(m.src), true); err != nil {
			return err
		}
	}
	m.b.WriteString("</code></pre>\n")
	return nil
}

// table writes a table in a box that scrolls by itself on a narrow screen, also
// with the keyboard, and is named by the heading above it. Where the first
// heading is empty, the first column heads the rows.
func (m *markdown) table(n *tables.Table) error {
	fmt.Fprintf(&m.b, `<div class="scroll" tabindex="0" role="group" aria-labelledby="%s"><table>`+"\n", html.EscapeString(m.under))
	body, headed := false, false
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		_, head := row.(*tables.TableHeader)
		switch {
		case head:
			m.b.WriteString("<thead>")
		case !body:
			m.b.WriteString("<tbody>")
			body = true
		}
		m.b.WriteString("<tr>")
		for c := row.FirstChild(); c != nil; c = c.NextSibling() {
			cell, ok := c.(*tables.TableCell)
			if !ok {
				return m.node(c)
			}
			first := c.PreviousSibling() == nil
			if head && first {
				headed = !cell.HasChildren()
			}
			scope := ""
			switch {
			case head && cell.HasChildren(): // an empty cell heads nothing
				scope = "col"
			case !head && first && headed && cell.HasChildren():
				scope = "row"
			}
			if err := m.cell(cell, scope); err != nil {
				return err
			}
		}
		m.b.WriteString("</tr>")
		if head {
			m.b.WriteString("</thead>")
		}
		m.b.WriteByte('\n')
	}
	if body {
		m.b.WriteString("</tbody>")
	}
	m.b.WriteString("</table></div>\n")
	return nil
}

// cell writes a cell that heads a column or a row, or none.
func (m *markdown) cell(n *tables.TableCell, scope string) error {
	class := ""
	if n.Alignment == tables.AlignRight {
		class = ` class="end"`
	}
	if scope != "" {
		return m.wrap(n, `<th scope="`+scope+`"`+class+">", "</th>")
	}
	return m.wrap(n, "<td"+class+">", "</td>")
}

// barCode is how a bar is written: so much of so much.
var barCode = regexp.MustCompile(`^meter ([0-9]{1,9})/([0-9]{1,9})$`)

// bar writes code like `meter 12/40` that fills a cell of a table as a bar. It is a
// picture that loads nothing, and the number stands beside it: who does not see it misses
// nothing. Other readers of Markdown show the two numbers.
func (m *markdown) bar(n *ast.CodeSpan) bool {
	if n.Parent().Kind() != tables.KindTableCell || n.PreviousSibling() != nil || n.NextSibling() != nil {
		return false
	}
	words, err := m.flat(n)
	if err != nil {
		return false
	}
	found := barCode.FindStringSubmatch(words)
	if found == nil {
		return false
	}
	value, _ := strconv.Atoi(found[1]) // nine digits
	most, _ := strconv.Atoi(found[2])
	if most == 0 || value > most {
		return false
	}
	fmt.Fprintf(&m.b, `<meter aria-hidden="true" max="%d" value="%d"></meter>`, most, value)
	return true
}

// link writes a link to a page of this service, and any other as words: a click
// must never carry a source out of it.
func (m *markdown) link(n *ast.Link) error {
	if len(n.Title) > 0 {
		return m.at(n, "a link with a title in quotes: nobody sees it; leave it out")
	}
	words, err := m.flat(n)
	if err != nil {
		return err
	}
	if strings.TrimSpace(words) == "" {
		return m.at(n, "a link without words")
	}
	to := unmarked(n.Destination)
	if err := m.shows(n, to); err != nil {
		return err
	}
	path, anchor, anchored := strings.Cut(to, "#")
	if a, err := url.PathUnescape(anchor); err == nil {
		anchor = a
	}
	switch own := ownPath.FindStringSubmatch(path); {
	case anchored && path == "" && anchor != "":
		m.anchors = append(m.anchors, Link{anchor, m.line(n)})
	case own != nil && (!anchored || own[1] != "" && slug(anchor) == anchor):
		if own[1] != "" {
			m.pages = append(m.pages, Link{own[1], m.line(n)})
		}
	case elsewhere(to):
		if err := m.children(n); err != nil {
			return err
		}
		if words == to || "mailto:"+words == to || "tel:"+words == to {
			return nil
		}
		m.b.WriteString(" (")
		defer m.b.WriteString(")")
		return m.address(n, strings.TrimPrefix(strings.TrimPrefix(to, "mailto:"), "tel:"))
	default:
		return m.at(n, "a link to %s: links lead to /about/NAME, to #heading on the same page, to /, /report or /inbox; of any other page give the whole address (https://…), which is shown and cannot be clicked", to)
	}
	if anchored {
		path += "#" + idPrefix + anchor
	}
	if strings.HasPrefix(path, "/") {
		path = "~" + path // the language's place: see page
	}
	return m.wrap(n, `<a href="`+html.EscapeString(path)+`">`, "</a>")
}

// elsewhere is an address outside this service that may be shown.
func elsewhere(to string) bool {
	for _, scheme := range []string{"https://", "http://", "mailto:", "tel:"} {
		if len(to) > len(scheme) && strings.EqualFold(to[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// address writes an address to read, in its own direction.
func (m *markdown) address(n ast.Node, a string) error {
	m.b.WriteString("<bdi>")
	err := m.words(n, []byte(a), true)
	m.b.WriteString("</bdi>")
	return err
}

// at is an error with the line of a node.
func (m *markdown) at(n ast.Node, format string, a ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{m.line(n)}, a...)...)
}

// line is where a node stands, as well as goldmark remembers.
func (m *markdown) line(n ast.Node) int {
	for ; n != nil; n = n.Parent() {
		if i := n.Pos(); i >= 0 {
			return m.lineAt(i)
		}
		if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
			return m.lineAt(n.Lines().At(0).Start)
		}
	}
	return 1
}

func (m *markdown) lineAt(i int) int {
	return bytes.Count(m.src[:min(i, len(m.src))], []byte("\n")) + 1
}
