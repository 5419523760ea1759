package main

import (
	"flag"
	"time"

	"postern/crypto"
)

var cmdClock = &command{
	name: "clock", args: "[--back-to DAY]", yes: true,
	short: "what day it is here, or take back a wrong yes",
	long: `Clock shows the day that this desk goes by: the machine's clock, and never before
the newest batch. If a batch with a wrong day was confirmed (--clock-ok), --back-to
takes that back: no batch of a later DAY counts any more. What it held stays.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		back := fs.String("back-to", "", "the latest `DAY` that a batch here can be of, like 2026-11-24")
		return func([]string) error {
			var last crypto.Day
			if *back != "" {
				t, err := time.Parse(time.DateOnly, *back)
				if err != nil || t.Unix() <= 0 {
					return usagef("clock: --back-to %s: give a day like 2026-11-24", *back)
				}
				last = crypto.DayOf(t)
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			c := v.Clock()
			if last != 0 {
				if err := d.confirm("Count no batch of a later day than " + last.String() + " any more?"); err != nil {
					return err
				}
				if c, err = v.Disbelieve(last); err != nil {
					return err
				}
			}
			d.printf("This machine's clock says %s.\n", c.Machine)
			if c.Batch == 0 {
				d.printf("No batch counts yet.\n")
			} else {
				d.printf("The newest batch that counts is of %s. This desk goes by %s.\n", c.Batch, c.Today())
			}
			return nil
		}
	},
}
