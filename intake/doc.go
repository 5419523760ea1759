// Package intake is what a source and a reviewer may do, in which order,
// within which limits. It turns form fields into sealed messages and hands
// them to the store, fills batches, takes bundles apart, and opens replies
// for the one who has the code.
//
// A known code and an unknown one take one path: [Service.Enter] derives the
// keys and reads the mailbox, or an empty one when there is none; everything
// after it is the same code, the same writes, the same answers. Nothing here
// may branch on whether a mailbox was found, but for where its one write goes
// (SECURITY.md S-4).
//
//	service.go   Service, Options, the directory in force
//	session.go   what one request of a source can do: Submit, AddFile, Inbox, Reply, Erase
//	consent.go   what a source consents to: whom else its case may be shown
//	mailbox.go   the record of a code: slots, sealed state
//	scratch.go   where a visit writes that has nothing to keep
//	item.go      sealed messages on their way into the store, and the queue
//	batch.go     release at fixed hours, cover, volumes
//	deliver.go   bundles in, replies into slots
//	retention.go what ends, and when
//	zip.go       a reply's files as one padded archive; file names
//	queue.go     Argon2 slots
//
// # Whose items
//
// The server keeps no list of what a source sent. The ids of their messages
// follow from a random seed in the mailbox's state, which the code's state key
// seals: a thief of disk and storage key cannot tell which items are whose, and
// the owner of the code can erase every one of them, released or not.
//
// # Batches under pressure
//
// A regular batch has N entries. A backlog of more than 4 N doubles N for one
// batch, 16 times at most, oldest weeks first: a flood must not hold up one
// report by weeks, and those who flood know that they do. Urgent messages that
// their hourly lane cannot carry take the place of cover in the regular one.
// Part of the store is kept for cover and for visits, so that batches go out
// and everybody can look and erase when reports have filled all the rest.
package intake
