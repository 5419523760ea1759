// Package window shows the desk's pages to a reviewer, without giving the
// program that draws them anything but those pages.
//
// The desk holds the keys and makes the pages; a second program,
// postern-window, draws them with WebKitGTK. A browser engine is the largest
// and most attacked piece of software on the machine, so the desk starts it in a
// box: bubblewrap with no network, no home, no sticks, no session bus and no
// file of the desk's, and a seccomp filter that refuses every socket that could
// leave the machine. The two talk over one socketpair. A
// request says what was asked for, a reply carries a page; nothing else passes,
// and no file does.
//
// A window runs on a [Handler] and returns when it is closed. Ask
// opens one for a passphrase and ends its process afterwards, so that no process
// that shows pages of strangers ever held it. The window is never opened without
// its box: what is missing is named, and the command line does everything as well.
//
//	request.go  what is asked and answered, and what of it is refused
//	link.go     the bytes on the socketpair
package window
