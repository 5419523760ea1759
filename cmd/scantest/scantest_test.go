package scantest

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"postern/crypto"
	"postern/crypto/seedtest"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// TestScan holds the searcher to what it must find, and to what not.
func TestScan(t *testing.T) {
	seedtest.Set(t)
	code := crypto.NewCode()
	words := code.Words()
	ms, err := Code("code", strings.Join(words, " "))
	if err != nil {
		t.Fatal(err)
	}
	ms = append(ms, Bytes("text", "planted-0123456789"))
	native := make([]byte, 0, 16)
	for i := 0; i < 16; i += 2 {
		native = binary.NativeEndian.AppendUint16(native, binary.BigEndian.Uint16(code.Canonical()[1+i:]))
	}
	far := strings.Repeat(".", 1<<20-5) // what follows lies across two pieces
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"nothing":        {"what happened", 0},
		"text":           {far + "planted-0123456789" + far, 1},
		"in the overlap": {strings.Repeat(".", 1<<20-overlap-9) + "planted-0123456789" + far, 1},
		"spaces":         {strings.Join(words[2:5], " "), 1},
		"hyphens":        {strings.Join(words[6:], "-"), 1},
		"NUL":            {strings.Join(words[:3], "\x00"), 1},
		"a list":         {far + strings.Join(words[1:4], "</li>\n<li>"), 1},
		"two words":      {strings.Join(words[1:3], " "), 0},
		"other order":    {words[3] + " " + words[2] + " " + words[1], 0},
		"canonical":      {far + string(code.Canonical()), 2},
		"numbers":        {string(native), 2},
	} {
		found, n, err := scan(strings.NewReader(c.text), ms, func(at int64) string { return fmt.Sprint(at) })
		if err != nil || n != int64(len(c.text)) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		if len(found) != c.want {
			t.Errorf("%s: found %d, want %d", name, len(found), c.want)
		}
	}
	planted := []byte(strings.ToUpper("planted-in-this-process-") + fmt.Sprint(os.Getpid()))
	if found, size := Memory(t, os.Getpid(), []Marker{Bytes("own", string(planted))}); len(found) == 0 {
		t.Errorf("%d bytes of this process's memory, and nothing found", size)
	}
}
