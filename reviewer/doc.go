// Package reviewer is what a holder does on an air-gapped machine: keep the
// keys, open batches, read cases, answer, and carry answers back.
//
// A [Desk] is an open vault (package vault) and what it says. The vault keeps, under the
// holder's passphrase itself, the keys (epoch seed, signing key, access key, key of
// tombstones); in records what is known (batches, directory, messages and the key of
// each), small whatever was sent; and in packs the messages. A step works on the next of a
// state and is one change of the vault. What is shown is computed once and kept: a change
// computes anew the cases that it touches. What the handling of cases adds is kept by
// [Change], by rooms that the desk need not know.
//
// What was imported is a set: an import adds to it, and everything that is shown
// follows from it, so the order in which batches came changes nothing
// (SECURITY.md S-30). Nothing is believed of a batch that the server did not sign (S-24).
//
// A message is kept as the container its reader opened, with frames, padding
// and signature, under a vault key instead of the month's: the month's key can
// then be destroyed ([Desk.Advance]) and the case stays readable.
//
// Text and names come from people who may wish the reader harm: package plain makes them
// safe on their way to a terminal or a folder (SECURITY.md S-15). The package opens no
// connection and cannot: package net is not among its dependencies (S-14). Nothing is written in
// clear unless a caller names the folder for it ([Desk.Extract], [Desk.ExtractText], [Desk.Dossier], [Desk.WorkingCopy]).
//
//	desk.go       create, open, restore          keys.go, state.go, table.go
//	records.go    kinds of records; from the vault and into it
//	index.go      whose messages make a case; additions.go, what its handling added
//	identity.go   card for the operator, key file for Tor Browser
//	directory.go  accept a signed directory
//	import.go     volumes in: read, open; merge.go, what that adds
//	batches.go    what is here of what the server made, what is missing, what does not fit together
//	case.go       a case as it is shown, and who may read it
//	succession.go cases of one source who changed their code, as one
//	reply.go      answer: to whom, under which number
//	notice.go     what a reply tells the source besides words, and what the source answers
//	sticks.go     sticks, and all volumes of one in one step
//	export.go     bundles out
//	handover.go   cases to a fellow holder; takeover.go, what another desk wrote for this one
//	referral.go   part of a case to another body; referred.go, what another body referred; part.go, one message of it
//	search.go     words found in all of it, in memory only
//	extract.go    files, words and whole cases in clear, by name only; custody.go, who saw and copied what
//	figures.go    what is counted of cases, also of erased ones
//	render.go     a case as text
//	check.go      what is damaged or missing, and what brings it back
//	erase.go      one case; seeds of past months (advance.go)
//	upkeep.go     card, key file and backups that were written, and what is to be done next
//	clock.go      what day it is on a machine that nobody sets, and which batch's day is believed
//
// Beside it: vault, the sealed directory; plain, safe text and names; keeper, the ceremony
// of the root key.
package reviewer
