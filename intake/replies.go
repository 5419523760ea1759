package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"postern/crypto"
	"postern/intake/form"
	"postern/store"
)

// PageReplies is how many replies one page of an inbox lists.
const PageReplies = 40

// ReplyID tells a reply from every other. It says nothing of it.
type ReplyID [8]byte

func replyID(item store.ItemID) (id ReplyID) {
	sum := sha256.Sum256(item[:])
	copy(id[:], sum[:])
	return id
}

// ReplySummary is one line of the inbox.
type ReplySummary struct {
	Number uint32
	ID     ReplyID
	Size   int64      // bytes of the sealed item
	Day    crypto.Day // of writing, as the reviewer says; 0: it does not open
	Body   string     // body id of the signer; "" when unknown, or not read yet
	New    bool       // not opened yet

	counter uint64
}

// Reply is one reply, opened and verified.
type Reply struct {
	Number   uint32
	ID       ReplyID
	Body     string // body id of the signer; "" when unknown
	Standing crypto.SignerStanding
	Day      crypto.Day // of writing, as the reviewer says
	Text     string     // "" when Standing is SignerUnknown: nothing unsigned is shown
	Files    []crypto.File
	Notice   *form.Notice // what it tells besides words; nil when nothing, or not of a form known here

	receipt receipt
	sums    []uint32 // CRC-32 of each file, for the archive
}

// visit makes the one durable write of a login, read or erase: one mailbox, for every code.
func (x *Session) visit(ctx context.Context, change func() ([]store.Op, error)) error {
	return x.s.write(ctx, change, x)
}

// Inbox lists waiting replies in the order of their writing, with the visit's one durable write:
// on page 0 those that came last, and how many came before. Repeats of what was opened are not
// shown, and forgotten with this write: only a reader makes them, by sealing
// another's words again.
func (x *Session) Inbox(ctx context.Context, page int) (list []ReplySummary, more int, err error) {
	var repeats []uint32
	at := 0
	for n := x.box.next; n > x.box.first && at < int(x.box.waiting); {
		n--
		w, err := x.s.waitingAt(x.box.box, n)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("listing replies: %w", err)
		}
		if at++; at <= page*PageReplies {
			continue
		}
		if at > (page+1)*PageReplies {
			break
		}
		line, repeat, err := x.summary(n, w)
		switch {
		case errors.Is(err, ErrNoReply): // erased by another request a moment ago
		case err != nil:
			return nil, 0, err
		case repeat:
			repeats = append(repeats, n)
		default:
			list = append(list, line)
		}
	}
	more = max(0, int(x.box.waiting)-(page+1)*PageReplies)
	slices.SortStableFunc(list, func(a, b ReplySummary) int {
		return cmp.Or(cmp.Compare(a.Day-1, b.Day-1), cmp.Compare(a.counter, b.counter), cmp.Compare(a.Number, b.Number)) // what has no day is last
	})
	return list, more, x.visit(ctx, func() ([]store.Op, error) { return x.forget(repeats...) })
}

// summary reads of a reply what a line says. Small ones are read to their signature; of
// larger ones the head alone, whose day is what its writer says.
func (x *Session) summary(n uint32, w waiting) (line ReplySummary, repeat bool, err error) {
	it, err := x.item(w)
	if err != nil {
		return line, false, err
	}
	line = ReplySummary{Number: n, ID: replyID(w.item), Size: it.Size(), New: !x.state.opened.has(n)}
	if it.Size() == int64(SmallCell(x.d.Policy.Slots)) {
		r, err := x.read(n, w, it)
		if err != nil {
			return line, false, err
		}
		line.Day, line.Body, line.counter = r.Day, r.Body, r.receipt.counter
		return line, line.New && r.repeats(x), nil
	}
	plain, err := crypto.Open(io.NewSectionReader(it, 0, it.Size()), x.keyOf(w))
	if err == nil {
		var m *crypto.Message
		if m, err = crypto.ReadHead(plain); err == nil && x.meant(m, w) {
			line.Day, line.counter = m.Meta.Day, m.Meta.Counter
		}
	}
	if err != nil && !rubbish(err) {
		return line, false, fmt.Errorf("opening a reply: %w", err)
	}
	return line, false, nil
}

// rubbish says whether somebody handed in other bytes under this drop.
func rubbish(err error) bool {
	return errors.Is(err, crypto.ErrNotForUs) || errors.Is(err, crypto.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (x *Session) item(w waiting) (*store.Item, error) {
	it, err := x.s.store.OpenItem(w.item)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoReply
	}
	if err != nil {
		return nil, fmt.Errorf("opening a reply: %w", err)
	}
	return it, nil
}

// keyOf opens a reply: the code's own key, or one of an earlier code of this source.
func (x *Session) keyOf(w waiting) *crypto.Identity {
	for _, k := range x.state.kept {
		if k.drop == w.drop {
			return crypto.IdentityFromSeed(k.seed)
		}
	}
	return x.key
}

// meant says whether a message is a reply to this source, by its signed drop: a fellow reader could
// else seal a reply to somebody else anew. A key from before a change of code may have
// been announced by several codes, under the case of each.
func (x *Session) meant(m *crypto.Message, w waiting) bool {
	ours := m.Meta.Case == x.src.Case || w.drop != x.box.drop
	return m.Meta.Kind == crypto.KindReply && ours && m.Drop != nil && *m.Drop == w.drop
}

// read opens and verifies a reply. What no listed holder signed for this source comes without
// words (SECURITY.md S-8), so that it can be erased.
func (x *Session) read(n uint32, w waiting, it *store.Item) (*Reply, error) {
	r := &Reply{Number: n, ID: replyID(w.item)}
	sum := sha256.New()
	plain, err := crypto.Open(io.NewSectionReader(it, 0, it.Size()), x.keyOf(w))
	var m *crypto.Read
	if err == nil {
		m, err = crypto.ReadMessage(io.TeeReader(plain, sum), r.sum)
	}
	switch {
	case err != nil && rubbish(err):
		return r, nil
	case errors.Is(err, store.ErrNotFound):
		return nil, ErrNoReply
	case err != nil:
		return nil, fmt.Errorf("reading a reply: %w", err)
	case !x.meant(&m.Message, w):
		return r, nil
	}
	r.Day = m.Meta.Day
	body, _, standing := x.d.Signer(m.Signer, w.version)
	r.Standing = standing
	if standing == crypto.SignerUnknown {
		return r, nil
	}
	r.Body, r.Text, r.Files = body.ID, m.Text, m.Files
	r.receipt = receipt{crypto.ReceiptOf([32]byte(sum.Sum(nil))), hashSigner(m.Signer), m.Meta.Counter}
	if n, err := form.DecodeNotice(m.Notice); err == nil {
		r.Notice = &n
	}
	return r, nil
}

// repeats says whether the source has opened this reply under another number.
func (r *Reply) repeats(x *Session) bool {
	return r.Standing != crypto.SignerUnknown && !x.state.opened.has(r.Number) && x.state.opened.repeats(r.receipt)
}

// find reads one reply of this mailbox, or [ErrNoReply].
func (x *Session) find(n uint32) (*Reply, error) {
	w, err := x.s.waitingAt(x.box.box, n)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoReply
	}
	if err != nil {
		return nil, fmt.Errorf("opening a reply: %w", err)
	}
	it, err := x.item(w)
	if err != nil {
		return nil, err
	}
	return x.read(n, w, it)
}

// Reply opens one reply, with the visit's durable write. [ErrNoReply] when it is not there, or
// repeats one that was opened. The next message to readers will say that it was read (FORMAT.md, frame 22).
func (x *Session) Reply(ctx context.Context, n uint32) (*Reply, error) {
	r, err := x.find(n)
	if err != nil && !errors.Is(err, ErrNoReply) {
		return nil, err
	}
	if werr := x.visit(ctx, func() ([]store.Op, error) {
		switch {
		case r == nil || x.raw == nil:
			return nil, nil
		case r.repeats(x):
			err = ErrNoReply
			return x.forget(n)
		}
		x.state.opened.mark(n, x.box.next)
		if r.Standing != crypto.SignerUnknown {
			x.state.opened.add(r.receipt)
		}
		return nil, nil
	}); werr != nil {
		return nil, werr
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// WriteFiles writes the files of a reply that Reply opened as one ZIP, padded
// to 64 KiB · 2^k, in constant memory.
func (x *Session) WriteFiles(ctx context.Context, r *Reply, w io.Writer) error {
	at, err := x.s.waitingAt(x.box.box, r.Number)
	if errors.Is(err, store.ErrNotFound) {
		return ErrNoReply
	}
	if err != nil {
		return fmt.Errorf("opening a reply: %w", err)
	}
	it, err := x.item(at)
	if err != nil {
		return err
	}
	plain, err := crypto.Open(io.NewSectionReader(it, 0, it.Size()), x.keyOf(at))
	if err != nil {
		return fmt.Errorf("opening a reply: %w", err)
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

// forget returns the operations that forget replies, as far as they are there.
func (x *Session) forget(numbers ...uint32) (ops []store.Op, err error) {
	for _, n := range numbers {
		w, err := x.s.waitingAt(x.box.box, n)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("erasing a reply: %w", err)
		}
		ops = append(ops, store.Forget(w.item), store.Delete(bucketReply, replyKey(x.box.box, n)))
		if x.box.waiting--; x.box.waiting == 0 {
			x.box.first = x.box.next
		}
	}
	return ops, nil
}

// Erase forgets one reply (SECURITY.md S-5): nothing else on the server was ever sealed to the
// key that opens it. [ErrNoReply] when it is not there.
func (x *Session) Erase(ctx context.Context, n uint32, id ReplyID) error {
	found := false
	err := x.visit(ctx, func() ([]store.Op, error) {
		w, err := x.s.waitingAt(x.box.box, n)
		if found = err == nil && replyID(w.item) == id; !found {
			return nil, nil
		}
		x.state.writes++
		return x.forget(n)
	})
	if err == nil && !found {
		err = ErrNoReply
	}
	return err
}

// EraseAll forgets everything of the code: replies, keys, state, and the
// source's own messages as far as the server still has them: unreleased ones
// at once (cover fills their batch), released ones with the next exchange of entries
// ([Service.Maintain]). Afterwards the code is as if never used. Durable when nil: one commit ends the
// mailbox and says what is to be erased, however much that is.
func (x *Session) EraseAll(ctx context.Context) error {
	key := crypto.NewKey()
	err := x.visit(ctx, func() ([]store.Op, error) {
		w := work{kind: workErase, seed: crypto.NewKey(), box: [16]byte(bytes.Clone(key[16:]))}
		drops := make([]crypto.Drop, 1+maxKept)
		for i := range drops {
			d := crypto.NewKey()
			copy(drops[i][:], d[:])
		}
		if x.raw != nil {
			w.seed, w.count, w.box, w.first, w.last = x.state.seed, x.state.next, x.box.box, x.box.first, x.box.next
			drops[0] = x.box.drop
			for i, k := range x.state.kept {
				drops[1+i] = k.drop
			}
			x.used = false
		}
		ops := []store.Op{store.Create(bucketWork, key[:16], w.encode())}
		for _, d := range drops {
			ops = append(ops, store.Delete(bucketDrop, d[:]))
		}
		return ops, nil
	})
	if err != nil {
		return err
	}
	if err := x.reload(); err != nil {
		return err
	}
	// Most are done now; what is longer goes on with the next release.
	return x.s.work(ctx, key[:16], 8)
}
