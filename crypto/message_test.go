package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// testFile is a file and its bytes.
type testFile struct {
	name, mediaType string
	data            []byte
}

var (
	testKey = func() ed25519.PrivateKey {
		seed := testSeed("message signer")
		return ed25519.NewKeyFromSeed(seed[:])
	}()
	testPub = testKey.Public().(ed25519.PublicKey)
)

func testRecipient(label string) *Recipient { return IdentityFromSeed(testSeed(label)).Recipient() }

func testMeta(kind Kind) Meta {
	caseID, form := testSeed("case"), testSeed("form")
	return Meta{
		Kind: kind, Case: CaseID(caseID[:16]), Counter: 1<<40 + 7, Form: FormID(form[:16]),
		DirHash: [32]byte(testSeed("directory")), Day: 20781, // 2026-11-24
	}
}

// testMessage has every frame that its kind may have.
func testMessage(kind Kind) *Message {
	m := &Message{Meta: testMeta(kind)}
	if kind == KindCover {
		return m
	}
	m.Readers = []Reader{{"ombuds", 1}, {"audit-office", 3}, {"nhri", 1<<40 + 2}}
	g := grammars[kind]
	if g.source {
		life := testSeed("life")
		m.Source, m.Meta.Case, m.Life = testPub, CaseOf(testPub), LifeID(life[:16])
	}
	if g.text {
		m.Text = "They sold the fuel.\nJ’ai tout vu. 🛢"
	}
	if g.answers {
		m.Answers = [][]byte{[]byte("\x05place\x01\x00\x04here"), {0xff, 0}}
	}
	if g.replyTo {
		m.ReplyTo = testRecipient("reply to")
		m.Receipts = testReceipts(MaxReceipts)
	}
	if g.drop {
		seed := testSeed("drop")
		drop := Drop(seed[:16])
		m.Drop = &drop
	}
	if g.event {
		m.Event = []byte("stage acknowledged")
	}
	return m
}

func testReceipts(n int) (list []Receipt) {
	for i := range n {
		list = append(list, ReceiptOf(testSeed(fmt.Sprint("opened reply ", i))))
	}
	return list
}

func testFiles(kind Kind) []testFile {
	switch kind {
	case KindFile:
		return []testFile{{"Rechnung \"3\".pdf", "application/pdf", []byte("%PDF-1.7 bytes")}}
	case KindReply:
		return []testFile{{"empty", "", nil}, {"../../etc/passwd", "text/plain", []byte("root")}}
	}
	return nil
}

func keyOf(kind Kind) ed25519.PrivateKey {
	if kind == KindCover {
		return nil
	}
	return testKey
}

func writeMessage(t testing.TB, m *Message, files ...testFile) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewMessageWriter(&b, m, keyOf(m.Meta.Kind))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		fw, err := w.File(f.name, f.mediaType)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fw.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readMessage keeps the files in memory.
func readMessage(src io.Reader) (*Read, []testFile, error) {
	var files []testFile
	got, err := ReadMessage(src, func(f File, r io.Reader) error {
		b, err := io.ReadAll(r)
		files = append(files, testFile{f.Name, f.MediaType, b})
		return err
	})
	return got, files, err
}

// msgFrame lets tests build what the writer refuses.
type msgFrame struct {
	typ  byte
	data []byte
}

// msgFrames takes a container apart, without its end and padding.
func msgFrames(b []byte) (list []msgFrame) {
	r := &frameReader{r: bytes.NewReader(b[len(containerMagic):])}
	for {
		typ, data, err := r.next()
		if err != nil || typ == frameEnd {
			return list
		}
		list = append(list, msgFrame{typ, bytes.Clone(data)})
	}
}

// unsigned cuts frames 98 and 99 off.
func unsigned(list []msgFrame) []msgFrame {
	i := slices.IndexFunc(list, func(f msgFrame) bool { return f.typ == frameSigner || f.typ == frameSignature })
	if i < 0 {
		return list
	}
	return list[:i]
}

// signRaw puts signer and signature behind the frames, computed here once
// more from FORMAT.md and not with the code under test.
func signRaw(context string, key ed25519.PrivateKey, list []msgFrame) []msgFrame {
	h := sha256.New()
	for _, f := range list {
		if f.typ == 12 {
			continue
		}
		fmt.Fprintf(h, "%c", f.typ)
		_ = binary.Write(h, binary.BigEndian, uint32(len(f.data)))
		h.Write(f.data)
	}
	pub := key.Public().(ed25519.PublicKey)
	text := append(append([]byte(context), h.Sum(nil)...), pub...)
	return append(slices.Clone(list), msgFrame{98, pub}, msgFrame{99, ed25519.Sign(key, text)})
}

// rawContainer is magic, frames, end and padding.
func rawContainer(list []msgFrame) []byte {
	b := []byte("PST1")
	for _, f := range list {
		b = binary.BigEndian.AppendUint32(append(b, f.typ), uint32(len(f.data)))
		b = append(b, f.data...)
	}
	return padded(append(b, 0, 0, 0, 0, 0))
}

func padded(b []byte) []byte {
	size := 64 << 10
	for size < len(b) {
		size *= 2
	}
	return append(b, make([]byte, size-len(b))...)
}

func TestMessageOfEveryKind(t *testing.T) {
	id := NewIdentity()
	for kind := range grammars {
		m, files := testMessage(kind), testFiles(kind)
		b := writeMessage(t, m, files...)
		if len(b) != 64<<10 {
			t.Errorf("kind %d: %d bytes", kind, len(b))
		}
		if raw := msgFrames(b); kind != KindCover && !bytes.Equal(rawContainer(signRaw(grammars[kind].context, testKey, unsigned(raw))), b) {
			t.Errorf("kind %d: not signed as FORMAT.md says", kind)
		}
		plain, err := Open(bytes.NewReader(sealed(t, policy8, b, [][]*Recipient{{id.Recipient()}})), id)
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range map[string]io.Reader{
			"bytes": bytes.NewReader(b), "halves": iotest.HalfReader(bytes.NewReader(b)),
			"end with data": iotest.DataErrReader(bytes.NewReader(b)), "sealed": plain,
		} {
			got, gotFiles, err := readMessage(r)
			if err != nil {
				t.Errorf("kind %d, %s: %v", kind, name, err)
				continue
			}
			want := *m
			if kind != KindCover {
				want.Signer = testPub
			}
			if d := cmp.Diff(want, got.Message, cmp.Comparer(sameRecipient)); d != "" {
				t.Errorf("kind %d, %s: %s", kind, name, d)
			}
			if len(got.Files) != len(files) || len(gotFiles) != len(files) {
				t.Fatalf("kind %d, %s: %d files", kind, name, len(got.Files))
			}
			for i, f := range files {
				want := File{f.name, f.mediaType, int64(len(f.data)), sha256.Sum256(f.data)}
				if got.Files[i] != want || gotFiles[i].name != f.name || gotFiles[i].mediaType != f.mediaType || !bytes.Equal(gotFiles[i].data, f.data) {
					t.Errorf("kind %d, %s: file %d differs: %+v", kind, name, i, got.Files[i])
				}
			}
		}
	}
}

func sameRecipient(a, b *Recipient) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.raw, b.raw)
}

// TestMaximalFieldsFitTheSmallestClass: whatever a source writes into the
// form, the message has the size of every other one (SECURITY.md S-16).
func TestMaximalFieldsFitTheSmallestClass(t *testing.T) {
	m := maximalMessage()
	b := writeMessage(t, m)
	if len(b) != int(ClassSize(0)) {
		t.Fatalf("maximal fields need %d bytes", len(b))
	}
	if _, err := ReadMessage(bytes.NewReader(b), nil); err != nil {
		t.Fatal(err)
	}
	// They are maximal: a byte, frame or reader more is refused.
	for name, change := range map[string]func(m *Message){
		"text":         func(m *Message) { m.Text += "x" },
		"answers":      func(m *Message) { m.Answers[0] = append(m.Answers[0], 'x') },
		"answer frame": func(m *Message) { m.Answers = append(m.Answers, nil) },
		"receipt":      func(m *Message) { m.Receipts = append(m.Receipts, Receipt{1}) },
		"reader":       func(m *Message) { m.Readers = append(m.Readers, Reader{"one-more", 1}) },
		"reader id":    func(m *Message) { m.Readers[0].ID += "x" },
	} {
		m := maximalMessage()
		change(m)
		if _, err := NewMessageWriter(io.Discard, m, testKey); !errors.Is(err, ErrFormat) {
			t.Errorf("a %s more: %v", name, err)
		}
	}
}

func maximalMessage() *Message {
	m := testMessage(KindReport)
	m.Text = strings.Repeat("é", MaxText/2)
	m.Answers = nil
	for range maxAnswerFrames {
		m.Answers = append(m.Answers, bytes.Repeat([]byte{'a'}, MaxAnswers/maxAnswerFrames))
	}
	m.Succeeds = succeeding(KindReport).Succeeds
	m.Readers = nil
	for i := range MaxReaders {
		m.Readers = append(m.Readers, Reader{fmt.Sprintf("%0*d", MaxBodyID, i), math.MaxUint64})
	}
	return m
}

// TestMessageRoundTrip: what was written is read, in the smallest class, and
// written again is the same bytes.
func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := Kind(rapid.ByteRange(1, 7).Draw(t, "kind"))
		m, g := testMessage(kind), grammars[kind]
		m.Meta.Counter, m.Meta.Day = rapid.Uint64().Draw(t, "counter"), Day(rapid.Uint32().Draw(t, "day"))
		if g.text {
			m.Text = strings.ReplaceAll(rapid.String().Draw(t, "text"), "\x00", "")
		}
		if g.answers {
			m.Answers = rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 0, 9).Draw(t, "answers")
		}
		if g.answers && rapid.Bool().Draw(t, "consents") {
			m.Consents = askedMessage(kind).Consents[:rapid.IntRange(0, 2).Draw(t, "number of consents")]
		}
		if g.drop {
			m.Notice = rapid.SliceOfN(rapid.Byte(), 0, maxNotice).Draw(t, "notice")
		}
		if g.replyTo && rapid.Bool().Draw(t, "succeeds") {
			m.Succeeds = succeeding(kind).Succeeds
		}
		var files []testFile
		for range rapid.IntRange(g.minFiles, min(g.maxFiles, 3)).Draw(t, "files") {
			n := rapid.SampledFrom([]int{0, 1, maxFrame - 1, maxFrame, maxFrame + 1, 3 * maxFrame}).Draw(t, "size")
			files = append(files, testFile{
				rapid.StringMatching(`[^\x00]{1,50}`).Draw(t, "name"), rapid.StringMatching(`[a-z/]{0,20}`).Draw(t, "type"),
				bytes.Repeat([]byte{7}, n),
			})
		}
		b, err := rewrite(m, files)
		if err != nil {
			t.Fatal(err)
		}
		got, gotFiles, err := readMessage(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		again, err := rewrite(&got.Message, gotFiles)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("written again it differs: %v", err)
		}
		if got.Text != m.Text || len(gotFiles) != len(files) || got.Meta != m.Meta {
			t.Fatal("another message was read")
		}
		if size := int64(len(b)); size != ClassSize(ClassOf(size)) {
			t.Fatalf("%d bytes are no class", size)
		}
	})
}

// rewrite writes a message of the test key with small and odd writes.
func rewrite(m *Message, files []testFile) ([]byte, error) {
	var b bytes.Buffer
	w, err := NewMessageWriter(&b, m, keyOf(m.Meta.Kind))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		fw, err := w.File(f.name, f.mediaType)
		if err != nil {
			return nil, err
		}
		for data := f.data; len(data) > 0; {
			n := min(len(data), 40961)
			if _, err := fw.Write(data[:n]); err != nil {
				return nil, err
			}
			data = data[n:]
		}
	}
	err = w.Close()
	return b.Bytes(), err
}

// TestMessageDamage: one changed byte anywhere, or a cut anywhere, of a signed
// message is noticed.
func TestMessageDamage(t *testing.T) {
	m := testMessage(KindReply)
	files := append(testFiles(KindReply), testFile{"long", "", bytes.Repeat([]byte{9}, maxFrame+10)})
	b := writeMessage(t, m, files...)
	used := len(bytes.TrimRight(b, "\x00"))
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.OneOf(rapid.IntRange(0, used), rapid.IntRange(0, len(b)-1)).Draw(t, "at")
		bad := bytes.Clone(b)
		bad[i] ^= rapid.ByteRange(1, 255).Draw(t, "bits")
		if _, err := ReadMessage(bytes.NewReader(bad), nil); err == nil {
			t.Fatalf("byte %d changed", i)
		}
		if _, err := ReadMessage(bytes.NewReader(b[:i]), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", i, err)
		}
		broken := errors.New("the disk is gone")
		r := io.MultiReader(bytes.NewReader(b[:i]), iotest.ErrReader(broken))
		if _, err := ReadMessage(r, nil); !errors.Is(err, broken) || errors.Is(err, ErrFormat) {
			t.Fatalf("a failing source at %d: %v", i, err)
		}
	})
	if _, err := ReadMessage(io.MultiReader(bytes.NewReader(b), iotest.ErrReader(iotest.ErrTimeout)), nil); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("a failing source behind the last byte: %v", err)
	}
}

// TestMessageWriterFails: an error of the writer below is kept to the end,
// whenever it came.
func TestMessageWriterFails(t *testing.T) {
	full := errors.New("the disk is full")
	m := testMessage(KindReply)
	for _, room := range []int{0, 3, 4, 50, 200, 900, 60000, 65535, 70000, 131071} {
		w, err := NewMessageWriter(&limited{room, full}, m, testKey)
		if err != nil {
			if !errors.Is(err, full) {
				t.Errorf("room for %d: %v", room, err)
			}
			continue
		}
		fw, err := w.File("f", "")
		if err == nil {
			_, err = fw.Write(make([]byte, maxFrame+1))
		}
		if err != nil && !errors.Is(err, full) {
			t.Errorf("room for %d: %v", room, err)
		}
		if err := w.Close(); !errors.Is(err, full) {
			t.Errorf("room for %d: closed with %v", room, err)
		}
	}
}

type limited struct {
	room int
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.room)
	if l.room -= n; n < len(p) {
		return n, l.err
	}
	return n, nil
}

func TestMessageWriterRefuses(t *testing.T) {
	otherKey := ed25519.NewKeyFromSeed(make([]byte, 32))
	for _, x := range []struct {
		name   string
		kind   Kind
		key    ed25519.PrivateKey
		change func(m *Message)
		says   string
	}{
		{"kind 0", KindReport, testKey, func(m *Message) { m.Meta.Kind = 0 }, "kind 0"},
		{"kind 8", KindReport, testKey, func(m *Message) { m.Meta.Kind = 8 }, "kind 8"},
		{"no readers", KindReport, testKey, func(m *Message) { m.Readers = nil }, "readers"},
		{"readers on a cover", KindCover, nil, func(m *Message) { m.Readers = []Reader{{"ombuds", 1}} }, "readers"},
		{"reader twice", KindReport, testKey, func(m *Message) { m.Readers[2] = m.Readers[0] }, "reader"},
		{"two readers of one id", KindReport, testKey, func(m *Message) { m.Readers[2] = Reader{"ombuds", 7} }, "reader"},
		{"reader with a capital", KindReport, testKey, func(m *Message) { m.Readers[0].ID = "Ombuds" }, "reader"},
		{"reader since never", KindReply, testKey, func(m *Message) { m.Readers[0].Since = 0 }, "reader"},
		{"text with NUL", KindReport, testKey, func(m *Message) { m.Text = "a\x00b" }, "NUL"},
		{"text not UTF-8", KindReply, testKey, func(m *Message) { m.Text = "a\xffb" }, "UTF-8"},
		{"text in an event", KindEvent, testKey, func(m *Message) { m.Text = "a" }, "text out of place"},
		{"text on a cover", KindCover, nil, func(m *Message) { m.Text = "a" }, "text out of place"},
		{"source in a reply", KindReply, testKey, func(m *Message) { m.Source = testPub }, "source key"},
		{"another's case", KindReport, testKey, func(m *Message) { m.Meta.Case[15] ^= 1 }, "another case than"},
		{"no source in a report", KindReport, testKey, func(m *Message) { m.Source = nil }, "source key"},
		{"no life in a report", KindReport, testKey, func(m *Message) { m.Life = LifeID{} }, "life missing"},
		{"life in a reply", KindReply, testKey, func(m *Message) { m.Life = LifeID{1} }, "life missing or out of place"},
		{"answers in a reply", KindReply, testKey, func(m *Message) { m.Answers = [][]byte{{1}} }, "answers out of place"},
		{"reply recipient in a file", KindFile, testKey, func(m *Message) { m.ReplyTo = testRecipient("x") }, "reply recipient missing or out of place"},
		{"reply recipient in a reply", KindReply, testKey, func(m *Message) { m.ReplyTo = testRecipient("x") }, "reply recipient missing or out of place"},
		{"no reply recipient", KindChange, testKey, func(m *Message) { m.ReplyTo = nil }, "reply recipient missing"},
		{"receipts in a file", KindFile, testKey, func(m *Message) { m.Receipts = testReceipts(1) }, "receipts out of place"},
		{"receipts in a reply", KindReply, testKey, func(m *Message) { m.Receipts = testReceipts(1) }, "receipts out of place"},
		{"receipts too many", KindReport, testKey, func(m *Message) { m.Receipts = testReceipts(MaxReceipts + 1) }, "too many receipts"},
		{"drop in a report", KindReport, testKey, func(m *Message) { m.Drop = new(Drop) }, "drop missing or out of place"},
		{"reply without a drop", KindReply, testKey, func(m *Message) { m.Drop = nil }, "drop missing or out of place"},
		{"event without an event", KindEvent, testKey, func(m *Message) { m.Event = nil }, "event missing"},
		{"event in a reply", KindReply, testKey, func(m *Message) { m.Event = []byte("x") }, "event missing"},
		{"event too long", KindEvent, testKey, func(m *Message) { m.Event = make([]byte, maxEvent+1) }, "event too long"},
		{"succession in a file", KindFile, testKey, func(m *Message) { m.Succeeds = succeeding(KindReport).Succeeds }, "succession out of place"},
		{"succession of another day", KindReport, testKey, func(m *Message) { m.Succeeds = succeeding(KindReport).Succeeds; m.Succeeds.Day++ }, "did not sign"},
		{"no key", KindReport, nil, func(*Message) {}, "signing key is missing"},
		{"key for a cover", KindCover, testKey, func(*Message) {}, "given for a cover"},
		{"another's key", KindReport, otherKey, func(*Message) {}, "not the signing key's"},
	} {
		m := testMessage(x.kind)
		x.change(m)
		var b bytes.Buffer
		_, err := NewMessageWriter(&b, m, x.key)
		refused(t, err, x.says)
		if b.Len() > 0 {
			t.Errorf("%s: refused after the first byte", x.name)
		}
	}
}

func TestMessageWriterFiles(t *testing.T) {
	begin := func(kind Kind) *MessageWriter {
		w, err := NewMessageWriter(io.Discard, testMessage(kind), testKey)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := begin(KindFile)
	refused(t, w.Close(), "without its file")
	first, err := w.File("a", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.File("b", ""); err == nil {
		t.Error("two files in a file message")
	}
	if _, err := first.Write([]byte("x")); err == nil {
		t.Error("a file goes on after its end")
	}
	w = begin(KindReply)
	for range maxReplyFiles {
		if _, err := w.File("a", ""); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.File("a", "")
	refused(t, err, "too many")
	w = begin(KindReply)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Close(), "closed twice")
	_, err = w.File("a", "")
	refused(t, err, "after its end")
	if _, err := begin(KindReport).File("a", ""); err == nil {
		t.Error("a file in a report")
	}
	for name, x := range map[string][2]string{
		"no name": {"", ""}, "long name": {strings.Repeat("a", 256), ""}, "NUL": {"a\x00", ""}, "not UTF-8": {"a\xff", ""},
		"long type": {"a", strings.Repeat("a", 128)}, "type not UTF-8": {"a", "\xff"},
	} {
		if _, err := begin(KindReply).File(x[0], x[1]); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := testFile{strings.Repeat("a", 255), strings.Repeat("b", 127), nil}
	if got, err := ReadMessage(bytes.NewReader(writeMessage(t, testMessage(KindReply), long)), nil); err != nil || got.Files[0].Name != long.name || got.Files[0].MediaType != long.mediaType {
		t.Errorf("the longest name and type: %v", err)
	}
	if _, err := decodeReaders(append([]byte{1, 255}, make([]byte, 255+8)...)); err != nil {
		t.Errorf("a reader's id of 255 bytes: %v", err) // check refuses it
	}
}

// TestReadMessageFiles: what onFile leaves is drained and still verified, what
// it returns ends the reading.
func TestReadMessageFiles(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 20000)
	b := writeMessage(t, testMessage(KindReply), testFile{"a", "", data}, testFile{"b", "", []byte("second")})
	var names []string
	got, err := ReadMessage(bytes.NewReader(b), func(f File, r io.Reader) error {
		names = append(names, f.Name)
		if f.Size != 0 || f.SHA256 != ([32]byte{}) {
			t.Error("size and hash before the end of the file")
		}
		_, err := io.CopyN(io.Discard, r, 3)
		return err
	})
	if err != nil || !slices.Equal(names, []string{"a", "b"}) || got.Files[0].SHA256 != sha256.Sum256(data) {
		t.Errorf("files read in part: %v, %v", names, err)
	}
	stop := errors.New("no room on the stick")
	if _, err := ReadMessage(bytes.NewReader(b), func(File, io.Reader) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("onFile's error: %v", err)
	}
	// An error that onFile swallows is not lost.
	bad := bytes.Clone(b)
	bad[bytes.Index(bad, data[:10])-5] = 99
	if _, err := ReadMessage(bytes.NewReader(bad), func(_ File, r io.Reader) error { _, _ = io.ReadAll(r); return nil }); err == nil {
		t.Error("a damaged file whose error was swallowed")
	}
}

// TestContentHash: a repeat is the same whatever surrounds it, and no content
// changes without the hash.
func TestContentHash(t *testing.T) {
	hash := func(m *Message, files ...testFile) [32]byte {
		got, err := ReadMessage(bytes.NewReader(writeMessage(t, m, files...)), nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Content
	}
	base := hash(testMessage(KindReport))
	for name, change := range map[string]func(m *Message){
		"counter": func(m *Message) { m.Meta.Counter++ }, "day": func(m *Message) { m.Meta.Day++ },
		"directory": func(m *Message) { m.Meta.DirHash[0]++ }, "readers": func(m *Message) { m.Readers = m.Readers[:1] },
		"reply recipient": func(m *Message) { m.ReplyTo = testRecipient("another life") }, "life": func(m *Message) { m.Life[0]++ },
		"receipts": func(m *Message) { m.Receipts = nil },
		"code":     func(m *Message) { m.Succeeds = succeeding(m.Meta.Kind).Succeeds },
		"kind":     func(m *Message) { m.Meta.Kind = KindFollowUp },
	} {
		m := testMessage(KindReport)
		if change(m); hash(m) != base {
			t.Errorf("%s: a repeat looks changed", name)
		}
	}
	for name, change := range map[string]func(m *Message){
		"text": func(m *Message) { m.Text += "." }, "no text": func(m *Message) { m.Text = "" },
		"answer": func(m *Message) { m.Answers = m.Answers[:1] },
		"answers joined": func(m *Message) {
			m.Answers = [][]byte{append(bytes.Clone(m.Answers[0]), m.Answers[1]...)}
		},
	} {
		m := testMessage(KindReport)
		if change(m); hash(m) == base {
			t.Errorf("%s: a change looks like a repeat", name)
		}
	}
	file := func(name, mediaType, data string) [32]byte {
		return hash(testMessage(KindFile), testFile{name, mediaType, []byte(data)})
	}
	first := file("a", "b", "c")
	if first != file("a", "b", "c") || first == file("a", "b", "d") || first == file("ab", "", "c") || first == file("b", "b", "c") {
		t.Error("content hash of files")
	}
	event := testMessage(KindEvent)
	event.Event = []byte("another")
	if hash(event) == hash(testMessage(KindEvent)) {
		t.Error("content hash of events")
	}
}

// TestMessageMemory: a file of 64 MiB is sealed, and read, in constant memory:
// all allocations together stay far below it. Opening is left out: age's
// reader allocates each chunk of 64 KiB anew, and the collector frees it.
func TestMessageMemory(t *testing.T) {
	const size, most = 64 << 20, 2 << 20
	block := make([]byte, 1<<20)
	write := func(dst io.Writer) error {
		w, err := NewMessageWriter(dst, testMessage(KindFile), testKey)
		if err != nil {
			return err
		}
		fw, err := w.File("large", "")
		for i := 0; i < size/len(block) && err == nil; i++ {
			_, err = fw.Write(block)
		}
		if err != nil {
			return err
		}
		return w.Close()
	}
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if n := allocated(func() {
		w, err := Seal(io.Discard, policy8, [][]*Recipient{{testRecipient("large")}})
		if err == nil {
			err = write(w)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}); n > most {
		t.Errorf("sealing a file of %d bytes allocates %d", size, n)
	}
	if n := allocated(func() {
		pr, pw := io.Pipe()
		go func() { pw.CloseWithError(write(pw)) }()
		got, err := ReadMessage(pr, nil)
		if err != nil || got.Files[0].Size != size {
			t.Fatal(err)
		}
	}); n > most {
		t.Errorf("reading a file of %d bytes allocates %d", size, n)
	}
}

// TestSignedBySmallOrder: nobody signed these, under keys that take any
// signature; a reader who took one would have a source who does not exist.
func TestSignedBySmallOrder(t *testing.T) {
	for i, key := range smallOrder(t) {
		for _, kind := range []Kind{KindReport, KindFile, KindChange, KindReply, KindEvent} {
			list := unsigned(msgFrames(writeMessage(t, testMessage(kind), testFiles(kind)...)))
			for j, f := range list {
				switch id := CaseOf(key); {
				case f.typ == frameMeta && grammars[kind].source:
					copy(list[j].data[1:], id[:])
				case f.typ == frameSource:
					copy(list[j].data, key)
				}
			}
			list = append(list, msgFrame{frameSigner, key}, msgFrame{frameSignature, forgedSignature})
			if _, err := ReadMessage(bytes.NewReader(rawContainer(list)), nil); !errors.Is(err, ErrFormat) {
				t.Errorf("point %d, kind %d: %v", i, kind, err)
			}
		}
	}
	weak := testMessage(KindReport)
	weak.Source = smallOrder(t)[0]
	weak.Meta.Case = CaseOf(weak.Source)
	_, err := NewMessageWriter(io.Discard, weak, testKey)
	refused(t, err, "for which anybody can sign")
}

// TestReceipts: whatever a source has opened, the frame has one length, the
// first are theirs in their order, and the rest nobody has seen before.
func TestReceipts(t *testing.T) {
	seen := map[Receipt]bool{}
	for n := range MaxReceipts + 1 {
		m := testMessage(KindFollowUp)
		m.Receipts = testReceipts(n)
		b := writeMessage(t, m)
		got, err := ReadMessage(bytes.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Receipts) != MaxReceipts || !slices.Equal(got.Receipts[:n], testReceipts(n)) {
			t.Fatalf("%d receipts of %d opened replies, or others", len(got.Receipts), n)
		}
		for _, r := range got.Receipts[n:] {
			if seen[r] || r == (Receipt{}) {
				t.Fatalf("a filling that is no fresh noise: %x", r)
			}
			seen[r] = true
		}
	}
	if id := testSeed("a reply"); ReceiptOf(id) != Receipt(id[:16]) {
		t.Error("not the first half of the hash")
	}
}

// TestReadHead: the head says what the whole message says, without reading it.
func TestReadHead(t *testing.T) {
	for kind := range grammars {
		b := writeMessage(t, testMessage(kind), testFiles(kind)...)
		got, err := ReadHead(bytes.NewReader(b[:min(len(b), 8<<10)]))
		if err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if d := cmp.Diff(testMessage(kind), got, cmp.Comparer(sameRecipient)); d != "" {
			t.Errorf("kind %d: %s", kind, d)
		}
	}
	bad := writeMessage(t, testMessage(KindReply))
	bad[5+len(containerMagic)] = 99
	if _, err := ReadHead(bytes.NewReader(bad)); !errors.Is(err, ErrFormat) {
		t.Errorf("a head of no kind: %v", err)
	}
}

func TestDay(t *testing.T) {
	at := time.Date(2026, 11, 24, 23, 59, 59, 0, time.UTC)
	d := DayOf(at)
	if d != 20781 || d.String() != "2026-11-24" || !d.Time().Equal(at.Truncate(24*time.Hour)) {
		t.Errorf("day %d, %v", d, d)
	}
	if DayOf(at.In(time.FixedZone("", 5*3600))) != d {
		t.Error("a day depends on the zone")
	}
	if DayOf(at.Add(time.Second)) != d+1 || DayOf(time.Unix(0, 0)) != 0 {
		t.Error("days do not follow each other")
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, "ombuds": true, "a-b": true, "0": true, strings.Repeat("a", 16): true, "a--b": true,
		"": false, "-": false, "-a": false, "a-": false, "A": false, "a b": false, "a.b": false, "é": false,
		"a/b": false, "a\x00": false, strings.Repeat("a", 17): false,
	} {
		if ValidID(id) != want {
			t.Errorf("ValidID(%q) is %t", id, !want)
		}
	}
}

// FuzzReadMessage takes a container without the zeros at its end. It is read
// as it is, and once more with a true signature, so that the grammar is tried
// and not only the signature. What parses is written again as the same bytes.
func FuzzReadMessage(f *testing.F) {
	for kind := range grammars {
		f.Add(bytes.TrimRight(writeMessage(f, testMessage(kind), testFiles(kind)...), "\x00"))
	}
	for _, kind := range askedKinds {
		f.Add(bytes.TrimRight(writeMessage(f, askedMessage(kind)), "\x00"))
	}
	for _, kind := range []Kind{KindReport, KindFollowUp, KindChange} {
		f.Add(bytes.TrimRight(writeMessage(f, succeeding(kind)), "\x00"))
	}
	for _, x := range slices.Concat(invalidContainers(f), invalidAsked(f), invalidSuccessions(f)) {
		if len(x.data) <= 64<<10 {
			f.Add(bytes.TrimRight(x.data, "\x00"))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _ = readMessage(bytes.NewReader(b)) // without padding: never panics
		same(t, padded(bytes.Clone(b)))
		if len(b) < len(containerMagic) {
			return
		}
		list := unsigned(msgFrames(b))
		if len(list) == 0 || len(list[0].data) == 0 {
			return
		}
		if g := grammars[Kind(list[0].data[0])]; g.context != "" {
			for i := range list {
				if list[i].typ == frameSource && len(list[i].data) >= len(testPub) {
					copy(list[i].data, testPub)
				}
			}
			list = signRaw(g.context, testKey, list)
		}
		same(t, rawContainer(list))
	})
}

func same(t *testing.T, b []byte) {
	t.Helper()
	got, files, err := readMessage(bytes.NewReader(b))
	if err != nil {
		return
	}
	again, err := rewrite(&got.Message, files)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("what was read is written in another way: %v", err)
	}
}
