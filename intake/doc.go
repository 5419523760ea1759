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
//	service.go    Service, Options, the directory in force
//	session.go    what one request of a source can do: Submit, AddFile; its one write
//	replies.go    the inbox: list, read, erase one or everything
//	change.go     another code in the place of one that somebody may have seen
//	consent.go    what a source consents to: whom else its case may be shown
//	mailbox.go    the record of a code, and of each reply that waits
//	state.go      what only the code's owner can read of it: choice, counters, what was opened
//	item.go       sealed messages on their way into the store, and the queue
//	delivery.go   bundles in, replies behind what waits
//	release.go    batches at fixed hours, cover
//	batch.go      what is kept of a batch, and its signed head
//	volume.go     a batch's files as they are fetched
//	exchange.go   the nightly exchange of entries
//	work.go       what takes several commits, and goes on after a crash
//	retention.go  what ends, and when
//	admission.go  how much comes in: quota, rates, bursts
//	turns.go      whose turn it is to run Argon2
//	zip.go        a reply's files as one padded archive; file names
//
// Package intaketest builds the world of a test.
//
// # Whose items
//
// The server keeps no list of what a source sent. The ids of their messages
// follow from a random seed in the mailbox's state, which the code's state key
// seals: a thief of disk and storage key cannot tell which items are whose, and
// the owner of the code can erase every one of them, released or not.
//
// # Replies
//
// A life of a mailbox, from its first message to "erase everything", has one reply key and
// one drop. Replies wait as records of their own, any number of them: nothing is
// overwritten, merged or refused for want of a place, and whoever hands in rubbish makes
// the list longer and nothing else. What the source opened is noted in the state; a reply that
// comes again in another seal is not news and is forgotten.
//
// Only the mailbox holds a copy that the code opens. Batches carry another, for readers. So to
// erase a reply is to forget one item, and nobody has to be told.
//
// # Another code
//
// A source who fears that their code was seen changes it ([Session.ChangeCode]). The new
// one has its own mailbox, keys and case. In one step the mailbox of the earlier one ends, its replies
// and state go to the new one, its drop points there, and a message
// tells the chosen readers, with the earlier key's signature under the new one (FORMAT.md,
// frame 5). From then on the earlier code is one that is not in use.
//
// The reply keys of the last sixteen codes go along in the state, sealed under the new code (SECURITY.md S-21),
// since readers may have sealed replies to them that did not arrive yet. The seed of own
// items, their count and the choice of bodies go along too, so that erasing everything
// reaches what earlier codes sent. A reply to an earlier key is known by its drop alone.
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
// What comes in is admitted at the rate at which batches carry it out ([Later]).
// Cover has room of its own in the store ([CoverRoom]), so that batches go out when
// reports have filled all the rest; looking and erasing need none.
package intake
