package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/crypto"
	"postern/web/visitor"
)

// attackFor is how long each attack of [BenchmarkUnderAttack] lasts.
func attackFor(b *testing.B) time.Duration {
	d, err := time.ParseDuration(os.Getenv("POSTERN_ATTACK"))
	if err != nil {
		d = 10 * time.Second
	}
	return d
}

// BenchmarkUnderAttack attacks the real server through its sockets while an honest
// source reports again and again: how long a report takes before, meanwhile and
// after, how much memory the server holds, and how long until all is as before.
//
//	POSTERN_ATTACK=3m go test -run '^$' -bench UnderAttack -benchtime 1x -timeout 60m ./cmd/postern
func BenchmarkUnderAttack(b *testing.B) {
	for _, a := range []struct {
		name string
		run  func(ctx context.Context, s *site, n *atomic.Int64)
	}{
		{"600-slow-posts", slowPosts},
		{"10000-wrong-codes", wrongCodes},
		{"text-flood", textFlood},
		{"holder-flood", holderFlood},
	} {
		b.Run(a.name, func(b *testing.B) {
			for b.Loop() {
				attack(b, a.run)
			}
		})
	}
}

func attack(b *testing.B, run func(ctx context.Context, s *site, n *atomic.Int64)) {
	s := newSite(b, shortDir(b))
	s.boot()
	defer s.finish()
	var calm []time.Duration
	for range 10 {
		d, err := honest(s)
		if err != nil {
			b.Fatalf("before the attack: %v", err)
		}
		calm = append(calm, d)
	}
	slices.Sort(calm)

	ctx, cancel := context.WithTimeout(b.Context(), attackFor(b))
	defer cancel()
	var n atomic.Int64
	var all sync.WaitGroup
	all.Go(func() { run(ctx, s, &n) })
	var during []time.Duration
	refused, failed, peak := 0, 0, 0.0
	for ctx.Err() == nil {
		d, err := honest(s)
		switch {
		case err == nil:
			during = append(during, d)
		case strings.Contains(err.Error(), "refused"):
			refused++
		default:
			b.Logf("an honest report: %v after %v", err, d)
			failed++
		}
		peak = max(peak, rss(b, s.cmd.Process.Pid))
	}
	cancel()
	all.Wait()
	over := time.Now()
	for { // as before: three in a row no slower than twice the usual, and a moment more
		good := 0
		for good < 3 {
			if d, err := honest(s); err != nil || d > 2*calm[len(calm)/2]+100*time.Millisecond {
				break
			}
			good++
		}
		if good == 3 || time.Since(over) > 10*time.Minute {
			break
		}
	}
	b.ReportMetric(time.Since(over).Seconds(), "s-until-as-before")
	slices.Sort(during)
	if len(during) > 0 {
		b.ReportMetric(ms(during[len(during)/2]), "p50-ms")
		b.ReportMetric(ms(during[len(during)*95/100]), "p95-ms")
		b.ReportMetric(ms(during[len(during)-1]), "worst-ms")
	}
	b.ReportMetric(ms(calm[len(calm)/2]), "calm-p50-ms")
	b.ReportMetric(float64(len(during)), "honest-reports")
	b.ReportMetric(float64(refused), "honest-refused")
	b.ReportMetric(float64(failed), "honest-failed")
	b.ReportMetric(float64(n.Load()), "blows")
	b.ReportMetric(peak, "peak-MiB")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// patient is a client that waits a minute, on a connection of its own, as each circuit is.
func patient(socket string) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
}

func (s *site) door(name string) string { return filepath.Join(s.run, name+".sock") }

// honest opens the form and sends a report, and says how long that took.
func honest(s *site) (time.Duration, error) {
	began := time.Now()
	v := visitor.New(patient(s.door("public")), "http://postern.test")
	if err := v.Get("/report"); err != nil {
		return time.Since(began), err
	}
	err := v.Submit("/report", 1, "text=What happened, in a few words.")
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	if _, err := v.Code(); err != nil {
		return took, fmt.Errorf("refused: status %d", v.Status)
	}
	return took, nil
}

// each runs as many attackers at once until ctx ends.
func attackers(ctx context.Context, many int, blow func()) {
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			for ctx.Err() == nil {
				blow()
			}
		})
	}
	all.Wait()
}

// slowPosts begin forms and send a byte a second of each.
func slowPosts(ctx context.Context, s *site, n *atomic.Int64) {
	attackers(ctx, 600, func() {
		c, err := net.Dial("unix", s.door("public"))
		if err != nil {
			time.Sleep(100 * time.Millisecond) // the backlog is full
			return
		}
		defer c.Close()
		n.Add(1)
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		defer stop()
		go func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() }() // the server has enough
		_, err = io.WriteString(c, "POST /report HTTP/1.1\r\nHost: postern.test\r\nOrigin: http://postern.test\r\n"+
			"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n")
		for err == nil {
			time.Sleep(time.Second)
			_, err = io.WriteString(c, "x")
		}
	})
}

// post sends a form's fields.
func post(ctx context.Context, c *http.Client, path string, fields ...string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		_ = w.WriteField(name, value)
	}
	_ = w.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postern.test"+path, &b)
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Origin", "http://postern.test")
	resp, err := c.Do(r)
	if err != nil {
		time.Sleep(10 * time.Millisecond)
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// wrongCodes tries codes that nobody has.
func wrongCodes(ctx context.Context, s *site, n *atomic.Int64) {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	c := patient(s.door("public"))
	attackers(ctx, 64, func() {
		if n.Add(1) > 10_000 {
			enough()
			return
		}
		post(ctx, c, "/inbox", "code="+strings.Join(crypto.NewCode().Words(), " "))
	})
}

// textFlood sends small reports as fast as they are taken.
func textFlood(ctx context.Context, s *site, n *atomic.Int64) {
	c := patient(s.door("public"))
	attackers(ctx, 32, func() {
		n.Add(1)
		post(ctx, c, "/report", "text=t", "body=ombuds")
	})
}

// holderFlood hands in, with a holder's key, what looks like bundles and is rubbish.
func holderFlood(ctx context.Context, s *site, n *atomic.Int64) {
	c := patient(s.door("holder-anna"))
	rubbish := bytes.Repeat([]byte("rubbish "), 100_000)
	attackers(ctx, 8, func() {
		n.Add(1)
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		p, _ := w.CreateFormFile("file", "bundle")
		_, _ = p.Write(rubbish)
		_ = w.Close()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postern.test/bundle", &b)
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", w.FormDataContentType())
		r.Header.Set("Origin", "http://postern.test")
		resp, err := c.Do(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	})
}
