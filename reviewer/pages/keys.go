package pages

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// keysView is the page of keys and backups.
type keysView struct {
	keyForms
	Body, Holder string
	First, Next  crypto.Month // months of the vault's keys
	Clock        []line
	Lines        []line // warnings
	Directory    []string
	Version      uint64
	Expires      string
	Roots        []string
	Backup       string // how old the last one is
}

// keyForms are the forms for keys and backups, which several pages have.
type keyForms struct {
	From     string // the page that has them, which they lead back to
	Folders  []folder
	Signed   []folder // files that may be directories
	RootKeys []folder // that hold root keys
	Onions   []folder // that hold an exchange's address
	Words    string   // of this vault's signing key; "" before a card was written
	Proposed *proposed
	NoRoot   bool // the vault trusts none yet
	Typed    keyTyped
}

// Choice is where a form of the page writes to.
func (v keyForms) Choice(id string) folderChoice { return folderChoice{id, v.Folders} }

// keyForms prepares the forms for a page.
func (p *Pages) keyForms(from string) keyForms {
	v := keyForms{From: from, Folders: p.folders(), Signed: p.signedFiles(), Proposed: p.proposed, NoRoot: len(p.desk.Roots()) == 0, Typed: p.keyTyped}
	v.RootKeys = p.files(func(path string, size int64) bool { return size <= maxKeyFile && len(rootKeys(path)) > 0 })
	v.Onions = p.files(func(path string, size int64) bool { return size <= maxKeyFile && p.onion(path) != "" })
	if _, done := p.desk.Steps(); done[reviewer.StepCard] {
		v.Words = strings.Join(p.desk.SigningWords(), " ")
	}
	return v
}

// back is the page that a form came from, at one of its parts.
func (a *ask) back(part string) window.Reply {
	switch a.field("from", maxID) {
	case "enrol":
		return to(enrolPath(reviewer.Step(part)))
	case "month":
		return to("/month#" + part)
	}
	return to("/keys#" + part)
}

// proposed is a directory that was checked and not yet accepted.
type proposed struct {
	Lines   []change
	Phrases []string // of the roots that were named
	signed  []byte
	roots   []string
}

// change is one line about a directory. Kind says whether something differs.
type change struct{ Kind, Text string }

// Bounds of files, in bytes, and of how many are offered.
const (
	maxDirectory = 4 << 20
	maxKeyFile   = 2 << 10
	maxFiles     = 100
)

func (p *Pages) keyRoutes() []route {
	return []route{
		{window.Get, "/keys", p.keys},
		{window.Post, "/directory", p.look},
		{window.Post, "/directory/accept", p.accept},
		{window.Post, "/card", p.card},
		{window.Post, "/access", p.access},
		{window.Post, "/backup", p.backup},
		{window.Post, "/advance", p.advance},
	}
}

func (p *Pages) keys(*ask) window.Reply {
	d, w := p.desk, p.words
	v := keysView{keyForms: p.keyForms("keys"), Body: d.Body(), Holder: d.Holder(), Backup: p.lastBackup()}
	v.First, v.Next = d.Months()
	k := d.Clock()
	v.Clock = append(v.Clock, line{kindInfo, w.Word("keys.machine", w.date(k.Machine))})
	if k.Batch != 0 {
		v.Clock = append(v.Clock, line{kindInfo, w.Word("keys.batch", w.date(k.Batch))})
	}
	if k.Doubtful() {
		v.Clock = append(v.Clock, line{kindWarn, w.Word("keys.doubt")})
	}
	if dir := d.Directory(); dir != nil {
		v.Version, v.Expires = dir.Version, w.date(dir.Expires)
		v.Lines = p.directoryLines(dir)
		v.Directory = plain.DescribeDirectory(nil, dir)
		for _, r := range d.Roots() {
			if words, err := crypto.RootPhrase(r); err == nil {
				v.Roots = append(v.Roots, strings.Join(words, " "))
			}
		}
	}
	return p.page("keys", "keys", w.Word("title.keys"), v)
}

// directoryLines warn when a directory, or this vault's months in it, end, or it does not name this vault.
func (p *Pages) directoryLines(dir *crypto.Directory) []line {
	w := p.words
	out := p.wishLines(reviewer.WishDirectoryOver, reviewer.WishMonthsOver, reviewer.WishDirectory, reviewer.WishMonths)
	switch listed, months := p.desk.Enrolled(dir); {
	case p.desk.Replaced(dir) != nil:
		out = append(out, line{kindDanger, w.Word("keys.replaced", strings.Join(p.desk.Replaced(dir), " "))})
	case !listed:
		out = append(out, line{kindWarn, w.Word("keys.unlisted")})
	case months == 0:
		out = append(out, line{kindWarn, w.Word("keys.nomonths")})
	}
	return out
}

// signedFiles are the files on the sticks that may be directories, by name.
func (p *Pages) signedFiles() []folder {
	return p.files(func(path string, size int64) bool {
		return size <= maxDirectory && !reviewer.IsVolumeName(path) && crypto.IsDirectory(headOf(path))
	})
}

// headOf is the beginning of a file; nothing when it cannot be read.
func headOf(path string) []byte {
	f, err := os.Open(path) //nolint:gosec // on a stick, and only its first bytes
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	b, _ := io.ReadAll(io.LimitReader(f, maxKeyFile))
	return b
}

// rootKeys are the public keys in a file that holds nothing else.
func rootKeys(path string) []string { return keysIn(string(headOf(path))) }

// keysIn are the root keys in a text, one on a line; nil when a line is none.
func keysIn(text string) (keys []string) {
	for line := range strings.Lines(string(crypto.Carried([]byte(text)))) {
		key := strings.TrimSpace(line)
		if key == "" {
			continue
		}
		if _, err := crypto.RootPhrase(key); err != nil {
			return nil
		}
		keys = append(keys, key)
	}
	return keys
}

// onion is the address in a file that holds nothing else; "" when it is none.
func (p *Pages) onion(path string) string {
	address := strings.TrimSpace(string(crypto.Carried(headOf(path))))
	if _, err := p.desk.AccessFile(address); err != nil {
		return ""
	}
	return address
}

// offered says whether a form names one of the files that its page offered.
func offered(list []folder, path string) bool {
	return slices.ContainsFunc(list, func(f folder) bool { return f.Path == path })
}

// look checks a directory and shows what would change.
func (p *Pages) look(a *ask) window.Reply {
	p.keyTyped.Roots = a.field("roots", maxLine)
	x, err := p.propose(a)
	if err != nil {
		p.refuse(err)
		return a.back("directory")
	}
	p.keyTyped.Roots, p.proposed = "", x
	return a.back("directory")
}

// propose reads the directory and the root keys that a form names.
func (p *Pages) propose(a *ask) (*proposed, error) {
	path := a.field("file", maxLine)
	if !offered(p.signedFiles(), path) {
		return nil, errFolder
	}
	b, err := os.ReadFile(path) //nolint:gosec // one of the list that the page offered
	if err != nil {
		return nil, err
	}
	x := &proposed{signed: crypto.Carried(b)}
	if file := a.field("rootfile", maxLine); file != "" {
		x.roots = rootKeys(file)
		if len(x.roots) == 0 {
			return nil, errFolder
		}
	}
	for line := range strings.Lines(p.keyTyped.Roots) {
		if key := strings.TrimSpace(string(crypto.Carried([]byte(line)))); key != "" && !slices.Contains(x.roots, key) {
			x.roots = append(x.roots, key)
		}
	}
	for _, key := range x.roots {
		words, err := crypto.RootPhrase(key)
		if err != nil {
			return nil, errRootKey
		}
		x.Phrases = append(x.Phrases, strings.Join(words, " "))
	}
	next, err := p.desk.CheckDirectory(x.signed, x.roots, p.desk.Clock().Today())
	if err != nil {
		return nil, err
	}
	kinds := map[byte]string{'+': kindInfo, '-': kindWarn, '!': kindDanger, ' ': ""}
	for _, l := range plain.DescribeDirectory(p.desk.Directory(), next) {
		x.Lines = append(x.Lines, change{kinds[l[0]], l})
	}
	return x, nil
}

// accept takes the directory that was looked at.
func (p *Pages) accept(a *ask) window.Reply {
	x := p.proposed
	p.proposed = nil
	if x == nil || a.field("do", maxID) != "accept" {
		return a.back("directory")
	}
	if err := p.desk.AcceptDirectory(x.signed, x.roots, p.desk.Clock().Today()); err != nil {
		p.refuse(err)
		return a.back("directory")
	}
	p.say("keys.accepted", p.desk.Directory().Version)
	return p.goOn(a, "directory")
}

// card writes the enrolment card.
func (p *Pages) card(a *ask) window.Reply {
	dir, err := p.named(a)
	path := filepath.Join(dir, p.desk.Holder()+".card")
	if err == nil {
		_, err = p.desk.WriteCard(path)
	}
	if err != nil {
		p.refuse(err)
	} else {
		p.say("keys.written", plain.SafeLine(path))
	}
	return a.back("card") // with the words to be read aloud
}

// access writes the key file for Tor Browser.
func (p *Pages) access(a *ask) window.Reply {
	p.keyTyped.Onion = a.field("onion", maxLine)
	dir, err := p.named(a)
	path := filepath.Join(dir, "exchange"+reviewer.AccessName)
	if err == nil {
		address := p.keyTyped.Onion
		if file := a.field("file", maxLine); address == "" && file != "" {
			address = p.onion(file)
		}
		err = p.desk.WriteAccess(address, path)
	}
	if err != nil {
		p.refuse(err)
		return a.back("access")
	}
	p.keyTyped.Onion = ""
	p.say("keys.access", plain.SafeLine(path))
	return p.goOn(a, "access")
}

// backup writes the whole vault, under its passphrase, which is asked for once more.
func (p *Pages) backup(a *ask) window.Reply {
	dir, err := p.named(a)
	var pass []byte
	if err == nil {
		pass, err = p.passphrase(p.words.Word("ask.backup"))
	}
	path := filepath.Join(dir, p.desk.Holder()+"-"+p.desk.Clock().Today().String()+".backup.age")
	if err == nil {
		err = p.desk.BackupFile(path, pass)
	}
	if err != nil {
		p.refuse(err)
		return a.back("backup")
	}
	p.say("keys.backedup", plain.SafeLine(path))
	return p.goOn(a, "backup")
}

// goOn leads from a step that is done: back, or in enrolment to the next one, and from the
// last to the cases.
func (p *Pages) goOn(a *ask, part string) window.Reply {
	if a.field("from", maxID) != "enrol" {
		return a.back(part)
	}
	if p.openStep() != "" {
		return to("/enrol")
	}
	p.say("enrol.done")
	return to("/")
}

// advance destroys the keys of months that are over.
func (p *Pages) advance(*ask) window.Reply {
	_, next := p.desk.Months()
	pass, err := p.passphrase(p.words.Word("ask.advance", next))
	if err == nil {
		err = p.desk.Advance(next, pass)
	}
	if err != nil {
		p.refuse(err)
	} else {
		p.say("keys.advanced", next)
	}
	return to("/month")
}

// passphrase asks for the vault's passphrase once more, in a process of its own: a window
// that shows words of strangers never gets it.
func (p *Pages) passphrase(why string) ([]byte, error) {
	if p.o.Passphrase == nil {
		return nil, errAsk
	}
	return p.o.Passphrase(why)
}
