package crypto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// EpochCount is how many monthly recipients a card lists.
const EpochCount = 12

// maxCard bounds a card's text in bytes.
const maxCard = 64 << 10

// Epoch is one month's recipient of a holder.
type Epoch struct {
	Month     Month
	Recipient *Recipient
}

// Card is what a holder gives the operator to be enrolled: public, self-signed,
// and checked against [SigningWords] read aloud.
type Card struct {
	Body    string // body id
	Holder  string // holder id, unique in the directory
	Signing ed25519.PublicKey
	Access  [32]byte // x25519 public key for the exchange onion; never enters the directory
	Epochs  []Epoch  // EpochCount months in a row

	// EpochsSignature is by Signing over body, holder, key and months, and goes
	// into the directory with them, so that everybody sees that the months are the
	// holder's. Marshal makes it.
	EpochsSignature []byte
}

const (
	cardFirst     = "postern card v1"
	cardContext   = "postern/v1 card\x00"
	epochsContext = "postern/v1 epochs\x00"
)

// epochsSigned is what a holder signs of the months: no body, holder or key
// else can have them.
func epochsSigned(body, holder string, signing ed25519.PublicKey, epochs []Epoch) ([]byte, error) {
	b := bytes.NewBufferString(epochsContext)
	fmt.Fprintf(b, "body %s\nholder %s\nsigning %s\n", body, holder, base64.StdEncoding.EncodeToString(signing))
	err := writeEpochs(b, epochs)
	return b.Bytes(), err
}

// text is the card without its signature line.
func (c *Card) text() ([]byte, error) {
	if !ValidID(c.Body) || !ValidID(c.Holder) {
		return nil, fmt.Errorf("body %q, holder %q: an id has 1 to %d of a-z, 0-9 and inner hyphens", c.Body, c.Holder, MaxBodyID)
	}
	if !validSigning(c.Signing) || len(c.Epochs) != EpochCount {
		return nil, fmt.Errorf("a card needs a valid signing key and %d months", EpochCount)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nbody %s\nholder %s\nsigning %s\naccess %s\n", cardFirst, c.Body, c.Holder,
		base64.StdEncoding.EncodeToString(c.Signing), base64.StdEncoding.EncodeToString(c.Access[:]))
	if err := writeEpochs(&b, c.Epochs); err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "epochs %s\n", base64.StdEncoding.EncodeToString(c.EpochsSignature))
	return b.Bytes(), nil
}

// maxMonth is 9999-12: a later month has no text.
const maxMonth = 9999*12 + 11

func writeEpochs(b *bytes.Buffer, epochs []Epoch) error {
	for i, e := range epochs {
		if i > 0 && e.Month != epochs[i-1].Month+1 {
			return fmt.Errorf("month %v after %v: months must follow each other", e.Month, epochs[i-1].Month)
		}
		if e.Month > maxMonth {
			return fmt.Errorf("month %v: there is none after 9999-12", e.Month)
		}
		if e.Recipient == nil {
			return fmt.Errorf("month %v has no recipient", e.Month)
		}
		fmt.Fprintf(b, "epoch %v %v\n", e.Month, e.Recipient)
	}
	return nil
}

// Marshal writes the card as text, signed by the key that Signing is the public
// half of, and sets EpochsSignature.
func (c *Card) Marshal(key ed25519.PrivateKey) ([]byte, error) {
	epochs, err := epochsSigned(c.Body, c.Holder, c.Signing, c.Epochs)
	if err != nil {
		return nil, fmt.Errorf("writing a card: %w", err)
	}
	c.EpochsSignature = ed25519.Sign(key, epochs)
	text, err := c.text()
	if err != nil {
		return nil, fmt.Errorf("writing a card: %w", err)
	}
	if !c.Signing.Equal(key.Public()) {
		return nil, errors.New("writing a card: the key is not the card's")
	}
	sig := ed25519.Sign(key, append([]byte(cardContext), text...))
	return fmt.Appendf(text, "signature %s\n", base64.StdEncoding.EncodeToString(sig)), nil
}

// ParseCard reads and verifies a card. A card has one text: what is read is
// written again byte for byte.
func ParseCard(text []byte) (*Card, error) {
	c, err := parseCard(text)
	if err != nil {
		return nil, fmt.Errorf("reading a card: %w: ask the holder for the file again", err)
	}
	return c, nil
}

func parseCard(text []byte) (*Card, error) {
	if len(text) > maxCard {
		return nil, malformed("longer than any card")
	}
	l := &lines{rest: string(text)}
	l.literal(cardFirst)
	c := &Card{Body: l.field("body"), Holder: l.field("holder"), Signing: l.base64("signing", ed25519.PublicKeySize)}
	copy(c.Access[:], l.base64("access", len(c.Access)))
	c.Epochs = l.epochs()
	c.EpochsSignature = l.base64("epochs", ed25519.SignatureSize)
	sig := l.base64("signature", ed25519.SignatureSize)
	if err := l.end(); err != nil {
		return nil, err
	}
	signed, err := c.text()
	if err != nil {
		return nil, malformed("%v", err)
	}
	if !bytes.HasPrefix(text, signed) || string(text[len(signed):]) != "signature "+base64.StdEncoding.EncodeToString(sig)+"\n" {
		return nil, malformed("not written as a card is")
	}
	epochs, err := epochsSigned(c.Body, c.Holder, c.Signing, c.Epochs)
	if err != nil {
		return nil, malformed("%v", err)
	}
	if !Verify(c.Signing, append([]byte(cardContext), signed...), sig) || !Verify(c.Signing, epochs, c.EpochsSignature) {
		return nil, malformed("the signature is wrong")
	}
	return c, nil
}

// lines reads "key value" lines and keeps the first error.
type lines struct {
	rest string
	err  error
}

func (l *lines) fail(format string, a ...any) {
	if l.err == nil {
		l.err = malformed(format, a...)
	}
}

// peek is the key of the next line.
func (l *lines) peek() string {
	line, _, _ := strings.Cut(l.rest, "\n")
	key, _, _ := strings.Cut(line, " ")
	return key
}

func (l *lines) line() string {
	line, rest, ok := strings.Cut(l.rest, "\n")
	if !ok {
		l.fail("it is cut")
	}
	l.rest = rest
	return line
}

func (l *lines) literal(want string) {
	if got := l.line(); got != want {
		l.fail("line %.40q: expected %q", got, want)
	}
}

// field is the value of the next line, whose key must be key.
func (l *lines) field(key string) string {
	line := l.line()
	v, ok := strings.CutPrefix(line, key+" ")
	if !ok {
		l.fail("line %.40q: expected %q", line, key)
	}
	return v
}

func (l *lines) base64(key string, n int) []byte {
	b, err := base64.StdEncoding.Strict().DecodeString(l.field(key))
	if err != nil || len(b) != n {
		l.fail("%s: expected %d bytes in base64", key, n)
		return make([]byte, n)
	}
	return b
}

func (l *lines) epochs() (list []Epoch) {
	for l.err == nil && l.peek() == "epoch" {
		month, rec, _ := strings.Cut(l.field("epoch"), " ")
		m, err := ParseMonth(month)
		if err != nil {
			l.fail("%v", err)
			return nil
		}
		r, err := ParseRecipient(rec)
		if err != nil {
			l.fail("epoch %v: %v", m, err)
			return nil
		}
		list = append(list, Epoch{m, r})
	}
	return list
}

func (l *lines) end() error {
	if l.err == nil && l.rest != "" {
		l.fail("it goes on after its end")
	}
	return l.err
}
