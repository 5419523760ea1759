package crypto

// Code is what a source keeps: 8 random words and a check word out of 7,772,
// 103 bits. Its canonical form is indices, so that lists in other languages
// can come later. It never prints by accident; [Code.Words] is for the one
// page that shows it.
type Code struct{ index [8]uint16 }

// NewCode returns a uniformly random code.
func NewCode() Code { panic("unbuilt") }

// Words returns the nine words of the code, the check word last. Secret.
func (c Code) Words() []string { panic("unbuilt") }

// Canonical is 0x01 ‖ be16 of each index: 17 bytes. Secret.
func (c Code) Canonical() []byte { panic("unbuilt") }

// CodeFromCanonical reads what [Code.Canonical] wrote.
func CodeFromCanonical(b []byte) (Code, error) { panic("unbuilt") }

// Repair says what [ParseCode] changed to make the check word fit. The zero
// value: nothing. It must be shown for confirmation before the code is used.
type Repair struct {
	Kind     RepairKind
	Position int    // 0-based position of the (first) word changed
	Read     string // what was typed there (for a swap: both words)
	Meant    string // what it became
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

// CodeError is the answer to input that is no code. Words holds the 1-based
// positions of unknown words, never the words.
type CodeError struct {
	Problem CodeProblem
	Count   int   // words read
	Unknown []int // positions, 1-based
}

func (e *CodeError) Error() string { panic("unbuilt") }

// ParseCode reads a code as people type it: case, spaces, hyphens,
// punctuation and line breaks do not matter. When exactly one repair fits the
// check word the repaired code is returned with what was repaired. Any other
// input gives a [*CodeError].
func ParseCode(s string) (Code, Repair, error) { panic("unbuilt") }
