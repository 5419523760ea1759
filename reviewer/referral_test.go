package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/dossier"
	"postern/reviewer/reviewertest"
)

// agreed is a world in which a source chose ombuds, and said yes to inspect.
type agreed struct {
	*world
	source *reviewertest.Source
}

const (
	referredWords = "Captain Marker-Narrow sold the fuel.\nHis deputy knew."
	largeLine     = "a row of the ledger\n"
)

func newAgreed(t *testing.T) *agreed {
	t.Helper()
	a := &agreed{world: newWorld(t)}
	a.source = a.server.NewSource()
	f := reviewertest.NewForm()
	told := form.Answers{{ID: form.QTopics, Values: []string{"corruption"}}, {ID: "place", Values: []string{"Depot Marker-Narrow"}}}
	a.gives(must(a.source.Say(f, a.today(), referredWords, told, "ombuds"))(t),
		must(a.source.Attach(f, a.today(), "marker-narrow.txt", []byte("list of MARKER NARROW\n"), "ombuds"))(t),
		must(a.source.Attach(f, a.today(), "large.txt", bytes.Repeat([]byte(largeLine), 100_000), "ombuds"))(t))
	a.gives(must(a.source.Say(reviewertest.NewForm(), a.today(), "Only for the ombuds.", nil, "ombuds"))(t))
	return a
}

// gives releases entries and imports them at anna's, each day one batch.
func (a *agreed) gives(entries ...[]byte) {
	a.t.Helper()
	a.now = a.now.AddDate(0, 0, 1)
	a.imports("anna", a.release(4, entries...))
}

func (a *agreed) says(yes bool, body string) {
	a.t.Helper()
	a.gives(must(a.source.Agree(reviewertest.NewForm(), a.today(), body, yes, "ombuds"))(a.t))
}

// at is the number of the message whose words or file this is.
func (a *agreed) at(words, file string) int {
	a.t.Helper()
	v, c := a.desks["anna"], a.only("anna")
	for i := range c.Messages {
		l := must(v.Read(c, &c.Messages[i]))(a.t)
		if words != "" && l.Words == words || slices.ContainsFunc(l.Files, func(f File) bool { return f.Name == file }) {
			return l.No
		}
	}
	a.t.Fatalf("no message %q %q", words, file)
	return 0
}

// fileNo is the number of a file in the case.
func (a *agreed) fileNo(name string) int {
	a.t.Helper()
	v, c := a.desks["anna"], a.only("anna")
	for i := range c.Messages {
		for _, f := range must(v.Read(c, &c.Messages[i]))(a.t).Files {
			if f.Name == name {
				return f.No
			}
		}
	}
	a.t.Fatalf("no file %q", name)
	return 0
}

func (a *agreed) plan(s Selection) (*Referral, error) {
	return a.desks["anna"].PlanReferral(a.only("anna"), "inspect", s, a.today())
}

// refer writes a referral of the first message.
func (a *agreed) refer(s Selection) []byte {
	a.t.Helper()
	if s.Messages == nil {
		s.Messages = []int{a.at(referredWords, "")}
	}
	r := must(a.plan(s))(a.t)
	path := filepath.Join(a.t.TempDir(), "file")
	check(a.t, a.desks["anna"].Refer(r, path))
	return must(os.ReadFile(path))(a.t)
}

func TestReferral(t *testing.T) {
	a := newAgreed(t)
	a.says(true, "inspect")
	file := a.refer(Selection{})
	if bytes.Contains(file, []byte("fuel")) || bytes.Contains(file, []byte("ombuds")) {
		t.Error("the file says something to anybody")
	}
	got := a.takes("dora", file, TakeoverOptions{})
	if got.Kind != crypto.DeskReferral || got.New != 1 || got.Body != "ombuds" || got.Referred == nil || got.Referred.Messages != 1 || got.Referred.Files != 0 {
		t.Fatalf("%+v", got)
	}
	dora := a.reopen("dora")
	if n := len(dora.Cases()); n != 0 {
		t.Errorf("%d cases of sources", n)
	}
	all := dora.Referrals()
	if len(all) != 1 || all[0].Case != a.source.Case || all[0].Joined != "" || all[0].Standing != crypto.SignerGood || all[0].Holder != "anna" {
		t.Fatalf("%+v", all)
	}
	var b bytes.Buffer
	check(t, dora.WriteReferral(&b, &all[0]))
	for _, want := range []string{"REFERRED TO YOU by Body ombuds (holder anna)", "Captain Marker-Narrow sold the fuel.", "Corruption", "Depot Marker-Narrow", "No answer can be sealed", "The source agreed on"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("does not show %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "Only for the ombuds") {
		t.Error("it shows what was not chosen")
	}
	// Neither a name nor a beginning of it lets anybody answer.
	if _, err := dora.Case(all[0].Short); !errors.Is(err, ErrReferred) {
		t.Errorf("as a case: %v", err)
	}
	if found := dora.FindReferrals(all[0].Short); len(found) != 1 {
		t.Errorf("by its name: %v", found)
	}
	// Twice is once.
	before := snapshot(t, dora.vault.Dir())
	if got := a.takes("dora", file, TakeoverOptions{}); got.New != 0 || got.Known != 1 || got.Referred == nil {
		t.Errorf("twice: %+v", got)
	}
	if snapshot(t, dora.vault.Dir()) != before {
		t.Error("twice changed the vault")
	}
	// Erased, and asked for again.
	check(t, dora.EraseReferral(&all[0], []byte(testPass)))
	if got := a.takes("dora", file, TakeoverOptions{}); got.Erased != 1 || got.Referred != nil || len(dora.Referrals()) != 0 {
		t.Errorf("erased: %+v", got)
	}
	if got := a.takes("dora", file, TakeoverOptions{Again: true}); got.Back != 1 || got.New != 1 || len(dora.Referrals()) != 1 {
		t.Errorf("again: %+v", got)
	}
	// When the source chooses the body itself, the two belong together.
	volume := a.release(4, must(a.source.Say(reviewertest.NewForm(), a.today(), "Now to you, too.", nil, "ombuds", "inspect"))(t))
	a.imports("dora", volume)
	c := a.only("dora")
	if r := dora.ReferredFrom(c); len(r) != 1 || r[0].Joined != c.Short {
		t.Errorf("%+v", r)
	}
	if text := a.view("dora"); !strings.Contains(text, "also referred to you by Body ombuds") {
		t.Errorf("the case shows:\n%s", text)
	}
	b.Reset()
	check(t, dora.WriteReferral(&b, &dora.Referrals()[0]))
	if !strings.Contains(b.String(), "has chosen your body since: its own messages are case "+c.Short) {
		t.Errorf("the referral shows:\n%s", b.String())
	}
}

// A masked word is nowhere in what the other body gets, and files that were not named are not either.
func TestReferralIsMasked(t *testing.T) {
	a := newAgreed(t)
	a.says(true, "inspect")
	masks := must(dossier.ParseMasks([]byte("text Marker-Narrow\ntext depot\n")))(t)
	for _, name := range []string{"marker-narrow.txt", "large.txt"} {
		check(t, masks.Include(a.fileNo(name)))
	}
	file := a.refer(Selection{Messages: []int{a.at(referredWords, ""), a.at("", "marker-narrow.txt"), a.at("", "large.txt")}, Masks: masks})
	plain := must(io.ReadAll(must(crypto.Open(bytes.NewReader(file), a.key("dora")))(t)))(t)
	low := bytes.ToLower(plain)
	for _, gone := range []string{"marker", "narrow", "depot", "only for", "receipts"} {
		if bytes.Contains(low, []byte(gone)) {
			t.Errorf("%q stands in the file", gone)
		}
	}
	for _, there := range []string{"sold the fuel", "His deputy knew", "list of █████", "a row of the ledger"} {
		if !bytes.Contains(plain, []byte(there)) {
			t.Errorf("%q does not stand in the file", there)
		}
	}
	got := a.takes("dora", file, TakeoverOptions{})
	if !got.Referred.Masked || got.Referred.Files != 2 || got.Referred.Messages != 3 {
		t.Fatalf("%+v", got.Referred)
	}
	dora := a.reopen("dora")
	r := &dora.Referrals()[0]
	dir := t.TempDir()
	sizes := map[int64]bool{}
	for _, x := range must(dora.ReadReferral(r))(t) {
		for _, f := range x.Files {
			out := must(dora.ExtractReferred(r, f.No, dir))(t)
			if out.SHA256 != f.SHA256 || out.Size != f.Size {
				t.Errorf("file %d differs", f.No)
			}
			sizes[out.Size] = true
		}
	}
	if !sizes[int64(len(largeLine))*100_000] || len(sizes) != 2 {
		t.Errorf("sizes %v", sizes)
	}
	if _, err := dora.ExtractReferred(r, 3, dir); err == nil {
		t.Error("there is a third file")
	}
}

// No answer of the source but a yes, to this body as it is, as the last word, lets a case be referred.
func TestReferralNeedsConsent(t *testing.T) {
	a := newAgreed(t)
	refused := func(name string, want error) {
		t.Helper()
		if _, err := a.plan(Selection{Messages: []int{1}}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	refused("nothing was said", ErrNoConsent)
	a.says(true, "ngo")
	refused("a yes to another body", ErrNoConsent)
	a.says(false, "inspect")
	refused("a no", ErrConsentNo)
	a.says(true, "inspect")
	a.refer(Selection{})
	a.says(false, "inspect")
	refused("a no after a yes", ErrConsentNo)
	a.says(true, "inspect")
	a.refer(Selection{})
	// The body becomes another one.
	a.next(func(d *crypto.Directory) {
		for i := range d.Bodies {
			if b := &d.Bodies[i]; b.ID == "inspect" {
				b.Kind, b.Since = "ministry", d.Version
				if k, ok := form.BodyKindOf(b.Kind); !ok || k.Independent {
					b.Kind = "government"
				}
			}
		}
	})
	refused("a yes to what the body was", ErrConsentOld)
	a.says(true, "inspect")
	a.refer(Selection{})
	// The source chooses it.
	a.gives(must(a.source.Say(reviewertest.NewForm(), a.today(), "To both.", nil, "ombuds", "inspect"))(t))
	refused("a body that reads", ErrReadsIt)
}

// A yes that comes with a code which the source had given up is perhaps somebody else's (SECURITY.md S-21).
func TestReferralOfALateYes(t *testing.T) {
	a := newAgreed(t)
	a.now = a.now.AddDate(0, 0, 1)
	next := a.source.ChangeCode(a.today())
	a.gives(must(next.Announce(a.today(), "ombuds"))(t))
	a.now = a.now.AddDate(0, 0, 1)
	a.says(true, "inspect") // with the earlier code
	if _, err := a.plan(Selection{Messages: []int{1}}); !errors.Is(err, ErrNoConsent) {
		t.Errorf("a late yes: %v", err)
	}
	late := a.only("anna").Messages
	last := late[len(late)-1]
	a.source = next
	a.says(true, "inspect")
	if _, err := a.plan(Selection{Messages: []int{last.No}}); last.Late != LateAfter || !errors.Is(err, ErrNotSelected) {
		t.Errorf("message %d, late %q: %v", last.No, last.Late, err)
	}
	file := a.refer(Selection{})
	if got := a.takes("dora", file, TakeoverOptions{}); got.New != 1 || got.Referred.Case != next.Case {
		t.Errorf("a yes with the new code: %+v", got)
	}
	// The source writes to the body itself: the case has the first code's name, and both belong together.
	a.imports("dora", a.release(4, must(next.Say(reviewertest.NewForm(), a.today(), "To you.", nil, "ombuds", "inspect"))(t)))
	if r := a.desks["dora"].ReferredFrom(a.only("dora")); len(r) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestPlanReferralRefuses(t *testing.T) {
	a := newAgreed(t)
	a.says(true, "inspect")
	v, c := a.desks["anna"], a.only("anna")
	for _, x := range []struct {
		name, to string
		s        Selection
		want     error
	}{
		{"nobody", "nobody", Selection{Messages: []int{1}}, ErrNoBody},
		{"one's own body", "ombuds", Selection{Messages: []int{1}}, ErrNoBody},
		{"nothing", "inspect", Selection{}, ErrNotSelected},
		{"no such message", "inspect", Selection{Messages: []int{99}}, ErrNotSelected},
		{"a mask of what is not chosen", "inspect", Selection{Messages: []int{1}, Masks: must(dossier.ParseMasks([]byte("message 2")))(t)}, dossier.ErrMask},
		{"a mask in a name of ours", "inspect", Selection{Messages: []int{1}, Masks: must(dossier.ParseMasks([]byte("text inspect")))(t)}, dossier.ErrMask},
	} {
		if _, err := v.PlanReferral(c, x.to, x.s, a.today()); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
	}
	a.reply("anna", c, "This one waits.")
	c = a.only("anna")
	for _, m := range c.Messages {
		if m.State != stateWaiting {
			continue
		}
		if _, err := v.PlanReferral(c, "inspect", Selection{Messages: []int{m.No}}, a.today()); !errors.Is(err, ErrNotSelected) {
			t.Errorf("an answer that waits: %v", err)
		}
	}
	// A binary file cannot be masked, and goes along where no text is.
	a.gives(must(a.source.Attach(reviewertest.NewForm(), a.today(), "photo.jpg", []byte{0, 1, 2, 3}, "ombuds"))(t))
	s := Selection{Messages: []int{a.at("", "photo.jpg")}, Masks: must(dossier.ParseMasks([]byte("text fuel")))(t)}
	check(t, s.Masks.Include(a.fileNo("photo.jpg")))
	if _, err := a.plan(s); !errors.Is(err, dossier.ErrMask) {
		t.Errorf("a binary file under masks: %v", err)
	}
	s.Masks = dossier.NewMasks()
	check(t, s.Masks.Include(a.fileNo("photo.jpg")))
	if r := must(a.plan(s))(t); len(r.Parts) != 1 || len(r.Parts[0].Files) != 1 {
		t.Errorf("%+v", r.Parts)
	}
}

// The receiving desk verifies signer and consent itself.
func TestTakeOverReferralFromWhom(t *testing.T) {
	a := newAgreed(t)
	a.says(true, "inspect")
	r := must(a.plan(Selection{Messages: []int{a.at(referredWords, "")}}))(t)
	other := a.server.NewSource()
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, 32))
	anna := a.desks["anna"].keys.signing()
	forge := func(key ed25519.PrivateKey, change func(r *Referral)) []byte {
		x := *r
		x.file.Items, x.items = slices.Clone(r.file.Items), slices.Clone(r.items)
		change(&x)
		var b bytes.Buffer
		w := must(crypto.Seal(&b, a.server.Directory.Policy, nil, a.key("dora").Recipient()))(t)
		check(t, crypto.WriteDeskFile(w, &x.file, key, func(i int) (io.ReadCloser, error) { return x.items[i]() }))
		check(t, w.Close())
		return b.Bytes()
	}
	grant := func(source ed25519.PublicKey, c crypto.Consent) func(r *Referral) {
		return func(r *Referral) {
			items, open := r.file.Items[1:], r.items[1:]
			r.file.Items, r.items = nil, nil
			r.add(itemConsent, append(bytes.Clone(source), c.Encode()...), nil)
			r.file.Items, r.items = append(r.file.Items, items...), append(r.items, open...)
		}
	}
	inspect := a.server.Readers("inspect")[0]
	yes := func(body crypto.Reader, yes bool) crypto.Consent {
		return crypto.SignConsent(a.source.Signing, body, yes, a.today())
	}
	own := a.source.Signing.Public().(ed25519.PublicKey)
	keep := func(*Referral) {}
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"signed by nobody known", forge(stranger, keep), ErrStranger},
		{"signed by another in anna's body's name", forge(a.desks["cleo"].keys.signing(), keep), ErrStranger},
		{"for another body", forge(anna, func(r *Referral) { r.file.To = a.server.Readers("ngo")[0] }), ErrForOther},
		{"without a consent", forge(anna, func(r *Referral) { r.file.Items, r.items = r.file.Items[1:], r.items[1:] }), ErrNotAgreed},
		{"with a no", forge(anna, grant(own, yes(inspect, false))), ErrNotAgreed},
		{"with a yes to another body", forge(anna, grant(own, yes(a.server.Readers("ngo")[0], true))), ErrNotAgreed},
		{"with a yes to what the body was", forge(anna, grant(own, yes(crypto.Reader{ID: "inspect", Since: 77}, true))), ErrNotAgreed},
		{"with a yes that another source signed", forge(anna, grant(other.Signing.Public().(ed25519.PublicKey), yes(inspect, true))), ErrNotAgreed},
		{"with a second consent", forge(anna, func(r *Referral) {
			r.file.Items, r.items = append(r.file.Items, r.file.Items[0]), append(r.items, r.items[0])
		}), ErrNotDeskFile},
		{"with a container", forge(anna, func(r *Referral) { r.add(itemMessage, []byte("x"), nil) }), ErrNotDeskFile},
		{"with an part that makes no sense", forge(anna, func(r *Referral) { r.add(itemPart, []byte("x"), nil) }), ErrNotDeskFile},
		{"with a file of no message", forge(anna, func(r *Referral) { r.add(itemFile, []byte("x"), []byte{0, 9, 1, 'a'}) }), ErrNotDeskFile},
		{"with a receipt", forge(anna, func(r *Referral) { r.file.Kind = crypto.DeskReceipt }), ErrNotDeskFile},
	} {
		dora := a.desks["dora"]
		before := snapshot(t, dora.vault.Dir())
		if _, err := dora.TakeOver(bytes.NewReader(c.file), TakeoverOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if snapshot(t, dora.vault.Dir()) != before {
			t.Errorf("%s: the vault's files changed", c.name)
		}
	}
	if got := a.takes("dora", forge(anna, keep), TakeoverOptions{}); got.New != 1 {
		t.Errorf("as it was: %+v", got)
	}
	// A key that is withdrawn later is shown as that.
	a.next(func(*crypto.Directory) { a.server.End("anna", crypto.StatusRevoked) })
	var b bytes.Buffer
	check(t, a.desks["dora"].WriteReferral(&b, &a.desks["dora"].Referrals()[0]))
	if !strings.Contains(b.String(), "withdrawn") {
		t.Errorf("it shows:\n%s", b.String())
	}
}

func TestReceipt(t *testing.T) {
	a := newAgreed(t)
	a.says(true, "inspect")
	file := a.refer(Selection{})
	a.takes("dora", file, TakeoverOptions{})
	dora := a.desks["dora"]
	path := filepath.Join(t.TempDir(), "receipt")
	check(t, dora.Receipt(&dora.Referrals()[0], path, a.today()))
	receipt := must(os.ReadFile(path))(t)
	if text := a.view("anna"); !strings.Contains(text, "Referred to Body inspect on") || !strings.Contains(text, "No receipt yet.") {
		t.Errorf("the case shows:\n%s", text)
	}
	for _, want := range []int{1, 0} {
		got := a.takes("anna", receipt, TakeoverOptions{})
		if got.Kind != crypto.DeskReceipt || got.New != want || got.Known != 1-want || got.Case != a.only("anna").Short || got.Receipt.By != "dora" {
			t.Errorf("%+v", got)
		}
	}
	a.reopen("anna")
	if text := a.view("anna"); !strings.Contains(text, "Received by Body inspect (holder dora) on "+a.today().String()) {
		t.Errorf("the case shows:\n%s", text)
	}
	// A fellow who did not write the referral is told where the receipt belongs.
	if _, err := a.desks["ben"].TakeOver(bytes.NewReader(receipt), TakeoverOptions{}); !errors.Is(err, ErrNoReferral) {
		t.Errorf("at a fellow's: %v", err)
	}
	// Nobody else gives one.
	forged := dora.Referrals()[0]
	forged.kept.From = a.server.Readers("ombuds")[0]
	cleo := a.desks["cleo"]
	path += "2"
	check(t, cleo.Receipt(&forged, path, a.today()))
	if _, err := a.desks["anna"].TakeOver(bytes.NewReader(must(os.ReadFile(path))(t)), TakeoverOptions{}); !errors.Is(err, ErrStranger) {
		t.Errorf("of another body: %v", err)
	}
	// It goes with the case.
	check(t, a.desks["anna"].Erase(a.only("anna"), []byte(testPass), "a test"))
	if _, err := a.desks["anna"].TakeOver(bytes.NewReader(receipt), TakeoverOptions{}); !errors.Is(err, ErrNoReferral) {
		t.Errorf("of an erased case: %v", err)
	}
}

// FuzzPart: what is read, written again, is the same bytes.
func FuzzPart(f *testing.F) {
	for _, x := range []Part{
		{Day: 20000, Kind: crypto.KindReport, Words: "words"},
		{Day: 20000, Kind: crypto.KindReply, From: "ombuds", Masked: true, Told: []form.Answer{{ID: "place", Values: []string{"a", ""}}}},
	} {
		b, err := x.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodePart(b)
		if err != nil {
			return
		}
		if again, err := x.encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("another form of the same part was read: %v", err)
		}
	})
}

// FuzzItemAbout: what is read of a release or a file's name, written again, is the same bytes.
func FuzzItemAbout(f *testing.F) {
	f.Add((&release{Day: 7, Ordinal: 8, Instance: make([]byte, 16), Directory: 9}).encode())
	f.Add([]byte{0, 1, 1, 'a', 'b'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeRelease(b); err == nil && !bytes.Equal(r.encode(), b) {
			t.Fatal("another form of the same release was read")
		}
		if no, file, err := decodeFileAbout(b); err == nil {
			if again, err := encodeFileAbout(no, &file); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("another form of the same name was read: %v", err)
			}
		}
	})
}

// What was referred to a body goes along when its cases are handed over, and is verified once more.
func TestHandOverReferred(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	f := reviewertest.NewForm()
	w.imports("cleo", w.release(4, must(src.Say(f, w.today(), "To the ngo.", nil, "ngo"))(t),
		must(src.Attach(f, w.today(), "large.txt", bytes.Repeat([]byte(largeLine), 100_000), "ngo"))(t)))
	w.now = w.now.AddDate(0, 0, 1)
	w.imports("cleo", w.release(4, must(src.Agree(reviewertest.NewForm(), w.today(), "ombuds", true, "ngo"))(t)))
	cleo := w.desks["cleo"]
	masks := dossier.NewMasks()
	check(t, masks.Include(1))
	r := must(cleo.PlanReferral(w.only("cleo"), "ombuds", Selection{Messages: []int{1, 2}, Masks: masks}, w.today()))(t)
	path := filepath.Join(t.TempDir(), "file")
	check(t, cleo.Refer(r, path))
	w.takes("anna", must(os.ReadFile(path))(t), TakeoverOptions{})

	w.now = w.now.AddDate(0, 0, 3)
	file := w.handOver("anna", "ben")
	got := w.takes("ben", file, TakeoverOptions{})
	if got.Referrals != 1 || got.New+got.Known+got.Refused+got.Erased != 0 || got.Kind != crypto.DeskHandOver || got.Holder != "anna" {
		t.Fatalf("%+v", got)
	}
	var texts [2]bytes.Buffer
	for i, holder := range []string{"anna", "ben"} {
		v := w.reopen(holder)
		r := &v.Referrals()[0]
		check(t, v.WriteReferral(&texts[i], r))
		if x := must(v.ExtractReferred(r, 1, t.TempDir()))(t); x.Size != int64(len(largeLine))*100_000 {
			t.Errorf("%s: a file of %d bytes", holder, x.Size)
		}
	}
	if texts[0].String() != texts[1].String() || !strings.Contains(texts[1].String(), "REFERRED TO YOU by Body ngo (holder cleo)") {
		t.Errorf("anna reads\n%s\nben reads\n%s", &texts[0], &texts[1])
	}
	if got := w.takes("ben", file, TakeoverOptions{}); got.Referrals != 0 || got.Known != 1 {
		t.Errorf("twice: %+v", got)
	}
	ben := w.desks["ben"]
	check(t, ben.EraseReferral(&ben.Referrals()[0], []byte(testPass)))
	if got := w.takes("ben", file, TakeoverOptions{}); got.Referrals != 0 || got.Erased != 1 {
		t.Errorf("erased: %+v", got)
	}

	// One that its source did not agree to is refused, whoever hands it over.
	x := *r
	x.file.Items, x.items = nil, nil
	x.add(itemConsent, append(bytes.Clone(src.Signing.Public().(ed25519.PublicKey)), crypto.SignConsent(src.Signing, w.server.Readers("ombuds")[0], false, w.today()).Encode()...), nil)
	var inner, outer bytes.Buffer
	check(t, crypto.WriteDeskFile(&inner, &x.file, cleo.keys.signing(), func(i int) (io.ReadCloser, error) { return x.items[i]() }))
	anna := w.desks["anna"]
	h := Referral{file: anna.deskFile(crypto.DeskHandOver, w.today(), w.server.Readers("ombuds")[0])}
	h.add(itemReferral, inner.Bytes(), []byte{0, 0, 0, 1})
	h.add(itemReferral, []byte("noise"), []byte{0, 0, 0, 1})
	check(t, anna.writeDeskFile(&outer, &h.file, [][]*crypto.Recipient{{w.key("ben").Recipient()}}, func(i int) (io.ReadCloser, error) { return h.items[i]() }))
	if got := w.takes("ben", outer.Bytes(), TakeoverOptions{}); got.Refused != 2 || got.Referrals != 0 || len(ben.Referrals()) != 0 {
		t.Errorf("one that was not agreed to: %+v", got)
	}
}
