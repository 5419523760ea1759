package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// doorway is a door with few places, on a clock that the test turns.
type doorway struct {
	t    *testing.T
	path string
	door *door

	mu  sync.Mutex
	at  time.Time
	got chan int // bytes of a body that the handler has read
	srv *http.Server
}

func newDoorway(t *testing.T, most int, h http.HandlerFunc) *doorway {
	t.Helper()
	d := &doorway{t: t, path: filepath.Join(t.TempDir(), "door"), at: noon, got: make(chan int)}
	l, err := net.Listen("unix", d.path)
	if err != nil {
		t.Fatal(err)
	}
	d.door = newDoor(l, most, func() time.Time { d.mu.Lock(); defer d.mu.Unlock(); return d.at })
	if h == nil {
		h = func(w http.ResponseWriter, r *http.Request) {
			b := make([]byte, 1<<20)
			for r.Body != http.NoBody {
				n, err := r.Body.Read(b)
				if n > 0 {
					d.got <- n
				}
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, "whole")
		}
	}
	d.srv = NewServer(h)
	done := make(chan struct{})
	go func() { defer close(done); _ = d.srv.Serve(d.door) }()
	t.Cleanup(func() { _ = d.srv.Close(); <-done })
	return d
}

func (d *doorway) later(by time.Duration) { d.mu.Lock(); d.at = d.at.Add(by); d.mu.Unlock() }

// caller is a connection to a door.
type caller struct {
	d *doorway
	net.Conn
	r *bufio.Reader
}

func (d *doorway) call() *caller {
	d.t.Helper()
	c, err := net.Dial("unix", d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	return &caller{d, c, bufio.NewReader(c)}
}

func (c *caller) say(s string) *caller {
	c.d.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.d.t.Fatal(err)
	}
	return c
}

// begin sends a form's head and the first bytes of its body, and waits until they
// are read.
func (c *caller) begin(whole, first int) *caller {
	c.d.t.Helper()
	c.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", whole))
	return c.more(first)
}

func (c *caller) more(n int) *caller {
	c.d.t.Helper()
	go func() { _, _ = io.WriteString(c, strings.Repeat("x", n)) }()
	for n > 0 {
		n -= <-c.d.got
	}
	return c
}

// answered reads an answer.
func (c *caller) answered() string {
	c.d.t.Helper()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// out says whether the door has closed this connection. It waits for that.
func (c *caller) out() bool {
	_, err := c.r.ReadByte()
	return err != nil
}

// inside waits until so many are in, each in its stage.
func (d *doorway) inside(at stage, n int) {
	for {
		d.door.mu.Lock()
		m := 0
		for x := range d.door.inside {
			if x.at == at {
				m++
			}
		}
		d.door.mu.Unlock()
		if m == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestSlowestGivesWay: when all places are taken, the next one gets in and who asks
// for nothing, then who is slowest, is out. Who is faster ends what they began.
func TestSlowestGivesWay(t *testing.T) {
	d := newDoorway(t, 4, nil)
	upload := d.call().begin(80_000, 20_000)
	slow := d.call().begin(9000, 10).more(3000) // what comes along with a head does not count
	slower := d.call().begin(9000, 10).more(10)
	silentOne := d.call()
	d.inside(silent, 1)
	d.later(10 * time.Second)
	if got := d.call().say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").answered(); got != "whole" {
		t.Fatalf("the next at a full door: %s", got)
	}
	if !silentOne.out() {
		t.Error("who asks for nothing is still there")
	}
	// A place is free: nobody has to go.
	second := d.call().begin(80_000, 20_000)
	d.later(10 * time.Second)
	upload.more(50_000)
	second.more(50_000)
	third := d.call().begin(10, 5)
	if !slower.out() {
		t.Error("the slowest is still there")
	}
	d.later(2 * time.Second)
	fourth := d.call().begin(10, 5)
	if !slow.out() {
		t.Error("the second slowest is still there")
	}
	for _, c := range []*caller{upload, second} {
		if got := c.more(10_000).answered(); got != "whole" {
			t.Errorf("an honest upload: %s", got)
		}
	}
	for _, c := range []*caller{third, fourth} {
		if got := c.more(5).answered(); got != "whole" {
			t.Errorf("a short form: %s", got)
		}
	}
}

// TestFastOnesStay: at a door full of people who are fast, or who wait for our own
// work, the next one waits until somebody leaves.
func TestFastOnesStay(t *testing.T) {
	gate := make(chan struct{})
	var entered atomic.Int32
	d := newDoorway(t, 2, nil)
	inner := d.srv.Handler
	d.srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { entered.Add(1); inner.ServeHTTP(w, r) })
	fast := d.call().begin(1<<20, 900<<10)
	busy := d.call()
	d2 := make(chan string, 1)
	go func() { d2 <- busy.begin(10, 10).answered() }()
	if got := <-d2; got != "whole" {
		t.Fatal(got)
	}
	_ = busy.Close()
	d.inside(moving, 1)

	held := newDoorway(t, 1, func(w http.ResponseWriter, _ *http.Request) { <-gate; _, _ = io.WriteString(w, "done") })
	working1 := held.call().say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	held.inside(working, 1)
	held.later(time.Hour)
	next := held.call().say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	x := &line{Conn: nil, door: held.door, since: held.at}
	if held.door.admit(x) {
		t.Error("a place was made where everybody waits for us")
	}
	close(gate)
	for _, c := range []*caller{working1, next} {
		if got := c.answered(); got != "done" {
			t.Errorf("answered %s", got)
		}
	}

	d.later(10 * time.Second) // 90 KiB a second
	d.door.mu.Lock()
	out := d.door.slowest()
	d.door.mu.Unlock()
	if out != nil {
		t.Error("who is fast would give way")
	}
	if got := fast.more(124 << 10).answered(); got != "whole" {
		t.Errorf("the fast one: %s", got)
	}
}

// TestNobodyIsPutOutAtOnce: a crowd that comes in one moment is served, one after the other.
func TestNobodyIsPutOutAtOnce(t *testing.T) {
	d := newDoorway(t, 4, nil) // the clock stands
	got := make(chan string)
	for range 40 {
		go func() { got <- d.call().say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").answered() }()
	}
	for range 40 {
		if s := <-got; s != "whole" {
			t.Errorf("answered %s", s)
		}
	}
}

// BenchmarkReportAmidSlowPosts measures an honest report, from an empty line to its
// code, while 600 connections send a byte of a form every two seconds and come
// again when they are put out.
func BenchmarkReportAmidSlowPosts(b *testing.B) {
	w := newWorld(b)
	stop, host := make(chan struct{}), strings.TrimPrefix(w.url, "http://")
	var all sync.WaitGroup
	var sent, calls atomic.Int64
	for range 600 {
		all.Add(1)
		go func() {
			defer all.Done()
			for {
				c, err := net.Dial("tcp", host)
				if err != nil {
					return
				}
				calls.Add(1)
				_, err = fmt.Fprintf(c, "POST /report HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\n")
				for err == nil {
					select {
					case <-stop:
						_ = c.Close()
						return
					case <-time.After(2 * time.Second):
						_, err = io.WriteString(c, "x")
						sent.Add(1)
					}
				}
				_ = c.Close()
			}
		}()
	}
	for calls.Load() < 600 {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(3 * time.Second) // the door is full of them
	var took []time.Duration
	for b.Loop() {
		http.DefaultClient.CloseIdleConnections() // each on lines of its own
		began := time.Now()
		w.report("honest").code()
		took = append(took, time.Since(began))
	}
	close(stop)
	all.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "p95-ms")
	b.ReportMetric(float64(calls.Load()), "calls")
	b.ReportMetric(float64(sent.Load())/b.Elapsed().Seconds(), "sent-B/s")
}
