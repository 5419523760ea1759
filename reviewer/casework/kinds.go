package casework

import (
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/crypto"
	"postern/intake/form"
)

// The kinds of events.
const (
	KindOpened    = "opened"         // a case that came by phone, on paper, in person: without a code
	KindStage     = "stage"          // the case moves to another stage
	KindNote      = "note"           // words
	KindStrike    = "strike"         // an earlier note, date, link or request to erase no longer holds
	KindLabel     = "label"          // a label is put on or taken off
	KindTitle     = "title"          // one's own title
	KindLink      = "link"           // this case and another belong together
	KindAssign    = "assign"         // who works on it
	KindTake      = "take"           // this body takes the case, or no longer does
	KindRecuse    = "recuse"         // a holder keeps away from it
	KindRisk      = "risk"           // assessment of the risk to the source
	KindPriority  = "priority"       // likelihood × impact
	KindDealt     = "dealt"          // a flag that the source raised was dealt with
	KindRecommend = "recommend"      // a recommendation is issued
	KindFate      = "fate"           // what became of a recommendation
	KindHold      = "hold"           // legal hold, or its end
	KindRetain    = "retain"         // how long it is kept
	KindExtend    = "extend"         // more time for feedback, with the reason
	KindTold      = "told"           // who reported was told, in another way than by an answer here
	KindDate      = "date"           // a day to look at the case again
	KindClassify  = "classify"       // coarse answers for statistics
	KindAskErase  = "erase-request"  // a holder asks to erase the case
	KindMayErase  = "erase-approval" // another holder agrees
)

// Ids of options that programs ask for by name.
const (
	Yes = "yes"
	No  = "no"

	FlagDanger      = "danger"
	FlagRetaliation = "retaliation"
	FlagWithdrawal  = "withdrawal"
	FlagChangedCode = "changed-code"
	FlagUrgent      = "urgent"

	DateBar     = "bar"
	DateReview  = "review"
	DatePromise = "promise"

	ToldAcknowledged = "acknowledged"
	ToldFeedback     = "feedback"

	FateIssued      = "issued"
	FateAccepted    = "accepted"
	FateRejected    = "rejected"
	FateImplemented = "implemented"

	OutcomeSustained = "sustained"
	OutcomePartly    = "partly"
	OutcomeNot       = "not-sustained"
	OutcomeUnproven  = "inconclusive"
)

var yesNo = []form.Option{{ID: Yes, Label: "Yes"}, {ID: No, Label: "No"}}

var (
	outcomes = []form.Option{
		{ID: OutcomeSustained, Label: "Sustained"},
		{ID: OutcomePartly, Label: "Partly sustained"},
		{ID: OutcomeNot, Label: "Not sustained"},
		{ID: OutcomeUnproven, Label: "Could not be decided"},
	}
	channels = []form.Option{
		{ID: "phone", Label: "By phone"},
		{ID: "paper", Label: "On paper"},
		{ID: "person", Label: "In person"},
		{ID: "other", Label: "Another way"},
	}
	flags = []form.Option{
		{ID: FlagDanger, Label: "Somebody in danger"},
		{ID: FlagRetaliation, Label: "Retaliation"},
		{ID: FlagWithdrawal, Label: "Withdrawn by the source"},
		{ID: FlagChangedCode, Label: "Written with the earlier code"},
		{ID: FlagUrgent, Label: "Urgent"},
	}
	reasonsOfLinks = []form.Option{
		{ID: "unit", Label: "Same unit"},
		{ID: "place", Label: "Same place"},
		{ID: "pattern", Label: "Same pattern"},
		{ID: "other", Label: "Another reason"},
	}
	levels = []form.Option{
		{ID: "low", Label: "Low"},
		{ID: "medium", Label: "Medium"},
		{ID: "high", Label: "High"},
		{ID: "critical", Label: "Critical"},
	}
	aims = []form.Option{
		{ID: "discipline", Label: "To discipline"},
		{ID: "repair", Label: "To repair"},
		{ID: "policy", Label: "To amend a policy"},
		{ID: "law", Label: "To amend a law"},
		{ID: "other", Label: "Another"},
	}
	fates = []form.Option{
		{ID: FateAccepted, Label: "Accepted"},
		{ID: FateRejected, Label: "Rejected"},
		{ID: FateImplemented, Label: "Implemented"},
	}
	tolds = []form.Option{
		{ID: ToldAcknowledged, Label: "That the report arrived"},
		{ID: ToldFeedback, Label: "What is done about it, and why"},
	}
	dates = []form.Option{
		{ID: DateBar, Label: "Time bar"},
		{ID: DateReview, Label: "Review"},
		{ID: DatePromise, Label: "Promise"},
	}
)

// Outcomes of a case that was decided.
func Outcomes() []form.Option { return slices.Clone(outcomes) }

// Flags that a source raises, the most urgent first.
func Flags() []form.Option { return slices.Clone(flags) }

// Type says what a field holds. Every value is text; its type fixes the one way to write it.
type Type int

// The types of fields.
const (
	Text    Type = iota + 1 // clean text of at most Max bytes, several lines
	Line                    // clean text of at most Max bytes on one line
	Choice                  // the id of one of Options
	Date                    // a day as 2026-12-31
	Number                  // a whole number from Min to Max, in digits
	EventOf                 // the Ref of an event of this case
	Texts                   // Refs of messages, rising, each once, with a blank between; at most Max
	CaseOf                  // the whole id of a case, in letters and digits
	Holder                  // the id of a holder
)

// Rule is one field of a kind.
type Rule struct {
	Name     string
	Label    string // English, for the command line; the window's words are in its locales
	Type     Type
	Required bool
	Options  []form.Option
	Min, Max int
}

// Kind of an event.
type Kind struct {
	ID    string
	Label string // English
	Scope Scope  // who usually reads it
	Rules []Rule
}

// Rule finds a field of the kind, nil if it has none of this name.
func (k *Kind) Rule(name string) *Rule {
	for i := range k.Rules {
		if k.Rules[i].Name == name {
			return &k.Rules[i]
		}
	}
	return nil
}

const (
	maxText   = 8 << 10 // of a note, in bytes
	maxReason = 2 << 10
	maxLine   = 200
	maxLabel  = 40
	maxTexts  = 64
	maxMoney  = 1_000_000_000_000_000
)

func text(name, label string, limit int) Rule {
	return Rule{Name: name, Label: label, Type: Text, Max: limit}
}

func line(name, label string, limit int) Rule {
	return Rule{Name: name, Label: label, Type: Line, Max: limit}
}

func choice(name, label string, options []form.Option) Rule {
	return Rule{Name: name, Label: label, Type: Choice, Options: options, Required: true}
}

func day(name, label string) Rule { return Rule{Name: name, Label: label, Type: Date, Required: true} }

func number(name, label string, least, most int) Rule {
	return Rule{Name: name, Label: label, Type: Number, Min: least, Max: most, Required: true}
}

func of(name, label string, t Type) Rule {
	return Rule{Name: name, Label: label, Type: t, Required: true}
}

func must(r Rule) Rule {
	r.Required = true
	return r
}

func may(r Rule) Rule {
	r.Required = false
	return r
}

// kinds is filled from the table once, so that tables can name each other.
var kinds = []Kind{
	{KindOpened, "Opened by the body", Desk, []Rule{
		choice("channel", "How it came", channels),
		day("received", "Day of receipt"),
	}},
	{KindStage, "Stage", Body, []Rule{
		choice("from", "From", form.Stages()),
		choice("to", "To", form.Stages()),
		may(choice("outcome", "Outcome", outcomes)),
		text("reasons", "Reasons", maxReason),
		line("approver", "Approved by", maxLine),
		text("action", "Action", maxReason),
		may(choice("corrective", "Corrective action was taken", yesNo)),
	}},
	{KindNote, "Note", Body, []Rule{must(text("text", "Text", maxText))}},
	{KindStrike, "Struck out", Body, []Rule{of("of", "What", EventOf), must(text("reasons", "Reasons", maxReason))}},
	{KindLabel, "Label", Body, []Rule{must(line("name", "Label", maxLabel)), choice("on", "Put on", yesNo)}},
	{KindTitle, "Title", Body, []Rule{line("text", "Title", maxLine)}},
	{KindLink, "Link", Body, []Rule{
		of("case", "Other case", CaseOf),
		choice("by", "Because of", reasonsOfLinks),
		text("reasons", "Reasons", maxReason),
	}},
	{KindAssign, "Assigned", Body, []Rule{may(of("holder", "To", Holder))}},
	{KindTake, "Taken", All, []Rule{choice("on", "This body takes it", yesNo)}},
	{KindRecuse, "Recusal", Body, []Rule{
		of("holder", "Who", Holder),
		choice("on", "Keeps away", yesNo),
		must(text("reasons", "Reasons", maxReason)),
	}},
	{KindRisk, "Risk to the source", Body, []Rule{
		choice("level", "Level", levels),
		must(text("reasons", "Reasons", maxReason)),
		may(day("again", "Assess again by")),
	}},
	{KindPriority, "Priority", Body, []Rule{
		number("likelihood", "Likelihood", 1, 5),
		number("impact", "Impact", 1, 5),
		text("reasons", "Reasons", maxReason),
	}},
	{KindDealt, "Dealt with", Body, []Rule{
		choice("flag", "Flag", flags),
		{Name: "messages", Label: "In messages", Type: Texts, Max: maxTexts, Required: true},
		text("reasons", "How", maxReason),
	}},
	{KindRecommend, "Recommendation", Body, []Rule{
		choice("aim", "Aim", aims),
		must(text("text", "Text", maxReason)),
		must(line("to", "Issued to", maxLine)),
		may(day("due", "Answer expected by")),
	}},
	{KindFate, "Fate of a recommendation", Body, []Rule{
		of("of", "Recommendation", EventOf),
		choice("fate", "Fate", fates),
		text("reasons", "Reasons", maxReason),
	}},
	{KindHold, "Legal hold", Body, []Rule{choice("on", "Held", yesNo), must(text("reasons", "Reasons", maxReason))}},
	{KindRetain, "Retention", Body, []Rule{must(line("class", "Class", maxLabel))}},
	{KindExtend, "More time for feedback", Body, []Rule{must(text("reasons", "Reasons", maxReason))}},
	{KindTold, "Told", Body, []Rule{choice("what", "What", tolds), must(text("how", "How", maxReason))}},
	{KindDate, "Date", Body, []Rule{
		choice("what", "What", dates),
		day("day", "Day"),
		must(text("text", "About", maxReason)),
	}},
	{KindClassify, "For statistics", Body, []Rule{
		may(choice("institution", "Institution", form.Institutions())),
		may(choice("unit", "Class of unit", form.Units())),
		may(choice("rank", "Rank group of those reported about", form.Ranks())),
		line("currency", "Currency of amounts, like EUR", maxLabel),
		may(number("lost", "Money lost", 0, maxMoney)),
		may(number("recovered", "Money recovered", 0, maxMoney)),
	}},
	{KindAskErase, "Asks to erase", Body, []Rule{must(text("reasons", "Reasons", maxReason))}},
	{KindMayErase, "Agrees to erase", Body, []Rule{of("of", "Request", EventOf)}},
}

// Kinds of events, with their fields.
func Kinds() []Kind { return slices.Clone(kinds) }

// KindOf finds a kind by its id.
func KindOf(id string) (*Kind, bool) {
	for i := range kinds {
		if kinds[i].ID == id {
			k := kinds[i]
			return &k, true
		}
	}
	return nil, false
}

// ErrField is wrapped by every refusal of what an act says. The error names the field, never what
// stands in it.
var ErrField = errors.New("this cannot be recorded")

// FieldError says which field of an act is missing, or why it is refused. It is an [ErrField].
type FieldError struct {
	Kind, Field string
	Why         error // nil: it is missing
}

// Error says it in English.
func (e *FieldError) Error() string {
	if e.Why == nil {
		return fmt.Sprintf("%v: %s needs %s", ErrField, e.Kind, e.Field)
	}
	return fmt.Sprintf("%v: %s, %s: %v", ErrField, e.Kind, e.Field, e.Why)
}

// Unwrap is [ErrField], and why.
func (e *FieldError) Unwrap() []error { return []error{ErrField, e.Why} }

// Check says what is wrong with an act by itself, or nil. Whether the case allows it, [Book.Write] says.
func (a Act) Check() error {
	k, ok := KindOf(a.Kind)
	if !ok {
		return fmt.Errorf("%w: there is no such kind of event", ErrField)
	}
	next := 0
	for _, f := range a.Fields {
		i := slices.IndexFunc(k.Rules[next:], func(r Rule) bool { return r.Name == f.Name })
		if i < 0 {
			return fmt.Errorf("%w: %s has no such field, or not in this order", ErrField, k.ID)
		}
		if err := missing(k, k.Rules[next:next+i]); err != nil {
			return err
		}
		next += i + 1
		if err := k.Rules[next-1].check(f.Value); err != nil {
			return &FieldError{k.ID, f.Name, err}
		}
	}
	return missing(k, k.Rules[next:])
}

func missing(k *Kind, rules []Rule) error {
	for _, r := range rules {
		if r.Required {
			return &FieldError{k.ID, r.Name, nil}
		}
	}
	return nil
}

// check says what a value lacks, in words that complete a sentence.
func (r *Rule) check(v string) error {
	switch r.Type {
	case Text, Line:
		switch {
		case v == "":
			return errors.New("leave it out, or write something")
		case !form.IsClean(v):
			return errors.New("not a clean text: blanks at its ends, or characters that control a terminal")
		case r.Type == Line && strings.ContainsAny(v, "\n\t"):
			return errors.New("it must stand on one line")
		case len(v) > r.Max:
			return fmt.Errorf("%d bytes, it may have %d: shorten it", len(v), r.Max)
		}
	case Choice:
		if form.Label(r.Options, v) == "" {
			ids := make([]string, len(r.Options))
			for i, o := range r.Options {
				ids[i] = o.ID
			}
			return errors.New("use one of " + strings.Join(ids, ", "))
		}
	case Date:
		if _, err := ParseDay(v); err != nil {
			return err
		}
	case Number:
		n, err := strconv.Atoi(v)
		if err != nil || strconv.Itoa(n) != v || n < r.Min || n > r.Max {
			return fmt.Errorf("write a whole number from %d to %d", r.Min, r.Max)
		}
	case EventOf:
		if !validRef(v) {
			return errors.New("name the event by its 16 digits")
		}
	case Texts:
		refs := strings.Split(v, " ")
		if len(refs) > r.Max || !slices.IsSorted(refs) || len(slices.Compact(slices.Clone(refs))) != len(refs) ||
			slices.ContainsFunc(refs, func(s string) bool { return !validRef(s) }) {
			return fmt.Errorf("name at most %d messages, each by its 16 digits, rising", r.Max)
		}
	case CaseOf:
		if _, err := ParseCase(v); err != nil {
			return err
		}
	case Holder:
		if !crypto.ValidID(v) {
			return errors.New("name the holder by their id in the directory")
		}
	}
	return nil
}

// maxDay is 9999-12-31.
const maxDay crypto.Day = 2932896

// ParseDay reads a day as it is written, 2026-12-31.
func ParseDay(s string) (crypto.Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1970 || t.Format(time.DateOnly) != s {
		return 0, errors.New("write the day as 2026-12-31")
	}
	return crypto.DayOf(t), nil
}

var caseText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// CaseText is a case's whole id in letters and digits.
func CaseText(id crypto.CaseID) string { return caseText.EncodeToString(id[:]) }

// ParseCase reads what CaseText wrote.
func ParseCase(s string) (id crypto.CaseID, err error) {
	b, err := caseText.DecodeString(s)
	if err != nil || len(b) != len(id) || caseText.EncodeToString(b) != s {
		return id, errors.New("name the case by its whole id")
	}
	return crypto.CaseID(b), nil
}

// NewAct makes an act of a kind from values by the fields' names: cleaned, in order, empty
// ones left out. It refuses what [Act.Check] refuses, and a name that the kind does not have.
func NewAct(kind string, values map[string]string) (Act, error) {
	k, ok := KindOf(kind)
	if !ok {
		return Act{}, fmt.Errorf("%w: there is no such kind of event", ErrField)
	}
	a := Act{Kind: kind}
	used := 0
	for _, r := range k.Rules {
		v, given := values[r.Name]
		if given {
			used++
		}
		if v = form.Clean(v); v != "" {
			a.Fields = append(a.Fields, Field{r.Name, v})
		}
	}
	if used < len(values) {
		return Act{}, fmt.Errorf("%w: %s has no such field", ErrField, kind)
	}
	return a, a.Check()
}
