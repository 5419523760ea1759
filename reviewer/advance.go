package reviewer

import (
	"errors"
	"fmt"

	"postern/crypto"
)

// retentionMonths is how many months after its own a seed may still be
// needed: a server keeps batches for 60 days.
const retentionMonths = 2

// Months says from which month on this vault holds seeds, and from which on
// it would after [Vault.Advance]. The two are equal when nothing can be advanced: a
// seed may go only after a batch at least two months younger was imported. No clock alone decides.
func (v *Vault) Months() (first, next crypto.Month) {
	first = v.keys.Month
	if v.state.Newest == 0 {
		return first, first
	}
	return first, max(first, crypto.MonthOf(v.state.Newest.Time())-retentionMonths+1)
}

// ErrTooEarly says that no seed may be destroyed yet.
var ErrTooEarly = errors.New("no month's key can be destroyed yet: a batch at least two months younger must be imported first")

// Advance destroys the seeds of all months before to. After it, no batch of those months can be opened by
// anyone with this vault; what was imported stays readable. The holder has
// confirmed that every earlier batch is in: see [Vault.Missing]. Backups made before still hold the seeds.
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
