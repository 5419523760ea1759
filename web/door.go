package web

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// MaxConns is how many connections one door serves at once. Each may hold a
// form's fields and a page, some 400 KiB, so that this bounds the memory which
// strangers can ask for.
const MaxConns = 512

// How a door that is full chooses who gives way (SECURITY.md S-11): first who asks for nothing, the longest silent first; then the
// slowest of those whose request or answer is under way. Who waits for our own work
// stays, and so does whoever is fast.
const (
	// doorStay is how long everybody may stay, whatever they do with it.
	doorStay = time.Second
	// doorCredit are bytes that every request starts with, so that one that has just
	// begun is not the slowest: it counts for less the longer it lasts.
	doorCredit = 4 << 10
	// doorFast is a rate, in bytes a second, that gives way to nobody. To hold all
	// places against it takes 8 MB/s.
	doorFast = 16 << 10
	// doorPatience is how often who waits at a full door looks for somebody slow.
	doorPatience = 100 * time.Millisecond
)

// Limit lets at most [MaxConns] connections in. When all places are taken, the
// slowest gives way to the next; where nobody is slow, the next waits. It also takes
// the time of day out of an answer of net/http's own. For the listener that a
// server of [NewServer] gets.
//
// It is not netutil.LimitListener: behind that one net/http cannot close its
// side alone, and an answer to a request it did not read to the end is cut off.
func Limit(l net.Listener) net.Listener { return newDoor(l, MaxConns, time.Now) }

func newDoor(l net.Listener, most int, now func() time.Time) *door {
	return &door{Listener: l, most: most, now: now, inside: map[*line]bool{}, left: make(chan struct{}, 1), shut: make(chan struct{})}
}

// door is a listener with a bound.
type door struct {
	net.Listener
	most int
	now  func() time.Time
	left chan struct{} // somebody has left
	shut chan struct{}
	once sync.Once

	mu     sync.Mutex
	inside map[*line]bool
}

func (d *door) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	x := &line{Conn: c, door: d, since: d.now()}
	for !d.admit(x) {
		t := time.NewTimer(doorPatience)
		select {
		case <-d.left:
		case <-t.C:
		case <-d.shut:
			t.Stop()
			_ = c.Close()
			return nil, net.ErrClosed
		}
		t.Stop()
	}
	return x, nil
}

// admit lets a connection in if there is a place, or somebody who gives way.
func (d *door) admit(x *line) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.inside) >= d.most {
		out := d.slowest()
		if out == nil {
			return false
		}
		delete(d.inside, out)
		_ = out.Conn.Close() // whoever reads from it or writes to it ends with that
	}
	d.inside[x] = true
	return true
}

// slowest is who gives way; nil: nobody.
func (d *door) slowest() (out *line) {
	now, worst := d.now(), 0.0
	for x := range d.inside {
		age := now.Sub(x.since).Seconds()
		if x.at == working || age < doorStay.Seconds() {
			continue
		}
		var score float64
		switch x.at {
		case silent:
			score = 1e9 + age
		default:
			rate := float64(x.moved.Load()+doorCredit) / age
			if rate >= doorFast {
				continue
			}
			score = doorFast / rate
		}
		if score > worst {
			out, worst = x, score
		}
	}
	return out
}

func (d *door) Close() error {
	d.once.Do(func() { close(d.shut) })
	return d.Listener.Close()
}

// stage is what a connection is at.
type stage int

const (
	silent  stage = iota // no request, or not yet all of its head
	moving               // its body is on the way, or our answer
	working              // it waits for us
)

// line is a connection that was let in.
type line struct {
	net.Conn
	door  *door
	moved atomic.Int64 // bytes, since the stage began

	// under the door's lock
	at    stage
	since time.Time
}

func (x *line) is(at stage) {
	if x == nil {
		return
	}
	x.door.mu.Lock()
	defer x.door.mu.Unlock()
	x.at, x.since = at, x.door.now()
	x.moved.Store(0)
}

func (x *line) stage() stage {
	x.door.mu.Lock()
	defer x.door.mu.Unlock()
	return x.at
}

func (x *line) Close() error {
	x.door.mu.Lock()
	delete(x.door.inside, x)
	x.door.mu.Unlock()
	select {
	case x.door.left <- struct{}{}:
	default:
	}
	return x.Conn.Close()
}

// CloseWrite is what net/http looks for.
func (x *line) CloseWrite() error {
	if half, ok := x.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (x *line) Read(b []byte) (int, error) {
	n, err := x.Conn.Read(b)
	x.moved.Add(int64(n))
	return n, err
}

// Write hides the server's clock, which can tell which machine this is. An
// Expect header that net/http does not know it answers by itself, in one short
// piece, with a Date that nothing turns off. No answer of ours has that status.
func (x *line) Write(b []byte) (int, error) {
	if x.stage() == working {
		x.is(moving) // the answer begins
	}
	if bytes.HasPrefix(b, []byte("HTTP/1.1 417 ")) || bytes.HasPrefix(b, []byte("HTTP/1.0 417 ")) {
		before, rest, dated := bytes.Cut(b, []byte("\r\nDate: "))
		_, after, whole := bytes.Cut(rest, []byte("\r\n"))
		if dated && whole {
			_, err := x.Conn.Write(bytes.Join([][]byte{before, after}, []byte("\r\n")))
			return len(b), err
		}
	}
	n, err := x.Conn.Write(b)
	x.moved.Add(int64(n))
	return n, err
}

// doorState is what net/http knows: a connection without a request is silent.
func doorState(c net.Conn, s http.ConnState) {
	if x, ok := c.(*line); ok && s == http.StateIdle {
		x.is(silent)
	}
}

type doorKey struct{}

func doorContext(ctx context.Context, c net.Conn) context.Context {
	if x, ok := c.(*line); ok {
		return context.WithValue(ctx, doorKey{}, x)
	}
	return ctx
}

// atDoor tells the door when a request's head is there and when its body is.
func atDoor(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, _ := r.Context().Value(doorKey{}).(*line)
		if r.Body == http.NoBody {
			x.is(working)
		} else {
			x.is(moving)
			r.Body = &arriving{r.Body, x}
		}
		h.ServeHTTP(w, r)
	})
}

// arriving is a body on its way.
type arriving struct {
	io.ReadCloser
	x *line
}

func (a *arriving) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if err != nil && a.x != nil {
		a.x.is(working)
		a.x = nil
	}
	return n, err
}
