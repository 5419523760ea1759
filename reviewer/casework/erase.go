package casework

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"

	"postern/crypto"
)

// MayErase says whether the case may be erased today: nil, or every reason against it. Each says what to do.
//
// Against a hold and a missing second holder nothing helps but ending the hold and asking them
// ([Final] tells them). The others can be set aside by a holder who says why.
func (s *Settings) MayErase(f Facts, st *State, today crypto.Day) error {
	var against []error
	if st.Hold != nil {
		against = append(against, fmt.Errorf("%w since %s: end the hold first, with the reason", ErrHeld, st.Hold.Day))
	}
	if s.TwoHolders {
		against = append(against, st.agreed(f))
	}
	if over := s.graceOver(f); today < over {
		against = append(against, fmt.Errorf("%w, on %s: wait until %s, or say why it cannot wait", ErrGrace, f.Wrote, over))
	}
	c, known := s.Class(st.Class)
	switch {
	case st.Stage != StageClosed:
		against = append(against, fmt.Errorf("%w: close it first, with its outcome, or say why it is erased without one", ErrOpen))
	case !known:
		against = append(against, fmt.Errorf("%w: no class of retention is chosen: choose one, or say why it is erased without", ErrKept))
	case today < st.Since+crypto.Day(c.Days): //nolint:gosec // 0 to 36600
		against = append(against, fmt.Errorf("%w: it is until %s; wait, or say why it cannot wait", ErrKept, st.Since+crypto.Day(c.Days))) //nolint:gosec // the same
	}
	return errors.Join(against...)
}

// agreed says whether two holders want it erased, since the source last wrote.
func (s *State) agreed(f Facts) error {
	switch {
	case s.EraseAsked == nil:
		return fmt.Errorf("%w: ask to erase it, and have a fellow holder agree", ErrApprove)
	case s.EraseAsked.Day < f.Wrote:
		return fmt.Errorf("%w: the source wrote on %s, after the request of %s: read that, and ask again", ErrApprove, f.Wrote, s.EraseAsked.Day)
	case s.EraseAgreed == nil:
		return fmt.Errorf("%w: it was asked for on %s; have a fellow holder agree", ErrApprove, s.EraseAsked.Day)
	}
	return nil
}

// Final says whether an error of [Settings.MayErase] holds whatever reason is given.
func Final(err error) bool { return errors.Is(err, ErrHeld) || errors.Is(err, ErrApprove) }

// Tombstone is what is left of an erased case: a keyed hash of its id, so that a source who returns is told
// from a new one, by who has the key alone.
type Tombstone struct {
	Mark    [16]byte
	Day     crypto.Day // on which it was erased
	Reasons string     // why it was erased before its time; "": it was not
}

// Mark is a case's mark under a key of the vault.
func Mark(key []byte, id crypto.CaseID) (m [16]byte) {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte("postern/v1 erased case\x00"))
	_, _ = h.Write(id[:])
	copy(m[:], h.Sum(nil))
	return m
}
