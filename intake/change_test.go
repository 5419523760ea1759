package intake_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/store"
)

// roomy batches take everything that waits: bundles bring eight entries each.
func roomy(o *intake.Options) { o.BatchSize = 64 }

// change changes a code as the page does.
func (w *world) change(from, to crypto.Code) *intake.Session {
	w.t.Helper()
	y, err := w.enter(from).ChangeCode(context.Background(), to)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(y.Close)
	return y
}

func (w *world) source(c crypto.Code) *crypto.Source {
	return crypto.DeriveSource(c, w.dir.Salt, w.dir.KDF)
}

// reads wants a reply of this text in a slot.
func (w *world) reads(c crypto.Code, slot int, text string) *intake.Reply {
	w.t.Helper()
	r, err := w.enter(c).Reply(context.Background(), slot)
	if err != nil || r.Text != text || r.Standing != crypto.SignerGood {
		w.t.Fatalf("slot %d: %+v, %v; want %q", slot, r, err, text)
	}
	return r
}

// empty wants what a code shows that was never used.
func (w *world) empty(c crypto.Code) {
	w.t.Helper()
	x := w.enter(c)
	if list, err := x.Inbox(context.Background()); err != nil || len(list) != 0 {
		w.t.Errorf("inbox %v, %v", list, err)
	}
	if got := x.Choice(); !slices.Equal(got, intake.Defaults(w.dir)) {
		w.t.Errorf("%v is ticked", got)
	}
	src := w.source(c)
	if x.Marker() != src.Marker(0) || x.Greeting() != src.Greeting {
		w.t.Error("marker or greeting of an unused code differ")
	}
}

// told is the one message of new keys in a batch, as a body opens it.
func (w *world) told(body string) *crypto.Read {
	w.t.Helper()
	var found *crypto.Read
	for _, o := range w.fetch(body, w.release(crypto.LaneRegular))[0].opened {
		if o.Meta.Kind == crypto.KindPrekeys {
			if found != nil {
				w.t.Error("told twice")
			}
			found = o.Read
		}
	}
	if found == nil {
		w.t.Fatalf("%s was told nothing", body)
	}
	return found
}

// Everything of a code goes to the next one: what waits, what is on its way,
// what was chosen, what can be erased. The earlier one is as if never used.
func TestChangeCode(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, roomy)
	first, second := crypto.NewCode(), crypto.NewCode()
	x := w.submit(first, "what happened", "audit", "ombuds")
	if err := x.AddFile(ctx, "large", "", bytes.NewReader(make([]byte, 200_000))); err != nil {
		t.Fatal(err)
	}
	n1 := w.release(crypto.LaneRegular)
	report := w.fetch("audit", n1)[0].opened[0].Read
	w.deliver(w.bundle(w.reply("audit", report, 2, "it waits", []byte("file"))))
	onItsWay := w.bundle(w.reply("ombuds", report, 5, "to the key that the first code made"))

	y := w.change(first, second)
	w.empty(first)
	if got, want := y.Choice(), []string{"ombuds", "audit"}; !slices.Equal(got, want) {
		t.Errorf("ticked: %v, want %v", got, want)
	}
	if y.Marker() != w.source(second).Marker(2) { // the text and the file
		t.Error("the marker's counter does not go on")
	}
	r := w.reads(second, 2, "it waits")
	if r.Body != "audit" || len(r.Files) != 1 {
		t.Errorf("reply %+v", r)
	}
	var z bytes.Buffer
	if err := w.enter(second).WriteFiles(ctx, r, &z); err != nil || int64(z.Len()) != r.FilesSize() {
		t.Errorf("files: %v", err)
	}
	w.deliver(onItsWay)
	w.reads(second, 5, "to the key that the first code made")
	w.empty(first)

	// Readers are told, nobody else, and with places that reach the new code.
	old, now := w.source(first), w.source(second)
	told := w.told("audit")
	if !told.Source.Equal(now.Signing.Public()) || told.Meta.Case != now.Case || told.Succeeds == nil || told.Succeeds.Case() != old.Case ||
		told.Succeeds.Day != crypto.DayOf(w.now()) || !slices.Equal(told.Readers, []string{"ombuds", "audit"}) || len(told.Prekeys) != crypto.ReplySlots-1 {
		t.Fatalf("readers are told %+v", told.Message)
	}
	if got := w.fetch("press", 2)[0].opened; len(got) != 0 {
		t.Error("a body that was never ticked was told")
	}
	w.deliver(w.bundle(w.reply("ombuds", told, 6, "to the new case")))
	w.reads(second, 6, "to the new case")

	// A slot that was read and erased is the new code's own.
	if err := w.enter(second).Erase(ctx, 2, r.ID); err != nil {
		t.Fatal(err)
	}
	fresh := w.told("audit")
	if d, err := crypto.DecodeSuccession(fresh.Succeeds.Encode()); err != nil || d.Case() != old.Case {
		t.Errorf("a later message does not say what came before: %v", err)
	}
	w.deliver(w.bundle(w.reply("audit", told, 3, "to a key of before"), w.reply("audit", report, 2, "to a key that was erased")))
	if r, err := w.enter(second).Reply(ctx, 2); !errors.Is(err, intake.ErrNoReply) {
		t.Errorf("a key that was erased took %+v, %v", r, err)
	}
	w.deliver(w.bundle(w.reply("audit", fresh, 2, "to a key of the second code")))
	w.reads(second, 2, "to a key of the second code")

	// Erasing everything reaches what the first code sent.
	if err := w.enter(second).EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	w.empty(second)
	for _, f := range w.fetch("audit", n1) {
		if len(f.opened) != 0 {
			t.Errorf("%d messages of the first code still open", len(f.opened))
		}
	}
	u, err := w.s.Usage()
	if err != nil || u.Records["mailbox"] != 1 || u.Records["drop"] != crypto.ReplySlots { // scratch
		t.Errorf("left behind: %v, %v", u.Records, err)
	}
	w.submit(second, "a new beginning", "ombuds")
	m := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened
	if i := slices.IndexFunc(m, func(o opened) bool { return o.Text == "a new beginning" }); i < 0 || m[i].Meta.Kind != crypto.KindReport || m[i].Succeeds != nil {
		t.Error("after erasing everything something of before is left")
	}
}

// However often the code is changed, a reply to any of its keys arrives, under the case
// of whichever code announced it.
func TestChangeCodeOften(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, roomy)
	codes := []crypto.Code{crypto.NewCode()}
	w.submit(codes[0], "x", "ombuds")
	told := []*crypto.Read{w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read}
	for i := range 6 {
		codes = append(codes, crypto.NewCode())
		w.change(codes[i], codes[i+1])
		told = append(told, w.told("ombuds"))
	}
	last := codes[6]
	for i, m := range told {
		w.deliver(w.bundle(w.reply("ombuds", m, i+1, fmt.Sprint("to code ", i))))
		w.reads(last, i+1, fmt.Sprint("to code ", i))
		if i > 0 && told[i].Succeeds.Case() != w.source(codes[i-1]).Case {
			t.Errorf("code %d succeeds another", i)
		}
	}
	for _, c := range codes[:6] {
		w.empty(c)
	}
	if err := w.enter(last).Submit(ctx, intake.Fields{Form: newForm(), Text: "more", Bodies: []string{"ombuds"}}); err != nil {
		t.Fatal(err)
	}
	m := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened
	i := slices.IndexFunc(m, func(o opened) bool { return o.Meta.Kind == crypto.KindFollowUp })
	if i < 0 || m[i].Meta.Counter <= told[6].Meta.Counter {
		t.Error("the next message does not continue the count")
	}
	// Under another case a reply still counts for its key alone.
	w.holders["ombuds"].key = ed25519.NewKeyFromSeed(make([]byte, 32))
	w.deliver(w.bundle(w.reply("ombuds", told[6], 9, "signed by nobody")))
	if r, err := w.enter(last).Reply(ctx, 9); err != nil || r.Text != "" {
		t.Errorf("a stranger's reply: %+v, %v", r, err)
	}
}

// Who has the earlier code and everything that the server keeps after the change opens
// no slot: what the code would need was forgotten, and what replaces it is sealed under the new code (SECURITY.md S-21).
func TestChangedCodeOpensNothing(t *testing.T) {
	w := newWorld(t, roomy)
	first, second := crypto.NewCode(), crypto.NewCode()
	w.submit(first, "x", "ombuds")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	w.deliver(w.bundle(w.reply("ombuds", report, 1, "hello")))
	src := w.source(first)
	opens := func() (slots int) {
		drops := map[crypto.Drop]bool{}
		for r, err := range w.st.All("drop") {
			if err != nil {
				t.Fatal(err)
			}
			drops[crypto.Drop(r.Key)] = true
		}
		for r, err := range w.st.All("mailbox") {
			if err != nil {
				t.Fatal(err)
			}
			for at := 0; at+32 <= len(r.Value); at++ { // wherever a share may stand
				if at%8 == 0 && drops[crypto.DropOf(src.ReplyIdentity([32]byte(r.Value[at:at+32])).Recipient())] {
					slots++
				}
			}
			if box := r.Value[16*88+6:]; len(box) > 0 {
				if _, err := src.OpenState(box); err == nil {
					slots++
				}
			}
		}
		return slots
	}
	if n := opens(); n != crypto.ReplySlots+1 {
		t.Fatalf("before the change the code opens %d slots and states", n)
	}
	w.change(first, second)
	if n := opens(); n != 0 {
		t.Errorf("after the change the earlier code opens %d slots and states", n)
	}
	src = w.source(second)
	if n := opens(); n != 1 {
		t.Errorf("the new code opens %d states", n)
	}
	w.reads(second, 1, "hello")
}

// shape is what a list of operations writes: kinds, buckets and lengths, without what it only asks.
func shape(ops []store.Op) string {
	var b strings.Builder
	for _, o := range ops {
		if o.Kind != store.KindRequire && o.Kind != store.KindRequireAbsent {
			fmt.Fprintf(&b, "%d %s %d %d %d\n", o.Kind, o.Bucket, len(o.Key), len(o.Value), len(o.Data))
		}
	}
	return b.String()
}

// A code that is in use and one that is not are changed, looked into, read and
// erased from with the same writes (SECURITY.md S-4).
func TestUnknownCodeWritesTheSame(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, roomy)
	var shapes []string
	w.s.Watch(func(ops []store.Op) { shapes = append(shapes, shape(ops)) })
	fill := func(c crypto.Code) {
		w.submit(c, "x", "ombuds")
		m := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened
		report := m[slices.IndexFunc(m, func(o opened) bool { return o.Text == "x" })].Read
		w.deliver(w.bundle(w.reply("ombuds", report, 1, "hello")))
	}
	for name, do := range map[string]func(c crypto.Code) error{
		"inbox": func(c crypto.Code) error { _, err := w.enter(c).Inbox(ctx); return err },
		"reply": func(c crypto.Code) error {
			if _, err := w.enter(c).Reply(ctx, 1); !errors.Is(err, intake.ErrNoReply) {
				return err
			}
			return nil
		},
		"erase": func(c crypto.Code) error {
			if err := w.enter(c).Erase(ctx, 1, intake.ReplyID{}); !errors.Is(err, intake.ErrNoReply) {
				return err
			}
			return nil
		},
		"change": func(c crypto.Code) error {
			to := crypto.NewCode()
			y, err := w.enter(c).ChangeCode(ctx, to)
			if err != nil {
				return err
			}
			defer y.Close()
			w.empty(c) // for both: and its visit is the same, too
			_, err = w.enter(to).Inbox(ctx)
			return err
		},
		"change twice": func(c crypto.Code) error { // of what came over from another code, and announced
			a, b := crypto.NewCode(), crypto.NewCode()
			w.change(c, a)
			_, err := w.enter(a).Inbox(ctx)
			w.change(a, b)
			return err
		},
	} {
		known := crypto.NewCode()
		fill(known)
		shapes = nil
		if err := do(known); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := shapes
		shapes = nil
		if err := do(crypto.NewCode()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(want) == 0 || !slices.Equal(shapes, want) {
			t.Errorf("%s: a code that is in use writes\n%v\none that is not\n%v", name, want, shapes)
		}
	}
}

// Two unused codes are two empty inboxes afterwards, and nothing is left that grows.
func TestChangeUnknownCode(t *testing.T) {
	w := newWorld(t, roomy)
	usage := func() string {
		u, err := w.s.Usage()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(u.Records, u.Used)
	}
	change := func() {
		a, b := crypto.NewCode(), crypto.NewCode()
		y := w.change(a, b)
		if list, err := y.Inbox(context.Background()); err != nil || len(list) != 0 || y.Marker() != w.source(b).Marker(0) {
			t.Errorf("%v, %v", list, err)
		}
		w.empty(a)
		w.empty(b)
	}
	for range 22 { // every scratch place was used once
		change()
	}
	before := usage()
	change()
	if after := usage(); after != before {
		t.Errorf("left behind:\n%s\n%s", before, after)
	}
	if got := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened; len(got) != 0 {
		t.Error("somebody was told")
	}
	// What is sent afterwards is a first report.
	a, b := crypto.NewCode(), crypto.NewCode()
	y := w.change(a, b)
	if err := y.Submit(context.Background(), intake.Fields{Form: newForm(), Text: "x", Bodies: []string{"ombuds"}}); err != nil {
		t.Fatal(err)
	}
	m := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened
	if len(m) != 1 || m[0].Meta.Kind != crypto.KindReport || m[0].Succeeds != nil {
		t.Errorf("%+v", m)
	}
}

// The same form sent twice, a change to the code itself, and a change to a code of one's own that is
// in use end nothing.
func TestChangeToACodeInUse(t *testing.T) {
	w := newWorld(t, roomy)
	first, second := crypto.NewCode(), crypto.NewCode()
	w.submit(first, "x", "ombuds")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	w.deliver(w.bundle(w.reply("ombuds", report, 1, "hello")))
	w.change(first, first)
	w.reads(first, 1, "hello")
	for range 3 {
		if list, err := w.change(first, second).Inbox(context.Background()); err != nil || len(list) != 1 {
			t.Errorf("%v, %v", list, err)
		}
		w.reads(second, 1, "hello")
	}
	w.submit(first, "somebody else's", "ombuds") // who saw the first code
	w.change(first, second)
	w.reads(second, 1, "hello")
	if got := w.enter(first).Choice(); !slices.Equal(got, []string{"ombuds"}) {
		t.Errorf("what was sent with the earlier code since is gone: %v", got)
	}
	w.change(second, first) // both in use
	w.reads(second, 1, "hello")
}

// Nobody can be told when the directory has expired, nobody who was chosen reads, or the
// storage is full: the code changes all the same, and the next message that can be sealed says so.
func TestChangeCodeToldLater(t *testing.T) {
	ctx := context.Background()
	t.Run("expired", func(t *testing.T) {
		w := newWorld(t, roomy)
		first, second := crypto.NewCode(), crypto.NewCode()
		w.submit(first, "x", "ombuds")
		w.release(crypto.LaneRegular)
		day := crypto.DayOf(w.now()) + 310
		w.advance(310 * 24 * time.Hour)
		w.change(first, second)
		w.empty(first)
		if n, err := w.s.Waiting(); err != nil || n[crypto.LaneRegular] != 0 {
			t.Errorf("told under a directory that expired: %v, %v", n, err)
		}
		w.advance(-300 * 24 * time.Hour) // a new directory, or a clock put right
		if _, err := w.enter(second).Inbox(ctx); err != nil {
			t.Fatal(err)
		}
		if m := w.told("ombuds"); m.Succeeds == nil || m.Succeeds.Day != day {
			t.Errorf("%+v", m.Message)
		}
	})
	t.Run("nobody reads", func(t *testing.T) {
		w := newWorld(t, roomy)
		first, second := crypto.NewCode(), crypto.NewCode()
		w.submit(first, "x", "ombuds")
		w.release(crypto.LaneRegular)
		next := *w.dir
		next.Version++
		next.Bodies = slices.Clone(w.dir.Bodies)
		h := next.Bodies[0].Holders[0]
		h.Status, h.Since, h.Epochs = crypto.StatusRevoked, next.Version, nil
		next.Bodies[0].Holders = []crypto.Holder{h}
		if err := w.s.SetDirectory(&next); err != nil {
			t.Fatal(err)
		}
		w.change(first, second)
		n := w.release(crypto.LaneRegular)
		for _, body := range []string{"audit", "press", "ministry"} {
			if got := w.fetch(body, n)[0].opened; len(got) != 0 {
				t.Errorf("%s was told, whom the source did not tick", body)
			}
		}
		w.submit(second, "to somebody else", "audit")
		if m := w.fetch("audit", w.release(crypto.LaneRegular))[0].opened; len(m) != 1 || m[0].Succeeds == nil {
			t.Error("the next message does not say that the code was changed")
		}
	})
	t.Run("full", func(t *testing.T) {
		w := newWorldOf(t, 200*int64(intake.SmallCell(8)))
		first, second := crypto.NewCode(), crypto.NewCode()
		w.submit(first, "x", "ombuds")
		report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
		w.deliver(w.bundle(w.reply("ombuds", report, 1, "hello")))
		var err error
		for n := 0; err == nil && n < 1000; n++ {
			err = w.enter(crypto.NewCode()).Submit(ctx, intake.Fields{Form: newForm(), Text: "flood", Bodies: []string{"audit"}})
		}
		if !errors.Is(err, intake.ErrFull) {
			t.Fatalf("filling up ended with %v", err)
		}
		w.change(first, second)
		w.reads(second, 1, "hello")
		w.empty(first)
		w.change(crypto.NewCode(), crypto.NewCode())
	})
}

// A server that comes out of a backup tells readers anew, and says again what came before.
func TestChangeCodeRestored(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, roomy)
	first, second := crypto.NewCode(), crypto.NewCode()
	w.submit(first, "x", "ombuds")
	w.change(first, second)
	w.release(crypto.LaneRegular)
	if err := intake.Restored(ctx, w.st); err != nil {
		t.Fatal(err)
	}
	if _, err := w.enter(second).Inbox(ctx); err != nil {
		t.Fatal(err)
	}
	if m := w.told("ombuds"); m.Succeeds == nil || len(m.Prekeys) != crypto.ReplySlots {
		t.Errorf("%+v", m.Message)
	}
}

// Requests with either code, deliveries and changes the other way round at once: nothing is lost,
// nobody waits for ever, and one of the codes has everything.
func TestChangeCodeAtOnce(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, roomy)
	first, second := crypto.NewCode(), crypto.NewCode()
	w.submit(first, "x", "ombuds")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	var bundles [][]byte
	for i := range 8 {
		bundles = append(bundles, w.bundle(w.reply("ombuds", report, i+1, fmt.Sprint("reply ", i))))
	}
	var wg sync.WaitGroup
	enter := func(c crypto.Code, f func(x *intake.Session) error) {
		wg.Go(func() {
			x, err := w.s.Enter(ctx, c, intake.WorkReport)
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
			if _, err := w.s.Deliver(ctx, bytes.NewReader(bundles[i])); err != nil {
				t.Error(err)
			}
		})
		enter(first, func(x *intake.Session) error { _, err := x.Inbox(ctx); return err })
		enter(second, func(x *intake.Session) error { _, err := x.Inbox(ctx); return err })
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
	used := []crypto.Code{}
	for _, c := range []crypto.Code{first, second} {
		list, err := w.enter(c).Inbox(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) > 0 {
			used = append(used, c)
		}
	}
	if len(used) != 1 {
		t.Fatalf("%d codes have replies", len(used))
	}
	for i := range 8 {
		w.reads(used[0], i+1, fmt.Sprint("reply ", i))
	}
}

// A file that is still on its way when the code changes is refused and not lost silently.
func TestChangeCodeDuringAnUpload(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, roomy)
	first, second := crypto.NewCode(), crypto.NewCode()
	x := w.submit(first, "x", "ombuds")
	r, pw := io.Pipe()
	done := make(chan error)
	go func() { done <- x.AddFile(ctx, "late", "", r) }()
	if _, err := pw.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	w.change(first, second)
	if err := pw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, intake.ErrGone) {
		t.Errorf("a file of a code that changed: %v, want ErrGone", err)
	}
	w.empty(first)
}
