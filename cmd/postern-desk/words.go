package main

import (
	"flag"

	"postern/crypto/passphrase"
)

var cmdWords = &command{
	name:  "words",
	short: "draw seven random words for a passphrase",
	long: `Words draws seven words at random out of 7,772: 90 bits, which nobody guesses. Write
them on paper, not into a file; then clear the terminal. They are shown once and
kept nowhere.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func([]string) error {
			d.printf("%s\n", passphrase.Propose())
			return nil
		}
	},
}
