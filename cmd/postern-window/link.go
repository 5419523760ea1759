package main

import (
	"encoding/binary"
	"io"
	"os"
	"strings"
	"sync"
)

// The link to the desk, on descriptor 3. reviewer/window keeps its other end and
// describes it; here nothing of it is imported.

const origin = "desk://desk" // of all addresses in this window

// What the window asks of itself, beside WebKit's GET and POST.
const (
	askPrint = "PRINT" // here is a PDF of the page
	askKey   = "KEY"   // this key was pressed, and no field took it
	askLost  = "LOST"  // the page ended the process that showed it
)

// Limits, in bytes; the desk has its own.
const (
	mostForm  = 1 << 20
	mostReply = 64 << 20
)

// request is one that waits for its reply.
type request struct {
	method string
	webkit ptr // 0: the window's own
}

// reply is what the desk answers.
type reply struct {
	id, status          uint32
	kind, location, csp string
	body                []byte
}

var (
	desk    = os.NewFile(3, "desk")
	waiting = map[uint32]request{} // used by the main thread only
	last    uint32
	replies = make(chan reply, 16)
	onReply = callback(answered)

	sending sync.Mutex
)

// ask is called by WebKit for a page, on the main thread.
func ask(r, _ ptr) {
	method := c.ReqMethod(r)
	if method == "POST" && !submitting {
		cancel(c.Ref(r))
		return
	}
	submitting = false
	kind, body := "", []byte(nil)
	if h := c.ReqHeaders(r); h != 0 {
		kind = c.HeaderGet(h, "Content-Type")
	}
	if s := c.ReqBody(r); s != 0 {
		buf := make([]byte, 64<<10)
		for len(body) <= mostForm {
			n := c.Read(s, &buf[0], uint(len(buf)), 0, 0)
			if n <= 0 {
				break
			}
			body = append(body, buf[:n]...)
		}
		c.Unref(s)
	}
	if len(body) > mostForm { // it would end the link; without a body the desk refuses it
		kind, body = "", nil
	}
	send(request{method, c.Ref(r)}, c.ReqURI(r), kind, body)
}

// tell asks the desk what follows from something that happened on the page that is shown.
func tell(method string, body []byte) { send(request{method, 0}, c.GetURI(view), "", body) }

func send(r request, uri, kind string, body []byte) {
	last++
	waiting[last] = r
	var b []byte
	for _, n := range []int{int(last), len(r.method), len(uri), len(kind), len(body)} {
		b = binary.BigEndian.AppendUint32(b, uint32(n)) //nolint:gosec // bounded
	}
	b = append(append(b, r.method+uri+kind...), body...)
	go func() { // the window goes on meanwhile: a desk at work reads later
		sending.Lock()
		defer sending.Unlock()
		if _, err := desk.Write(b); err != nil {
			os.Exit(0) // the desk is gone
		}
	}()
}

// listen takes replies and wakes the main thread, the only one that may call GTK.
func listen() {
	for {
		var head [6]uint32
		if binary.Read(desk, binary.BigEndian, &head) != nil {
			os.Exit(0)
		}
		var part [4][]byte
		for i, n := range head[2:] {
			if n > mostReply {
				die("the desk's reply is too long")
			}
			part[i] = make([]byte, n)
			if _, err := io.ReadFull(desk, part[i]); err != nil {
				os.Exit(0)
			}
		}
		replies <- reply{head[0], head[1], string(part[0]), string(part[1]), string(part[2]), part[3]}
		c.Idle(onReply, 0)
	}
}

// answered takes one reply, on the main thread.
func answered(ptr) int32 {
	a := <-replies
	r, ok := waiting[a.id]
	delete(waiting, a.id)
	switch {
	case !ok:
	case a.location != "":
		if r.webkit != 0 {
			cancel(r.webkit)
		}
		later(origin+a.location, r.webkit != 0)
	case r.webkit != 0:
		show(r.webkit, a)
	case r.method == askLost: // a desk that does not know of it
		later(origin+"/", true)
	}
	return 0
}

// cancel ends a request without a page: a scheme of one's own knows no redirects.
func cancel(r ptr) {
	e := c.Error(c.Quark("WebKitNetworkError"), 302, "another page follows")
	c.ReqFail(r, e)
	c.ErrorFree(e)
	c.Unref(r)
}

var (
	next   string
	anew   bool // also if it is a place on the page that is shown: something was done since
	onNext = callback(func(ptr) int32 {
		here := c.GetURI(view)
		c.Load(view, next)
		if page, _, place := strings.Cut(next, "#"); anew && place && here != next {
			if shown, _, _ := strings.Cut(here, "#"); shown == page { // WebKit only moves there
				c.Reload(view)
			}
		}
		return 0
	})
)

// later loads an address once the main loop is idle: WebKit has ended the load before by then.
func later(uri string, fresh bool) {
	next, anew = uri, fresh
	c.Idle(onNext, 0)
}

// show gives WebKit a page.
func show(r ptr, a reply) {
	n := len(a.body)
	body := append(a.body, 0) // so that there is a first byte
	bytes := c.Bytes(&body[0], uint(n))
	stream := c.Stream(bytes)
	page := c.Response(stream, int64(n))
	c.Status(page, a.status, 0)
	c.Type(page, a.kind)
	h := c.HeadersNew(1) // of a response; the page takes it
	c.HeaderAdd(h, "Content-Security-Policy", a.csp)
	c.HeaderAdd(h, "Cache-Control", "no-store")
	c.HeaderAdd(h, "X-Content-Type-Options", "nosniff")
	c.Headers(page, h)
	c.ReqFinish(r, page)
	for _, o := range []ptr{page, stream, r} {
		c.Unref(o)
	}
	c.BytesUnref(bytes)
}
