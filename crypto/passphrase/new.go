package passphrase

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/crypto"
)

// proposedWords is how many random words are proposed: 7 of 7,772 are 90 bits, and each guess
// costs whoever has the file a second and 256 MiB.
const proposedWords = 7

// Least is how many characters a passphrase needs that somebody chose.
const Least = 16

// Propose draws a passphrase of seven random words, with single blanks between. Secret.
func Propose() string { return strings.Join(crypto.RandomWords(proposedWords), " ") }

// Why a passphrase is not taken for something new.
var (
	ErrBlank = errors.New("the new passphrase begins or ends with a blank, which nobody sees: leave it out")
	ErrShort = fmt.Errorf("the new passphrase is too short: use %d characters or more; seven random words are good", Least)
	ErrTwice = errors.New("the two passphrases differ: nothing was changed")
)

// Good says whether a passphrase may protect something new: nil, [ErrBlank], [ErrShort], or
// [ErrTwice] when it was not typed alike a second time.
func Good(pass, again []byte) error {
	switch {
	case !bytes.Equal(Canonical(pass), Canonical(again)):
		return ErrTwice
	case !bytes.Equal(bytes.TrimFunc(pass, unicode.IsSpace), pass):
		return ErrBlank
	case utf8.RuneCount(Canonical(pass)) < Least:
		return ErrShort
	}
	return nil
}
