package instance

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/store/durable"
)

// MaxInput bounds the small files that an operator hands in, in bytes.
const MaxInput = 4 << 20

// Roots reads the known root keys; none before the first directory.
func (i *Instance) Roots() ([]string, error) {
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
			return WithHint(fmt.Errorf("nobody of body %s has a key for %v", b.ID, crypto.MonthOf(now)),
				"ask its holder for a card that begins with this month: postern reviewer rotate CARD")
		}
	}
	if d.Expired(now) {
		return WithHint(errors.New("it has expired already"), "postern directory propose, and have that signed")
	}
	return nil
}

// SignedDirectory is the directory in force as the roots signed it, for desks.
func (i *Instance) SignedDirectory() ([]byte, error) { return os.ReadFile(i.DirectoryPath()) }

// Installed opens the directory in force, or gives nil when there is none yet.
func (i *Instance) Installed() (*crypto.Directory, error) {
	signed, err := os.ReadFile(i.DirectoryPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	roots, err := i.Roots()
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
func (i *Instance) fits(d *crypto.Directory) error {
	transfer, err := i.transferRecipient()
	if err != nil {
		return err
	}
	server, err := i.serverKey()
	if err != nil {
		return err
	}
	switch {
	case d.Salt != i.Salt:
		return WithHint(crypto.ErrSalt, "this directory is of another instance, or of one made anew: every code in use would be lost")
	case d.Origin != i.origin():
		return fmt.Errorf("the directory is for %q, this instance is %q", d.Origin, i.origin())
	case d.Transfer.String() != transfer.String():
		return WithHint(errors.New("the directory names another server's transfer key"), "propose and sign it again from this instance's proposal.txt")
	case !d.Server.Equal(server):
		return WithHint(errors.New("the directory names another server's signing key"), "propose and sign it again from this instance's proposal.txt")
	case d.Policy.Slots != i.Conf.Directory.Slots:
		return fmt.Errorf("the directory has %d slots, this database was made for %d", d.Policy.Slots, i.Conf.Directory.Slots)
	}
	return nil
}

func (i *Instance) origin() string { return "postern directory " + i.Conf.Name }

// Verify opens a signed directory that may follow the one in force, under the
// known roots. New ones must have signed it as well; of the first directory they
// are the only ones. It returns the roots that are known then.
func (i *Instance) Verify(signed []byte, roots []string) (*crypto.Directory, []string, error) {
	known, err := i.Roots()
	if err != nil {
		return nil, nil, err
	}
	prev, err := i.Installed()
	if err != nil {
		return nil, nil, err
	}
	if len(known) == 0 {
		if len(roots) == 0 {
			return nil, nil, WithHint(errors.New("no root key is known yet"), "add --root KEY with the line that postern-desk root init printed, after comparing its ten words")
		}
		known, roots = roots, nil
	}
	d, err := crypto.OpenDirectory(signed, known, prev, crypto.DayOf(time.Now()))
	switch {
	case errors.Is(err, crypto.ErrUnsigned):
		err = WithHint(err, "sign the proposal with postern-desk root sign; is the root key given here the one that signed?")
	case errors.Is(err, crypto.ErrHistory):
		err = WithHint(err, "install the versions in between first, in order; if there are none, propose anew from what is installed")
	case errors.Is(err, crypto.ErrRolledBack):
		err = WithHint(err, "run postern directory propose and have its result signed")
	case errors.Is(err, crypto.ErrNotYet):
		err = WithHint(err, "compare the clocks of this machine and of the one that proposed it")
	}
	if err == nil {
		err = i.fits(d)
	}
	if err == nil && d.Roots < i.Conf.Directory.Roots { // the one in force may: raising the number begins in postern.conf
		err = fmt.Errorf("the directory asks for %d root signatures, postern.conf for %d", d.Roots, i.Conf.Directory.Roots)
	}
	if err == nil {
		err = takesReports(d, time.Now())
	}
	for _, r := range roots {
		if err == nil && !SignedBy(signed, r) {
			err = errors.New("the new root did not sign it")
		}
	}
	if err != nil {
		return nil, nil, err
	}
	return d, append(known, roots...), nil
}

// SignedBy says whether one root signed a note.
func SignedBy(signed []byte, vkey string) bool {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return false
	}
	_, err = note.Open(signed, note.VerifierList(v))
	return err == nil
}

// ReadProposal reads what is proposed, nil when nothing is.
func (i *Instance) ReadProposal() (*crypto.Directory, error) {
	text, err := os.ReadFile(i.ProposalPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := crypto.ParseDirectory(text)
	if err != nil {
		return nil, WithHint(fmt.Errorf("reading %s: %w", i.ProposalPath(), err), "remove the file and propose again")
	}
	return d, nil
}

// Proposal is the next directory as far as it is known: what was proposed and
// not yet installed, else a copy of the one in force, else an empty one.
func (i *Instance) Proposal() (*crypto.Directory, error) {
	in, err := i.Installed()
	if err != nil {
		return nil, err
	}
	p, err := i.ReadProposal()
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

// Install puts a verified directory in force, under the roots that may sign the next.
func (i *Instance) Install(signed []byte, d *crypto.Directory, roots []string) error {
	if err := writeFile(i.rootsPath(), []byte(strings.Join(roots, "\n")+"\n")); err != nil {
		return err
	}
	if err := writeFile(i.DirectoryPath(), signed); err != nil {
		return err
	}
	if p, err := i.ReadProposal(); err == nil && p != nil && p.Version <= d.Version {
		return i.DropProposal()
	}
	return nil
}

// DropProposal forgets what was proposed.
func (i *Instance) DropProposal() error { return durable.Remove(i.ProposalPath()) }

// setSince says of every body since which version it is what it is: this one, when it is new, of
// another kind, or when nobody who reads for it in the directory in force still does (SECURITY.md S-27).
func setSince(in, d *crypto.Directory) {
	for k := range d.Bodies {
		b := &d.Bodies[k]
		b.Since = d.Version
		if in == nil {
			continue
		}
		if was, ok := in.Body(b.ID); ok && !was.Becomes(b) {
			b.Since = was.Since
		}
	}
}

// Propose dates the next directory and writes it, for the root to sign.
func (i *Instance) Propose(d *crypto.Directory) error {
	transfer, err := i.transferRecipient()
	if err != nil {
		return err
	}
	if d.Server, err = i.serverKey(); err != nil {
		return err
	}
	d.Origin, d.Salt, d.KDF, d.Transfer = i.origin(), i.Salt, crypto.DefaultKDF, transfer
	d.Policy = crypto.Policy{Slots: i.Conf.Directory.Slots, Quorum: i.Conf.Directory.Quorum}
	d.Roots = i.Conf.Directory.Roots
	in, err := i.Installed()
	if err != nil {
		return err
	}
	setSince(in, d)
	d.Issued = crypto.DayOf(time.Now())
	d.Expires = d.Issued + crypto.Day(i.Conf.Directory.Days) //nolint:gosec // 7 to 400
	if last, ok := lastMonth(d); ok {
		d.Expires = min(d.Expires, lastDay(last))
	}
	text, err := d.Marshal()
	if err != nil {
		return fmt.Errorf("the next directory would not be valid: %w", err)
	}
	return writeFile(i.ProposalPath(), text)
}
