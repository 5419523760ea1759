package crypto

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"
)

// testEpochs are the recipients of n months from a seed, made once.
func testEpochs(s EpochSeed, n int) (list []Epoch) {
	type key struct {
		s EpochSeed
		n int
	}
	if l, ok := epochsMade.Load(key{s, n}); ok {
		return slices.Clone(l.([]Epoch)) //nolint:forcetypeassert // what is stored here
	}
	defer func(k key) { epochsMade.Store(k, slices.Clone(list)) }(key{s, n})
	for range n {
		list = append(list, Epoch{s.Month, s.Identity().Recipient()})
		s = s.Next()
	}
	return list
}

var epochsMade sync.Map

const testMonth Month = 2026*12 + 10

func testCard() (*Card, ed25519.PrivateKey) {
	seed := testSeed("card signing")
	key := ed25519.NewKeyFromSeed(seed[:])
	return &Card{
		Body: "ombuds", Holder: "anna", Signing: key.Public().(ed25519.PublicKey), Access: testSeed("card access"), //nolint:forcetypeassert // always that type
		Epochs: testEpochs(EpochSeed{testMonth, testSeed("card epochs")}, EpochCount),
	}, key
}

func writeCardVector(t *testing.T) {
	c, key := testCard()
	writeVector(t, "card-1.card", func() []byte {
		text, err := c.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
	writeVector(t, "card-1.txt", func() []byte {
		seed := testSeed("card epochs")
		return fmt.Appendf(nil, "# What card-1.card is made of, and the words of its signing key (FORMAT.md section 9).\n"+
			"body %s\nholder %s\nsigning-seed %x\naccess %x\nmonth %v\nepoch-seed %x\nwords %s\n",
			c.Body, c.Holder, key.Seed(), c.Access, testMonth, seed[:], strings.Join(SigningWords(c.Signing), " "))
	})
}

func TestCardVector(t *testing.T) {
	writeCardVector(t)
	v := readFileVector(t, "card-1.txt")
	text := readVectorFile(t, "card-1.card")
	first, err := ParseMonth(v.one("month"))
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(v.hex("signing-seed"))
	c := &Card{
		Body: v.one("body"), Holder: v.one("holder"), Signing: key.Public().(ed25519.PublicKey), //nolint:forcetypeassert // always that type
		Access: [32]byte(v.hex("access")), Epochs: testEpochs(EpochSeed{first, Key(v.hex("epoch-seed"))}, EpochCount),
	}
	got, err := c.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(text) {
		t.Errorf("the card is written\n%s", got)
	}
	parsed, err := ParseCard(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Card{c, parsed} {
		if got := strings.Join(SigningWords(c.Signing), " "); got != v.one("words") {
			t.Errorf("the words are %q", got)
		}
	}
}

func TestCardMarshalRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*Card)
	}{
		{"no body", "an id has", func(c *Card) { c.Body = "" }},
		{"body in capitals", "an id has", func(c *Card) { c.Body = "Ombuds" }},
		{"body is a path", "an id has", func(c *Card) { c.Body = "../x" }},
		{"body too long", "an id has", func(c *Card) { c.Body = strings.Repeat("a", MaxBodyID+1) }},
		{"holder begins with a hyphen", "an id has", func(c *Card) { c.Holder = "-anna" }},
		{"holder ends with a hyphen", "an id has", func(c *Card) { c.Holder = "anna-" }},
		{"holder on two lines", "an id has", func(c *Card) { c.Holder = "a\nb" }},
		{"no signing key", "a card needs", func(c *Card) { c.Signing = nil }},
		{"a signing key of small order", "a card needs", func(c *Card) { c.Signing = smallOrder(t)[0] }},
		{"months without a text", "9999", func(c *Card) {
			for i := range c.Epochs {
				c.Epochs[i].Month = maxMonth - 10 + Month(i) //nolint:gosec // small
			}
		}},
		{"eleven months", "a card needs", func(c *Card) { c.Epochs = c.Epochs[1:] }},
		{"thirteen months", "a card needs", func(c *Card) { c.Epochs = testEpochs(EpochSeed{testMonth, testSeed("card epochs")}, 13) }},
		{"a gap", "follow each other", func(c *Card) { c.Epochs[11].Month++ }},
		{"a month twice", "follow each other", func(c *Card) { c.Epochs[1].Month = c.Epochs[0].Month }},
		{"no recipient", "has no recipient", func(c *Card) { c.Epochs[5].Recipient = nil }},
		{"another's key", "not the card's", func(c *Card) { c.Signing = testSigning("another") }},
	} {
		card, key := testCard()
		c.change(card)
		_, err := card.Marshal(key)
		if err == nil {
			t.Errorf("%s: written", c.name)
			continue
		}
		refused(t, err, c.want)
	}
}

// resign signs a changed card and its months anew, so that it is not refused
// for its signatures.
func resign(text string, key ed25519.PrivateKey) string {
	text, _, _ = strings.Cut(text, "signature ")
	before, line, ok := strings.Cut(text, "epochs ")
	if i := strings.Index(before, "epoch "); ok && i >= 0 && strings.HasSuffix(line, "==\n") {
		head, months := before[:i], before[i:]
		body, head, _ := strings.Cut(strings.TrimPrefix(head, cardFirst+"\n"), "\n")
		holder, head, _ := strings.Cut(head, "\n")
		signing, _, _ := strings.Cut(head, "\n")
		sig := ed25519.Sign(key, []byte("postern/v1 epochs\x00"+body+"\n"+holder+"\n"+signing+"\n"+months))
		text = before + "epochs " + base64.StdEncoding.EncodeToString(sig) + "\n"
	}
	sig := ed25519.Sign(key, []byte(cardContext+text))
	return text + "signature " + base64.StdEncoding.EncodeToString(sig) + "\n"
}

func TestParseCardRefuses(t *testing.T) {
	card, key := testCard()
	b, err := card.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	if again := resign(good, key); again != good {
		t.Fatal("signing anew gives another signature")
	}
	replace := func(old, with string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("nothing to change: %q", old)
			}
			return strings.Replace(s, old, with, 1)
		}
	}
	epochs := strings.Index(good, "epoch ")
	first := card.Epochs[0].Recipient.String()
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		change     func(string) string
	}{
		{"another version", "expected", replace("card v1", "card v2")},
		{"no body", "expected", replace("body ombuds\n", "")},
		{"order", "expected", replace("body ombuds\nholder anna\n", "holder anna\nbody ombuds\n")},
		{"unknown line", "expected", replace("access", "note x\naccess")},
		{"Windows line ends", "expected", func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }},
		{"two spaces", "malformed", replace("body ombuds", "body  ombuds")},
		{"trailing space", "malformed", replace("holder anna", "holder anna ")},
		{"capital id", "malformed", replace("holder anna", "holder Anna")},
		{"base64 not strict", "signing", replace("=\naccess", "\naccess")},
		{"base64 with a line break", "not written as a card is", replace("signing ", "signing \r")},
		{"short access key", "access", replace("access ", "access AAAA")},
		{"month 13", "month", replace("epoch 2026-11", "epoch 2026-13")},
		{"month order", "follow each other", replace("epoch 2026-12", "epoch 2027-12")},
		{"classic recipient", "post-quantum", replace(first, classic.Recipient().String())},
		{"recipient cut", "not bech32", replace(first, first[:len(first)-1])},
		{"recipient in capitals", "lower case", replace(first, strings.ToUpper(first))},
		{"eleven months", "12 months", func(s string) string { i := strings.Index(s, "epoch 2026-12"); return s[:epochs] + s[i:] }},
		{"no months", "12 months", func(s string) string { return s[:epochs] + s[strings.Index(s, "epochs"):] }},
		{"months without a signature", "expected", func(s string) string { return s[:strings.Index(s, "epochs")] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseCard([]byte(resign(c.change(good), key)))
			refused(t, err, c.want)
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%v is no ErrFormat", err)
			}
		})
	}
	b64 := base64.StdEncoding.EncodeToString
	sig := good[strings.Index(good, "signature"):]
	other := resign(good, ed25519.NewKeyFromSeed(make([]byte, 32)))
	for name, text := range map[string]string{
		"empty": "", "first line": cardFirst + "\n", "no signature": strings.TrimSuffix(good, sig), "no last line end": strings.TrimSuffix(good, "\n"),
		"bytes after the end": good + "\n", "signed twice": good + sig, "signed by another": other,
		"a reply's signature": strings.TrimSuffix(good, sig) + "signature " + base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(strings.TrimSuffix(good, sig)))) + "\n",
		"too long":            good + strings.Repeat(" ", maxCard),
		"signed without a secret": replace(base64.StdEncoding.EncodeToString(card.Signing), b64(smallOrder(t)[0]))(strings.TrimSuffix(good, sig)) +
			"signature " + b64(forgedSignature) + "\n",
	} {
		if _, err := ParseCard([]byte(text)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCardDamage(t *testing.T) {
	card, key := testCard()
	good, err := card.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, len(good)-1), rapid.IntRange(len(good)-100, len(good)-1)).Draw(t, "at")
		if _, err := ParseCard(good[:i]); err == nil {
			t.Fatalf("cut at %d: read without error", i)
		}
		flipped := slices.Clone(good)
		flipped[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := ParseCard(flipped); err == nil {
			t.Fatalf("bit flipped at %d: read without error", i)
		}
	})
}

// The months of a card are the holder's, for the holder and key of the card only:
// signed as a whole by the card's key, they are refused under any other name.
func TestCardEpochsSigned(t *testing.T) {
	card, key := testCard()
	b, err := card.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	for name, change := range map[string]func(c *Card){
		"another body": func(c *Card) { c.Body = "audit" }, "another holder": func(c *Card) { c.Holder = "ben" },
		"another key":   func(c *Card) { c.Epochs[11].Recipient = testRecipient("not hers") },
		"a month later": func(c *Card) { c.Epochs = testEpochs(EpochSeed{testMonth + 1, testSeed("card epochs")}, EpochCount) },
		"no signature":  func(c *Card) { c.EpochsSignature = make([]byte, 64) },
	} {
		c, err := ParseCard([]byte(good))
		if err != nil {
			t.Fatal(err)
		}
		change(c)
		text, err := c.text() // with the months' old signature
		if err != nil {
			t.Fatal(err)
		}
		sig := ed25519.Sign(key, append([]byte(cardContext), text...))
		_, err = ParseCard(fmt.Appendf(text, "signature %s\n", base64.StdEncoding.EncodeToString(sig)))
		if err == nil {
			t.Errorf("%s: read", name)
		} else {
			refused(t, err, "signature is wrong")
		}
	}
}

// shorten puts @0, @1, … in place of recipients, so that a fuzzer spends its
// time on the lines; FuzzParseRecipient looks into recipients. lengthen undoes it.
func shorten(text string) (short string, lengthen *strings.Replacer) {
	var pairs, back []string
	for i, r := range regexp.MustCompile(`age1pq1[a-z0-9]+`).FindAllString(text, -1) {
		name := fmt.Sprintf("@%d\n", i)
		pairs, back = append(pairs, r+"\n", name), append(back, name, r+"\n")
	}
	return strings.NewReplacer(pairs...).Replace(text), strings.NewReplacer(back...)
}

// What is read is written again: the text byte for byte.
func FuzzParseCard(f *testing.F) {
	card, key := testCard()
	good, err := card.Marshal(key)
	if err != nil {
		f.Fatal(err)
	}
	text, _, _ := strings.Cut(string(good), "signature ")
	short, lengthen := shorten(text)
	f.Add(short)
	f.Add(strings.Replace(short, "anna", "ben-2", 1))
	f.Add(strings.Replace(short, "@3\n", "@0\n", 1))
	f.Fuzz(func(t *testing.T, short string) {
		// Signed by the key that the seeds name: else the signature would refuse nearly everything.
		signed := resign(lengthen.Replace(short), key)
		c, err := ParseCard([]byte(signed))
		if err != nil {
			return
		}
		again, err := c.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != signed {
			t.Errorf("written again, another card: %q", again)
		}
	})
}
