package web

import (
	"postern/crypto"
	"postern/intake"
)

// changeView shows a new code, which is not in force yet.
type changeView struct {
	Words   []string
	Problem string
	Ticket  string // to take it
	Inbox   string // to leave it
}

func (v changeView) trouble() bool { return v.Problem != "" }

// Field is where the new code is typed; it never shows what was.
func (v changeView) Field() codeField { return codeField{New: true, Problem: v.Problem != ""} }

// change shows a new code. It takes force once it was typed back: a code that
// nobody noted would lock the source out.
func (s *source) change(v *visit) answer {
	_, k, ans, done := s.enter(v, actChange)
	if done {
		return ans
	}
	k.next = crypto.NewCode()
	return s.changePage(k, "")
}

func (s *source) changePage(k ticket, problem string) answer {
	take := s.tickets.seal(actChanged, k)
	return answer{name: "change", wait: true, choice: &choice{Action: "again/change", Ticket: take}, view: changeView{
		Words: k.next.Words(), Problem: problem, Ticket: take, Inbox: s.tickets.seal(actInbox, k),
	}}
}

// changeInLanguage shows the new code in another language.
func (s *source) changeInLanguage(v *visit) answer {
	_, k, _, ans, done := s.opened(v, actChanged)
	if done {
		return ans
	}
	return s.changePage(k, "")
}

// changedView is the page after the new code took force.
type changedView struct {
	Greeting [2]string
	Inbox    string
}

// changed compares what was typed with the new code, and puts it in force.
func (s *source) changed(v *visit) answer {
	f, k, _, ans, done := s.opened(v, actChanged)
	if done {
		return ans
	}
	typed, err := crypto.ParseCode(f.code)
	switch {
	case err != nil:
		return s.changePage(k, s.codeProblem(err))
	case !means(typed, k.next):
		return s.changePage(k, s.words.Word("problem."+probOther))
	}
	x, err := s.service.Enter(v.lasting(), k.code, intake.WorkLogin)
	if err != nil {
		return s.failed(v, "changing a code", err)
	}
	defer x.Close()
	y, err := x.ChangeCode(v.lasting(), k.next)
	if err != nil {
		return s.failed(v, "changing a code", err)
	}
	defer y.Close()
	return answer{name: "changed", wait: true, view: changedView{
		y.Greeting(), s.tickets.seal(actInbox, s.tickets.visit(k.next)),
	}}
}
