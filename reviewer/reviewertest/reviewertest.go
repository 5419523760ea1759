// Package reviewertest is the other side of a desk, for tests: sources that
// write, and a server that enrols holders, fills batches and takes bundles. It
// speaks the real formats through package crypto and keeps everything in memory.
package reviewertest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
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
	Signing   ed25519.PrivateKey // of batches
	Batch     uint64             // ordinal of the next batch

	released map[uint64]*batch
}

// batch is what was released under one number.
type batch struct {
	head    crypto.BatchHead
	release [32]byte // hash of revision 1
	volumes [][][]byte
}

// NewServer begins an instance with an empty directory, issued today.
func NewServer(today crypto.Day) *Server {
	seed := crypto.NewKey()
	s := &Server{Transfer: crypto.NewIdentity(), Signing: ed25519.NewKeyFromSeed(seed[:])}
	s.Directory = &crypto.Directory{
		Origin: "postern directory test", Version: 1, Issued: today, Expires: today + 200,
		Salt: [32]byte(crypto.NewKey()), KDF: crypto.KDFParams{Time: 1, MemoryKiB: 64, Threads: 1},
		Policy: crypto.Policy{Slots: 8, Quorum: 1}, Roots: 1, Transfer: s.Transfer.Recipient(),
		Server: s.Signing.Public().(ed25519.PublicKey), //nolint:forcetypeassert // always that type
	}
	s.Restore()
	return s
}

// Restore begins a new life of the server, as after a backup was restored: batches are counted anew.
func (s *Server) Restore() {
	_, _ = rand.Read(s.Instance[:])
	s.Batch, s.released = 1, make(map[uint64]*batch)
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
	h := crypto.Holder{
		ID: c.Holder, Signing: c.Signing, Status: crypto.StatusActive, Since: s.Directory.Version, Epochs: c.Epochs, EpochsSignature: c.EpochsSignature,
	}
	if b, ok := s.Directory.Body(c.Body); ok {
		b.Holders = slices.DeleteFunc(b.Holders, func(o crypto.Holder) bool {
			if o.Signing.Equal(h.Signing) {
				h.Since = o.Since
			}
			return o.ID == h.ID
		})
		b.Holders = append(b.Holders, h)
		return nil
	}
	s.Directory.Bodies = append(s.Directory.Bodies, crypto.Body{
		ID: c.Body, Kind: kind, Independent: k.Independent, Since: s.Directory.Version,
		Names: map[string]string{"en": "Body " + c.Body}, Mandates: map[string]string{"en": "Mandate of " + c.Body},
		Languages: []string{"en"}, Holders: []crypto.Holder{h},
	})
	return nil
}

// End ends a holder's key in the next version of the directory, which is the proposal's.
func (s *Server) End(holder string, status crypto.Status) {
	for i := range s.Directory.Bodies {
		for j := range s.Directory.Bodies[i].Holders {
			if h := &s.Directory.Bodies[i].Holders[j]; h.ID == holder {
				h.Status, h.Since, h.Epochs, h.EpochsSignature = status, s.Directory.Version, nil, nil
			}
		}
	}
}

// Proposal is the directory's text, for a root to sign.
func (s *Server) Proposal() ([]byte, error) { return s.Directory.Marshal() }

// Readers are the bodies of these ids as they are now; one that is not there is as of version 1.
func (s *Server) Readers(ids ...string) []crypto.Reader {
	out := make([]crypto.Reader, len(ids))
	for i, id := range ids {
		out[i] = crypto.Reader{ID: id, Since: 1}
		if b, ok := s.Directory.Body(id); ok {
			out[i] = b.Reader()
		}
	}
	return out
}

// Source is one code.
type Source struct {
	*crypto.Source
	Life crypto.LifeID

	server   *Server
	share    [32]byte
	counter  uint64
	succeeds *crypto.Succession
	kept     []*crypto.Identity // reply keys from before a change of code
	opened   []crypto.Receipt
}

// NewSource begins to write with a fresh code.
func (s *Server) NewSource() *Source {
	src := &Source{Source: crypto.DeriveSource(crypto.NewCode(), s.Directory.Salt, s.Directory.KDF), server: s}
	src.EraseAll()
	return src
}

// EraseAll starts the code's mailbox anew.
func (s *Source) EraseAll() {
	s.counter, s.succeeds, s.kept, s.opened = 0, nil, nil, nil
	s.share = [32]byte(crypto.NewKey())
	_, _ = rand.Read(s.Life[:])
}

// ChangeCode moves everything to a fresh code; s is then an unused one, for whoever has seen it.
func (s *Source) ChangeCode(day crypto.Day) *Source {
	next := s.server.NewSource()
	next.counter, next.opened, next.succeeds = s.counter, s.opened, s.Succeed(next.Source, day)
	next.kept = append(slices.Clone(s.kept), s.identity())
	s.EraseAll()
	return next
}

// Announce says that the code was changed, and nothing else.
func (s *Source) Announce(day crypto.Day, bodies ...string) ([]byte, error) {
	m := s.Head(crypto.KindChange, NewForm(), day, bodies...)
	s.counter++
	return s.server.Seal(m, s.Signing, nil)
}

func (s *Source) identity() *crypto.Identity { return s.ReplyIdentity(s.share) }

// ReplyKey is what answers are sealed to.
func (s *Source) ReplyKey() *crypto.Recipient { return s.identity().Recipient() }

// Drop is where answers are handed in.
func (s *Source) Drop() *crypto.Drop { d := crypto.DropOf(s.ReplyKey()); return &d }

// NewForm is the id of a form a source was given.
func NewForm() (f crypto.FormID) { _, _ = rand.Read(f[:]); return f }

// Head is what every message of the source has.
func (s *Source) Head(kind crypto.Kind, f crypto.FormID, day crypto.Day, bodies ...string) *crypto.Message {
	m := &crypto.Message{
		Meta:    crypto.Meta{Kind: kind, Case: s.Case, Counter: s.counter, Form: f, DirHash: s.server.Directory.Hash(), Day: day},
		Readers: s.server.Readers(bodies...), Life: s.Life, Source: s.Signing.Public().(ed25519.PublicKey), //nolint:forcetypeassert // always that type
	}
	if kind != crypto.KindFile {
		m.Succeeds, m.ReplyTo, m.Receipts = s.succeeds, s.ReplyKey(), s.opened[:min(len(s.opened), crypto.MaxReceipts)]
	}
	return m
}

// Say seals a text: a report first, a follow-up later.
func (s *Source) Say(f crypto.FormID, day crypto.Day, text string, answers form.Answers, bodies ...string) ([]byte, error) {
	return s.send(f, day, text, answers, nil, bodies)
}

// Agree seals nothing but the answer to "may your case be shown to this body?".
func (s *Source) Agree(f crypto.FormID, day crypto.Day, body string, yes bool, bodies ...string) ([]byte, error) {
	return s.send(f, day, "", nil, []crypto.Consent{crypto.SignConsent(s.Signing, s.server.Readers(body)[0], yes, day)}, bodies)
}

func (s *Source) send(f crypto.FormID, day crypto.Day, text string, answers form.Answers, consents []crypto.Consent, bodies []string) ([]byte, error) {
	kind := crypto.KindFollowUp
	if s.counter == 0 {
		kind = crypto.KindReport
	}
	m := s.Head(kind, f, day, bodies...)
	s.counter += 11
	m.Text, m.Consents = text, consents
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

// Receive opens a reply that is for this source: what was in it, and its files. The next
// message says that it was opened. nil: it is for somebody else.
func (s *Source) Receive(e Entry) (*crypto.Read, map[string][]byte, error) {
	for _, id := range append(slices.Clone(s.kept), s.identity()) {
		if crypto.DropOf(id.Recipient()) != e.Drop {
			continue
		}
		r, err := crypto.Open(bytes.NewReader(e.Source), id)
		if err != nil {
			return nil, nil, err
		}
		files, sum := make(map[string][]byte), sha256.New()
		m, err := crypto.ReadMessage(io.TeeReader(r, sum), func(f crypto.File, r io.Reader) (err error) {
			files[f.Name], err = io.ReadAll(r)
			return err
		})
		s.opened = append([]crypto.Receipt{crypto.ReceiptOf([32]byte(sum.Sum(nil)))}, s.opened...)
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
	return s.SealTo(m, key, files, bodies...)
}

// SealTo seals a message to any recipients.
func (s *Server) SealTo(m *crypto.Message, key ed25519.PrivateKey, files map[string][]byte, to ...[]*crypto.Recipient) ([]byte, error) {
	var b bytes.Buffer
	w, err := crypto.Seal(&b, s.Directory.Policy, to)
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

// Reseal opens a sealed message with one key and seals the same bytes to others, as any reader can.
func (s *Server) Reseal(entry []byte, with *crypto.Identity, to ...*crypto.Recipient) ([]byte, error) {
	r, err := crypto.Open(bytes.NewReader(entry), with)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := crypto.Seal(&b, s.Directory.Policy, [][]*crypto.Recipient{to})
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, r); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// Cover is an entry nobody can open.
func (s *Server) Cover() ([]byte, error) { return crypto.NewCover(s.Directory.Policy) }

// Release writes the next batch as one volume, filled up with cover to at
// least n entries, in random order.
func (s *Server) Release(day crypto.Day, n int, entries ...[]byte) ([]byte, error) {
	entries = slices.Clone(entries)
	for len(entries) < n {
		c, err := s.Cover()
		if err != nil {
			return nil, err
		}
		entries = append(entries, c)
	}
	v, err := s.ReleaseVolumes(day, entries)
	if err != nil {
		return nil, err
	}
	return v[0], nil
}

// ReleaseVolumes writes the next batch, the entries of each volume in random order.
func (s *Server) ReleaseVolumes(day crypto.Day, volumes ...[][]byte) ([][]byte, error) {
	b := &batch{head: crypto.BatchHead{
		Instance: s.Instance, Ordinal: s.Batch, Day: day, DirVersion: s.Directory.Version,
		Slots: uint16(s.Directory.Policy.Slots), Revision: 1, //nolint:gosec // small
	}}
	if before := s.released[s.Batch-1]; before != nil {
		b.head.Before = before.release
	} else if s.Batch > 1 { // a test that counts by itself
		_, _ = rand.Read(b.head.Before[:])
	}
	for _, entries := range volumes {
		order := make(map[int][]byte) // a map's order is random enough for a test
		for i, e := range entries {
			order[i] = e
		}
		var v [][]byte
		for _, e := range order {
			v = append(v, e)
		}
		b.volumes = append(b.volumes, v)
	}
	s.released[s.Batch] = b
	s.Batch++
	out, err := s.write(b)
	b.release = b.head.Hash()
	return out, err
}

// Exchange writes the next revision of a batch, with fresh cover in place of some entries.
func (s *Server) Exchange(ordinal uint64, gone ...[]byte) ([][]byte, error) {
	b := s.released[ordinal]
	b.head.Revision, b.head.Released = b.head.Revision+1, b.release
	for _, v := range b.volumes {
		for i := range v {
			if slices.ContainsFunc(gone, func(g []byte) bool { return bytes.Equal(g, v[i]) }) {
				c, err := s.Cover()
				if err != nil {
					return nil, err
				}
				v[i] = c
			}
		}
	}
	return s.write(b)
}

func (s *Server) write(b *batch) (out [][]byte, err error) {
	b.head.Volumes = nil
	for _, v := range b.volumes {
		refs := make([]crypto.EntryRef, len(v))
		for i, e := range v {
			refs[i] = crypto.EntryRef{Size: int64(len(e)), Hash: sha256.Sum256(e)}
		}
		b.head.Volumes = append(b.head.Volumes, refs)
	}
	signed := crypto.SignBatchHead(&b.head, s.Signing)
	for i, v := range b.volumes {
		var f bytes.Buffer
		w, err := crypto.NewVolumeWriter(&f, signed, i+1, 0)
		if err != nil {
			return nil, err
		}
		for _, e := range v {
			if err := w.Entry(bytes.NewReader(e)); err != nil {
				return nil, err
			}
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		out = append(out, f.Bytes())
	}
	return out, nil
}

// Entry is one entry of a bundle.
type Entry struct {
	Drop    crypto.Drop
	Source  []byte // the copy for the mailbox
	Readers []byte // the copy for a batch
}

// Deliver opens a bundle.
func (s *Server) Deliver(bundle []byte) (head crypto.Bundle, entries []Entry, err error) {
	entries = make([]Entry, crypto.BundleEntries)
	head, err = crypto.ReadBundle(bytes.NewReader(bundle), s.Transfer, func(crypto.Bundle) error { return nil },
		func(i int, drop crypto.Drop, c crypto.Copy, f crypto.BundleFile) error {
			data, err := io.ReadAll(f.Data)
			entries[i].Drop = drop
			if c == crypto.SourceCopy {
				entries[i].Source = data
			} else {
				entries[i].Readers = data
			}
			return err
		})
	return head, entries, err
}
