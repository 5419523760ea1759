package intake_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/intake/intaketest"
)

// fullWorld is one whose store took all the text it takes.
type fullWorld struct {
	*intaketest.World
	codes []crypto.Code // in use; the first one has a reply
}

func full(t *testing.T) *fullWorld {
	t.Helper()
	w := &fullWorld{World: intaketest.New(t, func(s *intaketest.Settings) { s.Quota = 200 * int64(intake.SmallCell(8)) })}
	code, report := reported(w.World, "ombuds")
	w.codes = []crypto.Code{code}
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "hello")))
	for range 1000 {
		c := crypto.NewCode()
		err := w.Enter(c).Submit(context.Background(), intake.Fields{Form: intaketest.NewForm(), Text: "flood", Bodies: []string{"audit"}})
		if errors.Is(err, intake.ErrFull) {
			return w
		}
		if err != nil {
			t.Fatal(err)
		}
		w.codes = append(w.codes, c)
	}
	t.Fatal("the store is not full")
	return nil
}

// A full store takes no report, but everybody can still look and erase, and
// what waits goes out.
func TestFullStore(t *testing.T) {
	ctx := context.Background()
	w := full(t)
	code := w.codes[0]
	for range 5 { // the reserve must not run out by looking
		for _, c := range []crypto.Code{code, crypto.NewCode()} {
			if _, _, err := w.Enter(c).Inbox(ctx, 0); err != nil {
				t.Errorf("looking at a full store: %v", err)
			}
		}
	}
	r := w.Read(code)[0]
	if err := w.Enter(code).Erase(ctx, r.Number, r.ID); err != nil {
		t.Errorf("erasing in a full store: %v", err)
	}
	for _, l := range []crypto.Lane{crypto.LaneRegular, crypto.LaneUrgent} {
		if _, err := w.Service.Release(ctx, l); err != nil {
			t.Errorf("releasing lane %d from a full store: %v", l, err)
		}
	}
	for _, c := range []crypto.Code{code, crypto.NewCode()} {
		if err := w.Enter(c).EraseAll(ctx); err != nil {
			t.Errorf("erasing everything in a full store: %v", err)
		}
	}
	w.Night()
}

// A change of code in a full store takes nothing of what is kept for batches, however often.
func TestChangesTakeNoSpare(t *testing.T) {
	ctx := context.Background()
	w := full(t)
	code := w.codes[0]
	before, err := w.Service.Usage()
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		next := crypto.NewCode()
		change(w.World, code, next)
		change(w.World, crypto.NewCode(), crypto.NewCode())
		code = next
	}
	after, err := w.Service.Usage()
	if err != nil || after.Used-before.Used >= int64(intake.SmallCell(8)) { // a few drops, until tonight
		t.Errorf("%d bytes in use after 80 changes of codes, %d before; %v", after.Used, before.Used, err)
	}
	if _, err := w.Service.Release(ctx, crypto.LaneRegular); err != nil {
		t.Error(err)
	}
}

// later wants a refusal that ends by itself.
func later(t *testing.T, err error) time.Duration {
	t.Helper()
	var l *intake.Later
	if !errors.As(err, &l) || l.After <= 0 {
		t.Fatalf("%v, want a refusal that says when to come back", err)
	}
	return l.After
}

// Each kind is taken at the rate at which batches carry it out, after a burst; what is used up of one
// leaves the others, and comes back with time.
func TestAdmission(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, func(s *intaketest.Settings) {
		s.Options.BatchSize, s.Options.BatchHours, s.Options.Limits.FileSize = 1, []int{6}, 1_000_000
		s.Quota, s.Spare = 256<<20, intake.CoverRoom(8, []int{6}, 1, 1)
		s.Options.UrgentSize = 1
	})
	text := func() error {
		x, err := w.Service.Enter(ctx, crypto.NewCode(), intake.WorkReport)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		return x.Submit(ctx, intake.Fields{Form: intaketest.NewForm(), Text: "x", Bodies: []string{"ombuds"}})
	}
	small := func(size int) error {
		x, err := w.Service.Enter(ctx, crypto.NewCode(), intake.WorkReport)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		if err := x.Submit(ctx, intake.Fields{Form: intaketest.NewForm(), Bodies: []string{"ombuds"}}); err != nil {
			t.Fatal(err)
		}
		return x.AddFile(ctx, "f", "", io.LimitReader(zeroReader{}, int64(size)))
	}
	until := func(do func() error) (n int, err error) {
		for err == nil && n < 2000 {
			err = do()
			n++
		}
		return n, err
	}
	files, err := until(func() error { return small(900_000) })
	later(t, err)
	if files < 20 {
		t.Errorf("%d files were taken", files)
	}
	if err := small(10); err != nil {
		t.Errorf("a small file when large ones are used up: %v", err)
	}
	_, err = until(func() error { return small(10) })
	later(t, err)
	if err := text(); err != nil {
		t.Errorf("words when files are used up: %v", err)
	}
	_, err = until(func() error { _, err := w.Service.Deliver(ctx, "one", bytes.NewReader(w.Bundle())); return err })
	later(t, err)
	if _, err := w.Service.Deliver(ctx, "another", bytes.NewReader(w.Bundle())); err != nil {
		t.Errorf("another holder's bundle: %v", err)
	}
	_, err = until(text)
	w.Advance(later(t, err) + time.Minute)
	if err := text(); err != nil {
		t.Errorf("words after the time it said: %v", err)
	}
	if err := text(); err == nil {
		t.Error("one more at once")
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// One holder cannot fill the store for everybody.
func TestHolderFillsNothing(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, func(s *intaketest.Settings) {
		s.Options.BatchHours, s.Options.BatchSize, s.Options.UrgentSize = []int{6}, 4, 1
		s.Spare = intake.CoverRoom(8, s.Options.BatchHours, 4, 1)
		s.Quota = 2*s.Spare + 128<<20
	})
	n := 0
	for ; n < 1000; n++ {
		if _, err := w.Service.Deliver(ctx, "one", bytes.NewReader(w.Bundle())); err != nil {
			later(t, err)
			break
		}
	}
	size := crypto.SealedSize(8, crypto.ClassSize(4))
	large := crypto.BundleEntry{Source: crypto.BundleFile{Size: size}, Readers: crypto.BundleFile{Size: size}}
	for ; n < 1000; n++ {
		large.Source.Data, large.Readers.Data = zeroReader{}, zeroReader{}
		if _, err := w.Service.Deliver(ctx, "two", bytes.NewReader(w.Bundle(large))); err != nil {
			later(t, err)
			break
		}
	}
	if n >= 1000 {
		t.Fatal("bundles are taken without end")
	}
	u, err := w.Service.Usage()
	if err != nil || u.Used > 64<<20 {
		t.Errorf("two holders fill %d of %d bytes: %v", u.Used, u.Quota, err)
	}
	w.Submit(crypto.NewCode(), "they beat the recruits", "ombuds")
}

// stalled is a bundle that stands still before its end.
type stalled struct {
	b    *bytes.Reader
	left int
	at   *sync.WaitGroup
	gate chan struct{}
}

func (s *stalled) Read(p []byte) (int, error) {
	if s.left == 0 {
		s.at.Done()
		<-s.gate
		return 0, io.ErrUnexpectedEOF
	}
	n, err := s.b.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// Few bundles of one exchange are taken at once, and one that stands still holds little memory.
func TestStalledBundles(t *testing.T) {
	w := intaketest.New(t)
	size := crypto.SealedSize(8, crypto.ClassSize(1))
	file := func() crypto.BundleFile { return crypto.BundleFile{Size: size, Data: zeroReader{}} }
	var list []crypto.BundleEntry
	for i := range crypto.BundleEntries {
		list = append(list, crypto.BundleEntry{Drop: crypto.Drop{byte(i)}, Source: file(), Readers: file()})
	}
	b := w.Bundle(list...)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var at, done sync.WaitGroup
	gate := make(chan struct{})
	busy := 0
	for i := range 8 {
		from := strings.Repeat("x", 1+i/4)
		at.Add(1)
		r := &stalled{bytes.NewReader(b), len(b) - 100, &at, gate}
		errs := make(chan error, 1)
		done.Go(func() { _, err := w.Service.Deliver(context.Background(), from, r); errs <- err })
		if i%4 < 2 {
			at.Wait()
		} else if err := <-errs; !errors.Is(err, intake.ErrBusy) {
			t.Errorf("bundle %d: %v", i, err)
		} else {
			at.Done()
			busy++
		}
	}
	if grown := heap() - before; grown > 4*1<<20 {
		t.Errorf("4 bundles that stand still hold %d bytes", grown)
	}
	close(gate)
	done.Wait()
	if busy != 4 {
		t.Errorf("%d were refused", busy)
	}
	w.Deliver(w.Bundle()) // what was refused holds no place
}

// Cover has its room, whatever filled the rest: as much as all batches that are kept can take.
func TestCoverHasRoom(t *testing.T) {
	ctx := context.Background()
	hours, n, urgent := []int{6, 18}, 4, 1
	room := intake.CoverRoom(8, hours, n, urgent)
	quiet := intaketest.New(t, func(s *intaketest.Settings) {
		s.Options.BatchHours, s.Options.BatchSize, s.Options.UrgentSize = hours, n, urgent
	})
	empty, err := quiet.Service.Usage()
	if err != nil {
		t.Fatal(err)
	}
	for range 24 {
		quiet.Advance(time.Hour)
		if err := quiet.Service.ReleaseDue(ctx); err != nil {
			t.Fatal(err)
		}
	}
	quietly, err := quiet.Service.Usage()
	if day := quietly.Used - empty.Used; err != nil || day*61 > room || day*80 < room {
		t.Errorf("a quiet day takes %d bytes; room for cover is %d, %v", day, room, err)
	}
	busy := intaketest.New(t, func(s *intaketest.Settings) {
		s.Options.BatchHours, s.Options.BatchSize, s.Options.UrgentSize = hours, n, urgent
		s.Spare = room
		s.Quota = intake.LeastQuota(8, hours, n, urgent, 1_000_000)
	})
	for err = nil; err == nil; {
		x := busy.Enter(crypto.NewCode())
		if err = x.Submit(ctx, intake.Fields{Form: intaketest.NewForm(), Bodies: []string{"ombuds"}}); err == nil {
			err = x.AddFile(ctx, "f", "", io.LimitReader(zeroReader{}, 20_000_000))
		}
	}
	for err = nil; err == nil; {
		err = busy.Enter(crypto.NewCode()).Submit(ctx, intake.Fields{Form: intaketest.NewForm(), Text: "x", Bodies: []string{"ombuds"}})
	}
	if u, err := busy.Service.Usage(); err != nil || u.Quota-u.Used < room {
		t.Errorf("what is full leaves %d bytes, cover can need %d: %v", u.Quota-u.Used, room, err)
	}
}
