package main

import (
	"errors"
	"flag"
	"fmt"

	"postern/reviewer"
)

var cmdErase = &command{
	name: "erase", args: "CASE", yes: true, least: 1, most: 1,
	short: "forget a case",
	long: `Erase forgets a case for ever: the keys of its messages, their ciphertext, and
replies that wait. The vault's log is written anew under a new key, so that nobody
who takes the vault later reads them, with your passphrase or without. Importing
its batches again does not bring it back. It works on a full disk too. It cannot
reach what you extracted, your backups, and what other bodies hold. If the source
changed the code, all that each of their codes wrote is forgotten. On flash
storage old blocks may survive; without the vault's passphrase they are noise.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		referred := referredFlag(fs)
		return func(args []string) error {
			v, pass, err := d.openKeeping()
			if err != nil {
				return err
			}
			defer v.Close()
			c, err := v.Case(args[0])
			if errors.Is(err, reviewer.ErrReferred) || *referred > 0 {
				return d.eraseReferral(v, args[0], *referred, pass)
			}
			if err != nil {
				return err
			}
			waiting := ""
			if c.Waiting > 0 {
				waiting = fmt.Sprintf(" %s and will never be sent.", some(c.Waiting, "reply waits", "replies wait"))
			}
			if err := d.confirm(fmt.Sprintf("Erase case %s, %s and %s, for ever?%s",
				c.Short, some(worded(c), "message", "messages"), some(c.Files, "file", "files"), waiting)); err != nil {
				return err
			}
			if err := v.Erase(c, pass); err != nil {
				return err
			}
			d.printf("Case %s is erased here. Files extracted before, backups and other bodies' copies are not.\n", c.Short)
			return nil
		}
	},
}
