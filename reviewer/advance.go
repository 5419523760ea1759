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
// it would after [Vault.Advance]. The two are equal when nothing can be advanced: a
// seed may go only after a batch was imported that is more than 60 days younger than the
// seed's month, for so long the server offers batches of it, and two months younger than
// every batch that held a message sealed in it or before: while such messages come, a server that was off or flooded may have more of them.
// No clock alone decides.
func (v *Vault) Months() (first, next crypto.Month) {
	first = v.keys.Month
	if v.state.Newest == 0 {
		return first, first
	}
	newest := crypto.MonthOf(v.state.Newest.Time())
	next = crypto.MonthOf((v.state.Newest - keptDays).Time())
	days := make(map[crypto.BatchRef]crypto.Day, len(v.state.Batches))
	for _, b := range v.state.Batches {
		days[crypto.BatchRef{Instance: crypto.InstanceID(b.Instance), Batch: b.Ordinal}] = b.Day
	}
	for i := range v.state.Messages {
		e := &v.state.Messages[i]
		if e.Batch == nil {
			continue
		}
		if day, ok := days[*e.Batch]; ok && crypto.MonthOf(day.Time())+retentionMonths > newest {
			next = min(next, crypto.MonthOf(e.Day.Time()))
		}
	}
	return first, max(first, next)
}

// ErrTooEarly says that no seed may be destroyed yet.
var ErrTooEarly = errors.New("no month's key can be destroyed yet: a batch must be imported first that is more than 60 days younger than the month, and two months younger than the last batch that held a message of it")

// Advance destroys the seeds of all months before to. After it, nothing that was sealed in those months can be
// opened by anyone with this vault; what was imported stays readable. The holder has
// confirmed that every earlier batch is in: see [Vault.Missing]. Backups made before still hold the seeds.
//
// A report that the server releases more than two months after it was sealed,
// when nothing else of its month came that late, is lost to a vault that advanced meanwhile.
func (v *Vault) Advance(to crypto.Month, pass []byte) error {
	first, most := v.Months()
	if to <= first || to > most {
		return fmt.Errorf("advancing: %w", ErrTooEarly)
	}
	if err := v.checkPassphrase(pass); err != nil {
		return fmt.Errorf("advancing: %w", err)
	}
	s, err := v.keys.seed(to)
	if err != nil {
		return fmt.Errorf("advancing: %w", err)
	}
	old := *v.keys
	k := old
	k.Month, k.Seed = to, s.Seed[:]
	v.keys = &k
	if err := v.writeKeys(pass); err != nil {
		v.keys = &old
		return fmt.Errorf("advancing: %w", err)
	}
	clear(old.Seed)
	return nil
}
