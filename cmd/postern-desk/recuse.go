package main

import "postern/reviewer/casework"

var cmdRecuse = newAction(action{
	name: "recuse", kind: casework.KindRecuse, words: []string{"holder"}, least: 1,
	short: "keep a holder away from a case",
	long: `Recuse says that a holder keeps away from a case, and why: it is not assigned to
them, and their desk writes nothing in it. --end ends it.`,
})
