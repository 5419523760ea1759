package web

import (
	"html"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestPageIsPadded(t *testing.T) {
	for _, n := range []int{0, 1, 5000, pageRoom} {
		p := newPage("mark", "")
		if _, err := p.Write([]byte(strings.Repeat("x", n))); err != nil {
			t.Fatal(err)
		}
		b := p.bytes()
		if len(b) != PageSize {
			t.Errorf("%d bytes pad to %d", n, len(b))
		}
		if body := string(b[n:]); !strings.HasPrefix(body, "<!--") || !strings.HasSuffix(body, "-->") || strings.Count(body, "--") != 2 {
			t.Errorf("%d bytes: padding is no comment", n)
		}
		p.free()
	}
	p := newPage("mark", "")
	defer p.free()
	if _, err := p.Write(make([]byte, pageRoom+1)); err == nil {
		t.Error("a page larger than the one size was accepted")
	}
}

func TestSplice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z<&>"'é\n+;]{0,300}`).Draw(t, "text")
		p := newPage("mark", "")
		defer p.free()
		for _, s := range []string{"<textarea>\n", "mark", "</textarea>"} {
			if _, err := p.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.splice(text); err != nil {
			t.Fatal(err)
		}
		got := string(p.buf[:p.n])
		inner, ok := strings.CutSuffix(strings.TrimPrefix(got, "<textarea>\n"), "</textarea>")
		if !ok || len(inner) != escapedLen(text) || html.UnescapeString(inner) != text || strings.Contains(inner, "<") {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestFreedPageIsWiped(t *testing.T) {
	p := newPage("", "")
	if _, err := p.Write([]byte("secret")); err != nil {
		t.Fatal(err)
	}
	buf := p.buf
	p.free()
	if strings.Contains(string(buf), "secret") {
		t.Error("a page's bytes stay after use")
	}
}

func TestCutEscaped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		n := rapid.IntRange(8, 200).Draw(t, "n")
		var whole string
		for rest := text; ; {
			var head string
			head, rest = cutEscaped(rest, n)
			if escapedLen(head) > n || !utf8.ValidString(head) {
				t.Fatalf("head of %d bytes where %d fit", escapedLen(head), n)
			}
			whole += head
			if rest == "" {
				break
			}
			if head == "" {
				t.Fatal("no progress")
			}
		}
		if whole != text {
			t.Fatalf("%q became %q", text, whole)
		}
	})
}

func TestPartOf(t *testing.T) {
	text := strings.Repeat("<&", 16<<10)
	var whole string
	_, _, parts := partOf(text, 0)
	if parts < 2 {
		t.Fatalf("%d parts", parts)
	}
	for i := range parts {
		part, number, n := partOf(text, i)
		if number != i+1 || n != parts {
			t.Errorf("part %d calls itself %d of %d", i, number, n)
		}
		whole += part
	}
	if whole != text {
		t.Error("the parts are not the text")
	}
	if part, number, parts := partOf("short", 7); part != "short" || number != 1 || parts != 1 {
		t.Errorf("%q, %d of %d", part, number, parts)
	}
}
