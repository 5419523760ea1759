package crypto

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"
)

var policy8 = Policy{Slots: 8, Quorum: 1}

func sealed(t testing.TB, p Policy, plain []byte, bodies [][]*Recipient, extra ...*Recipient) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := Seal(&b, p, bodies, extra...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func opened(t testing.TB, file []byte, ids ...*Identity) ([]byte, error) {
	t.Helper()
	r, err := Open(bytes.NewReader(file), ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// stanzas are the first words of the lines of an age header that begin one.
func stanzas(file []byte) (types []string) {
	s := bufio.NewScanner(bytes.NewReader(file))
	for s.Scan() && !strings.HasPrefix(s.Text(), "---") {
		if f := strings.Fields(s.Text()); f[0] == "->" {
			types = append(types, f[1])
		}
	}
	return types
}

func TestPolicyValid(t *testing.T) {
	for slots := range 40 {
		for quorum := range 3 {
			want := quorum == 1 && (slots == 8 || slots == 16 || slots == 32)
			if err := (Policy{slots, quorum}).Valid(); (err == nil) != want {
				t.Errorf("%d slots, quorum %d: %v", slots, quorum, err)
			}
		}
	}
}

// TestSealHidesReaders: for every choice of readers the file has the same
// length and as many stanzas of one type; who was chosen opens it, who was not
// gets ErrNotForUs (SECURITY.md S-3).
func TestSealHidesReaders(t *testing.T) {
	var ids []*Identity
	for range 12 {
		ids = append(ids, NewIdentity())
	}
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{rapid.SampledFrom([]int{8, 16, 32}).Draw(t, "slots"), 1}
		plain := bytes.Repeat([]byte{'x'}, rapid.SampledFrom([]int{0, 1, 16, 65535, 65536, 65537, 200000}).Draw(t, "length"))
		chosen := map[*Identity]bool{}
		var bodies [][]*Recipient
		var extra []*Recipient
		for n, i := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}).Draw(t, "order")[:rapid.IntRange(0, 8).Draw(t, "readers")] {
			chosen[ids[i]] = true
			r := ids[i].Recipient()
			switch {
			case rapid.Bool().Draw(t, "extra"):
				extra = append(extra, r)
			case n > 0 && len(bodies) > 0 && rapid.Bool().Draw(t, "same body"):
				bodies[len(bodies)-1] = append(bodies[len(bodies)-1], r)
			default:
				bodies = append(bodies, []*Recipient{r})
			}
		}
		var b bytes.Buffer
		w, err := Seal(&b, p, bodies, extra...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if int64(b.Len()) != SealedSize(p.Slots, int64(len(plain))) {
			t.Fatalf("%d bytes, SealedSize says %d", b.Len(), SealedSize(p.Slots, int64(len(plain))))
		}
		if s := stanzas(b.Bytes()); len(s) != p.Slots || slices.ContainsFunc(s, func(s string) bool { return s != stanzaType }) {
			t.Fatalf("stanzas %v", s)
		}
		for i, id := range ids {
			r, err := Open(bytes.NewReader(b.Bytes()), id)
			if !chosen[id] {
				if !errors.Is(err, ErrNotForUs) {
					t.Fatalf("identity %d was not chosen: %v", i, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("identity %d was chosen: %v", i, err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("identity %d: other bytes, %v", i, err)
			}
		}
	})
}

// TestSealOrder: a reader's stanza is at every place, about equally often.
func TestSealOrder(t *testing.T) {
	id := NewIdentity()
	var at [8]int
	const rounds = 400
	for range rounds {
		var found []*age.Stanza
		_, err := age.Decrypt(bytes.NewReader(sealed(t, policy8, nil, [][]*Recipient{{id.Recipient()}})),
			spy(func(s []*age.Stanza) { found = s }))
		if err == nil {
			t.Fatal("opened without a key")
		}
		for i, s := range found {
			if _, err := unwrapOne(id, s); err == nil {
				at[i]++
			}
		}
	}
	for i, n := range at { // 50 expected, deviation 6.6
		if n < 10 || n > 110 {
			t.Errorf("%d of %d times at place %d: %v", n, rounds, i, at)
		}
	}
}

// spy sees the stanzas of a file and opens nothing.
type spy func([]*age.Stanza)

func (f spy) Unwrap(s []*age.Stanza) ([]byte, error) { f(s); return nil, age.ErrIncorrectIdentity }

// TestSealFresh: nothing of one file is found in another of the same content.
func TestSealFresh(t *testing.T) {
	to := [][]*Recipient{{NewIdentity().Recipient()}}
	seen := map[string]bool{}
	for range 4 {
		for line := range strings.Lines(string(sealed(t, policy8, []byte("same"), to))) {
			if strings.HasPrefix(line, "age-encryption.org/v1") {
				continue
			}
			if seen[line] {
				t.Fatal("two files share a line: a key or nonce was used again")
			}
			seen[line] = true
		}
	}
}

func TestSealRefuses(t *testing.T) {
	var nine []*Recipient
	for range 9 {
		nine = append(nine, NewIdentity().Recipient())
	}
	again, err := recipientFromBytes(nine[0].Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		p      Policy
		bodies [][]*Recipient
		extra  []*Recipient
		says   string
	}{
		{Policy{7, 1}, nil, nil, "7 slots"},
		{Policy{8, 2}, nil, nil, "quorum 2"},
		{policy8, [][]*Recipient{nine}, nil, "9 recipients for 8 slots"},
		{policy8, [][]*Recipient{nine[:4], nine[4:8]}, nine[8:], "9 recipients for 8 slots"},
		{policy8, [][]*Recipient{{nine[0]}, {again}}, nil, "twice"},
		{policy8, [][]*Recipient{{nine[0]}}, nine[:1], "twice"},
	} {
		var b bytes.Buffer
		_, err := Seal(&b, x.p, x.bodies, x.extra...)
		refused(t, err, x.says)
		if b.Len() > 0 {
			t.Errorf("%s: refused after the first byte", x.says)
		}
	}
}

func TestSealLeavesItsArguments(t *testing.T) {
	backing := make([][]*Recipient, 1, 4)
	backing[0] = []*Recipient{NewIdentity().Recipient()}
	sealed(t, policy8, nil, backing, NewIdentity().Recipient())
	if backing[:2][1] != nil {
		t.Error("the extra recipients were written into the caller's slice")
	}
}

// TestOpenIsStrict: files that age itself would open, but that are not ours.
func TestOpenIsStrict(t *testing.T) {
	id := NewIdentity()
	ageFile := func(to ...age.Recipient) []byte {
		var b bytes.Buffer
		w, err := age.Encrypt(&b, to...)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	many := func(n int) (to []age.Recipient) {
		for len(to) < n-1 {
			to = append(to, NewIdentity().Recipient())
		}
		return append(to, id.Recipient())
	}
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	scrypt, err := age.NewScryptRecipient("passphrase")
	if err != nil {
		t.Fatal(err)
	}
	scrypt.SetWorkFactor(1)
	mixed := many(7)
	mixed = append(mixed, grease{})
	good := sealed(t, policy8, []byte("hello"), [][]*Recipient{{id.Recipient()}})
	for _, x := range []struct {
		name, says string
		file       []byte
	}{
		{"one stanza", "1 stanzas", ageFile(many(1)...)},
		{"seven", "7 stanzas", ageFile(many(7)...)},
		{"nine", "9 stanzas", ageFile(many(9)...)},
		{"classic", "1 stanzas", ageFile(classic.Recipient())},
		{"passphrase", "1 stanzas", ageFile(scrypt)},
		{"eighth of another type", "another type", ageFile(mixed...)},
		{"empty", "opening a sealed file", nil},
		{"cut in the header", "opening a sealed file", good[:5000]},
		{"noise", "opening a sealed file", bytes.Repeat([]byte{7}, 5000)},
		{"armoured", "opening a sealed file", []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")},
	} {
		_, err := opened(t, x.file, id)
		refused(t, err, x.says)
		if errors.Is(err, ErrNotForUs) {
			t.Errorf("%s: taken for a file to others", x.name)
		}
	}
	// A file of the right count that age wrote is one of ours.
	if _, err := opened(t, ageFile(many(8)...), id); err != nil {
		t.Errorf("eight of age's stanzas: %v", err)
	}
	// Damage to header or payload never opens, and no byte of a damaged first
	// chunk comes out.
	for _, i := range []int{len(good) - 1, len(good) - 20, len(good) - 30, 30, 5000} {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if got, err := opened(t, bad, id); err == nil || len(got) > 0 {
			t.Errorf("byte %d changed: %d bytes came out, %v", i, len(got), err)
		}
	}
	for _, bad := range [][]byte{good[:len(good)-1], append(bytes.Clone(good), 0)} {
		if _, err := opened(t, bad, id); err == nil {
			t.Error("a byte less or more is not noticed")
		}
	}
	// No identity at all opens nothing; one of several is enough.
	if _, err := opened(t, good); !errors.Is(err, ErrNotForUs) {
		t.Errorf("no identities: %v", err)
	}
	if got, err := opened(t, good, NewIdentity(), id, NewIdentity()); err != nil || string(got) != "hello" {
		t.Errorf("the second of three identities: %v", err)
	}
}

// wrongKey wraps a file key that is not the file's.
type wrongKey struct{ *Recipient }

func (w wrongKey) Wrap([]byte) ([]*age.Stanza, error) {
	return w.Recipient.Wrap(make([]byte, fileKeySize))
}

func (w wrongKey) WrapWithLabels(k []byte) ([]*age.Stanza, []string, error) {
	s, err := w.Wrap(k)
	return s, []string{"postquantum"}, err
}

// badStanza is a stanza whose length is wrong.
type badStanza struct{ *Recipient }

func (b badStanza) WrapWithLabels(k []byte) ([]*age.Stanza, []string, error) {
	s, labels, err := b.Recipient.WrapWithLabels(k)
	s[0].Args[0] = s[0].Args[0][:len(s[0].Args[0])-4]
	return s, labels, err
}

// TestOpenPartition: whoever seals a file cannot make it vanish at one reader and
// be read by another: a stanza for us that is wrong is stepped over, and a file
// with no right one is damaged, which a desk shows, and not another's.
func TestOpenPartition(t *testing.T) {
	a, b := NewIdentity(), NewIdentity()
	file := func(to ...age.Recipient) []byte {
		for len(to) < 8 {
			to = append(to, NewIdentity().Recipient())
		}
		var f bytes.Buffer
		w, err := age.Encrypt(&f, to...)
		if err == nil {
			_, err = io.WriteString(w, "words")
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return f.Bytes()
	}
	wrong, right, other := wrongKey{a.Recipient()}, a.Recipient(), b.Recipient()
	for _, x := range []struct {
		name string
		file []byte
		ids  []*Identity
		want error
	}{
		{"a wrong stanza before the right one", file(wrong, right, other), []*Identity{a}, nil},
		{"behind it", file(right, wrong, other), []*Identity{a}, nil},
		{"seven wrong ones", file(wrong, wrong, wrong, wrong, wrong, wrong, wrong, right), []*Identity{a}, nil},
		{"a wrong one and another key's right one", file(wrong, other), []*Identity{a, b}, nil},
		{"a wrong one alone", file(wrong, other), []*Identity{a}, ErrFormat},
		{"a wrong one alone, and a key that fits nothing", file(other, wrong), []*Identity{NewIdentity(), a}, ErrFormat},
		{"a right one beside one of the wrong length", file(right, badStanza{other}), []*Identity{a}, ErrFormat},
		{"nothing for us beside one of the wrong length", file(badStanza{other}), []*Identity{a}, ErrFormat},
		{"nothing for us", file(other), []*Identity{a}, ErrNotForUs},
	} {
		got, err := opened(t, x.file, x.ids...)
		if !errors.Is(err, x.want) || errors.Is(err, ErrNotForUs) != (x.want == ErrNotForUs) || err == nil && string(got) != "words" { //nolint:errorlint // of the table
			t.Errorf("%s: %q, %v", x.name, got, err)
		}
	}
	// A header whose MAC is not that of any key is damaged too.
	good := file(right)
	i := bytes.Index(good, []byte("\n--- ")) + 5
	good[i] ^= 1
	if _, err := opened(t, good, a); !errors.Is(err, ErrFormat) || errors.Is(err, ErrNotForUs) {
		t.Errorf("another MAC: %v", err)
	}
}

// grease writes a stanza of an unknown type, with the label that lets it
// stand beside post-quantum ones.
type grease struct{}

func (grease) Wrap([]byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: "grease", Body: []byte("x")}}, nil
}

func (g grease) WrapWithLabels(k []byte) ([]*age.Stanza, []string, error) {
	s, err := g.Wrap(k)
	return s, []string{"postquantum"}, err
}

// TestStockAge: the age program, built from the module in go.mod, opens a
// message of each kind with a reader's key, and refuses without one.
func TestStockAge(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "age")
	if out, err := exec.Command("go", "build", "-o", bin, "filippo.io/age/cmd/age").CombinedOutput(); err != nil {
		t.Fatalf("building the age program: %v\n%s", err, out)
	}
	id := NewIdentity()
	write := func(name, s string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	key, other := write("key", id.AgeString()+"\n"), write("other", NewIdentity().AgeString()+"\n")
	for kind := range grammars {
		plain := writeMessage(t, testMessage(kind), testFiles(kind)...)
		file := write("message.age", string(sealed(t, policy8, plain, [][]*Recipient{{id.Recipient()}})))
		got, err := exec.Command(bin, "--decrypt", "-i", key, file).Output()
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("kind %d: the age program does not open it: %v", kind, err)
		}
		if out, err := exec.Command(bin, "--decrypt", "-i", other, file).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("no identity matched")) {
			t.Errorf("kind %d: with another key: %v %.200s", kind, err, out)
		}
	}
	// And the other way: what the program seals to eight of our recipients.
	args := []string{"--encrypt", "-r", id.Recipient().String()}
	for range 7 {
		args = append(args, "-r", NewIdentity().Recipient().String())
	}
	cmd := exec.Command(bin, args...)
	cmd.Stdin = strings.NewReader("from the program")
	file, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := opened(t, file, id); err != nil || string(got) != "from the program" {
		t.Errorf("what the age program sealed: %q, %v", got, err)
	}
}

func TestClass(t *testing.T) {
	for _, x := range []struct {
		n     int64
		class int
	}{{0, 0}, {1, 0}, {65536, 0}, {65537, 1}, {131072, 1}, {131073, 2}, {1 << 30, 14}, {1<<30 + 1, 15}} {
		if got := ClassOf(x.n); got != x.class {
			t.Errorf("class of %d bytes: %d, not %d", x.n, got, x.class)
		}
		if ClassSize(x.class) < x.n || x.class > 0 && ClassSize(x.class-1) >= x.n {
			t.Errorf("class %d is not the smallest for %d bytes", x.class, x.n)
		}
	}
}

func FuzzOpen(f *testing.F) {
	id := IdentityFromSeed(testSeed("fuzz open"))
	good := sealed(f, policy8, []byte("hello"), [][]*Recipient{{id.Recipient()}})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(good[:1700])
	f.Add([]byte("age-encryption.org/v1\n-> X25519 a\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := opened(t, file, id)
		if err == nil && int64(len(file)) != SealedSize(len(stanzas(file)), int64(len(got))) {
			t.Fatalf("opened a file of %d bytes around %d", len(file), len(got))
		}
	})
}
