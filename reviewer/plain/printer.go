package plain

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Printer writes rows for a terminal: lines of the desk, and words of others
// that cannot pass for them (SECURITY.md S-15). After an error it writes nothing.
type Printer struct {
	w   io.Writer
	err error
}

// NewPrinter returns a printer that writes to w.
func NewPrinter(w io.Writer) *Printer { return &Printer{w: w} }

// Err is the first error of the writer.
func (p *Printer) Err() error { return p.err }

// Line writes one line of the desk's own words.
func (p *Printer) Line(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", a...)
	}
}

// Quote writes words of others, each row behind a bar.
func (p *Printer) Quote(words string) {
	if words == "" {
		return
	}
	for l := range strings.SplitSeq(strings.TrimRight(SafeText(words), "\n"), "\n") {
		for _, row := range Fold(l, RowWidth) {
			p.Line("    │ %s", row)
		}
	}
}

// Name writes one line of others' words after words of the desk; what does not fit follows behind a bar.
func (p *Printer) Name(before, words string) {
	for i, row := range Fold(SafeLine(words), RowWidth-utf8.RuneCountInString(before)) {
		if i == 0 {
			p.Line("%s%s", before, row)
		} else {
			p.Line("            │ %s", row)
		}
	}
}
