// Package pages is what the desk's window shows: a reviewer's cases, one case,
// an answer on its way, sticks to import from and export to, keys and backups.
// It makes HTML and does what forms ask for through package reviewer; the
// window's program draws, and sees nothing else (SECURITY.md S-32).
//
// A page is a function from a request to a view and a template. What changes
// something is a POST with the token of this window, and answers with the page to
// go to, so that showing a page again never does anything twice. Pages hold no
// scripts; each has one inline style, whose hash the policy names.
//
// # What others wrote
//
// Texts and names of sources are hostile. They stand on pages through [plain.SafeText]
// and html/template only, in paragraphs that each find their own direction (SECURITY.md
// S-15). Neither they nor what a reviewer searches for stands in an address or a
// title: a window keeps a history. Files are listed, with size and hash, and never shown.
//
// # Keys
//
// Every page is used without a mouse. Letters that a page knows are sent by the
// window when no field has taken them; they are the page's access keys too,
// and the page under "?" lists them.
//
// # Words
//
// Every sentence stands in locales/, complete in each language or a test fails; stages,
// questions and kinds of bodies are those of the source's pages (package locale).
//
//	pages.go    requests, the token, how a page is made
//	words.go    languages
//	text.go     hostile text in paragraphs, and which language it may be in
//	inbox.go    the list of cases
//	case.go     one case
//	book.go     what people did to it: the head, the steps between its messages
//	work.go     a form for every kind of event, made from its rules; erasing
//	bulk.go     one thing done to several cases
//	due.go      what is due, and a calendar file
//	open.go     a case without a code
//	settings.go what the body decided
//	answer.go   an answer: written, looked at as its source will see it, sealed
//	attach.go   files that go along with an answer
//	import.go   import, in steps where there is much
//	sticks.go   export, extract: which folders there are
//	handover.go cases to a fellow holder
//	takeover.go what another desk wrote for this one
//	refer.go    part of a case to another body, and what was referred here
//	masks.go    what is masked before a case is shown around: a part of pages
//	search.go   one query over all cases
//	figures.go  figures for the public, their charts, and what is written of them
//	dossier.go  a case as evidence, or as a working copy with masks; custody.go, verify.go
//	print.go    a page as a PDF: the one thing that comes from the window
//	keys.go     directory, card, key file, backup, months
//	begin.go    where there is no vault: a new one, or a backup's
//	enrol.go    the steps behind that, one after the other
//	upkeep.go   what is to be done for keys and backups; the monthly step; a check; another passphrase
//	question.go the passphrase, asked for in a process of its own; newpass.go, a new one
//	memory.go   what a window leaves for the next: what was read, drafts, language
//	help.go     letters, and the page that lists them
package pages
