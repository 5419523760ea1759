package intake

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"postern/crypto"
	"postern/intake/form"
	"postern/store"
)

// Session is one request of a source. Not safe for concurrent use.
type Session struct {
	s     *Service
	d     *inForce
	src   *crypto.Source
	box   *mailbox
	raw   []byte // as read; nil: there was none
	state *state
	key   *crypto.Identity // opens replies to this code

	used bool // by write: whether the mailbox is in use afterwards

	// set by Submit, for AddFile
	fields  Fields
	readers []crypto.Reader
	bodies  [][]*crypto.Recipient
	counter uint64
	files   int
}

// Fields is what a form says. Bodies is the positive list of ticked bodies:
// who is not in it does not read (SECURITY.md S-7).
type Fields struct {
	Form    crypto.FormID
	Text    string
	Answers form.Answers
	Bodies  []string
	Urgent  bool

	// Listed is the version of the directory that the form showed; 0 is the one
	// in force. A body that changed hands since was not what the source ticked (SECURITY.md S-27).
	Listed uint64

	Consents []Consent // each about another body; signed by Submit
}

// reload reads the mailbox as it is now.
func (x *Session) reload() (err error) {
	if x.box, x.raw, err = x.s.load(x.src); err != nil {
		return err
	}
	b, err := x.src.OpenState(x.box.state)
	if err != nil {
		return fmt.Errorf("opening a mailbox's state: %w", err)
	}
	if x.state, err = decodeState(b); err != nil {
		return err
	}
	x.key = x.src.ReplyIdentity(x.box.share)
	x.box.drop = crypto.DropOf(x.key.Recipient())
	return nil
}

// Greeting is the two words of the code: "are these yours?"
func (x *Session) Greeting() [2]string { return x.src.Greeting }

// Marker is two words that change only when something was sent or erased. The
// instance's secret is in them: who has the code and the public directory cannot tell at home
// which words a code that was never used shows.
func (x *Session) Marker() [2]string { return x.src.Marker(x.s.secret, x.state.writes) }

// Chosen is the bodies the source last ticked, as far as they read at present
// and are still who they were: none where there is none. What a page carries along without
// a box to tick is this and not [Session.Choice] (SECURITY.md S-7).
func (x *Session) Chosen() (ids []string) {
	for _, r := range x.state.choice {
		if b, ok := x.d.BodyOf(r); ok && b.Active() {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// Choice is what starts ticked on a form: the bodies the source last ticked
// and that still read, or the defaults (independent kinds) where it never ticked any.
func (x *Session) Choice() []string {
	if len(x.state.choice) > 0 {
		return x.Chosen()
	}
	return Defaults(x.d.Directory)
}

// Defaults are the bodies that start ticked: those that the directory and the
// vocabulary both call independent. One of the chain that is reported on never
// does, whatever its entry says (SECURITY.md S-7).
func Defaults(d *crypto.Directory) (ids []string) {
	for _, r := range d.Defaults() {
		b, _ := d.BodyOf(r)
		if k, ok := form.BodyKindOf(b.Kind); ok && k.Independent {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// Close wipes the session's secrets, as far as Go allows.
func (x *Session) Close() {
	x.src.Wipe()
	x.state, x.box, x.raw, x.key = nil, nil, nil, nil
}

// write changes the mailboxes of sessions and whatever change returns besides,
// in one commit. A mailbox that is in use afterwards is put, one that ends is deleted, and
// one that never was writes another one anew, as it is: who has the file sees the same (SECURITY.md S-4).
// change runs again on the newest mailboxes when another request came between.
func (s *Service) write(ctx context.Context, change func() ([]store.Op, error), sessions ...*Session) error {
	s.release.RLock()
	defer s.release.RUnlock()
	var names [][32]byte
	for _, x := range sessions {
		names = append(names, x.src.MailboxName())
	}
	defer s.lock(names...)()
	for try := 0; ; try++ {
		for _, x := range sessions {
			x.used = x.raw != nil
		}
		ops, err := change()
		if err != nil {
			return err
		}
		// What the mailboxes must be stands first: a stale view is told as one, not by
		// an item that another request named meanwhile.
		var must, boxes []store.Op
		values := make([][]byte, len(sessions))
		for i, x := range sessions {
			name := names[i][:]
			values[i] = x.encode()
			if x.raw == nil {
				must = append(must, store.RequireAbsent(bucketMailbox, name))
			} else {
				must = append(must, store.Require(bucketMailbox, name, x.raw))
			}
			switch {
			case x.used:
				boxes = append(boxes, store.Put(bucketMailbox, name, values[i]))
			case x.raw == nil:
				boxes = append(boxes, store.Touch(bucketMailbox, name))
			default:
				boxes = append(boxes, store.Delete(bucketMailbox, name))
			}
		}
		err = s.apply(ctx, slices.Concat(must, ops, boxes)...)
		if err == nil {
			for i, x := range sessions {
				if x.raw = nil; x.used {
					x.raw = values[i]
				}
			}
			return nil
		}
		if !errors.Is(err, store.ErrChanged) || try == maxTries {
			return full(err)
		}
		for _, x := range sessions {
			if err := x.reload(); err != nil {
				return err
			}
		}
	}
}

// encode makes the mailbox record of what is in memory.
func (x *Session) encode() []byte {
	x.box.week = week(x.s.now())
	x.box.state = x.src.SealState(x.state.encode())
	return x.box.encode()
}

// message is the head that every message of this source has. All but files say
// where a reply goes, which ones were opened, and, after a change of code, what came before.
func (x *Session) message(kind crypto.Kind, counter uint64, form crypto.FormID, readers []crypto.Reader) *crypto.Message {
	m := &crypto.Message{
		Meta: crypto.Meta{
			Kind: kind, Case: x.src.Case, Counter: counter, Form: form,
			DirHash: x.d.hash, Day: crypto.DayOf(x.s.now()),
		},
		Readers: readers,
		Source:  x.src.Signing.Public().(ed25519.PublicKey), //nolint:forcetypeassert // always that type
		Life:    x.state.life,
	}
	if kind != crypto.KindFile {
		m.ReplyTo, m.Receipts, m.Succeeds = x.key.Recipient(), x.state.opened.receipts(), x.state.succeeds
	}
	return m
}

// resolve turns a positive list into this month's recipients. listed is the
// version of the directory in which it was ticked.
func (x *Session) resolve(ids []string, listed uint64) (ordered []crypto.Reader, bodies [][]*crypto.Recipient, err error) {
	for _, id := range ids {
		if b, ok := x.d.Body(id); !ok || listed > 0 && b.Since > listed {
			return nil, nil, ErrUnknownBody
		}
	}
	for _, b := range x.d.Bodies { // directory order, each once
		if slices.Contains(ids, b.ID) {
			ordered = append(ordered, b.Reader())
		}
	}
	if len(ordered) < x.d.Policy.Quorum || len(ordered) == 0 {
		return nil, nil, ErrQuorum
	}
	bodies, err = x.d.ReadersFor(ordered, crypto.MonthOf(x.s.now()))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return ordered, bodies, nil
}

// Submit seals and commits the fields as one message of the smallest class;
// durable when nil (SECURITY.md S-6). With neither text, answers nor consents it only
// says who reads the files that AddFile brings, and stores nothing. Submitting the same form
// again is accepted: desks tell repeats. [Later] when so much came that it must wait.
func (x *Session) Submit(ctx context.Context, f Fields) error {
	if x.d.Expired(x.s.now()) {
		return ErrClosed
	}
	f.Text = strings.ToValidUTF8(strings.ReplaceAll(f.Text, "\x00", ""), "\uFFFD")
	if len(f.Text) > crypto.MaxText {
		return ErrTextTooLong
	}
	answers, err := f.Answers.Encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAnswers, err)
	}
	consents, err := x.consents(f.Consents, answers, f.Listed)
	if err != nil {
		return err
	}
	readers, bodies, err := x.resolve(f.Bodies, f.Listed)
	if err != nil {
		return err
	}
	x.counter = x.state.counter
	if f.Text != "" || len(answers) > 0 || len(consents) > 0 {
		if err := x.s.admission.text.take(1, x.s.now()); err != nil {
			return err
		}
		if err := x.submit(ctx, f, answers, consents, readers, bodies); err != nil {
			x.s.admission.text.give(1)
			return err
		}
	}
	x.fields, x.readers, x.bodies, x.files = f, readers, bodies, 0
	return nil
}

func (x *Session) submit(ctx context.Context, f Fields, answers [][]byte, consents []crypto.Consent, readers []crypto.Reader, bodies [][]*crypto.Recipient) error {
	lane := crypto.LaneRegular
	if f.Urgent {
		lane = crypto.LaneUrgent
	}
	return x.s.write(ctx, func() ([]store.Op, error) {
		kind := crypto.KindFollowUp
		if x.state.next == 0 {
			kind = crypto.KindReport
		}
		m := x.message(kind, x.state.counter+step(), f.Form, readers)
		m.Text, m.Answers, m.Consents = f.Text, answers, consents
		sealed, err := seal(x.d, m, x.src.Signing, bodies)
		if err != nil {
			return nil, fmt.Errorf("sealing a message: %w", err)
		}
		n, give := x.s.numbers.take(x.state.seed, x.state.next)
		give() // by the lock on this mailbox
		x.counter = m.Meta.Counter
		return append(x.sent(n, m.Meta.Counter, readers), x.s.enqueue(lane, ownItem(x.state.seed, n), sealed)...), nil
	}, x)
}

// sent notes in the state that item n was sent, and makes the mailbox and its drop real: first and
// later messages are one path.
func (x *Session) sent(n, counter uint64, readers []crypto.Reader) []store.Op {
	x.used = true
	x.state.next = max(x.state.next, n+1)
	x.state.counter = max(x.state.counter, counter)
	x.state.writes++
	x.state.choice = readers
	name := x.src.MailboxName()
	return []store.Op{store.Put(bucketDrop, x.box.drop[:], name[:])}
}

// AddFile seals and commits one file as a message of its own, bound to the
// fields by the form id; durable when nil. Only after Submit. On error this
// file is lost and nothing else.
func (x *Session) AddFile(ctx context.Context, name, mediaType string, r io.Reader) (err error) {
	if x.bodies == nil {
		return errors.New("a file before its form: a fault of ours")
	}
	if x.files >= x.s.limits.Files {
		return ErrTooManyFiles
	}
	if err := x.s.admission.small.take(1, x.s.now()); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			x.s.admission.small.give(1)
		}
	}()
	x.files++
	x.counter += step()
	life, counter := x.state.life, x.counter
	n, give := x.s.numbers.take(x.state.seed, x.state.next)
	defer give()
	w := x.s.newItemWriter(ownItem(x.state.seed, n), x.d.Policy.Slots, x.s.admission.large)
	defer w.abort()
	if err := x.sealFile(w, counter, name, mediaType, r); err != nil {
		return full(err)
	}
	if err := w.finish(); err != nil {
		return full(err)
	}
	lane := crypto.LaneRegular
	if x.fields.Urgent {
		lane = crypto.LaneUrgent
	}
	first := x.raw == nil
	err = x.s.write(ctx, func() ([]store.Op, error) {
		if x.state.life != life && (!first || x.raw != nil) { // erased, changed, or made by another request meanwhile
			return nil, ErrGone
		}
		return append(x.sent(n, counter, x.readers), w.enqueue(lane)...), nil
	}, x)
	w.kept = err == nil
	return err
}

func (x *Session) sealFile(dst io.Writer, counter uint64, name, mediaType string, r io.Reader) error {
	w, err := crypto.Seal(dst, x.d.Policy, x.bodies)
	if err != nil {
		return fmt.Errorf("sealing a file: %w", err)
	}
	mw, err := crypto.NewMessageWriter(w, x.message(crypto.KindFile, counter, x.fields.Form, x.readers), x.src.Signing)
	if err != nil {
		return fmt.Errorf("sealing a file: %w", err)
	}
	fw, err := mw.File(fileName(name), mediaTypeOf(mediaType))
	if err != nil {
		return fmt.Errorf("sealing a file: %w", err)
	}
	got, err := io.CopyBuffer(fw, io.LimitReader(r, x.s.limits.FileSize+1), make([]byte, 64<<10))
	switch {
	case err != nil:
		return fmt.Errorf("receiving a file: %w", err)
	case got > x.s.limits.FileSize:
		return ErrFileTooLarge
	}
	if err := mw.Close(); err != nil {
		return fmt.Errorf("sealing a file: %w", err)
	}
	return w.Close()
}
