package passphrase_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"postern/crypto/passphrase"
)

const workFactor = 2 // a second is for people, not for tests

func sealed(t interface{ Fatal(...any) }, pass string) []byte {
	var b bytes.Buffer
	w, err := passphrase.Seal(&b, []byte(pass), workFactor)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(w, "secret")
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func opens(file []byte, pass string) error {
	r, err := passphrase.Open(bytes.NewReader(file), []byte(pass))
	if err != nil {
		return err
	}
	_, err = io.ReadAll(r)
	return err
}

// The same words open a file whichever way a machine writes them.
func TestSameWordsOtherBytes(t *testing.T) {
	const composed = "Fußgänger überqueren Việt Nam 한글"
	decomposed := norm.NFD.String(composed)
	if composed == decomposed {
		t.Fatal("the test has no letter that is written in two ways")
	}
	forms := []string{composed, decomposed, strings.ReplaceAll(composed, " ", "\u00a0"), strings.ReplaceAll(decomposed, " ", "\u3000")}
	for _, made := range forms {
		file := sealed(t, made)
		for _, typed := range forms {
			if err := opens(file, typed); err != nil {
				t.Errorf("sealed under %+q, %+q: %v", made, typed, err)
			}
		}
		for _, wrong := range []string{strings.ToLower(composed), composed + " ", strings.ReplaceAll(composed, "ß", "ss"), "x"} {
			if err := opens(file, wrong); !errors.Is(err, passphrase.ErrWrong) {
				t.Errorf("sealed under %+q, %+q: %v", made, wrong, err)
			}
		}
	}
}

// A file that another program sealed under bytes that are not composed, or no UTF-8, opens with these bytes.
func TestBytesAsTheyCame(t *testing.T) {
	for _, pass := range []string{"u\u0308ber", "M\xfcller", "no\u00a0break"} {
		r, err := age.NewScryptRecipient(pass)
		if err != nil {
			t.Fatal(err)
		}
		r.SetWorkFactor(workFactor)
		var b bytes.Buffer
		w, err := age.Encrypt(&b, r)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if err := opens(b.Bytes(), pass); err != nil {
			t.Errorf("%+q: %v", pass, err)
		}
	}
	if err := opens(sealed(t, "M\xfcller"), "M\xe4ller"); !errors.Is(err, passphrase.ErrWrong) {
		t.Errorf("another byte: %v", err)
	}
}

func TestBlankAtTheEndIsNamed(t *testing.T) {
	file := sealed(t, "seven words")
	for pass, want := range map[string]bool{"seven words ": true, " seven words": true, "other words": false} {
		if err := opens(file, pass); err == nil || strings.Contains(err.Error(), "blank") != want {
			t.Errorf("%q: %v", pass, err)
		}
	}
	if err := opens(sealed(t, "seven words "), "seven words "); err != nil {
		t.Errorf("a blank that was meant: %v", err)
	}
}

func TestRead(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"a b c\n", "a b c"},
		{"a b c", "a b c"},
		{"a b c\r\nsecond", "a b c"},
		{"\ufeffa b c\r\n", "a b c"},
		{"a b c \n", "a b c "},
		{"é\n", "é"},
		{"", ""},
		{"\ufeff", ""},
		{"\ufeff\r\n", ""},
		{"\nx", ""},
		{"\xff\xfea\x00\n\x00", ""},
		{"\xfe\xff\x00a\x00\n", ""},
		{strings.Repeat("a", 5000), ""},
	} {
		got, err := passphrase.Read(strings.NewReader(c.file))
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%.20q: %q, %v", c.file, got, err)
		}
	}
}

func TestEmpty(t *testing.T) {
	if _, err := passphrase.Seal(io.Discard, nil, workFactor); err == nil {
		t.Error("sealed under nothing")
	}
	if err := opens(sealed(t, "x"), ""); err == nil {
		t.Error("opened with nothing")
	}
}

// Property: what sealed a file opens it, whatever bytes it is made of.
func TestOpensWhatItSealed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pass := string(rapid.SliceOfN(rapid.Byte(), 1, 30).Draw(t, "pass"))
		if err := opens(sealed(t, pass), pass); err != nil {
			t.Fatalf("%+q: %v", pass, err)
		}
	})
}

// What scrypt worked in, 256 MiB at the factor that vaults have, is not kept.
func TestMemoryIsGivenBack(t *testing.T) {
	kept := func(when string) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if n := m.HeapSys - m.HeapReleased; n > 128<<20 {
			t.Errorf("%s the program holds %d MiB", when, n>>20)
		}
	}
	var file bytes.Buffer
	w, err := passphrase.Seal(&file, []byte("seven words"), 0)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	kept("after sealing")
	if err := opens(file.Bytes(), "seven words"); err != nil {
		t.Fatal(err)
	}
	kept("after opening")
	if err := opens(file.Bytes(), "other words"); !errors.Is(err, passphrase.ErrWrong) {
		t.Fatal(err)
	}
	kept("after a wrong one")
}
