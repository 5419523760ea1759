package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/store/durable"
)

// maxInput bounds the small files that an operator hands in, in bytes.
const maxInput = 4 << 20

// input reads a small file that the operator names, "-" for standard input.
// Call it before openInstance, which may give up root.
func (c *cli) input(path string) ([]byte, error) {
	r := c.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(b) > maxInput {
		err = errors.New("too large to be what is expected")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return b, nil
}

// roots reads the known root keys; none before the first directory.
func (i *instance) roots() ([]string, error) {
	b, err := os.ReadFile(i.rootsPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(b)), err
}

// takesReports says why nobody could report under a directory today.
func takesReports(d *crypto.Directory, now time.Time) error {
	for k := range d.Bodies {
		if b := &d.Bodies[k]; b.Active() && len(b.Recipients(crypto.MonthOf(now))) == 0 {
			return withHint(fmt.Errorf("nobody of body %s has a key for %v", b.ID, crypto.MonthOf(now)),
				"ask its holder for a card that begins with this month: postern reviewer rotate CARD")
		}
	}
	if d.Expired(now) {
		return withHint(errors.New("it has expired already"), "postern directory propose, and have that signed")
	}
	return nil
}

// signedDirectory is the directory in force as the roots signed it, for desks.
func (i *instance) signedDirectory() ([]byte, error) { return os.ReadFile(i.directoryPath()) }

// installed opens the directory in force, or gives nil when there is none yet.
func (i *instance) installed() (*crypto.Directory, error) {
	signed, err := os.ReadFile(i.directoryPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	roots, err := i.roots()
	if err != nil {
		return nil, err
	}
	d, err := crypto.OpenDirectory(signed, roots, nil, crypto.DayOf(time.Now()))
	if err == nil {
		err = i.fits(d)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the installed directory: %w", err)
	}
	return d, nil
}

// fits says why a valid directory is not one of this instance.
func (i *instance) fits(d *crypto.Directory) error {
	transfer, err := i.transferRecipient()
	if err != nil {
		return err
	}
	switch {
	case d.Salt != i.salt:
		return withHint(crypto.ErrSalt, "this directory is of another instance, or of one made anew: every code in use would be lost")
	case d.Origin != i.origin():
		return fmt.Errorf("the directory is for %q, this instance is %q", d.Origin, i.origin())
	case d.Transfer.String() != transfer.String():
		return withHint(errors.New("the directory names another server's transfer key"), "propose and sign it again from this instance's proposal.txt")
	case d.Policy.Slots != i.conf.Directory.Slots:
		return fmt.Errorf("the directory has %d slots, this database was made for %d", d.Policy.Slots, i.conf.Directory.Slots)
	}
	return nil
}

func (i *instance) origin() string { return "postern directory " + i.conf.Name }

// directoryInstall verifies a signed directory and puts it in force.
func (c *cli) directoryInstall(ctx context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	var roots []string
	fs.Func("root", "root `key` to trust (the line root init printed): needed for the first directory;\n"+
		"later it announces a new root, whose signature must stand beside a known one's", func(s string) error {
		roots = append(roots, strings.TrimSpace(s))
		return nil
	})
	rest, err := c.parse(fs, args, 1)
	if err != nil {
		return err
	}
	signed, err := c.input(rest[0])
	if err != nil {
		return err
	}
	i, err := openInstance(c.dir)
	if err != nil {
		return err
	}
	known, err := i.roots()
	if err != nil {
		return err
	}
	prev, err := i.installed()
	if err != nil {
		return err
	}
	if len(known) == 0 {
		if len(roots) == 0 {
			return withHint(errors.New("no root key is known yet"), "add --root KEY with the line that postern-desk root init printed, after comparing its phrase")
		}
		known, roots = roots, nil
	}
	d, err := verifyDirectory(signed, known, prev)
	if err == nil {
		err = i.fits(d)
	}
	if err == nil && d.Roots < i.conf.Directory.Roots { // the one in force may: raising the number begins in postern.conf
		err = fmt.Errorf("the directory asks for %d root signatures, postern.conf for %d", d.Roots, i.conf.Directory.Roots)
	}
	if err == nil {
		err = takesReports(d, time.Now())
	}
	if err != nil {
		return fmt.Errorf("refused, the directory in force stays: %w", err)
	}
	for _, r := range roots {
		if err := signedBy(signed, r); err != nil {
			return fmt.Errorf("refused, the directory in force stays: the new root did not sign it: %w", err)
		}
		known = append(known, r)
	}
	for _, r := range known {
		words, err := crypto.RootPhrase(r)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "Root:  %s\n", strings.Join(words, " "))
	}
	if err := writeFile(i.rootsPath(), []byte(strings.Join(known, "\n")+"\n")); err != nil {
		return err
	}
	if err := writeFile(i.directoryPath(), signed); err != nil {
		return err
	}
	if p, err := i.readProposal(); err == nil && p != nil && p.Version <= d.Version {
		if err := durable.Remove(i.proposalPath()); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.out, "Directory version %d is installed: %d bodies, valid to %v.\n", d.Version, len(d.Bodies), d.Expires)
	c.warnHolders(i, d)
	return c.tellServer(ctx, i)
}

// verifyDirectory opens a signed directory that follows prev (nil: the first).
func verifyDirectory(signed []byte, roots []string, prev *crypto.Directory) (*crypto.Directory, error) {
	d, err := crypto.OpenDirectory(signed, roots, prev, crypto.DayOf(time.Now()))
	switch {
	case errors.Is(err, crypto.ErrUnsigned):
		return nil, withHint(err, "sign the proposal with postern-desk root sign; is the root key given here the one that signed?")
	case errors.Is(err, crypto.ErrRolledBack):
		return nil, withHint(err, "run postern directory propose and have its result signed")
	case errors.Is(err, crypto.ErrNotYet):
		return nil, withHint(err, "compare the clocks of this machine and of the one that proposed it")
	}
	return d, err
}

// signedBy verifies one root's signature on a note.
func signedBy(signed []byte, vkey string) error {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	_, err = note.Open(signed, note.VerifierList(v))
	return err
}

// warnHolders names those who could not reach their exchange.
func (c *cli) warnHolders(i *instance, d *crypto.Directory) {
	for _, b := range d.Bodies {
		for _, h := range b.Holders {
			if h.Status != crypto.StatusActive {
				continue
			}
			if _, err := i.exchange(&h); err != nil {
				fmt.Fprintf(c.err, "postern: warning: holder %s has no exchange here: %v; postern reviewer rotate CARD\n", h.ID, err)
			}
		}
	}
}

// directoryPropose writes the next directory without any other change: new
// dates, and whatever was proposed before.
func (c *cli) directoryPropose(_ context.Context, cmd *command, args []string) error {
	fs := c.flags(cmd)
	if _, err := c.parse(fs, args, 0); err != nil {
		return err
	}
	i, err := openInstance(c.dir)
	if err != nil {
		return err
	}
	d, err := i.proposal()
	if err != nil {
		return err
	}
	if len(d.Bodies) == 0 {
		return withHint(errors.New("the directory would be empty"), "add a reviewer's card first: postern reviewer add CARD")
	}
	return c.propose(i, d)
}

// readProposal reads what is proposed, nil when nothing is.
func (i *instance) readProposal() (*crypto.Directory, error) {
	text, err := os.ReadFile(i.proposalPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := crypto.ParseDirectory(text)
	if err != nil {
		return nil, withHint(fmt.Errorf("reading %s: %w", i.proposalPath(), err), "remove the file and propose again")
	}
	return d, nil
}

// proposal is the next directory as far as it is known: what was proposed and
// not yet installed, else a copy of the one in force, else an empty one.
func (i *instance) proposal() (*crypto.Directory, error) {
	in, err := i.installed()
	if err != nil {
		return nil, err
	}
	p, err := i.readProposal()
	if err != nil {
		return nil, err
	}
	if p != nil && (in == nil || p.Version > in.Version) {
		return p, nil
	}
	if in != nil {
		in.Version++
		return in, nil
	}
	return &crypto.Directory{Version: 1}, nil
}

// propose dates the next directory, writes it and says what to do with it.
func (c *cli) propose(i *instance, d *crypto.Directory) error {
	transfer, err := i.transferRecipient()
	if err != nil {
		return err
	}
	d.Origin, d.Salt, d.KDF, d.Transfer = i.origin(), i.salt, crypto.DefaultKDF, transfer
	d.Policy = crypto.Policy{Slots: i.conf.Directory.Slots, Quorum: i.conf.Directory.Quorum}
	d.Roots = i.conf.Directory.Roots
	d.Issued = crypto.DayOf(time.Now())
	d.Expires = d.Issued + crypto.Day(i.conf.Directory.Days) //nolint:gosec // 7 to 400
	if last, ok := lastMonth(d); ok {
		d.Expires = min(d.Expires, lastDay(last))
	}
	text, err := d.Marshal()
	if err != nil {
		return fmt.Errorf("the next directory would not be valid: %w", err)
	}
	if err := writeFile(i.proposalPath(), text); err != nil {
		return err
	}
	along, previous := "", ""
	if _, err := os.Stat(i.directoryPath()); err == nil {
		along, previous = ",\ntogether with "+i.directoryPath()+", the one in force", " --previous OLD"
	}
	fmt.Fprintf(c.out, "Proposed: directory version %d, valid to %v, in\n  %s\n"+
		"Nothing changes for sources until it is signed. Carry it to the root machine%s:\n"+
		"  postern-desk root sign proposal.txt --key root.key --out directory.note%s\n"+
		"and bring back the result: postern directory install directory.note\n", d.Version, d.Expires, i.proposalPath(), along, previous)
	return nil
}

// lastMonth is the last month in which every body that reads has a holder with a key.
func lastMonth(d *crypto.Directory) (last crypto.Month, ok bool) {
	for _, b := range d.Bodies {
		var most crypto.Month
		for _, h := range b.Holders {
			for _, e := range h.Epochs {
				most = max(most, e.Month)
			}
		}
		if most != 0 && (!ok || most < last) {
			last, ok = most, true
		}
	}
	return last, ok
}

// lastDay of a month.
func lastDay(m crypto.Month) crypto.Day {
	first := time.Date(int(m/12), time.Month(m%12+1), 1, 0, 0, 0, 0, time.UTC)
	return crypto.DayOf(first.AddDate(0, 1, -1))
}
