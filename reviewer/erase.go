package reviewer

import (
	"encoding/json"
	"errors"
	"fmt"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/casework"
	"postern/reviewer/vault"
)

// maxReasons bounds why a case was erased before its time, in bytes.
const maxReasons = 1 << 10

// MayErase says what stands against erasing a case today: nil, or every reason, each with
// what to do. Whether a reason can be set aside, [casework.Final] says.
func (desk *Desk) MayErase(c *Case) error {
	s := desk.Settings()
	return s.MayErase(c.Facts, c.Work, desk.Clock().Today())
}

// Erase forgets a case: the keys of its messages leave the vault for ever, their ciphertext is
// overwritten, replies that wait are dropped, what its handling added goes, and its batches,
// imported again, do not bring it back. pass is the vault's passphrase: without it nothing can be
// forgotten for good (see [vault.Vault.Forget], which also makes room on a full disk). Files extracted
// before, backups, and the copies of other bodies stay where they are. What the source
// writes later is a new case, which says that one of theirs was erased here. That the source changed
// the code is forgotten with the messages that said so.
//
// It refuses what [Desk.MayErase] says, unless reasons say why the case is erased all the same; they stay
// in the vault. Nothing sets a legal hold or a missing second holder aside.
func (desk *Desk) Erase(c *Case, pass []byte, reasons string) error {
	reasons = form.Clean(reasons)
	if len(reasons) > maxReasons {
		return fmt.Errorf("erasing: the reasons have %d bytes, there is room for %d: shorten them", len(reasons), maxReasons)
	}
	c, err := desk.now(c)
	if err != nil {
		return fmt.Errorf("erasing: %w", err)
	}
	against := desk.MayErase(c)
	if casework.Final(against) || against != nil && reasons == "" {
		return fmt.Errorf("erasing: %w", against)
	}
	if against == nil {
		reasons = "" // the usual end
	}
	next := desk.state.next()
	var change vault.Change
	ids := map[string]bool{string(c.ID[:]): true} // of all codes of the source
	for _, e := range c.entries {
		ids[string(e.Case)] = true
	}
	text, err := json.Marshal(grave{Day: desk.Clock().Today(), Reasons: reasons})
	if err != nil {
		return fmt.Errorf("erasing: %w", err)
	}
	noted, err := json.Marshal(upkeep{Day: desk.Clock().Today()})
	if err != nil {
		return fmt.Errorf("erasing: %w", err)
	}
	change.Put(kindUpkeep, recordKey(crypto.CaseID{}, didErase), noted)
	var marks []string
	for code := range ids {
		for _, e := range desk.index.codes[code] {
			next.messages.remove(string(e.ID))
			next.erased.set(string(desk.tombstone(e.ID)), struct{}{})
		}
		mark := casework.Mark(desk.keys.Tombs, crypto.CaseID([]byte(code)))
		marks = append(marks, string(mark[:]))
		change.Put(kindGrave, recordKey(crypto.CaseID{}, string(mark[:])), text)
	}
	if err := desk.tally(&change, c); err != nil {
		return fmt.Errorf("erasing: %w", err)
	}
	next.dropBundles()
	forget := desk.eraseCasework(&change, c)
	if err := desk.commit(next, &change, pass); err != nil {
		return fmt.Errorf("erasing: %w", err)
	}
	forget()
	desk.tallied()
	for _, m := range marks {
		desk.keep(kindGrave, crypto.CaseID{}, m, text)
	}
	desk.keep(kindUpkeep, crypto.CaseID{}, didErase, noted)
	if c.Local != nil {
		desk.index = desk.newIndex(desk.state)
	}
	return nil
}

// ErrNotAsked says that nobody asked to erase a case.
var ErrNotAsked = errors.New("nobody asked to erase this case")

// AgreeToErase is the second holder's yes to the newest request to erase a case.
func (desk *Desk) AgreeToErase(c *Case) error {
	if c.Work.EraseAsked == nil {
		return ErrNotAsked
	}
	act, err := casework.NewAct(casework.KindMayErase, map[string]string{"of": string(c.Work.EraseAsked.Ref)})
	if err == nil {
		_, err = desk.Act(c, casework.Body, act)
	}
	return err
}
