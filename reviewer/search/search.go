package search

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// same are letters that stand for one another in writing, besides those that differ by case or
// by marks: Arabic ones that some keyboards and schools write for others, and Latin ones that
// no decomposition takes apart.
var same = map[rune]string{
	'ٱ': "ا", 'ى': "ي", 'ی': "ي", 'ې': "ي", 'ے': "ي", 'ک': "ك", 'ڪ': "ك", 'ة': "ه", 'ە': "ه", 'ہ': "ه", 'ھ': "ه", 'ۀ': "ه",
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'ł': "l", 'ħ': "h", 'ı': "i", 'þ': "th", 'ς': "σ", 'ё': "е",
	'’': "'", 'ʼ': "'", '‘': "'",
}

// dropped are characters that draw nothing of their own.
func dropped(r rune) bool {
	return unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r) || r == 'ـ' // tatweel only stretches
}

// Fold is the form in which texts are compared. Runs of white space become one space.
func Fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range norm.NFKD.String(strings.ToValidUTF8(s, "\ufffd")) {
		if r < utf8.RuneSelf {
			switch {
			case r <= ' ':
				space = true
				continue
			case 'A' <= r && r <= 'Z':
				r += 'a' - 'A'
			}
		} else {
			if unicode.IsSpace(r) {
				space = true
				continue
			}
			if dropped(r) {
				continue
			}
			r = unicode.ToLower(r)
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		switch to, ok := same[r]; {
		case r < utf8.RuneSelf:
			b.WriteByte(byte(r)) //nolint:gosec // ASCII
		case ok:
			b.WriteString(to)
		case unicode.Is(unicode.Nd, r):
			b.WriteByte(digit(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// digit is the ASCII digit of a decimal digit: in every script they stand in a row from zero.
func digit(r rune) byte {
	zero := r
	for zero > r-9 && unicode.Is(unicode.Nd, zero-1) {
		zero--
	}
	return '0' + byte((r-zero)%10) //nolint:gosec // 0 to 9
}

// Query is the words to be found, folded.
type Query []string

// Parse takes a query apart. One without words finds nothing.
func Parse(query string) Query { return strings.Fields(Fold(query)) }

// In says whether a folded text has all words.
func (q Query) In(folded string) bool {
	for _, w := range q {
		if !strings.Contains(folded, w) {
			return false
		}
	}
	return len(q) > 0
}

// Index is texts by the ids of their owner. It is safe for concurrent use.
type Index struct {
	mu    sync.RWMutex
	texts map[string]string // folded
	size  int64
}

// New makes an empty index.
func New() *Index { return &Index{texts: make(map[string]string)} }

// Set keeps the folded fields of a text in place of what was kept under its id.
func (x *Index) Set(id string, fields ...string) {
	folded := make([]string, 0, len(fields))
	for _, f := range fields {
		if f = Fold(f); f != "" {
			folded = append(folded, f)
		}
	}
	text := strings.Join(folded, "\n")
	x.mu.Lock()
	defer x.mu.Unlock()
	x.size += int64(len(text) - len(x.texts[id]))
	x.texts[id] = text
}

// Remove forgets a text.
func (x *Index) Remove(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.size -= int64(len(x.texts[id]))
	delete(x.texts, id)
}

// Size is how many bytes of folded text are kept.
func (x *Index) Size() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.size
}

// Find gives the ids of the texts that have all words of a query.
func (x *Index) Find(q Query) map[string]bool {
	found := make(map[string]bool)
	if len(q) == 0 {
		return found
	}
	longest := 0 // it leaves least
	for i, w := range q {
		if len(w) > len(q[longest]) {
			longest = i
		}
	}
	q = append(Query{q[longest]}, q...)
	x.mu.RLock()
	defer x.mu.RUnlock()
	for id, text := range x.texts {
		if q.In(text) {
			found[id] = true
		}
	}
	return found
}

// Excerpt is the words around the first one in text that a query finds, about width characters of
// one line; "" when the text has none. It is as the writer wrote it: show it safely.
func Excerpt(text string, q Query, width int) string {
	for line := range strings.SplitSeq(text, "\n") {
		folded := Fold(line)
		for _, w := range q {
			if strings.Contains(folded, w) {
				return around(strings.Fields(line), w, width)
			}
		}
	}
	return ""
}

func around(words []string, w string, width int) string {
	at := 0
	for i := range words {
		if strings.Contains(Fold(words[i]), w) {
			at = i
			break
		}
	}
	from := max(0, at-4)
	var b strings.Builder
	if from > 0 {
		b.WriteString("… ")
	}
	for i, word := range words[from:] {
		if n := utf8.RuneCountInString(b.String()); n+utf8.RuneCountInString(word) > width && from+i > at {
			b.WriteString("…")
			return b.String()
		}
		b.WriteString(word)
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}

// Part is a piece of a line; Found is set where it is a word of a query.
type Part struct {
	Text  string
	Found bool
}

// Marked takes a line apart at the words of a query, which may stand inside longer words. Together
// the parts are the line.
func Marked(line string, q Query) (parts []Part) {
	found := make([]bool, len(line)) // by byte
	folded, from, to := places(line)
	for _, w := range q {
		for at := 0; w != ""; {
			i := strings.Index(folded[at:], w)
			if i < 0 {
				break
			}
			for b := from[at+i]; b < to[at+i+len(w)-1]; b++ {
				found[b] = true
			}
			at += i + len(w)
		}
	}
	begin := 0
	for i := 1; i <= len(line); i++ {
		if i == len(line) || found[i] != found[begin] {
			parts = append(parts, Part{line[begin:i], found[begin]})
			begin = i
		}
	}
	return parts
}

// places folds a text character by character, and says for each byte of what comes out where in the
// text its character begins and ends. What draws nothing of its own belongs to the
// character before.
func places(s string) (folded string, from, to []int) {
	var b strings.Builder
	for i, r := range s {
		end := i + utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, n := utf8.DecodeRuneInString(s[i:])
			end = i + n
		}
		x := Fold(s[i:end])
		if x == "" {
			if n := len(to); n > 0 && dropped(r) {
				for j := n - 1; j >= 0 && from[j] == from[n-1]; j-- {
					to[j] = end
				}
				continue
			}
			x = " "
		}
		b.WriteString(x)
		for range len(x) {
			from, to = append(from, i), append(to, end)
		}
	}
	return b.String(), from, to
}
