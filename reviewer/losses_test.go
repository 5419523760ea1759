package reviewer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/crypto"
	"postern/reviewer/reviewertest"
	"postern/store/durable"
)

// failSyncs makes every sync of a folder from the n-th on fail, until the test ends.
func failSyncs(t *testing.T, n int) {
	t.Helper()
	durable.Fsync = func(f *os.File) error {
		if n--; n < 0 {
			return syscall.EIO
		}
		return f.Sync()
	}
	t.Cleanup(func() { durable.Fsync = (*os.File).Sync })
}

// What a change refers to stays, whatever fails: before the change is written the vault is as it
// was; after it nobody knows what the disk has, so the desk takes nothing more, and the next start
// finds a vault that is whole.
func TestNothingCommittedIsRemoved(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "important", nil, "ombuds"))(t)))
	v := w.desks["anna"]
	before := packs(t, v)
	p := must(v.PlanReply(w.only("anna"), w.today()))(t)
	// The folder of packs is synced, then the log.
	failSyncs(t, 0)
	if _, err := v.Reply(p, Draft{Text: "never sealed"}); !errors.Is(err, syscall.EIO) || packs(t, v) != before {
		t.Errorf("%v, %d packs, want %d", err, packs(t, v), before)
	}
	failSyncs(t, 1)
	if _, err := v.Reply(p, Draft{Text: "an answer"}); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "open the vault again") {
		t.Errorf("%v", err)
	}
	failSyncs(t, 1<<30)
	if _, err := v.Reply(p, Draft{Text: "too late"}); !errors.Is(err, syscall.EIO) {
		t.Errorf("after a sync failed: %v", err)
	}
	var text bytes.Buffer
	check(t, w.reopen("anna").WriteCase(&text, w.only("anna")))
	for want, is := range map[string]bool{"important": true, "an answer": true, "never sealed": false, "too late": false} {
		if strings.Contains(text.String(), want) != is {
			t.Errorf("%q is there: %v\n%s", want, !is, text.String())
		}
	}
	if n := packs(t, w.desks["anna"]); n != before+3 {
		t.Errorf("%d packs, want %d", n, before+3)
	}
}

// A pack that is lost costs its own messages and nothing else; their batch brings them back.
func TestLostPack(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	first := w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "the first", nil, "ombuds"))(t))
	w.imports("anna", first)
	w.reply("anna", w.only("anna"), "an answer")
	entries := w.delivered(w.export("anna"))
	var sealed [][]byte
	for _, e := range entries {
		sealed = append(sealed, e.Readers)
	}
	w.imports("anna", w.release(2, sealed...))
	v := w.desks["anna"]
	for _, m := range v.state.messages.all() {
		lost := m.Blob.Pack
		if m.Own != nil {
			lost = m.Own.Wire.Readers.Pack
		}
		check(t, os.Remove(filepath.Join(v.vault.Dir(), "packs", lost)))
	}
	w.now = w.now.AddDate(0, 0, handInDays+2)
	last := w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "the last", nil, "ombuds"))(t))
	must(v.Import(bytes.NewReader(last), ImportOptions{ClockOK: func(Clock) bool { return true }}))(t)
	v = w.reopen("anna")
	shown := func() string {
		var text bytes.Buffer
		check(t, v.WriteCase(&text, w.only("anna")))
		return text.String()
	}
	if s := shown(); !strings.Contains(s, "[1] Report, from the source, 2026-11-24: unreadable") ||
		!strings.Contains(s, "│ an answer") || !strings.Contains(s, "│ the last") {
		t.Errorf("after a pack was lost:\n%s", s)
	}
	if r := w.imports("anna", first); r.New != 0 || r.Known != 1 || r.Mended != 1 {
		t.Errorf("the batch again: %+v", r)
	}
	v = w.reopen("anna")
	if s := shown(); !strings.Contains(s, "│ the first") || strings.Contains(s, "unreadable") {
		t.Errorf("after the batch was imported again:\n%s", s)
	}
}

// A holder who was away for longer than the server keeps batches is told what passed meanwhile.
func TestMissingAfterAbsence(t *testing.T) {
	for _, days := range []int{61, 300} {
		w := newWorld(t)
		yes := ImportOptions{ClockOK: func(Clock) bool { return true }}
		v := w.desks["anna"]
		for range 3 {
			w.imports("anna", w.release(1))
		}
		w.server.Batch = 200
		w.now = w.now.AddDate(0, 0, days)
		for range 2 { // the first prunes, the second counts from what is left
			must(v.Import(bytes.NewReader(w.release(1)), yes))(t)
			if m := v.Missing(); !slices.Equal(m, []string{"batches 4 to 199"}) {
				t.Errorf("%d days away: %v", days, m)
			}
		}
		// What no server keeps any more is not asked for.
		w.now = w.now.AddDate(0, 0, 61)
		must(v.Import(bytes.NewReader(w.release(1)), yes))(t)
		if m := v.Missing(); len(m) != 0 {
			t.Errorf("%d days and 61 later: %v", days, m)
		}
	}
}

// Whatever numbers batches have, what is missing makes a few lines, and none of them hides the others.
func TestMissingIsShort(t *testing.T) {
	w := newWorld(t)
	w.server.Batch = 3
	if r := w.imports("anna", w.release(1)); !slices.Equal(r.Missing, []string{"batches 1 to 2"}) {
		t.Errorf("before the first: %v", r.Missing)
	}
	w.server.Batch = 1 << 62
	w.imports("anna", must(w.server.Release(w.today()-100, 1))(t))
	w.server.Batch = 1 << 63
	many := make([][][]byte, 100)
	volumes := must(w.server.ReleaseVolumes(w.today(), many...))(t)
	r := w.imports("anna", volumes[39])
	want := []string{
		"batch 9223372036854775808 volumes 1 to 39", "batch 9223372036854775808 volumes 41 to 100",
		"batches 1 to 2", "batches 4 to 9223372036854775807",
	}
	if !slices.Equal(r.Missing, want) {
		t.Errorf("missing %q, want %q", r.Missing, want)
	}
}

// A month's keys stay while the server may offer a batch of it.
func TestAdvanceKeepsOfferedMonths(t *testing.T) {
	w := newWorld(t)
	v := w.desks["anna"]
	november := crypto.MonthOf(w.now)
	yes := ImportOptions{ClockOK: func(Clock) bool { return true }}
	for _, c := range []struct {
		day  time.Time
		want crypto.Month
	}{
		{time.Date(2027, 1, 1, 9, 0, 0, 0, time.UTC), november}, // two calendar months, 32 days
		{time.Date(2027, 1, 29, 9, 0, 0, 0, time.UTC), november},
		{time.Date(2027, 1, 30, 9, 0, 0, 0, time.UTC), november + 1},
	} {
		w.now = c.day
		must(v.Import(bytes.NewReader(w.release(1)), yes))(t)
		if _, next := v.Months(); next != c.want {
			t.Errorf("on %s the keys could begin with %s, want %s", crypto.DayOf(c.day), next, c.want)
		}
	}
}
