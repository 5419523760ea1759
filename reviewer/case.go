package reviewer

import (
	"bytes"
	"cmp"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/casework"
)

// Case is all messages of one source, as this vault knows them: of one code, or of
// several where the source changed it.
type Case struct {
	ID       crypto.CaseID   // of the first code
	Short    string          // the beginning of the id that no other case here has, to name the case by
	First    crypto.Day      // of the earliest message of the source
	Last     crypto.Day      // of the newest
	Readers  []crypto.Reader // bodies the source's latest message names
	Messages []Message       // in reading order
	Again    int             // of these, repeats: sent again, unchanged
	Files    int
	Waiting  int // own replies not yet exported
	Sent     int // own replies exported
	Opened   int // of these, opened by the source, as far as it said so
	Now      Situation
	entries  []*entry // in reading order

	Local  *casework.Opened          // it came without a code; nil: a source's
	Book   *casework.Book            // what people did to it
	Work   *casework.State           // how it stands with this body
	Facts  casework.Facts            // what its clocks go by
	Dues   []casework.Due            // of this body, the earliest first
	Raised map[string][]casework.Ref // flags that are up, and the messages that raise them
	Unsent int                       // events that wait to go to others who may read them
	Erased crypto.Day                // a case of this source was erased here on that day; 0: none was

	Changed []crypto.Day    // days on which the source changed the code
	Rivals  []string        // short ids of cases that claim the same earlier code: one of both is not the source's
	codes   []crypto.CaseID // of all codes, the first first
	tip     string          // id of the newest code's case
}

// Message is one message of a case, without its words. Numbers are in reading
// order: they rise when a message turns up that belongs before.
type Message struct {
	No       int
	ID       string // from its bytes: the same at every desk, and it stays when numbers rise
	Kind     crypto.Kind
	Day      crypto.Day
	Source   bool   // written by the source
	Body     string // else: id of the body whose holder signed
	Holder   string
	Standing crypto.SignerStanding
	Mark     string
	Version  uint64 // of the directory it was written under; 0: one this vault does not know
	Readers  []crypto.Reader
	Text     int // bytes
	Answers  int
	Files    []File
	Own      bool
	Opened   bool   // a reply that the source has opened: it said so in a later message
	Late     string // written with a code that the source had given up: LateAfter, LateSameDay or ""
	State    string // of an own reply: waiting, sent, released
	Handed   string // id of the holder of this body who handed it over, on whose word it was released when it says; "": a batch brought it, or it is one's own
	Bundle   string // of an own reply that was exported
	at       int    // in Case.entries
	ref      casework.Ref
}

// File is one file of a case. Name and MediaType, as the sender's machine called them, are
// known once the message was read ([Desk.Read]): pass them through [plain.SafeLine] or [plain.SafeName].
type File struct {
	No int // in the case
	crypto.File
}

// The values of Message.Mark.
const (
	MarkAgain   = "again"   // the same content under the same form id
	MarkChanged = "changed" // other content under the same form id
)

// stateWaiting is Message.State of a reply that was not exported yet.
const stateWaiting = "waiting"

var shortBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// FullID is a case's id in letters and digits.
func FullID(id crypto.CaseID) string { return shortBase32.EncodeToString(id[:]) }

// messageIDBytes is how much of a container's hash is a message's id: two messages
// of one case with the same one are not met by chance.
const messageIDBytes = 5

// ErrNoCase says that no case, or more than one, has this name.
var ErrNoCase = errors.New("no such case")

// fellowEvent says whether a holder of this body wrote an event: also where the source does not choose the body
// any more, or has no code.
func (desk *Desk) fellowEvent(e *entry) bool {
	if e.Kind != crypto.KindEvent {
		return false
	}
	b, _, standing := desk.signer(e)
	return standing != crypto.SignerUnknown && b.ID == desk.keys.Body
}

// namedSigner says whether a holder of one of the named bodies, as the bodies
// were when the message was released, signed it.
func (desk *Desk) namedSigner(e *entry, named []crypto.Reader) bool {
	b, _, standing := desk.signer(e)
	if standing == crypto.SignerUnknown {
		return false
	}
	return slices.ContainsFunc(named, func(r crypto.Reader) bool {
		now := e.Release == nil || e.Release.Directory >= b.Since
		return r.ID == b.ID && (now && r.Since == b.Since || !now && r.Since < b.Since)
	})
}

// signer says whose key signed a message of a reviewer, and what it is worth:
// by the directory in force when the server released it, and by what was withdrawn since.
func (desk *Desk) signer(e *entry) (*crypto.Body, *crypto.Holder, crypto.SignerStanding) {
	if desk.dirs == nil {
		return nil, nil, crypto.SignerUnknown
	}
	version := desk.dirs.Version
	switch {
	case e.Release != nil:
		version = e.Release.Directory
	case e.Handed != nil:
		version = e.Handed.Directory
	}
	return desk.dirs.Signer(e.Signer, version)
}

// reading orders the messages of a case: by day, then as they were released, then as their
// writers counted.
func (e *entry) reading(o *entry) int {
	return cmp.Or(cmp.Compare(e.Day, o.Day), e.Release.compare(o.Release), btoi(!e.fromSource())-btoi(!o.fromSource()),
		cmp.Compare(e.Counter, o.Counter), bytes.Compare(e.ID, o.ID))
}

// newCase makes the view of a case. It changes nothing of the desk, so that many can be made at once.
func (desk *Desk) newCase(g *index, first string) Case {
	entries, fam := g.cases[first], g.fam
	chain := fam.chain(first)
	c := Case{ID: crypto.CaseID([]byte(first)), Short: g.name(first), entries: entries, tip: chain[len(chain)-1]}
	for _, id := range chain {
		c.codes = append(c.codes, crypto.CaseID([]byte(id)))
		if s, ok := fam.after[id]; ok {
			c.Changed = append(c.Changed, s.Day)
		}
		for _, r := range fam.rivals[id] {
			if short := g.name(fam.first(r)); short != "" && !slices.Contains(c.Rivals, short) {
				c.Rivals = append(c.Rivals, short)
			}
		}
	}
	slices.Sort(c.Rivals)
	marks, opened := marksOf(entries), openedBy(entries, fam)
	for i := range entries {
		e := entries[i]
		m := desk.newMessage(e, i)
		m.Mark, m.Late = marks[i], fam.late(e)
		m.Opened = e.Kind == crypto.KindReply && opened[receiptOf(e)]
		for j, f := range e.Files {
			c.Files++
			m.Files[j] = File{No: c.Files, File: crypto.File{Size: f.Size, SHA256: [32]byte(f.SHA256)}}
		}
		switch {
		case m.Mark == MarkAgain:
			c.Again++
		case m.State == stateWaiting:
			c.Waiting++
		case m.Own && m.Kind == crypto.KindReply:
			c.Sent++
			c.Opened += btoi(m.Opened)
		}
		if m.Source && (c.First == 0 || m.Day < c.First) {
			c.First = m.Day
		}
		c.Last = max(c.Last, m.Day)
		c.Messages = append(c.Messages, m)
	}
	c.Now = situation(c.Messages, entries)
	if s, ok := c.newest(); ok {
		c.Readers = s.readers
	}
	desk.work(&c, &g.settings)
	return c
}

// marksOf says which messages of the source repeat another one's form. The one that was
// released first is the original.
func marksOf(entries []*entry) []string {
	marks := make([]string, len(entries))
	order := make([]int, 0, len(entries))
	for i := range entries {
		if e := entries[i]; e.fromSource() && e.Kind != crypto.KindChange {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := entries[a], entries[b]
		return cmp.Or(x.Release.compare(y.Release), x.reading(y))
	})
	type form struct {
		id   string
		file bool
	}
	seen := make(map[form][]string) // contents
	for _, i := range order {
		e := entries[i]
		f := form{string(e.Form), e.Kind == crypto.KindFile}
		switch {
		case slices.Contains(seen[f], string(e.Content)):
			marks[i] = MarkAgain
		case len(seen[f]) > 0 && !f.file: // files of one form differ by nature
			marks[i] = MarkChanged
		}
		seen[f] = append(seen[f], string(e.Content))
	}
	return marks
}

// openedBy collects the receipts of the source: of replies, by the beginning of their id. Nobody
// with an earlier code gives one: they cannot read what was sent to the new one.
func openedBy(entries []*entry, fam *families) map[string]bool {
	m := make(map[string]bool) // of the replies that are here: most receipts are noise
	for _, e := range entries {
		if e.Kind == crypto.KindReply {
			m[receiptOf(e)] = false
		}
	}
	if len(m) == 0 {
		return nil
	}
	for _, e := range entries {
		if fam.late(e) == LateAfter {
			continue
		}
		for r := e.Receipts; len(r) >= len(crypto.Receipt{}); r = r[len(crypto.Receipt{}):] {
			if _, ok := m[string(r[:len(crypto.Receipt{})])]; ok {
				m[string(r[:len(crypto.Receipt{})])] = true
			}
		}
	}
	return m
}

// receiptOf is what a receipt of a reply would be.
func receiptOf(e *entry) string { return string(e.ID[:min(len(e.ID), len(crypto.Receipt{}))]) }

func (desk *Desk) newMessage(e *entry, at int) Message {
	m := Message{
		No: at + 1, ID: shortBase32.EncodeToString(e.ID[:messageIDBytes]), Kind: e.Kind, Day: e.Day, Source: e.fromSource(),
		Readers: e.Readers, Text: e.Text, Answers: e.Answers, Files: make([]File, len(e.Files)),
		Own: e.Own != nil, at: at, ref: casework.Hash(e.ID).Ref(),
	}
	m.Version, _ = desk.versionOf(e.DirHash)
	if o := e.Own; o != nil {
		switch {
		case e.Release != nil:
			m.State = "released"
		case len(o.Bundle) != 0:
			m.State = "sent"
		default:
			m.State = stateWaiting
		}
		if len(o.Bundle) != 0 {
			m.Bundle = bundleName(o.Bundle)
		}
	}
	if e.Handed != nil && desk.dirs != nil {
		if _, h, _ := desk.dirs.Signer(e.Handed.By, e.Handed.Directory); h != nil {
			m.Handed = h.ID
		}
	}
	if m.Source {
		return m
	}
	b, h, s := desk.signer(e)
	m.Standing = s
	if b != nil && h != nil {
		m.Body, m.Holder = b.ID, h.ID
	}
	return m
}

// sourceView is what the source wants now.
type sourceView struct {
	readers  []crypto.Reader // who may read an answer
	at       int             // entry that holds the reply key; -1: none
	narrowed bool            // readers were cut to what two lives of one day have in common
}

// latest finds what the source's latest message says, whatever order messages came in.
//
// Every message names the life of the mailbox it belongs to (SECURITY.md S-7): the newest
// life is the one with the newest day, and within a life the source's days and counter order
// messages. Where two lives share that day, only bodies that both choose read, so nobody is
// kept from an earlier choice; the answer goes to the life that was released last.
func latest(entries []*entry) (sourceView, bool) {
	type life struct {
		newest, key *entry
		at          int
		last        *release
	}
	lives := make(map[string]*life)
	var day crypto.Day
	for i := range entries {
		e := entries[i]
		if !e.fromSource() {
			continue
		}
		l := lives[string(e.Life)]
		if l == nil {
			l = &life{at: -1}
			lives[string(e.Life)] = l
		}
		if l.newest == nil || l.newest.before(e) {
			l.newest = e
		}
		if e.Kind != crypto.KindFile && (l.key == nil || l.key.before(e)) {
			l.key, l.at = e, i
		}
		if l.last == nil || l.last.compare(e.Release) < 0 {
			l.last = e.Release
		}
		day = max(day, e.Day)
	}
	var of []*life
	for _, l := range lives {
		if l.newest.Day == day {
			of = append(of, l)
		}
	}
	if len(of) == 0 {
		return sourceView{at: -1}, false
	}
	slices.SortFunc(of, func(a, b *life) int {
		return cmp.Or(b.last.compare(a.last), bytes.Compare(a.newest.Life, b.newest.Life))
	})
	view := sourceView{readers: slices.Clone(of[0].newest.Readers), at: of[0].at}
	for _, l := range of[1:] {
		n := len(view.readers)
		view.readers = slices.DeleteFunc(view.readers, func(r crypto.Reader) bool { return !slices.Contains(l.newest.Readers, r) })
		view.narrowed = view.narrowed || len(view.readers) < n
	}
	return view, true
}

// before orders messages of one life of a mailbox.
func (e *entry) before(o *entry) bool {
	return cmp.Or(cmp.Compare(e.Day, o.Day), cmp.Compare(e.Counter, o.Counter), bytes.Compare(e.ID, o.ID)) < 0
}

// Letter is a message with its words. Text is as the writer wrote it: pass it
// through [plain.SafeText].
type Letter struct {
	Message
	Words   string
	Told    form.Answers
	Events  []casework.Signed // of a message between readers
	Notice  *form.Notice      // what a reply tells the source besides words
	Agreed  []Consent         // whom the source lets its case be shown to, or not
	Unclear bool              // answers, event or notice are of a version this desk does not know
}

// Read opens one message of a case and verifies it again.
func (desk *Desk) Read(c *Case, m *Message) (*Letter, error) {
	r, closer, err := desk.vault.OpenBlob(c.entries[m.at].Blob)
	if err != nil {
		return nil, fmt.Errorf("reading message %d: %w", m.No, err)
	}
	defer func() { _ = closer.Close() }()
	read, err := crypto.ReadMessage(r, nil)
	if err != nil {
		return nil, fmt.Errorf("reading message %d: %w", m.No, err)
	}
	l := newLetter(read)
	l.Message = *m
	l.Files = slices.Clone(m.Files)
	for i := range min(len(l.Files), len(read.Files)) {
		l.Files[i].File = read.Files[i]
	}
	return l, nil
}

// newLetter is what a message says, without what the desk knows of it.
func newLetter(read *crypto.Read) *Letter {
	l := &Letter{Words: read.Text, Agreed: consentsOf(read)}
	var err error
	if l.Told, err = form.DecodeAnswers(read.Answers); err != nil {
		l.Told, l.Unclear = nil, true
	}
	if len(read.Event) > 0 {
		if l.Events, err = casework.DecodePack(read.Event); err != nil {
			l.Unclear = true
		}
	}
	if len(read.Notice) > 0 {
		n, err := form.DecodeNotice(read.Notice)
		if err != nil {
			l.Unclear = true
		} else {
			l.Notice = &n
		}
	}
	return l
}
