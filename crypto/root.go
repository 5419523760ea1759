package crypto

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// NewRoot makes a root key as note's strings: skey secret, vkey public. name
// must not hold spaces or plus signs.
func NewRoot(name string) (skey, vkey string, err error) {
	skey, vkey, err = note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", "", fmt.Errorf("making a root key: %w", err)
	}
	if _, err := note.NewVerifier(vkey); err != nil {
		return "", "", fmt.Errorf("making a root key: the name %q must not hold spaces or plus signs", name)
	}
	return skey, vkey, nil
}

// RootPhrase is ten words of the root's public key (32 bytes, without its
// name), to verify a downloaded directory offline.
func RootPhrase(vkey string) ([]string, error) {
	_, key, err := parseRoot(vkey)
	if err != nil {
		return nil, err
	}
	return phrase(KDF([]byte(key), nil, "root phrase", 32), 10), nil
}

// parseRoot reads a vkey: NAME+HASH+base64(1 ‖ public key).
func parseRoot(vkey string) (v note.Verifier, key string, err error) {
	v, err = note.NewVerifier(vkey)
	if err == nil {
		var b []byte
		b, err = base64.StdEncoding.DecodeString(strings.SplitN(vkey, "+", 3)[2])
		if err == nil && validSigning(b[1:]) {
			return v, string(b[1:]), nil
		}
	}
	return nil, "", errors.New("root key is not valid: copy it again")
}

// openNote verifies a signed note and counts the roots that signed it. A root
// is its key: known under two names it still counts once.
func openNote(signed []byte, roots []string) (text []byte, signers int, err error) {
	type id struct {
		name string
		hash uint32
	}
	known, keys := []note.Verifier{}, map[id]string{}
	for _, vkey := range roots {
		v, key, err := parseRoot(vkey)
		if err != nil {
			return nil, 0, err
		}
		i := id{v.Name(), v.KeyHash()}
		if keys[i] == key {
			continue // given twice
		}
		known, keys[i] = append(known, v), key
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	var u *note.UnverifiedNoteError
	if errors.As(err, &u) {
		return nil, 0, ErrUnsigned
	}
	if err != nil {
		return nil, 0, malformed("not a signed directory: %v", err)
	}
	distinct := map[string]bool{}
	for _, s := range n.Sigs {
		distinct[keys[id{s.Name, s.Hash}]] = true
	}
	return []byte(n.Text), len(distinct), nil
}
