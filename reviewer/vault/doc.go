// Package vault keeps what an owner knows in one directory, sealed under a
// passphrase. It knows nothing of cases: what it holds are records and blobs.
//
//	vault.age   the key file: an age file under the passphrase (scrypt). It names the log,
//	            holds its key, and a secret of the owner's, like keys of their own
//	log-…       the records, as changes in the order in which they were made: sealed frames
//	            that are only appended, and folded when the vault is opened
//	packs/      blobs, each an age file under a key of its own that only a record holds
//	spare       room for the frame that erases something when the disk is full
//	lock        one program at a time
//
// No name in it says anything, and nothing is written in clear.
//
// A record is bytes under a [Kind] and a key, with the blobs it refers to. A [Change] puts
// and deletes records; [Vault.Commit] makes it one frame and one sync, so it happens or it does
// not, and costs the same whatever the vault holds. A log and not a database: the whole state is
// small enough to be read at once, a file that is only appended has one place where it
// can be torn, its end, and what is forgotten lies in one file that can be overwritten; in
// a B-tree it lies in free pages that nobody can name (SECURITY.md S-31).
//
// What a change deletes stays in the log, sealed under its key. To forget is [Vault.Forget]: the
// records that are left are written anew as a log under a fresh key, the key file is replaced,
// and the old key file and log are overwritten and removed. Whoever kept a copy of the old log has
// noise: its key was in the key file alone. A changed passphrase or secret does the same.
// It needs the passphrase, so a log with much dead weight is written anew when the vault is
// opened, where the passphrase is at hand, and never in between.
//
// The blobs of a change are written first, to packs that are no packs yet (".new"); a
// change that was committed makes them some, at once or at the next start, and what no change
// refers to is removed then. Blobs that a change lets go are named in the same frame and
// overwritten afterwards, at once or at the next start. A whole pack that nothing refers to
// is left: it may belong to a vault that was half restored. [Vault.Check] names it.
//
//	vault.go   create, open, lock          keys.go   key file, passphrase
//	frame.go   one sealed change on the disk         change.go  what a change is in bytes
//	log.go     append, fold, torn and damaged logs   record.go  records that are live
//	rekey.go   forget                                pack.go    blobs
//	check.go   what is damaged, missing or surplus   backup.go  one file out, one file in
package vault
