package casework

import (
	"time"

	"postern/crypto"
)

// AddMonths is the day of the same number n months later, or the last day of that month
// where it has no such day (Regulation (EEC, Euratom) 1182/71, article 3.2.c). Unlike there, a
// period that ends on a holiday is not made longer: what is due earlier is never late.
func AddMonths(d crypto.Day, n int) crypto.Day {
	y, m, dd := d.Time().Date()
	first := time.Date(y, m+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return crypto.DayOf(first.AddDate(0, 0, min(dd, last)-1))
}

// AddWorkingDays is the n-th working day after d, which itself does not count (article 3.1 there).
func (s *Settings) AddWorkingDays(d crypto.Day, n int) crypto.Day {
	for n > 0 && d < maxDay {
		if d++; s.Works(d) {
			n--
		}
	}
	return d
}

// Works says whether the body works on a day: no day of its weekend, and none of its holidays.
func (s *Settings) Works(d crypto.Day) bool {
	day := d.Time()
	for _, w := range s.Weekend {
		if weekdays[w] == day.Weekday() {
			return false
		}
	}
	text := d.String()
	for _, h := range s.Holidays {
		if h == text {
			return false
		}
	}
	return true
}

var weekdays = map[string]time.Weekday{
	"sunday": time.Sunday, "monday": time.Monday, "tuesday": time.Tuesday, "wednesday": time.Wednesday,
	"thursday": time.Thursday, "friday": time.Friday, "saturday": time.Saturday,
}
