package passphrase_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"postern/crypto/passphrase"
)

// What is proposed is seven words, drawn anew each time from so many that it has 90 bits.
func TestPropose(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		p := passphrase.Propose()
		words := strings.Fields(p)
		if len(words) != 7 || strings.Join(words, " ") != p || passphrase.Good([]byte(p), []byte(p)) != nil {
			t.Fatalf("%q is proposed", p)
		}
		for _, w := range words {
			seen[w] = true
		}
	}
	// Of 14,000 draws from n words, n·(1−e^(−14000/n)) are different on average: 6,489 of 7,772, give or take 40.
	if n := len(seen); math.Abs(float64(n)-6489) > 250 {
		t.Errorf("14,000 words are %d different ones", n)
	}
	if bits := 7 * math.Log2(7772); bits < 90 {
		t.Errorf("%f bits", bits)
	}
}

func TestGood(t *testing.T) {
	for _, c := range []struct {
		pass, again string
		want        error
	}{
		{"seven random words", "seven random words", nil},
		{"seven random words", "seven random word", passphrase.ErrTwice},
		{"", "", passphrase.ErrShort},
		{"fifteen letters", "fifteen letters", passphrase.ErrShort},
		{"ünülülülülülülül", norm.NFD.String("ünülülülülülülül"), nil},
		{norm.NFD.String("ünülülül"), norm.NFD.String("ünülülül"), passphrase.ErrShort}, // 16 bytes and more, 8 characters
		{" seven random words", " seven random words", passphrase.ErrBlank},
		{"seven random words\u00a0", "seven random words\u00a0", passphrase.ErrBlank},
	} {
		if err := passphrase.Good([]byte(c.pass), []byte(c.again)); !errors.Is(err, c.want) {
			t.Errorf("%q, %q: %v, want %v", c.pass, c.again, err, c.want)
		}
	}
}
