package intake_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"postern/crypto"
	"postern/intake"
	"postern/intake/form"
)

// A body tells how far the case is and asks whom it may show it to; the source
// reads that with the words and answers with nothing else.
func TestNoticeAndConsent(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	code := crypto.NewCode()
	w.submit(code, "x", "ombuds")
	report := w.fetch("ombuds", w.release(crypto.LaneRegular))[0].opened[0].Read
	want := form.Notice{Stage: "inquiry", Until: uint32(crypto.DayOf(w.now())) + 30, Ask: "press"}
	notice, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.deliver(w.bundle(w.replyNotice("ombuds", report, 2, notice, ""), w.reply("ombuds", report, 3, "words only"),
		w.replyNotice("ombuds", report, 4, []byte("\x02later version"), "words")))
	own := w.holders["ombuds"].key
	if _, w.holders["ombuds"].key, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	w.deliver(w.bundle(w.replyNotice("ombuds", report, 5, notice, "forged")))
	w.holders["ombuds"].key = own

	x := w.enter(code)
	if r, err := x.Reply(ctx, 2); err != nil || r.Notice == nil || *r.Notice != want || r.Body != "ombuds" || r.Text != "" {
		t.Errorf("a notice alone: %+v, %v", r, err)
	}
	if r, err := x.Reply(ctx, 3); err != nil || r.Notice != nil || r.Text != "words only" {
		t.Errorf("words alone: %+v, %v", r, err)
	}
	if r, err := x.Reply(ctx, 4); err != nil || r.Notice != nil || r.Text != "words" {
		t.Errorf("a notice of a later version: %+v, %v", r, err)
	}
	if r, err := x.Reply(ctx, 5); err != nil || r.Notice != nil || r.Standing != crypto.SignerUnknown {
		t.Errorf("a notice nobody known signed: %+v, %v", r, err)
	}

	marker := x.Marker()
	f := intake.Fields{Form: newForm(), Bodies: []string{"ombuds"}, Consents: []intake.Consent{{Body: "press", Yes: true}, {Body: "ministry"}}}
	if err := x.Submit(ctx, f); err != nil {
		t.Fatal(err)
	}
	if x.Marker() == marker {
		t.Error("the marker did not change when consents were sent")
	}
	var m *crypto.Read
	for range 4 { // what the two bundles brought fills batches of its own
		n := w.release(crypto.LaneRegular)
		for _, o := range w.fetch("ombuds", n)[0].opened {
			if o.Meta.Kind == crypto.KindFollowUp {
				m = o.Read
			}
		}
		if len(w.fetch("press", n)[0].opened) != 0 {
			t.Error("a body that may be shown the case reads along: that is for a desk to do")
		}
	}
	if m == nil {
		t.Fatal("the consents did not arrive")
	}
	if len(m.Consents) != 2 || m.Text != "" || !slices.Equal(m.Readers, []string{"ombuds"}) || len(m.Prekeys) == 0 {
		t.Fatalf("read %+v", m.Message)
	}
	for i, c := range f.Consents {
		s := m.Consents[i]
		if s.Body != c.Body || s.Yes != c.Yes || s.Day != crypto.DayOf(w.now()) || !s.Verify(report.Source) {
			t.Errorf("consent %+v became %+v", c, s)
		}
	}
}

func TestConsentRefusals(t *testing.T) {
	w := newWorld(t)
	x := w.enter(crypto.NewCode())
	for name, c := range map[string]struct {
		list []intake.Consent
		want error
	}{
		"unknown body":   {[]intake.Consent{{Body: "nobody", Yes: true}}, intake.ErrUnknownBody},
		"no body":        {[]intake.Consent{{}}, intake.ErrUnknownBody},
		"the same twice": {[]intake.Consent{{Body: "press", Yes: true}, {Body: "press"}}, intake.ErrAnswers},
	} {
		err := x.Submit(context.Background(), intake.Fields{Form: newForm(), Text: "x", Bodies: []string{"ombuds"}, Consents: c.list})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
