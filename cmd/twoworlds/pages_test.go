package twoworlds

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"postern/crypto"
	"postern/intake"
	"postern/web"
	"postern/web/visitor"
)

// pages serves the source's pages of a world. What the server would log is seen, too.
func (w *world) pages() *visitor.Visitor {
	w.T.Helper()
	tickets, err := web.NewTickets(web.TicketOptions{Host: "test.onion", Now: w.Now})
	w.must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	s := web.NewServer(web.Source(web.SourceOptions{
		Service: w.Service, Tickets: tickets, Quantum: -1, Now: w.Now, Log: func(line string) { w.see("logged: %s", line) },
	}))
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(web.Limit(l)) }()
	w.T.Cleanup(func() { _ = s.Close(); <-done })
	return visitor.New(http.DefaultClient, "http://"+l.Addr().String())
}

// form is what the line shows of an answer: who watches it sees no more.
func form(v *visitor.Visitor) string {
	head := map[string]bool{}
	for name, values := range v.Header {
		if name != "Date" {
			head[fmt.Sprint(name, values)] = true
		}
	}
	return fmt.Sprintf("status %d, %d bytes, headers %v", v.Status, v.Size, head)
}

// page is what an answer says. The marker is drawn for each instance: it is left out here.
func (w *world) page(v *visitor.Visitor, c crypto.Code) string {
	text := v.Text()
	w.visit(c, func(x *intake.Session) error {
		m := x.Marker()
		text = strings.Replace(text, m[0]+" "+m[1], "(marker)", 1)
		return nil
	})
	return text
}

// enter opens the inbox of a code.
func (w *world) enter(v *visitor.Visitor, c crypto.Code) {
	w.T.Helper()
	w.must(v.Get("/inbox"))
	w.must(v.Submit("/inbox", 1, "code="+strings.Join(c.Words(), " ")))
}

// TestPages: secrets: whether the code that a source hands over was ever used,
// before everything was erased; and whether the code that somebody tries is in use. Who forces a
// source reads the pages; who watches the line sees their form. (G5, S-4, S-9)
func TestPages(t *testing.T) {
	t.Run("erased or never used", func(t *testing.T) {
		yes, no := both(t, func(w *world) {
			c, other := fresh(), fresh()
			w.answered(pick(w, c, other), 1)
			w.visit(pick(w, c, other), func(x *intake.Session) error { return x.EraseAll(ctx) })
			v := w.pages()
			for range 2 {
				w.enter(v, c)
				w.see("inbox: %s: %s", form(v), w.page(v, c))
			}
			w.must(v.Submit("/message", 1, "text=more"))
			w.see("a message: %s: %s", form(v), w.page(v, c))
			w.enter(v, c)
			w.see("inbox: %s: %s", form(v), w.page(v, c))
			w.must(v.Submit("/erase", 1))
			w.see("asked to erase all: %s: %s", form(v), w.page(v, c))
			w.must(v.Submit("/erased", 1))
			w.see("erased: %s: %s", form(v), w.page(v, c))
		})
		// Each world drew its own code: what is said of it, its greeting, is the code's alone.
		same(t, "who forces a source", greetless(yes.seen), greetless(no.seen))
	})
	t.Run("in use or not", func(t *testing.T) {
		yes, no := both(t, func(w *world) {
			c, other := fresh(), fresh()
			w.answered(c, 2)
			v := w.pages()
			w.enter(v, pick(w, c, other))
			w.see("%s", form(v))
			w.must(v.Submit("/message", 1, "text=more"))
			w.see("%s", form(v))
			w.enter(v, pick(w, c, other))
			w.see("%s", form(v))
			w.must(v.Submit("/change", 1))
			w.see("%s", form(v))
		})
		same(t, "who watches the line", yes.seen, no.seen)
	})
}

// greetless leaves the two words out that stand behind what introduces them.
func greetless(lines []string) (list []string) {
	const before = "you will always see these two words:"
	for _, l := range lines {
		if head, rest, ok := strings.Cut(l, before); ok {
			words := strings.Fields(rest)
			l = head + before + " (greeting) " + strings.Join(words[min(2, len(words)):], " ")
		}
		list = append(list, l)
	}
	return list
}
