package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"
)

// signingKeys are the secret halves of the keys that testSigning gave.
var signingKeys sync.Map

func testSigning(label string) ed25519.PublicKey {
	seed := testSeed("signing " + label)
	key := ed25519.NewKeyFromSeed(seed[:])
	pub := key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // always that type
	signingKeys.Store(string(pub), key)
	return pub
}

// signEpochs signs the months of a holder of a body, as the holder did for a card.
func (h *Holder) signEpochs(body string) {
	h.EpochsSignature = nil
	key, ok := signingKeys.Load(string(h.Signing))
	if signed, err := epochsSigned(body, h.ID, h.Signing, h.Epochs); ok && err == nil && len(h.Epochs) > 0 {
		h.EpochsSignature = ed25519.Sign(key.(ed25519.PrivateKey), signed) //nolint:forcetypeassert // what testSigning stored
	}
}

func signAllEpochs(d *Directory) {
	for i := range d.Bodies {
		for j := range d.Bodies[i].Holders {
			d.Bodies[i].Holders[j].signEpochs(d.Bodies[i].ID)
		}
	}
}

// begins gives a holder the twelve months from first on, unsigned.
func (h *Holder) begins(first Month) {
	h.Epochs = testEpochs(EpochSeed{first, testSeed("epochs " + h.ID)}, EpochCount)
}

func testHolder(body, id string) Holder {
	h := Holder{ID: id, Signing: testSigning(id), Status: StatusActive, Since: 1}
	h.begins(testMonth)
	h.signEpochs(body)
	return h
}

func dayOf(t testing.TB, s string) Day {
	t.Helper()
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return DayOf(at)
}

// testDirectory has an independent body of two holders, one of the chain, and
// keys that were retired and revoked.
func testDirectory() *Directory {
	retired := Holder{ID: "anna-old1", Signing: testSigning("old"), Status: StatusRetired, Since: 4}
	revoked := Holder{ID: "carl", Signing: testSigning("carl"), Status: StatusRevoked, Since: 5}
	return &Directory{
		Origin: "postern directory example", Version: 5, Issued: 20781, Expires: 20781 + 300,
		Salt: testSeed("salt"), KDF: DefaultKDF, Policy: testPolicy, Roots: 1,
		Transfer: IdentityFromSeed(testSeed("transfer")).Recipient(), Server: serverPub(),
		Bodies: []Body{
			{
				ID: "ombuds", Kind: "ombuds", Independent: true, Since: 1, Languages: []string{"en", "fa"},
				Names:    map[string]string{"en": "Ombuds institution", "fa": "نهاد می\u200cبیند"},
				Mandates: map[string]string{"en": "Hears complaints: 100% free, \"no\" fee."},
				Holders:  []Holder{testHolder("ombuds", "anna"), testHolder("ombuds", "ben"), retired},
			},
			{
				ID: "command", Kind: "internal-affairs", Since: 2, Languages: []string{"en"}, Names: map[string]string{"en": "Internal affairs"},
				Holders: []Holder{revoked, testHolder("command", "dora")},
			},
		},
	}
}

// testRoot is a root key as note writes it.
type testRoot struct {
	note.Signer
	skey, vkey string
}

// rootFrom makes the same key of the same seed, under any name.
func rootFrom(name string, seed Key) (r testRoot) {
	key := ed25519.NewKeyFromSeed(seed[:])
	var err error
	r.vkey, err = note.NewEd25519VerifierKey(name, key.Public().(ed25519.PublicKey)) //nolint:forcetypeassert // always that type
	if err == nil {
		hash := strings.SplitN(r.vkey, "+", 3)[1]
		r.skey = "PRIVATE+KEY+" + name + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seed[:]...))
		r.Signer, err = note.NewSigner(r.skey)
	}
	if err != nil {
		panic(err)
	}
	return r
}

// testRoots are two root keys that never change.
func testRoots() [2]testRoot {
	return [2]testRoot{rootFrom("root0.example", testSeed("root 0")), rootFrom("root1.example", testSeed("root 1"))}
}

func marshalDirectory(t testing.TB, d *Directory) string {
	t.Helper()
	text, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func signDirectory(t testing.TB, d *Directory, signers ...note.Signer) (signed []byte) {
	t.Helper()
	for _, s := range signers {
		var err error
		if signed, err = SignDirectory(d, signed, s); err != nil {
			t.Fatal(err)
		}
	}
	return signed
}

func writeDirectoryVector(t *testing.T) {
	d, r := testDirectory(), testRoots()
	writeVector(t, "directory-1.text", func() []byte { return []byte(marshalDirectory(t, d)) })
	writeVector(t, "directory-1.note", func() []byte { return signDirectory(t, d, r[0], r[1]) })
	writeVector(t, "directory-1.txt", func() []byte {
		var b bytes.Buffer
		b.WriteString("# directory-1.text is the text, directory-1.note the same signed by both roots, in this order (FORMAT.md section 10).\n")
		fmt.Fprintf(&b, "hash %x\n", d.Hash())
		for _, root := range r {
			words, err := RootPhrase(root.vkey)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "root-secret %s\nroot %s\nroot-phrase %s\n", root.skey, root.vkey, strings.Join(words, " "))
		}
		return b.Bytes()
	})
}

func TestDirectoryVector(t *testing.T) {
	writeDirectoryVector(t)
	v := readFileVector(t, "directory-1.txt")
	text, signed := readVectorFile(t, "directory-1.text"), readVectorFile(t, "directory-1.note")
	d := testDirectory()
	if got := marshalDirectory(t, d); got != string(text) {
		t.Errorf("the directory is written\n%s", got)
	}
	parsed, err := ParseDirectory(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := marshalDirectory(t, parsed); got != string(text) {
		t.Errorf("the directory is written again\n%s", got)
	}
	if got := fmt.Sprintf("%x", parsed.Hash()); got != v.one("hash") {
		t.Errorf("the hash is %s", got)
	}
	opened, err := OpenDirectory(signed, v.all("root"), nil, d.Issued)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Hash() != parsed.Hash() {
		t.Error("the note holds another directory")
	}
	var signers []note.Signer
	for i, skey := range v.all("root-secret") {
		s, err := note.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, s)
		words, err := RootPhrase(v.all("root")[i])
		if got := strings.Join(words, " "); err != nil || got != v.all("root-phrase")[i] {
			t.Errorf("the phrase of root %d is %q, %v", i, got, err)
		}
	}
	if got := signDirectory(t, d, signers...); string(got) != string(signed) {
		t.Errorf("the note is\n%s", got)
	}
}

func TestDirectoryRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*Directory)
	}{
		{"origin of another kind", "origin", func(d *Directory) { d.Origin = "directory example" }},
		{"origin without a name", "origin", func(d *Directory) { d.Origin = originPrefix }},
		{"origin on two lines", "origin", func(d *Directory) { d.Origin += "\nversion 9" }},
		{"no version", "version", func(d *Directory) { d.Version = 0 }},
		{"no roots", "roots", func(d *Directory) { d.Roots = 0 }},
		{"more roots than can sign", "roots", func(d *Directory) { d.Roots = maxRoots + 1 }},
		{"expires in a year without a text", "9999", func(d *Directory) { d.Expires = dayOf(t, "9999-12-31") + 1 }},
		{"a month without a text", "9999", func(d *Directory) {
			d.Bodies[0].Holders[0].begins(maxMonth - 10)
		}},
		{"no transfer recipient", "transfer", func(d *Directory) { d.Transfer = nil }},
		{"a holder's transfer recipient", "transfer", func(d *Directory) { d.Transfer = d.Bodies[0].Holders[0].Epochs[0].Recipient }},
		{"no server key", "server's signing key", func(d *Directory) { d.Server = nil }},
		{"server key of small order", "server's signing key", func(d *Directory) { d.Server = smallOrder(t)[0] }},
		{"a holder's server key", "listed twice", func(d *Directory) { d.Server = d.Bodies[0].Holders[0].Signing }},
		{"expires before it is issued", "expires", func(d *Directory) { d.Expires = d.Issued - 1 }},
		{"no passes", "key derivation", func(d *Directory) { d.KDF.Time = 0 }},
		{"passes without end", "key derivation", func(d *Directory) { d.KDF.Time = 65 }},
		{"no threads", "key derivation", func(d *Directory) { d.KDF.Threads = 0 }},
		{"less memory than argon2 takes", "key derivation", func(d *Directory) { d.KDF.MemoryKiB = 7 }},
		{"all memory", "key derivation", func(d *Directory) { d.KDF.MemoryKiB = 1<<20 + 1 }},
		{"slots", "slots", func(d *Directory) { d.Policy.Slots = 9 }},
		{"quorum", "quorum", func(d *Directory) { d.Policy.Quorum = 2 }},
		{"no bodies", "0 bodies", func(d *Directory) { d.Bodies = nil }},
		{"32 bodies", "32 bodies", func(d *Directory) { d.Bodies = slices.Repeat(d.Bodies[:1], 32) }},
		{"body twice", "there twice", func(d *Directory) { d.Bodies[1].ID = "ombuds" }},
		{"body id", "id or kind", func(d *Directory) { d.Bodies[0].ID = "../x" }},
		{"body since no version", "since version 0", func(d *Directory) { d.Bodies[0].Since = 0 }},
		{"body since a later version", "since version 6", func(d *Directory) { d.Bodies[0].Since = 6 }},
		{"no kind", "id or kind", func(d *Directory) { d.Bodies[0].Kind = "" }},
		{"kind with a space", "id or kind", func(d *Directory) { d.Bodies[0].Kind = "a b" }},
		{"kind without end", "id or kind", func(d *Directory) { d.Bodies[0].Kind = strings.Repeat("a", maxKind+1) }},
		{"no name", "a name", func(d *Directory) { d.Bodies[0].Names = nil }},
		{"no language", "a language", func(d *Directory) { d.Bodies[0].Languages = nil }},
		{"no holder", "a holder", func(d *Directory) { d.Bodies[0].Holders = nil }},
		{"language tag", "language", func(d *Directory) { d.Bodies[0].Languages[0] = "e n" }},
		{"empty language tag", "language", func(d *Directory) { d.Bodies[0].Languages[0] = "" }},
		{"name in no language", "name or mandate", func(d *Directory) { d.Bodies[0].Names["e n"] = "x" }},
		{"holder twice", "there twice", func(d *Directory) { d.Bodies[1].Holders[0].ID = "anna" }},
		{"holder id", "not valid", func(d *Directory) { d.Bodies[1].Holders[0].ID = "Anna" }},
		{"key of small order", "not valid", func(d *Directory) { d.Bodies[0].Holders[0].Signing = smallOrder(t)[0] }},
		{"short key", "not valid", func(d *Directory) { d.Bodies[0].Holders[0].Signing = make([]byte, 31) }},
		{"key twice", "key is listed twice", func(d *Directory) { d.Bodies[1].Holders[0].Signing = d.Bodies[0].Holders[0].Signing }},
		{"since no version", "not valid", func(d *Directory) { d.Bodies[0].Holders[0].Since = 0 }},
		{"since a later version", "not valid", func(d *Directory) { d.Bodies[0].Holders[0].Since = 6 }},
		{"no status", "status", func(d *Directory) { d.Bodies[0].Holders[0].Status = "" }},
		{"unknown status", "status", func(d *Directory) { d.Bodies[0].Holders[0].Status = "away" }},
		{"active without months", "0 months", func(d *Directory) { d.Bodies[0].Holders[0].Epochs = nil }},
		{"eleven months", "11 months", func(d *Directory) { h := &d.Bodies[0].Holders[0]; h.Epochs = h.Epochs[1:] }},
		{"months of two cards", "13 months", func(d *Directory) {
			h := &d.Bodies[0].Holders[0]
			h.Epochs = append(h.Epochs, testEpochs(EpochSeed{testMonth + 12, testSeed("another card")}, 1)...)
		}},
		{"retired with a signature", "lists months", func(d *Directory) { d.Bodies[0].Holders[2].EpochsSignature = make([]byte, 64) }},
		{"a gap in the months", "follow each other", func(d *Directory) { d.Bodies[0].Holders[0].Epochs[1].Month++ }},
		{"a month without recipient", "missing", func(d *Directory) { d.Bodies[0].Holders[0].Epochs[1].Recipient = nil }},
		{"one recipient of two holders", "listed twice", func(d *Directory) { d.Bodies[0].Holders[0].Epochs = d.Bodies[0].Holders[1].Epochs }},
		{"retired with months", "lists months", func(d *Directory) { d.Bodies[0].Holders[0].Status = StatusRetired }},
		{"revoked with months", "lists months", func(d *Directory) { d.Bodies[0].Holders[0].Status = StatusRevoked }},
		{"four holders who read", "at most 3", func(d *Directory) {
			d.Bodies[0].Holders = append(d.Bodies[0].Holders, testHolder("ombuds", "x"), testHolder("ombuds", "y"))
		}},
		{"as many holders as slots", "at most 7", func(d *Directory) {
			d.Bodies = append(d.Bodies, d.Bodies[1])
			d.Bodies[2].ID, d.Bodies[2].Holders = "third", []Holder{testHolder("third", "e"), testHolder("third", "f"), testHolder("third", "g")}
			d.Bodies[1].Holders = []Holder{testHolder("command", "h"), testHolder("command", "i"), testHolder("command", "j")}
		}},
	} {
		d := testDirectory()
		c.change(d)
		for i := range d.Bodies {
			for j := range d.Bodies[i].Holders {
				if h := &d.Bodies[i].Holders[j]; h.Status == StatusActive { // so that it is not refused for its signature
					h.signEpochs(d.Bodies[i].ID)
				}
			}
		}
		if text, err := d.Marshal(); err == nil {
			t.Errorf("%s: written: %s", c.name, text[:200])
		} else {
			refused(t, err, c.want)
		}
	}
}

// What is shown to sources cannot hide or turn around words (SECURITY.md S-15).
func TestDirectoryValues(t *testing.T) {
	for _, s := range []string{
		"", " a", "a ", "a\nb", "a\tb", "a\rb", "a\x00b", "a\x7fb", "a\u0085b", "a\u2028b", "a\u2029b", "a\u202eb", "a\u2066b", "a\u200fb",
		"a\ufeffb", "a\u00adb", "a\U000e0041b", "a\xffb", "a\u00a0", strings.Repeat("a", maxValue+1),
		// Nothing to see, though some of it are letters: fillers, blanks, selectors, what nobody assigned.
		"\u3164", "\u2800\u2800", "\u115f", "\u1160", "\uffa0", "a\u034fb", "a\u17b4", "a\u180b", "a\ufe0f", "a\U000e0100", "a\U0001d159", "a\ufffcb",
		"a\ue000", "a\U000f0000", "a\u2065b", "a\u0378", "a\U000e0fff", "a\ufffe",
		"1234", "--", "— !", "🛢", // no letter
		"\u200d", "\u200ca", "a\u200d", "a \u200db", "a\u200c b", "a\u200c\u200cb", "1\u200d2", // joiners of nothing
		"\u0301a", "a \u0301", "a" + strings.Repeat("\u0301", maxMarks+1), "a" + strings.Repeat("\u0301\u200d", maxMarks+1) + "b",
	} {
		for _, put := range []func(*Body){func(b *Body) { b.Names["en"] = s }, func(b *Body) { b.Mandates["en"] = s }} {
			d := testDirectory()
			put(&d.Bodies[0])
			if _, err := d.Marshal(); err == nil {
				t.Errorf("%q was written", s)
			}
		}
	}
	for _, s := range []string{"a", "a  b", "100% a", `"quoted" \n`, "Überprüfung", "می\u200cبیند", "क्\u200dष", "র\u200d্যাব", "監察", "လျှို့ဝှက်", "Thanh tra Chính phủ Việt Nam", "Thanh tra Ch\u0069\u0301nh phu\u0309", "རྒྱལ་ཡོངས", "ផ្ទៃក្នុង", "옴부즈만", "N° 3 «\u00a0Médiateur\u00a0»", "— x AAAA", strings.Repeat("a", maxValue)} {
		d := testDirectory()
		d.Bodies[0].Names["en"] = s
		signed := signDirectory(t, d, testRoots()[0])
		got, err := OpenDirectory(signed, []string{testRoots()[0].vkey}, nil, d.Issued)
		if err != nil || got.Bodies[0].Names["en"] != s {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestValidTag(t *testing.T) {
	for tag, want := range map[string]bool{
		"en": true, "pt-BR": true, "zh-Hant-TW": true, "EN": true, "x1": true, strings.Repeat("a", 35): true,
		"": false, "e": false, "--": false, "-a": false, "a-": false, "en--us": false, "e n": false, "en_US": false, "şı": false, "еn": false, strings.Repeat("a", 36): false,
	} {
		if validTag(tag) != want {
			t.Errorf("%q: %v", tag, !want)
		}
	}
}

func TestParseDirectoryRefuses(t *testing.T) {
	good := marshalDirectory(t, testDirectory())
	replace := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("nothing to change: %q", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	first := testDirectory().Bodies[0].Holders[0].Epochs[0].Recipient.String()
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "it is cut"},
		{"cut in a line", good[:len(good)-1], "malformed"},
		{"goes on", good + "\n", "goes on"},
		{"signed", good + "\n— root AAAA\n", "goes on"},
		{"unknown line", replace("issued", "note x\nissued"), "expected"},
		{"line missing", replace("roots 1\n", ""), "expected"},
		{"leading zero", replace("version 5", "version 05"), "not written as"},
		{"plus sign", replace("version 5", "version +5"), "expected a number"},
		{"version too large", replace("version 5", "version 18446744073709551616"), "expected a number"},
		{"day in other words", replace("issued 2026-", "issued 26-"), "expected a day"},
		{"day before 1970", replace("issued 2026-", "issued 1960-"), "expected a day"},
		{"day that is none", replace("issued 2026-11-24", "issued 2026-02-30"), "expected a day"},
		{"kdf of another name", replace("argon2id", "argon2i"), "kdf"},
		{"kdf and more", replace("argon2id 2 19456 1", "argon2id 2 19456 1 1"), "not written as"},
		{"kdf with leading zero", replace("argon2id 2 19456 1", "argon2id 02 19456 1"), "not written as"},
		{"threads too many", replace("argon2id 2 19456 1", "argon2id 2 19456 257"), "kdf"},
		{"slots too many", replace("slots 8", "slots 264"), "expected a number"},
		{"salt short", replace("salt ", "salt AAAA"), "salt"},
		{"classic recipient", replace(first, "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"), "post-quantum"},
		{"capital recipient", replace(first, strings.ToUpper(first)), "lower case"},
		{"standing of a body", replace(" independent 1\n", " neutral 1\n"), "expected id, kind"},
		{"body without since", replace(" independent 1\n", " independent\n"), "expected id, kind"},
		{"body since no number", replace(" independent 1\n", " independent x\n"), "version"},
		{"body since with leading zero", replace(" independent 1\n", " independent 01\n"), "not written as"},
		{"no server key", replace("server ", "Server "), "expected"},
		{"short server key", replace("server ", "server AAAA"), "server"},
		{"months without their signature", good[:strings.Index(good, "epochs ")] + good[strings.Index(good, "holder ben"):], "expected \"epochs\""},
		{"signature of no months", replace("holder carl", "epochs AAAA\nholder carl"), "malformed"},
		{"names unsorted", replace("name en Ombuds institution\n", "name zz z\nname en Ombuds institution\n"), "not written as"},
		{"name twice", replace("name en Ombuds institution\n", "name en x\nname en Ombuds institution\n"), "not written as"},
		{"two languages apart", replace("languages en fa", "languages en  fa"), "language"},
		{"holder without status", replace("holder anna active 1", "holder anna 1"), "expected id, status"},
		{"since no number", replace("holder anna active 1", "holder anna active x"), "version or key"},
		{"since with leading zero", replace("holder anna active 1", "holder anna active 01"), "not written as"},
		{"Windows line ends", strings.ReplaceAll(good, "\n", "\r\n"), "malformed"},
		{"too long", good + strings.Repeat("x", maxDirectory), "at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseDirectory([]byte(c.text))
			refused(t, err, c.want)
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%v is no ErrFormat", err)
			}
		})
	}
}

func TestDirectoryDamage(t *testing.T) {
	d := testDirectory()
	signed := signDirectory(t, d, testRoots()[0])
	roots := []string{testRoots()[0].vkey}
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, len(signed)-1), rapid.IntRange(len(signed)-120, len(signed)-1)).Draw(t, "at")
		if _, err := OpenDirectory(signed[:i], roots, nil, d.Issued); err == nil {
			t.Fatalf("cut at %d: opened", i)
		}
		flipped := slices.Clone(signed)
		flipped[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := OpenDirectory(flipped, roots, nil, d.Issued); err == nil && got.Hash() != d.Hash() {
			t.Fatalf("bit flipped at %d: another directory opened", i)
		}
	})
}

// recipientPool saves making keys in every round of a property.
var recipientPool = sync.OnceValue(func() (pool []*Recipient) {
	for i := range 18*EpochCount + 1 {
		pool = append(pool, IdentityFromSeed(testSeed(fmt.Sprint("pool ", i))).Recipient())
	}
	return pool
})

func drawDirectory(t *rapid.T) *Directory {
	pool := recipientPool()
	take := func() (r *Recipient) { r, pool = pool[0], pool[1:]; return r }
	id := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?`)
	tag := rapid.StringMatching(`[a-z]{2,3}(-[A-Z]{2})?`)
	value := rapid.StringMatching(`[a-zàß文م]([ -~àß文م]{0,40}[!-~àß文م])?`)
	d := &Directory{
		Origin: originPrefix + value.Draw(t, "origin"), Version: rapid.Uint64Range(1, 1<<63).Draw(t, "version"),
		Issued: Day(rapid.Uint32Range(0, 2e6).Draw(t, "issued")), KDF: DefaultKDF,
		Policy: Policy{Slots: rapid.SampledFrom([]int{8, 16, 32}).Draw(t, "slots"), Quorum: 1}, Roots: rapid.IntRange(1, maxRoots).Draw(t, "roots"), Transfer: take(), Server: serverPub(),
	}
	d.Expires = d.Issued + Day(rapid.Uint32Range(0, 9000).Draw(t, "valid"))
	copy(d.Salt[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "salt"))
	bodies := rapid.SliceOfNDistinct(id, 1, 4, rapid.ID).Draw(t, "bodies")
	holders := rapid.SliceOfNDistinct(id, 3*len(bodies), 3*len(bodies), rapid.ID).Draw(t, "holders")
	left := d.Policy.Slots - 1
	for _, b := range bodies {
		body := Body{
			ID: b, Kind: rapid.StringMatching(`[a-z-]{1,12}`).Draw(t, "kind"), Independent: rapid.Bool().Draw(t, "independent"),
			Names: rapid.MapOfN(tag, value, 1, 3).Draw(t, "names"), Mandates: rapid.MapOfN(tag, value, 0, 3).Draw(t, "mandates"),
			Languages: rapid.SliceOfN(tag, 1, 3).Draw(t, "languages"), Since: rapid.Uint64Range(1, d.Version).Draw(t, "body since"),
		}
		for range rapid.IntRange(1, 3).Draw(t, "people") {
			h := Holder{ID: holders[0], Signing: testSigning(holders[0]), Since: rapid.Uint64Range(1, d.Version).Draw(t, "since")}
			holders = holders[1:]
			h.Status = rapid.SampledFrom([]Status{StatusActive, StatusRetired, StatusRevoked}).Draw(t, "status")
			if h.Status == StatusActive && left == 0 {
				h.Status = StatusRetired
			}
			if h.Status == StatusActive {
				left--
				m := Month(rapid.Uint32Range(0, 9000*12).Draw(t, "month"))
				for i := range Month(EpochCount) {
					h.Epochs = append(h.Epochs, Epoch{m + i, take()})
				}
				h.signEpochs(b)
			}
			body.Holders = append(body.Holders, h)
		}
		d.Bodies = append(d.Bodies, body)
	}
	return d
}

// Any directory that may be written is read as the same.
func TestDirectoryRoundTrip(t *testing.T) {
	same := cmp.Comparer(func(a, b *Recipient) bool { return a.String() == b.String() })
	empty := cmp.FilterValues(func(a, b map[string]string) bool { return len(a)+len(b) == 0 }, cmp.Ignore())
	rapid.Check(t, func(t *rapid.T) {
		d := drawDirectory(t)
		text, err := d.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseDirectory(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(d, got, same, empty); diff != "" {
			t.Fatalf("read as another: %s", diff)
		}
		if d.Hash() != sha256.Sum256(text) || got.Hash() != d.Hash() {
			t.Fatal("another hash")
		}
	})
}

// The largest directory there can be, signed, opens.
func TestLargestDirectory(t *testing.T) {
	d := testDirectory()
	d.Policy.Slots, d.Bodies = 32, nil
	for i := range MaxReaders {
		long, id := strings.Repeat("ü", maxValue/2), fmt.Sprint("body", i)
		d.Bodies = append(d.Bodies, Body{
			ID: id, Kind: "ombuds", Since: 5, Names: map[string]string{"en": long}, Mandates: map[string]string{"en": long},
			Languages: []string{"en"}, Holders: []Holder{testHolder(id, fmt.Sprint("holder", i))},
		})
	}
	signed := signDirectory(t, d, testRoots()[0], testRoots()[1])
	got, err := OpenDirectory(signed, []string{testRoots()[0].vkey}, nil, d.Issued)
	if err != nil {
		t.Fatal(err)
	}
	if len(signed) > maxDirectory/4 || got.Hash() != d.Hash() {
		t.Errorf("%d bytes", len(signed))
	}
	_, err = OpenDirectory(append(make([]byte, maxDirectory+64<<10), signed...), []string{testRoots()[0].vkey}, nil, d.Issued)
	refused(t, err, "longer than any")
	d.Bodies[0].Names = map[string]string{}
	for i := range 2100 {
		d.Bodies[0].Names[fmt.Sprint("x", i+1000)] = strings.Repeat("x", maxValue)
	}
	_, err = d.Marshal()
	refused(t, err, "at most")
}

func TestOpenDirectory(t *testing.T) {
	r := testRoots()
	both := []string{r[0].vkey, r[1].vkey}
	alias := rootFrom("other.example", testSeed("root 0"))
	with := func(change func(*Directory)) *Directory { d := testDirectory(); change(d); return d }
	two := with(func(d *Directory) { d.Roots = 2 })
	next := func(change func(*Directory)) *Directory {
		return with(func(d *Directory) { d.Version++; change(d) })
	}
	today := testDirectory().Issued
	good := signDirectory(t, testDirectory(), r[0])
	for _, c := range []struct {
		name   string
		signed []byte
		roots  []string
		prev   *Directory
		today  Day
		want   error
	}{
		{"first", good, both[:1], nil, today, nil},
		{"one of two known roots", good, both, nil, today, nil},
		{"a root given twice", good, []string{r[0].vkey, r[0].vkey}, nil, today, nil},
		{"not signed", []byte(marshalDirectory(t, testDirectory())), both, nil, today, ErrFormat},
		{"signed by a stranger", good, both[1:], nil, today, ErrUnsigned},
		{"no root known", good, nil, nil, today, ErrUnsigned},
		{"another text under the signature", []byte(strings.Replace(string(good), "version 5", "version 6", 1)), both, nil, today, ErrFormat},
		{"another text, the root unknown", []byte(strings.Replace(string(good), "version 5", "version 6", 1)), both[1:], nil, today, ErrUnsigned},
		{"two asked for, one there", signDirectory(t, two, r[0]), both, nil, today, ErrUnsigned},
		{"two asked for, two there", signDirectory(t, two, r[0], r[1]), both, nil, today, nil},
		{"two asked for, one known", signDirectory(t, two, r[0], r[1]), both[:1], nil, today, ErrUnsigned},
		{"two asked for, one under two names", signDirectory(t, two, r[0], alias), []string{r[0].vkey, alias.vkey}, nil, today, ErrUnsigned},
		{"issued today", good, both, nil, today, nil},
		{"issued tomorrow", good, both, nil, today - 1, ErrNotYet},
		{"expired", good, both, nil, testDirectory().Expires + 100, nil},
		{"the same again", good, both, testDirectory(), today, nil},
		{"the next", signDirectory(t, next(func(*Directory) {}), r[0]), both, testDirectory(), today, nil},
		{"an older one", good, both, next(func(*Directory) {}), today, ErrRolledBack},
		{"another of the same version", signDirectory(t, with(func(d *Directory) { d.Expires++ }), r[0]), both, testDirectory(), today, ErrRolledBack},
		{"another salt", signDirectory(t, next(func(d *Directory) { d.Salt[0]++ }), r[0]), both, testDirectory(), today, ErrSalt},
		{"another key derivation", signDirectory(t, next(func(d *Directory) { d.KDF.Time++ }), r[0]), both, testDirectory(), today, ErrSalt},
		{"other slots", signDirectory(t, next(func(d *Directory) { d.Policy.Slots = 16 }), r[0]), both, testDirectory(), today, ErrSalt},
		{"another origin", signDirectory(t, next(func(d *Directory) { d.Origin += "2" }), r[0]), both, testDirectory(), today, ErrSalt},
		{"one root lowers two to one", signDirectory(t, next(func(*Directory) {}), r[0]), both, two, today, ErrUnsigned},
		{"two roots lower two to one", signDirectory(t, next(func(*Directory) {}), r[0], r[1]), both, two, today, nil},
		{"one root raises one to two", signDirectory(t, next(func(d *Directory) { d.Roots = 2 }), r[0]), both, testDirectory(), today, ErrUnsigned},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := OpenDirectory(c.signed, c.roots, c.prev, c.today)
			if !errors.Is(err, c.want) || (d != nil) != (err == nil) {
				t.Errorf("%v, %v: expected %v", d != nil, err, c.want)
			}
		})
	}
	if _, err := OpenDirectory(good, []string{"root+00+AAAA"}, nil, today); err == nil {
		t.Error("a root key that is none")
	}
}

// TestFollows: what a next version may not say of what was, whoever signed it
// (SECURITY.md S-27, S-28). Each row changes version 6, which else follows 5.
func TestFollows(t *testing.T) {
	holder := func(d *Directory, body, i int) *Holder { return &d.Bodies[body].Holders[i] }
	withdraw := func(h *Holder, to Status, since uint64) { h.Status, h.Since, h.Epochs = to, since, nil }
	restore := func(h *Holder, since uint64) {
		h.Status, h.Since = StatusActive, since
		h.begins(testMonth)
	}
	newcomer := func(d *Directory, body int, id string, since uint64) {
		h := testHolder(d.Bodies[body].ID, id)
		h.Since = since
		d.Bodies[body].Holders = append(d.Bodies[body].Holders, h)
	}
	for _, c := range []struct {
		name   string
		want   string // "" for nil
		change func(prev, d *Directory)
	}{
		{"nothing", "", func(_, _ *Directory) {}},
		{"other names and months", "", func(_, d *Directory) {
			d.Bodies[0].Names["en"] = "Renamed"
			holder(d, 0, 0).begins(testMonth + 1)
		}},
		{"bodies and holders in another order", "", func(_, d *Directory) {
			slices.Reverse(d.Bodies)
			slices.Reverse(d.Bodies[1].Holders)
		}},

		// Holders.
		{"a key is left out", `signing key of holder "carl" of body "command" is missing`, func(_, d *Directory) { d.Bodies[1].Holders = d.Bodies[1].Holders[1:] }},
		{"a key moves to another body", `signing key of holder "ben"`, func(_, d *Directory) {
			h := d.Bodies[0].Holders[1]
			h.Since = 6
			d.Bodies[0].Holders = slices.Delete(d.Bodies[0].Holders, 1, 2)
			d.Bodies[1].Holders = append(d.Bodies[1].Holders, h)
		}},
		{"a key is another's", `holder "ben"`, func(_, d *Directory) { holder(d, 0, 1).Signing = testSigning("mallory") }},
		{"a key gets another id", "", func(_, d *Directory) { holder(d, 1, 0).ID = "carl-old1" }},
		{"a revoked key comes back", "was revoked and must stay so", func(_, d *Directory) { restore(holder(d, 1, 0), 6) }},
		{"a revoked key comes back as if it had never gone", "was revoked and must stay so", func(_, d *Directory) { restore(holder(d, 1, 0), 1) }},
		{"a revoked key is retired", "was revoked and must stay so", func(_, d *Directory) { holder(d, 1, 0).Status, holder(d, 1, 0).Since = StatusRetired, 6 }},
		{"a revoked key's since", `holder "carl" is revoked since version 5, and not 6`, func(_, d *Directory) { holder(d, 1, 0).Since = 6 }},
		{"a retired key's since is raised", `holder "anna-old1" is retired since version 4, and not 6`, func(_, d *Directory) { holder(d, 0, 2).Since = 6 }},
		{"a retired key's since is raised where the version jumps", "and not 9", func(_, d *Directory) { d.Version, holder(d, 0, 2).Since = 9, 9 }},
		{"a retired key's since is lowered", "and not 1", func(_, d *Directory) { holder(d, 0, 2).Since = 1 }},
		{"a retired key is revoked", "", func(_, d *Directory) { holder(d, 0, 2).Status, holder(d, 0, 2).Since = StatusRevoked, 6 }},
		{"a retired key is revoked since it was retired", `holder "anna-old1" is revoked since version 4, but was retired in 5`, func(_, d *Directory) { holder(d, 0, 2).Status = StatusRevoked }},
		{"a retired key reads again", "", func(_, d *Directory) { restore(holder(d, 0, 2), 6) }},
		{"an active key's since", "and not 6", func(_, d *Directory) { holder(d, 0, 0).Since = 6 }},
		{"an active key is retired", "", func(_, d *Directory) { withdraw(holder(d, 0, 0), StatusRetired, 6) }},
		{"an active key was retired long ago", "is retired since version 5, but was active in 5", func(_, d *Directory) { withdraw(holder(d, 0, 0), StatusRetired, 5) }},
		{"an active key is revoked", "", func(_, d *Directory) { withdraw(holder(d, 0, 0), StatusRevoked, 6) }},
		{"a new holder", "", func(_, d *Directory) { newcomer(d, 0, "eve", 6) }},
		{"a new holder who was always there", `holder "eve" is new after version 5`, func(_, d *Directory) { newcomer(d, 0, "eve", 5) }},
		{"a new key that is retired", "", func(_, d *Directory) { newcomer(d, 0, "eve", 6); withdraw(holder(d, 0, 3), StatusRetired, 6) }},
		{"a new key that was revoked long ago", `holder "eve" is new`, func(_, d *Directory) { newcomer(d, 0, "eve", 6); withdraw(holder(d, 0, 3), StatusRevoked, 2) }},

		// Bodies.
		{"a body is left out", `body "command" is missing`, func(_, d *Directory) { d.Bodies = d.Bodies[:1] }},
		{"a body's id goes to another", `body "command" is missing`, func(_, d *Directory) { d.Bodies[1].ID, d.Bodies[1].Since = "police", 6 }},
		{"another kind", `body "ombuds" became another after version 5, and says it is the same since 1`, func(_, d *Directory) { d.Bodies[0].Kind = "ministry" }},
		{"another kind since the installed version", "became another", func(_, d *Directory) { d.Bodies[0].Kind, d.Bodies[0].Since = "ministry", 5 }},
		{"another kind, and it says so", "", func(_, d *Directory) { d.Bodies[0].Kind, d.Bodies[0].Since = "ministry", 6 }},
		{"no longer independent", "became another", func(_, d *Directory) { d.Bodies[0].Independent = false }},
		{"independent now", "became another", func(_, d *Directory) { d.Bodies[1].Independent = true }},
		{"independent now, and it says so", "", func(_, d *Directory) { d.Bodies[1].Independent, d.Bodies[1].Since = true, 6 }},
		{"other people", "became another", func(_, d *Directory) {
			withdraw(holder(d, 1, 1), StatusRetired, 6)
			newcomer(d, 1, "eve", 6)
		}},
		{"other people where the version jumps", "became another", func(_, d *Directory) {
			d.Version = 9
			withdraw(holder(d, 1, 1), StatusRetired, 9)
			newcomer(d, 1, "eve", 9)
		}},
		{"other people, and it says so", "", func(_, d *Directory) {
			withdraw(holder(d, 1, 1), StatusRetired, 6)
			newcomer(d, 1, "eve", 6)
			d.Bodies[1].Since = 6
		}},
		{"one of two people stays", "", func(_, d *Directory) {
			withdraw(holder(d, 0, 1), StatusRevoked, 6)
			newcomer(d, 0, "eve", 6)
		}},
		{"nobody reads any more", "became another", func(_, d *Directory) { withdraw(holder(d, 1, 1), StatusRetired, 6) }},
		{"nobody reads any more, and it says so", "", func(_, d *Directory) { withdraw(holder(d, 1, 1), StatusRetired, 6); d.Bodies[1].Since = 6 }},
		{"nobody read, nobody reads", "", func(prev, d *Directory) {
			for _, x := range []*Directory{prev, d} {
				withdraw(holder(x, 1, 1), StatusRetired, 4)
			}
		}},
		{"nobody read, somebody reads", "became another", func(prev, d *Directory) {
			for _, x := range []*Directory{prev, d} {
				withdraw(holder(x, 1, 1), StatusRetired, 4)
			}
			newcomer(d, 1, "eve", 6)
		}},
		{"nobody read, somebody reads, and it says so", "", func(prev, d *Directory) {
			for _, x := range []*Directory{prev, d} {
				withdraw(holder(x, 1, 1), StatusRetired, 4)
			}
			newcomer(d, 1, "eve", 6)
			d.Bodies[1].Since = 6
		}},
		{"a since is raised for nothing", `body "ombuds" is the same since version 1, and not 6`, func(_, d *Directory) { d.Bodies[0].Since = 6 }},
		{"a since is lowered", `body "command" is the same since version 2, and not 1`, func(_, d *Directory) { d.Bodies[1].Since = 1 }},
		{"a new body", "", func(_, d *Directory) { third(d, 6) }},
		{"a new body that was always there", `body "third" is new after version 5`, func(_, d *Directory) { third(d, 5) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			prev, d := testDirectory(), testDirectory()
			d.Version++
			c.change(prev, d)
			signAllEpochs(prev)
			signAllEpochs(d)
			if _, err := prev.Marshal(); err != nil {
				t.Fatal(err)
			}
			r := testRoots()
			_, err := OpenDirectory(signDirectory(t, d, r[0]), []string{r[0].vkey}, prev, d.Issued)
			if c.want == "" && err != nil || c.want != "" && !errors.Is(err, ErrHistory) {
				t.Errorf("%v, not %q", err, c.want)
			}
			if c.want != "" {
				refused(t, err, c.want)
			}
		})
	}
}

func third(d *Directory, since uint64) {
	b := Body{ID: "third", Kind: "ombuds", Since: since, Names: map[string]string{"en": "Third"}, Languages: []string{"en"}, Holders: []Holder{testHolder("third", "eve")}}
	b.Holders[0].Since = 6
	d.Bodies = append(d.Bodies, b)
}

// TestEpochsAreTheHolders: roots cannot give a holder months that the holder did
// not make, nor one holder's to another (SECURITY.md S-28).
func TestEpochsAreTheHolders(t *testing.T) {
	for name, change := range map[string]func(h *Holder){
		"months of the operator's": func(h *Holder) { h.Epochs = testEpochs(EpochSeed{testMonth, testSeed("the operator's")}, EpochCount) },
		"one month of the operator's": func(h *Holder) {
			h.Epochs = slices.Clone(h.Epochs)
			h.Epochs[7].Recipient = testRecipient("the operator's")
		},
		"the holder's, a month later": func(h *Holder) { h.begins(testMonth + 1) },
		"another id":                  func(h *Holder) { h.ID = "anna-2" },
		"another key":                 func(h *Holder) { h.Signing = testSigning("mallory") },
		"no signature":                func(h *Holder) { h.EpochsSignature = nil },
		"signed by the operator": func(h *Holder) {
			k := h.Signing
			h.Signing = testSigning("mallory")
			h.signEpochs("ombuds")
			h.Signing = k
		},
		"signed for another body": func(h *Holder) { h.signEpochs("command") },
		"months of another holder": func(h *Holder) {
			o := testHolder("ombuds", "ben")
			h.Epochs, h.EpochsSignature = o.Epochs, o.EpochsSignature
		},
	} {
		d := testDirectory()
		d.Bodies[0].Holders = d.Bodies[0].Holders[:1]
		change(&d.Bodies[0].Holders[0])
		if _, err := d.Marshal(); err == nil || !strings.Contains(err.Error(), "did not sign these months") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := ParseCard(readVectorFile(t, "card-1.card"))
	if err != nil {
		t.Fatal(err)
	}
	d := testDirectory()
	h := &d.Bodies[0].Holders[0]
	h.Signing, h.Epochs, h.EpochsSignature = c.Signing, c.Epochs, c.EpochsSignature // as enrolling does
	text := marshalDirectory(t, d)
	if _, err := ParseDirectory([]byte(text)); err != nil {
		t.Errorf("a card's months: %v", err)
	}
	if _, err := ParseDirectory([]byte(strings.Replace(text, "holder anna ", "holder anna-2 ", 1))); !errors.Is(err, ErrFormat) {
		t.Errorf("under another id: %v", err)
	}
}

// TestBodyOf: a choice is of a body as it was.
func TestBodyOf(t *testing.T) {
	d := testDirectory()
	if b, ok := d.BodyOf(Reader{"command", 2}); !ok || b != &d.Bodies[1] || b.Reader() != (Reader{"command", 2}) {
		t.Error("the body that was chosen")
	}
	for _, r := range []Reader{{"command", 1}, {"command", 3}, {"police", 2}, {}} {
		if _, ok := d.BodyOf(r); ok {
			t.Errorf("%v is found", r)
		}
	}
}

// A root key of small order signs whatever anybody writes: it is none.
func TestRootOfSmallOrder(t *testing.T) {
	for i, key := range smallOrder(t) {
		vkey, err := note.NewEd25519VerifierKey("root", key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := RootPhrase(vkey); err == nil {
			t.Errorf("point %d has a phrase", i)
		}
		v, err := note.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		sig := append(binary.BigEndian.AppendUint32(nil, v.KeyHash()), forgedSignature...)
		forged := marshalDirectory(t, testDirectory()) + "\n— root " + base64.StdEncoding.EncodeToString(sig) + "\n"
		if _, err := OpenDirectory([]byte(forged), []string{vkey}, nil, testDirectory().Issued); err == nil {
			t.Errorf("point %d signed a directory", i)
		}
	}
}

func TestSignDirectory(t *testing.T) {
	r, d := testRoots(), testDirectory()
	one := signDirectory(t, d, r[0])
	if again, err := SignDirectory(d, one, r[0]); err != nil || string(again) != string(one) {
		t.Errorf("signed twice by one root: %v", err)
	}
	both, err := SignDirectory(d, one, r[1])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(both), marshalDirectory(t, d)+"\n") {
		t.Error("the text is another one after signing")
	}
	if n := strings.Count(string(both), "\n— "); n != 2 {
		t.Errorf("%d signatures", n)
	}
	other := testDirectory()
	other.Version++
	_, err = SignDirectory(other, one, r[1])
	refused(t, err, "another directory")
	_, err = SignDirectory(d, []byte("no note"), r[1])
	refused(t, err, "the file to add to")
	d.Roots = 0
	_, err = SignDirectory(d, nil, r[0])
	refused(t, err, "roots")
}

func TestNewRoot(t *testing.T) {
	skey, vkey, err := NewRoot("example")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	d := testDirectory()
	if _, err := OpenDirectory(signDirectory(t, d, s), []string{vkey}, nil, d.Issued); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb"} {
		if _, _, err := NewRoot(name); err == nil {
			t.Errorf("a root named %q", name)
		}
	}
	// The phrase is the key's: under another name the words are the same.
	one, err := RootPhrase(rootFrom("one", testSeed("root")).vkey)
	if err != nil || len(one) != 10 {
		t.Fatalf("%v, %v", one, err)
	}
	two, err := RootPhrase(rootFrom("two", testSeed("root")).vkey)
	if err != nil || !slices.Equal(one, two) {
		t.Errorf("%v and %v, %v", one, two, err)
	}
	for _, vkey := range []string{"", "root", "root+00000000+AAAA", skey} {
		words, err := RootPhrase(vkey)
		if err == nil {
			t.Errorf("%d words of no root key", len(words))
		} else if strings.Contains(err.Error(), skey[len(skey)-20:]) {
			t.Error("the error shows a secret key")
		}
	}
}

// A secret key given where the public one belongs is not shown (SECURITY.md S-12).
func TestOpenDirectoryHidesKey(t *testing.T) {
	d, r := testDirectory(), testRoots()
	_, err := OpenDirectory(signDirectory(t, d, r[0]), []string{r[0].skey}, nil, d.Issued)
	refused(t, err, "copy it again")
	if strings.Contains(err.Error(), "PRIVATE") {
		t.Error(err)
	}
}

// Whose signature counts (SECURITY.md S-8).
func TestSigner(t *testing.T) {
	d := testDirectory()
	for _, c := range []struct {
		key       string
		delivered uint64
		body      string
		holder    string
		want      SignerStanding
	}{
		{"anna", 1, "ombuds", "anna", SignerGood},
		{"anna", 5, "ombuds", "anna", SignerGood},
		{"dora", 5, "command", "dora", SignerGood},
		{"old", 1, "ombuds", "anna-old1", SignerGood},
		{"old", 3, "ombuds", "anna-old1", SignerGood},
		{"old", 4, "ombuds", "anna-old1", SignerWithdrawn},
		{"old", 5, "ombuds", "anna-old1", SignerWithdrawn},
		{"carl", 1, "command", "carl", SignerWithdrawn},
		{"carl", 5, "command", "carl", SignerWithdrawn},
		{"stranger", 5, "", "", SignerUnknown},
	} {
		b, h, got := d.Signer(testSigning(c.key), c.delivered)
		if got != c.want || (b != nil) != (c.body != "") || b != nil && (b.ID != c.body || h.ID != c.holder) {
			t.Errorf("%s in version %d: %v of %+v", c.key, c.delivered, got, h)
		}
	}
	if _, _, got := d.Signer(nil, 5); got != SignerUnknown {
		t.Errorf("no key: %v", got)
	}
}

func TestExpired(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const november, december, january = testMonth, testMonth + 1, testMonth + 2
	// Keys of anna, ben and dora are of the year 2026, to the end of December.
	year := func() *Directory {
		d := testDirectory()
		for i := range d.Bodies {
			for j := range d.Bodies[i].Holders {
				if h := &d.Bodies[i].Holders[j]; h.Status == StatusActive {
					h.begins(december - 11)
				}
			}
		}
		return d
	}
	anna, ben, dora := func(d *Directory) *Holder { return &d.Bodies[0].Holders[0] }, func(d *Directory) *Holder { return &d.Bodies[0].Holders[1] },
		func(d *Directory) *Holder { return &d.Bodies[1].Holders[1] }
	gap := func(d *Directory) { // anna has months to November, ben from January, dora all
		anna(d).begins(november - 11)
		ben(d).begins(january)
		dora(d).begins(november)
	}
	later := func(d *Directory) {
		for _, h := range []*Holder{anna(d), ben(d), dora(d)} {
			h.begins(november)
		}
	}
	byDay := func(d *Directory) { d.Expires = dayOf(t, "2026-12-20") }
	for _, c := range []struct {
		name    string
		change  func(*Directory)
		at      string
		expired bool
		warn    int
	}{
		{"61 days left", func(*Directory) {}, "2026-10-31T23:59:59Z", false, 0},
		{"60 days left", func(*Directory) {}, "2026-11-01T00:00:01Z", false, 60},
		{"31 days left", func(*Directory) {}, "2026-12-01T00:00:00Z", false, 60},
		{"30 days left", func(*Directory) {}, "2026-12-02T00:00:00Z", false, 30},
		{"7 days left", func(*Directory) {}, "2026-12-25T00:00:00Z", false, 7},
		{"the last second of the keys", func(*Directory) {}, "2026-12-31T23:59:59Z", false, 7},
		{"no key left", func(*Directory) {}, "2027-01-01T00:00:00Z", true, 7},
		{"the last second of the directory", byDay, "2026-12-20T23:59:59Z", false, 7},
		{"the day after", byDay, "2026-12-21T00:00:00Z", true, 7},
		{"one body is out of keys", func(d *Directory) { dora(d).begins(november - 11) }, "2026-12-01T00:00:00Z", true, 7},
		{"one body's months have not begun", func(d *Directory) { dora(d).begins(december) }, "2026-11-30T23:59:59Z", true, 7},
		{"they begin", func(d *Directory) { dora(d).begins(december) }, "2026-12-01T00:00:00Z", false, 60},
		{"the months of one of two holders have not begun", func(d *Directory) { ben(d).begins(december) }, "2026-11-02T00:00:00Z", false, 60},
		{"a month between the keys of two holders", gap, "2026-11-30T00:00:00Z", false, 7},
		{"in that month", gap, "2026-12-01T00:00:00Z", true, 7},
		{"after that month", gap, "2027-01-01T00:00:00Z", false, 7},
		{"before all months", later, "2026-10-31T23:59:59Z", true, 7},
		{"one of two holders is", func(d *Directory) { ben(d).begins(november - 11) }, "2026-12-01T00:00:00Z", false, 7},
		{"a body that reads no more", func(d *Directory) { d.Bodies[1].Holders = d.Bodies[1].Holders[:1] }, "2026-12-01T00:00:00Z", false, 60},
		{"nobody reads", func(d *Directory) {
			d.Bodies[0].Holders, d.Bodies[1].Holders = d.Bodies[0].Holders[2:], d.Bodies[1].Holders[:1]
		}, "2026-12-01T00:00:00Z", true, 7},
	} {
		d := year()
		c.change(d)
		signAllEpochs(d)
		if _, err := d.Marshal(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := d.Expired(at(c.at)); got != c.expired {
			t.Errorf("%s: expired %v", c.name, got)
		}
		if got := d.WarnDays(at(c.at)); got != c.warn {
			t.Errorf("%s: warns of %d days", c.name, got)
		}
	}
}

// Whoever is not ticked does not read (SECURITY.md S-7).
func TestReadersFor(t *testing.T) {
	d := testDirectory()
	if got := d.Defaults(); !slices.Equal(got, []Reader{{"ombuds", 1}}) {
		t.Errorf("ticked before a choice: %v", got)
	}
	first := func(id string) string { return testHolder("ombuds", id).Epochs[0].Recipient.String() }
	for _, c := range []struct {
		ids  []Reader
		want [][]string
	}{
		{nil, nil},
		{[]Reader{{"ombuds", 1}}, [][]string{{first("anna"), first("ben")}}},
		{[]Reader{{"command", 2}}, [][]string{{first("dora")}}},
		{[]Reader{{"command", 2}, {"ombuds", 1}}, [][]string{{first("dora")}, {first("anna"), first("ben")}}},
	} {
		bodies, err := d.ReadersFor(c.ids, testMonth)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for _, b := range bodies {
			var l []string
			for _, r := range b {
				l = append(l, r.String())
			}
			got = append(got, l)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v: %s", c.ids, diff)
		}
	}
	for want, c := range map[string]struct {
		r Reader
		m Month
	}{
		`"police" since version 1 is not in the directory`: {Reader{"police", 1}, testMonth},
		`"ombuds" since version 2 is not in the directory`: {Reader{"ombuds", 2}, testMonth}, // a name is not an identity
		"nobody who reads":            {Reader{"ombuds", 1}, testMonth + 12},
		"nobody who reads in 2026-10": {Reader{"ombuds", 1}, testMonth - 1},
	} {
		_, err := d.ReadersFor([]Reader{c.r}, c.m)
		refused(t, err, want)
	}
	// Whose key is withdrawn does not read, even in a directory that lists months for them against the rules.
	d.Bodies[0].Holders[0].Status = StatusRevoked
	if got := d.Bodies[0].Recipients(testMonth); len(got) != 1 || got[0].String() != first("ben") {
		t.Errorf("%d read once one of two was revoked", len(got))
	}
	d.Bodies[0].Holders = d.Bodies[0].Holders[2:]
	if _, err := d.Marshal(); err != nil {
		t.Fatal(err)
	}
	if got := d.Defaults(); len(got) != 0 {
		t.Errorf("ticked though nobody reads: %v", got)
	}
	_, err := d.ReadersFor([]Reader{{"ombuds", 1}}, testMonth)
	refused(t, err, "nobody who reads")
}

// resignDirectory signs the months of every holder whose key is known anew, so
// that a changed text is not refused for its signatures.
func resignDirectory(text string) string {
	var out, months strings.Builder
	body, holder := "", []string(nil)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && f[0] == "body":
			body = f[1]
		case len(f) > 4 && f[0] == "holder":
			holder = f
			months.Reset()
		case len(f) > 0 && f[0] == "epoch":
			months.WriteString(line)
		case len(f) == 2 && f[0] == "epochs" && holder != nil:
			pub, _ := base64.StdEncoding.DecodeString(holder[4])
			if key, ok := signingKeys.Load(string(pub)); ok {
				signed := fmt.Sprintf("postern/v1 epochs\x00body %s\nholder %s\nsigning %s\n%s", body, holder[1], holder[4], months.String())
				line = "epochs " + base64.StdEncoding.EncodeToString(ed25519.Sign(key.(ed25519.PrivateKey), []byte(signed))) + "\n" //nolint:forcetypeassert // what testSigning stored
			}
		}
		out.WriteString(line)
	}
	return out.String()
}

// What is read is written again, byte for byte.
func FuzzParseDirectory(f *testing.F) {
	d := testDirectory()
	d.Bodies[0].Holders = slices.Delete(d.Bodies[0].Holders, 1, 2) // ben: a shorter text
	short, lengthen := shorten(marshalDirectory(f, d))
	f.Add(short)
	i, j := strings.Index(short, "holder anna "), strings.Index(short, "holder anna-old1")
	f.Add(short[:i] + short[j:])
	f.Add(short[:strings.Index(short, "body command")])
	f.Fuzz(func(t *testing.T, short string) {
		text := resignDirectory(lengthen.Replace(short))
		d, err := ParseDirectory([]byte(text))
		if err != nil {
			return
		}
		if again := marshalDirectory(t, d); again != text {
			t.Errorf("written again, another text: %q", again)
		}
		r := testRoots()[0]
		if _, err := OpenDirectory(signDirectory(t, d, r), []string{r.vkey}, nil, d.Issued); d.Roots == 1 && err != nil {
			t.Errorf("signed, it does not open: %v", err)
		}
	})
}

func FuzzOpenDirectory(f *testing.F) {
	d, r := testDirectory(), testRoots()
	f.Add(signDirectory(f, d, r[0]))
	f.Add(signDirectory(f, d, r[0], r[1]))
	f.Fuzz(func(t *testing.T, signed []byte) {
		got, err := OpenDirectory(signed, []string{r[0].vkey}, nil, d.Issued)
		if err == nil && got.Hash() != d.Hash() {
			t.Error("a directory that the root never signed opened")
		}
	})
}
