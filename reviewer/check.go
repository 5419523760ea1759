package reviewer

import (
	"fmt"
	"slices"

	"postern/reviewer/vault"
)

// Health is what [Desk.Check] found.
type Health struct {
	Vault *vault.Health

	Unreadable []Unreadable // messages whose words or files are damaged or not there
	Unsendable []Unreadable // own replies not seen in a batch of which no copy is left to hand in
	Import     []string     // the batches that bring unreadable messages back, if the server or a stick has them
	Lost       []vault.Damage
}

// Unreadable is a message of a case.
type Unreadable struct {
	Case    string // its short id; "" for one of a stranger
	No      int    // in the case
	Missing bool   // its pack is not there; else its bytes are not those that were written
	Batch   string // that brings it back; "" for an own reply that was in none
}

// Sound says that nothing was found.
func (h *Health) Sound() bool { return h.Vault.Sound() && len(h.Lost) == 0 }

// Check reads the whole vault and says what is damaged or missing, and what to do. It changes
// nothing. It takes as long as the disk needs to read it; each, if not nil, hears how many bytes were
// read, and of how many.
func (desk *Desk) Check(each func(done, of int64)) (*Health, error) {
	found, err := desk.vault.Check(each)
	if err != nil {
		return nil, err
	}
	h := &Health{Vault: found, Lost: desk.vault.Lost()}
	for _, p := range found.Problems {
		if p.Kind != kindMessage {
			continue // dummies, and what others keep
		}
		e, ok := desk.state.messages.get(p.Key)
		if !ok {
			continue
		}
		u := desk.unreadable(e)
		u.Missing = p.Missing
		switch {
		case p.Blob > 0 && e.Release == nil:
			h.Unsendable = append(h.Unsendable, u)
		case p.Blob == 0:
			h.Unreadable = append(h.Unreadable, u)
			if u.Batch != "" && !slices.Contains(h.Import, u.Batch) {
				h.Import = append(h.Import, u.Batch)
			}
		}
	}
	h.Unsendable = slices.Compact(h.Unsendable) // both copies of one
	slices.Sort(h.Import)
	return h, nil
}

func (desk *Desk) unreadable(e *entry) (u Unreadable) {
	first := desk.index.fam.first(string(e.Case))
	if i := slices.Index(desk.index.cases[first], e); i >= 0 {
		u.Case, u.No = desk.index.name(first), i+1
	}
	if e.Release != nil {
		u.Batch = fmt.Sprintf("batch %d of %s", e.Release.Ordinal, e.Release.Day)
	}
	return u
}

// Mend lets go of what [Desk.Check] found unreadable, so that its batches, imported again, bring
// it back; removes packs that nothing refers to; and writes a damaged log anew. pass is the vault's.
func (desk *Desk) Mend(pass []byte, h *Health) error {
	if err := desk.vault.Mend(pass, h.Vault); err != nil {
		return err
	}
	if desk.search != nil {
		desk.search.close()
		desk.search = nil
	}
	return desk.load()
}
