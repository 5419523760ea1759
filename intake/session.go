package intake

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
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
	keys  [crypto.ReplySlots]*crypto.Recipient // of the slots

	// set by Submit, for AddFile
	fields Fields
	bodies [][]*crypto.Recipient
	first  uint64 // number of the form's first message
	files  int
}

// Fields is what a form says. Bodies is the positive list of ticked bodies:
// who is not in it does not read (SECURITY.md S-7).
type Fields struct {
	Form    crypto.FormID
	Text    string
	Answers form.Answers
	Bodies  []string
	Urgent  bool

	Consents []Consent // each about another body; signed by Submit
}

// ReplyID tells a reply from another that took its slot. It says nothing of
// either.
type ReplyID [8]byte

func replyID(item store.ItemID) (id ReplyID) {
	sum := sha256.Sum256(item[:])
	copy(id[:], sum[:])
	return id
}

// ReplySummary is one line of the inbox.
type ReplySummary struct {
	Slot int
	ID   ReplyID
	Size int64 // bytes of the sealed item
}

// Reply is one reply, opened and verified.
type Reply struct {
	Slot     int
	ID       ReplyID
	Body     string // body id of the signer; "" when unknown
	Standing crypto.SignerStanding
	Day      crypto.Day // of writing, as the reviewer says
	Text     string     // "" when Standing is SignerUnknown: nothing unsigned is shown
	Files    []crypto.File
	Notice   *form.Notice // what it tells besides words; nil when nothing, or not of a form known here

	sums []uint32 // CRC-32 of each file, for the archive
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
	for i := range x.keys {
		x.derive(i)
	}
	return nil
}

// identity opens what lies in a slot: the code's own, or one that an earlier
// code of this source made.
func (x *Session) identity(i int) *crypto.Identity { return crypto.IdentityFromSeed(x.slotSeed(i)) }

func (x *Session) slotSeed(i int) crypto.Key {
	seed := x.src.ReplySeed(x.box.slots[i].share)
	if kept := x.state.kept[i]; kept != (crypto.Key{}) {
		seed = kept
	}
	return seed
}

// derive computes the key and the drop of a slot.
func (x *Session) derive(i int) {
	x.keys[i] = x.identity(i).Recipient()
	x.box.slots[i].drop = crypto.DropOf(x.keys[i])
}

// fresh empties a slot and gives it a new key, of this code.
func (x *Session) fresh(i int) {
	x.box.fresh(i)
	x.state.kept[i] = crypto.Key{}
	x.derive(i)
}

// Greeting is the two words of the code: "are these yours?"
func (x *Session) Greeting() [2]string { return x.src.Greeting }

// Marker is two words that change only when something was sent or erased.
func (x *Session) Marker() [2]string { return x.src.Marker(x.state.writes) }

// Chosen is the bodies the source last ticked, as far as they read at present:
// none where there is none. What a page carries along without a box to tick is
// this and not [Session.Choice] (SECURITY.md S-7).
func (x *Session) Chosen() []string {
	return slices.DeleteFunc(slices.Clone(x.state.choice), func(id string) bool {
		b, ok := x.d.Body(id)
		return !ok || !b.Active()
	})
}

// Choice is what starts ticked on a form: the bodies the source last ticked
// and that still read, or the defaults (independent kinds) when there is none.
func (x *Session) Choice() []string {
	if c := x.Chosen(); len(c) > 0 {
		return c
	}
	return Defaults(x.d.Directory)
}

// Defaults are the bodies that start ticked: those that the directory and the
// vocabulary both call independent. One of the chain that is reported on never
// does, whatever its entry says (SECURITY.md S-7).
func Defaults(d *crypto.Directory) []string {
	return slices.DeleteFunc(d.Defaults(), func(id string) bool {
		b, _ := d.Body(id)
		k, ok := form.BodyKindOf(b.Kind)
		return !ok || !k.Independent
	})
}

// Close wipes the session's secrets, as far as Go allows.
func (x *Session) Close() {
	x.src.Wipe()
	x.state, x.box, x.raw = nil, nil, nil
}

// commit changes the mailbox and whatever change returns besides, together.
// change runs again on the newest mailbox when another request came between.
func (x *Session) commit(ctx context.Context, change func() ([]store.Op, error)) error {
	name := x.src.MailboxName()
	defer x.s.lock(name)()
	for try := 0; ; try++ {
		ops, err := change()
		if err != nil {
			return err
		}
		value := x.encode()
		// What the mailbox must be stands first: a stale view is told as one, not by
		// an item that another request named meanwhile.
		ops = slices.Concat(require(name, x.raw), ops, []store.Op{store.Put(bucketMailbox, name[:], value)})
		err = x.s.apply(ctx, ops...)
		if err == nil {
			x.raw = value
			return nil
		}
		if !errors.Is(err, store.ErrChanged) || try == maxTries {
			return full(err)
		}
		if err := x.reload(); err != nil {
			return err
		}
	}
}

// drops makes the mailbox's drops known. All of them each time: first and
// later messages are one path.
func (x *Session) drops() []store.Op {
	name := x.src.MailboxName()
	ops := make([]store.Op, 0, crypto.ReplySlots)
	for i := range x.box.slots {
		drop := x.box.slots[i].drop
		ops = append(ops, store.Put(bucketDrop, drop[:], encodeDrop(name, i)))
	}
	return ops
}

// prekeys are the keys of all slots that can still take a reply.
func (x *Session) prekeys() []crypto.Prekey {
	var p []crypto.Prekey
	for i := range x.box.slots {
		if i == 0 || !x.box.slots[i].filled() {
			p = append(p, crypto.Prekey{Slot: byte(i), Recipient: x.keys[i]})
		}
	}
	return p
}

const allSlots = 1<<crypto.ReplySlots - 1

// message is the head that every message of this source has. After a change of
// code all but files say what came before.
func (x *Session) message(kind crypto.Kind, n uint64, form crypto.FormID, readers []string) *crypto.Message {
	succeeds := x.state.succeeds
	if kind == crypto.KindFile {
		succeeds = nil
	}
	return &crypto.Message{
		Succeeds: succeeds,
		Meta: crypto.Meta{
			Kind: kind, Case: x.src.Case, Counter: n, Form: form,
			DirHash: x.d.hash, Day: crypto.DayOf(x.s.now()),
		},
		Readers: readers,
		Quorum:  byte(x.d.Policy.Quorum),                    //nolint:gosec // checked by Policy.Valid
		Source:  x.src.Signing.Public().(ed25519.PublicKey), //nolint:forcetypeassert // always that type
	}
}

// readers resolves a positive list to this month's recipients.
func (x *Session) readers(ids []string) (ordered []string, bodies [][]*crypto.Recipient, err error) {
	for _, id := range ids {
		if _, ok := x.d.Body(id); !ok {
			return nil, nil, ErrUnknownBody
		}
	}
	for _, b := range x.d.Bodies { // directory order, each once
		if slices.Contains(ids, b.ID) {
			ordered = append(ordered, b.ID)
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
// sets who reads the files that AddFile brings. Submitting the same form
// again is accepted: desks tell repeats.
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
	consents, err := x.consents(f.Consents, answers)
	if err != nil {
		return err
	}
	ordered, bodies, err := x.readers(f.Bodies)
	if err != nil {
		return err
	}
	f.Bodies = ordered
	say := f.Text != "" || len(answers) > 0 || len(consents) > 0

	x.s.release.RLock()
	defer x.s.release.RUnlock()
	err = x.commit(ctx, func() ([]store.Op, error) {
		n := x.state.next
		kind := crypto.KindFollowUp
		if n == 0 {
			kind = crypto.KindReport
		}
		x.state.next += 1 + uint64(x.s.limits.Files) //nolint:gosec // small
		x.state.choice = ordered
		x.first = n
		ops := x.drops()
		if !say {
			return ops, nil
		}
		x.state.writes++
		m := x.message(kind, n, f.Form, ordered)
		m.Text, m.Answers, m.Consents, m.Prekeys = f.Text, answers, consents, x.prekeys()
		sealed, err := seal(x.d, m, x.src.Signing, bodies)
		if err != nil {
			return nil, fmt.Errorf("sealing a message: %w", err)
		}
		x.box.announced = allSlots
		id := x.state.item(n)
		lane := crypto.LaneRegular
		if f.Urgent {
			lane = crypto.LaneUrgent
		}
		return append(ops,
			store.AddItem(id, sealed),
			store.Create(bucketOut, id[:], out{lane: lane, size: int64(len(sealed)), week: week(x.s.now())}.encode())), nil
	})
	if err != nil {
		return err
	}
	x.fields, x.bodies, x.files = f, bodies, 0
	return nil
}

// AddFile seals and commits one file as a message of its own, bound to the
// fields by the form id; durable when nil. Only after Submit. On error this
// file is lost and nothing else.
func (x *Session) AddFile(ctx context.Context, name, mediaType string, r io.Reader) error {
	if x.bodies == nil {
		return errors.New("a file before its form: a fault of ours")
	}
	if x.files >= x.s.limits.Files {
		return ErrTooManyFiles
	}
	x.files++
	n := x.first + uint64(x.files) //nolint:gosec // small
	seed := x.state.seed
	w := x.s.newItemWriter(x.state.item(n), x.d.Policy.Slots)
	defer w.abort()
	if err := x.sealFile(w, n, name, mediaType, r); err != nil {
		return full(err)
	}
	add, lane, err := w.finish()
	if err != nil {
		return full(err)
	}
	if lane == crypto.LaneRegular && x.fields.Urgent {
		lane = crypto.LaneUrgent
	}
	x.s.release.RLock()
	defer x.s.release.RUnlock()
	return x.commit(ctx, func() ([]store.Op, error) {
		if x.raw == nil || x.state.seed != seed {
			return nil, ErrGone
		}
		x.state.writes++
		return []store.Op{add, store.Create(bucketOut, w.id[:], out{lane: lane, size: w.size, week: week(x.s.now())}.encode())}, nil
	})
}

func (x *Session) sealFile(dst io.Writer, n uint64, name, mediaType string, r io.Reader) error {
	w, err := crypto.Seal(dst, x.d.Policy, x.bodies)
	if err != nil {
		return fmt.Errorf("sealing a file: %w", err)
	}
	mw, err := crypto.NewMessageWriter(w, x.message(crypto.KindFile, n, x.fields.Form, x.fields.Bodies), x.src.Signing)
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

// visit makes the one durable write of a login, read or erase. It is the same
// for every code: one mailbox, sixteen drops, one message of the smallest
// class and its place in the queue. Where the code is in use and its readers
// do not know all keys yet, that message tells them; otherwise it is cover
// and lies where a later visit overwrites it, as does the mailbox of a code
// that is not in use.
//
// change alters the mailbox in memory and returns what goes along. gone: the
// mailbox ends with this visit.
func (x *Session) visit(ctx context.Context, change func() (ops []store.Op, gone bool)) error {
	return x.write(ctx, x, func() ([]store.Op, bool) {
		if change == nil {
			return nil, x.raw != nil
		}
		ops, gone := change()
		return ops, x.raw != nil && !gone
	})
}

// write is a visit's one durable write. change says besides whether the mailbox is
// in use afterwards, and may alter the one of another session, before, that must
// not have changed either.
func (x *Session) write(ctx context.Context, before *Session, change func() (ops []store.Op, used bool)) error {
	x.s.release.RLock()
	defer x.s.release.RUnlock()
	place := <-x.s.scratch
	defer func() { x.s.scratch <- place }()
	name, other := x.src.MailboxName(), before.src.MailboxName()
	defer x.s.lock(name, other)()
	quiet := false // storage is full: no message, for no code
	for try := 0; ; try++ {
		ops, used := change()
		keys, readable, err := x.sealPrekeys()
		if err != nil {
			return fmt.Errorf("sealing new reply keys: %w", err)
		}
		filler, err := cover(x.d, crypto.DayOf(x.s.now()))
		if err != nil {
			return err
		}
		live := used && readable && !quiet && x.box.announced != allSlots

		id, item := place.replace(filler)
		queued := scratchOut
		if live {
			id = x.state.item(x.state.next)
			item, queued = place.release(id, keys), id
			x.box.announced = allSlots
			x.state.next++
		}
		if !quiet {
			ops = append(append(ops, item...),
				store.Put(bucketOut, queued[:], out{lane: crypto.LaneRegular, size: int64(len(filler)), week: week(x.s.now())}.encode()))
		}
		value := x.encode()
		must := require(name, x.raw)
		if before != x {
			must = append(must, require(other, before.raw)...)
		}
		ops = slices.Concat(must, ops, x.mailboxOps(name, value, used))
		err = x.s.apply(ctx, ops...)
		switch {
		case err == nil:
			if !quiet {
				place.item = id
			}
			if live {
				place.item = store.ItemID{}
			}
			if used {
				x.raw = value
			}
			return nil
		case errors.Is(err, store.ErrFull) && !quiet:
			quiet = true
		case !errors.Is(err, store.ErrChanged) || try == maxTries:
			return full(err)
		}
		if err := x.reload(); err != nil {
			return err
		}
		if before != x {
			if err := before.reload(); err != nil {
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

// mailboxOps write the mailbox and its drops: in place where the code is in
// use, else to the scratch mailbox, and what may lie in place ends.
func (x *Session) mailboxOps(name [32]byte, value []byte, used bool) []store.Op {
	at := name
	if !used {
		at = scratchName
	}
	as := []store.Op{store.Delete(bucketMailbox, name[:]), store.Put(bucketMailbox, at[:], value)}
	for i := range x.box.slots {
		drop := scratchDrop(i)
		if used {
			drop = x.box.slots[i].drop
		}
		as = append(as, store.Put(bucketDrop, drop[:], encodeDrop(at, i)))
	}
	return as
}

// require holds a change to the mailbox it was made for.
func require(name [32]byte, raw []byte) []store.Op {
	if raw == nil {
		return []store.Op{store.RequireAbsent(bucketMailbox, name[:])}
	}
	return []store.Op{store.Require(bucketMailbox, name[:], raw)}
}

// sealPrekeys seals the keys of all free slots for the readers the source
// last chose. Not readable: the directory has expired, or none of them reads
// any more; then nobody is told, since nobody reads whom the source did not
// tick (SECURITY.md S-7).
func (x *Session) sealPrekeys() (sealed []byte, readable bool, err error) {
	chosen := x.Chosen()
	readable = len(chosen) > 0
	if !readable {
		chosen = Defaults(x.d.Directory) // for the work only: it is not stored
	}
	ordered, bodies, err := x.readers(chosen)
	if err != nil || x.d.Expired(x.s.now()) {
		return nil, false, nil
	}
	var form crypto.FormID
	_, _ = rand.Read(form[:])
	m := x.message(crypto.KindPrekeys, x.state.next, form, ordered)
	m.Prekeys = x.prekeys()
	sealed, err = seal(x.d, m, x.src.Signing, bodies)
	return sealed, readable, err
}

// Inbox lists waiting replies by slot, with the visit's one durable write.
func (x *Session) Inbox(ctx context.Context) ([]ReplySummary, error) {
	if err := x.visit(ctx, nil); err != nil {
		return nil, err
	}
	var list []ReplySummary
	for i := range x.box.slots {
		if !x.box.slots[i].filled() {
			continue
		}
		it, err := x.s.store.OpenItem(x.box.slots[i].item)
		if errors.Is(err, store.ErrNotFound) {
			continue // erased by another request a moment ago
		}
		if err != nil {
			return nil, fmt.Errorf("listing replies: %w", err)
		}
		list = append(list, ReplySummary{Slot: i, ID: replyID(x.box.slots[i].item), Size: it.Size()})
	}
	return list, nil
}

// plaintext opens the container in a slot.
func (x *Session) plaintext(i int) (io.Reader, error) {
	if i < 0 || i >= crypto.ReplySlots || !x.box.slots[i].filled() {
		return nil, ErrNoReply
	}
	it, err := x.s.store.OpenItem(x.box.slots[i].item)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoReply
	}
	if err != nil {
		return nil, fmt.Errorf("opening a reply: %w", err)
	}
	plain, err := crypto.Open(io.NewSectionReader(it, 0, it.Size()), x.identity(i))
	if err != nil {
		return nil, fmt.Errorf("opening a reply: %w", err)
	}
	return plain, nil
}

// Reply opens one reply, with the visit's durable write. [ErrNoReply] when the
// slot is empty. What no listed holder signed for this slot comes without
// words (SECURITY.md S-8), so that it can be erased.
func (x *Session) Reply(ctx context.Context, i int) (*Reply, error) {
	if err := x.visit(ctx, nil); err != nil {
		return nil, err
	}
	plain, err := x.plaintext(i)
	if errors.Is(err, ErrNoReply) {
		return nil, err
	}
	r := &Reply{Slot: i, ID: replyID(x.box.slots[i].item)}
	var m *crypto.Read
	if err == nil {
		m, err = crypto.ReadMessage(plain, r.sum)
	}
	switch {
	case errors.Is(err, crypto.ErrNotForUs), errors.Is(err, crypto.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF):
		return r, nil // someone handed in other bytes under this drop
	case err != nil:
		return nil, fmt.Errorf("reading a reply: %w", err)
	}
	// The signed drop must be this slot's: a fellow reader could else seal an old
	// reply to another key and repeat it. A slot from before a change of code may
	// have been announced by several codes, under the case of each.
	meant := crypto.DropRef{Drop: x.box.slots[i].drop, Slot: byte(i)} //nolint:gosec // below ReplySlots
	ours := m.Meta.Case == x.src.Case || x.state.kept[i] != (crypto.Key{})
	if m.Meta.Kind != crypto.KindReply || !ours || m.Drop == nil || *m.Drop != meant {
		return r, nil
	}
	r.Day = m.Meta.Day
	body, _, standing := x.d.Signer(m.Signer, x.box.slots[i].version)
	r.Standing = standing
	if standing == crypto.SignerUnknown {
		return r, nil
	}
	r.Body, r.Text, r.Files = body.ID, m.Text, m.Files
	if n, err := form.DecodeNotice(m.Notice); err == nil {
		r.Notice = &n
	}
	return r, nil
}

// WriteFiles writes the files of a reply that Reply opened as one ZIP, padded
// to 64 KiB · 2^k, in constant memory. [ErrNoReply] when another took its slot.
func (x *Session) WriteFiles(ctx context.Context, r *Reply, w io.Writer) error {
	plain, err := x.plaintext(r.Slot)
	if err != nil {
		return err
	}
	if replyID(x.box.slots[r.Slot].item) != r.ID {
		return ErrNoReply
	}
	// All of it on this goroutine: the stack of another one would keep what it
	// held (SECURITY.md S-12).
	z, n := newArchive(w), 0
	if _, err := crypto.ReadMessage(plain, func(_ crypto.File, f io.Reader) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n++; n > len(r.Files) {
			return errors.New("more files than this reply has")
		}
		return z.add(r.Files[n-1], r.sums[n-1], f)
	}); err != nil {
		return fmt.Errorf("writing a reply's files: %w", err)
	}
	padding := zipPadding(r.Files)
	if err := z.store(padName, padding, zeroSum(padding), zeros{}); err != nil {
		return fmt.Errorf("padding a reply's files: %w", err)
	}
	return z.close()
}

// sum keeps the checksum of a file, which stands in front of it in the archive.
func (r *Reply) sum(_ crypto.File, f io.Reader) error {
	h := crc32.NewIEEE()
	_, err := io.Copy(h, f)
	r.sums = append(r.sums, h.Sum32())
	return err
}

// Erase forgets one reply, its share and with it the key that opened it
// (SECURITY.md S-5). The slot gets a new key, which readers learn with the
// visit's message. [ErrNoReply] when the slot does not hold this reply any more.
func (x *Session) Erase(ctx context.Context, i int, id ReplyID) error {
	if i < 0 || i >= crypto.ReplySlots {
		return ErrNoReply
	}
	found := false
	err := x.visit(ctx, func() ([]store.Op, bool) {
		old, kept, key, announced := x.box.slots[i], x.state.kept[i], x.keys[i], x.box.announced
		found = old.filled() && replyID(old.item) == id
		x.fresh(i)
		if !found { // the same work, thrown away
			x.box.slots[i], x.state.kept[i], x.keys[i], x.box.announced = old, kept, key, announced
			return nil, false
		}
		x.state.writes++
		return []store.Op{store.Forget(old.item), store.Delete(bucketDrop, old.drop[:])}, false
	})
	if err == nil && !found {
		err = ErrNoReply
	}
	return err
}

// EraseAll forgets everything of the code: replies, keys, state, and the
// source's own messages as far as the server still has them: unreleased ones
// (cover fills their batch) and released ones (see forgetOwn). Afterwards the
// code is as if never used.
func (x *Session) EraseAll(ctx context.Context) error {
	covers := true
	for {
		err := x.visit(ctx, func() ([]store.Op, bool) {
			ops := x.forgetOwn(covers)
			for i := range x.box.slots {
				sl := &x.box.slots[i]
				ops = append(ops, store.Forget(sl.item), store.Delete(bucketDrop, sl.drop[:]))
			}
			return ops, true
		})
		if errors.Is(err, ErrFull) && covers { // nothing may keep a source from erasing
			covers = false
			continue
		}
		if err != nil {
			return err
		}
		return x.reload()
	}
}

// forgetOwn returns the operations that forget the source's own messages. Of
// those that a batch still carries, the ones of the smallest class become
// cover, so that holders who fetch the batch later see nothing missing; larger
// ones become noise.
func (x *Session) forgetOwn(covers bool) []store.Op {
	var ops []store.Op
	for n := range x.state.next {
		id := x.state.item(n)
		ops = append(ops, store.Forget(id), store.Delete(bucketOut, id[:]))
		it, err := x.s.store.OpenItem(id)
		if err != nil || !covers || it.Size() != int64(SmallCell(x.d.Policy.Slots)) {
			continue
		}
		if _, err := x.s.store.Get(bucketOut, id[:]); !errors.Is(err, store.ErrNotFound) {
			continue
		}
		if c, err := cover(x.d, crypto.DayOf(x.s.now())); err == nil {
			ops = append(ops, store.AddSpare(stand(id), c))
		}
	}
	return ops
}

// stand is the id of the cover that stands in for an erased item in its batch.
func stand(id store.ItemID) store.ItemID {
	return store.ItemID(sha256.Sum256(append([]byte("stand-in for an erased entry\x00"), id[:]...)))
}
