package dossier

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"path"
	"strings"

	"postern/crypto"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
)

// pageStyle is all the style of a page; its policy lets nothing else in.
const pageStyle = `body{font:11pt/1.5 serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#000;background:#fff;overflow-wrap:anywhere}
h1,h2,h3{line-height:1.25;break-after:avoid}h2{margin-top:2rem;border-top:1px solid #000;padding-top:.4rem}
p{margin:.3rem 0}.words{border-inline-start:3px solid #999;padding-inline-start:.8rem;margin:.6rem 0}.words p{white-space:pre-wrap}
.note{font-style:italic}table{border-collapse:collapse;width:100%}th,td{text-align:start;padding:.2rem .6rem .2rem 0;vertical-align:top;border-bottom:1px solid #ccc}
code{font:9pt/1.4 monospace}@page{margin:2cm}`

var pageTemplate = template.Must(template.New("case").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}" dir="{{.Dir}}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{.Policy}}">
<meta name="referrer" content="no-referrer">
<title>{{.Title}}</title>
<style>{{.Style}}</style>
</head>
<body>
<h1>{{.Title}}</h1>
{{with .Name}}<p dir="auto"><strong>{{.}}</strong></p>
{{end}}{{range .Head}}<p dir="auto">{{.}}</p>
{{end}}{{range .Messages}}<h2 dir="auto">{{.Title}}</h2>
{{range .Notes}}<p class="note" dir="auto">{{.}}</p>
{{end}}{{range .Answers}}<h3 dir="auto">{{.Label}}</h3>
<div class="words">{{range .Lines}}<p dir="auto">{{.}}</p>{{end}}</div>
{{end}}{{with .Words}}<div class="words">{{range .}}<p dir="auto">{{.}}</p>{{end}}</div>
{{end}}{{with .Files}}<ul>{{range .}}<li dir="auto">{{.Name}}{{with .Sum}}<br><code dir="ltr">{{.}}</code>{{end}}</li>{{end}}</ul>
{{end}}{{end}}{{range .Tables}}<h2>{{.Title}}</h2>
<table><thead><tr>{{range .Head}}<th scope="col">{{.}}</th>{{end}}</tr></thead><tbody>
{{range .Rows}}<tr>{{range .}}<td dir="auto">{{.}}</td>{{end}}</tr>
{{end}}</tbody></table>
{{end}}</body>
</html>
`))

// Page is what case.html says, safe to show: each text finds its own direction.
type Page struct {
	Lang, Dir, Policy, Title, Name string
	Style                          template.CSS
	Head                           []string
	Messages                       []PageMessage
	Tables                         []tableView
}

// PageMessage is a message on it.
type PageMessage struct {
	Title   string
	Notes   []string
	Answers []PageAnswer
	Words   []string
	Files   []PageFile
}

// PageAnswer is an answer to a question.
type PageAnswer struct {
	Label string
	Lines []string
}

// PageFile is a file, with its hash where it is evidence.
type PageFile struct{ Name, Sum string }

type tableView struct {
	Title string
	Head  []string
	Rows  [][]string
}

// page writes a case as one page that holds all it shows, loads nothing, runs nothing, and is as
// good on paper. Whatever is not ours passes through SafeText. m is nil, or what the case was masked with
// ([Masks.Masked]): then words and days of this program's own are masked, too.
func (c *Case) page(w *words, m *Masks) ([]byte, error) { return c.view(w, m).html() }

func (c *Case) view(w *words, m *Masks) *Page {
	p := pager{w, m}
	v := &Page{Lang: w.own.Lang, Dir: w.own.Dir, Style: pageStyle, Policy: policy()}
	if m == nil {
		v.Title = w.own.Word("title", c.Short)
		v.Head = append(v.Head, w.own.Word("evidence.note"))
	} else {
		v.Title = w.own.Word("title.copy")
		v.Head = append(v.Head, w.own.Word("copy.note"))
	}
	v.Name = p.line(c.Title)
	v.Head = append(v.Head, w.own.Word("made", p.day(c.Made), p.inside(c.Body+"/"+c.Holder)))
	if c.Received != 0 {
		v.Head = append(v.Head, w.own.Word("received", p.day(c.Received)))
	}
	if len(c.Readers) > 0 {
		v.Head = append(v.Head, w.own.Word("readers")+": "+p.list(c.Readers))
	}
	for i := range c.Messages {
		v.Messages = append(v.Messages, p.message(&c.Messages[i]))
	}
	for _, t := range []tableView{p.steps(c.Events), p.custody(c.Custody)} { // a masked case has none
		if len(t.Rows) > 0 {
			v.Tables = append(v.Tables, t)
		}
	}
	return v
}

func (v *Page) html() ([]byte, error) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("writing %s: %w", pageName, err)
	}
	return b.Bytes(), nil
}

func policy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// pager makes what others wrote fit to be shown.
type pager struct {
	w *words
	m *Masks
}

func (p *pager) text(s string) string {
	if p.m != nil {
		s = p.m.apply(s)
	}
	return plain.SafeText(s)
}

func (p *pager) line(s string) string {
	if p.m != nil {
		s = p.m.apply(s)
	}
	return plain.SafeLine(s)
}

// inside is a line that stands in a sentence of ours and keeps its own direction there (Unicode's
// first strong isolate).
func (p *pager) inside(s string) string { return "\u2068" + p.line(s) + "\u2069" }

func (p *pager) list(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, p.inside(n))
	}
	return strings.Join(out, " · ")
}

func (p *pager) day(d crypto.Day) string { return p.line(p.w.source.Date(d)) }

// lines are paragraphs, each of which finds its own direction.
func (p *pager) lines(s string) (list []string) {
	for l := range strings.SplitSeq(s, "\n") {
		if strings.TrimSpace(l) != "" {
			list = append(list, l)
		}
	}
	return list
}

func (p *pager) message(m *Message) PageMessage {
	from := p.w.own.Word("from.source")
	if m.From != FromSource {
		from = p.w.own.Word("from", p.inside(m.From))
	}
	v := PageMessage{Title: fmt.Sprintf("%d · %s · %s · %s", m.No, p.w.own.Word("kind."+m.Kind), from, p.day(m.Day))}
	if m.Masked {
		v.Notes = []string{p.w.own.Word("masked")}
		return v
	}
	for _, n := range m.Notes {
		v.Notes = append(v.Notes, p.line(n))
	}
	if m.Unreadable {
		v.Notes = append(v.Notes, p.w.own.Word("unreadable"))
	}
	for _, a := range m.Answers {
		x := PageAnswer{Label: p.line(p.w.question(a.Question))}
		for _, s := range a.Values {
			x.Lines = append(x.Lines, p.lines(p.text(p.w.option(a.Question, s)))...)
		}
		v.Answers = append(v.Answers, x)
	}
	v.Words = p.lines(p.text(m.Words))
	for i := range m.Files {
		v.Files = append(v.Files, p.file(&m.Files[i]))
	}
	return v
}

func (p *pager) file(f *File) PageFile {
	name := p.w.own.Word("file", f.No)
	switch {
	case p.m == nil:
		return PageFile{name + ": " + p.inside(f.Name) + " (" + p.w.own.Word("bytes", f.Size) + ")", hex.EncodeToString(f.SHA256[:])}
	case f.Left && f.Name == "":
		return PageFile{Name: name + ": " + p.w.own.Word("file.masked")}
	case f.Left:
		return PageFile{Name: name + ": " + p.inside(f.Name) + " · " + p.w.own.Word("file.left")}
	}
	return PageFile{Name: name + ": " + p.inside(f.Name)}
}

func (p *pager) steps(events []casework.Signed) tableView {
	w := p.w.own
	t := tableView{Title: w.Word("events"), Head: []string{w.Word("day"), w.Word("who"), w.Word("what")}}
	book := casework.Fold(events)
	for i := range book.Log {
		e := &book.Log[i]
		what := e.Kind
		if k, ok := casework.KindOf(e.Kind); ok {
			what = k.Label
		}
		for _, f := range e.Fields {
			what += "\n" + f.Name + ": " + f.Value
		}
		t.Rows = append(t.Rows, []string{e.Day.String(), p.line(e.Author.Name()), p.text(what)})
	}
	return t
}

func (p *pager) custody(list []Custody) tableView {
	w := p.w.own
	t := tableView{Title: w.Word("custody"), Head: []string{w.Word("day"), w.Word("who"), w.Word("what"), w.Word("about")}}
	for _, c := range list {
		about := w.Word("of.case")
		switch {
		case c.Number == 0:
		case c.Act == ActExtract:
			about = w.Word("file", c.Number)
		default:
			about = w.Word("of.message", c.Number)
		}
		t.Rows = append(t.Rows, []string{c.Day.String(), p.line(c.Who), w.Word("act." + string(c.Act)), about})
	}
	return t
}

// copyName is what an included file is called in a working copy: nothing of its name but the ending.
func copyName(f *File) string {
	return fmt.Sprintf("file%d%s", f.No, path.Ext(plain.SafeName(f.Name)))
}
