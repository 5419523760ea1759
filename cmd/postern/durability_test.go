package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/crypto/seedtest"
)

// Received means durable (SECURITY.md S-6): 100 times the server is killed
// while four sources report, at any moment, before and after answers. What a
// page said was received can be read by the reviewer, byte for byte; the rest
// is there whole or not at all.
func TestKilledDaemon(t *testing.T) {
	const rounds, sources, every = 100, 4, 20
	s, r := newSite(t, shortDir(t), [2]string{"size = 64", "size = 128"}), seedtest.Rand(t)
	var idle, between, cut int // rounds killed before any answer, after some, and with reports under way
	for round := range rounds {
		s.boot()
		before, _ := s.acknowledged()
		under := s.round(r, round, sources)
		after, _ := s.acknowledged()
		if after == before {
			idle++
		} else {
			between++
		}
		if under > 0 {
			cut++
		}
		if (round+1)%every != 0 {
			continue
		}
		s.sound()
		s.boot()
		s.collect()
		s.finish()
		texts, files := s.reconcile()
		ackTexts, ackFiles := s.acknowledged()
		t.Logf("%3d rounds: %d reports sent; %d texts and %d files acknowledged, %d and %d read. Killed before any answer: %d rounds; after some: %d; with reports under way: %d",
			round+1, len(s.sent), ackTexts, ackFiles, texts, files, idle, between, cut)
		if t.Failed() {
			return
		}
	}
	s.sound()
	if idle < rounds/10 || between < rounds/10 || cut < rounds/2 {
		t.Errorf("the kills did not come at all kinds of moments: %d before any answer, %d after some, %d with reports under way", idle, between, cut)
	}
}

// round lets sources report until the server is killed: up to 400 ms after
// the first report begins to be sent, or after one of the first answers. It
// says how many reports had no answer then.
func (s *site) round(r *rand.Rand, round, sources int) (under int64) {
	began, answered := make(chan struct{}, 1), make(chan struct{}, 100)
	var cut atomic.Int64
	var all sync.WaitGroup
	for n := range sources {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		all.Go(func() {
			v := s.public()
			for i := 0; ; i++ {
				id := fmt.Sprintf("r%dv%di%d", round, n, i)
				paths, hashes := s.files(id, 1+own.IntN(2), 3_000_000)
				select {
				case began <- struct{}{}:
				default:
				}
				report, err := s.report(v, longText(own, id), paths, hashes)
				for _, p := range paths {
					_ = os.Remove(p)
				}
				if err != nil {
					if report != nil {
						cut.Add(1)
					}
					return
				}
				if !report.received || len(report.kept) != len(report.files) {
					s.t.Errorf("a server that was well did not take a report: status %d, text received %v, %d of %d files", v.Status, report.received, len(report.kept), len(report.files))
					return
				}
				answered <- struct{}{}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	<-began
	if round%2 == 1 {
		for range 1 + r.IntN(sources) {
			select {
			case <-answered:
			case <-done: // nobody is answered any more
			}
		}
	}
	time.Sleep(time.Duration(r.Int64N(int64(400 * time.Millisecond))))
	s.slay()
	<-done
	return cut.Load()
}
