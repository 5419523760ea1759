package form

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postern/crypto"
)

func TestVocabularyIsWellFormed(t *testing.T) {
	id := regexp.MustCompile(`^[a-z][a-z-]{1,23}$`)
	once := func(t *testing.T, kind string, seen map[string]bool, x, label string) {
		t.Helper()
		if !id.MatchString(x) {
			t.Errorf("%s %q: not an id", kind, x)
		}
		if seen[x] {
			t.Errorf("%s %q: twice", kind, x)
		}
		if label == "" || !IsClean(label) {
			t.Errorf("%s %q: label %q", kind, x, label)
		}
		seen[x] = true
	}
	kinds, seen, group := map[string]bool{}, map[string]bool{}, 0
	groups := append(Groups(), GroupSince)
	executive := false
	for _, k := range BodyKinds() {
		once(t, "body kind", kinds, k.ID, k.Label)
		if len(k.ID) > 24 {
			t.Errorf("body kind %q is too long", k.ID)
		}
		if k.Independent && executive {
			t.Errorf("independent kind %q after one that is not", k.ID)
		}
		executive = !k.Independent
	}
	for _, q := range Questions() {
		once(t, "question", seen, q.ID, q.Label)
		if (q.Kind == Text) != (q.MaxBytes > 0) || (q.Kind == Text) != (len(q.Options) == 0) {
			t.Errorf("question %q: kind, limit and options do not fit", q.ID)
		}
		for q.Group != groups[group] {
			if group++; group == len(groups) {
				t.Fatalf("question %q: its group is out of order", q.ID)
			}
		}
		options := map[string]bool{}
		for _, o := range q.Options {
			once(t, "option of "+q.ID, options, o.ID, o.Label)
		}
	}
	list := map[string]bool{}
	for _, s := range Stages() {
		once(t, "stage", list, s.ID, s.Label)
	}
}

func TestIndependence(t *testing.T) {
	// DOMAIN: a report sent with the defaults never reaches the chain reported on.
	for id, want := range map[string]bool{
		"ombuds": true, "parliament": true, "judiciary": true, "human-rights": true, "anti-corruption": true,
		"audit": true, "data-protection": true, "detention-monitor": true, "civil-society": true, "media": true,
		"inspectorate": false, "government": false, "institution": false,
	} {
		k, ok := BodyKindOf(id)
		if !ok || k.Independent != want {
			t.Errorf("%s: found %v, independent %v", id, ok, k.Independent)
		}
	}
	if _, ok := BodyKindOf("police"); ok || BodyKindOrder("police") != len(BodyKinds()) {
		t.Error("an unknown kind was found")
	}
}

// full answers every question as long as it can be.
func full() Answers {
	var a Answers
	for _, q := range questions {
		x := Answer{ID: q.ID}
		switch q.Kind {
		case Text:
			x.Values = []string{strings.Repeat("x", q.MaxBytes)}
		case Choice:
			longest := q.Options[0].ID
			for _, o := range q.Options {
				if len(o.ID) > len(longest) {
					longest = o.ID
				}
			}
			x.Values = []string{longest}
		case Choices:
			for _, o := range q.Options {
				x.Values = append(x.Values, o.ID)
			}
		}
		a = append(a, x)
	}
	return a
}

func TestAllAnswersFit(t *testing.T) {
	frames, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range frames {
		n += len(f)
	}
	t.Logf("longest possible answers: %d of %d bytes", n, crypto.MaxAnswers)
	if n > crypto.MaxAnswers {
		t.Errorf("longest possible answers take %d bytes, more than %d", n, crypto.MaxAnswers)
	}
	got, err := DecodeAnswers(frames)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(full(), got); d != "" {
		t.Error(d)
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		a    Answers
		want error
	}{
		"unknown question": {Answers{{"name", []string{"x"}}}, ErrQuestion},
		"order":            {Answers{{"period", []string{"x"}}, {"place", []string{"x"}}}, ErrQuestion},
		"twice":            {Answers{{"place", []string{"x"}}, {"place", []string{"x"}}}, ErrQuestion},
		"no value":         {Answers{{"place", nil}}, ErrText},
		"two texts":        {Answers{{"place", []string{"x", "y"}}}, ErrText},
		"empty text":       {Answers{{"place", []string{""}}}, ErrText},
		"unclean":          {Answers{{"place", []string{"a\r\nb"}}}, ErrText},
		"escape":           {Answers{{"place", []string{"\x1b[2J"}}}, ErrText},
		"not utf-8":        {Answers{{"place", []string{"\xff"}}}, ErrText},
		"too long":         {Answers{{"period", []string{strings.Repeat("é", 151)}}}, ErrTooLong},
		"no option":        {Answers{{"topics", nil}}, ErrOption},
		"unknown option":   {Answers{{"topics", []string{"treason"}}}, ErrOption},
		"option order":     {Answers{{"topics", []string{"other", "crime"}}}, ErrOption},
		"option twice":     {Answers{{"topics", []string{"crime", "crime"}}}, ErrOption},
		"two of one":       {Answers{{"fear", []string{"yes", "no"}}}, ErrOption},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.a.Encode()
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			for _, x := range c.a {
				for _, v := range x.Values {
					if v != "" && len(v) > 2 && strings.Contains(err.Error(), v) {
						t.Errorf("error repeats the answer: %v", err)
					}
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := Answers{{"place", []string{"x"}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	many := make([][]byte, 10_000)
	for i := range many {
		many[i] = good[0]
	}
	for name, f := range map[string][][]byte{
		"empty frame": {{}},
		"cut":         {good[0][:len(good[0])-1]},
		"trailing":    {append(bytes.Clone(good[0]), 0)},
		"many":        many,
		"long":        {make([]byte, crypto.MaxAnswers+1)},
	} {
		if _, err := DecodeAnswers(f); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// genAnswers draws any valid answers.
func genAnswers(t *rapid.T) Answers {
	var a Answers
	for _, q := range questions {
		if !rapid.Bool().Draw(t, "answered") {
			continue
		}
		x := Answer{ID: q.ID}
		switch q.Kind {
		case Text:
			s := Clean(rapid.StringN(0, 40, q.MaxBytes).Draw(t, "text"))
			if s == "" || len(s) > q.MaxBytes {
				continue
			}
			x.Values = []string{s}
		case Choice:
			x.Values = []string{rapid.SampledFrom(q.Options).Draw(t, "option").ID}
		case Choices:
			for _, o := range q.Options {
				if rapid.Bool().Draw(t, "ticked") {
					x.Values = append(x.Values, o.ID)
				}
			}
			if x.Values == nil {
				continue
			}
		}
		a = append(a, x)
	}
	return a
}

func TestAnswersRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genAnswers(t)
		frames, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeAnswers(frames)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(a, got); d != "" {
			t.Fatal(d)
		}
		for _, x := range a {
			if d := cmp.Diff(x.Values, got.Get(x.ID)); d != "" {
				t.Fatal(d)
			}
		}
	})
}

func TestCleanIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if c := Clean(s); !IsClean(c) {
			t.Fatalf("Clean(%q) = %q, which is not clean", s, c)
		}
	})
	for in, want := range map[string]string{
		" a\r\nb\rc \x00\x1b\u0085\t": "a\nb\nc",
		"\xff":                        "\uFFFD",
		"متن":                         "متن",
		// What breaks a line in other programs breaks it here: nothing runs together.
		"Depot 7\vKey holder\fsee\u0085list":            "Depot 7\nKey holder\nsee\nlist",
		"a\u2028b\u2029c\r\n\r\nd\ve":                   "a\nb\nc\n\nd\ne",
		"tab\tstays, bell\a and escape\x1b[1m go\u2029": "tab\tstays, bell and escape[1m go",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzAnswers gives the frames joined by a separator that no frame of valid
// answers needs to contain twice in a row.
func FuzzAnswers(f *testing.F) {
	frames, err := full().Encode()
	if err != nil {
		f.Fatal(err)
	}
	sep := []byte{0xff, 0xff}
	f.Add(bytes.Join(frames, sep))
	f.Add([]byte{})
	f.Add([]byte("\x05place\x01\x00\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var in [][]byte
		if len(b) > 0 {
			in = bytes.Split(b, sep)
		}
		a, err := DecodeAnswers(in)
		if err != nil {
			return
		}
		out, err := a.Encode()
		if err != nil {
			t.Fatalf("decoded answers do not encode: %v", err)
		}
		if d := cmp.Diff(in, out); d != "" {
			t.Fatal(d)
		}
	})
}
