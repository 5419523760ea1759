package casework

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"postern/crypto"
)

// State is how a case stands with one body.
type State struct {
	Body    string
	Stage   string     // id of one of [form.Stages]
	Since   crypto.Day // of the stage; 0: since the report arrived
	Steps   []Step     // from stage to stage, in order
	Outcome *Outcome   // since the case was last opened; nil: none

	Opened          *Opened // a case without a code; nil: a source's
	Title           string
	Labels          []string // sorted
	Notes           []Note
	Links           []Link
	Assignee        string // id of a holder; "": nobody
	Taken           bool   // this body told its co-readers that it takes the case
	Recused         []string
	Risks           []Risk // in order, the newest last
	Priority        *Priority
	Dealt           []Dealt
	Recommendations []Recommendation
	Hold            *Reasoned // nil: none
	Class           string    // of retention; "": none was chosen
	Extended        *Reasoned // more time for feedback; nil: none
	Told            map[string]crypto.Day
	Dates           []Dated
	Classified      Act // the newest of its kind, for statistics
	EraseAsked      *Reasoned
	EraseAgreed     *Reasoned // to EraseAsked, by another holder

	by map[Ref]string // kinds of entries, for what refers to them
}

func newState(body string) *State {
	return &State{Body: body, Stage: StageReceived, Told: map[string]crypto.Day{}, by: map[Ref]string{}}
}

// Reasoned is a decision with its reasons.
type Reasoned struct {
	Ref     Ref
	By      Author
	Day     crypto.Day
	Reasons string
}

// Opened says how a case without a code came.
type Opened struct {
	Channel  string
	Received crypto.Day
}

// Note of a holder.
type Note struct {
	Ref    Ref
	By     Author
	Day    crypto.Day
	Scope  Scope
	Text   string
	Struck string // why it no longer holds; "": it does
}

// Link to another case.
type Link struct {
	Ref     Ref
	Case    crypto.CaseID
	Why     string // unit, place, pattern or other
	Reasons string
}

// Risk to the source, as it was assessed on a day.
type Risk struct {
	Reasoned
	Level string
	Again crypto.Day // assess again by; 0: as the settings say
}

// Priority is likelihood × impact.
type Priority struct {
	Likelihood, Impact int // 1 to 5 each
	Reasons            string
}

// Score is from 1 to 25.
func (p *Priority) Score() int { return p.Likelihood * p.Impact }

// Dealt says that a flag was dealt with in the messages that raised it.
type Dealt struct {
	Reasoned
	Flag     string
	Messages []Ref
}

// Recommendation and what became of it.
type Recommendation struct {
	Ref  Ref
	Day  crypto.Day // issued
	Aim  string
	Text string
	To   string
	Due  crypto.Day // an answer is expected by; 0: no day
	Fate string     // issued, accepted, rejected or implemented
	Said []Reasoned // with each change of its fate
}

// Dated is a day to look at the case.
type Dated struct {
	Ref  Ref
	What string // bar, review or promise
	Day  crypto.Day
	Text string
}

// Errors of what a case does not allow, for errors.Is. Each is wrapped with what to do.
var (
	ErrRefers  = errors.New("there is nothing here that this refers to")
	ErrRecused = errors.New("this holder keeps away from the case")
	ErrAlready = errors.New("it is so already")
	ErrOpen    = errors.New("the case is not closed")
	ErrHeld    = errors.New("the case is under legal hold")
	ErrApprove = errors.New("a second holder has to agree")
	ErrGrace   = errors.New("the source wrote not long ago")
	ErrKept    = errors.New("the time of retention is not over")
)

// Raised are the messages that raise a flag and were not dealt with: the flag is up while
// there is one. A message that comes later raises it again.
func (s *State) Raised(flag string, messages []Ref) (up []Ref) {
	for _, m := range messages {
		if !slices.ContainsFunc(s.Dealt, func(d Dealt) bool { return d.Flag == flag && slices.Contains(d.Messages, m) }) {
			up = append(up, m)
		}
	}
	return up
}

// take applies an entry that refers to no other.
func (s *State) take(e *Entry) error {
	ref := e.Hash.Ref()
	said := Reasoned{ref, e.Author, e.Day, e.Get("reasons")}
	s.by[ref] = e.Kind
	switch e.Kind {
	case KindOpened:
		if s.Opened != nil {
			return fmt.Errorf("%w: the case was opened once", ErrAlready)
		}
		s.Opened = &Opened{e.Get("channel"), e.date("received")}
	case KindNote:
		s.Notes = append(s.Notes, Note{Ref: ref, By: e.Author, Day: e.Day, Scope: e.Scope, Text: e.Get("text")})
	case KindLabel:
		s.label(e.Get("name"), e.Get("on") == Yes)
	case KindTitle:
		s.Title = e.Get("text")
	case KindLink:
		id, _ := ParseCase(e.Get("case"))
		if id == e.Case {
			return fmt.Errorf("%w: a case is not linked to itself: name another", ErrRefers)
		}
		s.Links = append(s.Links, Link{ref, id, e.Get("by"), said.Reasons})
	case KindAssign:
		if slices.Contains(s.Recused, e.Get("holder")) {
			return fmt.Errorf("%w: assign it to somebody else, or end the recusal first", ErrRecused)
		}
		s.Assignee = e.Get("holder")
	case KindTake:
		s.Taken = e.Get("on") == Yes
	case KindRecuse:
		s.recuse(e.Get("holder"), e.Get("on") == Yes)
	case KindRisk:
		s.Risks = append(s.Risks, Risk{said, e.Get("level"), e.date("again")})
	case KindPriority:
		s.Priority = &Priority{e.number("likelihood"), e.number("impact"), said.Reasons}
	case KindDealt:
		d := Dealt{said, e.Get("flag"), nil}
		for m := range strings.SplitSeq(e.Get("messages"), " ") {
			d.Messages = append(d.Messages, Ref(m))
		}
		s.Dealt = append(s.Dealt, d)
	case KindRecommend:
		s.Recommendations = append(s.Recommendations, Recommendation{
			Ref: ref, Day: e.Day, Aim: e.Get("aim"), Text: e.Get("text"), To: e.Get("to"), Due: e.date("due"), Fate: FateIssued,
		})
	case KindHold:
		if s.Hold = &said; e.Get("on") == No {
			s.Hold = nil
		}
	case KindRetain:
		s.Class = e.Get("class")
	case KindExtend:
		s.Extended = &said
	case KindTold:
		if what := e.Get("what"); s.Told[what] == 0 {
			s.Told[what] = e.Day
		}
	case KindDate:
		s.Dates = append(s.Dates, Dated{ref, e.Get("what"), e.date("day"), e.Get("text")})
	case KindClassify:
		s.Classified = e.Act
	case KindAskErase:
		s.EraseAsked, s.EraseAgreed = &said, nil
	}
	return nil
}

func (s *State) label(name string, on bool) {
	i, found := slices.BinarySearch(s.Labels, name)
	switch {
	case on && !found:
		s.Labels = slices.Insert(s.Labels, i, name)
	case !on && found:
		s.Labels = slices.Delete(s.Labels, i, i+1)
	}
}

func (s *State) recuse(holder string, on bool) {
	s.Recused = slices.DeleteFunc(s.Recused, func(h string) bool { return h == holder })
	if on {
		s.Recused = append(s.Recused, holder)
		if s.Assignee == holder {
			s.Assignee = ""
		}
	}
}

// refer applies an entry that refers to another of the same body.
func (s *State) refer(e *Entry) error {
	ref := Ref(e.Get("of"))
	said := Reasoned{e.Hash.Ref(), e.Author, e.Day, e.Get("reasons")}
	switch e.Kind {
	case KindFate:
		return s.fate(ref, e.Get("fate"), said)
	case KindMayErase:
		switch {
		case s.EraseAsked == nil || s.EraseAsked.Ref != ref:
			return fmt.Errorf("%w: no such request to erase, or there is a newer one: look at it, and agree to that", ErrRefers)
		case s.EraseAsked.By.Holder == e.Author.Holder || s.EraseAsked.By.Key == e.Author.Key:
			return fmt.Errorf("%w: whoever asked cannot agree as well: another holder of the body has to", ErrApprove)
		}
		s.EraseAgreed = &said
		return nil
	}
	return s.strike(ref, said)
}

func (s *State) strike(ref Ref, said Reasoned) error {
	switch s.by[ref] {
	case KindNote:
		for i := range s.Notes {
			if n := &s.Notes[i]; n.Ref == ref && n.Struck == "" {
				n.Struck = said.Reasons
				return nil
			}
		}
	case KindDate:
		if n := len(s.Dates); n > 0 {
			s.Dates = slices.DeleteFunc(s.Dates, func(d Dated) bool { return d.Ref == ref })
			if len(s.Dates) < n {
				return nil
			}
		}
	case KindLink:
		if n := len(s.Links); n > 0 {
			s.Links = slices.DeleteFunc(s.Links, func(l Link) bool { return l.Ref == ref })
			if len(s.Links) < n {
				return nil
			}
		}
	case KindAskErase:
		if s.EraseAsked != nil && s.EraseAsked.Ref == ref {
			s.EraseAsked, s.EraseAgreed = nil, nil
			return nil
		}
	}
	return fmt.Errorf("%w: only a note, a date, a link or a request to erase of your body can be struck out, and once", ErrRefers)
}

// fates say what may follow on what.
var nextFate = map[string][]string{
	FateIssued:   {FateAccepted, FateRejected, FateImplemented},
	FateAccepted: {FateImplemented, FateRejected},
	FateRejected: {FateAccepted, FateImplemented},
}

func (s *State) fate(ref Ref, fate string, said Reasoned) error {
	for i := range s.Recommendations {
		r := &s.Recommendations[i]
		if r.Ref != ref {
			continue
		}
		if !slices.Contains(nextFate[r.Fate], fate) {
			return fmt.Errorf("%w: the recommendation is %s, and does not become %s: write a note, or a new recommendation", ErrAlready, r.Fate, fate)
		}
		r.Fate = fate
		r.Said = append(r.Said, said)
		return nil
	}
	return fmt.Errorf("%w: no such recommendation of your body: look it up in the case", ErrRefers)
}

func (e *Entry) date(name string) crypto.Day {
	d, err := ParseDay(e.Get(name))
	if err != nil {
		return 0
	}
	return d
}

func (e *Entry) number(name string) int {
	n, _ := strconv.Atoi(e.Get(name))
	return n
}
