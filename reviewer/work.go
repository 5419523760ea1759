package reviewer

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/casework"
)

// ownEvent is an event that was written at this desk. Events of others are in the messages that
// brought them.
type ownEvent struct {
	Signed []byte `json:"signed"`
	Sent   bool   `json:"sent,omitempty"` // it is in a message to those who may read it

	signed casework.Signed
}

// grave is what is left of an erased case, by its casework.Mark.
type grave struct {
	Day     crypto.Day `json:"day"`
	Reasons string     `json:"reasons,omitempty"` // why it was erased before its time; "": it was not
}

// author is this vault's holder.
func (desk *Desk) author() casework.Author {
	pub := desk.keys.signing().Public().(ed25519.PublicKey) //nolint:forcetypeassert // always that type
	return casework.Author{Body: desk.keys.Body, Holder: desk.keys.Holder, Key: [ed25519.PublicKeySize]byte(pub)}
}

// Settings are what the body decided for all its cases.
func (desk *Desk) Settings() casework.Settings {
	for _, text := range desk.added[kindSettings][crypto.CaseID{}] {
		if s, err := casework.DecodeSettings(text); err == nil {
			return s
		}
	}
	return casework.DefaultSettings()
}

// SetSettings keeps other settings. They are this desk's: carry them to fellow holders.
func (desk *Desk) SetSettings(s casework.Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	var c Change
	c.Put(kindSettings, nil, "", s)
	if err := desk.Commit(&c); err != nil {
		return fmt.Errorf("keeping the settings: %w", err)
	}
	desk.index = desk.newIndex(desk.state)
	return nil
}

// ErrNoCode says that a case came without a code.
var ErrNoCode = errors.New("this case came without a code, so no answer can be sealed: tell them in the way in which they came, and record that")

// Open begins a case that came by phone, on paper or in person: without a code, under a
// random id. channel is one of the options of that field of [casework.KindOpened].
func (desk *Desk) Open(channel string, received crypto.Day) (*Case, error) {
	if today := desk.Clock().Today(); received > today {
		return nil, fmt.Errorf("opening a case: %s is after today, %s: give the day on which it came", received, today)
	}
	act, err := casework.NewAct(casework.KindOpened, map[string]string{"channel": channel, "received": received.String()})
	if err != nil {
		return nil, fmt.Errorf("opening a case: %w", err)
	}
	c := &Case{Book: casework.Fold(nil)}
	_, _ = rand.Read(c.ID[:])
	c.codes = []crypto.CaseID{c.ID}
	var change Change
	if _, err := desk.act(&change, c, casework.Body, act); err != nil {
		return nil, fmt.Errorf("opening a case: %w", err)
	}
	if err := desk.Commit(&change); err != nil {
		return nil, fmt.Errorf("opening a case: %w", err)
	}
	desk.index = desk.newIndex(desk.state)
	return desk.Case(FullID(c.ID))
}

// Act writes the holder's next event of a case into the vault: signed, in the holder's chain, and
// waiting to go to those who may read it. What the case does not allow is refused
// with an error that says what to do. It returns the event's name. The case is looked at as it is
// now, whatever c says; what the event makes of it, a new view says ([Desk.Case]).
func (desk *Desk) Act(c *Case, scope casework.Scope, act casework.Act) (casework.Ref, error) {
	refs, err := desk.ActAll([]*Case{c}, scope, act)
	if err != nil {
		return "", err
	}
	return refs[0], nil
}

// ActAll does the same in several cases in one step: in all of them or in none.
func (desk *Desk) ActAll(cases []*Case, scope casework.Scope, act casework.Act) (refs []casework.Ref, err error) {
	var change Change
	for _, c := range cases {
		now, err := desk.now(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", act.Kind, err)
		}
		ref, err := desk.act(&change, now, scope, act)
		if err != nil {
			return nil, fmt.Errorf("case %s, %s: %w", c.Short, act.Kind, err)
		}
		refs = append(refs, ref)
	}
	if err := desk.Commit(&change); err != nil {
		return nil, fmt.Errorf("%s: %w", act.Kind, err)
	}
	for _, c := range cases {
		desk.index.forget(string(c.ID[:]))
	}
	return refs, nil
}

// now is a case as it is now, whatever was done since c was looked at.
func (desk *Desk) now(c *Case) (*Case, error) {
	first := string(c.ID[:])
	if desk.index.cases[first] == nil {
		return nil, fmt.Errorf("%w: it is not here any more", ErrNoCase)
	}
	return desk.view(desk.index, first), nil
}

// act puts one event into a change.
func (desk *Desk) act(change *Change, c *Case, scope casework.Scope, act casework.Act) (casework.Ref, error) {
	e, err := c.Book.Write(desk.author(), c.ID, desk.Clock().Today(), scope, act)
	if err != nil {
		return "", err
	}
	if err := desk.allows(c, &e); err != nil {
		return "", err
	}
	s, err := e.Sign(desk.keys.signing())
	if err != nil {
		return "", err
	}
	b, err := s.Encode()
	if err != nil {
		return "", err
	}
	h := s.Hash()
	change.Put(kindEvent, c, string(h[:]), ownEvent{Signed: b})
	return h.Ref(), nil
}

// events are the events of a case that were written here, by their records' ids.
func (desk *Desk) events(c *Case) map[string]ownEvent {
	out := make(map[string]ownEvent)
	for _, code := range c.codes {
		for id, text := range desk.added[kindEvent][code] {
			var o ownEvent
			if err := json.Unmarshal(text, &o); err != nil {
				continue
			}
			if s, err := casework.DecodeKept(o.Signed); err == nil {
				o.signed = s
				out[id] = o
			}
		}
	}
	return out
}

// allows looks at what only a desk knows.
func (desk *Desk) allows(c *Case, e *casework.Event) error {
	switch e.Kind {
	case casework.KindRetain:
		s := desk.Settings()
		if _, ok := s.Class(e.Get("class")); !ok {
			ids := make([]string, len(s.Classes))
			for i, x := range s.Classes {
				ids[i] = x.ID
			}
			return &casework.FieldError{Kind: e.Kind, Field: "class", Why: fmt.Errorf("the settings have no such class of retention: use one of %q, or add it there", ids)}
		}
	case casework.KindAssign, casework.KindRecuse:
		if h := e.Get("holder"); h != "" && h != desk.keys.Holder && !slices.Contains(desk.Fellows(), h) {
			all := append([]string{desk.keys.Holder}, desk.Fellows()...)
			return &casework.FieldError{Kind: e.Kind, Field: "holder", Why: fmt.Errorf("no such holder of your body in the directory: %q", all)}
		}
	case casework.KindTold:
		if c.Local == nil && e.Get("what") == casework.ToldAcknowledged && c.Facts.Acknowledged != 0 {
			return fmt.Errorf("%w: your answer of %s did that", casework.ErrAlready, c.Facts.Acknowledged)
		}
	}
	return nil
}

// Fellows are the other active holders of the body, by the directory in force.
func (desk *Desk) Fellows() (ids []string) {
	if desk.dirs == nil {
		return nil
	}
	b, ok := desk.dirs.Body(desk.keys.Body)
	if !ok {
		return nil
	}
	for _, h := range b.Holders {
		if h.Status == crypto.StatusActive && h.ID != desk.keys.Holder {
			ids = append(ids, h.ID)
		}
	}
	return ids
}

// InBook says whether a message's events are in the case's book, and so need not be shown as a message.
func (desk *Desk) InBook(c *Case, m *Message) bool {
	e := c.entries[m.at]
	return len(desk.eventsIn(e, c.codes)) > 0
}

// eventsIn are the events of a message of another reader that count: signed by the message's own
// signer, under the names by which the directory knows them, about this case, and for nobody else than is
// told. A key that was withdrawn tells nothing.
func (desk *Desk) eventsIn(e *entry, codes []crypto.CaseID) []casework.Signed {
	if e.Kind != crypto.KindEvent {
		return nil
	}
	list, err := casework.DecodeKeptPack(e.Events)
	if err != nil {
		return nil
	}
	b, h, standing := desk.signer(e)
	if standing != crypto.SignerGood || b == nil || h == nil {
		return nil
	}
	by := casework.Author{Body: b.ID, Holder: h.ID, Key: [ed25519.PublicKeySize]byte(h.Signing)}
	return slices.DeleteFunc(list, func(s casework.Signed) bool {
		return s.Author != by || !slices.Contains(codes, s.Case) ||
			s.Scope != casework.All && (s.Scope != casework.Body || b.ID != desk.keys.Body)
	})
}

// work fills in what a case's book, and its messages, come to with this body.
func (desk *Desk) work(c *Case, s *casework.Settings) {
	var list, unsent []casework.Signed
	for _, o := range desk.events(c) {
		list = append(list, o.signed)
		if !o.Sent && o.signed.Scope != casework.Desk {
			unsent = append(unsent, o.signed)
		}
	}
	if len(unsent) > 0 {
		toAll, toBody := desk.alone(c.Readers)
		for i := range unsent {
			if unsent[i].Scope == casework.All && !toAll || unsent[i].Scope == casework.Body && !toBody {
				c.Unsent++
			}
		}
	}
	for _, e := range c.entries {
		list = append(list, desk.eventsIn(e, c.codes)...)
	}
	c.Book = casework.Fold(list)
	c.Work = c.Book.State(desk.keys.Body)
	if c.Local = c.Work.Opened; c.Local != nil && c.First == 0 {
		c.First, c.Last = c.Local.Received, max(c.Last, c.Local.Received)
	}
	c.Facts = desk.facts(c)
	c.Raised = make(map[string][]casework.Ref)
	for flag, refs := range c.flags() {
		if up := c.Work.Raised(flag, refs); len(up) > 0 {
			c.Raised[flag] = up
		}
	}
	c.Dues = s.Dues(c.ID, c.Facts, c.Work)
	if len(desk.added[kindGrave]) == 0 {
		return
	}
	for _, id := range c.codes {
		mark := casework.Mark(desk.keys.Tombs, id)
		var g grave
		if text, ok := desk.added[kindGrave][crypto.CaseID{}][string(mark[:])]; ok && json.Unmarshal(text, &g) == nil {
			c.Erased = max(c.Erased, g.Day)
		}
	}
}

// facts are what the clocks go by.
func (desk *Desk) facts(c *Case) (f casework.Facts) {
	f.Received = c.First
	earlier := func(d *crypto.Day, day crypto.Day) {
		if *d == 0 || day < *d {
			*d = day
		}
	}
	for i := range c.Messages {
		m := &c.Messages[i]
		switch {
		case m.Source:
			f.Wrote = max(f.Wrote, m.Day)
			if m.Mark != MarkAgain && c.entries[m.at].alarms() {
				f.Alarmed = max(f.Alarmed, m.Day)
			}
		case m.Kind == crypto.KindReply && m.State != stateWaiting && (m.Own || m.Body == desk.keys.Body && m.Standing == crypto.SignerGood):
			earlier(&f.Acknowledged, m.Day)
			if n := c.entries[m.at].Aside.Notice; n != nil && tellsWhatIsDone(n.Stage) {
				earlier(&f.Feedback, m.Day)
			}
		}
	}
	if p := c.Now.Promise; p != nil && p.Body == desk.keys.Body && !c.Now.Kept {
		f.Promised = crypto.Day(p.Until)
	}
	return f
}

// alarms says whether a message tells of danger or retaliation.
func (e *entry) alarms() bool {
	return e.endangers() || slices.Contains(e.Aside.Since, form.SinceRetaliation)
}

func (e *entry) endangers() bool {
	return slices.Contains(e.Aside.Since, form.SinceDanger) || slices.Contains(e.Aside.Urgency, "danger")
}

// tellsWhatIsDone says whether a stage told to the source is feedback (Directive (EU) 2019/1937,
// art. 5.13: the action envisaged or taken), and not only that the report is here.
func tellsWhatIsDone(stage string) bool {
	return stage != "" && stage != casework.StageReceived && stage != casework.StageAcknowledged
}

// flags are the messages that raise each flag: the newest words of a source are in none of
// them twice, for what was sent again raises nothing.
func (c *Case) flags() map[string][]casework.Ref {
	up := make(map[string][]casework.Ref)
	for i := range c.Messages {
		m := &c.Messages[i]
		e := c.entries[m.at]
		if !m.Source || m.Mark == MarkAgain {
			continue
		}
		raise := func(flag string, yes bool) {
			if yes {
				up[flag] = append(up[flag], m.Ref())
			}
		}
		raise(casework.FlagDanger, e.endangers())
		raise(casework.FlagRetaliation, slices.Contains(e.Aside.Since, form.SinceRetaliation))
		raise(casework.FlagWithdrawal, slices.Contains(e.Aside.Wish, form.WishWithdraw) && m.Late == "")
		raise(casework.FlagChangedCode, m.Late != "" && m.Kind != crypto.KindChange)
		raise(casework.FlagUrgent, len(e.Aside.Urgency) > 0)
	}
	return up
}

// Ref is the message's name in events: of its bytes, so the same at every desk.
func (m *Message) Ref() casework.Ref { return m.ref }

// Deal makes the act that says that a flag was dealt with in all messages that raise it now.
func (c *Case) Deal(flag, how string) (casework.Act, error) {
	up := c.Raised[flag]
	if len(up) == 0 {
		return casework.Act{}, fmt.Errorf("%w: this flag is not up in case %s", casework.ErrAlready, c.Short)
	}
	up = slices.Clone(up)
	slices.Sort(up)
	text := ""
	for _, r := range slices.Compact(up) {
		if text != "" {
			text += " "
		}
		text += string(r)
	}
	return casework.NewAct(casework.KindDealt, map[string]string{"flag": flag, "messages": text, "reasons": how})
}

// Dues are what all cases want, the earliest first, and when the body is to review its procedure.
func (desk *Desk) Dues() (list []casework.Due) {
	for _, c := range desk.Cases() {
		list = append(list, c.Dues...)
	}
	s := desk.Settings()
	if p, ok := s.Procedure(); ok {
		list = append(list, p)
	}
	casework.SortDues(list)
	return list
}

// Calendar is a calendar file of the days on which something is due, and of nothing else. The key of its entries
// is the vault's.
func (desk *Desk) Calendar(summary string) []byte {
	h := hmac.New(sha256.New, desk.keys.Tombs)
	h.Write([]byte("calendar"))
	return casework.Calendar(desk.Dues(), desk.Clock().Today(), h.Sum(nil), summary)
}

// opens says whether a holder of this body opened a case without a code.
func (desk *Desk) opens(x *index, id string) bool {
	codes := []crypto.CaseID{crypto.CaseID([]byte(id))}
	for _, o := range desk.events(&Case{codes: codes}) {
		if o.signed.Kind == casework.KindOpened {
			return true
		}
	}
	for _, e := range x.codes[id] {
		if !desk.fellowEvent(e) {
			continue
		}
		for _, s := range desk.eventsIn(e, codes) {
			if s.Kind == casework.KindOpened {
				return true
			}
		}
	}
	return false
}
