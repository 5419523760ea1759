package reviewer

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"postern/crypto"
	"postern/reviewer/vault"
)

// Options of a vault. The zero value is right.
type Options struct {
	// ScryptLogN is the work factor of passphrase files as a power of two;
	// 0 is age's own (18, about a second). Tests lower it.
	ScryptLogN int
	// Now is the machine's clock, which nobody sets on an offline machine:
	// see [Desk.Today]. nil is time.Now.
	Now func() time.Time
	// Salvage opens a vault whose log is damaged: see [vault.Options].
	Salvage bool
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// Desk is an open vault and what it says. It is not safe for concurrent use, and no second
// one can open the same vault meanwhile.
type Desk struct {
	vault  *vault.Vault
	o      Options
	keys   *keySet
	dirs   *crypto.Directory // the directory in force, nil before the first
	state  *state
	index  *index // of state: which messages make a case, and how it is shown
	added  additions
	search *searcher // nil until something is searched for

	warnings []string
}

// Create makes a new vault with new keys in dir, which must not exist or be
// empty, and opens it. body and holder are the ids agreed with the operator: up to 16
// characters of a–z, 0–9 and hyphen.
func Create(dir, body, holder string, pass []byte, o Options) (*Desk, error) {
	for what, id := range map[string]string{"body": body, "holder": holder} {
		if err := validID(what, id); err != nil {
			return nil, err
		}
	}
	if err := plausible(o.now()); err != nil {
		return nil, fmt.Errorf("creating the vault: %w", err)
	}
	keys := newKeySet(body, holder, crypto.MonthOf(o.now()))
	secret, err := keys.encode()
	if err != nil {
		return nil, fmt.Errorf("creating the vault: %w", err)
	}
	var first vault.Change
	first.Put(kindFormat, nil, strconv.AppendInt(nil, formatVersion, 10))
	v, err := vault.Create(dir, pass, secret, &first, o.vault())
	if err != nil {
		return nil, err
	}
	return newDesk(v, o)
}

// ErrClock says that the machine's clock cannot be right.
var ErrClock = errors.New("this machine's clock cannot be right: set it")

// plausible says whether a clock may be right: it is not before this program was
// written, as one with an empty battery is, nor decades after. The keys of a vault
// begin with the month in which it is made, so a wrong one would spoil it.
func plausible(t time.Time) error {
	const first, last = 2026, 2050
	if y := t.UTC().Year(); y < first || y > last {
		return fmt.Errorf("%w (it says %s)", ErrClock, t.UTC().Format(time.DateOnly))
	}
	return nil
}

// validID checks a body's or holder's id.
func validID(what, id string) error {
	if !crypto.ValidID(id) {
		return fmt.Errorf("%s id %q: use 1 to %d of a-z, 0-9 and, inside, hyphen, as agreed with the operator", what, id, crypto.MaxBodyID)
	}
	return nil
}

// Open opens the vault in dir. [vault.ErrNoVault], [vault.ErrPassphrase], [vault.ErrInUse].
// What an interrupted command left unfinished is removed.
func Open(dir string, pass []byte, o Options) (*Desk, error) {
	v, err := vault.Open(dir, pass, o.vault())
	if err != nil {
		return nil, err
	}
	return newDesk(v, o)
}

// Restore writes the vault of a backup into dir, which must not exist or be
// empty, and opens it. On error nothing usable is left there.
func Restore(src io.Reader, dir string, pass []byte, o Options) (*Desk, error) {
	v, err := vault.Restore(src, dir, pass, o.vault())
	if err != nil {
		return nil, err
	}
	return newDesk(v, o)
}

// newDesk reads what a vault holds. On error the vault is closed.
func newDesk(v *vault.Vault, o Options) (*Desk, error) {
	desk := &Desk{vault: v, o: o}
	if err := desk.load(); err != nil {
		desk.Close()
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	return desk, nil
}

func (desk *Desk) load() (err error) {
	if desk.keys, err = decodeKeySet(desk.vault.Secret()); err != nil {
		return err
	}
	if desk.state, err = loadState(desk.vault); err != nil {
		return err
	}
	if err := desk.loadDirectory(); err != nil {
		return err
	}
	desk.loadCasework()
	desk.index = desk.newIndex(desk.state)
	return nil
}

func (o Options) vault() vault.Options {
	return vault.Options{ScryptLogN: o.ScryptLogN, Salvage: o.Salvage}
}

// Backup writes the whole vault, keys and cases, as one age file under its passphrase.
// The file holds the seeds of all months the vault holds today: destroy old backups after
// [Desk.Advance] and [Desk.Erase].
func (desk *Desk) Backup(dst io.Writer, pass []byte) error { return desk.vault.Backup(dst, pass) }

// CheckPassphrase says whether pass is the vault's: nil, or [vault.ErrPassphrase].
func (desk *Desk) CheckPassphrase(pass []byte) error { return desk.vault.CheckPassphrase(pass) }

// Body is the body's id the vault was made for.
func (desk *Desk) Body() string { return desk.keys.Body }

// Holder is the holder's id the vault was made for.
func (desk *Desk) Holder() string { return desk.keys.Holder }

// Close wipes the keys, as far as Go allows, and lets the next desk in.
func (desk *Desk) Close() {
	if desk.search != nil {
		desk.search.close()
		desk.search = nil
	}
	if desk.keys != nil {
		for _, b := range [][]byte{desk.keys.Seed, desk.keys.Signing, desk.keys.Access, desk.keys.Tombs} {
			clear(b)
		}
	}
	desk.vault.Close()
}
