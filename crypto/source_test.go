package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"testing"

	"golang.org/x/crypto/argon2"
)

// fastKDF keeps tests quick; the vectors use DefaultKDF.
var fastKDF = KDFParams{Time: 1, MemoryKiB: 8, Threads: 1}

// TestDeriveSource derives everything a second time from the texts of
// FORMAT.md section 4, label by label.
func TestDeriveSource(t *testing.T) {
	c := codeFor(t, 11, 222, 3333, 4444, 5555, 6666, 7771, 0)
	salt := [32]byte(testSeed("salt"))
	s := DeriveSource(c, salt, fastKDF)

	root := argon2.IDKey(c.Canonical(), salt[:], 1, 8, 1, 32)
	seed := KDF(root, salt[:], "source signing", 32)
	greeting := KDF(root, salt[:], "greeting", 16)
	caseSum := sha256.Sum256(append([]byte("postern/v1 case\x00"), s.Signing[32:]...))
	for _, x := range []struct {
		name      string
		got, want []byte
	}{
		{"locator", s.locator[:], KDF(root, salt[:], "source locator", 32)},
		{"case", s.Case[:], caseSum[:16]},
		{"reply root", s.replyRoot[:], KDF(root, salt[:], "source reply root", 32)},
		{"state", s.state[:], KDF(root, salt[:], "source state", 32)},
		{"marker", s.marker[:], KDF(root, salt[:], "source marker key", 32)},
		{"signing", s.Signing, ed25519.NewKeyFromSeed(seed)},
		{"greeting", []byte(s.Greeting[0] + s.Greeting[1]), []byte(wordFrom(greeting) + wordFrom(greeting[8:]))},
	} {
		if !bytes.Equal(x.got, x.want) {
			t.Errorf("%s: %x, not %x", x.name, x.got, x.want)
		}
	}
	if s.MailboxName() != sha256.Sum256(s.locator[:]) {
		t.Error("the mailbox is not named by the locator's hash")
	}
	share := [32]byte(testSeed("share"))
	if got, want := s.ReplyIdentity(share).Seed(), KDF(s.replyRoot[:], share[:], "source reply key", 32); !bytes.Equal(got[:], want) {
		t.Error("reply identity")
	}
	r := s.ReplyIdentity(share).Recipient()
	sum := sha256.Sum256(append([]byte("postern/v1 drop\x00"), r.Bytes()...))
	if d := DropOf(r); !bytes.Equal(d[:], sum[:16]) {
		t.Error("drop")
	}

	// Every input matters, and nothing is shared between two codes.
	other := codeFor(t, 12, 222, 3333, 4444, 5555, 6666, 7771, 0)
	for name, o := range map[string]*Source{
		"code":   DeriveSource(other, salt, fastKDF),
		"salt":   DeriveSource(c, [32]byte(testSeed("other salt")), fastKDF),
		"params": DeriveSource(c, salt, KDFParams{Time: 2, MemoryKiB: 8, Threads: 1}),
	} {
		if o.locator == s.locator || o.Case == s.Case || o.Signing.Equal(s.Signing) || o.replyRoot == s.replyRoot ||
			o.state == s.state || o.marker == s.marker || o.ReplyIdentity(share).Seed() == s.ReplyIdentity(share).Seed() {
			t.Errorf("another %s derives the same key", name)
		}
	}
	if s.ReplyIdentity([32]byte{}).Seed() == s.ReplyIdentity(share).Seed() {
		t.Error("another share gives the same reply key")
	}
}

func TestSourceState(t *testing.T) {
	s := DeriveSource(NewCode(), [32]byte{}, fastKDF)
	box := s.SealState([]byte("chosen: ombuds"))
	if got, err := s.OpenState(box); err != nil || string(got) != "chosen: ombuds" {
		t.Errorf("own state: %q, %v", got, err)
	}
	if _, err := DeriveSource(NewCode(), [32]byte{}, fastKDF).OpenState(box); !errors.Is(err, errBox) {
		t.Errorf("another code opens the state: %v", err)
	}
	if _, err := OpenBox(s.state, box, nil); !errors.Is(err, errBox) {
		t.Errorf("the state is not bound to its use: %v", err)
	}
}

func TestMarker(t *testing.T) {
	s := DeriveSource(NewCode(), [32]byte{}, fastKDF)
	secret := testSeed("instance secret")
	if first := s.Marker(secret, 7); s.Marker(secret, 7) != first {
		t.Fatal("the marker moves by itself")
	}
	seen := map[[2]string]bool{}
	for n := range uint64(1000) {
		seen[s.Marker(secret, n)] = true
	}
	if len(seen) < 990 { // two of 60 million meet rarely
		t.Errorf("%d markers for 1,000 counters", len(seen))
	}
	if s.Marker(secret, 1) == DeriveSource(NewCode(), [32]byte{}, fastKDF).Marker(secret, 1) {
		t.Error("the marker does not depend on the code")
	}
	if s.Marker(secret, 1) == s.Marker(testSeed("another instance's"), 1) {
		t.Error("who has the code alone can compute a marker that was seen")
	}
}

func TestSourceWipe(t *testing.T) {
	s := DeriveSource(NewCode(), [32]byte{}, fastKDF)
	s.Wipe()
	if s.locator != ([32]byte{}) || s.Case != (CaseID{}) || s.Greeting != ([2]string{}) || !bytes.Equal(s.Signing, make([]byte, 64)) ||
		s.replyRoot != (Key{}) || s.state != (Key{}) || s.marker != (Key{}) {
		t.Error("a wiped source still holds a secret")
	}
}
