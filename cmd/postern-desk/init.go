package main

import (
	"flag"

	"postern/reviewer"
	"postern/reviewer/vault"
)

var cmdInit = &command{
	name: "init", args: "--body ID --holder ID",
	short: "make a vault with new keys",
	long: `Init makes a new vault: a folder that holds your keys and, later, the cases.
The ids are the ones agreed with the operator. A passphrase you choose protects
the vault, seven random words are good (postern-desk words draws them); nobody can
open it without, and nobody can reset it.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		body := fs.String("body", "", "your body's `ID` in the directory")
		holder := fs.String("holder", "", "your own `ID` in the directory")
		return func(args []string) error {
			if *body == "" || *holder == "" {
				return usagef("init: --body and --holder are needed: ids agreed with the operator")
			}
			if vault.Exists(d.vaultDir) == nil {
				return vault.ErrExists
			}
			p, err := d.newPassphrase(d.passFile, "the vault")
			if err != nil {
				return err
			}
			v, err := reviewer.Create(d.vaultDir, *body, *holder, p, d.options)
			if err != nil {
				return err
			}
			defer v.Close()
			d.printf("A vault for holder %s of body %s is in %s.\nNext: postern-desk card --out FILE, and give the card to the operator.\n", v.Holder(), v.Body(), shown(d.vaultDir))
			return nil
		}
	},
}
