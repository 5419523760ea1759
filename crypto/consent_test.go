package crypto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// askedKinds are the kinds with something besides words: consents of a source,
// notices of a reviewer.
var askedKinds = []Kind{KindReport, KindFollowUp, KindReply}

// askedMessage is testMessage and frames 42 and 43, which the vectors of the
// first name do not have.
func askedMessage(kind Kind) *Message {
	m := testMessage(kind)
	if kind == KindReply {
		m.Notice = []byte("\x01\x07inquiry")
		return m
	}
	m.Consents = []Consent{SignConsent(testKey, Reader{"ngo", 2}, true, 20782), SignConsent(testKey, Reader{"parliament-2", 2}, false, 20781)}
	return m
}

// invalidAsked deviates from the grammar of frames 42 and 43 in one point each,
// truly signed.
func invalidAsked(t testing.TB) (list []invalid) {
	add := func(name string, kind Kind, says string, change func(f []msgFrame) []msgFrame) {
		m := askedMessage(kind)
		f := unsigned(msgFrames(writeMessage(t, m)))
		list = append(list, invalid{name, rawContainer(signRaw(grammars[kind].context, testKey, change(f))), says})
	}
	at := func(f []msgFrame, typ byte) int {
		return slices.IndexFunc(f, func(x msgFrame) bool { return x.typ == typ })
	}
	set := func(typ byte, edit func(b []byte) []byte) func(f []msgFrame) []msgFrame {
		return func(f []msgFrame) []msgFrame { i := at(f, typ); f[i].data = edit(bytes.Clone(f[i].data)); return f }
	}
	insert := func(behind byte, x ...msgFrame) func(f []msgFrame) []msgFrame {
		return func(f []msgFrame) []msgFrame { return slices.Insert(f, at(f, behind)+1, x...) }
	}
	twice := func(typ byte) func(f []msgFrame) []msgFrame {
		return func(f []msgFrame) []msgFrame { i := at(f, typ); return slices.Insert(f, i, f[i]) }
	}
	swap := func(typ byte) func(f []msgFrame) []msgFrame { // with the frame before it
		return func(f []msgFrame) []msgFrame { i := at(f, typ); f[i-1], f[i] = f[i], f[i-1]; return f }
	}
	to := func(b []byte) func([]byte) []byte { return func([]byte) []byte { return b } }

	add("notice-empty", KindReply, "empty notice", set(42, to(nil)))
	add("notice-twice", KindReply, "frame 42 of", twice(42))
	add("notice-too-long", KindReply, "notice too long", set(42, to(make([]byte, maxNotice+1))))
	add("notice-before-text", KindReply, "frame 10 of", swap(42))
	add("notice-after-drop", KindReply, "frame 42 of", swap(30))
	add("notice-in-follow-up", KindFollowUp, "frame 42 of a reply in a message of kind 2", insert(22, msgFrame{42, []byte{1}}))

	add("consent-empty", KindReport, "consent of 0 bytes", set(43, to(nil)))
	add("consent-cut", KindReport, "consent of 80 bytes", set(43, func(b []byte) []byte { return b[:len(b)-1] }))
	add("consent-goes-on", KindReport, "consent of 82 bytes", set(43, func(b []byte) []byte { return append(b, 0) }))
	add("consent-length", KindReport, "consent of 81 bytes", set(43, func(b []byte) []byte { b[13]++; return b }))
	add("consent-answer-2", KindReport, "consent of 81 bytes", set(43, func(b []byte) []byte { b[0] = 2; return b }))
	add("consent-answer-turned", KindReport, "not the source's", set(43, func(b []byte) []byte { b[0] = 0; return b }))
	add("consent-day", KindReport, "not the source's", set(43, func(b []byte) []byte { b[4]++; return b }))
	add("consent-since", KindReport, "not the source's", set(43, func(b []byte) []byte { b[12]++; return b }))
	add("consent-since-never", KindReport, "consent for body", set(43, to(SignConsent(testKey, Reader{"ngo", 0}, true, 20782).Encode())))
	add("consent-body", KindReport, "not the source's", set(43, func(b []byte) []byte { b[14]++; return b }))
	add("consent-no-id", KindReport, "consent for body", set(43, func(b []byte) []byte { b[14] = '-'; return b }))
	add("consent-id-too-long", KindReport, "consent for body", set(43, to(SignConsent(testKey, Reader{strings.Repeat("a", MaxBodyID+1), 2}, true, 1).Encode())))
	add("consent-no-body", KindReport, "consent for body", set(43, to(SignConsent(testKey, Reader{"", 2}, true, 1).Encode())))
	add("consent-of-another", KindReport, "not the source's", set(43, to(SignConsent(ed25519.NewKeyFromSeed(make([]byte, 32)), Reader{"ngo", 2}, true, 20782).Encode())))
	add("consent-twice", KindReport, "two consents", twice(43))
	add("consent-yes-and-no", KindReport, "two consents", insert(43, msgFrame{43, SignConsent(testKey, Reader{"ngo", 2}, false, 20782).Encode()}))
	add("consent-since-two-versions", KindReport, "two consents", insert(43, msgFrame{43, SignConsent(testKey, Reader{"ngo", 3}, true, 20782).Encode()}))
	add("consent-before-answers", KindReport, "frame 40 of", swap(43))
	add("consent-in-reply", KindReply, "consents out of place", insert(10, msgFrame{43, SignConsent(testKey, Reader{"ngo", 2}, true, 1).Encode()}))
	add("consents-33", KindFollowUp, "frame 43 of", func(f []msgFrame) []msgFrame {
		for i := range maxConsents - 1 {
			f = insert(43, msgFrame{43, SignConsent(testKey, Reader{fmt.Sprint("b", i), 2}, true, 1).Encode()})(f)
		}
		return f
	})
	add("consents-with-full-answers", KindFollowUp, "answers and consents too long", set(40, func([]byte) []byte { return make([]byte, MaxAnswers-100) }))
	return list
}

func TestAskedMessageVectors(t *testing.T) {
	for _, kind := range askedKinds {
		m, file := askedMessage(kind), "message-"+kindNames[kind]+"-2.txt"
		b := writeMessage(t, m, testFiles(kind)...)
		if !bytes.Equal(rawContainer(signRaw(grammars[kind].context, testKey, unsigned(msgFrames(b)))), b) {
			t.Errorf("kind %d: not signed as FORMAT.md says", kind)
		}
		writeVector(t, file, func() []byte { return newMessageVector(t, m) })
		checkMessageVector(t, file, true)
		got, _, err := readMessage(bytes.NewReader(b))
		if err != nil || len(got.Consents) != len(m.Consents) || !bytes.Equal(got.Notice, m.Notice) {
			t.Errorf("kind %d: read %d consents, notice %x: %v", kind, len(got.Consents), got.Notice, err)
		}
	}
	checkInvalidVector(t, "message-invalid-2.txt", invalidAsked(t))
}

// A consent is verified alone: from its bytes and the source's key.
func TestConsentVector(t *testing.T) {
	const file = "consent-1.txt"
	writeVector(t, file, func() []byte {
		c := SignConsent(testKey, Reader{"parliament-2", 2}, true, 20782)
		return fmt.Appendf(nil, "# A consent that stands alone: FORMAT.md section 7. Bytes in hex.\nsigning-seed %x\nsource %x\nbody %s\nsince %d\nanswer yes\nday %v\nconsent %x\n",
			testKey.Seed(), []byte(testPub), c.Body, c.Since, c.Day, c.Encode())
	})
	v := readFileVector(t, file)
	c, err := DecodeConsent(v.hex("consent"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Body != v.one("body") || c.Since != v.number("since") || c.Day.String() != v.one("day") || !c.Yes || !c.Verify(v.hex("source")) {
		t.Errorf("read %+v", c)
	}
	// Once more by hand, from FORMAT.md.
	key := ed25519.NewKeyFromSeed(v.hex("signing-seed"))
	id := CaseOf(key.Public().(ed25519.PublicKey))
	text := slices.Concat([]byte("postern/v1 source consent\x00"), id[:], []byte{1, 0, 0, 0x51, 0x2e}, []byte{0, 0, 0, 0, 0, 0, 0, 2}, []byte("parliament-2"))
	if !bytes.Equal(ed25519.Sign(key, text), c.Signature) || hex.EncodeToString(SignConsent(key, Reader{c.Body, c.Since}, true, c.Day).Encode()) != v.one("consent") {
		t.Error("signed in another way than FORMAT.md says")
	}
}

// TestConsent: whatever is changed, it is no consent of this source any more.
func TestConsent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := SignConsent(testKey, Reader{rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?`).Draw(t, "body"), rapid.Uint64Min(1).Draw(t, "since")}, rapid.Bool().Draw(t, "yes"), Day(rapid.Uint32().Draw(t, "day")))
		b := c.Encode()
		got, err := DecodeConsent(b)
		if err != nil || !got.Verify(testPub) || got.Yes != c.Yes || got.Day != c.Day || got.Body != c.Body || got.Since != c.Since || !bytes.Equal(got.Encode(), b) {
			t.Fatalf("%x reads as %+v, %v", b, got, err)
		}
		bad := bytes.Clone(b)
		bad[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "bits")
		if got, err := DecodeConsent(bad); err == nil && got.Verify(testPub) {
			t.Fatalf("changed, and still the source's: %+v", got)
		}
	})
	c := SignConsent(testKey, Reader{"ngo", 2}, true, 1)
	other := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	for name, key := range map[string]ed25519.PublicKey{"another's key": other, "no key": nil, "a short key": testPub[1:]} {
		if c.Verify(key) {
			t.Errorf("verified under %s", name)
		}
	}
	for i, key := range smallOrder(t) {
		if (Consent{Body: "ngo", Since: 2, Yes: true, Day: 1, Signature: forgedSignature}).Verify(key) {
			t.Errorf("verified under point %d, for which anybody can sign", i)
		}
	}
	if (Consent{Body: "ngo", Since: 2, Yes: true, Day: 1}).Verify(testPub) {
		t.Error("verified without a signature")
	}
}

func TestMessageWriterRefusesAsked(t *testing.T) {
	for _, x := range []struct {
		name   string
		kind   Kind
		change func(m *Message)
		says   string
	}{
		{"notice in a report", KindReport, func(m *Message) { m.Notice = []byte{1} }, "frame 42 of a reply"},
		{"notice in an event", KindEvent, func(m *Message) { m.Notice = []byte{1} }, "frame 42 of a reply"},
		{"notice too long", KindReply, func(m *Message) { m.Notice = make([]byte, maxNotice+1) }, "notice too long"},
		{"consent in a file", KindFile, func(m *Message) { m.Consents = askedMessage(KindReport).Consents }, "consents out of place"},
		{"consent in a change", KindChange, func(m *Message) { m.Consents = askedMessage(KindReport).Consents }, "consents out of place"},
		{"consent of another case", KindReport, func(m *Message) {
			m.Consents = []Consent{SignConsent(ed25519.NewKeyFromSeed(make([]byte, 32)), Reader{"ngo", 2}, true, 1)}
		}, "not the source's"},
		{"consent about no id", KindReport, func(m *Message) { m.Consents = []Consent{SignConsent(testKey, Reader{"..", 2}, true, 1)} }, "not the source's"},
		{"consents about one body", KindReport, func(m *Message) {
			m.Consents = append(askedMessage(KindReport).Consents, SignConsent(testKey, Reader{"ngo", 2}, false, 1))
		}, "two consents"},
	} {
		m := testMessage(x.kind)
		x.change(m)
		_, err := NewMessageWriter(io.Discard, m, testKey)
		if !errors.Is(err, ErrFormat) || !strings.Contains(fmt.Sprint(err), x.says) {
			t.Errorf("%s: %v, not %q", x.name, err, x.says)
		}
	}
}

// TestMaximalConsentsFitTheSmallestClass: consents take their room from the
// answers', so that a message with all it may hold has the size of every other.
func TestMaximalConsentsFitTheSmallestClass(t *testing.T) {
	maximal := func() *Message {
		m := maximalMessage()
		for i := range maxConsents {
			m.Consents = append(m.Consents, SignConsent(testKey, Reader{fmt.Sprintf("%0*d", MaxBodyID, i), 2}, true, 1))
		}
		room := MaxAnswers - maxConsents*(consentFixed+MaxBodyID)
		m.Answers = m.Answers[:maxAnswerFrames-maxConsents]
		for i := range m.Answers {
			m.Answers[i] = bytes.Repeat([]byte{'a'}, room/len(m.Answers))
		}
		m.Answers[0] = append(m.Answers[0], make([]byte, room%len(m.Answers))...)
		return m
	}
	b := writeMessage(t, maximal())
	if len(b) != int(ClassSize(0)) {
		t.Fatalf("maximal fields with consents need %d bytes", len(b))
	}
	got, err := ReadMessage(bytes.NewReader(b), nil)
	if err != nil || len(got.Consents) != maxConsents || len(got.Text) != MaxText {
		t.Fatal(err)
	}
	for name, change := range map[string]func(m *Message){
		"consent": func(m *Message) {
			m.Answers, m.Consents = nil, append(m.Consents, SignConsent(testKey, Reader{"one-more", 2}, true, 1))
		},
		"answer byte":  func(m *Message) { m.Answers[1] = append(m.Answers[1], 'x') },
		"answer frame": func(m *Message) { m.Answers = append(m.Answers, nil) },
	} {
		m := maximal()
		change(m)
		if _, err := NewMessageWriter(io.Discard, m, testKey); !errors.Is(err, ErrFormat) {
			t.Errorf("a %s more: %v", name, err)
		}
	}
}

// A notice and a consent are content: another one is no repeat.
func TestAskedContentHash(t *testing.T) {
	hash := func(m *Message) [32]byte {
		got, err := ReadMessage(bytes.NewReader(writeMessage(t, m)), nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Content
	}
	seen := make(map[[32]byte]string)
	for name, m := range map[string]*Message{
		"report": testMessage(KindReport), "report with consents": askedMessage(KindReport),
		"reply": testMessage(KindReply), "reply with notice": askedMessage(KindReply),
	} {
		if other, ok := seen[hash(m)]; ok {
			t.Errorf("%s and %s look alike", name, other)
		}
		seen[hash(m)] = name
	}
	turned := askedMessage(KindReport)
	turned.Consents[0] = SignConsent(testKey, Reader{"ngo", 2}, false, 20782)
	if hash(turned) == hash(askedMessage(KindReport)) {
		t.Error("a yes turned to a no looks like a repeat")
	}
}

func FuzzConsent(f *testing.F) {
	for _, c := range askedMessage(KindReport).Consents {
		f.Add(c.Encode())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeConsent(b)
		if err != nil {
			return
		}
		_ = c.Verify(testPub) // never panics
		if !bytes.Equal(c.Encode(), b) {
			t.Fatalf("%x encodes to %x", b, c.Encode())
		}
	})
}
