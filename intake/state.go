package intake

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"

	"postern/crypto"
	"postern/store"
)

// state is what only the owner of the code can read again: what was chosen,
// sent and opened. It replaces a list of the source's items on the server: their ids
// are derived from seed and number, so that a thief of disk and storage key
// cannot tell which items are whose, and the owner can erase them all.
type state struct {
	life    crypto.LifeID   // new after everything was erased
	seed    [32]byte        // ids of own items follow from it; new after everything was erased, so ids never repeat
	next    uint64          // number of the next own item, taken only when it is stored
	counter uint64          // of the newest message, as readers see it
	writes  uint64          // things sent or erased: the marker's counter
	choice  []crypto.Reader // bodies last ticked
	opened  opened

	// What a changed code leaves to its successor (change.go).
	succeeds *crypto.Succession // nil: the code was not changed since everything was erased
	kept     []keptKey          // of the codes before, newest first
}

// keptKey is the reply key of an earlier code.
type keptKey struct {
	seed crypto.Key
	drop crypto.Drop
}

// maxKept is how many codes before the present one still get their replies.
const maxKept = 16

const stateSize = 1 + 16 + 32 + 3*8 + 1 + crypto.MaxReaders*(1+crypto.MaxBodyID+8) + openedSize +
	1 + crypto.SuccessionSize + 1 + maxKept*(32+16)

func newState() *state {
	s := new(state)
	_, _ = rand.Read(s.life[:])
	_, _ = rand.Read(s.seed[:])
	return s
}

// ownItem is the id of item number n of a seed.
func ownItem(seed [32]byte, n uint64) (id store.ItemID) {
	copy(id[:], crypto.KDF(seed[:], binary.BigEndian.AppendUint64(nil, n), "own item", len(id)))
	return id
}

// step is how far a message's counter lies after the one before it: at random, and
// sometimes far. Nobody who was left out of a message can tell from the next one that there was one.
func step() uint64 {
	var b [16]byte
	_, _ = rand.Read(b[:])
	tail := min(bits.LeadingZeros64(binary.BigEndian.Uint64(b[:])), 40)
	return 1 + binary.BigEndian.Uint64(b[8:])>>(60-tail)
}

func (s *state) encode() []byte {
	b := append(make([]byte, 0, stateSize), 1)
	b = append(append(b, s.life[:]...), s.seed[:]...)
	for _, n := range []uint64{s.next, s.counter, s.writes} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = s.opened.append(b)
	if s.succeeds != nil {
		b = append(append(b, 1), s.succeeds.Encode()...)
	} else {
		b = append(b, make([]byte, 1+crypto.SuccessionSize)...)
	}
	b = append(b, byte(len(s.kept))) //nolint:gosec // at most maxKept
	for _, k := range s.kept {
		b = append(append(b, k.seed[:]...), k.drop[:]...)
	}
	b = append(b, byte(len(s.choice))) //nolint:gosec // at most MaxReaders
	for _, r := range s.choice {
		b = append(append(b, byte(len(r.ID))), r.ID...) //nolint:gosec // at most MaxBodyID
		b = binary.BigEndian.AppendUint64(b, r.Since)
	}
	return append(b, make([]byte, stateSize-len(b))...)
}

func decodeState(b []byte) (*state, error) {
	if len(b) != stateSize || b[0] != 1 {
		return nil, errRecord
	}
	s := new(state)
	b = b[1:]
	b = b[copy(s.life[:], b):]
	b = b[copy(s.seed[:], b):]
	for _, n := range []*uint64{&s.next, &s.counter, &s.writes} {
		*n = binary.BigEndian.Uint64(b)
		b = b[8:]
	}
	b, err := s.opened.decode(b)
	if err != nil {
		return nil, err
	}
	if b[0] != 0 {
		if s.succeeds, err = crypto.DecodeSuccession(b[1 : 1+crypto.SuccessionSize]); err != nil {
			return nil, errRecord
		}
	}
	b = b[1+crypto.SuccessionSize:]
	n := int(b[0])
	b = b[1:]
	if n > maxKept {
		return nil, errRecord
	}
	for range n {
		var k keptKey
		b = b[copy(k.seed[:], b):]
		b = b[copy(k.drop[:], b):]
		s.kept = append(s.kept, k)
	}
	n = int(b[0])
	b = b[1:]
	if n > crypto.MaxReaders {
		return nil, errRecord
	}
	for range n {
		l := int(b[0])
		if l > crypto.MaxBodyID || 1+l+8 > len(b) {
			return nil, errRecord
		}
		s.choice = append(s.choice, crypto.Reader{ID: string(b[1 : 1+l]), Since: binary.BigEndian.Uint64(b[1+l:])})
		b = b[1+l+8:]
	}
	return s, nil
}

// opened is which replies the source has opened: by number, which ones are not new
// any more; by content, which ones would be a repeat. A fellow reader can
// seal a signed reply again and again, and an old one must not pass for news.
type opened struct {
	upTo   uint32               // numbers below have a bit, or are older than all that have
	bits   [openedBits / 8]byte // by number
	list   []receipt            // newest first
	floors []floor              // of signers whose receipts went
}

// receipt of an opened reply.
type receipt struct {
	id      crypto.Receipt
	signer  signerHash
	counter uint64
}

// floor: every reply of this signer up to this counter was opened, or is too old to open.
type floor struct {
	signer  signerHash
	counter uint64
}

type signerHash [8]byte

func hashSigner(key []byte) signerHash {
	sum := sha256.Sum256(key)
	return signerHash(sum[:8])
}

const (
	openedBits = 1024
	maxFloors  = 32
	openedSize = 4 + openedBits/8 + 1 + crypto.MaxReceipts*(16+8+8) + 1 + maxFloors*(8+8)
)

// has says whether reply number n was opened.
func (o *opened) has(n uint32) bool {
	return n < o.upTo && (n+openedBits < o.upTo || o.bits[n%openedBits/8]>>(n%8)&1 == 1)
}

// mark says that reply number n was opened, of those below next.
func (o *opened) mark(n, next uint32) {
	if next > o.upTo+openedBits {
		o.bits, o.upTo = [openedBits / 8]byte{}, next
	}
	for ; o.upTo < next; o.upTo++ {
		o.bits[o.upTo%openedBits/8] &^= 1 << (o.upTo % 8)
	}
	if n+openedBits >= o.upTo {
		o.bits[n%openedBits/8] |= 1 << (n % 8)
	}
}

// add a receipt; the oldest one makes room and leaves its floor.
func (o *opened) add(r receipt) {
	if slices.ContainsFunc(o.list, func(k receipt) bool { return k.id == r.id }) {
		return
	}
	if len(o.list) == crypto.MaxReceipts {
		last := o.list[len(o.list)-1]
		o.list = o.list[:len(o.list)-1]
		i := slices.IndexFunc(o.floors, func(f floor) bool { return f.signer == last.signer })
		if i < 0 {
			o.floors = slices.Insert(o.floors, 0, floor{signer: last.signer})
			o.floors, i = o.floors[:min(len(o.floors), maxFloors)], 0
		}
		o.floors[i].counter = max(o.floors[i].counter, last.counter)
	}
	o.list = slices.Insert(o.list, 0, r)
}

// repeats says whether r, which was not opened under its number, was opened under another.
func (o *opened) repeats(r receipt) bool {
	return slices.ContainsFunc(o.list, func(k receipt) bool { return k.id == r.id }) ||
		slices.ContainsFunc(o.floors, func(f floor) bool { return f.signer == r.signer && r.counter <= f.counter })
}

// receipts are what a message says of them.
func (o *opened) receipts() (list []crypto.Receipt) {
	for _, r := range o.list {
		list = append(list, r.id)
	}
	return list
}

func (o *opened) append(b []byte) []byte {
	end := len(b) + openedSize
	b = binary.BigEndian.AppendUint32(b, o.upTo)
	b = append(b, o.bits[:]...)
	b = append(b, byte(len(o.list)), byte(len(o.floors))) //nolint:gosec // at most 32 each
	for _, r := range o.list {
		b = append(append(b, r.id[:]...), r.signer[:]...)
		b = binary.BigEndian.AppendUint64(b, r.counter)
	}
	for _, f := range o.floors {
		b = binary.BigEndian.AppendUint64(append(b, f.signer[:]...), f.counter)
	}
	return append(b, make([]byte, end-len(b))...)
}

func (o *opened) decode(b []byte) (rest []byte, err error) {
	rest = b[openedSize:]
	o.upTo = binary.BigEndian.Uint32(b)
	b = b[4:]
	b = b[copy(o.bits[:], b):]
	receipts, floors := int(b[0]), int(b[1])
	if receipts > crypto.MaxReceipts || floors > maxFloors {
		return nil, errRecord
	}
	b = b[2:]
	for range receipts {
		var r receipt
		b = b[copy(r.id[:], b):]
		b = b[copy(r.signer[:], b):]
		r.counter = binary.BigEndian.Uint64(b)
		b = b[8:]
		o.list = append(o.list, r)
	}
	for range floors {
		var f floor
		b = b[copy(f.signer[:], b):]
		f.counter = binary.BigEndian.Uint64(b)
		b = b[8:]
		o.floors = append(o.floors, f)
	}
	return rest, nil
}
