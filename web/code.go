package web

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"postern/crypto"
)

// codeProblem is the sentence for input that is no code. It depends on the
// input alone and never repeats it (SECURITY.md S-17).
func (s *source) codeProblem(err error) string {
	var ce *crypto.CodeError
	if !errors.As(err, &ce) {
		return s.words.Word("problem." + probOrder)
	}
	switch ce.Problem {
	case crypto.CodeWordCount:
		return s.words.Word("problem."+probWords, ce.Count)
	case crypto.CodeUnknown:
		at := make([]string, 0, len(ce.Unknown))
		for _, u := range ce.Unknown[:min(len(ce.Unknown), 9)] {
			at = append(at, fmt.Sprint(u))
		}
		return s.words.Word("problem."+probUnknown, strings.Join(at, ", "))
	default:
		return s.words.Word("problem." + probOrder)
	}
}

// means says whether what was typed can mean this code: as it stands, or after
// a repair that would be offered.
func means(typed []crypto.Reading, c crypto.Code) bool {
	same := 0
	for _, r := range typed {
		same |= subtle.ConstantTimeCompare(r.Code.Canonical(), c.Canonical())
	}
	return same == 1
}

// confirmView asks whether a repaired code is right, or which of them. They
// come from what was typed alone: none is looked up before somebody chose.
type confirmView struct{ Readings []repairView }

// repairView says what was read and what was meant.
type repairView struct {
	Swap        bool
	Position    int // 1-based
	Read, Meant string
	Ticket      string // to go on with it
}

func (s *source) confirmPage(list []crypto.Reading) answer {
	var v confirmView
	for _, x := range list {
		r := repairOf(x.Repair)
		r.Ticket = s.tickets.seal(actInbox, s.tickets.visit(x.Code))
		v.Readings = append(v.Readings, r)
	}
	return answer{name: "confirm", wait: true, view: v}
}

func repairOf(r crypto.Repair) repairView {
	return repairView{Swap: r.Kind == crypto.RepairSwap, Position: r.Position + 1, Read: cut(r.Read, 100), Meant: cut(r.Meant, 100)}
}

// repaired says on a form with other things in it what a repair changed, and
// gives what to put into the code's field: the repaired code, where there is one,
// so that a second sending says yes; else what was typed, to be corrected.
func (s *source) repaired(list []crypto.Reading, typed string) (problem, code string) {
	if len(list) == 1 {
		r := repairOf(list[0].Repair)
		return s.words.Word("problem."+probRepair, r.Read, r.Meant), strings.Join(list[0].Code.Words(), " ")
	}
	var each []string
	for _, x := range list {
		r := repairOf(x.Repair)
		each = append(each, fmt.Sprintf("%s = %s", r.Read, r.Meant))
	}
	return s.words.Word("problem."+probEither, strings.Join(each, "; ")), typed
}
