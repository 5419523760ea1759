// Package reviewer is what a holder does on an air-gapped machine: keep the
// keys, open batches, read cases, answer, and carry answers back.
//
// A [Vault] is one directory. Nothing in it is readable without the holder's
// passphrase, and no name in it says anything:
//
//	vault.age   the key file: an age file under the passphrase (scrypt). Epoch seed,
//	            signing key, access key, and the data key of everything below
//	state       one sealed record of what is known: batches, directory, messages and
//	            the key of each. Replaced as a whole, so a change happens or it does not
//	packs/      messages, each an age file under a key of its own that only state
//	            holds; to erase a message is to overwrite it and forget its key
//	lock        one desk at a time
//
// What was imported is a set: an import adds to it, and everything that is shown
// follows from it, so the order in which batches came changes nothing
// (SECURITY.md S-30). Nothing is believed of a batch that the server did not sign (S-24).
//
// A message is kept as the container its reader opened, with frames, padding
// and signature, under a vault key instead of the month's: the month's key can
// then be destroyed ([Vault.Advance]) and the case stays readable.
//
// Text and names come from people who may wish the reader harm: they pass
// [SafeText] on their way to a terminal and [SafeName] on their way to a
// folder (SECURITY.md S-15). The package opens no connection and cannot: package
// net is not among its dependencies (S-14). Nothing is written in clear unless a
// caller names the folder for it ([Vault.Extract], [Vault.ExtractText], [Vault.ExtractCase]).
//
//	vault.go      create, open, passphrase       keys.go, state.go, pack.go
//	identity.go   card for the operator, key file for Tor Browser
//	directory.go  accept a signed directory; what changed
//	root.go       the offline root: make a key, sign, remember what was signed
//	import.go     volumes in: read, open; merge.go, what that adds
//	batches.go    what is here of what the server made, what is missing, what does not fit together
//	case.go       whose messages make a case, in which order, and who may read it
//	succession.go cases of one source who changed their code, as one
//	reply.go      answer: to whom, under which number
//	notice.go     what a reply tells the source besides words, and what the source answers
//	export.go     bundles out
//	extract.go    files, words and whole cases in clear, by name only
//	erase.go      one case; seeds of past months (advance.go)
//	backup.go     one file out, one file in
//	clock.go      what day it is on a machine that nobody sets, and which batch's day is believed
//	safe.go       hostile text and names; fold.go, rows that no terminal wraps
package reviewer
