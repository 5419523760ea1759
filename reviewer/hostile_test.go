package reviewer

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/intake/form"
	"postern/reviewer/casework"
	"postern/reviewer/reviewertest"
	"postern/reviewer/vault"
)

// event is one under a key of nobody, sealed to anna alone.
func (w *world) event(c crypto.CaseID, day crypto.Day) []byte {
	w.t.Helper()
	k := newKeySet("x", "x", 0)
	m := &crypto.Message{
		Meta:    crypto.Meta{Kind: crypto.KindEvent, Case: c, Day: day, Form: reviewertest.NewForm()},
		Readers: w.server.Readers("ombuds"), Event: []byte("x"),
	}
	return must(w.server.SealTo(m, k.signing(), nil, []*crypto.Recipient{w.key("anna").Recipient()}))(w.t)
}

// A message of no source makes no case: one whose id begins like another's locks nobody out of it.
func TestStrangerLocksNoCase(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	w.imports("anna", w.release(4, w.say(src, "help", "ombuds", "ngo")))
	short := w.only("anna").Short
	id := src.Case
	id[15] ^= 1
	if r := w.imports("anna", w.release(4, w.event(id, w.today()), w.event(src.Case, w.today()))); r.New != 0 || r.Strangers != 2 {
		t.Errorf("%+v", r)
	}
	v := w.reopen("anna")
	c := must(v.Case(short))(t)
	if c.Short != short || len(c.Messages) != 1 || v.Strangers() != 2 {
		t.Errorf("%d strangers, case %+v", v.Strangers(), c)
	}
	// What came before its case joins it, if the source chose whoever signed it.
	late := w.server.NewSource()
	report := w.say(late, "later", "ombuds", "ngo")
	m := &crypto.Message{
		Meta:    crypto.Meta{Kind: crypto.KindReply, Case: late.Case, Day: w.today(), Form: reviewertest.NewForm()},
		Readers: w.server.Readers("ombuds", "ngo"), Text: "we begin", Drop: late.Drop(),
	}
	reply := must(w.server.Seal(m, w.desks["cleo"].keys.signing(), nil))(t)
	if r := w.imports("anna", w.release(2, reply)); r.New != 0 || r.Strangers != 1 {
		t.Errorf("a reply without its case: %+v", r)
	}
	if r := w.imports("anna", w.release(2, report)); r.New != 2 || r.NewCases != 1 || v.Strangers() != 2 {
		t.Errorf("its case: %+v", r)
	}
}

// Names of cases are as long as they must be to differ.
func TestShortNames(t *testing.T) {
	g := &index{fam: familiesOf(nil), cases: make(map[string][]*entry)}
	one := crypto.CaseID{1, 2, 3, 4, 5, 6, 7, 8, 9}
	two, three := one, one
	two[9], three[0] = 1, 9
	for _, id := range []crypto.CaseID{one, two, three} {
		g.cases[string(id[:])] = nil
	}
	g.names = g.newNames()
	names := make(map[string]bool)
	for _, id := range []crypto.CaseID{one, two, three} {
		n := g.name(string(id[:]))
		names[n] = true
		if !strings.HasPrefix(FullID(id), strings.ReplaceAll(n, "-", "")) {
			t.Errorf("%s is called %s", FullID(id), n)
		}
	}
	for a := range names {
		for b := range names {
			if a != b && strings.HasPrefix(a, b) {
				t.Errorf("%s may be %s", b, a)
			}
		}
	}
	if n := g.name(string(three[:])); len(n) != 9 || len(names) != 3 || len(g.name(string(one[:]))) <= 9 {
		t.Errorf("%v", names)
	}
}

// A message says nothing about which keys may go: only the key that opened it does, and only in a case.
func TestOldDayKeepsNoKey(t *testing.T) {
	w := newWorld(t)
	v := w.desks["anna"]
	w.imports("anna", w.release(4))
	src := w.server.NewSource()
	w.now = w.now.AddDate(0, 6, 0)
	report := w.say(src, "report", "ombuds", "ngo")
	m := &crypto.Message{ // of a reader whom the source chose, and dated 1970
		Meta:    crypto.Meta{Kind: crypto.KindReply, Case: src.Case, Form: reviewertest.NewForm()},
		Readers: w.server.Readers("ombuds", "ngo"), Text: "x", Drop: src.Drop(),
	}
	reply := must(w.server.SealTo(m, w.desks["cleo"].keys.signing(), nil, []*crypto.Recipient{w.key("anna").Recipient()}))(t)
	must(v.Import(bytes.NewReader(w.release(4, report, reply, w.event(src.Case, 0))), clockYes))(t)
	if first, next := v.Months(); next != first+4 {
		t.Errorf("keys from %v, and they could begin with %v", first, next)
	}
	check(t, v.Advance(v.keys.Month+4, []byte(testPass)))
}

// A courier, or anybody who is not the server, makes no batch; a batch that the server made
// is told when it is cut, changed, repeated, one of two, or out of line (SECURITY.md S-24).
func TestForgedBatch(t *testing.T) {
	w := newWorld(t)
	v := w.desks["anna"]
	src := w.server.NewSource()
	one := w.release(2, w.say(src, "help", "ombuds"))
	w.imports("anna", one)

	// By another key, with the server's instance and the next number.
	key := w.server.Signing
	_, w.server.Signing, _ = ed25519.GenerateKey(nil)
	forged := must(w.server.Release(w.today(), 2))(t)
	w.server.Signing = key
	before := snapshot(t, v.vault.Dir())
	if _, err := v.Import(bytes.NewReader(forged), clockYes); !errors.Is(err, ErrForged) {
		t.Errorf("forged: %v", err)
	}
	if snapshot(t, v.vault.Dir()) != before {
		t.Error("a forged batch left something")
	}
	w.server.Batch = 2
	two := w.release(2, w.say(src, "and more", "ombuds"))
	if r := w.imports("anna", two); r.New != 1 || r.Before || len(r.Broken) != 0 {
		t.Errorf("the real one: %+v", r)
	}
	if r := w.imports("anna", one); !r.Before || r.New != 0 {
		t.Errorf("repeated: %+v", r)
	}
	again := must(w.server.Exchange(1))(t)[0]
	if r := w.imports("anna", again); r.Before || r.New != 0 || len(r.Broken) != 0 {
		t.Errorf("a later revision: %+v", r)
	}
	if r := w.imports("anna", one); !r.Before {
		t.Errorf("an earlier revision: %+v", r)
	}

	// The server itself tells two stories: both are kept, and it is said.
	w.server.Batch = 2
	other := must(w.server.Release(w.today(), 2))(t)
	if r := w.imports("anna", other); len(r.Broken) != 1 || !strings.Contains(r.Broken[0], "batch 2 of 2026-11-24 was signed in 2 versions") {
		t.Errorf("two of one number: %q", r.Broken)
	}
	w.server.Batch = 9
	w.release(1)
	ten := w.release(1)
	w.server.Batch = 9
	nine := w.release(1)
	w.imports("anna", ten)
	if r := w.imports("anna", nine); len(r.Broken) != 2 || r.Broken[1] != "batch 10 of 2026-11-24 does not follow the batch 9 that is here" {
		t.Errorf("out of line: %q", r.Broken)
	}
	// The key of an earlier directory is known, one of a later one is not yet.
	_, next, err := ed25519.GenerateKey(nil)
	check(t, err)
	w.next(func(d *crypto.Directory) { d.Server, w.server.Signing = next.Public().(ed25519.PublicKey), next })
	w.imports("anna", w.release(1))
	w.imports("anna", nine)
}

// A vault is not made, nor a card, while the clock cannot be right; a vault that was made in a
// wrong month says so before its card goes anywhere.
func TestVaultMadeByAWrongClock(t *testing.T) {
	at := func(y int) Options {
		return Options{ScryptLogN: 2, Now: func() time.Time { return time.Date(y, 1, 1, 0, 5, 0, 0, time.UTC) }}
	}
	dir := filepath.Join(t.TempDir(), "v")
	for _, y := range []int{1970, 1980, 2000, 2099} {
		if _, err := Create(dir, "ombuds", "anna", []byte(testPass), at(y)); !errors.Is(err, ErrClock) || vault.Exists(dir) == nil {
			t.Errorf("a vault made in %d: %v", y, err)
		}
	}
	must(Create(dir, "ombuds", "anna", []byte(testPass), at(2036)))(t).Close()
	for y, want := range map[int]string{1970: "cannot be right", 2026: "the keys of this vault begin with 2036-01"} {
		v := must(Open(dir, []byte(testPass), at(y)))(t)
		if _, _, err := v.Card(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a card in %d of a vault of 2036: %v", y, err)
		}
		v.Close()
	}
}

// What is sealed to a month to come, by a fellow whose clock is ahead, opens; so does what is
// sealed long after the day that a batch says it is of.
func TestMonthsToCome(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	report := w.release(4, w.say(src, "help", "ombuds", "ngo"))
	w.imports("anna", report)
	w.imports("cleo", report)
	a := w.desks["anna"]
	p := must(a.PlanReply(w.only("anna"), w.today()+65))(t)
	must(a.Reply(p, Draft{Text: "we have begun"}))(t)
	if r := w.imports("cleo", w.release(0, w.forBatch("anna")...)); r.New != 1 || r.Damaged != 0 {
		t.Errorf("two months ahead: %+v", r)
	}
	w.now = w.now.AddDate(0, 5, 0)
	e := w.say(src, "more", "ombuds")
	w.now = w.now.AddDate(0, 0, -62)
	if r := must(a.Import(bytes.NewReader(w.release(1, e)), clockYes))(t); r.New != 1 {
		t.Errorf("of two months before: %+v", r)
	}
}

// twoKeys wraps a wrong file key for a recipient.
type wrongKey struct{ *crypto.Recipient }

func (k wrongKey) Wrap([]byte) ([]*age.Stanza, error) { return k.Recipient.Wrap(make([]byte, 16)) }

func (k wrongKey) WrapWithLabels([]byte) ([]*age.Stanza, []string, error) {
	s, err := k.Wrap(nil)
	return s, []string{"postquantum"}, err
}

// What is sealed to this holder and does not open is told; what is sealed to others, and noise, is not.
func TestDamagedForUs(t *testing.T) {
	w := newWorld(t)
	seal := func(to ...age.Recipient) []byte {
		for len(to) < 8 {
			to = append(to, crypto.NewIdentity().Recipient())
		}
		var b bytes.Buffer
		s := must(age.Encrypt(&b, to...))(t)
		must(s.Write(make([]byte, 2*smallEntry)))(t)
		check(t, s.Close())
		return b.Bytes()
	}
	anna, cleo := w.key("anna").Recipient(), w.key("cleo").Recipient()
	r := w.imports("anna", w.release(0, seal(wrongKey{anna}), seal(wrongKey{cleo}), seal(), []byte("age-encryption.org/v1\n-> nothing\n")))
	if r.Damaged != 1 || r.New != 0 {
		t.Errorf("%+v", r)
	}
}

// A source's message under a body's id as it is not any more is not for the body of now, and
// a body that became another is answered for by nobody (SECURITY.md S-27).
func TestBodyBecomesAnother(t *testing.T) {
	w := newWorld(t)
	src := w.server.NewSource()
	old := w.release(2, w.say(src, "help", "ombuds", "ngo"))
	w.imports("anna", old)
	w.imports("cleo", old)
	w.next(func(d *crypto.Directory) {
		b, _ := d.Body("ngo")
		b.Kind, b.Independent, b.Since = "ministry", false, d.Version
		b.Names = map[string]string{"en": "Ministry of the Interior"}
	})
	p := must(w.desks["anna"].PlanReply(w.only("anna"), w.today()))(t)
	if !slices.Equal(readerIDs(p.Bodies), []string{"ombuds"}) || !slices.Equal(readerIDs(p.Unable), []string{"ngo"}) {
		t.Errorf("%v, not %v", p.Bodies, p.Unable)
	}
	if s := w.printed("anna", w.only("anna")); strings.Contains(s, "Ministry") || !strings.Contains(s, "The source chose: Body ombuds, ngo (another body since directory version 2).") {
		t.Errorf("shown:\n%s", s)
	}
	if _, err := w.desks["cleo"].PlanReply(w.only("cleo"), w.today()); !errors.Is(err, ErrBecame) {
		t.Errorf("%v", err)
	}
	// What it signed before stays; what it signs now is a stranger's.
	reply := func() []byte {
		m := &crypto.Message{
			Meta:    crypto.Meta{Kind: crypto.KindReply, Case: src.Case, Day: w.today(), Form: reviewertest.NewForm()},
			Readers: w.server.Readers("ombuds"), Text: "x", Drop: src.Drop(),
		}
		return must(w.server.Seal(m, w.desks["cleo"].keys.signing(), nil))(t)
	}
	if r := w.imports("anna", w.release(1, reply())); r.Strangers != 1 {
		t.Errorf("%+v", r)
	}
	// Ticked anew it is chosen again, and a consent to what it was is none to what it is.
	w.tomorrow()
	w.imports("anna", w.release(1, w.say(src, "you too", "ombuds", "ngo"), reply()))
	if c := w.only("anna"); len(c.Messages) != 4 {
		t.Errorf("%d messages", len(c.Messages))
	}
}

// hostile draws messages that are valid and mean harm.
type hostile struct {
	*world
	r    *rand.Rand
	keys []ed25519.PrivateKey
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func (h *hostile) day() crypto.Day {
	return pick(h.r, 0, 1, h.today()-1, h.today(), h.today()+1, math.MaxUint32, math.MaxUint32-1, math.MaxInt32, crypto.Day(h.r.Uint32()))
}

func (h *hostile) words(n int) string {
	var b strings.Builder
	for range h.r.IntN(n) {
		b.WriteRune(pick(h.r, 'a', '\n', '\x1b', '\u202e', '│', '漢', 0x1f600, '\u0301', '\t', '\r', '\u200d', 'ع', 0xfffd, '⟨', rune(1+h.r.IntN(0xd7ff))))
	}
	return strings.ReplaceAll(strings.ToValidUTF8(b.String(), "?"), "\x00", "")
}

func (h *hostile) bytes(n int) []byte {
	b := make([]byte, 1+h.r.IntN(n))
	for i := range b {
		b[i] = byte(h.r.Uint32())
	}
	return b
}

var hostileIDs = []string{"ombuds", "ngo", "inspect", "a", "z9", "you", "source"}

// head draws what every kind has.
func (h *hostile) head() (*crypto.Message, ed25519.PrivateKey) {
	key := pick(h.r, h.keys...)
	public := key.Public().(ed25519.PublicKey)
	m := new(crypto.Message)
	m.Meta = crypto.Meta{
		Kind: pick(h.r, crypto.KindReport, crypto.KindFollowUp, crypto.KindFile, crypto.KindReply, crypto.KindEvent, crypto.KindChange),
		Day:  h.day(), Counter: pick(h.r, 0, 1, math.MaxUint64, uint64(h.r.IntN(50))),
	}
	m.Meta.Form[0] = byte(h.r.IntN(4))
	for _, i := range h.r.Perm(len(hostileIDs))[:1+h.r.IntN(4)] {
		m.Readers = append(m.Readers, crypto.Reader{ID: hostileIDs[i], Since: pick[uint64](h.r, 1, 1, 1, 2, math.MaxUint64)})
	}
	if h.r.IntN(2) == 0 {
		m.Meta.DirHash = h.server.Directory.Hash()
	}
	switch m.Meta.Kind {
	case crypto.KindReply, crypto.KindEvent:
		m.Meta.Case = crypto.CaseOf(pick(h.r, h.keys...).Public().(ed25519.PublicKey))
		if h.r.IntN(2) == 0 {
			key = h.desks[pick(h.r, "anna", "ben", "cleo", "dora")].keys.signing()
		} else if h.r.IntN(2) == 0 {
			m.Meta.Case[h.r.IntN(16)] ^= 1
		}
		return m, key
	}
	m.Source, m.Meta.Case, m.Life = public, crypto.CaseOf(public), crypto.LifeID{byte(1 + h.r.IntN(3))}
	if m.Meta.Kind == crypto.KindFile {
		return m, key
	}
	m.ReplyTo = pick(h.r, h.key("anna").Recipient(), h.key("cleo").Recipient(), crypto.NewIdentity().Recipient())
	for range h.r.IntN(4) {
		m.Receipts = append(m.Receipts, crypto.Receipt(slices.Repeat(h.bytes(1), 16)))
	}
	if earlier := pick(h.r, h.keys...); h.r.IntN(3) == 0 && !earlier.Equal(key) || m.Meta.Kind == crypto.KindChange && !earlier.Equal(key) {
		day := h.day()
		b := append([]byte("postern/v1 source succession\x00"), earlier.Public().(ed25519.PublicKey)...)
		b = binary.BigEndian.AppendUint32(append(b, public...), uint32(day))
		m.Succeeds = &crypto.Succession{Earlier: earlier.Public().(ed25519.PublicKey), Day: day, Signature: ed25519.Sign(earlier, b)}
	}
	return m, key
}

// events draws what a reader may say of a case, under their own name or another's.
func (h *hostile) events(id crypto.CaseID, key ed25519.PrivateKey) []byte {
	who := pick(h.r, testHolders...)
	var list []casework.Signed
	for n := range 1 + h.r.IntN(3) {
		act := casework.Act{Kind: casework.KindNote, Fields: []casework.Field{{Name: "text", Value: form.Clean(h.words(80))}}}
		if from := pick(h.r, form.Stages()...).ID; h.r.IntN(2) == 0 {
			act = casework.Act{Kind: casework.KindStage, Fields: []casework.Field{{Name: "from", Value: from}, {Name: "to", Value: pick(h.r, form.Stages()...).ID}}}
		}
		e := casework.Event{
			Case: id, Author: casework.Author{Body: who.body, Holder: who.holder, Key: [32]byte(key.Public().(ed25519.PublicKey))},
			Day: h.day(), Scope: pick(h.r, casework.All, casework.Body, casework.Desk), Number: uint32(n + 1), Act: act,
		}
		e.Place[e.Scope-1] = uint32(h.r.Uint64())
		if n > 0 {
			e.Before = casework.Hash{byte(h.r.IntN(255) + 1)}
		}
		s, err := e.Sign(key)
		if err != nil {
			return nil
		}
		list = append(list, s)
	}
	packs, err := casework.EncodePacks(list)
	if err != nil {
		return nil
	}
	return packs[0]
}

// message draws one whole message; nil when what was drawn is no message.
func (h *hostile) message() []byte {
	m, key := h.head()
	files := map[string][]byte{}
	switch m.Meta.Kind {
	case crypto.KindReport, crypto.KindFollowUp:
		m.Text = h.words(200)
		for range h.r.IntN(4) {
			m.Answers = append(m.Answers, h.bytes(60))
			q := pick(h.r, form.Questions()...)
			a := form.Answers{{ID: q.ID, Values: []string{"x"}}}
			if len(q.Options) > 0 {
				a[0].Values[0] = pick(h.r, q.Options...).ID
			}
			if f, err := a.Encode(); err == nil {
				m.Answers = append(m.Answers, f...)
			}
		}
		if h.r.IntN(3) == 0 {
			m.Consents = []crypto.Consent{crypto.SignConsent(key, crypto.Reader{ID: pick(h.r, hostileIDs...), Since: 1 + uint64(h.r.IntN(3))}, h.r.IntN(2) == 0, h.day())}
		}
	case crypto.KindFile:
		files["x"+h.words(60)] = h.bytes(2000)
	case crypto.KindReply:
		m.Text, m.Drop, m.Notice = h.words(200), new(crypto.Drop), h.bytes(100)
		if h.r.IntN(2) == 0 {
			m.Notice, _ = form.Notice{Stage: pick(h.r, form.Stages()...).ID, Until: uint32(h.day()), Ask: pick(h.r, hostileIDs...)}.Encode()
		}
		for range h.r.IntN(3) {
			files["x"+h.words(60)] = h.bytes(2000)
		}
	case crypto.KindEvent:
		m.Event = h.bytes(100)
		if b := h.events(m.Meta.Case, key); b != nil && h.r.IntN(2) == 0 {
			m.Event = b
		}
	}
	sealed, err := h.server.SealTo(m, key, files, []*crypto.Recipient{h.key("anna").Recipient()})
	if err != nil {
		return nil
	}
	return sealed
}

// looked goes through everything a desk shows.
func (h *hostile) looked(v *Desk) {
	t := h.t
	t.Helper()
	v.Missing()
	v.Months()
	v.Broken()
	v.HandIn()
	for _, c := range v.Cases() {
		c.Now.Overdue(h.today())
		var b bytes.Buffer
		check(t, v.WriteCase(&b, &c))
		for l := range strings.Lines(b.String()) {
			if n := len([]rune(l)); n > 400 {
				t.Fatalf("row of %d runes: %q", n, l)
			}
			for _, r := range strings.TrimSuffix(l, "\n") {
				if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2028' {
					t.Fatalf("control %U in %q", r, l)
				}
			}
		}
		if p, err := v.PlanReply(&c, h.today()); err == nil && h.r.IntN(4) == 0 {
			must(v.Reply(p, Draft{Text: "answer"}))(t)
		}
		if h.r.IntN(10) == 0 {
			must(v.Dossier(&c, t.TempDir(), "ar"))(t)
			must(v.Rows())(t)
		}
	}
}

const hostileRounds = 30

// Whatever valid messages and signed batches say, a desk takes them or not, shows them safely, and forgets
// them whole: nothing panics, hangs or writes a control character.
func TestRandomHostile(t *testing.T) {
	r := seedtest.Set(t)
	h := &hostile{world: newWorld(t), r: r}
	for range 6 {
		_, k, err := ed25519.GenerateKey(nil)
		check(t, err)
		h.keys = append(h.keys, k)
	}
	v := h.desks["anna"]
	taken := 0
	for round := range hostileRounds {
		volumes := make([][][]byte, 1+r.IntN(3))
		for i := range volumes {
			for range r.IntN(5) {
				if m := h.message(); m != nil {
					volumes[i] = append(volumes[i], m)
				}
			}
		}
		if r.IntN(10) == 0 {
			h.server.Batch = r.Uint64N(math.MaxUint64-1) + 1
		}
		if r.IntN(10) == 0 {
			h.server.Restore()
		}
		day := h.today()
		if r.IntN(5) == 0 {
			day = h.day() % (h.today() + 10_000)
		}
		files := must(h.server.ReleaseVolumes(day, volumes...))(t)
		report := must(v.Import(bytes.NewReader(files[r.IntN(len(files))]), clockYes))(t)
		taken += report.New
		h.looked(v)
		if r.IntN(8) == 0 {
			_, _ = v.Export(t.TempDir())
		}
		if round%12 == 11 {
			for _, c := range v.Cases() {
				check(t, v.Erase(&c, []byte(testPass), "a test"))
			}
			v = h.reopen("anna")
			if n := v.state.messages.len() - v.Strangers(); n != 0 {
				t.Fatalf("%d messages after erasing all", n)
			}
		}
	}
	t.Logf("%d messages", taken)
	if taken == 0 {
		t.Error("none of what was drawn is in a case")
	}
}
