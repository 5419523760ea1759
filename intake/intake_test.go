package intake_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/intake/form"
	"postern/store"
)

// A world is one instance with three independent bodies of one holder each and
// one that is not independent, on a real store.
type world struct {
	t       testing.TB
	s       *intake.Service
	st      *store.Store
	dir     *crypto.Directory
	holders map[string]*holder
	mu      sync.Mutex
	clock   time.Time
}

type holder struct {
	body string
	seed crypto.EpochSeed
	key  ed25519.PrivateKey
}

func (h *holder) identity(m crypto.Month) *crypto.Identity {
	s, err := h.seed.At(m)
	if err != nil {
		panic(err)
	}
	return s.Identity()
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *world) advance(d time.Duration) { w.mu.Lock(); w.clock = w.clock.Add(d); w.mu.Unlock() }

func newWorld(t testing.TB, change ...func(*intake.Options)) *world {
	t.Helper()
	return newWorldOf(t, 16<<30, change...)
}

// newWorldOf has a store of this quota in bytes.
func newWorldOf(t testing.TB, quota int64, change ...func(*intake.Options)) *world {
	t.Helper()
	w := &world{t: t, holders: map[string]*holder{}, clock: time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)}
	transfer := crypto.NewIdentity()
	month := crypto.MonthOf(w.clock)
	d := &crypto.Directory{
		Origin: "postern directory test", Version: 1,
		Issued: crypto.DayOf(w.clock) - 1, Expires: crypto.DayOf(w.clock) + 300,
		Salt: crypto.NewKey(), KDF: crypto.KDFParams{Time: 1, MemoryKiB: 64, Threads: 1},
		Policy: crypto.Policy{Slots: 8, Quorum: 1}, Roots: 1, Transfer: transfer.Recipient(),
	}
	for _, id := range []string{"ombuds", "audit", "press", "ministry"} {
		h := &holder{body: id, seed: crypto.EpochSeed{Month: month, Seed: crypto.NewKey()}}
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		h.key = key
		w.holders[id] = h
		ch := crypto.Holder{ID: id + "-1", Signing: key.Public().(ed25519.PublicKey), Status: crypto.StatusActive, Since: 1}
		for m := month; m < month+crypto.EpochCount; m++ {
			ch.Epochs = append(ch.Epochs, crypto.Epoch{Month: m, Recipient: h.identity(m).Recipient()})
		}
		d.Bodies = append(d.Bodies, crypto.Body{
			ID: id, Kind: "ombuds", Independent: id != "ministry",
			Names: map[string]string{"en": id}, Mandates: map[string]string{"en": "reads"}, Languages: []string{"en"},
			Holders: []crypto.Holder{ch},
		})
	}
	w.dir = d
	st, err := store.Open(store.Options{
		Dir: t.TempDir(), Buckets: intake.Buckets(), SmallCell: intake.SmallCell(8), Quota: quota, ReserveSmall: 0.1, Spare: quota / 5, Create: true, Unbounded: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.st = st
	t.Cleanup(func() {
		if err := st.Check(context.Background(), func(p string) { t.Errorf("check: %s", p) }); err != nil {
			t.Errorf("check: %v", err)
		}
		if err := st.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	o := intake.Options{
		Store: st, Directory: d, Transfer: transfer, Instance: crypto.InstanceID{1}, BatchSize: 8, UrgentSize: 2, Now: w.now,
	}
	for _, f := range change {
		f(&o)
	}
	if w.s, err = intake.New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) enter(c crypto.Code) *intake.Session {
	w.t.Helper()
	x, err := w.s.Enter(context.Background(), c, intake.WorkReport)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(x.Close)
	return x
}

func newForm() (f crypto.FormID) { _, _ = rand.Read(f[:]); return f }

func (w *world) submit(c crypto.Code, text string, bodies ...string) *intake.Session {
	w.t.Helper()
	x := w.enter(c)
	if err := x.Submit(context.Background(), intake.Fields{Form: newForm(), Text: text, Bodies: bodies}); err != nil {
		w.t.Fatal(err)
	}
	return x
}

// opened is a message that a holder could open, with its files' bytes.
type opened struct {
	*crypto.Read
	data [][]byte
}

type fetched struct {
	header crypto.VolumeHeader
	sizes  []int64
	opened []opened
}

// fetch reads every volume of a batch as the body's desk would.
func (w *world) fetch(body string, ordinal uint64) []fetched {
	w.t.Helper()
	id := w.holders[body].identity(crypto.MonthOf(w.now()))
	infos, err := w.s.Batches()
	if err != nil {
		w.t.Fatal(err)
	}
	i := slices.IndexFunc(infos, func(b intake.BatchInfo) bool { return b.Ordinal == ordinal })
	if i < 0 {
		w.t.Fatalf("batch %d is not listed", ordinal)
	}
	var all []fetched
	for _, v := range infos[i].Volumes {
		var b bytes.Buffer
		if err := w.s.WriteVolume(context.Background(), &b, ordinal, v.Number, 0); err != nil {
			w.t.Fatal(err)
		}
		if int64(b.Len()) != v.Size {
			w.t.Errorf("volume %d of %d bytes, announced with %d", v.Number, b.Len(), v.Size)
		}
		var f fetched
		err := crypto.ReadVolume(&b, func(h crypto.VolumeHeader) error { f.header = h; return nil },
			func(_ int, n int64, r io.Reader) error {
				f.sizes = append(f.sizes, n)
				plain, err := crypto.Open(r, id)
				if err != nil {
					return nil // not for this body: cover, noise, or another's
				}
				o := opened{}
				o.Read, err = crypto.ReadMessage(plain, func(_ crypto.File, r io.Reader) error {
					d, err := io.ReadAll(r)
					o.data = append(o.data, d)
					return err
				})
				if err != nil {
					return err
				}
				f.opened = append(f.opened, o)
				return nil
			})
		if err != nil {
			w.t.Fatalf("volume %d: %v", v.Number, err)
		}
		all = append(all, f)
	}
	return all
}

func (w *world) release(l crypto.Lane) uint64 {
	w.t.Helper()
	n, err := w.s.Release(context.Background(), l)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// reply seals a reply of a body to the prekey of a slot, as a desk does.
func (w *world) reply(body string, to *crypto.Read, slot int, text string, files ...[]byte) crypto.BundleEntry {
	w.t.Helper()
	return w.replyNotice(body, to, slot, nil, text, files...)
}

// replyNotice seals a reply that tells the source something besides words.
func (w *world) replyNotice(body string, to *crypto.Read, slot int, notice []byte, text string, files ...[]byte) crypto.BundleEntry {
	w.t.Helper()
	h := w.holders[body]
	i := slices.IndexFunc(to.Prekeys, func(p crypto.Prekey) bool { return int(p.Slot) == slot })
	if i < 0 {
		w.t.Fatalf("no prekey for slot %d", slot)
	}
	rec := to.Prekeys[i].Recipient
	readers, err := w.dir.ReadersFor(to.Readers, crypto.MonthOf(w.now()))
	if err != nil {
		w.t.Fatal(err)
	}
	var b bytes.Buffer
	sw, err := crypto.Seal(&b, w.dir.Policy, readers, rec)
	if err != nil {
		w.t.Fatal(err)
	}
	drop := crypto.DropOf(rec)
	m := &crypto.Message{
		Meta:    crypto.Meta{Kind: crypto.KindReply, Case: to.Meta.Case, Form: newForm(), DirHash: w.dir.Hash(), Day: crypto.DayOf(w.now())},
		Readers: to.Readers, Quorum: 1, Text: text, Drop: &crypto.DropRef{Drop: drop, Slot: byte(slot)}, Notice: notice,
	}
	mw, err := crypto.NewMessageWriter(sw, m, h.key)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, f := range files {
		fw, err := mw.File(fmt.Sprintf("answer-%d.txt", i), "text/plain")
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := fw.Write(f); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := errors.Join(mw.Close(), sw.Close()); err != nil {
		w.t.Fatal(err)
	}
	return crypto.BundleEntry{Drop: drop, Size: int64(b.Len()), Data: &b}
}

func (w *world) bundle(entries ...crypto.BundleEntry) []byte {
	w.t.Helper()
	var b bytes.Buffer
	id := crypto.BundleID(newForm())
	if err := crypto.WriteBundle(&b, w.dir.Policy, w.dir.Transfer, crypto.Bundle{ID: id}, entries); err != nil {
		w.t.Fatal(err)
	}
	return b.Bytes()
}

func (w *world) deliver(b []byte) {
	w.t.Helper()
	if _, err := w.s.Deliver(context.Background(), bytes.NewReader(b)); err != nil {
		w.t.Fatal(err)
	}
}

func TestReportAndReply(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	x := w.enter(code)
	if got, want := x.Choice(), []string{"ombuds", "audit", "press"}; !slices.Equal(got, want) {
		t.Errorf("an unused code has %v ticked, want the independent bodies %v", got, want)
	}
	before := x.Marker()
	big := bytes.Repeat([]byte("evidence "), 50_000) // 450 kB: several cells
	f := intake.Fields{Form: newForm(), Text: "They beat the recruits.", Bodies: []string{"audit", "ombuds"},
		Answers: form.Answers{}}
	if err := x.Submit(ctx, f); err != nil {
		t.Fatal(err)
	}
	if err := x.AddFile(ctx, `C:\Users\me\list.txt`, "text/plain; charset=utf-8", bytes.NewReader(big)); err != nil {
		t.Fatal(err)
	}
	if err := x.AddFile(ctx, "small.txt", "x", bytes.NewReader([]byte("small"))); err != nil {
		t.Fatal(err)
	}
	if x.Marker() == before {
		t.Error("the marker did not change when something was sent")
	}
	n := w.release(crypto.LaneRegular)

	left := w.fetch("press", n)
	for _, v := range left {
		if len(v.opened) != 0 {
			t.Errorf("the body left out opened %d messages", len(v.opened))
		}
	}
	var report *crypto.Read
	for _, body := range []string{"ombuds", "audit"} {
		got := w.fetch(body, n)
		if len(got) != 2 || len(got[0].opened) != 2 || len(got[1].opened) != 1 {
			t.Fatalf("%s: unexpected volumes: %+v", body, got)
		}
		if len(got[0].sizes) != 8 {
			t.Errorf("batch of %d entries, want 8", len(got[0].sizes))
		}
		for _, o := range slices.Concat(got[0].opened, got[1].opened) {
			switch {
			case o.Meta.Kind == crypto.KindReport:
				report = o.Read
				if o.Text != f.Text || !slices.Equal(o.Readers, []string{"ombuds", "audit"}) || len(o.Prekeys) != crypto.ReplySlots {
					t.Errorf("%s: report %+v", body, o.Message)
				}
			case o.Files[0].Name == "list.txt":
				if !bytes.Equal(o.data[0], big) || o.Files[0].MediaType != "text/plain" {
					t.Errorf("%s: large file differs", body)
				}
			case o.Files[0].Name == "small.txt":
				if string(o.data[0]) != "small" || o.Files[0].MediaType != "application/octet-stream" {
					t.Errorf("%s: small file differs", body)
				}
			default:
				t.Errorf("%s: unexpected message %+v", body, o.Message)
			}
			if o.Meta.Form != f.Form {
				t.Errorf("%s: message outside its form", body)
			}
		}
	}

	answer := bytes.Repeat([]byte("a"), 200_000)
	b := w.bundle(w.reply("audit", report, 2, "Are you safe?", answer, []byte("second")))
	w.deliver(b)
	w.deliver(b) // twice changes nothing

	y := w.enter(code)
	list, err := y.Inbox(ctx)
	if err != nil || len(list) != 1 || list[0].Slot != 2 {
		t.Fatalf("inbox %v, %v", list, err)
	}
	r, err := y.Reply(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	if r.Text != "Are you safe?" || r.Body != "audit" || r.Standing != crypto.SignerGood || len(r.Files) != 2 {
		t.Errorf("reply %+v", r)
	}
	var z bytes.Buffer
	if err := y.WriteFiles(ctx, r, &z); err != nil {
		t.Fatal(err)
	}
	if int64(z.Len()) != r.FilesSize() || z.Len() != 256<<10 {
		t.Errorf("archive of %d bytes, announced with %d", z.Len(), r.FilesSize())
	}
	zr, err := zip.NewReader(bytes.NewReader(z.Bytes()), int64(z.Len()))
	if err != nil {
		t.Fatal(err)
	}
	e, err := zr.Open("answer-0.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := io.ReadAll(e); err != nil || !bytes.Equal(d, answer) {
		t.Errorf("file in the archive differs: %v", err)
	}
	if got, want := y.Choice(), []string{"ombuds", "audit"}; !slices.Equal(got, want) {
		t.Errorf("ticked at the next visit: %v, want %v", got, want)
	}
	marker := y.Marker()
	if err := y.Erase(ctx, 2, r.ID); err != nil {
		t.Fatal(err)
	}
	if y.Marker() == marker {
		t.Error("the marker did not change when something was erased")
	}
	if _, err := w.enter(code).Reply(ctx, 2); !errors.Is(err, intake.ErrNoReply) {
		t.Errorf("an erased reply: %v", err)
	}
	// The erased slot got a new key, and the readers learn it.
	fresh := w.fetch("audit", w.release(crypto.LaneRegular))
	i := slices.IndexFunc(fresh[0].opened, func(o opened) bool { return o.Meta.Kind == crypto.KindPrekeys })
	if i < 0 {
		t.Fatal("no new keys came with the batch")
	}
	w.deliver(w.bundle(w.reply("audit", report, 2, "to the old key")))
	w.deliver(w.bundle(w.reply("audit", fresh[0].opened[i].Read, 2, "to the new key")))
	if r, err := w.enter(code).Reply(ctx, 2); err != nil || r.Text != "to the new key" {
		t.Errorf("reply to a refilled slot: %+v, %v", r, err)
	}
}

// C is left out, everything is erased, the same code writes again without C:
// C opens nothing, and C's batches have the same counts as everyone's.
func TestLeftOutStaysLeftOut(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "first", "ombuds", "audit")
	n1 := w.release(crypto.LaneRegular)
	x := w.enter(code)
	if err := x.EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	if got := w.enter(code).Choice(); !slices.Equal(got, w.dir.Defaults()) {
		t.Errorf("after erasing everything %v is ticked, want the defaults", got)
	}
	w.submit(code, "again", "ombuds", "audit")
	n2 := w.release(crypto.LaneRegular)
	for _, n := range []uint64{n1, n2} {
		c, a := w.fetch("press", n), w.fetch("ombuds", n)
		if len(c) != len(a) {
			t.Errorf("batch %d: %d volumes for one, %d for the other", n, len(c), len(a))
		}
		for i := range c {
			if len(c[i].opened) != 0 {
				t.Errorf("batch %d: the body left out opened %d", n, len(c[i].opened))
			}
			if !slices.Equal(c[i].sizes, a[i].sizes) {
				t.Errorf("batch %d: other counts or sizes", n)
			}
		}
	}
	if got := len(w.fetch("ombuds", n1)[0].opened); got != 0 {
		t.Errorf("an erased message still opens: %d", got)
	}
	if got := len(w.fetch("ombuds", n2)[0].opened); got != 1 {
		t.Errorf("the new message: %d opened, want 1", got)
	}
}

// What was erased before the release is replaced by cover in its batch.
func TestEraseBeforeRelease(t *testing.T) {
	w := newWorld(t)
	code := crypto.NewCode()
	x := w.submit(code, "never mind", "ombuds")
	if err := x.AddFile(context.Background(), "big", "", bytes.NewReader(make([]byte, 1<<20))); err != nil {
		t.Fatal(err)
	}
	if err := w.enter(code).EraseAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := w.fetch("ombuds", w.release(crypto.LaneRegular))
	if len(got) != 1 || len(got[0].sizes) != 8 || len(got[0].opened) != 0 {
		t.Errorf("batch after erasing everything: %+v", got)
	}
	if err := x.AddFile(context.Background(), "late", "", bytes.NewReader([]byte("late"))); !errors.Is(err, intake.ErrGone) {
		t.Errorf("a file after everything was erased: %v, want ErrGone", err)
	}
}

// Unused codes leave nothing behind that grows, and look like empty ones.
func TestUnknownCode(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	visit := func(c crypto.Code) {
		x := w.enter(c)
		if list, err := x.Inbox(ctx); err != nil || len(list) != 0 {
			t.Errorf("inbox of an unused code: %v, %v", list, err)
		}
		if _, err := x.Reply(ctx, 3); !errors.Is(err, intake.ErrNoReply) {
			t.Errorf("reply of an unused code: %v", err)
		}
		if err := x.Erase(ctx, 3, intake.ReplyID{}); !errors.Is(err, intake.ErrNoReply) {
			t.Errorf("erasing at an unused code: %v", err)
		}
		if err := x.EraseAll(ctx); err != nil {
			t.Errorf("erasing all at an unused code: %v", err)
		}
	}
	for range 20 { // every scratch place was used once
		visit(crypto.NewCode())
	}
	before, err := w.s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		visit(crypto.NewCode())
	}
	after, err := w.s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(before.Records) != fmt.Sprint(after.Records) || before.Used != after.Used {
		t.Errorf("visits of unused codes left something behind:\n%v %d\n%v %d", before.Records, before.Used, after.Records, after.Used)
	}
	got := w.fetch("ombuds", w.release(crypto.LaneRegular))
	if len(got[0].opened) != 0 {
		t.Error("a visit of an unused code sent a message")
	}
}

func TestSlots(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "x", "ombuds", "audit")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	w.deliver(w.bundle(
		w.reply("ombuds", report, 1, "first in 1"), w.reply("ombuds", report, 1, "second in 1"),
		w.reply("ombuds", report, 0, "first in 0"), w.reply("audit", report, 0, "newest in 0")))
	for slot, want := range map[int][]string{1: {"first in 1", "second in 1"}, 0: {"newest in 0", "first in 0"}} {
		r, err := w.enter(code).Reply(ctx, slot)
		if err != nil || !slices.Contains(want, r.Text) { // entries of a bundle are in random order
			t.Errorf("slot %d: %+v, %v", slot, r, err)
		}
	}
	w.deliver(w.bundle(w.reply("ombuds", report, 1, "third in 1"), w.reply("ombuds", report, 0, "last in 0")))
	if r, err := w.enter(code).Reply(ctx, 1); err != nil || r.Text == "third in 1" {
		t.Errorf("a filled slot took a second reply: %+v, %v", r, err)
	}
	if r, err := w.enter(code).Reply(ctx, 0); err != nil || r.Text != "last in 0" {
		t.Errorf("slot 0 does not hold the newest: %+v, %v", r, err)
	}
	// A stranger's signature shows no words.
	w.holders["audit"].key = ed25519.NewKeyFromSeed(make([]byte, 32))
	w.deliver(w.bundle(w.reply("audit", report, 4, "trust me")))
	if r, err := w.enter(code).Reply(ctx, 4); err != nil || r.Standing != crypto.SignerUnknown || r.Text != "" || r.Body != "" {
		t.Errorf("a reply nobody listed signed: %+v, %v", r, err)
	}
}

func TestBatchIsConstant(t *testing.T) {
	w := newWorld(t)
	for i, reports := range []int{0, 1, 8, 20} {
		for range reports {
			w.submit(crypto.NewCode(), "r", "ombuds")
		}
		got := w.fetch("press", w.release(crypto.LaneRegular))
		if len(got) != 1 || len(got[0].sizes) != 8 {
			t.Errorf("batch %d: %d volumes, %d entries", i, len(got), len(got[0].sizes))
		}
	}
	if n, err := w.s.Waiting(); err != nil || n[crypto.LaneRegular] != 12 {
		t.Errorf("surplus waits: %v, %v; want 12", n, err)
	}
	for range 30 {
		w.submit(crypto.NewCode(), "r", "ombuds")
	}
	if got := w.fetch("press", w.release(crypto.LaneRegular)); len(got[0].sizes) != 16 {
		t.Errorf("a backlog of 42 goes out in batches of %d, want 16", len(got[0].sizes))
	}
}

func TestUrgentLane(t *testing.T) {
	w := newWorld(t)
	x := w.enter(crypto.NewCode())
	if err := x.Submit(context.Background(), intake.Fields{Form: newForm(), Text: "now", Bodies: []string{"press"}, Urgent: true}); err != nil {
		t.Fatal(err)
	}
	got := w.fetch("press", w.release(crypto.LaneUrgent))
	if len(got) != 1 || len(got[0].sizes) != 2 || len(got[0].opened) != 1 || got[0].header.Lane != crypto.LaneUrgent {
		t.Errorf("urgent batch: %+v", got)
	}
}

func TestReleaseDue(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t) // 09:30, hours 6 and 18
	lanes := func() (r, u int) {
		list, err := w.s.Batches()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range list {
			if b.Lane == crypto.LaneUrgent {
				u++
			} else {
				r++
			}
		}
		return r, u
	}
	for _, step := range []struct {
		wait time.Duration
		r, u int
	}{
		{0, 0, 0}, {time.Minute, 0, 0}, {time.Hour, 0, 1}, {time.Minute, 0, 1},
		{8 * time.Hour, 1, 2}, {time.Hour, 1, 3}, {48 * time.Hour, 2, 4},
	} {
		w.advance(step.wait)
		if err := w.s.ReleaseDue(ctx); err != nil {
			t.Fatal(err)
		}
		if r, u := lanes(); r != step.r || u != step.u {
			t.Errorf("after %v: %d regular and %d urgent, want %d and %d", step.wait, r, u, step.r, step.u)
		}
	}
	if got := w.s.NextRelease(); got.Hour() != 6 || got.Sub(w.now()) > 12*time.Hour {
		t.Errorf("next release %v", got)
	}
}

func TestVolumeResumes(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	x := w.submit(crypto.NewCode(), "r", "ombuds")
	if err := x.AddFile(ctx, "f", "", bytes.NewReader(make([]byte, 300_000))); err != nil {
		t.Fatal(err)
	}
	n := w.release(crypto.LaneRegular)
	for vol := 1; vol <= 2; vol++ {
		var whole bytes.Buffer
		if err := w.s.WriteVolume(ctx, &whole, n, vol, 0); err != nil {
			t.Fatal(err)
		}
		size := int64(whole.Len())
		if vol == 2 && size&(size-1) != 0 {
			t.Errorf("file volume of %d bytes is no power of two", size)
		}
		for _, off := range []int64{1, 13, size / 3, size - 1, size} {
			var part bytes.Buffer
			if err := w.s.WriteVolume(ctx, &part, n, vol, off); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(part.Bytes(), whole.Bytes()[off:]) {
				t.Errorf("volume %d from %d differs", vol, off)
			}
		}
	}
	if err := w.s.WriteVolume(ctx, io.Discard, n, 3, 0); !errors.Is(err, intake.ErrNoVolume) {
		t.Errorf("volume 3: %v", err)
	}
}

func TestRetention(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "r", "ombuds")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	w.deliver(w.bundle(w.reply("ombuds", report, 1, "hello")))
	count := func() map[string]int {
		u, err := w.s.Usage()
		if err != nil {
			t.Fatal(err)
		}
		return u.Records
	}
	w.advance(59 * 24 * time.Hour)
	if err := w.s.Maintain(ctx, true); err != nil {
		t.Fatal(err)
	}
	if list, err := w.s.Batches(); err != nil || len(list) != 1 {
		t.Errorf("after 59 days: %v, %v", list, err)
	}
	w.advance(3 * 24 * time.Hour)
	if err := w.s.Maintain(ctx, true); err != nil {
		t.Fatal(err)
	}
	if list, err := w.s.Batches(); err != nil || len(list) != 0 {
		t.Errorf("after 62 days: %v, %v", list, err)
	}
	if r, err := w.enter(code).Reply(ctx, 1); err != nil || r.Text != "hello" {
		t.Errorf("a reply after 62 days: %+v, %v", r, err)
	}
	w.advance(220 * 24 * time.Hour) // the directory still holds
	if err := w.s.Maintain(ctx, true); err != nil {
		t.Fatal(err)
	}
	if list, err := w.enter(code).Inbox(ctx); err != nil || len(list) != 1 {
		t.Errorf("after 282 days: %v, %v", list, err)
	}
	w.advance(380 * 24 * time.Hour) // expired: reading goes on, until the mailbox ends
	if err := w.s.Maintain(ctx, true); err != nil {
		t.Fatal(err)
	}
	if list, err := w.enter(code).Inbox(ctx); err != nil || len(list) != 0 {
		t.Errorf("after 662 days: %v, %v", list, err)
	}
	if c := count(); c["bundle"] != 0 || c["batch"] != 0 {
		t.Errorf("left behind: %v", c)
	}
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, func(o *intake.Options) { o.Limits = intake.Limits{FileSize: 1000, Files: 2} })
	x := w.enter(crypto.NewCode())
	long := bytes.Repeat([]byte("x"), crypto.MaxText+1)
	for _, c := range []struct {
		f    intake.Fields
		want error
	}{
		{intake.Fields{Text: "x"}, intake.ErrQuorum},
		{intake.Fields{Text: "x", Bodies: []string{"nobody"}}, intake.ErrUnknownBody},
		{intake.Fields{Text: string(long), Bodies: []string{"ombuds"}}, intake.ErrTextTooLong},
		{intake.Fields{Text: "x", Bodies: []string{"ombuds"}, Answers: form.Answers{{ID: "no such"}}}, intake.ErrAnswers},
	} {
		if err := x.Submit(ctx, c.f); !errors.Is(err, c.want) {
			t.Errorf("%.20q %v: %v, want %v", c.f.Text, c.f.Bodies, err, c.want)
		}
	}
	if err := x.Submit(ctx, intake.Fields{Form: newForm(), Text: string(long[1:]), Bodies: []string{"ombuds"}}); err != nil {
		t.Fatal(err)
	}
	if err := x.AddFile(ctx, "a", "", bytes.NewReader(make([]byte, 1001))); !errors.Is(err, intake.ErrFileTooLarge) {
		t.Errorf("a large file: %v", err)
	}
	if err := x.AddFile(ctx, "a", "", bytes.NewReader(make([]byte, 1000))); err != nil {
		t.Errorf("a file at the limit: %v", err)
	}
	if err := x.AddFile(ctx, "a", "", bytes.NewReader(nil)); !errors.Is(err, intake.ErrTooManyFiles) {
		t.Errorf("a third file: %v", err)
	}
	for _, b := range [][]byte{nil, []byte("no bundle"), w.bundle()[:5000]} {
		if _, err := w.s.Deliver(ctx, bytes.NewReader(b)); err == nil {
			t.Errorf("a bundle of %d bytes was taken", len(b))
		}
	}
	w.advance(310 * 24 * time.Hour)
	if err := x.Submit(ctx, intake.Fields{Text: "x", Bodies: []string{"ombuds"}}); !errors.Is(err, intake.ErrClosed) {
		t.Errorf("after expiry: %v", err)
	}
}

// Many requests with one code lose nothing.
func TestSameCodeAtOnce(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, func(o *intake.Options) { o.BatchSize = 64 })
	code := crypto.NewCode()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			x, err := w.s.Enter(ctx, code, intake.WorkReport)
			if err != nil {
				t.Error(err)
				return
			}
			defer x.Close()
			if err := x.Submit(ctx, intake.Fields{Form: newForm(), Text: fmt.Sprint("text ", i), Bodies: []string{"ombuds"}}); err != nil {
				t.Error(err)
			}
			if err := x.AddFile(ctx, fmt.Sprint("file ", i), "", bytes.NewReader([]byte{byte(i)})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := map[string]bool{}
	for _, o := range w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened {
		if o.Text != "" {
			got[o.Text] = true
		} else {
			got[o.Files[0].Name] = true
		}
	}
	if len(got) != 12 {
		t.Errorf("%d of 12 messages arrived: %v", len(got), got)
	}
}

// A file of no bytes must not leave a reader behind that outlives the session.
func TestEmptyFile(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "x", "ombuds")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	w.deliver(w.bundle(w.reply("ombuds", report, 1, "see the file", nil)))
	for range 200 {
		x, err := w.s.Enter(ctx, code, intake.WorkLogin)
		if err != nil {
			t.Fatal(err)
		}
		r, err := x.Reply(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.WriteFiles(ctx, r, io.Discard); err != nil {
			t.Fatal(err)
		}
		x.Close()
	}
}

// A full store takes no report, but everybody can still look and erase, and
// what waits goes out.
func TestFullStore(t *testing.T) {
	ctx := context.Background()
	w := newWorldOf(t, 300*int64(intake.SmallCell(8)))
	code := crypto.NewCode()
	x := w.submit(code, "first", "ombuds")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	w.deliver(w.bundle(w.reply("ombuds", report, 1, "hello")))
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = w.enter(crypto.NewCode()).Submit(ctx, intake.Fields{Form: newForm(), Text: "flood", Bodies: []string{"ombuds"}})
	}
	if !errors.Is(err, intake.ErrFull) {
		t.Fatalf("filling up ended with %v", err)
	}
	for range 5 { // the reserve must not run out by looking
		for _, c := range []crypto.Code{code, crypto.NewCode()} {
			if _, err := w.enter(c).Inbox(ctx); err != nil {
				t.Errorf("looking at a full store: %v", err)
			}
		}
	}
	r, err := w.enter(code).Reply(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.enter(code).Erase(ctx, 1, r.ID); err != nil {
		t.Errorf("erasing in a full store: %v", err)
	}
	for _, l := range []crypto.Lane{crypto.LaneRegular, crypto.LaneUrgent} {
		if _, err := w.s.Release(ctx, l); err != nil {
			t.Errorf("releasing lane %d from a full store: %v", l, err)
		}
	}
	if err := x.EraseAll(ctx); err != nil {
		t.Errorf("erasing everything in a full store: %v", err)
	}
	if list, err := w.enter(code).Inbox(ctx); err != nil || len(list) != 0 {
		t.Errorf("after erasing everything: %v, %v", list, err)
	}
}

// After everything was erased no key of anybody opens anything of the case.
func TestEraseAllLeavesNothingToOpen(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "x", "ombuds")
	n := w.release(crypto.LaneRegular)
	if err := w.enter(code).EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	id := w.holders["ombuds"].identity(crypto.MonthOf(w.now()))
	scratch := 0
	for i := range 64 {
		b, err := w.st.Get("meta", []byte{'s', byte(i)})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		it, err := w.st.OpenItem(store.ItemID(b))
		if err != nil {
			t.Fatal(err)
		}
		scratch++
		if _, err := crypto.Open(io.NewSectionReader(it, 0, it.Size()), id); !errors.Is(err, crypto.ErrNotForUs) {
			t.Errorf("a reader's key on scratch: %v", err)
		}
	}
	if scratch == 0 {
		t.Error("no scratch item was looked at")
	}
	got := w.fetch("ombuds", n)
	if len(got[0].opened) != 0 {
		t.Error("the erased report still opens")
	}
	for _, b := range w.entries(n) {
		if !bytes.HasPrefix(b, []byte("age-encryption.org/v1\n")) {
			t.Error("an erased entry can be told from cover")
		}
	}
}

// entries are the bytes of the entries of a batch's first volume.
func (w *world) entries(ordinal uint64) (list [][]byte) {
	w.t.Helper()
	var v bytes.Buffer
	if err := w.s.WriteVolume(context.Background(), &v, ordinal, 1, 0); err != nil {
		w.t.Fatal(err)
	}
	if err := crypto.ReadVolume(&v, nil, func(_ int, _ int64, r io.Reader) error {
		b, err := io.ReadAll(r)
		list = append(list, b)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return list
}

// A session that saw an unused code erases what another request sent meanwhile.
func TestEraseAllOnAStaleView(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	stale := w.enter(code)
	w.submit(code, "x", "ombuds")
	if err := stale.EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := w.s.Waiting(); err != nil || n[crypto.LaneRegular] != 0 {
		t.Errorf("still queued: %v, %v", n, err)
	}
	u, err := w.s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.Records["mailbox"] != 1 || u.Records["drop"] != crypto.ReplySlots { // scratch
		t.Errorf("left behind: %v", u.Records)
	}
}

// Erasing a reply that another replaced unseen erases nothing.
func TestEraseOnlyWhatWasShown(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "x", "ombuds")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	w.deliver(w.bundle(w.reply("ombuds", report, 0, "A")))
	a, err := w.enter(code).Reply(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.deliver(w.bundle(w.reply("ombuds", report, 0, "B: leave tonight")))
	if err := w.enter(code).Erase(ctx, 0, a.ID); !errors.Is(err, intake.ErrNoReply) {
		t.Errorf("erasing a replaced reply: %v", err)
	}
	if err := w.enter(code).WriteFiles(ctx, a, io.Discard); !errors.Is(err, intake.ErrNoReply) {
		t.Errorf("files of a replaced reply: %v", err)
	}
	if b, err := w.enter(code).Reply(ctx, 0); err != nil || b.Text != "B: leave tonight" {
		t.Errorf("the newer reply: %+v, %v", b, err)
	}
}

// When one of two readers is revoked the other one still learns new keys, and
// nobody whom the source did not tick does.
func TestRevokedBody(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "x", "ombuds", "audit")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	w.deliver(w.bundle(w.reply("ombuds", report, 2, "hello")))
	next := *w.dir
	next.Version++
	next.Bodies = slices.Clone(w.dir.Bodies)
	h := next.Bodies[1].Holders[0]
	h.Status, h.Since, h.Epochs = crypto.StatusRevoked, next.Version, nil
	next.Bodies[1].Holders = []crypto.Holder{h}
	if err := w.s.SetDirectory(&next); err != nil {
		t.Fatal(err)
	}
	x := w.enter(code)
	if got := x.Choice(); !slices.Equal(got, []string{"ombuds"}) {
		t.Errorf("ticked after a body was revoked: %v", got)
	}
	r, err := x.Reply(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Erase(ctx, 2, r.ID); err != nil {
		t.Fatal(err)
	}
	n := w.release(crypto.LaneRegular)
	if got := w.fetch("ombuds", n)[0].opened; len(got) == 0 || got[0].Meta.Kind == 0 {
		t.Error("the other body did not learn the new key")
	}
	if got := w.fetch("press", n)[0].opened; len(got) != 0 {
		t.Error("a body that was never ticked learnt of the case")
	}
}

// Urgent messages that their lane cannot carry go out with the regular batch.
func TestUrgentSurplus(t *testing.T) {
	w := newWorld(t)
	for range 6 {
		x := w.enter(crypto.NewCode())
		if err := x.Submit(context.Background(), intake.Fields{Form: newForm(), Text: "now", Bodies: []string{"press"}, Urgent: true}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.fetch("press", w.release(crypto.LaneUrgent))[0]; len(got.opened) != 2 {
		t.Errorf("urgent batch with %d of ours", len(got.opened))
	}
	if got := w.fetch("press", w.release(crypto.LaneRegular))[0]; len(got.opened) != 4 || len(got.sizes) != 8 {
		t.Errorf("regular batch of %d with %d of ours", len(got.sizes), len(got.opened))
	}
}

// A clock that leaps and comes back stops nothing and ends nothing.
func TestClockLeap(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "x", "ombuds")
	w.release(crypto.LaneRegular)
	if err := errors.Join(w.s.ReleaseDue(ctx), w.s.Maintain(ctx, false)); err != nil {
		t.Fatal(err)
	}
	w.advance(400 * 24 * time.Hour)
	_ = w.s.ReleaseDue(ctx) // whatever it does under a wrong clock
	if err := w.s.Maintain(ctx, false); !errors.Is(err, intake.ErrClock) {
		t.Errorf("upkeep after a leap of 400 days: %v", err)
	}
	w.advance(-400 * 24 * time.Hour)
	w.submit(crypto.NewCode(), "y", "ombuds")
	before, err := w.s.Batches()
	if err != nil {
		t.Fatal(err)
	}
	for range 13 {
		w.advance(time.Hour)
		if err := w.s.ReleaseDue(ctx); err != nil {
			t.Fatal(err)
		}
	}
	after, err := w.s.Batches()
	if err != nil {
		t.Fatal(err)
	}
	if len(after) < len(before)+13 {
		t.Errorf("%d batches in 13 hours after the clock came back", len(after)-len(before))
	}
	if n, err := w.s.Waiting(); err != nil || n[crypto.LaneRegular] != 0 {
		t.Errorf("still waiting: %v, %v", n, err)
	}
}

// After a restore a source's visit tells readers the keys that are there.
func TestRestored(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "x", "ombuds")
	w.release(crypto.LaneRegular)
	if err := intake.Restored(ctx, w.st); err != nil {
		t.Fatal(err)
	}
	if _, err := w.enter(code).Inbox(ctx); err != nil {
		t.Fatal(err)
	}
	got := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened
	if len(got) != 1 || got[0].Meta.Kind != crypto.KindPrekeys || len(got[0].Prekeys) != crypto.ReplySlots {
		t.Errorf("after a restore a visit sent %d messages", len(got))
	}
}

// A fellow reader cannot repeat a signed reply in another slot.
func TestReplayedReply(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "x", "ombuds", "audit")
	report := w.fetch("audit", w.release(crypto.LaneRegular))[0].opened[0].Read
	w.deliver(w.bundle(w.reply("ombuds", report, 2, "come on Monday")))
	queued := w.fetch("audit", w.release(crypto.LaneRegular))[0]
	if len(queued.opened) != 1 {
		t.Fatalf("the fellow reader opened %d", len(queued.opened))
	}
	// Audit seals the ombuds' very container to the key of slot 5.
	id := w.holders["audit"].identity(crypto.MonthOf(w.now()))
	var again bytes.Buffer
	to := report.Prekeys[5].Recipient
	for _, b := range w.entries(2) {
		plain, err := crypto.Open(bytes.NewReader(b), id)
		if err != nil {
			continue
		}
		sw, err := crypto.Seal(&again, w.dir.Policy, nil, to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(sw, plain); err != nil {
			t.Fatal(err)
		}
		if err := sw.Close(); err != nil {
			t.Fatal(err)
		}
		break
	}
	w.deliver(w.bundle(crypto.BundleEntry{Drop: crypto.DropOf(to), Size: int64(again.Len()), Data: &again}))
	if r, err := w.enter(code).Reply(ctx, 2); err != nil || r.Text != "come on Monday" {
		t.Errorf("the reply itself: %+v, %v", r, err)
	}
	r, err := w.enter(code).Reply(ctx, 5)
	if err != nil || r.Standing != crypto.SignerUnknown || r.Text != "" {
		t.Fatalf("its repetition in another slot: %+v, %v", r, err)
	}
	if err := w.enter(code).Erase(ctx, 5, r.ID); err != nil {
		t.Errorf("erasing it: %v", err)
	}
}
