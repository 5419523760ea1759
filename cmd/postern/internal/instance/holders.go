package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"postern/crypto"
	"postern/intake/onion"
	"postern/store/durable"
)

// Exchange is how one holder reaches this server: an onion address of their
// own that only their access key opens (SECURITY.md S-13).
type Exchange struct {
	Holder string
	Key    onion.Key
	Access [32]byte
}

func (i *Instance) cardPath(holder string) string {
	return filepath.Join(i.holdersPath(), holder+".card")
}

func (i *Instance) exchangePath(holder string) string {
	return filepath.Join(i.holdersPath(), holder+".onion")
}

// ExchangeOf reads a holder's exchange. The card on file must be the one whose
// key the directory lists.
func (i *Instance) ExchangeOf(h *crypto.Holder) (*Exchange, error) {
	text, err := os.ReadFile(i.cardPath(h.ID))
	if err != nil {
		return nil, errors.New("their card is not on file")
	}
	card, err := crypto.ParseCard(text)
	if err != nil {
		return nil, fmt.Errorf("their card on file is damaged: %w", err)
	}
	if card.Holder != h.ID {
		return nil, errors.New("the card on file is another holder's")
	}
	key, err := readOnionKey(i.exchangePath(h.ID))
	if err != nil {
		return nil, err
	}
	return &Exchange{Holder: h.ID, Key: key, Access: card.Access}, nil
}

// Exchanges are those of all active holders of a directory. One that cannot
// be read is reported and left out: it must not keep the others from theirs.
func (i *Instance) Exchanges(d *crypto.Directory, problem func(holder string, err error)) []*Exchange {
	var list []*Exchange
	if d == nil {
		return nil
	}
	for _, b := range d.Bodies {
		for _, h := range b.Holders {
			if h.Status != crypto.StatusActive {
				continue
			}
			x, err := i.ExchangeOf(&h)
			if err != nil {
				problem(h.ID, err)
				continue
			}
			list = append(list, x)
		}
	}
	return list
}

// FindHolder finds a holder and their body, nil when there is none.
func FindHolder(d *crypto.Directory, id string) (*crypto.Body, *crypto.Holder) {
	for b := range d.Bodies {
		for h := range d.Bodies[b].Holders {
			if d.Bodies[b].Holders[h].ID == id {
				return &d.Bodies[b], &d.Bodies[b].Holders[h]
			}
		}
	}
	return nil, nil
}

// exchangeKey reads the key of a holder's exchange, or makes it.
func (i *Instance) exchangeKey(holder string) (onion.Key, error) {
	path := i.exchangePath(holder)
	if _, err := os.Stat(path); err == nil {
		return readOnionKey(path)
	}
	key := onion.NewKey()
	return key, writeFile(path, key[:])
}

// Enrol keeps a holder's card and gives the key of their exchange, made anew when there is none.
func (i *Instance) Enrol(holder string, card []byte) (onion.Key, error) {
	if err := writeFile(i.cardPath(holder), card); err != nil {
		return onion.Key{}, err
	}
	return i.exchangeKey(holder)
}

// CloseExchange ends a holder's exchange for ever: nobody has its key any more.
func (i *Instance) CloseExchange(holder string) error {
	return errors.Join(durable.Remove(i.exchangePath(holder)), durable.Remove(i.cardPath(holder)))
}
