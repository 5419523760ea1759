package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/reviewer/window/windowtest"
)

// BenchmarkWindow measures what a person at the window waits for, as the screen shows it: the first
// page, from the moment in which the vault is open; a list of 20 and of 200 cases, from the press; and
// the memory of the desk with all processes of its window. It takes root to look at that.
func BenchmarkWindow(b *testing.B) {
	s := windowtest.Start(b, 1366, 768)
	s.Build("postern/cmd/postern-desk", "postern/cmd/postern-window")
	o := newOffice(s, 414) // and six of its own: pages of 200, 200 and 20
	pass := filepath.Join(s.Mkdir("safe"), "pass")
	o.check(os.WriteFile(pass, []byte(windowPass+"\n"), 0o600))
	s.Own(pass)
	var first, twenty, many time.Duration
	var memory int64
	n := 0
	for b.Loop() {
		n++
		desk := s.Start(s.Command("postern-desk", "--passphrase-file", pass))
		begun := func() bool {
			for _, name := range desk.Below() {
				if strings.HasPrefix(name, "bwrap") {
					return true
				}
			}
			return false
		}
		for !begun() {
			time.Sleep(time.Millisecond)
		}
		first += s.Drawn(func() {
			for !strings.HasPrefix(s.Title(), "Cases") {
				time.Sleep(time.Millisecond)
			}
		})
		s.Fill()
		for page := 2; page <= 3; page++ {
			next := s.Wait("link", "Next page")
			took := s.Drawn(next.Press)
			if page == 2 {
				many += took
			} else {
				twenty += took
			}
		}
		memory += desk.PSS()
		s.Key("ctrl+q")
		if ended, err := desk.Ended(); !ended || err != nil {
			b.Fatalf("%v %v\n%s", ended, err, desk.Said())
		}
	}
	b.ReportMetric(float64(first.Milliseconds())/float64(n), "ms-first-page")
	b.ReportMetric(float64(many.Milliseconds())/float64(n), "ms-200-cases")
	b.ReportMetric(float64(twenty.Milliseconds())/float64(n), "ms-20-cases")
	b.ReportMetric(float64(memory)/float64(n)/1e6, "MB-pss")
	b.ReportMetric(0, "ns/op")
}
