package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"postern/reviewer"
	"postern/reviewer/vault"
)

var cmdVaultCheck = &command{
	name: "vault check", args: "[--mend]",
	short: "read the whole vault and say what is damaged",
	long: `Check reads every change and every message in the vault and names what is damaged,
missing, or belongs to no case, as after a restore that ended half way or on a disk
that fails, and says which batches bring it back. It changes nothing. With --mend
what cannot be read is let go, so that its batch, imported again, restores it; what
nothing refers to is removed; and a damaged log is written anew from what can be
read. Make a copy of the vault's folder first, and prefer a whole backup.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		mend := fs.Bool("mend", false, "let go of what cannot be read, and remove what nothing refers to")
		return func([]string) error {
			d.options.Salvage = *mend
			v, pass, err := d.openKeeping()
			if err != nil {
				return err
			}
			defer v.Close()
			h, err := v.Check(d.progress("read"))
			if err != nil {
				return err
			}
			d.health(h)
			if h.Sound() {
				return nil
			}
			if !*mend {
				return errNotSound
			}
			if err := v.Mend(pass, h); err != nil {
				return err
			}
			d.printf("What could not be read is let go.\n")
			return nil
		}
	},
}

// progressEvery is how long a command works before it says how far it is, and again.
const progressEvery = 5 * time.Second

// progress says on standard error how far something long is.
func (d *desk) progress(done string) func(n, of int64) {
	last := time.Now()
	return func(n, of int64) {
		if now := time.Now(); n < of && now.Sub(last) >= progressEvery {
			last = now
			_, _ = fmt.Fprintf(d.stderr, "%d %% %s, %d of %d MB\n", 100*n/of, done, n>>20, of>>20)
		}
	}
}

var errNotSound = errors.New("the vault is damaged")

func (d *desk) health(h *reviewer.Health) {
	d.printf("%s and %s were read, %d bytes.\n", some(int(h.Vault.Changes), "change", "changes"), //nolint:gosec // a count
		some(h.Vault.Blobs, "sealed file", "sealed files"), h.Vault.Bytes)
	if h.Sound() {
		d.printf("The vault is sound.\n")
		return
	}
	for i := range h.Lost {
		d.printf("! %s.\n", h.Lost[i].Error())
	}
	if h.Vault.Log != nil {
		d.printf("! On the disk %s.\n", h.Vault.Log.Error())
	}
	for _, u := range h.Unreadable {
		d.printf("! %s is %s.\n", place(u), state(u))
	}
	for _, u := range h.Unsendable {
		d.printf("! %s: its copies for the server are %s. If it was not handed in, write it again.\n", place(u), state(u))
	}
	if n := len(h.Vault.Problems) - len(h.Unreadable); n > 0 {
		d.printf("! %s damaged or missing that no message is read from.\n", some(n, "sealed file is", "sealed files are"))
	}
	if n := len(h.Vault.Surplus); n > 0 {
		d.printf("! %s to nothing in this vault: perhaps to a later state of it. If you restored it in part, restore a whole backup.\n", some(n, "pack belongs", "packs belong"))
	}
	if len(h.Import) > 0 {
		d.printf("After vault check --mend, import again: %s.\n", strings.Join(h.Import, ", "))
	}
}

func place(u reviewer.Unreadable) string {
	if u.Case == "" {
		return "A message of a stranger"
	}
	return fmt.Sprintf("Message %d of case %s", u.No, u.Case)
}

func state(u reviewer.Unreadable) string {
	if u.Missing {
		return "missing"
	}
	return "damaged"
}

// isDamage says whether an error is that of a damaged log.
func isDamage(err error) bool {
	var damage *vault.Damage
	return errors.As(err, &damage)
}
