package crypto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
)

// Succession is frame 5: the source changed their code, and what the key of
// frame 4 signs goes on from what an earlier one signed. The earlier key says so
// itself, so that nobody can take over a case whose code they do not have. Day is
// signed with it: readers must tell what the earlier key signed since, which may be
// somebody else's, also when the message that first told them was lost.
type Succession struct {
	Earlier   ed25519.PublicKey // V_src of the code before
	Day       Day               // of the change
	Signature []byte            // by Earlier
}

const frameSuccession = 5

// SuccessionSize is the length of frame 5's data.
const SuccessionSize = ed25519.PublicKeySize + 4 + ed25519.SignatureSize

const successionContext = "postern/v1 source succession\x00"

// Succeed names next as the source that follows s from day on.
func (s *Source) Succeed(next *Source, day Day) *Succession {
	c := &Succession{Earlier: bytes.Clone(s.public()), Day: day}
	c.Signature = ed25519.Sign(s.Signing, c.signed(next.public()))
	return c
}

// Case is the case of the earlier code.
func (c *Succession) Case() CaseID { return CaseOf(c.Earlier) }

func (c *Succession) signed(next ed25519.PublicKey) []byte {
	b := append([]byte(successionContext), c.Earlier...)
	b = append(b, next...)
	return binary.BigEndian.AppendUint32(b, uint32(c.Day))
}

// valid says whether the earlier key, another one, signed that next follows it.
func (c *Succession) valid(next ed25519.PublicKey) bool {
	return !c.Earlier.Equal(next) &&
		Verify(c.Earlier, c.signed(next), c.Signature)
}

// Encode is the data of frame 5: earlier key (32) ‖ be32(day) ‖ signature (64).
func (c *Succession) Encode() []byte {
	b := append(make([]byte, 0, SuccessionSize), c.Earlier...)
	return append(binary.BigEndian.AppendUint32(b, uint32(c.Day)), c.Signature...)
}

// DecodeSuccession reads what Encode wrote. Only a message says whether it is true.
func DecodeSuccession(b []byte) (*Succession, error) {
	if len(b) != SuccessionSize {
		return nil, malformed("succession of %d bytes", len(b))
	}
	b = bytes.Clone(b)
	return &Succession{Earlier: b[:32], Day: Day(binary.BigEndian.Uint32(b[32:])), Signature: b[36:]}, nil
}
