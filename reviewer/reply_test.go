package reviewer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postern/crypto"
	"postern/reviewer/reviewertest"
)

// Every desk divides the slots alike: no two bodies, and at first no two
// holders of one body, choose the same; slot 0 comes last.
func TestSlots(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	volume := w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t))
	taken := make(map[int]string)
	for _, h := range []string{"anna", "ben", "cleo"} {
		w.imports(h, volume)
	}
	want := map[string][]int{
		"anna": {4, 8, 12, 2, 6, 10, 14}, // p 0 of 2, holder 0 of 2: even slots, every second first
		"ben":  {2, 6, 10, 14, 4, 8, 12},
		"cleo": {1, 3, 5, 7, 9, 11, 13, 15},
	}
	for _, h := range []string{"anna", "ben", "cleo"} {
		for i, slot := range want[h] {
			p := w.reply(h, w.only(h), fmt.Sprint("reply ", i))
			if p.Slot != slot || p.Shared || p.Left != len(want[h])-1-i {
				t.Fatalf("%s: reply %d takes slot %d with %d left, want %d and %d", h, i, p.Slot, p.Left, slot, len(want[h])-1-i)
			}
			if i < 3 {
				if o, ok := taken[slot]; ok {
					t.Errorf("%s and %s both take slot %d", o, h, slot)
				}
				taken[slot] = h
			}
		}
		p := w.reply(h, w.only(h), "the last place")
		if p.Slot != 0 || !p.Shared || p.Replaces {
			t.Errorf("%s: %+v", h, p)
		}
		if p := must(w.desks[h].PlanReply(w.only(h), w.today()))(t); p.Slot != 0 || !p.Replaces {
			t.Errorf("%s: %+v", h, p)
		}
	}
	// Nine and more replies are more than one bundle, all alike in size.
	bundles := w.export("cleo")
	if len(bundles) != 2 || len(bundles[0]) != len(bundles[1]) {
		t.Errorf("%d bundles", len(bundles))
	}
	if c := w.only("cleo"); c.Waiting != 0 || c.Sent != 9 || c.Left != 0 {
		t.Errorf("%+v", c)
	}
	// The source's next visit brings new places.
	for i := range bundles {
		_, entries, err := w.server.Deliver(bundles[i])
		check(t, err)
		for _, e := range entries {
			_, _, err := src.Receive(e)
			check(t, err)
		}
	}
	src.Refill()
	w.imports("cleo", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "y", nil, "ombuds", "ngo"))(t)))
	if c := w.only("cleo"); c.Left != 8 {
		t.Errorf("after a visit %d places are left, want 8", c.Left)
	}
}

// Property: whatever bodies and slots there are, the places of two bodies are disjoint, and all of
// them together are every slot but 0.
func TestSlotsAreDisjoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "bodies")
		var order []string
		for i := range n {
			order = append(order, fmt.Sprint("b", i))
		}
		var keys []prekey
		for s := range crypto.ReplySlots {
			if rapid.Bool().Draw(t, "free") {
				keys = append(keys, prekey{Slot: byte(s), Drop: []byte{byte(s)}})
			}
		}
		seen := make(map[byte]bool)
		for _, id := range order {
			v := &Vault{keys: &keyFile{Body: id}}
			pl := v.places(&sourceView{order: order, prekeys: keys}, nil)
			for _, k := range pl.free {
				if k.Slot == 0 || seen[k.Slot] {
					t.Fatalf("slot %d belongs to two bodies", k.Slot)
				}
				seen[k.Slot] = true
			}
		}
		for _, k := range keys {
			if k.Slot != 0 && !seen[k.Slot] {
				t.Fatalf("slot %d belongs to nobody", k.Slot)
			}
		}
	})
}

// The latest choice of the source decides, not the union of all it ever made.
func TestLatestChoiceReads(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	say := func(bodies ...string) []byte {
		return must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, bodies...))(t)
	}
	plan := func() *Plan { return must(w.desks["anna"].PlanReply(w.only("anna"), w.today()))(t) }
	w.imports("anna", w.release(2, say("ombuds", "ngo", "inspect")))
	if p := plan(); !slices.Equal(p.Bodies, []string{"ombuds", "ngo", "inspect"}) {
		t.Fatalf("%v", p.Bodies)
	}
	w.imports("anna", w.release(2, say("ombuds", "ngo")))
	if p := plan(); !slices.Equal(p.Bodies, []string{"ombuds", "ngo"}) || p.Narrowed {
		t.Fatalf("%v", p.Bodies)
	}
	// Everything erased, and written again the same day: the counter begins anew.
	src.EraseAll()
	w.imports("anna", w.release(2, say("ombuds", "inspect")))
	if p := plan(); !slices.Equal(p.Bodies, []string{"ombuds"}) || !p.Narrowed {
		t.Errorf("after a new beginning on the same day: %v, narrowed %v", p.Bodies, p.Narrowed)
	}
	// A day later there is no doubt any more.
	w.now = w.now.AddDate(0, 0, 1)
	w.imports("anna", w.release(2, say("ombuds", "inspect")))
	src.EraseAll()
	w.now = w.now.AddDate(0, 0, 1)
	w.imports("anna", w.release(2, say("ombuds", "ngo")))
	if p := plan(); !slices.Equal(p.Bodies, []string{"ombuds", "ngo"}) || p.Narrowed {
		t.Errorf("a new beginning on another day: %v, narrowed %v", p.Bodies, p.Narrowed)
	}
	// Places follow the newest life, too: a reply lands where the source can read it.
	w.reply("anna", w.only("anna"), "hello")
	_, entries, err := w.server.Deliver(w.export("anna")[0])
	check(t, err)
	got := 0
	for _, e := range entries {
		m, _, err := src.Receive(e)
		check(t, err)
		if m != nil {
			got++
		}
	}
	if got != 1 {
		t.Errorf("the source received %d replies, want 1", got)
	}
}

func TestReplyRefusals(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	v := w.desks["anna"]
	p := must(v.PlanReply(w.only("anna"), w.today()))(t)
	for name, d := range map[string]Draft{
		"empty":     {Text: " \n"},
		"too long":  {Text: strings.Repeat("x", crypto.MaxText+1)},
		"not UTF-8": {Text: "a\xff"},
	} {
		before := packs(t, v)
		if _, err := v.Reply(p, d); err == nil {
			t.Errorf("a reply that is %s was sealed", name)
		}
		if packs(t, v) != before || w.only("anna").Waiting != 0 {
			t.Errorf("a refused reply left something")
		}
	}
	if _, err := v.Reply(p, Draft{Text: "x", Files: []Attachment{{Name: "gone", Open: nil}}}); err == nil {
		t.Error("a file that cannot be opened was attached")
	}
	if _, err := v.Export(t.TempDir()); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing to export: %v", err)
	}
	// A vault whose key is not in the directory answers nobody.
	body, _ := w.server.Directory.Body("ombuds")
	body.Holders = slices.DeleteFunc(body.Holders, func(h crypto.Holder) bool { return h.ID == "anna" })
	w.next()
	if _, err := v.PlanReply(w.only("anna"), w.today()); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("not enrolled: %v", err)
	}
}

// A reply of a fellow whose key was withdrawn, of nobody, and of a body the source did not choose are told apart.
func TestStanding(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	volume := w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t))
	w.imports("anna", volume)
	w.imports("cleo", volume)
	w.reply("cleo", w.only("cleo"), "from cleo")
	_, entries, err := w.server.Deliver(w.export("cleo")[0])
	check(t, err)
	var all [][]byte
	for _, e := range entries {
		all = append(all, e.Data)
	}
	stranger := w.desks["dora"].keys.signing() // listed, but of a body the source did not choose
	m := &crypto.Message{
		Meta:    crypto.Meta{Kind: crypto.KindReply, Case: src.Case, Form: reviewertest.NewForm(), DirHash: w.server.Directory.Hash(), Day: w.today()},
		Readers: []string{"ombuds", "ngo"}, Quorum: 1, Text: "from outside", Drop: &crypto.DropRef{},
	}
	all = append(all, must(w.server.Seal(m, stranger, nil))(t))
	m.Text = "from nobody"
	k := newKeyFile("x", "x", 0)
	all = append(all, must(w.server.Seal(m, k.signing(), nil))(t))
	w.imports("anna", w.release(8, all...))

	body, _ := w.server.Directory.Body("ngo")
	body.Holders[0].Status, body.Holders[0].Since, body.Holders[0].Epochs = crypto.StatusRevoked, w.server.Directory.Version+1, nil
	w.next()
	var text bytes.Buffer
	check(t, w.reopen("anna").WriteCase(&text, w.only("anna")))
	for _, want := range []string{
		"signed with a WITHDRAWN key of Body ngo (holder cleo)",
		"from Body inspect (holder dora)", "! This body is not among those the source chose.",
		"signed by NOBODY in the directory",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("not shown: %q in\n%s", want, text.String())
		}
	}
}

// A server restored from a backup has another instance id: the desk says
// which bundles to hand in again, and writes them under their old id.
func TestServerRestored(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	w.reply("anna", w.only("anna"), "lost at sea")
	v := w.desks["anna"]
	b := must(v.Export(t.TempDir()))(t)[0]
	w.server.Instance[0] ^= 1
	w.now = w.now.AddDate(0, 0, 1)
	r := w.imports("anna", w.release(2))
	if !slices.Equal(r.HandIn, []string{b.ID}) {
		t.Fatalf("hand in again: %v, want %s", r.HandIn, b.ID)
	}
	again := must(v.ExportAgain(t.TempDir(), b.ID))(t)
	head, entries, err := w.server.Deliver(must(os.ReadFile(again.Path))(t))
	check(t, err)
	if fmt.Sprintf("%x", head.ID) != b.ID || head.Batches[0].Instance != w.server.Instance {
		t.Errorf("the second copy has id %x", head.ID)
	}
	got := 0
	for _, e := range entries {
		m, _, err := src.Receive(e)
		check(t, err)
		if m != nil && m.Text == "lost at sea" {
			got++
		}
	}
	if got != 1 {
		t.Errorf("%d replies in the second copy", got)
	}
	// Long after its release the sealed copy is given up; the words stay in the case.
	var sealed [][]byte
	for _, e := range entries {
		sealed = append(sealed, e.Data)
	}
	w.imports("anna", w.release(8, sealed...))
	n := packs(t, v)
	w.now = w.now.AddDate(0, 0, handInDays+5)
	must(v.Import(bytes.NewReader(w.release(2)), ImportOptions{ClockOK: func(Clock) bool { return true }}))(t)
	if packs(t, v) != n-2 { // of the reply, and of the dummies beside it
		t.Errorf("%d packs, want %d", packs(t, v), n-2)
	}
	if _, err := v.ExportAgain(t.TempDir(), b.ID); err == nil {
		t.Error("a reply that was given up was exported")
	}
	var text bytes.Buffer
	check(t, w.reopen("anna").WriteCase(&text, w.only("anna")))
	if !strings.Contains(text.String(), "lost at sea") {
		t.Error("the reply's words are gone")
	}
}
