package reviewer

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/plain"
	"postern/reviewer/vault"
)

// Plan is what a reply would do: show it before it is written.
type Plan struct {
	Case     *Case
	Bodies   []crypto.Reader // bodies that will read it besides the source
	Unable   []crypto.Reader // bodies the source named that cannot: not in the directory, another one by now, or without a key for this month
	Narrowed bool            // the source erased and wrote again on one day: only bodies named before and after read

	today  crypto.Day
	bodies [][]*crypto.Recipient
	view   sourceView
}

// Errors of [Desk.PlanReply].
var (
	ErrNoPlace     = errors.New("the source's words, with the key to answer them, are not here yet: import the batches that are missing, and newer ones")
	ErrNotChosen   = errors.New("the source no longer chooses your body, so no answer can be sealed")
	ErrBecame      = errors.New("your body is not what it was when the source chose it (its kind changed, or all of its people at once): no answer can be sealed until the source ticks it anew")
	ErrNobody      = errors.New("none of the bodies the source chose can read a reply: the directory lists no key of theirs for this month. Ask the operator for a new directory and accept it")
	ErrNotEnrolled = errors.New("the directory in force does not list this vault's key, so the source would see a reply nobody answers for: ask the operator to enrol your card, and accept the new directory")
)

// PlanReply says who would read a reply in the case today.
func (desk *Desk) PlanReply(c *Case, today crypto.Day) (*Plan, error) {
	if desk.dirs == nil {
		return nil, ErrNoDirectory
	}
	if listed, _ := desk.Enrolled(desk.dirs); !listed {
		return nil, ErrNotEnrolled
	}
	view, ok := c.newest()
	switch {
	case c.Local != nil && !ok:
		return nil, ErrNoCode
	case !ok || view.at < 0:
		return nil, ErrNoPlace
	case !names(view.readers, desk.keys.Body):
		return nil, ErrNotChosen
	}
	p := &Plan{Case: c, Narrowed: view.narrowed, today: today, view: view}
	month := crypto.MonthOf(today.Time())
	for _, r := range view.readers {
		b, ok := desk.dirs.BodyOf(r)
		switch {
		case !ok && r.ID == desk.keys.Body:
			return nil, ErrBecame
		case !ok || len(b.Recipients(month)) == 0:
			p.Unable = append(p.Unable, r)
		default:
			p.Bodies = append(p.Bodies, r)
			p.bodies = append(p.bodies, b.Recipients(month))
		}
	}
	if len(p.Bodies) == 0 {
		return nil, ErrNobody
	}
	return p, nil
}

// Attachment is a file to send with a reply. Its name is what the source sees.
type Attachment struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Draft is a reply to be written.
type Draft struct {
	Text   string // at most 32 KiB once it is clean: UTF-8, no control characters
	Files  []Attachment
	Notice *form.Notice // what the source is told besides words; a reply may be that alone

	// Instead is a message of the case, a reply that waits: it is withdrawn in the same step. nil: none.
	Instead *Message
}

// MaxReplyFiles bounds the files of a reply, in bytes: more fits no volume. A server may take less, as its
// operator decided for all files.
const MaxReplyFiles = 511 << 20

// ErrReplyFiles says that the files of a reply are too large.
var ErrReplyFiles = errors.New("the files are larger together than a reply holds, 536 MB: send some of them with a second reply")

// AttachmentName is the name under which a source sees a file of a reply, of the path at which it lies here.
func AttachmentName(path string) string { return plain.SafeName(filepath.Base(path)) }

// Attached are the files of a reply that waits, for another one that is written instead.
func (desk *Desk) Attached(c *Case, m *Message) ([]Attachment, error) {
	if _, err := desk.waits(c, m); err != nil {
		return nil, err
	}
	l, err := desk.Read(c, m)
	if err != nil {
		return nil, err
	}
	var list []Attachment
	for j, f := range l.Files {
		list = append(list, Attachment{Name: f.Name, Open: func() (io.ReadCloser, error) {
			return piped(func(w io.Writer) error { return desk.copyFile(c.entries[m.at], j, w) }), nil
		}})
	}
	return list, nil
}

func (d *Draft) valid() error {
	switch {
	case d.Text == "" && len(d.Files) == 0 && d.Notice == nil:
		return errors.New("the reply is empty")
	case len(d.Text) > crypto.MaxText:
		return fmt.Errorf("the text has %d bytes, a reply holds %d: shorten it, or send the rest as a second reply", len(d.Text), crypto.MaxText)
	}
	return nil
}

// Reply seals a reply as planned, signs it with the holder's key, and keeps it in the vault:
// in the case, and waiting for [Desk.Export]. It returns the message's number in the case.
func (desk *Desk) Reply(p *Plan, d Draft) (int, error) {
	if !utf8.ValidString(d.Text) {
		return 0, errors.New("reply: the text is not UTF-8: save it as UTF-8")
	}
	d.Text = form.Clean(d.Text)
	if err := d.valid(); err != nil {
		return 0, fmt.Errorf("reply: %w", err)
	}
	notice, err := desk.encodeNotice(p, d.Notice)
	if err != nil {
		return 0, fmt.Errorf("reply: %w", err)
	}
	to, err := desk.replyTo(p)
	if err != nil {
		return 0, fmt.Errorf("reply: %w", err)
	}
	var id crypto.FormID
	_, _ = rand.Read(id[:])
	drop := crypto.DropOf(to)
	m := &crypto.Message{
		Meta: crypto.Meta{
			Kind: crypto.KindReply, Case: crypto.CaseID(p.Case.entries[p.view.at].Case), Counter: p.counter(), Form: id,
			DirHash: desk.dirs.Hash(), Day: p.today,
		},
		Readers: p.Bodies, Text: d.Text, Notice: notice, Drop: &drop,
	}
	next := desk.state.next()
	if d.Instead != nil {
		e, err := desk.waits(p.Case, d.Instead)
		if err != nil {
			return 0, fmt.Errorf("reply: %w", err)
		}
		next.messages.remove(string(e.ID))
	}
	var change vault.Change
	e, err := desk.sealReply(&change, m, p, d.Files, to)
	if err == nil {
		next.messages.set(string(e.ID), e)
		err = desk.commit(next, &change)
	}
	if err != nil {
		change.Abandon()
		return 0, fmt.Errorf("reply: %w", err)
	}
	for i, o := range desk.index.cases[string(p.Case.ID[:])] {
		if o == e {
			return i + 1, nil
		}
	}
	return 0, errors.New("reply: it is in the vault, but not in its case: this is a fault of the program")
}

// ErrNotWaiting says that a reply is no longer this desk's alone.
var ErrNotWaiting = errors.New("this reply does not wait any more: it was exported, or withdrawn")

// Withdraw takes back a reply that waits: it leaves the case, and is never sent. Once it was
// exported it is [ErrNotWaiting].
func (desk *Desk) Withdraw(c *Case, m *Message) error {
	e, err := desk.waits(c, m)
	if err != nil {
		return fmt.Errorf("withdrawing: %w", err)
	}
	next := desk.state.next()
	next.messages.remove(string(e.ID))
	var change vault.Change
	if err := desk.commit(next, &change); err != nil {
		return fmt.Errorf("withdrawing: %w", err)
	}
	return nil
}

// waits finds a reply that waits, as it is by now.
func (desk *Desk) waits(c *Case, m *Message) (*entry, error) {
	e, ok := desk.state.messages.get(string(c.entries[m.at].ID))
	if !ok || e.Own == nil || e.Own.Wire == nil || len(e.Own.Bundle) != 0 || e.Release != nil {
		return nil, ErrNotWaiting
	}
	return e, nil
}

// counter numbers an own reply among those of its case and day, and of no other
// case: fellow readers see it (SECURITY.md S-29). Counting on from the day, it rises also
// when the vault was restored from a backup or the case was erased: the source's side takes no
// reply that counts lower than one it has read.
func (p *Plan) counter() uint64 {
	n := uint64(p.today) << 16
	for _, e := range p.Case.entries {
		if e.Own != nil && e.Kind == crypto.KindReply {
			n = max(n, e.Counter+1)
		}
	}
	return n
}

// replyTo reads the source's reply key from the message that brought it.
func (desk *Desk) replyTo(p *Plan) (*crypto.Recipient, error) {
	r, closer, err := desk.vault.OpenBlob(p.Case.entries[p.view.at].Blob)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	read, err := crypto.ReadMessage(r, nil)
	if err != nil {
		return nil, err
	}
	return read.ReplyTo, nil
}

// sealReply writes the reply three times in one pass: sealed to the source and to its
// readers, for the server, and as a container under a vault key, for the case.
func (desk *Desk) sealReply(change *vault.Change, m *crypto.Message, p *Plan, files []Attachment, to *crypto.Recipient) (*entry, error) {
	var out []io.Writer
	var done []func() vault.Blob
	var ends []func() error
	open := func() (io.Writer, error) {
		k, err := desk.vault.NewPack()
		if err != nil {
			return nil, err
		}
		change.Pack(k)
		w, d, err := k.Seal()
		if err != nil {
			return nil, err
		}
		done = append(done, d)
		ends = append(ends, w.Close)
		return w, nil
	}
	sealed := new(countWriter)
	for _, to := range []struct {
		bodies [][]*crypto.Recipient
		extra  []*crypto.Recipient
	}{{nil, []*crypto.Recipient{to}}, {p.bodies, desk.mine(p)}} {
		w, err := open()
		if err != nil {
			return nil, err
		}
		sealed = &countWriter{w: w}
		s, err := crypto.Seal(sealed, desk.dirs.Policy, to.bodies, to.extra...)
		if err != nil {
			return nil, err
		}
		ends = slices.Insert(ends, len(ends)-1, s.Close)
		out = append(out, s)
	}
	kept, err := open()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	mw, err := crypto.NewMessageWriter(io.MultiWriter(append(out, kept, h)...), m, desk.keys.signing())
	if err != nil {
		return nil, err
	}
	left := int64(MaxReplyFiles)
	for _, f := range files {
		if err := attach(mw, f, &left); err != nil {
			return nil, err
		}
	}
	for _, step := range append([]func() error{mw.Close}, ends...) {
		if err := step(); err != nil {
			return nil, err
		}
	}
	// Read back what was written: a reply that its readers would refuse must not leave.
	b := done[2]()
	r, closer, err := desk.vault.OpenBlob(b)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	read, err := crypto.ReadMessage(r, nil)
	if err != nil {
		return nil, fmt.Errorf("checking what was written: %w", err)
	}
	e := newEntry([32]byte(h.Sum(nil)), read, b)
	e.Own = &own{Wire: &parcel{Drop: m.Drop[:], Size: sealed.n, Source: done[0](), Readers: done[1]()}}
	return &e, nil
}

// mine is the holder's own recipient, should the directory not list it for this month
// and a place be left.
func (desk *Desk) mine(p *Plan) []*crypto.Recipient {
	s, err := desk.keys.seed(crypto.MonthOf(p.today.Time()))
	if err != nil {
		return nil
	}
	mine, n := s.Identity().Recipient(), 0
	for _, b := range p.bodies {
		n += len(b)
		if slices.ContainsFunc(b, func(r *crypto.Recipient) bool { return r.String() == mine.String() }) {
			return nil
		}
	}
	if n >= desk.dirs.Policy.Slots {
		return nil
	}
	return []*crypto.Recipient{mine}
}

// attach copies one file. Its name is cut down to a safe one: the folders it lies in here
// are nobody's business.
func attach(mw *crypto.MessageWriter, f Attachment, left *int64) error {
	if f.Open == nil {
		return errors.New("attaching a file: it has no content")
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("attaching a file: %w", err)
	}
	defer func() { _ = r.Close() }()
	w, err := mw.File(AttachmentName(f.Name), "application/octet-stream")
	if err != nil {
		return fmt.Errorf("attaching a file: %w", err)
	}
	n, err := io.Copy(w, io.LimitReader(r, *left+1))
	if *left -= n; err == nil && *left < 0 {
		err = ErrReplyFiles
	}
	if err != nil {
		return fmt.Errorf("attaching a file: %w", err)
	}
	return nil
}

type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
