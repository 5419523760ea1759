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
	bucketMailbox = "mailbox" // H(locator) → mailbox
	bucketDrop    = "drop"    // drop → H(locator), slot
	bucketOut     = "out"     // item id → what waits for the next release
	bucketBatch   = "batch"   // ordinal ‖ chunk → head or entries
	bucketBundle  = "bundle"  // bundle id → week
	bucketMeta    = "meta"    // counters
)

// Buckets is what the store must be opened with.
func Buckets() []store.Bucket {
	return []store.Bucket{
		{Name: bucketMailbox, MaxKey: 32, MaxValue: mailboxSize, Spare: true},
		{Name: bucketDrop, MaxKey: 16, MaxValue: dropSize, Spare: true},
		{Name: bucketOut, MaxKey: 32, MaxValue: outSize, Spare: true},
		{Name: bucketBatch, MaxKey: batchKeySize, MaxValue: batchChunkSize, Spare: true},
		{Name: bucketBundle, MaxKey: 16, MaxValue: 4, Spare: true},
		{Name: bucketMeta, MaxKey: 16, MaxValue: 32, Spare: true},
	}
}

// SmallCell is the store's small cell for an instance: one sealed message of
// the smallest class.
func SmallCell(slots int) int { return int(crypto.SealedSize(slots, crypto.ClassSize(0))) }

// slot is where one reply waits.
type slot struct {
	share   [32]byte // with the code it derives the key of the slot; without it nobody can
	drop    crypto.Drop
	item    store.ItemID // zero: empty
	version uint64       // of the directory when the reply came: what its signer is judged by
}

func (s *slot) filled() bool { return s.item != store.ItemID{} }

// mailbox is what the server keeps for a code, sealed. It does not know the
// code, who reads, nor which items the source sent: those follow from the
// code's keys and the sealed state.
type mailbox struct {
	slots     [crypto.ReplySlots]slot
	announced uint16 // bit per slot: readers were told its present key
	week      uint32 // ISO week of the last visit or delivery (SECURITY.md S-20)
	state     []byte // sealed by the source's state key: stateBox bytes
}

const (
	slotSize    = 32 + 16 + 32 + 8
	stateBox    = stateSize + crypto.BoxOverhead
	mailboxSize = crypto.ReplySlots*slotSize + 2 + 4 + stateBox
	dropSize    = 32 + 1
)

func (m *mailbox) encode() []byte {
	b := make([]byte, 0, mailboxSize)
	for i := range m.slots {
		s := &m.slots[i]
		b = append(b, s.share[:]...)
		b = append(b, s.drop[:]...)
		b = append(b, s.item[:]...)
		b = binary.BigEndian.AppendUint64(b, s.version)
	}
	b = binary.BigEndian.AppendUint16(b, m.announced)
	b = binary.BigEndian.AppendUint32(b, m.week)
	return append(b, m.state...)
}

var errRecord = errors.New("a stored record has the wrong form: run 'postern check'")

func decodeMailbox(b []byte) (*mailbox, error) {
	if len(b) != mailboxSize {
		return nil, errRecord
	}
	m := new(mailbox)
	for i := range m.slots {
		s := &m.slots[i]
		b = b[copy(s.share[:], b):]
		b = b[copy(s.drop[:], b):]
		b = b[copy(s.item[:], b):]
		s.version = binary.BigEndian.Uint64(b)
		b = b[8:]
	}
	m.announced = binary.BigEndian.Uint16(b)
	m.week = binary.BigEndian.Uint32(b[2:])
	m.state = append([]byte(nil), b[6:]...)
	return m, nil
}

// fresh empties slot i and gives it a new share. The drop follows from the
// share and the code: Session.fresh computes it.
func (m *mailbox) fresh(i int) {
	m.slots[i] = slot{}
	_, _ = rand.Read(m.slots[i].share[:])
	m.announced &^= 1 << i
}

// newMailbox is the empty mailbox of a code: what an unused code shows, and
// what its first message makes real.
func newMailbox(src *crypto.Source) *mailbox {
	m := new(mailbox)
	for i := range m.slots {
		m.fresh(i)
	}
	m.state = src.SealState(newState().encode())
	return m
}

func encodeDrop(name [32]byte, slot int) []byte {
	return append(name[:len(name):len(name)], byte(slot)) //nolint:gosec // below ReplySlots
}

func decodeDrop(b []byte) (name [32]byte, slot int, err error) {
	if len(b) != dropSize || b[32] >= crypto.ReplySlots {
		return name, 0, errRecord
	}
	copy(name[:], b)
	return name, int(b[32]), nil
}

// state is what only the owner of the code can read again: what was chosen
// and sent. It replaces a list of the source's items on the server: their ids
// are derived from seed and number, so that a thief of disk and storage key
// cannot tell which items are whose, and the owner can erase them all.
type state struct {
	seed   [32]byte // ids of own items follow from it; new after everything was erased, so ids never repeat
	next   uint64   // number of the next message; numbers may have gaps
	writes uint64   // things sent or erased: the marker's counter
	choice []string // bodies last ticked

	// What a changed code leaves to its successor (change.go).
	succeeds *crypto.Succession            // nil: the code was not changed since everything was erased
	kept     [crypto.ReplySlots]crypto.Key // seeds of slots from before the change; zero: the slot's share gives its key
}

const stateSize = 1 + 32 + 8 + 8 + 1 + crypto.SuccessionSize + crypto.ReplySlots*32 + 2 + crypto.MaxReaders*(1+crypto.MaxBodyID)

func newState() *state {
	s := new(state)
	_, _ = rand.Read(s.seed[:])
	return s
}

// item is the id of the source's message number n.
func (s *state) item(n uint64) (id store.ItemID) {
	copy(id[:], crypto.KDF(s.seed[:], binary.BigEndian.AppendUint64(nil, n), "own item", len(id)))
	return id
}

func (s *state) encode() []byte {
	b := make([]byte, 0, stateSize)
	b = append(b, 1)
	b = append(b, s.seed[:]...)
	b = binary.BigEndian.AppendUint64(b, s.next)
	b = binary.BigEndian.AppendUint64(b, s.writes)
	if s.succeeds != nil {
		b = append(append(b, 1), s.succeeds.Encode()...)
	} else {
		b = append(b, make([]byte, 1+crypto.SuccessionSize)...)
	}
	for i := range s.kept {
		b = append(b, s.kept[i][:]...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.choice))) //nolint:gosec // at most MaxReaders
	for _, id := range s.choice {
		b = append(b, byte(len(id))) //nolint:gosec // at most MaxBodyID
		b = append(b, id...)
	}
	return append(b, make([]byte, stateSize-len(b))...)
}

func decodeState(b []byte) (*state, error) {
	if len(b) != stateSize || b[0] != 1 {
		return nil, errRecord
	}
	s := new(state)
	b = b[1:]
	b = b[copy(s.seed[:], b):]
	s.next = binary.BigEndian.Uint64(b)
	s.writes = binary.BigEndian.Uint64(b[8:])
	b = b[16:]
	if b[0] != 0 {
		c, err := crypto.DecodeSuccession(b[1 : 1+crypto.SuccessionSize])
		if err != nil {
			return nil, errRecord
		}
		s.succeeds = c
	}
	b = b[1+crypto.SuccessionSize:]
	for i := range s.kept {
		b = b[copy(s.kept[i][:], b):]
	}
	n := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if n > crypto.MaxReaders {
		return nil, errRecord
	}
	for range n {
		l := int(b[0])
		if l > crypto.MaxBodyID || 1+l > len(b) {
			return nil, errRecord
		}
		s.choice = append(s.choice, string(b[1:1+l]))
		b = b[1+l:]
	}
	return s, nil
}

// week is the ISO week of t, counted from the one that holds 1970-01-01: the
// only time kept of an item.
func week(t time.Time) uint32 {
	return uint32((t.UTC().Unix()/86400 + 3) / 7) //nolint:gosec // not before 1970
}

// load reads a mailbox, or makes the empty one of an unused code. exists is
// for the kind of the one write that follows, and for nothing else
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
