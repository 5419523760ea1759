package casework

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"postern/crypto"
)

// Ids of the stages, from package form (ISO 37002:2021, clause 8).
const (
	StageReceived     = "received"
	StageAcknowledged = "acknowledged"
	StageAssessed     = "assessed"
	StageInquiry      = "inquiry"
	StageConcluded    = "concluded"
	StageClosed       = "closed"
	StageReferred     = "referred"
	StageOutOfScope   = "out-of-scope"
	StageWithdrawn    = "withdrawn"
	StageReopened     = "reopened"
)

// next says which stages may follow on which. A case is closed only from a stage that has an
// outcome, whatever way led there.
var next = map[string][]string{
	StageReceived:     {StageAcknowledged, StageAssessed, StageReferred, StageOutOfScope, StageWithdrawn},
	StageAcknowledged: {StageAssessed, StageReferred, StageOutOfScope, StageWithdrawn},
	StageAssessed:     {StageInquiry, StageConcluded, StageReferred, StageOutOfScope, StageWithdrawn},
	StageInquiry:      {StageConcluded, StageReferred, StageOutOfScope, StageWithdrawn},
	StageConcluded:    {StageClosed, StageInquiry},
	StageReferred:     {StageClosed, StageAssessed, StageInquiry, StageConcluded},
	StageOutOfScope:   {StageClosed, StageAssessed},
	StageWithdrawn:    {StageClosed, StageAssessed, StageInquiry},
	StageClosed:       {StageReopened},
	StageReopened:     {StageAssessed, StageInquiry, StageConcluded, StageReferred, StageOutOfScope, StageWithdrawn},
}

// Next are the stages that may follow on a stage.
func Next(stage string) []string { return slices.Clone(next[stage]) }

// Wants are the fields of [KindStage] that a step to a stage has: those that it needs, and those
// that it may have besides.
func Wants(to string) (needed, may []string) {
	switch {
	case to == StageConcluded:
		return []string{"outcome", "reasons"}, nil
	case to == StageClosed:
		return []string{"approver", "action"}, []string{"corrective", "reasons"}
	case ending(to) || to == StageReopened:
		return []string{"reasons"}, nil
	}
	return nil, []string{"reasons"}
}

// Strikable says whether an entry of this kind can be struck out, as long as it holds.
func Strikable(kind string) bool {
	return kind == KindNote || kind == KindDate || kind == KindLink || kind == KindAskErase
}

// Step is a case's way from one stage to another.
type Step struct {
	Reasoned
	From, To string
	Scope    Scope
}

// Outcome is what a case came to. Approver and Action stand there once it is closed.
type Outcome struct {
	Day        crypto.Day
	Stage      string // concluded, referred, out-of-scope or withdrawn
	Finding    string // of a concluded case: the id of one of [Outcomes]
	Reasons    string
	Approver   string
	Action     string
	Corrective string // yes, no or ""
}

// Errors of stages.
var (
	ErrStage   = errors.New("the case cannot go to this stage")
	ErrOutcome = errors.New("an outcome is missing")
	ErrMoved   = errors.New("the case is in another stage by now")
)

// ending says whether a stage is an outcome.
func ending(stage string) bool {
	return stage == StageConcluded || stage == StageReferred || stage == StageOutOfScope || stage == StageWithdrawn
}

// step moves the case, if it is in the stage that the entry begins from: two desks may have moved it
// without knowing of each other.
func (s *State) step(e *Entry) error {
	to := e.Get("to")
	if s.Stage != e.Get("from") {
		return fmt.Errorf("%w: it is %s; from there it can go to: %s", ErrMoved, s.Stage, strings.Join(next[s.Stage], ", "))
	}
	if !slices.Contains(next[s.Stage], to) {
		return fmt.Errorf("%w: from %s it can go to: %s", ErrStage, s.Stage, strings.Join(next[s.Stage], ", "))
	}
	if err := s.demands(to, &e.Act); err != nil {
		return err
	}
	switch {
	case ending(to):
		s.Outcome = &Outcome{Day: e.Day, Stage: to, Finding: e.Get("outcome"), Reasons: e.Get("reasons")}
	case to == StageClosed:
		o := *s.Outcome
		o.Approver, o.Action, o.Corrective = e.Get("approver"), e.Get("action"), e.Get("corrective")
		s.Outcome = &o
	default:
		s.Outcome = nil
	}
	s.Steps = append(s.Steps, Step{Reasoned{e.Hash.Ref(), e.Author, e.Day, e.Get("reasons")}, s.Stage, to, e.Scope})
	s.Stage, s.Since = to, e.Day
	return nil
}

// demands says what a stage lacks.
func (s *State) demands(to string, a *Act) error {
	has := func(name string) bool { return a.Get(name) != "" }
	switch {
	case to == StageConcluded && (!has("outcome") || !has("reasons")):
		return fmt.Errorf("%w: a case is concluded with an outcome (sustained, partly, not-sustained, inconclusive) and reasons", ErrOutcome)
	case to != StageConcluded && has("outcome"):
		return fmt.Errorf("%w: an outcome is given where a case is concluded: conclude it first", ErrStage)
	case (ending(to) || to == StageReopened) && !has("reasons"):
		return fmt.Errorf("%w: say the reasons why it is %s", ErrOutcome, to)
	case to == StageClosed && (s.Outcome == nil || s.Outcome.Reasons == ""):
		return fmt.Errorf("%w: conclude the case first, with an outcome and reasons, or record that it is referred, out of scope or withdrawn", ErrOutcome)
	case to == StageClosed && (!has("approver") || !has("action")):
		return fmt.Errorf("%w: to close a case, say who approved it and what action was taken (\"none\" is one)", ErrOutcome)
	case to != StageClosed && (has("approver") || has("action") || has("corrective")):
		return fmt.Errorf("%w: who approved and what action was taken is said where a case is closed", ErrStage)
	}
	return nil
}
