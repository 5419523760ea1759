package pages

import (
	"slices"
	"strings"

	"postern/reviewer"
	"postern/reviewer/casework"
	"postern/reviewer/window"
)

// shortcut is a letter that a page knows, and where it leads. Everywhere a letter
// is also the access key of a link.
type shortcut struct{ Key, Text, to string }

// shortcuts of every page, and of pages of a case.
func (p *Pages) shortcuts(c *reviewer.Case) (list []shortcut) {
	add := func(key, word, to string) { list = append(list, shortcut{key, p.words.Word(word), to}) }
	add("c", "key.cases", "/")
	if c != nil {
		add("a", "key.answer", casePath(c, "/answer"))
		add("m", "key.note", casePath(c, "/act/"+casework.KindNote))
		add("s", "key.stage", casePath(c, "/act/"+casework.KindStage))
		add("l", "key.label", casePath(c, "/act/"+casework.KindLabel))
		add("g", "key.assign", casePath(c, "/act/"+casework.KindAssign))
		add("f", "key.files", casePath(c, "#files"))
		add("r", "key.refer", casePath(c, "/refer"))
		add("e", "key.dossier", casePath(c, "/dossier"))
	}
	add("/", "key.search", "/search")
	add("n", "key.next", "/next")
	add("d", "key.due", "/due")
	add("w", "key.open", "/new")
	add("i", "key.import", "/import")
	add("x", "key.export", "/export")
	add("t", "key.takeover", "/takeover")
	add("o", "key.handover", "/handover")
	add("u", "key.figures", "/figures")
	add("k", "key.keys", "/keys")
	add("?", "key.help", "/help")
	return list
}

// key answers a letter that no field took: it leads to another page, and never does anything.
func (p *Pages) key(a *ask) window.Reply {
	if p.desk == nil {
		return window.Reply{Status: statusNothing}
	}
	var c *reviewer.Case
	if rest, ok := strings.CutPrefix(a.Path, "/case/"); ok {
		id, _, _ := strings.Cut(rest, "/")
		c, _ = p.desk.Case(id) // no case: the letters of every page are left
	}
	list := p.shortcuts(c)
	if i := slices.IndexFunc(list, func(s shortcut) bool { return s.Key == strings.ToLower(a.Key) }); i >= 0 {
		return to(list[i].to)
	}
	return window.Reply{Status: statusNothing}
}

type helpView struct {
	Everywhere, Case []shortcut
	Languages        []choice
}

func (p *Pages) helpRoutes() []route {
	return []route{
		{window.Get, "/help", p.help},
		{window.Post, "/language", p.setLanguage},
	}
}

func (p *Pages) help(*ask) window.Reply {
	v := helpView{Everywhere: p.shortcuts(nil)}
	v.Case = []shortcut{
		{Key: "a", Text: p.words.Word("key.answer")}, {Key: "m", Text: p.words.Word("key.note")}, {Key: "s", Text: p.words.Word("key.stage")},
		{Key: "l", Text: p.words.Word("key.label")}, {Key: "g", Text: p.words.Word("key.assign")}, {Key: "f", Text: p.words.Word("key.files")}, {Key: "r", Text: p.words.Word("key.refer")},
		{Key: "e", Text: p.words.Word("key.dossier")},
		{Key: "Alt+p", Text: p.words.Word("key.preview")}, {Key: "Alt+s", Text: p.words.Word("key.seal")}, {Key: "Alt+t", Text: p.words.Word("key.template")},
	}
	v.Everywhere = append(v.Everywhere, shortcut{Key: "Ctrl+P", Text: p.words.Word("key.print")})
	v.Languages = p.languages()
	return p.page("help", "help", p.words.Word("title.help"), v)
}
