package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"postern/crypto"
	"postern/reviewer/keeper"
	"postern/reviewer/plain"
	"postern/reviewer/vault"
)

// A second root joins, then two signatures are needed: at every step the
// server, which knows the old root and is told the new one, and the desks accept what was signed.
func TestChangeOfRoot(t *testing.T) {
	w := newWorld(t)
	second := w.newRoot("quay")
	vkey := second.Key()
	d := w.server.Directory
	first, prev := w.signed, must(crypto.OpenDirectory(w.signed, []string{w.vkey}, nil, w.today()))(t)

	d.Version++
	byOld := must(w.root.Sign(must(w.server.Proposal())(t), first, w.today()))(t)
	if _, err := second.Sign(byOld, first, w.today()); err == nil {
		t.Error("a new root signed after a directory that no root it was told of signed")
	}
	if _, err := second.Sign(byOld, first, w.today(), vkey); err == nil {
		t.Error("a new root took itself for the root before")
	}
	if _, err := second.Sign(byOld, first, w.today(), "nonsense"); err == nil {
		t.Error("nonsense was taken for a root")
	}
	both := must(second.Sign(byOld, first, w.today(), w.vkey))(t)
	// The server's rule: a root it knows signed, and every new one did (postern directory install --root).
	next := must(crypto.OpenDirectory(both, []string{w.vkey}, prev, w.today()))(t)
	verifier := must(note.NewVerifier(vkey))(t)
	if _, err := note.Open(both, note.VerifierList(verifier)); err != nil {
		t.Errorf("the new root's signature: %v", err)
	}
	v := w.desks["anna"]
	check(t, v.AcceptDirectory(both, []string{w.vkey, vkey}, w.today()))

	d.Version++
	d.Roots = 2
	one := must(second.Sign(must(w.server.Proposal())(t), both, w.today()))(t)
	known := []string{w.vkey, vkey}
	if _, err := crypto.OpenDirectory(one, known, next, w.today()); !errors.Is(err, crypto.ErrUnsigned) {
		t.Errorf("one signature of two: %v", err)
	}
	two := must(w.root.Sign(one, both, w.today()))(t)
	must(crypto.OpenDirectory(two, known, next, w.today()))(t)
	check(t, v.AcceptDirectory(two, nil, w.today()))
	if v.Directory().Version != 3 || v.Directory().Roots != 2 {
		t.Errorf("directory %+v", v.Directory())
	}
}

// What every code depends on, and what a version said before, cannot change by a signature.
func TestRootKeepsHistory(t *testing.T) {
	w := newWorld(t)
	w.next()
	d := w.server.Directory
	d.Version++
	body := func(id string) *crypto.Body { b, _ := d.Body(id); return b }
	for name, change := range map[string]func(){
		"key derivation":                    func() { d.KDF.Time++ },
		"origin":                            func() { d.Origin += " 2" },
		"salt":                              func() { d.Salt[0]++ },
		"slots":                             func() { d.Policy.Slots = 16 },
		"since of a body":                   func() { body("ngo").Since = d.Version },
		"since of a holder":                 func() { body("ngo").Holders[0].Since = d.Version },
		"kind without a since":              func() { body("ngo").Kind = "ministry" },
		"independence without a since":      func() { body("inspect").Independent = true },
		"all people without a since":        func() { w.server.End("cleo", crypto.StatusRetired) },
		"a key that is gone":                func() { b := body("ombuds"); b.Holders = b.Holders[:1] },
		"a body that is gone":               func() { d.Bodies = d.Bodies[:2] },
		"a status without a since":          func() { w.server.End("ben", crypto.StatusRevoked); body("ombuds").Holders[1].Since = 1 },
		"months that the holder never made": func() { body("ngo").Holders[0].Epochs[3].Recipient = crypto.NewIdentity().Recipient() },
	} {
		kept := must(w.server.Proposal())(t)
		change()
		text, err := w.server.Proposal()
		if err == nil {
			_, err = w.root.Sign(text, w.signed, w.today())
		}
		if err == nil {
			t.Errorf("another %s was signed", name)
		}
		*d = *must(crypto.ParseDirectory(kept))(t)
	}
	must(w.root.Sign(must(w.server.Proposal())(t), w.signed, w.today()))(t)
}

// The root's file remembers what it signed: an older directory named as the one before brings no
// withdrawn key back, and of one version one text is signed (SECURITY.md S-28).
func TestRootRemembers(t *testing.T) {
	w := newWorld(t)
	d := w.server.Directory
	first := w.signed
	withdrawn := func() { w.server.End("ben", crypto.StatusRevoked) }
	back := *must(keeper.ReadProposal(first))(t)
	w.next(func(*crypto.Directory) { withdrawn() })
	second := w.signed

	back.Version = 3
	text := must(back.Marshal())(t)
	for _, root := range []*keeper.Root{w.root, must(keeper.OpenRoot(w.files[w.root], []byte(testPass), w.options().ScryptLogN))(t)} { // also another day
		for name, previous := range map[string][]byte{"the first named": first, "none named": nil} {
			if _, err := root.Sign(text, previous, w.today()); !errors.Is(err, crypto.ErrHistory) {
				t.Errorf("a withdrawn key is back, %s: %v", name, err)
			}
		}
	}
	// A second text of version 2, and version 1 once more.
	other := *d
	other.Expires++
	if _, err := w.root.Sign(must(other.Marshal())(t), first, w.today()); !errors.Is(err, keeper.ErrTwoTexts) {
		t.Errorf("a second text of one version: %v", err)
	}
	if _, err := w.root.Sign(first, nil, w.today()); !errors.Is(err, keeper.ErrTwoTexts) {
		t.Errorf("an older version: %v", err)
	}
	if again := must(w.root.Sign(second, nil, w.today()))(t); !bytes.Equal(again, second) {
		t.Error("the same text once more is another")
	}
	// It is remembered before the signature leaves: a file that cannot be written signs nothing.
	d.Version++
	check(t, os.RemoveAll(filepath.Dir(w.files[w.root])))
	if signed, err := w.root.Sign(must(w.server.Proposal())(t), nil, w.today()); err == nil || signed != nil {
		t.Error("a signature left that the file does not remember")
	}
	// A root that never signed is told of the one before.
	stranger := w.newRoot("stranger")
	for _, previous := range [][]byte{nil, second} {
		if _, err := stranger.Sign(must(w.server.Proposal())(t), previous, w.today()); err == nil {
			t.Error("a root signed after a directory that it never signed")
		}
	}
	if _, err := keeper.OpenRoot(w.files[stranger], []byte("wrong"), w.options().ScryptLogN); !errors.Is(err, vault.ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if p := must(stranger.Phrase())(t); len(p) != 10 {
		t.Errorf("a root phrase of %d words", len(p))
	}
}

// The keeper sees six words for every signing key, those of the holder's card, and what changes in words.
func TestKeeperSeesWords(t *testing.T) {
	w := newWorld(t)
	old := must(keeper.ReadProposal(w.signed))(t)
	lines := strings.Join(plain.DescribeDirectory(nil, old), "\n")
	seen := make(map[string]bool)
	for _, h := range testHolders {
		_, words, err := w.desks[h.holder].Card()
		check(t, err)
		line := "    key: " + strings.Join(words, " ")
		if !strings.Contains(lines, "  holder "+h.holder+": active, reads 2026-11 to 2027-10\n  "+line) || seen[line] {
			t.Errorf("not shown: %q in\n%s", line, lines)
		}
		seen[line] = true
	}
	if !strings.Contains(lines, "the server signs batches with: "+strings.Join(crypto.SigningWords(w.server.Directory.Server), " ")) {
		t.Errorf("the server's words are not shown:\n%s", lines)
	}

	// All keys exchanged, everything else as before: other words, and a line for each.
	d := w.server.Directory
	d.Version = 2
	for i, b := range d.Bodies {
		for j, h := range b.Holders {
			seed := crypto.NewKey()
			key := ed25519.NewKeyFromSeed(seed[:])
			c := &crypto.Card{Body: b.ID, Holder: h.ID, Signing: key.Public().(ed25519.PublicKey), Epochs: h.Epochs}
			must(c.Marshal(key))(t)
			was := h
			was.ID, was.Status, was.Since, was.Epochs, was.EpochsSignature = h.ID+"-old", crypto.StatusRetired, 2, nil, nil
			d.Bodies[i].Holders[j] = crypto.Holder{ID: h.ID, Signing: c.Signing, Status: crypto.StatusActive, Since: 2, Epochs: h.Epochs, EpochsSignature: c.EpochsSignature}
			d.Bodies[i].Holders = append(d.Bodies[i].Holders, was)
		}
		d.Bodies[i].Since = 2
	}
	ngo, _ := d.Body("ngo")
	ngo.Kind, ngo.Independent = "ministry", false
	ngo.Mandates["en"] = "another mandate"
	ngo.Names["en"] = "Ministry of the Interior"
	next := must(keeper.ReadProposal(must(w.server.Proposal())(t)))(t)
	got := strings.Join(plain.DescribeDirectory(old, next), "\n")
	for _, want := range []string{
		"!   holder cleo: active, reads 2026-11 to 2027-10 (ANOTHER SIGNING KEY)",
		"!   holder anna-old: retired, reads nothing new (was active)",
		"!   it was civil-society, independent of the institution, before",
		`!   its name (en) was "Body ngo" and is now "Ministry of the Interior"`,
		`!   its mandate (en) was "Mandate of ngo" and is now "another mandate"`,
		"!   it is another body since version 2: sources who chose it have to choose it anew",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("not shown: %q in\n%s", want, got)
		}
	}
	for line := range seen {
		if strings.Contains(got, "active, reads 2026-11 to 2027-10 (ANOTHER SIGNING KEY)\n! "+line+"\n") {
			t.Error("an exchanged key has the words of the one before")
		}
	}
}

// A desk takes no directory that lists months of its holder that it did not make, and tells of one
// that lists another key in its holder's place.
func TestOwnMonthsOnly(t *testing.T) {
	w := newWorld(t)
	v := w.desks["anna"]
	d := w.server.Directory
	h := &d.Bodies[0].Holders[0]
	if h.ID != "anna" {
		t.Fatal("not anna")
	}
	// With anna's signing key, as on an open desk or in a copied vault, but not her seed.
	seed := crypto.EpochSeed{Month: h.Epochs[0].Month, Seed: crypto.NewKey()}
	c := &crypto.Card{Body: "ombuds", Holder: "anna", Signing: h.Signing}
	for range crypto.EpochCount {
		c.Epochs = append(c.Epochs, crypto.Epoch{Month: seed.Month, Recipient: seed.Identity().Recipient()})
		seed = seed.Next()
	}
	must(c.Marshal(v.keys.signing()))(t)
	kept := *h
	d.Version++
	h.Epochs, h.EpochsSignature = c.Epochs, c.EpochsSignature
	w.sign(nil)
	if err := v.AcceptDirectory(w.signed, nil, w.today()); !errors.Is(err, ErrForeignMonths) {
		t.Errorf("months of somebody else: %v", err)
	}
	if v.Replaced(d) != nil {
		t.Error("its own key is another's")
	}
	*h = kept
	d.Version++
	must(w.root.Sign(must(w.server.Proposal())(t), nil, w.today()))(t)

	_, other, err := ed25519.GenerateKey(nil)
	check(t, err)
	c.Signing = other.Public().(ed25519.PublicKey)
	must(c.Marshal(other))(t)
	h.Signing, h.EpochsSignature, h.Epochs = c.Signing, c.EpochsSignature, c.Epochs
	if words := v.Replaced(d); !slices.Equal(words, crypto.SigningWords(c.Signing)) {
		t.Errorf("in anna's place stands %v", words)
	}
}
