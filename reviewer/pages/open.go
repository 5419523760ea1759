package pages

import (
	"postern/crypto"
	"postern/reviewer/casework"
	"postern/reviewer/window"
)

// openView is the page on which a case without a code is opened.
type openView struct {
	Channels []choice
	Received string
	Text     string
	Today    *todayView
}

func (p *Pages) openRoutes() []route {
	return []route{
		{window.Get, "/new", p.newCase},
		{window.Post, "/new", p.openCase},
	}
}

func (p *Pages) newCase(a *ask) window.Reply {
	t := p.typed["/new"].values
	v := openView{Received: t["received"], Text: t["text"], Today: p.today(a)}
	if v.Received == "" {
		v.Received = p.desk.Clock().Today().String()
	}
	k, _ := casework.KindOf(casework.KindOpened)
	for _, o := range k.Rule("channel").Options {
		v.Channels = append(v.Channels, choice{o.ID, p.option(k.ID, "channel", o.ID), o.ID == t["channel"]})
	}
	return p.page("open", "cases", p.words.Word("title.open"), v)
}

// openCase opens a case that came by phone, on paper or in person; what was said becomes its first note.
func (p *Pages) openCase(a *ask) window.Reply {
	t := map[string]string{"channel": a.field("channel", maxID), "received": a.field("received", maxID), "text": a.field("text", maxForm)}
	refuse := func(err error) window.Reply {
		p.keepTyped("/new", t, err)
		return to("/new")
	}
	if err := p.sureOfDay(); err != nil {
		return refuse(err)
	}
	var note casework.Act
	if t["text"] != "" {
		var err error
		if note, err = casework.NewAct(casework.KindNote, map[string]string{"text": t["text"]}); err != nil {
			return refuse(err) // before there is a case
		}
	}
	day, err := casework.ParseDay(t["received"])
	if err != nil {
		return refuse(errDay)
	}
	if today := p.desk.Clock().Today(); day > today {
		return refuse(errFuture)
	}
	return p.opened(t["channel"], day, note, refuse)
}

func (p *Pages) opened(channel string, day crypto.Day, note casework.Act, refuse func(error) window.Reply) window.Reply {
	c, err := p.desk.Open(channel, day)
	if err != nil {
		return refuse(err)
	}
	delete(p.typed, "/new")
	p.say("open.done", c.Short)
	if note.Kind != "" {
		if _, err := p.desk.Act(c, casework.Body, note); err != nil {
			path := casePath(c, "/act/"+casework.KindNote)
			p.keepTyped(path, map[string]string{"text": note.Get("text")}, err)
			return to(path)
		}
	}
	return to(casePath(c, ""))
}
