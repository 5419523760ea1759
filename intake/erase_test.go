package intake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/intake/intaketest"
	"postern/store"
)

// thief is everything that a disk holds, as who has its storage key reads it.
type thief struct {
	w       *intaketest.World
	records []store.Record
}

func disk(w *intaketest.World) *thief {
	w.T.Helper()
	d := &thief{w: w}
	for _, b := range intake.Buckets() {
		for r, err := range w.Store.All(b.Name) {
			if err != nil {
				w.T.Fatal(err)
			}
			d.records = append(d.records, r)
		}
	}
	return d
}

// opens looks everywhere for what a code makes use of: the share of a reply key whose drop is known, and a
// sealed state.
func (d *thief) opens(src *crypto.Source) (keys, states int) {
	drops := map[crypto.Drop]bool{}
	for _, r := range d.records {
		for at := range r.Value[:max(0, len(r.Value)-15)] {
			drops[crypto.Drop(r.Value[at:])] = true
		}
	}
	for _, r := range d.records {
		for at := 0; at+32 <= len(r.Value) && at < 128; at += 4 {
			if drops[crypto.DropOf(src.ReplyIdentity([32]byte(r.Value[at:])).Recipient())] {
				keys++
			}
		}
		for at := 0; at+intake.StateBox <= len(r.Value); at++ {
			if _, err := src.OpenState(r.Value[at : at+intake.StateBox]); err == nil {
				states++
			}
		}
	}
	return keys, states
}

// items opens every item that anything on the disk names, wherever the name stands.
func (d *thief) items(ids ...*crypto.Identity) (opened int) {
	d.w.T.Helper()
	seen := map[store.ItemID]bool{}
	try := func(b []byte) {
		for at := 0; at+32 <= len(b); at++ {
			id := store.ItemID(b[at:])
			if seen[id] {
				continue
			}
			seen[id] = true
			it, err := d.w.Store.OpenItem(id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				d.w.T.Fatal(err)
			}
			if _, err := crypto.Open(io.NewSectionReader(it, 0, it.Size()), ids...); err == nil {
				opened++
			}
		}
	}
	for _, r := range d.records {
		try(r.Key)
		if len(r.Value) <= 2048 { // not a mailbox: it names no item, and has no room to
			try(r.Value)
		}
	}
	return opened
}

// After everything was erased, and a night, nobody's key opens anything of the case: not with the code, not with a reader's keys, not
// with the key of replies that was derived before, anywhere on the disk or in a batch.
func TestEraseAllLeavesNothingToOpen(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, roomy)
	code, report := reported(w, "ombuds")
	x := w.Submit(code, "more, and files", "ombuds")
	for _, size := range []int{10, 300_000} {
		if err := x.AddFile(ctx, "f", "", bytes.NewReader(make([]byte, size))); err != nil {
			t.Fatal(err)
		}
	}
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "leave tonight, use the north gate")))
	n := w.Release(crypto.LaneRegular)
	w.Submit(code, "not released yet", "ombuds")
	w.Read(code)
	src := w.Source(code)
	var reply *crypto.Identity
	for r, err := range w.Store.All("mailbox") {
		if err != nil {
			t.Fatal(err)
		}
		if id := src.ReplyIdentity([32]byte(r.Value)); crypto.DropOf(id.Recipient()) == crypto.DropOf(report.ReplyTo) {
			reply = id
		}
	}
	reader := w.Holders["ombuds"].Identity(crypto.MonthOf(w.Now()))
	if reply == nil {
		t.Fatal("the reply key was not found where it is")
	}
	if keys, states := disk(w).opens(src); keys != 1 || states != 1 || disk(w).items(reply) != 1 || disk(w).items(reader) == 0 {
		t.Fatalf("the search misses what is there: %d keys, %d states", keys, states)
	}
	if err := w.Enter(code).EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	w.Night()
	d := disk(w)
	if keys, states := d.opens(src); keys != 0 || states != 0 {
		t.Errorf("the code opens %d keys and %d states", keys, states)
	}
	if got := d.items(reply); got != 0 {
		t.Errorf("the reply key opens %d items", got)
	}
	if got := d.items(reader); got != 1 { // the readers' own copy of the reply
		t.Errorf("a reader opens %d items", got)
	}
	for number := uint64(1); number <= n; number++ {
		for v, f := range w.Fetch("ombuds", number) {
			for i, e := range f.Entries {
				if v == 0 && !bytes.HasPrefix(e, []byte("age-encryption.org/v1\n")) {
					t.Errorf("batch %d: entry %d can be told from cover", number, i)
				}
				if _, err := crypto.Open(bytes.NewReader(e), reply); err == nil {
					t.Errorf("batch %d: entry %d opens with the reply key", number, i)
				}
			}
			for _, o := range f.Opened {
				if o.Meta.Kind != crypto.KindReply {
					t.Errorf("batch %d: a message of kind %d still opens", number, o.Meta.Kind)
				}
			}
		}
	}
}

// What was erased before the release is replaced by cover in its batch.
func TestEraseBeforeRelease(t *testing.T) {
	w := intaketest.New(t)
	code := crypto.NewCode()
	x := w.Submit(code, "never mind", "ombuds")
	if err := x.AddFile(context.Background(), "big", "", bytes.NewReader(make([]byte, 1<<20))); err != nil {
		t.Fatal(err)
	}
	if err := w.Enter(code).EraseAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := w.Fetch("ombuds", w.Release(crypto.LaneRegular))
	if len(got) != 1 || len(got[0].Entries) != 8 || len(got[0].Opened) != 0 {
		t.Errorf("batch after erasing everything: %+v", got)
	}
	if err := x.AddFile(context.Background(), "late", "", bytes.NewReader([]byte("late"))); !errors.Is(err, intake.ErrGone) {
		t.Errorf("a file after everything was erased: %v, want ErrGone", err)
	}
}

// A session that saw an unused code erases what another request sent meanwhile.
func TestEraseAllOnAStaleView(t *testing.T) {
	w := intaketest.New(t)
	code := crypto.NewCode()
	stale := w.Enter(code)
	w.Submit(code, "x", "ombuds")
	if err := stale.EraseAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := w.Waiting(crypto.LaneRegular); n != 0 {
		t.Errorf("still queued: %d", n)
	}
	u, err := w.Service.Usage()
	if err != nil || u.Records["mailbox"] != intake.Neighbours || u.Records["drop"] != 0 {
		t.Errorf("left behind: %v, %v", u.Records, err)
	}
}

var errKilled = errors.New("killed")

// A crash between any two commits of erasing everything, of releasing and of a night loses nothing that was acknowledged, and
// lets nothing live that was erased.
func TestKilledBetweenSteps(t *testing.T) {
	ctx := context.Background()
	const kept, own = 12, 110
	for _, what := range []string{"erase", "release", "night"} {
		t.Run(what, func(t *testing.T) {
			w := intaketest.New(t, roomy)
			before, err := w.Service.Usage()
			if err != nil {
				t.Fatal(err)
			}
			keep, gone := crypto.NewCode(), crypto.NewCode()
			report := func() *crypto.Read { // both wrote; some of it is out
				for i := range kept {
					w.Submit(keep, fmt.Sprint("keep ", i), "ombuds")
				}
				for i := range own / 2 {
					w.Submit(gone, fmt.Sprint("gone ", i), "ombuds")
				}
				n := w.Release(crypto.LaneRegular)
				for i := range own / 2 {
					w.Submit(gone, fmt.Sprint("gone later ", i), "ombuds")
				}
				for _, o := range w.Messages("ombuds", n) {
					if o.Source.Equal(w.Source(gone).Signing.Public()) {
						return o.Read
					}
				}
				t.Fatal("nothing came")
				return nil
			}()
			for range 12 {
				w.Deliver(w.Bundle(w.Reply("ombuds", report, "a"), w.Reply("ombuds", report, "b"), w.Reply("ombuds", report, "c"), w.Reply("ombuds", report, "d")))
			}
			do := func() error { return w.Enter(gone).EraseAll(ctx) }
			if what != "erase" {
				if err := do(); err != nil {
					t.Fatal(err)
				}
			}
			switch what {
			case "release":
				do = func() error { _, err := w.Service.Release(ctx, crypto.LaneRegular); return err }
			case "night":
				do = func() error { return w.Service.Maintain(ctx, true) }
			}
			commits, started := 0, false
			for at := 0; ; at++ { // killed before commit number at, again and again
				if at%5 == 4 { // another life goes on where this one was killed
					w.Restart()
				}
				commits = 0
				w.Service.Watch(func(ops []store.Op) error {
					if len(ops) > 100 {
						t.Errorf("a commit of %d operations", len(ops))
					}
					if commits++; commits > at%7 && at < 60 {
						return errKilled
					}
					return nil
				})
				err := do()
				if err == nil {
					break
				}
				if !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				started = true
			}
			if !started {
				t.Fatal("nothing was killed")
			}
			w.Restart()
			if got := w.Inbox(gone); len(got) != 0 {
				t.Errorf("%d replies outlived their erasure", len(got))
			}
			w.Night()
			var texts []string
			for n := uint64(1); ; n++ {
				list, err := w.Service.Batches()
				if err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(list, func(b intake.BatchInfo) bool { return b.Number == n }) {
					if w.Waiting(crypto.LaneRegular) == 0 {
						break
					}
					w.Release(crypto.LaneRegular)
				}
				for _, o := range w.Messages("ombuds", n) {
					if o.Text != "" && o.Meta.Kind != crypto.KindReply {
						texts = append(texts, o.Text)
					}
				}
			}
			slices.Sort(texts)
			var want []string
			for i := range kept {
				want = append(want, fmt.Sprint("keep ", i))
			}
			slices.Sort(want)
			if !slices.Equal(texts, want) {
				t.Errorf("batches hold %q, want %q", texts, want)
			}
			if got := len(w.Enter(keep).Choice()); got != 1 {
				t.Errorf("the other code has %d bodies ticked", got)
			}
			u, err := w.Service.Usage()
			if err != nil || u.Records["mailbox"] != intake.Neighbours+1 || u.Records["drop"] != 1 ||
				u.Records["reply"]+u.Records["erasing"]+u.Records["exchange"]+u.Records["out"] != 0 {
				t.Errorf("left behind: %v, %v", u.Records, err)
			}
			// When all batches have ended nothing is in use: every item was an entry of one.
			w.Advance(62 * 24 * time.Hour)
			w.Night()
			if u, err = w.Service.Usage(); err != nil || u.Used-before.Used >= int64(intake.SmallCell(8)) {
				t.Errorf("%d bytes in use when all ended, %d before all: %v", u.Used, before.Used, err)
			}
		})
	}
}
