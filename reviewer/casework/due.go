package casework

import (
	"cmp"
	"slices"

	"postern/crypto"
)

// Facts are what the messages of a case say that its clocks go by. A day of 0 means: none.
type Facts struct {
	Received     crypto.Day // the coarse day of receipt: of the source's first message, or as a case without a code was opened
	Wrote        crypto.Day // the newest day on which the source wrote
	Acknowledged crypto.Day // the body's first answer that was sent
	Feedback     crypto.Day // the body's first answer that told the source what is done
	Promised     crypto.Day // the source was promised to hear more by then, and has not
	Alarmed      crypto.Day // the newest day on which the source told of retaliation or danger
}

// The clocks.
const (
	ClockAcknowledgeSoon = "acknowledge-working" // ISO 37002: 3 working days
	ClockAcknowledge     = "acknowledge"         // art. 9.1.b: 7 days
	ClockFeedback        = "feedback"            // art. 9.1.f: 3 months, or 6
	ClockPromise         = "promise"             // one's own
	ClockBar             = "bar"                 // warns, and refuses nothing
	ClockReview          = "review"
	ClockRisk            = "risk" // assess the risk to the source
	ClockRecommendation  = "recommendation"
	ClockErase           = "erase"     // the time of retention is over
	ClockProcedure       = "procedure" // art. 14: review the procedure itself
)

// Due is a day on which a case wants something.
type Due struct {
	Clock string
	Day   crypto.Day
	Case  crypto.CaseID
	Text  string // of a date: what it is about
	Ref   Ref    // of a date or recommendation
}

// When says how near it is.
type When int

// How near a due day is, the most urgent first.
const (
	Overdue When = iota
	Today
	Soon
	Later
)

// String is the id of a When.
func (w When) String() string { return [...]string{"overdue", "today", "soon", "later"}[w] }

// When says how near the day is. What is due within the settings' days is soon.
func (d *Due) When(today crypto.Day, s *Settings) When {
	switch {
	case d.Day < today:
		return Overdue
	case d.Day == today:
		return Today
	case d.Day <= today+crypto.Day(s.SoonDays): //nolint:gosec // 0 to 60
		return Soon
	}
	return Later
}

// Dues are what a case wants of its body, the earliest first. A clock that was answered to is gone;
// nothing here refuses anything.
func (s *Settings) Dues(id crypto.CaseID, f Facts, st *State) (list []Due) {
	add := func(clock string, d crypto.Day, text string, ref Ref) {
		if d != 0 {
			list = append(list, Due{clock, min(d, maxDay), id, text, ref})
		}
	}
	received := f.Received
	if st.Opened != nil && received == 0 {
		received = st.Opened.Received
	}
	if received != 0 {
		s.toldClocks(add, received, f, st)
		s.riskClock(add, received, f, st)
	}
	if f.Promised != 0 {
		add(ClockPromise, f.Promised, "", "")
	}
	for _, d := range st.Dates {
		clock := map[string]string{DateBar: ClockBar, DateReview: ClockReview, DatePromise: ClockPromise}[d.What]
		add(clock, d.Day, d.Text, d.Ref)
	}
	for _, r := range st.Recommendations {
		if r.Fate == FateIssued || r.Fate == FateAccepted {
			add(ClockRecommendation, r.Due, r.To, r.Ref)
		}
	}
	if d, ok := s.EraseFrom(f, st); ok && st.Hold == nil {
		add(ClockErase, d, "", "")
	}
	SortDues(list)
	return list
}

// SortDues sorts the earliest first.
func SortDues(list []Due) {
	slices.SortFunc(list, func(a, b Due) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Clock, b.Clock), slices.Compare(a.Case[:], b.Case[:]), cmp.Compare(a.Ref, b.Ref))
	})
}

// toldClocks run from the day of receipt, which is never later than the law has them run
// from, until whoever reported was told.
func (s *Settings) toldClocks(add func(string, crypto.Day, string, Ref), received crypto.Day, f Facts, st *State) {
	if f.Acknowledged == 0 && st.Told[ToldAcknowledged] == 0 && st.Told[ToldFeedback] == 0 {
		if s.AcknowledgeWorkingDays > 0 {
			add(ClockAcknowledgeSoon, s.AddWorkingDays(received, s.AcknowledgeWorkingDays), "", "")
		}
		if s.AcknowledgeDays > 0 {
			add(ClockAcknowledge, received+crypto.Day(s.AcknowledgeDays), "", "") //nolint:gosec // 0 to 60
		}
	}
	if f.Feedback == 0 && st.Told[ToldFeedback] == 0 && s.FeedbackMonths > 0 {
		months := s.FeedbackMonths
		if st.Extended != nil {
			months = s.FeedbackMonthsExtended
		}
		add(ClockFeedback, AddMonths(received, months), "", "")
	}
}

// riskClock wants the risk to the source assessed, again and again while the case is open, and
// soon after an alarm whether it is or not.
func (s *Settings) riskClock(add func(string, crypto.Day, string, Ref), received crypto.Day, f Facts, st *State) {
	var last Risk
	if n := len(st.Risks); n > 0 {
		last = st.Risks[n-1]
	}
	var due crypto.Day
	if s.RiskDays > 0 && st.Stage != StageClosed {
		due = max(received, last.Day) + crypto.Day(s.RiskDays) //nolint:gosec // 0 to 366
		if last.Again != 0 {
			due = last.Again
		}
	}
	if s.RetaliationDays > 0 && f.Alarmed != 0 && last.Day < f.Alarmed {
		alarm := f.Alarmed + crypto.Day(s.RetaliationDays) //nolint:gosec // 0 to 366
		if due == 0 || alarm < due {
			due = alarm
		}
	}
	add(ClockRisk, due, "", "")
}

// Procedure is when the body's procedure is to be reviewed; ok is false where no clock runs.
func (s *Settings) Procedure() (d Due, ok bool) {
	last, err := ParseDay(s.Reviewed)
	if err != nil || s.ReviewYears == 0 {
		return Due{}, false
	}
	return Due{Clock: ClockProcedure, Day: AddMonths(last, 12*s.ReviewYears)}, true
}

// EraseFrom is the first day on which a closed case may be erased by its class of
// retention and the grace after the source wrote; ok is false where the case is open or has no class.
func (s *Settings) EraseFrom(f Facts, st *State) (d crypto.Day, ok bool) {
	c, known := s.Class(st.Class)
	if st.Stage != StageClosed || !known {
		return 0, false
	}
	return max(st.Since+crypto.Day(c.Days), s.graceOver(f)), true //nolint:gosec // 0 to 36600
}

func (s *Settings) graceOver(f Facts) crypto.Day {
	if f.Wrote == 0 || s.GraceDays == 0 {
		return 0
	}
	return f.Wrote + crypto.Day(s.GraceDays) + 1 //nolint:gosec // 0 to 3660
}
