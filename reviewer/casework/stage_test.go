package casework

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postern/crypto"
	"postern/intake/form"
)

func TestUsualWay(t *testing.T) {
	d := &diary{tb: t}
	for _, to := range []string{StageAcknowledged, StageAssessed, StageInquiry} {
		if err := d.move(anna, today, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		to    string
		pairs []string
		want  error
	}{
		{StageClosed, usual(StageClosed), ErrStage},
		{StageConcluded, nil, ErrOutcome},
		{StageConcluded, []string{"outcome=sustained"}, ErrOutcome},
		{StageConcluded, []string{"reasons=x"}, ErrOutcome},
		{StageConcluded, []string{"outcome=sustained", "reasons=x", "approver=me"}, ErrStage},
		{StageReferred, []string{"outcome=sustained", "reasons=x"}, ErrStage},
		{StageReferred, nil, ErrOutcome},
		{StageWithdrawn, nil, ErrOutcome},
		{StageReopened, []string{"reasons=x"}, ErrStage},
		{StageReceived, nil, ErrStage},
		{StageConcluded, []string{"outcome=sustained", "reasons=The store was empty."}, nil},
		{StageClosed, nil, ErrOutcome},
		{StageClosed, []string{"approver=the director"}, ErrOutcome},
		{StageClosed, []string{"action=none"}, ErrOutcome},
		{StageClosed, []string{"approver=the director", "action=The store is counted.", "corrective=yes"}, nil},
		{StageInquiry, nil, ErrStage},
		{StageReopened, nil, ErrOutcome},
		{StageReopened, []string{"reasons=New words of the source."}, nil},
		{StageClosed, usual(StageClosed), ErrStage},
		{StageOutOfScope, []string{"reasons=Another country."}, nil},
		{StageClosed, usual(StageClosed), nil},
	} {
		if err := d.move(anna, today, c.to, c.pairs...); !errors.Is(err, c.want) {
			t.Fatalf("%s with %q: %v, not %v", c.to, c.pairs, err, c.want)
		}
		if st := d.book().State("ombuds"); (st.Outcome != nil) != (ending(st.Stage) || st.Stage == StageClosed) {
			t.Fatalf("%s with outcome %+v", st.Stage, st.Outcome)
		}
	}
	st := d.book().State("ombuds")
	if st.Outcome == nil || st.Outcome.Stage != StageOutOfScope || st.Outcome.Approver != "the director" || len(st.Steps) != 8 {
		t.Errorf("%+v, %d steps", st.Outcome, len(st.Steps))
	}
	if err := d.try(anna, today, Body, act(KindStage, "from=inquiry", "to=closed", "approver=x", "action=x")); !errors.Is(err, ErrMoved) {
		t.Errorf("from a stage in which the case is not: %v", err)
	}
}

// Whatever events meet, in whatever order, signed by whomever: no case is closed without an outcome
// with reasons, and without approver and action.
func TestNothingClosesWithoutOutcome(t *testing.T) {
	stages := form.Stages()
	rapid.Check(t, func(t *rapid.T) {
		var list []Signed
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			w := rapid.SampledFrom([]*writer{anna, ben}).Draw(t, "writer")
			a := genAct(t)
			if rapid.IntRange(0, 5).Draw(t, "step") > 0 { // mostly steps that may fit
				from := rapid.SampledFrom(stages).Draw(t, "from").ID
				to := rapid.SampledFrom(slices.Concat(next[from], []string{StageClosed})).Draw(t, "to")
				fields := usual(to)
				if rapid.IntRange(0, 3).Draw(t, "lacks") == 0 {
					fields = nil
				}
				a = act(KindStage, append(fields, "from="+from, "to="+to)...)
			}
			e := Event{Case: testCase, Author: w.Author, Day: today + crypto.Day(rapid.IntRange(0, 5).Draw(t, "day")),
				Scope: Body, Number: uint32(len(list) + 1), Place: Place{0, uint32(len(list) + 1)}, Before: Hash{1}, Act: a}
			if e.Number == 1 {
				e.Before = Hash{}
			}
			list = append(list, Signed{Event: e})
			st := Fold(list).State("ombuds")
			stage, outcome := StageReceived, false
			for _, s := range st.Steps { // the way is one
				if s.From != stage || !slices.Contains(next[stage], s.To) {
					t.Fatalf("from %s to %s, after %s", s.From, s.To, stage)
				}
				if s.To == StageClosed && !outcome {
					t.Fatal("closed without an outcome")
				}
				stage, outcome = s.To, ending(s.To) || outcome && s.To == StageClosed
			}
			if o := st.Outcome; st.Stage == StageClosed && (o == nil || o.Reasons == "" || o.Approver == "" || o.Action == "" || (o.Stage == StageConcluded) != (o.Finding != "")) {
				t.Fatalf("closed with %+v", o)
			}
		}
	})
}

// Every stage can be reached, and from every stage a case can be closed.
func TestStagesAreConnected(t *testing.T) {
	reach := func(from string) map[string]bool {
		seen := map[string]bool{from: true}
		for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
			for _, to := range next[todo[0]] {
				if !seen[to] {
					seen[to], todo = true, append(todo, to)
				}
			}
		}
		return seen
	}
	for _, s := range form.Stages() {
		if !reach(StageReceived)[s.ID] || !reach(s.ID)[StageClosed] {
			t.Errorf("%s cannot be reached, or not be left", s.ID)
		}
	}
	for from, list := range next {
		if slices.Contains(list, StageClosed) && !ending(from) {
			t.Errorf("%s is no outcome, and a case can be closed from it", from)
		}
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	d := &diary{tb: t}
	d.write(anna, today, Body, act(KindRecuse, "holder=ben", "on=yes", "reasons=A cousin."))
	rec := d.write(anna, today, Body, act(KindRecommend, "aim=law", "text=Count the store.", "to=The ministry"))
	d.write(anna, today, Body, act(KindFate, "of="+string(rec), "fate=implemented"))
	ask := d.write(anna, today, Body, act(KindAskErase, "reasons=x"))
	for name, c := range map[string]struct {
		w    *writer
		a    Act
		want error
		say  string
	}{
		"assigned to who keeps away": {anna, act(KindAssign, "holder=ben"), ErrRecused, "somebody else"},
		"who keeps away writes":      {ben, act(KindNote, "text=x"), ErrRecused, "end the recusal"},
		"fate of nothing":            {anna, act(KindFate, "of=0011223344556677", "fate=accepted"), ErrRefers, "look it up"},
		"fate after the last":        {anna, act(KindFate, "of="+string(rec), "fate=rejected"), ErrAlready, "a new recommendation"},
		"strikes nothing":            {anna, act(KindStrike, "of=0011223344556677", "reasons=x"), ErrRefers, "only a note"},
		"strikes a recommendation":   {anna, act(KindStrike, "of="+string(rec), "reasons=x"), ErrRefers, "only a note"},
		"agrees with oneself":        {anna, act(KindMayErase, "of="+string(ask)), ErrApprove, "another holder"},
		"linked to itself":           {anna, act(KindLink, "case="+CaseText(testCase), "by=unit"), ErrRefers, "name another"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := d.try(c.w, today, Body, c.a); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v", err)
			}
		})
	}
	d.write(ben, today, Body, act(KindRecuse, "holder=ben", "on=no", "reasons=Another cousin."))
	d.write(ben, today, Body, act(KindMayErase, "of="+string(ask)))
	if st := d.book().State("ombuds"); st.EraseAgreed == nil {
		t.Error("ben agreed")
	}
	if _, err := d.book().Write(anna.Author, testCase, today, 0, act(KindNote, "text=x")); !errors.Is(err, ErrField) {
		t.Errorf("no scope: %v", err)
	}
}

// Wants says of every stage what a step to it needs and may have: with less it is refused, and so it is with more.
func TestWants(t *testing.T) {
	fields := []string{"outcome=sustained", "reasons=x", "approver=x", "action=x", "corrective=no"}
	name := func(pair string) string { n, _, _ := strings.Cut(pair, "="); return n }
	for from, tos := range next {
		for _, to := range tos {
			needed, may := Wants(to)
			for set := range 1 << len(fields) {
				pairs := []string{"from=" + from, "to=" + to}
				has, beyond := 0, false
				for i, f := range fields {
					if set&(1<<i) == 0 {
						continue
					}
					pairs = append(pairs, f)
					has += btoi(slices.Contains(needed, name(f)))
					beyond = beyond || !slices.Contains(needed, name(f)) && !slices.Contains(may, name(f))
				}
				s := newState("ombuds")
				s.Stage, s.Outcome = from, &Outcome{Stage: from, Reasons: "x"}
				err := s.step(&Entry{Signed: Signed{Event: Event{Act: act(KindStage, pairs...)}}})
				if ok := has == len(needed) && !beyond; ok != (err == nil) {
					t.Fatalf("from %s with %q: %v", from, pairs, err)
				}
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
