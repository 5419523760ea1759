package intake

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"postern/crypto"
	"postern/store"
)

// Buckets of records.db that this room uses. Sizes are part of the database
// format: a record is sealed at its bucket's one length.
const (
	bucketMailbox  = "mailbox"  // H(locator) → mailbox
	bucketDrop     = "drop"     // drop → H(locator)
	bucketReply    = "reply"    // box ‖ number → a reply that waits
	bucketOut      = "out"      // item id → what waits for the next release
	bucketBatch    = "batch"    // ordinal ‖ chunk → head or entries
	bucketBundle   = "bundle"   // content of a bundle → week
	bucketExchange = "exchange" // item id: erased after its release, to be exchanged tonight
	bucketWork     = "erasing"  // random → what is done in several steps
	bucketMeta     = "meta"     // the instance's secret, counters
)

// Buckets is what the store must be opened with.
func Buckets() []store.Bucket {
	return []store.Bucket{
		{Name: bucketMailbox, MaxKey: 32, MaxValue: mailboxSize, Spare: true},
		{Name: bucketDrop, MaxKey: 16, MaxValue: 32, Spare: true},
		{Name: bucketReply, MaxKey: 16 + 4, MaxValue: replySize, Spare: true},
		{Name: bucketOut, MaxKey: 32, MaxValue: outSize, Spare: true},
		{Name: bucketBatch, MaxKey: batchKeySize, MaxValue: batchChunkSize, Spare: true},
		{Name: bucketBundle, MaxKey: 32, MaxValue: 4, Spare: true},
		{Name: bucketExchange, MaxKey: 32, MaxValue: 0, Spare: true},
		{Name: bucketWork, MaxKey: 16, MaxValue: workSize, Spare: true},
		{Name: bucketMeta, MaxKey: 16, MaxValue: chainSize, Spare: true},
	}
}

// SmallCell is the store's small cell for an instance: one sealed message of
// the smallest class.
func SmallCell(slots int) int { return int(crypto.SealedSize(slots, crypto.ClassSize(0))) }

// mailbox is what the server keeps for a code, sealed. It does not know the
// code, who reads, nor which items the source sent: those follow from the
// code's keys and the sealed state.
type mailbox struct {
	share   [32]byte    // with the code it derives the reply key; without it nobody can
	drop    crypto.Drop // of that key
	box     [16]byte    // names the replies; stays when the code is changed
	first   uint32      // no reply below it waits
	next    uint32      // number of the next reply
	waiting uint32      // replies that wait
	week    uint32      // ISO week of the last visit or delivery (SECURITY.md S-20)
	state   []byte      // sealed by the source's state key: stateBox bytes
}

const (
	mailboxHead = 32 + 16 + 16 + 4*4
	stateBox    = stateSize + crypto.BoxOverhead
	mailboxSize = mailboxHead + stateBox
)

func (m *mailbox) encode() []byte {
	b := make([]byte, 0, mailboxSize)
	b = append(append(append(b, m.share[:]...), m.drop[:]...), m.box[:]...)
	for _, n := range []uint32{m.first, m.next, m.waiting, m.week} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return append(b, m.state...)
}

var errRecord = errors.New("a stored record has the wrong form: check the database")

func decodeMailbox(b []byte) (*mailbox, error) {
	if len(b) != mailboxSize {
		return nil, errRecord
	}
	m := new(mailbox)
	b = b[copy(m.share[:], b):]
	b = b[copy(m.drop[:], b):]
	b = b[copy(m.box[:], b):]
	for _, n := range []*uint32{&m.first, &m.next, &m.waiting, &m.week} {
		*n = binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	m.state = append([]byte(nil), b...)
	return m, nil
}

// newMailbox is the empty mailbox of a code: what an unused code shows, and
// what its first message makes real.
func newMailbox(src *crypto.Source) *mailbox {
	m := new(mailbox)
	_, _ = rand.Read(m.share[:])
	_, _ = rand.Read(m.box[:])
	m.state = src.SealState(newState().encode())
	return m
}

// Neighbours are mailboxes that no code derives. A visit with a code that is
// not in use writes one mailbox anew, as it is ([store.Touch]): so there always is one.
const neighbours = 48

// noEnd is the week of a neighbour.
const noEnd = ^uint32(0)

// neighbour is a mailbox of random bytes.
func neighbour() store.Op {
	key := crypto.NewKey()
	m := &mailbox{share: crypto.NewKey(), week: noEnd, state: make([]byte, stateBox)}
	_, _ = rand.Read(m.drop[:])
	_, _ = rand.Read(m.box[:])
	_, _ = rand.Read(m.state)
	return store.Create(bucketMailbox, key[:], m.encode())
}

// waiting is a reply that waits: an item of its own.
type waiting struct {
	item    store.ItemID
	hash    [32]byte    // of its bytes: the same twice is one
	drop    crypto.Drop // it came to: says which key opens it
	version uint64      // of the directory when it came: what its signer is judged by
}

const replySize = 32 + 32 + 16 + 8

func (r *waiting) encode() []byte {
	b := append(make([]byte, 0, replySize), r.item[:]...)
	b = append(append(b, r.hash[:]...), r.drop[:]...)
	return binary.BigEndian.AppendUint64(b, r.version)
}

func replyKey(box [16]byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32(box[:len(box):len(box)], n)
}

// waitingAt reads one reply, or [store.ErrNotFound].
func (s *Service) waitingAt(box [16]byte, n uint32) (r waiting, err error) {
	b, err := s.store.Get(bucketReply, replyKey(box, n))
	if err != nil {
		return r, err
	}
	if len(b) != replySize {
		return r, errRecord
	}
	b = b[copy(r.item[:], b):]
	b = b[copy(r.hash[:], b):]
	b = b[copy(r.drop[:], b):]
	r.version = binary.BigEndian.Uint64(b)
	return r, nil
}

// week is the ISO week of t, counted from the one that holds 1970-01-01: the
// only time kept of an item.
func week(t time.Time) uint32 {
	return uint32((t.UTC().Unix()/86400 + 3) / 7) //nolint:gosec // not before 1970
}

// load reads a mailbox, or makes the empty one of an unused code. raw, which is nil
// then, is for the kind of the one write that follows, and for nothing else
// (SECURITY.md S-4).
func (s *Service) load(src *crypto.Source) (m *mailbox, raw []byte, err error) {
	name := src.MailboxName()
	empty := newMailbox(src) // for every code alike
	raw, err = s.store.Get(bucketMailbox, name[:])
	switch {
	case errors.Is(err, store.ErrNotFound):
		return empty, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("reading a mailbox: %w", err)
	}
	m, err = decodeMailbox(raw)
	return m, raw, err
}
