// Package tor is one tor process and the control connections to it: what the
// onion room and its private test network have in common.
//
// A [Process] is a child that cannot outlive its parent (SECURITY.md S-18). It
// gets its configuration on standard input, so that no torrc lies on a disk,
// and logs to a pipe. A [Conn] is one control connection over a unix socket,
// authenticated with tor's cookie. Use one for commands and another for
// events: an event reader that stops would otherwise block the commands.
package tor
