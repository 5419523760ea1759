package main

import "postern/reviewer/casework"

var cmdTake = newAction(action{
	name: "take", kind: casework.KindTake,
	short: "tell the other bodies that yours takes a case",
	long: `Take tells every body that the source chose that yours takes the case, so that
they need not do the same; --end takes it back.`,
})
