package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"postern/crypto"
	"postern/reviewer/keeper"
	"postern/store/durable"
)

var cmdRootInit = &command{
	name: "root init", args: "--name NAME --out FILE",
	short: "make a root key, on the keeper's offline machine",
	long: `Root init makes the key that signs the directory: who may read. Its file is sealed
under a passphrase of its own (--passphrase-file, or asked for). Give the public
key and its phrase to the operator and to every holder, each on a way of its own.
Keep file and passphrase away from the server and from any vault.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		name := fs.String("name", "", "the service's `NAME`, without spaces or plus signs")
		out := fs.String("out", "", "the new `FILE` for the secret key")
		return func(args []string) error {
			if *name == "" || *out == "" {
				return usagef("root init: --name and --out are needed")
			}
			if strings.ContainsAny(*name, " +\t") {
				return usagef("root init: a name has neither spaces nor plus signs")
			}
			if _, err := os.Lstat(*out); err == nil {
				return fmt.Errorf("%s exists already: a root key is never overwritten", *out)
			}
			pass, err := d.newPassphrase(d.passFile, "the root key")
			if err != nil {
				return err
			}
			vkey, err := keeper.NewRoot(*out, *name, pass, d.options.ScryptLogN)
			if err != nil {
				return err
			}
			d.printf("The secret root key is in %s. Its public key, one line:\n\n%s\n\n", shown(*out), vkey)
			return d.rootPhrases([]string{vkey})
		}
	},
}

var cmdRootSign = &command{
	name: "root sign", args: "PROPOSAL --key FILE --out FILE [--previous FILE [--previous-root KEY]…]", yes: true, least: 1, most: 1,
	short: "sign a directory the operator proposes",
	long: `Root sign shows who would read under the proposed directory and what differs
from the one before, and asks. Every signing key stands there as six words: have
each holder read you theirs by voice, from their card, on a number that you knew
before. The key's file remembers what it signed and refuses an older version or a
second text of one; use one copy of it. It writes the signed directory to --out.
Where several roots must sign, the next keeper signs the file the one before wrote.
A root that did not sign the directory in force is shown it with --previous, and
--previous-root names the key that did; compare its words.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		key := fs.String("key", "", "the `FILE` that root init wrote")
		out := fs.String("out", "", "the new `FILE` for the signed directory")
		var prevRoots list
		fs.Var(&prevRoots, "previous-root", "the public `KEY` of a root that signed --previous, when it is not this one")
		prev := fs.String("previous", "", "the signed directory in force, a `FILE`, when another root signed it")
		return func(args []string) error {
			if *key == "" || *out == "" {
				return usagef("root sign: --key and --out are needed")
			}
			if len(prevRoots) > 0 && *prev == "" {
				return usagef("root sign: --previous-root says who signed --previous: name that file too")
			}
			return d.rootSign(args[0], *key, *out, *prev, carriedKeys(prevRoots))
		}
	},
}

func (d *desk) rootSign(proposal, key, out, prev string, prevRoots []string) error {
	text, err := readCarried(proposal)
	if err != nil {
		return fmt.Errorf("reading the proposal: %w", err)
	}
	var previous []byte
	if prev != "" {
		if previous, err = readCarried(prev); err != nil {
			return fmt.Errorf("reading the previous directory: %w", err)
		}
	}
	if _, err := keeper.ReadProposal(text); err != nil {
		return err
	}
	root, err := d.openRoot(key)
	if err != nil {
		return err
	}
	// Refuse before anybody is asked to read and agree.
	today := crypto.DayOf(d.now())
	old, next, err := root.Check(text, previous, today, prevRoots...)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(out); err == nil {
		return fmt.Errorf("%s exists already: name a new file", out)
	}
	d.describe(old, next)
	question := "Sign this: did every holder read you the six words above, and do you vouch for every body?"
	if len(prevRoots) > 0 {
		d.printf("The directory before it was signed by another root:\n")
		if err := d.rootPhrases(prevRoots); err != nil {
			return err
		}
		question = "Are these the words of the root before, did every holder read you the six words above, and do you vouch for every body?"
	}
	if err := d.confirm(question); err != nil {
		return err
	}
	signed, err := root.Sign(text, previous, today, prevRoots...)
	if err != nil {
		return err
	}
	if err := durable.CreateFile(out, signed); err != nil {
		return err
	}
	d.printf("The signed directory is in %s. It is public: give it to the operator.\n", shown(out))
	return nil
}

var cmdRootLast = &command{
	name: "root last", args: "--key FILE --out FILE",
	short: "write the directory that a root signed last once more",
	long: `Root last writes the signed directory that the root's file remembers, for an
operator who lost it: what comes next can only follow it.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		key := fs.String("key", "", "the `FILE` that root init wrote")
		out := fs.String("out", "", "the new `FILE` for the signed directory")
		return func([]string) error {
			if *key == "" || *out == "" {
				return usagef("root last: --key and --out are needed")
			}
			root, err := d.openRoot(*key)
			if err != nil {
				return err
			}
			if root.Last() == nil {
				return errors.New("this root signed no directory yet")
			}
			return durable.CreateFile(*out, root.Last())
		}
	},
}

var cmdRootKey = &command{
	name: "root key", args: "--key FILE [--out FILE]",
	short: "show a root's public key and its ten words, or write it to a file",
	long: `Root key shows the public key of the root whose secret key is in --key, and its ten
words. With --out it writes the public key to a new file, one line, to carry to the
operator and to every holder; the words go another way, by voice.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		key := fs.String("key", "", "the `FILE` that root init wrote")
		out := fs.String("out", "", "the new `FILE` for the public key")
		return func([]string) error {
			if *key == "" {
				return usagef("root key: --key is needed")
			}
			root, err := d.openRoot(*key)
			if err != nil {
				return err
			}
			if *out == "" {
				d.printf("%s\n", root.Key())
			} else if err := durable.CreateFile(*out, []byte(root.Key()+"\n")); err != nil {
				return err
			} else {
				d.printf("The public key is in %s.\n", shown(*out))
			}
			return d.rootPhrases([]string{root.Key()})
		}
	},
}

// openRoot opens a root key's file.
func (d *desk) openRoot(key string) (*keeper.Root, error) {
	if _, err := os.Stat(key); err != nil { // before anybody types a passphrase
		return nil, fmt.Errorf("reading the root key: %w", err)
	}
	pass, err := d.passphrase("the root key")
	if err != nil {
		return nil, err
	}
	return keeper.OpenRoot(key, pass, d.options.ScryptLogN)
}

var cmdRootPhrase = &command{
	name: "root phrase", args: "KEY", least: 1, most: 1,
	short: "show the ten words of a root's public key",
	long: `Root phrase shows the ten words of a root's public key, to compare with those its
keeper gave you.`,
	setup: func(d *desk, _ *flag.FlagSet) func([]string) error {
		return func(args []string) error {
			return d.rootPhrases(carriedKeys(args))
		}
	},
}
