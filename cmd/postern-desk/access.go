package main

import (
	"flag"
	"strings"

	"postern/reviewer"
)

var cmdAccess = &command{
	name: "access", args: "ADDRESS.onion --to FILE.auth_private", least: 1, most: 1,
	short: "write Tor Browser's key file for your exchange",
	long: `Access writes the key file that lets Tor Browser on your online machine reach
your own exchange, at the address the operator gave you. Carry the file there,
into Tor Browser's folder TorBrowser/Data/Tor/onion-auth, then wipe it from the
stick. Whoever has the file can reach the exchange, though open nothing there.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		to := fs.String("to", "", "the new `FILE` to write; its name ends in .auth_private")
		return func(args []string) error {
			if !strings.HasSuffix(*to, reviewer.AccessName) {
				return usagef("access: --to names the file to write; tor reads only names that end in %s", reviewer.AccessName)
			}
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if err := v.WriteAccess(args[0], *to); err != nil {
				return err
			}
			d.printf("The key is in %s. Carry it to Tor Browser's folder TorBrowser/Data/Tor/onion-auth, then wipe it from the stick.\n", shown(*to))
			return nil
		}
	},
}
