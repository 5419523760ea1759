package reviewer

import (
	"crypto/ed25519"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"postern/crypto"
)

// Card makes the enrolment card for the operator: public keys only, twelve
// months from today on. words are the six of the signing key, to read aloud to the operator
// and to the keeper of the root key: both see them again.
func (desk *Desk) Card() (text []byte, words []string, err error) {
	if err := plausible(desk.o.now()); err != nil {
		return nil, nil, fmt.Errorf("making the card: %w", err)
	}
	today := crypto.MonthOf(desk.Clock().Today().Time())
	if today < desk.keys.Month {
		return nil, nil, fmt.Errorf("making the card: this machine's clock says %s, and the keys of this vault begin with %s: it was made while the clock was wrong, or the clock is wrong now. Set the clock; if the vault is wrong, make a new one", today, desk.keys.Month)
	}
	access, err := desk.keys.access()
	if err != nil {
		return nil, nil, fmt.Errorf("making the card: %w", err)
	}
	key := desk.keys.signing()
	c := &crypto.Card{
		Body: desk.keys.Body, Holder: desk.keys.Holder,
		Signing: key.Public().(ed25519.PublicKey),
		Access:  [32]byte(access.PublicKey().Bytes()),
	}
	s, err := desk.keys.seed(today)
	if err != nil {
		return nil, nil, fmt.Errorf("making the card: %w", err)
	}
	for range crypto.EpochCount {
		c.Epochs = append(c.Epochs, crypto.Epoch{Month: s.Month, Recipient: s.Identity().Recipient()})
		s = s.Next()
	}
	if text, err = c.Marshal(key); err != nil {
		return nil, nil, fmt.Errorf("making the card: %w", err)
	}
	return text, crypto.SigningWords(c.Signing), nil
}

// SigningWords are the six of the signing key, the same on every card.
func (desk *Desk) SigningWords() []string {
	return crypto.SigningWords(desk.keys.signing().Public().(ed25519.PublicKey)) //nolint:forcetypeassert // always that type
}

// AccessName ends every key file that tor reads from its ClientOnionAuthDir.
const AccessName = ".auth_private"

// AccessFile is the line of the key file that lets Tor Browser reach the
// holder's exchange at onion, "…56 characters….onion". The line is secret:
// whoever has it can reach the exchange, though open nothing there.
func (desk *Desk) AccessFile(onion string) ([]byte, error) {
	host := strings.ToLower(strings.TrimSpace(onion))
	host = strings.TrimSuffix(strings.TrimPrefix(host, "http://"), "/")
	host, ok := strings.CutSuffix(host, ".onion")
	b32 := base32.StdEncoding.WithPadding(base32.NoPadding)
	raw, err := b32.DecodeString(strings.ToUpper(host))
	if !ok || err != nil || len(host) != 56 || raw[34] != 3 {
		return nil, errors.New("this is not an onion address of version 3: it has 56 letters and digits and ends in .onion; copy it from the operator's answer")
	}
	return fmt.Appendf(nil, "%s:descriptor:x25519:%s\n", host, b32.EncodeToString(desk.keys.Access)), nil
}
