package main

import (
	"flag"
	"strings"

	"postern/crypto"
)

var cmdCard = &command{
	name: "card", args: "--out FILE", json: true, clock: true,
	short: "write the enrolment card for the operator",
	long: `Card writes your public keys, for twelve months from this one, to a file for the
operator. The file holds no secret. Read the six words it prints to the operator
and to the keeper of the root key by voice: they are those of your signing key, the
same on every card, and both see them again. Write a new card before the twelve
months end.`,
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
			card, err := v.WriteCard(*out)
			if err != nil {
				return err
			}
			words := crypto.SigningWords(card.Signing)
			if d.json {
				return d.writeJSON(struct {
					File   string   `json:"file"`
					Body   string   `json:"body"`
					Holder string   `json:"holder"`
					Phrase []string `json:"phrase"`
				}{*out, v.Body(), v.Holder(), words})
			}
			d.printf("The card is in %s. Give it to the operator. Read this to them, and to the keeper of the root key, by voice:\n\n    %s\n", shown(*out), strings.Join(words, " "))
			d.printf("\nIt lists your keys for %s to %s.\n", card.Epochs[0].Month, card.Epochs[len(card.Epochs)-1].Month)
			return nil
		}
	},
}
