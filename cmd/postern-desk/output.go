package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"postern/reviewer/plain"
)

// writeJSON writes one JSON document in ASCII only: a terminal that shows it
// meets no escape sequence and no reordered text, and a script reads back the original (SECURITY.md S-15).
func (d *desk) writeJSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err := d.stdout.Write(asciiJSON(b.Bytes()))
	return err
}

// asciiJSON escapes every rune outside printable ASCII. In JSON such runes stand in strings only.
func asciiJSON(in []byte) []byte {
	out := make([]byte, 0, len(in))
	for len(in) > 0 {
		r, n := utf8.DecodeRune(in)
		in = in[n:]
		switch {
		case r == '\n' || r >= ' ' && r < 0x7f:
			out = append(out, byte(r)) //nolint:gosec // ASCII
		case r > 0xffff:
			a, b := utf16.EncodeRune(r)
			out = fmt.Appendf(out, "\\u%04x\\u%04x", a, b)
		default:
			out = fmt.Appendf(out, "\\u%04x", r)
		}
	}
	return out
}

// shown is the name of a file for a terminal: somebody else may have chosen it (SECURITY.md S-15).
func shown(name string) string { return plain.SafeLine(name) }

// some writes a number with the right word.
func some(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// listed is a list that JSON shows as [] and not as null when it is empty.
func listed(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}
