package crypto

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
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

func testSigning(label string) ed25519.PublicKey {
	seed := testSeed("signing " + label)
	return ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey) //nolint:forcetypeassert // always that type
}

func testHolder(id string, months int) Holder {
	return Holder{ID: id, Signing: testSigning(id), Status: StatusActive, Since: 1, Epochs: testEpochs(EpochSeed{testMonth, testSeed("epochs " + id)}, months)}
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
		Transfer: IdentityFromSeed(testSeed("transfer")).Recipient(),
		Bodies: []Body{
			{
				ID: "ombuds", Kind: "ombuds", Independent: true, Languages: []string{"en", "fa"},
				Names:    map[string]string{"en": "Ombuds institution", "fa": "نهاد می\u200cبیند"},
				Mandates: map[string]string{"en": "Hears complaints: 100% free, \"no\" fee."},
				Holders:  []Holder{testHolder("anna", 2), testHolder("ben", 2), retired},
			},
			{
				ID: "command", Kind: "internal-affairs", Languages: []string{"en"}, Names: map[string]string{"en": "Internal affairs"},
				Holders: []Holder{revoked, testHolder("dora", 2)},
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

func TestDirectoryVector(t *testing.T) {
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
		{"more roots than can sign", "roots", func(d *Directory) { d.Roots = MaxRoots + 1 }},
		{"expires in a year without a text", "9999", func(d *Directory) { d.Expires = dayOf(t, "9999-12-31") + 1 }},
		{"a month without a text", "9999", func(d *Directory) {
			e := d.Bodies[0].Holders[0].Epochs
			e[0].Month, e[1].Month = 9999*12+11, 9999*12+12
		}},
		{"no transfer recipient", "transfer", func(d *Directory) { d.Transfer = nil }},
		{"a holder's transfer recipient", "transfer", func(d *Directory) { d.Transfer = d.Bodies[0].Holders[0].Epochs[0].Recipient }},
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
		{"months without end", "25 months", func(d *Directory) { d.Bodies[0].Holders[0] = testHolder("anna", 25) }},
		{"a gap in the months", "follow each other", func(d *Directory) { d.Bodies[0].Holders[0].Epochs[1].Month++ }},
		{"a month without recipient", "missing", func(d *Directory) { d.Bodies[0].Holders[0].Epochs[1].Recipient = nil }},
		{"one recipient of two holders", "listed twice", func(d *Directory) { d.Bodies[0].Holders[0].Epochs = d.Bodies[0].Holders[1].Epochs }},
		{"retired with months", "lists months", func(d *Directory) { d.Bodies[0].Holders[0].Status = StatusRetired }},
		{"revoked with months", "lists months", func(d *Directory) { d.Bodies[0].Holders[0].Status = StatusRevoked }},
		{"four holders who read", "at most 3", func(d *Directory) {
			d.Bodies[0].Holders = append(d.Bodies[0].Holders, testHolder("x", 1), testHolder("y", 1))
		}},
		{"as many holders as slots", "at most 7", func(d *Directory) {
			d.Bodies = append(d.Bodies, d.Bodies[1])
			d.Bodies[2].ID, d.Bodies[2].Holders = "third", []Holder{testHolder("e", 1), testHolder("f", 1), testHolder("g", 1)}
			d.Bodies[1].Holders = []Holder{testHolder("h", 1), testHolder("i", 1), testHolder("j", 1)}
		}},
	} {
		d := testDirectory()
		c.change(d)
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
		{"standing of a body", replace(" independent\n", " neutral\n"), "expected id, kind"},
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
	for i := range 31*2 + 1 {
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
		Policy: Policy{Slots: rapid.SampledFrom([]int{8, 16, 32}).Draw(t, "slots"), Quorum: 1}, Roots: rapid.IntRange(1, MaxRoots).Draw(t, "roots"), Transfer: take(),
	}
	d.Expires = d.Issued + Day(rapid.Uint32Range(0, 9000).Draw(t, "valid"))
	copy(d.Salt[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "salt"))
	bodies := rapid.SliceOfNDistinct(id, 1, 6, rapid.ID).Draw(t, "bodies")
	holders := rapid.SliceOfNDistinct(id, 3*len(bodies), 3*len(bodies), rapid.ID).Draw(t, "holders")
	left := d.Policy.Slots - 1
	for _, b := range bodies {
		body := Body{
			ID: b, Kind: rapid.StringMatching(`[a-z-]{1,12}`).Draw(t, "kind"), Independent: rapid.Bool().Draw(t, "independent"),
			Names: rapid.MapOfN(tag, value, 1, 3).Draw(t, "names"), Mandates: rapid.MapOfN(tag, value, 0, 3).Draw(t, "mandates"),
			Languages: rapid.SliceOfN(tag, 1, 3).Draw(t, "languages"),
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
				for i := range rapid.IntRange(1, 2).Draw(t, "months") {
					h.Epochs = append(h.Epochs, Epoch{m + Month(i), take()}) //nolint:gosec // 0 or 1
				}
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
		long := strings.Repeat("ü", maxValue/2)
		d.Bodies = append(d.Bodies, Body{
			ID: fmt.Sprint("body", i), Kind: "ombuds", Names: map[string]string{"en": long}, Mandates: map[string]string{"en": long},
			Languages: []string{"en"}, Holders: []Holder{testHolder(fmt.Sprint("holder", i), maxEpochList)},
		})
	}
	signed := signDirectory(t, d, testRoots()[0], testRoots()[1])
	got, err := OpenDirectory(signed, []string{testRoots()[0].vkey}, nil, d.Issued)
	if err != nil {
		t.Fatal(err)
	}
	if len(signed) > maxDirectory/2 || got.Hash() != d.Hash() {
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
	// Keys of anna, ben and dora reach to the end of December 2026.
	october := func(d *Directory) { // they begin a month earlier
		for i := range d.Bodies {
			for j := range d.Bodies[i].Holders {
				if h := &d.Bodies[i].Holders[j]; h.Status == StatusActive {
					h.Epochs = testEpochs(EpochSeed{testMonth - 1, testSeed("october " + h.ID)}, 3)
				}
			}
		}
	}
	gap := func(d *Directory) { // anna has November, ben January, dora all
		a, b := &d.Bodies[0].Holders[0], &d.Bodies[0].Holders[1]
		a.Epochs, b.Epochs = a.Epochs[:1], b.Epochs[:1]
		b.Epochs[0].Month += 2
		d.Bodies[1].Holders[1] = testHolder("dora", 3)
	}
	byDay := func(d *Directory) { d.Expires = dayOf(t, "2026-12-20") }
	for _, c := range []struct {
		name    string
		change  func(*Directory)
		at      string
		expired bool
		warn    int
	}{
		{"61 days left", october, "2026-10-31T23:59:59Z", false, 0},
		{"60 days left", func(*Directory) {}, "2026-11-01T00:00:01Z", false, 60},
		{"31 days left", func(*Directory) {}, "2026-12-01T00:00:00Z", false, 60},
		{"30 days left", func(*Directory) {}, "2026-12-02T00:00:00Z", false, 30},
		{"7 days left", func(*Directory) {}, "2026-12-25T00:00:00Z", false, 7},
		{"the last second of the keys", func(*Directory) {}, "2026-12-31T23:59:59Z", false, 7},
		{"no key left", func(*Directory) {}, "2027-01-01T00:00:00Z", true, 7},
		{"the last second of the directory", byDay, "2026-12-20T23:59:59Z", false, 7},
		{"the day after", byDay, "2026-12-21T00:00:00Z", true, 7},
		{"one body is out of keys", func(d *Directory) { d.Bodies[1].Holders[1].Epochs = d.Bodies[1].Holders[1].Epochs[:1] }, "2026-12-01T00:00:00Z", true, 7},
		{"one body's months have not begun", func(d *Directory) { d.Bodies[1].Holders[1].Epochs = d.Bodies[1].Holders[1].Epochs[1:] }, "2026-11-30T23:59:59Z", true, 7},
		{"they begin", func(d *Directory) { d.Bodies[1].Holders[1].Epochs = d.Bodies[1].Holders[1].Epochs[1:] }, "2026-12-01T00:00:00Z", false, 60},
		{"the months of one of two holders have not begun", func(d *Directory) { d.Bodies[0].Holders[1].Epochs = d.Bodies[0].Holders[1].Epochs[1:] }, "2026-11-02T00:00:00Z", false, 60},
		{"a month between the keys of two holders", gap, "2026-11-30T00:00:00Z", false, 7},
		{"in that month", gap, "2026-12-01T00:00:00Z", true, 7},
		{"after that month", gap, "2027-01-01T00:00:00Z", false, 7},
		{"before all months", func(*Directory) {}, "2026-10-31T23:59:59Z", true, 7},
		{"one of two holders is", func(d *Directory) { d.Bodies[0].Holders[1].Epochs = d.Bodies[0].Holders[1].Epochs[:1] }, "2026-12-01T00:00:00Z", false, 7},
		{"a body that reads no more", func(d *Directory) { d.Bodies[1].Holders = d.Bodies[1].Holders[:1] }, "2026-12-01T00:00:00Z", false, 60},
		{"nobody reads", func(d *Directory) {
			d.Bodies[0].Holders, d.Bodies[1].Holders = d.Bodies[0].Holders[2:], d.Bodies[1].Holders[:1]
		}, "2026-12-01T00:00:00Z", true, 7},
	} {
		d := testDirectory()
		c.change(d)
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
	if got := d.Defaults(); !slices.Equal(got, []string{"ombuds"}) {
		t.Errorf("ticked before a choice: %v", got)
	}
	first := func(id string) string { return testHolder(id, 1).Epochs[0].Recipient.String() }
	for _, c := range []struct {
		ids  []string
		want [][]string
	}{
		{nil, nil},
		{[]string{"ombuds"}, [][]string{{first("anna"), first("ben")}}},
		{[]string{"command"}, [][]string{{first("dora")}}},
		{[]string{"command", "ombuds"}, [][]string{{first("dora")}, {first("anna"), first("ben")}}},
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
		id string
		m  Month
	}{"not in the directory": {"police", testMonth}, "nobody who reads": {"ombuds", testMonth + 2}, "nobody who reads in 2026-10": {"ombuds", testMonth - 1}} {
		_, err := d.ReadersFor([]string{c.id}, c.m)
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
	_, err := d.ReadersFor([]string{"ombuds"}, testMonth)
	refused(t, err, "nobody who reads")
}

// What is read is written again, byte for byte.
func FuzzParseDirectory(f *testing.F) {
	d := testDirectory()
	for i := range d.Bodies {
		for j := range d.Bodies[i].Holders {
			if h := &d.Bodies[i].Holders[j]; len(h.Epochs) > 1 {
				h.Epochs = h.Epochs[:1]
			}
		}
	}
	short, lengthen := shorten(marshalDirectory(f, d))
	f.Add(short)
	i, j := strings.Index(short, "holder anna "), strings.Index(short, "holder anna-old1")
	f.Add(short[:i] + short[j:])
	f.Add(short[:strings.Index(short, "body command")])
	f.Fuzz(func(t *testing.T, short string) {
		text := lengthen.Replace(short)
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
