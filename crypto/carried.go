package crypto

import "bytes"

// Carried undoes what mail, editors and sticks do on the way to a text file of ours, a card or a
// signed directory: a byte order mark in front, CR LF, blanks at the end of lines, a last
// line break that is missing or one too many. What we write it returns unchanged, so
// that signatures may stay strict on bytes.
func Carried(text []byte) []byte {
	lines := bytes.Split(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\n"))
	for i, l := range lines {
		lines[i] = bytes.TrimRight(l, " \t\r")
	}
	text = bytes.TrimRight(bytes.Join(lines, []byte("\n")), "\n")
	if len(text) == 0 {
		return nil
	}
	return append(text, '\n')
}
