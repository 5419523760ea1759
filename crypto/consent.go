package crypto

import (
	"crypto/ed25519"
	"encoding/binary"
)

// maxConsents is how many consents one message holds.
const maxConsents = 32

// Consent is frame 43: a source's answer to "may your case be shown to this
// body?", as the body was then ([Reader]). It is a statement that stands alone, signed over the case: a desk can
// later show it, without the message around it, to the body it names.
type Consent struct {
	Body      string // id of the body asked about
	Since     uint64 // and what it was since then: see [Reader]
	Yes       bool
	Day       Day    // of the answer
	Signature []byte // by V_src
}

// consentFixed is what a consent takes besides the body's id: answer, day, since, length, signature.
const consentFixed = consentHead + 1 + ed25519.SignatureSize

const consentHead = 1 + 4 + 8

// SignConsent makes a consent of the source whose key this is.
func SignConsent(key ed25519.PrivateKey, body Reader, yes bool, day Day) Consent {
	c := Consent{Body: body.ID, Since: body.Since, Yes: yes, Day: day}
	c.Signature = ed25519.Sign(key, c.signed(key.Public().(ed25519.PublicKey))) //nolint:forcetypeassert // always that type
	return c
}

// Verify says whether the source with this key made the consent, for the case
// that is [CaseOf] the key and no other.
func (c Consent) Verify(source ed25519.PublicKey) bool {
	return ValidID(c.Body) && c.Since > 0 && Verify(source, c.signed(source), c.Signature)
}

// signed is context ‖ case ‖ answer ‖ be32(day) ‖ be64(since) ‖ body id.
func (c Consent) signed(source ed25519.PublicKey) []byte {
	id := CaseOf(source)
	return append(c.head(append([]byte("postern/v1 source consent\x00"), id[:]...)), c.Body...)
}

// head appends answer ‖ be32(day) ‖ be64(since).
func (c Consent) head(b []byte) []byte {
	answer := byte(0)
	if c.Yes {
		answer = 1
	}
	b = binary.BigEndian.AppendUint32(append(b, answer), uint32(c.Day))
	return binary.BigEndian.AppendUint64(b, c.Since)
}

// Encode gives the consent's bytes, in a message or alone. The body's id must be one.
func (c Consent) Encode() []byte {
	b := append(c.head(nil), byte(len(c.Body))) //nolint:gosec // at most MaxBodyID
	return append(append(b, c.Body...), c.Signature...)
}

// DecodeConsent reads what [Consent.Encode] wrote and refuses everything else. Who made
// it is for [Consent.Verify] to say.
func DecodeConsent(b []byte) (c Consent, err error) {
	if len(b) < consentFixed || len(b) != consentFixed+int(b[consentHead]) || b[0] > 1 {
		return c, malformed("consent of %d bytes", len(b))
	}
	end := len(b) - ed25519.SignatureSize
	c = Consent{
		Body: string(b[consentHead+1 : end]), Since: binary.BigEndian.Uint64(b[5:]),
		Yes: b[0] == 1, Day: Day(binary.BigEndian.Uint32(b[1:])),
		Signature: append([]byte(nil), b[end:]...),
	}
	if !ValidID(c.Body) || c.Since == 0 {
		return Consent{}, malformed("consent for body %q since %d", c.Body, c.Since)
	}
	return c, nil
}

// checkConsents says what is wrong with the consents of one message: each is
// the source's own, about a body that no other one names, and together with
// the answers they keep to the answers' limits, so that the fields of any form
// still fit the smallest class.
func (m *Message) checkConsents() error {
	size := 0
	for _, a := range m.Answers {
		size += len(a)
	}
	bodies := make(map[string]bool, len(m.Consents))
	for _, c := range m.Consents {
		size += consentFixed + len(c.Body)
		switch {
		case bodies[c.Body]:
			return malformed("two consents for body %q", c.Body)
		case !c.Verify(m.Source):
			return malformed("a consent that is not the source's")
		}
		bodies[c.Body] = true
	}
	if len(m.Consents) > 0 && (size > MaxAnswers || len(m.Answers)+len(m.Consents) > maxAnswerFrames) {
		return malformed("answers and consents too long")
	}
	return nil
}
