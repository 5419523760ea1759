package instance

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/intake/form"
)

// previewMark marks a directory whose reviewers were invented: it is never
// served to anybody, and nothing real is ever previewed.
func (i *Instance) previewMark() string { return i.path("preview") }

// OpenPreview opens a directory that an earlier preview made, or makes
// one where there is nothing. Everything else is refused.
func OpenPreview(dir string) (*Instance, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	i := &Instance{Dir: dir}
	if i.IsPreview() {
		return Open(dir)
	}
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
		return nil, WithHint(fmt.Errorf("%s was not made by a preview", dir),
			"a preview takes a new directory of its own: --dir /tmp/postern-preview")
	}
	conf := Defaults()
	conf.Name, conf.Tor.Mode = "preview", TorNone
	if i, err = Create(dir, &conf); err != nil {
		return nil, err
	}
	if err := writeFile(i.previewMark(), []byte("made by postern serve --preview; throw it away\n")); err != nil {
		return nil, err
	}
	return i, i.inventDirectory(time.Now())
}

// inventDirectory installs three bodies that do not exist. The keys of their
// holders and of the root end with this call.
func (i *Instance) inventDirectory(now time.Time) error {
	transfer, err := i.transferRecipient()
	if err != nil {
		return err
	}
	server, err := i.serverKey()
	if err != nil {
		return err
	}
	d := &crypto.Directory{
		Origin: i.origin(), Version: 1, Issued: crypto.DayOf(now), Expires: crypto.DayOf(now) + 90, Salt: i.Salt,
		KDF: crypto.DefaultKDF, Policy: crypto.Policy{Slots: i.Conf.Directory.Slots, Quorum: 1}, Roots: 1, Transfer: transfer, Server: server,
	}
	for n, b := range []struct{ kind, name, mandate string }{
		{"ombuds", "Example ombuds institution", "Looks into complaints about the armed forces and answers to parliament."},
		{"parliament", "Example parliamentary committee", "Oversees the intelligence services."},
		{"inspectorate", "Example inspectorate", "Inspects units on behalf of the minister."},
	} {
		kind, ok := form.BodyKindOf(b.kind)
		if !ok {
			return fmt.Errorf("no kind of body %q", b.kind)
		}
		public, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		id := fmt.Sprintf("example-%d", n+1)
		card := crypto.Card{Body: id, Holder: fmt.Sprintf("holder-%d", n+1), Signing: public}
		seed := crypto.EpochSeed{Month: crypto.MonthOf(now), Seed: crypto.NewKey()}
		for range crypto.EpochCount {
			card.Epochs = append(card.Epochs, crypto.Epoch{Month: seed.Month, Recipient: seed.Identity().Recipient()})
			seed = seed.Next()
		}
		if _, err := card.Marshal(key); err != nil { // signs the months
			return err
		}
		d.Bodies = append(d.Bodies, crypto.Body{
			ID: id, Kind: kind.ID, Independent: kind.Independent, Since: 1,
			Names: map[string]string{"en": b.name}, Mandates: map[string]string{"en": b.mandate},
			Languages: []string{"en"},
			Holders: []crypto.Holder{{
				ID: card.Holder, Signing: public, Status: crypto.StatusActive, Since: 1, Epochs: card.Epochs, EpochsSignature: card.EpochsSignature,
			}},
		})
	}
	skey, vkey, err := crypto.NewRoot("preview")
	if err != nil {
		return err
	}
	root, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	signed, err := crypto.SignDirectory(d, nil, root)
	if err != nil {
		return fmt.Errorf("making an example directory: %w", err)
	}
	return errors.Join(writeFile(i.rootsPath(), []byte(vkey+"\n")), writeFile(i.DirectoryPath(), signed))
}

// IsPreview says whether this directory was made for a preview.
func (i *Instance) IsPreview() bool {
	_, err := os.Stat(i.previewMark())
	return err == nil
}
