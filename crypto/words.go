package crypto

import (
	_ "embed"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
)

// The EFF large word list for passphrases (Electronic Frontier Foundation,
// 2016, CC BY 3.0 US) without its four hyphenated words: drop-down, felt-tip,
// t-shirt, yo-yo. The last would be mistaken for yoyo, and hyphens are
// forgiven when a code is read.
//
//go:embed words.txt
var wordText string

// wordCount is the base of codes and phrases.
const wordCount = 7772

var words = func() []string {
	w := strings.Fields(wordText)
	if len(w) != wordCount || !slices.IsSorted(w) {
		panic("crypto: words.txt was changed")
	}
	return w
}()

// wordIndex finds a word, lower case.
func wordIndex(w string) (int, bool) { return slices.BinarySearch(words, w) }

// wordFrom reduces 8 uniform bytes to a word; the bias is below 2^-51.
func wordFrom(b []byte) string { return words[binary.BigEndian.Uint64(b)%wordCount] }

// RandomWords draws n words, each uniformly among all and apart from the others: about
// 12.9 bits a word.
func RandomWords(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = words[randomIndex()]
	}
	return out
}

// phrase is the n most significant base-7772 digits of the number that sum
// is, as words.
func phrase(sum []byte, n int) []string {
	v := new(big.Int).SetBytes(sum)
	base := big.NewInt(wordCount)
	digits := 0
	for limit := new(big.Int).Lsh(big.NewInt(1), uint(8*len(sum))); limit.Sign() > 0; digits++ { //nolint:gosec // small
		limit.Quo(limit, base)
	}
	all := make([]string, digits)
	for i := range all {
		var r big.Int
		v.QuoRem(v, base, &r)
		all[digits-1-i] = words[r.Int64()]
	}
	return all[:n]
}
