package intake_test

import (
	"archive/zip"
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
	"postern/intake/form"
	"postern/intake/intaketest"
)

func with(f func(o *intake.Options)) func(*intaketest.Settings) {
	return func(s *intaketest.Settings) { f(&s.Options) }
}

// roomy batches take everything that waits.
var roomy = with(func(o *intake.Options) { o.BatchSize = 64 })

func TestReportAndReply(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t)
	code := crypto.NewCode()
	x := w.Enter(code)
	if got, want := x.Choice(), []string{"ombuds", "audit", "press"}; !slices.Equal(got, want) {
		t.Errorf("an unused code has %v ticked, want the independent bodies %v", got, want)
	}
	before := x.Marker()
	big := bytes.Repeat([]byte("evidence "), 50_000) // 450 kB: several cells
	f := intake.Fields{Form: intaketest.NewForm(), Text: "They beat the recruits.", Bodies: []string{"audit", "ombuds"}, Answers: form.Answers{}}
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
	n := w.Release(crypto.LaneRegular)

	if left := w.Messages("press", n); len(left) != 0 {
		t.Errorf("the body left out opened %d messages", len(left))
	}
	var report *crypto.Read
	for _, body := range []string{"ombuds", "audit"} {
		got := w.Fetch(body, n)
		if len(got) != 2 || len(got[0].Opened) != 2 || len(got[1].Opened) != 1 || len(got[0].Entries) != 8 {
			t.Fatalf("%s: unexpected volumes: %+v", body, got)
		}
		for _, o := range slices.Concat(got[0].Opened, got[1].Opened) {
			switch {
			case o.Meta.Kind == crypto.KindReport:
				report = o.Read
				if o.Text != f.Text || !slices.Equal(o.Readers, []crypto.Reader{{ID: "ombuds", Since: 1}, {ID: "audit", Since: 1}}) {
					t.Errorf("%s: report %+v", body, o.Message)
				}
			case o.Files[0].Name == "list.txt":
				if !bytes.Equal(o.Data[0], big) || o.Files[0].MediaType != "text/plain" {
					t.Errorf("%s: large file differs", body)
				}
			case o.Files[0].Name == "small.txt":
				if string(o.Data[0]) != "small" || o.Files[0].MediaType != "application/octet-stream" {
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
	b := w.Bundle(w.Reply("audit", report, "Are you safe?", answer, []byte("second")))
	w.Deliver(b)
	w.Deliver(b) // twice changes nothing

	y := w.Enter(code)
	list, more, err := y.Inbox(ctx, 0)
	if err != nil || len(list) != 1 || more != 0 || !list[0].New {
		t.Fatalf("inbox %v, %d, %v", list, more, err)
	}
	r, err := y.Reply(ctx, list[0].Number)
	if err != nil {
		t.Fatal(err)
	}
	if r.Text != "Are you safe?" || r.Body != "audit" || r.Standing != crypto.SignerGood || len(r.Files) != 2 || r.Day != crypto.DayOf(w.Now()) {
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
	if err := y.Erase(ctx, r.Number, r.ID); err != nil {
		t.Fatal(err)
	}
	if y.Marker() == marker {
		t.Error("the marker did not change when something was erased")
	}
	if _, err := w.Enter(code).Reply(ctx, r.Number); !errors.Is(err, intake.ErrNoReply) {
		t.Errorf("an erased reply: %v", err)
	}
	if err := w.Enter(code).WriteFiles(ctx, r, io.Discard); !errors.Is(err, intake.ErrNoReply) {
		t.Errorf("files of an erased reply: %v", err)
	}
	w.Deliver(w.Bundle(w.Reply("audit", report, "to the same key")))
	if got := w.Texts(code); !slices.Equal(got, []string{"to the same key"}) {
		t.Errorf("after an erasure the same key takes %q", got)
	}
}

// C is left out, everything is erased, the same code writes again without C:
// C opens nothing, and C's batches have the same counts as everyone's.
func TestLeftOutStaysLeftOut(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t)
	code := crypto.NewCode()
	w.Submit(code, "first", "ombuds", "audit")
	n1 := w.Release(crypto.LaneRegular)
	life := w.Only("ombuds", n1).Life
	if err := w.Enter(code).EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	if got := w.Enter(code).Choice(); !slices.Equal(got, intake.Defaults(w.Dir)) {
		t.Errorf("after erasing everything %v is ticked, want the defaults", got)
	}
	w.Night()
	w.Submit(code, "again", "ombuds", "audit")
	n2 := w.Release(crypto.LaneRegular)
	for _, n := range []uint64{n1, n2} {
		c, a := w.Fetch("press", n), w.Fetch("ombuds", n)
		if len(c) != len(a) || len(c[0].Opened) != 0 {
			t.Errorf("batch %d: %d volumes for one, %d for the other; the body left out opened %d", n, len(c), len(a), len(c[0].Opened))
		}
	}
	if got := len(w.Messages("ombuds", n1)); got != 0 {
		t.Errorf("an erased message still opens: %d", got)
	}
	if m := w.Only("ombuds", n2); m.Life == life || m.Meta.Kind != crypto.KindReport {
		t.Error("what comes after erasing everything belongs to the life before")
	}
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, with(func(o *intake.Options) { o.Limits = intake.Limits{FileSize: 1000, Files: 2} }))
	x := w.Enter(crypto.NewCode())
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
	if err := x.Submit(ctx, intake.Fields{Form: intaketest.NewForm(), Text: string(long[1:]), Bodies: []string{"ombuds"}}); err != nil {
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
	for _, b := range [][]byte{nil, []byte("no bundle"), w.Bundle()[:5000]} {
		if _, err := w.Service.Deliver(ctx, "test", bytes.NewReader(b)); !errors.Is(err, intake.ErrBundle) {
			t.Errorf("a bundle of %d bytes: %v", len(b), err)
		}
	}
	w.Advance(310 * 24 * time.Hour)
	if err := x.Submit(ctx, intake.Fields{Text: "x", Bodies: []string{"ombuds"}}); !errors.Is(err, intake.ErrClosed) {
		t.Errorf("after expiry: %v", err)
	}
}

// Many requests with one code lose nothing.
func TestSameCodeAtOnce(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, roomy)
	code := crypto.NewCode()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			x, err := w.Service.Enter(ctx, code, intake.WorkReport)
			if err != nil {
				t.Error(err)
				return
			}
			defer x.Close()
			if err := x.Submit(ctx, intake.Fields{Form: intaketest.NewForm(), Text: fmt.Sprint("text ", i), Bodies: []string{"ombuds"}}); err != nil {
				t.Error(err)
			}
			for _, size := range []int{1, 100_000} {
				if err := x.AddFile(ctx, fmt.Sprint("file ", i, " ", size), "", bytes.NewReader(make([]byte, size))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := map[string]bool{}
	for _, o := range w.Messages("ombuds", w.Release(crypto.LaneRegular)) {
		if o.Text != "" {
			got[o.Text] = true
		} else {
			got[o.Files[0].Name] = true
		}
	}
	if len(got) != 18 {
		t.Errorf("%d of 18 messages arrived: %v", len(got), got)
	}
	if err := w.Enter(code).EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	w.Night()
	if left := w.Messages("ombuds", 1); len(left) != 0 {
		t.Errorf("%d messages outlived their erasure", len(left))
	}
}

// A file of no bytes must not leave a reader behind that outlives the session.
func TestEmptyFile(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t)
	code := crypto.NewCode()
	w.Submit(code, "x", "ombuds")
	w.Deliver(w.Bundle(w.Reply("ombuds", w.Only("ombuds", w.Release(crypto.LaneRegular)), "see the file", nil)))
	for range 200 {
		x, err := w.Service.Enter(ctx, code, intake.WorkLogin)
		if err != nil {
			t.Fatal(err)
		}
		r, err := x.Reply(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.WriteFiles(ctx, r, io.Discard); err != nil {
			t.Fatal(err)
		}
		x.Close()
	}
}

// A body that was left out of a message reads nothing of it in the numbers of the next one:
// counters step at random, with so heavy a tail that a gap says nothing.
func TestCountersDoNotCount(t *testing.T) {
	const codes = 40
	steps := func(between int) (list []uint64) {
		w := intaketest.New(t, with(func(o *intake.Options) { o.BatchSize = codes * 3 }))
		for i := range codes {
			c := crypto.NewCode()
			w.Submit(c, fmt.Sprint("one ", i), "ombuds", "press")
			for range between {
				w.Submit(c, "not for press", "ombuds")
			}
			w.Submit(c, fmt.Sprint("two ", i), "ombuds", "press")
		}
		seen := map[string]uint64{}
		for _, o := range w.Messages("press", w.Release(crypto.LaneRegular)) {
			seen[o.Text] = o.Meta.Counter
		}
		for i := range codes {
			one, two := seen[fmt.Sprint("one ", i)], seen[fmt.Sprint("two ", i)]
			if two <= one || one == 0 {
				t.Fatalf("counters do not rise: %d, %d", one, two)
			}
			list = append(list, two-one)
		}
		slices.Sort(list)
		return list
	}
	without, between := steps(0), steps(1)
	if without[0] == without[codes-1] {
		t.Errorf("steps are constant: %v", without)
	}
	// What one world shows, the other shows too.
	beyond := 0
	for _, n := range between {
		if n > without[codes-3] || n < without[2] {
			beyond++
		}
	}
	if beyond > codes/2 {
		t.Errorf("%d of %d gaps could not have come without a message between:\n%v\n%v", beyond, codes, without, between)
	}
}

// What the source opened is in its next message, known to who knows the reply, and to nobody else.
func TestReceipts(t *testing.T) {
	w := intaketest.New(t, roomy)
	code := crypto.NewCode()
	w.Submit(code, "x", "ombuds")
	report := w.Only("ombuds", w.Release(crypto.LaneRegular))
	ids := map[string]crypto.Receipt{}
	for _, text := range []string{"read", "unread"} {
		w.Deliver(w.Bundle(w.ReplyWith("ombuds", report, func(m *crypto.Message) { m.Text = text }, nil)))
		for _, e := range w.Fetch("ombuds", w.Release(crypto.LaneRegular))[0].Entries {
			plain, err := crypto.Open(bytes.NewReader(e), w.Holders["ombuds"].Identity(crypto.MonthOf(w.Now())))
			if err != nil {
				continue
			}
			box, err := io.ReadAll(plain)
			if err != nil {
				t.Fatal(err)
			}
			ids[text] = crypto.ReceiptOf(sha(box))
		}
	}
	if _, err := w.Enter(code).Reply(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	w.Submit(code, "thank you", "ombuds")
	m := w.Only("ombuds", w.Release(crypto.LaneRegular))
	if len(m.Receipts) != crypto.MaxReceipts || m.Receipts[0] != ids["read"] || slices.Contains(m.Receipts, ids["unread"]) {
		t.Errorf("receipts %x; read %x, unread %x", m.Receipts, ids["read"], ids["unread"])
	}
}

// A body's id that was given to others is not who the source ticked (SECURITY.md S-27).
func TestChoiceIsWhoItWas(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t)
	code, only := crypto.NewCode(), crypto.NewCode()
	w.Submit(code, "help", "ombuds", "press")
	w.Submit(only, "help", "press")
	before := w.Dir.Version
	w.Change(func(d *crypto.Directory) {
		h, listed, err := intaketest.NewHolder("press", "spokesman", crypto.MonthOf(w.Now()))
		if err != nil {
			t.Fatal(err)
		}
		w.Holders["press"], listed.Since = h, d.Version
		b := intaketest.Body("press", "government", false)
		b.Since, b.Holders = d.Version, []crypto.Holder{listed}
		d.Bodies[2] = b
	})
	x := w.Enter(code)
	if got := x.Choice(); !slices.Equal(got, []string{"ombuds"}) {
		t.Errorf("ticked after the press office became the ministry's: %v", got)
	}
	if got := w.Enter(only).Choice(); len(got) != 0 {
		t.Errorf("ticked for one who had ticked nobody else: %v", got)
	}
	// A form that was open meanwhile showed the other body.
	if err := x.Submit(ctx, intake.Fields{Form: intaketest.NewForm(), Text: "x", Bodies: []string{"press"}, Listed: before}); !errors.Is(err, intake.ErrUnknownBody) {
		t.Errorf("a tick for the body of before: %v", err)
	}
	y := w.Enter(code)
	if _, err := y.ChangeCode(ctx, crypto.NewCode()); err != nil {
		t.Fatal(err)
	}
	if got := w.Messages("press", w.Release(crypto.LaneRegular)); len(got) != 0 {
		t.Errorf("the spokesman opens %d messages", len(got))
	}
}

// A body is asked whether it may show the case to another one; the source
// reads that with the words and answers with nothing else.
func TestNoticeAndConsent(t *testing.T) {
	ctx := context.Background()
	w := intaketest.New(t, roomy)
	code := crypto.NewCode()
	w.Submit(code, "x", "ombuds")
	report := w.Only("ombuds", w.Release(crypto.LaneRegular))
	want := form.Notice{Stage: "inquiry", Until: uint32(crypto.DayOf(w.Now())) + 30, Ask: "press"}
	notice, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.Deliver(w.Bundle(
		w.ReplyWith("ombuds", report, func(m *crypto.Message) { m.Notice = notice }, nil),
		w.Reply("ombuds", report, "words only"),
		w.ReplyWith("ombuds", report, func(m *crypto.Message) { m.Text, m.Notice = "words", []byte("\x02later version") }, nil)))
	list := w.Read(code)
	if len(list) != 3 {
		t.Fatalf("%d replies", len(list))
	}
	if r := list[0]; r.Notice == nil || *r.Notice != want || r.Body != "ombuds" || r.Text != "" {
		t.Errorf("a notice alone: %+v", r)
	}
	if r := list[1]; r.Notice != nil || r.Text != "words only" {
		t.Errorf("words alone: %+v", r)
	}
	if r := list[2]; r.Notice != nil || r.Text != "words" {
		t.Errorf("a notice of a later version: %+v", r)
	}

	x := w.Enter(code)
	marker := x.Marker()
	f := intake.Fields{Form: intaketest.NewForm(), Bodies: []string{"ombuds"}, Consents: []intake.Consent{{Body: "press", Yes: true}, {Body: "ministry"}}}
	if err := x.Submit(ctx, f); err != nil {
		t.Fatal(err)
	}
	if x.Marker() == marker {
		t.Error("the marker did not change when consents were sent")
	}
	n := w.Release(crypto.LaneRegular)
	if len(w.Messages("press", n)) != 0 {
		t.Error("a body that may be shown the case reads along: that is for a desk to do")
	}
	var m *crypto.Read
	for _, o := range w.Messages("ombuds", n) {
		if o.Meta.Kind == crypto.KindFollowUp {
			m = o.Read
		}
	}
	if m == nil || len(m.Consents) != 2 || m.Text != "" {
		t.Fatalf("read %+v", m)
	}
	for i, c := range f.Consents {
		s := m.Consents[i]
		if s.Body != c.Body || s.Since != 1 || s.Yes != c.Yes || s.Day != crypto.DayOf(w.Now()) || !s.Verify(report.Source) {
			t.Errorf("consent %+v became %+v", c, s)
		}
	}
}

func TestConsentRefusals(t *testing.T) {
	w := intaketest.New(t)
	x := w.Enter(crypto.NewCode())
	for name, c := range map[string]struct {
		list []intake.Consent
		want error
	}{
		"unknown body":   {[]intake.Consent{{Body: "nobody", Yes: true}}, intake.ErrUnknownBody},
		"no body":        {[]intake.Consent{{}}, intake.ErrUnknownBody},
		"the same twice": {[]intake.Consent{{Body: "press", Yes: true}, {Body: "press"}}, intake.ErrAnswers},
	} {
		err := x.Submit(context.Background(), intake.Fields{Form: intaketest.NewForm(), Text: "x", Bodies: []string{"ombuds"}, Consents: c.list})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
