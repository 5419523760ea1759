package crypto

import "time"

// Month numbers months: year*12 + month-1. A holder has one key a month.
type Month uint32

// MonthOf is the month of a day.
func MonthOf(t time.Time) Month { t = t.UTC(); return Month(t.Year()*12 + int(t.Month()) - 1) } //nolint:gosec // years are small

func (m Month) String() string { panic("unbuilt") } // "2026-11"

// ParseMonth reads "2026-11".
func ParseMonth(s string) (Month, error) { panic("unbuilt") }

// EpochSeed is s_e: the seed of one month, from which later months follow and
// earlier ones do not.
type EpochSeed struct {
	Month Month
	Seed  Key
}

// Identity is the key of the month.
func (s EpochSeed) Identity() *Identity { panic("unbuilt") }

// Next is s_{e+1}.
func (s EpochSeed) Next() EpochSeed { panic("unbuilt") }

// At is the seed of a later (or the same) month; an error for an earlier one.
func (s EpochSeed) At(m Month) (EpochSeed, error) { panic("unbuilt") }
