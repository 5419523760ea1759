package casework

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"postern/crypto"
)

// Scope says who may read an event.
type Scope byte

// The scopes, from the widest to the narrowest audience. Each narrower audience reads
// all that a wider one does.
const (
	All  Scope = 1 // every body that the source chose
	Body Scope = 2 // the holders of the author's body
	Desk Scope = 3 // nobody else
)

// String is the scope's id.
func (s Scope) String() string {
	switch s {
	case All:
		return "all"
	case Body:
		return "body"
	case Desk:
		return "desk"
	}
	return "unknown"
}

// ScopeOf finds a scope by its id.
func ScopeOf(id string) (Scope, error) {
	for _, s := range []Scope{All, Body, Desk} {
		if s.String() == id {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%w: say who may read it: all (every body that the source chose), body (your fellow holders) or desk (nobody else)", ErrField)
}

// Author is who wrote an event: a holder of a body, and the key that signs.
type Author struct {
	Body   string
	Holder string
	Key    [ed25519.PublicKeySize]byte
}

// Name is body/holder.
func (a Author) Name() string { return a.Body + "/" + a.Holder }

// Place is where an event stands among those of its case, as far as its author had them: a
// logical clock for each scope, All, Body and Desk. An event's own clock is one more than any that its
// author had seen, so what follows on another event has a higher place. It counts only what its audience
// may know of: clocks of narrower scopes are zero (SECURITY.md S-29).
type Place [3]uint32

// Hash of an event. It is the event's name in other events and in dossiers.
type Hash [sha256.Size]byte

// Ref is how an event or message is named in a field: the first 8 bytes of its
// hash in hex.
type Ref string

// Ref of a hash.
func (h Hash) Ref() Ref { return Ref(hex.EncodeToString(h[:8])) }

// Event is one entry in the book of a case.
type Event struct {
	Case   crypto.CaseID
	Author Author
	Day    crypto.Day // by the author's clock, or of an event that this one follows, where that is a little later
	Scope  Scope
	Number uint32 // in its chain, from 1: the events of one key, case and scope
	Place  Place
	Before Hash // of the author's event before it in this case and scope; zero for the first
	Act
}

// Act is what an event says. [Act.Check] tells whether its kind has these fields.
type Act struct {
	Kind   string
	Fields []Field // in the order of the kind's fields; a field that is left out is not there
}

// Field is one value of an act. It is text; the kind says which.
type Field struct{ Name, Value string }

// Get is the value of a field, or "".
func (a Act) Get(name string) string {
	for _, f := range a.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// MaxEvent bounds an encoded event with its signature, in bytes, so that one fits into frame 41.
const MaxEvent = 12 << 10

const (
	eventVersion   = 1
	eventContext   = "postern/v1 case event\x00"
	signedContext  = "postern/v1 case event signature\x00"
	maxFields      = 16
	signatureBytes = ed25519.SignatureSize
)

// ErrEvent is wrapped by every refusal of bytes that are no event.
var ErrEvent = errors.New("malformed case event")

// Encode gives the bytes that are hashed and signed:
//
//	version 1 (1) ‖ case (16) ‖ body id length (1) ‖ body id ‖ holder id length (1) ‖ holder id ‖ key (32)
//	‖ be32(day) ‖ scope (1) ‖ be32(number) ‖ place, three times be32 ‖ before (32)
//	‖ kind length (1) ‖ kind ‖ number of fields (1) ‖ fields, each name length (1) ‖ name ‖ be16(length) ‖ value
//
// It refuses what Check refuses.
func (e *Event) Encode() ([]byte, error) {
	if err := e.Check(); err != nil {
		return nil, fmt.Errorf("encoding a case event: %w", err)
	}
	b := append([]byte{eventVersion}, e.Case[:]...)
	short := func(s string) { b = append(append(b, byte(len(s))), s...) } //nolint:gosec // ids are short
	short(e.Author.Body)
	short(e.Author.Holder)
	b = append(b, e.Author.Key[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(e.Day))
	b = append(b, byte(e.Scope))
	b = binary.BigEndian.AppendUint32(b, e.Number)
	for _, n := range e.Place {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	b = append(b, e.Before[:]...)
	short(e.Kind)
	b = append(b, byte(len(e.Fields))) //nolint:gosec // at most maxFields
	for _, f := range e.Fields {
		short(f.Name)
		b = binary.BigEndian.AppendUint16(b, uint16(len(f.Value))) //nolint:gosec // at most maxText
		b = append(b, f.Value...)
	}
	return b, nil
}

// Check says what is wrong with an event, or nil.
func (e *Event) Check() error {
	var wider uint32
	switch {
	case !crypto.ValidID(e.Author.Body) || !crypto.ValidID(e.Author.Holder):
		return fmt.Errorf("%w: no id of a body or holder", ErrEvent)
	case e.Scope < All || e.Scope > Desk:
		return fmt.Errorf("%w: no such scope", ErrEvent)
	case e.Day > maxDay:
		return fmt.Errorf("%w: a day after the year 9999", ErrEvent)
	case e.Number == 0 || e.Place[e.Scope-1] == 0:
		return fmt.Errorf("%w: it has no number or place", ErrEvent)
	case (e.Number == 1) != (e.Before == Hash{}):
		return fmt.Errorf("%w: the first event of a chain, and only the first, has none before it", ErrEvent)
	}
	for _, n := range e.Place[e.Scope:] {
		wider |= n
	}
	if wider != 0 {
		return fmt.Errorf("%w: it tells of events that its readers may not know", ErrEvent)
	}
	return e.Act.Check()
}

// DecodeEvent reads what Encode wrote and refuses everything else.
func DecodeEvent(b []byte) (Event, error) {
	e, rest, err := decode(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: bytes are left over", ErrEvent)
	}
	if err != nil {
		return Event{}, fmt.Errorf("decoding a case event: %w", err)
	}
	return e, nil
}

func decode(b []byte) (e Event, rest []byte, err error) {
	r := reader{b, true}
	version := r.byte()
	copy(e.Case[:], r.take(len(e.Case)))
	e.Author.Body = r.take(int(r.byte()))
	e.Author.Holder = r.take(int(r.byte()))
	copy(e.Author.Key[:], r.take(len(e.Author.Key)))
	e.Day = crypto.Day(r.uint32())
	e.Scope = Scope(r.byte())
	e.Number = r.uint32()
	for i := range e.Place {
		e.Place[i] = r.uint32()
	}
	copy(e.Before[:], r.take(len(e.Before)))
	e.Kind = r.take(int(r.byte()))
	for n := int(r.byte()); n > 0 && r.ok; n-- {
		if len(e.Fields) >= maxFields {
			return Event{}, nil, fmt.Errorf("%w: too many fields", ErrEvent)
		}
		f := Field{Name: r.take(int(r.byte()))}
		f.Value = r.take(int(r.uint16()))
		e.Fields = append(e.Fields, f)
	}
	if version != eventVersion || !r.ok {
		return Event{}, nil, fmt.Errorf("%w: cut, or of another version", ErrEvent)
	}
	if err := e.Check(); err != nil {
		return Event{}, nil, err
	}
	return e, r.rest, nil
}

// Signed is an event with its author's signature: what is kept, sent and shown to others.
type Signed struct {
	Event
	Signature [signatureBytes]byte
}

// Hash of the event: SHA-256 of "postern/v1 case event\0" ‖ its encoding. The event must be valid.
func (e *Event) Hash() Hash {
	b, err := e.Encode()
	if err != nil {
		return Hash{}
	}
	return sha256.Sum256(append([]byte(eventContext), b...))
}

func (e *Event) signed() []byte {
	h := e.Hash()
	return append([]byte(signedContext), h[:]...)
}

// Sign signs with the author's key:
//
//	Ed25519(key, "postern/v1 case event signature\0" ‖ hash)
func (e *Event) Sign(key ed25519.PrivateKey) (Signed, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok || [ed25519.PublicKeySize]byte(public) != e.Author.Key {
		return Signed{}, errors.New("signing a case event: the key is not its author's")
	}
	b, err := e.Encode()
	if err != nil {
		return Signed{}, err
	}
	if len(b)+signatureBytes > MaxEvent {
		return Signed{}, fmt.Errorf("signing a case event: it has %d bytes, an event holds %d: shorten its text, or write two", len(b), MaxEvent-signatureBytes)
	}
	return Signed{*e, [signatureBytes]byte(ed25519.Sign(key, e.signed()))}, nil
}

// Verify says whether the author's key signed it. Whose key that is, the directory says.
func (s *Signed) Verify() bool {
	return crypto.Verify(s.Author.Key[:], s.signed(), s.Signature[:])
}

// Encode gives the event's bytes and then its signature, which Verify must have taken.
func (s *Signed) Encode() ([]byte, error) {
	b, err := s.Event.Encode()
	if err != nil {
		return nil, err
	}
	return append(b, s.Signature[:]...), nil
}

// DecodeSigned reads what Encode wrote, verifies the signature, and refuses everything else.
func DecodeSigned(b []byte) (Signed, error) {
	s, err := DecodeKept(b)
	if err == nil && !s.Verify() {
		return Signed{}, fmt.Errorf("decoding a case event: %w: its signature does not verify", ErrEvent)
	}
	return s, err
}

// DecodeKept is DecodeSigned of an event that was verified before it was kept: the
// signature is read and not looked at.
func DecodeKept(b []byte) (Signed, error) {
	if len(b) > MaxEvent {
		return Signed{}, fmt.Errorf("decoding a case event: %w: more than %d bytes", ErrEvent, MaxEvent)
	}
	e, rest, err := decode(b)
	if err == nil && len(rest) != signatureBytes {
		err = fmt.Errorf("%w: no signature behind it", ErrEvent)
	}
	if err != nil {
		return Signed{}, fmt.Errorf("decoding a case event: %w", err)
	}
	return Signed{e, [signatureBytes]byte(rest)}, nil
}

// maxPack bounds what EncodePack gives: the data of frame 41 (crypto/FORMAT.md section 7).
const maxPack = 16 << 10

// EncodePacks gives the data of event frames: each holds as many signed events as
// fit, in their order, each behind be16 of its length.
func EncodePacks(list []Signed) (packs [][]byte, err error) {
	for i := range list {
		b, err := list[i].Encode()
		if err != nil {
			return nil, err
		}
		b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) //nolint:gosec // at most MaxEvent
		if n := len(packs); n > 0 && len(packs[n-1])+len(b) <= maxPack {
			packs[n-1] = append(packs[n-1], b...)
		} else {
			packs = append(packs, b)
		}
	}
	return packs, nil
}

// DecodePack reads one of what EncodePacks wrote, verifies every signature, and refuses
// everything else. All its events have one case, scope and author.
func DecodePack(b []byte) ([]Signed, error) { return decodePack(b, DecodeSigned) }

// DecodeKeptPack is DecodePack of one that was verified before it was kept.
func DecodeKeptPack(b []byte) ([]Signed, error) { return decodePack(b, DecodeKept) }

func decodePack(b []byte, one func([]byte) (Signed, error)) (list []Signed, err error) {
	if len(b) == 0 || len(b) > maxPack {
		return nil, fmt.Errorf("decoding case events: %w: not 1 to %d bytes", ErrEvent, maxPack)
	}
	for r := (reader{b, true}); len(r.rest) > 0; {
		b := r.take(int(r.uint16()))
		if !r.ok {
			return nil, fmt.Errorf("decoding case events: %w: cut", ErrEvent)
		}
		s, err := one([]byte(b))
		if err != nil {
			return nil, err
		}
		if len(list) > 0 && (s.Case != list[0].Case || s.Scope != list[0].Scope || s.Author != list[0].Author) {
			return nil, fmt.Errorf("decoding case events: %w: of several cases, scopes or authors", ErrEvent)
		}
		list = append(list, s)
	}
	return list, nil
}

// validRef says whether s is 16 hex digits.
func validRef(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// reader takes bytes apart; ok falls when they are too few.
type reader struct {
	rest []byte
	ok   bool
}

func (r *reader) take(n int) string {
	if n > len(r.rest) {
		r.ok, r.rest = false, nil
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *reader) byte() byte {
	if s := r.take(1); r.ok {
		return s[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if s := r.take(2); r.ok {
		return binary.BigEndian.Uint16([]byte(s))
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if s := r.take(4); r.ok {
		return binary.BigEndian.Uint32([]byte(s))
	}
	return 0
}
