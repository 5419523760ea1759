package main

import (
	"flag"
	"fmt"
	"strings"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
)

// list is a flag that can be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

var cmdDirectory = &command{
	name: "directory", args: "[FILE] [--root KEY]…", yes: true, clock: true, most: 1,
	short: "accept a signed directory, or show the one in force",
	long: `Directory shows who may read at this service. With a FILE from the operator it
verifies the root key's signature, shows what would change, and asks before it
accepts. The first time, --root names the root's public key; compare the ten
words shown with those its keeper gave you, not with anything that came with the
file. Later, --root is needed only when the root changes: the old and the new
ones must have signed.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		var roots list
		fs.Var(&roots, "root", "a root's public `KEY`, once for each root")
		return func(args []string) error {
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if len(args) == 0 {
				return d.showDirectory(v)
			}
			return d.acceptDirectory(v, args[0], carriedKeys(roots))
		}
	},
}

func (d *desk) showDirectory(v *reviewer.Desk) error {
	dir := v.Directory()
	if dir == nil {
		return reviewer.ErrNoDirectory
	}
	d.describe(nil, dir)
	return d.rootPhrases(v.Roots())
}

func (d *desk) acceptDirectory(v *reviewer.Desk, file string, roots []string) error {
	if err := d.checkClock(v.Clock()); err != nil {
		return err
	}
	signed, err := readCarried(file)
	if err != nil {
		return fmt.Errorf("reading the directory: %w", err)
	}
	today := v.Clock().Today()
	next, err := v.CheckDirectory(signed, roots, today)
	if err != nil {
		return err
	}
	d.describe(v.Directory(), next)
	question := "Accept this directory?"
	if len(roots) > 0 {
		if err := d.rootPhrases(roots); err != nil {
			return err
		}
		question = "Are these the words that the keeper of the root key gave you, and do you accept this directory?"
	}
	if err := d.confirm(question); err != nil {
		return err
	}
	if err := v.AcceptDirectory(signed, roots, today); err != nil {
		return err
	}
	d.printf("Directory version %d is in force.\n", next.Version)
	switch listed, months := v.Enrolled(next); {
	case v.Replaced(next) != nil:
		d.printf("! IT LISTS ANOTHER KEY UNDER YOUR NAME: %s\n", strings.Join(v.Replaced(next), " "))
		d.printf("  Unless you made a new vault with these words yourself, somebody took your place: tell the keeper of the root key by voice.\n")
	case !listed:
		d.printf("It does not list this vault's key: you can answer nobody until the operator enrols your card.\n")
	case months == 0:
		d.printf("It lists your signing key, but no month's key of this vault: give the operator a new card.\n")
	default:
		d.printf("It lists you, with %s of this vault.\n", some(months, "month's key", "months' keys"))
	}
	return nil
}

func (d *desk) describe(old, next *crypto.Directory) {
	for _, l := range plain.DescribeDirectory(old, next) {
		d.printf("%s\n", l)
	}
}

func (d *desk) rootPhrases(roots []string) error {
	for _, r := range roots {
		words, err := crypto.RootPhrase(r)
		if err != nil {
			return usagef("this is no root key: it looks like name+12345678+…, one line")
		}
		d.printf("root phrase: %s\n", strings.Join(words, " "))
	}
	return nil
}
