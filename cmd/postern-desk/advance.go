package main

import (
	"flag"
	"fmt"
	"strings"

	"postern/crypto"
	"postern/reviewer"
)

var cmdVaultAdvance = &command{
	name: "vault advance", args: "[--to MONTH]", yes: true, clock: true,
	short: "destroy the keys of months that are over",
	long: `Advance destroys the keys of past months, so that nobody who takes this vault
later can open old batches. What was imported stays readable. It is possible only
when a batch was imported that is more than 60 days younger than the month, and
two months younger than the last that held a message of it; and it asks whether
all earlier batches are in: what is not cannot be opened afterwards, by anybody
with your keys. That goes too for a report that the server releases even later
than that. Backups made before still hold the destroyed keys.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		month := fs.String("to", "", "the first `MONTH` to keep, like 2026-11; the latest possible if not given")
		return func(args []string) error {
			var to crypto.Month
			if *month != "" {
				m, err := crypto.ParseMonth(*month)
				if err != nil {
					return usagef("vault advance: %q is no month: write it like 2026-11", *month)
				}
				to = m
			}
			v, pass, err := d.openKeeping()
			if err != nil {
				return err
			}
			defer v.Close()
			if err := d.checkClock(v.Clock()); err != nil {
				return err
			}
			first, most := v.Months()
			if to == 0 {
				to = most
			}
			if to <= first || to > most {
				return reviewer.ErrTooEarly
			}
			question := fmt.Sprintf("Destroy the keys of %s to %s for ever? Have you imported every batch of these months?", first, to-1)
			if m := v.Missing(); len(m) > 0 {
				d.printf("! Not imported: %s.\n", strings.Join(m, ", "))
			}
			if err := d.confirm(question); err != nil {
				return err
			}
			if err := v.Advance(to, pass); err != nil {
				return err
			}
			d.printf("The vault's keys begin with %s now. Make a new backup and destroy the old ones.\n", to)
			return nil
		}
	},
}
