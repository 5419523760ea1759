package casework

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postern/intake/form"
)

// Settings are what a body decides for all its cases. Its fields' comments are the manual
// of the settings file, which is JSON; what a file leaves out is as in [DefaultSettings].
type Settings struct {
	// Weekend: the days of the week on which the body does not work, in English: "saturday".
	Weekend []string `json:"weekend"`
	// Holidays on which the body does not work, as "2026-12-25".
	Holidays []string `json:"holidays"`

	// AcknowledgeWorkingDays within which a person answers (ISO 37002 8.2: 3). 0: no such clock.
	AcknowledgeWorkingDays int `json:"acknowledge_working_days"`
	// AcknowledgeDays within which a person answers at most (Directive (EU) 2019/1937, art. 9.1.b and
	// 11.2.b: 7). 0: no such clock.
	AcknowledgeDays int `json:"acknowledge_days"`
	// FeedbackMonths after receipt within which the source hears what is done, and why (art. 9.1.f and
	// 11.2.d: 3). 0: no such clock.
	FeedbackMonths int `json:"feedback_months"`
	// FeedbackMonthsExtended where a reason for more time was recorded (art. 11.2.d: 6).
	FeedbackMonthsExtended int `json:"feedback_months_extended"`

	// RiskDays after which the risk to the source is assessed again, unless the assessment
	// names a day; and within which after receipt it is assessed first. 0: no such clock.
	RiskDays int `json:"risk_days"`
	// RetaliationDays within which the risk is assessed after the source told of retaliation or
	// danger. 0: no such clock.
	RetaliationDays int `json:"retaliation_days"`

	// ReviewYears after which the body reviews its procedure (art. 14: 3). 0: no such clock.
	ReviewYears int `json:"review_years"`
	// Reviewed is the day of the last review, as "2026-12-31"; empty: there was none, and no clock runs.
	Reviewed string `json:"reviewed"`

	// SoonDays: what is due within so many days is due soon.
	SoonDays int `json:"soon_days"`
	// GraceDays after the source last wrote, in which its case is not erased. 0: none.
	GraceDays int `json:"grace_days"`
	// TwoHolders: a case is erased only when one holder asked and another agreed.
	TwoHolders bool `json:"two_holders"`
	// Classes of retention. A case of one may be erased so many days after it was closed.
	Classes []Class `json:"classes"`
}

// Class of retention.
type Class struct {
	ID   string `json:"id"`
	Days int    `json:"days"` // after closing
}

// DefaultSettings are what the standards ask for.
func DefaultSettings() Settings {
	return Settings{
		Weekend: []string{"saturday", "sunday"}, Holidays: []string{},
		AcknowledgeWorkingDays: 3, AcknowledgeDays: 7, FeedbackMonths: 3, FeedbackMonthsExtended: 6,
		RiskDays: 30, RetaliationDays: 3, ReviewYears: 3, SoonDays: 7, GraceDays: 30,
		Classes: []Class{{"standard", 730}, {"short", 90}, {"long", 3650}},
	}
}

const (
	maxSettings = 64 << 10
	maxHolidays = 1000
	maxClasses  = 32
)

// ErrSettings is wrapped by every refusal of settings.
var ErrSettings = errors.New("these settings cannot be used")

// Check says what is wrong with settings, or nil.
func (s *Settings) Check() error {
	wrong := func(format string, a ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrSettings}, a...)...)
	}
	for i, w := range s.Weekend {
		if _, ok := weekdays[w]; !ok || slices.Contains(s.Weekend[:i], w) {
			return wrong("weekend: write each day once, in English and small letters: saturday")
		}
	}
	if len(s.Weekend) == len(weekdays) {
		return wrong("weekend: one day of the week must be left to work on")
	}
	if len(s.Holidays) > maxHolidays {
		return wrong("holidays: at most %d; leave out those of past years", maxHolidays)
	}
	for _, h := range s.Holidays {
		if _, err := ParseDay(h); err != nil {
			return wrong("holidays: %s", err.Error())
		}
	}
	for _, n := range []struct {
		name        string
		value, most int
	}{
		{"acknowledge_working_days", s.AcknowledgeWorkingDays, 60}, {"acknowledge_days", s.AcknowledgeDays, 60},
		{"feedback_months", s.FeedbackMonths, 24}, {"feedback_months_extended", s.FeedbackMonthsExtended, 24},
		{"risk_days", s.RiskDays, 366}, {"retaliation_days", s.RetaliationDays, 366}, {"review_years", s.ReviewYears, 10},
		{"soon_days", s.SoonDays, 60}, {"grace_days", s.GraceDays, 3660},
	} {
		if n.value < 0 || n.value > n.most {
			return wrong("%s: write a number from 0 to %d", n.name, n.most)
		}
	}
	if s.FeedbackMonthsExtended < s.FeedbackMonths {
		return wrong("feedback_months_extended: not less than feedback_months")
	}
	if s.Reviewed != "" {
		if _, err := ParseDay(s.Reviewed); err != nil {
			return wrong("reviewed: %s", err.Error())
		}
	}
	return s.checkClasses(wrong)
}

func (s *Settings) checkClasses(wrong func(string, ...any) error) error {
	if len(s.Classes) == 0 || len(s.Classes) > maxClasses {
		return wrong("classes: from 1 to %d", maxClasses)
	}
	for i, c := range s.Classes {
		switch {
		case c.ID == "" || len(c.ID) > maxLabel || !form.IsClean(c.ID) || strings.ContainsAny(c.ID, "\n\t"):
			return wrong("classes: an id is one line of 1 to %d bytes", maxLabel)
		case slices.ContainsFunc(s.Classes[:i], func(o Class) bool { return o.ID == c.ID }):
			return wrong("classes: one id stands there twice")
		case c.Days < 0 || c.Days > 36600:
			return wrong("classes: days are from 0 to 36600")
		}
	}
	return nil
}

// Class finds a class of retention.
func (s *Settings) Class(id string) (Class, bool) {
	i := slices.IndexFunc(s.Classes, func(c Class) bool { return c.ID == id })
	if i < 0 {
		return Class{}, false
	}
	return s.Classes[i], true
}

// Encode gives the settings as a file that people can read and change.
func (s *Settings) Encode() ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("writing settings: %w", err)
	}
	return b.Bytes(), nil
}

// DecodeSettings reads a settings file. Unknown names are refused: a misspelt one would
// else change nothing and tell nobody.
func DecodeSettings(b []byte) (Settings, error) {
	if len(b) > maxSettings {
		return Settings{}, fmt.Errorf("%w: the file has more than %d bytes", ErrSettings, maxSettings)
	}
	s := DefaultSettings()
	classes := s.Classes
	s.Weekend, s.Classes = nil, nil // lists are replaced, never mixed with these
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Settings{}, fmt.Errorf("%w: %s", ErrSettings, strings.TrimPrefix(err.Error(), "json: "))
	}
	if d.More() {
		return Settings{}, fmt.Errorf("%w: something stands behind them", ErrSettings)
	}
	if s.Classes == nil {
		s.Classes = classes
	}
	if s.Weekend == nil {
		s.Weekend = DefaultSettings().Weekend
	}
	if err := s.Check(); err != nil {
		return Settings{}, err
	}
	return s, nil
}
