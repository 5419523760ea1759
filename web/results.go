package web

// fileResults says what became of the files of a form, each by its place in the
// row in which they were chosen: telephones give all their photos one name.
type fileResults struct {
	Sent int // files that arrived, whole or not
	Kept files
	Lost files
	Code bool // one was left out, since its name holds a code
}

// files are those with one fate.
type files struct {
	Count int
	Spans []fileSpan
	named int
}

// fileSpan is a run of files with the same fate for the same reason.
type fileSpan struct {
	First, Last int      // places, from 1
	Names       []string // of the first ones
	Why         string
}

// Bounds of what a page says of files; all are counted.
const (
	maxNamed = 20 // names
	maxSpans = 40
)

// add takes the next file; why is "" when it was kept.
func (r *fileResults) add(name, why string) {
	r.Sent++
	f := &r.Kept
	if why != "" {
		f = &r.Lost
	}
	f.Count++
	last := len(f.Spans) - 1
	if last < 0 || (f.Spans[last].Last != r.Sent-1 || f.Spans[last].Why != why) && last+1 < maxSpans {
		f.Spans = append(f.Spans, fileSpan{First: r.Sent, Why: why})
		last++
	}
	s := &f.Spans[last]
	s.Last = r.Sent
	if f.named < maxNamed && len(s.Names) == s.Last-s.First {
		f.named++
		s.Names = append(s.Names, shownName(name))
	}
}

func (r fileResults) trouble() bool { return r.Lost.Count > 0 }
