package pages

import (
	"cmp"
	"slices"
	"strconv"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/window"
)

// perPage is how many cases one page lists: WebKit shows as many in 25 to 65 ms.
const perPage = 200

// Which cases a list shows, and in which order.
const (
	showAll       = "all"
	showUnread    = "unread"
	showDanger    = "danger"
	showDue       = "due"
	showOpen      = "unanswered"
	showWaiting   = "waiting"
	showConsent   = "consent"
	showWithdrawn = "withdrawn"

	sortUrgent = "urgent" // danger, then what is due, then what is unread
	sortNewest = "newest"
	sortOldest = "oldest"
)

var (
	shows = []string{showAll, showUnread, showDanger, showDue, showOpen, showWaiting, showConsent, showWithdrawn}
	sorts = []string{sortUrgent, sortNewest, sortOldest}
)

// listing is how the list is arranged. It stays for as long as the window is open.
type listing struct{ show, sort string }

// badge is a word at a case that nobody should overlook. Kind is its class.
type badge struct{ Kind, Text string }

// Kinds of badges, and of lines at the head of a case.
const (
	kindDanger = "danger"
	kindWarn   = "warn"
	kindInfo   = "info"
)

// Options of form.QUrgency that a list puts first, and how many topics it names.
const (
	urgentDanger, urgentEvidence = "danger", "evidence"
	maxTopics                    = 3
)

// caseRow is one case in the list.
type caseRow struct {
	Path     string
	Short    string
	Badges   []badge
	First    crypto.Day
	Last     crypto.Day
	Messages int
	Files    int
	Unread   int
	Stage    string
	Topics   string
	Due      string
	Overdue  bool

	danger bool
	due    crypto.Day // 0: nothing
	id     crypto.CaseID
}

// inboxView is a page of the list.
type inboxView struct {
	Rows      []caseRow
	Total     int // of all cases
	Found     int // that the filter lets through
	Page      int
	Pages     int
	Shows     []choice
	Sorts     []choice
	Missing   []string
	Broken    []string
	HandIn    []string
	Strangers int
	Referred  []referredRow
	Empty     bool // there is no case at all
}

// Before and After are the pages beside this one; 0: none.
func (v inboxView) Before() int { return v.Page - 1 }

// After is the page behind this one.
func (v inboxView) After() int {
	if v.Page == v.Pages {
		return 0
	}
	return v.Page + 1
}

// choice is one option of a select.
type choice struct {
	ID, Label string
	On        bool
}

func (p *Pages) choices(prefix, now string, ids ...string) (out []choice) {
	for _, id := range ids {
		out = append(out, choice{id, p.words.Word(prefix + id), id == now})
	}
	return out
}

func (p *Pages) inboxRoutes() []route {
	return []route{
		{window.Get, "/", p.inbox},
		{window.Post, "/list", p.arrange},
		{window.Get, "/next", p.next},
	}
}

func (p *Pages) inbox(a *ask) window.Reply {
	show := cmp.Or(p.list.show, showAll)
	v := inboxView{
		Total: len(p.all()), Empty: len(p.all()) == 0, Strangers: p.desk.Strangers(),
		Shows: p.choices("show.", show, shows...), Sorts: p.choices("sort.", p.list.sort, sorts...),
		Missing: p.desk.Missing(), Broken: p.desk.Broken(), HandIn: p.desk.HandIn(),
		Referred: p.referredRows(),
	}
	rows := p.rows(show)
	v.Found = len(rows)
	v.Pages = max(1, (len(rows)+perPage-1)/perPage)
	v.Page, _ = strconv.Atoi(a.Query.Get("page")) // what is no number is the first page
	v.Page = min(max(v.Page, 1), v.Pages)
	v.Rows = rows[min(len(rows), (v.Page-1)*perPage):min(len(rows), v.Page*perPage)]
	return p.page("inbox", "cases", p.words.Word("title.inbox"), v)
}

// arrange sets filter and order. They are a POST, since with them goes what is searched for.
func (p *Pages) arrange(a *ask) window.Reply {
	if s := a.field("show", maxID); slices.Contains(shows, s) {
		p.list.show = s
	}
	if s := a.field("sort", maxID); slices.Contains(sorts, s) {
		p.list.sort = s
	}
	return to("/")
}

// next goes to the case to read next: the first unread one in the order of urgency.
func (p *Pages) next(*ask) window.Reply {
	rows := p.rows(showUnread)
	if len(rows) == 0 {
		p.say("next.none")
		return to("/")
	}
	return to(rows[0].Path)
}

// rows are the cases that a filter lets through, in the order chosen.
func (p *Pages) rows(show string) (rows []caseRow) {
	today := p.desk.Clock().Today()
	for i := range p.all() {
		c := &p.cases[i]
		r := p.row(c, today)
		if keeps(show, c, &r) {
			rows = append(rows, r)
		}
	}
	newest := func(a, b caseRow) int {
		return cmp.Or(cmp.Compare(b.Last, a.Last), slices.Compare(a.id[:], b.id[:]))
	}
	slices.SortStableFunc(rows, func(a, b caseRow) int {
		switch p.list.sort {
		case sortNewest:
			return newest(a, b)
		case sortOldest:
			return cmp.Or(cmp.Compare(a.First, b.First), slices.Compare(a.id[:], b.id[:]))
		}
		return cmp.Or(first(a.danger, b.danger), byDue(a.due, b.due), first(a.Unread > 0, b.Unread > 0), newest(a, b))
	})
	return rows
}

// first puts what is so before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// byDue puts the earlier day first, and none last.
func byDue(a, b crypto.Day) int {
	if a == 0 || b == 0 {
		return first(a != 0, b != 0)
	}
	return cmp.Compare(a, b)
}

// keeps says whether a filter lets a case through.
func keeps(show string, c *reviewer.Case, r *caseRow) bool {
	switch show {
	case showUnread:
		return r.Unread > 0
	case showDanger:
		return r.danger
	case showDue:
		return r.due != 0
	case showOpen:
		return c.Sent+c.Waiting == 0
	case showWaiting:
		return c.Waiting > 0
	case showConsent:
		return len(c.Now.Consents) > 0
	case showWithdrawn:
		return c.Now.Withdrawn != 0
	}
	return true
}

// row is one case in the list.
func (p *Pages) row(c *reviewer.Case, today crypto.Day) caseRow {
	s, w := &c.Now, p.words
	r := caseRow{
		Path: casePath(c, ""), Short: c.Short, First: c.First, Last: c.Last, Files: c.Files, id: c.ID,
		Unread: p.unread(c), Messages: worded(c),
	}
	mark := func(kind, key string, values ...any) {
		r.Badges = append(r.Badges, badge{kind, w.Word(key, values...)})
	}
	if s.Danger != 0 {
		r.danger = true
		mark(kindDanger, "badge.danger")
	}
	if slices.Contains(s.Urgency, urgentDanger) {
		r.danger = true
		mark(kindDanger, "badge.indanger")
	}
	if s.Retaliation != 0 {
		r.danger = true
		mark(kindDanger, "badge.retaliation")
	}
	if slices.Contains(s.Urgency, urgentEvidence) {
		mark(kindWarn, "badge.evidence")
	}
	if s.Withdrawn != 0 {
		mark(kindWarn, "badge.withdrawn")
	}
	if len(c.Rivals) > 0 {
		mark(kindWarn, "badge.rivals")
	}
	if slices.ContainsFunc(c.Messages, func(m reviewer.Message) bool { return m.Late != "" }) {
		mark(kindWarn, "badge.late")
	}
	if len(c.Changed) > 0 {
		mark(kindInfo, "badge.changed")
	}
	for _, x := range s.Consents {
		if x.Yes {
			mark(kindInfo, "badge.yes", plain.SafeLine(x.Body))
		} else {
			mark(kindInfo, "badge.no", plain.SafeLine(x.Body))
		}
	}
	if c.Waiting > 0 {
		mark(kindInfo, "badge.waiting", c.Waiting)
	}
	if r.Unread > 0 {
		mark(kindInfo, "badge.unread", r.Unread)
	}
	for i, x := range s.Topics {
		if i == maxTopics {
			r.Topics += " …"
			break
		}
		if q, _ := form.QuestionOf(form.QTopics); form.Label(q.Options, x) != "" {
			x = w.source.Word("q." + form.QTopics + "." + x)
		} else {
			x = plain.SafeLine(x)
		}
		if i == 0 {
			r.Topics = x
		} else {
			r.Topics = w.Word("list.and", r.Topics, x)
		}
	}
	if s.Stage != nil {
		r.Stage = w.stage(s.Stage.Stage)
	}
	if x := s.Promise; x != nil && !s.Kept {
		r.due, r.Due, r.Overdue = crypto.Day(x.Until), crypto.Day(x.Until).String(), s.Overdue(today)
	}
	return r
}

// worded counts the messages with words or files: neither repeats nor those that only say that the code was changed.
func worded(c *reviewer.Case) (n int) {
	for i := range c.Messages {
		if m := &c.Messages[i]; m.Kind != crypto.KindChange && m.Mark != reviewer.MarkAgain {
			n++
		}
	}
	return n
}

// unread is how many messages of others no page of this window has shown yet.
func (p *Pages) unread(c *reviewer.Case) (n int) {
	for i := range c.Messages {
		if m := &c.Messages[i]; !m.Own && m.Mark != reviewer.MarkAgain && !p.memory.seen[m.ID] {
			n++
		}
	}
	return n
}
