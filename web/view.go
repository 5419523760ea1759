package web

import (
	"html/template"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/crypto"
	"postern/intake/form"
	"postern/locale"
)

// Bounds of what a directory may put on a page, in bytes as written: longer
// texts are cut, so that 31 bodies fit beside a report of full length.
const (
	maxName      = 120
	maxMandate   = 240
	maxLanguages = 6
)

// bodyView is a body as pages show it.
type bodyView struct {
	ID        string
	Name      string
	NameIn    string // the language it is in, when not the page's
	Kind      string
	Mandate   string
	MandateIn string
	Languages []langView
	Ticked    bool
}

type langView struct{ Tag, Name string }

// bodiesView is the choice of who may read. Outside are the bodies independent
// of the executive; Chain are those a source may be reporting.
type bodiesView struct {
	Outside []bodyView
	Chain   []bodyView
	Quorum  int
	Few     bool // one independent body stands alone
	Later   bool // something was sent before, to others perhaps
}

// outside says whether a body stands outside the chain that may be reported:
// independent of the institution and of an independent kind. Only such bodies
// stand first and, see [intake.Defaults], start ticked.
func outside(b *crypto.Body) bool {
	k, ok := form.BodyKindOf(b.Kind)
	return ok && k.Independent && b.Independent
}

func (s *source) bodies(d *crypto.Directory, ticked []string) bodiesView {
	v := bodiesView{Quorum: d.Policy.Quorum}
	var list []*crypto.Body
	for i := range d.Bodies {
		if b := &d.Bodies[i]; b.Active() { // nobody reads for the others
			list = append(list, b)
		}
	}
	slices.SortStableFunc(list, func(a, b *crypto.Body) int {
		return form.BodyKindOrder(a.Kind) - form.BodyKindOrder(b.Kind)
	})
	for _, b := range list {
		bv := s.body(b)
		bv.Ticked = slices.Contains(ticked, b.ID)
		for _, l := range b.Languages[:min(len(b.Languages), maxLanguages)] {
			bv.Languages = append(bv.Languages, langView{l, locale.Endonym(l)})
		}
		if outside(b) {
			v.Outside = append(v.Outside, bv)
		} else {
			v.Chain = append(v.Chain, bv)
		}
	}
	v.Few = len(v.Outside) == 1
	return v
}

// body is a body without its languages.
func (s *source) body(b *crypto.Body) bodyView {
	v := bodyView{ID: b.ID, Kind: s.kindName(b.Kind)}
	v.Name, v.NameIn = locale.In(b.Names, s.words.Lang)
	v.Mandate, v.MandateIn = locale.In(b.Mandates, s.words.Lang)
	v.Name, v.Mandate = cut(v.Name, maxName), cut(v.Mandate, maxMandate)
	if v.Name == "" {
		v.Name = b.ID
	}
	for _, in := range []*string{&v.NameIn, &v.MandateIn} {
		if *in == s.words.Lang {
			*in = ""
		}
	}
	return v
}

func (s *source) bodyName(b *crypto.Body) string { return s.body(b).Name }

func (s *source) kindName(kind string) string {
	if _, ok := form.BodyKindOf(kind); !ok {
		return s.words.Word("kind.other")
	}
	return s.words.Word("kind." + kind)
}

// names are the names of the bodies with these ids, in the directory's order.
func (s *source) names(d *crypto.Directory, ids []string) []string {
	var n []string
	for i := range d.Bodies {
		if slices.Contains(ids, d.Bodies[i].ID) {
			n = append(n, s.bodyName(&d.Bodies[i]))
		}
	}
	return n
}

// questionView is a question on a form, with what was answered.
type questionView struct {
	Name    string // of the field
	Label   string
	Hint    string
	Kind    string // choice, choices, text
	Options []optionView
	Value   string
	Rows    int
	Letters string // that fit, of a text
	Long    *longText
	Missing string // letters at its end that the page could not hold
}

// longText says that an answer is too long.
type longText struct{ Sent, Fit string }

// Answered says whether something stands in it.
func (q questionView) Answered() bool {
	return q.Value != "" || slices.ContainsFunc(q.Options, func(o optionView) bool { return o.On })
}

type optionView struct {
	ID, Label string
	On        bool
}

// groupView is a group of questions.
type groupView struct {
	ID        form.Group
	Questions []questionView
	Open      bool // something was answered
}

// groups makes the views of some groups; most bounds each text in bytes.
func (s *source) groups(f *fields, most int, want ...form.Group) []groupView {
	list := make([]groupView, len(want))
	for i, g := range want {
		list[i].ID = g
	}
	for _, q := range form.Questions() {
		i := slices.Index(want, q.Group)
		if i < 0 {
			continue
		}
		got := f.answers[q.ID]
		v := questionView{Name: fieldAnswer + q.ID, Label: s.words.Word("q." + q.ID)}
		if s.words.Has("q." + q.ID + ".hint") {
			v.Hint = s.words.Word("q." + q.ID + ".hint")
		}
		switch q.Kind {
		case form.Text:
			v.Kind, v.Rows, v.Letters = "text", 2, letters(s.words, q.MaxBytes)
			if q.MaxBytes > 300 {
				v.Rows = 3
			}
			if len(got) > 0 {
				v.Value = form.Clean(got[0])
				sent := max(f.letters[v.Name], utf8.RuneCountInString(v.Value))
				if len(v.Value) > q.MaxBytes {
					v.Long = &longText{number(sent), number(lettersWithin(v.Value, q.MaxBytes))}
				}
				head := cut(v.Value, most)
				if kept := utf8.RuneCountInString(strings.TrimSuffix(head, "…")); sent > kept && (head != v.Value || sent > utf8.RuneCountInString(v.Value)) {
					v.Missing = number(sent - kept)
				}
				v.Value = head
			}
			list[i].Open = list[i].Open || v.Value != ""
		case form.Choice, form.Choices:
			v.Kind = "choices"
			if q.Kind == form.Choice {
				v.Kind = "choice"
			}
			for _, o := range q.Options {
				on := slices.Contains(got, o.ID)
				v.Options = append(v.Options, optionView{o.ID, s.words.Word("q." + q.ID + "." + o.ID), on})
				list[i].Open = list[i].Open || on
			}
		}
		list[i].Questions = append(list[i].Questions, v)
	}
	return list
}

// answersOf makes canonical answers of what a form sent: options in their
// order, unknown ones dropped, empty ones left out. long names a question whose
// text is too long, or is "".
func answersOf(sent map[string][]string) (a form.Answers, long string) {
	for _, q := range form.Questions() {
		got := sent[q.ID]
		x := form.Answer{ID: q.ID}
		switch q.Kind {
		case form.Text:
			if len(got) == 0 {
				continue
			}
			v := form.Clean(got[0])
			if len(v) > q.MaxBytes {
				long = q.ID
				continue
			}
			if v != "" {
				x.Values = []string{v}
			}
		case form.Choice, form.Choices:
			for _, o := range q.Options {
				if slices.Contains(got, o.ID) && (q.Kind == form.Choices || x.Values == nil) {
					x.Values = append(x.Values, o.ID)
				}
			}
		}
		if x.Values != nil {
			a = append(a, x)
		}
	}
	return a, long
}

// cut cuts a text so that html/template writes it with at most n bytes, not
// inside a character.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	used, end := 0, 0
	for i, r := range s {
		w := utf8.RuneLen(r)
		if strings.ContainsRune("\"'&<>+\x00", r) {
			w = 5 // as html/template escapes
		}
		if used += w; used > n {
			return s[:end] + "…"
		}
		if used <= n-len("…") {
			end = i + utf8.RuneLen(r)
		}
	}
	return s
}

// number is a whole number in groups of three, as every language of ours can read it.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// roughly is a number of two digits and zeros, rounded down.
func roughly(n int) string {
	for unit := 1; ; unit *= 10 {
		if n < 100*unit {
			return number(n / unit * unit)
		}
	}
}

// letters is about how many letters of this language so many bytes hold.
func letters(l *locale.Locale, bytes int) string {
	switch l.Lang {
	case "ar", "fa", "ru", "sr", "uk": // two bytes, and one for blanks
		return roughly(bytes * 10 / 19)
	}
	return roughly(bytes * 20 / 21)
}

// lettersWithin is how many letters of a text lie within its first bytes.
func lettersWithin(s string, bytes int) int {
	n := 0
	for i, r := range s {
		if i+utf8.RuneLen(r) > bytes {
			break
		}
		n++
	}
	return n
}

// shownName makes a file's name safe to show: no controls, no characters that
// turn the direction of others (SECURITY.md S-15). A long one is cut in front of the
// end that says what kind of file it is.
func shownName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(s, "_"))
	if short := cut(s, maxName); short == s {
		return s
	}
	ext := ""
	if i := strings.LastIndexByte(s, '.'); i >= 0 && len(s)-i <= 16 {
		s, ext = s[:i], s[i:]
	}
	return cut(s, maxName-len(template.HTMLEscapeString(ext))) + ext
}
