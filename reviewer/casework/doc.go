// Package casework is the life of a case beside its messages: stages with their
// outcomes, clocks, notes, labels, links, assignments, risk, recommendations, retention. It is
// pure: it reads no disk, no clock and no message, and knows no vault.
//
// Everything that people do to a case is an [Event]: small, dated by day, signed by
// its author, and chained to the author's event before it. A [Book] is the events of one case; [Fold]
// makes it, and what it shows does not depend on the order in which events came (SECURITY.md S-30).
// Each body has a [State] of its own: that one closes its case closes no other's.
//
// An event has an audience ([Scope]): every body that the source chose, the holders
// of one body, or this desk alone. Chains are of one audience each, so that no gap in them
// tells a reader what was written to fewer (S-29). Where a chain does not hold, the book says so
// ([Break]) and hides nothing.
//
// What a case does not allow is refused when it is written ([Book.Write]). When events of several desks
// meet, an event that was not allowed where it comes to stand is kept and shown with the reason,
// and changes nothing: so no order of events reaches a closed case without an outcome.
//
// Days are days ([crypto.Day]): clocks know no hour and no zone, so neither daylight saving nor a
// machine's place moves them. They warn; they never refuse. The body decides which run ([Settings]).
//
//	event.go     an event, its bytes, hash and signature; many in one frame
//	kinds.go     what can be said, field by field
//	book.go      events to a book: order, chains, and the next event
//	state.go     what a case is with one body
//	stage.go     stages, outcomes and the ways between them (ISO 37002:2021)
//	settings.go  what a body decides: working days, clocks, retention
//	calendar.go  months and working days; due.go, what is due; ics.go, a calendar without content
//	erase.go     whether a case may be erased, and what is left of it
package casework
