package casework

import (
	"fmt"
	"testing"

	"postern/crypto"
)

// plainDay is a day of a calendar made by counting, month by month, from a known day of the week.
type plainDay struct{ y, m, d, week int } // week: 0 is Sunday

func leap(y int) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

func daysIn(y, m int) int {
	if m == 2 && leap(y) {
		return 29
	}
	return [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[m-1]
}

// plainCalendar counts every day from 2024-01-01, a Monday, through 2035.
func plainCalendar() (days []plainDay, at map[string]int) {
	at = make(map[string]int)
	week := 1
	for y := 2024; y <= 2035; y++ {
		for m := 1; m <= 12; m++ {
			for d := 1; d <= daysIn(y, m); d++ {
				at[fmt.Sprintf("%d-%02d-%02d", y, m, d)] = len(days)
				days = append(days, plainDay{y, m, d, week})
				week = (week + 1) % 7
			}
		}
	}
	return days, at
}

func TestEveryDay(t *testing.T) {
	days, at := plainCalendar()
	start := mustDay("2024-01-01")
	s := DefaultSettings()
	s.Holidays = []string{"2024-12-25", "2024-12-26", "2026-12-25", "2028-02-29", "2031-01-01"}
	friday := DefaultSettings()
	friday.Weekend = []string{"friday"}
	off := make(map[int]bool)
	for _, h := range s.Holidays {
		off[at[h]] = true
	}
	checked := 0
	for i, p := range days {
		if p.y > 2032 {
			break
		}
		checked++
		d := start + crypto.Day(i)
		if want := fmt.Sprintf("%d-%02d-%02d", p.y, p.m, p.d); d.String() != want {
			t.Fatalf("day %d is %s, not %s", i, d, want)
		}
		for _, n := range []int{1, 2, 3, 6, 11, 12, 24, 36} {
			m := p.m - 1 + n
			y := p.y + m/12
			m = m%12 + 1
			want := fmt.Sprintf("%d-%02d-%02d", y, m, min(p.d, daysIn(y, m)))
			if got := AddMonths(d, n).String(); got != want {
				t.Fatalf("%s and %d months: %s, not %s", d, n, got, want)
			}
		}
		for n, left, j := 3, 3, i; left > 0; {
			j++
			if w := days[j].week; w != 0 && w != 6 && !off[j] {
				left--
			}
			if left == 0 {
				if got := s.AddWorkingDays(d, n); got != start+crypto.Day(j) {
					t.Fatalf("%s and %d working days: %s, not %s", d, n, got, start+crypto.Day(j))
				}
			}
		}
		if got, want := friday.Works(d), p.week != 5; got != want {
			t.Fatalf("%s: works %v", d, got)
		}
		f := Facts{Received: d}
		st := newState("ombuds")
		dues := s.Dues(testCase, f, st)
		byClock := map[string]crypto.Day{}
		for _, due := range dues {
			byClock[due.Clock] = due.Day
		}
		if byClock[ClockAcknowledge] != d+7 || byClock[ClockFeedback] != AddMonths(d, 3) || byClock[ClockAcknowledgeSoon] <= d+2 {
			t.Fatalf("%s: %v", d, dues)
		}
	}
	if checked != 9*365+3 {
		t.Fatalf("checked %d days", checked)
	}
	for in, want := range map[string]string{"2026-11-30": "2027-02-28", "2027-11-30": "2028-02-29", "2024-02-29": "2024-05-29", "2025-12-31": "2026-03-31"} {
		if got := AddMonths(mustDay(in), 3).String(); got != want {
			t.Errorf("%s and 3 months: %s, not %s", in, got, want)
		}
	}
	if got := s.AddWorkingDays(maxDay-1, 60); got != maxDay {
		t.Errorf("the end of days: %s", got)
	}
}
