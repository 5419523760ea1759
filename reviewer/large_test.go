package reviewer

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"postern/crypto"
	"postern/reviewer/reviewertest"
	"postern/reviewer/vault"
)

// largeDesk is a world whose desk of anna's holds so many messages besides one real case: four
// to a case, their containers a few bytes that open as nothing. Its keys are under the work factor given.
func largeDesk(t testing.TB, messages, logN int) (*world, *reviewertest.Source) {
	t.Helper()
	w := newWorldOf(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(1, must(src.Say(reviewertest.NewForm(), w.today(), "a real one", nil, "ombuds"))(t)))
	v := w.desks["anna"]
	template := *w.only("anna").entries[0]
	random := func(n int) []byte { b := make([]byte, n); _, _ = rand.Read(b); return b }
	kinds := []crypto.Kind{crypto.KindReport, crypto.KindFollowUp, crypto.KindFile, crypto.KindReply}
	var id []byte
	for made := 0; made < messages; {
		next := v.state.next()
		var c vault.Change
		p := must(v.vault.NewPack())(t)
		c.Pack(p)
		for range 1000 {
			kind := kinds[made%len(kinds)]
			if kind == crypto.KindReport {
				id = random(len(crypto.CaseID{}))
			}
			e := template
			e.ID, e.Case, e.Kind, e.Form, e.Content = random(32), id, kind, random(len(crypto.FormID{})), random(32)
			e.Source, e.Counter, e.Day = random(len(template.Source)), uint64(made), w.today()-crypto.Day(made%700) //nolint:gosec // small
			if kind == crypto.KindFile {
				e.Files = []fileEntry{{Size: 1000, SHA256: random(32)}}
			}
			if kind == crypto.KindReply {
				e.Signer, e.Source, e.Life, e.Own = random(32), nil, nil, &own{Bundle: random(16), Sent: e.Day}
			}
			sealed, key, err := vault.SealBlob(id)
			check(t, err)
			e.Blob = must(p.Add(sealed, key))(t)
			next.messages.set(string(e.ID), &e)
			made++
		}
		check(t, v.commit(next, &c))
	}
	if logN != 2 {
		v.vault.Close()
		o := w.options()
		o.ScryptLogN = logN
		v = must(Open(v.vault.Dir(), []byte(testPass), o))(t)
		check(t, v.SetPassphrase([]byte(testPass)))
		w.desks["anna"] = v
	}
	return w, src
}

// BenchmarkLarge is what a person waits for in a vault of 2,000 and of 20,000 messages: each
// figure at the second should be that at the first, but for opening, listing and searching, which go over all.
func BenchmarkLarge(b *testing.B) {
	for _, n := range []int{2_000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			logN := 0
			if testing.Short() { // the work factor aside
				logN = 2
			}
			w, src := largeDesk(b, n, logN)
			v := w.desks["anna"]
			dir := v.vault.Dir()
			run := func(name string, f func(b *testing.B)) {
				b.Run(name, func(b *testing.B) {
					began := cpuTime(b)
					f(b)
					b.ReportMetric((cpuTime(b)-began)/float64(b.N), "cpu-ms/op")
				})
			}
			run("Open", func(b *testing.B) {
				for b.Loop() {
					v.Close()
					v = must(Open(dir, []byte(testPass), w.options()))(b)
				}
			})
			run("Scrypt", func(b *testing.B) { // the part of it that no one can do without
				for b.Loop() {
					check(b, v.vault.CheckPassphrase([]byte(testPass)))
				}
			})
			defer func() { v.Close() }()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			run("FirstList", func(b *testing.B) {
				for b.Loop() {
					clear(v.index.views)
					v.index.order = nil
					_ = v.Cases()
				}
				b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-heap")
			})
			run("List", func(b *testing.B) {
				for b.Loop() {
					_ = v.Cases()
				}
			})
			run("Case", func(b *testing.B) {
				for b.Loop() {
					c := must(v.Case(FullID(src.Case)))(b)
					check(b, v.WriteCase(io.Discard, c))
				}
			})
			run("Note", func(b *testing.B) {
				i := 0
				for b.Loop() {
					var c Change
					c.Put(KindCasework, must(v.Case(FullID(src.Case)))(b), fmt.Sprint(i), "a note of some words, as one writes them")
					check(b, v.Commit(&c))
					i++
				}
			})
			run("Reply", func(b *testing.B) {
				for b.Loop() {
					p := must(v.PlanReply(must(v.Case(FullID(src.Case)))(b), w.today()))(b)
					must(v.Reply(p, Draft{Text: "an answer"}))(b)
				}
			})
			run("Export", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					p := must(v.PlanReply(must(v.Case(FullID(src.Case)))(b), w.today()))(b)
					for len(v.replies(func(o *own) bool { return o.Wire != nil && len(o.Bundle) == 0 })) > 0 {
						must(v.Export(b.TempDir()))(b)
					}
					must(v.Reply(p, Draft{Text: "an answer"}))(b)
					b.StartTimer()
					must(v.Export(b.TempDir()))(b)
				}
			})
			run("Import", func(b *testing.B) { // one message
				for b.Loop() {
					b.StopTimer()
					volume := w.release(1, must(src.Say(reviewertest.NewForm(), w.today(), "more", nil, "ombuds"))(b))
					b.StartTimer()
					must(v.Import(bytes.NewReader(volume), clockYes))(b)
				}
			})
			run("Search", func(b *testing.B) { benchSearch(b, v) })
			run("Backup", func(b *testing.B) {
				for b.Loop() {
					path := filepath.Join(b.TempDir(), "backup")
					check(b, v.BackupFile(path, []byte(testPass)))
					st := must(os.Stat(path))(b)
					b.SetBytes(st.Size())
				}
			})
			run("Erase", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					c := v.Cases()[n/8]
					b.StartTimer()
					check(b, v.Erase(&c, []byte(testPass), "a test"))
				}
			})
		})
	}
}

// cpuTime is what this process has used of all cores, in milliseconds: on a machine that does other
// things besides it says more than the clock.
func cpuTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

// benchSearch looks through as many texts of 2,000 characters as there are messages.
func benchSearch(b *testing.B, v *Desk) {
	v.AwaitSearch()
	text := strings.Repeat("The fuel of the depot was sold at night, to people whom nobody knew. ", 29)
	for _, e := range v.state.messages.all() {
		v.search.index.Set(string(e.ID), text, "the colonel "+string(e.Kind))
	}
	b.ResetTimer()
	for b.Loop() {
		_ = v.Search("colonel nowhere")
		_ = v.Search("fuel")
	}
}
