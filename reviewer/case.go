package reviewer

import (
	"bytes"
	"cmp"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postern/crypto"
	"postern/intake/form"
)

// Case is all messages of one source, as this vault knows them: of one code, or of
// several where the source changed it.
type Case struct {
	ID       crypto.CaseID // of the first code
	Short    string        // eight letters and digits of the id, to name the case by
	First    crypto.Day    // of the earliest message of the source
	Last     crypto.Day    // of the newest
	Readers  []string      // bodies the source's latest message names
	Messages []Message     // in reading order
	Again    int           // of these, repeats: sent again, unchanged
	Files    int
	Waiting  int // own replies not yet exported
	Sent     int // own replies exported
	Left     int // own reply places left, the last shared one not counted
	Now      Situation
	entries  []entry

	Changed []crypto.Day // days on which the source changed the code
	Rivals  []string     // short ids of cases that claim the same earlier code: one of both is not the source's
	tip     string       // id of the newest code's case
}

// Message is one message of a case, without its words. Numbers do not change
// when more messages arrive.
type Message struct {
	No       int
	Kind     crypto.Kind
	Day      crypto.Day
	Source   bool   // written by the source
	Body     string // else: id of the body whose holder signed; "" when unknown
	Holder   string
	Standing crypto.SignerStanding
	Outside  bool // signed by a body that the source did not choose
	// Forwarded: the message does not name this vault's body among its
	// readers, so another reader than its writer sealed it to this vault.
	Forwarded bool
	Mark      string
	Version   uint64 // of the directory it was written under; 0: one this vault does not know
	Readers   []string
	Text      int // bytes
	Answers   int
	Files     []File
	Own       bool
	Late      string // written with a code that the source had given up: LateAfter, LateSameDay or ""
	State     string // of an own reply: waiting, sent, released
	Bundle    string // of an own reply that was exported
	at        int    // in Case.entries
}

// File is one file of a case. Name is as the sender's machine called it: pass
// it through [SafeLine] or [SafeName].
type File struct {
	No int // in the case
	crypto.File
}

// The values of Message.Mark.
const (
	MarkAgain   = string(markAgain)   // the same content under the same form id
	MarkChanged = string(markChanged) // other content under the same form id
)

// stateWaiting is Message.State of a reply that was not exported yet.
const stateWaiting = "waiting"

var shortBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ShortID names a case on the holder's own screen. It says nothing outside the desk.
func ShortID(id crypto.CaseID) string {
	s := shortBase32.EncodeToString(id[:])
	return s[:4] + "-" + s[4:8]
}

// ErrNoCase says that no case, or more than one, has this name.
var ErrNoCase = errors.New("no such case")

// Cases are all cases, the one with the newest message first.
func (v *Vault) Cases() []Case {
	fam := familiesOf(v.state.Messages)
	groups := make(map[string][]entry)
	for _, e := range v.state.Messages {
		id := fam.first(string(e.Case))
		groups[id] = append(groups[id], e)
	}
	out := make([]Case, 0, len(groups))
	for id, g := range groups {
		out = append(out, v.newCase(id, g, fam))
	}
	slices.SortFunc(out, func(a, b Case) int {
		return cmp.Or(cmp.Compare(b.Last, a.Last), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return out
}

// Case finds a case by its short id or a longer or shorter beginning of it,
// at least four characters. The id of each code of a source will do.
func (v *Vault) Case(name string) (*Case, error) {
	want := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "-", ""))
	if len(want) < 4 {
		return nil, fmt.Errorf("%w: give at least four characters of its id, as list shows it", ErrNoCase)
	}
	fam := familiesOf(v.state.Messages)
	groups := make(map[string][]entry)
	meant := make(map[string]bool)
	for _, e := range v.state.Messages {
		id := fam.first(string(e.Case))
		if groups[id] == nil {
			meant[id] = slices.ContainsFunc(fam.chain(id), func(id string) bool {
				return strings.HasPrefix(shortBase32.EncodeToString([]byte(id)), want)
			})
		}
		groups[id] = append(groups[id], e)
	}
	var found []Case
	for id, g := range groups {
		if meant[id] {
			found = append(found, v.newCase(id, g, fam))
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w: list shows the ids", ErrNoCase)
	case 1:
		return &found[0], nil
	}
	return nil, fmt.Errorf("%w: several begin like that: give more characters", ErrNoCase)
}

// newCase makes the view of a case out of its entries, in order of arrival.
func (v *Vault) newCase(first string, entries []entry, fam *families) Case {
	chain := fam.chain(first)
	c := Case{ID: crypto.CaseID([]byte(first)), entries: entries, tip: chain[len(chain)-1]}
	c.Short = ShortID(c.ID)
	for _, id := range chain {
		if s, ok := fam.after[id]; ok {
			c.Changed = append(c.Changed, s.Day)
		}
		for _, r := range fam.rivals[id] {
			if short := ShortID(crypto.CaseID([]byte(fam.first(r)))); !slices.Contains(c.Rivals, short) {
				c.Rivals = append(c.Rivals, short)
			}
		}
	}
	named := make(map[string]bool) // by any message of the source
	for i := range entries {
		if e := &entries[i]; e.fromSource() && fam.late(e) != LateAfter {
			for _, b := range e.Readers {
				named[b] = true
			}
		}
	}
	for i := range entries {
		m := v.newMessage(&entries[i], i, named)
		m.Late = fam.late(&entries[i])
		for j, f := range entries[i].Files {
			c.Files++
			m.Files[j] = File{No: c.Files, File: f}
		}
		switch {
		case m.Mark == MarkAgain:
			c.Again++
		case m.State == stateWaiting:
			c.Waiting++
		case m.Own:
			c.Sent++
		}
		if m.Source && (c.First == 0 || m.Day < c.First) {
			c.First = m.Day
		}
		c.Last = max(c.Last, m.Day)
		c.Messages = append(c.Messages, m)
	}
	slices.SortStableFunc(c.Messages, func(a, b Message) int {
		x, y := &entries[a.at], &entries[b.at]
		if a.Source && b.Source {
			return cmp.Or(cmp.Compare(x.Day, y.Day), cmp.Compare(x.Counter, y.Counter))
		}
		return cmp.Compare(x.Day, y.Day)
	})
	c.Now = situation(c.Messages, entries)
	if l, ok := c.newest(); ok {
		c.Readers = l.readers
		c.Left = len(v.places(&l, entries).free)
	}
	return c
}

func (v *Vault) newMessage(e *entry, at int, named map[string]bool) Message {
	m := Message{
		No: at + 1, Kind: e.Kind, Day: e.Day, Source: e.fromSource(), Mark: string(e.Mark),
		Readers: e.Readers, Text: e.Text, Answers: e.Answers, Files: make([]File, len(e.Files)),
		Own: e.Own != nil, at: at,
	}
	m.Version, _ = v.versionOf(e.DirHash)
	m.Forwarded = v.forwarded(e)
	if o := e.Own; o != nil {
		switch {
		case e.Batch != nil:
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
	if m.Source {
		return m
	}
	if v.dirs != nil {
		released := e.Released
		if e.Batch == nil {
			released = v.dirs.Version
		}
		b, h, s := v.dirs.Signer(e.Signer, released)
		m.Standing = s
		if b != nil && h != nil {
			m.Body, m.Holder = b.ID, h.ID
		}
	}
	m.Outside = m.Body != "" && len(named) > 0 && !named[m.Body]
	return m
}

// forwarded says whether somebody sealed a message to this vault whose writer did not.
func (v *Vault) forwarded(e *entry) bool {
	return e.Own == nil && !slices.Contains(e.Readers, v.keys.Body)
}

// sourceView is what the source wants now.
type sourceView struct {
	readers  []string // who may read an answer
	order    []string // frame 3 of the message that brought the prekeys: it divides the slots
	prekeys  []prekey
	at       int  // entry that holds the prekeys; -1: none
	narrowed bool // readers were cut to what two orders of the messages have in common
}

// latest finds what the source's latest message says.
//
// Within one life of a mailbox its counter orders messages. Erasing everything starts the
// counter anew, with a report; but it also destroys what was not yet released, so
// every message of the new life is in a later batch, or the same day's later one. Where a message of that
// day could belong to either life (released before the report that began one, or later than a message
// of a higher counter), only bodies that both name may read: nobody is kept from an earlier choice
// (SECURITY.md S-7).
func latest(entries []entry) (sourceView, bool) {
	var life *entry // the report that began the newest life, where that can be told
	for i := range entries {
		e := &entries[i]
		if e.Kind != crypto.KindReport || e.Mark == markAgain {
			continue
		}
		if life == nil || life.Day < e.Day || life.Day == e.Day && releasedBefore(life, e) {
			life = e
		}
	}
	var newest *entry
	view := sourceView{at: -1}
	var keys *entry
	var either []*entry
	for i := range entries {
		e := &entries[i]
		if !e.fromSource() {
			continue
		}
		if life != nil && e != life {
			if e.Day < life.Day {
				continue
			}
			if e.Day == life.Day && releasedBefore(e, life) {
				either = append(either, e)
				continue
			}
		}
		if newest == nil || newest.before(e) {
			newest = e
		}
		if len(e.Prekeys) > 0 && (keys == nil || keys.before(e)) {
			keys, view.at = e, i
		}
	}
	if newest == nil {
		return view, false
	}
	for i := range entries {
		e := &entries[i]
		if e.fromSource() && e.Day == newest.Day && e.Counter < newest.Counter && releasedBefore(newest, e) {
			either = append(either, e) // a new life, whose report is not here
		}
	}
	view.readers = slices.Clone(newest.Readers)
	for _, e := range either {
		n := len(view.readers)
		view.readers = slices.DeleteFunc(view.readers, func(id string) bool { return !slices.Contains(e.Readers, id) })
		view.narrowed = view.narrowed || len(view.readers) < n
	}
	if keys != nil {
		view.order, view.prekeys = keys.Readers, keys.Prekeys
	}
	return view, true
}

// before orders messages of one life of a mailbox.
func (e *entry) before(f *entry) bool {
	return cmp.Or(cmp.Compare(e.Day, f.Day), cmp.Compare(e.Counter, f.Counter), cmp.Compare(e.Arrival, f.Arrival)) < 0
}

// releasedBefore orders by batch, and across two lives of the server by arrival.
func releasedBefore(e, f *entry) bool {
	if e.Batch != nil && f.Batch != nil && e.Batch.Instance == f.Batch.Instance {
		return e.Batch.Batch < f.Batch.Batch
	}
	return e.Arrival < f.Arrival
}

// Letter is a message with its words. Text is as the writer wrote it: pass it
// through [SafeText].
type Letter struct {
	Message
	Words   string
	Told    form.Answers
	Event   *form.CaseEvent
	Notice  *form.Notice // what a reply tells the source besides words
	Agreed  []Consent    // whom the source lets its case be shown to, or not
	Unclear bool         // answers, event or notice are of a version this desk does not know
}

// Read opens one message of a case and verifies it again.
func (v *Vault) Read(c *Case, m *Message) (*Letter, error) {
	r, closer, err := v.openBlob(c.entries[m.at].Blob)
	if err != nil {
		return nil, fmt.Errorf("reading message %d: %w", m.No, err)
	}
	defer func() { _ = closer.Close() }()
	read, err := crypto.ReadMessage(r, nil)
	if err != nil {
		return nil, fmt.Errorf("reading message %d: %w", m.No, err)
	}
	l := &Letter{Message: *m, Words: read.Text}
	if l.Told, err = form.DecodeAnswers(read.Answers); err != nil {
		l.Told, l.Unclear = nil, true
	}
	if len(read.Event) > 0 {
		ev, err := form.DecodeCaseEvent(read.Event)
		if err != nil {
			l.Unclear = true
		} else {
			l.Event = &ev
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
	l.Agreed = consentsOf(read)
	return l, nil
}
