package main

import (
	"flag"
	"fmt"
	"os"

	"postern/reviewer/casework"
)

var cmdSettings = &command{
	name: "settings", args: "[--from FILE]",
	short: "working days, clocks and retention of your body",
	long: `Settings prints what your body decided: on which days it works, which clocks
run, how long cases are kept, whether a second holder must agree before one is
erased. Save that in a file, change it, and read it with --from. What a file
leaves out is as usual. Give the file to your fellow holders: their desks have
settings of their own.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		from := fs.String("from", "", "read the settings from `FILE`")
		return func([]string) error {
			var next *casework.Settings
			if *from != "" {
				b, err := os.ReadFile(*from)
				if err != nil {
					return fmt.Errorf("reading the settings: %w", err)
				}
				s, err := casework.DecodeSettings(b)
				if err != nil {
					return err
				}
				next = &s
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if next != nil {
				if err := v.SetSettings(*next); err != nil {
					return err
				}
				d.printf("The settings are in force.\n")
				return nil
			}
			s := v.Settings()
			b, err := s.Encode()
			if err != nil {
				return err
			}
			d.printf("%s", b)
			return nil
		}
	},
}
