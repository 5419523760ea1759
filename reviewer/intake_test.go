package reviewer_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/intake"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/keeper"
	"postern/reviewer/reviewertest"
	"postern/store"
)

// The whole way with nothing in anybody's place: a source reports through the
// intake, a desk tells it how far the case is and asks whom it may show it to, the source
// reads that with the code and answers, and the desk shows the answer.
func TestAskThroughTheIntake(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	today := crypto.DayOf(now)
	pass := []byte("seven random words are good enough here")
	o := reviewer.Options{ScryptLogN: 2, Now: func() time.Time { return now }}
	seedtest.Set(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	// Two bodies enrol.
	proposal := reviewertest.NewServer(today)
	desks := make(map[string]*reviewer.Desk)
	for body, kind := range map[string]string{"ombuds": "ombuds", "audit": "audit"} {
		v, err := reviewer.Create(filepath.Join(t.TempDir(), "vault"), body, body+"-1", pass, o)
		check(err)
		defer v.Close()
		desks[body] = v
		card, _, err := v.Card()
		check(err)
		check(proposal.Enrol(card, kind))
	}
	file := filepath.Join(t.TempDir(), "root")
	vkey, err := keeper.NewRoot(file, "test", pass, o.ScryptLogN)
	check(err)
	root, err := keeper.OpenRoot(file, pass, o.ScryptLogN)
	check(err)
	text, err := proposal.Proposal()
	check(err)
	signed, err := root.Sign(text, nil, today)
	check(err)
	for _, v := range desks {
		check(v.AcceptDirectory(signed, []string{vkey}, today))
	}

	// The server.
	st, err := store.Open(store.Options{
		Dir: t.TempDir(), Buckets: intake.Buckets(), SmallCell: intake.SmallCell(8), Quota: 1 << 30, ReserveSmall: 0.1, Spare: 1 << 28, Create: true,
	})
	check(err)
	defer func() { check(st.Close()) }()
	s, err := intake.New(intake.Options{
		Store: st, Directory: proposal.Directory, Transfer: proposal.Transfer, Signing: proposal.Signing, Instance: proposal.Instance, BatchSize: 8, Now: func() time.Time { return now },
	})
	check(err)
	enter := func(c crypto.Code) *intake.Session {
		t.Helper()
		x, err := s.Enter(ctx, c, intake.WorkReport)
		check(err)
		t.Cleanup(x.Close)
		return x
	}
	form1, form2 := reviewertest.NewForm(), reviewertest.NewForm()
	// carry brings the next batch to every desk and says how many messages were new there.
	carry := func() map[string]int {
		t.Helper()
		n, err := s.Release(ctx, crypto.LaneRegular)
		check(err)
		var volume bytes.Buffer
		check(s.WriteVolume(ctx, &volume, n, 1, 0))
		found := make(map[string]int)
		for body, v := range desks {
			r, err := v.Import(bytes.NewReader(volume.Bytes()), reviewer.ImportOptions{})
			check(err)
			found[body] = r.New
		}
		return found
	}

	code := crypto.NewCode()
	check(enter(code).Submit(ctx, intake.Fields{Form: form1, Text: "They sell the fuel.", Bodies: []string{"ombuds"}}))
	if got := carry(); got["ombuds"] != 1 || got["audit"] != 0 {
		t.Fatalf("the report was opened by %v", got)
	}

	// The desk asks.
	v := desks["ombuds"]
	c := v.Cases()[0]
	plan, err := v.PlanReply(&c, today)
	check(err)
	notice := form.Notice{Stage: "inquiry", Until: uint32(today) + 90, Ask: "audit"}
	_, err = v.Reply(plan, reviewer.Draft{Notice: &notice})
	check(err)
	bundles, err := v.Export(t.TempDir())
	check(err)
	bundle, err := os.ReadFile(bundles[0].Path)
	check(err)
	_, err = s.Deliver(ctx, "ombuds-1", bytes.NewReader(bundle))
	check(err)

	// The source reads and answers.
	now = now.AddDate(0, 0, 1)
	x := enter(code)
	inbox, _, err := x.Inbox(ctx, 0)
	check(err)
	if len(inbox) != 1 {
		t.Fatalf("%d replies wait", len(inbox))
	}
	reply, err := x.Reply(ctx, inbox[0].Number)
	check(err)
	if reply.Notice == nil || *reply.Notice != notice || reply.Body != "ombuds" || reply.Standing != crypto.SignerGood || reply.Text != "" {
		t.Fatalf("the source reads %+v", reply)
	}
	check(x.Submit(ctx, intake.Fields{
		Form: form2, Bodies: x.Choice(), Consents: []intake.Consent{{Body: reply.Notice.Ask, Yes: true}},
		Answers: form.Answers{{ID: form.QSince, Values: []string{form.SinceRetaliation}}},
	}))
	for range 3 { // the bundle filled the queue: the answer may be in a later batch
		if got := carry(); got["audit"] != 0 {
			t.Errorf("the body that was asked about opened %d messages", got["audit"])
		}
	}

	// The desk shows it.
	c = v.Cases()[0]
	var b bytes.Buffer
	check(v.WriteCase(&b, &c))
	for _, want := range []string{
		"The source says YES: this case may be shown to Body audit (signed, 2026-11-25).\n",
		"! RETALIATION against the source or others since the report, the source says (2026-11-25).\n",
		"Stage told to the source: Under inquiry (Body ombuds, 2026-11-24).\n",
		"Promised to the source: more by 2027-02-22 (Body ombuds, 2026-11-24).\n",
		"    The source has read it.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the desk does not show %q:\n%s", want, b.String())
		}
	}
}
