// Package window shows the desk's pages to a reviewer, and gives the program
// that draws them nothing but those pages.
//
// The desk holds the keys and makes the pages; a second program,
// postern-window, draws them with WebKitGTK. A browser engine is the largest
// and most attacked piece of software on the machine, so the desk starts it in a
// box: bubblewrap with no network, no home, no sticks, no session bus and no
// file of the desk's, and a seccomp filter that refuses every socket that could
// leave the machine (SECURITY.md S-32). The two talk over one socketpair. A
// request says what was asked for, a reply carries a page; nothing else passes,
// and no file does.
//
// [Run] opens a window on a [Handler] and returns when it is closed. [Ask] opens
// one for a secret and ends its process afterwards, so that no process that shows
// other pages ever held it. The window is never opened without its box: what is
// missing is named, and the command line does everything as well.
//
//	request.go  what is asked and answered, and what of it is refused
//	link.go     the bytes on the socketpair
//	run.go      a window's life; Ask
//	box.go      what the window may see of the machine
//	filter.go   which system calls it may not make
//	reader.go   the way to screen readers
//	find.go     the display and the programs, and what to install
//	namespaces.go  what to do where the system forbids the box
package window
