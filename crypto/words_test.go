package crypto

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestWordsAreEFFs puts the four hyphenated words and the dice numbers back
// and compares with the hash of the file that EFF publishes,
// eff_large_wordlist.txt.
func TestWordsAreEFFs(t *testing.T) {
	const published = "addd35536511597a02fa0a9ff1e5284677b8883b83e986e43f15a3db996b903e"
	all := append(slices.Clone(words), "drop-down", "felt-tip", "t-shirt", "yo-yo")
	slices.Sort(all)
	var file bytes.Buffer
	for i, w := range all {
		var dice [5]byte
		for d, n := 4, i; d >= 0; d, n = d-1, n/6 {
			dice[d] = '1' + byte(n%6)
		}
		fmt.Fprintf(&file, "%s\t%s\n", dice, w)
	}
	if sum := sha256.Sum256(file.Bytes()); hex.EncodeToString(sum[:]) != published {
		t.Errorf("the list is not EFF's without its hyphenated words: %x", sum)
	}
}

func TestWordIndex(t *testing.T) {
	for i, w := range words {
		if n, ok := wordIndex(w); !ok || n != i {
			t.Fatalf("word %d is found at %d", i, n)
		}
	}
	for _, w := range []string{"", "yo-yo", "Abacus", "abacu", "zzz"} {
		if _, ok := wordIndex(w); ok {
			t.Errorf("%q is found", w)
		}
	}
}

// TestPhrase: the words are digits, the most significant first.
func TestPhrase(t *testing.T) {
	if got := phrase(make([]byte, 32), 3); !slices.Equal(got, []string{words[0], words[0], words[0]}) {
		t.Errorf("phrase of zero: %v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		sum := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sum")
		v := new(big.Int)
		all := phrase(sum, 20) // 7772^20 > 2^256 > 7772^19
		for _, w := range all {
			i, ok := wordIndex(w)
			if !ok {
				t.Fatalf("no word: %q", w)
			}
			v.Mul(v, big.NewInt(wordCount)).Add(v, big.NewInt(int64(i)))
		}
		if v.Cmp(new(big.Int).SetBytes(sum)) != 0 {
			t.Fatalf("the digits are another number")
		}
		if !slices.Equal(phrase(sum, 6), all[:6]) {
			t.Fatal("six words are not the first of twenty")
		}
	})
}
