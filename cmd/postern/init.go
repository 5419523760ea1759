package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"postern/crypto"
	"postern/intake/onion"
	"postern/store/durable"
)

// initialise makes a data directory: configuration, keys, salt, database. It
// never touches one that is there.
func (c *cli) initialise(_ context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	name := fs.String("name", "", "`name` of the instance, in every directory; a-z, 0-9, hyphens; never the address")
	slots := fs.Int("slots", 16, "locks on every message: 8, 16 or 32; one more than there can be holders")
	tor := fs.String("tor", torChild, "child, system or none: see [tor] in postern.conf")
	to := fs.String("backup-recipient", "", "public key `age1pq1…` of the offline backup key; can be set later")
	wrapped := fs.String("key-wrapped-by", "", "`file` that protects the storage key: see postern.conf")
	if _, err := c.parse(fs, args, 0); err != nil {
		return err
	}
	text := newConfig(*name, *wrapped, *slots, *tor, *to)
	conf, err := parseConfig(text)
	if err != nil {
		return withHint(err, "postern init -h lists the options")
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return err
	}
	i := &instance{dir: dir, conf: conf}
	if err := i.create(text); err != nil {
		return err
	}
	key, err := onionKey(i.onionPath())
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Made an instance in %s.\n", i.dir)
	if conf.Tor.Mode != torNone {
		fmt.Fprintf(c.out, "Its address will be  http://%s\n", onion.Address(key))
	}
	fmt.Fprintf(c.out, `
What comes next:
  1. Read %s once.
`, i.configPath())
	if *to == "" {
		fmt.Fprintln(c.out, "     Set [backup] recipient: without it nothing can be backed up.")
	}
	fmt.Fprint(c.out, `  2. For each reviewer's card:       postern reviewer add CARD --kind KIND --name en="…"
  3. On the offline root machine:    postern-desk root sign proposal.txt --key root.key --out directory.note
  4. With the signed file:           postern directory install FILE --root VKEY
  5. Start it:                       systemctl enable --now postern
  6. See that all is well:           postern status
`)
	return nil
}

// create writes a new instance into an empty or missing directory.
func (i *instance) create(config string) error {
	if err := i.makeRoom(); err != nil {
		return err
	}
	i.newID()
	_, _ = rand.Read(i.salt[:])
	key := onion.NewKey()
	for path, data := range map[string][]byte{
		i.configPath():   []byte(config),
		i.transferPath(): newTransfer(),
		i.onionPath():    key[:],
	} {
		if err := writeFile(path, data); err != nil {
			return err
		}
	}
	s, err := i.openStore(true)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("closing the new database: %w", err)
	}
	return writeFile(i.instancePath(), i.marshal()) // last: what makes it an instance
}

// makeRoom makes the folders of an instance in an empty or missing directory.
func (i *instance) makeRoom() error {
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		return err
	}
	there, err := os.ReadDir(i.dir)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return withHint(fmt.Errorf("%s is not empty", i.dir), "nothing was changed; name another directory with --dir, or move this one away yourself")
	}
	if err := os.Chmod(i.dir, 0o700); err != nil { //nolint:gosec // a directory that only its owner enters
		return err
	}
	if err := becomeOwner(i.dir); err != nil {
		return err
	}
	for _, d := range []string{"keys", "holders", "pages", "db", "tor", "run"} {
		if err := os.Mkdir(i.path(d), 0o700); err != nil {
			return err
		}
	}
	return errors.Join(durable.SyncDir(i.dir), durable.SyncDir(filepath.Dir(i.dir)))
}

// transferRecipient is what holders seal bundles to.
func (i *instance) transferRecipient() (*crypto.Recipient, error) {
	id, err := i.transfer()
	if err != nil {
		return nil, err
	}
	return id.Recipient(), nil
}
