package web

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

func each(n *html.Node, f func(*html.Node)) {
	if n.Type == html.ElementNode {
		f(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, f)
	}
}

func find(n *html.Node, tag string) (list []*html.Node) {
	each(n, func(e *html.Node) {
		if e.Data == tag {
			list = append(list, e)
		}
	})
	return list
}

func textOf(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return b.String()
}

// actions are where forms may go.
var actions = map[string]bool{
	"/report": true, "/code": true, "/files": true, "/inbox": true, "/message": true,
	"/reply": true, "/download": true, "/erase": true, "/erased": true, "/bundle": true, "/consent": true, "/change": true, "/changed": true,
	"/again/report": true, "/again/inbox": true, "/again/message": true, "/again/code": true, "/again/change": true, "/again/files": true,
}

// ours says whether an address leads to one of our forms, in whatever language.
func ours(address string) bool {
	_, rest, _ := strings.Cut(strings.TrimPrefix(address, "/"), "/")
	return actions[address] || actions["/"+rest]
}

// allowed are the elements our templates use: anything else came from outside.
var allowed = strings.Fields(`html head meta title link style body a p header nav main aside footer h1 h2 h3 ul ol li strong small
	div form input textarea label button fieldset legend details summary select option span bdi br dl dt dd table thead tbody tr th td code
	em blockquote hr pre meter`)

// checkStructure holds every page to its rules: no script, nothing from
// elsewhere, forms that POST, a label for every field, one heading, unique ids.
func checkStructure(t testing.TB, doc *html.Node) {
	t.Helper()
	known := map[string]bool{}
	for _, a := range allowed {
		known[a] = true
	}
	ids, labelled := map[string]int{}, map[string]bool{}
	var anchors []string
	level := 0
	each(doc, func(n *html.Node) {
		if !known[n.Data] {
			t.Errorf("element <%s>", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "srcset", a.Key == "formaction" && !ours(a.Val):
				t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
			case a.Key == "href" && n.Data == "link":
				if a.Val != "data:," {
					t.Errorf("link to %q", a.Val)
				}
			case a.Key == "href":
				if strings.ContainsAny(a.Val, "?:") || !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("link to %q", a.Val)
				}
				if strings.HasPrefix(a.Val, "#") {
					anchors = append(anchors, a.Val[1:])
				}
			case a.Key == "id":
				ids[a.Val]++
			case a.Key == "for":
				labelled[a.Val] = true
			}
		}
		switch n.Data {
		case "html":
			if attr(n, "lang") == "" || attr(n, "dir") == "" {
				t.Error("html without lang or dir")
			}
		case "form":
			if asks := attr(n, "method") == "get" && strings.HasSuffix(attr(n, "action"), "/after"); asks {
				// Which batches are there is no secret, and the same for everybody.
			} else if attr(n, "method") != "post" || attr(n, "enctype") != "multipart/form-data" || !ours(attr(n, "action")) {
				t.Errorf("form %q with method %q, enctype %q", attr(n, "action"), attr(n, "method"), attr(n, "enctype"))
			}
			own := 0
			for _, b := range find(n, "button") {
				if !hasAttr(b, "formaction") { // those lead to another language
					own++
				}
			}
			if own > 1 || own == 0 && len(find(n, "button")) == 0 {
				t.Errorf("form %q has %d buttons of its own", attr(n, "action"), own)
			}
			if len(find(n, "form")) != 1 {
				t.Error("a form inside a form")
			}
		case "h1", "h2", "h3":
			if l := int(n.Data[1] - '0'); l > level+1 {
				t.Errorf("heading %q skips a level", textOf(n))
			} else {
				level = l
			}
			if strings.TrimSpace(textOf(n)) == "" {
				t.Error("empty heading")
			}
		case "fieldset":
			if len(find(n, "legend")) == 0 {
				t.Error("fieldset without legend")
			}
		case "button", "a", "summary", "title":
			if strings.TrimSpace(textOf(n)) == "" {
				t.Errorf("empty <%s>", n.Data)
			}
		}
	})
	for _, a := range anchors {
		if ids[a] == 0 {
			t.Errorf("nothing on the page is #%s", a)
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %q stands %d times", id, n)
		}
	}
	for _, tag := range []string{"input", "textarea", "select", "fieldset"} {
		for _, n := range find(doc, tag) {
			if tag != "fieldset" && attr(n, "type") != "hidden" && !labelled[attr(n, "id")] {
				t.Errorf("field %q has no label", attr(n, "name"))
			}
			for _, d := range strings.Fields(attr(n, "aria-describedby")) {
				if ids[d] == 0 {
					t.Errorf("%s %q is described by %q, which is not there", tag, attr(n, "name"), d)
				}
			}
		}
	}
	for _, n := range find(doc, "a") {
		if to, ok := strings.CutPrefix(attr(n, "href"), "#"); ok && ids[to] == 0 {
			t.Errorf("a link leads to %q on this page, which is not there", to)
		}
	}
	for _, tag := range []string{"h1", "main", "title", "style", "header", "footer"} {
		if n := len(find(doc, tag)); n != 1 {
			t.Errorf("%d <%s> on a page", n, tag)
		}
	}
	if ids["main"] != 1 {
		t.Error("the skip link leads nowhere")
	}
}
