package reviewer

import (
	"bytes"
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
)

// places is which slots of a source's mailbox this vault may still use.
type places struct {
	free []prekey // own slots not yet used, the holder's own share of them first
	mine int      // how many of these are the holder's own share
	last *prekey  // slot 0: the last resort of every body
	used bool     // a reply known here went to it already
}

// places divides the slots as all desks do, so that no two bodies choose the
// same: the body at position p of n, as the source's message lists them, uses only slots
// ≡ p mod n of 1 to 15, and of these holder j of m begins with every m-th from the
// j-th on. What this vault or a colleague used is not free. Replies of others
// use no place: only who is in the directory, and at this body, chooses from its places.
func (v *Vault) places(s *sourceView, entries []entry) places {
	used, shared := make(map[string]bool), make(map[string]bool)
	for i := range entries {
		e := &entries[i]
		if e.Drop == nil {
			continue
		}
		body, good := v.signedBy(e)
		used[string(e.Drop)] = used[string(e.Drop)] || good && body == v.keys.Body
		shared[string(e.Drop)] = shared[string(e.Drop)] || good
	}
	var out places
	n := len(s.order)
	p := slices.Index(s.order, v.keys.Body)
	j, m := v.holderPosition()
	keys := slices.Clone(s.prekeys)
	slices.SortFunc(keys, func(a, b prekey) int { return int(a.Slot) - int(b.Slot) })
	var mine, others []prekey
	for _, k := range keys {
		switch {
		case k.Slot == 0:
			out.last, out.used = &k, shared[string(k.Drop)]
		case p < 0 || int(k.Slot)%n != p || used[string(k.Drop)]:
		case (int(k.Slot)/n)%m == j:
			mine = append(mine, k)
		default:
			others = append(others, k)
		}
	}
	out.free, out.mine = append(mine, others...), len(mine)
	return out
}

// signedBy is the body whose holder wrote a reply, and whether the signature is good.
func (v *Vault) signedBy(e *entry) (body string, good bool) {
	if e.Own != nil {
		return v.keys.Body, true
	}
	if v.dirs == nil {
		return "", false
	}
	b, _, standing := v.dirs.Signer(e.Signer, e.Released)
	if standing != crypto.SignerGood {
		return "", false
	}
	return b.ID, true
}

// holderPosition is this holder's position among the active holders of the body.
func (v *Vault) holderPosition() (j, m int) {
	m = 1
	if v.dirs == nil {
		return 0, m
	}
	b, ok := v.dirs.Body(v.keys.Body)
	if !ok {
		return 0, m
	}
	m = 0
	for _, h := range b.Holders {
		if h.Status != crypto.StatusActive {
			continue
		}
		if h.ID == v.keys.Holder {
			j = m
		}
		m++
	}
	return j, max(m, 1)
}

// Plan is what a reply would do: show it before it is written.
type Plan struct {
	Case     *Case
	Bodies   []string // ids of the bodies that will read it besides the source
	Unable   []string // bodies the source named that cannot: not in the directory, or without a key for this month
	Narrowed bool     // the source erased and wrote again on one day: only bodies named before and after read
	Slot     int
	Borrowed bool // a colleague's share: the holder's own is used up
	Shared   bool // the last shared place: own ones are used up
	Replaces bool // a reply went there before; if unread it is replaced
	Left     int  // own places left after this reply

	today  crypto.Day
	bodies [][]*crypto.Recipient
	prekey prekey
	at     int
	view   sourceView
}

// Errors of [Vault.PlanReply].
var (
	ErrNoPlace     = errors.New("the source gave no place for a reply yet: import the batches that are missing, and newer ones")
	ErrNotChosen   = errors.New("the source did not choose your body: another reader sealed this case to you, and no answer can be sealed")
	ErrNobody      = errors.New("none of the bodies the source chose can read a reply: the directory lists no key of theirs for this month. Ask the operator for a new directory and accept it")
	ErrNotEnrolled = errors.New("the directory in force does not list this vault's key, so the source would see a reply nobody answers for: ask the operator to enrol your card, and accept the new directory")
)

// PlanReply says who would read a reply in the case today, and which slot it would take.
func (v *Vault) PlanReply(c *Case, today crypto.Day) (*Plan, error) {
	if v.dirs == nil {
		return nil, ErrNoDirectory
	}
	if listed, _ := v.Enrolled(v.dirs); !listed {
		return nil, ErrNotEnrolled
	}
	view, ok := c.newest()
	if !ok || view.at < 0 {
		return nil, ErrNoPlace
	}
	if !slices.Contains(view.readers, v.keys.Body) {
		return nil, ErrNotChosen
	}
	pl := v.places(&view, c.entries)
	p := &Plan{Case: c, Narrowed: view.narrowed, today: today, at: view.at, view: view}
	switch {
	case len(pl.free) > 0:
		p.prekey, p.Left, p.Borrowed = pl.free[0], len(pl.free)-1, pl.mine == 0
	case pl.last != nil:
		p.prekey, p.Shared, p.Replaces = *pl.last, true, pl.used
	default:
		return nil, ErrNoPlace
	}
	p.Slot = int(p.prekey.Slot)
	month := crypto.MonthOf(today.Time())
	for _, id := range view.readers {
		b, ok := v.dirs.Body(id)
		if !ok || len(b.Recipients(month)) == 0 {
			p.Unable = append(p.Unable, id)
			continue
		}
		p.Bodies = append(p.Bodies, id)
		p.bodies = append(p.bodies, b.Recipients(month))
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
// in the case, and waiting for [Vault.Export]. It returns the message's number in the case.
func (v *Vault) Reply(p *Plan, d Draft) (int, error) {
	if !utf8.ValidString(d.Text) {
		return 0, errors.New("reply: the text is not UTF-8: save it as UTF-8")
	}
	d.Text = form.Clean(d.Text)
	if err := d.valid(); err != nil {
		return 0, fmt.Errorf("reply: %w", err)
	}
	notice, err := v.encodeNotice(p, d.Notice)
	if err != nil {
		return 0, fmt.Errorf("reply: %w", err)
	}
	recipient, err := v.prekeyRecipient(p)
	if err != nil {
		return 0, fmt.Errorf("reply: %w", err)
	}
	next := v.state.clone()
	next.Counter++
	var id crypto.FormID
	_, _ = rand.Read(id[:])
	m := &crypto.Message{
		Meta: crypto.Meta{
			Kind: crypto.KindReply, Case: crypto.CaseID(p.Case.entries[p.at].Case), Counter: next.Counter, Form: id,
			DirHash: v.dirs.Hash(), Day: p.today,
		},
		Readers: p.Bodies, Quorum: byte(v.dirs.Policy.Quorum), //nolint:gosec // a policy's quorum is small
		Text: d.Text, Notice: notice,
		Drop: &crypto.DropRef{Drop: crypto.DropOf(recipient), Slot: p.prekey.Slot},
	}
	e, packs, err := v.sealReply(m, p, d.Files, recipient)
	if err == nil {
		e.Arrival = next.Arrivals
		next.Arrivals++
		next.Messages = append(next.Messages, *e)
		err = v.commit(next)
	}
	if err != nil {
		for _, k := range packs {
			k.abandon()
		}
		return 0, fmt.Errorf("reply: %w", err)
	}
	return len(p.Case.entries) + 1, nil
}

// prekeyRecipient reads the chosen prekey from the message that brought it.
func (v *Vault) prekeyRecipient(p *Plan) (*crypto.Recipient, error) {
	r, closer, err := v.openBlob(p.Case.entries[p.at].Blob)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	read, err := crypto.ReadMessage(r, nil)
	if err != nil {
		return nil, err
	}
	for _, k := range read.Prekeys {
		if d := crypto.DropOf(k.Recipient); k.Slot == p.prekey.Slot && bytes.Equal(d[:], p.prekey.Drop) {
			return k.Recipient, nil
		}
	}
	return nil, ErrNoPlace
}

// sealReply writes the reply twice in one pass: sealed to its readers, for the server, and
// as a container under a vault key, for the case.
func (v *Vault) sealReply(m *crypto.Message, p *Plan, files []Attachment, to *crypto.Recipient) (_ *entry, packs []*pack, err error) {
	wire, err := v.newPack()
	if err != nil {
		return nil, nil, err
	}
	packs = append(packs, wire)
	kept, err := v.newPack()
	if err != nil {
		return nil, packs, err
	}
	packs = append(packs, kept)
	wireW, wireDone, err := wire.seal()
	if err != nil {
		return nil, packs, err
	}
	keptW, keptDone, err := kept.seal()
	if err != nil {
		return nil, packs, err
	}
	sealed := &countWriter{w: wireW}
	sealW, err := crypto.Seal(sealed, v.dirs.Policy, p.bodies, v.extras(p, to)...)
	if err != nil {
		return nil, packs, err
	}
	h := sha256.New()
	mw, err := crypto.NewMessageWriter(io.MultiWriter(sealW, keptW, h), m, v.keys.signing())
	if err != nil {
		return nil, packs, err
	}
	for _, f := range files {
		if err := attach(mw, f); err != nil {
			return nil, packs, err
		}
	}
	for _, step := range []func() error{mw.Close, sealW.Close, wireW.Close, keptW.Close, wire.finish, kept.finish} {
		if err := step(); err != nil {
			return nil, packs, err
		}
	}
	// Read back what was written: a reply that its readers would refuse must not leave.
	b := keptDone()
	r, closer, err := v.openBlob(b)
	if err != nil {
		return nil, packs, err
	}
	defer func() { _ = closer.Close() }()
	read, err := crypto.ReadMessage(r, nil)
	if err != nil {
		return nil, packs, fmt.Errorf("checking what was written: %w", err)
	}
	e := newEntry(opened{id: [32]byte(h.Sum(nil)), read: read, blob: b}, 0, crypto.VolumeHeader{})
	e.Batch = nil
	wb := wireDone()
	e.Own = &own{Wire: &wb, Size: sealed.n}
	return &e, packs, nil
}

// extras are the source's reply recipient and, should the directory not list it
// for this month and a place be left, the holder's own.
func (v *Vault) extras(p *Plan, to *crypto.Recipient) []*crypto.Recipient {
	out := []*crypto.Recipient{to}
	s, err := v.keys.seed(crypto.MonthOf(p.today.Time()))
	if err != nil {
		return out
	}
	mine, n := s.Identity().Recipient(), len(out)
	for _, b := range p.bodies {
		n += len(b)
		if slices.ContainsFunc(b, func(r *crypto.Recipient) bool { return r.String() == mine.String() }) {
			return out
		}
	}
	if n < v.dirs.Policy.Slots {
		out = append(out, mine)
	}
	return out
}

// attach copies one file. Its name is cut down to a safe one: the folders it lies in here
// are nobody's business.
func attach(mw *crypto.MessageWriter, f Attachment) error {
	if f.Open == nil {
		return errors.New("attaching a file: it has no content")
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("attaching a file: %w", err)
	}
	defer func() { _ = r.Close() }()
	w, err := mw.File(SafeName(filepath.Base(f.Name)), "application/octet-stream")
	if err != nil {
		return fmt.Errorf("attaching a file: %w", err)
	}
	if _, err := io.Copy(w, r); err != nil {
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
