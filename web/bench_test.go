package web

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"postern/crypto"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct {
	head   http.Header
	status int
	n      int
}

func (d *discard) Header() http.Header         { return d.head }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { d.n += len(b); return len(b), nil }

func BenchmarkStartPage(b *testing.B) {
	w := newWorld(b)
	b.Run("handler", func(b *testing.B) {
		b.SetBytes(PageSize)
		b.ReportAllocs()
		for b.Loop() {
			d := &discard{head: http.Header{}}
			w.source.ServeHTTP(d, httptest.NewRequest(http.MethodGet, "/", nil))
			if d.n != PageSize {
				b.Fatalf("status %d, %d bytes", d.status, d.n)
			}
		}
	})
	b.Run("socket", func(b *testing.B) {
		b.SetBytes(PageSize)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				r, err := http.Get(w.url + "/")
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
		})
	})
}

func BenchmarkReportForm(b *testing.B) {
	w := newWorld(b)
	b.SetBytes(PageSize)
	b.ReportAllocs()
	for b.Loop() {
		d := &discard{head: http.Header{}}
		w.source.ServeHTTP(d, httptest.NewRequest(http.MethodGet, "/report", nil))
		if d.n != PageSize {
			b.Fatalf("status %d, %d bytes", d.status, d.n)
		}
	}
}

// BenchmarkReport stores a report of a page's length under real Argon2 costs.
func BenchmarkReport(b *testing.B) {
	w := newWorld(b, func(c *settings) { c.kdf = crypto.DefaultKDF })
	f := w.get("/report").form("/report").set("text", strings.Repeat("What happened. ", 200)).set("ticket", "")
	var body bytes.Buffer
	m, err := f.encode(&body)
	if err != nil {
		b.Fatal(err)
	}
	for _, at := range []struct {
		name string
		n    int
	}{{"at=1", 1}, {"at=16", 16}} {
		b.Run(at.name, func(b *testing.B) {
			b.SetParallelism(max(1, at.n/2)) // times GOMAXPROCS
			send := func() {
				r := httptest.NewRequest(http.MethodPost, "/report", bytes.NewReader(body.Bytes()))
				r.Header.Set("Content-Type", m.FormDataContentType())
				d := &discard{head: http.Header{}}
				w.source.ServeHTTP(d, r)
				if d.status != 200 || d.n != PageSize {
					b.Errorf("status %d, %d bytes", d.status, d.n)
				}
			}
			if at.n == 1 {
				for b.Loop() {
					send()
				}
				return
			}
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					send()
				}
			})
		})
	}
}

// BenchmarkUpload streams a file of 64 MB through the form.
func BenchmarkUpload(b *testing.B) {
	const size = 64 << 20
	w := newWorld(b)
	page := w.get("/report")
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		f := page.form("/report").set("text", "x").file("a.bin", io.LimitReader(noise{}, size))
		if r := f.do(w.url); r.StatusCode != 200 {
			b.Fatal(r.Status)
		} else {
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
	}
}
