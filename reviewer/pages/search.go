package pages

import (
	"postern/crypto"
	"postern/reviewer"
	"postern/reviewer/plain"
	"postern/reviewer/search"
	"postern/reviewer/window"
)

// What one page shows of what was found. The line around it is read from the vault and verified anew, which
// takes half a millisecond: each case shows one, of its newest place.
const (
	foundPerPage = 50
	maxPlaces    = 6  // of one case
	foundWidth   = 90 // characters of a line
	maxQuery     = 1 << 10
)

// finding is what a query finds, by case.
type finding struct {
	query string
	hits  map[crypto.CaseID][]reviewer.Hit
	Cases int
	Read  int // messages that were looked through
	Of    int
	Left  int
	Done  bool // all were
}

// place is where something of a case was found.
type place struct {
	Where string
	To    string // address of the message; "": none
	Parts []search.Part
}

func (p *Pages) searchRoutes() []route {
	return []route{
		{window.Get, "/search", p.searching},
		{window.Post, "/search", p.search},
	}
}

// search takes a query. It stands in a form, since what is sent with an address stays in a window's history.
func (p *Pages) search(a *ask) window.Reply {
	if p.list.query = a.field("query", maxQuery); a.field("do", maxID) == "clear" {
		p.list.query = ""
		return to("/search")
	}
	return to("/")
}

// searching is the list with the search field at hand.
func (p *Pages) searching(a *ask) window.Reply {
	v := p.listView(a)
	v.Searching = true
	return p.page("inbox", "cases", p.words.Word("title.inbox"), v)
}

// found looks for the window's query; nil when there is none.
func (p *Pages) found() *finding {
	q := p.list.query
	if len(search.Parse(q)) == 0 {
		return nil
	}
	r := p.desk.Search(q)
	f := &finding{query: q, hits: make(map[crypto.CaseID][]reviewer.Hit), Read: r.Read, Of: r.Of, Left: r.Left, Done: r.Complete()}
	for _, h := range r.Hits {
		f.hits[h.Case] = append(f.hits[h.Case], h)
	}
	f.Cases = len(f.hits)
	return f
}

// showPlaces fills in where a query was found.
func (p *Pages) showPlaces(v *inboxView) {
	if v.Search == nil {
		return
	}
	for i := range v.Rows {
		r := &v.Rows[i]
		r.Found, r.More = p.places(r, v.Search)
	}
}

// places are where a query was found in a case, the newest messages first, then what was noted, and how many
// more there are.
func (p *Pages) places(r *caseRow, f *finding) (list []place, more int) {
	hits := f.hits[r.id]
	q := search.Parse(f.query)
	for i := range hits {
		h := &hits[len(hits)-1-i]
		if len(list) == maxPlaces {
			return list, len(hits) - i
		}
		x := place{Where: p.words.Word("found.case")}
		if h.No > 0 {
			x.Where, x.To = p.words.Word("found.message", h.No), r.Path
			if id := p.messageID(h); id != "" {
				x.To += "#m-" + id
			}
		}
		if i == 0 {
			x.Parts = search.Marked(plain.SafeLine(p.desk.Excerpt(h, f.query, foundWidth)), q)
		}
		if h.No == 0 && p.desk.FoundByID(h) {
			x.Where = p.words.Word("found.id")
		}
		list = append(list, x)
	}
	return list, 0
}

// messageID is the id of a message that was found.
func (p *Pages) messageID(h *reviewer.Hit) string {
	c, err := p.desk.Case(reviewer.FullID(h.Case))
	if err != nil || h.No > len(c.Messages) {
		return ""
	}
	return c.Messages[h.No-1].ID
}
