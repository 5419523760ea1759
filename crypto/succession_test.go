package crypto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"slices"
	"testing"
)

var earlierKey = func() ed25519.PrivateKey {
	seed := testSeed("earlier signer")
	return ed25519.NewKeyFromSeed(seed[:])
}()

// succeeding is testMessage by a source who changed their code.
func succeeding(kind Kind) *Message {
	m := testMessage(kind)
	day := m.Meta.Day - 3
	m.Succeeds = &Succession{Earlier: earlierKey.Public().(ed25519.PublicKey), Day: day, Signature: succession(earlierKey, testPub, day)}
	return m
}

// succession is the signature once more as FORMAT.md says it, not with the code under test.
func succession(earlier ed25519.PrivateKey, next ed25519.PublicKey, day Day) []byte {
	b := []byte("postern/v1 source succession\x00")
	b = append(append(b, earlier.Public().(ed25519.PublicKey)...), next...)
	return ed25519.Sign(earlier, binary.BigEndian.AppendUint32(b, uint32(day)))
}

// TestSuccession: a message by a source who changed their code says which key
// came before; frame 5 is bytes as FORMAT.md says, and no other pair's or day's counts.
func TestSuccession(t *testing.T) {
	before, after := DeriveSource(NewCode(), [32]byte{}, fastKDF), DeriveSource(NewCode(), [32]byte{}, fastKDF)
	s := before.Succeed(after, 20781)
	if !bytes.Equal(s.Signature, succession(before.Signing, after.public(), 20781)) || !s.Earlier.Equal(before.public()) || s.Case() != before.Case {
		t.Error("not signed as FORMAT.md says")
	}
	data := slices.Concat(before.public(), []byte{0, 0, 0x51, 0x2d}, s.Signature)
	if !bytes.Equal(s.Encode(), data) {
		t.Errorf("frame 5 is %x", s.Encode())
	}
	m := testMessage(KindReport)
	m.Source, m.Meta.Case, m.Succeeds = after.public(), after.Case, s
	var b bytes.Buffer
	w, err := NewMessageWriter(&b, m, after.Signing)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if f := msgFrames(b.Bytes()); f[2].typ != 4 || f[3].typ != 5 || !bytes.Equal(f[3].data, data) {
		t.Errorf("frames %d, %d", f[2].typ, f[3].typ)
	}
	got, err := ReadMessage(&b, nil)
	if err != nil || got.Succeeds == nil || got.Succeeds.Case() != before.Case || got.Succeeds.Day != 20781 {
		t.Errorf("read: %+v, %v", got, err)
	}
	s2, err := DecodeSuccession(s.Encode())
	if err != nil || !s2.valid(after.public()) {
		t.Errorf("decoded: %v", err)
	}
	for i, key := range smallOrder(t) {
		if (&Succession{Earlier: key, Day: 20781, Signature: forgedSignature}).valid(testPub) {
			t.Errorf("a succession of point %d, for which anybody can sign", i)
		}
	}
	if s.valid(before.public()) || before.Succeed(before, 1).valid(before.public()) {
		t.Error("a succession counts for another key, or a key follows itself")
	}
}

// invalidSuccessions deviate in frame 5 alone; each is truly signed by the new key.
func invalidSuccessions(t testing.TB) (list []invalid) {
	add := func(name string, kind Kind, says string, change func(f []msgFrame) []msgFrame) {
		m := testMessage(kind)
		if grammars[kind].replyTo {
			m.Succeeds = succeeding(kind).Succeeds
		}
		f := change(unsigned(msgFrames(writeMessage(t, m, testFiles(kind)...))))
		list = append(list, invalid{name, rawContainer(signRaw(grammars[kind].context, testKey, f)), says})
	}
	data := succeeding(KindReport).Succeeds.Encode()
	at := func(f []msgFrame) int { return slices.IndexFunc(f, func(x msgFrame) bool { return x.typ == 5 }) }
	set := func(edit func(b []byte) []byte) func(f []msgFrame) []msgFrame {
		return func(f []msgFrame) []msgFrame { f[at(f)].data = edit(f[at(f)].data); return f }
	}
	insert := func(i int) func(f []msgFrame) []msgFrame {
		return func(f []msgFrame) []msgFrame { return slices.Insert(f, i, msgFrame{5, data}) }
	}
	signedBy := func(earlier ed25519.PrivateKey, next ed25519.PublicKey) []byte {
		return (&Succession{earlier.Public().(ed25519.PublicKey), 20778, succession(earlier, next, 20778)}).Encode()
	}
	for _, kind := range []Kind{KindReport, KindFollowUp, KindChange} {
		add("succession-unsigned-"+kindNames[kind], kind, "did not sign", set(func(b []byte) []byte { clear(b[36:]); return b }))
	}
	add("succession-of-another-key", KindChange, "did not sign", set(func([]byte) []byte { return signedBy(earlierKey, earlierKey.Public().(ed25519.PublicKey)) }))
	add("succession-signed-by-the-new-key", KindChange, "did not sign", set(func(b []byte) []byte { copy(b[36:], succession(testKey, testPub, 20778)); return b }))
	add("succession-of-itself", KindChange, "did not sign", set(func([]byte) []byte { return signedBy(testKey, testPub) }))
	add("succession-of-another-day", KindChange, "did not sign", set(func(b []byte) []byte { b[35]++; return b }))
	add("succession-signed-as-message", KindChange, "did not sign", set(func(b []byte) []byte {
		copy(b[36:], ed25519.Sign(earlierKey, slices.Concat([]byte(sourceContext), b[:32], testPub, b[32:36])))
		return b
	}))
	add("succession-short", KindChange, "succession of 99 bytes", set(func(b []byte) []byte { return b[:99] }))
	add("succession-long", KindChange, "succession of 101 bytes", set(func(b []byte) []byte { return append(b, 0) }))
	add("succession-twice", KindChange, "frame 5 of", func(f []msgFrame) []msgFrame { return slices.Insert(f, at(f), f[at(f)]) })
	add("succession-before-source", KindChange, "frame 4 of", func(f []msgFrame) []msgFrame {
		i := at(f)
		f[i-1], f[i] = f[i], f[i-1]
		return f
	})
	add("succession-in-file", KindFile, "succession out of place", insert(3))
	add("succession-in-reply", KindReply, "succession out of place", insert(2))
	add("succession-in-event", KindEvent, "succession out of place", insert(2))
	return list
}

func TestInvalidSuccessionVectors(t *testing.T) {
	checkInvalidVector(t, "message-invalid-3.txt", invalidSuccessions(t))
}
