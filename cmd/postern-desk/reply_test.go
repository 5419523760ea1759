package main

import (
	"strings"
	"testing"

	"postern/crypto"
)

// A file that an editor wrote is taken for what it says, whole, or refused for what it is.
func TestReadText(t *testing.T) {
	arabic := strings.Repeat("كلمة ", 20000) // more than four times what a reply holds
	full := strings.Repeat("a", crypto.MaxText)
	for _, c := range []struct{ name, file, text, refused string }{
		{name: "words", file: "We look into it.\n", text: "We look into it."},
		{name: "Windows", file: "\ufeffone\r\ntwo\r\n", text: "one\ntwo"},
		{name: "just as much as a reply holds", file: "\ufeff" + full + strings.Repeat("\r\n", 9000), text: full},
		{name: "much space in front", file: strings.Repeat(" \n", 70<<10) + "words", text: "words"},
		{name: "the name of a format in the words", file: "PDF or RTF? {\\rtf", text: "PDF or RTF? {\\rtf"},
		{name: "empty", file: "", refused: "no words"},
		{name: "byte order mark alone", file: "\ufeff\r\n", refused: "no words"},
		{name: "blanks", file: " \n\t\n", refused: "no words"},
		{name: "long Arabic", file: arabic, refused: "has 179999 bytes"},
		{name: "one byte too many", file: full + "é", refused: "shorten it"},
		{name: "no text at all", file: strings.Repeat("a", maxTextFile+1), refused: "larger than"},
		{name: "UTF-16", file: "\xff\xfeW\x00e\x00", refused: "not UTF-8"},
		{name: "Latin-1", file: "M\xfcller", refused: "not UTF-8"},
		{name: "RTF", file: "{\\rtf1\\ansi\\deff0 We look into it\\par}", refused: "plain text"},
		{name: "office", file: "PK\x03\x04\x14\x00", refused: "plain text"},
		{name: "old office", file: "\xd0\xcf\x11\xe0\xa1\xb1", refused: "plain text"},
		{name: "PDF", file: "%PDF-1.7\n%\xe2\xe3", refused: "plain text"},
		{name: "web page", file: "\ufeff<!DOCTYPE html><p>We look into it", refused: "plain text"},
	} {
		text, err := readText(strings.NewReader(c.file))
		switch {
		case c.refused == "" && (err != nil || text != c.text):
			t.Errorf("%s: %.40q, %v", c.name, text, err)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused) || text != ""):
			t.Errorf("%s: %.40q, %v; expected %q", c.name, text, err, c.refused)
		}
	}
}
