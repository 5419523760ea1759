package main

import (
	"errors"
	"flag"
	"fmt"

	"postern/reviewer"
	"postern/reviewer/casework"
)

// whyErase reads the words that one of the options names.
func (d *desk) whyErase(reasons, ask string, agree bool) (string, error) {
	given := 0
	for _, yes := range []bool{reasons != "", ask != "", agree} {
		if yes {
			given++
		}
	}
	switch {
	case given > 1:
		return "", usagef("erase: one of --reasons, --ask and --agree")
	case reasons != "":
		return d.words(reasons)
	case ask != "":
		return d.words(ask)
	}
	return "", nil
}

var cmdErase = &command{
	name: "erase", args: "CASE [--reasons FILE] [--ask FILE | --agree]", yes: true, least: 1, most: 1,
	short: "forget a case",
	long: `Erase forgets a case for ever: the keys of its messages, their ciphertext, and
replies that wait. The vault's log is written anew under a new key, so that nobody
who takes the vault later reads them, with your passphrase or without. Importing
its batches again does not bring it back. It works on a full disk too. It cannot
reach what you extracted, your backups, and what other bodies hold. If the source
changed the code, all that each of their codes wrote is forgotten. On flash
storage old blocks may survive; without the vault's passphrase they are noise.

It refuses a case that is open, whose time of retention is not over, or whose
source wrote within the days of grace; --reasons say why it is erased all the
same, and stay in the vault. A legal hold has to end first. Where the settings
ask for two holders, one asks (--ask, with the reasons) and another one agrees
(--agree).`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		reasons := fs.String("reasons", "", "erase before its time; the `FILE` says why, - is standard input")
		ask := fs.String("ask", "", "ask a fellow holder to agree; the `FILE` says why, - is standard input")
		agree := fs.Bool("agree", false, "agree to a fellow holder's request")
		referred := referredFlag(fs)
		return func(args []string) error {
			why, err := d.whyErase(*reasons, *ask, *agree)
			if err != nil {
				return err
			}
			v, pass, err := d.openKeeping()
			if err != nil {
				return err
			}
			defer v.Close()
			c, err := v.Case(args[0])
			if errors.Is(err, reviewer.ErrReferred) || *referred > 0 {
				return d.eraseReferral(v, args[0], *referred, pass)
			}
			if err != nil {
				return err
			}
			switch {
			case *agree:
				if err := v.AgreeToErase(c); err != nil {
					return err
				}
				d.printf("You agreed that case %s is erased. Your fellow holder hears of it after your next export.\n", c.Short)
				return nil
			case *ask != "":
				act, err := casework.NewAct(casework.KindAskErase, map[string]string{"reasons": why})
				if err == nil {
					_, err = v.Act(c, casework.Body, act)
				}
				if err != nil {
					return err
				}
				d.printf("Your fellow holders see that you asked to erase case %s after your next export.\n", c.Short)
				return nil
			}
			if err := v.MayErase(c); err != nil && (why == "" || casework.Final(err)) {
				return fmt.Errorf("erasing: %w", err)
			}
			waiting := ""
			if c.Waiting > 0 {
				waiting = fmt.Sprintf(" %s and will never be sent.", some(c.Waiting, "reply waits", "replies wait"))
			}
			if err := d.confirm(fmt.Sprintf("Erase case %s, %s and %s, for ever?%s",
				c.Short, some(worded(c), "message", "messages"), some(c.Files, "file", "files"), waiting)); err != nil {
				return err
			}
			if err := v.Erase(c, pass, why); err != nil {
				return err
			}
			d.printf("Case %s is erased here. Files extracted before, backups and other bodies' copies are not.\n", c.Short)
			return nil
		}
	},
}
