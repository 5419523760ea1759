package pages

import (
	"bytes"

	"postern/reviewer/window"
)

// FieldPassphrase is the field of the page that [AskPage] makes.
const FieldPassphrase = "passphrase"

// AskPage asks for the vault's passphrase, and says what for: give it to [window.Ask], which shows it in a
// process of its own. wrong: what was typed before was not the passphrase.
func AskPage(language, why string, wrong bool) window.Reply {
	w := newWords(language, "")
	v := struct {
		Why   string
		Wrong string
	}{Why: why}
	if wrong {
		v.Wrong = w.Word("refused.passphrase")
	}
	var b bytes.Buffer
	if err := w.templates["ask"].ExecuteTemplate(&b, "bare", &frame{Title: w.Word("title.ask"), View: v}); err != nil {
		panic(err) // a fault of ours: nothing that others wrote is on the page
	}
	return window.Reply{Status: statusOK, Type: "text/html; charset=utf-8", CSP: w.policy, Body: b.Bytes()}
}
