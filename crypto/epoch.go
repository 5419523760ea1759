package crypto

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Month numbers months: year*12 + month-1. A holder has one key a month.
type Month uint32

// MonthOf is the UTC month of t.
func MonthOf(t time.Time) Month {
	t = t.UTC()
	return Month(t.Year()*12 + int(t.Month()) - 1) //nolint:gosec // years are small
}

// String is like "2026-11".
func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m/12, m%12+1) }

// end is the first instant after the month.
func (m Month) end() time.Time {
	return time.Date(int(m/12), time.Month(m%12+2), 1, 0, 0, 0, 0, time.UTC)
}

// Last is the month's last day.
func (m Month) Last() Day { return DayOf(m.end()) - 1 }

// ParseMonth reads "2026-11".
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil || MonthOf(t).String() != s {
		return 0, fmt.Errorf("month %q: must be like 2026-11", s)
	}
	return MonthOf(t), nil
}

// EpochSeed is s_e: the seed of one month, from which later months follow and
// earlier ones do not. It never prints.
type EpochSeed struct {
	Month Month
	Seed  Key
}

// Format implements [fmt.Formatter] with a placeholder.
func (EpochSeed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer] with a placeholder.
func (EpochSeed) LogValue() slog.Value { return slog.StringValue(redacted) }

// Identity is the key of the month.
func (s EpochSeed) Identity() *Identity {
	return IdentityFromSeed(kdfKey(s.Seed[:], nil, "reviewer epoch key"))
}

// Next is s_{e+1}.
func (s EpochSeed) Next() EpochSeed {
	return EpochSeed{Month: s.Month + 1, Seed: kdfKey(s.Seed[:], nil, "reviewer epoch next")}
}

// maxEpochs bounds how far a seed is walked: 50 years.
const maxEpochs = 600

// At is the seed of a later (or the same) month; an error for an earlier one,
// whose seed was erased.
func (s EpochSeed) At(m Month) (EpochSeed, error) {
	if m < s.Month {
		return EpochSeed{}, fmt.Errorf("the key of %v was erased: the oldest kept is of %v", m, s.Month)
	}
	if m-s.Month > maxEpochs {
		return EpochSeed{}, fmt.Errorf("month %v is too far from %v", m, s.Month)
	}
	for s.Month < m {
		s = s.Next()
	}
	return s, nil
}
