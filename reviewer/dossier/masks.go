package dossier

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a file of masks.
const (
	MaxMaskFile = 256 << 10 // bytes
	maxMasks    = 1000
	maxMaskText = 1000 // bytes of one
)

// ErrMask is wrapped by every refusal of masks, and beside it one of the others.
var (
	ErrMask      = errors.New("masks cannot be used")
	ErrMaskText  = fmt.Errorf("a text needs two letters or digits at least, or all would be masked, and at most %d bytes", maxMaskText)
	ErrMaskLines = errors.New("lines are given like 5-8")
	ErrMaskMany  = fmt.Errorf("at most %d texts can be masked", maxMasks)
	ErrMaskBoth  = errors.New("a file is masked and included: choose one")
	ErrMaskFile  = errors.New("what is in this file cannot be masked: leave it out, or copy without masked texts")
	ErrMaskOwn   = errors.New("this program writes a masked text itself: mask a longer one")
)

// Masks say what a working copy must not show. Texts are found however they are written: in
// capitals or not, with accents or without, composed or not, in full width, with spaces,
// hyphens, line ends or unseen characters inside, backwards, in digits of another
// script, or with letters of another alphabet that look the same. What cannot be
// found is another word for the same thing: a person has to read the copy.
type Masks struct {
	texts    []string // as given
	folded   [][]rune // and as they are looked for, forwards and backwards
	files    map[int]bool
	messages map[int]bool
	lines    map[int][][2]int
	include  map[int]bool
}

// NewMasks mask nothing, and let no file go along.
func NewMasks() *Masks {
	return &Masks{files: map[int]bool{}, messages: map[int]bool{}, lines: map[int][][2]int{}, include: map[int]bool{}}
}

// Text masks a text wherever it stands. [ErrMaskText], [ErrMaskMany].
func (m *Masks) Text(s string) error {
	f := fold(s)
	switch {
	case len(m.texts) == maxMasks:
		return fmt.Errorf("%w: %w", ErrMask, ErrMaskMany)
	case len(f.runes) < 2 || len(s) > maxMaskText:
		return fmt.Errorf("%w: %w", ErrMask, ErrMaskText)
	}
	back := slices.Clone(f.runes)
	slices.Reverse(back)
	m.texts, m.folded = append(m.texts, s), append(m.folded, f.runes, back)
	return nil
}

// Message masks all of a message but its day.
func (m *Masks) Message(no int) { m.messages[no] = true }

// Lines masks lines of the words of a message, given like 5 or 5-8. [ErrMaskLines].
func (m *Masks) Lines(no int, span string) error {
	from, to, ranged := strings.Cut(strings.TrimSpace(span), "-")
	if !ranged {
		to = from
	}
	a, err := number(strings.TrimSpace(from))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMask, ErrMaskLines)
	}
	b, err := number(strings.TrimSpace(to))
	if err != nil || b < a {
		return fmt.Errorf("%w: %w", ErrMask, ErrMaskLines)
	}
	m.lines[no] = append(m.lines[no], [2]int{a, b})
	return nil
}

// File masks a file, its name too. [ErrMaskBoth].
func (m *Masks) File(no int) error {
	m.files[no] = true
	return m.both(no)
}

// Include lets a file go along. [ErrMaskBoth].
func (m *Masks) Include(no int) error {
	m.include[no] = true
	return m.both(no)
}

func (m *Masks) both(no int) error {
	if m.files[no] && m.include[no] {
		return fmt.Errorf("%w: file %d: %w", ErrMask, no, ErrMaskBoth)
	}
	return nil
}

// ParseMasks reads a file of masks, a line each:
//
//	# a remark
//	text Depot 7        wherever it stands, in words, answers and names
//	message 2           all of message 2
//	lines 3 5-8         lines 5 to 8 of the words of message 3
//	file 1              not even the name of file 1
//	include 2           file 2 goes along; files do so only when they are named here
//
// [ErrMask], with the line.
func ParseMasks(text []byte) (*Masks, error) {
	m := NewMasks()
	if len(text) > MaxMaskFile || !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: longer than %d bytes, or not UTF-8", ErrMask, MaxMaskFile)
	}
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, MaxMaskFile+1)
	for n := 1; s.Scan(); n++ {
		l := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\uFEFF"))
		if l == "" || l[0] == '#' {
			continue
		}
		if err := m.line(l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return m, nil
}

func (m *Masks) line(l string) error {
	what, rest, _ := strings.Cut(l, " ")
	rest = strings.TrimSpace(rest)
	if what == "text" {
		return m.Text(rest)
	}
	first, span, _ := strings.Cut(rest, " ")
	no, err := number(first)
	switch {
	case !slices.Contains([]string{"message", "lines", "file", "include"}, what):
		err = errors.New("it begins with none of text, message, lines, file, include")
	case err == nil && span != "" && what != "lines":
		err = errors.New("one number is expected")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMask, err)
	}
	switch what {
	case "message":
		m.Message(no)
	case "file":
		return m.File(no)
	case "include":
		return m.Include(no)
	case "lines":
		return m.Lines(no, span)
	}
	return nil
}

func number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, errors.New("a number is expected, as show gives it")
	}
	return n, nil
}
