package web

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"postern/crypto"
	"postern/web/browsertest"
)

// meter counts what goes over the lines of a door, request by request.
type meter struct {
	mu   sync.Mutex
	list []*cost
	wait int64 // received before the request that it belongs to was known
}

type cost struct {
	request        string
	received, sent int64
}

type meteredListener struct {
	net.Listener
	m *meter
}

type meteredConn struct {
	net.Conn
	m *meter
}

func (l *meteredListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &meteredConn{c, l.m}, nil
}

func (c *meteredConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if k := len(c.m.list); k > 0 && c.m.list[k-1].sent == 0 {
		c.m.list[k-1].received += int64(n)
	} else {
		c.m.wait += int64(n)
	}
	return n, err
}

func (c *meteredConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if k := len(c.m.list); k > 0 {
		c.m.list[k-1].sent += int64(n)
	}
	return n, err
}

// CloseWrite is what net/http looks for.
func (c *meteredConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// serve runs a handler behind the meter.
func (m *meter) serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.list = append(m.list, &cost{request: r.Method + " " + r.URL.Path, received: m.wait})
		m.wait = 0
		m.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(&meteredListener{Limit(l), m}) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return "http://" + l.Addr().String()
}

// TestCosts walks a visit in Firefox at "Safest" and holds the table of
// SECURITY.md against what went over the line: as many requests, in that order,
// answers of that length, and requests of about that length.
func TestCosts(t *testing.T) {
	j := depart(t, "costs", "en")
	m := &meter{}
	j.url = m.serve(t, j.w.source)
	j.b = browsertest.OpenFirefox(t, browsertest.Options{Downloads: j.down})
	j.hand = mouse{j}
	file := filepath.Join(t.TempDir(), "list.csv")
	j.must(os.WriteFile(file, make([]byte, 10_000), 0o600))

	j.must(j.b.Go(j.url + j.at("/")))
	j.page("start")
	j.hand.press("main a[href='" + j.at("/report") + "']")
	j.page("report")
	j.hand.fill("#text", strings.Repeat("What happened. ", 100))
	j.hand.press(j.form("/report"))
	j.page("code")
	code, err := j.b.Text("ol.code")
	j.must(err)
	j.hand.fill("#code", strings.Join(strings.Fields(code), " "))
	j.hand.press(j.form("/code"))
	j.page("kept")
	j.hand.attach("#file", file)
	j.hand.press(j.form("/files"))
	j.page("sent")
	for _, r := range j.w.fetchAll("audit") {
		if r.Meta.Kind == crypto.KindReport {
			j.w.reply("audit", r.Read, "Thank you.", nil)
		}
	}
	j.must(j.b.Go(j.url + j.at("/inbox")))
	j.page("enter")
	j.hand.fill("#code", strings.Join(strings.Fields(code), " "))
	j.hand.press("main " + j.form("/inbox"))
	j.page("inbox")
	j.hand.press(j.form("/reply"))
	j.page("reply")
	j.hand.press(j.form("/erase"))
	j.page("erase")
	j.hand.press(j.form("/erased"))
	j.page("erased")
	j.hand.press(j.form("/inbox"))
	j.page("inbox")
	j.hand.fill("#text", "Thank you too.")
	j.hand.press(j.form("/message"))
	j.page("sent")

	security, err := os.ReadFile("../SECURITY.md")
	j.must(err)
	rows := regexp.MustCompile(`(?m)^\| [^|]+ \| `+"`(GET|POST) (/\\S*)`"+` \| ([0-9,]+) \| ([0-9,]+) \|$`).FindAllStringSubmatch(string(security), -1)
	number := func(s string) int64 {
		n, err := strconv.ParseInt(strings.ReplaceAll(s, ",", ""), 10, 64)
		j.must(err)
		return n
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(rows) != len(m.list) {
		t.Errorf("the table has %d rows, the visit %d requests", len(rows), len(m.list))
	}
	var received, sent int64
	for i, c := range m.list {
		c.request = strings.Replace(c.request, " "+at("en", "/"), " /", 1)
		t.Logf("| `%s` | %d | %d |", c.request, c.received, c.sent)
		received, sent = received+c.received, sent+c.sent
		if i >= len(rows) {
			continue
		}
		want := fmt.Sprintf("%s %s", rows[i][1], rows[i][2])
		if n := number(rows[i][3]); c.request != want || c.received < n*8/10 || c.received > n*12/10 || c.sent != number(rows[i][4]) {
			t.Errorf("row %d says %v", i+1, rows[i])
		}
	}
	t.Logf("%d requests, %d bytes sent, %d received", len(m.list), received, sent)
}
