package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"slices"
	"testing"
)

// smallOrder are the encodings of the points for which anybody can sign, the
// canonical ones first; RFC 8032 says how a point is written.
func smallOrder(t testing.TB) (keys []ed25519.PublicKey) {
	t.Helper()
	for _, s := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000", // order 1
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 2
		"0000000000000000000000000000000000000000000000000000000000000000", // 4
		"0000000000000000000000000000000000000000000000000000000000000080", // 4
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // 8
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", // 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", // 8
		"0100000000000000000000000000000000000000000000000000000000000080", // 1, the sign of zero
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 1, p+1
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 4, p
	} {
		keys = append(keys, unhex(t, s))
	}
	return keys
}

func TestValidSigning(t *testing.T) {
	for i, key := range smallOrder(t) {
		if validSigning(key) {
			t.Errorf("point %d, for which anybody can sign: %x", i, []byte(key))
		}
	}
	// y = 3 and y = p+3 are one point: a key with two names.
	one, two := make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)
	one[0], two[0], two[31] = 3, 0xf0, 0x7f
	for _, c := range []struct {
		name string
		key  []byte
		want bool
	}{
		{"a key", testSigning("anna"), true}, {"a small y", one, true}, {"the same, written another way", two, false},
		{"no point", append([]byte{2}, make([]byte, 31)...), false}, {"nothing", nil, false}, {"31 bytes", testSigning("anna")[1:], false},
	} {
		if validSigning(c.key) != c.want {
			t.Errorf("%s: %v", c.name, !c.want)
		}
	}
	// The reason: no secret made this signature.
	if !ed25519.Verify(smallOrder(t)[0], []byte("anything"), forgedSignature) {
		t.Error("the first point refuses a signature that anybody can write")
	}
	if Verify(smallOrder(t)[0], []byte("anything"), forgedSignature) || Verify(nil, nil, forgedSignature) || Verify(testPub, nil, nil) {
		t.Error("verify takes what nobody signed")
	}
	if !Verify(testPub, []byte("x"), ed25519.Sign(testKey, []byte("x"))) {
		t.Error("verify refuses what was signed")
	}
}

// forgedSignature verifies for any text under the point of order 1: R is that
// point, S is 0.
var forgedSignature = append([]byte{1}, make([]byte, 63)...)

// The words are the key's, wherever it is shown, and another key's differ.
func TestSigningWords(t *testing.T) {
	words := SigningWords(testSigning("anna"))
	if len(words) != 6 || !slices.Equal(words, SigningWords(testSigning("anna"))) {
		t.Fatalf("%v", words)
	}
	for _, w := range words {
		if _, ok := wordIndex(w); !ok {
			t.Errorf("%q is not in the list", w)
		}
	}
	other := bytes.Clone(testSigning("anna"))
	other[31] ^= 0x80
	if slices.Equal(words, SigningWords(other)) {
		t.Error("another key has the same words")
	}
	// Once more by hand, from FORMAT.md.
	sum := sha256.Sum256(append([]byte("postern/v1 signing words\x00"), testSigning("anna")...))
	if !slices.Equal(words, phrase(sum[:], 6)) {
		t.Error("not as FORMAT.md says")
	}
}
