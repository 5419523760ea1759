package intake_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/crypto"
	"postern/intake"
	"postern/intake/intaketest"
	"postern/store"
)

// Each figure stands beside the limit that the same run measured: see
// CONTRIBUTING.md on how to read them.

func BenchmarkLimitArgon2id(b *testing.B) {
	for b.Loop() {
		crypto.DeriveSource(crypto.NewCode(), crypto.NewKey(), crypto.DefaultKDF).Wipe()
	}
}

func BenchmarkLimitSHA256(b *testing.B) {
	p := make([]byte, 1<<20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		sha256.Sum256(p)
	}
}

// The disk's own: sequential writes of 4 MiB with one fsync each.
func BenchmarkLimitDurableWrite(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, 4<<20)
	_, _ = rand.Read(p)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := f.Write(p); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// unmeasured worlds derive codes as real ones do, and admit whatever comes.
func unmeasured(s *intaketest.Settings) {
	s.KDF, s.Options.BatchSize, s.Quota = crypto.DefaultKDF, 2048, 1<<40
}

func fast(s *intaketest.Settings) { s.Options.BatchSize, s.Quota = 2048, 1<<40 }

// fillTo stores n reports' worth of records and cells, whose bytes are noise.
func fillTo(b *testing.B, w *intaketest.World, n int) {
	b.Helper()
	noise := make([]byte, intake.SmallCell(8))
	_, _ = rand.Read(noise)
	var g errgroup.Group
	g.SetLimit(64)
	sizes := map[string][2]int{}
	for _, k := range intake.Buckets() {
		sizes[k.Name] = [2]int{k.MaxKey, k.MaxValue}
	}
	put := func(bucket string) store.Op {
		key := make([]byte, sizes[bucket][0])
		_, _ = rand.Read(key)
		return store.Put(bucket, key, noise[:sizes[bucket][1]])
	}
	for range n {
		g.Go(func() error {
			ops := []store.Op{put("mailbox"), store.AddItem(store.ItemID(crypto.NewKey()), noise)}
			ops = append(ops, put("drop"))
			return w.Store.Apply(context.Background(), ops...)
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkSubmitText(b *testing.B) {
	text := string(bytes.Repeat([]byte("what happened "), 200))
	for _, at := range []int{1, 16} {
		b.Run(fmt.Sprintf("at-once-%d", at), func(b *testing.B) {
			w := intaketest.New(b, unmeasured)
			b.SetParallelism(max(1, at/runtime.GOMAXPROCS(0)))
			start := time.Now()
			one := func() error {
				x, err := w.Service.Enter(context.Background(), crypto.NewCode(), intake.WorkReport)
				if err != nil {
					return err
				}
				defer x.Close()
				return x.Submit(context.Background(), intake.Fields{Form: intaketest.NewForm(), Text: text, Bodies: []string{"ombuds", "audit"}})
			}
			if at == 1 {
				for b.Loop() {
					if err := one(); err != nil {
						b.Fatal(err)
					}
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := one(); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "reports/s")
		})
	}
}

// Cost of a report with few and with many items stored, without Argon2, whose
// cost is constant.
func BenchmarkSubmitAmong(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := intaketest.New(b, fast)
			fillTo(b, w, n)
			b.ResetTimer()
			for b.Loop() {
				w.Submit(crypto.NewCode(), "x", "ombuds", "audit")
			}
		})
	}
}

func BenchmarkUpload(b *testing.B) {
	for _, mb := range []int64{100, 500} {
		b.Run(fmt.Sprintf("%dMB", mb), func(b *testing.B) {
			w := intaketest.New(b, fast)
			size := mb * 1_000_000
			b.SetBytes(size)
			var peak atomic.Uint64
			stop := make(chan struct{})
			go func() {
				var m runtime.MemStats
				for {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
						runtime.ReadMemStats(&m)
						peak.Store(max(peak.Load(), m.HeapInuse+m.StackInuse))
					}
				}
			}()
			for b.Loop() {
				x := w.Submit(crypto.NewCode(), "x", "ombuds")
				if err := x.AddFile(context.Background(), "f", "", io.LimitReader(zeroReader{}, size)); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := w.Enter(crypto.NewCode()).EraseAll(context.Background()); err != nil {
					b.Fatal(err)
				}
				if err := x.EraseAll(context.Background()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			close(stop)
			b.ReportMetric(float64(peak.Load())/(1<<20), "peak-heap-MiB")
		})
	}
}

// A login that reads one reply: two requests, each with its Argon2.
func BenchmarkLoginAndRead(b *testing.B) {
	w := intaketest.New(b, unmeasured)
	code := crypto.NewCode()
	if err := w.Enter(code).Submit(context.Background(), intake.Fields{Form: intaketest.NewForm(), Text: "x", Bodies: []string{"ombuds"}, Urgent: true}); err != nil {
		b.Fatal(err)
	}
	report := w.Only("ombuds", w.Release(crypto.LaneUrgent))
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "hello")))
	for b.Loop() {
		for _, read := range []bool{false, true} {
			x, err := w.Service.Enter(context.Background(), code, intake.WorkLogin)
			if err != nil {
				b.Fatal(err)
			}
			if !read {
				_, _, err = x.Inbox(context.Background(), 0)
			} else {
				_, err = x.Reply(context.Background(), 0)
			}
			if err != nil {
				b.Fatal(err)
			}
			x.Close()
		}
	}
}

func BenchmarkBatch(b *testing.B) {
	w := intaketest.New(b, roomy)
	var n uint64
	b.Run("release-64", func(b *testing.B) {
		for b.Loop() {
			n = w.Release(crypto.LaneRegular)
		}
	})
	b.Run("write-64", func(b *testing.B) {
		v, err := w.Service.Volume(n, 1)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(v.Size)
		for b.Loop() {
			if err := w.Service.WriteVolume(context.Background(), io.Discard, n, 1, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}
