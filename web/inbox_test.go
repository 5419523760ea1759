package web

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/intake/form"
)

// TestAskedForConsent: a reply asks whether a body that was not chosen may see
// the case. The answer is signed, goes to those who stood beside the question,
// and to nobody else.
func TestAskedForConsent(t *testing.T) {
	w := newWorld(t)
	code := w.get("/report").form("/report").set("text", "x").set("body", "audit", "ombuds").send().want(200, "Received").code()
	first := w.fetch(crypto.LaneRegular, "audit")[0].Read
	until := crypto.DayOf(w.now()) + 30
	w.reply("audit", first, "May we?", nil, form.Notice{Stage: "inquiry", Until: uint32(until), Ask: "press"})
	w.reply("audit", first, "", nil, form.Notice{Ask: "ombuds"})   // reads already
	w.reply("audit", first, "", nil, form.Notice{Ask: "stranger"}) // in no directory
	w.reply("audit", first, "", nil, form.Notice{Ask: "ministry"})
	inbox := w.enter(code)
	page := inbox.form("/reply").send().want(200, "Reply").has("May we?").
		has("It is being looked into").has("You will hear more by " + w.first().words.Date(until)).has("May The press office see your case too?").
		hasNot(w.first().words.Word("bodies.chain"))
	inbox.form("/reply", 3).send().want(200, "Reply").has("May The ministry office see your case too?").has(w.first().words.Word("bodies.chain"))
	for n := range 2 {
		if p := inbox.form("/reply", n+1).send().want(200, "Reply"); strings.Contains(p.body, "/consent") {
			t.Errorf("reply %d asks", n+2)
		}
	}
	yes, no := page.form("/consent"), page.form("/consent", 1)
	if !slices.Equal(yes.values["body"], []string{"ombuds", "audit"}) || yes.values["answer"][0] != "yes" || no.values["answer"][0] != "no" {
		t.Fatalf("the forms hold %v and %v", yes.values, no.values)
	}
	yes.send().want(200, "Received").has("Your answer is stored and sealed").form("/inbox").send().want(200, "Your inbox")
	no.send().want(200, "Received")
	got := map[bool]int{}
	for _, m := range w.fetchAll("audit") {
		for _, c := range m.Consents {
			got[c.Yes]++
			if c.Body != "press" || c.Day != crypto.DayOf(w.now()) || !c.Verify(m.Source) {
				t.Errorf("consent %+v", c)
			}
			if !slices.Equal(ids(m.Readers), []string{"ombuds", "audit"}) {
				t.Errorf("the answer is read by %v", m.Readers)
			}
		}
	}
	if got[true] != 1 || got[false] != 1 {
		t.Errorf("answers: %v", got)
	}
	infos, err := w.service.Batches()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range infos {
		for _, m := range w.open(b.Ordinal, "press") {
			t.Errorf("the body asked about reads a message of kind %d", m.Meta.Kind)
		}
	}
	page.form("/consent").set("answer", "perhaps").send().want(400, "This could not be read")
	w.enter(code).form("/reply").send().form("/erase").send().form("/erased").send().want(200, "Erased")
	yes.send().want(200, "Your inbox").has("erased meanwhile")
}

// TestWhatHappenedSince: retaliation and new danger travel fast; a report
// cannot say so, a message can; so can it withdraw.
func TestWhatHappenedSince(t *testing.T) {
	w := newWorld(t)
	page := w.get("/report")
	if f := page.form("/report"); slices.Contains(f.names, "q-since") || slices.Contains(f.names, "q-wish") {
		t.Error("the first form asks what happened since")
	}
	code := w.report("x").code()
	w.enter(code).form("/message").set("text", "they know").set("q-since", "retaliation").set("q-wish", "withdraw").send().want(200, "Received")
	got := w.fetch(crypto.LaneUrgent, "audit")
	if len(got) != 1 || got[0].Text != "they know" {
		t.Fatalf("%d messages in the urgent lane", len(got))
	}
	told, err := form.DecodeAnswers(got[0].Answers)
	if err != nil || !slices.Equal(told.Get(form.QSince), []string{"retaliation"}) || !slices.Equal(told.Get(form.QWish), []string{"withdraw"}) {
		t.Errorf("it says %v, %v", told, err)
	}
}

// TestChangeOfCode: the new code takes force when it was typed back, and not
// before; then the old one opens an empty inbox.
func TestChangeOfCode(t *testing.T) {
	w := newWorld(t)
	code := w.report("x").code()
	first := w.fetch(crypto.LaneRegular, "audit")[0].Read
	w.reply("audit", first, "an answer", nil)
	inbox := w.enter(code)
	page := inbox.form("/change").send().want(200, "Your new code")
	next := page.code()
	if next == code || strings.Contains(page.body, "Postern ·") || strings.Contains(textOf(find(page.doc, "title")[0]), "Postern") {
		t.Error("no new code, or the page's name names the service")
	}
	w.enter(next).has("Nothing is waiting")
	page.form("/changed").set("code", "one two").send().want(200, "Your new code").has("2 were read")
	page.form("/changed").set("code", code).send().want(200, "Your new code").has("not the one shown here")
	w.enter(code).hasNot("Nothing is waiting")
	done := page.form("/changed").set("code", strings.ToUpper(next)).send().want(200, "Your code was changed")
	done.form("/inbox").send().want(200, "Your inbox").hasNot("Nothing is waiting").form("/reply").send().want(200, "Reply").has("an answer")
	w.enter(code).has("Nothing is waiting")
	w.enter(next).form("/reply").send().want(200, "Reply").has("an answer")
	page.form("/changed").set("code", next).send().want(200, "Your code was changed") // sent again
	w.enter(next).form("/reply").send().want(200, "Reply").has("an answer")
	inbox.form("/message").set("text", "with the old code").send().want(200, "Received")

	var source ed25519.PublicKey
	for _, m := range w.fetchAll("audit") {
		if m.Succeeds != nil {
			source = m.Source
			if !m.Succeeds.Earlier.Equal(first.Source) {
				t.Error("the new code succeeds another source")
			}
		}
	}
	if source == nil {
		t.Error("readers were not told")
	}
	w.advance(31 * 60e9)
	page.form("/changed").set("code", next).send().want(200, "Read replies").has("has expired")

	// A code that nobody used changes as any other.
	other := strings.Join(crypto.NewCode().Words(), " ")
	p := w.enter(other).form("/change").send().want(200, "Your new code")
	p.form("/changed").set("code", p.code()).send().want(200, "Your code was changed").form("/inbox").send().want(200, "Your inbox").has("Nothing is waiting")
}

// leaves puts a directory in force in which nobody reads for a body any more.
func (w *world) leaves(version uint64, gone string, status crypto.Status) {
	w.t.Helper()
	d := *w.dir
	d.Version, d.Bodies = version, slices.Clone(d.Bodies)
	i := slices.IndexFunc(d.Bodies, func(b crypto.Body) bool { return b.ID == gone })
	h := d.Bodies[i].Holders[0]
	h.Status, h.Since, h.Epochs, h.EpochsSignature = status, version, nil, nil
	d.Bodies[i].Holders = []crypto.Holder{h}
	if err := w.service.SetDirectory(&d); err != nil {
		w.t.Fatal(err)
	}
	w.dir = &d
}

// TestNobodyIsImplied: pages that carry the readers along without a box to tick
// name those whom the source ticked, never the defaults of somebody new.
func TestNobodyIsImplied(t *testing.T) {
	t.Run("question", func(t *testing.T) {
		w := newWorld(t)
		code := w.get("/report").form("/report").set("text", "x").set("body", "audit", "ombuds").send().code()
		first := w.fetch(crypto.LaneRegular, "audit")[0].Read
		w.enter(code).form("/message").set("text", "y").set("body", "ombuds").send().want(200, "Received")
		w.reply("audit", first, "May we?", nil, form.Notice{Ask: "ministry"})
		w.leaves(2, "ombuds", crypto.StatusRetired)
		if p := w.enter(code).form("/reply").send().want(200, "Reply").has("May we?"); strings.Contains(p.body, `name="body"`) {
			t.Errorf("the answer would go to %v", p.form("/consent").values["body"])
		}
	})
	t.Run("files", func(t *testing.T) {
		w := newWorld(t)
		page := w.get("/report").form("/report").set("text", "x").set("body", "press").send().want(200, "Received")
		code := page.code()
		w.enter(code).form("/erase").send().form("/erased").send().want(200, "Erased")
		wrong := page.form("/code").set("code", "one").send().want(200, "Received")
		kept := page.form("/code").set("code", code).send().want(200, "You have your code")
		for _, p := range []*shown{wrong, kept} {
			if strings.Contains(p.body, `name="body"`) {
				t.Errorf("page %q: files would go to %v", p.title(), p.form("/files").values["body"])
			}
		}
	})
}

// TestAQuestionThatIsOverTakesNoAnswer: between the page and the answer the directory
// has withdrawn the key that asked, or the body asked about, or one that was to read the
// answer, reads no more. The reply is shown again, as it is now.
func TestAQuestionThatIsOverTakesNoAnswer(t *testing.T) {
	for gone, status := range map[string]crypto.Status{
		"audit": crypto.StatusRevoked, "press": crypto.StatusRetired, "ombuds": crypto.StatusRetired,
	} {
		w := newWorld(t)
		code := w.get("/report").form("/report").set("text", "x").set("body", "audit", "ombuds").send().code()
		w.reply("audit", w.fetch(crypto.LaneRegular, "audit")[0].Read, "May we?", nil, form.Notice{Ask: "press"})
		yes := w.enter(code).form("/reply").send().form("/consent")
		w.leaves(2, gone, status)
		p := yes.send().want(200, "Reply")
		for _, m := range w.fetchAll("audit") {
			if len(m.Consents) > 0 {
				t.Errorf("%s: %+v", gone, m.Consents)
			}
		}
		if gone == "ombuds" { // it was to read the answer: the others still can
			p.form("/consent").send().want(200, "Received")
		} else if strings.Contains(p.body, "/consent") {
			t.Errorf("%s: it still asks", gone)
		}
	}
}
