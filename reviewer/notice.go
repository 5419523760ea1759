package reviewer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer/casework"
	"postern/reviewer/plain"
)

// Published is what a reply told the source besides words.
type Published struct {
	form.Notice
	Body string     // whose holder signed it
	Day  crypto.Day // of the reply
}

// Consent is the source's signed answer to "may your case be shown to this body?".
type Consent struct {
	Body  string     `json:"body"`
	Since uint64     `json:"since"` // what the body was, see [crypto.Reader]
	Yes   bool       `json:"yes"`
	Day   crypto.Day `json:"day"` // of the answer, as the source signed it
}

func (c Consent) about() crypto.Reader { return crypto.Reader{ID: c.Body, Since: c.Since} }

// Situation is what a case's messages have said besides words, up to the newest.
type Situation struct {
	Stage    *Published  // newest stage that was published to the source; nil: none
	Promise  *Published  // newest day until which the source was promised to hear more; nil: none
	Kept     bool        // the promising body has answered on a later day
	Asked    []Published // questions about consent that the source has not answered
	Consents []Consent   // the newest answer about each body

	// The newest day on which the source said so; 0: never.
	Retaliation crypto.Day // against the source or others since the report
	Danger      crypto.Day // new danger to somebody since the report
	Withdrawn   crypto.Day // the source withdraws the report

	Urgent  crypto.Day // newest message that is marked as urgent; 0: none
	Urgency []string   // why, in all messages: options of form.QUrgency
	Topics  []string   // options of form.QTopics, in all messages
	Uses    []string   // what may be done with the report: options of form.QConsent, in the newest message that answers it
}

// aside is what an entry keeps of these, so that a list of cases needs no message opened.
type aside struct {
	Notice   *form.Notice `json:"notice,omitempty"`
	Consents []Consent    `json:"consents,omitempty"`
	Since    []string     `json:"since,omitempty"` // options of form.QSince
	Wish     []string     `json:"wish,omitempty"`  // of form.QWish
	Urgency  []string     `json:"urgency,omitempty"`
	Topics   []string     `json:"topics,omitempty"`
	Consent  []string     `json:"consent,omitempty"` // of form.QConsent
}

func newAside(r *crypto.Read) (a aside) {
	if n, err := form.DecodeNotice(r.Notice); err == nil {
		a.Notice = &n
	}
	a.Consents = consentsOf(r)
	// Each answer alone: one that this desk does not know must not hide these.
	for _, frame := range r.Answers {
		x, err := form.DecodeAnswers([][]byte{frame})
		if err != nil {
			continue
		}
		a.Since = append(a.Since, x.Get(form.QSince)...)
		a.Wish = append(a.Wish, x.Get(form.QWish)...)
		a.Urgency = append(a.Urgency, x.Get(form.QUrgency)...)
		a.Topics = append(a.Topics, x.Get(form.QTopics)...)
		a.Consent = append(a.Consent, x.Get(form.QConsent)...)
	}
	return a
}

func consentsOf(r *crypto.Read) (list []Consent) {
	for _, c := range r.Consents {
		list = append(list, Consent{c.Body, c.Since, c.Yes, c.Day})
	}
	return list
}

// situation goes through the messages in reading order. Replies count once they were
// exported: what still waits in the vault is not published.
func situation(messages []Message, entries []*entry) (s Situation) {
	for i := range messages {
		m, e := &messages[i], entries[messages[i].at]
		switch {
		case m.Source:
			if m.Mark != MarkAgain {
				s.hear(e, m.Late != "")
			}
		case m.Kind == crypto.KindReply && m.State != stateWaiting && (m.Own || m.Standing == crypto.SignerGood):
			if s.Promise != nil && s.Promise.Body == m.Body && s.Promise.Day < m.Day {
				s.Kept = true
			}
			if e.Aside.Notice != nil {
				s.publish(Published{*e.Aside.Notice, m.Body, m.Day})
			}
		}
	}
	s.Consents = consents(messages, entries)
	answered := make(map[string]crypto.Day) // newest day of any answer, by the body's id
	for i := range messages {
		for _, c := range heard(&messages[i], entries[messages[i].at]) {
			answered[c.Body] = max(answered[c.Body], entries[messages[i].at].Day)
		}
	}
	s.Asked = slices.DeleteFunc(s.Asked, func(p Published) bool { return p.Day <= answered[p.Ask] })
	return s
}

// heard are the consents of a message of the source that count. A yes does not in
// a repeat, since a no that was sent in between may take it back, and a page that a
// browser loads once more must not give one; nor in what was written with a code that the
// source had given up, or cannot be told from it, and is perhaps somebody else's
// (SECURITY.md S-21).
func heard(m *Message, e *entry) (out []Consent) {
	for _, c := range e.Aside.Consents {
		if !c.Yes || m.Mark != MarkAgain && m.Late == "" {
			out = append(out, c)
		}
	}
	return out
}

// consents are the newest answers about each body, by its id and since. The newest day
// decides, and on one day the source's counter within each life of the mailbox. Where two
// lives answer on that day, in either order, a no stands.
func consents(messages []Message, entries []*entry) []Consent {
	type answer struct {
		Consent
		e *entry
	}
	newest := make(map[crypto.Reader]map[string]answer) // by life
	for i := range messages {
		e := entries[messages[i].at]
		for _, c := range heard(&messages[i], e) {
			lives := newest[c.about()]
			if lives == nil {
				lives = make(map[string]answer)
				newest[c.about()] = lives
			}
			if a, ok := lives[string(e.Life)]; !ok || a.e.before(e) {
				lives[string(e.Life)] = answer{c, e}
			}
		}
	}
	var out []Consent
	for _, lives := range newest {
		var best *answer
		for _, a := range lives {
			switch {
			case best == nil, best.e.Day < a.e.Day, best.e.Day == a.e.Day && best.Yes && !a.Yes:
				best = &a
			}
		}
		out = append(out, best.Consent)
	}
	slices.SortFunc(out, func(a, b Consent) int { return cmp.Or(cmp.Compare(a.Body, b.Body), cmp.Compare(a.Since, b.Since)) })
	return out
}

// hear takes what else one message of the source says. late: it is perhaps
// somebody else's, who must not withdraw (SECURITY.md S-21).
func (s *Situation) hear(e *entry, late bool) {
	if len(e.Aside.Urgency) > 0 {
		s.Urgent = e.Day
	}
	s.Urgency, s.Topics = join(s.Urgency, e.Aside.Urgency), join(s.Topics, e.Aside.Topics)
	if len(e.Aside.Consent) > 0 && !late {
		s.Uses = e.Aside.Consent
	}
	if slices.Contains(e.Aside.Since, form.SinceRetaliation) {
		s.Retaliation = e.Day
	}
	if slices.Contains(e.Aside.Since, form.SinceDanger) {
		s.Danger = e.Day
	}
	if slices.Contains(e.Aside.Wish, form.WishWithdraw) && !late {
		s.Withdrawn = e.Day
	}
}

// join is a list without repeats.
func join(list, more []string) []string {
	for _, x := range more {
		if !slices.Contains(list, x) {
			list = append(slices.Clip(list), x)
		}
	}
	return list
}

func (s *Situation) publish(p Published) {
	if p.Stage != "" {
		s.Stage = &p
	}
	if p.Until != 0 {
		s.Promise, s.Kept = &p, false
	}
	if p.Ask != "" {
		s.Asked = append(slices.DeleteFunc(s.Asked, func(q Published) bool { return q.Ask == p.Ask }), p)
	}
}

// Overdue says that the day until which the source was promised to hear more
// has passed, and the body has said nothing since.
func (s *Situation) Overdue(today crypto.Day) bool {
	return s.Promise != nil && !s.Kept && crypto.Day(s.Promise.Until) < today
}

// CheckNotice says what is wrong with telling the source this: nil when nothing is.
func (desk *Desk) CheckNotice(p *Plan, n *form.Notice) error {
	if n == nil {
		return nil
	}
	if *n == (form.Notice{}) {
		return errors.New("the notice tells the source nothing")
	}
	if n.Stage != "" && form.Label(form.Stages(), n.Stage) == "" {
		return ErrStage
	}
	if d := crypto.Day(n.Until); n.Until != 0 && d < p.today {
		return fmt.Errorf("the source cannot be promised to hear more by %s: that day is past; name a day from %s on", d, p.today)
	}
	if n.Ask != "" {
		return desk.checkAsk(p, n.Ask)
	}
	return nil
}

// encodeNotice is the frame of a notice that CheckNotice takes; nil without one.
func (desk *Desk) encodeNotice(p *Plan, n *form.Notice) ([]byte, error) {
	if err := desk.CheckNotice(p, n); n == nil || err != nil {
		return nil, err
	}
	return n.Encode()
}

// ErrStage says that there is no such stage, and lists them.
var ErrStage = func() error {
	var ids []string
	for _, s := range form.Stages() {
		ids = append(ids, s.ID)
	}
	return errors.New("there is no such stage: use one of " + strings.Join(ids, ", "))
}()

// Askable are the bodies that the source can be asked about: those of the directory in
// force with somebody who reads, which do not read this case already.
func (desk *Desk) Askable(p *Plan) (list []crypto.Reader) {
	for i := range desk.dirs.Bodies {
		if b := &desk.dirs.Bodies[i]; b.Active() && !p.reads(b) {
			list = append(list, b.Reader())
		}
	}
	return list
}

func (p *Plan) reads(b *crypto.Body) bool { return slices.Contains(p.view.readers, b.Reader()) }

// checkAsk says why the source cannot be asked about a body.
func (desk *Desk) checkAsk(p *Plan, id string) error {
	b, ok := desk.dirs.Body(id)
	switch {
	case ok && p.reads(b):
		return fmt.Errorf("%s reads this case already: the source chose it", desk.bodyName(id))
	case ok && b.Active():
		return nil
	}
	var ids []string
	for _, r := range desk.Askable(p) {
		ids = append(ids, r.ID)
	}
	switch {
	case len(ids) == 0:
		return errors.New("there is no body to ask about: every one that the directory lists with a reader has this case already")
	case ok:
		return fmt.Errorf("nobody reads for %s at present; the source can be asked about: %s", desk.bodyName(id), strings.Join(ids, ", "))
	}
	return fmt.Errorf("no body %s is in the directory; the source can be asked about: %s", plain.SafeLine(id), strings.Join(ids, ", "))
}

// maxPromise bounds how many days ahead [ParseBy] takes.
const maxPromise = 3650

// ErrBy says that no day was given.
var ErrBy = fmt.Errorf("give a day like 2026-12-31, or +1 to +%d days from today", maxPromise)

// ParseBy reads the day until which a source is promised to hear more: a day like 2026-12-31,
// or +30 for so many days from today. Whether it is past, [Desk.CheckNotice] says.
func ParseBy(s string, today crypto.Day) (crypto.Day, error) {
	if days, ok := strings.CutPrefix(s, "+"); ok {
		d, err := strconv.Atoi(days)
		if err != nil || d < 1 || d > maxPromise {
			return 0, ErrBy
		}
		return today + crypto.Day(d), nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Unix() <= 0 {
		return 0, ErrBy
	}
	return crypto.DayOf(t), nil
}

// NoticeLines say in words what a notice tells the source.
func (desk *Desk) NoticeLines(n *form.Notice) (out []string) {
	if n.Stage != "" {
		out = append(out, "Stage told to the source: "+form.Label(form.Stages(), n.Stage)+".")
	}
	if n.Until != 0 {
		out = append(out, fmt.Sprintf("Promised to the source: more by %s.", crypto.Day(n.Until)))
	}
	if n.Ask != "" {
		out = append(out, fmt.Sprintf("Asked: may this case be shown to %s?", desk.bodyName(n.Ask)))
	}
	return out
}

// ConsentLine says in words what the source answered.
func (desk *Desk) ConsentLine(c Consent) string {
	say := "The source says NO: this case may not be shown to %s (signed, %s)."
	if c.Yes {
		say = "The source says YES: this case may be shown to %s (signed, %s)."
	}
	return fmt.Sprintf(say, desk.ReaderName(c.about()), c.Day)
}

// situationLines are the head of a case.
func (desk *Desk) situationLines(c *Case) (out []string) {
	s := &c.Now
	dealt := func(flag string) string {
		if len(c.Raised[flag]) == 0 {
			return " It was dealt with."
		}
		return ""
	}
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	if s.Retaliation != 0 {
		say("! RETALIATION against the source or others since the report, the source says (%s).%s", s.Retaliation, dealt(casework.FlagRetaliation))
	}
	if s.Danger != 0 {
		say("! NEW DANGER to somebody since the report, the source says (%s).%s", s.Danger, dealt(casework.FlagDanger))
	}
	if s.Withdrawn != 0 {
		say("! THE SOURCE WITHDRAWS THE REPORT (%s).%s", s.Withdrawn, dealt(casework.FlagWithdrawal))
	}
	if p := s.Stage; p != nil {
		say("Stage told to the source: %s (%s, %s).", form.Label(form.Stages(), p.Stage), desk.bodyName(p.Body), p.Day)
	}
	if p := s.Promise; p != nil {
		say("Promised to the source: more by %s (%s, %s).", crypto.Day(p.Until), desk.bodyName(p.Body), p.Day)
		if s.Overdue(desk.Clock().Today()) {
			say("! That day has passed, and the source has heard nothing more from them.")
		}
	}
	for _, p := range s.Asked {
		say("Asked, not yet answered: may this case be shown to %s? (%s, %s)", desk.bodyName(p.Ask), desk.bodyName(p.Body), p.Day)
	}
	for _, c := range s.Consents {
		out = append(out, desk.ConsentLine(c))
	}
	return out
}
