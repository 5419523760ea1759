package crypto

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// What we write comes through every mail program and editor, and is not touched when none was in between.
func TestCarried(t *testing.T) {
	card, key := testCard()
	text, err := card.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	roots := testRoots()
	signed := signDirectory(t, testDirectory(), roots[0])
	for name, written := range map[string][]byte{"card": text, "signed directory": signed, "root key": []byte(roots[0].vkey + "\n")} {
		if got := Carried(written); !bytes.Equal(got, written) {
			t.Errorf("%s: what nobody touched is changed", name)
		}
		for how, carried := range map[string][]byte{
			"CR LF":                  bytes.ReplaceAll(written, []byte("\n"), []byte("\r\n")),
			"byte order mark":        append([]byte("\ufeff"), written...),
			"all of Windows":         append([]byte("\ufeff"), bytes.ReplaceAll(written, []byte("\n"), []byte("\r\n"))...),
			"blanks at line's ends":  bytes.ReplaceAll(written, []byte("\n"), []byte(" \t\n")),
			"no last line break":     bytes.TrimSuffix(written, []byte("\n")),
			"empty lines at the end": append(bytes.Clone(written), "\r\n \n"...),
		} {
			if got := Carried(carried); !bytes.Equal(got, written) {
				t.Errorf("%s, %s: comes back as %q", name, how, got)
			}
		}
		if got := Carried(bytes.Replace(written, []byte("e"), []byte("f"), 1)); bytes.Equal(got, written) {
			t.Errorf("%s: another letter is undone", name)
		}
	}
}

func TestCarriedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringOf(rapid.SampledFrom([]rune("ab \t\r\n\ufeff"))).Draw(t, "text")
		once := Carried([]byte(in))
		if len(once) > 0 && once[len(once)-1] != '\n' {
			t.Fatalf("%q ends without a line break: %q", in, once)
		}
		if bytes.HasPrefix(once, []byte("\ufeff")) {
			return // two marks: no program writes them
		}
		if again := Carried(once); !bytes.Equal(again, once) {
			t.Fatalf("%q: %q, then %q", in, once, again)
		}
	})
}
