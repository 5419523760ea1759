package pages

import (
	"bytes"
	"html/template"

	"postern/reviewer/window"
)

// Question is the page that asks for the vault's passphrase, alone in a window of
// its own ([window.Ask]): why says what for, "" that it opens the vault; wrong, that the
// one before was not it. The form's field is [Passphrase].
func Question(language, why string, wrong bool) window.Reply {
	w := newWords(language, "")
	style, err := assets.ReadFile("style.css")
	if err != nil {
		panic(err) // embedded
	}
	t := template.Must(template.New("").Funcs(w.funcs(style, "")).ParseFS(assets, "templates/question.html"))
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "question", struct {
		Why   string
		Wrong bool
	}{why, wrong}); err != nil {
		panic(err) // embedded, and these are all its values
	}
	return window.Reply{Status: statusOK, Type: "text/html; charset=utf-8", CSP: w.policy, Body: b.Bytes()}
}

// WhyRestore says whose passphrase is asked for before a backup is restored.
func WhyRestore(language string) string { return newWords(language, "").Word("ask.restore") }

// Passphrase is the field of the form on the page of [Question].
const Passphrase = "passphrase"
