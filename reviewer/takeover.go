package reviewer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"postern/crypto"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
	"postern/reviewer/vault"
)

// Takeover is what a file from another desk brought.
type Takeover struct {
	Kind   crypto.DeskFileKind
	Body   string // whose holder signed the file
	Holder string
	Day    crypto.Day // on which it was written, by that desk's clock

	// Of a hand-over.
	New       int      // messages that were not here
	Known     int      // that were; nothing of them changed
	Mended    int      // whose words were lost from this vault, and are back
	Erased    int      // that were erased here, and stay so
	Events    int      // events of casework that were not here
	Back      int      // of New: that were erased here, and were asked for again
	Strangers int      // of New: messages that belong to no case here
	Referrals int      // cases that another body referred to this one, and that were not here
	Notes     int      // of the giver's desk that were not here: who had opened and copied what, and to whom a case was referred
	Refused   int      // that are no messages, are not signed as they say, or are not for this body
	Cases     []string // short ids of the cases of New, sorted
	NewCases  int      // of these, cases not known before

	// Of a referral: New, Known, Erased and Back are 1 or 0, and stand for the whole of it.
	Referred *Referred // as it is kept; nil: it was erased here, and stays so

	// Of a receipt.
	Receipt *ReferredTo // with the receipt in it
	Case    string      // short id of the case that was referred
}

// TakeoverOptions of [Desk.TakeOver].
type TakeoverOptions struct {
	// Again takes back what was erased here.
	Again bool
}

// errLooked ends the reading of a file of which only the head was asked for.
var errLooked = errors.New("looked at")

// Look says what a file from another desk would bring, and takes nothing in. Who signed it is verified,
// and with it the list of what it holds; that is compared with what is here. Of a hand-over,
// Events are all that it holds, Notes are not counted, and whether a message is refused is seen when it is taken in;
// of a receipt it is not yet known for which referral it is.
func (desk *Desk) Look(src io.Reader, o TakeoverOptions) (*Takeover, error) {
	t := &taker{o: o, look: true}
	if err := desk.read(src, t); err != nil && !errors.Is(err, errLooked) {
		return nil, fmt.Errorf("looking at the file: %w", unreadable(err))
	}
	return &t.out, nil
}

// Errors of [Desk.TakeOver], for errors.Is.
var (
	ErrNotDeskFile = errors.New("this file is not one that a desk wrote for another, or it is not whole: carry it over again")
	ErrNotForDesk  = errors.New("no key of this vault opens this file: it is for somebody else, or was sealed in a month whose key was destroyed. Ask for a new one")
	ErrForOther    = errors.New("this file is for another holder")
	ErrStranger    = errors.New("THIS FILE IS NOT FROM A READER WHOM THE DIRECTORY LISTS: somebody made it up. Nothing of it was kept. If there is a newer directory, accept it and try again")
	ErrWithdrawn   = errors.New("the key that signed this file was withdrawn: its holder had left, or somebody else may have it. Nothing of the file was kept. Ask another holder of your body for the cases")
	ErrNotAgreed   = errors.New("THE SOURCE DID NOT AGREE that this case is shown to your body as it is: its signed yes is not in the file. Nothing of it was kept; tell the body that referred it, and destroy the file")
	ErrNoReferral  = errors.New("this receipt is for a referral that this desk did not write, or whose case was erased: take it to the desk that wrote the referral")
	ErrOtherBody   = errors.New("only a holder of your own body can hand cases over to you, and this file is another's. Nothing of it was kept")
)

// TakeOver reads a file that another desk wrote for this one. Who signed it is
// verified before any of it is read, each message's own signature and hash as in an
// import. What comes adds to a set: order and repetition change nothing, what is here
// stays as it is, and what was erased here stays erased unless it is asked for. It is one durable step:
// on any error the vault is as before.
func (desk *Desk) TakeOver(src io.Reader, o TakeoverOptions) (*Takeover, error) {
	t, err := desk.takeOver(src, o)
	if err != nil {
		return nil, fmt.Errorf("taking over: %w", err)
	}
	return t, nil
}

func (desk *Desk) takeOver(src io.Reader, o TakeoverOptions) (*Takeover, error) {
	t := &taker{o: o}
	err := desk.read(src, t)
	if err == nil {
		err = t.commit()
	}
	if err != nil {
		t.abandon()
		return nil, unreadable(err)
	}
	return &t.out, nil
}

// read opens a file and gives what is in it to t.
func (desk *Desk) read(src io.Reader, t *taker) error {
	if desk.dirs == nil {
		return ErrNoDirectory
	}
	ids, err := desk.identities()
	if err != nil {
		return err
	}
	r, err := crypto.Open(src, ids...)
	if err != nil {
		return err
	}
	t.desk, t.next, t.added = desk, desk.state.next(), make(map[string]bool)
	return crypto.ReadDeskFile(r, t.head, t.item)
}

// unreadable says of malformed bytes what to do.
func unreadable(err error) error {
	switch {
	case errors.Is(err, crypto.ErrNotForUs):
		return ErrNotForDesk
	case errors.Is(err, crypto.ErrFormat), errors.Is(err, crypto.ErrEntry), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w (%w)", ErrNotDeskFile, err)
	}
	return err
}

// identities are the keys of all months that this vault still has, up to the last
// one that the directory lists or that comes next.
func (desk *Desk) identities() (ids []*crypto.Identity, err error) {
	now := crypto.MonthOf(desk.Clock().Today().Time())
	last := min(max(now+1, desk.lastMonth()), desk.keys.Month+maxMonthsAhead)
	s, err := desk.keys.seed(desk.keys.Month)
	if err != nil {
		return nil, err
	}
	for ; s.Month <= last; s = s.Next() {
		ids = append(ids, s.Identity())
	}
	slices.Reverse(ids) // the newest first: a file is carried over soon
	return ids, nil
}

// taker takes one file in.
type taker struct {
	desk  *Desk
	o     TakeoverOptions
	file  *crypto.DeskFile
	by    handed
	next  *state
	packs []*vault.Pack
	pack  *vault.Pack     // of small messages
	added map[string]bool // ids of messages that were not here
	event []casework.Signed
	notes []noted
	look  bool // nothing is read but the head
	news  bool
	out   Takeover

	kept   *referral // the referral that is being read; nil: none, or one that is not kept
	change Change    // what a receipt changes
}

func (t *taker) abandon() {
	for _, p := range t.packs {
		p.Abandon()
	}
	t.packs = nil
}

// head says whether the file is for this desk and its signer one to believe.
func (t *taker) head(f *crypto.DeskFile, signed []byte) error {
	desk := t.desk
	own, ok := desk.dirs.Body(desk.keys.Body)
	if !ok {
		return ErrNotSigner
	}
	if f.To != own.Reader() || f.Holder != nil && !f.Holder.Equal(desk.signingKey()) {
		return ErrForOther
	}
	version := desk.dirs.Version
	if v, ok := desk.versionOf(f.DirHash[:]); ok {
		version = v // whoever was retired since could sign it then
	}
	b, h, standing := desk.dirs.Signer(f.Signer, version)
	switch {
	case standing == crypto.SignerUnknown || b.ID != f.From.ID:
		return ErrStranger
	case standing != crypto.SignerGood:
		return ErrWithdrawn
	}
	t.file = f
	t.by = handed{By: f.Signer, Day: f.Day, Directory: version}
	t.out = Takeover{Kind: f.Kind, Body: b.ID, Holder: h.ID, Day: f.Day}
	switch f.Kind {
	case crypto.DeskHandOver:
		if b.ID != own.ID {
			return ErrOtherBody
		}
	case crypto.DeskReferral:
		if !t.look {
			return t.referral(f, signed)
		}
	}
	if t.look {
		t.compare(f)
		return errLooked
	}
	return nil
}

// compare says what of a file is news here, by its list alone.
func (t *taker) compare(f *crypto.DeskFile) {
	count := func(here bool, hash []byte) {
		switch {
		case here:
			t.out.Known++
		case !t.next.erased.has(string(t.desk.tombstone(hash))):
			t.out.New++
		case t.o.Again:
			t.out.New++
			t.out.Back++
		default:
			t.out.Erased++
		}
	}
	if f.Kind == crypto.DeskReferral {
		hash := f.Hash()
		count(t.next.referrals.has(string(hash[:])), hash[:])
		return
	}
	for i := range f.Items {
		switch hash := f.Items[i].Hash; f.Items[i].Type {
		case itemMessage:
			known, here := t.next.messages.get(string(hash[:]))
			if here && !t.desk.vault.HasPack(known.Blob.Pack) {
				t.out.Mended++
				continue
			}
			count(here, hash[:])
		case itemEvent:
			t.out.Events++
		case itemReferral:
			t.out.Referrals++
		}
	}
}

func (t *taker) item(i int, item crypto.DeskItem, r io.Reader) (err error) {
	switch {
	case t.file.Kind == crypto.DeskHandOver && item.Type == itemMessage:
		var rel *release
		if rel, err = decodeRelease(item.About); err == nil {
			return t.message(item, rel, r)
		}
	case t.file.Kind == crypto.DeskHandOver && item.Type == itemReferral && len(item.About) == 4:
		return t.handedReferral(crypto.Day(binary.BigEndian.Uint32(item.About)), r)
	case t.file.Kind == crypto.DeskHandOver && item.Type == itemEvent:
		return t.takeEvent(item, r)
	case t.file.Kind == crypto.DeskHandOver && item.Type == itemNotes:
		return t.takeNotes(item, r)
	case t.file.Kind == crypto.DeskReferral:
		return t.piece(i, item, r)
	case t.file.Kind == crypto.DeskReceipt && item.Type == itemReceipt && len(t.file.Items) == 1 && item.Size == sha256.Size && len(item.About) == 0:
		return t.receipt(r)
	default:
		err = fmt.Errorf("an item of type %d", item.Type)
	}
	return fmt.Errorf("%w: %w", crypto.ErrFormat, err)
}

// message takes one message of a hand-over.
func (t *taker) message(item crypto.DeskItem, rel *release, r io.Reader) error {
	id := string(item.Hash[:])
	tomb := string(t.desk.tombstone(item.Hash[:]))
	known, here := t.next.messages.get(id)
	erased := t.next.erased.has(tomb)
	switch {
	case here && (t.added[id] || t.desk.vault.HasPack(known.Blob.Pack)):
		t.out.Known++
		t.hear(known, rel)
		return nil
	case erased && !t.o.Again:
		t.out.Erased++
		return nil
	}
	read, blob, err := t.keep(item, r)
	if err != nil {
		return err
	}
	if read == nil {
		t.out.Refused++
		return nil
	}
	t.news = true
	if here { // its pack was lost: this is it again
		t.out.Mended++
		e := *known
		e.Blob = blob
		t.next.messages.set(id, &e)
		t.hear(&e, rel)
		return nil
	}
	if erased {
		t.out.Back++
		t.next.erased.remove(tomb)
	}
	e := newEntry(item.Hash, read, blob)
	by := t.by
	e.Release, e.Handed = rel, &by
	t.next.messages.set(id, &e)
	t.added[id] = true
	t.out.New++
	return nil
}

// hear takes a word on the release of a message that is here.
func (t *taker) hear(known *entry, rel *release) {
	e, by := *known, t.by
	if e.believe(rel, &by) {
		t.next.messages.set(string(e.ID), &e)
		t.news = true
	}
}

// keep verifies a message and seals it into a pack: small ones together, a larger one, as it
// streams by, in one of its own. nil: it is none that this desk takes.
func (t *taker) keep(item crypto.DeskItem, r io.Reader) (*crypto.Read, vault.Blob, error) {
	if item.Size > smallEntry {
		return t.keepLarge(r)
	}
	box := make([]byte, item.Size)
	defer clear(box)
	if _, err := io.ReadFull(r, box); err != nil {
		return nil, vault.Blob{}, err
	}
	if sha256.Sum256(box) != item.Hash {
		return nil, vault.Blob{}, crypto.ErrEntry
	}
	read, err := crypto.ReadMessage(bytes.NewReader(box), nil)
	if err != nil || !t.wanted(read) {
		return nil, vault.Blob{}, nil //nolint:nilerr // counted as refused
	}
	sealed, key, err := vault.SealBlob(box)
	if err != nil {
		return nil, vault.Blob{}, err
	}
	if t.pack == nil {
		if t.pack, err = t.newPack(); err != nil {
			return nil, vault.Blob{}, err
		}
	}
	blob, err := t.pack.Add(sealed, key)
	return read, blob, err
}

// keepLarge streams a message into a pack of its own.
func (t *taker) keepLarge(r io.Reader) (*crypto.Read, vault.Blob, error) {
	p, err := t.newPack()
	if err != nil {
		return nil, vault.Blob{}, err
	}
	w, done, err := p.Seal()
	if err != nil {
		return nil, vault.Blob{}, err
	}
	disk, src := &stickyWriter{w: w}, &stickyReader{r: r}
	read, err := crypto.ReadMessage(io.TeeReader(src, disk), nil)
	switch {
	case disk.err != nil:
		return nil, vault.Blob{}, fmt.Errorf("writing a pack: %w", disk.err)
	case src.err != nil:
		return nil, vault.Blob{}, src.err
	case err != nil || !t.wanted(read):
		t.packs = slices.DeleteFunc(t.packs, func(q *vault.Pack) bool { return q == p })
		p.Abandon()
		return nil, vault.Blob{}, nil
	}
	if err := w.Close(); err != nil {
		return nil, vault.Blob{}, fmt.Errorf("writing a pack: %w", err)
	}
	return read, done(), nil
}

// wanted says whether a message is one that this body may have.
func (t *taker) wanted(m *crypto.Read) bool {
	return m.Meta.Kind != crypto.KindCover && names(m.Readers, t.desk.keys.Body)
}

func (t *taker) newPack() (*vault.Pack, error) {
	p, err := t.desk.vault.NewPack()
	if err == nil {
		t.packs = append(t.packs, p)
	}
	return p, err
}

// commit makes all of it one step, and says which cases it is of.
func (t *taker) commit() error {
	desk, before := t.desk, t.desk.index
	switch t.out.Kind {
	case crypto.DeskReceipt:
		return desk.Commit(&t.change)
	case crypto.DeskReferral:
		t.keepReferral()
	}
	var c vault.Change
	noted, err := t.keepNotes(&c)
	if err != nil {
		return err
	}
	kept, err := t.keepEvents(&c)
	if err != nil {
		return err
	}
	if t.news || t.out.Notes > 0 {
		for _, p := range t.packs {
			c.Pack(p)
		}
		t.packs = nil
		if err := desk.commit(t.next, &c); err != nil {
			return err
		}
		noted()
		kept()
	}
	t.abandon() // what was begun for something that was refused
	if t.out.Kind == crypto.DeskReferral {
		return t.foundReferral()
	}
	after := desk.index
	cases := make(map[string]bool)
	for i := range t.event {
		first := after.fam.first(string(t.event[i].Case[:]))
		if name := after.name(first); name != "" && !cases[name] {
			cases[name] = true
			t.out.NewCases += btoi(before.cases[before.fam.first(string(t.event[i].Case[:]))] == nil)
		}
	}
	for id := range t.added {
		e, _ := desk.state.messages.get(id)
		first := after.fam.first(string(e.Case))
		if !slices.ContainsFunc(after.cases[first], func(o *entry) bool { return bytes.Equal(o.ID, e.ID) }) {
			t.out.Strangers++
			continue
		}
		if name := after.name(first); !cases[name] {
			cases[name] = true
			t.out.NewCases += btoi(before.cases[before.fam.first(string(e.Case))] == nil)
		}
	}
	t.out.Cases = slices.Sorted(maps.Keys(cases))
	return nil
}

// By says who wrote the file, safe to show.
func (t *Takeover) By() string { return plain.SafeLine(t.Body + "/" + t.Holder) }

// stickyReader remembers the first error of what it reads, but for the end.
type stickyReader struct {
	r   io.Reader
	err error
}

func (s *stickyReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	return n, err
}
