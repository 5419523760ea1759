package pages

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"postern/reviewer/casework"
	"postern/reviewer/window"
)

// One query finds words wherever they stand, shows where, and neither it nor what it finds is in an
// address or a title.
func TestSearchFinds(t *testing.T) {
	w := newWorld(t).open("en").office().open("en")
	c := must(w.anna.Case(strings.TrimPrefix(w.caseOf("The purchase"), "/case/")))(w)
	act := must(casework.NewAct(casework.KindNote, map[string]string{"text": "Ask the quartermaster about the second invoice."}))(w)
	must(w.anna.Act(c, casework.Desk, act))(w)
	w.anna.AwaitSearch()
	// The letter leads to the field, and the field is there.
	r := w.pages.Answer(window.Request{Method: window.Key, Path: "/", Key: "/"})
	p := w.get(r.Location)
	if on := focused(p); r.Location != "/search" || len(on) != 1 || attr(on[0], "id") != "query" {
		t.Errorf("/ leads to %q, where %d elements have the focus", r.Location, len(on))
	}
	for _, x := range []struct {
		query string
		cases string
		says  []string
	}{
		{"INVOICES paid", "Found in 1 case.", []string{"Message 1", "purchase of boots was paid twice."}},
		{"quartermaster", "Found in 1 case.", []string{"Noted", "Ask the quartermaster about the second invoice."}},
		{"النور", "Found in 1 case.", []string{"Message 1", "في مركز"}},
		{"gnp.exe", "Found in 2 cases.", []string{"⟨U+202E⟩", "gnp.exe"}}, // a file's name, and words
		{"audit office", "Found in 1 case.", []string{"We ask the audit office"}},
		{c.Short, "Found in 1 case.", []string{"The case’s id"}},
		{"nowhere at all", "Nothing is found.", nil},
	} {
		a := w.send("/search", "token", w.pages.token, "query", x.query)
		if strings.ContainsAny(a.Location, "?&") || a.Location != "/" {
			t.Errorf("%q leads to %q", x.query, a.Location)
		}
		p := w.get(a.Location).has(x.cases).has(x.says...)
		if strings.TrimSpace(p.title()) != "Cases · Postern desk" {
			t.Errorf("the title is %q", p.title())
		}
		for n := range p.doc.Descendants() {
			for _, key := range []string{"href", "action", "title"} {
				if v := attr(n, key); strings.Contains(strings.ToLower(v), "invoice") || strings.Contains(v, "quarter") || strings.Contains(v, "النور") {
					t.Errorf("%s=%q", key, v)
				}
			}
		}
	}
	// The words are marked as they were written.
	marks := marked(w.post("/search", "query", "الضابط ١٢"))
	if len(marks) == 0 || marks[0] != "١٢" && marks[0] != "الضابط" {
		t.Errorf("marked: %q", marks)
	}
	// Filter and order of the list still apply; what they hide is told.
	w.post("/search", "query", "boots")
	w.post("/list", "show", "withdrawn", "sort", "oldest").has("which this list does not show", `choose “all”`)
	w.post("/list", "show", "all", "sort", "oldest").has("Found in")
	w.get("/next") // goes to what is unread, found or not
	if rows := w.pages.rows(showUnread); len(rows) != 5 {
		t.Errorf("%d cases are unread", len(rows))
	}
	// Until it is cleared.
	w.get("/").has("Show all again")
	w.post("/search", "query", "the", "do", "clear").has("5 cases of 5").hasNot("Found in", "Show all again")
	w.post("/search", "query", "   ").has("5 cases of 5").hasNot("Found in")
}

// What a source wrote is as harmless in a line that was found as everywhere.
func TestSearchHostile(t *testing.T) {
	w := newWorld(t).open("en").office().open("en")
	w.anna.AwaitSearch()
	for _, q := range []string{"<script>", "</mark>", "alert", "javascript", "&lt;b", "{{.Path}}", "gnp", "\u202e", "31mred", strings.Repeat("a", maxQuery+1)} {
		p := w.post("/search", "query", q).status(200)
		for n := range p.doc.Descendants() {
			switch n.Data {
			case "script", "img", "b", "iframe":
				t.Errorf("%q: there is a %s", q, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.Contains(a.Val, "\u202e") {
					t.Errorf("%q: %s has %s=%q", q, n.Data, a.Key, a.Val)
				}
			}
		}
		if strings.ContainsRune(string(p.r.Body), '\u202e') {
			t.Errorf("%q: an override stands on the page", q)
		}
	}
}

// What was not read yet is told, and a case that was erased is not found.
func TestSearchIsHonest(t *testing.T) {
	w := newWorld(t).open("en").office().open("en")
	w.anna.AwaitSearch()
	c := must(w.anna.Case(strings.TrimPrefix(w.caseOf("The purchase"), "/case/")))(w)
	w.post("/search", "query", "boots").has("Found in 1 case.")
	w.check(w.anna.Erase(c, []byte(testPass), "a test"))
	w.pages.cases = nil
	w.get("/").has("Nothing is found.")
	f := &finding{query: "x", Cases: 1, Read: 3, Of: 9}
	w.pages.list.query = ""
	v := w.pages.listView(&ask{})
	v.Search, v.Query = f, "x"
	w.shown(w.pages.page("inbox", "cases", "x", v)).has("Messages are still being read, 3 of 9 so far.", "Look again")
}

// marked are the texts in mark.
func marked(p *shown) (list []string) {
	for n := range p.doc.Descendants() {
		if n.Data == "mark" {
			list = append(list, strings.TrimSpace(textOf(n)))
		}
	}
	return list
}

// focused are the elements that take the focus.
func focused(p *shown) (list []*html.Node) {
	for n := range p.doc.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "autofocus" {
				list = append(list, n)
			}
		}
	}
	return list
}
