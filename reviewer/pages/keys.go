package pages

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
	"postern/store/durable"
)

// keysView is the page of keys and backups.
type keysView struct {
	Body, Holder string
	First, Next  crypto.Month // months of the vault's keys
	CanAdvance   bool
	Missing      []string
	Clock        []line
	Lines        []line // warnings
	Directory    []string
	Version      uint64
	Expires      string
	Roots        []string
	Folders      []folder
	Signed       []folder // files that may be directories
	Words        string   // of the card that was just written
	Proposed     *proposed
	Backup       string // how old the last one is
}

// Choice is where a form of the page writes to.
func (v keysView) Choice(id string) folderChoice { return folderChoice{id, v.Folders} }

// proposed is a directory that was checked and not yet accepted.
type proposed struct {
	Lines   []change
	Phrases []string // of the roots that were named
	signed  []byte
	roots   []string
}

// change is one line about a directory. Kind says whether something differs.
type change struct{ Kind, Text string }

// maxDirectory bounds the file of a directory, in bytes, and maxFiles how many files of a folder are offered.
const (
	maxDirectory = 4 << 20
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
	v := keysView{Body: d.Body(), Holder: d.Holder(), Missing: d.Missing(), Folders: p.folders(), Signed: p.signedFiles(), Words: p.cardWords, Proposed: p.proposed}
	v.First, v.Next = d.Months()
	v.CanAdvance = v.Next > v.First
	k := d.Clock()
	v.Backup = w.Word("keys.backup.none")
	if day := p.lastBackup(); day != 0 {
		v.Backup = w.Word("keys.backup.age", int(max(k.Today(), day)-day), w.date(day))
	}
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

// directoryLines warn when a directory ends, or does not name this vault.
func (p *Pages) directoryLines(dir *crypto.Directory) (out []line) {
	w, today := p.words, p.desk.Clock().Today()
	switch n := dir.WarnDays(today.Time()); {
	case dir.Expired(today.Time()):
		out = append(out, line{kindDanger, w.Word("keys.expired")})
	case n > 0:
		out = append(out, line{kindWarn, w.Word("keys.expires", n+1)})
	}
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

// signedFiles are plain files on the sticks that may be directories, by name.
func (p *Pages) signedFiles() (list []folder) {
	for _, f := range p.folders() {
		entries, err := os.ReadDir(f.Path)
		if err != nil {
			continue
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || !e.Type().IsRegular() || info.Size() > maxDirectory || strings.HasPrefix(e.Name(), ".") || len(list) == maxFiles ||
				reviewer.IsVolumeName(e.Name()) || strings.HasSuffix(e.Name(), ".age") {
				continue
			}
			path := filepath.Join(f.Path, e.Name())
			list = append(list, folder{Path: path, Name: plain.SafeLine(path)})
		}
	}
	return list
}

// look checks a directory and shows what would change.
func (p *Pages) look(a *ask) window.Reply {
	path := a.field("file", maxLine)
	if !slices.ContainsFunc(p.signedFiles(), func(f folder) bool { return f.Path == path }) {
		p.refuse(errFolder)
		return to("/keys")
	}
	b, err := os.ReadFile(path) //nolint:gosec // one of the list that the page offered
	if err != nil {
		p.refuse(err)
		return to("/keys")
	}
	x := &proposed{signed: crypto.Carried(b)}
	for line := range strings.Lines(a.field("roots", maxLine)) {
		if key := strings.TrimSpace(string(crypto.Carried([]byte(line)))); key != "" {
			x.roots = append(x.roots, key)
		}
	}
	next, err := p.desk.CheckDirectory(x.signed, x.roots, p.desk.Clock().Today())
	if err != nil {
		p.refuse(err)
		return to("/keys")
	}
	for _, key := range x.roots {
		words, err := crypto.RootPhrase(key)
		if err != nil {
			p.refuse(err)
			return to("/keys")
		}
		x.Phrases = append(x.Phrases, strings.Join(words, " "))
	}
	kinds := map[byte]string{'+': kindInfo, '-': kindWarn, '!': kindDanger, ' ': ""}
	for _, l := range plain.DescribeDirectory(p.desk.Directory(), next) {
		x.Lines = append(x.Lines, change{kinds[l[0]], l})
	}
	p.proposed = x
	return to("/keys#proposed")
}

// accept takes the directory that was looked at.
func (p *Pages) accept(a *ask) window.Reply {
	x := p.proposed
	if x == nil {
		return to("/keys")
	}
	p.proposed = nil
	if a.field("do", maxID) != "accept" {
		return to("/keys")
	}
	if err := p.desk.AcceptDirectory(x.signed, x.roots, p.desk.Clock().Today()); err != nil {
		p.refuse(err)
		return to("/keys")
	}
	p.say("keys.accepted", p.desk.Directory().Version)
	return to("/keys")
}

// card writes the enrolment card.
func (p *Pages) card(a *ask) window.Reply {
	dir, err := p.named(a)
	if err != nil {
		p.refuse(err)
		return to("/keys")
	}
	text, words, err := p.desk.Card()
	path := filepath.Join(dir, p.desk.Holder()+".card")
	if err == nil {
		err = durable.CreateFile(path, text)
	}
	if err != nil {
		p.refuse(err)
		return to("/keys")
	}
	p.cardWords = strings.Join(words, " ")
	p.say("keys.written", plain.SafeLine(path))
	return to("/keys#card")
}

// access writes the key file for Tor Browser.
func (p *Pages) access(a *ask) window.Reply {
	dir, err := p.named(a)
	if err != nil {
		p.refuse(err)
		return to("/keys")
	}
	text, err := p.desk.AccessFile(a.field("onion", maxLine))
	path := filepath.Join(dir, "exchange"+reviewer.AccessName)
	if err == nil {
		err = durable.CreateFile(path, text)
	}
	if err != nil {
		p.refuse(err)
		return to("/keys")
	}
	p.say("keys.access", plain.SafeLine(path))
	return to("/keys")
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
		return to("/keys")
	}
	if err := p.set(settingBackup, strconv.Itoa(int(p.desk.Clock().Today()))); err != nil {
		p.refuse(err)
	}
	p.say("keys.backedup", plain.SafeLine(path))
	return to("/keys")
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
		return to("/keys")
	}
	p.say("keys.advanced", next)
	return to("/keys")
}

// passphrase asks for the vault's passphrase once more, in a process of its own: a window
// that shows words of strangers never gets it.
func (p *Pages) passphrase(why string) ([]byte, error) {
	if p.o.Passphrase == nil {
		return nil, errAsk
	}
	return p.o.Passphrase(why)
}
