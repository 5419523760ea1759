// Package reviewertest is the other side of a desk, for tests: sources that
// write, and a server that enrols holders, fills batches and takes bundles. It
// speaks the real formats through package crypto and keeps everything in memory.
package reviewertest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"slices"

	"postern/crypto"
	"postern/intake/form"
)

// Server enrols, releases and receives.
type Server struct {
	Instance  crypto.InstanceID
	Directory *crypto.Directory // the proposal, then what was installed
	Transfer  *crypto.Identity
	Batch     uint64 // ordinal of the next batch
}

// NewServer begins an instance with an empty directory, issued today.
func NewServer(today crypto.Day) *Server {
	s := &Server{Transfer: crypto.NewIdentity(), Batch: 1}
	_, _ = rand.Read(s.Instance[:])
	s.Directory = &crypto.Directory{
		Origin: "postern directory test", Version: 1, Issued: today, Expires: today + 200,
		Salt: [32]byte(crypto.NewKey()), KDF: crypto.KDFParams{Time: 1, MemoryKiB: 64, Threads: 1},
		Policy: crypto.Policy{Slots: 8, Quorum: 1}, Roots: 1, Transfer: s.Transfer.Recipient(),
	}
	return s
}

// Enrol adds a card to the directory. The kind decides independence.
func (s *Server) Enrol(card []byte, kind string) error {
	c, err := crypto.ParseCard(card)
	if err != nil {
		return err
	}
	k, ok := form.BodyKindOf(kind)
	if !ok {
		return fmt.Errorf("no kind %q", kind)
	}
	h := crypto.Holder{ID: c.Holder, Signing: c.Signing, Status: crypto.StatusActive, Since: s.Directory.Version, Epochs: c.Epochs}
	if b, ok := s.Directory.Body(c.Body); ok {
		b.Holders = slices.DeleteFunc(b.Holders, func(o crypto.Holder) bool { return o.ID == h.ID })
		b.Holders = append(b.Holders, h)
		return nil
	}
	s.Directory.Bodies = append(s.Directory.Bodies, crypto.Body{
		ID: c.Body, Kind: kind, Independent: k.Independent,
		Names: map[string]string{"en": "Body " + c.Body}, Mandates: map[string]string{"en": "Mandate of " + c.Body},
		Languages: []string{"en"}, Holders: []crypto.Holder{h},
	})
	return nil
}

// Proposal is the directory's text, for a root to sign.
func (s *Server) Proposal() ([]byte, error) { return s.Directory.Marshal() }

// Source is one code.
type Source struct {
	*crypto.Source
	server  *Server
	shares  [crypto.ReplySlots][32]byte
	filled  [crypto.ReplySlots]bool
	counter uint64

	succeeds *crypto.Succession
	kept     [crypto.ReplySlots]*crypto.Identity // of slots from before a change of code
}

// NewSource begins to write with a fresh code.
func (s *Server) NewSource() *Source {
	src := &Source{Source: crypto.DeriveSource(crypto.NewCode(), s.Directory.Salt, s.Directory.KDF), server: s}
	src.reset()
	return src
}

func (s *Source) reset() {
	s.counter, s.succeeds, s.kept = 0, nil, [crypto.ReplySlots]*crypto.Identity{}
	for i := range s.shares {
		s.shares[i], s.filled[i] = [32]byte(crypto.NewKey()), false
	}
}

// EraseAll starts the code's mailbox anew.
func (s *Source) EraseAll() { s.reset() }

// ChangeCode moves everything to a fresh code; s is then an unused one, for whoever has seen it.
func (s *Source) ChangeCode(day crypto.Day) *Source {
	next := s.server.NewSource()
	next.counter, next.filled, next.succeeds = s.counter, s.filled, s.Succeed(next.Source, day)
	for i := range s.shares {
		next.kept[i] = s.identity(i)
	}
	s.reset()
	return next
}

// Announce seals the keys of all free reply slots, as a visit does.
func (s *Source) Announce(day crypto.Day, bodies ...string) ([]byte, error) {
	m := s.Head(crypto.KindPrekeys, NewForm(), day, bodies...)
	s.counter++
	m.Prekeys = s.Prekeys()
	return s.server.Seal(m, s.Signing, nil)
}

func (s *Source) identity(i int) *crypto.Identity {
	if s.kept[i] != nil {
		return s.kept[i]
	}
	return s.ReplyIdentity(s.shares[i])
}

// NewForm is the id of a form a source was given.
func NewForm() (f crypto.FormID) { _, _ = rand.Read(f[:]); return f }

// Head is what every message of the source has.
func (s *Source) Head(kind crypto.Kind, f crypto.FormID, day crypto.Day, bodies ...string) *crypto.Message {
	succeeds := s.succeeds
	if kind == crypto.KindFile {
		succeeds = nil
	}
	return &crypto.Message{
		Succeeds: succeeds,
		Meta:     crypto.Meta{Kind: kind, Case: s.Case, Counter: s.counter, Form: f, DirHash: s.server.Directory.Hash(), Day: day},
		Readers:  bodies, Quorum: 1, Source: s.Signing.Public().(ed25519.PublicKey), //nolint:forcetypeassert // always that type
	}
}

// Say seals a text, with keys for every free reply slot: a report first, a follow-up later.
func (s *Source) Say(f crypto.FormID, day crypto.Day, text string, answers form.Answers, bodies ...string) ([]byte, error) {
	return s.send(f, day, text, answers, nil, bodies)
}

// Agree seals nothing but the answer to "may your case be shown to this body?".
func (s *Source) Agree(f crypto.FormID, day crypto.Day, body string, yes bool, bodies ...string) ([]byte, error) {
	return s.send(f, day, "", nil, []crypto.Consent{crypto.SignConsent(s.Signing, body, yes, day)}, bodies)
}

func (s *Source) send(f crypto.FormID, day crypto.Day, text string, answers form.Answers, consents []crypto.Consent, bodies []string) ([]byte, error) {
	kind := crypto.KindFollowUp
	if s.counter == 0 {
		kind = crypto.KindReport
	}
	m := s.Head(kind, f, day, bodies...)
	s.counter += 11
	m.Text, m.Consents, m.Prekeys = text, consents, s.Prekeys()
	var err error
	if m.Answers, err = answers.Encode(); err != nil {
		return nil, err
	}
	return s.server.Seal(m, s.Signing, nil)
}

// Attach seals one file of a form.
func (s *Source) Attach(f crypto.FormID, day crypto.Day, name string, data []byte, bodies ...string) ([]byte, error) {
	m := s.Head(crypto.KindFile, f, day, bodies...)
	s.counter++
	return s.server.Seal(m, s.Signing, map[string][]byte{name: data})
}

// Prekeys are the keys of all slots that can take a reply.
func (s *Source) Prekeys() (p []crypto.Prekey) {
	for i := range s.shares {
		if i == 0 || !s.filled[i] {
			p = append(p, crypto.Prekey{Slot: byte(i), Recipient: s.identity(i).Recipient()})
		}
	}
	return p
}

// Receive opens a reply that is for this source: what was in it, and its files.
// nil: it is for somebody else.
func (s *Source) Receive(e Entry) (*crypto.Read, map[string][]byte, error) {
	for i := range s.shares {
		id := s.identity(i)
		if crypto.DropOf(id.Recipient()) != e.Drop {
			continue
		}
		s.filled[i] = true
		r, err := crypto.Open(bytes.NewReader(e.Data), id)
		if err != nil {
			return nil, nil, err
		}
		files := make(map[string][]byte)
		m, err := crypto.ReadMessage(r, func(f crypto.File, r io.Reader) (err error) {
			files[f.Name], err = io.ReadAll(r)
			return err
		})
		return m, files, err
	}
	return nil, nil, nil
}

// Seal seals a message as the server does: to all holders of its readers.
func (s *Server) Seal(m *crypto.Message, key ed25519.PrivateKey, files map[string][]byte) ([]byte, error) {
	bodies, err := s.Directory.ReadersFor(m.Readers, crypto.MonthOf(m.Meta.Day.Time()))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := crypto.Seal(&b, s.Directory.Policy, bodies)
	if err != nil {
		return nil, err
	}
	mw, err := crypto.NewMessageWriter(w, m, key)
	if err != nil {
		return nil, err
	}
	for name, data := range files {
		fw, err := mw.File(name, "application/octet-stream")
		if err != nil {
			return nil, err
		}
		if _, err := fw.Write(data); err != nil {
			return nil, err
		}
	}
	if err := mw.Close(); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// Cover is an entry nobody can open.
func (s *Server) Cover() ([]byte, error) {
	return s.Seal(&crypto.Message{Meta: crypto.Meta{Kind: crypto.KindCover}}, nil, nil)
}

// Release writes the next batch as one volume, filled up with cover to at
// least n entries, in random order.
func (s *Server) Release(day crypto.Day, n int, entries ...[]byte) ([]byte, error) {
	v, err := s.Volume(day, s.Batch, 1, 1, n, entries...)
	s.Batch++
	return v, err
}

// Volume writes one volume.
func (s *Server) Volume(day crypto.Day, ordinal uint64, volume, volumes uint32, n int, entries ...[]byte) ([]byte, error) {
	entries = slices.Clone(entries)
	for len(entries) < n {
		c, err := s.Cover()
		if err != nil {
			return nil, err
		}
		entries = append(entries, c)
	}
	order := make(map[int][]byte) // a map's order is random enough for a test
	for i, e := range entries {
		order[i] = e
	}
	var b bytes.Buffer
	w, err := crypto.NewVolumeWriter(&b, crypto.VolumeHeader{
		Instance: s.Instance, Batch: ordinal, Volume: volume, Volumes: volumes, Day: day,
		Slots: uint16(s.Directory.Policy.Slots), DirVersion: s.Directory.Version, Entries: uint32(len(entries)), //nolint:gosec // small
	}, 0)
	if err != nil {
		return nil, err
	}
	for _, e := range order {
		if err := w.Entry(int64(len(e)), bytes.NewReader(e)); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return b.Bytes(), err
}

// Entry is one entry of a bundle.
type Entry struct {
	Drop crypto.Drop
	Data []byte
}

// Deliver opens a bundle.
func (s *Server) Deliver(bundle []byte) (head crypto.Bundle, entries []Entry, err error) {
	err = crypto.ReadBundle(bytes.NewReader(bundle), s.Transfer, func(b crypto.Bundle) error {
		head = b
		return nil
	}, func(_ int, e crypto.BundleEntry) error {
		data, err := io.ReadAll(e.Data)
		entries = append(entries, Entry{e.Drop, data})
		return err
	})
	return head, entries, err
}

// Refill gives every filled reply slot a new key, as a visit after reading and erasing does.
func (s *Source) Refill() {
	for i := range s.filled {
		if s.filled[i] {
			s.shares[i], s.filled[i], s.kept[i] = [32]byte(crypto.NewKey()), false, nil
		}
	}
}
