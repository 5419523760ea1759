package twoworlds

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/intake"
	"postern/intake/intaketest"
)

// positions are SECURITY.md's adversaries, and where each is looked at: tests of this package, or why there is nothing to compare.
var positions = map[string][]string{
	"Watches the source's network":                           {"TestLeftOut", "the sizes of pages and requests: package web holds one size for all"},
	"Watches the server's network":                           {"TestLeftOut"},
	"Visits the site":                                        {"TestFreshCode"},
	"Takes the database or a backup":                         {"TestVisits", "TestLeftOut", "TestHour"},
	"Takes the disk after an erasure":                        {"TestErasedIsGone"},
	"Rules the server now":                                   {"sees what is typed, by definition"},
	"Operates the server honestly but is asked to hand over": {"TestVisits", "TestHour", "TestHourIsNotStored", "TestErasedIsGone"},
	"Takes a reviewer's online machine or USB stick":         {"TestLeftOut", "TestErasedDayByDay"},
	"Takes the air-gapped machine":                           {"has the keys of that holder: TestNumbers says what a chosen reader sees"},
	"Carries the stick, or keeps the online machine":         {"TestLeftOut", "TestErasedDayByDay"},
	"Is a reviewer who was left out":                         {"TestLeftOut", "TestErasedDayByDay"},
	"Is a reviewer who was chosen":                           {"TestNumbers", "TestNumbersOfADesk"},
	"Is a hostile source":                                    {"wants to break, not to know: package reviewer"},
	"Forces a source":                                        {"TestFreshCode", "TestVisits"},
	"Has the root key":                                       {"acts in the open: package reviewer shows each change"},
	"Comes in ten years with a quantum computer":             {"has the ciphertexts of the others' positions: TestLeftOut"},
}

// TestPositions: every adversary of SECURITY.md is looked at, and no other.
func TestPositions(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(b, []byte("\n## Adversaries"))
	rest, _, _ = bytes.Cut(rest, []byte("\n## "))
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\*\*([^*]+)\.\*\*`).FindAllSubmatch(rest, -1) {
		found[string(m[1])] = true
		if len(positions[string(m[1])]) == 0 {
			t.Errorf("nobody looks from here: %s", m[1])
		}
	}
	for p := range positions {
		if !found[p] {
			t.Errorf("SECURITY.md does not know: %s", p)
		}
	}
	if len(found) < 10 {
		t.Errorf("%d adversaries only were read", len(found))
	}
}

// answered is a report for the ombuds office and audit that was answered.
func (w *world) answered(c crypto.Code, replies int) {
	w.T.Helper()
	w.Submit(c, "what happened", "ombuds", "audit")
	report := w.Only("ombuds", w.Release(crypto.LaneRegular))
	for range replies {
		w.Deliver(w.Bundle(w.Reply("ombuds", report, "an answer")))
	}
	w.Release(crypto.LaneRegular)
}

// TestVisits: secret: whether the code that somebody visits with is in use. The
// thief has the file before and after each step of two visits. (R1, S-4)
func TestVisits(t *testing.T) {
	yes, no := both(t, func(w *world) {
		used, other := fresh(), fresh()
		w.answered(used, 2)
		c := pick(w, used, other)
		var first []string
		for round := range 2 {
			for _, step := range []struct {
				name string
				do   func(x *intake.Session) error
			}{
				{"inbox", func(x *intake.Session) error { _, _, err := x.Inbox(ctx, 0); return err }},
				{"reply", func(x *intake.Session) error { _, err := x.Reply(ctx, 0); return err }},
				{"no such reply", func(x *intake.Session) error { _, err := x.Reply(ctx, 77); return err }},
				{"erase another's", func(x *intake.Session) error { return x.Erase(ctx, 1, intake.ReplyID{}) }},
			} {
				before := w.shoot()
				w.visit(c, step.do)
				list, changed := w.shoot().since(before)
				if first == nil {
					first = changed
				}
				w.see("visit %d, %s: %q; the same record as at first: %v", round, step.name, list, slices.Equal(changed, first))
			}
		}
		w.see("%q", w.shoot().shape())
		w.see("%q", counts(w.opened()))
	})
	same(t, "a thief of the file, before and after a visit", yes.seen, no.seen)
}

// TestErasedIsGone: of what was erased nothing lives on in any record, and what
// is left on the disk opens for nobody: not with the storage key, the code, and every other key. (R1, G6)
func TestErasedIsGone(t *testing.T) {
	seedtest.Set(t)
	w := &world{World: intaketest.New(t)}
	c := fresh()
	w.answered(c, 3)
	w.visit(c, func(x *intake.Session) error { _, err := x.Reply(ctx, 0); return err })
	w.Submit(c, "something more", "audit")
	before, mailboxes := w.opened(), 0
	w.visit(c, func(x *intake.Session) error { return x.EraseAll(ctx) })
	w.Night()
	after := w.opened()
	// Whatever the first held and the others do not: any 16 bytes of it that chance made.
	kept := map[string]bool{}
	for _, list := range after {
		for _, r := range list {
			for _, b := range r {
				for i := 0; i+16 <= len(b); i++ {
					kept[string(b[i:i+16])] = true
				}
			}
		}
	}
	still := map[string]bool{}
	for _, r := range after["mailbox"] {
		still[string(r[0])] = true
	}
	for bucket, list := range before {
		if bucket != "mailbox" && bucket != "reply" && bucket != "drop" {
			continue // what went out is exchanged, and the rest is not a source's
		}
		for _, r := range list {
			if bucket == "mailbox" && still[string(r[0])] {
				continue // a neighbour
			}
			if bucket == "mailbox" {
				mailboxes++
			}
			for i := 0; i+16 <= len(r[1]); i++ {
				if window := r[1][i : i+16]; random(window) && kept[string(window)] {
					t.Errorf("%d bytes into a record of %s that was erased stands what another record still holds", i, bucket)
					break
				}
			}
		}
	}
	if mailboxes != 1 {
		t.Errorf("%d mailboxes were erased", mailboxes)
	}
	src := w.Source(c)
	for bucket, list := range after {
		for _, r := range list {
			for i := 0; i < len(r[1]); i++ {
				if _, err := src.OpenState(r[1][i:]); err == nil {
					t.Errorf("%s holds a state that the code opens", bucket)
				}
				if i+32 > len(r[1]) {
					break
				}
				share := crypto.Key(r[1][i : i+32])
				drop := crypto.DropOf(src.ReplyIdentity(share).Recipient())
				if bytes.Equal(r[0], drop[:]) {
					t.Errorf("%s holds the share of a reply key", bucket)
				}
				if i > 64 {
					break // deriving is dear: shares stand in front
				}
			}
		}
	}
}

// random says whether bytes look drawn: not a run of few values.
func random(b []byte) bool {
	seen := map[byte]bool{}
	for _, x := range b {
		seen[x] = true
	}
	return len(seen) > 10
}

// TestLeftOut: secrets: whether audit was ticked beside the ombuds office;
// whether there was a report at all. Audit, its courier, who watches the server's line, and the
// thief see what is served and what lies there, day by day. (G3)
func TestLeftOut(t *testing.T) {
	for name, report := range map[string]func(w *world, c crypto.Code){
		"ticked": func(w *world, c crypto.Code) {
			w.Submit(c, "what happened", pick(w, []string{"ombuds", "audit"}, []string{"ombuds"})...)
		},
		"ticked, of many": func(w *world, c crypto.Code) {
			w.Submit(c, "what happened", pick(w, []string{"ombuds", "audit", "press", "ministry"}, []string{"press"})...)
		},
		"with a long text": func(w *world, c crypto.Code) {
			w.Submit(c, pick(w, string(bytes.Repeat([]byte("long "), 6000)), "short"), "ombuds")
		},
	} {
		t.Run(name, func(t *testing.T) {
			yes, no := both(t, func(w *world) {
				c := fresh()
				before := w.shoot()
				report(w, c)
				list, _ := w.shoot().since(before)
				w.see("%q", list)
				w.see("%q", w.shoot().shape())
				w.see("%q", counts(w.opened()))
				w.Release(crypto.LaneRegular)
				w.see("%q", w.served())
				w.Night()
				w.see("%q", w.shoot().shape())
			})
			same(t, "a reader who was left out, and a thief", yes.seen, no.seen)
		})
	}
	t.Run("at all", func(t *testing.T) {
		yes, no := both(t, func(w *world) {
			for day := range 3 {
				if w.secret {
					w.Submit(fresh(), "what happened", "ombuds")
				}
				w.Release(crypto.LaneUrgent)
				w.Release(crypto.LaneRegular)
				w.see("day %d: %q", day, w.served())
				w.Advance(24 * time.Hour) // nights are TestErasedDayByDay's
			}
		})
		same(t, "a reader who was left out of all", yes.seen, no.seen)
	})
}

// TestErasedDayByDay: secret: whether the source erased what had gone out. A
// reader who was left out, or who took the courier's stick, fetches everything again and again. (R3, S-26)
func TestErasedDayByDay(t *testing.T) {
	var first [2][]float64
	yes, no := both(t, func(w *world) {
		c := fresh()
		w.Submit(c, "what happened", "ombuds")
		for range 7 { // of 447 covers a night may exchange one in eight: 56, and less than its 16 once in 100 million
			w.Release(crypto.LaneRegular)
		}
		was := w.entries()
		changed := map[int]int{}
		look := func(when string) {
			now := w.entries()
			n := 0
			for i := range now {
				if now[i] != was[i] {
					n++
					changed[i]++
				}
			}
			was = now
			w.see("%s: %d of %d entries are others", when, n, len(now))
		}
		look("the same hour")
		if w.secret {
			w.visit(c, func(x *intake.Session) error { return x.EraseAll(ctx) })
		} else {
			w.visit(fresh(), func(x *intake.Session) error { return x.EraseAll(ctx) })
		}
		look("right after it was erased")
		w.Advance(time.Hour)
		look("an hour later")
		w.Night()
		look("after the night")
		for i, n := range changed {
			if n > 1 {
				w.T.Errorf("entry %d changed %d times", i, n)
			}
			first[pick(w, 1, 0)] = append(first[pick(w, 1, 0)], float64(i%64))
		}
	}, func(s *intaketest.Settings) { s.Options.BatchSize = 64 })
	same(t, "who fetches again and again", yes.seen, no.seen)
	oneDistribution(t, "the places that changed", first[1], first[0], 0)
}

// entries are all that is served, whole.
func (w *world) entries() (all []string) {
	w.T.Helper()
	batches, err := w.Service.Batches()
	w.must(err)
	slices.SortFunc(batches, func(a, b intake.BatchInfo) int { return int(a.Number) - int(b.Number) })
	for _, b := range batches {
		for _, f := range w.Fetch("", b.Number) {
			for _, e := range f.Entries {
				all = append(all, string(e))
			}
		}
	}
	return all
}

// TestHour: secret: at which hour of its day a report came: before or after the
// covers of the hourly lane. The thief has the whole disk and the storage key. (R4, G11)
func TestHour(t *testing.T) {
	const days = 48
	r := seedtest.Set(t)
	w := &world{World: intaketest.New(t, func(s *intaketest.Settings) { s.Fill = 24 << 20 })}
	var place [2][]float64
	for range days {
		early := r.IntN(2)
		var report float64
		var covers []float64
		at := func(do func()) float64 {
			before := w.copy()
			do()
			return middle(before, w.copy())
		}
		send := func() { report = at(func() { w.Submit(fresh(), "what happened", "ombuds") }) }
		if early == 1 {
			send()
		}
		for range 3 {
			w.Advance(time.Hour)
			covers = append(covers, at(func() { w.Release(crypto.LaneUrgent) }))
		}
		if early == 0 {
			send()
		}
		w.Advance(time.Hour)
		w.Release(crypto.LaneRegular)
		w.Advance(20 * time.Hour)
		rank := 0.0
		for _, c := range covers {
			if report > c {
				rank++
			}
		}
		place[early] = append(place[early], rank)
	}
	oneDistribution(t, "the place of a report's cells among those of the day", place[1], place[0], 0)
}

// middle of the changed part of the file of cells, as a share of its length.
func middle(before, after shot) float64 {
	best, at := 0, 0.0
	for name, b := range after.files {
		if name == "records.db" {
			continue
		}
		if list := places(before.files[name], b); len(list) > best {
			best, at = len(list), float64(list[len(list)/2])/float64(len(b)/block+1)
		}
	}
	return at
}

// TestHourIsNotStored: secret: at which of two hours reports came, after the
// morning's batch or before the evening's. The thief has the disk and the storage key, and looks
// at every byte of every record that is the same in all records of its kind. (G11, S-20)
func TestHourIsNotStored(t *testing.T) {
	yes, no := both(t, func(w *world) {
		w.Release(crypto.LaneRegular)
		w.Advance(pick(w, time.Hour, 7*time.Hour))
		for range 8 {
			w.Submit(fresh(), "what happened", "ombuds")
		}
		all := w.opened()
		for _, bucket := range []string{"mailbox", "drop", "out"} {
			list := all[bucket]
			if len(list) < 8 {
				w.T.Fatalf("%d records of %s", len(list), bucket)
			}
			for i := range list[0][1] {
				values := map[byte]bool{}
				for _, r := range list {
					values[r[1][i]] = true
				}
				if len(values) <= 2 { // mailboxes of nobody lie among the others
					w.see("%s, byte %d: %v", bucket, i, slices.Sorted(maps.Keys(values)))
				}
			}
		}
	})
	same(t, "who has the disk and its key", yes.seen, no.seen)
}

// TestNumbers: secret: whether the source also wrote to somebody else, and
// whether another body replied and was read, between two messages that a chosen reader gets.
// It has the whole messages. (R5)
func TestNumbers(t *testing.T) {
	const runs = 120
	seedtest.Set(t)
	for _, secret := range []string{"another message", "a reply"} {
		t.Run(secret, func(t *testing.T) {
			w := &world{World: intaketest.New(t, func(s *intaketest.Settings) { s.Options.BatchSize = 3 })}
			var gap [2][]float64
			var form [2][]string
			for i := range runs {
				w.secret = i%2 == 1
				w.Advance(time.Hour)
				c := fresh()
				w.Submit(c, "what happened", "ombuds", "audit")
				first := w.Messages("ombuds", w.Release(crypto.LaneRegular))[0]
				if w.secret {
					switch secret {
					case "another message":
						w.Submit(c, "for you alone", "audit")
					case "a reply":
						w.Deliver(w.Bundle(w.Reply("audit", first.Read, "an answer")))
						w.visit(c, func(x *intake.Session) error { _, err := x.Reply(ctx, 0); return err })
					}
				}
				w.Submit(c, "and then", "ombuds", "audit")
				for n := 0; n < 2; n++ {
					for _, m := range w.Messages("ombuds", w.Release(crypto.LaneRegular)) {
						if m.Text != "and then" {
							continue
						}
						k := pick(w, 1, 0)
						gap[k] = append(gap[k], float64(m.Meta.Counter-first.Meta.Counter))
						if len(form[k]) == 0 {
							w.seen = nil
							w.see("kind %d, readers %v, the same reply key: %v, the same life: %v, receipts: %d", m.Meta.Kind, m.Readers, m.ReplyTo.String() == first.ReplyTo.String(), m.Life == first.Life, len(m.Receipts))
							form[k] = w.seen
						}
						n = 2
					}
				}
			}
			same(t, "a chosen reader", form[1], form[0])
			// A message more makes a longer gap; steps are so uneven that one gap tells little.
			oneDistribution(t, "the gap between two counters", gap[1], gap[0], 0.4)
		})
	}
}

// TestFreshCode: secret: whether the code that a source hands over was ever
// used, here, before everything of it was erased. Who forces the source has the code, the directory, and what pages show. (R2, G5)
func TestFreshCode(t *testing.T) {
	yes, no := both(t, func(w *world) {
		c, other := fresh(), fresh()
		w.answered(pick(w, c, other), 1)
		w.visit(pick(w, c, other), func(x *intake.Session) error { return x.EraseAll(ctx) })
		var was [2]string
		for range 3 {
			w.visit(c, func(x *intake.Session) error {
				list, more, err := x.Inbox(ctx, 0)
				w.see("%d replies, %d more; ticked %q, chosen %q; the marker stays: %v", len(list), more, x.Choice(), x.Chosen(), was == [2]string{} || x.Marker() == was)
				was = x.Marker()
				return err
			})
		}
	})
	same(t, "who has the code", yes.seen, no.seen)

	// At home there is the code and the directory, and not this instance's secret: the marker there is another.
	c := fresh()
	var markers [][2]string
	for _, w := range []*world{yes, no} {
		w.visit(c, func(x *intake.Session) error {
			markers = append(markers, x.Marker())
			if home := w.Source(c); x.Greeting() != home.Greeting {
				t.Error("the greeting is not the code's alone")
			} else {
				for n := range uint64(3) {
					for _, secret := range []crypto.Key{{}, crypto.Key(w.Dir.Salt)} {
						if x.Marker() == home.Marker(secret, n) {
							t.Errorf("who forces a source computes the marker of a code that was never used")
						}
					}
				}
			}
			return nil
		})
	}
}
