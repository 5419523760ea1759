package intake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/intake/intaketest"
)

// told is the one change of code in the next batch, as a body opens it.
func told(w *intaketest.World, body string) *crypto.Read {
	w.T.Helper()
	var found *crypto.Read
	for _, o := range w.Messages(body, w.Release(crypto.LaneRegular)) {
		if o.Meta.Kind == crypto.KindChange {
			if found != nil {
				w.T.Error("told twice")
			}
			found = o.Read
		}
	}
	if found == nil {
		w.T.Fatalf("%s was told nothing", body)
	}
	return found
}

func wantTexts(w *intaketest.World, c crypto.Code, want ...string) {
	w.T.Helper()
	if got := w.Texts(c); !slices.Equal(got, want) {
		w.T.Errorf("the source reads %q, want %q", got, want)
	}
}

// Everything of a code goes to the next one: what waits, what is on its way,
// what was chosen, what can be erased. The earlier one is as if never used.
func TestChangeCode(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, roomy)
	first, second := crypto.NewCode(), crypto.NewCode()
	x := w.Submit(first, "what happened", "audit", "ombuds")
	if err := x.AddFile(ctx, "large", "", bytes.NewReader(make([]byte, 200_000))); err != nil {
		t.Fatal(err)
	}
	n1 := w.Release(crypto.LaneRegular)
	report := w.Messages("audit", n1)[0].Read
	w.Deliver(w.Bundle(w.Reply("audit", report, "it waits", []byte("file"))))
	onItsWay := w.Bundle(w.Reply("ombuds", report, "to the key that the first code made"))

	y := change(w, first, second)
	empty(w, first)
	if got, want := y.Choice(), []string{"ombuds", "audit"}; !slices.Equal(got, want) {
		t.Errorf("ticked: %v, want %v", got, want)
	}
	r := w.Read(second)[0]
	if r.Text != "it waits" || r.Body != "audit" || len(r.Files) != 1 || r.Standing != crypto.SignerGood {
		t.Errorf("reply %+v", r)
	}
	var z bytes.Buffer
	if err := w.Enter(second).WriteFiles(ctx, r, &z); err != nil || int64(z.Len()) != r.FilesSize() {
		t.Errorf("files: %v", err)
	}
	w.Deliver(onItsWay)
	wantTexts(w, second, "it waits", "to the key that the first code made")
	empty(w, first)

	// Readers are told, nobody else, and with a key that reaches the new code.
	old, now := w.Source(first), w.Source(second)
	m := told(w, "audit")
	if !m.Source.Equal(now.Signing.Public()) || m.Meta.Case != now.Case || m.Succeeds == nil || m.Succeeds.Case() != old.Case || m.Life != report.Life ||
		m.Succeeds.Day != crypto.DayOf(w.Now()) || !slices.Equal(m.Readers, report.Readers) || crypto.DropOf(m.ReplyTo) == crypto.DropOf(report.ReplyTo) {
		t.Fatalf("readers are told %+v", m.Message)
	}
	if got := w.Messages("press", 2); len(got) != 0 {
		t.Error("a body that was never ticked was told")
	}
	w.Deliver(w.Bundle(w.Reply("ombuds", m, "to the new case")))
	w.Submit(second, "more", "audit")
	if got := w.Messages("audit", w.Release(crypto.LaneRegular)); !slices.ContainsFunc(got, func(got intaketest.Opened) bool {
		return got.Text == "more" && got.Succeeds != nil && got.Succeeds.Case() == old.Case && got.Meta.Counter > m.Meta.Counter && got.Meta.Kind == crypto.KindFollowUp
	}) {
		t.Error("a later message does not say what came before")
	}
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "still to the old key")))
	wantTexts(w, second, "it waits", "to the key that the first code made", "to the new case", "still to the old key")

	// Erasing everything reaches what the first code sent.
	if err := w.Enter(second).EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	empty(w, second)
	w.Night()
	if got := w.Messages("audit", n1); len(got) != 0 {
		t.Errorf("%d messages of the first code still open", len(got))
	}
	u, err := w.Service.Usage()
	if err != nil || u.Records["mailbox"] != intake.Neighbours || u.Records["drop"]+u.Records["reply"]+u.Records["erasing"]+u.Records["exchange"] != 0 {
		t.Errorf("left behind: %v, %v", u.Records, err)
	}
	w.Release(crypto.LaneRegular)
	w.Submit(second, "a new beginning", "ombuds")
	if m := w.Only("ombuds", w.Release(crypto.LaneRegular)); m.Meta.Kind != crypto.KindReport || m.Succeeds != nil || m.Life == report.Life {
		t.Error("after erasing everything something of before is left")
	}
}

// A reply to the key of any of the sixteen codes before arrives, under the case of whichever announced it.
func TestChangeCodeOften(t *testing.T) {
	w := intaketest.New(t, with(func(o *intake.Options) { o.BatchSize = 16 }))
	codes := []crypto.Code{crypto.NewCode()}
	w.Submit(codes[0], "x", "ombuds")
	announced := []*crypto.Read{w.Only("ombuds", w.Release(crypto.LaneRegular))}
	for i := range 18 {
		codes = append(codes, crypto.NewCode())
		change(w, codes[i], codes[i+1])
		announced = append(announced, told(w, "ombuds"))
	}
	last := codes[18]
	var want []string
	for i, m := range announced {
		text := fmt.Sprint("to code ", i)
		w.Deliver(w.Bundle(w.Reply("ombuds", m, text)))
		if i >= 2 { // the key of the seventeenth code before is gone
			want = append(want, text)
		}
		if i > 0 && m.Succeeds.Case() != w.Source(codes[i-1]).Case {
			t.Errorf("code %d succeeds another", i)
		}
	}
	wantTexts(w, last, want...)
	for _, c := range codes[:18] {
		empty(w, c)
	}
}

// Who has the earlier code and everything that the server keeps after the change opens
// nothing: what the code would need was forgotten, and what replaces it is sealed under the new code (SECURITY.md S-21).
func TestChangedCodeOpensNothing(t *testing.T) {
	w := intaketest.New(t, roomy)
	first, report := reported(w, "ombuds")
	second := crypto.NewCode()
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "hello")))
	opens := func(c crypto.Code) (keys, states int) { return disk(w).opens(w.Source(c)) }
	if keys, states := opens(first); keys != 1 || states != 1 {
		t.Fatalf("before the change the code opens %d keys and %d states", keys, states)
	}
	change(w, first, second)
	if keys, states := opens(first); keys != 0 || states != 0 {
		t.Errorf("after the change the earlier code opens %d keys and %d states", keys, states)
	}
	if keys, states := opens(second); keys != 1 || states != 1 {
		t.Errorf("the new code opens %d keys and %d states", keys, states)
	}
	wantTexts(w, second, "hello")
}

// Two unused codes are two empty inboxes afterwards, and nothing is left that grows.
func TestChangeUnknownCode(t *testing.T) {
	w := intaketest.New(t, roomy)
	usage := func() string {
		u, err := w.Service.Usage()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(u.Records["mailbox"], u.Records["drop"])
	}
	before := usage()
	for range 3 {
		a, b := crypto.NewCode(), crypto.NewCode()
		y := change(w, a, b)
		if list, _, err := y.Inbox(context.Background(), 0); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		empty(w, a)
		empty(w, b)
	}
	if got := w.Messages("ombuds", w.Release(crypto.LaneRegular)); len(got) != 0 {
		t.Error("somebody was told")
	}
	w.Night()
	if after := usage(); after != before {
		t.Errorf("left behind:\n%s\n%s", before, after)
	}
	// What is sent afterwards is a first report.
	y := change(w, crypto.NewCode(), crypto.NewCode())
	if err := y.Submit(context.Background(), intake.Fields{Form: intaketest.NewForm(), Text: "x", Bodies: []string{"ombuds"}}); err != nil {
		t.Fatal(err)
	}
	if m := w.Only("ombuds", w.Release(crypto.LaneRegular)); m.Meta.Kind != crypto.KindReport || m.Succeeds != nil {
		t.Errorf("%+v", m.Message)
	}
}

// The same form sent twice, a change to the code itself, and a change to a code of one's own that is
// in use end nothing.
func TestChangeToACodeInUse(t *testing.T) {
	w := intaketest.New(t, roomy)
	first, report := reported(w, "ombuds")
	second := crypto.NewCode()
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "hello")))
	change(w, first, first)
	wantTexts(w, first, "hello")
	for range 3 {
		change(w, first, second)
		wantTexts(w, second, "hello")
	}
	w.Submit(first, "somebody else's", "ombuds") // who saw the first code
	change(w, first, second)
	wantTexts(w, second, "hello")
	if got := w.Enter(first).Choice(); !slices.Equal(got, []string{"ombuds"}) {
		t.Errorf("what was sent with the earlier code since is gone: %v", got)
	}
	change(w, second, first) // both in use
	wantTexts(w, second, "hello")
}

// Nobody can be told when the directory has expired, nobody who was chosen reads, or no
// room is left: the code changes all the same, and the next message that can be sealed says so.
func TestChangeCodeToldLater(t *testing.T) {
	t.Run("expired", func(t *testing.T) {
		w := intaketest.New(t, roomy)
		first, second := crypto.NewCode(), crypto.NewCode()
		w.Submit(first, "x", "ombuds")
		w.Release(crypto.LaneRegular)
		day := crypto.DayOf(w.Now()) + 310
		w.Advance(310 * 24 * time.Hour)
		change(w, first, second)
		empty(w, first)
		w.Advance(-300 * 24 * time.Hour) // a new directory, or a clock put right
		if got := w.Messages("ombuds", w.Release(crypto.LaneRegular)); len(got) != 0 {
			t.Error("told under a directory that expired")
		}
		w.Submit(second, "y", "ombuds")
		if m := w.Only("ombuds", w.Release(crypto.LaneRegular)); m.Succeeds == nil || m.Succeeds.Day != day {
			t.Errorf("%+v", m.Message)
		}
	})
	t.Run("nobody reads", func(t *testing.T) {
		w := intaketest.New(t, roomy)
		first, second := crypto.NewCode(), crypto.NewCode()
		w.Submit(first, "x", "ombuds")
		w.Release(crypto.LaneRegular)
		w.Change(func(d *crypto.Directory) {
			h := &d.Bodies[0].Holders[0]
			h.Status, h.Since, h.Epochs, h.EpochsSignature = crypto.StatusRevoked, d.Version, nil, nil
		})
		change(w, first, second)
		n := w.Release(crypto.LaneRegular)
		for _, body := range []string{"audit", "press", "ministry"} {
			if got := w.Messages(body, n); len(got) != 0 {
				t.Errorf("%s was told, whom the source did not tick", body)
			}
		}
		w.Submit(second, "to somebody else", "audit")
		if m := w.Only("audit", w.Release(crypto.LaneRegular)); m.Succeeds == nil {
			t.Error("the next message does not say that the code was changed")
		}
	})
	t.Run("full", func(t *testing.T) {
		w := full(t)
		first, second := w.codes[0], crypto.NewCode()
		change(w.World, first, second)
		wantTexts(w.World, second, "hello")
		empty(w.World, first)
		change(w.World, crypto.NewCode(), crypto.NewCode())
	})
}

// Requests with either code, deliveries and changes the other way round at once: nothing is lost,
// nobody waits for ever, and one of the codes has everything.
func TestChangeCodeAtOnce(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, roomy)
	first, report := reported(w, "ombuds")
	second := crypto.NewCode()
	var bundles [][]byte
	for i := range 8 {
		bundles = append(bundles, w.Bundle(w.Reply("ombuds", report, fmt.Sprint("reply ", i))))
	}
	var wg sync.WaitGroup
	enter := func(c crypto.Code, f func(x *intake.Session) error) {
		wg.Go(func() {
			x, err := w.Service.Enter(ctx, c, intake.WorkReport)
			if err == nil {
				err = f(x)
				x.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 8 {
		wg.Go(func() {
			if _, err := w.Service.Deliver(ctx, fmt.Sprint(i), bytes.NewReader(bundles[i])); err != nil {
				t.Error(err)
			}
		})
		enter(first, func(x *intake.Session) error { _, _, err := x.Inbox(ctx, 0); return err })
		enter(second, func(x *intake.Session) error { _, _, err := x.Inbox(ctx, 0); return err })
		from, to := first, second
		if i%4 == 3 {
			from, to = second, first
		}
		enter(from, func(x *intake.Session) error {
			y, err := x.ChangeCode(ctx, to)
			if err == nil {
				y.Close()
			}
			return err
		})
	}
	wg.Wait()
	have := slices.Concat(w.Texts(first), w.Texts(second))
	slices.Sort(have)
	if len(have) != 8 || have[0] != "reply 0" || have[7] != "reply 7" || len(w.Inbox(first))*len(w.Inbox(second)) != 0 {
		t.Errorf("the source reads %q", have)
	}
}

// A file that is still on its way when the code changes is refused and not lost silently.
func TestChangeCodeDuringAnUpload(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, roomy)
	first, second := crypto.NewCode(), crypto.NewCode()
	x := w.Submit(first, "x", "ombuds")
	r, pw := io.Pipe()
	done := make(chan error)
	go func() { done <- x.AddFile(ctx, "late", "", r) }()
	if _, err := pw.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	change(w, first, second)
	if err := pw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, intake.ErrGone) {
		t.Errorf("a file of a code that changed: %v, want ErrGone", err)
	}
	empty(w, first)
}
