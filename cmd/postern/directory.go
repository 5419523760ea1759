package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"postern/cmd/postern/internal/instance"
	"postern/crypto"
)

// directoryInstall verifies a signed directory and puts it in force.
func (c *cli) directoryInstall(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	var roots []string
	fs.Func("root", "root `key` to trust (the line root init printed): needed for the first directory;\n"+
		"later it announces a new root, whose signature must stand beside a known one's", func(s string) error {
		roots = append(roots, strings.TrimSpace(s))
		return nil
	})
	rest, err := c.parse(cmd, fs, args, 1)
	if err != nil {
		return err
	}
	signed, err := c.input(rest[0])
	if err != nil {
		return err
	}
	i, err := instance.Open(c.dir)
	if err != nil {
		return err
	}
	d, known, err := i.Verify(signed, roots)
	if err != nil {
		return fmt.Errorf("refused, the directory in force stays: %w", err)
	}
	for _, r := range known {
		words, err := crypto.RootPhrase(r)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "Root:  %s\n", strings.Join(words, " "))
	}
	if err := i.Install(signed, d, known); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Directory version %d is installed: %d bodies, valid to %v.\n", d.Version, len(d.Bodies), d.Expires)
	c.warnHolders(i, d)
	return c.tellServer(ctx, i)
}

// warnHolders names those who could not reach their exchange.
func (c *cli) warnHolders(i *instance.Instance, d *crypto.Directory) {
	for _, b := range d.Bodies {
		for _, h := range b.Holders {
			if h.Status != crypto.StatusActive {
				continue
			}
			if _, err := i.ExchangeOf(&h); err != nil {
				fmt.Fprintf(c.err, "postern: warning: holder %s has no exchange here: %v; postern reviewer rotate CARD\n", h.ID, err)
			}
		}
	}
}

// directoryPropose writes the next directory without any other change: new
// dates, and whatever was proposed before.
func (c *cli) directoryPropose(_ context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	if _, err := c.parse(cmd, fs, args, 0); err != nil {
		return err
	}
	i, err := instance.Open(c.dir)
	if err != nil {
		return err
	}
	d, err := i.Proposal()
	if err != nil {
		return err
	}
	if len(d.Bodies) == 0 {
		return instance.WithHint(errors.New("the directory would be empty"), "add a reviewer's card first: postern reviewer add CARD")
	}
	return c.propose(i, d)
}

// propose dates the next directory, writes it and says what to do with it.
func (c *cli) propose(i *instance.Instance, d *crypto.Directory) error {
	if err := i.Propose(d); err != nil {
		return err
	}
	in, err := i.Installed()
	if err != nil {
		return err
	}
	along := ""
	if in != nil {
		along = "\n(and, if another root key signed the one in force, " + i.DirectoryPath() + " with --previous)"
		for k := range d.Bodies {
			if b := &d.Bodies[k]; b.Since == d.Version {
				if _, was := in.Body(b.ID); was {
					fmt.Fprintf(c.out, "Body %s becomes another: its kind changes, or none of its people stays. Sources who ticked it have to tick it anew, and get no reply from it before.\n"+
						"If its people only change: let the new ones join in one version, and the old ones leave in the next.\n", b.ID)
				}
			}
		}
	}
	fmt.Fprintf(c.out, "Proposed: directory version %d, valid to %v, in\n  %s\n"+
		"Nothing changes for sources until it is signed. Carry it to the root machine%s:\n"+
		"  postern-desk root sign proposal.txt --key root.key --out directory.note\n"+
		"and bring back the result: postern directory install directory.note\n", d.Version, d.Expires, i.ProposalPath(), along)
	return nil
}
