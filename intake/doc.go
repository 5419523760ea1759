// Package intake is what a source and a reviewer may do, in which order,
// within which limits. It turns form fields into sealed messages and hands
// them to the store, fills batches, takes bundles apart, and opens replies
// for the one who has the code.
//
// A known code and an unknown one take one path: [Service.Enter] derives the
// keys and reads the mailbox, or an empty one when there is none; everything
// after it is the same code, the same writes, the same answers. Nothing here
// may branch on whether a mailbox was found (SECURITY.md S-4).
//
//	service.go   Service, Options, directory, clocks
//	session.go   Enter; what one request of a source can do: Submit, AddFile, Inbox, Reply, Erase
//	mailbox.go   the record of a code: slots, sealed state, unreleased items
//	batch.go     release at fixed hours, cover, volumes
//	deliver.go   bundles in, replies into slots
//	retention.go what ends, and when
//	queue.go     Argon2 slots
package intake
