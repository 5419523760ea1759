// Package crypto is everything that turns words into keys and messages into
// bytes nobody but their readers can open: the source's code, the key
// schedule, sealing to readers, the container, the directory of reviewers,
// and the files that travel between server and desk, and from desk to desk.
//
// FORMAT.md beside this file fixes every byte, with vectors in
// testdata/vectors. One file is one concept:
//
//	secret.go     keys that do not print, KDF, boxes
//	code.go       nine words: generate, parse, repair; words.go, words.txt, fold.go
//	source.go     what a code derives: locator, case, reply key, state, greeting, marker
//	recipient.go  age's hybrid post-quantum recipients and identities, from 32-byte seeds
//	seal.go       one age file with a constant number of stanzas
//	frame.go      the frame codec that container, bundle and batch share
//	message.go    the container: kinds, grammar, signatures, padding
//	epoch.go      a holder's monthly keys
//	consent.go    a source's signed yes or no; succession.go, a changed code
//	signing.go    which Ed25519 keys count, and the words of one
//	card.go       what a holder gives the operator, public
//	directory.go  who may read, signed by the offline root; root.go, its key
//	batch.go      what a holder fetches, signed by the server
//	bundle.go     what a holder hands in
//	deskfile.go   what one desk gives another one
//	carried.go    text files after mail programs and editors
//
// The package reads and writes streams in constant memory, opens no file,
// never logs, and never reaches package net. Errors never carry a secret.
package crypto
