package intake

import (
	"errors"
	"testing"
	"time"

	"postern/crypto"
)

// Consents share the answers' room; what has no place is refused before it is sealed.
func TestConsentsKeepToTheirRoom(t *testing.T) {
	d := &crypto.Directory{Bodies: []crypto.Body{{ID: "press", Since: 1}}}
	x := &Session{s: &Service{now: time.Now}, d: &inForce{Directory: d}, src: crypto.DeriveSource(crypto.NewCode(), d.Salt, crypto.KDFParams{Time: 1, MemoryKiB: 64, Threads: 1})}
	defer x.Close()
	ask := []Consent{{Body: "press", Yes: true}}
	size := len(crypto.Consent{Body: "press", Since: 1, Signature: make([]byte, 64)}.Encode())
	for n, want := range map[int]error{crypto.MaxAnswers - size: nil, crypto.MaxAnswers - size + 1: ErrAnswers} {
		if got, err := x.consents(ask, [][]byte{make([]byte, n)}, 0); !errors.Is(err, want) || want == nil && len(got) != 1 {
			t.Errorf("beside %d bytes of answers: %v, want %v", n, err, want)
		}
	}
	if got, err := x.consents(nil, [][]byte{make([]byte, crypto.MaxAnswers)}, 0); err != nil || len(got) != 0 {
		t.Errorf("full answers alone: %v", err)
	}
}
