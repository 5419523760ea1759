package seedtest_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postern/crypto"
	"postern/crypto/seedtest"
)

// draws is what a test draws under a seed: codes, keys, and its own choices,
// before, in and after a subtest that is seeded too.
func draws(t *testing.T, seed string) (list []string) {
	t.Setenv(seedtest.Variable, seed)
	draw := func(t *testing.T) {
		r := seedtest.Set(t)
		k := crypto.NewKey()
		list = append(list, strings.Join(crypto.NewCode().Words(), " "), string(k[:]), fmt.Sprint(r.Uint64()))
		list = append(list, crypto.NewIdentity().Recipient().String())
		p, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(p.Bytes()))
	}
	t.Run("draw", func(t *testing.T) {
		draw(t)
		t.Run("within", draw)
		draw(t)
	})
	return list
}

func TestSet(t *testing.T) {
	a, again, b := draws(t, "7"), draws(t, "7"), draws(t, "8")
	if !slices.Equal(a, again) {
		t.Error("the same seed draws something else")
	}
	seen := map[string]bool{}
	for _, x := range append(a, b...) {
		if seen[x] {
			t.Errorf("%q is drawn twice", x)
		}
		seen[x] = true
	}
	if slices.Equal(draws(t, ""), draws(t, "")) {
		t.Error("two tests draw the same seed")
	}
}
