package markdown

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

func TestMarkdown(t *testing.T) {
	for name, c := range map[string]struct{ src, title, want string }{
		"title alone":        {"# Mandate", "Mandate", ""},
		"underlined title":   {"Mandate\n=======\n\nText", "Mandate", "<p>Text</p>\n"},
		"marks in the title": {"# The *new* `law` &amp; more", "The new law & more", ""},
		"bom and crlf":       {"\uFEFF# T\r\n\r\nA\r\nB\r\n", "T", "<p>A\nB</p>\n"},
		"emphasis":           {"# T\n\n*a* **b** `<c> &amp;`\\\nnext", "T", "<p><em>a</em> <strong>b</strong> <code>&lt;c&gt; &amp;amp;</code><br>\nnext</p>\n"},
		"escapes once":       {"# T\n\n\\*a\\* &lt;b&gt; &amp;lt; \"q\" \\& 1 < 2", "T", "<p>*a* &lt;b&gt; &amp;lt; &#34;q&#34; &amp; 1 &lt; 2</p>\n"},
		"lists": {"# T\n\n- a\n- b\n\n3. c\n4. d\n\n   e", "T",
			"<ul><li>a</li>\n<li>b</li>\n</ul>\n<ol start=\"3\"><li><p>c</p>\n</li>\n<li><p>d</p>\n<p>e</p>\n</li>\n</ol>\n"},
		"quote, rule, code": {"# T\n\n> q\n\n---\n\n```go\na <b>\n```\n\n    c", "T",
			"<blockquote><p>q</p>\n</blockquote>\n<hr>\n<pre><code>a &lt;b&gt;\n</code></pre>\n<pre><code>c\n</code></pre>\n"},
		"headings": {"# T\n\n## A b!\n\n### Ärger 2\n\n## A b\n\n## !", "T",
			`<h2 id="s-a-b">A b!</h2>` + "\n" + `<h3 id="s-ärger-2">Ärger 2</h3>` + "\n" + `<h2 id="s-a-b-1">A b</h2>` + "\n" + `<h2 id="s-section">!</h2>` + "\n"},
		"own links": {"# T\n\n## Law\n\n[a](/about/law) [b](#law) [c](/about/law#art-1) [d](/report) [e](/) [f](/about) [g][r]\n\n[r]: /about/directory", "T",
			`<h2 id="s-law">Law</h2>` + "\n" + `<p><a href="~/about/law">a</a> <a href="#s-law">b</a> <a href="~/about/law#s-art-1">c</a> ` +
				`<a href="~/report">d</a> <a href="~/">e</a> <a href="~/about">f</a> <a href="~/about/directory">g</a></p>` + "\n"},
		"links out are words": {"# T\n\n[us](https://x.example/?a&b) [https://y.example](https://y.example) <https://z.example> <me@x.example> [mail](mailto:a@b.example) [o](http://" +
			strings.Repeat("a", 56) + ".onion)", "T",
			"<p>us (<bdi>https://x.example/?a&amp;b</bdi>) https://y.example <bdi>https://z.example</bdi> <bdi>me@x.example</bdi> mail (<bdi>a@b.example</bdi>) o (<bdi>http://" +
				strings.Repeat("a", 56) + ".onion</bdi>)</p>\n"},
		"table": {"# T\n\n## Sums\n\n| | n |\n|---|---:|\n| a\\|b | 1 |\n", "T",
			`<h2 id="s-sums">Sums</h2>` + "\n" + `<div class="scroll" tabindex="0" role="group" aria-labelledby="s-sums"><table>` + "\n" +
				`<thead><tr><td></td><th scope="col" class="end">n</th></tr></thead>` + "\n" + `<tbody><tr><th scope="row">a|b</th><td class="end">1</td></tr>` + "\n</tbody></table></div>\n"},
		"a table right below the title": {"# T\n\n| a |\n|---|\n", "T",
			`<div class="scroll" tabindex="0" role="group" aria-labelledby="s"><table>` + "\n" + `<thead><tr><th scope="col">a</th></tr></thead>` + "\n</table></div>\n"},
		"a table without row headings": {"# T\n\n| a | b |\n|---|---|\n| c | |\n", "T",
			`<div class="scroll" tabindex="0" role="group" aria-labelledby="s"><table>` + "\n" + `<thead><tr><th scope="col">a</th><th scope="col">b</th></tr></thead>` + "\n" +
				`<tbody><tr><td>c</td><td></td></tr>` + "\n</tbody></table></div>\n"},
		"a bar": {"# T\n\n| | n | |\n|---|---:|---|\n| a | 3 | `meter 3/40` |\n", "T",
			`<div class="scroll" tabindex="0" role="group" aria-labelledby="s"><table>` + "\n" + `<thead><tr><td></td><th scope="col" class="end">n</th><td></td></tr></thead>` + "\n" +
				`<tbody><tr><th scope="row">a</th><td class="end">3</td><td><meter aria-hidden="true" max="40" value="3"></meter></td></tr>` + "\n</tbody></table></div>\n"},
		"no bars": {"# T\n\n`meter 3/40`\n\n| `meter 4/3` | `meter 0/0` | a `meter 1/2` | `meter 1/2\" x` |\n|---|---|---|---|\n", "T",
			"<p><code>meter 3/40</code></p>\n" + `<div class="scroll" tabindex="0" role="group" aria-labelledby="s"><table>` + "\n" +
				`<thead><tr><th scope="col"><code>meter 4/3</code></th><th scope="col"><code>meter 0/0</code></th><th scope="col">a <code>meter 1/2</code></th>` +
				`<th scope="col"><code>meter 1/2&#34; x</code></th></tr></thead>` + "\n</table></div>\n"},
		"right to left": {"# عنوان\n\nنص\u200f (ABC)", "عنوان", "<p>نص\u200f (ABC)</p>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read([]byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			if m.Title != c.title || string(m.HTML) != c.want {
				t.Errorf("title %q, HTML\n%s\nwant %q\n%s", m.Title, m.HTML, c.title, c.want)
			}
		})
	}
}

// TestMarkdownRefuses: each refusal names the line and what to do (SECURITY.md S-22).
func TestMarkdownRefuses(t *testing.T) {
	for name, c := range map[string]struct{ src, says string }{
		"empty":               {"", "line 1: a page begins with its title"},
		"no title":            {"Text", "line 1: a page begins with its title"},
		"text above title":    {"Text\n\n# T", "line 1: a page begins with its title"},
		"small title":         {"## T", "line 1: a page begins with its title"},
		"empty title":         {"#\n\ntext", "line 1: a heading without words"},
		"long title":          {"# " + strings.Repeat("a", MaxTitle+1), "line 1: the title is longer"},
		"link in title":       {"# [a](/about)", "line 1: a link in the title"},
		"picture in title":    {"# ![a](/b)", "line 1: pictures cannot be shown"},
		"two titles":          {"# T\n\n# U", "line 3: a second title"},
		"skipped heading":     {"# T\n\n### U", "line 3: a heading of level 3 below one of level 1"},
		"deep heading":        {"# T\n\n## A\n\n### B\n\n#### C", "line 7: a heading of level 4"},
		"empty heading":       {"# T\n\n## \n", "line 3: a heading without words"},
		"HTML block":          {"# T\n\n<div>\nx\n</div>", "line 3: HTML is not shown"},
		"comment":             {"# T\n\ntext\n\n<!-- hidden -->", "line 5: HTML is not shown"},
		"script":              {"# T\n\n<script>alert(1)</script>", "line 3: HTML is not shown"},
		"inline HTML":         {"# T\n\na\nb <b onclick=x>c</b>", "line 4: HTML is not shown"},
		"HTML in a link":      {"# T\n\n[a <img src=x>](/about)", "line 3: HTML is not shown"},
		"HTML in a table":     {"# T\n\n| a |\n|---|\n| <i>x</i> |", "line 5: HTML is not shown"},
		"picture":             {"# T\n\n![a](https://x.example/a.png)", "line 3: pictures cannot be shown"},
		"picture of our own":  {"# T\n\ntext ![a](/about)", "line 3: pictures cannot be shown"},
		"picture in a link":   {"# T\n\n[![a](b)](/about)", "line 3: pictures cannot be shown"},
		"script link":         {"# T\n\n[a](javascript:alert%281%29)", "line 3: a link to javascript:"},
		"data link":           {"# T\n\n[a](data:text/html,x)", "line 3: a link to data:"},
		"escaped script link": {"# T\n\n[a](&#106;avascript:x)", "line 3: a link to javascript:x"},
		"other host":          {"# T\n\n[a](//x.example/about)", "line 3: a link to //x.example/about"},
		"relative link":       {"# T\n\n[a](law.md)", "line 3: a link to law.md"},
		"no such page":        {"# T\n\n[a](/inbox/x)", "line 3: a link to /inbox/x"},
		"query":               {"# T\n\n[a](/about?x=1)", "line 3: a link to /about?x=1"},
		"up":                  {"# T\n\n[a](/about/../report)", "line 3: a link to /about/../report"},
		"empty link":          {"# T\n\n[a]()", "line 3: a link to :"},
		"link without words":  {"# T\n\n[](/about)", "line 3: a link without words"},
		"link with title":     {"# T\n\n[a](/about \"b\")", "line 3: a link with a title"},
		"unknown anchor":      {"# T\n\n## A\n\n[a](#b)", "line 5: no heading of this page is #b"},
		"Latin-1":             {"# T\n\ncaf\xe9", "not UTF-8"},
		"control":             {"# T\n\na\x00b", "line 3: there is a character that cannot be seen"},
		"turned around":       {"# T\n\na \u202etxt", "U+202E"},
		"the same by entity":  {"# T\n\na &#x202e;txt", "line 3: there is a character that cannot be seen"},
		"in a title":          {"# T &#x202e;", "line 1: there is a character that cannot be seen"},
		"a blank":             {"# T\n\nWe are [[name of the institution]], founded [[year]].", "line 3: a blank is not filled in: [[name of the institution]] (and 1 more): put"},
		"a blank in code":     {"# T\n\n`[[x]]`", "line 3: a blank is not filled in"},
		"nested":              {"# T\n\n" + strings.Repeat("> ", maxDepth) + "a", "line 3: more than 16"},
		"too long":            {"# T\n\n" + strings.Repeat("&\n", MaxHTML/6), "too long for the one size"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read([]byte(c.src))
			if err == nil {
				t.Fatalf("taken: %q", m.HTML)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("says %q, want %q", err, c.says)
			}
		})
	}
}

// written are the elements and attributes that a page made of Markdown may hold.
var written = map[string][]string{
	"p": nil, "br": nil, "hr": nil, "em": nil, "strong": nil, "code": nil, "pre": nil, "blockquote": nil, "bdi": nil,
	"ul": nil, "ol": {"start"}, "li": nil, "h2": {"id"}, "h3": {"id"}, "a": {"href"},
	"div": {"class", "tabindex", "role", "aria-labelledby"}, "table": nil, "thead": nil, "tbody": nil, "tr": nil, "th": {"scope", "class"}, "td": {"class"},
	"meter": {"aria-hidden", "max", "value"},
}

// checkWritten parses what was made of Markdown and finds what must not be there.
func checkWritten(body string) error {
	nodes, err := html.ParseFragment(strings.NewReader(body), &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div})
	if err != nil {
		return err
	}
	ids := map[string]bool{"s": true}
	var refs []string
	var walk func(n *html.Node) error
	walk = func(n *html.Node) error {
		switch n.Type {
		case html.TextNode:
		case html.ElementNode:
			attrs, ok := written[n.Data]
			if !ok {
				return fmt.Errorf("element <%s>", n.Data)
			}
			for _, a := range n.Attr {
				known := false
				for _, k := range attrs {
					known = known || a.Key == k
				}
				switch {
				case !known:
					return fmt.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
				case a.Key == "href" && strings.HasPrefix(a.Val, "#"):
					refs = append(refs, a.Val[1:])
				case a.Key == "href":
					// In one pass of a browser's rules: a path of this site, and nothing that is another host.
					to, ok := strings.CutPrefix(a.Val, "~") // where the language's place comes
					if !ok || to == "" || to[0] != '/' || len(to) > 1 && strings.ContainsAny(to[1:2], "/\\") || strings.ContainsAny(to, "?:\\\t\r\n ") {
						return fmt.Errorf("a link to %q", a.Val)
					}
				case a.Key == "aria-labelledby":
					refs = append(refs, a.Val)
				case a.Key == "id":
					if ids[a.Val] || !strings.HasPrefix(a.Val, "s-") {
						return fmt.Errorf("id %q", a.Val)
					}
					ids[a.Val] = true
				case a.Key == "class":
					if a.Val != "scroll" && a.Val != "end" {
						return fmt.Errorf("class %q", a.Val)
					}
				}
			}
		default:
			return fmt.Errorf("a node of type %d: %q", n.Type, n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if err := walk(c); err != nil {
				return err
			}
		}
		return nil
	}
	for _, n := range nodes {
		if err := walk(n); err != nil {
			return err
		}
	}
	for _, r := range refs {
		if !ids[r] {
			return fmt.Errorf("nothing here is #%s", r)
		}
	}
	return nil
}

// FuzzMarkdown: whatever is taken holds elements of the list alone, and no link
// leaves the site (SECURITY.md S-22).
func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{
		"# T\n\n[a](https://x.example) <https://y.example> ![b](c)",
		"# T\n\n## A\n\n| a | b |\n|:-:|--:|\n| `<i>` | [x](/about/y#z) |\n\n[q](#a)",
		"# T\n\n<script>\n</script>\n\n<!-- c -->\n\n&lt;img onerror=x&gt;",
		"# T\n\n[a]: javascript:x\n\n[a] [b][a] \\<b> &#60;b&#62; &quot;",
		"# T\n\n> - 1. *a **b*** `c`\n\n---\n\n```<x>\n</code></pre><img>\n```\n",
		"# T\n\n[x](</about/a\" onclick=\"b>) [y](/about/\\\\x) [z](/\\x.example)",
		"# T\n\n| | n | |\n|---|---:|---|\n| a | 3 | `meter 3/40` |\n| b | 3 | ``meter 999999999/999999999`` |",
		"# " + strings.Repeat("*", 40) + "a\n\n" + strings.Repeat(">", 50) + "a",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 4<<10 {
			return
		}
		m, err := Read(src)
		if err != nil {
			if s := err.Error(); strings.TrimSpace(s) == "" {
				t.Error("refused without a word")
			}
			return
		}
		if strings.TrimSpace(m.Title) == "" {
			t.Error("taken without a title")
		}
		if err := checkWritten(string(m.HTML)); err != nil {
			t.Errorf("%v in\n%s", err, m.HTML)
		}
	})
}
