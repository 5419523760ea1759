package window

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

const formType = "application/x-www-form-urlencoded"

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		name string
		f    frame
		want Request
		err  error
	}{
		{"a page", frame{method: Get, uri: "desk://desk/case/K%C3%BC?page=2&tab=files#top"},
			Request{Path: "/case/Kü", Query: url.Values{"page": {"2"}, "tab": {"files"}}}, nil},
		{"the first", frame{method: Get, uri: "desk://desk/"}, Request{Path: "/"}, nil},
		{"a form", frame{method: Post, uri: "desk://desk/reply", kind: formType + "; charset=utf-8", body: []byte("text=%D8%B4&box=a&box=b")},
			Request{Path: "/reply", Form: url.Values{"text": {"ش"}, "box": {"a", "b"}}}, nil},
		{"a print", frame{method: Print, uri: "desk://desk/case/1", body: []byte("%PDF")}, Request{Path: "/case/1", PDF: []byte("%PDF")}, nil},
		{"a key", frame{method: Key, uri: "desk://desk/", body: []byte("é")}, Request{Path: "/", Key: "é"}, nil},

		{"another host", frame{method: Get, uri: "desk://other/"}, Request{}, errAddress},
		{"a longer host", frame{method: Get, uri: "desk://desk.example/"}, Request{}, errAddress},
		{"another scheme", frame{method: Get, uri: "https://desk/"}, Request{}, errAddress},
		{"no path", frame{method: Get, uri: "desk://desk"}, Request{}, errAddress},
		{"up", frame{method: Get, uri: "desk://desk/case/../../etc"}, Request{}, errAddress},
		{"up, hidden", frame{method: Get, uri: "desk://desk/case/%2e%2e/x"}, Request{}, errAddress},
		{"an empty part", frame{method: Get, uri: "desk://desk//case"}, Request{}, errAddress},
		{"a control character", frame{method: Get, uri: "desk://desk/a%00b"}, Request{}, errAddress},
		{"not UTF-8", frame{method: Get, uri: "desk://desk/%ff"}, Request{}, errAddress},
		{"a broken query", frame{method: Get, uri: "desk://desk/?a=%zz"}, Request{}, errAddress},
		{"another method", frame{method: "PUT", uri: "desk://desk/"}, Request{}, errMethod},
		{"multipart", frame{method: Post, uri: "desk://desk/", kind: "multipart/form-data; boundary=x"}, Request{}, errForm},
		{"no type", frame{method: Post, uri: "desk://desk/", body: []byte("a=b")}, Request{}, errForm},
		{"a field that is not UTF-8", frame{method: Post, uri: "desk://desk/", kind: formType, body: []byte("a=%ff")}, Request{}, errForm},
		{"a name that is not UTF-8", frame{method: Post, uri: "desk://desk/", kind: formType, body: []byte("%ff=a")}, Request{}, errForm},
		{"too many fields", frame{method: Post, uri: "desk://desk/", kind: formType, body: bytes.Repeat([]byte("a&"), maxFields)}, Request{}, errForm},
		{"two keys", frame{method: Key, uri: "desk://desk/", body: []byte("ab")}, Request{}, errMethod},
		{"no key", frame{method: Key, uri: "desk://desk/"}, Request{}, errMethod},
		{"a control key", frame{method: Key, uri: "desk://desk/", body: []byte{27}}, Request{}, errMethod},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.f.request()
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			c.want.Method = c.f.method
			if c.want.Query == nil {
				c.want.Query = url.Values{}
			}
			if c.want.Form == nil {
				c.want.Form = url.Values{}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// peer is the window's side: what it sends, and what it got.
type peer struct {
	io.Reader
	got bytes.Buffer
}

func (p *peer) Write(b []byte) (int, error) { return p.got.Write(b) }

// reply reads what a window reads.
func (p *peer) reply(t *testing.T) (id uint32, a Reply) {
	t.Helper()
	var head [6]uint32
	if err := binary.Read(&p.got, binary.BigEndian, &head); err != nil {
		t.Fatal(err)
	}
	text := func(n uint32) string { return string(p.got.Next(int(n))) }
	return head[0], Reply{int(head[1]), text(head[2]), text(head[3]), text(head[4]), []byte(text(head[5]))}
}

func TestServe(t *testing.T) {
	link := &peer{Reader: bytes.NewReader(append(
		frame{id: 7, method: Get, uri: Origin + "/a"}.append(nil),
		frame{id: 8, method: Post, uri: Origin + "/b", kind: formType, body: []byte("x=1")}.append(nil)...))}
	h := HandlerFunc(func(r Request) Reply {
		if r.Method == Post {
			return Reply{Location: "/a?" + r.Form.Encode()}
		}
		return Reply{Body: []byte(r.Path)}
	})
	if err := serve(link, h); err != nil {
		t.Fatal(err)
	}
	if id, a := link.reply(t); id != 7 || !reflect.DeepEqual(a, Reply{200, "text/html; charset=utf-8", "", Policy, []byte("/a")}) {
		t.Errorf("reply %d %+v", id, a)
	}
	if id, a := link.reply(t); id != 8 || a.Location != "/a?x=1" {
		t.Errorf("reply %d %+v", id, a)
	}
}

// A page cannot send the window elsewhere, whatever a handler makes of a hostile address.
func TestLocationIsOurs(t *testing.T) {
	for _, to := range []string{"https://example.org/", "//example.org/", "desk://desk/", "case"} {
		f := frame{method: Get, uri: Origin + "/"}
		if a := f.reply(HandlerFunc(func(Request) Reply { return Reply{Location: to} })); a.Location != "" || a.Status != 400 {
			t.Errorf("%s: %+v", to, a)
		}
	}
}

// What is longer than anything a window sends ends the link before it is read.
func TestLinkIsBounded(t *testing.T) {
	for _, c := range []struct {
		name string
		f    frame
		ok   bool
	}{
		{"the longest form", frame{method: Post, body: make([]byte, maxForm)}, true},
		{"a longer form", frame{method: Post, body: make([]byte, maxForm+1)}, false},
		{"a long PDF", frame{method: Print, body: make([]byte, maxForm+1)}, true},
		{"a long method", frame{method: strings.Repeat("G", maxMethod+1)}, false},
		{"the longest address", frame{uri: strings.Repeat("/", maxURI)}, true},
		{"a longer address", frame{uri: strings.Repeat("/", maxURI+1)}, false},
		{"a long type", frame{kind: strings.Repeat("t", maxType+1)}, false},
	} {
		if _, err := readFrame(bytes.NewReader(c.f.append(nil))); (err == nil) != c.ok || err != nil && !errors.Is(err, errLink) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	cut := frame{method: Get, uri: Origin + "/"}.append(nil)
	if err := serve(&peer{Reader: bytes.NewReader(cut[:len(cut)-1])}, nil); !errors.Is(err, errLink) {
		t.Errorf("a request that is cut ends with %v", err)
	}
}

// Whatever a window sends, the desk answers or ends the link; what it reads, it would write the same.
func FuzzLink(f *testing.F) {
	f.Add(frame{id: 1, method: Get, uri: Origin + "/case/1?x=y"}.append(nil))
	f.Add(frame{id: 2, method: Post, uri: Origin + "/reply", kind: formType, body: []byte("text=a%20b")}.append(nil))
	f.Add(append(frame{method: Key, uri: Origin + "/", body: []byte("?")}.append(nil), frame{method: Print, uri: Origin + "/", body: []byte("%PDF-1.7")}.append(nil)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for {
			before := r.Len()
			f, err := readFrame(r)
			if err != nil {
				break
			}
			sent := b[len(b)-before : len(b)-r.Len()]
			if !bytes.Equal(f.append(nil), sent) {
				t.Fatalf("%+v is not what was read", f)
			}
		}
		h := HandlerFunc(func(r Request) Reply {
			if !strings.HasPrefix(r.Path, "/") || strings.Contains(r.Path, "/../") || strings.ContainsRune(r.Path, 0) {
				t.Errorf("path %q", r.Path)
			}
			if r.Query == nil || r.Form == nil {
				t.Error("nil values")
			}
			return Reply{Location: r.Query.Get("to")}
		})
		_ = serve(&peer{Reader: bytes.NewReader(b)}, h)
	})
}
