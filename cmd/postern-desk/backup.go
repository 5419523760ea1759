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
			if n := len(v.Backups()) - 1; n > 0 {
				d.printf("%s to destroy; then: postern-desk vault destroyed.\n", some(n, "older backup is", "older backups are"))
			}
			return nil
		}
	},
}

var cmdVaultDestroyed = &command{
	name: "vault destroyed", yes: true,
	short: "say that all backups but the newest are destroyed",
	long: `Destroyed lists the backups that this vault wrote, and notes that all but the newest
are destroyed: no file, no copy of it is left. The vault stops asking for it. It
destroys nothing itself.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func([]string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			list := v.Backups()
			if len(list) < 2 {
				d.printf("This vault knows of no older backup.\n")
				return nil
			}
			for _, b := range list[:len(list)-1] {
				d.printf("%s  %s\n", b.Day, shown(b.Name))
			}
			if err := d.confirm("Are these and all copies of them destroyed?"); err != nil {
				return err
			}
			return v.BackupsDestroyed()
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
