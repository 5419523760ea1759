package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"postern/crypto"
	"postern/reviewer/keeper"
	"postern/reviewer/reviewertest"
)

const benchMessages = 10_000

// benchVolume writes a volume of 10,000 reports of as many sources to one holder.
func benchVolume(b *testing.B) (v *Desk, path string, o Options) {
	o = Options{ScryptLogN: 2}
	v = must(Create(filepath.Join(b.TempDir(), "vault"), "ombuds", "anna", []byte(testPass), o))(b)
	card, _, err := v.Card()
	check(b, err)
	today := crypto.DayOf(time.Now())
	s := reviewertest.NewServer(today)
	check(b, s.Enrol(card, "ombuds"))
	path = filepath.Join(b.TempDir(), "volume")
	// Every case has its signing key; the sealing keys are made once: 10,000 times all of them takes minutes.
	src := s.NewSource()
	var others []*crypto.Recipient
	for range 7 {
		others = append(others, crypto.NewIdentity().Recipient())
	}
	bodies := must(s.Directory.ReadersFor(s.Readers("ombuds"), crypto.MonthOf(today.Time())))(b)
	head := *src.Head(crypto.KindReport, crypto.FormID{}, today, "ombuds")
	head.Text = "They sell the fuel."
	sealed := make(chan []byte, 64)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for range benchMessages / runtime.GOMAXPROCS(0) {
				m := head
				m.Meta.Form = reviewertest.NewForm()
				source, key, err := ed25519.GenerateKey(nil)
				check(b, err)
				m.Source, m.Meta.Case = source, crypto.CaseOf(source)
				var e bytes.Buffer
				sw, err := crypto.Seal(&e, s.Directory.Policy, bodies, others...)
				check(b, err)
				mw, err := crypto.NewMessageWriter(sw, &m, key)
				check(b, err)
				check(b, mw.Close())
				check(b, sw.Close())
				sealed <- e.Bytes()
			}
		})
	}
	go func() { wg.Wait(); close(sealed) }()
	var entries [][]byte
	for e := range sealed {
		entries = append(entries, e)
	}
	check(b, os.WriteFile(path, must(s.Release(today, benchMessages, entries...))(b), 0o600))
	// The vault knows the server by its directory.
	key := filepath.Join(b.TempDir(), "root")
	vkey := must(keeper.NewRoot(key, "bench", []byte(testPass), o.ScryptLogN))(b)
	root := must(keeper.OpenRoot(key, []byte(testPass), o.ScryptLogN))(b)
	signed := must(root.Sign(must(s.Proposal())(b), nil, today))(b)
	check(b, v.AcceptDirectory(signed, []string{vkey}, today))
	return v, path, o
}

// BenchmarkImport imports 10,000 reports into a fresh vault, durably. Its
// limit, measured in the same run, is BenchmarkOpenOnly: the same volume, opened and thrown away.
func BenchmarkImport(b *testing.B) {
	v, path, o := benchVolume(b)
	var backup bytes.Buffer
	check(b, v.Backup(&backup, []byte(testPass)))
	v.Close()
	b.Run("Import", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			k := must(Restore(bytes.NewReader(backup.Bytes()), filepath.Join(b.TempDir(), "v"), []byte(testPass), o))(b)
			f := must(os.Open(path))(b)
			b.StartTimer()
			r := must(k.Import(f, ImportOptions{}))(b)
			b.StopTimer()
			if r.New != benchMessages {
				b.Fatalf("%+v", r)
			}
			_ = f.Close()
			k.Close()
			_ = os.RemoveAll(k.vault.Dir())
			b.StartTimer()
		}
		b.ReportMetric(float64(benchMessages)*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("OpenOnly", func(b *testing.B) {
		k := must(Restore(bytes.NewReader(backup.Bytes()), filepath.Join(b.TempDir(), "v"), []byte(testPass), o))(b)
		defer k.Close()
		s := must(k.keys.seed(k.keys.Month))(b)
		id := s.Identity()
		for b.Loop() {
			f := must(os.Open(path))(b)
			jobs := make(chan []byte, 16)
			var wg sync.WaitGroup
			for range runtime.GOMAXPROCS(0) {
				wg.Go(func() {
					for e := range jobs {
						r := must(crypto.Open(bytes.NewReader(e), id))(b)
						_, err := io.Copy(io.Discard, r)
						check(b, err)
					}
				})
			}
			check(b, crypto.ReadVolume(f, k.serverKeys(), func(*crypto.BatchHead, int, []byte) error { return nil }, func(_ int, ref crypto.EntryRef, r io.Reader) error {
				e := make([]byte, ref.Size)
				_, err := io.ReadFull(r, e)
				jobs <- e
				return err
			}))
			close(jobs)
			wg.Wait()
			_ = f.Close()
		}
		b.ReportMetric(float64(benchMessages)*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	})
}
