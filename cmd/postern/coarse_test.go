package main_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/crypto"
	"postern/intake"
	"postern/intake/intaketest"
	"postern/store"
)

// clockToBytes are the functions that may turn a time into something that can
// be stored, in the rooms that decide what is: weeks, days, and the hours at which
// batches go out, which are the same for everybody (SECURITY.md S-20).
var clockToBytes = []string{"crypto.DayOf", "crypto.String", "intake.week", "intake.lastHour"}

// clockReaders gives every function of a file that turns a time.Time into a
// number or text, as package.function.
func clockReaders(t *testing.T, path, text string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, decl := range file.Decls {
		name := file.Name.Name
		if f, ok := decl.(*ast.FuncDecl); ok {
			name += "." + f.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
				return true // time.Unix makes a time of a number
			}
			switch sel.Sel.Name {
			case "Unix", "UnixMilli", "UnixMicro", "UnixNano", "Format", "AppendFormat", "GobEncode", "Chtimes":
				found = append(found, name)
			}
			return true
		})
	}
	return found
}

// fineTimes are the places in a database's records where a moment stands, finer than a day: as seconds,
// minutes, milliseconds or nanoseconds, in either byte order, or in words. By bucket, place and unit.
func fineTimes(t *testing.T, w *intaketest.World) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	at := w.Now()
	near := func(n uint64, unit time.Duration) bool {
		d := int64(n) - at.UnixNano()/int64(unit) //nolint:gosec // any difference will do
		return max(d, -d) <= int64(2*time.Minute/unit)
	}
	for _, b := range intake.Buckets() {
		for r, err := range w.Store.All(b.Name) {
			if err != nil {
				t.Fatal(err)
			}
			for what, v := range map[string][]byte{"key": r.Key, "value": r.Value} {
				say := func(i int, unit string) { found[fmt.Sprint(b.Name, " ", what, " ", i, " ", unit)] = true }
				for i := range v {
					for unit, d := range map[string]time.Duration{"s": time.Second, "min": time.Minute, "ms": time.Millisecond, "µs": time.Microsecond, "ns": time.Nanosecond} {
						for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
							if i+8 <= len(v) && near(order.Uint64(v[i:]), d) || d >= time.Second && i+4 <= len(v) && near(uint64(order.Uint32(v[i:])), d) {
								say(i, unit)
							}
						}
					}
				}
				for _, form := range []string{"15:04", "1504"} {
					if i := bytes.Index(v, []byte(at.Format(form))); i >= 0 {
						say(i, form)
					}
				}
			}
		}
	}
	return found
}

// lived is a database in which everything happened that there is, at one moment.
func lived(t *testing.T, at time.Time) *intaketest.World {
	t.Helper()
	ctx := t.Context()
	w := intaketest.New(t, func(s *intaketest.Settings) { s.At = at })
	code := crypto.NewCode()
	x := w.Submit(code, "what happened", "ombuds")
	if err := x.AddFile(ctx, "f", "", bytes.NewReader(make([]byte, 200_000))); err != nil {
		t.Fatal(err)
	}
	report := w.Messages("ombuds", w.Release(crypto.LaneRegular))[0].Read
	w.Deliver(w.Bundle(w.Reply("ombuds", report, "hello"), w.Reply("ombuds", report, "hello again")))
	r := w.Read(code)[0]
	if err := w.Enter(code).Erase(ctx, r.Number, r.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Enter(code).ChangeCode(ctx, crypto.NewCode()); err != nil {
		t.Fatal(err)
	}
	gone := crypto.NewCode()
	w.Submit(gone, "x", "ombuds")
	w.Release(crypto.LaneUrgent)
	if err := w.Enter(gone).EraseAll(ctx); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Service.ReleaseDue(ctx), w.Service.Maintain(ctx, true)); err != nil {
		t.Fatal(err)
	}
	w.Submit(crypto.NewCode(), "waits", "ombuds")
	return w
}

// No record of a database in which everything happened at one moment holds that moment. What two of them,
// of two moments, hold in the same place is no accident.
func TestDatabaseHoldsNoMoment(t *testing.T) {
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	a := lived(t, day.Add(9*time.Hour+31*time.Minute+17*time.Second))
	b := lived(t, day.Add(15*time.Hour+52*time.Minute+44*time.Second))
	in := fineTimes(t, b)
	for place := range fineTimes(t, a) {
		if in[place] {
			t.Errorf("a moment stands at: %s", place)
		}
	}
	// The search finds one that is there.
	for _, w := range []*intaketest.World{a, b} {
		if err := w.Store.Apply(t.Context(), store.Put("meta", []byte("test"), binary.BigEndian.AppendUint32([]byte{0}, uint32(w.Now().Unix())))); err != nil { //nolint:gosec // in this century
			t.Fatal(err)
		}
	}
	if place := "meta value 1 s"; !fineTimes(t, a)[place] || !fineTimes(t, b)[place] {
		t.Error("the search misses a second that was put there")
	}
}

// Nothing finer than a week or a day can be stored, because nothing else is ever made of a clock.
func TestTimesAreCoarse(t *testing.T) {
	seen := map[string]bool{}
	files(t, func(path, text string) {
		room := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") || !slices.Contains([]string{"crypto", "store", "intake", "intake/form"}, room) {
			return
		}
		for _, f := range clockReaders(t, path, text) {
			seen[f] = true
			if !slices.Contains(clockToBytes, f) {
				t.Errorf("%s: %s makes something finer than a day of a time: store a crypto.Day or a week (SECURITY.md S-20)", path, f)
			}
		}
	}, ".go")
	for _, f := range clockToBytes {
		if !seen[f] {
			t.Errorf("%s no longer reads a time: take it off the list", f)
		}
	}
	fine := "package intake\n\nfunc (m *mailbox) touch(t time.Time) { m.at = t.UnixNano() }\n"
	if got := clockReaders(t, "fine.go", fine); !slices.Equal(got, []string{"intake.touch"}) {
		t.Errorf("a nanosecond passes: %q", got)
	}
}
