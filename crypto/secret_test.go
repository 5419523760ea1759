package crypto

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestSecretsDoNotPrint: no verb, logger or encoder spells a secret, by value
// or by pointer (SECURITY.md S-12).
func TestSecretsDoNotPrint(t *testing.T) {
	seed := testSeed("printing")
	code, err := CodeFromCanonical([]byte{1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	if err != nil {
		t.Fatal(err)
	}
	id := IdentityFromSeed(seed)
	src := DeriveSource(code, [32]byte{1}, KDFParams{Time: 1, MemoryKiB: 8, Threads: 1})
	rep := Repair{Kind: RepairWord, Read: "abacuz", Meant: "abacus"}

	// What must not be there, as text, hex or the decimal bytes that %v prints.
	var traces []string
	for _, b := range [][]byte{
		seed[:8], code.Canonical()[1:9], src.locator[:8], src.Case[:8], src.Signing[:8],
		src.replyRoot[:8], src.state[:8], src.marker[:8],
	} {
		traces = append(traces, hex.EncodeToString(b), strings.Trim(fmt.Sprintf("%d", b), "[]"))
	}
	traces = append(traces, id.AgeString(), "abacuz", "abacus", src.Greeting[0])
	traces = append(traces, code.Words()...)

	for _, v := range []any{
		seed, &seed, code, &code, id, *id, src, *src, rep, &rep,
		struct{ K any }{seed}, []Key{seed}, map[string]any{"id": *id},
	} {
		var out []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			out = append(out, fmt.Sprintf(verb, v))
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		b, _ := json.Marshal(v)
		out = append(out, log.String(), string(b))
		for _, s := range out {
			for _, trace := range traces {
				if strings.Contains(strings.ToLower(s), strings.ToLower(trace)) {
					t.Errorf("%T prints a secret: %.80s", v, s)
				}
			}
		}
	}
}

func TestSecretsRefuseToBeText(t *testing.T) {
	for _, v := range []any{Key{}, Code{}, *NewIdentity(), NewIdentity(), Source{}, Repair{}} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T becomes JSON: %s", v, b)
		}
	}
}

func TestKDF(t *testing.T) {
	want, err := hkdf.Key(sha256.New, []byte("ikm"), []byte("salt"), "postern/v1 label", 100)
	if err != nil {
		t.Fatal(err)
	}
	if got := KDF([]byte("ikm"), []byte("salt"), "label", 100); !bytes.Equal(got, want) {
		t.Error("KDF is not HKDF-SHA256 with the info of this protocol")
	}
	const fixed = "e21a1453f6ede992e5be3a98b93186d6" // computed with another HMAC than Go's
	if got := hex.EncodeToString(KDF(nil, nil, "", 16)); got != fixed {
		t.Errorf("KDF of nothing: %s", got)
	}
}

func TestWipe(t *testing.T) {
	k := NewKey()
	if k.Wipe(); k != (Key{}) {
		t.Error("a wiped key is still there")
	}
}

func TestBox(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, aad := NewKey(), rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		box := SealBox(key, plain, aad)
		if len(box) != len(plain)+BoxOverhead {
			t.Fatalf("a box of %d bytes around %d", len(box), len(plain))
		}
		got, err := OpenBox(key, box, aad)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("does not open: %v", err)
		}
		if bytes.Equal(SealBox(key, plain, aad), box) {
			t.Fatal("two boxes are alike")
		}
		i := rapid.IntRange(0, len(box)-1).Draw(t, "changed byte")
		changed := bytes.Clone(box)
		changed[i] ^= 1
		for name, f := range map[string]func() ([]byte, error){
			"changed":  func() ([]byte, error) { return OpenBox(key, changed, aad) },
			"cut":      func() ([]byte, error) { return OpenBox(key, box[:i], aad) },
			"aad":      func() ([]byte, error) { return OpenBox(key, box, append(aad, 0)) },
			"otherkey": func() ([]byte, error) { return OpenBox(NewKey(), box, aad) },
		} {
			if _, err := f(); !errors.Is(err, errBox) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	})
}
