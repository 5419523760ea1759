package main

import (
	"fmt"

	"postern/reviewer"
)

// wish says what keys, directory or backups want, and which command does it.
func wish(w *reviewer.Wish) string {
	left := some(w.Days, "day is", "days are")
	switch w.Kind {
	case reviewer.WishReplaced:
		return "THE DIRECTORY LISTS ANOTHER KEY UNDER YOUR NAME. Unless you made a new vault yourself, tell the keeper of the root key by voice."
	case reviewer.WishDirectoryOver:
		return "The directory has EXPIRED: the service takes no new reports. Ask the operator for a new one."
	case reviewer.WishMonthsOver:
		return "Your keys in the directory are OVER: nothing new is sealed to you. Write a card for the operator: postern-desk card --out FILE"
	case reviewer.WishEnrol:
		return "Enrolment goes on with: postern-desk " + map[reviewer.Step]string{
			reviewer.StepCard: "card --out FILE", reviewer.StepDirectory: "directory FILE --root KEY",
			reviewer.StepAccess: "access ADDRESS.onion --to FILE.auth_private", reviewer.StepBackup: "vault backup FILE",
		}[w.Step]
	case reviewer.WishDirectory:
		return fmt.Sprintf("%s left of the directory: the operator needs a new one.", left)
	case reviewer.WishMonths:
		return fmt.Sprintf("%s left of your keys in the directory. Write a new card for the operator: postern-desk card --out FILE", left)
	case reviewer.WishBackup:
		return "Keys or a case were destroyed since the last backup, or the passphrase was changed: postern-desk vault backup FILE"
	case reviewer.WishOldBackup:
		return fmt.Sprintf("The last backup is %d days old: postern-desk vault backup FILE", w.Days)
	case reviewer.WishAdvance:
		return fmt.Sprintf("The keys before %s can be destroyed: postern-desk vault advance", w.Month)
	case reviewer.WishDestroy:
		return some(w.Count, "older backup is", "older backups are") + " to destroy; then: postern-desk vault destroyed"
	}
	return w.Kind
}
