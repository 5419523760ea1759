package web

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// A line over Tor may be slow, so a body has no deadline as a whole: it must
// arrive at minRate on average after a grace, and never pause for longer than
// the grace.
const (
	minRate = 1 << 10 // bytes a second
	grace   = 2 * time.Minute
	reArm   = time.Second // how often deadlines are set anew
)

// answerTime is how long a page may take to leave.
const answerTime = 5 * time.Minute

var errTooMuch = errors.New("the body is longer than anything we read to its end")

// pacedBody reads a request's body under the rules above and to at most max bytes.
type pacedBody struct {
	body  io.ReadCloser
	rc    *http.ResponseController
	start time.Time
	armed time.Time
	n     int64
	max   int64
}

func newPacedBody(w http.ResponseWriter, r *http.Request, limit int64) *pacedBody {
	return &pacedBody{body: r.Body, rc: http.NewResponseController(w), start: time.Now(), max: limit}
}

func (p *pacedBody) Read(b []byte) (int, error) {
	if p.n >= p.max {
		return 0, errTooMuch
	}
	if now := time.Now(); now.Sub(p.armed) >= reArm {
		p.armed = now
		end := p.start.Add(grace + time.Duration(p.n/minRate)*time.Second)
		if pause := now.Add(grace); pause.Before(end) {
			end = pause
		}
		_ = p.rc.SetReadDeadline(end) // what cannot have deadlines (a test's recorder) needs none
	}
	n, err := p.body.Read(b[:min(int64(len(b)), p.max-p.n)])
	p.n += int64(n)
	if err != nil {
		// A deadline that passes while we work on the answer would look to net/http
		// like a lost connection and cancel the request.
		_ = p.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (p *pacedBody) Close() error { return p.body.Close() }

// pacedWriter writes a long answer: no pause longer than the grace.
type pacedWriter struct {
	w     io.Writer
	rc    *http.ResponseController
	armed time.Time
	err   error // of w: the line, and no fault of ours
}

func (p *pacedWriter) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.armed) >= reArm {
		p.armed = now
		_ = p.rc.SetWriteDeadline(now.Add(grace))
	}
	n, err := p.w.Write(b)
	if err != nil {
		p.err = err
	}
	return n, err
}
