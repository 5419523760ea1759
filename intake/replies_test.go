package intake_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/intake"
	"postern/intake/intaketest"
)

func sha(b []byte) [32]byte { return sha256.Sum256(b) }

// reported is a code in use, and its report as readers have it.
func reported(w *intaketest.World, bodies ...string) (crypto.Code, *crypto.Read) {
	w.T.Helper()
	code := crypto.NewCode()
	w.Submit(code, "what happened", bodies...)
	list := w.Messages(bodies[0], w.Release(crypto.LaneRegular))
	i := slices.IndexFunc(list, func(o intaketest.Opened) bool { return o.Source.Equal(w.Source(code).Signing.Public()) })
	if i < 0 {
		w.T.Fatal("the report did not arrive")
	}
	return code, list[i].Read
}

// A chosen reviewer's rubbish, first or last, as much as a bundle holds and again, removes nobody's reply.
func TestRubbishRemovesNothing(t *testing.T) {
	w := intaketest.New(t, roomy)
	code, report := reported(w, "ombuds", "press")
	drop := crypto.DropOf(report.ReplyTo)
	flood := func() {
		for range 12 {
			w.Deliver(w.Bundle(w.Rubbish(drop), w.Rubbish(drop), w.Rubbish(drop), w.Rubbish(drop)))
		}
	}
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "leave tonight")))
	flood()
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "leave tonight, second try")))
	flood()
	texts, pages := map[string]bool{}, 0
	for more := 1; more > 0; pages++ {
		var list []intake.ReplySummary
		var err error
		if list, more, err = w.Enter(code).Inbox(context.Background(), pages); err != nil {
			t.Fatal(err)
		}
		if len(list) > intake.PageReplies {
			t.Errorf("%d replies on one page", len(list))
		}
		for _, l := range list {
			r, err := w.Enter(code).Reply(context.Background(), l.Number)
			if err != nil {
				t.Fatal(err)
			}
			if texts[r.Text] = true; r.Text == "" && (r.Standing != crypto.SignerUnknown || l.Day != 0) {
				t.Errorf("rubbish reads as %+v", r)
			}
		}
	}
	if !texts["leave tonight"] || !texts["leave tonight, second try"] || len(texts) != 3 || pages != 3 {
		t.Errorf("the source reads %v on %d pages", texts, pages)
	}
}

// What somebody handed in before under the same id, with other content, makes no repeat of an honest bundle.
func TestBundlesAreToldByContent(t *testing.T) {
	w := intaketest.New(t)
	code, report := reported(w, "ombuds")
	id := crypto.BundleID(intaketest.NewForm())
	bundle := func(e ...crypto.BundleEntry) []byte {
		var b bytes.Buffer
		if err := crypto.WriteBundle(&b, w.Dir.Policy, w.Dir.Transfer, crypto.Bundle{ID: id}, e); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	w.Deliver(bundle())
	w.Deliver(bundle(w.Reply("ombuds", report, "URGENT")))
	if got := w.Texts(code); !slices.Equal(got, []string{"URGENT"}) {
		t.Errorf("the source reads %q", got)
	}
}

// The same file in two bundles is one reply; and what a bundle brought once, it brings once.
func TestSameBytesAreOne(t *testing.T) {
	w := intaketest.New(t, roomy)
	code, report := reported(w, "ombuds")
	e := w.Reply("ombuds", report, "once")
	source, err := io.ReadAll(e.Source.Data)
	if err != nil {
		t.Fatal(err)
	}
	readers, err := io.ReadAll(e.Readers.Data)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		e.Source.Data, e.Readers.Data = bytes.NewReader(source), bytes.NewReader(readers)
		w.Deliver(w.Bundle(e))
	}
	if got := w.Inbox(code); len(got) != 1 {
		t.Errorf("%d replies", len(got))
	}
}

// Replies stand in the order of their writing, whatever order they came in.
func TestInboxInOrder(t *testing.T) {
	r := seedtest.Set(t)
	w := intaketest.New(t, roomy)
	code, report := reported(w, "ombuds", "audit")
	var list []crypto.BundleEntry
	var want []string
	var days []crypto.Day
	for i := range 10 {
		if i%3 == 0 {
			w.Advance(24 * time.Hour)
		}
		want = append(want, fmt.Sprint("reply ", i))
		days = append(days, crypto.DayOf(w.Now()))
		list = append(list, w.Reply([]string{"ombuds", "audit"}[i%2], report, want[i]))
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for group := range slices.Chunk(list, 3) {
		w.Deliver(w.Bundle(group...))
	}
	for i, l := range w.Inbox(code) {
		if !l.New || l.Day != days[i] || l.Body != []string{"ombuds", "audit"}[i%2] {
			t.Errorf("line %d: %+v", i, l)
		}
	}
	if got := w.Texts(code); !slices.Equal(got, want) {
		t.Errorf("in the order\n%q, want\n%q", got, want)
	}
	for i, l := range w.Inbox(code) {
		if l.New {
			t.Errorf("line %d was opened and counts as new", i)
		}
	}
	// One with a file is listed without being read to its end.
	w.Advance(24 * time.Hour)
	w.Deliver(w.Bundle(w.Reply("audit", report, "with a file", make([]byte, 100_000))))
	l := w.Inbox(code)[10]
	if !l.New || l.Day != crypto.DayOf(w.Now()) || l.Size <= int64(intake.SmallCell(8)) {
		t.Errorf("a large reply: %+v", l)
	}
}

// resealed is the entry of a signed container that a fellow reader seals to the source again.
func resealed(t *testing.T, w *intaketest.World, body string, number uint64, to *crypto.Read) crypto.BundleEntry {
	t.Helper()
	for _, f := range w.Fetch("", number) {
		for _, e := range f.Entries {
			plain, err := crypto.Open(bytes.NewReader(e), w.Holders[body].Identity(crypto.MonthOf(w.Now())))
			if err != nil {
				continue
			}
			box, err := io.ReadAll(plain)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := crypto.ReadMessage(bytes.NewReader(box), nil); err != nil || m.Meta.Kind != crypto.KindReply {
				continue
			}
			return w.Sealed(to, crypto.DropOf(to.ReplyTo), box)
		}
	}
	t.Fatal("nothing to seal again")
	return crypto.BundleEntry{}
}

// A fellow reader seals an old reply again, after the source read it: it does not come back as news,
// however long ago that was.
func TestOldRepliesDoNotReturn(t *testing.T) {
	ctx := context.Background()
	for name, file := range map[string][]byte{"words": nil, "files": make([]byte, 100_000)} {
		t.Run(name, func(t *testing.T) {
			w := intaketest.New(t, roomy)
			code, report := reported(w, "ombuds", "press")
			entry := func(text string) crypto.BundleEntry {
				if file == nil {
					return w.Reply("ombuds", report, text)
				}
				return w.Reply("ombuds", report, text, file)
			}
			w.Deliver(w.Bundle(entry("come on Monday")))
			w.Advance(24 * time.Hour)
			n := w.Release(crypto.LaneRegular)
			first := w.Read(code)[0]
			again := func() {
				t.Helper()
				before := len(w.Inbox(code))
				w.Deliver(w.Bundle(resealed(t, w, "press", n, report)))
				for _, l := range w.Inbox(code) {
					if r, err := w.Enter(code).Reply(ctx, l.Number); err == nil && r.Text == "come on Monday" && r.ID != first.ID {
						t.Error("an old reply came back")
					} else if err != nil && !errors.Is(err, intake.ErrNoReply) {
						t.Fatal(err)
					}
				}
				if got := w.Inbox(code); len(got) != before {
					t.Errorf("%d replies, want %d", len(got), before)
				}
				u, err := w.Service.Usage()
				if err != nil || u.Records["reply"] != before {
					t.Errorf("kept: %v, %v", u.Records, err)
				}
			}
			again()
			for range crypto.MaxReceipts/crypto.BundleEntries + 1 { // the receipt is gone
				w.Deliver(w.Bundle(entry("more"), entry("more"), entry("more"), entry("more")))
			}
			w.Read(code)
			again()
			if list := w.Inbox(code); len(list) != crypto.MaxReceipts+crypto.BundleEntries+1 || list[0].New { // what was read stays to be read again
				t.Errorf("%d replies wait, the first %+v", len(list), list[0])
			}
			if err := w.Enter(code).Erase(ctx, first.Number, first.ID); err != nil {
				t.Fatal(err)
			}
			again()
		})
	}
}

// A reply to somebody else, sealed to this source, is nobody's.
func TestReplayedReply(t *testing.T) {
	w := intaketest.New(t, roomy)
	_, other := reported(w, "ombuds", "audit")
	code, report := reported(w, "ombuds", "audit")
	w.Deliver(w.Bundle(w.Reply("ombuds", other, "come on Monday")))
	w.Deliver(w.Bundle(resealed(t, w, "audit", w.Release(crypto.LaneRegular), report)))
	list := w.Read(code)
	if len(list) != 1 || list[0].Standing != crypto.SignerUnknown || list[0].Text != "" || list[0].Body != "" {
		t.Fatalf("another's reply: %+v", list)
	}
	if err := w.Enter(code).Erase(context.Background(), list[0].Number, list[0].ID); err != nil {
		t.Errorf("erasing it: %v", err)
	}
}

// A stranger's signature shows no words, a withdrawn one is shown as what it is.
func TestWithdrawnAndUnknownSigners(t *testing.T) {
	w := intaketest.New(t, roomy)
	code, report := reported(w, "ombuds", "audit")
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "before")))
	key := w.Holders["audit"].Key
	w.Holders["audit"].Key = ed25519.NewKeyFromSeed(make([]byte, 32))
	w.Deliver(w.Bundle(w.Reply("audit", report, "trust me")))
	w.Holders["audit"].Key = key
	w.Change(func(d *crypto.Directory) {
		h := &d.Bodies[0].Holders[0]
		h.Status, h.Since, h.Epochs, h.EpochsSignature = crypto.StatusRevoked, d.Version, nil, nil
	})
	got := map[crypto.SignerStanding]string{}
	for _, r := range w.Read(code) {
		got[r.Standing] = r.Body + ":" + r.Text
	}
	if got[crypto.SignerUnknown] != ":" || got[crypto.SignerWithdrawn] != "ombuds:before" {
		t.Errorf("%v", got)
	}
	if c := w.Enter(code).Choice(); !slices.Equal(c, []string{"audit"}) {
		t.Errorf("ticked after a body was revoked: %v", c)
	}
}

// Erasing and looking at random, at two codes, against what should be there.
func TestInboxAtRandom(t *testing.T) {
	ctx := context.Background()
	r := seedtest.Set(t)
	w := intaketest.New(t, roomy)
	code, report := reported(w, "ombuds")
	type want struct {
		text string
		new  bool
	}
	var model []want
	pick := func() (int, intake.ReplySummary, bool) {
		list := w.Inbox(code)
		if len(list) != len(model) {
			t.Fatalf("%d replies, want %v", len(list), model)
		}
		for i, l := range list {
			if l.New != model[i].new {
				t.Fatalf("line %d: new is %v, want %v", i, l.New, model)
			}
		}
		if len(list) == 0 {
			return 0, intake.ReplySummary{}, false
		}
		i := r.IntN(len(list))
		return i, list[i], true
	}
	for n := range 60 {
		switch k := r.IntN(5); {
		case k < 2 && len(model) < intake.PageReplies:
			text := fmt.Sprint("reply ", n)
			w.Deliver(w.Bundle(w.Reply("ombuds", report, text)))
			model = append(model, want{text, true})
		case k < 4:
			if i, l, ok := pick(); ok {
				got, err := w.Enter(code).Reply(ctx, l.Number)
				if err != nil || got.Text != model[i].text {
					t.Fatalf("reply %d: %+v, %v, want %q", i, got, err, model[i].text)
				}
				model[i].new = false
			}
		default:
			if i, l, ok := pick(); ok {
				if err := w.Enter(code).Erase(ctx, l.Number, l.ID); err != nil {
					t.Fatal(err)
				}
				model = slices.Delete(model, i, i+1)
			}
		}
	}
	pick()
}
