package pages

import (
	"slices"

	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// wishes are what the vault wants of a day.
type wishes struct {
	day  crypto.Day
	list []reviewer.Wish
}

// wish is the quiet line over every page: the most important thing that keys, directory or
// backups want, and the page where it is done.
type wish struct {
	Kind, Path, Text string
	More             int
}

// wishList is what the vault wants today.
func (p *Pages) wishList() []reviewer.Wish {
	if today := p.desk.Clock().Today(); p.wishes == nil || p.wishes.day != today {
		p.wishes = &wishes{today, p.desk.Wishes()}
	}
	return p.wishes.list
}

// wishPages are where each thing is done.
var wishPages = map[string]struct{ page, path string }{
	reviewer.WishReplaced:      {"keys", "/keys"},
	reviewer.WishDirectoryOver: {"keys", "/keys#directory"},
	reviewer.WishMonthsOver:    {"keys", "/keys#card"},
	reviewer.WishEnrol:         {"enrol", "/enrol"},
	reviewer.WishDirectory:     {"keys", "/keys#directory"},
	reviewer.WishMonths:        {"keys", "/keys#card"},
	reviewer.WishBackup:        {"month", "/month#backup"},
	reviewer.WishOldBackup:     {"month", "/month#backup"},
	reviewer.WishAdvance:       {"month", "/month"},
	reviewer.WishDestroy:       {"month", "/month#destroy"},
}

// wish is the line for a page; nil when nothing is wanted that is not done on this very page.
func (p *Pages) wish(page string) *wish {
	list := slices.DeleteFunc(slices.Clone(p.wishList()), func(w reviewer.Wish) bool { return wishPages[w.Kind].page == page })
	if len(list) == 0 {
		return nil
	}
	w := &list[0]
	return &wish{Kind: wishKind(w), Path: wishPages[w.Kind].path, Text: p.wishText(w), More: len(list) - 1}
}

// wishKind is how loud a wish is.
func wishKind(w *reviewer.Wish) string {
	switch {
	case w.Kind == reviewer.WishReplaced, w.Kind == reviewer.WishDirectoryOver, w.Kind == reviewer.WishMonthsOver:
		return kindDanger
	case w.Kind != reviewer.WishDirectory && w.Kind != reviewer.WishMonths:
		return kindInfo
	case reviewer.Urgency(w.Days) == reviewer.WarnNow:
		return kindDanger
	case reviewer.Urgency(w.Days) == reviewer.WarnSoon:
		return kindWarn
	}
	return kindInfo
}

func (p *Pages) wishText(w *reviewer.Wish) string {
	key := "wish." + w.Kind
	switch w.Kind {
	case reviewer.WishEnrol:
		return p.words.Word(key, p.stepName(w.Step))
	case reviewer.WishAdvance:
		return p.words.Word(key, w.Month)
	case reviewer.WishDestroy:
		return p.words.Word(key, w.Count)
	}
	return p.words.Word(key, w.Days)
}

// wishLines are the wishes of some kinds as lines at the head of a page.
func (p *Pages) wishLines(kinds ...string) (out []line) {
	for _, w := range p.wishList() {
		if slices.Contains(kinds, w.Kind) {
			out = append(out, line{wishKind(&w), p.wishText(&w)})
		}
	}
	return out
}

func (p *Pages) upkeepRoutes() []route {
	return []route{
		{window.Get, "/month", p.month},
		{window.Post, "/destroyed", p.destroyed},
		{window.Get, "/check", p.checkup},
		{window.Post, "/check", p.check},
		{window.Post, "/mend", p.mend},
		{window.Post, "/passphrase", p.changePassphrase},
	}
}

// monthView leads through what is done every month: destroy keys, back up, destroy old backups.
type monthView struct {
	keyForms
	First, Next crypto.Month
	CanAdvance  bool
	Missing     []string
	Backup      string // how old the last one is
	Stale       []line
	Old         []backupLine
	AllDone     bool
}

type backupLine struct {
	Day  crypto.Day
	Name string
}

func (p *Pages) month(*ask) window.Reply {
	v := monthView{keyForms: p.keyForms("month"), Missing: p.desk.Missing(), Backup: p.lastBackup()}
	v.First, v.Next = p.desk.Months()
	v.CanAdvance = v.Next > v.First
	v.Stale = p.wishLines(reviewer.WishBackup)
	made := p.desk.Backups()
	for _, b := range made[:max(0, len(made)-1)] {
		v.Old = append(v.Old, backupLine{b.Day, plain.SafeLine(b.Name)})
	}
	v.AllDone = len(made) == 1 && p.wishLines(reviewer.WishAdvance, reviewer.WishBackup, reviewer.WishOldBackup) == nil
	return p.page("month", "keys", p.words.Word("title.month"), v)
}

// lastBackup says how old the last one is.
func (p *Pages) lastBackup() string {
	made := p.desk.Backups()
	if len(made) == 0 {
		return p.words.Word("keys.backup.none")
	}
	day := made[len(made)-1].Day
	return p.words.Word("keys.backup.age", int(max(p.desk.Clock().Today(), day)-day), p.words.date(day))
}

// destroyed notes that the older backups are no more.
func (p *Pages) destroyed(*ask) window.Reply {
	if err := p.desk.BackupsDestroyed(); err != nil {
		p.refuse(err)
	} else {
		p.say("month.destroyed")
	}
	return to("/month#destroy")
}

// changePassphrase asks for both passphrases in a process that ends.
func (p *Pages) changePassphrase(*ask) window.Reply {
	if p.o.NewPassphrase == nil {
		p.refuse(errAsk)
		return to("/keys#passphrase")
	}
	pass, err := p.o.NewPassphrase()
	if err == nil {
		err = p.desk.SetPassphrase(pass)
	}
	if err != nil {
		p.refuse(err)
	} else {
		p.say("passphrase.changed")
	}
	return to("/keys#passphrase")
}

// checkView is what reading the whole vault found.
type checkView struct {
	Done    bool
	Sound   bool
	Read    string
	Lines   []line
	Damage  []string // in English, as the vault says it
	Import  []string // batches that bring it back
	CanMend bool
}

// check reads the whole vault.
func (p *Pages) check(*ask) window.Reply {
	h, err := p.desk.Check(nil)
	if err != nil {
		p.refuse(err)
		return to("/check")
	}
	p.health = h
	return to("/check")
}

func (p *Pages) checkup(*ask) window.Reply {
	w, h := p.words, p.health
	if h == nil {
		return p.page("check", "keys", w.Word("title.check"), checkView{})
	}
	v := checkView{Done: true, Sound: h.Sound(), CanMend: !h.Sound(), Import: h.Import}
	v.Read = w.Word("check.read", h.Vault.Changes, h.Vault.Blobs, w.source.Size(h.Vault.Bytes))
	add := func(key string, values ...any) { v.Lines = append(v.Lines, line{kindWarn, w.Word(key, values...)}) }
	for _, u := range h.Unreadable {
		switch {
		case u.Case == "":
			add("check.stranger")
		case u.Missing:
			add("check.missing", u.No, u.Case)
		default:
			add("check.damaged", u.No, u.Case)
		}
	}
	for _, u := range h.Unsendable {
		add("check.unsendable", u.No, u.Case)
	}
	if n := len(h.Vault.Problems) - len(h.Unreadable); n > 0 {
		add("check.others", n)
	}
	if n := len(h.Vault.Surplus); n > 0 {
		add("check.surplus", n)
	}
	for i := range h.Lost {
		v.Damage = append(v.Damage, plain.SafeLine(h.Lost[i].Error()))
	}
	if h.Vault.Log != nil {
		v.Damage = append(v.Damage, plain.SafeLine(h.Vault.Log.Error()))
	}
	return p.page("check", "keys", w.Word("title.check"), v)
}

// mend lets go of what the last check found unreadable.
func (p *Pages) mend(*ask) window.Reply {
	h := p.health
	if h == nil || h.Sound() {
		return to("/check")
	}
	pass, err := p.passphrase(p.words.Word("ask.mend"))
	if err == nil {
		err = p.desk.Mend(pass, h)
	}
	if err != nil {
		p.refuse(err)
		return to("/check")
	}
	p.health = nil
	p.say("check.mended")
	for _, b := range h.Import {
		p.say("check.import", b)
	}
	return to("/check")
}
