package crypto

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/argon2"
)

// Each figure of ours stands beside its limit, measured in the same run: raw
// Argon2id, raw age, SHA-256.

func BenchmarkDeriveSource(b *testing.B) {
	c := NewCode()
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			DeriveSource(c, [32]byte{}, DefaultKDF)
		}
	})
	b.Run("argon2id", func(b *testing.B) {
		for b.Loop() {
			argon2.IDKey(make([]byte, canonicalSize), make([]byte, 32), DefaultKDF.Time, DefaultKDF.MemoryKiB, DefaultKDF.Threads, 32)
		}
	})
}

func BenchmarkParseCode(b *testing.B) {
	w := codeFor(b, 11, 222, 3333, 4444, 5555, 6666, 7771, 0).Words()
	for name, last := range map[string]string{"right": w[8], "repaired": w[8] + "s", "all known": "abacus"} {
		var s string
		for _, x := range append(w[:8:8], last) {
			s += x + " "
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = ParseCode(s)
			}
		})
	}
}

// BenchmarkSeal seals a container of the smallest class to eight stanzas.
func BenchmarkSeal(b *testing.B) {
	plain := make([]byte, ClassSize(0))
	var bodies [][]*Recipient
	var to []age.Recipient
	for range 8 {
		id := NewIdentity()
		rec, err := age.ParseHybridRecipient(id.Recipient().String())
		if err != nil {
			b.Fatal(err)
		}
		to = append(to, rec)
		bodies = append(bodies, []*Recipient{id.Recipient()})
	}
	seal := func(b *testing.B, f func() (io.WriteCloser, error)) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			w, err := f()
			if err == nil {
				_, err = w.Write(plain)
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("three readers", func(b *testing.B) {
		seal(b, func() (io.WriteCloser, error) { return Seal(io.Discard, policy8, bodies[:3]) })
	})
	b.Run("eight readers", func(b *testing.B) {
		seal(b, func() (io.WriteCloser, error) { return Seal(io.Discard, policy8, bodies) })
	})
	b.Run("age to eight", func(b *testing.B) {
		seal(b, func() (io.WriteCloser, error) { return age.Encrypt(io.Discard, to...) })
	})
}

// BenchmarkOpen opens such a container; the key fits no stanza, or one.
func BenchmarkOpen(b *testing.B) {
	id := NewIdentity()
	theirs, err := age.ParseHybridIdentity(id.AgeString())
	if err != nil {
		b.Fatal(err)
	}
	file := sealed(b, policy8, make([]byte, ClassSize(0)), [][]*Recipient{{id.Recipient()}})
	b.Run("for us", func(b *testing.B) {
		b.SetBytes(ClassSize(0))
		for b.Loop() {
			if _, err := opened(b, file, id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("not for us", func(b *testing.B) {
		other := NewIdentity()
		for b.Loop() {
			_, _ = opened(b, file, other)
		}
	})
	b.Run("age", func(b *testing.B) {
		b.SetBytes(ClassSize(0))
		for b.Loop() {
			r, err := age.Decrypt(bytes.NewReader(file), theirs)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkReadReport reads what a desk imports most: a few words.
func BenchmarkReadReport(b *testing.B) {
	plain := writeMessage(b, testMessage(KindReport))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadMessage(bytes.NewReader(plain), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMessage passes a file of 16 MiB.
func BenchmarkMessage(b *testing.B) {
	const size = 16 << 20
	data := make([]byte, size)
	id := NewIdentity()
	m := testMessage(KindFile)
	write := func(b *testing.B, dst io.Writer) {
		w, err := NewMessageWriter(dst, m, testKey)
		if err != nil {
			b.Fatal(err)
		}
		fw, err := w.File("f", "")
		if err == nil {
			_, err = fw.Write(data)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	var plain bytes.Buffer
	write(b, &plain)
	file := sealed(b, policy8, plain.Bytes(), [][]*Recipient{{id.Recipient()}})
	for _, x := range []struct {
		name string
		do   func(b *testing.B) error
	}{
		{"write", func(b *testing.B) error { write(b, io.Discard); return nil }},
		{"write and seal", func(b *testing.B) error {
			w, err := Seal(io.Discard, policy8, [][]*Recipient{{id.Recipient()}})
			if err != nil {
				return err
			}
			write(b, w)
			return w.Close()
		}},
		{"read", func(*testing.B) error { _, err := ReadMessage(bytes.NewReader(plain.Bytes()), nil); return err }},
		{"open and read", func(*testing.B) error {
			r, err := Open(bytes.NewReader(file), id)
			if err == nil {
				_, err = ReadMessage(r, nil)
			}
			return err
		}},
		{"age seals", func(*testing.B) error {
			w, err := age.Encrypt(io.Discard, id.Recipient())
			if err == nil {
				_, err = w.Write(data)
			}
			if err == nil {
				err = w.Close()
			}
			return err
		}},
		{"sha256", func(*testing.B) error { sha256.Sum256(data); return nil }},
	} {
		b.Run(x.name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if err := x.do(b); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
