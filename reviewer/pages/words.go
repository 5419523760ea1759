package pages

import (
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"slices"
	"strings"

	"postern/crypto"
	"postern/intake/form"
	"postern/locale"
	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/statistics"
	"postern/reviewer/vault"
	"postern/reviewer/window"
)

//go:embed locales/*.json answers/*.json templates/*.html style.css
var assets embed.FS

// Languages are those that the window speaks.
func Languages() []string { return locale.Languages(assets, "locales") }

// pageNames are the templates of pages.
var pageNames = []string{"inbox", "case", "answer", "preview", "import", "importing", "imported", "export", "handover", "takeover", "refer", "parts-look", "referred", "keys", "help", "problem",
	"work", "erase", "due", "open", "settings",
	"figures", "dossier", "copy", "verify", "print",
	"begin", "new", "restore", "enrol", "month", "check"}

// words are one language: the window's own sentences, the vocabulary of the source's pages
// in the same language, and the templates.
type words struct {
	*locale.Locale
	source    *locale.Locale
	templates map[string]*template.Template
	policy    string
}

// newWords reads a language; one that the window does not speak is English.
func newWords(lang, token string) *words {
	if !slices.Contains(Languages(), lang) {
		lang = "en"
	}
	own, source, err := locale.Beside(assets, "locales", lang)
	if err != nil {
		panic(err) // embedded
	}
	style, err := assets.ReadFile("style.css")
	if err != nil {
		panic(err) // embedded
	}
	w := &words{Locale: own, source: source, templates: make(map[string]*template.Template), policy: policyOf(style)}
	base := template.Must(template.New("").Funcs(w.funcs(style, token)).Option("missingkey=error").ParseFS(assets, "templates/layout.html", "templates/parts.html", "templates/masks.html", "templates/shown.html", "templates/keyforms.html"))
	for _, n := range pageNames {
		w.templates[n] = template.Must(template.Must(base.Clone()).ParseFS(assets, "templates/"+n+".html"))
	}
	return w
}

// funcs are what templates can call.
func (w *words) funcs(style []byte, token string) template.FuncMap {
	return template.FuncMap{
		"t":          w.T,
		"unreviewed": func() bool { return w.Reviewed == "" },
		"lang":       func() string { return w.Lang },
		"dir":        func() string { return w.Dir },
		"style":      func() template.HTML { return template.HTML("<style>" + string(style) + "</style>") }, //nolint:gosec // embedded
		"token":      func() string { return token },
		"day":        w.day,
		"date":       w.date,
		"size":       w.source.Size,
		"paragraphs": paragraphs,
	}
}

// day is a day in figures, the same in every language, so that columns of days can be compared.
func (w *words) day(d crypto.Day) string {
	if d == 0 {
		return "–"
	}
	return d.String()
}

// date is a day in words.
func (w *words) date(d crypto.Day) string { return w.source.Date(d) }

// stage is a stage's name, as ISO 37002 has it.
func (w *words) stage(id string) string {
	if form.Label(form.Stages(), id) == "" {
		return plain.SafeLine(id)
	}
	return w.Word("stage." + id)
}

// Refusals of the pages themselves. What they say stands in locales/.
var (
	errEmpty     = errors.New("the answer is empty")
	errTooLong   = errors.New("the answer is too long")
	errClock     = errors.New("today's date was not confirmed")
	errFolder    = errors.New("there is no such folder, or file in it")
	errNoVolumes = errors.New("there is no volume in the folder")
	errAsk       = errors.New("nobody can be asked for the passphrase here")

	errNoneChosen = errors.New("no case was chosen")
	errDay        = errors.New("this is no day")
	errFuture     = errors.New("this day is after today")
	errNumber     = errors.New("this is no number")
	errClass      = errors.New("this is no class of retention")
	errID         = errors.New("this is no id")
	errRootKey    = errors.New("this is no root key")
)

// refusals are errors that a reviewer meets, and their sentences.
var refusals = []struct {
	err error
	key string
}{
	{reviewer.ErrNoPlace, "noplace"},
	{reviewer.ErrNotChosen, "notchosen"},
	{reviewer.ErrBecame, "became"},
	{reviewer.ErrNobody, "nobody"},
	{reviewer.ErrNotEnrolled, "notenrolled"},
	{reviewer.ErrNoDirectory, "nodirectory"},
	{reviewer.ErrNoCase, "nocase"},
	{reviewer.ErrVolume, "volume"},
	{reviewer.ErrForged, "forged"},
	{reviewer.ErrRest, "rest"},
	{reviewer.ErrNothing, "nothing"},
	{reviewer.ErrNotWaiting, "gone"},
	{reviewer.ErrBy, "by"},
	{reviewer.ErrTooEarly, "early"},
	{reviewer.ErrForeignMonths, "foreign"},
	{reviewer.ErrNoRoot, "noroot"},
	{reviewer.ErrNoReader, "noreader"},
	{statistics.ErrPeriod, "period"},
	{dossier.ErrMaskText, "masktext"},
	{dossier.ErrMaskLines, "masklines"},
	{dossier.ErrMaskMany, "maskmany"},
	{dossier.ErrMaskFile, "maskfile"},
	{dossier.ErrMaskOwn, "maskown"},
	{dossier.ErrFolder, "dossier"},
	{dossier.ErrFolderTaken, "taken"},
	{vault.ErrPassphrase, "passphrase"},
	{errEmpty, "empty"},
	{errTooLong, "long"},
	{errClock, "clock"},
	{errFolder, "folder"},
	{errNoVolumes, "novolumes"},
	{errAsk, "ask"},
	{errChanged, "changed"},
	{reviewer.ErrNoFellow, "nofellow"},
	{reviewer.ErrNothingTo, "nothingto"},
	{reviewer.ErrNoKeyMonth, "nokeymonth"},
	{reviewer.ErrNotSigner, "notsigner"},
	{reviewer.ErrNotDeskFile, "notdeskfile"},
	{reviewer.ErrNotForDesk, "notfordesk"},
	{reviewer.ErrForOther, "forother"},
	{reviewer.ErrStranger, "stranger"},
	{reviewer.ErrWithdrawn, "withdrawnkey"},
	{reviewer.ErrNotAgreed, "notagreed"},
	{reviewer.ErrNoReferral, "noreferral"},
	{reviewer.ErrOtherBody, "otherbody"},
	{reviewer.ErrNoConsent, "noconsent"},
	{reviewer.ErrConsentNo, "consentno"},
	{reviewer.ErrConsentOld, "consentold"},
	{reviewer.ErrReadsIt, "readsit"},
	{reviewer.ErrNotSelected, "notselected"},
	{errAttach, "attach"},
	{errAttached, "attached"},
	{errManyFiles, "manyfiles"},
	{reviewer.ErrReplyFiles, "manyfiles"},
	{errMoved, "moved"},
	{errID, "id"},
	{errRootKey, "rootkey"},
	{reviewer.ErrClock, "badclock"},
	{vault.ErrBackup, "backup"},
	{vault.ErrExists, "vault"},
	{window.ErrClosed, "closed"},
	{fs.ErrExist, "exists"},
	{errNoneChosen, "nonechosen"},
	{errDay, "day"},
	{errFuture, "future"},
	{errNumber, "number"},
	{errClass, "class"},
	{casework.ErrStage, "stage"},
	{casework.ErrOutcome, "outcome"},
	{casework.ErrMoved, "stagemoved"},
	{casework.ErrRefers, "refers"},
	{casework.ErrRecused, "recused"},
	{casework.ErrAlready, "already"},
	{casework.ErrHeld, "held"},
	{casework.ErrApprove, "approve"},
	{casework.ErrGrace, "grace"},
	{casework.ErrOpen, "open"},
	{casework.ErrKept, "kept"},
	{casework.ErrField, "field"},
	{casework.ErrSettings, "settings"},
	{reviewer.ErrNoCode, "nocode"},
}

// withDetail are refusals whose own words say more than their sentence: which case, what would be possible.
var withDetail = []error{casework.ErrMoved, casework.ErrAlready, casework.ErrField, casework.ErrRecused, casework.ErrSettings, casework.ErrRefers, casework.ErrGrace, casework.ErrKept}

// refusal says why something was not done. What has no sentence of its own, or one that does not
// say all, comes with the error's own words, which are English.
func (w *words) refusal(err error) (text, detail string) {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			if slices.Contains(withDetail, r.err) {
				detail = plain.SafeText(err.Error())
			}
			return w.Word("refused." + r.key), detail
		}
	}
	return w.Word("refused.other"), plain.SafeText(err.Error())
}

// nameIn is a name that a directory gives in several languages, safe to show.
func nameIn(names map[string]string, lang string) string {
	s, _ := locale.In(names, lang)
	return strings.TrimSpace(plain.SafeLine(s))
}

// languages are the choice of languages.
func (p *Pages) languages() (out []choice) {
	for _, l := range Languages() {
		out = append(out, choice{l, locale.Endonym(l), l == p.words.Lang})
	}
	return out
}

func (p *Pages) setLanguage(a *ask) window.Reply {
	if l := a.field("language", maxID); slices.Contains(Languages(), l) {
		p.words = newWords(l, p.token)
		if err := p.set(settingLanguage, l); err != nil {
			p.refuse(err)
		}
	}
	return to("/help")
}
