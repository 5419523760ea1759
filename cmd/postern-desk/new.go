package main

import (
	"flag"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/casework"
)

var cmdNew = &command{
	name: "new", args: "CHANNEL [--received DAY]", json: true, clock: true, least: 1, most: 1,
	short: "open a case that came by phone, on paper or in person",
	long: `New opens a case without a code, so that it has stages, clocks and a place in
statistics like any other. CHANNEL is phone, paper, person or other. What was
said goes into notes; whoever reported is told in the way in which they came,
and told records it.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		received := fs.String("received", "", "the `DAY` on which it came: YYYY-MM-DD; today unless given")
		return func(args []string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if err := d.checkClock(v.Clock()); err != nil {
				return err
			}
			day := v.Clock().Today()
			if *received != "" {
				var d crypto.Day
				if d, err = casework.ParseDay(*received); err != nil {
					return usagef("new: --received: %v", err)
				}
				day = d
			}
			c, err := v.Open(args[0], day)
			if err != nil {
				return err
			}
			if d.json {
				return d.writeJSON(struct {
					Case string `json:"case"`
				}{reviewer.FullID(c.ID)})
			}
			d.printf("Case %s is open. Next: postern-desk note %s FILE\n", c.Short, c.Short)
			return nil
		}
	},
}
