package crypto

import "crypto/ed25519"

// EpochCount is how many monthly recipients a card and a directory list: 12.
const EpochCount = 12

// Epoch is one month's recipient of a holder.
type Epoch struct {
	Month     Month
	Recipient *Recipient
}

// Card is what a holder gives the operator to be enrolled: public, checked
// against its phrase read aloud.
type Card struct {
	Body    string // body id
	Holder  string // holder id, unique in the directory, [a-z0-9-]
	Signing ed25519.PublicKey
	Access  [32]byte // x25519 public key for the exchange onion; never enters the directory
	Epochs  []Epoch
}

// Marshal writes the card as text, self-signed by Signing's key.
func (c *Card) Marshal(key ed25519.PrivateKey) ([]byte, error) { panic("unbuilt") }

// ParseCard reads and verifies a card.
func ParseCard(text []byte) (*Card, error) { panic("unbuilt") }

// Phrase is six words of the hash of the card's text, for reading aloud.
func (c *Card) Phrase() []string { panic("unbuilt") }
