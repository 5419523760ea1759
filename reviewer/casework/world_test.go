package casework

import (
	"crypto/ed25519"
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"postern/crypto"
)

// today is a Friday.
var today = mustDay("2026-11-27")

func mustDay(s string) crypto.Day {
	d, err := ParseDay(s)
	if err != nil {
		panic(err)
	}
	return d
}

var testCase = crypto.CaseID{1, 2, 3}

// writer is a holder with a key.
type writer struct {
	Author
	key ed25519.PrivateKey
}

func newWriter(body, holder string) *writer {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, body+"/"+holder)
	key := ed25519.NewKeyFromSeed(seed)
	return &writer{Author{body, holder, [32]byte(key.Public().(ed25519.PublicKey))}, key}
}

var (
	anna = newWriter("ombuds", "anna")
	ben  = newWriter("ombuds", "ben")
	cleo = newWriter("audit", "cleo")
)

// act makes an act from name=value pairs.
func act(kind string, pairs ...string) Act {
	m := make(map[string]string)
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		m[k] = v
	}
	a, err := NewAct(kind, m)
	if err != nil {
		panic(fmt.Sprint(kind, pairs, err))
	}
	return a
}

// failer is a test, of testing or of rapid.
type failer interface {
	Helper()
	Fatal(args ...any)
}

// diary is the events of a case, as one desk has them.
type diary struct {
	tb   failer
	list []Signed
}

func (d *diary) book() *Book { return Fold(d.list) }

func (d *diary) try(w *writer, day crypto.Day, scope Scope, a Act) error {
	e, err := d.book().Write(w.Author, testCase, day, scope, a)
	if err != nil {
		return err
	}
	s, err := e.Sign(w.key)
	if err != nil {
		d.tb.Fatal(err)
	}
	d.list = append(d.list, s)
	return nil
}

func (d *diary) write(w *writer, day crypto.Day, scope Scope, a Act) Ref {
	d.tb.Helper()
	if err := d.try(w, day, scope, a); err != nil {
		d.tb.Fatal(err)
	}
	return d.list[len(d.list)-1].Hash().Ref()
}

// move writes a step from where the case is.
func (d *diary) move(w *writer, day crypto.Day, to string, pairs ...string) error {
	from := d.book().State(w.Body).Stage
	return d.try(w, day, Body, act(KindStage, append(pairs, "from="+from, "to="+to)...))
}

// genAct draws an act of any kind with valid fields.
func genAct(t *rapid.T) Act {
	k := rapid.SampledFrom(kinds).Draw(t, "kind")
	a := Act{Kind: k.ID}
	for _, r := range k.Rules {
		if !r.Required && !rapid.Bool().Draw(t, "given") {
			continue
		}
		a.Fields = append(a.Fields, Field{r.Name, genValue(t, r)})
	}
	return a
}

func genValue(t *rapid.T, r Rule) string {
	switch r.Type {
	case Text:
		return rapid.SampledFrom([]string{"why", "two\nlines", "متن", "a;b,c\\d"}).Draw(t, "text")
	case Line:
		return rapid.SampledFrom([]string{"depot", "standard", "راز", "x"}).Draw(t, "line")
	case Choice:
		return rapid.SampledFrom(r.Options).Draw(t, "option").ID
	case Date:
		return rapid.Custom(func(t *rapid.T) crypto.Day { return crypto.Day(rapid.Uint32Range(0, uint32(maxDay)).Draw(t, "day")) }).Draw(t, "date").String()
	case Number:
		return fmt.Sprint(rapid.IntRange(r.Min, r.Max).Draw(t, "number"))
	case EventOf:
		return fmt.Sprintf("%016x", rapid.Uint64().Draw(t, "ref"))
	case Texts:
		n := rapid.Uint64Range(0, 1<<60).Draw(t, "message")
		return fmt.Sprintf("%016x %016x", n, n+1)
	case CaseOf:
		return CaseText(crypto.CaseID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "case")))
	case Holder:
		return rapid.SampledFrom([]string{"anna", "ben", "cleo"}).Draw(t, "holder")
	}
	panic("no such type")
}
