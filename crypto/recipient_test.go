package crypto

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"filippo.io/hpke"
	"pgregory.net/rapid"
)

// TestRecipientIsAges: keys have age's text, and either side opens what the
// other wrapped.
func TestRecipientIsAges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := Key(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		fileKey := rapid.SliceOfN(rapid.Byte(), fileKeySize, fileKeySize).Draw(t, "file key")
		ours := IdentityFromSeed(seed)
		theirs, err := age.ParseHybridIdentity(ours.AgeString())
		if err != nil {
			t.Fatalf("age does not read the identity: %v", err)
		}
		if theirs.String() != ours.AgeString() || theirs.Recipient().String() != ours.Recipient().String() {
			t.Fatal("age writes the key in another way")
		}
		if ours.Seed() != seed {
			t.Fatal("another seed")
		}
		rec, err := ParseRecipient(theirs.Recipient().String())
		if err != nil || !bytes.Equal(rec.Bytes(), ours.Recipient().Bytes()) {
			t.Fatalf("reading age's recipient: %v", err)
		}
		theirRec, err := age.ParseHybridRecipient(ours.Recipient().String())
		if err != nil {
			t.Fatalf("age does not read the recipient: %v", err)
		}
		mine := func(s []*age.Stanza) ([]byte, error) { return unwrapOne(ours, s[0]) }
		for _, x := range []struct {
			name string
			wrap age.Recipient
			open func([]*age.Stanza) ([]byte, error)
		}{{"ours to age", rec, theirs.Unwrap}, {"age to ours", theirRec, mine}, {"ours to ours", rec, mine}} {
			s, err := x.wrap.Wrap(fileKey)
			if err != nil {
				t.Fatalf("%s: %v", x.name, err)
			}
			got, err := x.open(s)
			if err != nil || !bytes.Equal(got, fileKey) {
				t.Fatalf("%s: %v", x.name, err)
			}
		}
	})
}

func TestParseRecipient(t *testing.T) {
	r := IdentityFromSeed(testSeed("recipient")).Recipient()
	s := r.String()
	if len(r.Bytes()) != recipientSize {
		t.Errorf("%d raw bytes", len(r.Bytes()))
	}
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	last := "q"
	if strings.HasSuffix(s, "q") {
		last = "p"
	}
	for _, x := range []struct{ name, in, says string }{
		{"empty", "", "bech32"},
		{"classic", classic.Recipient().String(), "not post-quantum"},
		{"upper case", strings.ToUpper(s), "lower case"},
		{"mixed case", strings.ToUpper(s[:1]) + s[1:], "bech32"},
		{"cut", s[:len(s)-1], "bech32"},
		{"mistyped", s[:len(s)-1] + last, "bech32"},
		{"space behind", s + " ", "bech32"},
		{"an identity", IdentityFromSeed(testSeed("recipient")).AgeString(), "this is a secret key"},
		{"short key", encodeBech32(recipientHRP, r.Bytes()[1:]), "1215 bytes"},
		{"no key", encodeBech32(recipientHRP, bytes.Repeat([]byte{0xff}, recipientSize)), "no valid hybrid"},
	} {
		_, err := ParseRecipient(x.in)
		refused(t, err, x.says)
		if err != nil && strings.Contains(strings.ToUpper(err.Error()), "AGE-SECRET-KEY-PQ-1") {
			t.Errorf("%s: the error holds an identity: %v", x.name, err)
		}
	}
}

// unwrapOne gives the file key of one stanza.
func unwrapOne(id *Identity, s *age.Stanza) ([]byte, error) {
	enc, err := stanzaShare(s)
	if err != nil {
		return nil, err
	}
	key, ok := id.unwrap(enc, s.Body)
	if !ok {
		return nil, ErrNotForUs
	}
	return key, nil
}

func TestUnwrapRefuses(t *testing.T) {
	id := NewIdentity()
	good, err := id.Recipient().Wrap(make([]byte, fileKeySize))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewIdentity().Recipient().Wrap(make([]byte, fileKeySize))
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(s *age.Stanza)) *age.Stanza {
		s := &age.Stanza{Type: good[0].Type, Args: append([]string(nil), good[0].Args...), Body: bytes.Clone(good[0].Body)}
		f(s)
		return s
	}
	enc, err := stanzaBase64.DecodeString(good[0].Args[0])
	if err != nil {
		t.Fatal(err)
	}
	lowOrder := bytes.Clone(enc)
	clear(lowOrder[len(enc)-32:])
	for _, x := range []struct {
		name string
		in   *age.Stanza
		want error
	}{
		{"own", good[0], nil},
		{"another's", other[0], ErrNotForUs},
		{"changed body", change(func(s *age.Stanza) { s.Body[0] ^= 1 }), ErrNotForUs},
		{"low order point", change(func(s *age.Stanza) { s.Args[0] = stanzaBase64.EncodeToString(lowOrder) }), ErrNotForUs},
		{"another type", change(func(s *age.Stanza) { s.Type = "X25519" }), ErrFormat},
		{"short body", change(func(s *age.Stanza) { s.Body = s.Body[1:] }), ErrFormat},
		{"no argument", change(func(s *age.Stanza) { s.Args = nil }), ErrFormat},
		{"two arguments", change(func(s *age.Stanza) { s.Args = append(s.Args, "x") }), ErrFormat},
		{"padded base64", change(func(s *age.Stanza) { s.Args[0] += "=" }), ErrFormat},
		{"short key", change(func(s *age.Stanza) { s.Args[0] = stanzaBase64.EncodeToString(enc[1:]) }), ErrFormat},
	} {
		if _, err := unwrapOne(id, x.in); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, not %v", x.name, err, x.want)
		}
	}
}

// A recipient is refused when it is read if, and only if, nothing can be sealed
// to it: reading checks the bytes itself and leaves parsing for later.
func TestRecipientValidity(t *testing.T) {
	seals := func(b []byte) bool {
		pk, err := hpke.MLKEM768X25519().NewPublicKey(b)
		if err == nil {
			_, _, err = hpke.NewSender(pk, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil)
		}
		return err == nil
	}
	read := func(b []byte) bool { _, err := recipientFromBytes(b); return err == nil }
	good := NewIdentity().Recipient().Bytes()
	set := func(b []byte, i int, v uint16) { // coefficient i
		if at := i / 2 * 3; i%2 == 0 {
			b[at], b[at+1] = byte(v), b[at+1]&0xf0|byte(v>>8)
		} else {
			b[at+1], b[at+2] = b[at+1]&0x0f|byte(v<<4), byte(v>>4)
		}
	}
	for i := range 768 {
		for v, want := range map[uint16]bool{0: true, 3328: true, 3329: false, 4095: false} {
			b := bytes.Clone(good)
			set(b, i, v)
			if read(b) != want || seals(b) != want {
				t.Fatalf("coefficient %d = %d: read %v, seals %v", i, v, read(b), seals(b))
			}
		}
	}
	for _, u := range smallOrderX25519 {
		for _, high := range []byte{0, 0x80} {
			b := append(bytes.Clone(good[:recipientSize-32]), unhex(t, u)...)
			b[recipientSize-1] |= high
			if read(b) || seals(b) {
				t.Errorf("small order %s: read %v, seals %v", u, read(b), seals(b))
			}
		}
	}
	for n := range 256 { // the smallest and the largest numbers
		for _, fill := range []byte{0, 0xff} {
			b := append(bytes.Clone(good[:recipientSize-32]), bytes.Repeat([]byte{fill}, 32)...)
			if b[recipientSize-32] = byte(n); read(b) != seals(b) {
				t.Errorf("u of %d and %d: read %v, seals %v", n, fill, read(b), seals(b))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(good)
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		b = b[:len(b)-rapid.SampledFrom([]int{0, 0, 0, 1, 32}).Draw(t, "cut")]
		if read(b) != seals(b) {
			t.Fatalf("read %v, seals %v", read(b), seals(b))
		}
	})
	// One read key seals from many goroutines, and its owner opens what any sealed.
	id := NewIdentity()
	r, err := recipientFromBytes(id.Recipient().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := r.Wrap(make([]byte, fileKeySize))
			if err == nil {
				_, err = unwrapOne(id, s[0])
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestNoClassicRecipients: age refuses to mix ours with recipients that a
// quantum computer opens.
func TestNoClassicRecipients(t *testing.T) {
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, err = age.Encrypt(new(bytes.Buffer), NewIdentity().Recipient(), classic.Recipient())
	refused(t, err, "")
	if err == nil {
		t.Error("a classic recipient beside a post-quantum one")
	}
}

func FuzzParseRecipient(f *testing.F) {
	f.Add(IdentityFromSeed(testSeed("fuzz")).Recipient().String())
	f.Add("age1pq1")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRecipient(s); err == nil && r.String() != s {
			t.Fatal("a recipient has two forms")
		}
	})
}
