package pages

import (
	"encoding/hex"
	"path/filepath"
	"slices"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/dossier"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// referring is a referral that is being chosen. It is kept as long as the window is open.
type referring struct {
	To    string
	Words string // for the source
	masking
}

func (p *Pages) referRoutes() []route {
	return []route{
		{window.Get, "/case/{case}/refer", p.refer},
		{window.Post, "/case/{case}/refer", p.chooseParts},
		{window.Post, "/case/{case}/refer/ask", p.askSource},
		{window.Get, "/case/{case}/refer/look", p.lookParts},
		{window.Post, "/case/{case}/refer/write", p.writeParts},
		{window.Get, "/referred", p.referred},
		{window.Post, "/referred/take", p.takeReferred},
		{window.Post, "/referred/receipt", p.writeReceipt},
		{window.Post, "/referred/erase", p.eraseReferred},
	}
}

// referView is the page on which is chosen what another body gets to see.
type referView struct {
	Path, Short string
	Lines       []line
	Said        []line // what the source said about bodies
	Bodies      []choice
	Asks        []choice // bodies that the source can be asked about
	Unable      string   // why it cannot be asked
	Masks       masksView
	Words       string
	Done        []string // earlier referrals
}

func (p *Pages) refer(a *ask) window.Reply {
	c := a.c
	today := p.desk.Clock().Today()
	m := p.referrals[c.ID]
	v := referView{Path: casePath(c, ""), Short: c.Short, Words: m.Words}
	v.Lines, _ = p.situation(c)
	for _, x := range c.Now.Consents {
		v.Said = append(v.Said, p.consent(x))
	}
	for _, x := range c.Now.Asked {
		v.Said = append(v.Said, line{kindInfo, p.words.Word("case.asked", p.body(x.Ask), p.body(x.Body), p.words.date(x.Day))})
	}
	for _, r := range p.desk.CanReferTo(c, today) {
		v.Bodies = append(v.Bodies, choice{r.ID, p.reader(r), r.ID == m.To})
	}
	if plan, err := p.desk.PlanReply(c, today); err == nil {
		for _, r := range p.desk.Askable(plan) {
			v.Asks = append(v.Asks, choice{ID: r.ID, Label: p.reader(r)})
		}
	} else {
		v.Unable, _ = p.words.refusal(err)
	}
	for _, x := range p.desk.ReferredTo(c) {
		v.Done = append(v.Done, p.referredTo(x))
	}
	if len(v.Bodies) > 0 {
		v.Masks = p.masksView(c, func(x *reviewer.Message) bool { return x.CanRefer() == nil && x.Mark != reviewer.MarkAgain }, m.masking, "refer.", referMessages, referFiles)
	}
	return p.page("refer", "cases", p.words.Word("title.refer", c.Short), v)
}

// What can be chosen for a message and a file of a referral.
var (
	referMessages = []string{"", maskShow, maskWhole}
	referFiles    = []string{"", maskInclude}
)

// referredTo says in words to whom a case was referred.
func (p *Pages) referredTo(x reviewer.ReferredTo) string {
	w := p.words
	s := w.Word("referred.to", p.reader(x.To), w.date(x.Day))
	if x.Received != 0 {
		return s + " " + w.Word("referred.received", plain.SafeLine(x.By), w.date(x.Received))
	}
	return s + " " + w.Word("referred.noreceipt")
}

// askSource begins an answer that asks the source about a body.
func (p *Pages) askSource(a *ask) window.Reply {
	c, d := a.c, p.draft(a.c)
	d.Ask = a.field("ask", maxID)
	if err := p.keepDraft(c, d); err != nil {
		p.refuse(err)
		return to(casePath(c, "/refer"))
	}
	return to(casePath(c, "/answer"))
}

// chooseParts keeps what was chosen, and shows what would go.
func (p *Pages) chooseParts(a *ask) window.Reply {
	m := referring{To: a.field("to", maxID), Words: a.field("words", maxTyped), masking: maskingOf(a)}
	if p.referrals == nil {
		p.referrals = make(map[crypto.CaseID]referring)
	}
	p.referrals[a.c.ID] = m
	if _, err := p.planReferral(a.c, m); err != nil {
		p.refuse(err)
		return to(casePath(a.c, "/refer"))
	}
	return to(casePath(a.c, "/refer/look"))
}

func (p *Pages) planReferral(c *reviewer.Case, m referring) (*reviewer.Referral, error) {
	if len(form.Clean(m.Words)) > crypto.MaxText {
		return nil, errTooLong
	}
	shown := func(no int) bool { return m.Messages[no] != "" }
	masks, err := m.masks(c, shown)
	if err != nil {
		return nil, err
	}
	s := reviewer.Selection{Masks: masks}
	for no := range m.Messages {
		s.Messages = append(s.Messages, no)
	}
	slices.Sort(s.Messages)
	return p.desk.PlanReferral(c, m.To, s, p.desk.Clock().Today())
}

// partsView is what another body will read, or has got.
type partsView struct {
	Path, Short string
	To          string
	Lines       []line
	Parts       []letterView
	Untold      string // why the source cannot be told
	Words       []paragraph
	Folders     []folder
	Clock       string
}

// Choice is where the file is written.
func (v partsView) Choice() folderChoice { return folderChoice{"where", v.Folders} }

func (p *Pages) lookParts(a *ask) window.Reply {
	c, m := a.c, p.referrals[a.c.ID]
	r, err := p.planReferral(c, m)
	if err != nil {
		p.refuse(err)
		return to(casePath(c, "/refer"))
	}
	v := partsView{Path: casePath(c, ""), Short: c.Short, To: p.reader(r.To), Parts: p.parts(r.Parts), Folders: p.folders(), Clock: p.clockAsked(), Words: paragraphs(form.Clean(m.Words))}
	v.Lines = append(v.Lines, p.consent(r.Consent))
	if d := c.Now.Withdrawn; d != 0 {
		v.Lines = append(v.Lines, line{kindDanger, p.words.Word("refer.withdrawn", p.words.date(d))})
	}
	if _, err := p.desk.PlanReply(c, p.desk.Clock().Today()); err != nil {
		v.Untold, _ = p.words.refusal(err)
	}
	return p.page("parts-look", "cases", p.words.Word("title.refer", c.Short), v)
}

// writeParts writes the referral as it was shown, and the answer that tells the source.
func (p *Pages) writeParts(a *ask) window.Reply {
	c, m := a.c, p.referrals[a.c.ID]
	r, err := p.planReferral(c, m)
	if err != nil {
		p.refuse(err)
		return to(casePath(c, "/refer"))
	}
	dir, err := p.named(a)
	if err == nil {
		err = p.clockYes(a)
	}
	path := filepath.Join(dir, reviewer.NewDeskFileName())
	if err == nil {
		err = p.desk.Refer(r, path)
	}
	if err != nil {
		p.refuse(err)
		return to(casePath(c, "/refer/look"))
	}
	delete(p.referrals, c.ID)
	p.say("refer.done", p.reader(r.To), plain.SafeLine(path))
	if plan, err := p.desk.PlanReply(c, p.desk.Clock().Today()); err == nil {
		if _, err := p.desk.TellReferred(plan, form.Clean(m.Words)); err != nil {
			p.refuse(err)
		} else {
			p.say("refer.told")
		}
	}
	return to(casePath(c, ""))
}

// parts are messages as a referral shows them.
func (p *Pages) parts(list []reviewer.Part) (out []letterView) {
	for i := range list {
		x := &list[i]
		v := letterView{No: x.No, Day: x.Day, Kind: p.words.Word("kind." + reviewer.KindName(x.Kind)), From: p.words.Word("from.source"), Class: "source", Words: paragraphs(x.Words), Groups: p.answers(x.Told)}
		if x.From != "" {
			v.From, v.Class = p.words.Word("part.from", p.body(x.From)), "other"
		}
		if x.Masked {
			v.Notes = append(v.Notes, line{kindInfo, p.words.Word("part.masked")})
		}
		for _, f := range x.Files {
			v.Files = append(v.Files, fileView{f.No, plain.SafeLine(f.Name), plain.SafeLine(f.MediaType), f.Size, hex.EncodeToString(f.SHA256[:]), x.No})
		}
		out = append(out, v)
	}
	return out
}

// referredRow is a case that another body referred to this one, in the list.
type referredRow struct {
	Path, Short, From string
	Taken             crypto.Day
	Messages, Files   int
	Masked            bool
	Joined            *link // the source's own case here
}

func referredPath(r *reviewer.Referred, rest string) string {
	return "/referred" + rest + "?of=" + r.ID()
}

// referredRows are all of them, the newest first.
func (p *Pages) referredRows() (rows []referredRow) {
	for _, r := range p.desk.Referrals() {
		x := referredRow{Path: referredPath(&r, ""), Short: r.Short, From: p.body(r.Body), Taken: r.Taken, Messages: r.Messages, Files: r.Files, Masked: r.Masked, Joined: p.joined(&r)}
		rows = append(rows, x)
	}
	return rows
}

// joined leads to the source's own case, where it has chosen this body since.
func (p *Pages) joined(r *reviewer.Referred) *link {
	if r.Joined == "" {
		return nil
	}
	c, err := p.desk.Case(r.Joined)
	if err != nil {
		return nil
	}
	return &link{casePath(c, ""), c.Short}
}

// referredView is a case that another body referred to this one.
type referredView struct {
	ID, Short string
	Lines     []line
	Joined    *link
	Parts     []letterView
	Lost      bool
	Files     []fileView
	Folders   []folder
	Clock     string
}

// Choice is where a form of the page writes to.
func (v referredView) Choice(id string) folderChoice { return folderChoice{id, v.Folders} }

func (p *Pages) referred(a *ask) window.Reply {
	r, err := p.desk.Referral(a.Query.Get("of"))
	if err != nil {
		return p.problem(statusMissing, "case", err)
	}
	w := p.words
	v := referredView{ID: r.ID(), Short: r.Short, Joined: p.joined(r), Folders: p.folders(), Clock: p.clockAsked()}
	say := func(kind, key string, values ...any) { v.Lines = append(v.Lines, line{kind, w.Word(key, values...)}) }
	say(kindInfo, "referral.from", p.body(r.Body), plain.SafeLine(r.Holder), w.date(r.Day), w.date(r.Taken))
	say(kindInfo, "referral.agreed", w.date(r.Agreed))
	if r.Standing == crypto.SignerWithdrawn {
		say(kindDanger, "referral.withdrawn")
	}
	if r.Masked {
		say(kindInfo, "referral.masked")
	}
	if v.Joined == nil {
		say(kindInfo, "referral.noanswer")
	}
	list, err := p.desk.ReadReferral(r)
	v.Lost = err != nil
	v.Parts = p.parts(list)
	for i := range v.Parts {
		v.Files = append(v.Files, v.Parts[i].Files...)
	}
	return p.page("referred", "cases", w.Word("title.referred", r.Short), v)
}

// ofReferral does something with the referral that a form names, and goes back to it.
func (p *Pages) ofReferral(a *ask, do func(*reviewer.Referred) error) window.Reply {
	r, err := p.desk.Referral(a.field("of", maxID))
	if err != nil {
		return p.problem(statusMissing, "case", err)
	}
	if err := do(r); err != nil {
		p.refuse(err)
	} else if _, err := p.desk.Referral(r.ID()); err != nil {
		return to("/")
	}
	return to(referredPath(r, ""))
}

// takeReferred writes one file of a referral in clear.
func (p *Pages) takeReferred(a *ask) window.Reply {
	return p.ofReferral(a, func(r *reviewer.Referred) error {
		dir, err := p.named(a)
		var x *dossier.Written
		if err == nil {
			x, err = p.desk.ExtractReferred(r, number(a.field("file", maxID)), dir)
		}
		if err == nil {
			p.say("file.written", 1, plain.SafeLine(filepath.Dir(x.Path)))
		}
		return err
	})
}

// writeReceipt writes a receipt for the body that referred the case.
func (p *Pages) writeReceipt(a *ask) window.Reply {
	return p.ofReferral(a, func(r *reviewer.Referred) error {
		dir, err := p.named(a)
		if err == nil {
			err = p.clockYes(a)
		}
		path := filepath.Join(dir, reviewer.NewDeskFileName())
		if err == nil {
			err = p.desk.Receipt(r, path, p.desk.Clock().Today())
		}
		if err == nil {
			p.say("referral.receipted", p.body(r.Body), plain.SafeLine(path))
		}
		return err
	})
}

// eraseReferred forgets a referral; the passphrase is asked for once more.
func (p *Pages) eraseReferred(a *ask) window.Reply {
	return p.ofReferral(a, func(r *reviewer.Referred) error {
		pass, err := p.passphrase(p.words.Word("ask.referral", r.Short))
		if err == nil {
			err = p.desk.EraseReferral(r, pass)
		}
		if err == nil {
			p.say("referral.erased", r.Short)
		}
		return err
	})
}
