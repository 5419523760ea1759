package intake

import (
	"fmt"

	"postern/crypto"
)

// Consent is a source's answer to "may your case be shown to this body?", which
// a reply asked ([Reply.Notice]).
type Consent struct {
	Body string // id of a body in the directory
	Yes  bool
}

// consents signs what the source agrees to, one statement for each body, so
// that a desk can show the one to the body it names and none of the others.
func (x *Session) consents(list []Consent, answers [][]byte, listed uint64) ([]crypto.Consent, error) {
	size := 0
	for _, a := range answers {
		size += len(a)
	}
	asked := make(map[string]bool, len(list))
	out := make([]crypto.Consent, 0, len(list))
	for _, c := range list {
		b, ok := x.d.Body(c.Body)
		if !ok || listed > 0 && b.Since > listed {
			return nil, ErrUnknownBody
		}
		if asked[c.Body] {
			return nil, fmt.Errorf("%w: two answers about one body", ErrAnswers)
		}
		asked[c.Body] = true
		signed := crypto.SignConsent(x.src.Signing, b.Reader(), c.Yes, crypto.DayOf(x.s.now()))
		size += len(signed.Encode())
		out = append(out, signed)
	}
	if len(out) > 0 && size > crypto.MaxAnswers { // they share the answers' room
		return nil, ErrAnswers
	}
	return out, nil
}
