package web

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// BenchmarkCodesAlike opens inboxes in turn, in random order, with a code that
// has a reply waiting, one whose mailbox is empty, and one never used, under real
// Argon2 costs and without the steps of [Quantum], which would hide a difference.
// It reports how far the medians are apart, as the 95 % interval of the difference
// (bootstrap), and how many answers would have missed their first step.
func BenchmarkCodesAlike(b *testing.B) {
	const tries = 500
	w := newWorld(b, func(c *settings) { c.kdf = crypto.DefaultKDF })
	known, empty := w.report("x").code(), w.report("y").code()
	for _, m := range w.fetch(crypto.LaneRegular, "audit") {
		if m.Text == "x" {
			w.reply("audit", m.Read, "an answer", nil)
		}
	}
	w.enter(known).hasNot("Nothing is waiting")
	w.enter(empty).has("Nothing is waiting")
	kinds := []string{"known", "empty", "unknown"}
	codes := [][]string{{known}, {empty}, nil}
	took := make([][]float64, len(kinds)) // ms
	late := make([]int, len(kinds))
	page := w.get("/inbox")
	b.ResetTimer()
	for range b.N {
		took, late = make([][]float64, len(kinds)), make([]int, len(kinds))
		for range tries {
			for _, i := range rand.Perm(len(kinds)) {
				code := strings.Join(crypto.NewCode().Words(), " ") // for all alike
				if codes[i] != nil {
					code = codes[i][0]
				}
				var body bytes.Buffer
				m, err := page.form("/inbox").set("code", code).encode(&body)
				if err != nil {
					b.Fatal(err)
				}
				r := httptest.NewRequest(http.MethodPost, "/inbox", &body)
				r.Header.Set("Content-Type", m.FormDataContentType())
				d := &discard{head: http.Header{}}
				began := time.Now()
				w.source.ServeHTTP(d, r)
				t := time.Since(began)
				if d.status != 200 || d.n != PageSize {
					b.Fatalf("status %d, %d bytes", d.status, d.n)
				}
				took[i] = append(took[i], float64(t.Microseconds())/1000)
				if t > Quantum {
					late[i]++
				}
			}
		}
	}
	b.StopTimer()
	for i, kind := range kinds {
		b.ReportMetric(median(took[i]), kind+"-ms")
		b.ReportMetric(float64(late[i]), kind+"-late")
		j := (i + 1) % len(kinds)
		low, high := medianDifference(took[i], took[j])
		b.ReportMetric(low, kind+"-"+kinds[j]+"-low-ms")
		b.ReportMetric(high, kind+"-"+kinds[j]+"-high-ms")
	}
}

// BenchmarkStepsUnderLoad lets 16 visitors at once open inboxes, each time with
// a code of another kind at random, under real Argon2 costs and with [Quantum]. It
// reports for each kind the mean step at which it was answered (1: the first), and
// how far behind a step answers leave, as the 95th percentile.
func BenchmarkStepsUnderLoad(b *testing.B) {
	const visitors, tries = 16, 40
	w := newWorld(b, func(c *settings) { c.kdf, c.source.Quantum = crypto.DefaultKDF, Quantum })
	known, empty := w.report("x").code(), w.report("y").code()
	for _, m := range w.fetch(crypto.LaneRegular, "audit") {
		if m.Text == "x" {
			w.reply("audit", m.Read, "an answer", nil)
		}
	}
	kinds := []string{"known", "empty", "unknown"}
	page := w.get("/inbox")
	var mu sync.Mutex
	var steps, answers [3]float64
	var behind []float64
	b.ResetTimer()
	for range b.N {
		var all sync.WaitGroup
		for range visitors {
			all.Go(func() {
				for range tries {
					i := rand.IntN(len(kinds))
					code := []string{known, empty, strings.Join(crypto.NewCode().Words(), " ")}[i]
					var body bytes.Buffer
					m, err := page.form("/inbox").set("code", code).encode(&body)
					if err != nil {
						b.Error(err)
						return
					}
					r := httptest.NewRequest(http.MethodPost, "/inbox", &body)
					r.Header.Set("Content-Type", m.FormDataContentType())
					d := &discard{head: http.Header{}}
					began := time.Now()
					w.source.ServeHTTP(d, r)
					t := time.Since(began)
					if d.status != 200 || d.n != PageSize {
						b.Errorf("status %d, %d bytes", d.status, d.n)
					}
					mu.Lock()
					steps[i] += float64(t / Quantum)
					answers[i]++
					behind = append(behind, float64((t%Quantum).Microseconds())/1000)
					mu.Unlock()
				}
			})
		}
		all.Wait()
	}
	b.StopTimer()
	for i, kind := range kinds {
		b.ReportMetric(steps[i]/answers[i], kind+"-step")
	}
	slices.Sort(behind)
	b.ReportMetric(behind[len(behind)*95/100], "behind-p95-ms")
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// medianDifference is the 95 % interval of median(x) − median(y), by 2,000 resamples.
func medianDifference(x, y []float64) (low, high float64) {
	const resamples = 2000
	again := func(from []float64) float64 {
		s := make([]float64, len(from))
		for i := range s {
			s[i] = from[rand.IntN(len(from))]
		}
		return median(s)
	}
	diffs := make([]float64, resamples)
	for i := range diffs {
		diffs[i] = again(x) - again(y)
	}
	slices.Sort(diffs)
	return diffs[resamples*25/1000], diffs[resamples*975/1000]
}
