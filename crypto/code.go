package crypto

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
)

// Code is what a source keeps: 8 random words and a check word out of 7,772,
// 103 bits (SECURITY.md S-17). Its canonical form is indices, so that lists in
// other languages can come later. It never prints by accident; [Code.Words]
// is for the one page that shows it.
type Code struct{ index [codeWords]uint16 }

const (
	codeWords     = 8             // random ones
	codeShown     = codeWords + 1 // with the check word
	canonicalSize = 1 + 2*codeWords
	canonicalV1   = 0x01
)

// NewCode returns a uniformly random code.
func NewCode() (c Code) {
	for i := range c.index {
		c.index[i] = randomIndex()
	}
	return c
}

// randomIndex is uniform below wordCount, by rejection.
func randomIndex() uint16 {
	for {
		var b [2]byte
		_, _ = rand.Read(b[:])
		if v := binary.BigEndian.Uint16(b[:]) & 0x1fff; v < wordCount {
			return v
		}
	}
}

// Words returns the nine words of the code, the check word last. Secret.
func (c Code) Words() []string {
	w := make([]string, 0, codeShown)
	for _, i := range c.index {
		w = append(w, words[i])
	}
	return append(w, words[c.check()])
}

// Canonical is 0x01 ‖ be16 of each index: 17 bytes. Secret.
func (c Code) Canonical() []byte {
	b := append(make([]byte, 0, canonicalSize), canonicalV1)
	for _, i := range c.index {
		b = binary.BigEndian.AppendUint16(b, i)
	}
	return b
}

// CodeFromCanonical reads what [Code.Canonical] wrote.
func CodeFromCanonical(b []byte) (c Code, err error) {
	if len(b) != canonicalSize || b[0] != canonicalV1 {
		return Code{}, errors.New("not the canonical form of a code")
	}
	for i := range c.index {
		if c.index[i] = binary.BigEndian.Uint16(b[1+2*i:]); c.index[i] >= wordCount {
			return Code{}, errors.New("not the canonical form of a code")
		}
	}
	return c, nil
}

// check is the index of the check word.
func (c Code) check() uint16 {
	sum := sha256.Sum256(append([]byte("postern/v1 code check"), c.Canonical()...))
	return uint16(binary.BigEndian.Uint64(sum[:]) % wordCount) //nolint:gosec // below 7772
}

// Format implements [fmt.Formatter] with a placeholder.
func (Code) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer] with a placeholder.
func (Code) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses, so that no encoder writes a code by accident.
func (Code) MarshalText() ([]byte, error) { return nil, errors.New("a code is not written as text") }

// Repair says what [ParseCode] changed to make the check word fit. The zero
// value: nothing. It must be shown for confirmation before the code is used.
type Repair struct {
	Kind     RepairKind
	Position int    // 0-based, of the (first) word changed
	Read     string // what was typed there; for a swap both words
	Meant    string // what it became
}

// Format implements [fmt.Formatter] with a placeholder: a repair holds words of a code.
func (Repair) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer] with a placeholder.
func (Repair) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses, so that no encoder writes words of a code by accident.
func (Repair) MarshalText() ([]byte, error) {
	return nil, errors.New("a repair is not written as text")
}

// RepairKind is how a code was repaired.
type RepairKind int

// The repairs: none, one word at edit distance 1, two neighbours swapped.
const (
	RepairNone RepairKind = iota
	RepairWord
	RepairSwap
)

// CodeProblem says, from the input alone, why it is no code.
type CodeProblem int

// The three hints a source gets; none depends on what the server holds.
const (
	CodeWordCount CodeProblem = iota + 1 // not nine words
	CodeUnknown                          // some words are not in the list
	CodeOrder                            // all words are known: the order or a word differs
)

// CodeError is the answer to input that is no code. It holds positions, never words.
type CodeError struct {
	Problem CodeProblem
	Count   int   // words read
	Unknown []int // positions of words not in the list, 1-based
}

func (e *CodeError) Error() string {
	switch e.Problem {
	case CodeWordCount:
		return fmt.Sprintf("a code has %d words; %d were read", codeShown, e.Count)
	case CodeUnknown:
		return fmt.Sprintf("words not in the list, by position: %v", e.Unknown)
	case CodeOrder:
		return "all words are known, but their order or one of them differs"
	}
	return "not a code"
}

// ParseCode reads a code as people type it: case, spaces, hyphens,
// punctuation, digits and line breaks do not matter. When exactly one repair
// fits the check word, the repaired code is returned with what was repaired.
// Any other input gives a [*CodeError]. The work is bounded for any input.
func ParseCode(s string) (Code, Repair, error) {
	read, count := codeTokens(s)
	if count != codeShown {
		return Code{}, Repair{}, &CodeError{Problem: CodeWordCount, Count: count}
	}
	var index [codeShown]uint16
	var unknown []int
	for i, w := range read {
		n, ok := wordIndex(w)
		if !ok {
			unknown = append(unknown, i+1)
			continue
		}
		index[i] = uint16(n) //nolint:gosec // below 7772
	}
	if len(unknown) == 0 {
		if c, ok := codeOf(index); ok {
			return c, Repair{}, nil
		}
	}
	c, r, found := repairCode(read, index, unknown)
	switch {
	case found == 1:
		return c, r, nil
	case len(unknown) > 0:
		return Code{}, Repair{}, &CodeError{Problem: CodeUnknown, Count: count, Unknown: unknown}
	}
	return Code{}, Repair{}, &CodeError{Problem: CodeOrder, Count: count}
}

// codeTokens splits at everything that is no letter. Words are cut to what a
// listed word and one edit can be long; only the first nine are kept.
func codeTokens(s string) (read []string, count int) {
	const most = 16 // bytes: the longest listed word has 9
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
		if count++; count <= codeShown {
			read = append(read, strings.ToLower(w[:min(len(w), most)]))
		}
	}
	return read, count
}

// codeOf checks nine indices.
func codeOf(index [codeShown]uint16) (c Code, ok bool) {
	copy(c.index[:], index[:codeWords])
	return c, c.check() == index[codeWords]
}

// repairCode counts the single repairs that satisfy the check word and
// returns the last one found.
func repairCode(read []string, index [codeShown]uint16, unknown []int) (c Code, r Repair, found int) {
	seen := map[Code]bool{}
	try := func(ix [codeShown]uint16, rep Repair) {
		if got, ok := codeOf(ix); ok && !seen[got] {
			seen[got] = true
			c, r = got, rep
			found++
		}
	}
	if len(unknown) > 1 {
		return c, r, 0
	}
	for i := range read {
		if len(unknown) == 1 && unknown[0] != i+1 {
			continue // the unknown word is what must be repaired
		}
		for n, w := range words {
			if !oneEdit(read[i], w) {
				continue
			}
			ix := index
			ix[i] = uint16(n) //nolint:gosec // below 7772
			try(ix, Repair{Kind: RepairWord, Position: i, Read: read[i], Meant: w})
		}
	}
	if len(unknown) == 0 {
		for i := range codeShown - 1 {
			ix := index
			ix[i], ix[i+1] = ix[i+1], ix[i]
			try(ix, Repair{
				Kind: RepairSwap, Position: i,
				Read: read[i] + " " + read[i+1], Meant: read[i+1] + " " + read[i],
			})
		}
	}
	return c, r, found
}

// oneEdit says whether one insertion, deletion or substitution of a byte
// makes a of b. Listed words are ASCII.
func oneEdit(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return i < len(a) && a[i+1:] == b[i+1:]
	}
	return a[i:] == b[i+1:]
}
