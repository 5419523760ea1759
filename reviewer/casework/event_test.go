package casework

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postern/intake/form"
)

func event(a Act) Event {
	return Event{Case: testCase, Author: anna.Author, Day: today, Scope: All, Number: 1, Place: Place{1}, Act: a}
}

func TestKindsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.ID] || k.ID == "" || k.Label == "" || k.Scope.String() == "unknown" {
			t.Errorf("kind %q is twice, or has no label or scope", k.ID)
		}
		seen[k.ID] = true
		names := map[string]bool{}
		for _, r := range k.Rules {
			if names[r.Name] || r.Name == "" || r.Label == "" || r.Type == 0 {
				t.Errorf("%s: field %q", k.ID, r.Name)
			}
			names[r.Name] = true
			if (r.Type == Choice) != (len(r.Options) > 0) || (r.Type == Text || r.Type == Line || r.Type == Texts) != (r.Max > 0 && r.Type != Number) {
				t.Errorf("%s, %s: limit and options do not fit its type", k.ID, r.Name)
			}
		}
		if len(k.Rules) > maxFields {
			t.Errorf("%s has too many fields", k.ID)
		}
	}
	// The longest event of every kind fits.
	for _, k := range Kinds() {
		a := Act{Kind: k.ID}
		for _, r := range k.Rules {
			a.Fields = append(a.Fields, Field{r.Name, longest(r)})
		}
		e := event(a)
		e.Author.Body, e.Author.Holder = strings.Repeat("b", 16), strings.Repeat("h", 16)
		b, err := e.Encode()
		if err != nil || len(b)+signatureBytes > MaxEvent {
			t.Errorf("%s: %d of %d bytes, %v", k.ID, len(b), MaxEvent, err)
		}
	}
	for stage := range next {
		if form.Label(form.Stages(), stage) == "" {
			t.Errorf("no stage %s in the vocabulary", stage)
		}
	}
	if len(next) != len(form.Stages()) {
		t.Error("a stage of the vocabulary has no way out")
	}
}

func longest(r Rule) string {
	switch r.Type {
	case Text, Line:
		return strings.Repeat("x", r.Max)
	case Choice:
		return r.Options[0].ID
	case Date:
		return "9999-12-31"
	case Number:
		return "1"
	case EventOf:
		return "00112233445566aa"
	case Texts:
		var refs []string
		for i := range r.Max {
			refs = append(refs, strings.Repeat("0", 14)+string([]byte{'0' + byte(i/10), '0' + byte(i%10)}))
		}
		return strings.Join(refs, " ")
	case CaseOf:
		return CaseText(testCase)
	}
	return strings.Repeat("h", 16)
}

func TestEventRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := event(genAct(t))
		s, err := e.Sign(anna.key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSigned(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, got); d != "" {
			t.Fatal(d)
		}
		i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		b[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := DecodeSigned(b); err == nil {
			t.Fatalf("a bit of byte %d of %d was turned, and the event is taken", i, len(b))
		}
	})
}

func TestEventRefuses(t *testing.T) {
	note := act(KindNote, "text=x")
	for name, c := range map[string]struct {
		change func(e *Event)
		want   error
	}{
		"body":                   {func(e *Event) { e.Author.Body = "../x" }, ErrEvent},
		"holder":                 {func(e *Event) { e.Author.Holder = "" }, ErrEvent},
		"scope":                  {func(e *Event) { e.Scope = 4 }, ErrEvent},
		"day":                    {func(e *Event) { e.Day = maxDay + 1 }, ErrEvent},
		"no number":              {func(e *Event) { e.Number = 0 }, ErrEvent},
		"no place":               {func(e *Event) { e.Place = Place{} }, ErrEvent},
		"first, with one before": {func(e *Event) { e.Before = Hash{1} }, ErrEvent},
		"second, with none":      {func(e *Event) { e.Number = 2 }, ErrEvent},
		"tells of narrower ones": {func(e *Event) { e.Place[2] = 1 }, ErrEvent},
		"body's number in all's": {func(e *Event) { e.Place[1] = 7 }, ErrEvent},
		"kind":                   {func(e *Event) { e.Kind = "gossip" }, ErrField},
		"no text":                {func(e *Event) { e.Fields = nil }, ErrField},
		"unknown field":          {func(e *Event) { e.Fields = append(e.Fields, Field{"secret", "x"}) }, ErrField},
		"field twice":            {func(e *Event) { e.Fields = append(e.Fields, e.Fields[0]) }, ErrField},
		"escape":                 {func(e *Event) { e.Fields = []Field{{"text", "\x1b[2J"}} }, ErrField},
		"too long":               {func(e *Event) { e.Fields = []Field{{"text", strings.Repeat("x", maxText+1)}} }, ErrField},
		"empty":                  {func(e *Event) { e.Fields = []Field{{"text", ""}} }, ErrField},
		"a stage that is none":   {func(e *Event) { e.Act = Act{KindStage, []Field{{"from", "received"}, {"to", "lost"}}} }, ErrField},
		"order":                  {func(e *Event) { e.Act = Act{KindStage, []Field{{"to", "closed"}, {"from", "received"}}} }, ErrField},
		"day in another way":     {func(e *Event) { e.Act = Act{KindDate, []Field{{"what", "bar"}, {"day", "2026-2-3"}, {"text", "x"}}} }, ErrField},
		"no such day":            {func(e *Event) { e.Act = Act{KindDate, []Field{{"what", "bar"}, {"day", "2026-02-30"}, {"text", "x"}}} }, ErrField},
		"number in another way":  {func(e *Event) { e.Act = Act{KindPriority, []Field{{"likelihood", "05"}, {"impact", "1"}}} }, ErrField},
		"number too large":       {func(e *Event) { e.Act = Act{KindPriority, []Field{{"likelihood", "6"}, {"impact", "1"}}} }, ErrField},
		"label of two lines":     {func(e *Event) { e.Act = Act{KindLabel, []Field{{"name", "a\nb"}, {"on", "yes"}}} }, ErrField},
		"messages fall": {func(e *Event) {
			e.Act = Act{KindDealt, []Field{{"flag", "danger"}, {"messages", "2222222222222222 1111111111111111"}}}
		}, ErrField},
		"case in another way":      {func(e *Event) { e.Act = Act{KindLink, []Field{{"case", "aaaa"}, {"by", "unit"}}} }, ErrField},
		"holder that is a path":    {func(e *Event) { e.Act = Act{KindAssign, []Field{{"holder", "../x"}}} }, ErrField},
		"ref of an event, capital": {func(e *Event) { e.Act = Act{KindMayErase, []Field{{"of", "AA11111111111111"}}} }, ErrField},
	} {
		t.Run(name, func(t *testing.T) {
			e := event(note)
			c.change(&e)
			if _, err := e.Encode(); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	e := event(note)
	if _, err := e.Sign(ben.key); err == nil {
		t.Error("ben signs for anna")
	}
	s, err := e.Sign(anna.key)
	if err != nil {
		t.Fatal(err)
	}
	good, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "cut": good[:len(good)-1], "trailing": append(bytes.Clone(good), 0), "version": append([]byte{2}, good[1:]...),
		"long": append(bytes.Clone(good), make([]byte, MaxEvent)...),
	} {
		if _, err := DecodeSigned(b); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPacks(t *testing.T) {
	d := &diary{tb: t}
	for range 30 {
		d.write(anna, today, All, act(KindNote, "text="+strings.Repeat("n", 1500)))
	}
	packs, err := EncodePacks(d.list)
	if err != nil || len(packs) < 3 {
		t.Fatalf("%d packs, %v", len(packs), err)
	}
	var got []Signed
	for _, p := range packs {
		list, err := DecodePack(p)
		if err != nil || len(p) > maxPack {
			t.Fatalf("%d bytes, %v", len(p), err)
		}
		got = append(got, list...)
	}
	if d := cmp.Diff(d.list, got); d != "" {
		t.Error(d)
	}
	two, err := EncodePacks([]Signed{d.list[0], signed(t, cleo, Event{Case: testCase, Author: cleo.Author, Scope: All, Number: 1, Place: Place{1}, Act: act(KindTake, "on=yes")})})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"empty": nil, "cut": packs[0][:100], "two authors": two[0], "trailing": append(bytes.Clone(packs[0]), 0)} {
		if _, err := DecodePack(b); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func signed(tb testing.TB, w *writer, e Event) Signed {
	tb.Helper()
	s, err := e.Sign(w.key)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func FuzzEvent(f *testing.F) {
	for _, k := range kinds {
		a := Act{Kind: k.ID}
		for _, r := range k.Rules {
			a.Fields = append(a.Fields, Field{r.Name, longest(r)})
		}
		e := event(a)
		b, err := e.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEvent(b)
		if err != nil {
			return
		}
		out, err := e.Encode()
		if err != nil || !bytes.Equal(out, b) {
			t.Fatalf("%v: %x encodes to %x", err, b, out)
		}
	})
}

func FuzzPack(f *testing.F) {
	d := &diary{tb: f}
	d.write(anna, today, All, act(KindNote, "text=one"))
	d.write(anna, today, All, act(KindTake, "on=yes"))
	packs, err := EncodePacks(d.list)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packs[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := DecodePack(b)
		if err != nil {
			return
		}
		out, err := EncodePacks(list)
		if err != nil || !bytes.Equal(slices.Concat(out...), b) {
			t.Fatalf("%v: %x encodes to %x", err, b, out)
		}
	})
}
