package main

import (
	"flag"
	"fmt"
	"os"

	"postern/reviewer"
	"postern/reviewer/vault"
)

var cmdVaultBackup = &command{
	name: "vault backup", args: "FILE", least: 1, most: 1,
	short: "write the whole vault to one sealed file",
	long: `Backup writes keys and cases to one new file under the vault's passphrase. Keep it
as you keep the vault. It holds the keys of all months the vault holds today, and
every case: after vault advance or erase, make a new one and destroy the old.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func(args []string) error {
			v, pass, err := d.openKeeping()
			if err != nil {
				return err
			}
			defer v.Close()
			if err := v.BackupFile(args[0], pass); err != nil {
				return err
			}
			d.printf("The vault is backed up in %s, under its passphrase.\n", shown(args[0]))
			return nil
		}
	},
}

var cmdVaultRestore = &command{
	name: "vault restore", args: "FILE", least: 1, most: 1,
	short: "make a vault from a backup",
	long: `Restore makes the vault of a backup in the vault's folder, which must not exist or
be empty. It is read whole and checked beside it first: a restore that is cut short
leaves no vault. Batches imported since the backup can be imported again; replies
exported since come back with their batches.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func(args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("reading the backup: %w", err)
			}
			defer func() { _ = f.Close() }()
			if vault.Exists(d.vaultDir) == nil {
				return vault.ErrExists
			}
			pass, err := d.passphrase("the backup")
			if err != nil {
				return err
			}
			v, err := reviewer.Restore(f, d.vaultDir, pass, d.options)
			if err != nil {
				return err
			}
			d.vault = v // whose warnings are told
			defer v.Close()
			d.printf("The vault is restored in %s. Import the batches since the backup again.\n", shown(d.vaultDir))
			d.status(v)
			return nil
		}
	},
}
