package main

import (
	"context"
	"fmt"

	"postern/cmd/postern/internal/instance"
	"postern/intake/onion"
)

// initialise makes a data directory: configuration, keys, salt, database. It
// never touches one that is there.
func (c *cli) initialise(_ context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	conf := instance.Defaults()
	fs.StringVar(&conf.Name, "name", "", "`name` of the instance, in every directory; a-z, 0-9, hyphens; never the address")
	fs.IntVar(&conf.Directory.Slots, "slots", conf.Directory.Slots, "locks on every message: 8, 16 or 32; one more than there can be holders")
	fs.StringVar(&conf.Tor.Mode, "tor", conf.Tor.Mode, "child, system or none: see [tor] in postern.conf")
	fs.StringVar(&conf.Backup.Recipient, "backup-recipient", "", "public key `age1pq1…` of the offline backup key; can be set later")
	fs.StringVar(&conf.Storage.KeyWrappedBy, "key-wrapped-by", "", "`file` that protects the storage key: see postern.conf")
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	i, err := instance.Create(c.dir, &conf)
	if err != nil {
		return err
	}
	key, err := i.OnionKey()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Made an instance in %s.\n", i.Dir)
	if conf.Tor.Mode != instance.TorNone {
		fmt.Fprintf(c.out, "Its address will be  http://%s\n", onion.Address(key))
	}
	fmt.Fprintf(c.out, `
What comes next:
  1. Read %s once.
`, i.ConfigPath())
	if conf.Backup.Recipient == "" {
		fmt.Fprintln(c.out, "     Set [backup] recipient: without it nothing can be backed up.")
	}
	fmt.Fprint(c.out, `  2. For each reviewer's card:       postern reviewer add CARD --kind KIND --name en="…"
  3. On the offline root machine:    postern-desk root sign proposal.txt --key root.key --out directory.note
  4. With the signed file:           postern directory install FILE --root KEY
  5. Start it:                       systemctl enable --now postern
  6. See that all is well:           postern status
`)
	return nil
}
