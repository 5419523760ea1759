package crypto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/crypto/argon2"
)

// Vectors of a released format never change. -update writes those that are missing.
var updateVectors = flag.Bool("update", false, "write the vectors that are missing")

// writeVector writes a vector under -update unless it is there.
func writeVector(t *testing.T, name string, content func() []byte) {
	t.Helper()
	file := filepath.Join("testdata", "vectors", name)
	if _, err := os.Stat(file); !*updateVectors || err == nil {
		return
	}
	if err := os.WriteFile(file, content(), 0o644); err != nil {
		t.Fatal(err)
	}
}

var kindNames = map[Kind]string{
	KindReport: "report", KindFollowUp: "followup", KindFile: "file", KindReply: "reply",
	KindEvent: "event", KindCover: "cover", KindChange: "change",
}

const sourceVector = "source-1.txt"

func vectorSource(t testing.TB) (c Code, salt, share [32]byte) {
	return codeFor(t, 11, 222, 3333, 4444, 5555, 6666, 7771, 0), [32]byte(testSeed("vector salt")), [32]byte(testSeed("vector share"))
}

func newSourceVector(t *testing.T) []byte {
	c, salt, share := vectorSource(t)
	s := DeriveSource(c, salt, DefaultKDF)
	id := s.ReplyIdentity(share)
	drop := DropOf(id.Recipient())
	name := s.MailboxName()
	var b bytes.Buffer
	b.WriteString("# A code and what it derives: FORMAT.md sections 3 and 4. Bytes in hex.\n")
	for _, l := range [][2]string{
		{"code", strings.Join(c.Words(), " ")},
		{"canonical", hex.EncodeToString(c.Canonical())},
		{"salt", hex.EncodeToString(salt[:])},
		{"argon2id", "2 19456 1"},
		{"root", hex.EncodeToString(argon2.IDKey(c.Canonical(), salt[:], 2, 19456, 1, 32))},
		{"locator", hex.EncodeToString(s.locator[:])},
		{"mailbox", hex.EncodeToString(name[:])},
		{"case", hex.EncodeToString(s.Case[:])},
		{"reply-root", hex.EncodeToString(s.replyRoot[:])},
		{"state-key", hex.EncodeToString(s.state[:])},
		{"marker-key", hex.EncodeToString(s.marker[:])},
		{"signing-seed", hex.EncodeToString(s.Signing.Seed())},
		{"signing-public", hex.EncodeToString(s.Signing.Public().(ed25519.PublicKey))},
		{"greeting", strings.Join(s.Greeting[:], " ")},
		{"share", hex.EncodeToString(share[:])},
		{"reply-identity", id.AgeString()},
		{"reply-recipient", id.Recipient().String()},
		{"drop", hex.EncodeToString(drop[:])},
		{"state-plain", hex.EncodeToString([]byte("chosen: ombuds"))},
		{"state-box", hex.EncodeToString(s.SealState([]byte("chosen: ombuds")))},
	} {
		fmt.Fprintf(&b, "%s %s\n", l[0], l[1])
	}
	secret := testSeed("vector instance secret")
	fmt.Fprintf(&b, "instance-secret %x\n", secret[:])
	for _, n := range []uint64{0, 1, 1 << 63} {
		m := s.Marker(secret, n)
		fmt.Fprintf(&b, "marker %d %s %s\n", n, m[0], m[1])
	}
	return b.Bytes()
}

func TestSourceVector(t *testing.T) {
	writeVector(t, sourceVector, func() []byte { return newSourceVector(t) })
	v := readFileVector(t, sourceVector)
	list, err := ParseCode(v.one("code"))
	if err != nil || !list[0].Typed() {
		t.Fatal(err)
	}
	c := list[0].Code
	again, err := CodeFromCanonical(v.hex("canonical"))
	if err != nil || again != c || !bytes.Equal(c.Canonical(), v.hex("canonical")) || strings.Join(c.Words(), " ") != v.one("code") {
		t.Fatalf("canonical form: %v", err)
	}
	var p KDFParams
	if _, err := fmt.Sscan(v.one("argon2id"), &p.Time, &p.MemoryKiB, &p.Threads); err != nil {
		t.Fatal(err)
	}
	s := DeriveSource(c, [32]byte(v.hex("salt")), p)
	id := s.ReplyIdentity([32]byte(v.hex("share")))
	drop, name := DropOf(id.Recipient()), s.MailboxName()
	for key, got := range map[string][]byte{
		"root":    argon2.IDKey(v.hex("canonical"), v.hex("salt"), p.Time, p.MemoryKiB, p.Threads, 32),
		"locator": s.locator[:], "mailbox": name[:], "case": s.Case[:], "reply-root": s.replyRoot[:],
		"state-key": s.state[:], "marker-key": s.marker[:], "signing-seed": s.Signing.Seed(),
		"signing-public": s.Signing.Public().(ed25519.PublicKey), "drop": drop[:],
	} {
		if !bytes.Equal(got, v.hex(key)) {
			t.Errorf("%s: %x", key, got)
		}
	}
	for key, got := range map[string]string{
		"greeting": strings.Join(s.Greeting[:], " "), "reply-identity": id.AgeString(), "reply-recipient": id.Recipient().String(),
	} {
		if got != v.one(key) {
			t.Errorf("%s: %s", key, got)
		}
	}
	if plain, err := s.OpenState(v.hex("state-box")); err != nil || !bytes.Equal(plain, v.hex("state-plain")) {
		t.Errorf("state: %v", err)
	}
	for _, line := range v.all("marker") {
		f := strings.Fields(line)
		n, err := strconv.ParseUint(f[0], 10, 64)
		if m := s.Marker(Key(v.hex("instance-secret")), n); err != nil || !slices.Equal(m[:], f[1:]) {
			t.Errorf("marker %s: %v, %v", f[0], m, err)
		}
	}
}

const codeVector = "code-1.txt"

func newCodeVector(t *testing.T) []byte {
	c, _, _ := vectorSource(t)
	w := c.Words()
	with := func(change func(w []string)) string { w := slices.Clone(w); change(w); return strings.Join(w, " ") }
	both, _, _ := ambiguous(t)
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What people type, and how it is read: FORMAT.md section 3.\n# typed: result, TAB, the input as a Go string. \"word P\" and \"swap P\" are repairs, P from 0; two of them: both fit.\ncode %s\n", strings.Join(w, " "))
	for _, in := range []string{
		strings.Join(w, " "), strings.ToUpper(strings.Join(w, "-")), "1. " + strings.Join(w, "\r\n2. ") + "\r\n",
		with(func(w []string) { w[0] += "s" }), with(func(w []string) { w[4] = w[4][1:] }),
		with(func(w []string) { w[8] = "x" + w[8][1:] }),
		with(func(w []string) { w[2], w[3] = w[3], w[2] }), with(func(w []string) { w[7], w[8] = w[8], w[7] }),
		with(func(w []string) { w[2], w[5] = w[5], w[2] }), with(func(w []string) { w[1], w[6] = "qqqq", "éé" }),
		strings.Join(w[:8], " "), "", strings.Join(w, " ") + " abacus",
		strings.NewReplacer("a", "а", "e", "é", "i", "ı", "o", "ο", "s", "ｓ", "z", "z\u00ad").Replace(strings.Join(w, " ")),
		with(func(w []string) { w[3] = "字" + w[3][1:] }), both,
	} {
		fmt.Fprintf(&b, "typed %s\t%q\n", codeResult(t, c, in), in)
	}
	return b.Bytes()
}

func codeResult(t *testing.T, want Code, in string) string {
	t.Helper()
	list, err := ParseCode(in)
	var e *CodeError
	switch {
	case errors.As(err, &e) && e.Problem == CodeWordCount:
		return fmt.Sprintf("count %d", e.Count)
	case errors.As(err, &e) && e.Problem == CodeUnknown:
		return "unknown " + strings.Trim(fmt.Sprint(e.Unknown), "[]")
	case errors.As(err, &e) && e.Problem == CodeOrder:
		return "order"
	case err != nil:
		t.Error(err)
		return ""
	case list[0].Typed() && list[0].Code == want:
		return "ok"
	}
	var all []string
	for _, r := range list {
		kind := map[RepairKind]string{RepairWord: "word", RepairSwap: "swap"}[r.Repair.Kind]
		all = append(all, fmt.Sprintf("%s %d", kind, r.Repair.Position))
	}
	if len(list) == 1 && list[0].Code != want {
		t.Error("another code")
	}
	return strings.Join(all, ", ")
}

func TestCodeVector(t *testing.T) {
	writeVector(t, codeVector, func() []byte { return newCodeVector(t) })
	v := readFileVector(t, codeVector)
	list, err := ParseCode(v.one("code"))
	if err != nil {
		t.Fatal(err)
	}
	c := list[0].Code
	for _, line := range v.all("typed") {
		want, quoted, _ := strings.Cut(line, "\t")
		in, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatal(err)
		}
		if got := codeResult(t, c, in); got != want {
			t.Errorf("%s: %s, not %s", quoted, got, want)
		}
	}
}

// A container in a vector is its bytes up to the last that is not zero, and its length.
func vectorContainer(b []byte) string {
	return fmt.Sprintf("%d %s", len(b), base64.StdEncoding.EncodeToString(bytes.TrimRight(b, "\x00")))
}

func fromVectorContainer(t *testing.T, length, text string) []byte {
	t.Helper()
	n, err := strconv.Atoi(length)
	if err != nil {
		t.Fatal(err)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) > n {
		t.Fatal("vector: container", err)
	}
	return append(b, make([]byte, n-len(b))...)
}

// describe spells a message out, a line a field.
func describe(m *Read, files []testFile) []string {
	l := []string{fmt.Sprintf("meta %d %x %d %x %x %v", m.Meta.Kind, m.Meta.Case, m.Meta.Counter, m.Meta.Form, m.Meta.DirHash, m.Meta.Day)}
	add := func(format string, a ...any) { l = append(l, fmt.Sprintf(format, a...)) }
	if len(m.Readers) > 0 {
		for _, r := range m.Readers {
			add("reader %s %d", r.ID, r.Since)
		}
	}
	if m.Source != nil {
		add("source %x %x", []byte(m.Source), m.Life)
	}
	if s := m.Succeeds; s != nil {
		add("succeeds %x %v %x", []byte(s.Earlier), s.Day, s.Signature)
	}
	if m.Text != "" {
		add("text %q", m.Text)
	}
	for _, a := range m.Answers {
		add("answer %x", a)
	}
	for _, c := range m.Consents {
		add("consent %t %v %s %d %x", c.Yes, c.Day, c.Body, c.Since, c.Signature)
	}
	if m.ReplyTo != nil {
		add("reply-to %v", m.ReplyTo)
	}
	for _, r := range m.Receipts {
		add("receipt %x", r)
	}
	if m.Notice != nil {
		add("notice %x", m.Notice)
	}
	if m.Drop != nil {
		add("drop %x", *m.Drop)
	}
	if m.Event != nil {
		add("event %x", m.Event)
	}
	for i, f := range m.Files {
		add("file %d %x %q %q %x", f.Size, f.SHA256, f.Name, f.MediaType, files[i].data)
	}
	if m.Signer != nil {
		add("signer %x", []byte(m.Signer))
	}
	add("content %x", m.Content)
	return l
}

// messageVectors are the messages of the vectors, by file.
func messageVectors() map[string]*Message {
	all := map[string]*Message{"message-change-2.txt": succeeding(KindChange)}
	for kind, name := range kindNames {
		all["message-"+name+"-1.txt"] = testMessage(kind)
	}
	return all
}

func newMessageVector(t *testing.T, m *Message) []byte {
	kind := m.Meta.Kind
	b := writeMessage(t, m, testFiles(kind)...)
	got, files, err := readMessage(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# A container and what it says: FORMAT.md section 7. container: length, then its bytes in base64 without the zeros at the end.\n")
	if kind != KindCover {
		fmt.Fprintf(&out, "signing-seed %x\n", testKey.Seed())
	}
	fmt.Fprintf(&out, "container %s\n%s\n", vectorContainer(b), strings.Join(describe(got, files), "\n"))
	return out.Bytes()
}

// entryPoints are all the ways in which a container reaches its reader.
func entryPoints(t *testing.T, b []byte) map[string]io.Reader {
	t.Helper()
	id := NewIdentity()
	plain, err := Open(bytes.NewReader(sealed(t, policy8, b, [][]*Recipient{{id.Recipient()}})), id)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]io.Reader{
		"bytes": bytes.NewReader(b), "halves": iotest.HalfReader(bytes.NewReader(b)),
		"end with data": iotest.DataErrReader(bytes.NewReader(b)), "sealed": plain,
	}
}

func TestMessageVectors(t *testing.T) {
	for file, m := range messageVectors() {
		writeVector(t, file, func() []byte { return newMessageVector(t, m) })
		checkMessageVector(t, file, m.Meta.Kind != KindCover)
	}
}

// checkMessageVector reads a vector through every entry point and writes it again.
func checkMessageVector(t *testing.T, file string, sign bool) {
	t.Helper()
	v := readFileVector(t, file)
	f := strings.Fields(v.one("container"))
	b := fromVectorContainer(t, f[0], f[1])
	want := map[string][]string{}
	for key, l := range v.m {
		if key != "container" && key != "signing-seed" {
			want[key] = l
		}
	}
	for name, r := range entryPoints(t, b) {
		got, files, err := readMessage(r)
		if err != nil {
			t.Errorf("%s, %s: %v", file, name, err)
			continue
		}
		said := map[string][]string{}
		for _, line := range describe(got, files) {
			key, value, _ := strings.Cut(line, " ")
			said[key] = append(said[key], value)
		}
		for key := range want {
			if !slices.Equal(said[key], want[key]) {
				t.Errorf("%s, %s: %s is %q, not %q", file, name, key, said[key], want[key])
			}
		}
		if len(said) != len(want) {
			t.Errorf("%s, %s: %d fields, not %d", file, name, len(said), len(want))
		}
		// The writer writes the same bytes.
		var key ed25519.PrivateKey
		if sign {
			key = ed25519.NewKeyFromSeed(v.hex("signing-seed"))
		}
		var again bytes.Buffer
		w, err := NewMessageWriter(&again, &got.Message, key)
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
		if err := w.Close(); err != nil || !bytes.Equal(again.Bytes(), b) {
			t.Errorf("%s, %s: written in another way, %v", file, name, err)
		}
	}
}

const invalidVector = "message-invalid-1.txt"

func TestInvalidMessageVectors(t *testing.T) {
	checkInvalidVector(t, invalidVector, invalidContainers(t))
}

func checkInvalidVector(t *testing.T, file string, list []invalid) {
	t.Helper()
	writeVector(t, file, func() []byte {
		var b bytes.Buffer
		b.WriteString("# Containers that are refused: FORMAT.md section 7. case: name, length, base64 without the zeros at the end (- for none), what the refusal says.\n")
		for _, x := range list {
			f := strings.Fields(vectorContainer(x.data) + " -")
			fmt.Fprintf(&b, "case %s %s %s %s\n", x.name, f[0], f[1], x.says)
		}
		return b.Bytes()
	})
	lines := readFileVector(t, file).all("case")
	if len(lines) != len(list) {
		t.Errorf("%d vectors, %d cases", len(lines), len(list))
	}
	for i, line := range lines {
		f := strings.SplitN(line, " ", 4)
		b := fromVectorContainer(t, f[1], strings.TrimPrefix(f[2], "-"))
		if i < len(list) && (list[i].name != f[0] || !bytes.Equal(list[i].data, b)) {
			t.Errorf("%s: the vector is not the case %s", f[0], list[i].name)
		}
		for name, r := range entryPoints(t, b) {
			_, _, err := readMessage(r)
			if err == nil || !strings.Contains(err.Error(), f[3]) {
				t.Errorf("%s, %s: %v, not %q", f[0], name, err, f[3])
			}
			if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, %s: %v is no refusal of format", f[0], name, err)
			}
		}
	}
}

const sealedVector = "sealed-1.txt"

// The sealed vector goes to three holders of two bodies and a reply key; the
// identity of a fourth holder opens nothing.
func newSealedVector(t *testing.T) []byte {
	_, _, share := vectorSource(t)
	ids := []*Identity{
		IdentityFromSeed(testSeed("holder 1")), IdentityFromSeed(testSeed("holder 2")), IdentityFromSeed(testSeed("holder 3")),
		IdentityFromSeed(kdfKey(share[:], nil, "source reply key")),
	}
	plain := writeMessage(t, testMessage(KindReport))
	file := sealed(t, policy8, plain, [][]*Recipient{{ids[0].Recipient(), ids[1].Recipient()}, {ids[2].Recipient()}}, ids[3].Recipient())
	var b bytes.Buffer
	b.WriteString("# An age file of eight stanzas, who opens it and who does not: FORMAT.md section 5.\n")
	for _, id := range ids {
		fmt.Fprintf(&b, "identity %s\n", id.AgeString())
	}
	fmt.Fprintf(&b, "other %s\nplain %s\nfile %s\n", IdentityFromSeed(testSeed("holder 4")).AgeString(),
		vectorContainer(plain), base64.StdEncoding.EncodeToString(file))
	return b.Bytes()
}

// identityOf reads what AgeString wrote.
func identityOf(s string) (*Identity, error) {
	_, seed, err := decodeBech32(s)
	if err != nil {
		return nil, err
	}
	return IdentityFromSeed(Key(seed)), nil
}

func TestSealedVector(t *testing.T) {
	writeVector(t, sealedVector, func() []byte { return newSealedVector(t) })
	v := readFileVector(t, sealedVector)
	file, f := v.base64("file"), strings.Fields(v.one("plain"))
	plain := fromVectorContainer(t, f[0], f[1])
	if int64(len(file)) != SealedSize(8, int64(len(plain))) || len(stanzas(file)) != 8 {
		t.Errorf("%d bytes, %d stanzas", len(file), len(stanzas(file)))
	}
	for i, s := range v.all("identity") {
		id, err := identityOf(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := opened(t, file, id)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("identity %d: %v", i, err)
		}
		if _, err := ReadMessage(bytes.NewReader(got), nil); err != nil {
			t.Errorf("identity %d: %v", i, err)
		}
	}
	other, err := identityOf(v.one("other"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, file, other); !errors.Is(err, ErrNotForUs) {
		t.Errorf("another identity: %v", err)
	}
}
