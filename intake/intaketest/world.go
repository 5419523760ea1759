// Package intaketest builds the world of a test: one instance on a real store,
// with bodies whose holders' keys the test has, and what sources and desks do with it.
//
//	w := intaketest.New(t)
//	x := w.Submit(crypto.NewCode(), "what happened", "ombuds")
//	report := w.Only("ombuds", w.Release(crypto.LaneRegular))
//	w.Deliver(w.Bundle(w.Reply("ombuds", report, "are you safe?")))
//
// What goes wrong ends the test. When it ends, the database is checked.
package intaketest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"postern/crypto"
	"postern/crypto/seedtest"
	"postern/intake"
	"postern/store"
)

// World is one instance.
type World struct {
	T       testing.TB
	Service *intake.Service
	Store   *store.Store
	Dir     *crypto.Directory
	Holders map[string]*Holder // one of each body, by its id
	Options intake.Options     // of the service
	Path    string             // of the database

	mu      sync.Mutex
	at      time.Time
	counter uint64
}

// Holder reads for a body.
type Holder struct {
	Seed crypto.EpochSeed
	Key  ed25519.PrivateKey
}

// Identity opens what was sealed in a month.
func (h *Holder) Identity(m crypto.Month) *crypto.Identity {
	s, err := h.Seed.At(m)
	if err != nil {
		panic(err)
	}
	return s.Identity()
}

// NewHolder makes a holder, and what a directory says of them.
func NewHolder(body, id string, month crypto.Month) (*Holder, crypto.Holder, error) {
	h := &Holder{Seed: crypto.EpochSeed{Month: month, Seed: crypto.NewKey()}}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, crypto.Holder{}, err
	}
	h.Key = key
	c := crypto.Card{Body: body, Holder: id, Signing: pub}
	for m := month; m < month+crypto.EpochCount; m++ {
		c.Epochs = append(c.Epochs, crypto.Epoch{Month: m, Recipient: h.Identity(m).Recipient()})
	}
	_, err = c.Marshal(key)
	return h, crypto.Holder{
		ID: id, Signing: pub, Status: crypto.StatusActive, Since: 1, Epochs: c.Epochs, EpochsSignature: c.EpochsSignature,
	}, err
}

// Settings of a world, to be changed before it is built.
type Settings struct {
	Options intake.Options
	Bodies  []crypto.Body // without holders
	Slots   int
	KDF     crypto.KDFParams // fast ones
	Quota   int64            // bytes
	Spare   int64            // bytes; 0: a fifth of the quota
	Fill    int64            // bytes of cells that are made in advance
	At      time.Time        // where the clock stands
}

// Body is one that New gives a holder.
func Body(id, kind string, independent bool) crypto.Body {
	return crypto.Body{
		ID: id, Kind: kind, Independent: independent, Since: 1, Languages: []string{"en", "fr"},
		Names:    map[string]string{"en": "The " + id + " office"},
		Mandates: map[string]string{"en": "Looks into complaints about " + id + "."},
	}
}

// New builds a world: three bodies that are independent (ombuds, audit, press) and a ministry.
func New(t testing.TB, change ...func(*Settings)) *World {
	t.Helper()
	seedtest.Set(t)
	w := &World{T: t, Holders: map[string]*Holder{}, Path: t.TempDir()}
	c := Settings{
		Slots: 8, Quota: 16 << 30, KDF: crypto.KDFParams{Time: 1, MemoryKiB: 64, Threads: 1}, At: time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC),
		Bodies: []crypto.Body{
			Body("ombuds", "ombuds", true), Body("audit", "audit", true), Body("press", "media", true), Body("ministry", "government", false),
		},
		Options: intake.Options{Instance: crypto.InstanceID{1}, BatchSize: 8, UrgentSize: 2, Now: w.Now},
	}
	for _, f := range change {
		f(&c)
	}
	if c.Spare == 0 {
		c.Spare = c.Quota / 5
	}
	w.at = c.At
	server, key, err := ed25519.GenerateKey(rand.Reader)
	w.check(err)
	transfer := crypto.NewIdentity()
	w.Dir = &crypto.Directory{
		Origin: "postern directory test", Version: 1, Issued: crypto.DayOf(w.at) - 1, Expires: crypto.DayOf(w.at) + 300,
		Salt: crypto.NewKey(), KDF: c.KDF, Policy: crypto.Policy{Slots: c.Slots, Quorum: 1}, Roots: 1,
		Transfer: transfer.Recipient(), Server: server,
	}
	for _, b := range c.Bodies {
		h, listed, err := NewHolder(b.ID, b.ID+"-1", crypto.MonthOf(w.at))
		w.check(err)
		w.Holders[b.ID] = h
		b.Holders = []crypto.Holder{listed}
		w.Dir.Bodies = append(w.Dir.Bodies, b)
	}
	w.Store, err = store.Open(store.Options{
		Dir: w.Path, Buckets: intake.Buckets(), SmallCell: intake.SmallCell(c.Slots), Quota: c.Quota, ReserveSmall: 0.1, Spare: c.Spare, Fill: c.Fill, Create: true,
	})
	w.check(err)
	t.Cleanup(func() {
		if err := w.Store.Check(context.Background(), func(p string) { t.Errorf("check: %s", p) }); err != nil {
			t.Errorf("check: %v", err)
		}
		if err := w.Store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	w.Options = c.Options
	w.Options.Store, w.Options.Directory, w.Options.Transfer, w.Options.Signing = w.Store, w.Dir, transfer, key
	w.Restart()
	return w
}

func (w *World) check(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

// Restart is another life of the service on the same database.
func (w *World) Restart() {
	w.T.Helper()
	var err error
	w.Options.Directory = w.Dir
	w.Service, err = intake.New(w.Options)
	w.check(err)
}

// Now is where the clock stands.
func (w *World) Now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.at }

// Advance the clock.
func (w *World) Advance(d time.Duration) { w.mu.Lock(); w.at = w.at.Add(d); w.mu.Unlock() }

// Night is what the server does once a night, a day later.
func (w *World) Night() {
	w.T.Helper()
	w.Advance(24 * time.Hour)
	w.check(w.Service.Maintain(context.Background(), true))
	w.check(w.Store.Vacuum(context.Background()))
}

// Change puts a next version of the directory in force.
func (w *World) Change(f func(d *crypto.Directory)) {
	w.T.Helper()
	d := *w.Dir
	d.Version++
	d.Bodies = slices.Clone(d.Bodies)
	for i := range d.Bodies {
		d.Bodies[i].Holders = slices.Clone(d.Bodies[i].Holders)
	}
	f(&d)
	w.check(w.Service.SetDirectory(&d))
	w.Dir = &d
}

// Source is what a code derives here.
func (w *World) Source(c crypto.Code) *crypto.Source {
	return crypto.DeriveSource(c, w.Dir.Salt, w.Dir.KDF)
}

// Enter opens a session, which ends with the test.
func (w *World) Enter(c crypto.Code) *intake.Session {
	w.T.Helper()
	x, err := w.Service.Enter(context.Background(), c, intake.WorkReport)
	w.check(err)
	w.T.Cleanup(x.Close)
	return x
}

// NewForm is a form's id.
func NewForm() (f crypto.FormID) { _, _ = rand.Read(f[:]); return f }

// Submit sends words.
func (w *World) Submit(c crypto.Code, text string, bodies ...string) *intake.Session {
	w.T.Helper()
	x := w.Enter(c)
	w.check(x.Submit(context.Background(), intake.Fields{Form: NewForm(), Text: text, Bodies: bodies}))
	return x
}

// Waiting counts the messages of a lane that no batch has taken yet. Nothing but tests asks.
func (w *World) Waiting(l crypto.Lane) (n int) {
	w.T.Helper()
	for r, err := range w.Store.All("out") {
		w.check(err)
		if crypto.Lane(r.Value[0]) == l {
			n++
		}
	}
	return n
}

// Release makes a batch.
func (w *World) Release(l crypto.Lane) uint64 {
	w.T.Helper()
	n, err := w.Service.Release(context.Background(), l)
	w.check(err)
	return n
}

// Volume is one file of a batch, as it is fetched.
func (w *World) Volume(number uint64, volume int) []byte {
	w.T.Helper()
	v, err := w.Service.Volume(number, volume)
	w.check(err)
	var b bytes.Buffer
	w.check(w.Service.WriteVolume(context.Background(), &b, number, volume, 0))
	if int64(b.Len()) != v.Size {
		w.T.Errorf("volume %d of %d bytes, announced with %d", volume, b.Len(), v.Size)
	}
	return b.Bytes()
}

// Fetched is a volume as a desk reads it.
type Fetched struct {
	Head    *crypto.BatchHead
	Entries [][]byte // as they are served
	Opened  []Opened
}

// Opened is a message that a holder could open, with its files' bytes.
type Opened struct {
	*crypto.Read
	Data [][]byte
}

// Fetch reads every volume of a batch as the body's desk would. "" opens nothing.
func (w *World) Fetch(body string, number uint64) (all []Fetched) {
	w.T.Helper()
	list, err := w.Service.Batches()
	w.check(err)
	i := slices.IndexFunc(list, func(b intake.BatchInfo) bool { return b.Number == number })
	if i < 0 {
		w.T.Fatalf("batch %d is not listed", number)
	}
	for _, v := range list[i].Volumes {
		var f Fetched
		w.check(crypto.ReadVolume(bytes.NewReader(w.Volume(number, v.Number)), []ed25519.PublicKey{w.Dir.Server},
			func(h *crypto.BatchHead, _ int, _ []byte) error { f.Head = h; return nil },
			func(_ int, _ crypto.EntryRef, r io.Reader) error {
				b, err := io.ReadAll(r)
				f.Entries = append(f.Entries, b)
				if o, ok := w.open(body, b); ok {
					f.Opened = append(f.Opened, o)
				}
				return err
			}))
		all = append(all, f)
	}
	return all
}

// open opens an entry with a body's key of this month.
func (w *World) open(body string, entry []byte) (o Opened, ok bool) {
	w.T.Helper()
	if body == "" {
		return o, false
	}
	plain, err := crypto.Open(bytes.NewReader(entry), w.Holders[body].Identity(crypto.MonthOf(w.Now())))
	if err != nil {
		return o, false // cover, noise, or another's
	}
	o.Read, err = crypto.ReadMessage(plain, func(_ crypto.File, r io.Reader) error {
		d, err := io.ReadAll(r)
		o.Data = append(o.Data, d)
		return err
	})
	w.check(err)
	return o, true
}

// Messages are all that a body opens in a batch.
func (w *World) Messages(body string, number uint64) (list []Opened) {
	w.T.Helper()
	for _, f := range w.Fetch(body, number) {
		list = append(list, f.Opened...)
	}
	return list
}

// Only is the one message that a body opens in a batch.
func (w *World) Only(body string, number uint64) *crypto.Read {
	w.T.Helper()
	list := w.Messages(body, number)
	if len(list) != 1 {
		w.T.Fatalf("%s opens %d messages of batch %d, want 1", body, len(list), number)
	}
	return list[0].Read
}

// Reply is a reply of a body to a source's message, as its desk makes it.
func (w *World) Reply(body string, to *crypto.Read, text string, files ...[]byte) crypto.BundleEntry {
	w.T.Helper()
	named := map[string]string{}
	for i, f := range files {
		named[fmt.Sprintf("answer-%d.txt", i)] = string(f)
	}
	return w.ReplyWith(body, to, func(m *crypto.Message) { m.Text = text }, named)
}

// ReplyWith lets the test change the message before it is signed. Files stand by name.
func (w *World) ReplyWith(body string, to *crypto.Read, change func(m *crypto.Message), files map[string]string) crypto.BundleEntry {
	w.T.Helper()
	w.counter++
	drop := crypto.DropOf(to.ReplyTo)
	m := &crypto.Message{
		Meta: crypto.Meta{
			Kind: crypto.KindReply, Case: to.Meta.Case, Counter: w.counter, Form: NewForm(), DirHash: w.Dir.Hash(), Day: crypto.DayOf(w.Now()),
		},
		Readers: to.Readers, Drop: &drop,
	}
	change(m)
	var box bytes.Buffer
	mw, err := crypto.NewMessageWriter(&box, m, w.Holders[body].Key)
	w.check(err)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fw, err := mw.File(name, "text/plain")
		w.check(err)
		_, err = io.WriteString(fw, files[name])
		w.check(err)
	}
	w.check(mw.Close())
	return w.Sealed(to, drop, box.Bytes())
}

// Sealed is a bundle's entry of a container: sealed to the source, and to the readers whom the source named.
func (w *World) Sealed(to *crypto.Read, drop crypto.Drop, box []byte) crypto.BundleEntry {
	w.T.Helper()
	readers, err := w.Dir.ReadersFor(to.Readers, crypto.MonthOf(w.Now()))
	w.check(err)
	file := func(bodies [][]*crypto.Recipient, extra ...*crypto.Recipient) crypto.BundleFile {
		var b bytes.Buffer
		sw, err := crypto.Seal(&b, w.Dir.Policy, bodies, extra...)
		w.check(err)
		_, err = sw.Write(box)
		w.check(err)
		w.check(sw.Close())
		return crypto.BundleFile{Size: int64(b.Len()), Data: &b}
	}
	return crypto.BundleEntry{Drop: drop, Source: file(nil, to.ReplyTo), Readers: file(readers)}
}

// Rubbish is an entry that nobody can open, for somebody's drop.
func (w *World) Rubbish(drop crypto.Drop) crypto.BundleEntry {
	w.T.Helper()
	_, a, b, err := crypto.NewDummy(w.Dir.Policy)
	w.check(err)
	file := func(b []byte) crypto.BundleFile {
		return crypto.BundleFile{Size: int64(len(b)), Data: bytes.NewReader(b)}
	}
	return crypto.BundleEntry{Drop: drop, Source: file(a), Readers: file(b)}
}

// Bundle of entries, filled up with dummies.
func (w *World) Bundle(entries ...crypto.BundleEntry) []byte {
	w.T.Helper()
	var b bytes.Buffer
	w.check(crypto.WriteBundle(&b, w.Dir.Policy, w.Dir.Transfer, crypto.Bundle{ID: crypto.BundleID(NewForm())}, entries))
	return b.Bytes()
}

// Deliver hands a bundle in.
func (w *World) Deliver(bundle []byte) {
	w.T.Helper()
	_, err := w.Service.Deliver(context.Background(), "test", bytes.NewReader(bundle))
	w.check(err)
}

// Inbox is what waits for a code.
func (w *World) Inbox(c crypto.Code) []intake.ReplySummary {
	w.T.Helper()
	list, _, err := w.Enter(c).Inbox(context.Background(), 0)
	w.check(err)
	return list
}

// Read opens everything on the first page of an inbox, in its order.
func (w *World) Read(c crypto.Code) (list []*intake.Reply) {
	w.T.Helper()
	for _, l := range w.Inbox(c) {
		r, err := w.Enter(c).Reply(context.Background(), l.Number)
		w.check(err)
		list = append(list, r)
	}
	return list
}

// Texts are the words of what waits for a code.
func (w *World) Texts(c crypto.Code) (texts []string) {
	w.T.Helper()
	for _, r := range w.Read(c) {
		texts = append(texts, r.Text)
	}
	return texts
}
