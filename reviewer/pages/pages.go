package pages

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// Options of [New].
type Options struct {
	// Desk is open. Pages alone uses it from now on; whoever opened it closes it. nil: there is
	// no vault yet, and Begin makes one.
	Desk  *reviewer.Desk
	Begin *Begin
	// Language of the pages, one of [Languages], as long as none was chosen in the window; others are English.
	Language string
	// Sticks lists the folders that a stick can be in; nil is [reviewer.Sticks].
	Sticks func() []string
	// Passphrase asks for the vault's passphrase, in a process that ends afterwards,
	// and says why. It is asked before anything is destroyed or leaves the vault as a whole.
	Passphrase func(why string) ([]byte, error)
	// NewPassphrase asks for the vault's passphrase and for another one in its place, in such
	// a process, too: see [NewPassphrase].
	NewPassphrase func() ([]byte, error)
}

// Pages answers the window's requests, one at a time.
type Pages struct {
	mu     sync.Mutex
	desk   *reviewer.Desk
	o      Options
	token  string
	words  *words
	routes []route
	step   time.Duration // of an import, see importStep
	session
}

// session is what a window has done so far. It ends with the window.
type session struct {
	cases  []reviewer.Case // nil: to be read anew
	list   listing
	said   []notice // to be shown on the next page
	memory memory
	follow string // what the next page goes on to by itself; "": nowhere

	importing *importing                  // an import that is not through; nil: there is none
	imported  *imported                   // what the last import did
	handing   handing                     // cases that are chosen for a fellow holder
	looked    *carried                    // a file from another desk that was looked at
	taken     *carried                    // the one that was taken in last
	referrals map[crypto.CaseID]referring // that are being chosen
	written   []written                   // bundles, to be shown once
	proposed  *proposed                   // a directory that was looked at

	typed     map[string]typed          // forms that were refused
	confirmed crypto.Day                // today, as somebody looked it up
	bulk      bulk                      // what was chosen in the list
	deciding  *settingsForm             // settings that are not in force yet; nil: none
	counting  counting                  // figures that were asked for
	counted   *counted                  // and what they are
	copies    map[crypto.CaseID]copying // working copies that are being made
	verified  *verified                 // a dossier that was checked
	printed   *printed                  // a PDF that waits to be written

	keyTyped keyTyped         // in forms for keys
	wishes   *wishes          // nil: to be asked for anew
	health   *reviewer.Health // of the last check
}

// notice says what was just done, or why it was not.
type notice struct {
	Text   string
	Detail string // of an error, in English
	Bad    bool
}

// New makes the pages of an open vault.
func New(o Options) *Pages {
	if o.Sticks == nil {
		o.Sticks = reviewer.Sticks
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	token := hex.EncodeToString(random)
	p := &Pages{o: o, token: token, words: newWords(o.Language, token), step: importStep}
	p.list.sort = sortUrgent
	if o.Desk == nil {
		p.routes = p.beginRoutes()
	} else {
		p.attach(o.Desk)
	}
	return p
}

// attach makes the pages those of an open vault.
func (p *Pages) attach(desk *reviewer.Desk) {
	p.desk = desk
	p.desk.Search("") // begins to read, so that the first query finds
	if err := p.remember(); err != nil {
		p.refuse(err)
	}
	if l := p.memory.settings[settingLanguage]; l != "" {
		p.words = newWords(l, p.token)
	}
	p.routes = p.allRoutes()
}

// Language of the pages.
func (p *Pages) Language() string { return p.words.Lang }

// ask is one request on its way through a page.
type ask struct {
	window.Request
	c *reviewer.Case // of paths below /case/
}

// field is a field of a form, at most so many bytes of it: what is longer is no
// field of ours.
func (a *ask) field(name string, most int) string {
	if s := a.Form.Get(name); len(s) <= most {
		return s
	}
	return ""
}

// number is a number in a field; 0 when it is none.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// Bounds of fields, in bytes.
const (
	maxID    = 64   // ids, places, choices
	maxLine  = 4096 // paths
	maxTyped = 4 * crypto.MaxText
	maxForm  = 1 << 20 // a window sends no more
)

// route is one page or action. "{case}" in a pattern is a case's id.
type route struct {
	method, pattern string
	do              func(*ask) window.Reply
}

// allRoutes are the pages and actions, by their files.
func (p *Pages) allRoutes() []route {
	return slices.Concat(p.inboxRoutes(), p.caseRoutes(), p.answerRoutes(), p.importRoutes(), p.stickRoutes(), p.handOverRoutes(), p.takeoverRoutes(), p.referRoutes(), p.keyRoutes(), p.helpRoutes(),
		p.workRoutes(), p.dueRoutes(), p.openRoutes(), p.settingsRoutes(), p.bulkRoutes(),
		p.searchRoutes(), p.figureRoutes(), p.dossierRoutes(), p.verifyRoutes(), p.printRoutes(),
		p.enrolRoutes(), p.upkeepRoutes())
}

// Answer answers one request.
func (p *Pages) Answer(q window.Request) window.Reply {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &ask{Request: q}
	switch q.Method {
	case window.Key:
		return p.key(a)
	case window.Print:
		return p.took(a)
	}
	if q.Path != pagePrint {
		p.forgetPrinted()
	}
	known := false
	for _, r := range p.routes {
		id, ok := match(r.pattern, q.Path)
		if !ok {
			continue
		}
		known = true
		if r.method != q.Method {
			continue
		}
		if q.Method == window.Post {
			if subtle.ConstantTimeCompare([]byte(q.Form.Get("token")), []byte(p.token)) != 1 {
				return p.problem(statusForbidden, "token", nil)
			}
			p.cases, p.wishes = nil, nil
			defer func() { p.cases, p.wishes = nil, nil }() // what it does may change all of them
		}
		if id != "" {
			c, err := p.desk.Case(id)
			if err != nil {
				return p.problem(statusMissing, "case", err)
			}
			a.c = c
		}
		return r.do(a)
	}
	if known {
		return p.problem(statusMethod, "missing", nil)
	}
	return p.problem(statusMissing, "missing", nil)
}

// match compares a path with a pattern.
func match(pattern, path string) (id string, ok bool) {
	before, after, has := strings.Cut(pattern, "{case}")
	if !has {
		return "", pattern == path
	}
	rest, ok := strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(rest, after)
	return id, ok && id != "" && len(id) <= maxID && !strings.Contains(id, "/")
}

// The numbers of replies, as in HTTP.
const (
	statusOK, statusNothing, statusSeeOther                   = 200, 204, 303
	statusForbidden, statusMissing, statusMethod, statusFault = 403, 404, 405, 500
)

// to goes to another page.
func to(path string) window.Reply { return window.Reply{Status: statusSeeOther, Location: path} }

// casePath is a page of a case.
func casePath(c *reviewer.Case, rest string) string {
	return "/case/" + url.PathEscape(reviewer.FullID(c.ID)) + rest
}

// say leaves a line for the next page.
func (p *Pages) say(key string, values ...any) {
	p.said = append(p.said, notice{Text: p.words.Word(key, values...)})
}

// refuse leaves a line that says why nothing was done.
func (p *Pages) refuse(err error) {
	text, detail := p.words.refusal(err)
	p.said = append(p.said, notice{text, detail, true})
}

// frame is what stands around every page.
type frame struct {
	Title   string
	Nav     string // the link of the header that this page belongs to
	Said    []notice
	Waiting int    // answers to export
	Follow  string // page that the window goes to by itself
	Due     int    // overdue, or due today
	Bare    bool   // there is no vault yet, and nowhere to go
	Wish    *wish  // what keys, directory or backups want
	View    any
}

// page makes a page of the template of that name.
func (p *Pages) page(name, nav string, title string, view any) window.Reply {
	f := frame{Title: title, Nav: nav, Said: p.said, View: view, Follow: p.follow, Bare: p.desk == nil}
	if !f.Bare {
		f.Waiting, f.Due, f.Wish = p.waiting(), p.pressing(), p.wish(name)
		f.Said = append(f.Said, p.warnings()...)
	}
	p.follow = ""
	var b bytes.Buffer
	if err := p.words.templates[name].ExecuteTemplate(&b, "layout", &f); err != nil {
		return window.Reply{Status: statusFault, Type: "text/plain; charset=utf-8", CSP: p.words.policy, Body: []byte("This page cannot be made. This is a fault of the program, in its page " + name + ".\n")}
	}
	p.said = nil
	return window.Reply{Status: statusOK, Type: "text/html; charset=utf-8", CSP: p.words.policy, Body: b.Bytes()}
}

// problem is a page that says why there is no other.
func (p *Pages) problem(status int, why string, err error) window.Reply {
	v := struct{ Text, Detail string }{Text: p.words.Word("problem." + why)}
	if err != nil {
		_, v.Detail = p.words.refusal(err)
	}
	r := p.page("problem", "", p.words.Word("title.problem"), v)
	r.Status = status
	return r
}

// warnings are what went wrong beside what was done.
func (p *Pages) warnings() (list []notice) {
	for _, w := range p.desk.Warnings() {
		list = append(list, notice{p.words.Word("warning"), plain.SafeText(w), true})
	}
	return list
}

// waiting is how many answers wait for export.
func (p *Pages) waiting() (n int) {
	for i := range p.all() {
		n += p.cases[i].Waiting
	}
	return n
}

// all are all cases.
func (p *Pages) all() []reviewer.Case {
	if p.cases == nil {
		p.cases = p.desk.Cases()
	}
	return p.cases
}

// policyOf names the one style that a page may have.
func policyOf(style []byte) string {
	sum := sha256.Sum256(style)
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action desk:; base-uri 'none'; frame-ancestors 'none'"
}
