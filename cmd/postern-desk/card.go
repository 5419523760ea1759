package main

import (
	"flag"
	"strings"

	"postern/reviewer"
)

var cmdCard = &command{
	name: "card", args: "--out FILE", json: true, clock: true,
	short: "write the enrolment card for the operator",
	long: `Card writes your public keys, for twelve months from this one, to a file for the
operator. The file holds no secret. Read the phrase it prints to the operator by
voice: it proves that the card was not exchanged on its way. Write a new card
before the twelve months end.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		out := fs.String("out", "", "the new `FILE` to write")
		return func(args []string) error {
			if *out == "" {
				return usagef("card: --out names the file to write")
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if err := d.checkClock(v.Clock()); err != nil {
				return err
			}
			text, phrase, err := v.Card()
			if err != nil {
				return err
			}
			if err := reviewer.CreateFile(*out, text); err != nil {
				return err
			}
			if d.json {
				return d.writeJSON(struct {
					File   string   `json:"file"`
					Body   string   `json:"body"`
					Holder string   `json:"holder"`
					Phrase []string `json:"phrase"`
				}{*out, v.Body(), v.Holder(), phrase})
			}
			d.printf("The card is in %s. Give it to the operator, and read this to them by voice:\n\n    %s\n", shown(*out), strings.Join(phrase, " "))
			return nil
		}
	},
}
