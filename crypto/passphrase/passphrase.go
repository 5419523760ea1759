// Package passphrase seals files under a passphrase, as age does, and reads passphrases from files.
//
// The same words can come in different bytes: macOS and some input methods write é as e
// and an accent, others as one character, and a keyboard's Option-space is another
// blank. Who typed the right words must get in, so what is sealed is sealed under one
// form of them: composed (NFC), with plain blanks, as RFC 8265 asks. Capitals, and blanks
// at either end, stay what they are.
package passphrase

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"unicode"
	"unicode/utf8"

	"filippo.io/age"
	"golang.org/x/text/unicode/norm"
)

// ErrWrong is returned when a passphrase does not open a file.
var ErrWrong = errors.New("the passphrase does not open this file")

var errEmpty = errors.New("the passphrase is empty")

// maxFile bounds the first line of a passphrase's file, in bytes.
const maxFile = 4 << 10

// Canonical is the form of a passphrase that files are sealed under. What is no UTF-8 stays as it is.
func Canonical(pass []byte) []byte {
	if !utf8.Valid(pass) {
		return pass
	}
	return norm.NFC.Bytes(bytes.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, pass))
}

// Seal is an age file of plaintext under a passphrase; logN 0 is age's own work
// factor. Close the result.
func Seal(dst io.Writer, pass []byte, logN int) (io.WriteCloser, error) {
	r, err := age.NewScryptRecipient(string(Canonical(pass)))
	if err != nil {
		return nil, errEmpty
	}
	if logN != 0 {
		r.SetWorkFactor(logN)
	}
	defer giveBack()
	return age.Encrypt(dst, r)
}

// giveBack returns to the system what scrypt worked in: 256 MiB at age's own work factor, with what was
// derived from the passphrase, which a program that stays open would hold for minutes.
func giveBack() { debug.FreeOSMemory() }

// Open opens what [Seal] wrote, and what `age -p` sealed under the very bytes. [ErrWrong].
func Open(src io.Reader, pass []byte) (io.Reader, error) {
	forms := [][]byte{Canonical(pass)}
	if !bytes.Equal(forms[0], pass) {
		forms = append(forms, pass)
	}
	var ids []age.Identity
	for _, f := range forms {
		id, err := age.NewScryptIdentity(string(f))
		if err != nil {
			return nil, errEmpty
		}
		ids = append(ids, id)
	}
	r, err := age.Decrypt(src, ids...)
	giveBack()
	var no *age.NoIdentityMatchError
	switch {
	case !errors.As(err, &no):
		return r, err
	case !bytes.Equal(bytes.TrimFunc(pass, unicode.IsSpace), pass):
		return nil, fmt.Errorf("%w: it begins or ends with a blank, which counts; try without", ErrWrong)
	}
	return nil, ErrWrong
}

// Read reads a passphrase from the first line of a file, without line break and
// byte order mark.
func Read(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return nil, errors.New("reading the passphrase: the file is UTF-16: save it as UTF-8")
	}
	line, _, _ := bytes.Cut(bytes.TrimPrefix(b, []byte("\ufeff")), []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case len(line) == 0:
		return nil, errors.New("reading the passphrase: the first line is empty")
	case len(line) >= maxFile:
		return nil, errors.New("reading the passphrase: the first line is longer than any passphrase")
	}
	return line, nil
}
