package reviewer

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/reviewertest"
)

// shows writes the case of a desk, opened from the disk, and looks for lines in it.
func (w *world) shows(holder string, want ...string) string {
	w.t.Helper()
	v := w.reopen(holder)
	var b bytes.Buffer
	check(w.t, v.WriteCase(&b, w.only(holder)))
	for _, line := range want {
		if !strings.Contains(b.String(), line+"\n") {
			w.t.Errorf("%s is not shown %q:\n%s", holder, line, b.String())
		}
	}
	return b.String()
}

// tell seals a notice and carries it to the server; what comes out is for the next batch.
func (w *world) tell(holder, text string, n form.Notice) (sealed [][]byte) {
	w.t.Helper()
	v := w.desks[holder]
	p := must(v.PlanReply(w.only(holder), w.today()))(w.t)
	must(v.Reply(p, Draft{Text: text, Notice: &n}))(w.t)
	return w.forBatch(holder)
}

// A desk tells and asks, the source answers, and every desk that reads the case shows both.
func TestNoticeAndConsent(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	volume := w.release(4, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds", "ngo"))(t))
	w.imports("anna", volume)
	w.imports("cleo", volume)

	v := w.desks["anna"]
	n := form.Notice{Stage: "inquiry", Until: uint32(w.today()) + 30, Ask: "inspect"}
	p := must(v.PlanReply(w.only("anna"), w.today()))(t)
	must(v.Reply(p, Draft{Notice: &n}))(t)
	text := w.shows("anna", "    Stage told to the source: Under inquiry.", "    Promised to the source: more by 2026-12-24.", "    Asked: may this case be shown to Body inspect?")
	if c := w.only("anna"); c.Now.Stage != nil || c.Now.Promise != nil || len(c.Now.Asked) != 0 || strings.Contains(text, "Body ombuds, 2026-11-24") {
		t.Errorf("what waits in the vault counts as published: %+v", c.Now)
	}
	sealed := w.tell("anna", "and words", form.Notice{Stage: "acknowledged"})
	head := []string{
		"Stage told to the source: Acknowledged (Body ombuds, 2026-11-24).", // the newer one
		"Promised to the source: more by 2026-12-24 (Body ombuds, 2026-11-24).",
		"Asked, not yet answered: may this case be shown to Body inspect? (Body ombuds, 2026-11-24)",
	}
	w.shows("anna", head...)
	w.imports("cleo", w.release(16, sealed...))
	w.shows("cleo", append(head, "    Asked: may this case be shown to Body inspect?", "    │ and words")...)

	w.now = w.now.AddDate(0, 0, 1)
	volume = w.release(4, must(src.Agree(reviewertest.NewForm(), w.today(), "inspect", true, "ombuds", "ngo"))(t))
	const yes, no = "The source says YES: this case may be shown to Body inspect (signed, 2026-11-25).",
		"The source says NO: this case may not be shown to Body inspect (signed, 2026-11-26)."
	for _, h := range []string{"anna", "cleo"} {
		if r := w.imports(h, volume); r.New != 1 || r.Damaged != 0 {
			t.Fatalf("%s: %+v", h, r)
		}
		if text := w.shows(h, yes, "    "+yes); strings.Contains(text, "not yet answered") {
			t.Errorf("%s is shown an answered question:\n%s", h, text)
		}
	}
	w.now = w.now.AddDate(0, 0, 1)
	w.imports("anna", w.release(4, must(src.Agree(reviewertest.NewForm(), w.today(), "inspect", false, "ombuds", "ngo"))(t)))
	w.shows("anna", no, "    "+no, "    "+yes)
	if c := w.only("anna").Now.Consents; len(c) != 1 || c[0].Yes {
		t.Errorf("after a no: %+v", c)
	}
	if cs := w.desks["dora"].Cases(); len(cs) != 0 {
		t.Error("the body that was asked about reads the case by itself")
	}

	// The promise runs out on the day after it, unless the body was heard.
	now := w.only("cleo").Now
	if until := crypto.Day(n.Until); now.Overdue(until) || !now.Overdue(until+1) {
		t.Errorf("overdue on the day: %v, after it: %v", now.Overdue(until), now.Overdue(until+1))
	}
	w.now = w.now.AddDate(0, 0, 40)
	w.shows("anna", "! That day has passed, and the source has heard nothing more from them.")
	w.tell("anna", "late", form.Notice{Stage: "concluded"})
	if text := w.shows("anna", "Stage told to the source: Concluded (Body ombuds, 2027-01-05)."); strings.Contains(text, "has passed") {
		t.Errorf("a body that was heard is overdue:\n%s", text)
	}
}

// Where the order of a yes and a no of one day cannot be told, the no stands.
func TestConsentOnTheDayOfErasing(t *testing.T) {
	for name, yesFirst := range map[string]bool{"yes, erased, no": true, "no, erased, yes": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			src := w.server.NewSource()
			// The first answer has a high counter, that of the new life a low one.
			early := must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)
			first := must(src.Agree(reviewertest.NewForm(), w.today(), "inspect", yesFirst, "ombuds"))(t)
			w.imports("anna", w.release(2, early, first))
			src.EraseAll()
			w.imports("anna", w.release(2, must(src.Agree(reviewertest.NewForm(), w.today(), "inspect", !yesFirst, "ombuds"))(t)))
			if c := w.only("anna").Now.Consents; len(c) != 1 || c[0].Yes {
				t.Errorf("%+v", c)
			}
		})
	}
	// Within one life the later answer counts, either way.
	w := newWorld(t)
	src := w.server.NewSource()
	for _, yes := range []bool{true, false, true} {
		w.imports("anna", w.release(2, must(src.Agree(reviewertest.NewForm(), w.today(), "inspect", yes, "ombuds"))(t)))
		if c := w.only("anna").Now.Consents; len(c) != 1 || c[0].Yes != yes {
			t.Errorf("answered %v: %+v", yes, c)
		}
	}
}

// A no that the source sent last stands: also when it repeats an earlier one word for
// word, from the same page, and when it came to the desk before the yes that it takes back.
func TestLastNoStands(t *testing.T) {
	t.Run("repeated", func(t *testing.T) {
		for name, answers := range map[string][]bool{"no, yes, no": {false, true, false}, "yes, no, yes": {true, false, true}} {
			w := newWorld(t)
			src, page := w.server.NewSource(), reviewertest.NewForm()
			w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
			for _, yes := range answers { // buttons of one page, by going back in the browser
				w.imports("anna", w.release(2, must(src.Agree(page, w.today(), "inspect", yes, "ombuds"))(t)))
			}
			if c := w.only("anna").Now.Consents; len(c) != 1 || c[0].Yes {
				t.Errorf("%s: %+v", name, c)
			}
		}
	})
	t.Run("out of order", func(t *testing.T) {
		w := newWorld(t)
		src := w.server.NewSource()
		w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
		yes := must(src.Agree(reviewertest.NewForm(), w.today(), "inspect", true, "ombuds"))(t)
		no := must(src.Agree(reviewertest.NewForm(), w.today(), "inspect", false, "ombuds"))(t)
		w.imports("anna", w.release(2, no))
		w.tell("anna", "received", form.Notice{Stage: "acknowledged"}) // lies between them
		w.imports("anna", w.release(2, yes))
		if c := w.only("anna").Now.Consents; len(c) != 1 || c[0].Yes {
			t.Errorf("%+v", c)
		}
	})
}

// What happened since, and a withdrawal, stand at the head and in the list; a
// repeat of an old form does not bring them up again.
func TestMarks(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	if m := w.only("anna").Marks(); len(m) != 0 {
		t.Errorf("marks of a report: %q", m)
	}
	danger := reviewertest.NewForm()
	for range 2 { // the second time a day later: a repeat
		w.now = w.now.AddDate(0, 0, 1)
		w.imports("anna", w.release(2, must(src.Say(danger, w.today(), "", form.Answers{{ID: form.QSince, Values: []string{form.SinceDanger}}}, "ombuds"))(t)))
	}
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "", form.Answers{
		{ID: form.QSince, Values: []string{form.SinceRetaliation}}, {ID: form.QWish, Values: []string{form.WishWithdraw}},
	}, "ombuds"))(t)))
	w.shows("anna",
		"! RETALIATION against the source or others since the report, the source says (2026-11-26).",
		"! NEW DANGER to somebody since the report, the source says (2026-11-25).",
		"! THE SOURCE WITHDRAWS THE REPORT (2026-11-26).",
		"    │ New danger to somebody since the report")
	if m := strings.Join(w.only("anna").Marks(), ", "); m != "RETALIATION, NEW DANGER, WITHDRAWN" {
		t.Errorf("marks %q", m)
	}

	// An answer of a later vocabulary beside it hides none of them.
	m := src.Head(crypto.KindFollowUp, reviewertest.NewForm(), w.today()+1, "ombuds")
	m.Meta.Counter = 1000
	frames := must(form.Answers{{ID: form.QSince, Values: []string{form.SinceDanger}}}.Encode())(t)
	m.Answers = append([][]byte{[]byte("\x05later\x01\x00\x01x")}, frames...)
	w.imports("anna", w.release(2, must(w.server.Seal(m, src.Signing, nil))(t)))
	if d := w.only("anna").Now.Danger; d != w.today()+1 {
		t.Errorf("danger of %s", d)
	}
}

// Nobody but a body that the source chose tells it anything.
func TestForgedNotice(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	notice := must(form.Notice{Stage: "closed"}.Encode())(t)
	forge := func(holder string, notice []byte, joins int) {
		t.Helper()
		m := src.Head(crypto.KindReply, reviewertest.NewForm(), w.today(), "ombuds")
		m.Source, m.Life, m.ReplyTo, m.Receipts = nil, crypto.LifeID{}, nil, nil
		m.Notice, m.Drop = notice, src.Drop()
		key := src.Signing
		if holder != "" {
			key = w.desks[holder].keys.signing()
		}
		if r := w.imports("anna", w.release(2, must(w.server.Seal(m, key, nil))(t))); r.New != joins || r.Strangers != 1-joins {
			t.Fatalf("%+v", r)
		}
		if s := w.only("anna").Now.Stage; s != nil {
			t.Errorf("published by %q: %+v", holder, s)
		}
	}
	forge("", notice, 0)     // a key that is in no directory
	forge("cleo", notice, 0) // a body that the source did not choose
	forge("ben", []byte("\x02later"), 1)
	w.next(func(*crypto.Directory) { w.server.End("ben", crypto.StatusRevoked) })
	forge("ben", notice, 1) // a key that was withdrawn
	text := w.shows("anna", "    ! It tells the source something this desk does not know: use a newer desk to see it.")
	if strings.Contains(text, "\nStage told") || strings.Count(text, "    Stage told to the source: Closed.\n") != 1 {
		t.Errorf("shown:\n%s", text)
	}
}

func TestCheckNotice(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(2, must(src.Say(reviewertest.NewForm(), w.today(), "x", nil, "ombuds"))(t)))
	v := w.desks["anna"]
	p := must(v.PlanReply(w.only("anna"), w.today()))(t)
	for name, c := range map[string]struct {
		n    form.Notice
		says string
	}{
		"nothing":        {form.Notice{}, "tells the source nothing"},
		"unknown stage":  {form.Notice{Stage: "lost"}, "use one of received, acknowledged, assessed, inquiry, concluded, closed, referred, out-of-scope, withdrawn, reopened"},
		"yesterday":      {form.Notice{Until: uint32(w.today()) - 1}, "more by 2026-11-23: that day is past; name a day from 2026-11-24 on"},
		"unknown body":   {form.Notice{Ask: "press"}, "no body press is in the directory; the source can be asked about: ngo, inspect"},
		"reads already":  {form.Notice{Ask: "ombuds"}, "Body ombuds reads this case already"},
		"no id":          {form.Notice{Ask: "\x1b[2J"}, "no body ⟨U+001B⟩[2J is in the directory"},
		"too far a year": {form.Notice{Until: 1 << 31}, "year 9999"},
	} {
		_, err := v.Reply(p, Draft{Text: "x", Notice: &c.n})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := v.Reply(p, Draft{Notice: &form.Notice{Stage: "lost"}}); !errors.Is(err, ErrStage) {
		t.Errorf("%v", err)
	}
	if _, err := v.Reply(p, Draft{}); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty reply: %v", err)
	}
	if c := w.only("anna"); c.Waiting != 0 {
		t.Errorf("%d refused replies wait", c.Waiting)
	}
	check(t, v.CheckNotice(p, &form.Notice{Until: uint32(w.today())}))
	check(t, v.CheckNotice(p, nil))

	// A body whose holders all left reads nothing.
	w.next(func(d *crypto.Directory) {
		w.server.End("cleo", crypto.StatusRetired)
		b, _ := d.Body("ngo")
		b.Since = d.Version
	})
	if err := v.CheckNotice(p, &form.Notice{Ask: "ngo"}); err == nil || !strings.Contains(err.Error(), "nobody reads for Body ngo at present; the source can be asked about: inspect") {
		t.Errorf("%v", err)
	}
}

// What a list needs of a report is known without opening it: why it is urgent, what it is
// about, what may be done with it. A message has one id at every desk.
func TestUrgencyAndTopics(t *testing.T) {
	w := newWorld(t)
	s := w.server.NewSource()
	e := must(s.Say(reviewertest.NewForm(), w.today(), "help", form.Answers{
		{ID: form.QUrgency, Values: []string{"danger", "evidence"}}, {ID: form.QTopics, Values: []string{"force"}}, {ID: form.QConsent, Values: []string{"court"}},
	}, "ombuds", "ngo"))(t)
	more := must(s.Say(reviewertest.NewForm(), w.today()+1, "more", form.Answers{{ID: form.QUrgency, Values: []string{"danger"}}}, "ombuds", "ngo"))(t)
	v := w.release(4, e, more)
	w.imports("anna", v)
	w.imports("cleo", v)
	a, c := w.only("anna"), w.only("cleo")
	if got := a.Now; !slices.Equal(got.Urgency, []string{"danger", "evidence"}) || got.Urgent != w.today()+1 || !slices.Equal(got.Topics, []string{"force"}) || !slices.Equal(got.Uses, []string{"court"}) {
		t.Errorf("known of the report: %+v", got)
	}
	for i := range a.Messages {
		if a.Messages[i].ID != c.Messages[i].ID || len(a.Messages[i].ID) != 8 || a.Messages[0].ID == a.Messages[1].ID {
			t.Errorf("ids %q and %q", a.Messages[i].ID, c.Messages[i].ID)
		}
	}
}
