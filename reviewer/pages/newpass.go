package pages

import (
	"bytes"
	"errors"
	"html/template"
	"net/url"
	"strings"

	"postern/crypto/passphrase"
	"postern/reviewer/window"
)

// NewPassphrase is what is said between a reviewer and a window that ends ([window.Ask])
// until there is a new passphrase: seven random words are proposed, shown on one page and typed back
// on the next, or the reviewer types one of their own twice. Words that were left are never
// shown again.
type NewPassphrase struct {
	w     *words
	page  *template.Template
	old   func([]byte) error // nil: there is none before
	stage string
	said  string // what was wrong
	words string // proposed
	pass  []byte
	check error
}

// The pages of it.
const (
	stageOld   = "old"   // the passphrase so far
	stageWords = "words" // seven words are shown
	stageBack  = "back"  // and typed back
	stageOwn   = "own"   // or another one is typed, twice
)

// AskNewPassphrase begins it in a language. old says whether a passphrase is the one so
// far, which is asked for first; nil when there is none.
func AskNewPassphrase(language string, old func([]byte) error) *NewPassphrase {
	w := newWords(language, "")
	style, err := assets.ReadFile("style.css")
	if err != nil {
		panic(err) // embedded
	}
	n := &NewPassphrase{w: w, old: old, stage: stageOld}
	n.page = template.Must(template.New("").Funcs(w.funcs(style, "")).ParseFS(assets, "templates/newpass.html"))
	if old == nil {
		n.propose()
	}
	return n
}

// propose draws other words.
func (n *NewPassphrase) propose() { n.stage, n.words = stageWords, passphrase.Propose() }

// note says what was wrong.
func (n *NewPassphrase) note(key string) { n.said = n.w.Word(key) }

// Page is what the window shows.
func (n *NewPassphrase) Page() window.Reply {
	v := struct {
		Title, Stage, Said string
		Words              []string
		Least              int
	}{n.w.Word("newpass.title"), n.stage, n.said, nil, passphrase.Least}
	if n.stage == stageWords {
		v.Words = strings.Fields(n.words)
	}
	var b bytes.Buffer
	if err := n.page.ExecuteTemplate(&b, "newpass", v); err != nil {
		panic(err) // embedded, and these are all its values
	}
	return window.Reply{Status: statusOK, Type: "text/html; charset=utf-8", CSP: n.w.policy, Body: b.Bytes()}
}

// Take takes a form, and says what the window shows then, or that all is said.
func (n *NewPassphrase) Take(form url.Values) (again window.Reply, done bool) {
	n.said = ""
	done = n.take(form.Get("do"), form)
	if done {
		n.words = ""
	}
	return n.Page(), done
}

func (n *NewPassphrase) take(do string, form url.Values) (done bool) {
	typed := []byte(form.Get(Passphrase))
	switch {
	case n.stage == stageOld:
		err := n.old(typed)
		switch {
		case errors.Is(err, passphrase.ErrWrong):
			n.note("question.wrong")
		case err != nil:
			n.check = err
			return true
		default:
			n.propose()
		}
	case do == "other":
		n.propose()
	case do == "own":
		n.stage, n.words = stageOwn, ""
	case n.stage == stageWords:
		n.stage = stageBack
	case n.stage == stageBack:
		if passphrase.Good(typed, []byte(n.words)) != nil {
			n.note("newpass.differs")
			return false
		}
		n.pass = typed
		return true
	default:
		switch err := passphrase.Good(typed, []byte(form.Get("again"))); {
		case errors.Is(err, passphrase.ErrTwice):
			n.note("newpass.twice")
		case errors.Is(err, passphrase.ErrBlank):
			n.note("newpass.blank")
		case err != nil:
			n.note("newpass.short")
		default:
			n.pass = typed
			return true
		}
	}
	return false
}

// Passphrase is the new one, when all is said; or the error of what checks the one so far.
func (n *NewPassphrase) Passphrase() ([]byte, error) { return n.pass, n.check }
