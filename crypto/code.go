package crypto

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
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

// Reading is a code that an input may mean. Secret.
type Reading struct {
	Code   Code
	Repair Repair
}

// Typed says whether the input is this code as it stands, without a repair.
func (r Reading) Typed() bool { return r.Repair.Kind == RepairNone }

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

// maxReadings bounds how many repairs are offered to choose from. Two fit one
// slip in some hundreds; more than these are a guess at the check word.
const maxReadings = 4

// ParseCode reads a code as people type it: case, spaces, hyphens,
// punctuation, digits, line breaks, accents, width, invisible characters and
// look-alikes of other alphabets do not matter. Input that is a code gives one
// reading without a repair; input that one repair makes a code gives a reading
// for every repair that fits, between which the source must choose. Any other
// input gives a [*CodeError]. The work is bounded for any input.
func ParseCode(s string) ([]Reading, error) {
	read, count := codeTokens(s)
	if count != codeShown {
		return nil, &CodeError{Problem: CodeWordCount, Count: count}
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
			return []Reading{{Code: c}}, nil
		}
	}
	list := repairCode(read, index, unknown)
	switch {
	case len(list) > 0 && len(list) <= maxReadings:
		return list, nil
	case len(unknown) > 0:
		return nil, &CodeError{Problem: CodeUnknown, Count: count, Unknown: unknown}
	}
	return nil, &CodeError{Problem: CodeOrder, Count: count}
}

// HoldsCode says whether nine words of a text, one behind the other, are a code:
// any code as it stands, or own with one slip that [ParseCode] would repair.
func HoldsCode(text string, own Code) bool {
	w := own.Words()
	var last []string // up to nine, the newest at the end
	for p := range pieces(fold(text)) {
		if last = append(last, p); len(last) > codeShown {
			last = last[1:]
		}
		if len(last) == codeShown && (isCode(last) || isNearly(last, w)) {
			return true
		}
	}
	return false
}

// isCode says whether nine pieces are a code as it stands.
func isCode(read []string) bool {
	var index [codeShown]uint16
	for i, p := range read {
		n, ok := wordIndex(p)
		if !ok {
			return false
		}
		index[i] = uint16(n) //nolint:gosec // below 7772
	}
	_, ok := codeOf(index)
	return ok
}

// isNearly says whether pieces are these words but for one slip.
func isNearly(read, w []string) bool {
	var wrong []int
	for i := range w {
		if read[i] != w[i] {
			wrong = append(wrong, i)
		}
	}
	switch len(wrong) {
	case 0:
		return true
	case 1:
		return oneEdit([]rune(read[wrong[0]]), w[wrong[0]])
	case 2:
		i, j := wrong[0], wrong[1]
		return j == i+1 && read[i] == w[j] && read[j] == w[i]
	}
	return false
}

// pieces splits folded text at everything that is no letter. Words are cut to
// what a listed word and one edit can be long.
func pieces(folded string) iter.Seq[string] {
	const most = 16 // letters: the longest listed word has 9
	return func(yield func(string) bool) {
		for w := range strings.FieldsFuncSeq(folded, func(r rune) bool { return !unicode.IsLetter(r) }) {
			n := 0
			for i := range w {
				if n++; n > most {
					w = w[:i]
					break
				}
			}
			if !yield(w) {
				return
			}
		}
	}
}

// codeTokens are the pieces of an input: the first nine, and how many there are.
func codeTokens(s string) (read []string, count int) {
	for w := range pieces(fold(s)) {
		if count++; count <= codeShown {
			read = append(read, w)
		}
	}
	return read, count
}

// codeOf checks nine indices.
func codeOf(index [codeShown]uint16) (c Code, ok bool) {
	copy(c.index[:], index[:codeWords])
	return c, c.check() == index[codeWords]
}

// repairCode finds the single repairs that satisfy the check word, one for each code.
func repairCode(read []string, index [codeShown]uint16, unknown []int) (list []Reading) {
	try := func(ix [codeShown]uint16, r Repair) {
		c, ok := codeOf(ix)
		if ok && !slices.ContainsFunc(list, func(l Reading) bool { return l.Code == c }) {
			list = append(list, Reading{c, r})
		}
	}
	if len(unknown) > 1 {
		return nil
	}
	for i := range read {
		if len(unknown) == 1 && unknown[0] != i+1 {
			continue // the unknown word is what must be repaired
		}
		letters := []rune(read[i])
		for n, w := range words {
			if !oneEdit(letters, w) {
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
	return list
}

// oneEdit says whether one insertion, deletion or substitution of a letter
// makes word of typed. Listed words are ASCII.
func oneEdit(typed []rune, word string) bool {
	same := 0
	for same < len(typed) && same < len(word) && typed[same] == rune(word[same]) {
		same++
	}
	a, b := typed[same:], word[same:]
	switch len(a) - len(b) {
	case -1:
		return equal(a, b[1:])
	case 0:
		return len(a) > 0 && equal(a[1:], b[1:])
	case 1:
		return equal(a[1:], b)
	}
	return false
}

func equal(letters []rune, ascii string) bool {
	for i, r := range letters {
		if r != rune(ascii[i]) {
			return false
		}
	}
	return true
}
