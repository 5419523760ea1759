package store

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func benchOptions(dir string) Options {
	return Options{
		Dir: dir, Buckets: []Bucket{{Name: "mailbox", MaxKey: 32, MaxValue: 4200}, {Name: "out", MaxKey: 32, MaxValue: 9}}, SmallCell: 80_000,
		Quota: 16 << 30, ReserveSmall: 0.1, Create: true,
	}
}

func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(benchOptions(b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func report(s *Store, data, box []byte) error {
	id := randomID()
	return s.Apply(context.Background(), AddItem(id, data), Put("mailbox", id[:], box), Create("out", id[:], data[:9]))
}

// BenchmarkReport is what one text report writes, from 1 and from 16 at once,
// in an empty store and among 1,000 and 100,000 items (cells of 1,000 bytes then, so
// that filling takes seconds).
func BenchmarkReport(b *testing.B) {
	data, box := random(80_000), random(4200)
	for _, at := range []int{1, 16} {
		b.Run(fmt.Sprintf("at=%d", at), func(b *testing.B) {
			s := openBench(b)
			b.SetParallelism((at + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := report(s, data, box); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
		})
	}
	for _, items := range []int{1_000, 100_000} {
		o := benchOptions(b.TempDir())
		o.SmallCell = 1000
		s, err := Open(o)
		if err != nil {
			b.Fatal(err)
		}
		for n := 0; n < items; n += 25 {
			var ops []Op
			for range 25 {
				id := randomID()
				ops = append(ops, AddItem(id, data[:1000]), Put("mailbox", id[:], box), Create("out", id[:], data[:9]))
			}
			if err := s.Apply(context.Background(), ops...); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("items=%d", items), func(b *testing.B) {
			for b.Loop() {
				if err := report(s, data[:1000], box); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("open/items=%d", items), func(b *testing.B) {
			for b.Loop() {
				s, err := Open(o)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// peakHeap samples the heap until its function is called, which gives the highest in MiB.
func peakHeap() func() float64 {
	runtime.GC()
	var peak atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() float64 {
		close(stop)
		<-stopped
		return float64(peak.Load()) / (1 << 20)
	}
}

// BenchmarkUpload: durable uploads, beside a plain file of the same length
// written and synced on the same disk in the same run.
func BenchmarkUpload(b *testing.B) {
	chunk := random(64 << 10)
	for _, size := range []int{100_000_000, 500_000_000} {
		b.Run(fmt.Sprintf("disk/%dMB", size/1_000_000), func(b *testing.B) {
			b.SetBytes(int64(size))
			path := filepath.Join(b.TempDir(), "file")
			for b.Loop() {
				f, err := os.Create(path)
				if err != nil {
					b.Fatal(err)
				}
				writeTo(b, f, chunk, size)
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				_ = f.Close()
				_ = os.Remove(path)
			}
		})
		b.Run(fmt.Sprintf("store/%dMB", size/1_000_000), func(b *testing.B) {
			s := openBench(b)
			b.SetBytes(int64(size))
			peak := peakHeap()
			for b.Loop() {
				id := randomID()
				u, err := s.NewUpload(id)
				if err != nil {
					b.Fatal(err)
				}
				writeTo(b, u, chunk, size)
				if err := u.Finish(); err != nil {
					b.Fatal(err)
				}
				apply(b, s, Adopt(u))
			}
			b.ReportMetric(peak(), "peak-MiB")
		})
	}
	b.Run("store/8x20MB", func(b *testing.B) {
		s := openBench(b)
		b.SetBytes(8 * 20_000_000)
		peak := peakHeap()
		for b.Loop() {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					u, err := s.NewUpload(randomID())
					if err != nil {
						b.Error(err)
						return
					}
					writeTo(b, u, chunk, 20_000_000)
					if err := u.Finish(); err != nil {
						b.Error(err)
						return
					}
					apply(b, s, Adopt(u))
				})
			}
			wg.Wait()
		}
		b.ReportMetric(peak(), "peak-MiB")
	})
}

func writeTo(b *testing.B, w io.Writer, chunk []byte, size int) {
	b.Helper()
	for size > 0 {
		n, err := w.Write(chunk[:min(size, len(chunk))])
		if err != nil {
			b.Error(err)
			return
		}
		size -= n
	}
}
