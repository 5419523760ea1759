// Package web serves people: the pages a source sees ([Source]) and the pages
// on which one holder fetches batches and hands in bundles ([Exchange]).
//
// Both are plain handlers for a unix socket that tor connects to. They decide
// nothing about reports: package intake does. What this package must get right
// is how forms, time and bytes look from outside.
//
// # Rules of the source's pages
//
// No cookies, no sessions, no scripts, no sub-resources (SECURITY.md S-10).
// One request is one action. GET only shows pages that are the same for
// everybody; whatever knows a code is a POST, and no secret is ever in a URL.
//
// Tickets. What one page must remember for the next is a ticket in its form:
// sealed under a key only this process holds, bound to one action and one
// onion address (ticket.go). A handler opens tickets of its own action only,
// so a ticket from a page that shows a reply cannot erase it. A report's ticket
// carries the fresh code and lives 24 hours; a form that comes back and the page
// with the code do not prolong it. An inbox's ticket carries the code that was
// entered, slides 30 minutes with each page and ends after 4 hours. A ticket
// for a reply is for that reply, not for whatever lies in its slot later.
// Expiry is judged when the first part of a form arrives, so that a slow upload
// never expires on its way.
//
// Where a form comes from is the browser's to say. One that hides it (Origin: null
// and no Sec-Fetch-Site) is believed for a ticket or a code; what seems to come from
// another site comes back to be sent from here, without the choices and the ticket
// that the other site could have put there.
//
// A report is never refused for its ticket: an unreadable or expired one gets a
// fresh code in the same request. A message from an expired inbox comes back
// with its text, and asks for the code.
//
// Languages. /fr/report is the form in French; an address without a language
// follows the browser's Accept-Language. Links and forms lead to addresses of
// the same kind, so no cookie is needed and nothing is stored. Every page that a
// source may have to read twice offers the others: pages that are the same for
// everybody by links, the rest by buttons that send the page's own form or ticket
// to /fr/again/…, which shows the same page and does nothing else (languages.go).
//
// Gateways. Who comes through a proxy between the web and onion services, which
// reads everything along, is told so instead of getting a form (SECURITY.md S-23).
//
// Received means durable (SECURITY.md S-6): the page with the code is written
// after the commit. Sending the same form again, by reload or because the
// answer was lost, stores it again under the same code and form id, and desks
// recognise the repeat. Once the code was typed back it is not shown a second
// time: the repeat is stored and answered "received already". For this the
// process remembers the random form ids typed back in the last 24 hours, at
// most 8,192 of them, in memory only. After a restart the worst that happens is
// that a form sent again shows its code again.
//
// As long as the code was not typed back, no link leads away from it, and the
// page after files that were added meanwhile leads back to it.
//
// Nothing typed is lost to an error: a form that cannot be taken comes back
// with its text, answers and ticks, as far as one page can hold them; what it
// cannot, it says: how many letters are missing and with which words it ends. Limits
// stand beside the fields, in letters of the page's language, and are counted in
// what was sent. Files cannot come back; the page says so. A form whose body is
// empty, or ends before its fields, says that nothing has arrived: Firefox sends
// that when a chosen file has vanished. A file that is too large is read to its
// end and thrown away, because browsers show an answer only after they were
// allowed to send everything. What is wrong stands in an alert with a link to
// the place, and the page's title says that there is one.
//
// Uploads are streamed part by part (SECURITY.md S-11). Fields stand before
// files in every form; the fields are committed as soon as the first file
// begins, each file on its own. Text fields that come after a file are
// ignored. All fields of a form together keep at most 192 KiB, more than any
// form of ours can hold. Parts are read by parts.go, as browsers write them: a
// file is taken whatever its name, and without one called "file". Nothing calls FormValue, ParseForm or their like: they
// would parse the body first and put files in clear into a temp folder.
//
// One size (SECURITY.md S-9). Every HTML response, errors included, is exactly
// [PageSize] bytes with the same headers in the same order; the shell around
// the router sees to it (shell.go), because gorilla/mux runs its middleware on
// matched routes only. Exceptions: the archive of a reply's files, which is
// padded by its own rule; the signed directory at /about/directory.note, which
// verifies only byte for byte, is the same for everybody and is fetched by
// nothing but a click on its link; and the short answers, below 300 bytes, that
// net/http itself gives to requests no browser sends, before anything of ours sees them:
// 400 (malformed), 417 (an Expect header other than 100-continue), 431 (more
// than 20 KiB of headers), 501 (an unknown transfer encoding) and 505 (not HTTP/1).
// They depend on that request alone.
//
// Public pages. What the operator says about the service is Markdown, made into
// HTML here, element by element, when it is loaded (pages.go, package markdown): no
// HTML of the operator's, no picture, and no link that leaves the service
// (SECURITY.md S-22). They know no code, keep no ticket and are made anew for
// each visit (public.go), so that the operator can change them under a running
// server. Whoever watches a screen sees a reason to visit that is no report.
//
// Time. Pages that depend on a code answer at the next multiple of a quantum
// (400 ms) after their request arrived, queueing included; pages that store
// something, at the next multiple after the commit. No Date header, no finer
// time in any log.
//
// Slow lines. A body has a minimum rate and no total deadline (pace.go). A door
// lets 512 connections in at once; when all places are taken, the slowest gives way
// ([Limit], door.go).
//
// Hosts. Requests for any other name than the service's own get a plain refusal of
// the one size ([OnlyFor], host.go), at the exchange too.
//
// # Rules of the exchange
//
// Reaching it is the authentication (SECURITY.md S-13): tor lets in only who
// holds the holder's key, and each holder has a socket of their own. Volumes, and the
// files of all volumes after a number, are the same for every holder, and resumable by Range: an
// address names its bytes, and is gone once a night changes them (SECURITY.md S-26).
// A form hands in several bundles, each answered for itself. Page sizes are not constant here; the
// rest (no scripts, no cookies, Content-Security-Policy, streaming) is the same.
//
// # Words
//
// Every sentence stands in package locale, one file per language: a missing or unused
// one, an empty one, other places for values or plural forms than the language
// needs fail a test. A file says which speaker of the language has read it; as
// long as nobody has, its pages say so. Templates hold structure only. The
// exchange's words are apart, in the languages of the desk.
package web
