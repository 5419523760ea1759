// Package dossier writes a case into a folder that leaves the office: as evidence, and as a
// working copy in which chosen words are masked.
//
// An evidence folder ([Write]) holds the original bytes:
//
//	case.html        the case to read and print, in one language of the desk; right to left where its words are
//	words/           the words of each message as they came: message1.txt
//	files/           files as they came, under safe names: file1-photo.jpg
//	events.log       every step of the case, signed by who made it
//	custody.txt      who opened, copied and exported what, and when
//	directory.note   the signed directory, with the keys to verify it all
//	SHA256SUMS       of all of these: sha256sum -c SHA256SUMS
//	SHA256SUMS.note  the same, with the case, signed by who made the folder
//
// [Verify] checks all that without a vault: a byte that changed, a file that is missing or was
// added, and an entry of the log that was deleted, changed or put in another place, show. What it
// cannot see is an end that was never there: who makes a folder can leave out what is newest
// in it, and nobody but another desk with the case can tell.
//
// The evidence names the case's whole id, since every event is signed with it: somebody who gets
// hold of the source's code could tell that this case is theirs. A working copy ([WriteCopy])
// says nothing of it, and is what to pass around. What is masked in it is nowhere in any of
// its bytes, however it was written: see [Masks] and SECURITY.md S-35.
//
//	case.go    what a dossier is made of
//	folder.go  files in clear under safe names, and their sums
//	write.go   the evidence; log.go, the signed log; verify.go
//	masks.go   what is to be masked; disguise.go, how it is found however it was written
//	masked.go  a case as masks leave it; copy.go, the working copy
//	page.go    case.html; locale.go, its words
package dossier
