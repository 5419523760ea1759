package main

import "flag"

var cmdPasswd = &command{
	name:  "passwd",
	short: "change the vault's passphrase",
	long: `Passwd seals the vault under a new passphrase and a new key. Copies and backups made
before keep the old ones: destroy them if the old passphrase may be known.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		file := fs.String("new-passphrase-file", "", "read the new passphrase from the first line of `FILE`")
		return func(args []string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			p, err := d.newPassphrase(*file, "the vault")
			if err != nil {
				return err
			}
			if err := v.SetPassphrase(p); err != nil {
				return err
			}
			d.printf("The passphrase is changed. Backups made before keep the old one.\n")
			return nil
		}
	},
}
