package reviewer

import (
	"errors"
	"fmt"

	"postern/crypto"
)

// retentionMonths is how many months after the last batch that held a message
// of its month a seed may still be needed.
const retentionMonths = 2

// Months says from which month on this vault holds seeds, and from which on
// it would after [Desk.Advance]. The two are equal when nothing can be advanced: a
// seed may go only after a batch was imported that is more than 60 days younger than the
// seed's month, for so long the server offers batches of it, and two months younger than
// every batch that held a message of a case which the seed, or an earlier one, opened: while
// such messages come, a server that was off or flooded may have more of them.
// No clock alone decides, nor what a message says of its own day.
func (desk *Desk) Months() (first, next crypto.Month) {
	first = desk.keys.Month
	day := desk.newest(desk.state)
	if day == 0 {
		return first, first
	}
	newest := crypto.MonthOf(day.Time())
	next = crypto.MonthOf((max(day, keptDays) - keptDays).Time())
	for _, entries := range desk.index.cases {
		for _, e := range entries {
			if e.Release != nil && e.Opened != 0 && crypto.MonthOf(e.Release.Day.Time())+retentionMonths > newest {
				next = min(next, e.Opened)
			}
		}
	}
	return first, max(first, next)
}

// ErrTooEarly says that no seed may be destroyed yet.
var ErrTooEarly = errors.New("no month's key can be destroyed yet: a batch must be imported first that is more than 60 days younger than the month, and two months younger than the last batch that held a message of it")

// Advance destroys the seeds of all months before to. After it, nothing that was sealed in those months can be
// opened by anyone with this vault; what was imported stays readable. The holder has
// confirmed that every earlier batch is in: see [Desk.Missing]. Backups made before still hold the seeds.
//
// A report that the server releases more than two months after it was sealed,
// when nothing else of its month came that late, is lost to a vault that advanced meanwhile.
func (desk *Desk) Advance(to crypto.Month, pass []byte) error {
	first, most := desk.Months()
	if to <= first || to > most {
		return fmt.Errorf("advancing: %w", ErrTooEarly)
	}
	s, err := desk.keys.seed(to)
	if err != nil {
		return fmt.Errorf("advancing: %w", err)
	}
	k := *desk.keys
	k.Month, k.Seed = to, s.Seed[:]
	secret, err := k.encode()
	if err == nil {
		err = desk.vault.SetSecret(pass, secret)
	}
	if err != nil {
		return fmt.Errorf("advancing: %w", err)
	}
	clear(desk.keys.Seed)
	desk.keys = &k
	return nil
}
