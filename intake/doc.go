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
//	change.go    another code in the place of one that somebody may have seen
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
// # Another code
//
// A source who fears that their code was seen changes it ([Session.ChangeCode]). The new
// one has its own mailbox, keys and case. In one step the mailbox of the earlier one ends, its slots
// and state go to the new one, their drops point there, and a message of new keys
// tells the chosen readers, with the earlier key's signature under the new one (FORMAT.md,
// frame 5). From then on the earlier code is one that is not in use.
//
// Slots keep their keys, since readers may have sealed replies to them that did not arrive
// yet. But their shares are forgotten and their seeds lie in the state, sealed under the new code
// (SECURITY.md S-21); a slot that is erased gets a key of the new code's. There is a seed for
// each slot and nothing for each code, so a code can be changed any number of times. The seed of own
// items, their count and the choice of bodies go along in the state, so that erasing everything
// reaches what earlier codes sent. A reply for such a slot is known by its drop alone, which is a hash of
// that one key: every code since may have announced it under its own case.
//
// Each later message says again what came before, until everything is erased. So a lost
// batch, or a change at a time when nobody could be told, delays the news and does not lose it;
// but a message says one change, the newest: of two made before anybody could be told the first is lost.
// A server restored from a backup of before the change has the earlier code in use again, as it has
// everything else of then.
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
