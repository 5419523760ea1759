package main

import "postern/reviewer/casework"

var cmdHold = newAction(action{
	name: "hold", kind: casework.KindHold,
	short: "put a case under legal hold, or end it",
	long: `Hold forbids that a case is erased, with --reasons, until --end, with reasons
again.`,
})

var cmdRetain = newAction(action{
	name: "retain", kind: casework.KindRetain, words: []string{"class"}, least: 1,
	short: "say how long a case is kept",
	long: `Retain puts a case into a class of retention of the settings: so many days after
closing.`,
})
