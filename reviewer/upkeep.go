package reviewer

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"postern/crypto"
	"postern/store/durable"
)

// What was done for the vault itself, as records of the desk under kindUpkeep.
const (
	didCard   = "card"   // upkeep: the newest card written
	didAccess = "access" // upkeep: the newest key file for Tor Browser
	didBackup = "backup" // []Backup, the oldest first
	didErase  = "erase"  // upkeep: a case was erased since the last backup
	didPass   = "pass"   // upkeep: the passphrase was changed since the last backup
)

// upkeep is one such thing.
type upkeep struct {
	Day   crypto.Day   `json:"day"`
	Month crypto.Month `json:"month,omitempty"` // last one on a card
}

// Backup is one that was written, whichever way, and not said to be destroyed.
type Backup struct {
	Day   crypto.Day   `json:"day"`
	Month crypto.Month `json:"month"` // the first whose keys are in it
	Name  string       `json:"name"`  // of its file, as whoever wrote it called it
}

// maxBackups bounds how many backups are remembered.
const maxBackups = 100

// did reads one of these records; the zero value when there is none.
func did[T any](desk *Desk, what string) (v T) {
	text, ok := desk.added[kindUpkeep][crypto.CaseID{}][what]
	if ok && json.Unmarshal(text, &v) != nil {
		desk.warn(errRecord)
	}
	return v
}

// keepUpkeep notes that something was done. What was done stays done if it cannot be noted.
func (desk *Desk) keepUpkeep(c *Change) {
	if err := desk.Commit(c); err != nil {
		desk.warn(fmt.Errorf("this was done, but the vault could not note it: %w", err))
	}
}

// warn keeps what went wrong after a step was done.
func (desk *Desk) warn(err error) { desk.warnings = append(desk.warnings, err.Error()) }

// Warnings are what went wrong since the last call without undoing anything: see [vault.Vault.Warnings].
func (desk *Desk) Warnings() []string {
	w := append(desk.warnings, desk.vault.Warnings()...)
	desk.warnings = nil
	return w
}

// WriteCard writes the card of [Desk.Card] to a new file.
func (desk *Desk) WriteCard(path string) (*crypto.Card, error) {
	text, _, err := desk.Card()
	if err != nil {
		return nil, err
	}
	card, err := crypto.ParseCard(text)
	if err == nil {
		err = durable.CreateFile(path, text)
	}
	if err != nil {
		return nil, fmt.Errorf("making the card: %w", err)
	}
	var c Change
	c.Put(kindUpkeep, nil, didCard, upkeep{desk.Clock().Today(), card.Epochs[len(card.Epochs)-1].Month})
	desk.keepUpkeep(&c)
	return card, nil
}

// WriteAccess writes the key file of [Desk.AccessFile] to a new file.
func (desk *Desk) WriteAccess(onion, path string) error {
	line, err := desk.AccessFile(onion)
	if err == nil {
		err = durable.CreateFile(path, line)
	}
	if err != nil {
		return err
	}
	var c Change
	c.Put(kindUpkeep, nil, didAccess, upkeep{Day: desk.Clock().Today()})
	desk.keepUpkeep(&c)
	return nil
}

// BackupFile writes the backup of [Desk.Backup] to a new file, down to the disk.
func (desk *Desk) BackupFile(path string, pass []byte) error {
	if err := desk.vault.BackupFile(path, pass); err != nil {
		return err
	}
	list := append(desk.Backups(), Backup{desk.Clock().Today(), desk.keys.Month, filepath.Base(path)})
	var c Change
	c.Put(kindUpkeep, nil, didBackup, list[max(0, len(list)-maxBackups):])
	c.Delete(kindUpkeep, nil, didErase)
	c.Delete(kindUpkeep, nil, didPass)
	desk.keepUpkeep(&c)
	return nil
}

// Backups are those that were written and not said to be destroyed, the newest last. A vault
// that was restored does not know of the backup that it came from, nor of later ones.
func (desk *Desk) Backups() []Backup { return slices.Clone(did[[]Backup](desk, didBackup)) }

// BackupsDestroyed notes that of all backups only the newest is left, the holder's word for it.
func (desk *Desk) BackupsDestroyed() error {
	list := desk.Backups()
	if len(list) < 2 {
		return nil
	}
	var c Change
	c.Put(kindUpkeep, nil, didBackup, list[len(list)-1:])
	return desk.Commit(&c)
}

// SetPassphrase seals the vault under another passphrase. Copies and
// backups made before keep the old one.
func (desk *Desk) SetPassphrase(pass []byte) error {
	if err := desk.vault.SetPassphrase(pass); err != nil {
		return err
	}
	var c Change
	c.Put(kindUpkeep, nil, didPass, upkeep{Day: desk.Clock().Today()})
	desk.keepUpkeep(&c)
	return nil
}

// Step is one of those that make a new vault a desk that sources can write to.
type Step string

// The steps behind making the vault, in their order.
const (
	StepCard      Step = "card"      // its card is at the operator
	StepDirectory Step = "directory" // a directory was accepted
	StepAccess    Step = "access"    // Tor Browser can reach the exchange
	StepBackup    Step = "backup"
)

// Steps are all of them, and which are done.
func (desk *Desk) Steps() (all []Step, done map[Step]bool) {
	done = map[Step]bool{
		StepCard:      did[upkeep](desk, didCard).Day != 0,
		StepDirectory: desk.dirs != nil,
		StepAccess:    did[upkeep](desk, didAccess).Day != 0,
		StepBackup:    len(desk.Backups()) > 0,
	}
	return []Step{StepCard, StepDirectory, StepAccess, StepBackup}, done
}

// Wish is one thing that keys, directory or backups want of the holder.
type Wish struct {
	Kind  string
	Days  int          // that are left, today among them; or how old a backup is
	Month crypto.Month // the first whose keys stay
	Count int          // backups
	Step  Step         // of enrolment, that comes next
}

// The kinds of wishes, in the order of how much hangs on them.
const (
	WishReplaced      = "replaced"       // the directory lists another key under this holder's name
	WishDirectoryOver = "directory-over" // nobody can write to the service any more
	WishMonthsOver    = "months-over"    // nobody can seal to this vault any more
	WishEnrol         = "enrol"          // a step of enrolment is open
	WishDirectory     = "directory"      // ends in Days
	WishMonths        = "months"         // this vault's keys in the directory end in Days
	WishBackup        = "backup"         // something was destroyed since the last one, or the passphrase changed
	WishOldBackup     = "backup-old"     // the last one is Days old
	WishAdvance       = "advance"        // the keys before Month can be destroyed
	WishDestroy       = "destroy"        // Count older backups are left
)

// When a desk begins to warn, and how it becomes more urgent: days that are left.
const (
	WarnFirst = 60
	WarnSoon  = 30
	WarnNow   = 7

	maxBackupAge = 30
)

// Urgency is 60, 30 or 7 when that many days or fewer are left, else 0.
func Urgency(left int) int {
	for _, n := range []int{WarnNow, WarnSoon, WarnFirst} {
		if left <= n {
			return n
		}
	}
	return 0
}

// Wishes are what the vault wants done today, the most important first.
func (desk *Desk) Wishes() (list []Wish) {
	today := desk.Clock().Today()
	add := func(w Wish) { list = append(list, w) }
	over := false
	if d := desk.dirs; d != nil {
		if desk.Replaced(d) != nil {
			add(Wish{Kind: WishReplaced})
		}
		if over = d.Expired(today.Time()); over {
			add(Wish{Kind: WishDirectoryOver})
		}
	}
	months := 0 // days that this vault's months last
	if h := desk.inForce(); h != nil && len(h.Epochs) > 0 {
		if last := h.Epochs[len(h.Epochs)-1].Month.Last(); last >= today {
			months = int(last-today) + 1
		} else {
			add(Wish{Kind: WishMonthsOver})
		}
	}
	all, done := desk.Steps()
	if i := slices.IndexFunc(all, func(s Step) bool { return !done[s] }); i >= 0 {
		add(Wish{Kind: WishEnrol, Step: all[i]})
	}
	if desk.dirs != nil && !over {
		if n := desk.dirs.DaysLeft(today.Time()); Urgency(n) != 0 {
			add(Wish{Kind: WishDirectory, Days: n})
		}
	}
	if months != 0 && Urgency(months) != 0 {
		add(Wish{Kind: WishMonths, Days: months})
	}
	return append(list, desk.backupWishes(today)...)
}

// inForce is this vault's entry in the directory in force, if it has one.
func (desk *Desk) inForce() *crypto.Holder {
	if desk.dirs == nil {
		return nil
	}
	return desk.listed(desk.dirs)
}

// backupWishes are those of the monthly step.
func (desk *Desk) backupWishes(today crypto.Day) (list []Wish) {
	made := desk.Backups()
	if n := len(made); n > 0 {
		last := made[n-1]
		age := int(max(today, last.Day) - last.Day)
		switch {
		case last.Month < desk.keys.Month, did[upkeep](desk, didErase).Day != 0, did[upkeep](desk, didPass).Day != 0:
			list = append(list, Wish{Kind: WishBackup, Days: age})
		case age > maxBackupAge:
			list = append(list, Wish{Kind: WishOldBackup, Days: age})
		}
	}
	if first, next := desk.Months(); next > first {
		list = append(list, Wish{Kind: WishAdvance, Month: next})
	}
	if n := len(made); n > 1 {
		list = append(list, Wish{Kind: WishDestroy, Count: n - 1})
	}
	return list
}
