package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"

	"filippo.io/edwards25519"
)

// Verify checks an Ed25519 signature: every one in the formats but a root's, whose key
// parseRoot checks, goes through it. A key for which anybody can sign, or that is not
// written in its one encoding, signs nothing (FORMAT.md section 1).
func Verify(key ed25519.PublicKey, msg, sig []byte) bool {
	return validSigning(key) && ed25519.Verify(key, msg, sig)
}

// validSigning refuses what is no point of the curve, a second encoding of one
// (two names for one key), and the eight points of small order: for those
// anybody can make signatures that verify, without a secret.
func validSigning(key ed25519.PublicKey) bool {
	if len(key) != ed25519.PublicKeySize {
		return false
	}
	p, err := new(edwards25519.Point).SetBytes(key)
	return err == nil && bytes.Equal(p.Bytes(), key) &&
		new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 0
}

// SigningWords are six words of a signing key, for reading aloud: the same
// wherever the key is shown.
func SigningWords(key ed25519.PublicKey) []string {
	sum := sha256.Sum256(append([]byte("postern/v1 signing words\x00"), key...))
	return phrase(sum[:], 6)
}
