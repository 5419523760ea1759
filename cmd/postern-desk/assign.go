package main

import "postern/reviewer/casework"

var cmdAssign = newAction(action{
	name: "assign", kind: casework.KindAssign, words: []string{"holder"},
	short: "say who works on a case",
	long:  `Assign gives a case to a holder of your body; without one nobody has it.`,
})
