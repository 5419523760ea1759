package pages

import (
	"cmp"
	"slices"
	"strconv"

	"postern/crypto"
	"postern/intake/form"
	"postern/reviewer"
	"postern/reviewer/casework"
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
	showMine      = "mine"
	showNobody    = "unassigned"

	sortUrgent = "urgent" // danger, then what is due, then what is unread
	sortNewest = "newest"
	sortOldest = "oldest"
)

var (
	shows = []string{showAll, showUnread, showDanger, showDue, showOpen, showWaiting, showConsent, showWithdrawn, showMine, showNobody}
	sorts = []string{sortUrgent, sortNewest, sortOldest}
)

// listing is how lists are arranged. It stays for as long as the window is open.
type listing struct {
	show, sort string
	query      string // what is searched for
	label      string // that cases must have; "": any or none
	mineDue    bool   // the due list shows one's own cases alone
}

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
	ID       string // whole
	Short    string
	Title    string
	Labels   []string
	Who      string // is to work on it
	Chosen   bool
	Badges   []badge
	First    crypto.Day
	Last     crypto.Day
	Messages int
	Files    int
	Unread   int
	Stage    string // with this body
	Topics   string
	Due      *dueLine // what comes first; nil: nothing
	Found    []place  // of what is searched for
	More     int      // places besides

	danger bool
	due    crypto.Day // 0: nothing
	near   casework.When
	id     crypto.CaseID
}

// inboxView is a page of the list.
type inboxView struct {
	Rows  []caseRow
	Total int // of all cases
	Found int // that the filter lets through
	listPages
	Shows     []choice
	Sorts     []choice
	Labels    []choice // to show only those; nil: there are none
	Holders   []choice // to assign cases to
	Bulk      bulk
	Today     *todayView
	Missing   []string
	Broken    []string
	HandIn    []string
	Strangers int
	Referred  []referredRow
	Empty     bool // there is no case at all

	Query     string
	Search    *finding // nil: nothing is searched for
	Searching bool     // the search field has the focus
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
	return p.page("inbox", "cases", p.words.Word("title.inbox"), p.listView(a))
}

func (p *Pages) listView(a *ask) inboxView {
	show := cmp.Or(p.list.show, showAll)
	v := inboxView{
		Total: len(p.all()), Empty: len(p.all()) == 0, Strangers: p.desk.Strangers(),
		Shows: p.choices("show.", show, shows...), Sorts: p.choices("sort.", p.list.sort, sorts...),
		Missing: p.desk.Missing(), Broken: p.desk.Broken(), HandIn: p.desk.HandIn(),
		Referred: p.referredRows(),
		Query:    plain.SafeLine(p.list.query), Search: p.found(),
	}
	rows := p.rowsOf(show, v.Search)
	size := perPage
	if v.Search != nil {
		size = foundPerPage
	}
	v.Found, v.listPages = len(rows), pagesOf(len(rows), size, a)
	v.Rows = rows[v.from():v.until(len(rows))]
	v.Bulk, v.Today = p.bulk, p.today(a)
	p.bulk = bulk{}
	for i := range v.Rows {
		v.Rows[i].Chosen = v.Bulk.chosen(v.Rows[i].ID)
	}
	v.Holders = []choice{{"", p.words.Word("holder.nobody"), false}}
	for _, h := range append([]string{p.desk.Holder()}, p.desk.Fellows()...) {
		v.Holders = append(v.Holders, choice{h, p.holder(h), h == v.Bulk.Holder})
	}
	if all := p.allLabels(); len(all) > 0 {
		v.Labels = []choice{{"", p.words.Word("inbox.anylabel"), p.list.label == ""}}
		for _, l := range all {
			v.Labels = append(v.Labels, choice{plain.SafeLine(l), plain.SafeLine(l), l == p.list.label})
		}
	}
	p.showPlaces(&v)
	return v
}

// arrange sets filter and order. They are a POST, since with them goes what is searched for.
func (p *Pages) arrange(a *ask) window.Reply {
	if s := a.field("show", maxID); slices.Contains(shows, s) {
		p.list.show = s
	}
	if s := a.field("sort", maxID); slices.Contains(sorts, s) {
		p.list.sort = s
	}
	p.list.label = p.labelOf(a.field("label", maxLine))
	if !slices.Contains(p.allLabels(), p.list.label) {
		p.list.label = ""
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
func (p *Pages) rows(show string) []caseRow { return p.rowsOf(show, nil) }

// rowsOf are those of them in which something was found; nil: all.
func (p *Pages) rowsOf(show string, f *finding) (rows []caseRow) {
	s, today := p.desk.Settings(), p.desk.Clock().Today()
	for i := range p.all() {
		c := &p.cases[i]
		if f != nil && f.hits[c.ID] == nil {
			continue
		}
		r := p.row(c, &s, today)
		if p.keeps(show, c, &r) && (p.list.label == "" || slices.Contains(c.Work.Labels, p.list.label)) {
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
func (p *Pages) keeps(show string, c *reviewer.Case, r *caseRow) bool {
	switch show {
	case showUnread:
		return r.Unread > 0
	case showDanger:
		return r.danger
	case showDue:
		return r.due != 0 && r.near != casework.Later
	case showOpen:
		return c.Sent+c.Waiting == 0
	case showWaiting:
		return c.Waiting > 0
	case showConsent:
		return len(c.Now.Consents) > 0
	case showWithdrawn:
		return c.Now.Withdrawn != 0
	case showMine:
		return c.Work.Assignee == p.desk.Holder()
	case showNobody:
		return c.Work.Assignee == "" && c.Work.Stage != casework.StageClosed
	}
	return true
}

// row is one case in the list.
func (p *Pages) row(c *reviewer.Case, set *casework.Settings, today crypto.Day) caseRow {
	s, w := &c.Now, p.words
	r := caseRow{
		Path: casePath(c, ""), ID: reviewer.FullID(c.ID), Short: c.Short, Title: plain.SafeLine(c.Work.Title), Stage: w.stage(c.Work.Stage), First: c.First, Last: c.Last, Files: c.Files, id: c.ID,
		Unread: p.unread(c), Messages: worded(c),
	}
	mark := func(kind, key string, values ...any) {
		r.Badges = append(r.Badges, badge{kind, w.Word(key, values...)})
	}
	up := func(flag string) bool { return len(c.Raised[flag]) > 0 }
	r.danger = up(casework.FlagDanger) || up(casework.FlagRetaliation)
	if up(casework.FlagDanger) && s.Danger != 0 {
		mark(kindDanger, "badge.danger")
	}
	if up(casework.FlagDanger) && slices.Contains(s.Urgency, urgentDanger) {
		mark(kindDanger, "badge.indanger")
	}
	if up(casework.FlagRetaliation) {
		mark(kindDanger, "badge.retaliation")
	}
	if up(casework.FlagUrgent) && slices.Contains(s.Urgency, urgentEvidence) {
		mark(kindWarn, "badge.evidence")
	}
	if up(casework.FlagWithdrawal) {
		mark(kindWarn, "badge.withdrawn")
	}
	if len(c.Book.Breaks) > 0 {
		mark(kindDanger, "badge.breaks")
	}
	if len(c.Rivals) > 0 {
		mark(kindWarn, "badge.rivals")
	}
	if up(casework.FlagChangedCode) {
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
	for _, l := range c.Work.Labels {
		r.Labels = append(r.Labels, plain.SafeLine(l))
	}
	if c.Work.Assignee != "" {
		r.Who = p.holder(c.Work.Assignee)
	}
	if len(c.Dues) > 0 {
		d := p.due(&c.Dues[0], set, today)
		r.Due, r.due, r.near = &d, d.Day, c.Dues[0].When(today, set)
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

// listPage is a page of the list of cases.
func listPage(n int) string { return "/?page=" + strconv.Itoa(n) }
