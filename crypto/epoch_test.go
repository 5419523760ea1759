package crypto

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"
)

func TestEpochVector(t *testing.T) {
	v := readFileVector(t, "epoch-1.txt")
	first, err := ParseMonth(v.one("month"))
	if err != nil {
		t.Fatal(err)
	}
	start := EpochSeed{Month: first, Seed: Key(v.hex("seed"))}
	for _, line := range v.all("epoch") {
		f := strings.Fields(line)
		m, err := ParseMonth(f[0])
		if err != nil {
			t.Fatal(err)
		}
		s, err := start.At(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(s.Seed[:]); got != f[1] {
			t.Errorf("seed of %v: %s, not %s", m, got, f[1])
		}
		if got := s.Identity().AgeString(); got != f[2] {
			t.Errorf("identity of %v: %s, not %s", m, got, f[2])
		}
		if got := s.Identity().Recipient().String(); got != f[3] {
			t.Errorf("recipient of %v: %s, not %s", m, got, f[3])
		}
		// age itself makes the same recipient of the same identity.
		id, err := age.ParseHybridIdentity(f[2])
		if err != nil {
			t.Fatal(err)
		}
		if got := id.Recipient().String(); got != f[3] {
			t.Errorf("age's recipient of %v: %s, not %s", m, got, f[3])
		}
	}
}

func TestEpochAt(t *testing.T) {
	s := EpochSeed{Month: 24322, Seed: testSeed("epoch")}
	if _, err := s.At(s.Month - 1); err == nil {
		t.Error("the seed of an earlier month")
	} else {
		refused(t, err, "was erased")
	}
	if _, err := s.At(s.Month + maxEpochs + 1); err == nil {
		t.Error("a month too far away")
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, maxEpochs).Draw(t, "months")
		want := s
		for range n {
			want = want.Next()
		}
		got, err := s.At(s.Month + Month(n))
		if err != nil || got != want {
			t.Fatalf("after %d months: %v", n, err)
		}
	})
}

func TestEpochSeedDoesNotPrint(t *testing.T) {
	s := EpochSeed{Month: 24322, Seed: testSeed("epoch")}
	var out bytes.Buffer
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, f+" "+f+"\n", s, &s)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "seed", s)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "seed", s)
	if b, err := json.Marshal(s); err == nil {
		t.Errorf("a seed as JSON: %s", b)
	}
	var numbers strings.Builder
	for _, b := range s.Seed[:4] {
		fmt.Fprintf(&numbers, "%d ", b)
	}
	for _, secret := range []string{hex.EncodeToString(s.Seed[:4]), strings.ToUpper(hex.EncodeToString(s.Seed[:4])), numbers.String(), string(s.Seed[:4])} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the seed printed: %s", out.String())
		}
	}
}

func TestMonth(t *testing.T) {
	for _, c := range []struct {
		at, month, end string
	}{
		{"2026-11-30T23:59:59Z", "2026-11", "2026-12-01T00:00:00Z"},
		{"2026-12-01T00:00:00Z", "2026-12", "2027-01-01T00:00:00Z"},
		{"2027-01-01T00:30:00+01:00", "2026-12", "2027-01-01T00:00:00Z"},
		{"2028-02-29T12:00:00Z", "2028-02", "2028-03-01T00:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		m := MonthOf(at)
		if m.String() != c.month || m.end().Format(time.RFC3339) != c.end {
			t.Errorf("%s is in %v, which ends %v", c.at, m, m.end())
		}
	}
	for _, s := range []string{"", "2026", "2026-00", "2026-13", "2026-1", "26-01", "2026-011", " 2026-01", "2026-01-01", "+026-01", "20261-01"} {
		if m, err := ParseMonth(s); err == nil {
			t.Errorf("%q is the month %v", s, m)
		}
	}
}

func FuzzParseMonth(f *testing.F) {
	for _, s := range []string{"2026-11", "0000-01", "9999-12", "2026-13"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseMonth(s); err == nil && m.String() != s {
			t.Errorf("%q is written %q", s, m)
		}
	})
}
