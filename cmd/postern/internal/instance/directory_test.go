package instance

import (
	"testing"
	"time"

	"postern/crypto"
)

// A directory under which nobody could report is not installed.
func TestTakesReports(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	month := crypto.MonthOf(now)
	at := func(m crypto.Month, expires time.Time) *crypto.Directory {
		return &crypto.Directory{Expires: crypto.DayOf(expires), Bodies: []crypto.Body{{ID: "ombuds", Holders: []crypto.Holder{{
			ID: "anna", Status: crypto.StatusActive, Epochs: []crypto.Epoch{{Month: m, Recipient: crypto.NewIdentity().Recipient()}},
		}}}}}
	}
	for _, c := range []struct {
		name string
		d    *crypto.Directory
		ok   bool
	}{
		{"this month", at(month, now), true},
		{"a card that begins next month", at(month+1, now), false},
		{"a card that ended", at(month-1, now), false},
		{"expired", at(month, now.AddDate(0, 0, -1)), false},
	} {
		if err := takesReports(c.d, now); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestLastDay(t *testing.T) {
	for month, want := range map[string]string{"2026-11": "2026-11-30", "2028-02": "2028-02-29", "2026-12": "2026-12-31"} {
		m, err := crypto.ParseMonth(month)
		if err != nil {
			t.Fatal(err)
		}
		if got := lastDay(m).String(); got != want {
			t.Errorf("last day of %s: %s, want %s", month, got, want)
		}
	}
}
