package casework

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"postern/crypto"
)

// shown is everything that a book tells.
type shown struct {
	Log    []string
	Breaks []Break
	States map[string]State
}

func show(b *Book) shown {
	s := shown{Breaks: b.Breaks, States: map[string]State{}}
	for i := range b.Log {
		e := &b.Log[i]
		line := string(e.Hash.Ref()) + " " + e.Kind
		if e.Err != nil {
			line += ": " + e.Err.Error()
		}
		s.Log = append(s.Log, line)
	}
	for _, id := range b.Bodies() {
		s.States[id] = *b.State(id)
	}
	return s
}

var same = cmp.Options{cmpopts.IgnoreUnexported(State{}), cmpopts.EquateEmpty()}

// genDiary draws what three holders of two bodies, who do not always have each other's events,
// write with clocks that do not agree.
func genDiary(t *rapid.T) []Signed {
	var all []Signed
	has := map[*writer][]Signed{}
	writers := []*writer{anna, ben, cleo}
	var refs []string
	for range rapid.IntRange(1, 25).Draw(t, "events") {
		w := rapid.SampledFrom(writers).Draw(t, "writer")
		if rapid.Bool().Draw(t, "carried") {
			for _, s := range all {
				if s.Scope == All || s.Scope == Body && s.Author.Body == w.Body {
					has[w] = append(has[w], s)
				}
			}
		}
		d := today + crypto.Day(rapid.IntRange(0, 12).Draw(t, "day"))
		scope := rapid.SampledFrom([]Scope{All, Body, Desk}).Draw(t, "scope")
		book := Fold(has[w])
		a := genAct(t)
		st := book.State(w.Body)
		switch {
		case rapid.Bool().Draw(t, "step"):
			to := rapid.SampledFrom(next[st.Stage]).Draw(t, "to")
			a = act(KindStage, append(usual(to), "from="+st.Stage, "to="+to)...)
		case len(refs) > 0 && len(a.Fields) > 0 && a.Fields[0].Name == "of":
			a.Fields[0].Value = rapid.SampledFrom(refs).Draw(t, "ref")
		}
		e, err := book.Write(w.Author, testCase, d, scope, a)
		if err != nil {
			continue
		}
		s, err := e.Sign(w.key)
		if err != nil {
			t.Fatal(err)
		}
		all, has[w], refs = append(all, s), append(has[w], s), append(refs, string(s.Hash().Ref()))
	}
	return all
}

// usual are the fields a stage needs.
func usual(to string) []string {
	switch {
	case to == StageConcluded:
		return []string{"outcome=partly", "reasons=because"}
	case to == StageClosed:
		return []string{"approver=the director", "action=none", "corrective=no"}
	case ending(to) || to == StageReopened:
		return []string{"reasons=because"}
	}
	return nil
}

func TestBookInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := genDiary(t)
		want := show(Fold(list))
		mixed := slices.Concat(list, list[:len(list)/2]) // some came twice
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if d := cmp.Diff(want, show(Fold(mixed)), same); d != "" {
			t.Fatal(d)
		}
	})
}

// An author's own events are in the order in which they were written, whatever their audience.
func TestOwnOrderIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []Signed
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			e, err := Fold(list).Write(anna.Author, testCase, today-crypto.Day(rapid.IntRange(0, 3).Draw(t, "day")),
				rapid.SampledFrom([]Scope{All, Body, Desk}).Draw(t, "scope"), act(KindNote, "text=x"))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, Signed{Event: e})
		}
		b := Fold(list)
		if len(b.Breaks) > 0 {
			t.Fatal(b.Breaks)
		}
		for i := range b.Log {
			if b.Log[i].Hash != list[i].Hash() {
				t.Fatalf("event %d stands elsewhere", i)
			}
		}
	})
}

// What one audience reads is the same whatever was written to narrower ones (SECURITY.md S-29).
func TestNumbersSpanNoAudience(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quiet, busy := &diary{tb: t}, &diary{tb: t}
		for range rapid.IntRange(1, 10).Draw(t, "events") {
			scope := rapid.SampledFrom([]Scope{All, Body}).Draw(t, "scope")
			a := act(KindNote, "text=x")
			quiet.write(anna, today, scope, a)
			for range rapid.IntRange(0, 3).Draw(t, "private") {
				busy.write(anna, today+2, Desk, act(KindNote, "text=private"))
			}
			busy.write(anna, today, scope, a)
		}
		shared := slices.DeleteFunc(slices.Clone(busy.list), func(s Signed) bool { return s.Scope == Desk })
		if d := cmp.Diff(quiet.list, shared); d != "" {
			t.Fatal(d)
		}
		all := func(list []Signed) (out []Hash) {
			for i := range list {
				if list[i].Scope == All {
					out = append(out, list[i].Hash())
				}
			}
			return out
		}
		wide := &diary{tb: t}
		for range all(busy.list) {
			wide.write(anna, today, All, act(KindNote, "text=x"))
		}
		if d := cmp.Diff(all(wide.list), all(busy.list)); d != "" {
			t.Fatal(d)
		}
	})
}

// Deleting, changing or reordering any entry but the last of a chain shows, and what is left is shown.
func TestBreaks(t *testing.T) {
	d := &diary{tb: t}
	for i := range 5 {
		d.write(anna, today+crypto.Day(i), All, act(KindNote, "text="+strings.Repeat("n", i+1)))
		d.write(anna, today+crypto.Day(i), Body, act(KindNote, "text="+strings.Repeat("b", i+1)))
		d.write(cleo, today, All, act(KindTake, "on=yes"))
	}
	if b := d.book(); len(b.Breaks) != 0 {
		t.Fatalf("a whole book has breaks: %v", b.Breaks)
	}
	resign := func(s Signed, change func(*Event)) Signed {
		change(&s.Event)
		return signed(t, anna, s.Event)
	}
	for name, c := range map[string]struct {
		change func(list []Signed) []Signed
		want   []Fault
	}{
		"first deleted": {func(l []Signed) []Signed { return l[1:] }, []Fault{Missing}},
		"one deleted":   {func(l []Signed) []Signed { return slices.Delete(l, 6, 7) }, []Fault{Missing}},
		"two deleted":   {func(l []Signed) []Signed { return slices.Delete(slices.Delete(l, 6, 7), 3, 4) }, []Fault{Missing}},
		"changed": {func(l []Signed) []Signed {
			l[6] = resign(l[6], func(e *Event) { e.Fields = []Field{{"text", "other words"}} })
			return l
		}, []Fault{Changed}},
		"exchanged": {func(l []Signed) []Signed {
			l[3], l[6] = resign(l[3], func(e *Event) { e.Number = 3 }), resign(l[6], func(e *Event) { e.Number = 2 })
			return l
		}, []Fault{Changed, Changed, Changed}},
		"one added": {func(l []Signed) []Signed {
			return append(l, resign(l[3], func(e *Event) { e.Fields = []Field{{"text", "put in"}} }))
		}, []Fault{Twice}},
		"renumbered after one was deleted": {func(l []Signed) []Signed {
			l[6] = resign(l[6], func(e *Event) { e.Number = 2 })
			return slices.Delete(l, 3, 4)
		}, []Fault{Changed, Missing}},
	} {
		t.Run(name, func(t *testing.T) {
			list := c.change(slices.Clone(d.list))
			b := Fold(list)
			var got []Fault
			for _, x := range b.Breaks {
				if x.Author != anna.Author || x.Scope != All || x.String() == "" {
					t.Errorf("break %+v", x)
				}
				got = append(got, x.What)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%v\n%s", b.Breaks, diff)
			}
			if len(b.Log) != len(list) {
				t.Errorf("%d entries are shown of %d", len(b.Log), len(list))
			}
		})
	}
}

// Two holders of a body write on one day, each having the other's events, with clocks that differ: the
// steps follow each other as they were made.
func TestStepsOfTwoDesks(t *testing.T) {
	for _, behind := range []crypto.Day{0, 1, slack} {
		d := &diary{tb: t}
		for i, to := range []string{StageAcknowledged, StageAssessed, StageInquiry, StageConcluded, StageClosed} {
			w, on := anna, today
			if i%2 == 1 {
				w, on = ben, today-behind
			}
			if err := d.move(w, on, to, usual(to)...); err != nil {
				t.Fatalf("%d days behind, %s: %v", behind, to, err)
			}
		}
		if st := d.book().State("ombuds"); st.Stage != StageClosed || len(st.Steps) != 5 {
			t.Errorf("%d days behind: %s after %d steps", behind, st.Stage, len(st.Steps))
		}
	}
}

// Both move the case at once: one counts, the other is shown with the reason, on every desk the same.
func TestStepsThatMeet(t *testing.T) {
	a, b := &diary{tb: t}, &diary{tb: t}
	if err := errors.Join(a.move(anna, today, StageAssessed), b.move(ben, today, StageOutOfScope, "reasons=no")); err != nil {
		t.Fatal(err)
	}
	book := Fold(append(b.list, a.list...))
	refused := 0
	for i := range book.Log {
		if err := book.Log[i].Err; err != nil {
			refused++
			if !errors.Is(err, ErrMoved) {
				t.Error(err)
			}
		}
	}
	if refused != 1 || len(book.State("ombuds").Steps) != 1 {
		t.Errorf("%d refused, %d steps", refused, len(book.State("ombuds").Steps))
	}
}

func TestBodiesApart(t *testing.T) {
	d := &diary{tb: t}
	if err := errors.Join(d.move(anna, today, StageOutOfScope, "reasons=no"), d.move(anna, today, StageClosed, usual(StageClosed)...)); err != nil {
		t.Fatal(err)
	}
	d.write(cleo, today, All, act(KindTake, "on=yes"))
	note := d.write(anna, today, All, act(KindNote, "text=x"))
	if err := d.try(cleo, today, All, act(KindStrike, "of="+string(note), "reasons=x")); !errors.Is(err, ErrRefers) {
		t.Errorf("another body's note is struck out: %v", err)
	}
	if o, a := d.book().State("ombuds"), d.book().State("audit"); o.Stage != StageClosed || a.Stage != StageReceived || !a.Taken || o.Taken {
		t.Errorf("%+v\n%+v", o, a)
	}
}
