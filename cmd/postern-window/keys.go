package main

import (
	"os"
	"strings"
	"unicode"
	"unsafe"
)

// Key symbols and modifiers of GDK.
const (
	keyLeft, keyRight, keyHome, keyF5 = 0xff51, 0xff53, 0xff50, 0xffc2
	shift, ctrl, alt, super           = 1, 4, 8, 1 << 26
)

// letters are the keys of a keyboard by their place, for layouts whose letters
// are not Latin: a reader who writes Arabic presses the same keys for the same things.
var letters = map[uint16]string{24: "qwertyuiop", 38: "asdfghjkl", 52: "zxcvbnm,./"}

// latin is what a key means whatever the layout is, 0 when nothing.
func latin(symbol uint32, code uint16, state uint32) rune {
	r := rune(c.Unicode(symbol)) //nolint:gosec // a code point
	if r <= unicode.MaxASCII {
		return r
	}
	for first, row := range letters {
		if i := int(code) - int(first); i >= 0 && i < len(row) {
			if row[i] == '/' && state&shift != 0 {
				return '?'
			}
			return rune(row[i])
		}
	}
	return r
}

func pressed(e ptr) (symbol uint32, state uint32, r rune) {
	var code uint16
	c.Keyval(e, &symbol)
	c.Keycode(e, &code)
	c.State(e, &state)
	return symbol, state, latin(symbol, code, state)
}

// setKeyval changes what key an event is about: the field of GDK's public structure, for which GDK has
// a function to read it and none to write it.
func setKeyval(e ptr, keyval uint32) {
	const field = 28 // behind type, window, send_event, time and state
	at := e + field
	*(*uint32)(*(*unsafe.Pointer)(unsafe.Pointer(&at))) = keyval //nolint:gosec // memory of GDK's
}

// chord deals with the keys of the window itself, before the page sees them.
func chord(_, e, _ ptr) int32 {
	symbol, state, r := pressed(e)
	if state&alt != 0 && r <= unicode.MaxASCII && symbol > unicode.MaxASCII && unicode.IsLetter(r) {
		setKeyval(e, uint32(r)) //nolint:gosec // a letter, for the page's access keys, which are Latin
		return 0
	}
	switch z := c.Zoom(view); {
	case state&alt != 0 && symbol == keyLeft:
		c.Back(view)
	case state&alt != 0 && symbol == keyRight:
		c.Forward(view)
	case state&alt != 0 && symbol == keyHome:
		c.Load(view, origin+"/")
	case symbol == keyF5:
		c.Reload(view)
	case state&ctrl == 0:
		return 0
	case strings.ContainsRune("+=", r):
		c.SetZoom(view, min(z*1.2, 4))
	case r == '-':
		c.SetZoom(view, max(z/1.2, 0.4))
	case r == '0':
		c.SetZoom(view, 1)
	case r == 'r':
		c.Reload(view)
	case r == 'p':
		pdf()
	case r == 'q', r == 'w':
		os.Exit(0)
	default:
		return 0
	}
	return 1
}

// key tells the desk of a plain key that no field of the page took.
func key(_, e, _ ptr) int32 {
	_, state, r := pressed(e)
	if state&(ctrl|alt|super) != 0 || !unicode.IsGraphic(r) || unicode.IsSpace(r) {
		return 0
	}
	tell(askKey, []byte(string(r)))
	return 1
}
